//! The receiving half of [`LogState`], the broadcast log under its lock: receivers join, leave, get
//! the next block of messages, and sleep.

use super::{
    LagPolicy, SenderId,
    block::Block,
    cursor::PublishedCursor,
    state::{Chores, LogState, RetainedBlock},
};
use crate::{
    util::ordered_map::{NumericKey, OrderedMap},
    wake::{NewWaker, WaiterKey},
};
use std::sync::Arc;

/// The identity of a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ReceiverId(u64);

impl NumericKey for ReceiverId {
    fn to_number(self) -> u128 {
        self.0.into()
    }

    fn from_number(number: u128) -> Self {
        Self(number as u64)
    }
}

/// The log's view of a receiver: its published position and its wait.
pub(super) struct ReceiverState {
    /// The sender whose messages the receiver skips.
    pub(super) owner: SenderId,
    pub(super) stand: Arc<PublishedCursor>,
    /// The number of messages that its owner has sent since the receiver joined.
    pub(super) own: u64,
    /// The number of messages that were dropped while it stood in for the first receiver, until the
    /// receiver gets that number.
    pub(super) lost: u64,
    /// The receiver's key among the sleeping receivers.
    pub(super) sleeps: Option<WaiterKey>,
}

impl ReceiverState {
    /// Returns the number of the message that the receiver reads next.
    pub(super) fn at(&self) -> u64 {
        self.stand.load().0
    }

    /// Returns the receiver's position, moved forward by its owner's messages that are still ahead.
    /// At this head the receiver would have no message ahead of it, if all further messages are
    /// from other senders.
    pub(super) fn effective_position(&self) -> u64 {
        let (next, own) = self.stand.load();
        next + (self.own - own)
    }

    /// Returns the number of messages ahead of the receiver.
    pub(super) fn lag(&self, head: u64) -> u64 {
        head - self.effective_position()
    }
}

/// The receiver's own view of its position.
pub(super) struct Cursor {
    /// The number of the message that the receiver reads next.
    pub(super) next: u64,
    /// The number of messages of its owner that the receiver has passed.
    pub(super) own: u64,
    /// The published position, which senders read.
    pub(super) stand: Arc<PublishedCursor>,
}

impl Cursor {
    /// Moves to message `next`.
    #[inline]
    pub(super) fn advance(&mut self, next: u64) {
        self.next = next;
        self.stand.advance(next);
    }

    /// Moves to message `next`, past `own` messages of the receiver's owner.
    pub(super) fn pass_to(&mut self, next: u64, own: u64) {
        self.next = next;
        self.own += own;
        self.stand.go_on_past_own(self.next, self.own);
    }
}

/// The answer to a receiver that asks where to continue.
pub(super) enum NextBlock<T> {
    /// The block that has, or will have, the next message.
    Block(Arc<Block<T>>),
    /// The receiver was too slow and lost this many messages.
    Lost(u64),
    /// No more messages will arrive.
    Ended,
}

impl<T> LogState<T> {
    /// Adds a receiver that skips the messages of `owner`. Returns its start position.
    pub(super) fn join(&mut self, owner: SenderId) -> (ReceiverId, Cursor) {
        let id = self.early.take().unwrap_or_else(|| self.add_reader(owner));
        let Some(reader) = self.readers.get(id) else { unreachable!("a reader stays until its receiver goes") };
        let stand = reader.stand.clone();
        let next = stand.load().0;
        let own = self.own_since(owner, next);
        if let Some(reader) = self.readers.get_mut(id) {
            (reader.owner, reader.own) = (owner, own);
        }
        self.owned.get_or_insert_with(owner, Default::default).insert(id, ());
        self.receiver_count_cache = None;
        (id, Cursor { next, own: 0, stand })
    }

    pub(super) fn add_reader(&mut self, owner: SenderId) -> ReceiverId {
        self.last_id += 1;
        let id = ReceiverId(self.last_id);
        let stand = Arc::new(PublishedCursor::new(self.head));
        self.readers.insert(id, ReceiverState { owner, stand, own: 0, lost: 0, sleeps: None });
        self.receiver_count_cache = None;
        self.limit = self.limit.min(self.head.saturating_add(self.bound));
        id
    }

    /// Removes a receiver.
    fn remove_reader(&mut self, id: ReceiverId) -> Option<ReceiverState> {
        let reader = self.readers.remove(id)?;
        self.receiver_count_cache = None;
        if let Some(owned) = self.owned.get_mut(reader.owner) {
            owned.remove(id);
            if owned.is_empty() {
                self.owned.remove(reader.owner);
            }
        }
        Some(reader)
    }

