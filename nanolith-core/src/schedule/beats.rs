//! When a schedule's runs begin: pure data, held against time by [`super::inner`]. Nothing here drifts: the beat after one is
//! reckoned from that, not from when somebody got round to it.

use std::time::{Duration, Instant};

/// What becomes of a beat for which a schedule is late: the run before is still on, or the clock leapt.
///
/// ```
/// use nanolith::{prelude::*, schedule::{Missed, every}, time::MockClock};
/// # pub struct Geometry;
/// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
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

/// Where beats come from.
pub(super) trait Rhythm: Send {
    /// The first beat of a schedule that begins now, or at the moment that is given; `None`: there is none.
    fn first(&mut self, now: Instant, starting: Option<Instant>) -> Option<Instant>;

    /// How many beats have come from the one at `due` on until `now`, and the next. None may have come: by the system's clock it
    /// is earlier than it was.
    fn passed(&mut self, due: Instant, now: Instant) -> (u64, Option<Instant>);

    /// The next beat, if the last one was put off until now.
    fn put_off(&mut self, now: Instant) -> Option<Instant>;
}

/// A beat each period.
pub(super) struct Steady(pub(super) Duration);

impl Rhythm for Steady {
    fn first(&mut self, now: Instant, starting: Option<Instant>) -> Option<Instant> {
        match starting {
            Some(starting) => Some(starting.max(now)),
            None => now.checked_add(self.0),
        }
    }

    fn passed(&mut self, due: Instant, now: Instant) -> (u64, Option<Instant>) {
        let (late, period) = (now.saturating_duration_since(due).as_nanos(), self.0.as_nanos());
        let over = late % period;
        let until_next = u64::try_from(period - over).map_or(Duration::MAX, Duration::from_nanos);
        let passed = u64::try_from(late / period).unwrap_or(u64::MAX).saturating_add(1);
        (passed, now.max(due).checked_add(until_next))
    }

    fn put_off(&mut self, now: Instant) -> Option<Instant> {
        now.checked_add(self.0)
    }
}

/// What a schedule has come to.
pub(super) struct Beats {
    pub(super) rhythm: Box<dyn Rhythm>,
    pub(super) missed: Missed,
    pub(super) is_overlapping: bool,
    /// How many runs are yet to begin; `None`: no end.
    pub(super) left: Option<u64>,
    /// The next beat.
    pub(super) due: Option<Instant>,
    /// Beats that are to be made up for.
    pub(super) owed: u64,
    pub(super) running: u64,
    pub(super) runs: u64,
    pub(super) skipped: u64,
    /// A beat was put off until the run that is on is over.
    pub(super) is_put_off: bool,
    pub(super) is_paused: bool,
}

impl Beats {
    pub(super) fn begin(&mut self, now: Instant, starting: Option<Instant>) {
        self.due = if self.left == Some(0) { None } else { self.rhythm.first(now, starting) };
    }

    /// Time has come to `now`. Says how many runs begin.
    pub(super) fn ring(&mut self, now: Instant) -> u64 {
        if let Some(due) = self.due.filter(|due| *due <= now && !self.is_paused) {
            let (passed, next) = self.rhythm.passed(due, now);
            self.due = next;
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
            Missed::Skip if is_busy => self.skipped += passed,
            Missed::Skip => {
                self.skipped += passed - 1;
                self.owed = 1;
            }
            Missed::Delay => {
                self.skipped += passed - 1;
                self.owed = 1;
                if is_busy {
                    self.is_put_off = true;
                    self.due = None;
                } else if passed > 1 {
                    self.due = self.rhythm.put_off(now);
                }
            }
        }
    }

    /// Goes on after a pause, with the first beat after `now`.
    pub(super) fn resume(&mut self, now: Instant) {
        if std::mem::take(&mut self.is_paused) {
            if let Some(due) = self.due.filter(|due| *due < now) {
                self.due = self.rhythm.passed(due, now).1;
            }
        }
    }

    /// A run is over. Says how many begin.
    pub(super) fn over(&mut self, now: Instant) -> u64 {
        self.running -= 1;
        self.go(now)
    }

    /// Begins as many of the owed runs as may.
    fn go(&mut self, now: Instant) -> u64 {
        if self.is_paused {
            return 0;
        }
        let may = if self.is_overlapping { self.owed } else { self.owed.min(1).saturating_sub(self.running) };
        let begin = may.min(self.left.unwrap_or(u64::MAX));
        if begin > 0 && std::mem::take(&mut self.is_put_off) {
            self.due = self.rhythm.put_off(now);
        }
        self.owed -= begin;
        self.running += begin;
        self.runs += begin;
        self.left = self.left.map(|left| left - begin);
        if self.left == Some(0) {
            self.stop();
        }
        begin
    }

    /// There are no more beats.
    pub(super) fn stop(&mut self) {
        self.due = None;
        self.owed = 0;
        self.is_put_off = false;
    }

    pub(super) fn is_over(&self) -> bool {
        self.running == 0 && self.due.is_none() && self.owed == 0
    }
}
