//! [`DirectionState`]: one direction of a port pair as plain data: its messages, its waiters, and
//! which sides have closed.
//!
//! The lock is in `channel.rs`. Wake-ups are collected in an [`AfterUnlock`] and happen after the
//! lock's release.
//!
//! A new message wakes one plain receiver. If that receiver leaves without the message, the next
//! receiver is woken. A new message wakes every observer. Observers are the `wait_for` futures,
//! whose predicates must see every message, and the port as a stream, which the user may leave
//! unpolled.
//!
//! A message moves from `line` (its sender waits for queue capacity) to `queue` (within the bound)
//! to the receiver. Messages that `wait_for` passed over count as received. They are in `kept`,
//! which is received before the queue and does not count against the bound. When a message moves,
//! the messages behind it move up under the same lock. So the line is empty while the queue has
//! capacity.

use super::error::TrySendError;
use crate::wake::{AfterUnlock, NewWaker, WaitQueue, WaitState, WaitTicket, WaiterSet};
use std::{collections::VecDeque, mem};

/// The number of a message, counted in the order in which messages are received.
pub(super) type Sequence = u64;

pub(super) type Numbered<T> = VecDeque<(Sequence, T)>;

pub(crate) struct DirectionState<T> {
    /// The most messages that the queue holds. `None` means no bound.
    bound: Option<usize>,
    kept: Numbered<T>,
    queue: VecDeque<T>,
    /// The blocked senders: each waits for queue capacity, or for a receiver to take its message.
    /// When the receiver closes, the messages stay here until their senders take them back.
    line: WaitQueue<T, Option<T>>,
    /// The waiters that take the next message, whatever its content.
    pub(super) receivers: WaiterSet,
    /// The waiters that must see each message.
    pub(super) observers: WaiterSet,
    /// The waiters for the sender's close.
    pub(super) closers: WaiterSet,
    received: Sequence,
    /// An observer inspects messages that it took out of `kept`. Other receives wait meanwhile,
    /// because they would get later messages.
    judging: bool,
    /// Another observer was refused while `judging` was set. It is notified when the inspection
    /// ends.
    is_observer_refused: bool,
    sender_gone: bool,
    receiver_gone: bool,
}

/// The state of a message whose sender was blocked.
pub(super) enum BlockedSendState<T> {
    Waits,
    Went,
    /// The receiver has closed. This is the message.
    Back(T),
}

impl<T> DirectionState<T> {
    pub(super) fn new(bound: Option<usize>) -> Self {
        Self {
            bound,
            kept: VecDeque::new(),
            queue: VecDeque::new(),
            line: WaitQueue::default(),
            receivers: WaiterSet::new(),
            observers: WaiterSet::new(),
            closers: WaiterSet::new(),
            received: 0,
            judging: false,
            is_observer_refused: false,
            sender_gone: false,
            receiver_gone: false,
        }
    }

    /// Notifies the waiters of one more message.
    fn notify_message(&mut self, after: &mut AfterUnlock) {
        self.receivers.notify_one(after);
        self.observers.notify_all(after);
    }

    /// Notifies all waiters for messages.
    fn notify_receivers(&mut self, after: &mut AfterUnlock) {
        self.receivers.notify_all(after);
        self.observers.notify_all(after);
    }

    // ----- the sender's side

    /// Puts a message into the queue if the queue has capacity.
    ///
    /// With `to_waiting` and a bound of zero, each waiting receiver counts as capacity for one
    /// message.
    pub(super) fn try_send(
        &mut self,
        message: T,
        to_waiting: bool,
        after: &mut AfterUnlock,
    ) -> Result<(), TrySendError<T>> {
        if self.receiver_gone {
            return Err(TrySendError::Closed(message));
        }
        let handed = to_waiting && self.bound == Some(0);
        let room = if handed { Some(self.receivers.len() + self.observers.len()) } else { self.bound };
        if self.line.has_waiting() || room.is_some_and(|room| self.queue.len() >= room) {
            return Err(TrySendError::Full(message));
        }
        self.queue.push_back(message);
        self.notify_message(after);
        Ok(())
    }

    /// Adds a message to the line of blocked senders. `try_send` found no capacity for it under the
    /// same lock.
    pub(super) fn join(&mut self, message: T, waker: &mut NewWaker, after: &mut AfterUnlock) -> WaitTicket {
        let ticket = self.line.join(message, waker);
        // With a bound of zero, a receiver takes the message out of the line.
        self.notify_message(after);
        ticket
    }

    /// Returns the state of a blocked sender's message. If the sender still waits, `waker` replaces
    /// its waker.
    pub(super) fn in_line(&mut self, ticket: WaitTicket, waker: &mut NewWaker) -> BlockedSendState<T> {
        match self.line.redeem(ticket, waker) {
            WaitState::Waiting => BlockedSendState::Waits,
            WaitState::Granted(Some(message)) => BlockedSendState::Back(message),
            WaitState::Granted(None) | WaitState::Dismissed => BlockedSendState::Went,
        }
    }

