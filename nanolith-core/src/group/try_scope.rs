//! [`try_scope`] runs a function like `scope`, but the first call that fails cancels the other
//! calls.

use super::{
    Patience,
    scope::wait_for_all,
    spawnable::Spawn,
    watch::{Sink, watch},
};
use crate::{
    context::wait::{Sealed, Wait},
    sync::cancel_token::CancelToken,
    wake::{Deferred, NewWaker, SingleWaiter},
};
use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    panic::{self, AssertUnwindSafe},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

/// Runs `f` like [`scope`](crate::group::scope()), but the first call that fails cancels the other
/// calls. Returns the error of that call.
///
/// A call's [`flatten`](crate::typed::Call::flatten) also fails with its task's own error. Errors
/// are converted into `E` by `Into`.
///
/// ```
/// # use nanolith::{TaskError, prelude::*};
/// # use std::num::ParseIntError;
/// # use nanolith_doc_sets::*;
/// let geometry = Geometry::tasks();
/// let sum = |texts: [&str; 3]| {
///     nanolith::group::try_scope(|scope| {
///         let parts = texts.map(|text| scope.spawn(geometry.parse(text.into()).flatten()));
///         parts.into_iter().map(|part| part.wait()).sum::<Result<i64, TaskError<ParseIntError>>>()
///     })
/// };
/// assert_eq!(sum(["1", "2", "3"])?, 6);
/// assert!(matches!(sum(["1", "two", "3"]), Err(TaskError::Task(_))));
/// # Ok::<(), TaskError<ParseIntError>>(())
/// ```
///
/// An error that `f` returns cancels the calls too. The earliest error counts. If `f` fails because
/// it waited for a call that was cancelled by another call's error, that other error is returned.
/// If `f` has already taken the first error by waiting for its call, the result of `f` is returned.
///
/// # Errors
///
/// The first error of a call, or else the error that `f` returns.
///
/// # Panics
///
/// Panics if `f` panics, with the same payload.
pub fn try_scope<R, E, F>(f: F) -> Result<R, E>
where
    E: Send + 'static,
    F: FnOnce(&TryScope<E>) -> Result<R, E>,
{
    let first = First { last: Id(0), failed: None, error: None };
    let scope = TryScope { core: Arc::new(Core { token: CancelToken::new(), first: Mutex::new(first) }) };
    // The values that `f` touched belong to the caller, which receives the panic too.
    let result = panic::catch_unwind(AssertUnwindSafe(|| f(&scope)));
    if !matches!(result, Ok(Ok(_))) {
        scope.core.first().failed.get_or_insert(NOBODY); // later failures follow from this one
        scope.core.token.cancel();
    }
    wait_for_all(scope.core.token.stop());
    let first = scope.core.first().error.take();
    match (result, first) {
        (Err(payload), _) => panic::resume_unwind(payload),
        (Ok(_), Some(first)) => Err(first()),
        (Ok(result), None) => result,
    }
}

/// A scope in which calls are spawned. The first call that fails cancels the other calls: see
/// [`try_scope`].
pub struct TryScope<E> {
    core: Arc<Core<E>>,
}

/// A closure that converts a call's error into the scope's error. It runs when the error is taken.
type Failure<E> = Box<dyn FnOnce() -> E + Send>;

struct Core<E> {
    token: CancelToken,
    first: Mutex<First<E>>,
}

/// The first call that failed.
struct First<E> {
    last: Id,
    failed: Option<Id>,
    /// The error of that call, until the wait for the call or the scope takes it.
    error: Option<Failure<E>>,
}

/// The id of a call in a scope.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Id(u64);

/// The id of the scope's own function.
const NOBODY: Id = Id(0);

impl<E> Core<E> {
    fn first(&self) -> MutexGuard<'_, First<E>> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E: Send + 'static> TryScope<E> {
    /// Submits a call, or a call's [`flatten`](crate::typed::Call::flatten), which is over when the
    /// scope returns.
    ///
    /// This blocks while it waits for queue room, like
    /// [`Call::submit`](crate::typed::Call::submit).
    pub fn spawn<W>(&self, work: W) -> Joined<'_, W::Output, E>
    where
        W: Spawn,
        W::Error: Into<E>,
    {
        let id = {
            let mut first = self.core.first();
            first.last.0 += 1;
            first.last
        };
        let entry = Arc::new(Entry { id, core: self.core.clone(), state: Deferred::default() });
        watch(work.under(&self.core.token).submit(), entry.clone());
        Joined { entry, patience: Patience::default(), scope: PhantomData }
    }

    /// Cancels all calls of the scope, and the calls that are spawned later. The first call that
    /// fails because of this gives the scope its error.
    pub fn cancel(&self) {
        self.core.token.cancel();
    }

    /// Returns a token that is cancelled with the scope, including by the scope's first error.
    #[must_use]
    pub fn token(&self) -> CancelToken {
        self.core.token.child_token()
    }
}

impl<E> fmt::Debug for TryScope<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryScope").field("is_cancelled", &self.core.token.is_cancelled()).finish()
    }
}

