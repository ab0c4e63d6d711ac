//! The room of a [`BoundedQueue`] for calls from outside, which no task of the executor submitted:
//! its bounds, the executor's free slots, and the waiters for room.

use super::BoundedQueue;
use crate::wake::{AfterUnlock, NewWaker, WaitState, WaitTicket, WakeList};
use std::task::Waker;

/// The bounds of a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The maximum number of queued calls from outside, beyond those that the executor's free slots
    /// will run.
    pub(crate) queued: usize,
    /// The maximum number of calls from outside that are queued, running or suspended.
    pub(crate) in_flight: usize,
}

/// Bounds below this number are kept exactly, because one call more or less shows.
pub(super) const EXACT: usize = 128;

impl<T> BoundedQueue<T> {
    /// Returns whether a call may come in without waiting for room.
    pub(crate) fn has_room(&self) -> bool {
        self.free() > 0 && !self.line.has_waiting()
    }

    /// Returns the queue room for calls from outside that is neither used nor granted, without the
    /// room of free slots.
    pub(crate) fn places(&self) -> usize {
        if self.line.has_waiting() { 0 } else { self.free_with(0) }
    }

    /// Changes the bounds. Grants the room that this frees.
    pub(crate) fn set_bounds(&mut self, bounds: Limits) -> WakeList {
        self.bounds = bounds;
        self.grant()
    }

    /// Sets how many slots of the executor run no task. Grants the room that this frees.
    pub(crate) fn set_free_slots(&mut self, slots: usize) -> WakeList {
        let grows = slots > self.free_slots;
        self.note_free_slots(slots);
        if grows { self.grant() } else { WakeList::default() }
    }

    /// Like [`BoundedQueue::set_free_slots`], but grants no room before a call begins or ends.
    pub(crate) fn note_free_slots(&mut self, slots: usize) {
        self.free_slots = slots;
    }

    pub(crate) fn free_slots(&self) -> usize {
        self.free_slots
    }

    /// Returns whether every call and every free slot must be counted exactly.
    ///
    /// That holds if calls in flight are bounded, or if the bound is so small that one call more or
    /// less shows. A thread that takes from the ring counts as running a task, also between two
    /// tasks.
    pub(crate) fn is_exact(&self) -> bool {
        self.bounds.in_flight < usize::MAX || self.bounds.queued < self.exact_below
    }

    /// Adds a waiter for room, behind those that already wait.
    pub(crate) fn wait_for_room(&mut self, waker: &mut NewWaker) -> WaitTicket {
        self.line.join((), waker)
    }

    /// Returns whether room is kept for the waiter with this ticket.
    pub(crate) fn is_granted(&self, ticket: WaitTicket) -> bool {
        self.line.is_granted(ticket)
    }

    /// Returns whether the waiter with this ticket may come in now.
    pub(crate) fn redeem(&mut self, ticket: WaitTicket, waker: &mut NewWaker) -> bool {
        self.line.redeem(ticket, waker) == WaitState::Granted(())
    }

    /// Like [`BoundedQueue::redeem`], for a waiter whose waker may be stored already. Returns
    /// `None` if another waker is stored.
    pub(crate) fn redeem_known(&mut self, ticket: WaitTicket, waker: &Waker) -> Option<bool> {
        self.line.redeem_known(ticket, waker).map(|state| state == WaitState::Granted(()))
    }

    /// Removes the waiter with this ticket; its waker goes into `after`.
    pub(crate) fn cancel_wait(&mut self, ticket: WaitTicket, after: &mut AfterUnlock) -> WakeList {
        self.line.leave(ticket, after);
        self.grant()
    }

    /// Dismisses all waiters for room, because the queue was closed.
    pub(crate) fn wake_all_waiting(&mut self) -> WakeList {
        let mut after: AfterUnlock = AfterUnlock::default();
        self.line.dismiss(&mut after);
        self.line.revoke_grants().for_each(drop);
        after.take_wakes()
    }

    /// Returns the number of waiters for queue room, and the number of waiters that have a grant.
    pub(crate) fn waiting_len(&self) -> (usize, usize) {
        (self.line.waiting(), self.line.granted())
    }

    /// Grants room again that a waiter did not use.
    pub(crate) fn regrant(&mut self) -> WakeList {
        self.grant()
    }

    pub(super) fn grant(&mut self) -> WakeList {
        if !self.line.has_waiting() {
            return WakeList::default();
        }
        let (free, mut after): (usize, AfterUnlock) = (self.free(), AfterUnlock::default());
        self.line.grant_first(free, &mut after);
        after.take_wakes()
    }

    /// Returns the queue room that is neither used nor granted. A call that a free slot will run
    /// does not count against the bound.
    fn free(&self) -> usize {
        self.free_with(self.slots_for_outside())
    }

    fn free_with(&self, slots: usize) -> usize {
        let queued = self.bounds.queued.saturating_add(slots).saturating_sub(self.queued.outside);
        let in_flight = self.bounds.in_flight.saturating_sub(self.in_flight.outside);
        queued.min(in_flight).saturating_sub(self.line.granted())
    }

    /// Returns the number of free slots that no call from inside will take.
    fn slots_for_outside(&self) -> usize {
        let inside = (self.queued.inside + self.resumed).saturating_sub(self.rules.overtaken());
        self.free_slots.saturating_sub(inside)
    }
}
