//! Tests of the end of a schedule: when it ends, why, and when it does not.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    Cluster, Executor, TaskSet,
    call::SubmitError,
    executor::{Job, OnFull},
    layers::{Fallback, Layer, Timeout},
    pool::Concurrency,
    prelude::*,
    schedule::{MissedTick, Schedule, ScheduleEnd, every},
    sync::CancelToken,
    time::{HOUR, MINUTE, MockClock, SECOND, now},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::channel,
    },
    thread,
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

    pub async fn never() {
        std::future::pending::<()>().await;
    }

    #[task(idempotent)]
    pub fn fall_back() -> Instant {
        now()
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

/// Waits until the present runs are over.
fn settle(schedule: &Schedule) {
    while schedule.info().in_progress > 0 {
        thread::yield_now();
    }
}

#[test]
fn period_beyond_the_clock_waits_for_ever() {
    let beyond = Duration::from_secs(1_000 * 31_556_952);
    for period in [Duration::MAX, beyond, Duration::from_secs(u64::MAX / 4)] {
        let by_the_system = every(period, Work::tasks(), |work| work.when()).start().expect("it starts");
        assert_eq!((by_the_system.is_over(), by_the_system.next_due()), (false, None), "{period:?}");
        mocked(|clock| {
            let schedule = every(period, Work::on(&pool()), |work| work.when()).start().expect("it starts");
            clock.advance(Duration::MAX);
            clock.jump(Duration::MAX);
            schedule.pause();
            schedule.resume();
            assert_eq!((schedule.is_over(), schedule.info().runs, schedule.info().end), (false, 0, None));
            schedule.cancel();
            schedule.closed().wait();
            assert_eq!(schedule.info().end, Some(ScheduleEnd::Cancelled));
        });
    }
}

#[test]
fn ticks_end_with_the_clock_and_the_schedule_does_not() {
    let century = Duration::from_secs(100 * 31_556_952);
    mocked(|clock| {
        let schedule = every(3 * century, Work::on(&pool()), |work| work.when()).start().expect("it starts");
        clock.advance(Duration::MAX);
        settle(&schedule);
        assert_eq!((schedule.info().runs, schedule.is_over(), schedule.next_due()), (1, false, None));
        let late = every(SECOND, Work::on(&pool()), |work| work.when()).start().expect("it starts");
        assert_eq!((late.is_over(), late.next_due()), (false, None), "no second is left");
    });
    for missed in [MissedTick::Skip, MissedTick::Delay] {
        mocked(|clock| {
            let plan = every(century, Work::on(&pool()), |work| work.when()).missed(missed);
            let schedule = plan.starting_at(now() + century / 2).start().expect("it starts");
            clock.jump(Duration::MAX);
            settle(&schedule);
            assert_eq!((schedule.info().runs, schedule.info().missed), (1, 4), "{missed:?}");
            assert_eq!((schedule.is_over(), schedule.next_due()), (false, None), "{missed:?}");
        });
    }
    mocked(|clock| {
        let far = now() + Duration::from_secs(1_000 * 31_556_952);
        let schedule =
            every(SECOND, Work::on(&pool()), |work| work.when()).starting_at(far).start().expect("it starts");
        clock.advance(Duration::MAX);
        assert_eq!((schedule.is_over(), schedule.info().runs), (false, 0));
    });
}

#[test]
fn shortest_period_is_a_microsecond() {
    mocked(|clock| {
        let shorter = every(Duration::from_nanos(999), Work::on(&pool()), |work| work.when()).start();
        assert_eq!(shorter.err().and_then(|error| error.setting()), Some("period"));
        let schedule =
            every(Duration::from_micros(1), Work::on(&pool()), |work| work.when()).start().expect("it starts");
        clock.jump(HOUR);
        settle(&schedule);
        assert_eq!(schedule.info().runs + schedule.info().missed, 3_600_000_000);
    });
}

#[test]
fn many_overlapping_runs_all_begin() {
    mocked(|clock| {
        let counter = Arc::new(AtomicU64::new(0));
        let (counted, token) = (counter.clone(), CancelToken::new());
        let shared = token.clone();
        let plan = every(SECOND, Work::on(&pool()), move |work| {
            counted.fetch_add(1, Ordering::Relaxed);
            work.never().cancel_token(&shared)
        });
        let schedule = plan.missed(MissedTick::Burst).overlapping().times(4_321).start().expect("it starts");
        clock.jump(10_000 * SECOND);
        while schedule.info().in_progress < 4_321 {
            thread::yield_now(); // none of them ends
        }
        token.cancel();
        schedule.closed().wait();
        assert_eq!(schedule.info().end, Some(ScheduleEnd::Completed));
        assert_eq!((schedule.info().runs, counter.load(Ordering::Relaxed)), (4_321, 4_321));
    });
}

#[test]
fn schedule_reports_the_reason_of_its_end() {
    mocked(|clock| {
        let start = |runs| every(SECOND, Work::on(&pool()), |work| work.when()).times(runs).start().expect("it starts");
        let (none, two, cancelled) = (start(0), start(2), start(2));
        none.closed().wait();
        assert_eq!(none.info().end, Some(ScheduleEnd::Completed));
        assert_eq!((two.info().end, cancelled.info().end), (None, None));
        cancelled.cancel();
        assert_eq!(cancelled.info().end, Some(ScheduleEnd::Cancelled));
        for _ in 0..2 {
            clock.advance(SECOND);
            settle(&two);
        }
        two.cancel(); // it had ended before
        two.closed().wait();
        assert_eq!(two.info().end, Some(ScheduleEnd::Completed));
    });
}

#[test]
fn schedule_ends_with_its_closed_executor() {
    fn assert_ends<C, S, E, F>(calls: C, call: F, close: impl FnOnce())
    where
        C: Send + Sync + 'static,
        S: TaskSet,
        E: Executor<S> + ?Sized + 'static,
        F: for<'c> Fn(&'c C) -> Call<'c, S, E, u64> + Send + Sync + 'static,
    {
        mocked(|clock| {
            let (tell, reports) = channel();
            let plan = every(SECOND, calls, call).on_outcome(move |outcome| drop(tell.send(outcome)));
            let schedule = plan.start().expect("it starts");
            clock.advance(SECOND);
            reports.recv().expect("it beats").expect("it runs");
            settle(&schedule);
            close();
            clock.advance(SECOND);
            assert!(matches!(reports.recv().expect("it beats"), Err(CallError::Closed(_))));
            schedule.closed().wait();
            assert_eq!(schedule.info().end, Some(ScheduleEnd::Closed));
            let info = schedule.info();
            assert_eq!((info.end, info.runs, info.errors), (Some(ScheduleEnd::Closed), 2, 1));
            assert_eq!((schedule.is_over(), schedule.next_due()), (true, None));
            while clock.next_alarm().is_some() {
                thread::yield_now(); // the first run's thread disarms its time limit after the outcome
            }
        });
    }
    let plain = pool();
    let closes = plain.clone();
    assert_ends(Work::on(&plain), |work| work.count(Arc::default()), move || closes.close());
    let layered = pool();
    let (closes, layer) = (layered.clone(), Timeout::new(MINUTE));
    assert_ends(Work::calls(layer.layer(layered)), |work| work.count(Arc::default()), move || closes.close());
    let share = pool();
    let closes = share.clone();
    assert_ends(
        Work::calls(share.share("schedule").build().unwrap()),
        |work| work.count(Arc::default()),
        move || closes.close(),
    );
    let counter = Counter::service(Counter(0)).launch().wait().expect("sound");
    let closes = counter.clone();
    assert_ends(counter, |counter| counter.bump(), move || drop(closes.close()));
    let counter = Counter::service(Counter(0)).launch().wait().expect("sound");
    let ends = counter.clone();
    assert_ends(counter, |counter| counter.bump(), move || ends.terminate().wait().expect("it ends"));
    let cluster = Cluster::launch(2, || Counter::service(Counter(0))).wait().expect("sound");
    let ends = cluster.clone();
    assert_ends(cluster, |counter| counter.bump(), move || ends.terminate().wait().expect("it ends"));
}