/// A call of the scope.
struct Entry<T, E> {
    id: Id,
    core: Arc<Core<E>>,
    state: Deferred<State<T, E>>,
}

struct State<T, E> {
    /// The outcome. For the call that failed first, the error is in [`First`].
    outcome: Option<Result<T, Option<Failure<E>>>>,
    waiter: SingleWaiter,
}

impl<T, E> Default for State<T, E> {
    fn default() -> Self {
        Self { outcome: None, waiter: SingleWaiter::default() }
    }
}

impl<T, E> Entry<T, E> {
    fn is_over(&self) -> bool {
        self.state.with(|state, _| state.outcome.is_some())
    }

    fn take(&self) -> Option<Result<T, E>> {
        let outcome = self.state.with(|state, _| state.outcome.take())?;
        Some(outcome.map_err(|failure| {
            let failure = failure.or_else(|| self.core.first().error.take());
            failure.expect("the scope keeps the first error until the call's own handle takes it, or is gone")()
        }))
    }
}

impl<T, X, E> Sink<T, X> for Arc<Entry<T, E>>
where
    T: Send + 'static,
    X: Into<E> + Send + 'static,
    E: Send + 'static,
{
    fn take(&self, outcome: Result<T, X>) {
        let mut is_first = false;
        let outcome = outcome.map_err(|error| {
            let failure: Failure<E> = Box::new(move || error.into());
            let mut first = self.core.first();
            is_first = first.failed.is_none();
            if !is_first {
                return Some(failure);
            }
            first.failed = Some(self.id);
            first.error = Some(failure);
            None
        });
        self.state.with(|state, after| {
            state.outcome = Some(outcome);
            state.waiter.notify(after);
        });
        if is_first {
            self.core.token.cancel();
        }
    }
}

/// A call of a [`TryScope`]: await it, or block with [`wait`](Joined::wait). If this is dropped,
/// the call continues within the scope.
#[must_use = "call `.detach()` if only the scope waits for it"]
pub struct Joined<'s, T, E> {
    entry: Arc<Entry<T, E>>,
    patience: Patience,
    /// Ties this to the scope, which holds the first error.
    scope: PhantomData<&'s TryScope<E>>,
}

impl<T, E> Joined<'_, T, E> {
    /// Leaves the call to the scope, like dropping this handle.
    pub fn detach(self) {}
}

impl<T, E> Unpin for Joined<'_, T, E> {}

impl<T, E> Future for Joined<'_, T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { entry, patience, .. } = &mut *self;
        let mut new = Some(NewWaker::of(cx.waker()));
        loop {
            let is_over = entry.state.with(|state, after| {
                let is_over = state.outcome.is_some();
                new.take_if(|_| !is_over).into_iter().for_each(|waker| state.waiter.register(waker, after));
                is_over
            });
            if is_over {
                patience.over();
                return entry.take().map_or(Poll::Pending, Poll::Ready);
            }
            if !patience.help(entry.core.token.stop(), usize::MAX, || entry.is_over()) {
                patience.pending();
                return Poll::Pending;
            }
        }
    }
}

impl<T, E> Sealed for Joined<'_, T, E> {}

impl<T, E> Wait for Joined<'_, T, E> {
    type Pending = Self;

    /// Blocks until the call is over. Within a task, see
    /// [`Handle::wait`](crate::typed::Handle::wait).
    ///
    /// # Errors
    ///
    /// The error of the call. A call that is cancelled because of another call's error fails as
    /// cancelled.
    fn wait(self) -> Result<T, E> {
        let core = self.entry.core.clone();
        super::block_on(core.token.stop(), usize::MAX, self)
    }

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        let core = self.entry.core.clone();
        super::wait_timeout(core.token.stop(), usize::MAX, self, limit)
    }
}

/// Removes the waker from the call.
impl<T, E> Drop for Joined<'_, T, E> {
    fn drop(&mut self) {
        self.entry.state.with(|state, after| state.waiter.remove(after));
    }
}

impl<T, E> fmt::Debug for Joined<'_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joined").field("is_over", &self.entry.is_over()).finish()
    }
}
