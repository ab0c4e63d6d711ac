//! Beats by cron expressions: what they say of the wall clock, in some time zone. The reading of expressions is `croner`'s, the
//! zones are `jiff`'s.

use super::{
    Plan,
    beats::{NextTick, Rhythm},
};
use crate::{clock, executor::Executor, task::TaskSet, typed::Call};
use jiff::{Timestamp, Zoned, tz::TimeZone};
use std::{
    convert::Infallible,
    error::Error,
    fmt,
    str::FromStr,
    time::{Duration, Instant, SystemTime},
};

/// Makes a call on `calls` whenever `expression` says: a plan, which [`start`](Plan::start) carries out.
///
/// ```
/// use nanolith::{prelude::*, schedule::{Cron, cron}, time::{HOUR, MockClock}};
/// # pub struct Geometry;
/// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
/// let clock = MockClock::new(); // whose calendar begins with a Saturday, 2000-01-01
/// clock.run(|| {
///     let weekdays = Cron::utc("0 30 9 * * Mon-Fri")?; // `cron("0 30 9 * * Mon-Fri", ..)` is by the local time
///     let schedule = cron(weekdays, Geometry::tasks(), |geometry| geometry.add(4, 5))?.start()?;
///     assert_eq!(schedule.next_due(), Some(nanolith::time::now() + (48 + 9) * HOUR + 30 * MINUTE));
///     Ok::<(), Box<dyn std::error::Error>>(())
/// })?;
/// assert!(cron("every day", Geometry::tasks(), |geometry| geometry.add(4, 5)).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`Plan::starting_at`] is the moment before which there is no run. Where the wall clock is set back, or forward, the next beat
/// follows it once it rings; a machine that sleeps is late by that. The local zone is that of the start.
///
/// # Errors
///
/// [`CronError`] when the expression is not sound.
pub fn cron<X, C, S, E, T, F>(expression: X, calls: C, call: F) -> Result<Plan<T>, CronError>
where
    X: TryInto<Cron>,
    X::Error: Into<CronError>,
    C: Send + Sync + 'static,
    S: TaskSet,
    E: Executor<S> + ?Sized + 'static,
    T: Send + 'static,
    F: for<'c> Fn(&'c C) -> Call<'c, S, E, T> + Send + Sync + 'static,
{
    let cron = expression.try_into().map_err(Into::into)?;
    Ok(Plan::new(Box::new(ByCron { cron, next: None }), calls, call))
}

/// A cron expression, and the time zone that it is read in.
///
/// There are five fields, minute, hour, day of the month, month and day of the week; a sixth before them is the second, and a
/// seventh after them the year. Names (`Mon`, `Jan`), ranges, lists, steps, `L`, `#`, `W` and `@daily` and its like are known.
///
/// ```
/// use nanolith::schedule::Cron;
/// use std::time::{Duration, SystemTime};
/// let noon = Cron::in_zone("0 12 * * *", "Europe/Zurich")?;
/// assert_eq!(noon.next_after(SystemTime::UNIX_EPOCH), Some(SystemTime::UNIX_EPOCH + Duration::from_secs(11 * 3600)));
/// # Ok::<(), nanolith::schedule::CronError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Cron {
    expression: Box<croner::Cron>,
    zone: TimeZone,
}

impl Cron {
    /// By the time zone of the system. As is `"..".parse::<Cron>()`.
    ///
    /// # Errors
    ///
    /// [`CronError`] when the expression is not sound.
    pub fn local(expression: &str) -> Result<Self, CronError> {
        Self::parse(expression, TimeZone::system())
    }

    /// By universal time.
    ///
    /// # Errors
    ///
    /// [`CronError`] when the expression is not sound.
    pub fn utc(expression: &str) -> Result<Self, CronError> {
        Self::parse(expression, TimeZone::UTC)
    }

