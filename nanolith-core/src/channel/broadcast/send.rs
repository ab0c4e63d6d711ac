//! The sending half of [`LogState`], the broadcast log under its lock: capacity checks, sends, and
//! senders that wait for capacity.

use super::{
    LagPolicy, SenderId,
    block::Message,
    blocked_senders::BlockedSenders,
    receivers::ReceiverState,
    state::{Chores, LogState},
};
use crate::{
    util::ordered_map::OrderedMap,
    wake::{NewWaker, WaitTicket},
};

/// The result of a send.
pub(crate) enum SendResult<T> {
    /// The message went to this many receivers.
    Delivered(usize),
    /// No receiver gets the message. The value is dropped outside the lock.
    NoReceivers(T),
    /// A receiver has no capacity for the message.
    Full(T),
    /// The log has ended.
    Ended(T),
}

impl<T> LogState<T> {
    /// Sends a message if there is capacity.
    pub(super) fn push(&mut self, from: SenderId, value: T, chores: &mut Chores<T>) -> SendResult<T> {
        let to = self.hearers(from);
        if !self.ended && to > 0 && !self.has_room(from) && !self.drop_retained(chores) {
            return SendResult::Full(value);
        }
        self.push_to(to, from, value, chores)
    }

    /// Sends a message to its `to` receivers, which have capacity.
    fn push_to(&mut self, to: usize, from: SenderId, value: T, chores: &mut Chores<T>) -> SendResult<T> {
        if self.ended {
            return SendResult::Ended(value);
        }
        if to == 0 {
            return SendResult::NoReceivers(value);
        }
        self.append(from, value, chores);
        if self.sleepers.has_waiting() || to < self.readers.len() {
            self.tell_readers(from, chores);
        }
        SendResult::Delivered(to)
    }

    /// Sends a message, or adds it to the line of blocked senders.
    pub(super) fn push_or_wait(
        &mut self,
        from: SenderId,
        value: T,
        waker: &mut NewWaker,
        chores: &mut Chores<T>,
    ) -> Result<SendResult<T>, WaitTicket> {
        match self.push(from, value, chores) {
            SendResult::Full(value) => {
                let ticket = self.line.join(from, value, waker);
                self.wanted.set();
                self.make_room(chores); // a receiver may have freed capacity since `push`
                self.line.redeem(ticket, waker).ok_or(ticket)
            }
            pushed => Ok(pushed),
        }
    }

    /// Returns the number of receivers that get messages of `from`.
    #[inline]
    fn hearers(&mut self, from: SenderId) -> usize {
        match self.receiver_count_cache {
            Some((known, to)) if known == from => to,
            _ => self.count_hearers(from),
        }
    }

    /// Counts the receivers that get messages of `from`. The count is cached until a receiver joins
    /// or leaves.
    #[cold]
    fn count_hearers(&mut self, from: SenderId) -> usize {
        let own = self.owned.get(from).filter(|_| from.is_own(from)).map_or(0, OrderedMap::len);
        let to = self.readers.len() - own;
        self.receiver_count_cache = Some((from, to));
        to
    }

    /// Counts a message of `from` as passed over by its own receivers, and wakes the other sleeping
    /// receivers.
    fn tell_readers(&mut self, from: SenderId, chores: &mut Chores<T>) {
        let Self { owned, readers, sleepers, .. } = self;
        let own = owned.get(from).filter(|_| from.is_own(from)).into_iter().flat_map(OrderedMap::iter);
        for (id, ()) in own {
            if let Some(reader) = readers.get_mut(id) {
                reader.own += 1;
            }
        }
        sleepers.notify_where(|owner| !owner.is_own(from), chores);
    }

