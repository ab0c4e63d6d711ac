//! [`TowerExecutor`]: an executor with a layer of tower around its calls.

use super::{
    TaskRequest,
    tower_layer::{MapError, Spawn},
};
use crate::{
    call::slot::EndReason,
    error::{BoxError, CallError, CallTrace, Panic, SubmitError},
    executor::{Admission, Executor, OwnsState, RunsLocal, SharesState},
    task::{Job, Reply, TaskSet},
    util::unwind,
};
use futures_util::future::{Either, select};
use std::{
    fmt,
    future::{Future, poll_fn},
    pin::pin,
    task::{Context, Poll, Waker},
};
use tower_service::Service;

/// An executor with a layer of tower around its calls. Made by [`TowerLayer`](super::TowerLayer).
///
/// `V` is the service that the layer has made, and `E` the inner executor. Clones share both as the
/// clones of `V` do.
///
/// ```
/// use nanolith::{layers::Layer, prelude::*, tower::{TaskService, TowerExecutor, TowerLayer}};
/// use tower::limit::{ConcurrencyLimit, ConcurrencyLimitLayer};
/// # use nanolith_doc_sets::*;
/// let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
/// let handle = runtime.handle().clone();
/// let around = TowerLayer::new(ConcurrencyLimitLayer::new(2), move |call| drop(handle.spawn(call)));
/// let executor: TowerExecutor<ConcurrencyLimit<TaskService<Pool>>, Pool> = around.layer(Pool::builder().build()?);
/// assert_eq!(Geometry::on(&executor).add(4, 5).wait()?, 9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TowerExecutor<V, E> {
    service: V,
    inner: E,
    calls: TowerCalls,
}

/// How the calls of a [`TowerExecutor`] run, and how they fail.
#[derive(Clone)]
pub(super) struct TowerCalls {
    pub(super) spawn: Spawn,
    pub(super) map_error: MapError,
}

impl<V, E> TowerExecutor<V, E> {
    pub(super) fn new(service: V, inner: E, calls: TowerCalls) -> Self {
        Self { service, inner, calls }
    }

    /// Returns the inner executor.
    #[must_use]
    pub fn inner(&self) -> &E {
        &self.inner
    }
}

impl<S, V, E> Executor<S> for TowerExecutor<V, E>
where
    S: TaskSet,
    V: Service<TaskRequest<S>, Response = S::Output> + Clone + Send + Sync + 'static,
    V::Error: Into<BoxError>,
    V::Future: Send,
    E: Executor<S>,
{
    fn try_execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
        let mut service = self.service.clone();
        match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(readiness) => self.calls.start(service, readiness, job),
            Poll::Pending => {
                let error = job.full();
                Err(SubmitError::new(job, error))
            }
        }
    }

    fn execute(&self, job: Job<S>) -> Admission<'_, S> {
        let mut service = self.service.clone();
        Box::pin(async move {
            let readiness = poll_fn(|cx| service.poll_ready(cx)).await;
            self.calls.start(service, readiness, job)
        })
    }

    fn accepts_calls(&self) -> bool {
        self.inner.accepts_calls()
    }
}

impl TowerCalls {
    /// Starts the call on the runtime. `service` is ready, or has failed.
    fn start<S, V>(&self, service: V, readiness: Result<(), V::Error>, job: Job<S>) -> Result<(), SubmitError<Job<S>>>
    where
        S: TaskSet,
        V: Service<TaskRequest<S>, Response = S::Output> + Send + 'static,
        V::Error: Into<BoxError>,
        V::Future: Send,
    {
        if let Err(error) = readiness {
            let error = self.error(error.into(), job.trace());
            return Err(SubmitError::new(job, error));
        }
        if let Ok((task, reply)) = job.start_delegating() {
            (self.spawn)(Box::pin(self.clone().run(service, task, reply)));
        }
        Ok(())
    }

    /// Runs a call through the service, until its answer or the end of the call.
    async fn run<S, V>(self, mut service: V, task: S::Task, reply: Reply<S>)
    where
        S: TaskSet,
        V: Service<TaskRequest<S>, Response = S::Output> + Send + 'static,
        V::Error: Into<BoxError>,
        V::Future: Send,
    {
        let request = TaskRequest::of_call(task, reply.slot().clone());
        let stop = reply.stop_signal();
        let answer = pin!(caught(async move { service.call(request).await.map_err(Into::into) }));
        match select(answer, stop).await {
            Either::Left((Ok(Ok(output)), _)) => reply.complete(Ok(output)),
            Either::Left((Ok(Err(error)), _)) => {
                let error = self.error(error, reply.trace());
                reply.complete(Err(error));
            }
            Either::Left((Err(panic), _)) => reply.panicked(panic),
            Either::Right(((), _)) => reply.end(EndReason::Cancelled),
        }
    }

    fn error(&self, error: BoxError, trace: CallTrace) -> CallError {
        match error.downcast::<CallError>() {
            Ok(error) => *error,
            Err(other) => (self.map_error)(other, trace),
        }
    }
}

/// Catches a panic of `future`, which is not polled again after it.
async fn caught<F: Future>(future: F) -> Result<F::Output, Panic> {
    let mut future = pin!(future);
    poll_fn(|cx| match unwind::catch(|| future.as_mut().poll(cx)) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

#[diagnostic::do_not_recommend] // the advice is to use a service
impl<S: TaskSet, V, E: SharesState<S>> SharesState<S> for TowerExecutor<V, E> where Self: Executor<S> {}
#[diagnostic::do_not_recommend]
impl<S: TaskSet, V, E: OwnsState<S>> OwnsState<S> for TowerExecutor<V, E> where Self: Executor<S> {}
#[diagnostic::do_not_recommend]
impl<S: TaskSet, V, E: RunsLocal<S>> RunsLocal<S> for TowerExecutor<V, E> where Self: Executor<S> {}

impl<V, E: fmt::Debug> fmt::Debug for TowerExecutor<V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TowerExecutor").field("inner", &self.inner).finish_non_exhaustive()
    }
}
