//! [`TaskService`]: an executor as a tower service for every task of a set. [`TaskRequest`] is its
//! request.

use super::{CallFuture, call_future::refused_as_full};
use crate::{
    call::{
        call_ref::{CallRef, Uninit},
        header::Header,
    },
    context::thread_context,
    error::{CallError, ParentCall},
    executor::{Executor, HeldRoom},
    meta::task_info::TaskInfo,
    task::{self, CallSlot, Job, TaskSet},
    typed::{Handle, job_of_task},
};
use std::{
    fmt,
    panic::Location,
    task::{Context, Poll},
};
use tower_service::Service;

/// A request to a [`TaskService`]: a task of the set `S`, as a value.
///
/// ```
/// use nanolith::{prelude::*, tower::TaskRequest};
/// # use nanolith_doc_sets::*;
/// let request = TaskRequest::<Geometry>::new(GeometryTask::Add { x: 4, y: 5 });
/// assert_eq!(request.task_info().name(), "add");
/// ```
pub struct TaskRequest<S: TaskSet> {
    task: S::Task,
    origin: RequestOrigin<S>,
}

enum RequestOrigin<S: TaskSet> {
    /// The program made the request here.
    Program(&'static Location<'static>),
    /// A [`TowerExecutor`](super::TowerExecutor) made the request for this call.
    Call(CallRef<CallSlot<S>>),
}

impl<S: TaskSet> Clone for RequestOrigin<S> {
    fn clone(&self) -> Self {
        match self {
            Self::Program(location) => Self::Program(location),
            Self::Call(call) => Self::Call(call.clone()),
        }
    }
}

impl<S: TaskSet> TaskRequest<S> {
    /// Creates a request for `task`.
    #[track_caller]
    pub fn new(task: S::Task) -> Self {
        Self { task, origin: RequestOrigin::Program(Location::caller()) }
    }

    /// Creates the request for a call that continues as the request's call.
    pub(super) fn of_call(task: S::Task, call: CallRef<CallSlot<S>>) -> Self {
        Self { task, origin: RequestOrigin::Call(call) }
    }

    /// Returns the task.
    #[must_use]
    pub fn task(&self) -> &S::Task {
        &self.task
    }

    /// Returns the description of the task.
    #[must_use]
    pub fn task_info(&self) -> &'static TaskInfo {
        S::task_info(&self.task)
    }

    /// Returns a second request for the same task, for a retry, if the set declares that the task may
    /// run twice (`#[task(idempotent)]`).
    ///
    /// ```
    /// use nanolith::{prelude::*, tower::TaskRequest};
    /// # pub struct Geometry;
    /// #[define]
    /// impl Geometry {
    ///     #[task(idempotent)]
    ///     pub fn add(x: i64, y: i64) -> i64 { x + y }
    ///     pub fn count() -> i64 { 1 }
    /// }
    /// assert!(TaskRequest::<Geometry>::new(GeometryTask::Add { x: 4, y: 5 }).try_clone().is_some());
    /// assert!(TaskRequest::<Geometry>::new(GeometryTask::Count).try_clone().is_none());
    /// ```
    #[must_use]
    pub fn try_clone(&self) -> Option<Self> {
        Some(Self { task: task::duplicate::<S>(&self.task)?, origin: self.origin.clone() })
    }

    /// Creates the job and the handle of the request's call.
    fn into_job<E: Executor<S>>(self, executor: &E) -> (Job<S>, Handle<S, S::Output>) {
        let Self { task, origin } = self;
        match origin {
            RequestOrigin::Program(submitted) => {
                let caller = ParentCall { task: S::task_info(&task), submitted };
                let header = Header::new(caller, None, None, thread_context::origin());
                job_of_task(executor, header, task)
            }
            RequestOrigin::Call(call) => {
                let (job, slot) = Job::with_owner(Uninit::new(), task, executor.shared(), call.header.for_retry());
                task::go_on_as(&call, job.slot());
                (job, Handle::new(slot, None, Some))
            }
        }
    }
}

impl<S: TaskSet> fmt::Debug for TaskRequest<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskRequest").field("task", &self.task_info()).finish_non_exhaustive()
    }
}

/// An executor as a tower `Service` for every task of a set. Its response is the output of the set.
///
/// [`TowerLayer`](super::TowerLayer) puts a layer of tower around it. For one task, a
/// [`CallService`](super::CallService) has typed requests and responses.
///
/// ```
/// use nanolith::{prelude::*, tower::{TaskRequest, TaskService}};
/// use tower::ServiceExt as _;
/// # use nanolith_doc_sets::*;
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// let tasks = TaskService::new(Pool::builder().build()?);
/// let request = TaskRequest::<Geometry>::new(GeometryTask::Add { x: 4, y: 5 });
/// assert!(matches!(tasks.oneshot(request).await?, GeometryOutput::Add(9)));
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Clones share the executor. The [module](super) says when `poll_ready` is ready.
pub struct TaskService<E> {
    executor: E,
    room: HeldRoom,
}

impl<E> TaskService<E> {
    /// Creates a service that runs the tasks of its requests on `executor`.
    pub fn new(executor: E) -> Self {
        Self { executor, room: HeldRoom::default() }
    }
}

impl<S: TaskSet, E: Executor<S> + Clone + 'static> Service<TaskRequest<S>> for TaskService<E> {
    type Response = S::Output;
    type Error = CallError;
    type Future = CallFuture<S, S::Output>;

    /// Waits until the executor has room for a call. It never fails.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        self.executor.poll_room(&mut self.room, cx).map(Ok)
    }

    /// Submits the task.
    fn call(&mut self, request: TaskRequest<S>) -> Self::Future {
        let (job, handle) = request.into_job(&self.executor);
        let submitted = self.executor.execute_in(job, &mut self.room);
        CallFuture::new(&self.executor, handle, refused_as_full(submitted))
    }
}

impl<E: Clone> Clone for TaskService<E> {
    fn clone(&self) -> Self {
        Self::new(self.executor.clone())
    }
}

impl<E: fmt::Debug> fmt::Debug for TaskService<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskService").field("executor", &self.executor).finish_non_exhaustive()
    }
}
