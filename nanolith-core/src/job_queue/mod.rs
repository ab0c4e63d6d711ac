//! [`JobQueue`]: a bounded queue of jobs, for an executor that runs tasks elsewhere, such as in
//! another process. It has the order, the bounds and the end of a pool's queue, and no threads.
//!
//! - `queue_shared`: the data and its lock. `backend`: what calls ask of their executor.
//! - `queued_job`: a job that left the queue. `builder`, `drained`: the settings, and the wait.

mod backend;
mod builder;
mod drained;
mod queue_shared;
mod queued_job;

pub use builder::JobQueueBuilder;
pub use drained::Drained;
pub use queued_job::{QueuedJob, RunGuard, StartedJob};

use crate::{
    call::backend::ExecutorId,
    error::SubmitError,
    executor::{Admission, admission},
    task::{Job, TaskSet},
};
use queue_shared::QueueShared;
use std::{fmt, sync::Arc};

/// A bounded queue of jobs of any task sets. Each job has an item of type `T`, such as its encoded
/// arguments.
///
/// An executor that runs tasks elsewhere pushes each [`Job`] that it is given, and takes the jobs
/// out in the order in which a [`Pool`](crate::pool::Pool) would run them. A call that is cancelled
/// or times out in the queue leaves it at once. A `JobQueue` is a handle: clones share one queue.
/// When the last clone is dropped, the queued calls end as
/// [`CallError::Closed`](crate::error::CallError::Closed).
///
/// ```
/// use nanolith::{
///     Executor, TaskSet, call::SubmitError, executor::{Admission, Job, JobQueue},
///     prelude::*,
/// };
/// # pub struct Geometry;
/// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
/// /// Runs jobs when it is asked to.
/// #[derive(Clone)]
/// struct OnDemand(JobQueue<()>);
/// impl<S: TaskSet> Executor<S> for OnDemand {
///     fn try_execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
///         self.0.try_push(job, ())
///     }
///     fn execute(&self, job: Job<S>) -> Admission<'_, S> {
///         self.0.push(job, ())
///     }
/// }
/// let on_demand = OnDemand(JobQueue::builder().max_queue(100).build()?);
/// let geometry = Geometry::on(&on_demand);
/// let low = geometry.add(1, 2).priority(Priority::Low).submit();
/// let normal = geometry.add(4, 5).submit();
/// while let Some(job) = on_demand.0.take() {
///     let Some(job) = job.start::<Geometry>() else { continue };
///     let GeometryTask::Add { x, y } = job.task;
///     job.reply.complete(Ok(GeometryOutput::Add(x + y)));
/// }
/// assert_eq!((low.wait()?, normal.wait()?), (3, 9));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct JobQueue<T: Send + 'static> {
    last: Arc<Last<T>>,
}

/// A guard that ends the queued calls when the last handle is dropped.
struct Last<T: Send + 'static>(Arc<QueueShared<T>>);

impl<T: Send + 'static> Drop for Last<T> {
    fn drop(&mut self) {
        self.0.close_abandoned();
    }
}

impl<T: Send + 'static> Clone for JobQueue<T> {
    fn clone(&self) -> Self {
        Self { last: self.last.clone() }
    }
}

impl JobQueue<()> {
    /// Returns a builder with the default settings.
    ///
    /// ```
    /// use nanolith::executor::JobQueue;
    /// let queue: JobQueue<String> = JobQueue::builder().name("remote").max_queue(100).build()?;
    /// assert_eq!(queue.name(), "remote");
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    pub fn builder() -> JobQueueBuilder {
        JobQueueBuilder::new()
    }
}

impl<T: Send + 'static> JobQueue<T> {
    fn of(shared: Arc<QueueShared<T>>) -> Self {
        Self { last: Arc::new(Last(shared)) }
    }

    fn shared(&self) -> &Arc<QueueShared<T>> {
        &self.last.0
    }

    /// Returns the name, which texts about waits print.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared().config.name
    }

    /// Returns the id that [`Executor::host`](crate::executor::Executor::host) of the executor
    /// returns.
    #[doc(hidden)]
    #[must_use]
    pub fn id(&self) -> ExecutorId {
        self.shared().id
    }

    /// Adds a job, without waiting.
    ///
    /// # Errors
    ///
    /// Returns the job if the queue is full or closed. The item is dropped.
    pub fn try_push<S: TaskSet>(&self, job: Job<S>, item: T) -> Result<(), SubmitError<Job<S>>> {
        let mut kept = self.shared().keep(&job, item);
        let pushed = admission::try_execute(&**self.shared(), job);
        kept.settle(pushed.is_ok());
        pushed
    }

    /// Adds a job once there is room for it.
    ///
    /// # Errors
    ///
    /// Returns the job if the queue is closed, or if it is full and does not wait.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the job is dropped with it, and its call ends as lost.
    pub fn push<S: TaskSet>(&self, job: Job<S>, item: T) -> Admission<'_, S> {
        let mut kept = self.shared().keep(&job, item);
        let admission = admission::execute(&**self.shared(), job);
        Box::pin(async move {
            let pushed = admission.await;
            kept.settle(pushed.is_ok());
            pushed
        })
    }

    /// Takes the job that is next in the order. It counts as running until its [`RunGuard`] is
    /// dropped. Returns `None` if no job waits.
    #[must_use = "a job that is dropped ends its call as lost"]
    pub fn take(&self) -> Option<QueuedJob<T>> {
        self.shared().take()
    }

    /// Sets how many jobs could start at once. Calls that these slots will run do not count towards
    /// the bound of the queue.
    pub fn set_free_slots(&self, slots: usize) {
        self.shared().set_free_slots(slots);
    }

    /// Returns the counts of the queue at this moment.
    ///
    /// ```
    /// use nanolith::executor::JobQueue;
    /// let queue: JobQueue<()> = JobQueue::builder().build()?;
    /// assert_eq!((queue.info().queue_len, queue.info().in_flight), (0, 0));
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    #[must_use]
    pub fn info(&self) -> JobQueueInfo {
        self.shared().info()
    }

    /// Waits until, at some moment from this call on, no job is queued or running. Such a moment
    /// counts even if new jobs arrive right after it.
    pub fn drained(&self) -> Drained<T> {
        Drained::new(self.shared().clone())
    }

    /// Rejects jobs from now on. Accepted jobs can still be taken.
    pub fn close(&self) {
        self.shared().close();
    }

    /// Closes the queue, and ends the queued calls as
    /// [`CallError::Cancelled`](crate::error::CallError::Cancelled). Returns the number of those
    /// calls.
    pub fn terminate(&self) -> usize {
        self.shared().terminate()
    }

    /// Returns whether no job waits for its turn.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shared().is_empty()
    }

    /// Returns whether the queue is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared().is_closed()
    }
}

impl<T: Send + 'static> fmt::Debug for JobQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobQueue").field("info", &self.info()).finish_non_exhaustive()
    }
}

/// The name and the counts of a [`JobQueue`] at one moment, from [`JobQueue::info`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JobQueueInfo {
    /// The name, which texts about waits print.
    pub name: Arc<str>,
    /// The number of calls that wait for their turn.
    pub queue_len: usize,
    /// The number of calls that were accepted and have not ended: queued and running calls.
    pub in_flight: usize,
    /// The number of calls that were started and have ended.
    pub completed: u64,
    /// Whether the queue has no room for a call.
    pub is_full: bool,
    /// Whether the queue is closed.
    pub is_closed: bool,
}
