//! The handle on a schedule that was started.

use super::{
    driver::{Ends, ScheduleControl, with_state},
    interval::ScheduleEnd,
};
use crate::{context::block_on, time::clock, wake::Registration};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

/// A schedule that was started. Dropping it cancels it; [`detach`](Schedule::detach) says otherwise.
///
/// ```
/// use nanolith::{prelude::*, schedule::every};
/// # use nanolith_doc_sets::*;
/// let schedule = every(MILLISECOND, Geometry::tasks(), |geometry| geometry.add(4, 5)).times(2).start()?;
/// schedule.ended().wait();
/// assert_eq!((schedule.info().runs, schedule.info().errors), (2, 0));
/// # Ok::<(), nanolith::BuildError>(())
/// ```
#[must_use = "a schedule is cancelled when it is dropped: keep it, or say `.detach()`"]
pub struct Schedule {
    inner: Arc<dyn ScheduleControl>,
    is_detached: bool,
}

/// How a schedule is, at the moment when it was asked: [`Schedule::info`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduleInfo {
    /// Runs that have begun.
    pub runs: u64,
    /// Runs that are on.
    pub running: u64,
    /// Beats without a run, since it was too late for them.
    pub missed: u64,
    /// Runs that gave no output: their calls ended as errors, or could not be made.
    pub errors: u64,
    /// Why no more runs begin; `None` while some may. Runs that are on go on.
    pub end: Option<ScheduleEnd>,
}

impl Schedule {
    pub(super) fn new(inner: Arc<dyn ScheduleControl>) -> Self {
        Self { inner, is_detached: false }
    }

    /// Begins no more runs. Those that are on go on to their end; to cancel them too, give their calls a
    /// [`CancelToken`](crate::CancelToken). Doing it twice does nothing.
    pub fn cancel(&self) {
        self.inner.clone().update(&mut |state| state.beats.stop(ScheduleEnd::Cancelled));
    }

    /// Begins no more runs until [`resume`](Schedule::resume). The beats meanwhile are not missed: there are none.
    ///
    /// ```
    /// use nanolith::{prelude::*, schedule::every, time::{HOUR, MockClock}};
    /// # use nanolith_doc_sets::*;
    /// let clock = MockClock::new();
    /// clock.run(|| {
    ///     let schedule = every(HOUR, Geometry::tasks(), |geometry| geometry.add(4, 5)).start()?;
    ///     schedule.pause();
    ///     clock.advance(10 * HOUR + MINUTE);
    ///     schedule.resume();
    ///     assert_eq!(schedule.next_due(), Some(nanolith::time::now() + 59 * MINUTE));
    ///     Ok::<(), nanolith::BuildError>(())
    /// })?;
    /// # Ok::<(), nanolith::BuildError>(())
    /// ```
    pub fn pause(&self) {
        self.inner.clone().update(&mut |state| state.beats.is_paused = true);
    }

    /// Goes on with the first beat after now.
    pub fn resume(&self) {
        self.inner.clone().update(&mut |state| state.beats.resume(clock::instant()));
    }

    /// When the next beat is due; `None`: it is paused, or over, or waits for the run that is on ([`Missed::Delay`](super::Missed)),
    /// or for a moment beyond the clock's end.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        with_state(&*self.inner, |state, _| state.beats.next.due().filter(|_| !state.beats.is_paused))
    }

    /// Its figures.
    #[must_use]
    pub fn info(&self) -> ScheduleInfo {
        with_state(&*self.inner, |state, _| {
            let beats = &state.beats;
            ScheduleInfo {
                runs: beats.runs,
                running: beats.running,
                missed: beats.skipped,
                errors: state.errors,
                end: beats.end,
            }
        })
    }

    /// Whether it has [ended](ScheduleInfo::end), and no run is on.
    #[must_use]
    pub fn is_over(&self) -> bool {
        with_state(&*self.inner, |state, _| state.beats.is_over())
    }

    /// Ends when the schedule is over: a future, or [`wait`](Ended::wait). Why it is over, its [`info`](ScheduleInfo::end) says.
    pub fn ended(&self) -> Ended {
        Ended { waiter: Registration::new(Ends(self.inner.clone())) }
    }

    /// Lets it go on without its handle, until the program ends or its times are over.
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

/// A wait for the end of a schedule: made by [`Schedule::ended`].
///
/// # Cancel safety
///
/// May be dropped at any time.
#[must_use = "does nothing until awaited or waited on"]
pub struct Ended {
    waiter: Registration<Ends>,
}

impl Ended {
    /// Blocks until the schedule is over. Within a task, the slot is lent meanwhile.
    pub fn wait(self) {
        block_on::block_on_any(self);
    }
}

impl Future for Ended {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.waiter.poll_until(cx.waker(), |state| state.beats.is_over())
    }
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ended")
            .field("is_over", &with_state(&*self.waiter.home().0, |state, _| state.beats.is_over()))
            .finish()
    }
}
