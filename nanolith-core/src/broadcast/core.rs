//! The log under its lock: pure data. What is to be woken or dropped is handed out, for after the lock's release.

use super::{
    Origin, SlowReceiver,
    block::{Block, Message},
    line::{Line, Ticket, Waiting},
};
use crate::panics;
use std::{collections::VecDeque, sync::Arc, task::Waker};

/// The most messages of a block. It is also a sixteenth of the bound at most, so that room shows soon.
const CELLS: usize = 64;

/// Those of a block while messages come one by one. A block that is filled has a successor twice as large.
const FEW: usize = 4;

/// What is to be done when the lock is free again.
pub(super) struct Chores<T> {
    wakers: Vec<Waker>,
    blocks: Vec<Arc<Block<T>>>,
}

impl<T> Chores<T> {
    pub(super) fn new() -> Self {
        Self { wakers: Vec::new(), blocks: Vec::new() }
    }

    /// Nobody holds the lock here.
    pub(super) fn carry_out(self) {
        self.wakers.into_iter().for_each(|waker| panics::quietly(|| waker.wake()));
        self.blocks.into_iter().for_each(|block| panics::quietly(|| drop(block)));
    }
}

/// What became of a message that was to be sent.
pub(crate) enum Pushed<T> {
    /// It went to so many receivers.
    To(usize),
    /// There is no receiver that it could go to. The value is dropped outside of the lock.
    Unheard(T),
    /// A receiver has no room for it.
    Full(T),
    /// The log has ended.
    Ended(T),
}

/// Tells receivers apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReaderId(u64);

/// Where a receiver stands, as far as it has told.
struct Reader {
    id: ReaderId,
    /// Whose messages it leaves out.
    owner: Origin,
    /// The number of the first message that it may still read.
    at: u64,
    /// How many of the messages from there on are its owner's.
    own: u64,
    /// How many it lost while it stood in for the first receiver, as long as that was not told.
    lost: u64,
    waker: Option<Waker>,
}

impl Reader {
    /// How many messages are ahead of it.
    fn lag(&self, head: u64) -> u64 {
        head - self.at - self.own
    }
}

/// Where a receiver stands by its own account.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    /// The number of the message that it reads next.
    pub(super) next: u64,
    /// How many of its owner's messages it has passed since it last told where it stands.
    pub(super) own: u64,
}

/// How a receiver goes on.
pub(super) enum Turn<T> {
    /// Its next message is in this block, or will be.
    Block(Arc<Block<T>>),
    /// It was too slow: so many are lost.
    Lost(u64),
    /// No more messages will come.
    Ended,
}

/// A block, and the one who sent all that is in it, unless there are several.
struct Kept<T> {
    block: Arc<Block<T>>,
    sole: Option<Origin>,
}

pub(super) struct Core<T> {
    policy: SlowReceiver,
    /// What the policy bounds, if it does.
    bound: u64,
    /// Cells of a block at most, and of the next one.
    most: usize,
    cells: usize,
    blocks: VecDeque<Kept<T>>,
    /// The number of the next message.
    head: u64,
    /// Below this there is room with every receiver; there may be more.
    limit: u64,
    readers: Vec<Reader>,
    last_id: u64,
    /// Stands in for the first receiver until it comes.
    early: Option<ReaderId>,
    line: Line<T>,
    ended: bool,
    /// At so many blocks those are looked for that only their own sender's receivers have not read.
    sweep_at: usize,
}

