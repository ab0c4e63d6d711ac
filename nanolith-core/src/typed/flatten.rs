//! [`Flatten`]: a call or a handle whose result joins the task's own `Result` and that of the call,
//! as `Result<V, TaskError<E>>`.

use super::{Call, Handle};
use crate::{
    context::wait::{Sealed, Wait},
    error::{CallError, TaskError, error_view},
    executor::Executor,
    task::TaskSet,
};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// A call or a handle whose task returns a `Result`, with both results combined in one.
/// [`Call::flatten`] and [`Handle::flatten`] create it.
///
/// ```
/// # use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// let geometry = Geometry::tasks();
/// assert_eq!(geometry.parse("7".into()).wait()?, Ok(7)); // the task's own result within the call's
/// assert_eq!(geometry.parse("7".into()).flatten().wait()?, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Cancel safety
///
/// That of the value it was made from: a call is cancelled when it is dropped, and a handle
/// detaches.
#[derive(Debug)]
#[must_use = "does nothing until awaited, waited on or submitted"]
pub struct Flatten<F>(F);

impl<F> Flatten<F> {
    pub(crate) fn new(inner: F) -> Self {
        Self(inner)
    }

    pub(crate) fn into_inner(self) -> F {
        self.0
    }

    pub(crate) fn inner_mut(&mut self) -> &mut F {
        &mut self.0
    }
}

/// Combines both results in one. `S` is the task's set, which can read the task's error.
pub(crate) fn flatten<S: TaskSet, V, E: 'static>(outcome: Result<Result<V, E>, CallError>) -> Result<V, TaskError<E>> {
    outcome.map_err(TaskError::Call)?.map_err(|error| {
        error_view::learn::<E>(S::error_view);
        TaskError::Task(error)
    })
}

/// A call or a handle, with its set.
pub trait OfSet {
    #[doc(hidden)]
    type Set: TaskSet;
}

impl<S: TaskSet, X: Executor<S> + ?Sized, T> OfSet for Call<'_, S, X, T> {
    type Set = S;
}

impl<S: TaskSet, T> OfSet for Handle<S, T> {
    type Set = S;
}

impl<S: TaskSet, X: Executor<S> + ?Sized, V, E: 'static> Flatten<Call<'_, S, X, Result<V, E>>> {
    /// Submits the call: see [`Call::submit`].
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let job = Geometry::tasks().parse("7".into()).flatten().submit();
    /// assert_eq!(job.wait()?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn submit(self) -> Flatten<Handle<S, Result<V, E>>> {
        Flatten(self.0.submit())
    }
}

impl<F, V, E: 'static> Future for Flatten<F>
where
    F: OfSet + Future<Output = Result<Result<V, E>, CallError>> + Unpin,
{
    type Output = Result<V, TaskError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(flatten::<F::Set, V, E>)
    }
}

impl<F> Sealed for Flatten<F> {}

impl<S: TaskSet, X: Executor<S> + ?Sized, V, E: 'static> Wait for Flatten<Call<'_, S, X, Result<V, E>>> {
    type Pending = Flatten<Handle<S, Result<V, E>>>;

    /// Submits the call and blocks until it is over.
    ///
    /// ```
    /// # use nanolith::{TaskError, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let outcome = Geometry::tasks().parse("seven".into()).flatten().wait();
    /// assert!(matches!(outcome, Err(TaskError::Task(_))));
    /// ```
    ///
    /// # Errors
    ///
    /// [`TaskError::Call`] if the call ended without its task's output. [`TaskError::Task`] with
    /// the task's own error.
    fn wait(self) -> Result<V, TaskError<E>> {
        flatten::<S, V, E>(self.0.wait())
    }

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self::Pending> {
        self.0.wait_timeout(limit).map(flatten::<S, V, E>).map_err(Flatten)
    }
}

impl<S: TaskSet, V, E: 'static> Wait for Flatten<Handle<S, Result<V, E>>> {
    type Pending = Self;

    /// Blocks until the call is over: see [`Handle::wait`].
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let job = Geometry::tasks().parse("7".into()).submit();
    /// assert_eq!(job.flatten().wait()?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`TaskError::Call`] if the call ended without its task's output. [`TaskError::Task`] with
    /// the task's own error.
    fn wait(self) -> Result<V, TaskError<E>> {
        flatten::<S, V, E>(self.0.wait())
    }

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        self.0.wait_timeout(limit).map(flatten::<S, V, E>).map_err(Flatten)
    }
}
