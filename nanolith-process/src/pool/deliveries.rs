//! [`Deliveries`]: what was read from a child and is not handled yet, under its lock. Pure data.
//!
//! Several threads may read from a child, one after another. What they read is handled in the same
//! order, by one thread at a time, without a lock. An event that has no room at a receiver stops this:
//! all that follows waits for the event, and nothing more is read.

use super::{child::End, link::ChildEvent, state_source::BlockedEvent};
use std::collections::VecDeque;

/// What a read of the socket gave.
pub(super) struct Received {
    pub(super) events: VecDeque<ChildEvent>,
    /// Whether the child has lost its last call by this.
    pub(super) is_idle: bool,
    pub(super) end: Option<End>,
    /// Whether more may be there: not all was read, and what was read is no fault.
    pub(super) has_more: bool,
}

#[derive(Default)]
pub(super) struct Deliveries {
    queue: VecDeque<Received>,
    /// Whether a thread handles what was read, or polls `blocked`.
    is_busy: bool,
    /// The event that waits for room.
    blocked: Option<BlockedEvent>,
    /// Whether events without room are lost.
    is_lossy: bool,
}

impl Deliveries {
    /// Adds what was read. The reader is locked, so the order is that of the socket.
    pub(super) fn push(&mut self, received: Received) {
        self.queue.push_back(received);
    }

    /// Takes what is next, unless another thread handles something or an event waits. The thread then
    /// calls [`finish`](Self::finish) or [`block`](Self::block).
    pub(super) fn take(&mut self) -> Option<Received> {
        if self.is_busy || self.blocked.is_some() {
            return None;
        }
        let received = self.queue.pop_front()?;
        self.is_busy = true;
        Some(received)
    }

    pub(super) fn finish(&mut self) {
        self.is_busy = false;
    }

    /// Keeps an event that waits for room, and what follows it.
    pub(super) fn block(&mut self, rest: Received, blocked: BlockedEvent) {
        self.queue.push_front(rest);
        self.wait(blocked);
    }

    /// Takes the event that waits, to poll it. The thread then calls [`finish`](Self::finish) or
    /// [`wait`](Self::wait).
    pub(super) fn take_blocked(&mut self) -> Option<BlockedEvent> {
        let blocked = self.blocked.take();
        self.is_busy |= blocked.is_some();
        blocked
    }

    /// Keeps an event that waits still.
    pub(super) fn wait(&mut self, blocked: BlockedEvent) {
        self.blocked = Some(blocked);
        self.is_busy = false;
    }

    /// Loses the event that waits, and those that would have to wait. Returns the event, whose drop is
    /// user code.
    #[must_use = "it is dropped after the lock"]
    pub(super) fn lose_blocked(&mut self) -> Option<BlockedEvent> {
        self.is_lossy = true;
        self.blocked.take()
    }

    pub(super) fn is_lossy(&self) -> bool {
        self.is_lossy
    }

    /// Returns whether all that was read is handled.
    pub(super) fn is_done(&self) -> bool {
        !self.is_busy && self.blocked.is_none() && self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what a read gave, by its number.
    fn received(number: usize) -> Received {
        let events = (0..number).map(|_| ChildEvent::Listening).collect();
        Received { events, is_idle: false, end: None, has_more: false }
    }

    fn next(deliveries: &mut Deliveries) -> Option<usize> {
        deliveries.take().map(|received| received.events.len())
    }

    #[test]
    fn one_thread_at_a_time_handles_what_was_read() {
        let mut deliveries = Deliveries::default();
        (1..=2).for_each(|number| deliveries.push(received(number)));
        assert_eq!((next(&mut deliveries), next(&mut deliveries)), (Some(1), None));
        assert!(!deliveries.is_done());
        deliveries.finish();
        assert_eq!(next(&mut deliveries), Some(2));
        assert!(!deliveries.is_done());
        deliveries.finish();
        assert!(deliveries.is_done());
    }

    #[test]
    fn what_follows_an_event_without_room_waits() {
        let mut deliveries = Deliveries::default();
        (1..=2).for_each(|number| deliveries.push(received(number)));
        assert_eq!(next(&mut deliveries), Some(1));
        deliveries.block(received(3), Box::pin(std::future::pending()));
        assert_eq!(next(&mut deliveries), None);
        let blocked = deliveries.take_blocked().expect("it waits");
        assert_eq!(next(&mut deliveries), None, "while it is polled");
        deliveries.wait(blocked);
        assert_eq!(next(&mut deliveries), None);
        assert!(deliveries.take_blocked().is_some());
        deliveries.finish();
        assert_eq!(next(&mut deliveries), Some(3), "the rest goes first");
        deliveries.finish();
        assert_eq!(next(&mut deliveries), Some(2));
    }

    #[test]
    fn lost_event_does_not_hold_up_the_rest() {
        let mut deliveries = Deliveries::default();
        deliveries.push(received(1));
        assert!(deliveries.take().is_some() && !deliveries.is_lossy());
        deliveries.block(received(2), Box::pin(std::future::pending()));
        assert!(deliveries.lose_blocked().is_some() && deliveries.is_lossy());
        assert_eq!(next(&mut deliveries), Some(2));
    }
}
