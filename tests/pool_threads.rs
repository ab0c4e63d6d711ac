//! Tests of a pool's threads: their number grows and shrinks, and `broadcast` reaches each of them.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    pool::{BroadcastError, Concurrency, PoolBuilder},
    prelude::*,
};
use std::{
    cell::Cell,
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    time::Duration,
};

/// A limit for an event that must happen, on a machine that is busy.
const LONG: Duration = Duration::from_secs(20);

thread_local! {
    static SET_UP: Cell<i64> = const { Cell::new(0) };
}

pub struct Tasks;

#[define]
impl Tasks {
    /// Reports its start, and returns when it receives a message.
    pub fn hold(begun: Sender<()>, go: Receiver<()>) {
        let _ = begun.send(());
        let _ = go.recv_timeout(LONG);
    }

    pub fn double(x: i64) -> i64 {
        2 * x
    }

    /// Runs a closure on all threads before it ends, if it may.
    pub fn everywhere(pool: Pool) -> Result<usize, BroadcastError> {
        pool.broadcast(|| ()).wait().map(|all| all.len())
    }

    pub async fn everywhere_async(pool: Pool) -> Result<usize, BroadcastError> {
        pool.broadcast(|| ()).await.map(|all| all.len())
    }

    pub fn set_up() -> i64 {
        SET_UP.get()
    }
}

fn pool(min: usize, max: usize) -> PoolBuilder {
    Pool::builder().min_concurrency(Concurrency::Exact(min)).concurrency(Concurrency::Exact(max))
}

/// Submits `tasks` tasks that run until the test lets them end.
fn busy(pool: &Pool, tasks: usize) -> (Vec<Sender<()>>, Vec<Handle<Tasks, ()>>) {
    let (begun, reports) = mpsc::channel();
    let held = (0..tasks)
        .map(|_| {
            let (go, may_go) = mpsc::channel();
            (go, Tasks::on(pool).hold(begun.clone(), may_go).submit())
        })
        .unzip();
    (0..tasks).for_each(|_| reports.recv_timeout(LONG).expect("it begins"));
    held
}

/// Counts a pool's threads, and reports each that ends.
fn counted(settings: PoolBuilder) -> (Pool, Arc<AtomicUsize>, Receiver<()>) {
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
fn pool_starts_with_its_minimum_and_grows_with_its_queue() {
    let (pool, started, _) = counted(pool(1, 4));
    assert_eq!(pool.info().threads, 1);
    let (go, held) = busy(&pool, 4);
    assert_eq!((pool.info().threads, pool.info().active, pool.info().is_saturated), (4, 4, true));
    assert_eq!(started.load(Ordering::Relaxed), 4);
    drop(go);
    held.into_iter().for_each(|job| job.wait().expect("it runs"));
}

#[test]
fn growing_pool_stays_within_its_concurrency() {
    let pool = pool(1, 2).build().expect("sound");
    let (go, held) = busy(&pool, 2);
    let waits = Tasks::on(&pool).double(4).submit();
    assert_eq!((pool.info().queue_len, pool.info().threads), (1, 2));
    drop(go);
    assert_eq!(waits.wait().expect("it runs"), 8);
    held.into_iter().for_each(|job| job.wait().expect("it runs"));
}

#[test]
fn idle_threads_end_down_to_the_minimum() {
    let (pool, started, ended) = counted(pool(2, 4).idle_timeout(Duration::from_millis(20)));
    let (go, held) = busy(&pool, 4);
    drop(go);
    held.into_iter().for_each(|job| job.wait().expect("it runs"));
    (0..2).for_each(|_| ended.recv_timeout(LONG).expect("a thread goes"));
    assert_eq!(pool.info().threads, 2);
    let (go, held) = busy(&pool, 4);
    assert_eq!((pool.info().threads, started.load(Ordering::Relaxed)), (4, 6), "two were kept, and two come again");
    drop(go);
    held.into_iter().for_each(|job| job.wait().expect("it runs"));
}

#[test]
fn thread_ends_at_once_with_an_idle_time_out_of_zero() {
    let (pool, _, ended) = counted(pool(1, 3).idle_timeout(Duration::ZERO));
    for _ in 0..20 {
        let (go, held) = busy(&pool, 3);
        drop(go);
        held.into_iter().for_each(|job| job.wait().expect("it runs"));
    }
    assert!(ended.recv_timeout(LONG).is_ok());
}

#[test]
fn concurrency_of_a_growing_pool_changes_while_it_runs() {
    let pool = pool(1, 2).max_spare_threads(0).build().expect("sound");
    pool.set_concurrency(Concurrency::Exact(4)).expect("sound");
    assert_eq!((pool.info().threads, pool.max_concurrency()), (1, 4));
    let (go, held) = busy(&pool, 4);
    pool.set_concurrency(Concurrency::Exact(1)).expect("sound");
    drop(go);
    held.into_iter().for_each(|job| job.wait().expect("it runs"));
    let (go, held) = busy(&pool, 1);
    let waits = Tasks::on(&pool).double(4).submit();
    assert_eq!((pool.info().queue_len, pool.info().active), (1, 1));
    drop(go);
    assert_eq!(waits.wait().expect("it runs"), 8);
    held.into_iter().for_each(|job| job.wait().expect("it runs"));
}

#[test]
fn default_pool_starts_all_its_threads() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(3)).build().expect("sound");
    assert_eq!(pool.info().threads, 3);
    let (go, held) = busy(&pool, 3);
    assert_eq!((pool.info().threads, pool.info().spare_threads), (3, 0));
    drop(go);
    held.into_iter().for_each(|job| job.wait().expect("it runs"));
}

