//! A runner at the inbox: plain calls come and go without the lock.

use super::{core::Work, inner::Inner, runner::run_call};
use crate::{
    clock,
    host::{Host, Runnable},
    park,
    queue::Wakes,
};
use std::sync::{Arc, atomic::Ordering};

/// How often a runner sees to what others rest on: figures, and whether one more is wanted.
const ROUND: u64 = 32;

/// So many calls in the inbox are worth a look whether one more runner helps.
const BACKLOG: usize = 128;

/// A task that takes longer is not tiny. Nanoseconds.
const LONG: u64 = 100_000;

impl Inner {
    /// Takes from the inbox until it is empty for a while, until something waits in the lanes, or until it is shut.
    pub(super) fn serve(&self, host: &Arc<dyn Host>) {
        let mut done = 0;
        let mut began = clock::now();
        while !self.hint.is_for_lanes() {
            match self.inbox.pop() {
                Some(Work::Call(call)) => {
                    if !call.claim() {
                        self.settle(&*call);
                        continue;
                    }
                    run_call(call, host, began);
                    done += 1;
                    let now = clock::now();
                    let took = now - began;
                    began = now;
                    if took > LONG {
                        self.was_long(took);
                        break;
                    }
                    if done % ROUND == 0 {
                        self.look_around(took);
                    }
                }
                Some(Work::Resume(_)) | None => {
                    self.count_served(done % ROUND);
                    done = 0;
                    if self.hint.is_waiting() || !self.wait_at_inbox() {
                        break;
                    }
                    began = clock::now();
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

    fn look_around(&self, took: u64) {
        self.count_served(ROUND);
        let backlog = self.inbox.len() > BACKLOG;
        if let Ok(mut core) = self.core.try_lock() {
            core.pace.note(took);
            if backlog {
                self.release(core, Wakes::default());
            }
        }
    }

    /// A task was not tiny: what comes next goes by the lanes.
    fn was_long(&self, took: u64) {
        let mut core = self.lock();
        core.pace.note(took);
        core.front.shut();
        self.release(core, Wakes::default());
    }
}
