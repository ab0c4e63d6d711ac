//! [`count`]: the number of moments within a span of time that a cron expression matches, by
//! arithmetic. A search would be too slow, since a clock may jump over years. Pure data.
//!
//! The moments are those that [`Cron::next_after`](super::Cron::next_after) returns one after the
//! other. When clocks go back, an expression of one time a day matches the first of the two
//! moments; other expressions match both. When clocks go forward over such a time, the first moment
//! after it counts instead.

use croner::{Cron, CronPattern, JobType};
use jiff::{
    Span, Timestamp,
    civil::{Date, DateTime, Time},
    tz::{AmbiguousOffset, TimeZone},
};

/// Returns whether the expression matches this day.
pub(super) fn matches_day(pattern: &CronPattern, date: Date) -> bool {
    let [month, day] = [date.month(), date.day()].map(|part| u32::from(part.unsigned_abs()));
    let weekday = u32::from(date.weekday().to_sunday_zero_offset().unsigned_abs());
    let weekday = croner::Weekday::from_days_from_sunday(weekday);
    pattern.year_match(date.year().into()).unwrap_or(false)
        && pattern.month_match(month).unwrap_or(false)
        && pattern.day_match(date.year().into(), month, day, weekday).unwrap_or(false)
}

/// Returns the number of matching moments from `from` to `until`, both included, in this time zone.
pub(super) fn count(cron: &Cron, zone: &TimeZone, from: Timestamp, until: Timestamp) -> u64 {
    let times = TimesOfDay::of(&cron.pattern);
    match (cron.determine_job_type(), times.first()) {
        (JobType::FixedTime, Some(time)) => count_days(&cron.pattern, zone, time, from, until),
        _ => count_times(&cron.pattern, &times, zone, from, until),
    }
}

/// Like [`count`], for an expression of one time a day.
fn count_days(pattern: &CronPattern, zone: &TimeZone, time: Time, from: Timestamp, until: Timestamp) -> u64 {
    // A time postponed by a gap may fall on the day after.
    let first = from.to_zoned(zone.clone()).date();
    let days = days(first.yesterday().unwrap_or(first), until.to_zoned(zone.clone()).date());
    let meant =
        days.filter(|day| matches_day(pattern, *day)).filter_map(|day| moment(pattern, zone, day.to_datetime(time)));
    meant.filter(|moment| (from..=until).contains(moment)).map(|_| 1).sum()
}

/// Returns the moment of a daily time on this day, if there is one.
fn moment(pattern: &CronPattern, zone: &TimeZone, time: DateTime) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(time);
    match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => ambiguous.earlier().ok(),
        AmbiguousOffset::Gap { .. } => {
            // With the later offset, the time lies before the gap.
            let after = zone.following(ambiguous.earlier().ok()?).next()?.timestamp();
            matches_day(pattern, after.to_zoned(zone.clone()).date()).then_some(after)
        }
    }
}

/// Like [`count`], for an expression of several times a day. Counts the spans between changes of
/// clocks.
fn count_times(pattern: &CronPattern, times: &TimesOfDay, zone: &TimeZone, from: Timestamp, until: Timestamp) -> u64 {
    let (mut count, mut from) = (0, from);
    loop {
        let offset = zone.to_offset(from);
        let change = zone.following(from).map(|change| change.timestamp()).next().filter(|change| *change <= until);
        let last = change.and_then(|change| change.checked_sub(Span::new().seconds(1)).ok()).unwrap_or(until);
        count += count_between(pattern, times, offset.to_datetime(from), offset.to_datetime(last));
        match change {
            Some(change) => from = change,
            None => return count,
        }
    }
}

/// Like [`count_times`], for a span without a change of clocks.
fn count_between(pattern: &CronPattern, times: &TimesOfDay, from: DateTime, until: DateTime) -> u64 {
    let days = days(from.date(), until.date()).filter(|day| matches_day(pattern, *day));
    let meant = days.map(|day| {
        let to_end = if day == until.date() { times.until(until.time()) } else { times.all() };
        let to_start = if day == from.date() { times.before(from.time()) } else { 0 };
        to_end.saturating_sub(to_start)
    });
    meant.sum()
}

