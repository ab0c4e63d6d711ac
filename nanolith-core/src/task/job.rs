//! A call on its way to an executor: a [`Job`] until the call begins, then a task and its
//! [`Reply`].

use super::{TaskSet, run::Brought};
use crate::{
    call::{
        backend::{self, Backend, ErasedCall, ExecutorId, RunResult, Runs},
        call_ref::{CallRef, Uninit},
        end_batch::EndBatch,
        header::Header,
        offload,
        slot::{CoOwners, CompleteResult, EndReason, EndResult, Slot, TakeResult},
    },
    context::thread_context,
    deadlock::WaitCycle,
    error::{CallError, Panic, ParentCall},
    meta::{
        priority::Priority,
        task_info::{TaskInfo, any_limited},
        visited_layers::LayerId,
    },
    metrics,
    time::{
        clock,
        timer::{self, TimerAction},
    },
    util::unwind,
};
use std::{
    fmt,
    future::{Future, poll_fn},
    panic::Location,
    sync::{Arc, Mutex, PoisonError},
    task::{Poll, Wake, Waker},
    time::Instant,
};

/// The input of a call: its task and, on a pool that shares the state, the state. It is public for
/// generated code.
#[doc(hidden)]
#[allow(missing_debug_implementations)] // it is never printed
pub struct Input<S: TaskSet> {
    pub task: S::Task,
    pub(crate) shared: Option<S::Shared>,
}

/// The size in bytes above which tasks are boxed between their slot and their function, because
/// each frame in between may hold a copy.
const LARGE: usize = 4 * 1_024;

/// Returns whether tasks of this set run from a box.
pub(crate) const fn is_large<S: TaskSet>() -> bool {
    size_of::<S::Task>() > LARGE
}

/// The slot of a call of `S`.
pub(crate) type CallSlot<S> = Slot<Input<S>, Result<<S as TaskSet>::Output, CallError>, Header>;

/// The error of [`Job::split`]: the call was over before it began.
///
/// ```
/// use nanolith::JobEndedError;
/// assert_eq!(JobEndedError.to_string(), "the call was over before it began");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobEndedError;

impl fmt::Display for JobEndedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the call was over before it began")
    }
}

impl std::error::Error for JobEndedError {}

