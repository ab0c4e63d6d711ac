//! One direction between two ports, as plain data: what is on its way, who waits, who has closed. The lock lives in
//! `channel.rs`; what is to be woken goes into an [`AfterUnlock`], for after its release.
//!
//! One message wakes one plain receiver, which hands the notification on if it goes without a message. Observers (each
//! `wait_for`, whose predicate must see every message, and the port as a stream, which may be left unpolled) are woken by each.
//!
//! A message passes `line` (its sender waits for room) → `queue` (within the bound) → the receiver. What `wait_for` passed
//! over has been received; it stands in `kept`, ahead of the queue, and takes no room. Wherever a message goes from one
//! place to the next, those behind it follow at once, so the line is empty while there is room.

use super::error::TrySendError;
use crate::wake::{AfterUnlock, NewWaker, WaitQueue, WaitState, WaitTicket, WaiterSet};
use std::{collections::VecDeque, mem};

/// A message's place among all that were received.
pub(super) type Sequence = u64;

pub(super) type Numbered<T> = VecDeque<(Sequence, T)>;

pub(crate) struct DirectionState<T> {
    /// How many messages the queue takes; `None`: any number.
    bound: Option<usize>,
    kept: Numbered<T>,
    queue: VecDeque<T>,
    /// Senders that wait for room, or for their message to be taken. A message that the receiver does not take any more is
    /// kept for its sender.
    line: WaitQueue<T, Option<T>>,
    /// They take the next message, whatever it is.
    pub(super) receivers: WaiterSet,
    /// They are to see each message.
    pub(super) observers: WaiterSet,
    /// They wait for the sender's close.
    pub(super) closers: WaiterSet,
    received: Sequence,
    /// An observer looks at messages that are out of `kept` meanwhile. Others wait, or they would be given later ones.
    judging: bool,
    /// Another observer came meanwhile, and has to look again.
    is_observer_refused: bool,
    sender_gone: bool,
    receiver_gone: bool,
}

/// What became of a message that stood in line.
pub(super) enum BlockedSendState<T> {
    Waits,
    Went,
    /// The receiver has closed; here it is.
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

    /// One more message is there to be received.
    fn notify_message(&mut self, after: &mut AfterUnlock) {
        self.receivers.notify_one(after);
        self.observers.notify_all(after);
    }

    /// All that wait to receive have to look again.
    fn notify_receivers(&mut self, after: &mut AfterUnlock) {
        self.receivers.notify_all(after);
        self.observers.notify_all(after);
    }

    // ----- the sender's side

    /// Puts a message into the queue if it takes one. `to_waiting`: also without a bound's room, where a receiver waits for
    /// it.
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

    /// Stands in line with a message for which there was no room under the same lock.
    pub(super) fn join(&mut self, message: T, waker: &mut NewWaker, after: &mut AfterUnlock) -> WaitTicket {
        let ticket = self.line.join(message, waker);
        // Of a queue without room, a receiver takes it out of the line.
        self.notify_message(after);
        ticket
    }

    /// How it stands with a message in line; if it waits still, `waker` is the one to wake.
    pub(super) fn in_line(&mut self, ticket: WaitTicket, waker: &mut NewWaker) -> BlockedSendState<T> {
        match self.line.redeem(ticket, waker) {
            WaitState::Waiting => BlockedSendState::Waits,
            WaitState::Granted(Some(message)) => BlockedSendState::Back(message),
            WaitState::Granted(None) | WaitState::Dismissed => BlockedSendState::Went,
        }
    }

    /// Takes a message out of the line, if it is there still.
    pub(super) fn leave_line(&mut self, ticket: WaitTicket, after: &mut AfterUnlock) -> Option<T> {
        let (waiting, granted) = self.line.leave(ticket, after);
        waiting.or_else(|| granted.flatten())
    }

    /// No more will be sent. What was sent stays, also what stands in line.
    pub(super) fn close_sender(&mut self, after: &mut AfterUnlock) {
        self.sender_gone = true;
        self.notify_receivers(after);
        self.closers.notify_all(after);
    }

    pub(super) fn is_sender_gone(&self) -> bool {
        self.sender_gone
    }

    // ----- the receiver's side

    /// The next message. If another goes from the line for it, its sender is woken.
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

    /// The first message in line, whose sender is done.
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

    /// Nothing can be received any more.
    pub(super) fn is_over(&self) -> bool {
        let nothing = self.kept.is_empty() && self.queue.is_empty() && !self.line.has_waiting();
        self.receiver_gone || (self.sender_gone && nothing && !self.judging)
    }

    /// How many messages a receive would find at once.
    pub(super) fn len(&self) -> usize {
        self.kept.len() + self.queue.len() + self.line.waiting()
    }

    /// The receiver goes: takes out what is there, to be dropped without the lock. Messages in line stay for their senders
    /// to take back.
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

    // ----- looking through messages

    /// Takes out the messages from number `unseen` on, to look at them without the lock: those that were kept, or else the
    /// next new one. [`DirectionState::return_unmatched`] ends it.
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

    /// The next message for an observer that takes any.
    pub(super) fn take_observed(&mut self, after: &mut AfterUnlock) -> Option<T> {
        self.is_observer_refused |= self.judging;
        self.take(after)
    }

    /// Keeps what did not fit, where it came from. Those look again that could not meanwhile: a receiver for each message
    /// that is there, and the observers.
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

    /// As [`DirectionState::is_over`], for an observer that has seen the messages below number `unseen`.
    pub(super) fn is_over_from(&self, unseen: Sequence) -> bool {
        let all_seen = self.kept.back().is_none_or(|(number, _)| *number < unseen);
        let nothing_new = self.queue.is_empty() && !self.line.has_waiting();
        self.receiver_gone || (self.sender_gone && nothing_new && all_seen && !self.judging)
    }
}

/// What a port had not received when it was closed.
pub(super) type Unreceived<T> = (Numbered<T>, VecDeque<T>);

#[cfg(all(test, not(any(loom, miri))))]
#[path = "state_model.rs"]
mod model;
