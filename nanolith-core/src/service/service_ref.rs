//! [`ServiceRef`]: a handle through which a service is used as an executor.

use super::{Close, Service, ServiceInfo, close_watch::CloseWatch, service_shared::ServiceShared};
use crate::{
    call::backend::{Backend, ExecutorId},
    error::SubmitError,
    executor::{
        Admission, Executor, HeldRoom, OwnsState, RunsLocal, SharesState,
        admission::{self, OnFull},
    },
    task::{Job, OneWayCall, TaskSet},
    wake::WaitTicket,
};
use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll, Waker},
};

/// A service as an executor, through which its typed methods submit calls. Clones share the service
/// and keep it open.
///
/// ```
/// use nanolith::{prelude::*, service::ServiceRef};
/// # use nanolith_doc_sets::*;
/// fn check(counter: &CounterCalls<ServiceRef<Counter>>) -> Result<i64, CallError> {
///     counter.total().wait()
/// }
/// let counter = Counter::service(10).launch().wait()?;
/// assert_eq!(check(counter.calls())?, 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ServiceRef<S: TaskSet> {
    last: Arc<Last<S>>,
}

/// A guard that closes the service when its last handle is dropped.
struct Last<S: TaskSet>(Arc<ServiceShared<S>>);

impl<S: TaskSet> Drop for Last<S> {
    fn drop(&mut self) {
        self.0.begin_close();
    }
}

impl<S: TaskSet> ServiceRef<S> {
    pub(super) fn new(inner: Arc<ServiceShared<S>>) -> Self {
        Self { last: Arc::new(Last(inner)) }
    }

    pub(super) fn inner(&self) -> &Arc<ServiceShared<S>> {
        &self.last.0
    }
}

/// Operations for a cluster.
impl<S: TaskSet> ServiceRef<S> {
    pub(crate) fn info(&self) -> ServiceInfo {
        self.inner().info()
    }

    pub(crate) fn close(&self) -> Close<S> {
        self.inner().begin_close();
        Close::new(self.inner().clone())
    }

    pub(crate) fn terminate(&self) -> Close<S> {
        self.inner().terminate();
        Close::new(self.inner().clone())
    }

    pub(crate) fn on_full(&self) -> OnFull {
        self.inner().on_full
    }

    /// Returns the number of queued and running calls. Takes no lock.
    pub(crate) fn load(&self) -> usize {
        self.inner().load()
    }

    /// Returns a watch over the close of the service.
    pub(crate) fn watch(&self) -> CloseWatch<S> {
        CloseWatch::new(self.inner())
    }

    pub(crate) fn close_if_idle(&self) -> bool {
        self.inner().close_if_idle()
    }

    /// Accepts a job that another service had accepted before it ended.
    pub(crate) fn take_over(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
        admission::adopt(&**self.inner(), job)
    }

    /// Polls for admission of `job` to the service's queue: see [`admission::poll_admit`].
    pub(crate) fn poll_enter(
        &self,
        job: &mut Option<Job<S>>,
        ticket: &mut Option<WaitTicket>,
        waker: &Waker,
    ) -> Poll<()> {
        admission::poll_admit(&**self.inner(), job, ticket, waker)
    }

    pub(crate) fn leave_line(&self, ticket: &mut Option<WaitTicket>) {
        admission::cancel_admit(&**self.inner(), ticket);
    }
}

impl<S: TaskSet> From<&Service<S>> for ServiceRef<S> {
    /// Returns the service as an executor, for use inside a [layer](crate::layers).
    fn from(service: &Service<S>) -> Self {
        service.executor.clone()
    }
}

impl<S: TaskSet> Clone for ServiceRef<S> {
    fn clone(&self) -> Self {
        Self { last: self.last.clone() }
    }
}

impl<S: TaskSet> Executor<S> for ServiceRef<S> {
    fn try_execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
        admission::try_execute(&**self.inner(), job)
    }

    fn execute(&self, job: Job<S>) -> Admission<'_, S> {
        admission::execute(&**self.inner(), job)
    }

    fn poll_room(&self, room: &mut HeldRoom, cx: &mut Context<'_>) -> Poll<()> {
        admission::poll_room(self.inner(), room, cx.waker())
    }

    fn execute_in(&self, job: Job<S>, room: &mut HeldRoom) -> Result<(), SubmitError<Job<S>>> {
        admission::execute_in(&**self.inner(), job, room)
    }

    #[inline(always)]
    fn try_tell(&self, call: OneWayCall<S>) -> Result<(), OneWayCall<S>> {
        admission::try_tell(&**self.inner(), call)
    }

    fn nap_for_tell(&self) -> bool {
        admission::nap_for_slack(&**self.inner())
    }

    fn accepts_calls(&self) -> bool {
        self.inner().is_open()
    }

    fn host(&self) -> Option<ExecutorId> {
        Some(self.inner().id())
    }

    fn takes_by_user_code(&self) -> bool {
        self.inner().rules.is_custom()
    }
}

impl<S: TaskSet> SharesState<S> for ServiceRef<S> {}
impl<S: TaskSet> OwnsState<S> for ServiceRef<S> {}
impl<S: TaskSet> RunsLocal<S> for ServiceRef<S> {}

impl<S: TaskSet> fmt::Debug for ServiceRef<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServiceRef").field(&self.inner().info()).finish()
    }
}