/// A call that has not begun. An executor takes it whole or gives it back whole.
///
/// If the job is dropped unfinished, its call ends as [`CallError::Lost`].
///
/// ```
/// use nanolith::{Job, SubmitError, JobEndedError, TaskSet, prelude::*};
/// # pub struct Geometry;
/// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
/// /// Runs each job by hand, on its caller's thread.
/// struct ByHand;
/// impl Executor<Geometry> for ByHand {
///     fn execute(&self, job: Job<Geometry>) -> Result<(), SubmitError<Job<Geometry>>> {
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
    /// use nanolith::{Job, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// # let pool = Pool::builder().build()?;
    /// let (tell, told) = std::sync::mpsc::channel();
    /// let task = GeometryTask::Add { x: 4, y: 5 };
    /// pool.execute(Job::<Geometry>::new(task, move |outcome| drop(tell.send(outcome))))?;
    /// assert!(matches!(told.recv()?, Ok(GeometryOutput::Add(9))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn new<F>(task: S::Task, on_complete: F) -> Self
    where
        F: FnOnce(Result<S::Output, CallError>) + Send + 'static,
    {
        let caller = ParentCall { task: S::info(&task), submitted: Location::caller() };
        Self::with_callback(task, None, Header::new(caller, None, None, thread_context::origin()), on_complete)
    }

    fn with_callback<F>(task: S::Task, shared: Option<S::Shared>, meta: Header, on_complete: F) -> Self
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

    /// Returns the description of the job's task.
    ///
    /// ```
    /// use nanolith::{Job, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// let job = Job::<Geometry>::new(GeometryTask::Add { x: 4, y: 5 }, drop);
    /// assert_eq!((job.info().name(), job.priority(), job.deadline()), ("add", Priority::Normal, None));
    /// assert!(!job.is_over());
    /// ```
    #[must_use]
    pub fn info(&self) -> &'static TaskInfo {
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

    /// Returns the error with which to refuse the job when the queue is full.
    ///
    /// ```
    /// use nanolith::{Job, SubmitError, prelude::*};
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
    /// use nanolith::{Job, prelude::*};
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
    /// use nanolith::{Job, SubmitError, TaskSet, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// /// Rejects every job.
    /// struct Doorman;
    /// impl<S: TaskSet> Executor<S> for Doorman {
    ///     fn execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
    ///         let error = job.rejected("Doorman");
    ///         Err(SubmitError::new(job, error))
    ///     }
    /// }
    /// let error = Geometry::calls(Doorman).add(4, 5).wait().unwrap_err();
    /// assert!(error.to_string().starts_with("`Geometry::add` was rejected by `Doorman`; submitted at"));
    /// ```
    #[must_use]
    pub fn rejected(&self, layer: &'static str) -> CallError {
        CallError::Rejected(layer, self.slot().header.at())
    }

    pub(crate) fn error(&self, end: EndReason) -> CallError {
        self.slot().header.error(end)
    }

    /// Returns whether the call may take the fast path through an executor.
    pub(crate) fn is_plain(&self) -> bool {
        ErasedCall::is_plain(&**self.slot())
    }

    /// Begins the call. The caller of this method runs the task and sends its outcome with the
    /// reply.
    ///
    /// ```
    /// use nanolith::{Job, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// let job = Job::<Geometry>::new(GeometryTask::Add { x: 4, y: 5 }, |outcome| {
    ///     assert!(matches!(outcome, Ok(GeometryOutput::Add(9))));
    /// });
    /// let (GeometryTask::Add { x, y }, reply) = job.split()?;
    /// reply.complete(Ok(GeometryOutput::Add(x + y)));
    /// # Ok::<(), nanolith::JobEndedError>(())
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
        if !CallSlot::may_begin(&slot) {
            return Err(JobEndedError);
        }
        Ok((input.task, Reply { slot: Some(slot) }))
    }

    /// Ends the call with `outcome`, without running it.
    pub(crate) fn answer(self, outcome: Result<S::Output, CallError>) {
        let slot = self.into_slot();
        slot.header.stamp_submitted(clock::now);
        let Some(input) = slot.withdraw() else { return };
        slot.header.mark_started(clock::now());
        let host = slot.header.final_executor();
        Reply { slot: Some(slot) }.complete(outcome);
        drop_elsewhere(host, input);
    }

    /// Ends the call without running it.
    pub(crate) fn end(self, how: EndReason) {
        self.into_slot().end_call(how);
    }

    /// Like [`Job::split`], for a caller that delegates the call to another call. The delegate
    /// marks the call as started.
    pub(crate) fn start_delegating(self) -> Result<(S::Task, Reply<S>), JobEndedError> {
        let slot = self.into_slot();
        slot.header.stamp_submitted(clock::now);
        let input = slot.withdraw().ok_or(JobEndedError)?;
        Ok((input.task, Reply { slot: Some(slot) }))
    }

    /// Creates a delegate: a call that runs `task` for `reply`'s call. An end of the first call
    /// ends the delegate, and a wait for the first call waits for the delegate. `then` gets the
    /// reply back, with the outcome of the delegate.
    pub(crate) fn delegate<F>(reply: Reply<S>, task: S::Task, then: F) -> Self
    where
        F: FnOnce(Reply<S>, Result<S::Output, CallError>) + Send + 'static,
    {
        let meta = reply.slot().header.for_retry();
        Self::go_on(reply, task, None, meta, then)
    }

    /// Creates a delegate with a deadline of its own.
    pub(crate) fn delegate_until<F>(reply: Reply<S>, task: S::Task, deadline: Instant, then: F) -> Self
    where
        F: FnOnce(Reply<S>, Result<S::Output, CallError>) + Send + 'static,
    {
        let meta = reply.slot().header.for_retry_until(Some(deadline));
        let job = Self::go_on(reply, task, None, meta, then);
        let call = job.slot().clone();
        let ring = Box::new(move || backend::end(&*call, None, EndReason::by_alarm()));
        job.timeout_at(deadline, ring);
        job
    }

    fn go_on<F>(reply: Reply<S>, task: S::Task, shared: Option<S::Shared>, meta: Header, then: F) -> Self
    where
        F: FnOnce(Reply<S>, Result<S::Output, CallError>) + Send + 'static,
    {
        let call = reply.slot().clone();
        let within = DelegatedReply(Some(reply));
        let job = Self::with_callback(task, shared, meta, move |outcome| within.end(|reply| then(reply, outcome)));
        go_on_as(&call, job.slot());
        job
    }

    /// Creates a second call beside the delegate of `call`. An end of `call` does not end this
    /// call.
    pub(crate) fn sibling<F>(call: &CallSlot<S>, task: S::Task, on_complete: F) -> Self
    where
        F: FnOnce(Result<S::Output, CallError>) + Send + 'static,
    {
        let meta = call.header.for_retry();
        meta.mark_delegate();
        Self::with_callback(task, None, meta, on_complete)
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

    /// Returns the job with the state that it shares. A job that was made for this executor has the
    /// state already. For a job of a layer, this creates a delegate with the state.
    pub(crate) fn with_state(self, state: &Arc<S>) -> Self
    where
        S: TaskSet<Shared = Arc<S>> + Send + Sync,
    {
        if self.slot().header.is_sharing() {
            return self;
        }
        let slot = self.into_slot();
        let Some(input) = slot.withdraw() else { return Self::from_slot(slot) };
        let meta = slot.header.for_retry();
        let reply = Reply { slot: Some(slot) };
        Self::go_on(reply, input.task, Some(state.clone()), meta, Reply::complete)
    }

    /// Returns the error with which to refuse the job when a wait for queue room would close this
    /// cycle.
    pub(crate) fn would_deadlock(&self, cycle: WaitCycle) -> CallError {
        self.slot().header.keep_cycle(cycle);
        self.slot().header.error(EndReason::WouldDeadlock)
    }

    /// Takes the task out and ends the call without waking its waiter.
    pub(crate) fn into_task(self) -> Option<S::Task> {
        let slot = self.into_slot();
        let input = slot.withdraw()?;
        slot.drop_waker(); // the waiter is not woken
        slot.header.over();
        Some(input.task)
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
        f.debug_struct("Job").field("task", self.info()).finish_non_exhaustive()
    }
}