    /// Removes a receiver, and drops the messages that only this receiver had not read.
    pub(super) fn leave(&mut self, id: ReceiverId, chores: &mut Chores<T>) {
        if let Some(mut reader) = self.remove_reader(id) {
            self.sleepers.remove(&mut reader.sleeps, chores);
            self.make_room(chores);
        }
    }

    /// Removes all receivers of `owner`, and wakes those that sleep.
    pub(super) fn dismiss(&mut self, owner: SenderId, chores: &mut Chores<T>) {
        let owned = self.owned.get(owner).filter(|_| owner.is_own(owner)).into_iter().flat_map(OrderedMap::iter);
        for id in owned.map(|(id, ())| id).collect::<Vec<_>>() {
            if let Some(mut reader) = self.remove_reader(id) {
                reader.sleeps.iter().for_each(|key| self.sleepers.notify_waiter(*key, chores));
                self.sleepers.remove(&mut reader.sleeps, chores);
            }
        }
        self.make_room(chores);
    }

    /// Returns the number of messages ahead of this receiver.
    pub(super) fn lag_of(&self, id: ReceiverId) -> u64 {
        self.readers.get(id).map_or(0, |reader| reader.lag(self.head))
    }

    /// Returns where a receiver continues.
    pub(super) fn turn(&mut self, id: ReceiverId, cursor: &mut Cursor, chores: &mut Chores<T>) -> NextBlock<T> {
        let Some(reader) = self.readers.get_mut(id) else { return NextBlock::Ended };
        let (owner, own) = (reader.owner, reader.own);
        let lost = std::mem::take(&mut reader.lost) + self.catch_up(owner, own, cursor);
        self.make_room(chores);
        if lost > 0 {
            return NextBlock::Lost(lost);
        }
        if cursor.next == self.head && self.ended {
            return NextBlock::Ended;
        }
        let at = self.blocks.partition_point(|kept| kept.block.end() <= cursor.next);
        NextBlock::Block(match self.blocks.get(at) {
            Some(kept) => kept.block.clone(),
            None => self.open(chores),
        })
    }

    /// Puts a receiver to sleep and returns `true`, if it has read all messages. Otherwise returns
    /// `false`, and the receiver looks again.
    ///
    /// The receiver holds no block when it calls this. `waker` is taken if the receiver sleeps.
    pub(super) fn sleep(
        &mut self,
        id: ReceiverId,
        cursor: &Cursor,
        waker: &mut Option<NewWaker>,
        chores: &mut Chores<T>,
    ) -> bool {
        let Some(reader) = self.readers.get_mut(id) else { return false };
        if cursor.next < self.head || self.ended {
            return false;
        }
        if let Some(waker) = waker.take() {
            self.sleepers.register_as(reader.owner, &mut reader.sleeps, waker, chores);
        }
        self.make_room(chores);
        true
    }

    /// Removes a receiver from the sleeping receivers, although no message has arrived.
    pub(super) fn rise(&mut self, id: ReceiverId, chores: &mut Chores<T>) {
        if let Some(reader) = self.readers.get_mut(id) {
            self.sleepers.remove(&mut reader.sleeps, chores);
        }
    }

    /// Moves a receiver past the messages that are no longer kept. Returns how many messages it has
    /// lost.
    fn catch_up(&mut self, owner: SenderId, own: u64, cursor: &mut Cursor) -> u64 {
        let at = cursor.next;
        if let LagPolicy::DropOldest(_) = self.policy {
            let oldest = self.head.saturating_sub(self.bound);
            if at >= oldest {
                return 0;
            }
            let own = own - cursor.own;
            let own_kept = if own == 0 { 0 } else { self.own_since(owner, oldest) };
            cursor.pass_to(oldest, own - own_kept);
            return (oldest - at) - (own - own_kept);
        }
        // A gap between blocks comes from `drop_unwanted`. Its messages are the receiver's owner's.
        let kept = self.blocks.partition_point(|kept| kept.block.end() <= at);
        let next = self.blocks.get(kept).map_or(self.head, |kept| kept.block.start());
        if next > at {
            cursor.pass_to(next, next - at);
        }
        0
    }

    /// Counts the kept messages of `owner` from number `since` on.
    fn own_since(&self, owner: SenderId, since: u64) -> u64 {
        let first = self.blocks.partition_point(|kept| kept.block.end() <= since);
        let blocks = self.blocks.range(first..);
        let messages = blocks.flat_map(|RetainedBlock { block, .. }| {
            (block.start().max(since)..block.end()).map_while(|number| block.get(number))
        });
        messages.filter(|message| owner.is_own(message.from)).count() as u64
    }
}
