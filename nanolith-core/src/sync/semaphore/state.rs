//! [`SemaphoreState`]: the counts and the waiters of a semaphore. Pure data; the lock is in
//! `Semaphore`.
//!
//! Permits that come free are granted to the waiter that waits longest, once there are enough for
//! it. The grant is kept for that waiter: a later caller cannot take it, even if it asks for fewer.
//! A waiter that gives up hands its grant on.

use crate::wake::{AfterUnlock, NewWaker, WaitQueue, WaitState, WaitTicket};

#[derive(Default)]
pub(super) struct SemaphoreState {
    available: usize,
    closed: bool,
    /// The number of permits that each waiter asks for, and the number that was granted to it.
    line: WaitQueue<usize, usize>,
}

impl SemaphoreState {
    pub(super) fn new(available: usize) -> Self {
        Self { available, ..Self::default() }
    }

    /// Returns the number of permits that are neither taken nor granted to a waiter.
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

    /// Takes the grant of `ticket`, if there is one. Otherwise the waiter waits with `waker` from
    /// now on.
    pub(super) fn redeem(&mut self, ticket: WaitTicket, waker: &mut NewWaker) -> WaitState<usize> {
        self.line.redeem(ticket, waker)
    }

    /// Removes a waiter that gives up. Its grant goes to the next waiter.
    pub(super) fn leave(&mut self, ticket: WaitTicket, after: &mut AfterUnlock) {
        let (_, granted) = self.line.leave(ticket, after);
        // The waiter may have been the first and may have asked for many permits. Without it, the
        // next waiters may have their turn.
        self.add(granted.unwrap_or(0), after);
    }

    /// Adds `count` permits, and grants the free permits to waiters.
    pub(super) fn add(&mut self, count: usize, after: &mut AfterUnlock) {
        self.available = self.available.saturating_add(count);
        while let Some((first, &asks)) = self.line.first().filter(|(_, asks)| **asks <= self.available) {
            self.available -= asks;
            self.line.grant(first, |asks, _| asks, after);
        }
    }

    /// Dismisses all waiters. Grants stay granted.
    pub(super) fn close(&mut self, after: &mut AfterUnlock) {
        self.closed = true;
        self.line.dismiss(after);
    }
}

#[cfg(all(test, not(any(loom, miri))))]
#[path = "state_model.rs"]
mod model;