impl<T> Core<T> {
    pub(super) fn new(policy: SlowReceiver, keep_for_first: bool) -> Self {
        let bound = policy.bound().map(|bound| bound.max(1));
        let most = bound.map_or(CELLS, |bound| (bound / 16).clamp(1, CELLS));
        let mut core = Self {
            policy,
            bound: bound.map_or(u64::MAX, |bound| bound as u64),
            most,
            cells: most.min(FEW),
            blocks: VecDeque::new(),
            head: 0,
            limit: 0,
            readers: Vec::new(),
            last_id: 0,
            early: None,
            line: Line::new(),
            ended: false,
            sweep_at: SWEEP,
        };
        if keep_for_first {
            core.early = Some(core.add_reader(Origin::NONE));
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
        self.readers.iter().map(|reader| reader.lag(self.head)).max().unwrap_or(0)
    }

    /// How many messages `from` can send before it would wait.
    pub(super) fn room(&self, from: Origin) -> u64 {
        let lags = self.readers.iter().filter(|reader| !reader.owner.is_own(from)).map(|reader| reader.lag(self.head));
        lags.max().map_or(u64::MAX, |lag| self.bound.saturating_sub(lag))
    }

    // ----- receivers

    /// One more receiver, which leaves out the messages of `owner`; where it begins.
    pub(super) fn join(&mut self, owner: Origin) -> (ReaderId, Cursor) {
        let id = self.early.take().unwrap_or_else(|| self.add_reader(owner));
        let mut at = self.head;
        if let Some(nth) = self.find(id) {
            at = self.readers[nth].at;
            self.readers[nth].owner = owner;
            self.readers[nth].own = self.own_since(owner, at);
        }
        (id, Cursor { next: at, own: 0 })
    }

    fn add_reader(&mut self, owner: Origin) -> ReaderId {
        self.last_id += 1;
        let id = ReaderId(self.last_id);
        self.readers.push(Reader { id, owner, at: self.head, own: 0, lost: 0, waker: None });
        self.limit = 0; // looked up again by the next sender
        id
    }

    fn find(&self, id: ReaderId) -> Option<usize> {
        self.readers.iter().position(|reader| reader.id == id)
    }

    /// A receiver goes, and with it what only it had not read.
    pub(super) fn leave(&mut self, id: ReaderId, chores: &mut Chores<T>) {
        if let Some(nth) = self.find(id) {
            self.readers.swap_remove(nth);
            self.make_room(chores);
        }
    }

    /// All receivers of `owner` go, and are told if they sleep.
    pub(super) fn dismiss(&mut self, owner: Origin, chores: &mut Chores<T>) {
        self.readers.retain_mut(|reader| {
            let goes = reader.owner.is_own(owner);
            if goes {
                chores.wakers.extend(reader.waker.take());
            }
            !goes
        });
        self.make_room(chores);
    }

    /// How many messages are ahead of this receiver.
    pub(super) fn lag_of(&self, id: ReaderId, cursor: Cursor) -> u64 {
        self.find(id).map_or(0, |nth| self.head - cursor.next - (self.readers[nth].own - cursor.own))
    }

    /// A receiver tells where it stands, and learns where to go on.
    pub(super) fn turn(&mut self, id: ReaderId, cursor: &mut Cursor, chores: &mut Chores<T>) -> Turn<T> {
        let Some(nth) = self.find(id) else { return Turn::Ended };
        let lost = self.publish(nth, cursor) + std::mem::take(&mut self.readers[nth].lost);
        self.make_room(chores);
        if lost > 0 {
            return Turn::Lost(lost);
        }
        if cursor.next == self.head && self.ended {
            return Turn::Ended;
        }
        let at = self.blocks.partition_point(|kept| kept.block.end() <= cursor.next);
        Turn::Block(match self.blocks.get(at) {
            Some(kept) => kept.block.clone(),
            None => self.open(chores),
        })
    }

    /// A receiver has read a block: those who wait for its room are served. Gives the next block, if there is one. Where
    /// nobody waits this is left to the next turn, which also tells what was lost.
    pub(super) fn pass(&mut self, id: ReaderId, cursor: &mut Cursor, chores: &mut Chores<T>) -> Option<Arc<Block<T>>> {
        if let SlowReceiver::DropOldest(_) = self.policy {
            return None;
        }
        let nth = self.find(id)?;
        self.publish(nth, cursor);
        self.make_room(chores);
        let at = self.blocks.partition_point(|kept| kept.block.end() <= cursor.next);
        self.blocks.get(at).map(|kept| kept.block.clone())
    }

    /// Puts a receiver to sleep that has read everything, `true`, or lets it look again. It no longer stands in a block.
    pub(super) fn sleep(&mut self, id: ReaderId, cursor: &mut Cursor, waker: &Waker, chores: &mut Chores<T>) -> bool {
        let Some(nth) = self.find(id) else { return false };
        if cursor.next < self.head || self.ended {
            return false;
        }
        self.publish(nth, cursor);
        match &mut self.readers[nth].waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        self.make_room(chores);
        true
    }

    /// Notes where a receiver stands, after what is no longer kept. Says how many it has lost.
    fn publish(&mut self, nth: usize, cursor: &mut Cursor) -> u64 {
        let reader = &mut self.readers[nth];
        reader.at = cursor.next;
        reader.own -= std::mem::take(&mut cursor.own);
        let owner = reader.owner;
        if let SlowReceiver::DropOldest(_) = self.policy {
            let oldest = self.head.saturating_sub(self.bound);
            let (at, own) = (reader.at, reader.own);
            if at >= oldest {
                return 0;
            }
            let own_kept = if own == 0 { 0 } else { self.own_since(owner, oldest) };
            self.pass_to(nth, cursor, oldest, own - own_kept);
            return (oldest - at) - (own - own_kept);
        }
        // What is missing from the row was swept away: its owner's messages.
        let kept = self.blocks.partition_point(|kept| kept.block.end() <= cursor.next);
        let next = self.blocks.get(kept).map_or(self.head, |kept| kept.block.start());
        if next > cursor.next {
            self.pass_to(nth, cursor, next, next - cursor.next);
        }
        0
    }

    /// A receiver goes on at `next`; so many of its owner's messages are before that.
    fn pass_to(&mut self, nth: usize, cursor: &mut Cursor, next: u64, own: u64) {
        let reader = &mut self.readers[nth];
        reader.at = next;
        reader.own -= own;
        cursor.next = next;
    }

    /// How many messages of `owner` are kept, from number `since` on.
    fn own_since(&self, owner: Origin, since: u64) -> u64 {
        let first = self.blocks.partition_point(|kept| kept.block.end() <= since);
        let blocks = self.blocks.range(first..);
        let messages = blocks.flat_map(|Kept { block, .. }| {
            (block.start().max(since)..block.end()).map_while(|number| block.get(number))
        });
        messages.filter(|message| owner.is_own(message.from)).count() as u64
    }

    // ----- senders

    /// Sends, if there is room.
    pub(super) fn push(&mut self, from: Origin, value: T, chores: &mut Chores<T>) -> Pushed<T> {
        if self.ended {
            return Pushed::Ended(value);
        }
        let to = self.hearers(from);
        if to == 0 {
            return Pushed::Unheard(value);
        }
        if !self.has_room(from) && !self.forget_early(chores) {
            return Pushed::Full(value);
        }
        self.append(from, value, chores);
        Pushed::To(to)
    }

    /// Sends, or stands in line.
    pub(super) fn push_or_wait(
        &mut self,
        from: Origin,
        value: T,
        waker: &Waker,
        chores: &mut Chores<T>,
    ) -> Result<Pushed<T>, Ticket> {
        match self.push(from, value, chores) {
            Pushed::Full(value) => Err(self.line.join(Waiting { from, value, waker: waker.clone() })),
            pushed => Ok(pushed),
        }
    }

    pub(super) fn line(&mut self) -> &mut Line<T> {
        &mut self.line
    }

    fn hearers(&self, from: Origin) -> usize {
        self.readers.iter().filter(|reader| !reader.owner.is_own(from)).count()
    }

    /// Whether every receiver that `from` sends to has room for one more.
    fn has_room(&mut self, from: Origin) -> bool {
        if !matches!(self.policy, SlowReceiver::Wait(_)) || self.head < self.limit {
            return true;
        }
        let bound = self.bound;
        let limit = |reader: &Reader| (reader.at + reader.own).saturating_add(bound);
        self.limit = self.readers.iter().map(limit).min().unwrap_or(u64::MAX);
        let head = self.head;
        // One who only waits for its own receivers would wait for itself.
        head < self.limit || self.readers.iter().all(|reader| reader.owner.is_own(from) || head < limit(reader))
    }

    /// Nobody waits for the stand-in: it loses its oldest message, of which the first receiver will be told.
    fn forget_early(&mut self, chores: &mut Chores<T>) -> bool {
        let Some(nth) = self.early.and_then(|id| self.find(id)) else { return false };
        self.readers[nth].at += 1;
        self.readers[nth].lost += 1;
        self.limit = 0; // looked up again by the next sender
        self.make_room(chores);
        true
    }

    fn append(&mut self, from: Origin, value: T, chores: &mut Chores<T>) {
        let head = self.head;
        let room = self.blocks.back().is_some_and(|kept| head < kept.block.end());
        if !room {
            self.open(chores);
        }
        let Some(kept) = self.blocks.back_mut() else { unreachable!("it was just opened") };
        if head == kept.block.start() {
            kept.sole = Some(from);
        } else if kept.sole != Some(from) {
            kept.sole = None;
        }
        kept.block.put(head, Message { from, value });
        self.head += 1;
        for reader in &mut self.readers {
            if reader.owner.is_own(from) {
                reader.own += 1;
            } else if let Some(waker) = reader.waker.take() {
                chores.wakers.push(waker);
            }
        }
        if let SlowReceiver::DropOldest(_) = self.policy {
            let oldest = self.head.saturating_sub(self.bound);
            self.drop_until(oldest, chores);
        }
    }

    /// A new block for the messages to come.
    fn open(&mut self, chores: &mut Chores<T>) -> Arc<Block<T>> {
        if self.blocks.len() >= self.sweep_at {
            self.sweep(chores);
        }
        let block = Arc::new(Block::new(self.head, self.cells));
        self.cells = self.most.min(self.cells * 2);
        self.blocks.push_back(Kept { block: block.clone(), sole: None });
        block
    }

    /// No more messages come. Those who wait for room are told, those who sleep look what is left for them.
    pub(super) fn end(&mut self, chores: &mut Chores<T>) {
        self.ended = true;
        chores.wakers.extend(self.readers.iter_mut().filter_map(|reader| reader.waker.take()));
        for (ticket, Waiting { value, waker, .. }) in self.line.take_all() {
            self.line.answer(ticket, Pushed::Ended(value));
            chores.wakers.push(waker);
        }
        if self.early.is_some() {
            return; // what is kept is for the first receiver
        }
        self.make_room(chores);
    }

    // ----- room

    /// Lets go of what everybody has read, and sends for those in line who have room now.
    fn make_room(&mut self, chores: &mut Chores<T>) {
        let read = self.readers.iter().map(|reader| reader.at).min().unwrap_or(self.head);
        self.drop_until(read, chores);
        if read == self.head {
            self.retire(chores);
        }
        if !self.line.is_empty() {
            self.serve_line(chores);
        }
    }

    /// Lets go of the blocks that end by `number`.
    fn drop_until(&mut self, number: u64, chores: &mut Chores<T>) {
        while self.blocks.front().is_some_and(|kept| kept.block.end() <= number) {
            self.drop_first(chores);
        }
    }

    fn drop_first(&mut self, chores: &mut Chores<T>) {
        if let Some(Kept { block, .. }) = self.blocks.pop_front() {
            block.set_over();
            chores.blocks.push(block);
        }
    }

    /// Everything is read: a block that is filled in part would keep its messages for nobody. Where they come so slowly,
    /// the next is a small one.
    fn retire(&mut self, chores: &mut Chores<T>) {
        if self.blocks.back().is_some_and(|kept| kept.block.start() < self.head) {
            self.cells = self.most.min(FEW);
            while !self.blocks.is_empty() {
                self.drop_first(chores);
            }
        }
    }

    fn serve_line(&mut self, chores: &mut Chores<T>) {
        let mut line = std::mem::replace(&mut self.line, Line::new());
        while let Some(ticket) = line.first(|from| self.hearers(from) == 0 || self.has_room(from)) {
            let Some(Waiting { from, value, waker }) = line.take(ticket) else { break };
            let pushed = self.push(from, value, chores);
            line.answer(ticket, pushed);
            chores.wakers.push(waker);
        }
        self.line = line;
    }

    /// Lets go of the full blocks whose messages are all of one sender and are read by all but its own receivers, which
    /// leave them out: one of those that stands still would keep them for nothing.
    fn sweep(&mut self, chores: &mut Chores<T>) {
        for kept in std::mem::take(&mut self.blocks) {
            let end = kept.block.end();
            let wanted = |by: Origin| self.readers.iter().any(|reader| reader.at < end && !reader.owner.is_own(by));
            if end > self.head || kept.sole.is_none_or(wanted) {
                self.blocks.push_back(kept);
            } else {
                kept.block.set_over();
                chores.blocks.push(kept.block);
            }
        }
        self.sweep_at = SWEEP.max(self.blocks.len() * 2);
    }
}

/// So many blocks are not worth a look.
const SWEEP: usize = 64;

#[cfg(test)]
impl<T> Core<T> {
    /// How many messages lie in the log.
    pub(super) fn kept(&self) -> u64 {
        self.blocks.iter().map(|Kept { block, .. }| block.end().min(self.head) - block.start()).sum()
    }

    /// Cells of a block at most.
    pub(super) fn grain(&self) -> u64 {
        self.most as u64
    }
}
