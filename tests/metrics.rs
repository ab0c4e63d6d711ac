//! Tests of the durations that executors measure, and of the figures of their queues.
#![cfg(feature = "metrics")]
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    TaskSet,
    metrics::Metrics,
    pool::Concurrency,
    prelude::*,
    time::{MILLISECOND, MINUTE, MockClock, SECOND, sleep},
};
use std::{
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

pub struct Work;

#[define]
impl Work {
    pub fn sleep(span: Duration) {
        sleep(span).wait();
    }

    pub async fn doze(span: Duration) {
        sleep(span).await;
    }

    pub fn add(x: u64, y: u64) -> u64 {
        x + y
    }

    pub fn double(x: u64) -> u64 {
        2 * x
    }

    pub fn fail() {
        panic!("it was asked to");
    }

    #[task(concurrency = 1)]
    pub fn hold_one_at_a_time(until: Receiver<()>) {
        let _ = until.recv();
    }

    pub fn hold(until: Receiver<()>) {
        let _ = until.recv();
    }

    pub fn sum_of_children(pool: Pool, children: u64) -> Result<u64, CallError> {
        (0..children).map(|n| Work::on(&pool).add(n, 1).wait()).sum()
    }
}

fn pool(concurrency: usize) -> Pool {
    Pool::builder().concurrency(Concurrency::Exact(concurrency)).metrics(true).build().expect("sound settings")
}

fn measured(pool: &Pool) -> Metrics {
    pool.metrics().expect("it was asked to measure")
}

/// Returns the metrics once they contain `calls` calls. A thread submits its metrics when it is
/// idle.
fn once_there_are(pool: &Pool, calls: u64) -> Metrics {
    pool.drained().wait();
    loop {
        let metrics = measured(pool);
        if metrics.run_time().count() >= calls {
            return metrics;
        }
        thread::yield_now();
    }
}

#[test]
fn pool_measures_only_with_metrics_on() {
    let silent = Pool::builder().build().expect("sound");
    assert_eq!(Work::on(&silent).add(4, 5).wait().expect("it runs"), 9);
    assert!(silent.metrics().is_none());
}

#[test]
fn each_call_is_counted_once_under_its_task() {
    let pool = pool(2);
    let work = Work::on(&pool);
    let added: Vec<_> = (0..10_000).map(|n| work.add(n, 1).submit()).collect();
    let doubled: Vec<_> = (0..1_000).map(|n| work.double(n).submit()).collect();
    let sum: u64 = added.into_iter().chain(doubled).map(|handle| handle.wait().expect("it runs")).sum();
    assert!(sum > 0);
    let metrics = once_there_are(&pool, 11_000);
    let count = |name: &str| metrics.task(name).map(|task| (task.run_time().count(), task.wait_time().count()));
    assert_eq!((count("add"), count("double"), count("fail")), (Some((10_000, 10_000)), Some((1_000, 1_000)), None));
    assert_eq!(metrics.run_time().count(), pool.info().completed);
}

#[test]
fn alternating_tasks_are_counted_apart() {
    let pool = pool(1);
    let work = Work::on(&pool);
    let handles: Vec<_> = (0..5_000).flat_map(|n| [work.add(n, 1).submit(), work.double(n).submit()]).collect();
    let sum: u64 = handles.into_iter().map(|handle| handle.wait().expect("it runs")).sum();
    assert!(sum > 0);
    let metrics = once_there_are(&pool, 10_000);
    assert_eq!(metrics.tasks().iter().map(|task| task.run_time().count()).collect::<Vec<_>>(), [5_000, 5_000]);
}

#[test]
fn measured_waits_and_runs_match_their_durations() {
    let clock = MockClock::new();
    clock.run(|| {
        let pool = pool(1);
        for _ in 0..3 {
            pool.pause();
            let sleeper = Work::on(&pool).sleep(10 * SECOND).submit();
            clock.advance(MINUTE);
            pool.resume();
            while !clock.advance_to_next() {
                thread::yield_now();
            }
            sleeper.wait().expect("it runs");
        }
        let metrics = once_there_are(&pool, 3);
        let (wait, run) = (metrics.wait_time(), metrics.run_time());
        let near = |what: Duration, of: Duration| what.abs_diff(of) <= of / 50;
        assert!(near(wait.min(), MINUTE) && near(wait.percentile(50.0), MINUTE), "{wait}");
        assert!(near(run.min(), 10 * SECOND), "{run}");
        assert!(run.min() <= run.mean() && run.mean() <= run.max());
    });
}

#[test]
fn async_task_is_busy_only_while_it_is_polled() {
    let pool = pool(1);
    Work::on(&pool).doze(200 * MILLISECOND).wait().expect("it runs");
    let metrics = once_there_are(&pool, 1);
    assert!(metrics.run_time().max() >= 198 * MILLISECOND, "{}", metrics.run_time());
    assert!(metrics.busy() < 100 * MILLISECOND, "{:?}", metrics.busy());
    assert!(metrics.utilization() < 0.5);
}

#[test]
fn pool_that_always_runs_calls_is_fully_used() {
    let pool = pool(1);
    pool.reset_metrics();
    let (done, until) = channel::<()>();
    let held = Work::on(&pool).hold(until).submit();
    while pool.info().active == 0 {
        thread::yield_now();
    }
    let before = std::time::Instant::now();
    while before.elapsed() < 50 * MILLISECOND {
        thread::yield_now();
    }
    drop(done);
    held.wait().expect("it runs");
    let metrics = once_there_are(&pool, 1);
    assert!(metrics.utilization() > 0.5 && metrics.utilization() <= 1.0, "{}", metrics.utilization());
    assert!(metrics.busy() >= 50 * MILLISECOND && metrics.span() >= metrics.busy());
}

#[test]
fn calls_of_shares_and_limited_tasks_count_as_use() {
    let clock = MockClock::new();
    clock.run(|| {
        let pool = pool(1);
        let (of_share, first) = channel();
        let (of_kind, second) = channel();
        let share = Work::calls(pool.share("tenant").build().unwrap());
        let jobs = [share.hold(first).submit(), Work::on(&pool).hold_one_at_a_time(second).submit()];
        for (before, (job, held)) in (0..).zip(jobs.into_iter().zip([of_share, of_kind])) {
            while pool.info().completed < before || pool.info().active == 0 {
                thread::yield_now();
            }
            clock.advance(25 * MILLISECOND);
            drop::<Sender<()>>(held);
            job.wait().expect("it runs");
        }
        let metrics = once_there_are(&pool, 2);
        assert!(metrics.busy() >= 50 * MILLISECOND, "{:?}", metrics.busy());
        assert!(metrics.utilization() > 0.0 && metrics.utilization() <= 1.0, "{}", metrics.utilization());
    });
}

#[test]
fn panicked_tasks_are_measured_and_unstarted_calls_are_not() {
    let pool = pool(1);
    assert!(Work::on(&pool).fail().wait().is_err());
    pool.pause();
    let cancelled = Work::on(&pool).add(4, 5).submit();
    cancelled.cancel();
    pool.resume();
    let metrics = once_there_are(&pool, 1);
    let add = metrics.task("add").expect("it was called");
    assert_eq!((metrics.run_time().count(), add.run_time().count()), (1, 0));
    assert_eq!(add.outcomes().collect::<Vec<_>>(), [("ok", 0), ("cancelled", 1)]);
}

#[test]
fn children_that_their_parent_runs_are_measured() {
    let pool = pool(1);
    let sum = Work::on(&pool).sum_of_children(pool.clone(), 100).wait().expect("it runs").expect("they run");
    assert_eq!(sum, (0..100).map(|n| n + 1).sum());
    let metrics = once_there_are(&pool, 101);
    assert_eq!(metrics.task("add").map(|add| add.run_time().count()), Some(100));
}

#[test]
fn reset_starts_a_new_measurement() {
    let pool = pool(1);
    Work::on(&pool).add(4, 5).wait().expect("it runs");
    once_there_are(&pool, 1);
    pool.reset_metrics();
    assert_eq!(measured(&pool).run_time().count(), 0);
}

#[test]
fn service_measures_its_calls() {
    let service = Work::service().metrics(true).launch().wait().expect("sound");
    let handles: Vec<_> = (0..5_000).map(|n| service.add(n, 1).submit()).collect();
    let sum: u64 = handles.into_iter().map(|handle| handle.wait().expect("it runs")).sum();
    assert!(sum > 0);
    service.doze(MILLISECOND).wait().expect("it runs");
    let metrics = loop {
        let metrics = service.control().metrics().expect("it was asked to measure");
        if metrics.run_time().count() > 5_000 {
            break metrics;
        }
        thread::yield_now();
    };
    assert_eq!(metrics.task("add").map(|add| add.run_time().count()), Some(5_000));
    assert!(metrics.task("doze").is_some_and(|doze| doze.run_time().min() >= MILLISECOND * 99 / 100));
}

#[test]
fn figures_of_several_executors_add_up() {
    let (one, other) = (pool(1), pool(2));
    Work::on(&one).add(4, 5).wait().expect("it runs");
    Work::on(&other).double(4).wait().expect("it runs");
    let mut both = once_there_are(&one, 1);
    both.merge(&once_there_are(&other, 1));
    assert_eq!((both.run_time().count(), both.tasks().len()), (2, 2));
}