    /// By the time zone of this name: `"Europe/Zurich"`.
    ///
    /// # Errors
    ///
    /// [`CronError`] when the expression is not sound, or the system knows no such zone.
    pub fn in_zone(expression: &str, zone: &str) -> Result<Self, CronError> {
        let zone = TimeZone::get(zone).map_err(|source| CronError::new("time zone", zone, source))?;
        Self::parse(expression, zone)
    }

    fn parse(text: &str, zone: TimeZone) -> Result<Self, CronError> {
        let parsed = croner::Cron::from_str(text).map_err(|source| CronError::new("cron expression", text, source))?;
        Ok(Self { expression: Box::new(parsed), zone })
    }

    /// The first moment after `time` that it means; `None`: there is none.
    #[must_use]
    pub fn next_after(&self, time: SystemTime) -> Option<SystemTime> {
        self.find(time, false)
    }

    fn find(&self, time: SystemTime, inclusive: bool) -> Option<SystemTime> {
        let from: Zoned = Timestamp::try_from(time).ok()?.to_zoned(self.zone.clone());
        let next = self.expression.find_next_occurrence(&from, inclusive).ok()?;
        Some(next.timestamp().into())
    }
}

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(expression: &str) -> Result<Self, CronError> {
        Self::local(expression)
    }
}

impl TryFrom<&str> for Cron {
    type Error = CronError;

    fn try_from(expression: &str) -> Result<Self, CronError> {
        Self::local(expression)
    }
}

/// A cron expression, or a time zone, is none.
///
/// ```
/// use nanolith::schedule::Cron;
/// let error = Cron::utc("0 30 25 * * Mon-Fri").expect_err("no day has so many hours");
/// assert!(error.to_string().starts_with("`0 30 25 * * Mon-Fri` is no cron expression"), "{error}");
/// ```
#[derive(Debug)]
pub struct CronError {
    what: &'static str,
    given: String,
    source: Box<dyn Error + Send + Sync>,
}

impl CronError {
    fn new(what: &'static str, given: &str, source: impl Error + Send + Sync + 'static) -> Self {
        Self { what, given: given.to_owned(), source: Box::new(source) }
    }
}

impl From<Infallible> for CronError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl fmt::Display for CronError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = self.source.to_string();
        write!(f, "`{}` is no {}: {}", self.given, self.what, reason.trim_end_matches('.'))
    }
}

impl Error for CronError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// The beats of an expression.
struct ByCron {
    cron: Cron,
    next: Option<SystemTime>,
}

/// So many missed beats are counted one by one, before what is left is leapt over.
const MOST_COUNTED: u64 = 100_000;

impl ByCron {
    /// When the next beat is due.
    fn tick(&self, now: Instant) -> NextTick {
        let Some(next) = self.next else { return NextTick::None };
        NextTick::at(clock::add(now, next.duration_since(clock::wall()).unwrap_or(Duration::ZERO)))
    }
}

impl Rhythm for ByCron {
    fn first(&mut self, now: Instant, starting: Option<Instant>) -> NextTick {
        let wait = starting.map(|starting| starting.saturating_duration_since(now));
        if starting.is_some_and(|starting| !clock::reaches(starting)) {
            return NextTick::Never;
        }
        let Some(from) = clock::wall().checked_add(wait.unwrap_or_default()) else { return NextTick::Never };
        self.next = self.cron.find(from, wait.is_some());
        self.tick(now)
    }

    fn passed(&mut self, _: Instant, now: Instant) -> (u64, NextTick) {
        let (wall, mut passed) = (clock::wall(), 0);
        while let Some(next) = self.next.filter(|next| *next <= wall) {
            passed += 1;
            let from = if passed < MOST_COUNTED { next } else { wall };
            self.next = self.cron.next_after(from);
        }
        (passed, self.tick(now))
    }

    fn put_off(&mut self, now: Instant) -> NextTick {
        self.next = self.cron.next_after(clock::wall());
        self.tick(now)
    }
}