/// Records that the task of an ended call is over. If the call timed out before, the executor
/// removes it from its list.
fn end_overrun<S: TaskSet>(slot: &CallSlot<S>) {
    if let Some(host) = slot.header.overruns().and_then(ExecutorId::get) {
        host.on_overrun_finished(backend::address(slot));
    }
}

/// Drops an outcome that no caller takes. A panic is reported to the executor.
pub(crate) fn drop_unseen<O>(outcome: Result<O, CallError>, host: impl FnOnce() -> Option<Arc<dyn Backend>>) {
    unwind::ignore_panics(move || match outcome {
        Err(error @ CallError::Panicked(..)) => host().iter().for_each(|host| host.on_unobserved_panic(&error)),
        outcome => drop(outcome),
    });
}

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

/// Makes `job` the delegate of `call`. If `call` has ended in the meantime, the delegate ends too.
pub(crate) fn go_on_as<S: TaskSet>(call: &CallSlot<S>, job: &CallRef<CallSlot<S>>) {
    call.header.delegate_to(&job.clone().erase());
    call.fence();
    if call.is_asked_to_stop() {
        let is_late = call.header.deadline().is_some_and(|deadline| deadline <= clock::instant());
        backend::end(&**job, None, if is_late { EndReason::TimedOut } else { EndReason::Cancelled });
    }
}

/// The reply of a call that has a delegate.
struct DelegatedReply<S: TaskSet>(Option<Reply<S>>);

impl<S: TaskSet> DelegatedReply<S> {
    fn end(mut self, then: impl FnOnce(Reply<S>)) {
        if let Some(reply) = self.0.take() {
            then(reply);
        }
    }
}

impl<S: TaskSet> Drop for DelegatedReply<S> {
    /// Ends this call, since its delegate was taken back. If this call is a delegate itself, its
    /// waiter is not woken.
    fn drop(&mut self) {
        if let Some(slot) = self.0.take().and_then(|mut reply| reply.slot.take()) {
            if slot.header.is_delegate() {
                slot.drop_waker();
            }
            slot.end_call(EndReason::lost());
        }
    }
}

/// The second half of a job that has begun. It takes the outcome, once, on any thread.
///
/// If the reply is dropped unfinished, the call ends as [`CallError::Lost`].
///
/// ```
/// use nanolith::{Job, prelude::*};
/// # pub struct Geometry;
/// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
/// let job = Job::<Geometry>::new(GeometryTask::Add { x: 4, y: 5 }, |outcome| {
///     assert!(matches!(outcome, Err(CallError::Lost(_))));
/// });
/// let (_task, reply) = job.split()?;
/// drop(reply);
/// # Ok::<(), nanolith::JobEndedError>(())
/// ```
#[must_use = "a reply that is dropped ends its call as lost"]
pub struct Reply<S: TaskSet> {
    slot: Option<CallRef<CallSlot<S>>>,
}

