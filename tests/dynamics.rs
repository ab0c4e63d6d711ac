//! What changes while a pool runs: its threads, runs on all of them, limits for kinds of tasks.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test is read from its names

use nanolith::{RunOnAllError, prelude::*};
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

/// Long enough for what must happen, on a machine that is busy.
const LONG: Duration = Duration::from_secs(20);

thread_local! {
    static SET_UP: Cell<i64> = const { Cell::new(0) };
}

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

    /// Has been on all threads before it ends, if it may.
    pub fn everywhere(pool: Pool) -> Result<usize, RunOnAllError> {
        pool.run_on_all(|| ()).wait().map(|all| all.len())
    }

    pub async fn everywhere_async(pool: Pool) -> Result<usize, RunOnAllError> {
        pool.run_on_all(|| ()).await.map(|all| all.len())
    }

    pub fn set_up() -> i64 {
        SET_UP.get()
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

// ----- a run on all threads

fn who_am_i() -> std::thread::ThreadId {
    std::thread::current().id()
}

#[test]
fn a_run_on_all_threads_runs_once_on_each() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(4)).build().expect("sound");
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let all = pool.run_on_all(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        SET_UP.set(7);
        who_am_i()
    });
    let threads: HashSet<_> = all.wait().expect("nobody is in the way").into_iter().map(Result::unwrap).collect();
    assert_eq!((threads.len(), runs.load(Ordering::Relaxed)), (4, 4));
    assert!((0..100).all(|_| Tasks::on(&pool).set_up().wait().expect("it runs") == 7));
}

#[test]
fn it_reaches_the_one_thread_of_a_paused_pool() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("sound");
    pool.pause();
    let waits = Tasks::on(&pool).set_up().submit();
    assert_eq!(pool.run_on_all(|| SET_UP.set(7)).wait().expect("nobody is in the way").len(), 1);
    assert!(!waits.is_finished());
    pool.resume();
    assert_eq!(waits.wait().expect("it runs"), 7);
}

#[test]
fn a_busy_thread_comes_to_it_between_two_tasks() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(2)).build().expect("sound");
    let (mut go, held) = busy(&pool, 2);
    let after: Vec<_> = (0..100).map(|_| Tasks::on(&pool).set_up().submit()).collect();
    let all = pool.run_on_all(|| SET_UP.set(7));
    assert_eq!(format!("{all:?}"), "RunOnAll { left: 2, .. }");
    go.clear();
    assert_eq!(all.wait().expect("nobody is in the way").len(), 2);
    held.into_iter().for_each(|job| job.wait().expect("it runs"));
    assert!(after.into_iter().all(|job| job.wait().expect("it runs") == 7), "it comes before what waited");
}

#[test]
fn it_ends_though_the_pool_never_runs_out_of_short_calls() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(2)).build().expect("sound");
    let stop = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..2)
        .map(|_| {
            let (pool, stop) = (pool.clone(), stop.clone());
            std::thread::spawn(move || {
                while stop.load(Ordering::Relaxed) == 0 {
                    let jobs: Vec<_> = (0..64).map(|x| Tasks::on(&pool).double(x).submit()).collect();
                    jobs.into_iter().for_each(|job| drop(job.wait().expect("it runs")));
                }
            })
        })
        .collect();
    for _ in 0..50 {
        assert_eq!(pool.run_on_all(who_am_i).wait().expect("nobody is in the way").len(), 2);
    }
    stop.store(1, Ordering::Relaxed);
    callers.into_iter().for_each(|caller| caller.join().expect("every call ends"));
}

#[test]
fn it_reaches_threads_that_the_pool_grew_by() {
    let pool = pool(1, 3).build().expect("sound");
    let (go, held) = busy(&pool, 3);
    drop(go);
    held.into_iter().for_each(|job| job.wait().expect("it runs"));
    let threads: HashSet<_> =
        pool.run_on_all(who_am_i).wait().expect("nobody is in the way").into_iter().map(Result::unwrap).collect();
    assert_eq!(threads.len(), 3);
}

#[test]
fn a_panic_on_one_thread_is_its_result_alone() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(3)).build().expect("sound");
    let runs = AtomicUsize::new(0);
    let all = pool.run_on_all(move || assert_ne!(runs.fetch_add(1, Ordering::Relaxed), 1, "the second fails"));
    let results = all.wait().expect("nobody is in the way");
    let panics: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    assert!(panics.len() == 1 && panics[0].message().contains("the second fails"), "{panics:?}");
    assert_eq!(Tasks::on(&pool).double(4).wait().expect("the threads live on"), 8);
}

#[test]
fn a_task_that_waits_for_its_own_thread_is_told_so_and_one_that_awaits_it_is_not() {
    for threads in [1, 2] {
        let pool = Pool::builder().concurrency(Concurrency::Exact(threads)).build().expect("sound");
        let tasks = Tasks::on(&pool);
        assert_eq!(tasks.everywhere(pool.clone()).wait().expect("it runs"), Err(RunOnAllError::WouldDeadlock));
        assert_eq!(tasks.everywhere_async(pool.clone()).wait().expect("it runs"), Ok(threads));
        let other = Pool::builder().build().expect("sound");
        assert_eq!(Tasks::on(&other).everywhere(pool.clone()).wait().expect("it runs"), Ok(threads));
    }
}

#[test]
fn it_goes_on_though_nobody_waits_for_it_and_the_pool_is_dropped() {
    let (tell, told) = mpsc::channel();
    let pool = Pool::builder().concurrency(Concurrency::Exact(3)).build().expect("sound");
    drop(pool.run_on_all(move || tell.send(who_am_i())));
    drop(pool);
    assert_eq!(told.iter().collect::<HashSet<_>>().len(), 3);
}
