//! How one reads a log.

use super::{
    Log, Origin,
    block::Block,
    core::{Cursor, ReaderId, Turn},
};
use crate::park;
use std::{
    sync::Arc,
    task::{Context, Poll},
};

/// Reads a log from the moment on when it was made, at its own pace. Dropped, it lets go of what only it had not read.
pub(crate) struct Receiver<T> {
    log: Arc<Log<T>>,
    id: ReaderId,
    owner: Origin,
    cursor: Cursor,
    /// How far the log knows that it has come.
    told: u64,
    /// Where its next message is, or will be.
    block: Option<Arc<Block<T>>>,
}

/// What a receiver finds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Take<T> {
    Message(T),
    /// It was too slow, and goes on after so many.
    Lost(u64),
    /// No more messages will come.
    Ended,
}

impl<T> Receiver<T> {
    pub(super) fn new(log: Arc<Log<T>>, owner: Origin, id: ReaderId, cursor: Cursor) -> Self {
        Self { log, id, owner, cursor, told: cursor.next, block: None }
    }

    /// How many messages are ahead of it.
    pub(crate) fn lag(&self) -> u64 {
        self.log.with(|core, _| core.lag_of(self.id, self.cursor))
    }

    /// Tells how far it has come, and learns where to go on.
    fn turn(&mut self) -> Result<(), Take<T>> {
        let passed = self.block.take();
        let turn = self.log.with(|core, chores| core.turn(self.id, &mut self.cursor, chores));
        self.told = self.cursor.next;
        drop(passed); // nobody holds the lock here
        match turn {
            Turn::Block(block) => {
                self.block = Some(block);
                Ok(())
            }
            Turn::Lost(count) => Err(Take::Lost(count)),
            Turn::Ended => Err(Take::Ended),
        }
    }

    /// Keeps nothing of the log alive, until it takes again.
    #[cold]
    pub(crate) fn let_go(&mut self) {
        self.block = None;
    }

    /// Whether a look at the block is worth it.
    fn has_next(&self) -> bool {
        self.block.as_ref().is_none_or(|block| block.is_over() || block.get(self.cursor.next).is_some())
    }

    /// Looks on for a while whether something comes.
    pub(crate) fn look_on(&self) {
        park::look_on_yielding(park::LINGER, || self.has_next());
    }
}

impl<T: Clone> Receiver<T> {
    /// What is there, if there is something.
    #[inline]
    pub(crate) fn try_take(&mut self) -> Option<Take<T>> {
        let taken = self.take();
        if taken.is_none() && self.told != self.cursor.next {
            // Nothing is there: now is the time to say how far it has come.
            return self.turn().err().or_else(|| self.take());
        }
        taken
    }

    /// The same, without telling anybody while it stands within a block.
    #[inline]
    fn take(&mut self) -> Option<Take<T>> {
        loop {
            let next = self.cursor.next;
            match &self.block {
                Some(block) if next < block.end() && !block.is_over() => {
                    let message = block.get(next)?;
                    self.cursor.next += 1;
                    if self.owner.is_own(message.from) {
                        self.cursor.own += 1;
                        continue;
                    }
                    // If this panics, the message is passed all the same.
                    let value = message.value.clone();
                    if self.cursor.next == block.end() {
                        return Some(self.pass(value));
                    }
                    return Some(Take::Message(value));
                }
                _ => {
                    if let Err(taken) = self.turn() {
                        return Some(taken);
                    }
                }
            }
        }
    }

    /// The block is read: those who wait for its room hear of it at once.
    #[cold]
    fn pass(&mut self, value: T) -> Take<T> {
        let next = self.log.with(|core, chores| core.pass(self.id, &mut self.cursor, chores));
        let passed = std::mem::replace(&mut self.block, next);
        drop(passed); // nobody holds the lock here
        Take::Message(value)
    }

    /// The next message, the number of those that were lost before it, or the end.
    pub(crate) fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<Take<T>> {
        loop {
            if let Some(taken) = self.take() {
                return Poll::Ready(taken);
            }
            drop(self.block.take());
            let sleeps = self.log.with(|core, chores| core.sleep(self.id, &mut self.cursor, cx.waker(), chores));
            if sleeps {
                self.told = self.cursor.next;
                return Poll::Pending;
            }
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.log.with(|core, chores| core.leave(self.id, chores));
    }
}
