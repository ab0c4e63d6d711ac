//! [`BlockedSenders`]: the senders of a broadcast log that wait for capacity, each with its
//! message.
//!
//! The caller that frees capacity serves the sender that has capacity and has waited longest. Pure
//! data: the caller holds the log's lock.

use super::{SenderId, send::SendResult, state::Chores};
use crate::{
    util::ordered_map::OrderedMap,
    wake::{NewWaker, WaitQueue, WaitState, WaitTicket},
};

/// The message that a blocked sender waits to send.
pub(super) struct Blocked<T> {
    from: SenderId,
    pub(super) value: T,
}

/// The line of blocked senders, and the results of served sends until their senders collect them.
pub(super) struct BlockedSenders<T> {
    queue: WaitQueue<Blocked<T>, SendResult<T>>,
    by_origin: OrderedMap<SenderId, OrderedMap<WaitTicket, ()>>,
}

impl<T> BlockedSenders<T> {
    pub(super) fn new() -> Self {
        Self { queue: WaitQueue::default(), by_origin: OrderedMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.queue.has_waiting()
    }

    pub(super) fn len(&self) -> usize {
        self.queue.waiting()
    }

    pub(super) fn join(&mut self, from: SenderId, value: T, waker: &mut NewWaker) -> WaitTicket {
        let ticket = self.queue.join(Blocked { from, value }, waker);
        self.by_origin.get_or_insert_with(from, Default::default).insert(ticket, ());
        ticket
    }

    /// Returns the sender that has waited longest.
    pub(super) fn first(&self) -> Option<(WaitTicket, SenderId)> {
        self.queue.first().map(|(ticket, blocked)| (ticket, blocked.from))
    }

    /// Returns the sender with identity `from` that has waited longest.
    pub(super) fn first_of(&self, from: SenderId) -> Option<WaitTicket> {
        self.by_origin.get(from)?.first().map(|(ticket, ())| ticket)
    }

    /// Takes a sender's message out of the line and passes it to `send`. Keeps the result for the
    /// sender, and wakes the sender.
    pub(super) fn serve(
        &mut self,
        ticket: WaitTicket,
        send: impl FnOnce(SenderId, T, &mut Chores<T>) -> SendResult<T>,
        chores: &mut Chores<T>,
    ) {
        let mut origin = None;
        let send = |Blocked { from, value }, chores: &mut _| {
            origin = Some(from);
            send(from, value, chores)
        };
        self.queue.grant(ticket, send, chores);
        origin.into_iter().for_each(|from| self.forget(from, ticket));
    }

    /// Takes the result of a served send. `None` means that the sender still waits, with `waker`
    /// from now on.
    pub(super) fn redeem(&mut self, ticket: WaitTicket, waker: &mut NewWaker) -> Option<SendResult<T>> {
        match self.queue.redeem(ticket, waker) {
            WaitState::Granted(pushed) => Some(pushed),
            WaitState::Waiting | WaitState::Dismissed => None,
        }
    }

    /// Removes a sender that gives up. Returns its message, or the result of its send.
    pub(super) fn leave(
        &mut self,
        ticket: WaitTicket,
        chores: &mut Chores<T>,
    ) -> (Option<Blocked<T>>, Option<SendResult<T>>) {
        let left = self.queue.leave(ticket, chores);
        left.0.iter().for_each(|blocked| self.forget(blocked.from, ticket));
        left
    }

    fn forget(&mut self, from: SenderId, ticket: WaitTicket) {
        if let Some(tickets) = self.by_origin.get_mut(from) {
            tickets.remove(ticket);
            if tickets.is_empty() {
                self.by_origin.remove(from);
            }
        }
    }
}
