//! [`watch`] delivers a call's outcome to its group, on the thread that ends the call.

use super::spawnable::{Watch, Watched};
use std::{
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Wake, Waker},
};

/// A receiver of outcomes. `take` is called on the thread that ends the call, so it is brief and
/// runs no user code.
pub(super) trait Sink<T, X>: Send + Sync + 'static {
    fn take(&self, outcome: Result<T, X>);
}

/// The waker that is registered in the call's slot.
struct Member<T, X, K> {
    handle: Mutex<Option<Box<dyn Watch<T, X>>>>,
    sink: K,
}

/// Passes the outcome to `sink` as soon as the call is over, possibly at once.
pub(super) fn watch<T, X, K>(handle: Watched<T, X>, sink: K)
where
    T: Send + 'static,
    X: Send + 'static,
    K: Sink<T, X>,
{
    let member = Arc::new(Member { handle: Mutex::new(Some(handle.0)), sink });
    let waker = Waker::from(member.clone());
    let is_over = {
        let handle = member.handle.lock().unwrap_or_else(PoisonError::into_inner);
        handle.as_ref().is_some_and(|handle| handle.is_over(&mut Context::from_waker(&waker)))
    };
    if is_over {
        member.wake();
    }
}

impl<T, X, K> Wake for Member<T, X, K>
where
    T: Send + 'static,
    X: Send + 'static,
    K: Sink<T, X>,
{
    fn wake(self: Arc<Self>) {
        let lock = || self.handle.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(handle) = lock().take() else { return };
        match handle.outcome() {
            Ok(outcome) => self.sink.take(outcome),
            Err(handle) => *lock() = Some(handle), // a spurious wake-up
        }
    }
}