fn days(first: Date, last: Date) -> impl Iterator<Item = Date> {
    first.series(Span::new().days(1)).take_while(move |day| *day <= last)
}

/// The matching times of a matching day.
struct TimesOfDay {
    hours: Vec<u16>,
    minutes: Vec<u16>,
    seconds: Vec<u16>,
}

impl TimesOfDay {
    fn of(pattern: &CronPattern) -> Self {
        Self { hours: pattern.hours.values(), minutes: pattern.minutes.values(), seconds: pattern.seconds.values() }
    }

    fn first(&self) -> Option<Time> {
        let [hour, minute, second] = [&self.hours, &self.minutes, &self.seconds].map(|values| values.first().copied());
        let part = |value: Option<u16>| i8::try_from(value?).ok();
        Time::new(part(hour)?, part(minute)?, part(second)?, 0).ok()
    }

    fn all(&self) -> u64 {
        product([&self.hours, &self.minutes, &self.seconds])
    }

    /// Returns the number of times up to this time, including it.
    fn until(&self, time: Time) -> u64 {
        self.before(time) + u64::from(self.has(time))
    }

    /// Returns the number of times before this time.
    fn before(&self, time: Time) -> u64 {
        let [hour, minute, second] = parts(time);
        let mut count = product([below(&self.hours, hour), &self.minutes, &self.seconds]);
        if self.hours.contains(&hour) {
            count += product([below(&self.minutes, minute), &self.seconds]);
            if self.minutes.contains(&minute) {
                count += product([below(&self.seconds, second)]);
            }
        }
        count
    }

    fn has(&self, time: Time) -> bool {
        let [hour, minute, second] = parts(time);
        self.hours.contains(&hour) && self.minutes.contains(&minute) && self.seconds.contains(&second)
    }
}

fn parts(time: Time) -> [u16; 3] {
    [time.hour(), time.minute(), time.second()].map(|part| u16::from(part.unsigned_abs()))
}

/// Returns the values less than `value`. `values` is ascending.
fn below(values: &[u16], value: u16) -> &[u16] {
    &values[..values.partition_point(|other| *other < value)]
}

