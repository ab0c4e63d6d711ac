//! [`Call::after`] and [`Call::at`]: delayed calls. Each waits for a timer before it goes to its
//! executor.

use super::{Call, prepare::arm, submit::fail_job};
use crate::{
    call::offload,
    context::inline,
    error::SubmitError,
    executor::Executor,
    sim_runtime,
    task::{Job, TaskSet},
    time::{
        clock,
        timer::{self, TimerAction},
    },
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

impl<S, E, T> Call<'_, S, E, T>
where
    S: TaskSet,
    E: Executor<S> + Clone + 'static,
{
    /// Delays the call by `delay`, counted from this method's call, before it goes to its executor.
    /// The handle of a submitted call exists at once. With `Duration::MAX`, or any delay beyond the
    /// end of the clock, the call never goes to its executor. In that case a cancellation or a
    /// [`deadline`](Call::deadline) ends it.
    ///
    /// ```
    /// use nanolith::{prelude::*, time::{HOUR, MILLISECOND, MockClock}};
    /// # use nanolith_doc_sets::*;
    /// let clock = MockClock::new();
    /// clock.run(|| {
    ///     let pool = Pool::builder().build()?;
    ///     let sum = Geometry::on(&pool).add(4, 5).after(HOUR).submit();
    ///     clock.advance(HOUR - MILLISECOND);
    ///     assert_eq!(pool.info().in_flight, 0);
    ///     clock.advance(MILLISECOND);
    ///     assert_eq!(sum.wait()?, 9);
    ///     Ok::<(), Box<dyn std::error::Error>>(())
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The priority's expiration, a [`timeout`](Call::timeout) and the waiting time in the call's
    /// errors count from the moment when the call is due. A [`deadline`](Call::deadline) is a fixed
    /// moment, and may come before that.
    ///
    /// Until the call is due, the executor does not know it. It takes no queue room and counts
    /// towards no bound. If it is cancelled, it never reaches the executor.
    ///
    /// A call that is due is submitted like any other call. If the queue is full, its policy
    /// applies ([`OnFull`](crate::executor::OnFull)). A call that would run on its caller's thread
    /// waits for room instead, since it has no such thread. If the call is refused, the handle
    /// returns the error.
    ///
    /// The call holds its executor: a pool or a service whose last handle is dropped stays open
    /// until it has the call. If the executor is closed by then, it refuses the call as
    /// [`CallError::Closed`](crate::error::CallError::Closed). A close does not wait for calls that
    /// are not due.
    ///
    /// The executor takes the call on a thread of its own, if it has threads. Otherwise a thread of
    /// the global pool passes it on.
    pub fn after(mut self, delay: Duration) -> Self {
        let due = clock::after(delay);
        self.rare().later = Some(Delay { due, executor: Arc::new(self.executor().clone()) });
        self
    }

    /// Delays the call until `due`, before it goes to its executor. Otherwise it is like
    /// [`Call::after`]. A moment in the past means now.
    ///
    /// ```
    /// # use nanolith::{prelude::*, time::{MILLISECOND, now}};
    /// # use nanolith_doc_sets::*;
    /// let soon = now() + MILLISECOND;
    /// assert_eq!(Geometry::tasks().add(4, 5).at(soon).wait()?, 9);
    /// assert!(now() >= soon);
    /// # Ok::<(), CallError>(())
    /// ```
    pub fn at(mut self, due: Instant) -> Self {
        self.rare().later = Some(Delay { due: Some(due), executor: Arc::new(self.executor().clone()) });
        self
    }
}

/// The moment at which a call goes to its executor, with that executor.
pub(super) struct Delay<S: TaskSet> {
    /// `None` means never.
    due: Option<Instant>,
    executor: Arc<dyn Executor<S>>,
}

impl<S: TaskSet> Delay<S> {
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Returns whether the call is due before `deadline`.
    pub(super) fn is_before(&self, deadline: Option<Instant>) -> bool {
        self.due.is_some_and(|due| deadline.is_none_or(|deadline| due < deadline))
    }

    /// Keeps the job until it is due. A job that is already due goes to its executor at once.
    pub(super) fn keep(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
        let meta = &job.slot().header;
        let Some(due) = self.due.filter(|_| self.is_before(meta.deadline())) else {
            meta.delay(true);
            if sim_runtime::is_here() && meta.deadline().is_none() {
                keep_to_the_end(job);
            } else {
                drop(job.into_slot()); // never due: its handle keeps the call, and a limit ends it
            }
            return Ok(());
        };
        if due <= clock::instant() {
            arm(&job, self.executor.host());
            return self.executor.try_execute(job);
        }
        meta.delay(true);
        let (slot, executor) = (job.slot().clone(), self.executor.clone());
        let ring = Box::new(move || fall_due(job, executor));
        slot.header.keep_first_timer(timer::arm(due, TimerAction::Run(ring)));
        Ok(())
    }
}

/// Keeps a job that is never due until the end of its simulation, which drops it.
fn keep_to_the_end<S: TaskSet>(job: Job<S>) {
    let slot = job.slot().clone();
    slot.header.keep_first_timer(timer::arm(clock::never(), TimerAction::Run(Box::new(move || drop(job)))));
}

/// Passes on a job that is due. Its limits count from now. If taking it may run user code, a thread
/// other than the timer's passes it on.
fn fall_due<S: TaskSet>(job: Job<S>, executor: Arc<dyn Executor<S>>) {
    if job.is_over() {
        return;
    }
    job.slot().header.delay(false);
    let host = executor.host();
    arm(&job, host);
    if executor.takes_by_user_code() {
        offload::bring(host, move || dispatch(job, executor));
    } else {
        dispatch(job, executor);
    }
}

/// Passes a job that is due to its executor. If the queue is full, the job waits for room, and no
/// thread blocks.
fn dispatch<S: TaskSet>(job: Job<S>, executor: Arc<dyn Executor<S>>) {
    let host = executor.host();
    match executor.try_execute(job) {
        Ok(()) => {}
        Err(refused) if refused.is_full() => inline::spawn(host, async move {
            if let Err(refused) = executor.execute(refused.into_inner()).await {
                fail_job(refused);
            }
        }),
        Err(refused) => fail_job(refused),
    }
}