impl<S: TaskSet> Reply<S> {
    /// Creates a reply. The caller has taken the input out of `slot`.
    pub(crate) fn of(slot: CallRef<CallSlot<S>>) -> Self {
        Self { slot: Some(slot) }
    }

    pub(crate) fn slot(&self) -> &CallRef<CallSlot<S>> {
        self.slot.as_ref().expect("a reply has its slot until it is used up")
    }

    /// Ends the call with `outcome`. If the call is already over (cancelled or timed out), the
    /// outcome is dropped.
    ///
    /// ```
    /// use nanolith::{Job, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// # let (tell, told) = std::sync::mpsc::channel();
    /// # let job = Job::<Geometry>::new(GeometryTask::Add { x: 4, y: 5 }, move |outcome| drop(tell.send(outcome)));
    /// let (GeometryTask::Add { x, y }, reply) = job.split()?;
    /// std::thread::spawn(move || reply.complete(Ok(GeometryOutput::Add(x + y))));
    /// assert!(matches!(told.recv()?, Ok(GeometryOutput::Add(9))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn complete(self, outcome: Result<S::Output, CallError>) {
        self.complete_with(CoOwners::NONE, outcome);
    }

    /// Like [`Reply::complete`], for a caller that holds further references to the call.
    #[inline]
    pub(crate) fn complete_with(mut self, fellows: CoOwners<CallSlot<S>>, outcome: Result<S::Output, CallError>) {
        if let Some(slot) = self.slot.take() {
            match Slot::complete(slot, fellows, outcome) {
                CompleteResult::Released => {}
                CompleteResult::Retained(slot) => slot.header.over(),
                CompleteResult::Rejected(slot, outcome) => {
                    slot.header.over();
                    end_overrun(&slot);
                    drop_unseen(outcome, || {
                        thread_context::current_backend().or_else(|| slot.header.final_executor()?.get())
                    });
                }
            }
        }
    }

    pub(crate) fn panicked(self, panic: Panic) {
        let error = CallError::of_panic(panic, self.slot().header.at());
        self.complete(Err(error));
    }

    /// Ends the call for a reason that the slot itself records.
    pub(crate) fn end(mut self, how: EndReason) {
        if let Some(slot) = self.slot.take() {
            slot.end_call(how);
            end_overrun(&slot);
        }
    }

    /// Returns whether the call was cancelled or timed out, so that its caller no longer waits.
    ///
    /// ```
    /// use nanolith::{Job, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// # let job = Job::<Geometry>::new(GeometryTask::Add { x: 4, y: 5 }, drop);
    /// let (_task, reply) = job.split()?;
    /// assert!(!reply.is_cancelled());
    /// assert_eq!(reply.deadline(), None);
    /// # Ok::<(), nanolith::JobEndedError>(())
    /// ```
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        CallSlot::is_to_stop(self.slot())
    }

    /// Returns the moment at which the call times out, or `None` if it has no limit.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.slot().header.deadline()
    }

    /// Waits until the call is cancelled or timed out. If neither happens, the future is never
    /// ready. An executor that runs tasks elsewhere forwards the cancellation with it.
    ///
    /// ```
    /// use nanolith::{Job, SubmitError, TaskSet, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// /// Takes every job and never answers, until the caller has gone.
    /// struct Deaf;
    /// impl Executor<Geometry> for Deaf {
    ///     fn execute(&self, job: Job<Geometry>) -> Result<(), SubmitError<Job<Geometry>>> {
    ///         if let Ok((_task, reply)) = job.split() {
    ///             std::thread::spawn(move || pollster::block_on(reply.cancelled()));
    ///         }
    ///         Ok(())
    ///     }
    /// }
    /// let outcome = Geometry::calls(Deaf).add(4, 5).timeout(MILLISECOND).wait();
    /// assert!(matches!(outcome, Err(CallError::TimedOut(_))));
    /// ```
    ///
    /// # Cancel safety
    ///
    /// This future may be dropped and created again at any time.
    pub fn cancelled(&self) -> impl Future<Output = ()> + '_ {
        let mut stop = self.slot().header.stop_wait();
        poll_fn(move |cx| {
            stop.register(cx.waker());
            self.slot().fence();
            CallSlot::hang_on_parents(self.slot());
            if self.is_cancelled() { Poll::Ready(()) } else { Poll::Pending }
        })
    }
}

