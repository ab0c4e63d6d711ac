//! Waking the other side of a stream: one swap where it does not wait.
//!
//! Each side has a bell that the other rings after whatever it does. One who finds nothing to do **asks** for the bell, then
//! looks again, then sleeps. Asking and ringing are both read-modify-writes of one word, so one of them comes first. If the
//! asking does, the ringing sees it and wakes. If the ringing does, the asking sees whatever was done before it, and so does
//! the look that follows. Either way nobody sleeps beside something to do; `bell_tests` walks through every interleaving.

use crate::util::loom::{AtomicU32, Ordering};
use futures_util::task::AtomicWaker;
use std::task::Waker;

const SILENT: u32 = 0;
const ASKED: u32 = 1;

/// Aligned so that the bells of the two sides, each rung all the time by one of them, share no cache line.
#[repr(align(128))]
pub(super) struct Notify {
    asked: AtomicU32,
    waker: AtomicWaker,
}

impl Notify {
    pub(super) fn new() -> Self {
        Self { asked: AtomicU32::new(SILENT), waker: AtomicWaker::new() }
    }

    /// Asks for the next ring, on behalf of one side: always the same. Whoever asks looks again before it sleeps.
    pub(super) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
        // ORDERING: AcqRel. Acquire pairs with the Release in `notify`: what was done before a ring that came first is seen
        // by the look that follows. Release pairs with the Acquire there: who rings after this sees the waker.
        self.asked.swap(ASKED, Ordering::AcqRel);
    }

    /// Takes back the waker of a side that waits no more. A ring that comes meanwhile wakes it, or finds none.
    pub(super) fn forget(&self) {
        drop(self.waker.take());
    }

    /// Wakes the other side if it asked. Whoever rings has done before what the other side is to see.
    #[inline]
    pub(super) fn notify(&self) {
        // ORDERING: AcqRel, both halves pair with those in `ask`.
        if self.asked.swap(SILENT, Ordering::AcqRel) == ASKED {
            self.waker.wake();
        }
    }
}

#[cfg(test)]
#[path = "notify_tests.rs"]
mod tests;
