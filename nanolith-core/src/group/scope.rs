//! [`scope()`] runs a function, and waits until all calls that the function spawned are over
//! (structured concurrency).

use super::Patience;
use crate::{
    call::cancel_tree::CancelNode,
    executor::Executor,
    sync::cancel_token::CancelToken,
    task::TaskSet,
    typed::{Call, Handle},
    wake::Registration,
};
use std::{
    fmt,
    future::poll_fn,
    panic::{self, AssertUnwindSafe},
    task::Poll,
};

/// Runs `f`, and returns when all calls that it spawned are over. If `f` panics, the calls are
/// cancelled first.
///
/// ```
/// # use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// let geometry = Geometry::tasks();
/// let (sum, other) = nanolith::scope(|scope| {
///     let sum = scope.spawn(geometry.add(1, 2));
///     let other = scope.spawn(geometry.add(3, 4));
///     scope.spawn(geometry.add(5, 6)).detach();
///     (sum.wait(), other)
/// });
/// assert_eq!(sum?, 3);
/// assert!(other.is_finished()); // a handle may leave the scope; its call is over by then
/// # Ok::<(), CallError>(())
/// ```
///
/// Within a task, the thread's permit is lent while the scope waits at its end, and queued calls of
/// the same pool run inline. A task of a service cannot wait in this way for its own service: those
/// calls end as [`CallError::WouldDeadlock`](crate::error::CallError::WouldDeadlock).
///
/// A call that was cancelled, or whose deadline has passed, is over for its scope too, though its
/// task may take a while to notice.
///
/// [`try_scope`](crate::group::try_scope) cancels the other calls at the first error. Arguments are
/// owned: to borrow, a task can use `rayon::scope` inside.
///
/// # Panics
///
/// Panics if `f` panics, with the same payload.
pub fn scope<R>(f: impl FnOnce(&Scope) -> R) -> R {
    let scope = Scope { token: CancelToken::new() };
    // The values that `f` touched belong to the caller, which receives the panic too.
    let result = panic::catch_unwind(AssertUnwindSafe(|| f(&scope)));
    if result.is_err() {
        scope.token.cancel();
    }
    wait_for_all(scope.token.stop());
    result.unwrap_or_else(|payload| panic::resume_unwind(payload))
}

/// Blocks until no call is attached to `stop`.
pub(super) fn wait_for_all(stop: &CancelNode) {
    let mut waiter = Registration::new(stop);
    let mut patience = Patience::default();
    let all = poll_fn(|cx| {
        while CancelNode::poll_empty(&mut waiter, cx.waker()).is_pending() {
            if !patience.help(stop, usize::MAX, || false) {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    });
    super::block_on(stop, usize::MAX, all);
}

/// A scope in which calls are spawned. They are over when [`scope()`] returns.
pub struct Scope {
    token: CancelToken,
}

impl Scope {
    /// Submits `call`, which is over when the scope returns. The handle can be used like any other
    /// handle.
    ///
    /// This blocks while it waits for queue room, like [`Call::submit`].
    pub fn spawn<S, E, T>(&self, call: Call<'_, S, E, T>) -> Handle<S, T>
    where
        S: TaskSet,
        E: Executor<S> + ?Sized,
    {
        call.linked_to(&self.token).submit()
    }

    /// Cancels all calls of the scope, and the calls that are spawned later.
    pub fn cancel(&self) {
        self.token.cancel();
    }

    /// Returns a token that is cancelled with the scope.
    #[must_use]
    pub fn token(&self) -> CancelToken {
        self.token.child_token()
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("is_cancelled", &self.token.is_cancelled()).finish()
    }
}
