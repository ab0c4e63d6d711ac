//! [`Job`]: a call on its way to an executor, until the executor begins, refuses or ends it.

use super::{CallSlot, Input, Reply, TaskSet, call_slot::drop_elsewhere};
use crate::{
    call::{
        backend::ErasedCall,
        call_ref::{CallRef, Uninit},
        header::Header,
        slot::{EndReason, Slot},
    },
    context::thread_context,
    error::{CallError, CallTrace, ParentCall},
    meta::{priority::Priority, task_info::TaskInfo, visited_layers::LayerId},
    time::{
        clock,
        timer::{self, TimerAction},
    },
    trace::{self, SpanParent},
};
use std::{
    fmt,
    panic::Location,
    sync::{Arc, Mutex, PoisonError},
    task::{Wake, Waker},
    time::Instant,
};

/// A call that has not begun. An executor takes it whole or gives it back whole.
///
/// If the job is dropped unfinished, its call ends as [`CallError::Lost`].
///
/// ```
/// use nanolith::{
///     Executor, TaskSet, call::SubmitError, executor::{Job, JobEndedError},
///     prelude::*,
/// };
/// # pub struct Geometry;
/// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
/// /// Runs each job by hand, on its caller's thread.
/// struct ByHand;
/// impl Executor<Geometry> for ByHand {
///     fn try_execute(&self, job: Job<Geometry>) -> Result<(), SubmitError<Job<Geometry>>> {
///         match job.split() {
///             Ok((GeometryTask::Add { x, y }, reply)) => reply.complete(Ok(GeometryOutput::Add(x + y))),
///             Err(JobEndedError) => {} // cancelled, or timed out, while it was queued
///         }
///         Ok(())
///     }
/// }
/// assert_eq!(Geometry::calls(ByHand).add(4, 5).wait()?, 9);
/// # Ok::<(), CallError>(())
/// ```
#[must_use = "a job that is dropped ends its call as lost"]
pub struct Job<S: TaskSet> {
    slot: Option<CallRef<CallSlot<S>>>,
}

impl<S: TaskSet> Job<S> {
    /// Creates a job, for a layer around another executor. `on_complete` is called once with the
    /// outcome, on the thread that ends the job. It should be brief and must not panic.
    ///
    /// ```
    /// use nanolith::{Executor, executor::Job, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// # let pool = Pool::builder().build()?;
    /// let (sender, outcomes) = std::sync::mpsc::channel();
    /// let task = GeometryTask::Add { x: 4, y: 5 };
    /// pool.try_execute(Job::<Geometry>::new(task, move |outcome| drop(sender.send(outcome))))?;
    /// assert!(matches!(outcomes.recv()?, Ok(GeometryOutput::Add(9))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn new<F>(task: S::Task, on_complete: F) -> Self
    where
        F: FnOnce(Result<S::Output, CallError>) + Send + 'static,
    {
        let caller = ParentCall { task: S::task_info(&task), submitted: Location::caller() };
        let meta = Header::new(caller, None, None, thread_context::origin());
        let job = Self::with_callback(task, None, meta, on_complete);
        if trace::is_on() {
            job.open_span(SpanParent::Current);
        }
        job
    }

