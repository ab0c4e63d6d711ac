//! [`Block`]: a fixed row of messages of a broadcast log. Each message is written once and read by
//! many receivers.

use super::SenderId;
use std::sync::{Arc, OnceLock, Weak};

pub(super) struct Message<T> {
    pub(super) from: SenderId,
    pub(super) value: T,
}

/// A row of messages of a log, numbered from `start`.
pub(super) struct Block<T> {
    start: u64,
    cells: Box<[OnceLock<Message<T>>]>,
    /// Set when a reader must ask the log where to continue: the block gets no more messages, or
    /// its messages are too old.
    over: OnceLock<()>,
    /// The block after this one. The reference is weak, so that a receiver that does not move on
    /// keeps no later block in memory; the log keeps the blocks.
    next: OnceLock<Weak<Self>>,
}

impl<T> Block<T> {
    pub(super) fn new(start: u64, cells: usize) -> Self {
        Self {
            start,
            cells: (0..cells).map(|_| OnceLock::new()).collect(),
            over: OnceLock::new(),
            next: OnceLock::new(),
        }
    }

    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// Returns the number after that of the last cell.
    pub(super) fn end(&self) -> u64 {
        self.start + self.cells.len() as u64
    }

    /// Fills the cell of this number, which is free. The caller holds the log's lock.
    pub(super) fn put(&self, number: u64, message: Message<T>) {
        let put = self.cell(number).map(|cell| cell.set(message));
        debug_assert!(matches!(put, Some(Ok(()))), "a cell is filled once, under the log's lock");
    }

    /// Returns the message of this number, if it is in this block.
    pub(super) fn get(&self, number: u64) -> Option<&Message<T>> {
        self.cell(number)?.get()
    }

    fn cell(&self, number: u64) -> Option<&OnceLock<Message<T>>> {
        self.cells.get(usize::try_from(number.checked_sub(self.start)?).ok()?)
    }

    pub(super) fn set_next(&self, next: &Arc<Self>) {
        let _ = self.next.set(Arc::downgrade(next));
    }

    /// Returns the block after this one, if there is one and the log still keeps it.
    pub(super) fn next(&self) -> Option<Arc<Self>> {
        self.next.get()?.upgrade()
    }

    pub(super) fn set_over(&self) {
        let _ = self.over.set(());
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.get().is_some()
    }
}
