//! A runner at the inbox: plain calls come and go without the lock.

use crate::pool::{pool_shared::Inner, pool_state::Work};
use crate::{
    call::backend::{Ran, Runnable},
    context::thread_context,
    metrics::Tally,
    park::parker,
    time::{clock, coarse::Pulse},
    util::unwind,
    wake::WakeList,
};
use std::{cell::Cell, sync::atomic::Ordering};

/// How often a runner sees to what others rest on: figures, and whether one more is wanted.
const ROUND: u64 = 32;

/// How often it looks at the clock.
const GRAIN: u64 = 8;

/// Tells more of the pace than the next look would. Nanoseconds.
const LONG: u64 = 20_000;

/// One who has looked so often for a call is idle.
const IDLE: u32 = 16;

/// So many calls in the inbox are worth a look whether one more runner helps.
const BACKLOG: usize = 128;

/// What a runner has done at the inbox, as far as nobody has been told.
struct Done {
    calls: u64,
    /// When the last grain of calls began, and how many this thread had run on top of others by then.
    began: u64,
    /// Since when calls were seen by the tally.
    seen_from: u64,
    on_top: u64,
}

impl Done {
    fn now() -> Self {
        let began = clock::now();
        Self { calls: 0, began, seen_from: began, on_top: thread_context::ran_on_top() }
    }
}

impl Inner {
    /// Takes from the inbox until it is empty for a while, until something waits in the lanes, or until it is shut.
    pub(in crate::pool) fn serve(&self, tally: &mut Tally) {
        let _pulse = Pulse::begin();
        let mut done = Done::now();
        // What a call's destructors throw stays here.
        while unwind::catch(|| self.serve_on(&mut done, tally)).is_err() {}
        self.count_served(done.calls % ROUND);
        if tally.is_on() {
            tally.end_grain(done.seen_from, clock::now());
        }
    }

    fn serve_on(&self, done: &mut Done, tally: &mut Tally) {
        while !self.hint.is_for_lanes() {
            match self.inbox.pop() {
                Some(Work::Call(call)) => {
                    if tally.is_on() {
                        tally.see(call.meta().task(), || call.meta().submitted_at());
                    }
                    match call.try_run(done.began.max(clock::recent())) {
                        Err(claimed) if !claimed.was_overtaken() => {
                            tally.unsee();
                            self.settle(&*claimed);
                        }
                        Ok(Ran::Skipped) => tally.unsee(),
                        ran => {
                            if ran.is_err() {
                                tally.unsee();
                                self.rules.uncount_overtaken();
                            }
                            done.calls += 1;
                            if done.calls % GRAIN == 0 && !self.end_grain(done, tally) {
                                break;
                            }
                        }
                    }
                }
                Some(Work::Rest(_)) | None => {
                    self.count_served(done.calls % ROUND);
                    done.calls = 0;
                    if tally.is_on() {
                        tally.end_grain(done.seen_from, clock::now());
                    }
                    if self.hint.is_waiting() {
                        self.release(self.lock(), WakeList::default()); // the lane goes on to the inbox
                        if !self.inbox.has_next() {
                            break;
                        }
                    } else if !self.wait_at_inbox() {
                        break;
                    }
                    *done = Done::now();
                    clock::tell(done.began);
                }
            }
        }
    }

    /// Looks at the clock after a grain of calls, and around after a round of them. Says whether to go on.
    fn end_grain(&self, done: &mut Done, tally: &mut Tally) -> bool {
        let (now, on_top) = (clock::now(), thread_context::ran_on_top());
        clock::tell(now);
        let took = (now - done.began) / (GRAIN + on_top - done.on_top);
        (done.began, done.on_top) = (now, on_top);
        let round = done.calls % ROUND == 0;
        if tally.is_on() && (round || took > LONG) {
            tally.end_grain(done.seen_from, now);
            done.seen_from = now;
        }
        if round {
            self.count_served(ROUND);
        }
        !(round || took > LONG) || self.look_around(took)
    }

    /// Waits a moment for a call. Says whether there is one.
    fn wait_at_inbox(&self) -> bool {
        let looks = Cell::new(0_u32);
        parker::look_on(self.config.spin, || {
            looks.set(looks.get() + 1);
            if looks.get() == IDLE {
                // ORDERING: Relaxed, and so below: a figure.
                self.resting.fetch_add(1, Ordering::Relaxed);
            }
            self.inbox.has_next() || self.hint.is_waiting() || !self.inbox.is_in_use()
        });
        if looks.get() >= IDLE {
            self.resting.fetch_sub(1, Ordering::Relaxed);
        }
        self.inbox.has_next()
    }

    /// A call came out of the inbox that somebody else had claimed.
    fn settle(&self, call: &dyn Runnable) {
        let mut core = self.lock();
        core.front.settle(call);
        self.release(core, WakeList::default());
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
            self.release(core, WakeList::default());
        }
        tiny && enough
    }
}