impl<S: TaskSet> Drop for Reply<S> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            slot.end_call(EndReason::lost());
            end_overrun(&slot);
        }
    }
}

impl<S: TaskSet> fmt::Debug for Reply<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("task", self.slot().header.task()).finish_non_exhaustive()
    }
}

impl<S: TaskSet> CallSlot<S> {
    /// Ends the call and wakes its waiters: a running task, a timer and a watcher of its progress.
    pub(crate) fn end_call(&self, how: EndReason) {
        let mut batch = EndBatch::default();
        let ended = self.end_into(how, &mut batch);
        batch.run();
        if ended == EndResult::Queued {
            self.drop_input(self.header.final_executor());
        }
    }

    /// Runs the call inline, if it is a fast-path call that a task of this pool submitted and waits
    /// for. The queue and the other workers learn of this only from the call's entry.
    pub(crate) fn overtake_here(this: &CallRef<Self>, host: Option<ExecutorId>) {
        if !this.header.is_nested() || !ErasedCall::is_plain(&**this) || !thread_context::can_run_inline(host) {
            return;
        }
        if this.header.has_start_checks() && this.header.is_parent_cancelled() {
            backend::end(&**this, host, EndReason::Cancelled); // it never begins
            return;
        }
        if const { is_large::<S>() } {
            Self::overtake_in::<Box<Input<S>>>(this);
        } else {
            Self::overtake_in::<Input<S>>(this);
        }
    }

    #[inline(always)]
    fn overtake_in<I: Brought<S>>(this: &CallRef<Self>) {
        if let Some((input, [call, second])) = Slot::claim_by_waiter::<I, 2>(this) {
            thread_context::count_overtaken();
            let seen = metrics::is_any_on().then(|| (call.header.task(), call.header.submitted_at(), clock::now()));
            let run = || {
                super::run_on_pool([call, second], input, None, clock::coarse_now());
                if let Some((task, submitted, began)) = seen {
                    record(task, submitted, began);
                }
            };
            // A panic of the call's destructors is ignored here.
            thread_context::run_nested(|| unwind::ignore_panics(run));
        }
    }

    /// Returns whether a claimed call may run. The call ends here if its parents or one of its
    /// tokens were cancelled, or if its deadline has passed. A limit on the run starts to count
    /// here.
    #[inline(always)]
    pub(crate) fn may_begin(this: &CallRef<Self>) -> bool {
        !this.header.has_start_checks() || Self::look_at_begin(this)
    }

    fn look_at_begin(this: &CallRef<Self>) -> bool {
        if let Some(end) = this.header.end_before_begin() {
            this.end_call(end);
            return false;
        }
        // An end removes the tokens after it has changed the state. So the state is checked after
        // the tokens.
        if Slot::is_asked_to_stop(this) {
            return false; // it ended after its executor had claimed it
        }
        if let Some(deadline) = this.header.begin_limit() {
            if deadline <= clock::instant() {
                this.end_call(EndReason::TimedOut); // its limit is zero
                return false;
            }
            let (call, host) = (this.clone(), thread_context::current_executor());
            let ring = Box::new(move || backend::end(&*call, host, EndReason::by_alarm()));
            this.header.keep_timer(timer::arm(deadline, TimerAction::RunAlways(ring)));
        }
        true
    }

    /// Returns whether the running task is asked to stop. If its parents were cancelled and did not
    /// end the call themselves, the call ends here.
    pub(crate) fn is_to_stop(this: &CallRef<Self>) -> bool {
        this.is_asked_to_stop()
            || this.header.has_start_checks() && this.header.is_parent_cancelled() && {
                this.end_call(EndReason::Cancelled);
                true
            }
    }

    /// Links a fast-path call to its parents' node, so that their cancellation wakes it at once.
    pub(crate) fn hang_on_parents(this: &CallRef<Self>) {
        if let Some(stop) = this.header.parent_node() {
            this.header.link(stop, || this.clone().erase(), None);
            if this.is_over() {
                this.header.over(); // it ended before the link existed
            }
        }
    }