    /// Takes a message out of the line of blocked senders, if it is still there.
    pub(super) fn leave_line(&mut self, ticket: WaitTicket, after: &mut AfterUnlock) -> Option<T> {
        let (waiting, granted) = self.line.leave(ticket, after);
        waiting.or_else(|| granted.flatten())
    }

    /// Closes the sender. Messages in the queue and in the line can still be received.
    pub(super) fn close_sender(&mut self, after: &mut AfterUnlock) {
        self.sender_gone = true;
        self.notify_receivers(after);
        self.closers.notify_all(after);
    }

    pub(super) fn is_sender_gone(&self) -> bool {
        self.sender_gone
    }

    // ----- the receiver's side

    /// Takes the next message. If a blocked sender's message moves up in its place, that sender is
    /// woken.
    pub(super) fn take(&mut self, after: &mut AfterUnlock) -> Option<T> {
        if self.judging || self.receiver_gone {
            return None;
        }
        match self.kept.pop_front() {
            Some((_, message)) => Some(message),
            None => self.take_new(after),
        }
    }

    fn take_new(&mut self, after: &mut AfterUnlock) -> Option<T> {
        let Some(message) = self.queue.pop_front() else {
            let message = self.leave_front(after)?;
            self.received += 1;
            return Some(message);
        };
        self.received += 1;
        if self.bound.is_none_or(|bound| self.queue.len() < bound) {
            let next = self.leave_front(after);
            self.queue.extend(next);
        }
        Some(message)
    }

    /// Takes the first message out of the line and completes its sender.
    fn leave_front(&mut self, after: &mut AfterUnlock) -> Option<T> {
        let (first, _) = self.line.first()?;
        let mut front = None;
        let take = |message, _: &mut AfterUnlock| {
            front = Some(message);
            None
        };
        self.line.grant(first, take, after);
        front
    }

    /// Returns `true` if no message can be received any more.
    pub(super) fn is_over(&self) -> bool {
        let nothing = self.kept.is_empty() && self.queue.is_empty() && !self.line.has_waiting();
        self.receiver_gone || (self.sender_gone && nothing && !self.judging)
    }

    /// Returns the number of messages that can be received now.
    pub(super) fn len(&self) -> usize {
        self.kept.len() + self.queue.len() + self.line.waiting()
    }

    /// Closes the receiver. Returns the messages that were not received; the caller drops them
    /// outside the lock. Messages in the line stay there, and their senders take them back.
    pub(super) fn close_receiver(&mut self, after: &mut AfterUnlock) -> Unreceived<T> {
        self.receiver_gone = true;
        self.notify_receivers(after);
        while let Some((first, _)) = self.line.first() {
            self.line.grant(first, |message, _| Some(message), after);
        }
        (mem::take(&mut self.kept), mem::take(&mut self.queue))
    }

    pub(super) fn is_receiver_gone(&self) -> bool {
        self.receiver_gone
    }

    // ----- inspecting messages

    /// Takes out the messages from number `unseen` on, so that an observer inspects them without
    /// the lock. These are the kept messages, or else the next new message.
    /// [`DirectionState::return_unmatched`] ends the inspection.
    pub(super) fn take_unseen(&mut self, unseen: Sequence, after: &mut AfterUnlock) -> Option<Numbered<T>> {
        if self.judging {
            self.is_observer_refused = true;
            return None;
        }
        let seen = self.kept.partition_point(|(number, _)| *number < unseen);
        let mut batch = self.kept.split_off(seen);
        if batch.is_empty() {
            let number = self.received;
            batch.push_back((number, self.take_new(after)?));
        }
        self.judging = true;
        Some(batch)
    }

    /// Takes the next message, for an observer that takes any message.
    pub(super) fn take_observed(&mut self, after: &mut AfterUnlock) -> Option<T> {
        self.is_observer_refused |= self.judging;
        self.take(after)
    }

    /// Ends an inspection: puts the messages that did not fit back into `kept`, in their places.
    ///
    /// Then it notifies the waiters that were refused meanwhile: a receiver for each available
    /// message, and the observers.
    pub(super) fn return_unmatched(&mut self, mut batch: Numbered<T>, after: &mut AfterUnlock) {
        self.judging = false;
        self.kept.append(&mut batch);
        if mem::take(&mut self.is_observer_refused) {
            self.observers.notify_all(after);
        }
        if self.is_over() {
            self.receivers.notify_all(after);
        }
        for _ in 0..self.len() {
            if !self.receivers.notify_one(after) {
                break;
            }
        }
    }

    /// Like [`DirectionState::is_over`], for an observer that has seen the messages below number
    /// `unseen`.
    pub(super) fn is_over_from(&self, unseen: Sequence) -> bool {
        let all_seen = self.kept.back().is_none_or(|(number, _)| *number < unseen);
        let nothing_new = self.queue.is_empty() && !self.line.has_waiting();
        self.receiver_gone || (self.sender_gone && nothing_new && all_seen && !self.judging)
    }
}

/// The messages that a port had not received when it was closed.
pub(super) type Unreceived<T> = (Numbered<T>, VecDeque<T>);

#[cfg(all(test, not(any(loom, miri))))]
#[path = "state_model.rs"]
mod model;
