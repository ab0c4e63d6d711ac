//! When a schedule's runs begin: pure data, held against time by [`super::driver`]. Nothing here drifts: the beat after one is
//! reckoned from that, not from when somebody got round to it.

use crate::time::clock;
use std::time::{Duration, Instant};

/// What becomes of a beat for which a schedule is late: the run before is still on, or the clock leapt.
///
/// ```
/// use nanolith::{prelude::*, schedule::{Missed, every}, time::MockClock};
/// # use nanolith_doc_sets::*;
/// let clock = MockClock::new();
/// clock.run(|| {
///     let pool = Pool::builder().build()?;
///     # pool.pause();
///     let schedule = every(SECOND, Geometry::on(&pool), |geometry| geometry.add(4, 5)).missed(Missed::Skip).start()?;
///     clock.advance(10 * SECOND); // the first run waits in a pool that stands still
///     assert_eq!((schedule.info().runs, schedule.info().missed), (1, 9));
///     Ok::<(), Box<dyn std::error::Error>>(())
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missed {
    /// It is left out, and counted: the next run begins with the next beat. The default.
    #[default]
    Skip,
    /// It is made up for: the runs begin one after the other, as fast as they go, until all are caught up with.
    Burst,
    /// It begins late, as soon as it can, and the beats after it are put off: a whole period lies between. A cron expression's
    /// stay where they are.
    Delay,
}

/// Why a schedule begins no more runs: [`ScheduleInfo::end`](super::ScheduleInfo::end).
///
/// ```
/// use nanolith::{prelude::*, schedule::{ScheduleEnd, every}};
/// # use nanolith_doc_sets::*;
/// let pool = Pool::builder().build()?;
/// let schedule = every(MILLISECOND, Geometry::on(&pool), |geometry| geometry.add(4, 5)).start()?;
/// pool.close();
/// schedule.ended().wait(); // since the next run found that
/// assert_eq!(schedule.info().end, Some(ScheduleEnd::Closed));
/// # Ok::<(), nanolith::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ScheduleEnd {
    /// It was [cancelled](super::Schedule::cancel), or its handle was dropped.
    Cancelled,
    /// All its [times](super::Plan::times) have begun, or its cron expression means no later moment.
    Completed,
    /// The executor of its calls is closed, so no further call would run; or its [simulation](crate::sim::Simulation::run) is over.
    Closed,
}

/// When a schedule's next beat is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextTick {
    At(Instant),
    /// Beyond the end of the clock. The schedule waits for it, so it is not over.
    Never,
    /// There is none.
    None,
}

impl NextTick {
    /// The beat at this moment, if the clock reaches that.
    pub(super) fn at(due: Option<Instant>) -> Self {
        due.map_or(Self::Never, Self::At)
    }

    pub(super) fn due(self) -> Option<Instant> {
        match self {
            Self::At(due) => Some(due),
            Self::Never | Self::None => None,
        }
    }
}

/// Where beats come from.
pub(super) trait TickSource: Send {
    /// The first beat of a schedule that begins now, or at the moment that is given.
    fn first(&mut self, now: Instant, starting: Option<Instant>) -> NextTick;

    /// How many beats have come from the one at `due` on until `now`, and the next. None may have come: by the system's clock it
    /// is earlier than it was.
    fn passed(&mut self, due: Instant, now: Instant) -> (u64, NextTick);

    /// The next beat, if the last one was put off until now.
    fn delay_from(&mut self, now: Instant) -> NextTick;
}

/// A beat each period.
pub(super) struct FixedInterval(pub(super) Duration);

impl TickSource for FixedInterval {
    fn first(&mut self, now: Instant, starting: Option<Instant>) -> NextTick {
        NextTick::at(starting.map_or_else(|| clock::add(now, self.0), |starting| Some(starting.max(now))))
    }

    fn passed(&mut self, due: Instant, now: Instant) -> (u64, NextTick) {
        let (late, period) = (now.saturating_duration_since(due).as_nanos(), self.0.as_nanos());
        let until_next = clock::duration(period - late % period);
        let passed = u64::try_from(late / period).unwrap_or(u64::MAX).saturating_add(1);
        (passed, NextTick::at(clock::add(now.max(due), until_next)))
    }

    fn delay_from(&mut self, now: Instant) -> NextTick {
        NextTick::at(clock::add(now, self.0))
    }
}

