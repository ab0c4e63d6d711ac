//! [`Notify`]: the wake-up between the two ends of a stream. Notifying costs one atomic swap if the
//! other end does not wait.
//!
//! Each end has a [`Notify`] for its waits. The other end calls [`notify`](Notify::notify) after
//! each of its actions. An end that finds nothing to do calls [`register`](Notify::register), looks
//! again, and then sleeps.
//!
//! # Memory ordering
//!
//! `register` and `notify` are both read-modify-writes of `asked`, so one of them comes first. If
//! `register` comes first, `notify` sees `ASKED` and wakes. If `notify` comes first, `register`
//! sees all actions before it, and so does the look that follows. Either way no end sleeps while it
//! has something to do. `notify_tests` checks every interleaving under loom.

use crate::util::loom::{AtomicU32, Ordering};
use futures_util::task::AtomicWaker;
use std::task::Waker;

const SILENT: u32 = 0;
const ASKED: u32 = 1;

/// A waker with a flag. It is aligned so that the two ends' wakers share no cache line: each is
/// notified often, by one of the ends.
#[repr(align(128))]
pub(super) struct Notify {
    asked: AtomicU32,
    waker: AtomicWaker,
}

impl Notify {
    pub(super) fn new() -> Self {
        Self { asked: AtomicU32::new(SILENT), waker: AtomicWaker::new() }
    }

    /// Registers a waker for the next `notify`. Only one end calls this method, and that end looks
    /// again before it sleeps.
    pub(super) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
        // ORDERING: AcqRel. The Acquire pairs with the Release in `notify`: the look that follows
        // sees the actions before an earlier `notify`. The Release pairs with the Acquire in
        // `notify`: a later `notify` sees the waker.
        self.asked.swap(ASKED, Ordering::AcqRel);
    }

    /// Removes the waker of an end that no longer waits. A concurrent `notify` wakes that waker, or
    /// finds none.
    pub(super) fn forget(&self) {
        drop(self.waker.take());
    }

    /// Wakes the other end if it has registered. The caller has done before this call what the
    /// other end must see.
    #[inline]
    pub(super) fn notify(&self) {
        // ORDERING: AcqRel, both halves pair with those in `register`.
        if self.asked.swap(SILENT, Ordering::AcqRel) == ASKED {
            self.waker.wake();
        }
    }
}

#[cfg(test)]
#[path = "notify_tests.rs"]
mod tests;
