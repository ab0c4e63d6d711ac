//! Repeated calls: [`every`] period, or, with the feature `cron`, at the moments of a cron
//! expression.
//!
//! Needs the cargo feature `schedule`.
//!
//! ```
//! use nanolith::{prelude::*, schedule::every, time::{HOUR, MockClock}};
//! # use nanolith_doc_sets::*;
//! let clock = MockClock::new();
//! clock.run(|| {
//!     let pool = Pool::builder().build()?;
//!     let (sender, sums) = std::sync::mpsc::channel();
//!     let schedule = every(HOUR, Geometry::on(&pool), |geometry| geometry.add(4, 5))
//!         .on_outcome(move |sum| drop(sender.send(sum)))
//!         .start()?;
//!     clock.advance(HOUR);
//!     assert_eq!(sums.recv()??, 9);
//!     schedule.cancel();
//!     Ok::<(), Box<dyn std::error::Error>>(())
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! All schedules share the timer's thread, which only signals that a tick is due. The global pool
//! makes the calls and runs the handlers of their outcomes, as it does for messages. The calls
//! themselves run on their own executors.

#[cfg(feature = "cron")]
mod cron;
#[cfg(feature = "cron")]
mod expression;
mod handle;
#[cfg(feature = "cron")]
mod occurrences;
mod schedule_shared;
mod ticks;

#[cfg(feature = "cron")]
pub use cron::{Cron, CronError, cron};
pub use handle::{Closed, Schedule, ScheduleInfo};
pub use ticks::{MissedTick, ScheduleEnd};

use self::{
    schedule_shared::{Handler, Outcome, Ran, Run, Running, ScheduleShared},
    ticks::{FixedInterval, NextTick, TickSource, Ticks},
};
use crate::{
    error::CallError,
    executor::Executor,
    pool::{BuildError, GlobalSpawner},
    task::TaskSet,
    typed::Call,
};
use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

/// The shortest period. Shorter periods count as this one.
const SHORTEST: Duration = Duration::from_micros(1);

/// Makes a call on `calls` every `period`, the first after one period. Returns a plan, which
/// [`start`](Plan::start) runs. `call` may set priorities, time-outs and other options of its
/// calls.
///
/// ```
/// use nanolith::{prelude::*, schedule::every, time::{MILLISECOND, SECOND}};
/// # use nanolith_doc_sets::*;
/// let counter = Counter::service(10).launch().wait()?;
/// let schedule = every(MILLISECOND, counter.clone(), |counter| counter.bump(5).timeout(SECOND))
///     .times(3)
///     .start()?;
/// schedule.closed().wait();
/// assert_eq!(counter.bump(0).wait()?, 25);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The schedule holds `calls` until it ends, and so keeps their pools and services open. If these
/// are closed, the next run detects it and ends the schedule with [`ScheduleEnd::Closed`]. The
/// outcome of that run is the matching error.
///
/// The period is at least a microsecond, or [`Plan::start`] fails. A period that lies beyond the
/// end of the clock, such as `Duration::MAX`, makes a schedule that never ticks and does not end.
pub fn every<C, S, E, T, F>(period: Duration, calls: C, call: F) -> Plan<T>
where
    C: Send + Sync + 'static,
    S: TaskSet,
    E: Executor<S> + ?Sized + 'static,
    T: Send + 'static,
    F: for<'c> Fn(&'c C) -> Call<'c, S, E, T> + Send + Sync + 'static,
{
    let is_valid = period >= SHORTEST;
    Plan { is_valid, ..Plan::new(Box::new(FixedInterval(period)), calls, call) }
}

/// A schedule that has not started. Made by [`every`], run by [`start`](Plan::start).
#[must_use = "nothing is done until `.start()`"]
pub struct Plan<T> {
    ticks: Ticks,
    /// Whether the period is long enough.
    is_valid: bool,
    starting: Option<Instant>,
    run: Box<Run<T>>,
    handler: Option<Box<Handler<T>>>,
}

