//! [`QueuedJob`]: a job that left a `JobQueue` and has not begun. [`StartedJob`]: its task, its
//! reply and its item, once it has begun.

use super::queue_shared::QueueShared;
use crate::{
    call::{
        backend::{Backend as _, ErasedCall},
        call_ref::CallRef,
        slot::EndReason,
    },
    meta::{priority::Priority, task_info::TaskInfo},
    task::{CallSlot, Input, Reply, TaskSet},
    time::clock,
};
use std::{fmt, sync::Arc, time::Instant};

/// A job that was taken out of a [`JobQueue`](super::JobQueue), of any task set.
///
/// If it is dropped before it has begun, its call ends as
/// [`CallError::Lost`](crate::error::CallError::Lost).
#[must_use = "a job that is dropped ends its call as lost"]
pub struct QueuedJob<T: Send + 'static> {
    call: ClaimedCall,
    /// What the executor pushed with the job.
    pub item: T,
    guard: RunGuard<T>,
}

/// A job that has begun: the executor runs the task, and sends the outcome with the reply.
#[non_exhaustive]
pub struct StartedJob<S: TaskSet, T: Send + 'static> {
    /// The task.
    pub task: S::Task,
    /// Takes the outcome.
    pub reply: Reply<S>,
    /// What the executor pushed with the job.
    pub item: T,
    /// Counts the job as running until it is dropped.
    pub guard: RunGuard<T>,
}

impl<T: Send + 'static> QueuedJob<T> {
    /// The caller has claimed `call` and counted it as started.
    pub(super) fn new(call: CallRef<dyn ErasedCall>, item: T, queue: Arc<QueueShared<T>>) -> Self {
        let guard = RunGuard { queue, inside: call.header().is_nested(), began: false };
        Self { call: ClaimedCall(Some(call)), item, guard }
    }

    fn call(&self) -> &dyn ErasedCall {
        &**self.call.0.as_ref().expect("a job has its call until it begins")
    }

    /// Returns the description of the job's task.
    #[must_use]
    pub fn task(&self) -> &'static TaskInfo {
        self.call().header().task()
    }

    /// Returns the job's priority.
    #[must_use]
    pub fn priority(&self) -> Priority {
        self.call().header().priority()
    }

    /// Returns the moment at which the call times out, or `None` if it has no limit.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.call().header().deadline()
    }

    /// Returns whether the call is already over: cancelled or timed out.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.call().is_over()
    }

    /// Begins the call. Returns `None` if the call was cancelled or timed out before.
    ///
    /// # Panics
    ///
    /// Panics if the job is not of the set `S`.
    pub fn start<S: TaskSet>(self) -> Option<StartedJob<S, T>> {
        let Self { mut call, item, mut guard } = self;
        let call = call.0.take()?.downcast::<CallSlot<S>>().expect("the job is of the set that its executor names");
        let Input { task, .. } = call.input_to_run::<Input<S>>()?;
        call.header.mark_started(clock::now());
        if call.header.has_span() {
            call.header.begin_span(Some(&guard.queue.thread_kind()));
        }
        if !CallSlot::may_begin(&call, clock::now()) {
            return None;
        }
        guard.began = true;
        Some(StartedJob { task, reply: Reply::of(call), item, guard })
    }
}

impl<T: Send + 'static> fmt::Debug for QueuedJob<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueuedJob").field("task", self.task()).finish_non_exhaustive()
    }
}

impl<S: TaskSet, T: Send + 'static> fmt::Debug for StartedJob<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartedJob").field("reply", &self.reply).finish_non_exhaustive()
    }
}

/// A call that the queue claimed. If it is dropped, the call ends as lost.
struct ClaimedCall(Option<CallRef<dyn ErasedCall>>);

impl Drop for ClaimedCall {
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call.discard(EndReason::lost());
        }
    }
}

/// Counts a job as running in its [`JobQueue`](super::JobQueue) until it is dropped.
#[must_use = "the queue counts the job as running until this is dropped"]
pub struct RunGuard<T: Send + 'static> {
    queue: Arc<QueueShared<T>>,
    inside: bool,
    began: bool,
}

impl<T: Send + 'static> Drop for RunGuard<T> {
    fn drop(&mut self) {
        self.queue.finish(self.inside, self.began);
    }
}

impl<T: Send + 'static> fmt::Debug for RunGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunGuard").finish_non_exhaustive()
    }
}
