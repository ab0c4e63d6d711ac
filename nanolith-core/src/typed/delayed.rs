//! Calls that are submitted now and go to their executor later: one alarm of the timer each.

use super::{
    Call,
    call::{arm, fail_job},
};
use crate::{
    call::offload,
    context::inline,
    error::Refused,
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
    /// Has the call wait for so long, counted from here, before it goes to its executor. It is submitted all the same: its handle
    /// is there at once. After `Duration::MAX`, or any other time beyond the clock's end, it never goes there: a cancellation or
    /// a [`deadline`](Call::deadline) ends it.
    ///
    /// ```
    /// use nanolith::{prelude::*, time::{HOUR, MockClock}};
    /// # use nanolith_doc_sets::*;
    /// let clock = MockClock::new();
    /// clock.run(|| {
    ///     let pool = Pool::builder().build()?;
    ///     let sum = Geometry::on(&pool).add(4, 5).after(HOUR).submit();
    ///     clock.advance(HOUR - MILLISECOND);
    ///     assert_eq!(pool.in_flight(), 0);
    ///     clock.advance(MILLISECOND);
    ///     assert_eq!(sum.wait()?, 9);
    ///     Ok::<(), Box<dyn std::error::Error>>(())
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The priority's expiration, a [`timeout`](Call::timeout) and the wait that its errors tell of count from when it is due; a
    /// [`deadline`](Call::deadline) is a moment, and may come before that. Until then the executor knows nothing of the call: it
    /// takes no room in the queue, no bound holds it, and a cancelled one is never brought there. When it is due it goes the way of
    /// all calls: where the queue is full, it waits for room, as the queue has it ([`OnFull`](crate::OnFull); one that would run on
    /// its caller's thread waits for room instead, since it has none), and a refusal arrives through the handle.
    ///
    /// The call keeps its executor: a pool or a service whose last handle is dropped stays open until the call is with it. One that
    /// is closed by then refuses it, as [`CallError::Closed`](crate::CallError::Closed). A close waits for no call that is not due.
    ///
    /// The executor is asked on a thread of its own where it has some, or else on one of the global pool.
    pub fn after(mut self, delay: Duration) -> Self {
        let due = clock::after(delay);
        self.rare().later = Some(Delay { due, executor: Arc::new(self.executor().clone()) });
        self
    }

    /// Has the call wait until `due` before it goes to its executor: else as [`Call::after`]. A moment that is past is now.
    ///
    /// ```
    /// # use nanolith::{prelude::*, time::{now}};
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

/// When a call goes to its executor, and that.
pub(super) struct Delay<S: TaskSet> {
    /// `None`: never.
    due: Option<Instant>,
    executor: Arc<dyn Executor<S>>,
}

impl<S: TaskSet> Delay<S> {
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether the call is due before its time is over.
    pub(super) fn is_before(&self, deadline: Option<Instant>) -> bool {
        self.due.is_some_and(|due| deadline.is_none_or(|deadline| due < deadline))
    }

    /// Keeps the job until it is due. One that is due already goes at once.
    pub(super) fn keep(&self, job: Job<S>) -> Result<(), Refused<Job<S>>> {
        let meta = &job.slot().header;
        let Some(due) = self.due.filter(|_| self.is_before(meta.deadline())) else {
            meta.delay(true);
            if sim_runtime::is_here() && meta.deadline().is_none() {
                keep_to_the_end(job);
            } else {
                drop(job.into_slot()); // it is never due: its handle keeps it, and a limit ends it
            }
            return Ok(());
        };
        if due <= clock::instant() {
            arm(&job, self.executor.host());
            return self.executor.execute(job);
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

/// A job is due. Its limits count from now; where the executor may run user code, another thread than the timer's brings it there.
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

/// Brings a job that is due to its executor. If there is no room for it, it waits for some, and no thread blocks.
fn dispatch<S: TaskSet>(job: Job<S>, executor: Arc<dyn Executor<S>>) {
    let host = executor.host();
    match executor.execute(job) {
        Ok(()) => {}
        Err(refused) if refused.is_full() => inline::spawn(host, async move {
            if let Err(refused) = executor.admit(refused.into_inner()).await {
                fail_job(refused);
            }
        }),
        Err(refused) => fail_job(refused),
    }
}