fn product<const N: usize>(values: [&[u16]; N]) -> u64 {
    values.into_iter().map(|values| values.len() as u64).product()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::str::FromStr;

    fn one_by_one(cron: &Cron, zone: &TimeZone, from: Timestamp, until: Timestamp) -> (Option<Timestamp>, u64) {
        let search = |after: Timestamp, inclusive| {
            let next = cron.find_next_occurrence(&after.to_zoned(zone.clone()), inclusive).ok()?.timestamp();
            (next <= until).then_some(next)
        };
        let first = search(from, true);
        let mut count = 0;
        let mut next = first;
        while let Some(moment) = next {
            count += 1;
            next = search(moment, false);
        }
        (first, count)
    }

    #[track_caller]
    fn assert_counted(expression: &str, zone: &str, from: &str, until: &str, expected: u64) {
        let (cron, zone) = (Cron::from_str(expression).expect("sound"), TimeZone::get(zone).expect("it is known"));
        let [from, until] = [from, until].map(|time| time.parse().expect("a timestamp"));
        assert_eq!(count(&cron, &zone, from, until), expected);
    }

    #[test]
    fn leap_over_decades_is_counted_at_once() {
        let decades = ("1970-01-01T00:00:00Z", "2030-01-01T00:00:00Z");
        assert_counted("* * * * * *", "UTC", decades.0, decades.1, 60 * 365 * 86_400 + 15 * 86_400 + 1);
        assert_counted("0 12 * * *", "Europe/Zurich", decades.0, decades.1, 60 * 365 + 15);
        assert_counted("30 2 * * *", "Europe/Zurich", decades.0, decades.1, 60 * 365 + 15);
    }

    #[test]
    fn repeated_hour_counts_once_for_daily_and_else_twice() {
        // On 2024-10-27, 02:00 to 03:00 occurred twice in Zurich.
        let day = ("2024-10-26T22:00:00Z", "2024-10-27T22:59:59Z");
        assert_counted("30 2 * * *", "Europe/Zurich", day.0, day.1, 1);
        assert_counted("0,30 2 * * *", "Europe/Zurich", day.0, day.1, 4);
        assert_counted("* * * * *", "Europe/Zurich", day.0, day.1, 25 * 60);
        let first_half = (day.0, "2024-10-27T00:59:59Z");
        assert_counted("30 2 * * *", "Europe/Zurich", first_half.0, first_half.1, 1);
        assert_counted("30 2 * * *", "Europe/Zurich", "2024-10-27T01:00:00Z", day.1, 0);
    }

    #[test]
    fn skipped_hour_counts_for_daily_times_alone() {
        // On 2024-03-31, Zurich had no 02:00 to 03:00.
        let day = ("2024-03-30T23:00:00Z", "2024-03-31T21:59:59Z");
        assert_counted("30 2 * * *", "Europe/Zurich", day.0, day.1, 1);
        assert_counted("0,30 2 * * *", "Europe/Zurich", day.0, day.1, 0);
        assert_counted("* * * * *", "Europe/Zurich", day.0, day.1, 23 * 60);
    }

    fn expressions() -> impl Strategy<Value = String> {
        let small = |values: &'static [&'static str]| prop::sample::select(values);
        let times = prop_oneof![
            (0..60_u8, 0..60_u8, 0..24_u8).prop_map(|(second, minute, hour)| format!("{second} {minute} {hour}")),
            (
                small(&["0", "30", "59", "0,1"]),
                small(&["0", "15", "*/20", "0-59/17"]),
                small(&["*", "2", "0,2,23", "1-3", "*/5"])
            )
                .prop_map(|(second, minute, hour)| format!("{second} {minute} {hour}")),
        ];
        let days = small(&[
            "* * *",
            "* * 0",
            "* * 1-5",
            "L * *",
            "15W * *",
            "LW * *",
            "1-7 * 6#1",
            "* 3,10 0#L",
            "29 2 *",
            "27-31 * *",
            "30 3,10 +6-7",
        ]);
        (times, days).prop_map(|(times, days)| format!("{times} {days}"))
    }

    fn zones() -> impl Strategy<Value = &'static str> {
        let zones = &[
            "UTC",
            "Europe/Zurich",
            "America/New_York",
            "America/Sao_Paulo",   // changed at midnight
            "Australia/Lord_Howe", // by half an hour
            "Asia/Kathmandu",
            "Africa/Casablanca",
        ];
        prop::sample::select(&zones[..])
    }

    /// Moments of the years 2010 to 2026, most of them near changes of clocks.
    fn moments() -> impl Strategy<Value = i64> {
        let changes =
            [1_711_846_800, 1_729_990_800, 1_331_449_200, 1_352_008_800, 1_508_036_400, 1_519_005_600, 1_728_142_200];
        let near = (prop::sample::select(changes.to_vec()).prop_map(i64::from), -90_000..90_000_i64)
            .prop_map(|(at, by)| at + by);
        prop_oneof![2 => near, 1 => 1_262_304_000..1_767_225_600_i64]
    }

    proptest! {
        #[test]
        fn arithmetic_matches_a_search(
            expression in expressions(),
            zone in zones(),
            from in moments(),
            long in prop_oneof![3 => 0..400_000_i64, 1 => 0..40_000_000_i64],
            below in 0..1_000_000_000_i32,
        ) {
            let (cron, zone) = (Cron::from_str(&expression).expect("sound"), TimeZone::get(zone).expect("it is known"));
            let from = Timestamp::from_second(from).expect("within range");
            let dense = cron.pattern.hours.count_set_values(1) * cron.pattern.minutes.count_set_values(1) > 4;
            let until = Timestamp::new(from.as_second() + if dense { long % 400_000 } else { long }, below).expect("within range");
            let (first, expected) = one_by_one(&cron, &zone, from, until);
            let found = first.map_or(0, |first| count(&cron, &zone, first, until));
            prop_assert_eq!(found, expected, "{} from {} to {} in {:?}", expression, from, until, zone);
        }
    }
}