/// What a schedule has come to.
pub(super) struct Ticks {
    pub(super) rhythm: Box<dyn TickSource>,
    pub(super) missed: Missed,
    pub(super) is_overlapping: bool,
    /// How many runs are yet to begin; `None`: no end.
    pub(super) left: Option<u64>,
    pub(super) next: NextTick,
    /// Why no more runs begin; the first reason counts.
    pub(super) end: Option<ScheduleEnd>,
    /// Beats that are to be made up for.
    pub(super) owed: u64,
    pub(super) running: u64,
    pub(super) runs: u64,
    pub(super) skipped: u64,
    /// A beat was put off until the run that is on is over.
    pub(super) is_put_off: bool,
    pub(super) is_paused: bool,
}

impl Ticks {
    pub(super) fn begin(&mut self, now: Instant, starting: Option<Instant>) {
        if self.left == Some(0) {
            return self.stop(ScheduleEnd::Completed);
        }
        self.next = self.rhythm.first(now, starting);
        self.look_for_end();
    }

    /// Time has come to `now`. Says how many runs begin.
    pub(super) fn ring(&mut self, now: Instant) -> u64 {
        if let Some(due) = self.next.due().filter(|due| *due <= now && !self.is_paused) {
            let (passed, next) = self.rhythm.passed(due, now);
            self.next = next;
            if passed > 0 {
                self.beat(passed, now);
            }
        }
        self.go(now)
    }

    /// So many beats have come since the last look.
    fn beat(&mut self, passed: u64, now: Instant) {
        let is_busy = self.running > 0 && !self.is_overlapping;
        match self.missed {
            Missed::Burst => self.owed = self.owed.saturating_add(passed),
            Missed::Skip if is_busy => self.skip(passed),
            Missed::Skip => {
                self.skip(passed - 1);
                self.owed = 1;
            }
            Missed::Delay => {
                self.skip(passed - 1);
                self.owed = 1;
                if is_busy {
                    self.is_put_off = true;
                    self.next = NextTick::None;
                } else if passed > 1 {
                    self.next = self.rhythm.delay_from(now);
                }
            }
        }
    }

    fn skip(&mut self, beats: u64) {
        self.skipped = self.skipped.saturating_add(beats);
    }

    /// Goes on after a pause, with the first beat after `now`.
    pub(super) fn resume(&mut self, now: Instant) {
        if std::mem::take(&mut self.is_paused) {
            if let Some(due) = self.next.due().filter(|due| *due < now) {
                self.next = self.rhythm.passed(due, now).1;
            }
        }
    }

    /// A run is over. Says how many begin.
    pub(super) fn over(&mut self, now: Instant) -> u64 {
        self.running -= 1;
        self.go(now)
    }

    /// Begins as many of the owed runs as may, [`MAX_STARTS`] at most: the next look begins more.
    fn go(&mut self, now: Instant) -> u64 {
        if self.is_paused {
            return 0;
        }
        let may =
            if self.is_overlapping { self.owed.min(MAX_STARTS) } else { self.owed.min(1).saturating_sub(self.running) };
        let begin = may.min(self.left.unwrap_or(u64::MAX));
        if begin > 0 && std::mem::take(&mut self.is_put_off) {
            self.next = self.rhythm.delay_from(now);
        }
        self.owed -= begin;
        self.running += begin;
        self.runs += begin;
        self.left = self.left.map(|left| left - begin);
        if self.left == Some(0) {
            self.stop(ScheduleEnd::Completed);
        }
        self.look_for_end();
        begin
    }

    /// The rhythm may have come to its end.
    fn look_for_end(&mut self) {
        if self.next == NextTick::None && self.owed == 0 {
            self.stop(ScheduleEnd::Completed);
        }
    }

    /// Whether runs are owed that may begin at once.
    pub(super) fn is_behind(&self) -> bool {
        self.is_overlapping && self.owed > 0 && !self.is_paused
    }

    /// There are no more beats, for this reason.
    pub(super) fn stop(&mut self, end: ScheduleEnd) {
        self.next = NextTick::None;
        self.owed = 0;
        self.is_put_off = false;
        self.end.get_or_insert(end);
    }

    pub(super) fn is_over(&self) -> bool {
        self.running == 0 && self.end.is_some()
    }
}

/// The most runs that begin at one look, which may be on the timer's thread.
const MAX_STARTS: u64 = 1_000;
