//! What changes while a pool runs: its threads, runs on all of them, limits for kinds of tasks.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test is read from its names

use nanolith::prelude::*;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    time::Duration,
};

/// Long enough for what must happen, on a machine that is busy.
const LONG: Duration = Duration::from_secs(20);

pub struct Tasks;

#[define]
impl Tasks {
    /// Tells that it has begun, and goes on when it may.
    pub fn hold(begun: Sender<()>, go: Receiver<()>) {
        let _ = begun.send(());
        let _ = go.recv_timeout(LONG);
    }

    pub fn double(x: i64) -> i64 {
        2 * x
    }
}

fn pool(min: usize, max: usize) -> nanolith::PoolBuilder {
    Pool::builder().min_concurrency(Concurrency::Exact(min)).concurrency(Concurrency::Exact(max))
}

/// So many tasks that run until they are let go.
fn busy(pool: &Pool, tasks: usize) -> (Vec<Sender<()>>, Vec<nanolith::Handle<Tasks, ()>>) {
    let (begun, told) = mpsc::channel();
    let held = (0..tasks)
        .map(|_| {
            let (go, may_go) = mpsc::channel();
            (go, Tasks::on(pool).hold(begun.clone(), may_go).submit())
        })
        .unzip();
    (0..tasks).for_each(|_| told.recv_timeout(LONG).expect("it begins"));
    held
}

/// Counts a pool's threads, and tells of each that ends.
fn counted(settings: nanolith::PoolBuilder) -> (Pool, Arc<AtomicUsize>, Receiver<()>) {
    let (tell, ended) = mpsc::channel();
    let started = Arc::new(AtomicUsize::new(0));
    let starts = started.clone();
    let pool = settings
        .on_thread_start(move || {
            starts.fetch_add(1, Ordering::Relaxed);
        })
        .on_thread_exit(move || {
            let _ = tell.send(());
        })
        .build()
        .expect("sound");
    (pool, started, ended)
}

// ----- threads come and go

#[test]
fn a_pool_starts_with_the_least_of_its_threads_and_grows_while_work_waits() {
    let (pool, started, _) = counted(pool(1, 4));
    assert_eq!(pool.threads(), 1);
    let (go, held) = busy(&pool, 4);
    assert_eq!((pool.threads(), pool.active(), pool.maxed()), (4, 4, true));
    assert_eq!(started.load(Ordering::Relaxed), 4);
    drop(go);
    held.into_iter().for_each(|job| job.wait().expect("it runs"));
}

#[test]
fn it_grows_no_further_than_its_concurrency() {
    let pool = pool(1, 2).build().expect("sound");
    let (go, held) = busy(&pool, 2);
    let waits = Tasks::on(&pool).double(4).submit();
    assert_eq!((pool.queue_len(), pool.threads()), (1, 2));
    drop(go);
    assert_eq!(waits.wait().expect("it runs"), 8);
    held.into_iter().for_each(|job| job.wait().expect("it runs"));
}

#[test]
fn threads_that_were_idle_for_so_long_go_and_the_least_stay() {
    let (pool, started, ended) = counted(pool(2, 4).idle_timeout(Duration::from_millis(20)));
    let (go, held) = busy(&pool, 4);
    drop(go);
    held.into_iter().for_each(|job| job.wait().expect("it runs"));
    (0..2).for_each(|_| ended.recv_timeout(LONG).expect("a thread goes"));
    assert_eq!(pool.threads(), 2);
    let (go, held) = busy(&pool, 4);
    assert_eq!((pool.threads(), started.load(Ordering::Relaxed)), (4, 6), "two were kept, and two come again");
    drop(go);
    held.into_iter().for_each(|job| job.wait().expect("it runs"));
}

#[test]
fn a_thread_goes_at_once_where_it_may_not_be_idle() {
    let (pool, _, ended) = counted(pool(1, 3).idle_timeout(Duration::ZERO));
    for _ in 0..20 {
        let (go, held) = busy(&pool, 3);
        drop(go);
        held.into_iter().for_each(|job| job.wait().expect("it runs"));
    }
    assert!(ended.recv_timeout(LONG).is_ok());
}

#[test]
fn the_concurrency_of_a_pool_that_grows_changes_while_it_runs() {
    let pool = pool(1, 2).max_spare_threads(0).build().expect("sound");
    pool.set_concurrency(Concurrency::Exact(4)).expect("sound");
    assert_eq!((pool.threads(), pool.max_concurrency()), (1, 4));
    let (go, held) = busy(&pool, 4);
    pool.set_concurrency(Concurrency::Exact(1)).expect("sound");
    drop(go);
    held.into_iter().for_each(|job| job.wait().expect("it runs"));
    let (go, held) = busy(&pool, 1);
    let waits = Tasks::on(&pool).double(4).submit();
    assert_eq!((pool.queue_len(), pool.active()), (1, 1));
    drop(go);
    assert_eq!(waits.wait().expect("it runs"), 8);
    held.into_iter().for_each(|job| job.wait().expect("it runs"));
}

#[test]
fn by_default_a_pool_has_all_its_threads() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(3)).build().expect("sound");
    assert_eq!(pool.threads(), 3);
    let (go, held) = busy(&pool, 3);
    assert_eq!((pool.threads(), pool.spare_threads()), (3, 0));
    drop(go);
    held.into_iter().for_each(|job| job.wait().expect("it runs"));
}

#[test]
fn a_least_number_that_cannot_be_is_named() {
    for (min, says) in [(0, "must be at least 1"), (3, "must be at most the concurrency")] {
        let error = pool(min, 2).build().expect_err("it cannot be");
        assert_eq!(
            (error.setting(), error.to_string()),
            (Some("min_concurrency"), format!("`min_concurrency` {says}"))
        );
    }
}