    /// Returns the description of the job's task.
    ///
    /// ```
    /// use nanolith::{Executor, executor::Job, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// let job = Job::<Geometry>::new(GeometryTask::Add { x: 4, y: 5 }, drop);
    /// assert_eq!((job.task().name(), job.priority(), job.deadline()), ("add", Priority::Normal, None));
    /// assert!(!job.is_over());
    /// ```
    #[must_use]
    pub fn task(&self) -> &'static TaskInfo {
        self.slot().header.task()
    }

    /// Returns the job's priority. A job made by [`Job::new`] has the priority of the task or scope
    /// in which it was made, and [`Priority::Normal`] elsewhere.
    #[must_use]
    pub fn priority(&self) -> Priority {
        self.slot().header.priority()
    }

    /// Returns the moment at which the call times out, or `None` if it has no limit.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.slot().header.deadline()
    }

    /// Returns whether the call is already over: cancelled or timed out.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.slot().is_over()
    }

    /// Makes the end of the task the only end of the call once it has begun, for a service: see
    /// [`Reply::defer_end`]. A cancel or a time-out only asks the task to stop.
    #[doc(hidden)]
    pub fn defer_end(&self) {
        self.slot().defer_end();
    }

    /// Returns where the call was submitted, for an error that the executor makes. See
    /// [`CallTrace::caused_by`].
    #[must_use]
    pub fn trace(&self) -> CallTrace {
        self.slot().header.at()
    }

    /// Returns the error with which to refuse the job when the queue is full.
    ///
    /// ```
    /// use nanolith::{call::SubmitError, executor::Job, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// fn refuse(job: Job<Geometry>) -> SubmitError<Job<Geometry>> {
    ///     let error = job.full();
    ///     SubmitError::new(job, error)
    /// }
    /// assert!(refuse(Job::new(GeometryTask::Add { x: 4, y: 5 }, drop)).is_full());
    /// ```
    #[must_use]
    pub fn full(&self) -> CallError {
        self.error(EndReason::Full)
    }

    /// Returns the error with which to refuse the job when the executor is closed.
    ///
    /// ```
    /// use nanolith::{Executor, executor::Job, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// let job = Job::<Geometry>::new(GeometryTask::Add { x: 4, y: 5 }, drop);
    /// assert!(matches!(job.closed(), CallError::Closed(_)));
    /// ```
    #[must_use]
    pub fn closed(&self) -> CallError {
        self.error(EndReason::Closed)
    }

    /// Returns the error with which a layer refuses the job. `layer` is the layer's name.
    ///
    /// ```
    /// use nanolith::{Executor, TaskSet, call::SubmitError, executor::Job, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// /// Rejects every job.
    /// struct Doorman;
    /// impl<S: TaskSet> Executor<S> for Doorman {
    ///     fn try_execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
    ///         let error = job.rejected("Doorman");
    ///         Err(SubmitError::new(job, error))
    ///     }
    /// }
    /// let error = Geometry::calls(Doorman).add(4, 5).wait().unwrap_err();
    /// assert!(error.to_string().starts_with("`Geometry::add` was rejected by `Doorman`; submitted at"));
    /// ```
    #[must_use]
    pub fn rejected(&self, layer: &'static str) -> CallError {
        let error = CallError::Rejected(layer, self.slot().header.at());
        trace::refused(None, &error);
        error
    }

    /// Calls `look` with the task, for an executor that encodes it before it takes the job. Returns
    /// `None` if the call is already over.
    ///
    /// ```
    /// use nanolith::{executor::Job, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// let job = Job::<Geometry>::new(GeometryTask::Add { x: 4, y: 5 }, drop);
    /// assert_eq!(job.with_task(|task| matches!(task, GeometryTask::Add { x: 4, .. })), Some(true));
    /// ```
    pub fn with_task<R>(&self, look: impl FnOnce(&S::Task) -> R) -> Option<R> {
        let found = self.slot().with_input(|input| look(&input.task));
        if self.slot().is_over() {
            self.slot().drop_input(None); // the call ended meanwhile, and left its input
        }
        found
    }

    /// Begins the call. The caller of this method runs the task and sends its outcome with the
    /// reply.
    ///
    /// ```
    /// use nanolith::{Executor, executor::Job, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// let job = Job::<Geometry>::new(GeometryTask::Add { x: 4, y: 5 }, |outcome| {
    ///     assert!(matches!(outcome, Ok(GeometryOutput::Add(9))));
    /// });
    /// let (GeometryTask::Add { x, y }, reply) = job.split()?;
    /// reply.complete(Ok(GeometryOutput::Add(x + y)));
    /// # Ok::<(), nanolith::executor::JobEndedError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`JobEndedError`] if the call was cancelled or timed out before.
    pub fn split(self) -> Result<(S::Task, Reply<S>), JobEndedError> {
        let slot = self.into_slot();
        slot.header.stamp_submitted(clock::now);
        let input = slot.withdraw().ok_or(JobEndedError)?;
        slot.header.mark_started(clock::now());
        slot.header.begin_span(None);
        if !CallSlot::may_begin(&slot, clock::now()) {
            return Err(JobEndedError);
        }
        Ok((input.task, Reply::of(slot)))
    }

    pub(super) fn with_callback<F>(task: S::Task, shared: Option<S::Shared>, meta: Header, on_complete: F) -> Self
    where
        F: FnOnce(Result<S::Output, CallError>) + Send + 'static,
    {
        let (job, slot) = Self::with_owner(Uninit::new(), task, shared, meta);
        let told = OnCompleteWaker { slot: slot.clone(), on_complete: Mutex::new(Some(on_complete)) };
        // The job is not shared yet, so its call is not over.
        slot.register(&Waker::from(Arc::new(told)));
        job
    }

    /// Creates a job, and a second reference to its call in the memory of `place`: see [`Uninit`].
    #[inline(always)]
    pub(crate) fn with_owner(
        place: Uninit<CallSlot<S>>,
        task: S::Task,
        shared: Option<S::Shared>,
        meta: Header,
    ) -> (Self, CallRef<CallSlot<S>>) {
        if shared.is_some() {
            meta.mark_sharing();
        }
        let told = meta.needs_notify();
        let (slot, other) = place.init_pair(Slot::new(Input { task, shared }, meta, told));
        (Self { slot: Some(slot) }, other)
    }

    /// Creates a job without a handle, so its outcome is dropped.
    pub(crate) fn detached(place: Uninit<CallSlot<S>>, task: S::Task, shared: Option<S::Shared>, meta: Header) -> Self {
        if shared.is_some() {
            meta.mark_sharing();
        }
        let told = meta.needs_notify();
        let mut slot = Slot::new(Input { task, shared }, meta, told);
        slot.detach_mut();
        Self { slot: Some(place.init(slot)) }
    }

    pub(crate) fn slot(&self) -> &CallRef<CallSlot<S>> {
        self.slot.as_ref().expect("a job has its slot until it is used up")
    }

    pub(crate) fn into_slot(mut self) -> CallRef<CallSlot<S>> {
        self.slot.take().expect("a job has its slot until it is used up")
    }

    pub(crate) fn from_slot(slot: CallRef<CallSlot<S>>) -> Self {
        Self { slot: Some(slot) }
    }

    pub(crate) fn error(&self, end: EndReason) -> CallError {
        self.slot().header.error(end)
    }

    /// Returns whether the call may take the fast path through an executor.
    pub(crate) fn fits_ring(&self) -> bool {
        ErasedCall::fits_ring(&**self.slot())
    }

    /// Ends the call with `outcome`, without running it.
    pub(crate) fn answer(self, outcome: Result<S::Output, CallError>) {
        let slot = self.into_slot();
        slot.header.stamp_submitted(clock::now);
        let Some(input) = slot.withdraw() else { return };
        slot.header.mark_started(clock::now());
        let host = slot.header.final_executor();
        Reply::of(slot).complete(outcome);
        drop_elsewhere(host, input);
    }

    /// Ends the call without running it.
    pub(crate) fn end(self, how: EndReason) {
        self.into_slot().end_call(how);
    }

    /// Runs `ring` at `due`, unless the call is over by then.
    pub(crate) fn timeout_at(&self, due: Instant, ring: Box<dyn FnOnce() + Send>) {
        self.slot().header.keep_timer(timer::arm(due, TimerAction::RunAlways(ring)));
    }

    /// Passes the job to `then` at `due`, unless its call is over by then.
    pub(crate) fn delay_until(self, due: Instant, then: impl FnOnce(Self) + Send + 'static) {
        let call = self.slot().clone();
        let key = timer::arm(due, TimerAction::Run(Box::new(move || then(self))));
        call.header.keep_timer(key);
    }

    /// Returns whether the job has passed this layer.
    pub(crate) fn has_layer(&self, layer: LayerId) -> bool {
        self.slot().header.has_passed(layer)
    }

    /// Records that the job has passed this layer.
    pub(crate) fn mark_layer(&self, layer: LayerId) {
        self.slot().header.pass(layer);
    }

    /// Returns the error of a call for which a cluster has no member.
    pub(crate) fn no_member(&self) -> CallError {
        CallError::NoMember(self.slot().header.at())
    }

    /// Returns whether the call has neither begun nor ended.
    pub(crate) fn is_queued(&self) -> bool {
        self.slot().is_queued()
    }

    /// Takes the task out and ends the call without waking its waiter.
    pub(crate) fn into_task(self) -> Option<S::Task> {
        CallSlot::take_back(&self.into_slot())
    }
}

impl<S: TaskSet> Drop for Job<S> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            slot.end_call(EndReason::lost());
        }
    }
}

impl<S: TaskSet> fmt::Debug for Job<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("task", self.task()).finish_non_exhaustive()
    }
}

/// The error of [`Job::split`]: the call was over before it began.
///
/// ```
/// use nanolith::executor::JobEndedError;
/// assert_eq!(JobEndedError.to_string(), "the call was cancelled or timed out before it began");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobEndedError;

impl fmt::Display for JobEndedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the call was cancelled or timed out before it began")
    }
}

impl std::error::Error for JobEndedError {}

/// The waiter of a job that has no handle. It runs the job's `on_complete`.
struct OnCompleteWaker<S: TaskSet, F> {
    slot: CallRef<CallSlot<S>>,
    on_complete: Mutex<Option<F>>,
}

impl<S: TaskSet, F: FnOnce(Result<S::Output, CallError>) + Send + 'static> Wake for OnCompleteWaker<S, F> {
    fn wake(self: Arc<Self>) {
        let on_complete = self.on_complete.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let (Some(tell), Some(outcome)) = (on_complete, self.slot.outcome()) {
            tell(outcome);
        }
    }
}
