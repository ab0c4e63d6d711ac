//! [`Receiver`] reads the messages of a broadcast log at its own pace.

use super::{
    BroadcastChannel, SenderId,
    block::Block,
    receivers::{Cursor, NextBlock, ReceiverId},
    state::LogState,
};
use crate::{park::parker, util::unwind, wake::NewWaker};
use std::{
    cell::Cell,
    sync::Arc,
    task::{Context, Poll},
};

/// A receiver: it reads the messages that are sent after its creation, at its own pace. Dropping it
/// also drops the messages that only this receiver had not read.
pub(crate) struct Receiver<T> {
    log: Arc<BroadcastChannel<T>>,
    id: ReceiverId,
    owner: SenderId,
    cursor: Cursor,
    /// The position at which it last asked the log to drop read blocks.
    settled: u64,
    /// The position at the last [`look_on`](Self::look_on).
    looked: Cell<u64>,
    /// The block that has, or will have, the next message.
    block: Option<Arc<Block<T>>>,
    /// Set if the last poll left its waker with the log, and no poll has followed.
    sleeps: bool,
}

/// The least number of messages since the last wait at which a receiver or a sender expects more.
/// Then it rests before it looks, because a switch between receiver and sender for each message
/// costs more than the rest.
pub(super) const MANY: u64 = 16;

/// After this many messages the receiver asks the log to drop read blocks.
const MAKE_ROOM_EVERY: u64 = 512;

/// The result of a receive.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received<T> {
    Message(T),
    /// The receiver was too slow and lost this many messages. It continues after them.
    Lost(u64),
    /// No more messages will arrive.
    Ended,
}

impl<T> Receiver<T> {
    pub(super) fn new(log: Arc<BroadcastChannel<T>>, owner: SenderId, id: ReceiverId, cursor: Cursor) -> Self {
        Self {
            log,
            id,
            owner,
            settled: cursor.next,
            looked: Cell::new(cursor.next),
            cursor,
            block: None,
            sleeps: false,
        }
    }

    /// Returns the number of messages ahead of this receiver.
    pub(crate) fn lag(&self) -> u64 {
        self.log.with_state(|core, _| core.lag_of(self.id))
    }

    /// Asks the log where to continue.
    #[cold]
    fn turn(&mut self) -> Result<(), Received<T>> {
        let passed = self.block.take();
        let turn = self.log.with_state(|core, chores| core.turn(self.id, &mut self.cursor, chores));
        unwind::ignore_panics(|| drop(passed)); // the lock is not held here
        match turn {
            NextBlock::Block(block) => {
                self.block = Some(block);
                Ok(())
            }
            NextBlock::Lost(count) => Err(Received::Lost(count)),
            NextBlock::Ended => Err(Received::Ended),
        }
    }

    /// Releases the current block, so that this receiver keeps no message in memory until its next
    /// receive.
    #[cold]
    pub(crate) fn release(&mut self) {
        self.block = None;
    }

    /// Returns `true` if the block has the next message, or if the receiver must ask the log.
    fn has_next(&self) -> bool {
        self.block.as_ref().is_none_or(|block| block.is_over() || block.get(self.cursor.next).is_some())
    }

    /// Yields the core for a while: until a message arrives, or for a fixed time if many messages
    /// have arrived since the last wait.
    pub(crate) fn look_on(&self) {
        let next = self.cursor.next;
        let many = next - self.looked.replace(next) >= MANY;
        if many {
            parker::yield_after_many(parker::IDLE_SPIN, || false);
        } else {
            parker::yield_until(parker::IDLE_SPIN, || self.has_next());
        }
    }
}

impl<T: Clone> Receiver<T> {
    /// Takes the next message as far as it is visible without the lock. Inside a block, the end of
    /// the log is not visible.
    #[inline]
    pub(crate) fn try_recv(&mut self) -> Option<Received<T>> {
        loop {
            let next = self.cursor.next;
            match &self.block {
                Some(block) if next < block.end() && !block.is_over() => {
                    let message = block.get(next)?;
                    if self.owner.is_own(message.from) {
                        self.cursor.pass_to(next + 1, 1);
                        continue;
                    }
                    self.cursor.advance(next + 1);
                    while block.get(self.cursor.next).is_some_and(|message| self.owner.is_own(message.from)) {
                        self.cursor.pass_to(self.cursor.next + 1, 1);
                    }
                    // While the block holds more messages, waiting senders do not need this
                    // position yet.
                    if block.get(self.cursor.next).is_none() && self.log.wanted.is_set() {
                        self.log.with_state(LogState::make_room);
                    }
                    // If this panics, the cursor has already passed the message.
                    let value = message.value.clone();
                    if self.cursor.next == block.end() {
                        self.pass_block();
                    }
                    return Some(Received::Message(value));
                }
                _ => {
                    if let Err(taken) = self.turn() {
                        return Some(taken);
                    }
                }
            }
        }
    }

    /// Moves to the next block without the lock, if there is one.
    ///
    /// At the last block, and after every `MAKE_ROOM_EVERY` messages, it also asks the log to drop
    /// read blocks. It skips this if another thread holds the lock.
    fn pass_block(&mut self) {
        let next = self.block.as_ref().and_then(|block| block.next());
        self.block = next;
        if self.block.is_none() || self.cursor.next - self.settled >= MAKE_ROOM_EVERY {
            self.settled = self.cursor.next;
            self.log.try_with(LogState::make_room);
        }
    }

    /// Takes the next message. `None` means that the log was asked and has no message now. The log
    /// drops read blocks when it is asked.
    pub(crate) fn take_now(&mut self) -> Option<Received<T>> {
        self.try_recv().or_else(|| self.turn().err()).or_else(|| self.try_recv())
    }

    /// Waits for the next message, the number of messages lost before it, or the end.
    pub(crate) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Received<T>> {
        self.sleeps = false;
        let mut new = None;
        loop {
            if let Some(taken) = self.try_recv() {
                return Poll::Ready(taken);
            }
            let passed = self.block.take();
            unwind::ignore_panics(|| drop(passed));
            let waker = &mut new;
            waker.get_or_insert_with(|| NewWaker::of(cx.waker()));
            self.sleeps = self.log.with_state(|core, chores| core.sleep(self.id, &self.cursor, waker, chores));
            if self.sleeps {
                return Poll::Pending;
            }
        }
    }
}

impl<T> Receiver<T> {
    /// Takes back the waker of the last poll, if the log still has it, because the future that
    /// polled was dropped.
    #[inline]
    pub(crate) fn rise(&mut self) {
        if std::mem::take(&mut self.sleeps) {
            self.log.with_state(|core, chores| core.rise(self.id, chores));
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.log.with_state(|core, chores| core.leave(self.id, chores));
    }
}
