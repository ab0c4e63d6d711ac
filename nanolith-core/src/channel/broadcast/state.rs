//! The log under its lock: pure data. What is to be woken or dropped is handed out, for after the lock's release.

use super::{
    SenderId, SlowReceiver,
    block::Block,
    blocked_senders::BlockedSenders,
    cursor::SenderWaiting,
    receivers::{ReceiverId, ReceiverState},
};
use crate::wake::{AfterUnlock, WaiterSet};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

/// The most messages of a block. It is also a sixteenth of the bound at most, so that room shows soon.
const MAX_BLOCK: usize = 64;

/// Those of a block while messages come one by one. A block that is filled has a successor twice as large.
const MIN_BLOCK: usize = 4;

/// What is to be done when the lock is free again. The values are blocks that are used no more.
pub(super) type Chores<T> = AfterUnlock<Arc<Block<T>>>;

/// A block, and the one who sent all that is in it, unless there are several.
pub(super) struct RetainedBlock<T> {
    pub(super) block: Arc<Block<T>>,
    pub(super) single_sender: Option<SenderId>,
}

pub(super) struct LogState<T> {
    pub(super) policy: SlowReceiver,
    /// What the policy bounds, if it does.
    pub(super) bound: u64,
    /// Cells of a block at most, and of the next one.
    pub(super) most: usize,
    pub(super) cells: usize,
    pub(super) blocks: VecDeque<RetainedBlock<T>>,
    /// The number of the next message.
    pub(super) head: u64,
    /// Below this there is room with every receiver; there may be more.
    pub(super) limit: u64,
    pub(super) readers: BTreeMap<ReceiverId, ReceiverState>,
    /// Those of each owner.
    pub(super) owned: BTreeMap<SenderId, BTreeSet<ReceiverId>>,
    /// Those that sleep, each with its owner.
    pub(super) sleepers: WaiterSet<SenderId>,
    /// A reader that kept the first block when that was last looked at.
    slowest: Option<ReceiverId>,
    /// A reader that had no room when that was last looked at.
    pub(super) full: Option<ReceiverId>,
    /// Who sent last, and how many hear that one.
    pub(super) receiver_count_cache: Option<(SenderId, usize)>,
    pub(super) last_id: u64,
    /// Stands in for the first receiver until it comes.
    pub(super) early: Option<ReceiverId>,
    pub(super) line: BlockedSenders<T>,
    pub(super) wanted: Arc<SenderWaiting>,
    pub(super) ended: bool,
    /// At so many blocks those are looked for that only their own sender's receivers have not read.
    pub(super) sweep_at: usize,
}

impl<T> LogState<T> {
    pub(super) fn new(policy: SlowReceiver, keep_for_first: bool, wanted: Arc<SenderWaiting>) -> Self {
        let bound = policy.bound().map(|bound| bound.max(1));
        let most = bound.map_or(MAX_BLOCK, |bound| (bound / 16).clamp(1, MAX_BLOCK));
        let mut core = Self {
            policy,
            bound: bound.map_or(u64::MAX, |bound| bound as u64),
            most,
            cells: most.min(MIN_BLOCK),
            blocks: VecDeque::new(),
            head: 0,
            limit: 0,
            readers: BTreeMap::new(),
            owned: BTreeMap::new(),
            sleepers: WaiterSet::new(),
            slowest: None,
            full: None,
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

    /// How many messages are ahead of the slowest receiver.
    pub(super) fn lag(&self) -> u64 {
        self.readers.values().map(|reader| reader.lag(self.head)).max().unwrap_or(0)
    }

    /// How many messages `from` can send before it would wait.
    pub(super) fn room(&self, from: SenderId) -> u64 {
        let lags =
            self.readers.values().filter(|reader| !reader.owner.is_own(from)).map(|reader| reader.lag(self.head));
        lags.max().map_or(u64::MAX, |lag| self.bound.saturating_sub(lag))
    }

    /// The senders that wait for room.
    pub(super) fn line(&mut self) -> &mut BlockedSenders<T> {
        &mut self.line
    }

    // ----- its blocks

    /// A new block for the messages to come.
    pub(super) fn open(&mut self, chores: &mut Chores<T>) -> Arc<Block<T>> {
        // Where the oldest are dropped the row is bounded anyway, and its numbers tell how many were lost: it has no gaps.
        if self.blocks.len() >= self.sweep_at && !matches!(self.policy, SlowReceiver::DropOldest(_)) {
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

    /// Lets go of what all have read, and sends for those in line who have room now.
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

    /// Lets go of the blocks that all have read. Says whether that is all there is.
    ///
    /// While the reader that kept the first block still does, there is nothing to look for.
    pub(super) fn drop_read_blocks(&mut self, chores: &mut Chores<T>) -> bool {
        while let Some(RetainedBlock { block: first, .. }) = self.blocks.front() {
            if first.start() == self.head {
                return true;
            }
            let kept = first.end().min(self.head);
            let is_behind = |reader: &ReceiverState| reader.at() < kept;
            if self.slowest.and_then(|id| self.readers.get(&id)).is_some_and(is_behind) {
                return false;
            }
            self.slowest = self.readers.iter().find(|(_, reader)| is_behind(reader)).map(|(id, _)| *id);
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

    /// Lets go of the blocks that end by `number`.
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

    /// Everything is read: a block that is filled in part would keep its messages for nobody. Where they come so slowly,
    /// the next is a small one.
    fn drop_partial_block(&mut self, chores: &mut Chores<T>) {
        if self.blocks.back().is_some_and(|kept| kept.block.start() < self.head) {
            self.cells = self.most.min(MIN_BLOCK);
            while !self.blocks.is_empty() {
                self.drop_first(chores);
            }
        }
    }

    /// Lets go of the full blocks whose messages are all of one sender and are read by all but its own receivers, which
    /// leave them out: one of those that stands still would keep them for nothing.
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

/// So many blocks are not worth a look.
const SWEEP: usize = 64;

#[cfg(all(test, not(any(loom, miri))))]
impl<T> LogState<T> {
    /// How many messages lie in the log.
    pub(super) fn kept(&self) -> u64 {
        self.blocks.iter().map(|RetainedBlock { block, .. }| block.end().min(self.head) - block.start()).sum()
    }

    /// Cells of a block at most.
    pub(super) fn grain(&self) -> u64 {
        self.most as u64
    }
}
