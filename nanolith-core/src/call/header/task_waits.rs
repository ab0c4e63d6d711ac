//! What the task of a call waits for. The deadlock check reads it. A raise of the call (it becomes
//! more urgent) reads it too, to raise the awaited call.

use super::{Extra, Header, lock};
use crate::{call::wait_graph::WaitTarget, wake::WaiterSet};
use std::sync::atomic::Ordering;

impl Header {
    /// Stores the wait for which the task blocks a thread. Returns the wait stored before.
    pub(crate) fn set_blocked(&self, wait: Option<WaitTarget>) -> Option<WaitTarget> {
        std::mem::replace(&mut *lock(&self.seldom().blocked), wait)
    }

    pub(crate) fn blocked(&self) -> Option<WaitTarget> {
        lock(&self.known_seldom()?.blocked).clone()
    }

    // ORDERING of `waits`, `looked_at`, `is_probed` and `reported`: Relaxed. Polls of the future
    // write the first, checks write the others. A check that reads too early reads again at its
    // next look.

    /// Counts a pending wait of the call's future. Returns whether this poll is a probe, which
    /// finds out the awaited call.
    pub(crate) fn count_wait(&self) -> bool {
        let cold = self.cold();
        if cold.is_probed.load(Ordering::Relaxed) {
            return true;
        }
        cold.waits.store(cold.waits.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        false
    }

    /// Returns how many waits have been pending so far. A probe does not count.
    pub(crate) fn waits(&self) -> u64 {
        self.cold.get().map_or(0, |cold| cold.waits.load(Ordering::Relaxed))
    }

    /// Returns how many waits had been pending at the last check.
    pub(crate) fn looked_at(&self) -> u64 {
        self.cold.get().map_or(0, |cold| cold.looked_at.load(Ordering::Relaxed))
    }

    /// Stores how many waits have been pending as of this check.
    pub(crate) fn look_at(&self, waits: u64) {
        self.cold().looked_at.store(waits, Ordering::Relaxed);
    }

    /// Has the future polled as a probe, which finds out what the future waits for.
    pub(crate) fn start_probe(&self) {
        self.cold().is_probed.store(true, Ordering::Relaxed);
        self.cold().stop.with(WaiterSet::notify_all);
    }

    #[inline]
    pub(crate) fn is_probed(&self) -> bool {
        self.cold.get().is_some_and(|cold| cold.is_probed.load(Ordering::Relaxed))
    }

    pub(crate) fn end_probe(&self) {
        self.cold().is_probed.store(false, Ordering::Relaxed);
    }

    /// Records a report of the call as part of this suspected cycle. Returns whether the call was
    /// reported in it before.
    pub(crate) fn report(&self, cycle: u64) -> bool {
        self.seldom().reported.swap(cycle, Ordering::Relaxed) == cycle
    }

    // ORDERING of `waits` and `has_blocked`, for a raise: Relaxed. Both are written before the wait
    // is registered, under the lock of `stop`, and the priority is read after that. A raise writes
    // the priority before it takes the lock to read them.

    /// Returns whether the task may wait for a call that must become as urgent as the task.
    pub(crate) fn passes_raise_on(&self) -> bool {
        let has_waited =
            |cold: &Extra| cold.waits.load(Ordering::Relaxed) > 0 || cold.has_blocked.load(Ordering::Relaxed);
        !self.task.get().is_async() || self.cold.get().is_some_and(has_waited)
    }

    /// Records that the task is about to block a thread.
    pub(crate) fn mark_blocking(&self) {
        if self.task.get().is_async() {
            self.cold().has_blocked.store(true, Ordering::Relaxed);
        }
    }
}
