//! Flags on a call that its queue and executor set: counted by the queue, awaited by a task, exempt
//! from its task's concurrency limit, carrying its state.

use super::{AWAITED, COUNTED, HAS_STATE, Header, LIMIT_EXEMPT, NESTED, REMOVED};
use std::sync::atomic::Ordering;

impl Header {
    // ORDERING of `taken`: Relaxed. Each bit is written before the slot passes through a lock or a
    // state change that publishes it.

    /// Records that a queue took the call. The caller holds the queue's lock, here and in
    /// [`Header::is_accepted`].
    #[inline]
    pub(crate) fn mark_counted(&self, inside: bool) {
        self.taken.fetch_or(if inside { COUNTED | NESTED } else { COUNTED }, Ordering::Relaxed);
    }

    /// Records that a running task of the executor submitted the call.
    #[inline]
    pub(crate) fn mark_nested(&self) {
        if self.needs_notify() {
            self.taken.fetch_or(NESTED, Ordering::Relaxed);
        } else {
            // No timer and no token knows the call. So its submitter alone does.
            self.taken.store(self.taken.load(Ordering::Relaxed) | NESTED, Ordering::Relaxed);
        }
    }

    /// Records that no queue counts the call any more. The caller holds the queue's lock. Returns
    /// whether the call came from inside.
    pub(crate) fn clear_counted(&self) -> bool {
        self.taken.fetch_and(!COUNTED, Ordering::Relaxed) & NESTED != 0
    }

    /// Takes the call's count from its queue. The caller holds the queue's lock. Returns whether
    /// the call was still counted: only one of several entries counts.
    pub(crate) fn take_counted(&self) -> bool {
        self.taken.fetch_and(!COUNTED, Ordering::Relaxed) & COUNTED != 0
    }

    /// Records that the call was ended before a queue counted it. The caller holds the queue's
    /// lock, here and in [`Header::has_left`].
    pub(crate) fn leave(&self) {
        self.taken.fetch_or(REMOVED, Ordering::Relaxed);
    }

    pub(crate) fn has_left(&self) -> bool {
        self.taken.load(Ordering::Relaxed) & REMOVED != 0
    }

    pub(crate) fn is_accepted(&self) -> bool {
        self.taken.load(Ordering::Relaxed) & COUNTED != 0
    }

    #[inline]
    pub(crate) fn is_nested(&self) -> bool {
        self.taken.load(Ordering::Relaxed) & NESTED != 0
    }

    /// Records that a task waits for the call, which starts ahead of its turn. Returns whether this
    /// is new.
    pub(crate) fn mark_urgent(&self) -> bool {
        self.taken.fetch_or(AWAITED, Ordering::Relaxed) & AWAITED == 0
    }

    pub(crate) fn is_urgent(&self) -> bool {
        self.taken.load(Ordering::Relaxed) & AWAITED != 0
    }

    /// Lets the call begin beyond the limit of its kind, because the task that has the kind's slot
    /// waits for it. Returns whether this is new.
    pub(crate) fn exempt(&self) -> bool {
        self.taken.fetch_or(LIMIT_EXEMPT, Ordering::Relaxed) & LIMIT_EXEMPT == 0
    }

    pub(crate) fn is_exempt(&self) -> bool {
        self.taken.load(Ordering::Relaxed) & LIMIT_EXEMPT != 0
    }

    /// Records that the call carries the state that it shares.
    #[inline]
    pub(crate) fn mark_sharing(&self) {
        self.taken.fetch_or(HAS_STATE, Ordering::Relaxed);
    }

    pub(crate) fn is_sharing(&self) -> bool {
        self.taken.load(Ordering::Relaxed) & HAS_STATE != 0
    }
}
