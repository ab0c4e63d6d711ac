//! [`cron`] and [`Cron`]: schedules by cron expressions, read against the wall clock in a time
//! zone. The crate `croner` searches the next moment, and `jiff` knows the time zones.

use super::{
    Plan, expression, occurrences,
    ticks::{NextTick, TickSource},
};
use crate::{executor::Executor, task::TaskSet, time::clock, typed::Call};
use jiff::{Timestamp, Zoned, tz::TimeZone};
use std::{
    convert::Infallible,
    error::Error,
    fmt,
    str::FromStr,
    time::{Duration, Instant, SystemTime},
};

/// Makes a call on `calls` at each moment that `expression` matches. Returns a plan, which
/// [`start`](Plan::start) runs.
///
/// ```
/// use nanolith::{prelude::*, schedule::{Cron, cron}, time::{HOUR, MINUTE, MockClock}};
/// # use nanolith_doc_sets::*;
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
/// No run starts before [`Plan::starting_at`]. If the wall clock is set back or forward, the
/// schedule follows it after the next tick. If the machine sleeps, the tick is late by the length
/// of the sleep. The local time zone is that at the start.
///
/// # Errors
///
/// [`CronError`] if the expression is invalid, or never matches.
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

/// A cron expression and the time zone that it is read in.
///
/// There are five fields: minute, hour, day of the month, month and day of the week. A sixth field
/// before them is the second, and a seventh field after them the year, from 1970 to 5000.
/// `@hourly`, `@daily`, `@weekly`, `@monthly` and `@yearly` stand for a whole expression.
///
/// | form | means |
/// | --- | --- |
/// | `*` | every value |
/// | `9`, `Mon`, `Jan` | one value; a Sunday is 0 or 7 |
/// | `9-17`, `Mon-Fri`, `Fri-Sun` | a range |
/// | `*/15`, `9-17/2` | each 15th value of all, each second of a range |
/// | `9,12,15-17` | a list of any of these |
/// | `?` | every day, in either of the two fields of days |
/// | `L`, `LW`, `15W` | in the day of the month: the last, the last from Monday to Friday, the nearest to the 15th of these |
/// | `FriL`, `Fri#2` | in the day of the week: the last Friday of the month, the second |
/// | `+Fri` | the day of the week must hold beside the day of the month |
///
/// If both fields of days are set, without a `+`, a day that matches either of them matches. All
/// other text is an error, and so is an expression that matches no moment at all, such as the 30th
/// of February.
///
/// When clocks go back, a local time occurs twice. An expression of one time a day matches the
/// first of the two moments, and other expressions match both. When clocks go forward over a time,
/// an expression of one time a day matches the end of the gap instead.
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
    /// Reads the expression in the time zone of the system, like `"..".parse::<Cron>()`.
    ///
    /// # Errors
    ///
    /// [`CronError`] if the expression is invalid.
    pub fn local(expression: &str) -> Result<Self, CronError> {
        Self::parse(expression, TimeZone::system())
    }

    /// Reads the expression in universal time.
    ///
    /// # Errors
    ///
    /// [`CronError`] if the expression is invalid.
    pub fn utc(expression: &str) -> Result<Self, CronError> {
        Self::parse(expression, TimeZone::UTC)
    }

    /// Reads the expression in the named time zone, such as `"Europe/Zurich"`.
    ///
    /// # Errors
    ///
    /// [`CronError`] if the expression is invalid, or the system has no such time zone.
    pub fn in_zone(expression: &str, zone: &str) -> Result<Self, CronError> {
        let zone = TimeZone::get(zone).map_err(|source| CronError::new("time zone", zone, source))?;
        Self::parse(expression, zone)
    }

    fn parse(text: &str, zone: TimeZone) -> Result<Self, CronError> {
        let read = expression::read(text).map_err(|source| CronError::new("cron expression", text, source))?;
        Ok(Self { expression: Box::new(read), zone })
    }

    /// Returns the first matching moment after `time`, or `None` if there is none up to the year
    /// 5000.
    #[must_use]
    pub fn next_after(&self, time: SystemTime) -> Option<SystemTime> {
        self.find(time, false)
    }

    fn find(&self, time: SystemTime, inclusive: bool) -> Option<SystemTime> {
        let from: Zoned = Timestamp::try_from(time).ok()?.to_zoned(self.zone.clone());
        let next = self.expression.find_next_occurrence(&from, inclusive).ok()?;
        Some(next.timestamp().into())
    }

    /// Returns the number of matching moments from `first`, which matches, to `last`.
    fn count(&self, first: SystemTime, last: SystemTime) -> u64 {
        let [first, last] = [first, last].map(|time| Timestamp::try_from(time).unwrap_or(Timestamp::MAX));
        occurrences::count(&self.expression, &self.zone, first, last).max(1)
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

/// The error of an invalid cron expression, or of an unknown time zone.
///
/// ```
/// use nanolith::schedule::Cron;
/// let error = Cron::utc("0 30 25 * * Mon-Fri").expect_err("no day has 25 hours");
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

/// The ticks of a cron expression.
struct ByCron {
    cron: Cron,
    next: Option<SystemTime>,
}

impl ByCron {
    /// Returns when the next tick is due.
    fn tick(&self, now: Instant) -> NextTick {
        let Some(next) = self.next else { return NextTick::None };
        NextTick::at(clock::add(now, next.duration_since(clock::wall()).unwrap_or(Duration::ZERO)))
    }
}

impl TickSource for ByCron {
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
        let wall = clock::wall();
        let passed = self.next.filter(|next| *next <= wall).map_or(0, |next| self.cron.count(next, wall));
        if passed > 0 {
            self.next = self.cron.next_after(wall);
        }
        (passed, self.tick(now))
    }

    fn delay_from(&mut self, now: Instant) -> NextTick {
        self.next = self.cron.next_after(clock::wall());
        self.tick(now)
    }
}
