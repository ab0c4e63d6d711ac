//! What a check for deadlocks knows of a service's futures, which only the service's thread can look at.

use crate::{
    call::{backend::ErasedCall, call_ref::CallRef},
    meta::task_info::Receiver,
};
use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

/// The futures of a service, as its thread saw them when a check last asked.
#[derive(Default)]
pub(super) struct Futures {
    /// Whether there are any.
    some: AtomicBool,
    is_asked: AtomicBool,
    seen: Mutex<Seen>,
}

// ORDERING of `some` and `is_asked`: Relaxed. A check that asks too early asks again at its next look; the lock orders what is seen.

/// A call that has left a future, and what it asks of the state.
pub(super) type Suspended = (Receiver, CallRef<dyn ErasedCall>);

#[derive(Default)]
pub(super) struct Seen {
    pub(super) calls: Vec<Suspended>,
    /// The next call of the line, which waits for the state.
    pub(super) held: Option<Suspended>,
}

impl Futures {
    /// The service has futures from now on, or none.
    pub(super) fn are_some(&self, some: bool) {
        self.some.store(some, Ordering::Relaxed);
    }

    /// Asks for a look at the futures. Returns whether the thread is to be woken for it.
    pub(super) fn ask(&self) -> bool {
        let some = self.some.load(Ordering::Relaxed);
        if some {
            self.is_asked.store(true, Ordering::Relaxed);
        } else {
            drop(std::mem::take(&mut *self.lock()));
        }
        some
    }

    /// Tells what there is, if a check has asked. Only a thread that has nothing else to do does so.
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