impl<T: Send + 'static> Plan<T> {
    fn new<C, S, E, F>(rhythm: Box<dyn TickSource>, calls: C, call: F) -> Self
    where
        C: Send + Sync + 'static,
        S: TaskSet,
        E: Executor<S> + ?Sized + 'static,
        F: for<'c> Fn(&'c C) -> Call<'c, S, E, T> + Send + Sync + 'static,
    {
        let shared = Arc::new((calls, call));
        let run = move || {
            let shared = shared.clone();
            let run = async move {
                let (calls, call) = &*shared;
                let call = call(calls);
                let executor = call.executor();
                let outcome = call.await;
                let is_closed = matches!(outcome, Err(CallError::Closed(_))) && !executor.accepts_calls();
                Ran { outcome, is_closed }
            };
            Box::pin(run) as Running<T>
        };
        let ticks = Ticks {
            rhythm,
            missed: MissedTick::default(),
            is_overlapping: false,
            left: None,
            next: NextTick::None,
            end: None,
            owed: 0,
            running: 0,
            runs: 0,
            skipped: 0,
            is_put_off: false,
            is_paused: false,
        };
        Self { ticks, is_valid: true, starting: None, run: Box::new(run), handler: None }
    }

    /// Sets when the first run starts. A past moment counts as the start of the schedule. The
    /// default is one period after the start.
    ///
    /// ```
    /// use nanolith::{prelude::*, schedule::every, time::{HOUR, now}};
    /// # use nanolith_doc_sets::*;
    /// let at_once = every(HOUR, Geometry::tasks(), |geometry| geometry.add(4, 5)).starting_at(now()).times(1).start()?;
    /// at_once.closed().wait();
    /// assert_eq!(at_once.info().runs, 1);
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    pub fn starting_at(mut self, first: Instant) -> Self {
        self.starting = Some(first);
        self
    }

    /// Sets the number of runs, after which the schedule ends. The default is no limit.
    pub fn times(mut self, runs: u64) -> Self {
        self.ticks.left = Some(runs);
        self
    }

    /// Sets what happens to a missed tick. The default is [`MissedTick::Skip`].
    pub fn missed(mut self, missed: MissedTick) -> Self {
        self.ticks.missed = missed;
        self
    }

    /// Lets a run start while other runs are in progress. By default, one run is in progress at a
    /// time: a tick during the run before is missed.
    pub fn overlapping(mut self) -> Self {
        self.ticks.is_overlapping = true;
        self
    }

    /// Sets a handler that gets the outcome of each run, one at a time, on the global pool. The
    /// handler is part of the run: the next run starts after it, unless runs overlap. A panic of
    /// the handler affects only that outcome.
    ///
    /// ```
    /// use nanolith::{prelude::*, schedule::every, time::MILLISECOND};
    /// # use nanolith_doc_sets::*;
    /// let (sender, sums) = std::sync::mpsc::channel();
    /// let schedule = every(MILLISECOND, Geometry::tasks(), |geometry| geometry.add(4, 5))
    ///     .on_outcome(move |sum| drop(sender.send(sum)))
    ///     .start()?;
    /// assert_eq!(sums.recv()??, 9);
    /// schedule.cancel();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_outcome(mut self, handler: impl FnMut(Outcome<T>) + Send + 'static) -> Self {
        self.handler = Some(Box::new(handler));
        self
    }

    /// Starts the schedule. It uses the clock of this thread: see
    /// [`MockClock`](crate::time::MockClock).
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the `period` if it is shorter than a microsecond. The global pool may
    /// also fail to start.
    pub fn start(self) -> Result<Schedule, BuildError> {
        let Self { ticks, is_valid, starting, run, handler } = self;
        if !is_valid {
            return Err(BuildError::bad("period", "must be at least a microsecond"));
        }
        Ok(Schedule::new(ScheduleShared::start(ticks, starting, run, handler, GlobalSpawner::start()?)))
    }
}

impl<T> fmt::Debug for Plan<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("missed", &self.ticks.missed)
            .field("overlapping", &self.ticks.is_overlapping)
            .field("times", &self.ticks.left)
            .finish_non_exhaustive()
    }
}
