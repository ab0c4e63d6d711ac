//! [`LogState`]: a broadcast log under its lock, as pure data. Wake-ups and drops are handed out as
//! [`Chores`], for after the lock's release.

use super::{
    LagPolicy, SenderId,
    block::Block,
    blocked_senders::BlockedSenders,
    cursor::SenderWaiting,
    receivers::{ReceiverId, ReceiverState},
};
use crate::{
    util::ordered_map::OrderedMap,
    wake::{AfterUnlock, WaiterSet},
};
use std::{collections::VecDeque, sync::Arc};

/// The most messages of a block. A block also has at most a sixteenth of the bound, so that waiting
/// senders see free capacity soon.
const MAX_BLOCK: usize = 64;

/// The number of messages of a block while messages arrive one at a time. The block after a full
/// block is twice as large.
const MIN_BLOCK: usize = 4;

/// The wake-ups and drops to carry out after the lock's release. The dropped values are blocks that
/// the log no longer keeps.
pub(super) type Chores<T> = AfterUnlock<Arc<Block<T>>>;

/// A block, and the sender of all its messages, or `None` if it has messages of several senders.
pub(super) struct RetainedBlock<T> {
    pub(super) block: Arc<Block<T>>,
    pub(super) single_sender: Option<SenderId>,
}

pub(super) struct LogState<T> {
    pub(super) policy: LagPolicy,
    /// The policy's bound, or `u64::MAX` if it has none.
    pub(super) bound: u64,
    /// The most cells of a block. `cells` is the number of cells of the next block.
    pub(super) most: usize,
    pub(super) cells: usize,
    pub(super) blocks: VecDeque<RetainedBlock<T>>,
    /// The number of the next message.
    pub(super) head: u64,
    /// While `head` is less than this, every receiver has capacity. The true limit may be greater.
    pub(super) limit: u64,
    pub(super) readers: OrderedMap<ReceiverId, ReceiverState>,
    /// The receivers of each owner.
    pub(super) owned: OrderedMap<SenderId, OrderedMap<ReceiverId, ()>>,
    /// The sleeping receivers, each with its owner.
    pub(super) sleepers: WaiterSet<SenderId>,
    /// A receiver that had not read all of the first block at the last check.
    slowest: Option<ReceiverId>,
    /// A receiver that had no capacity at the last check.
    pub(super) full: Option<ReceiverId>,
    /// The number of the next message when a sender last found a receiver full.
    full_at: u64,
    /// The last sender, and the number of receivers that get its messages.
    pub(super) receiver_count_cache: Option<(SenderId, usize)>,
    pub(super) last_id: u64,
    /// The receiver state that stands in for the first receiver until it joins.
    pub(super) early: Option<ReceiverId>,
    pub(super) line: BlockedSenders<T>,
    pub(super) wanted: Arc<SenderWaiting>,
    pub(super) ended: bool,
    /// The number of blocks at which `open` next looks for blocks that only their sender's own
    /// receivers have not read.
    pub(super) sweep_at: usize,
}

impl<T> LogState<T> {
    pub(super) fn new(policy: LagPolicy, keep_for_first: bool, wanted: Arc<SenderWaiting>) -> Self {
        let bound = policy.bound();
        let most = bound.map_or(MAX_BLOCK, |bound| (bound / 16).clamp(1, MAX_BLOCK));
        let mut core = Self {
            policy,
            bound: bound.map_or(u64::MAX, |bound| bound as u64),
            most,
            cells: most.min(MIN_BLOCK),
            blocks: VecDeque::new(),
            head: 0,
            limit: 0,
            readers: OrderedMap::new(),
            owned: OrderedMap::new(),
            sleepers: WaiterSet::new(),
            slowest: None,
            full: None,
            full_at: 0,
            receiver_count_cache: None,
            last_id: 0,
            early: None,
            line: BlockedSenders::new(),
            wanted,
            ended: false,
            sweep_at: SWEEP,
        };
        if keep_for_first {
            core.early = Some(core.add_reader(SenderId::NONE));
        }
        core
    }

    // ----- figures

    pub(super) fn receivers(&self) -> usize {
        self.readers.len() - usize::from(self.early.is_some())
    }

    pub(super) fn waiting(&self) -> usize {
        self.line.len()
    }

    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Returns the number of messages ahead of the slowest receiver.
    pub(super) fn lag(&self) -> u64 {
        self.readers.values().map(|reader| reader.lag(self.head)).max().unwrap_or(0)
    }

    /// Returns the number of messages that `from` can send before it would wait.
    pub(super) fn room(&self, from: SenderId) -> u64 {
        let lags =
            self.readers.values().filter(|reader| !reader.owner.is_own(from)).map(|reader| reader.lag(self.head));
        lags.max().map_or(u64::MAX, |lag| self.bound.saturating_sub(lag))
    }

