//! One direction between two ports, as plain data: what is on its way, who waits, who has closed. The lock lives in
//! `channel.rs`, and whoever is to be woken comes back as [`Wakes`], for after its release.
//!
//! A message passes `line` (its sender waits for room) → `queue` (within the bound) → the receiver. What `wait_for` passed
//! over has been received; it stands in `kept`, ahead of the queue, and takes no room. Wherever a message goes from one
//! place to the next, those behind it follow at once, so the line is empty while there is room.

use super::error::TrySendError;
use crate::waiters::{Key, Waiters, Wakes, remember};
use std::{collections::VecDeque, mem, task::Waker};

/// A message's place among all that were received.
pub(super) type Number = u64;

pub(super) type Numbered<T> = VecDeque<(Number, T)>;

pub(super) struct Core<T> {
    /// How many messages the queue takes; `None`: any number.
    bound: Option<usize>,
    kept: Numbered<T>,
    queue: VecDeque<T>,
    /// In the order in which they came, so by key.
    line: VecDeque<InLine<T>>,
    pub(super) receivers: Waiters,
    /// They wait for the sender's close.
    pub(super) closers: Waiters,
    received: Number,
    /// Somebody looks at messages that are out of `kept` meanwhile. Others wait, or they would be given later ones.
    judging: bool,
    sender_gone: bool,
    receiver_gone: bool,
    last_key: Key,
}

/// A sender that waits for room, or for its message to be taken.
struct InLine<T> {
    key: Key,
    message: T,
    waker: Option<Waker>,
}

/// What became of a message that stood in line.
pub(super) enum Line<T> {
    Waits,
    Went,
    /// The receiver has closed; here it is.
    Back(T),
}

impl<T> Core<T> {
    pub(super) fn new(bound: Option<usize>) -> Self {
        Self {
            bound,
            kept: VecDeque::new(),
            queue: VecDeque::new(),
            line: VecDeque::new(),
            receivers: Waiters::default(),
            closers: Waiters::default(),
            received: 0,
            judging: false,
            sender_gone: false,
            receiver_gone: false,
            last_key: Key::default(),
        }
    }

    pub(super) fn key(&mut self) -> Key {
        self.last_key = self.last_key.next();
        self.last_key
    }

    // ----- the sender's side

    /// Puts a message into the queue if it takes one. `to_waiting`: also without a bound's room, where somebody waits to
    /// receive it.
    pub(super) fn offer(&mut self, message: T, to_waiting: bool) -> Result<Wakes, TrySendError<T>> {
        if self.receiver_gone {
            return Err(TrySendError::Closed(message));
        }
        let handed = to_waiting && self.bound == Some(0);
        let room = if handed { Some(self.receivers.len()) } else { self.bound };
        if !self.line.is_empty() || room.is_some_and(|room| self.queue.len() >= room) {
            return Err(TrySendError::Full(message));
        }
        self.queue.push_back(message);
        Ok(self.receivers.called())
    }

    /// Stands in line with a message for which there was no room under the same lock.
    pub(super) fn join(&mut self, message: T, waker: Option<Waker>) -> (Key, Wakes) {
        let key = self.key();
        self.line.push_back(InLine { key, message, waker });
        // Of a queue without room, they take it out of the line.
        (key, self.receivers.called())
    }

    /// How it stands with a message in line; if it waits still, `waker` is the one to wake. An earlier one comes back to be
    /// dropped without the lock.
    pub(super) fn in_line(&mut self, key: Key, waker: &Waker) -> (Line<T>, Option<Waker>) {
        let Ok(at) = self.find(key) else { return (Line::Went, None) };
        if self.receiver_gone {
            let found = self.line.remove(at).map(|found| (Line::Back(found.message), found.waker));
            return found.unwrap_or((Line::Went, None));
        }
        (Line::Waits, remember(&mut self.line[at].waker, waker))
    }

    /// Takes a message out of the line, if it is there still.
    pub(super) fn leave_line(&mut self, key: Key) -> Option<(T, Option<Waker>)> {
        let at = self.find(key).ok()?;
        self.line.remove(at).map(|found| (found.message, found.waker))
    }