    /// Returns `true` if every receiver that gets messages of `from` has capacity for one more.
    fn has_room(&mut self, from: SenderId) -> bool {
        if self.head < self.limit || !matches!(self.policy, LagPolicy::Wait(_)) {
            return true;
        }
        let (head, bound) = (self.head, self.bound);
        let limit = |reader: &ReceiverState| reader.effective_position().saturating_add(bound);
        // A sender that waited for its own receivers would wait for itself.
        let is_full = |reader: &ReceiverState| !reader.owner.is_own(from) && limit(reader) <= head;
        if self.full.and_then(|id| self.readers.get(id)).is_some_and(is_full) {
            return false;
        }
        self.limit = self.readers.values().map(limit).min().unwrap_or(u64::MAX);
        self.full = self.readers.iter().find(|(_, reader)| is_full(reader)).map(|(id, _)| id);
        self.full.is_none()
    }

    /// Drops the oldest message of the stand-in for the first receiver (`early`), because senders
    /// do not wait for the stand-in. The first receiver will get the number of lost messages.
    #[cold]
    fn drop_retained(&mut self, chores: &mut Chores<T>) -> bool {
        let Some(reader) = self.early.and_then(|id| self.readers.get_mut(id)) else { return false };
        reader.lost += 1;
        reader.stand.advance(reader.at() + 1);
        self.limit = 0; // the next sender computes it again
        self.make_room(chores);
        true
    }

    fn append(&mut self, from: SenderId, value: T, chores: &mut Chores<T>) {
        let head = self.head;
        let room = self.blocks.back().is_some_and(|kept| head < kept.block.end());
        if !room {
            self.drop_read_blocks(chores);
            self.open(chores);
        }
        let Some(kept) = self.blocks.back_mut() else { unreachable!("it was just opened") };
        if head == kept.block.start() {
            kept.single_sender = Some(from);
        } else if kept.single_sender != Some(from) {
            kept.single_sender = None;
        }
        kept.block.put(head, Message { from, value });
        self.head += 1;
        if let LagPolicy::DropOldest(_) = self.policy {
            let oldest = self.head.saturating_sub(self.bound);
            self.drop_until(oldest, chores);
        }
    }

    /// Ends the log. Blocked senders are woken with their messages, and sleeping receivers are
    /// woken to look for remaining messages.
    pub(super) fn end(&mut self, chores: &mut Chores<T>) {
        self.ended = true;
        self.sleepers.notify_all(chores);
        while let Some((ticket, _)) = self.line.first() {
            self.line.serve(ticket, |_, value, _| SendResult::Ended(value), chores);
        }
        if self.early.is_some() {
            return; // the kept messages are for the first receiver
        }
        self.make_room(chores);
    }

    /// Sends for the blocked senders that have capacity now, those that have waited longest first.
    ///
    /// Capacity that was found is not checked again: a receiver that passes messages of its owner at
    /// this moment seems to have less of it for an instant.
    pub(super) fn admit_blocked_senders(&mut self, chores: &mut Chores<T>) {
        let mut line = std::mem::replace(&mut self.line, BlockedSenders::new());
        while let Some(ticket) = self.next_in_line(&line) {
            let push = |from, value, chores: &mut Chores<T>| {
                let to = self.hearers(from);
                self.push_to(to, from, value, chores)
            };
            line.serve(ticket, push, chores);
        }
        self.line = line;
    }

    /// Returns the blocked sender that has capacity and has waited longest.
    ///
    /// A full receiver is full for all senders except its owner. So if the first sender in the line
    /// has no capacity, only the owner of that receiver may have some.
    fn next_in_line(&mut self, line: &BlockedSenders<T>) -> Option<WaitTicket> {
        let (first, from) = line.first()?;
        if self.may_send(from) {
            return Some(first);
        }
        let owner = self.full.and_then(|id| self.readers.get(id)).map(|reader| reader.owner)?;
        let first = line.first_of(owner)?;
        self.may_send(owner).then_some(first)
    }

    /// Returns `true` if a message of `from` would go to its receivers now, or has no receivers.
    fn may_send(&mut self, from: SenderId) -> bool {
        self.count_hearers(from) == 0 || self.has_room(from)
    }
}