    /// Records that a sender found a receiver full. Returns the number of messages since the last
    /// time.
    pub(super) fn note_full(&mut self) -> u64 {
        self.head - std::mem::replace(&mut self.full_at, self.head)
    }

    /// Returns the line of blocked senders.
    pub(super) fn line(&mut self) -> &mut BlockedSenders<T> {
        &mut self.line
    }

    // ----- blocks

    /// Adds a block for the next messages.
    pub(super) fn open(&mut self, chores: &mut Chores<T>) -> Arc<Block<T>> {
        // Under `DropOldest` the number of blocks is bounded anyway. There they must have no gaps,
        // because `catch_up` computes the number of lost messages from message numbers.
        if self.blocks.len() >= self.sweep_at && !matches!(self.policy, LagPolicy::DropOldest(_)) {
            self.drop_unwanted(chores);
        }
        let block = Arc::new(Block::new(self.head, self.cells));
        if let Some(RetainedBlock { block: last, .. }) = self.blocks.back() {
            last.set_next(&block);
        }
        self.cells = self.most.min(self.cells * 2);
        self.blocks.push_back(RetainedBlock { block: block.clone(), single_sender: None });
        block
    }

    /// Drops the blocks that all receivers have read, and sends for the blocked senders that have
    /// capacity now.
    pub(super) fn make_room(&mut self, chores: &mut Chores<T>) {
        if self.drop_read_blocks(chores) {
            self.drop_partial_block(chores);
        }
        if !self.line.is_empty() {
            self.admit_blocked_senders(chores);
        }
        if self.line.is_empty() {
            self.wanted.clear();
        }
    }

    /// Drops the full blocks that all receivers have read. Returns `true` if all receivers have
    /// read all messages.
    ///
    /// While the receiver in `slowest` has not read all of the first block, no other receiver is
    /// checked.
    pub(super) fn drop_read_blocks(&mut self, chores: &mut Chores<T>) -> bool {
        while let Some(RetainedBlock { block: first, .. }) = self.blocks.front() {
            if first.start() == self.head {
                return true;
            }
            let kept = first.end().min(self.head);
            let is_behind = |reader: &ReceiverState| reader.at() < kept;
            if self.slowest.and_then(|id| self.readers.get(id)).is_some_and(is_behind) {
                return false;
            }
            self.slowest = self.readers.iter().find(|(_, reader)| is_behind(reader)).map(|(id, _)| id);
            if self.slowest.is_some() {
                return false;
            }
            if first.end() > self.head {
                return true;
            }
            self.drop_first(chores);
        }
        true
    }

    /// Drops the blocks that end at or before `number`.
    pub(super) fn drop_until(&mut self, number: u64, chores: &mut Chores<T>) {
        while self.blocks.front().is_some_and(|kept| kept.block.end() <= number) {
            self.drop_first(chores);
        }
    }

    fn drop_first(&mut self, chores: &mut Chores<T>) {
        if let Some(RetainedBlock { block, .. }) = self.blocks.pop_front() {
            block.set_over();
            chores.drop_value(block);
        }
    }

    /// Drops a last block that is filled in part. All messages are read, so the block would keep
    /// its messages in memory without a reader. Messages arrive slowly then, so the next block is
    /// small.
    fn drop_partial_block(&mut self, chores: &mut Chores<T>) {
        if self.blocks.back().is_some_and(|kept| kept.block.start() < self.head) {
            self.cells = self.most.min(MIN_BLOCK);
            while !self.blocks.is_empty() {
                self.drop_first(chores);
            }
        }
    }

    /// Drops the full blocks with messages of one sender that all receivers but its own have read.
    ///
    /// The sender's own receivers skip these messages. Without this, an own receiver that does not
    /// read would keep the blocks in memory.
    fn drop_unwanted(&mut self, chores: &mut Chores<T>) {
        for kept in std::mem::take(&mut self.blocks) {
            let end = kept.block.end();
            let wanted =
                |by: SenderId| self.readers.values().any(|reader| reader.at() < end && !reader.owner.is_own(by));
            if end > self.head || kept.single_sender.is_none_or(wanted) {
                self.blocks.push_back(kept);
            } else {
                kept.block.set_over();
                chores.drop_value(kept.block);
            }
        }
        self.sweep_at = SWEEP.max(self.blocks.len() * 2);
    }
}

/// The least number of blocks at which a search for unwanted blocks is worth its cost.
const SWEEP: usize = 64;

#[cfg(all(test, not(any(loom, miri))))]
impl<T> LogState<T> {
    /// Returns the number of messages in the log.
    pub(super) fn kept(&self) -> u64 {
        self.blocks.iter().map(|RetainedBlock { block, .. }| block.end().min(self.head) - block.start()).sum()
    }

    /// Returns the most cells of a block.
    pub(super) fn grain(&self) -> u64 {
        self.most as u64
    }
}