#[test]
fn build_error_names_an_impossible_minimum() {
    for (min, says) in [(0, "must be at least 1"), (3, "must be at most the concurrency")] {
        let error = pool(min, 2).build().expect_err("it cannot be");
        assert_eq!(
            (error.setting(), error.to_string()),
            (Some("min_concurrency"), format!("`min_concurrency` {says}"))
        );
    }
}

// ----- a run on all threads

fn who_am_i() -> std::thread::ThreadId {
    std::thread::current().id()
}

#[test]
fn broadcast_runs_once_on_each_thread() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(4)).build().expect("sound");
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let all = pool.broadcast(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        SET_UP.set(7);
        who_am_i()
    });
    let threads: HashSet<_> = all.wait().expect("no task blocks a thread").into_iter().map(Result::unwrap).collect();
    assert_eq!((threads.len(), runs.load(Ordering::Relaxed)), (4, 4));
    assert!((0..100).all(|_| Tasks::on(&pool).set_up().wait().expect("it runs") == 7));
}

#[test]
fn broadcast_reaches_the_only_thread_of_a_paused_pool() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("sound");
    pool.pause();
    let waits = Tasks::on(&pool).set_up().submit();
    assert_eq!(pool.broadcast(|| SET_UP.set(7)).wait().expect("no task blocks a thread").len(), 1);
    assert!(!waits.is_finished());
    pool.resume();
    assert_eq!(waits.wait().expect("it runs"), 7);
}

#[test]
fn broadcast_reaches_a_busy_thread_between_two_tasks() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(2)).build().expect("sound");
    let (mut go, held) = busy(&pool, 2);
    let after: Vec<_> = (0..100).map(|_| Tasks::on(&pool).set_up().submit()).collect();
    let all = pool.broadcast(|| SET_UP.set(7));
    assert_eq!(format!("{all:?}"), "Broadcast { left: 2, .. }");
    go.clear();
    assert_eq!(all.wait().expect("no task blocks a thread").len(), 2);
    held.into_iter().for_each(|job| job.wait().expect("it runs"));
    assert!(after.into_iter().all(|job| job.wait().expect("it runs") == 7), "it comes before what waited");
}

#[test]
fn broadcast_ends_under_a_steady_load_of_short_calls() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(2)).build().expect("sound");
    let stop = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..2)
        .map(|_| {
            let (pool, stop) = (pool.clone(), stop.clone());
            std::thread::spawn(move || {
                while stop.load(Ordering::Relaxed) == 0 {
                    let jobs: Vec<_> = (0..64).map(|x| Tasks::on(&pool).double(x).submit()).collect();
                    assert!(jobs.into_iter().all(|job| job.wait().is_ok()));
                }
            })
        })
        .collect();
    for _ in 0..50 {
        assert_eq!(pool.broadcast(who_am_i).wait().expect("no task blocks a thread").len(), 2);
    }
    stop.store(1, Ordering::Relaxed);
    callers.into_iter().for_each(|caller| caller.join().expect("every call ends"));
}

#[test]
fn broadcast_reaches_threads_that_the_pool_added() {
    let pool = pool(1, 3).build().expect("sound");
    let (go, held) = busy(&pool, 3);
    drop(go);
    held.into_iter().for_each(|job| job.wait().expect("it runs"));
    let threads: HashSet<_> =
        pool.broadcast(who_am_i).wait().expect("no task blocks a thread").into_iter().map(Result::unwrap).collect();
    assert_eq!(threads.len(), 3);
}

#[test]
fn panic_on_one_thread_fails_the_result_of_that_thread() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(3)).build().expect("sound");
    let runs = AtomicUsize::new(0);
    let all = pool.broadcast(move || assert_ne!(runs.fetch_add(1, Ordering::Relaxed), 1, "the second fails"));
    let results = all.wait().expect("no task blocks a thread");
    let panics: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    assert!(panics.len() == 1 && panics[0].message().contains("the second fails"), "{panics:?}");
    assert_eq!(Tasks::on(&pool).double(4).wait().expect("the threads live on"), 8);
}

#[test]
fn broadcast_fails_if_its_own_thread_blocks_on_it() {
    for threads in [1, 2] {
        let pool = Pool::builder().concurrency(Concurrency::Exact(threads)).build().expect("sound");
        let tasks = Tasks::on(&pool);
        assert_eq!(tasks.everywhere(pool.clone()).wait().expect("it runs"), Err(BroadcastError::WouldDeadlock));
        assert_eq!(tasks.everywhere_async(pool.clone()).wait().expect("it runs"), Ok(threads));
        let other = Pool::builder().build().expect("sound");
        assert_eq!(Tasks::on(&other).everywhere(pool.clone()).wait().expect("it runs"), Ok(threads));
    }
}

#[test]
fn broadcast_continues_without_a_waiter_and_without_a_pool() {
    let (tell, reports) = mpsc::channel();
    let pool = Pool::builder().concurrency(Concurrency::Exact(3)).build().expect("sound");
    drop(pool.broadcast(move || tell.send(who_am_i())));
    drop(pool);
    assert_eq!(reports.iter().collect::<HashSet<_>>().len(), 3);
}
