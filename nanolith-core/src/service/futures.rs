//! [`Futures`]: a record of a service's pending futures, for the deadlock check. Only the service's
//! thread can read the futures themselves, so it makes the record when a check asks.

use crate::{
    call::{backend::ErasedCall, call_ref::CallRef},
    meta::task_info::Receiver,
};
use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

/// The pending futures of a service, as its thread recorded them at the last request of a check.
#[derive(Default)]
pub(super) struct Futures {
    /// Whether the service has pending futures.
    some: AtomicBool,
    is_asked: AtomicBool,
    seen: Mutex<Seen>,
}

// ORDERING of `some` and `is_asked`: Relaxed, for the pairs `are_some`/`ask` and `ask`/`answer`. A
// check that asks too early asks again at its next look. The lock of `seen` orders the recorded
// data.

/// A call whose future is pending, and the access to the state that it needs.
pub(super) type Suspended = (Receiver, CallRef<dyn ErasedCall>);

#[derive(Default)]
pub(super) struct Seen {
    pub(super) calls: Vec<Suspended>,
    /// The next call of the queue, which waits for the state.
    pub(super) held: Option<Suspended>,
}

impl Futures {
    /// Sets whether the service has pending futures.
    pub(super) fn are_some(&self, some: bool) {
        self.some.store(some, Ordering::Relaxed);
    }

    /// Requests a new record of the futures. Returns whether the caller has to wake the thread for
    /// it.
    pub(super) fn ask(&self) -> bool {
        let some = self.some.load(Ordering::Relaxed);
        if some {
            self.is_asked.store(true, Ordering::Relaxed);
        } else {
            drop(std::mem::take(&mut *self.lock()));
        }
        some
    }

    /// Records the futures, if a check has asked. The thread calls this only when it has nothing
    /// else to do.
    pub(super) fn answer(&self, look: impl FnOnce() -> Seen) {
        if self.is_asked.load(Ordering::Relaxed) {
            self.is_asked.store(false, Ordering::Relaxed);
            let before = std::mem::replace(&mut *self.lock(), look());
            drop(before);
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
