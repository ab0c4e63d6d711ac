//! How many permits are free, and who waits for how many. Pure data; its owner brings the lock.
//!
//! Permits that come free are granted to the waiter that waits longest, once there are as many as it asks for, and are kept
//! for it: a later caller cannot take them, however few it wants. A waiter that gives up hands its grant on.

use crate::wake::{AfterUnlock, NewWaker, WaitQueue, WaitState, WaitTicket};

#[derive(Default)]
pub(super) struct SemaphoreState {
    available: usize,
    closed: bool,
    /// What each waiter asks for, and what was granted to it.
    line: WaitQueue<usize, usize>,
}

impl SemaphoreState {
    pub(super) fn new(available: usize) -> Self {
        Self { available, ..Self::default() }
    }

    /// Permits that nobody has or was promised.
    pub(super) fn available(&self) -> usize {
        self.available
    }

    pub(super) fn waiting(&self) -> usize {
        self.line.waiting()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Takes `count` permits, if they are free and no earlier caller waits.
    pub(super) fn take(&mut self, count: usize) -> bool {
        let free = count == 0 || (!self.line.has_waiting() && self.available >= count);
        if free {
            self.available -= count;
        }
        free
    }

    /// Waits for `count` permits, behind those that wait already.
    pub(super) fn join(&mut self, count: usize, waker: &mut NewWaker) -> WaitTicket {
        self.line.join(count, waker)
    }

    /// Takes the grant of `ticket`, if there is one; else the waiter waits with `waker` from now on.
    pub(super) fn redeem(&mut self, ticket: WaitTicket, waker: &mut NewWaker) -> WaitState<usize> {
        self.line.redeem(ticket, waker)
    }

    /// The waiter gives up; what was granted to it goes to the next.
    pub(super) fn leave(&mut self, ticket: WaitTicket, after: &mut AfterUnlock) {
        let (_, granted) = self.line.leave(ticket, after);
        // The waiter may have been the first and have asked for many: the next may have their turn without it.
        self.add(granted.unwrap_or(0), after);
    }

    /// Adds `count` permits, and grants what is free.
    pub(super) fn add(&mut self, count: usize, after: &mut AfterUnlock) {
        self.available = self.available.saturating_add(count);
        while let Some((first, &asks)) = self.line.first().filter(|(_, asks)| **asks <= self.available) {
            self.available -= asks;
            self.line.grant(first, |asks, _| asks, after);
        }
    }

    /// Sends all waiters away. What was granted stays granted.
    pub(super) fn close(&mut self, after: &mut AfterUnlock) {
        self.closed = true;
        self.line.dismiss(after);
    }
}

#[cfg(all(test, not(any(loom, miri))))]
#[path = "state_model.rs"]
mod model;