#[test]
fn schedule_continues_while_its_executor_is_open() {
    mocked(|clock| {
        // A member of the cluster is closed, and there is another member.
        let cluster = Cluster::launch(2, || Counter::service(Counter(0))).wait().expect("sound");
        let of_cluster = every(SECOND, cluster.clone(), |counter| counter.bump()).start().expect("it starts");
        // The executor is closed, and another executor replaces it.
        let closed = pool();
        closed.close();
        let around = Fallback::to(pool()).layer(closed);
        let falls_back = every(SECOND, Work::calls(around), |work| work.fall_back()).start().expect("it starts");
        // An executor that is not closed refuses a call as closed.
        let (once, open) = (pool(), pool());
        once.close();
        let once = ClosedOnce { first: AtomicBool::new(true), closed: once, open };
        let refused_once = every(SECOND, Work::calls(once), |work| work.when()).start().expect("it starts");
        // The executor is full, not closed.
        let full = Pool::builder().max_queue(1).on_full(OnFull::Reject);
        let full = full.build().expect("sound");
        full.pause();
        Work::on(&full).when().submit().detach();
        let refused = every(SECOND, Work::on(&full), |work| work.when()).start().expect("it starts");
        let member = cluster.control().members()[0];
        cluster.control().remove(member).expect("there is one").wait().expect("it ends");
        let all = [&of_cluster, &falls_back, &refused_once, &refused];
        for n in 1..=3 {
            clock.advance(SECOND);
            all.into_iter().for_each(settle);
            assert_eq!(all.map(|schedule| schedule.info().errors), [0, 0, 1, n]);
            assert_eq!(all.map(|schedule| schedule.info().end), [None; 4]);
        }
        full.resume();
    });
}

/// Refuses its first call.
struct ClosedOnce {
    first: AtomicBool,
    closed: Pool,
    open: Pool,
}

impl<S: TaskSet> Executor<S> for ClosedOnce {
    fn try_execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
        if self.first.swap(false, Ordering::Relaxed) {
            self.closed.try_execute(job)
        } else {
            self.open.try_execute(job)
        }
    }
}
