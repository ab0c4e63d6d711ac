//! Tests of a system without more threads: the caller that needs a thread gets an error. Nothing
//! crashes, hangs or aborts.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    Cluster, Local,
    pipeline::Pipeline,
    pool::Concurrency,
    prelude::*,
    service::LaunchError,
    time::{MILLISECOND, MINUTE, sleep, timeout},
};
use std::{env, error::Error, fs, process::Command, sync::Arc, thread};

pub struct Geometry;

#[define]
impl Geometry {
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    pub async fn in_two_turns(x: i64) -> i64 {
        nanolith::task::yield_now().await;
        x
    }

    pub async fn after_sleep(x: i64) -> i64 {
        sleep(MILLISECOND).await;
        x
    }

    pub fn waits(calls: Arc<GeometryCalls<Pool>>, x: i64) -> Result<i64, CallError> {
        calls.in_two_turns(x).wait()
    }

    pub fn waits_for_sleeper(calls: Arc<GeometryCalls<Pool>>, x: i64) -> Result<i64, CallError> {
        calls.after_sleep(x).wait()
    }
}

/// Runs `test` of this name in a process of its own, since it takes all threads of the process.
fn alone(name: &str, test: impl FnOnce()) {
    const ALONE: &str = "NANOLITH_TEST_ALONE";
    if env::var_os(ALONE).is_some() {
        return test();
    }
    let tests = env::current_exe().expect("the tests");
    let output = Command::new(tests).args([name, "--exact", "--nocapture"]).env(ALONE, "1").output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "no test is called `{name}`");
}

/// Leaves 1 MiB of address space: enough for the heap, too little for a stack.
fn take_threads() {
    let pages = fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: u64 = pages.split(' ').next().and_then(|pages| pages.parse().ok()).expect("a number of pages");
    let limit = format!("--as={}", pages * 4_096 + (1 << 20));
    let set = Command::new("prlimit").args(["--pid", &std::process::id().to_string(), &limit]).status();
    assert!(set.expect("util-linux").success());
    assert!(thread::Builder::new().spawn(|| {}).is_err());
}

fn pool(tasks: usize) -> Pool {
    Pool::builder().concurrency(Concurrency::Exact(tasks)).build().expect("a pool")
}

#[test]
fn short_calls_run_without_new_threads() {
    alone("short_calls_run_without_new_threads", || {
        let pool = pool(2);
        let service = Geometry::service().launch().wait().expect("a service");
        take_threads();
        let geometry = Geometry::on(&pool);
        for n in 0..300 {
            let jobs: Vec<_> = (0..100).map(|m| geometry.add(n, m).submit()).collect();
            jobs.into_iter().for_each(|job| assert!(job.wait().is_ok()));
        }
        assert!((0..20_000).all(|n| service.add(n, 1).wait().is_ok()));
    });
}

#[test]
fn task_that_needs_a_thread_would_deadlock() {
    alone("task_that_needs_a_thread_would_deadlock", || {
        let pool = pool(1);
        let geometry = Arc::new(Geometry::on(&pool));
        take_threads();
        for _ in 0..100 {
            // A future that yields, and is next, goes on at once on the thread of the wait.
            let waited = geometry.waits(geometry.clone(), 1).wait().expect("the task itself ends");
            assert!(matches!(waited, Ok(1)), "{waited:?}");
            let waited = geometry.waits_for_sleeper(geometry.clone(), 1).wait().expect("the task itself ends");
            assert!(matches!(waited, Err(CallError::WouldDeadlock(_))), "{waited:?}");
        }
        assert_eq!(geometry.add(4, 5).wait().ok(), Some(9), "the pool goes on");
    });
}

#[test]
fn executors_that_cannot_start_give_errors() {
    alone("executors_that_cannot_start_give_errors", || {
        let (pool, cluster) = (pool(1), Cluster::launch(1, Geometry::service).wait().expect("a cluster"));
        take_threads();
        let error = Pool::builder().build().expect_err("no threads");
        assert!(error.setting().is_none() && error.source().is_some(), "{error}");
        let launched = Geometry::service().launch().wait();
        assert!(matches!(launched, Err(LaunchError::Build(_))));
        assert!(cluster.control().add().wait().is_err());
        assert!(Cluster::launch(2, Geometry::service).wait().is_err());
        assert!(pool.set_concurrency(Concurrency::Exact(3)).is_err());
        assert_eq!(pool.max_concurrency(), 1, "it is as it was");
        assert!(Pipeline::from_iter(0..10_i64).map(&pool, |n| n + 1).ordered().collect().wait().is_err());
        assert_eq!(Geometry::on(&pool).add(4, 5).wait().ok(), Some(9));
        assert_eq!(cluster.add(4, 5).wait().ok(), Some(9));
    });
}

#[test]
fn global_pool_that_cannot_start_gives_errors() {
    alone("global_pool_that_cannot_start_gives_errors", || {
        take_threads();
        assert!(nanolith::pool::GlobalPool.get().is_err());
        assert!(Geometry::tasks().add(4, 5).wait().is_err());
        assert!(Local::builder().build().is_err());
    });
}

#[test]
fn time_passes_without_timer_thread() {
    alone("time_passes_without_timer_thread", || {
        take_threads();
        sleep(MILLISECOND).wait();
        pollster::block_on(sleep(MILLISECOND));
        assert!(pollster::block_on(timeout(MILLISECOND, std::future::pending::<()>())).is_err());
        let local = Local::new();
        assert_eq!(Geometry::on(&local).after_sleep(4).wait().ok(), Some(4));
        assert!(Geometry::on(&local).after_sleep(4).timeout(MINUTE).wait().is_ok());
    });
}
