//! Senders that wait for room, with what they want to send. The sender that waits longest and has room is served first, by the
//! caller that makes room. Pure data; the log's lock is held by the caller.

use super::{SenderId, send::SendResult, state::Chores};
use crate::wake::{NewWaker, WaitQueue, WaitState, WaitTicket};
use std::collections::{BTreeMap, BTreeSet};

/// What a sender waits to send.
pub(super) struct Blocked<T> {
    from: SenderId,
    value: T,
}

/// The line, and what became of the messages that were sent from it, until their senders ask.
pub(super) struct BlockedSenders<T> {
    queue: WaitQueue<Blocked<T>, SendResult<T>>,
    by_origin: BTreeMap<SenderId, BTreeSet<WaitTicket>>,
}

impl<T> BlockedSenders<T> {
    pub(super) fn new() -> Self {
        Self { queue: WaitQueue::default(), by_origin: BTreeMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.queue.has_waiting()
    }

    pub(super) fn len(&self) -> usize {
        self.queue.waiting()
    }

    pub(super) fn join(&mut self, from: SenderId, value: T, waker: &mut NewWaker) -> WaitTicket {
        let ticket = self.queue.join(Blocked { from, value }, waker);
        self.by_origin.entry(from).or_default().insert(ticket);
        ticket
    }

    /// The sender that waits longest.
    pub(super) fn first(&self) -> Option<(WaitTicket, SenderId)> {
        self.queue.first().map(|(ticket, blocked)| (ticket, blocked.from))
    }

    /// The sender of this origin that waits longest.
    pub(super) fn first_of(&self, from: SenderId) -> Option<WaitTicket> {
        self.by_origin.get(&from)?.first().copied()
    }

    /// Takes a sender's message out of the line, keeps what `send` makes of it for the sender, and wakes that.
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

    /// What became of the message; `None`: its sender waits with `waker` from now on.
    pub(super) fn redeem(&mut self, ticket: WaitTicket, waker: &mut NewWaker) -> Option<SendResult<T>> {
        match self.queue.redeem(ticket, waker) {
            WaitState::Granted(pushed) => Some(pushed),
            WaitState::Waiting | WaitState::Dismissed => None,
        }
    }

    /// The sender gives up: returns its message, or what became of it.
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
        if let Some(tickets) = self.by_origin.get_mut(&from) {
            tickets.remove(&ticket);
            if tickets.is_empty() {
                self.by_origin.remove(&from);
            }
        }
    }
}
