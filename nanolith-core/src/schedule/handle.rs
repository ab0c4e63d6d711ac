//! [`Schedule`]: the handle of a started schedule, which cancels, pauses and observes it.

use super::{
    schedule_shared::{Ends, ScheduleControl, with_state},
    ticks::ScheduleEnd,
};
use crate::{
    context::wait::{self, Sealed, Wait},
    time::clock,
    wake::Registration,
};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
    time::Instant,
};

/// The handle of a started schedule. Dropping it cancels the schedule, unless it was
/// [detached](Schedule::detach).
///
/// ```
/// use nanolith::{prelude::*, schedule::every, time::MILLISECOND};
/// # use nanolith_doc_sets::*;
/// let schedule = every(MILLISECOND, Geometry::tasks(), |geometry| geometry.add(4, 5)).times(2).start()?;
/// schedule.closed().wait();
/// assert_eq!((schedule.info().runs, schedule.info().errors), (2, 0));
/// # Ok::<(), nanolith::pool::BuildError>(())
/// ```
#[must_use = "a schedule is cancelled when it is dropped: keep it, or say `.detach()`"]
pub struct Schedule {
    inner: Arc<dyn ScheduleControl>,
    is_detached: bool,
}

/// The state of a schedule at one moment. Returned by [`Schedule::info`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduleInfo {
    /// The number of runs that have started.
    pub runs: u64,
    /// The number of runs in progress: they have started and have not ended.
    pub in_progress: u64,
    /// The number of ticks without a run, because the schedule was late for them.
    pub missed: u64,
    /// The number of runs without an output: their calls ended with errors, or could not be made.
    pub errors: u64,
    /// Whether the schedule is paused: see [`Schedule::pause`].
    pub is_paused: bool,
    /// The reason why no more runs start; `None` while some may. Runs in progress continue.
    pub end: Option<ScheduleEnd>,
}

impl Schedule {
    pub(super) fn new(inner: Arc<dyn ScheduleControl>) -> Self {
        Self { inner, is_detached: false }
    }

    /// Starts no more runs. Runs in progress continue to their end; to cancel them too, give their
    /// calls a [`CancelToken`](crate::sync::CancelToken). A second call of this method does
    /// nothing.
    pub fn cancel(&self) {
        self.inner.clone().update(&mut |state| state.ticks.stop(ScheduleEnd::Cancelled));
    }

    /// Starts no more runs until [`resume`](Schedule::resume). A paused schedule has no ticks, so
    /// none are missed.
    ///
    /// ```
    /// use nanolith::{prelude::*, schedule::every, time::{HOUR, MINUTE, MockClock}};
    /// # use nanolith_doc_sets::*;
    /// let clock = MockClock::new();
    /// clock.run(|| {
    ///     let schedule = every(HOUR, Geometry::tasks(), |geometry| geometry.add(4, 5)).start()?;
    ///     schedule.pause();
    ///     clock.advance(10 * HOUR + MINUTE);
    ///     schedule.resume();
    ///     assert_eq!(schedule.next_due(), Some(nanolith::time::now() + 59 * MINUTE));
    ///     Ok::<(), nanolith::pool::BuildError>(())
    /// })?;
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    pub fn pause(&self) {
        self.inner.clone().update(&mut |state| state.ticks.is_paused = true);
    }

    /// Resumes the schedule with the first tick after now.
    pub fn resume(&self) {
        self.inner.clone().update(&mut |state| state.ticks.resume(clock::instant()));
    }

    /// Returns when the next tick is due.
    ///
    /// It is `None` in these cases: the schedule is paused; it has ended; the next tick waits for
    /// the run in progress ([`MissedTick::Delay`](super::MissedTick)); or the tick lies beyond the
    /// end of the clock.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        with_state(&*self.inner, |state, _| state.ticks.next.due().filter(|_| !state.ticks.is_paused))
    }

    /// Returns the state of the schedule.
    #[must_use]
    pub fn info(&self) -> ScheduleInfo {
        with_state(&*self.inner, |state, _| {
            let ticks = &state.ticks;
            ScheduleInfo {
                runs: ticks.runs,
                in_progress: ticks.running,
                missed: ticks.skipped,
                errors: state.errors,
                is_paused: ticks.is_paused,
                end: ticks.end,
            }
        })
    }

    /// Returns whether the schedule has [ended](ScheduleInfo::end) and no run is in progress.
    #[must_use]
    pub fn is_over(&self) -> bool {
        with_state(&*self.inner, |state, _| state.ticks.is_over())
    }

    /// Waits until the schedule has ended: a future, or [`wait`](Closed::wait). The reason is in
    /// [`ScheduleInfo::end`].
    pub fn closed(&self) -> Closed {
        Closed { waiter: Registration::new(Ends(self.inner.clone())) }
    }

    /// Lets the schedule run without its handle, until the program ends or all its runs have
    /// started.
    pub fn detach(mut self) {
        self.is_detached = true;
    }
}

impl Drop for Schedule {
    fn drop(&mut self) {
        if !self.is_detached {
            self.cancel();
        }
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schedule").field("info", &self.info()).field("next_due", &self.next_due()).finish()
    }
}

/// A wait for the end of a schedule. Made by [`Schedule::closed`].
///
/// # Cancel safety
///
/// This future may be dropped at any time.
#[must_use = "does nothing until awaited or waited on"]
pub struct Closed {
    waiter: Registration<Ends>,
}

impl Future for Closed {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.waiter.poll_until(cx.waker(), |state| state.ticks.is_over())
    }
}

impl Sealed for Closed {}

impl Wait for Closed {
    type Pending = Self;

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        wait::timeout(self, limit)
    }
}

impl fmt::Debug for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closed")
            .field("is_over", &with_state(&*self.waiter.home().0, |state, _| state.ticks.is_over()))
            .finish()
    }
}
