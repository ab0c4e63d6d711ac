//! Tests of calls by cron expressions, with a clock that is moved by hand.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    prelude::*,
    schedule::{Cron, MissedTick, Schedule, ScheduleEnd, cron},
    time::{HOUR, MINUTE, MockClock, SECOND, now},
};
use std::time::{Duration, SystemTime};

pub struct Work;

#[define]
impl Work {
    pub fn value(n: u32) -> u32 {
        n
    }
}

const DAY: Duration = Duration::from_secs(86_400);

fn mocked(f: impl FnOnce(&MockClock)) {
    let clock = MockClock::new();
    clock.run(|| f(&clock));
}

fn start(expression: Cron, missed: MissedTick) -> Schedule {
    let plan = cron(expression, Work::tasks(), |work| work.value(7)).expect("it is sound");
    plan.missed(missed).start().expect("the global pool starts")
}

fn settle(schedule: &Schedule, runs: u64) {
    while schedule.info().runs < runs || schedule.info().in_progress > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn cron_schedule_runs_on_weekdays_only() {
    mocked(|clock| {
        let schedule = start(Cron::utc("0 30 9 * * Mon-Fri").expect("it is sound"), MissedTick::Burst);
        let monday = now() + 2 * DAY + 9 * HOUR + 30 * MINUTE;
        assert_eq!(schedule.next_due(), Some(monday), "the calendar begins with a Saturday");
        clock.advance(9 * DAY); // two weekends and the five days between
        settle(&schedule, 5);
        assert_eq!((schedule.info().runs, schedule.info().errors), (5, 0));
        assert_eq!(schedule.next_due(), Some(monday + 7 * DAY));
    });
}

#[test]
fn cron_schedule_follows_its_zone_over_a_change_of_clocks() {
    mocked(|clock| {
        // 2024-03-30 12:00 in Zurich, where the clocks went forward in the following night.
        clock.set_wall(SystemTime::UNIX_EPOCH + Duration::from_secs(1_711_796_400));
        let noon = Cron::in_zone("0 12 * * *", "Europe/Zurich").expect("it is sound");
        let schedule = start(noon, MissedTick::Skip);
        assert_eq!(schedule.next_due(), Some(now() + DAY - HOUR));
        clock.advance(DAY - HOUR);
        settle(&schedule, 1);
        assert_eq!(schedule.next_due(), Some(now() + DAY));
    });
}

#[test]
fn cron_schedule_follows_a_changed_wall_clock() {
    mocked(|clock| {
        let schedule = start(Cron::utc("0 * * * *").expect("it is sound"), MissedTick::Skip);
        clock.set_wall(clock.wall() - 30 * MINUTE);
        clock.advance(HOUR);
        assert_eq!((schedule.info().runs, schedule.next_due()), (0, Some(now() + 30 * MINUTE)));
        clock.advance(30 * MINUTE);
        settle(&schedule, 1);
        clock.set_wall(clock.wall() + 10 * HOUR);
        clock.advance(HOUR);
        settle(&schedule, 2);
        assert_eq!((schedule.info().runs, schedule.info().missed), (2, 10));
    });
}

#[test]
fn cron_schedule_has_a_start_and_an_end() {
    mocked(|clock| {
        let plan = cron(Cron::utc("0 0 * * *").expect("it is sound"), Work::tasks(), |work| work.value(7));
        let schedule = plan.expect("it is sound").starting_at(now() + 10 * DAY).start().expect("it starts");
        assert_eq!(schedule.next_due(), Some(now() + 10 * DAY));
        let last = start(Cron::utc("0 0 0 2 1 * 2000").expect("it is sound"), MissedTick::Skip);
        clock.advance(DAY);
        last.closed().wait();
        assert_eq!(last.info().runs, 1);
        last.closed().wait();
        assert_eq!(last.info().end, Some(ScheduleEnd::Completed));
        let past = start(Cron::utc("0 0 0 1 1 * 1999").expect("it is sound"), MissedTick::Skip);
        assert_eq!((past.is_over(), past.info().end), (true, Some(ScheduleEnd::Completed)));
    });
}

#[test]
fn cron_schedule_waits_for_a_start_beyond_the_clock() {
    mocked(|clock| {
        for years in [1_000, 11_000_000] {
            let plan = cron("* * * * *", Work::tasks(), |work| work.value(7)).expect("it is sound");
            let far = now() + years * 365 * DAY;
            let schedule = plan.starting_at(far).start().expect("it starts");
            clock.jump(Duration::MAX);
            assert_eq!((schedule.is_over(), schedule.next_due(), schedule.info().runs), (false, None, 0));
        }
    });
}

#[test]
fn ticks_that_a_leap_missed_are_all_counted() {
    mocked(|clock| {
        let schedule = start(Cron::utc("* * * * * *").expect("it is sound"), MissedTick::Skip);
        clock.jump(48 * HOUR);
        assert_eq!(schedule.info().runs + schedule.info().missed, 48 * 3_600);
        clock.jump(400 * 365 * DAY); // within the time of a test
        settle(&schedule, 1);
        clock.jump(SECOND);
        assert_eq!(schedule.info().runs + schedule.info().missed, 48 * 3_600 + 400 * 365 * 86_400 + 1);
    });
    mocked(|clock| {
        // The clock is set forward, and a burst makes up for each missed tick.
        let schedule = start(Cron::utc("0 0 * * *").expect("it is sound"), MissedTick::Burst);
        clock.set_wall(clock.wall() + 300 * DAY);
        clock.advance(DAY);
        settle(&schedule, 301);
        assert_eq!((schedule.info().runs, schedule.info().missed), (301, 0));
        assert_eq!(schedule.next_due(), Some(now() + DAY));
    });
}

#[test]
fn pause_over_decades_counts_no_missed_tick() {
    mocked(|clock| {
        let schedule = start(Cron::utc("* * * * * *").expect("it is sound"), MissedTick::Burst);
        schedule.pause();
        clock.jump(30 * 365 * DAY);
        schedule.resume();
        assert_eq!((schedule.info().runs, schedule.info().missed), (0, 0));
        assert_eq!(schedule.next_due(), Some(now() + SECOND));
    });
}

#[test]
fn expression_that_never_fires_is_refused() {
    let error = cron("0 0 30 2 *", Work::tasks(), |work| work.value(7)).expect_err("no year has that day");
    assert_eq!(error.to_string(), "`0 0 30 2 *` is no cron expression: it never fires");
    assert!(Cron::utc("0 0 29 2 *").is_ok());
}

#[test]
fn malformed_expression_is_an_error() {
    let read_as_something_else = ["Mon * * * *", "0 0 * JanFeb *", "0,,5 * * * *", "0 0 15W3 * *", "*/90 * * * *"];
    let unreadable = ["", "every day", "60 * * * *", "* * *", "0 30 9 * * Mon-Fry", "* * * * * * * *"];
    for bad in unreadable.into_iter().chain(read_as_something_else) {
        let error = cron(bad, Work::tasks(), |work| work.value(7)).expect_err("it is none");
        assert!(error.to_string().starts_with(&format!("`{bad}` is no cron expression: ")), "{error}");
    }
    let error = Cron::in_zone("* * * * *", "Middle/Earth").expect_err("there is none");
    assert!(error.to_string().starts_with("`Middle/Earth` is no time zone: "), "{error}");
    assert!("@hourly".parse::<Cron>().is_ok());
}
