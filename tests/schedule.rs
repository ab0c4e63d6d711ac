//! Tests of calls that repeat on a schedule.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    pool::Concurrency,
    prelude::*,
    schedule::{MissedTick, Schedule, every},
    sync::CancelToken,
    time::{HOUR, MILLISECOND, MINUTE, MockClock, SECOND, now},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    time::{Duration, Instant},
};

pub struct Work;

#[define]
impl Work {
    pub fn when() -> Instant {
        now()
    }

    pub fn count(counter: Arc<AtomicU64>) -> u64 {
        counter.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub fn hold(begun: Sender<()>, gate: Arc<std::sync::Mutex<Receiver<()>>>) {
        let _ = begun.send(());
        let _ = gate.lock().expect("no holder panics").recv();
    }

    pub fn fail() {
        panic!("on purpose");
    }

    pub fn give_back(what: Arc<()>) -> Arc<()> {
        what
    }

    pub async fn never() {
        std::future::pending::<()>().await;
    }
}

pub struct Counter(u64);

#[define]
impl Counter {
    pub fn bump(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

fn pool() -> Pool {
    Pool::builder().concurrency(Concurrency::Exact(2)).build().expect("the settings are sound")
}

fn mocked(f: impl FnOnce(&MockClock)) {
    let clock = MockClock::new();
    clock.run(|| f(&clock));
}

/// A task that runs until the test lets it end, and reports each start.
struct Held {
    begun: Receiver<()>,
    go: Sender<()>,
}

fn held(
    period: Duration,
    set: impl FnOnce(nanolith::schedule::Plan<()>) -> nanolith::schedule::Plan<()>,
) -> (Schedule, Held) {
    let ((tell, begun), (go, gate)) = (channel(), channel());
    let gate = Arc::new(std::sync::Mutex::new(gate));
    let tell = std::sync::Mutex::new(tell);
    let plan = every(period, Work::on(&pool()), move |work| {
        work.hold(tell.lock().expect("no holder panics").clone(), gate.clone())
    });
    (set(plan).start().expect("the global pool starts"), Held { begun, go })
}

/// Waits until the present runs are over.
fn settle(schedule: &Schedule) {
    while schedule.info().in_progress > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn ticks_do_not_drift_and_the_first_is_after_a_period() {
    mocked(|clock| {
        let (tell, reports) = channel();
        let begun = now();
        let schedule = every(SECOND, Work::on(&pool()), |work| work.when())
            .on_outcome(move |when| drop(tell.send(when)))
            .start()
            .expect("it starts");
        assert_eq!(schedule.next_due(), Some(begun + SECOND));
        for n in 1..=100 {
            clock.advance(SECOND);
            assert_eq!(reports.recv().expect("it beats").expect("it runs"), begun + n * SECOND);
            settle(&schedule);
        }
        assert_eq!((schedule.info().runs, schedule.info().missed), (100, 0));
    });
}

#[test]
fn schedule_has_a_start_and_a_number_of_runs() {
    mocked(|clock| {
        let counter = Arc::new(AtomicU64::new(0));
        let counted = counter.clone();
        let schedule = every(HOUR, Work::on(&pool()), move |work| work.count(counted.clone()))
            .starting_at(now() + SECOND)
            .times(3)
            .start()
            .expect("it starts");
        for advance in [SECOND, HOUR, HOUR, HOUR, HOUR] {
            assert_eq!(schedule.is_over(), counter.load(Ordering::Relaxed) == 3);
            clock.advance(advance);
            settle(&schedule);
        }
        schedule.closed().wait();
        assert_eq!((counter.load(Ordering::Relaxed), schedule.next_due(), clock.next_alarm()), (3, None, None));
        let none = every(HOUR, Work::on(&pool()), Work2::when).times(0).start().expect("it starts");
        none.closed().wait();
        let past = every(HOUR, Work::on(&pool()), Work2::when).starting_at(now() - SECOND).times(1).start();
        past.expect("it starts").closed().wait();
    });
}

/// A function may make the call too.
struct Work2;

impl Work2 {
    fn when(work: &WorkCalls<Pool>) -> Call<'_, Work, Pool, Instant> {
        work.when()
    }
}

#[test]
fn cancelled_or_dropped_schedule_ticks_no_more() {
    mocked(|clock| {
        let counter = Arc::new(AtomicU64::new(0));
        let start = || {
            let counted = counter.clone();
            every(SECOND, Work::on(&pool()), move |work| work.count(counted.clone())).start().expect("it starts")
        };
        let (cancelled, dropped, detached) = (start(), start(), start());
        cancelled.cancel();
        cancelled.cancel();
        assert!(cancelled.is_over());
        drop(dropped);
        assert_eq!(clock.next_alarm(), Some(SECOND));
        detached.detach();
        clock.advance(SECOND);
        while counter.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        assert_eq!(counter.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn running_call_survives_a_schedule_cancel_without_a_token() {
    mocked(|clock| {
        let (schedule, held) = held(SECOND, |plan| plan);
        clock.advance(SECOND);
        held.begun.recv().expect("it begins");
        schedule.cancel();
        assert!(!schedule.is_over());
        held.go.send(()).expect("it waits");
        schedule.closed().wait();
        assert_eq!(schedule.info().errors, 0);
        let token = CancelToken::new();
        let shared = token.clone();
        let schedule = every(SECOND, Work::on(&pool()), move |work| work.never().cancel_token(&shared));
        let schedule = schedule.start().expect("it starts");
        clock.advance(SECOND);
        schedule.cancel();
        token.cancel();
        schedule.closed().wait();
        assert_eq!(schedule.info().errors, 1);
    });
}

#[test]
fn tick_during_a_run_is_skipped_and_counted() {
    mocked(|clock| {
        let begun = now();
        let (schedule, held) = held(SECOND, |plan| plan);
        clock.advance(5 * SECOND + SECOND / 2);
        held.begun.recv().expect("it begins");
        assert_eq!((schedule.info().runs, schedule.info().missed, schedule.info().in_progress), (1, 4, 1));
        held.go.send(()).expect("it waits");
        settle(&schedule);
        assert_eq!(schedule.next_due(), Some(begun + 6 * SECOND));
        assert!(held.begun.try_recv().is_err(), "nothing is made up for");
        held.go.send(()).expect("it waits");
        clock.advance(SECOND);
        held.begun.recv().expect("it begins");
    });
}

#[test]
fn burst_runs_missed_ticks_one_after_the_other() {
    mocked(|clock| {
        let begun = now();
        let (schedule, held) = held(SECOND, |plan| plan.missed(MissedTick::Burst).times(7));
        clock.advance(5 * SECOND);
        for _ in 0..5 {
            held.begun.recv().expect("it begins");
            assert!(held.begun.try_recv().is_err(), "one at a time");
            held.go.send(()).expect("it waits");
        }
        settle(&schedule);
        assert_eq!((schedule.info().runs, schedule.info().missed), (5, 0));
        assert_eq!(schedule.next_due(), Some(begun + 6 * SECOND));
        drop(held);
        clock.advance(HOUR);
        schedule.closed().wait();
        assert_eq!(schedule.info().runs, 7);
    });
}

#[test]
fn delayed_tick_postpones_the_later_ticks() {
    mocked(|clock| {
        let begun = now();
        let (schedule, held) = held(SECOND, |plan| plan.missed(MissedTick::Delay));
        clock.advance(5 * SECOND + SECOND / 2);
        held.begun.recv().expect("it begins");
        assert_eq!((schedule.next_due(), schedule.is_over()), (None, false));
        held.go.send(()).expect("it waits");
        held.begun.recv().expect("the second begins as soon as it can");
        assert_eq!(schedule.next_due(), Some(begun + 6 * SECOND + SECOND / 2));
        held.go.send(()).expect("it waits");
        settle(&schedule);
        assert_eq!(schedule.info().runs, 2);
    });
}

#[test]
fn clock_leap_counts_the_missed_ticks() {
    for (missed, runs, skipped, next) in
        [(MissedTick::Skip, 1, 9, 500), (MissedTick::Burst, 10, 0, 500), (MissedTick::Delay, 1, 9, 1_000)]
    {
        mocked(|clock| {
            let schedule =
                every(SECOND, Work::on(&pool()), |work| work.when()).missed(missed).start().expect("it starts");
            clock.jump(10 * SECOND + SECOND / 2);
            while schedule.info().runs < runs || schedule.info().in_progress > 0 {
                std::thread::yield_now();
            }
            assert_eq!((schedule.info().runs, schedule.info().missed), (runs, skipped), "{missed:?}");
            assert_eq!(schedule.next_due(), Some(now() + Duration::from_millis(next)), "{missed:?}");
        });
    }
}

#[test]
fn overlapping_runs_run_concurrently() {
    mocked(|clock| {
        let (schedule, held) = held(SECOND, |plan| plan.overlapping().times(2));
        clock.advance(2 * SECOND);
        held.begun.recv().expect("one begins");
        held.begun.recv().expect("and another");
        assert_eq!((schedule.info().in_progress, schedule.info().missed), (2, 0));
        drop(held);
        schedule.closed().wait();
    });
}

#[test]
fn pause_keeps_the_rhythm_of_the_ticks() {
    mocked(|clock| {
        let begun = now();
        let schedule = every(SECOND, Work::on(&pool()), |work| work.when()).start().expect("it starts");
        schedule.pause();
        assert_eq!((schedule.next_due(), clock.next_alarm()), (None, None));
        clock.advance(10 * SECOND + SECOND / 4);
        schedule.resume();
        schedule.resume();
        assert_eq!(schedule.next_due(), Some(begun + 11 * SECOND));
        assert_eq!((schedule.info().runs, schedule.info().missed), (0, 0));
        clock.advance(SECOND);
        settle(&schedule);
        assert_eq!(schedule.info().runs, 1);
    });
}

#[test]
fn failed_runs_are_counted_and_the_schedule_continues() {
    mocked(|clock| {
        let (tell, reports) = channel();
        let schedule = every(SECOND, Work::on(&pool()), |work| work.fail())
            .on_outcome(move |outcome| {
                let _ = tell.send(matches!(outcome, Err(CallError::Panicked(..))));
                panic!("the handler fails too");
            })
            .start()
            .expect("it starts");
        let unmade = every(SECOND, Work::on(&pool()), |work| {
            assert!(now() < Instant::now(), "it cannot be made");
            work.fail()
        });
        let unmade = unmade.times(2).start().expect("it starts");
        for n in 1..=2 {
            clock.advance(SECOND);
            assert!(reports.recv().expect("it is heard of"));
            settle(&schedule);
            settle(&unmade);
            assert_eq!((schedule.info().errors, unmade.info().errors), (n, n));
        }
        unmade.closed().wait();
    });
}

#[test]
fn schedule_calls_a_service_repeatedly_and_keeps_it_open() {
    mocked(|clock| {
        let counter = Counter::service(Counter(0)).launch().wait().expect("sound");
        let (tell, reports) = channel();
        let schedule = every(SECOND, counter.clone(), |counter| counter.bump().timeout(MINUTE))
            .on_outcome(move |total| drop(tell.send(total)))
            .start()
            .expect("it starts");
        drop(counter);
        for n in 1..=3 {
            clock.advance(SECOND);
            assert_eq!(reports.recv().expect("it beats").expect("it runs"), n);
            settle(&schedule);
        }
        drop(schedule);
        assert!(reports.recv().is_err(), "with the schedule goes its handler");
    });
}

#[test]
fn schedule_ticks_by_the_system_clock() {
    let counter = Arc::new(AtomicU64::new(0));
    let counted = counter.clone();
    let begun = Instant::now();
    let schedule = every(MILLISECOND, Work::tasks(), move |work| work.count(counted.clone()))
        .missed(MissedTick::Burst)
        .times(5)
        .start()
        .expect("it starts");
    schedule.closed().wait();
    assert_eq!(counter.load(Ordering::Relaxed), 5);
    assert!(begun.elapsed() >= 5 * MILLISECOND);
}

#[test]
fn thousand_schedules_share_the_timer() {
    mocked(|clock| {
        let counter = Arc::new(AtomicU64::new(0));
        let shared = pool();
        let schedules: Vec<_> = (0..1_000u32)
            .map(|n| {
                let counted = counter.clone();
                let plan = every(SECOND + n * MILLISECOND, Work::on(&shared), move |work| work.count(counted.clone()));
                plan.missed(MissedTick::Burst).times(3).start().expect("it starts")
            })
            .collect();
        clock.advance(HOUR);
        schedules.iter().for_each(|schedule| schedule.closed().wait());
        assert_eq!(counter.load(Ordering::Relaxed), 3_000);
    });
}

#[test]
fn outcomes_without_a_receiver_are_not_kept() {
    let output = Arc::new(());
    let given = output.clone();
    let schedule = every(MILLISECOND, Work::on(&pool()), move |work| work.give_back(given.clone())).times(5);
    let schedule = schedule.start().expect("the global pool starts");
    schedule.closed().wait();
    assert_eq!(Arc::strong_count(&output), 2, "this one, and the one of the schedule");
}
