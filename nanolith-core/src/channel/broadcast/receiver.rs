//! How one reads a log.

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
    time::Duration,
};

/// Reads a log from the moment on when it was made, at its own pace. Dropped, it lets go of what only it had not read.
pub(crate) struct Receiver<T> {
    log: Arc<BroadcastChannel<T>>,
    id: ReceiverId,
    owner: SenderId,
    cursor: Cursor,
    /// Where it stood when it last saw to what is kept.
    settled: u64,
    /// How many messages it had passed when it last looked on.
    looked: Cell<u64>,
    /// Where its next message is, or will be.
    block: Option<Arc<Block<T>>>,
    /// Whether a poll left its waker, and none has looked since.
    sleeps: bool,
}

/// Where so many have come since it last waited, more come: to go to and fro with the sender for each costs more than a rest.
const PUBLISH_EVERY: u64 = 16;

/// After so many messages it looks whether the log can let go of some.
const MAKE_ROOM_EVERY: u64 = 512;

/// What a receiver finds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received<T> {
    Message(T),
    /// It was too slow, and goes on after so many.
    Lost(u64),
    /// No more messages will come.
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

    /// How many messages are ahead of it.
    pub(crate) fn lag(&self) -> u64 {
        self.log.with_state(|core, _| core.lag_of(self.id))
    }

    /// Learns where to go on.
    #[cold]
    fn turn(&mut self) -> Result<(), Received<T>> {
        let passed = self.block.take();
        let turn = self.log.with_state(|core, chores| core.turn(self.id, &mut self.cursor, chores));
        unwind::ignore_panics(|| drop(passed)); // nobody holds the lock here
        match turn {
            NextBlock::Block(block) => {
                self.block = Some(block);
                Ok(())
            }
            NextBlock::Lost(count) => Err(Received::Lost(count)),
            NextBlock::Ended => Err(Received::Ended),
        }
    }

    /// Keeps nothing of the log alive, until it takes again.
    #[cold]
    pub(crate) fn release(&mut self) {
        self.block = None;
    }

    /// Whether a look at the block is worth it.
    fn has_next(&self) -> bool {
        self.block.as_ref().is_none_or(|block| block.is_over() || block.get(self.cursor.next).is_some())
    }

    /// Looks on for a while whether something comes.
    pub(crate) fn look_on(&self) {
        let next = self.cursor.next;
        let many = next - self.looked.replace(next) >= PUBLISH_EVERY;
        let rest = if many { parker::IDLE_SPIN } else { Duration::ZERO };
        parker::yield_until(parker::IDLE_SPIN, |looked| looked >= rest && self.has_next());
    }
}

impl<T: Clone> Receiver<T> {
    /// What is there, as far as can be seen without the lock; within a block, that leaves out the end.
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
                    // Within a block of which more is there, nobody needs to know yet.
                    if block.get(self.cursor.next).is_none() && self.log.wanted.is_set() {
                        self.log.with_state(LogState::make_room);
                    }
                    // If this panics, the message is passed all the same.
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

    /// Goes to the next block without a word, if there is one. Now and then it sees to it that the log lets go of what
    /// nobody needs, unless somebody is at it who will.
    fn pass_block(&mut self) {
        let next = self.block.as_ref().and_then(|block| block.next());
        self.block = next;
        if self.block.is_none() || self.cursor.next - self.settled >= MAKE_ROOM_EVERY {
            self.settled = self.cursor.next;
            self.log.try_with(LogState::make_room);
        }
    }

    /// What is there, or nothing for certain: it asks the log, which then lets go of what was read.
    pub(crate) fn take_now(&mut self) -> Option<Received<T>> {
        self.try_recv().or_else(|| self.turn().err()).or_else(|| self.try_recv())
    }

    /// The next message, the number of those that were lost before it, or the end.
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
    /// Takes the waker of the last poll back, if it is still there: the future that polled is gone.
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
