//! The log as its receivers see it, under the lock: who they are, where they go on, and how they sleep.

use super::{
    SenderId, SlowReceiver,
    block::Block,
    cursor::PublishedCursor,
    state::{Chores, LogState, RetainedBlock},
};
use crate::wake::{NewWaker, WaiterKey};
use std::sync::Arc;

/// Tells receivers apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ReceiverId(u64);

/// Where a receiver stands, as far as it has told.
pub(super) struct ReceiverState {
    /// Whose messages it leaves out.
    pub(super) owner: SenderId,
    pub(super) stand: Arc<PublishedCursor>,
    /// How many messages its owner has sent since it came.
    pub(super) own: u64,
    /// How many it lost while it stood in for the first receiver, as long as that was not told.
    pub(super) lost: u64,
    /// Its place among those that sleep.
    pub(super) sleeps: Option<WaiterKey>,
}

impl ReceiverState {
    /// The number of the message that it reads next.
    pub(super) fn at(&self) -> u64 {
        self.stand.load().0
    }

    /// The least number by which it would have no message ahead of it, if all from now on are others'.
    pub(super) fn effective_position(&self) -> u64 {
        let (next, own) = self.stand.load();
        next + (self.own - own)
    }

    /// How many messages are ahead of it.
    pub(super) fn lag(&self, head: u64) -> u64 {
        head - self.effective_position()
    }
}

/// Where a receiver stands by its own account.
pub(super) struct Cursor {
    /// The number of the message that it reads next.
    pub(super) next: u64,
    /// How many of its owner's messages it has passed.
    pub(super) own: u64,
    /// Where the others see it.
    pub(super) stand: Arc<PublishedCursor>,
}

impl Cursor {
    /// Goes on at `next`.
    #[inline]
    pub(super) fn advance(&mut self, next: u64) {
        self.next = next;
        self.stand.advance(next);
    }

    /// Goes on at `next`; so many of its owner's messages are before that.
    pub(super) fn pass_to(&mut self, next: u64, own: u64) {
        self.next = next;
        self.own += own;
        self.stand.go_on_past_own(self.next, self.own);
    }
}

/// How a receiver goes on.
pub(super) enum NextBlock<T> {
    /// Its next message is in this block, or will be.
    Block(Arc<Block<T>>),
    /// It was too slow: so many are lost.
    Lost(u64),
    /// No more messages will come.
    Ended,
}

impl<T> LogState<T> {
    /// One more receiver, which leaves out the messages of `owner`; where it begins.
    pub(super) fn join(&mut self, owner: SenderId) -> (ReceiverId, Cursor) {
        let id = self.early.take().unwrap_or_else(|| self.add_reader(owner));
        let Some(reader) = self.readers.get(&id) else { unreachable!("a reader stays until its receiver goes") };
        let stand = reader.stand.clone();
        let next = stand.load().0;
        let own = self.own_since(owner, next);
        self.readers.entry(id).and_modify(|reader| (reader.owner, reader.own) = (owner, own));
        self.owned.entry(owner).or_default().insert(id);
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

    /// Takes a reader out.
    fn remove_reader(&mut self, id: ReceiverId) -> Option<ReceiverState> {
        let reader = self.readers.remove(&id)?;
        self.receiver_count_cache = None;
        if let Some(owned) = self.owned.get_mut(&reader.owner) {
            owned.remove(&id);
            if owned.is_empty() {
                self.owned.remove(&reader.owner);
            }
        }
        Some(reader)
    }

    /// A receiver goes, and with it what only it had not read.
    pub(super) fn leave(&mut self, id: ReceiverId, chores: &mut Chores<T>) {
        if let Some(mut reader) = self.remove_reader(id) {
            self.sleepers.remove(&mut reader.sleeps, chores);
            self.make_room(chores);
        }
    }

    /// All receivers of `owner` go, and are woken if they sleep.
    pub(super) fn dismiss(&mut self, owner: SenderId, chores: &mut Chores<T>) {
        let owned = self.owned.get(&owner).filter(|_| owner.is_own(owner)).cloned();
        for id in owned.unwrap_or_default() {
            if let Some(mut reader) = self.remove_reader(id) {
                reader.sleeps.iter().for_each(|key| self.sleepers.notify_waiter(*key, chores));
                self.sleepers.remove(&mut reader.sleeps, chores);
            }
        }
        self.make_room(chores);
    }

    /// How many messages are ahead of this receiver.
    pub(super) fn lag_of(&self, id: ReceiverId) -> u64 {
        self.readers.get(&id).map_or(0, |reader| reader.lag(self.head))
    }

    /// A receiver learns where to go on.
    pub(super) fn turn(&mut self, id: ReceiverId, cursor: &mut Cursor, chores: &mut Chores<T>) -> NextBlock<T> {
        let Some(reader) = self.readers.get_mut(&id) else { return NextBlock::Ended };
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

    /// Puts a receiver to sleep that has read everything, `true`, or lets it look again. It no longer stands in a block.
    /// Takes `waker` if it sleeps.
    pub(super) fn sleep(
        &mut self,
        id: ReceiverId,
        cursor: &Cursor,
        waker: &mut Option<NewWaker>,
        chores: &mut Chores<T>,
    ) -> bool {
        let Some(reader) = self.readers.get_mut(&id) else { return false };
        if cursor.next < self.head || self.ended {
            return false;
        }
        if let Some(waker) = waker.take() {
            self.sleepers.register_as(reader.owner, &mut reader.sleeps, waker, chores);
        }
        self.make_room(chores);
        true
    }

    /// A receiver sleeps no more, though nothing has come.
    pub(super) fn rise(&mut self, id: ReceiverId, chores: &mut Chores<T>) {
        if let Some(reader) = self.readers.get_mut(&id) {
            self.sleepers.remove(&mut reader.sleeps, chores);
        }
    }

    /// Takes a receiver past what is no longer kept. Says how many messages it has lost.
    fn catch_up(&mut self, owner: SenderId, own: u64, cursor: &mut Cursor) -> u64 {
        let at = cursor.next;
        if let SlowReceiver::DropOldest(_) = self.policy {
            let oldest = self.head.saturating_sub(self.bound);
            if at >= oldest {
                return 0;
            }
            let own = own - cursor.own;
            let own_kept = if own == 0 { 0 } else { self.own_since(owner, oldest) };
            cursor.pass_to(oldest, own - own_kept);
            return (oldest - at) - (own - own_kept);
        }
        // What is missing from the row was swept away: its owner's messages.
        let kept = self.blocks.partition_point(|kept| kept.block.end() <= at);
        let next = self.blocks.get(kept).map_or(self.head, |kept| kept.block.start());
        if next > at {
            cursor.pass_to(next, next - at);
        }
        0
    }

    /// How many messages of `owner` are kept, from number `since` on.
    fn own_since(&self, owner: SenderId, since: u64) -> u64 {
        let first = self.blocks.partition_point(|kept| kept.block.end() <= since);
        let blocks = self.blocks.range(first..);
        let messages = blocks.flat_map(|RetainedBlock { block, .. }| {
            (block.start().max(since)..block.end()).map_while(|number| block.get(number))
        });
        messages.filter(|message| owner.is_own(message.from)).count() as u64
    }
}
