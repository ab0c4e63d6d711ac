//! A task's own `Result` and the call's, in one.

use crate::{
    error::{CallError, TaskError},
    executor::Executor,
    task::TaskSet,
    typed::{Call, Handle},
};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// A call or a handle whose task gives a `Result`, seen as one result: made by `.flatten()`.
#[derive(Debug)]
#[must_use = "does nothing until awaited, waited on or submitted"]
pub struct Flatten<F>(F);

impl<F> Flatten<F> {
    pub(crate) fn new(inner: F) -> Self {
        Self(inner)
    }
}

fn flatten<V, E>(outcome: Result<Result<V, E>, CallError>) -> Result<V, TaskError<E>> {
    outcome.map_err(TaskError::Call)?.map_err(TaskError::Task)
}

impl<S: TaskSet, X: Executor<S> + ?Sized, V, E> Flatten<Call<'_, S, X, Result<V, E>>> {
    /// Submits the call and blocks until it is over.
    ///
    /// # Errors
    ///
    /// [`TaskError::Call`] if the call gave no output, [`TaskError::Task`] with the task's own error.
    pub fn wait(self) -> Result<V, TaskError<E>> {
        flatten(self.0.wait())
    }

    /// Submits the call; see [`Call::submit`].
    pub fn submit(self) -> Flatten<Handle<S, Result<V, E>>> {
        Flatten(self.0.submit())
    }
}

impl<S: TaskSet, V, E> Flatten<Handle<S, Result<V, E>>> {
    /// Blocks until the call is over.
    ///
    /// # Errors
    ///
    /// [`TaskError::Call`] if the call gave no output, [`TaskError::Task`] with the task's own error.
    pub fn wait(self) -> Result<V, TaskError<E>> {
        flatten(self.0.wait())
    }
}

impl<F, V, E> Future for Flatten<F>
where
    F: Future<Output = Result<Result<V, E>, CallError>> + Unpin,
{
    type Output = Result<V, TaskError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(flatten)
    }
}