    #[inline(always)]
    pub(crate) fn outcome(&self) -> Option<Result<S::Output, CallError>> {
        match self.take() {
            TakeResult::Outcome(outcome) => Some(outcome),
            TakeResult::Ended(end) => Some(Err(self.header.error(end))),
            TakeResult::NotYet => None,
        }
    }
}

impl<S: TaskSet> ErasedCall for CallSlot<S> {
    fn header(&self) -> &Header {
        &self.header
    }

    fn is_queued(&self) -> bool {
        Slot::is_queued(self)
    }

    fn is_over(&self) -> bool {
        Slot::is_over(self)
    }

    fn is_asked_to_stop(&self) -> bool {
        Slot::is_asked_to_stop(self) || self.header.has_start_checks() && self.header.is_parent_cancelled()
    }

    fn recheck_cancelled(&self) -> bool {
        Slot::recheck_cancelled(self)
    }

    fn is_plain(&self) -> bool {
        let may_be_limited = const { any_limited(S::TASKS) };
        !S::HOOKS.are_async()
            && self.header.is_plain()
            && !(may_be_limited && self.header.task().max_concurrency().is_some())
    }

    fn was_overtaken(&self) -> bool {
        Slot::was_overtaken(self)
    }

    fn claim(&self) -> bool {
        Slot::claim(self)
    }

    fn runs(&self) -> Runs {
        if const { is_large::<S>() } {
            Runs { claimed: run_claimed::<S, Box<Input<S>>>, queued: run_queued::<S, Box<Input<S>>> }
        } else {
            Runs { claimed: run_claimed::<S, Input<S>>, queued: run_queued::<S, Input<S>> }
        }
    }

    fn end_into(&self, how: EndReason, batch: &mut EndBatch) -> EndResult {
        let (ended, waker) = self.end_silently(how);
        batch.wake(waker);
        if ended == EndResult::Running {
            self.header.wake_on_cancel(batch);
        }
        if ended != EndResult::Over {
            self.header.over_into(batch);
        }
        ended
    }

    fn drop_input(&self, host: Option<ExecutorId>) {
        if const { is_large::<S>() } {
            drop_elsewhere(host, self.take_input_in::<Box<Input<S>>>());
        } else {
            drop_elsewhere(host, self.take_input_in::<Input<S>>());
        }
    }
}

/// Drops a user's value. On the timer thread, a thread of `host` drops it.
fn drop_elsewhere<T: Send + 'static>(host: Option<ExecutorId>, value: T) {
    if std::mem::needs_drop::<T>() {
        offload::run(host, move || drop(value));
    }
}

/// Records the durations of a call that ran ahead of its turn.
#[cold]
fn record(task: &'static TaskInfo, submitted: u64, began: u64) {
    if let Some(host) = thread_context::current_backend() {
        host.record(task, clock::elapsed(submitted, began), clock::elapsed(began, clock::now()));
    }
}

const TYPED: &str = "it was asked of a call of this type";

fn run_claimed<S: TaskSet, I: Brought<S>>(
    call: CallRef<dyn ErasedCall>,
    host: Option<Arc<dyn Backend>>,
    now: u64,
) -> RunResult {
    let call = call.downcast::<CallSlot<S>>().expect(TYPED);
    match call.take_input_to_run::<I>() {
        Some(input) => super::run_on_pool([call.clone(), call], input, host, now),
        None => RunResult::Skipped,
    }
}

fn run_queued<S: TaskSet, I: Brought<S>>(
    call: CallRef<dyn ErasedCall>,
    now: u64,
) -> Result<RunResult, CallRef<dyn ErasedCall>> {
    let call = call.downcast::<CallSlot<S>>().expect(TYPED);
    match Slot::begin_shared_in::<I, 1>(&call) {
        Some((input, [second])) => Ok(super::run_on_pool([call, second], input, None, now)),
        None => Err(call.erase()),
    }
}

/// Returns the size in bytes of a call of `S`, which is one allocation. The memory is reused for
/// the next call.
///
/// ```
/// # use nanolith::prelude::*;
/// # pub struct Geometry;
/// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
/// const { assert!(nanolith::call_size::<Geometry>() <= 256) };
/// ```
#[must_use]
pub const fn call_size<S: TaskSet>() -> usize {
    size_of::<CallSlot<S>>()
}
