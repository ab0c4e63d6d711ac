//! [`CallFuture`]: the future of a call that a tower service has made.

use crate::{
    error::{CallError, SubmitError},
    executor::{Admission, Executor},
    task::{Job, TaskSet},
    typed::{Handle, fail_job},
};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A future of a call that [`CallService`](super::CallService) or
/// [`TaskService`](super::TaskService) has made.
///
/// # Errors
///
/// Every way in which a call can end without its task's output: see [`CallError`].
///
/// # Panics
///
/// When polled after it was ready.
///
/// # Cancel safety
///
/// If the future is dropped, the call is cancelled. A queued call never runs. A running task is
/// asked to stop.
#[must_use = "the call is cancelled when this is dropped"]
pub struct CallFuture<S: TaskSet, T> {
    /// Declared first, so the call is cancelled before its admission is dropped.
    handle: Handle<S, T>,
    /// The wait for queue room, if the executor was full.
    admission: Option<Admission<'static, S>>,
}

impl<S: TaskSet, T> CallFuture<S, T> {
    /// Creates the future of a call that was offered to `executor`. `full` is its job, if the
    /// executor had no room for it.
    pub(super) fn new<E>(executor: &E, handle: Handle<S, T>, full: Option<Job<S>>) -> Self
    where
        E: Executor<S> + Clone + 'static,
    {
        let wait = |job| -> Admission<'static, S> {
            let executor = executor.clone();
            Box::pin(async move { executor.execute(job).await })
        };
        Self { handle: handle.cancel_on_drop(), admission: full.map(wait) }
    }

    /// Waits until the executor has the call, or the call is over.
    fn poll_admission(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(admission) = &mut self.admission else { return Poll::Ready(()) };
        match admission.as_mut().poll(cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(refused)) => fail_job(refused),
            Poll::Pending if self.handle.watch(cx) => {}
            Poll::Pending => return Poll::Pending,
        }
        self.admission = None;
        Poll::Ready(())
    }
}

impl<S: TaskSet, T> Future for CallFuture<S, T> {
    type Output = Result<T, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(self.poll_admission(cx));
        Pin::new(&mut self.handle).poll(cx)
    }
}

impl<S: TaskSet, T> fmt::Debug for CallFuture<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallFuture").field("task", &self.handle.task()).finish_non_exhaustive()
    }
}

/// Returns the job of a submission that was refused because the executor is full. Ends the call of a
/// job that was refused for another reason.
pub(super) fn refused_as_full<S: TaskSet>(submitted: Result<(), SubmitError<Job<S>>>) -> Option<Job<S>> {
    match submitted {
        Ok(()) => None,
        Err(refused) if refused.is_full() => Some(refused.into_inner()),
        Err(refused) => {
            fail_job(refused);
            None
        }
    }
}
