//! A runner at the inbox: plain calls come and go without the lock.

use super::{core::Work, inner::Inner};
use crate::{clock, host::Runnable, panics, park, place, pulse::Pulse, queue::Wakes};
use std::sync::atomic::Ordering;

/// How often a runner sees to what others rest on: figures, and whether one more is wanted.
const ROUND: u64 = 32;

/// How often it looks at the clock.
const GRAIN: u64 = 8;

/// Tells more of the pace than the next look would. Nanoseconds.
const LONG: u64 = 20_000;

/// So many calls in the inbox are worth a look whether one more runner helps.
const BACKLOG: usize = 128;

impl Inner {
    /// Takes from the inbox until it is empty for a while, until something waits in the lanes, or until it is shut.
    pub(super) fn serve(&self) {
        let _pulse = Pulse::begin();
        let mut done = 0;
        let (mut began, mut on_top) = (clock::now(), place::ran_on_top());
        while !self.hint.is_for_lanes() {
            match self.inbox.pop() {
                Some(Work::Call(call)) => {
                    // What the call's destructors throw stays here.
                    if let Ok(Err(claimed)) = panics::catch(|| call.try_run(began)) {
                        if !claimed.was_overtaken() {
                            self.settle(&*claimed);
                            continue;
                        }
                    }
                    done += 1;
                    if done % ROUND == 0 {
                        self.count_served(ROUND);
                    }
                    if done % GRAIN == 0 {
                        let now = clock::now();
                        clock::tell(now);
                        let took = (now - began) / (GRAIN + place::ran_on_top() - on_top);
                        (began, on_top) = (now, place::ran_on_top());
                        if (done % ROUND == 0 || took > LONG) && !self.look_around(took) {
                            break;
                        }
                    }
                }
                Some(Work::Resume(_)) | None => {
                    self.count_served(done % ROUND);
                    done = 0;
                    if self.hint.is_waiting() {
                        self.release(self.lock(), Wakes::default()); // the lane goes on to the inbox
                        if !self.inbox.has_next() {
                            break;
                        }
                    } else if !self.wait_at_inbox() {
                        break;
                    }
                    (began, on_top) = (clock::now(), place::ran_on_top());
                    clock::tell(began);
                }
            }
        }
        self.count_served(done % ROUND);
    }

    /// Waits a moment for a call. Says whether there is one.
    fn wait_at_inbox(&self) -> bool {
        park::look_on(park::LINGER, || self.inbox.has_next() || self.hint.is_waiting() || !self.inbox.is_in_use());
        self.inbox.has_next()
    }

    /// A call came out of the inbox that somebody else had claimed.
    fn settle(&self, call: &dyn Runnable) {
        let mut core = self.lock();
        core.front.settle(call);
        self.release(core, Wakes::default());
    }

    fn count_served(&self, calls: u64) {
        if calls > 0 {
            // ORDERING: Relaxed, a figure.
            self.served.fetch_add(calls, Ordering::Relaxed);
        }
    }

    /// Tells how long tasks take, and asks for one more runner where that helps. Says whether to go on.
    fn look_around(&self, took: u64) -> bool {
        let mut core = self.lock();
        core.pace.note(took);
        let tiny = core.pace.is_tiny();
        if !tiny {
            core.front.shut();
        }
        let enough = core.front.queue.serving() == 1 || core.pace.spreads();
        if !tiny || self.inbox.len() > BACKLOG {
            self.release(core, Wakes::default());
        }
        tiny && enough
    }
}
