//! [`Reply`]: a call that has begun, on the side of the executor. It takes the outcome, which ends
//! the call.

use super::{CallSlot, EnvRef, TaskSet};
use crate::{
    call::{
        WaitHelper,
        backend::{Backend, ErasedCall},
        call_ref::CallRef,
        header::{NotifyProgress, Progress, StopHome, StopReason},
        slot::{CoOwners, CompleteResult, EndReason, Slot},
    },
    context::thread_context,
    error::{CallError, CallTrace, Panic},
    metrics, trace,
    util::unwind,
    wake::Registration,
};
use std::{
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

/// The second half of a job that has begun. It takes the outcome, once, on any thread.
///
/// If the reply is dropped unfinished, the call ends as [`CallError::Lost`].
///
/// ```
/// use nanolith::{executor::Job, prelude::*};
/// # pub struct Geometry;
/// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
/// let job = Job::<Geometry>::new(GeometryTask::Add { x: 4, y: 5 }, |outcome| {
///     assert!(matches!(outcome, Err(CallError::Lost(_))));
/// });
/// let (_task, reply) = job.split()?;
/// drop(reply);
/// # Ok::<(), nanolith::executor::JobEndedError>(())
/// ```
#[must_use = "a reply that is dropped ends its call as lost"]
pub struct Reply<S: TaskSet> {
    pub(super) slot: Option<CallRef<CallSlot<S>>>,
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
    /// use nanolith::{executor::Job, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// # let (sender, outcomes) = std::sync::mpsc::channel();
    /// # let job = Job::<Geometry>::new(GeometryTask::Add { x: 4, y: 5 }, move |outcome| drop(sender.send(outcome)));
    /// let (GeometryTask::Add { x, y }, reply) = job.split()?;
    /// std::thread::spawn(move || reply.complete(Ok(GeometryOutput::Add(x + y))));
    /// assert!(matches!(outcomes.recv()?, Ok(GeometryOutput::Add(9))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn complete(self, outcome: Result<S::Output, CallError>) {
        if let Err(error) = &outcome {
            // Before the caller learns of the end, so that it finds the span closed.
            self.slot().header.close_span(error.outcome());
        }
        self.complete_with(CoOwners::NONE, outcome);
    }

    /// Like [`Reply::complete`], for an output and a caller that holds further references to the call.
    #[inline]
    pub(crate) fn complete_with(mut self, fellows: CoOwners<CallSlot<S>>, outcome: Result<S::Output, CallError>) {
        if let Some(slot) = self.slot.take() {
            if slot.header.has_span() {
                slot.header.close_span("ok"); // that of an error is closed already
            }
            match Slot::complete(slot, fellows, outcome) {
                CompleteResult::Released => {}
                CompleteResult::Retained(slot) => slot.header.over(),
                CompleteResult::Rejected(slot, outcome) => {
                    slot.header.over();
                    slot.end_overrun();
                    drop_unseen(outcome, || {
                        thread_context::current_backend().or_else(|| slot.header.final_executor()?.get())
                    });
                }
            }
        }
    }

    /// Ends the call for a waiter on this thread, and returns its outcome. `running` is the other owner
    /// that the run has. If the call was ended meanwhile, or if other code is to learn of the end,
    /// stores the outcome in the slot and returns `None`.
    #[inline(always)]
    pub(super) fn complete_here(
        mut self,
        running: CallRef<dyn ErasedCall>,
        output: S::Output,
    ) -> Option<Result<S::Output, CallError>> {
        match Slot::complete_here(self.slot.take()?, running) {
            Ok(()) => Some(Ok(output)),
            Err((slot, running)) => {
                let fellows = CoOwners { running: Some(running), shown: None };
                Self::of(slot).complete_with(fellows, Ok(output));
                None
            }
        }
    }

    pub(crate) fn panicked(self, panic: Panic) {
        let error = self.panic_error(panic);
        self.complete(Err(error));
    }

    /// Returns the error of a call whose task, or a hook around it, panicked, and reports the panic.
    #[cold]
    pub(super) fn panic_error(&self, panic: Panic) -> CallError {
        self.report_panic(panic, self.slot().header.at())
    }

    fn report_panic(&self, panic: Panic, at: CallTrace) -> CallError {
        let error = CallError::of_panic(panic, at);
        if let CallError::Panicked(panic, _) = &error {
            let _within = self.slot().header.enter_span();
            trace::panicked(thread_context::current_kind().as_ref(), panic, &error);
        }
        error
    }

    /// Ends the call as panicked, from within its task. The run of the task is recorded later.
    pub(crate) fn fail_within(self, env: &EnvRef<S>, panic: Panic, at: CallTrace) {
        let error = self.report_panic(panic, at);
        if metrics::is_any_on() && !self.slot().is_over() {
            let host = env.host().or_else(thread_context::current_backend);
            let task = self.slot().header.task();
            host.into_iter().for_each(|host| host.count_failure(task, error.outcome(), true));
        }
        self.complete(Err(error));
    }

    /// Ends the call for a reason that the slot itself records.
    pub(crate) fn end(mut self, how: EndReason) {
        if let Some(slot) = self.slot.take() {
            slot.end_call(slot.header.stop_reason().map_or(how, EndReason::from));
            slot.end_overrun();
        }
    }

    /// Returns whether the call was cancelled or timed out, so that its caller no longer waits.
    ///
    /// ```
    /// use nanolith::{executor::Job, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// # let job = Job::<Geometry>::new(GeometryTask::Add { x: 4, y: 5 }, drop);
    /// let (_task, reply) = job.split()?;
    /// assert!(!reply.is_cancelled());
    /// assert_eq!(reply.deadline(), None);
    /// # Ok::<(), nanolith::executor::JobEndedError>(())
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

    /// Returns where and when the call was, for an error that the executor makes. See
    /// [`CallTrace::caused_by`](crate::error::CallTrace::caused_by).
    #[must_use]
    pub fn trace(&self) -> CallTrace {
        self.slot().header.at()
    }

    /// Reports how far the task has come, as [`Context::progress`](crate::task::Context::progress)
    /// does where the executor runs the task elsewhere. The report is stored at once. The drop of the
    /// returned guard notifies those that wait for it.
    ///
    /// ```
    /// use nanolith::{
    ///     Executor, TaskSet, call::{Progress, SubmitError}, executor::Job, prelude::*,
    /// };
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// /// Forwards the reports of a remote machine.
    /// struct Remote;
    /// impl Executor<Geometry> for Remote {
    ///     fn try_execute(&self, job: Job<Geometry>) -> Result<(), SubmitError<Job<Geometry>>> {
    ///         let Ok((_task, reply)) = job.split() else { return Ok(()) };
    ///         drop(reply.progress(1, 2));
    ///         reply.complete(Ok(GeometryOutput::Add(9)));
    ///         Ok(())
    ///     }
    /// }
    /// let job = Geometry::calls(Remote).add(4, 5).submit();
    /// assert_eq!(job.progress().latest(), Some(Progress { done: 1, total: 2 }));
    /// # assert_eq!(job.wait()?, 9);
    /// # Ok::<(), CallError>(())
    /// ```
    pub fn progress(&self, done: u64, total: u64) -> NotifyProgress {
        self.slot().header.report_progress(Progress { done, total })
    }

    /// Makes this reply the only end of the call. From now on, a cancel or a time-out of the call
    /// asks the task to stop, and the caller waits until the executor replies. So an executor that
    /// stops a task by force can say so.
    ///
    /// The executor learns of the request by [`cancelled`](Self::cancelled) or
    /// [`stop_signal`](Self::stop_signal), and must reply soon after it.
    ///
    /// ```
    /// use nanolith::{
    ///     Executor, TaskSet, call::SubmitError, executor::{Job, StopReason},
    ///     prelude::*,
    /// };
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// /// Takes each job, and kills its task when the call is cancelled.
    /// struct Killer;
    /// impl Executor<Geometry> for Killer {
    ///     fn try_execute(&self, job: Job<Geometry>) -> Result<(), SubmitError<Job<Geometry>>> {
    ///         let Ok((_task, reply)) = job.split() else { return Ok(()) };
    ///         reply.defer_end();
    ///         std::thread::spawn(move || {
    ///             pollster::block_on(reply.cancelled());
    ///             assert_eq!(reply.stop_reason(), Some(StopReason::Cancelled));
    ///             let trace = reply.trace().caused_by("by force");
    ///             reply.complete(Err(CallError::Killed(trace)));
    ///         });
    ///         Ok(())
    ///     }
    /// }
    /// let job = Geometry::calls(Killer).add(4, 5).submit();
    /// job.cancel();
    /// let error = job.wait().unwrap_err();
    /// assert!(error.to_string().starts_with("`Geometry::add` was killed (by force)"));
    /// ```
    pub fn defer_end(&self) {
        self.slot().defer_end();
    }

    /// Sets what a thread does that blocks for the call, in place of sleeping. A second helper
    /// replaces the first.
    ///
    /// ```
    /// use nanolith::{executor::{Job, WaitHelper}, prelude::*};
    /// use std::{sync::Arc, time::Instant};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// /// Would read the answer of a remote machine.
    /// struct Read;
    /// impl WaitHelper for Read {
    ///     fn help(&self, _deadline: Option<Instant>) {}
    /// }
    /// let job = Job::<Geometry>::new(GeometryTask::Add { x: 4, y: 5 }, drop);
    /// let (_task, reply) = job.split()?;
    /// reply.help_waits(Arc::new(Read));
    /// # Ok::<(), nanolith::executor::JobEndedError>(())
    /// ```
    pub fn help_waits(&self, helper: Arc<dyn WaitHelper>) {
        self.slot().header.set_wait_helper(helper);
    }

    /// Returns why the task is asked to stop, if it is and the reply [defers](Self::defer_end) the
    /// end.
    #[must_use]
    pub fn stop_reason(&self) -> Option<StopReason> {
        self.slot().header.stop_reason()
    }

    /// Like [`cancelled`](Self::cancelled), as a future that does not borrow the reply.
    pub fn stop_signal(&self) -> StopSignal<S> {
        let slot = self.slot().clone();
        StopSignal { waiter: Registration::new(StopHome(slot.clone().erase())), slot }
    }

    /// Waits until the call is cancelled or timed out. If neither happens, the future is never
    /// ready. An executor that runs tasks elsewhere forwards the cancellation with it.
    ///
    /// ```
    /// use nanolith::{
    ///     Executor, TaskSet, call::SubmitError, executor::Job, prelude::*,
    ///     time::MILLISECOND,
    /// };
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// /// Takes every job and never answers, until the caller has gone.
    /// struct Deaf;
    /// impl Executor<Geometry> for Deaf {
    ///     fn try_execute(&self, job: Job<Geometry>) -> Result<(), SubmitError<Job<Geometry>>> {
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

/// Waits until the call of a [`Reply`] is asked to stop: see [`Reply::stop_signal`].
#[must_use = "does nothing until awaited"]
pub struct StopSignal<S: TaskSet> {
    waiter: Registration<StopHome<CallRef<dyn ErasedCall>>>,
    slot: CallRef<CallSlot<S>>,
}

impl<S: TaskSet> Future for StopSignal<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.waiter.register(cx.waker());
        self.slot.fence();
        CallSlot::hang_on_parents(&self.slot);
        if CallSlot::is_to_stop(&self.slot) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl<S: TaskSet> fmt::Debug for StopSignal<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopSignal").finish_non_exhaustive()
    }
}

impl<S: TaskSet> Drop for Reply<S> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            slot.end_call(EndReason::lost());
            slot.end_overrun();
        }
    }
}

impl<S: TaskSet> fmt::Debug for Reply<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("task", self.slot().header.task()).finish_non_exhaustive()
    }
}

/// Drops an outcome that no caller takes. A panic is reported to the executor.
pub(crate) fn drop_unseen<O>(outcome: Result<O, CallError>, host: impl FnOnce() -> Option<Arc<dyn Backend>>) {
    unwind::ignore_panics(move || match outcome {
        Err(error @ CallError::Panicked(..)) => host().iter().for_each(|host| host.on_unobserved_panic(&error)),
        outcome => drop(outcome),
    });
}
