//! [`ProcessServiceRef`]: a service in a child process as an executor.

use super::{ProcessService, ProcessServiceClose, ProcessServiceInfo};
use crate::{ProcessPool, served::ProcessSet};
use nanolith::{
    __private::RemoteOutbox,
    Executor,
    call::SubmitError,
    executor::{Admission, Job, OwnsState, RunsLocal, SharesState},
};
use std::{fmt, marker::PhantomData};

/// A [`ProcessService`] as an executor, through which its typed methods submit calls. Layers can wrap
/// it.
pub struct ProcessServiceRef<S: ProcessSet> {
    /// A pool of one child, which owns the state.
    pool: ProcessPool,
    /// The events of the service.
    outbox: RemoteOutbox,
    /// The number among the members of a cluster.
    number: usize,
    set: PhantomData<fn(S)>,
}

impl<S: ProcessSet> ProcessServiceRef<S> {
    pub(super) fn new(pool: ProcessPool, outbox: RemoteOutbox, number: usize) -> Self {
        Self { pool, outbox, number, set: PhantomData }
    }

    pub(super) fn outbox(&self) -> &RemoteOutbox {
        &self.outbox
    }

    /// Returns the number of the service among the members of its cluster.
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    pub(crate) fn info(&self) -> ProcessServiceInfo {
        let info = self.pool.info();
        ProcessServiceInfo {
            name: info.name,
            pid: self.pool.pids().first().copied(),
            queue_len: info.queue_len,
            in_flight: info.in_flight,
            completed: info.completed,
            restarts: self.pool.restarts(),
            is_closed: info.is_closed,
        }
    }

    pub(crate) fn close(&self) -> ProcessServiceClose {
        self.pool.close();
        ProcessServiceClose::new(self.pool.closed())
    }

    pub(crate) fn terminate(&self) -> ProcessServiceClose {
        self.pool.terminate();
        ProcessServiceClose::new(self.pool.closed())
    }

    /// Returns whether the service accepts no more calls.
    pub(crate) fn is_ended(&self) -> bool {
        self.pool.is_closed()
    }

    /// Returns the number of calls that were accepted and have not ended.
    pub(crate) fn load(&self) -> usize {
        self.pool.load()
    }

    pub(super) fn pool(&self) -> &ProcessPool {
        &self.pool
    }
}

impl<S: ProcessSet> From<&ProcessService<S>> for ProcessServiceRef<S> {
    /// Returns the service as an executor, for use inside a [layer](nanolith::layers).
    fn from(service: &ProcessService<S>) -> Self {
        service.executor.clone()
    }
}

impl<S: ProcessSet> Clone for ProcessServiceRef<S> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone(), outbox: self.outbox.clone(), number: self.number, set: PhantomData }
    }
}

impl<S: ProcessSet> Executor<S> for ProcessServiceRef<S> {
    fn try_execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
        self.pool.try_execute(job)
    }

    fn execute(&self, job: Job<S>) -> Admission<'_, S> {
        self.pool.execute(job)
    }

    fn accepts_calls(&self) -> bool {
        !self.pool.is_closed()
    }

    fn will_block(&self, is_submitting: bool) {
        Executor::<S>::will_block(&self.pool, is_submitting);
    }

    fn host(&self) -> Option<nanolith::__private::ExecutorId> {
        Executor::<S>::host(&self.pool)
    }
}

#[diagnostic::do_not_recommend] // an error is to suggest a service of this process
impl<S: ProcessSet> SharesState<S> for ProcessServiceRef<S> {}
#[diagnostic::do_not_recommend]
impl<S: ProcessSet> OwnsState<S> for ProcessServiceRef<S> {}
#[diagnostic::do_not_recommend]
impl<S: ProcessSet> RunsLocal<S> for ProcessServiceRef<S> {}

impl<S: ProcessSet> fmt::Debug for ProcessServiceRef<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProcessServiceRef").field(&self.pool.name()).finish()
    }
}
