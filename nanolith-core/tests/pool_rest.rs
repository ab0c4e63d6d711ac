//! Tests of a pool whose last worker sleeps: whatever comes next finds a thread.
#![allow(missing_docs)] // a test's name documents it

mod common;

use common::{Any, AnyCalls, LONG, gate};
use nanolith::{
    CallError, Pool, Priority, Wait,
    pool::{Concurrency, PoolBuilder},
};
use rayon::prelude::*;
use std::{
    collections::HashSet,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// Long enough for the worker to be asleep. No event shows that a thread sleeps. If it does not, on a
/// busy machine, the tests hold too.
const ASLEEP: Duration = Duration::from_millis(10);

/// A rest between many rounds, in most of which the worker falls asleep.
const REST: Duration = Duration::from_millis(1);

/// Returns a pool that has run a call and sleeps since.
fn resting(builder: PoolBuilder, threads: usize) -> (Pool, AnyCalls<Pool>) {
    let pool = builder.concurrency(Concurrency::Exact(threads)).build().expect("sound");
    let calls = Any::on(pool.clone());
    assert_eq!(calls.run(|| 1).wait().expect("it runs"), 1);
    thread::sleep(ASLEEP);
    (pool, calls)
}

/// Returns whether this number of tasks, each of which waits for all, run at the same time.
fn meet(calls: &AnyCalls<Pool>, number: usize) -> bool {
    let all = Arc::new(Barrier::new(number));
    let task = |_| {
        let all = all.clone();
        let meets = move || {
            all.wait();
            1
        };
        calls.run(meets).submit()
    };
    let jobs: Vec<_> = (0..number).map(task).collect();
    jobs.into_iter().all(|job| job.wait_timeout(LONG).is_ok_and(|ended| ended.is_ok()))
}

#[test]
fn calls_from_two_threads_find_a_worker_after_each_rest() {
    for threads in 1..=2 {
        let (_pool, calls) = resting(Pool::builder(), threads);
        thread::scope(|scope| {
            for caller in 0..2_u64 {
                let calls = &calls;
                scope.spawn(move || {
                    for n in 0..600_u64 {
                        thread::sleep(Duration::from_micros((n * 7 + caller * 3) % 90));
                        let priority = if n % 3 == 0 { Priority::Immediate } else { Priority::Normal };
                        assert_eq!(calls.run(|| 7).priority(priority).wait().expect("it runs"), 7);
                        assert_eq!(calls.later(async { 8 }).wait().expect("it runs"), 8);
                    }
                });
            }
        });
    }
}

#[test]
fn bursts_of_short_calls_after_a_rest_all_run() {
    for threads in 1..=2 {
        let (_pool, calls) = resting(Pool::builder(), threads);
        for size in (1..60).chain([200, 5_000, 200, 1]) {
            let jobs: Vec<_> = (0..size).map(|n| calls.run(move || n).submit()).collect();
            assert_eq!(jobs.into_iter().map(|job| job.wait().expect("it runs")).sum::<i64>(), size * (size - 1) / 2);
            thread::sleep(Duration::from_micros(400));
        }
    }
}

#[test]
fn waits_for_an_empty_pool_end_during_a_rest() {
    let (pool, calls) = resting(Pool::builder(), 2);
    for _ in 0..30 {
        let jobs: Vec<_> = (0..200).map(|n| calls.run(move || n).submit()).collect();
        assert!(jobs.into_iter().all(|job| job.wait().is_ok()));
        thread::sleep(REST);
        assert!(pool.drained().wait_timeout(LONG).is_ok());
        let info = pool.info();
        assert_eq!((info.in_flight, info.active, info.idle, info.queue_len), (0, 0, 2, 0));
    }
}

#[test]
fn short_task_behind_a_long_one_runs_on_another_thread() {
    let (_pool, calls) = resting(Pool::builder(), 2);
    for _ in 0..20 {
        let jobs: Vec<_> = (0..200).map(|n| calls.run(move || n).submit()).collect();
        assert!(jobs.into_iter().all(|job| job.wait().is_ok()));
        thread::sleep(REST);
        let (open, wait) = gate();
        let held = calls.run(move || {
            wait();
            1
        });
        let held = held.submit();
        let more: Vec<_> = (0..20).map(|n| calls.run(move || n).submit()).collect();
        assert!(more.into_iter().all(|job| job.wait_timeout(LONG).is_ok()));
        open.send(()).expect("it waits");
        assert_eq!(held.wait().expect("it runs"), 1);
    }
}

#[test]
fn burst_after_a_rest_uses_every_thread() {
    let (_pool, calls) = resting(Pool::builder(), 3);
    for _ in 0..20 {
        assert!(meet(&calls, 3), "the three meet");
        thread::sleep(ASLEEP);
    }
}

#[test]
fn par_iter_after_a_rest_uses_every_thread() {
    let (_pool, calls) = resting(Pool::builder(), 2);
    let task = || {
        let all = Barrier::new(2);
        let ids: HashSet<_> = (0..2).into_par_iter().with_max_len(1).map(|_| id_of_one_that_meets(&all)).collect();
        ids.len() as i64
    };
    assert_eq!(calls.run(task).wait().expect("it runs"), 2);
}

fn id_of_one_that_meets(all: &Barrier) -> thread::ThreadId {
    all.wait();
    thread::current().id()
}

#[test]
fn task_that_waits_after_a_rest_finds_another_thread() {
    let other = Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("sound");
    for threads in 1..=2 {
        let (pool, calls) = resting(Pool::builder(), threads);
        for _ in 0..50 {
            let (inner, other) = (Any::on(pool.clone()), Any::on(other.clone()));
            let outer = calls.run(move || {
                let back = other.run(move || inner.run(|| 1).wait().expect("it runs"));
                back.wait().expect("it runs") + 1
            });
            assert_eq!(outer.wait().expect("it runs"), 2);
            thread::sleep(REST);
        }
    }
}

#[test]
fn broadcast_reaches_each_thread_of_a_resting_pool() {
    let (pool, _) = resting(Pool::builder(), 2);
    for _ in 0..20 {
        let results = pool.broadcast(|| thread::current().id()).wait().expect("it is open");
        let threads: HashSet<_> = results.into_iter().map(|id| id.expect("it does not panic")).collect();
        assert_eq!(threads.len(), 2);
        thread::sleep(REST);
    }
}

#[test]
fn resting_pool_takes_a_new_size() {
    let (pool, calls) = resting(Pool::builder(), 1);
    for threads in [2, 1, 4, 3, 1] {
        pool.set_concurrency(Concurrency::Exact(threads)).expect("threads start");
        assert!(meet(&calls, threads), "{threads} threads meet");
        thread::sleep(ASLEEP);
    }
}

#[test]
fn resting_pool_pauses_and_resumes() {
    let (pool, calls) = resting(Pool::builder(), 1);
    for _ in 0..20 {
        pool.pause();
        let held = calls.run(|| 5).submit();
        thread::sleep(REST);
        assert!(!held.is_finished());
        pool.resume();
        assert_eq!(held.wait().expect("it runs"), 5);
        thread::sleep(REST);
    }
}

#[test]
fn threads_of_a_resting_pool_end_with_it() {
    for drops in [true, false] {
        let ended = Arc::new(AtomicUsize::new(0));
        let count = ended.clone();
        let builder = Pool::builder().on_thread_exit(move || {
            count.fetch_add(1, Ordering::SeqCst);
        });
        let (pool, calls) = resting(builder, 2);
        let closed = pool.closed();
        if drops {
            drop((pool, calls));
        } else {
            pool.close();
            assert!(matches!(calls.run(|| 1).wait(), Err(CallError::Closed(_))));
        }
        closed.wait();
        assert_eq!(ended.load(Ordering::SeqCst), 2);
    }
}