    fn find(&self, key: Key) -> Result<usize, usize> {
        self.line.binary_search_by_key(&key, |waiting| waiting.key)
    }

    /// No more will be sent. What was sent stays, also what stands in line.
    pub(super) fn close_sender(&mut self) -> Wakes {
        self.sender_gone = true;
        let mut wakes = self.receivers.called();
        wakes.add_all(self.closers.called());
        wakes
    }

    pub(super) fn is_sender_gone(&self) -> bool {
        self.sender_gone
    }

    // ----- the receiver's side

    /// The next message, and the sender whose message has gone from the line for it.
    pub(super) fn take(&mut self) -> Option<(T, Option<Waker>)> {
        if self.judging || self.receiver_gone {
            return None;
        }
        match self.kept.pop_front() {
            Some((_, message)) => Some((message, None)),
            None => self.take_new(),
        }
    }

    fn take_new(&mut self) -> Option<(T, Option<Waker>)> {
        let Some(message) = self.queue.pop_front() else {
            let first = self.line.pop_front()?;
            self.received += 1;
            return Some((first.message, first.waker));
        };
        self.received += 1;
        let room = self.bound.is_none_or(|bound| self.queue.len() < bound);
        let told = if room { self.line.pop_front() } else { None };
        let waker = told.and_then(|first| {
            self.queue.push_back(first.message);
            first.waker
        });
        Some((message, waker))
    }

    /// Nothing can be received any more.
    pub(super) fn is_over(&self) -> bool {
        let nothing = self.kept.is_empty() && self.queue.is_empty() && self.line.is_empty();
        self.receiver_gone || (self.sender_gone && nothing && !self.judging)
    }

    /// How many messages a receive would find at once.
    pub(super) fn len(&self) -> usize {
        self.kept.len() + self.queue.len() + self.line.len()
    }

    /// Nobody receives any more: takes out what is there, to be dropped without the lock. Messages in line stay for their
    /// senders to take back.
    pub(super) fn close_receiver(&mut self) -> (Wakes, Unreceived<T>) {
        self.receiver_gone = true;
        let mut wakes = self.receivers.called();
        self.line.iter_mut().filter_map(|waiting| waiting.waker.take()).for_each(|waker| wakes.add(waker));
        (wakes, (mem::take(&mut self.kept), mem::take(&mut self.queue)))
    }

    pub(super) fn is_receiver_gone(&self) -> bool {
        self.receiver_gone
    }

    // ----- looking through messages

    /// Takes out the messages from number `unseen` on, to look at them without the lock: those that were kept, or else the
    /// next new one. [`Core::put_back`] ends it.
    pub(super) fn judge(&mut self, unseen: Number) -> Option<(Numbered<T>, Option<Waker>)> {
        if self.judging {
            return None;
        }
        let seen = self.kept.partition_point(|(number, _)| *number < unseen);
        let mut batch = self.kept.split_off(seen);
        let mut waker = None;
        if batch.is_empty() {
            let number = self.received;
            let (message, told) = self.take_new()?;
            batch.push_back((number, message));
            waker = told;
        }
        self.judging = true;
        Some((batch, waker))
    }

    /// Keeps what did not fit, where it came from, and calls those who receive too, but for `own`.
    pub(super) fn put_back(&mut self, mut batch: Numbered<T>, own: Option<Key>) -> Wakes {
        self.judging = false;
        self.kept.append(&mut batch);
        self.receivers.called_but(own)
    }

    /// As [`Core::is_over`], for one who has seen the messages below number `unseen`.
    pub(super) fn is_over_from(&self, unseen: Number) -> bool {
        let all_seen = self.kept.back().is_none_or(|(number, _)| *number < unseen);
        let nothing_new = self.queue.is_empty() && self.line.is_empty();
        self.receiver_gone || (self.sender_gone && nothing_new && all_seen && !self.judging)
    }
}

/// What a port had not received when it was closed.
pub(super) type Unreceived<T> = (Numbered<T>, VecDeque<T>);

#[cfg(all(test, not(any(loom, miri))))]
#[path = "core_model.rs"]
mod model;
