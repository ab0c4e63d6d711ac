//! [`Ticks`]: the ticks of a schedule, at a fixed interval or from a cron expression, and the rules
//! that decide which of them start a run. Pure data, driven by [`super::schedule_shared`].
//!
//! Ticks do not drift: each tick is computed from the tick before it, not from the time at which
//! the schedule handled that.

use crate::time::clock;
use std::time::{Duration, Instant};

/// The action of a schedule at a missed tick: one that is due while the run before is in progress,
/// or that the clock has jumped over.
///
/// ```
/// use nanolith::{
///     prelude::*, schedule::{MissedTick, every}, time::{MockClock, SECOND},
/// };
/// # use nanolith_doc_sets::*;
/// let clock = MockClock::new();
/// clock.run(|| {
///     let pool = Pool::builder().build()?;
///     # pool.pause();
///     let schedule = every(SECOND, Geometry::on(&pool), |geometry| geometry.add(4, 5)).missed(MissedTick::Skip).start()?;
///     clock.advance(10 * SECOND); // the first run waits in a paused pool
///     assert_eq!((schedule.info().runs, schedule.info().missed), (1, 9));
///     Ok::<(), Box<dyn std::error::Error>>(())
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissedTick {
    /// The tick is left out and counted. The next run starts with the next tick. The default.
    #[default]
    Skip,
    /// The run is made up for. Runs start one after the other, as fast as possible, until none is
    /// owed.
    Burst,
    /// The run starts late, as soon as possible. Later ticks are postponed, a whole period after
    /// it. The ticks of a cron expression are not postponed.
    Delay,
}

/// The reason why a schedule starts no more runs: [`ScheduleInfo::end`](super::ScheduleInfo::end).
///
/// ```
/// use nanolith::{prelude::*, schedule::{ScheduleEnd, every}, time::MILLISECOND};
/// # use nanolith_doc_sets::*;
/// let pool = Pool::builder().build()?;
/// let schedule = every(MILLISECOND, Geometry::on(&pool), |geometry| geometry.add(4, 5)).start()?;
/// pool.close();
/// schedule.closed().wait(); // since the next run found that
/// assert_eq!(schedule.info().end, Some(ScheduleEnd::Closed));
/// # Ok::<(), nanolith::pool::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ScheduleEnd {
    /// The schedule was [cancelled](super::Schedule::cancel), or its handle was dropped.
    Cancelled,
    /// All its [times](super::Plan::times) have started, or its cron expression matches no later
    /// moment.
    Completed,
    /// The executor of its calls is closed, so no further call would run; or its
    /// [simulation](crate::sim::Simulation::run) has ended.
    Closed,
}

/// The moment when a schedule's next tick is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextTick {
    At(Instant),
    /// Beyond the end of the clock. The schedule waits for this tick, so it has not ended.
    Never,
    /// There is no next tick.
    None,
}

impl NextTick {
    /// Returns the tick at `due`, if the clock reaches that.
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

/// A source of ticks.
pub(super) trait TickSource: Send {
    /// Returns the first tick of a schedule that starts now, or at `starting`.
    fn first(&mut self, now: Instant, starting: Option<Instant>) -> NextTick;

    /// Returns the number of ticks from the one at `due` until `now`, and the next tick. The number
    /// may be zero: the system's clock may have been set back.
    fn passed(&mut self, due: Instant, now: Instant) -> (u64, NextTick);

    /// Returns the next tick, if the last one was postponed until now.
    fn delay_from(&mut self, now: Instant) -> NextTick;
}

/// A tick each period.
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

/// The ticks and the counts of a schedule.
pub(super) struct Ticks {
    pub(super) rhythm: Box<dyn TickSource>,
    pub(super) missed: MissedTick,
    pub(super) is_overlapping: bool,
    /// The number of runs that have yet to start; `None` if there is no limit.
    pub(super) left: Option<u64>,
    pub(super) next: NextTick,
    /// The reason why no more runs start. The first reason is kept.
    pub(super) end: Option<ScheduleEnd>,
    /// The number of runs to make up for.
    pub(super) owed: u64,
    pub(super) running: u64,
    pub(super) runs: u64,
    pub(super) skipped: u64,
    /// Whether a tick waits until the run in progress has ended.
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

    /// Advances to the time `now`. Returns how many runs to start.
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

    /// Applies the rule for missed ticks, when `passed` ticks have come since the last check.
    fn beat(&mut self, passed: u64, now: Instant) {
        let is_busy = self.running > 0 && !self.is_overlapping;
        match self.missed {
            MissedTick::Burst => self.owed = self.owed.saturating_add(passed),
            MissedTick::Skip if is_busy => self.skip(passed),
            MissedTick::Skip => {
                self.skip(passed - 1);
                self.owed = 1;
            }
            MissedTick::Delay => {
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

    fn skip(&mut self, ticks: u64) {
        self.skipped = self.skipped.saturating_add(ticks);
    }

    /// Resumes after a pause, with the first tick after `now`.
    pub(super) fn resume(&mut self, now: Instant) {
        if std::mem::take(&mut self.is_paused) {
            if let Some(due) = self.next.due().filter(|due| *due < now) {
                self.next = self.rhythm.passed(due, now).1;
            }
        }
    }

    /// Records that a run has ended. Returns how many runs to start.
    pub(super) fn over(&mut self, now: Instant) -> u64 {
        self.running -= 1;
        self.go(now)
    }

    /// Starts owed runs as far as the rules allow, at most [`MAX_STARTS`]. Later calls start more.
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

    /// Ends the schedule if it has no next tick and owes no run.
    fn look_for_end(&mut self) {
        if self.next == NextTick::None && self.owed == 0 {
            self.stop(ScheduleEnd::Completed);
        }
    }

    /// Returns whether owed runs may start at once.
    pub(super) fn is_behind(&self) -> bool {
        self.is_overlapping && self.owed > 0 && !self.is_paused
    }

    /// Ends the schedule: there are no more ticks, for this reason.
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

/// The maximum number of runs that one [`Ticks::ring`] starts. It may run on the timer's thread.
const MAX_STARTS: u64 = 1_000;
