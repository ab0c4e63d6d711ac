//! Tests of handles and calls: cancellation, time-outs, progress, and drops.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

mod common;

use common::{Any, AnyCalls, LONG, gate};
use nanolith::{
    CallError, Pool, Wait,
    pool::Concurrency,
    task::{ThreadKind, current},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    task::{Context, Waker},
    time::{Duration, Instant},
};

fn pool() -> Pool {
    Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("sound")
}

fn calls(pool: &Pool) -> AnyCalls<Pool> {
    Any::on(pool.clone())
}

#[test]
fn call_does_nothing_until_it_is_started() {
    let pool = pool();
    let ran = Arc::new(AtomicBool::new(false));
    let ran_too = ran.clone();
    drop(calls(&pool).run(move || {
        ran_too.store(true, Ordering::Relaxed);
        1
    }));
    calls(&pool).run(|| 1).wait().expect("it runs");
    assert!(!ran.load(Ordering::Relaxed));
}

#[test]
fn call_dropped_after_it_started_is_cancelled() {
    let pool = pool();
    pool.pause();
    let calls = calls(&pool);
    let mut call = Box::pin(calls.run(|| 1));
    assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(pool.info().queue_len, 1);
    drop(call);
    assert_eq!(pool.info().queue_len, 0);
}

#[test]
fn dropped_handle_detaches_or_cancels_as_configured() {
    let pool = pool();
    pool.pause();
    let calls = calls(&pool);
    let (tell, reports) = mpsc::channel();
    let other = tell.clone();
    drop(
        calls
            .run(move || {
                tell.send(1).expect("heard");
                1
            })
            .submit(),
    );
    drop(
        calls
            .run(move || {
                other.send(2).expect("heard");
                2
            })
            .submit()
            .cancel_on_drop(),
    );
    assert_eq!(pool.info().queue_len, 1);
    pool.resume();
    assert_eq!(reports.into_iter().collect::<Vec<_>>(), [1]);
}

#[test]
fn cancel_stops_a_running_task_and_frees_its_caller() {
    let pool = pool();
    let calls = calls(&pool);
    let (open, opened) = gate();
    let (began, begun) = mpsc::channel();
    let job = calls
        .run(move || {
            began.send(()).expect("heard");
            opened();
            1
        })
        .submit();
    begun.recv_timeout(LONG).expect("it runs");
    job.cancel();
    job.cancel();
    assert!(job.is_finished());
    assert!(matches!(job.wait(), Err(CallError::Cancelled(_))));
    assert_eq!(pool.info().active, 1, "it keeps its slot until it returns");
    open.send(()).expect("it waits");
    pool.drained().wait();
}

#[test]
fn cancelled_suspended_task_is_dropped() {
    let pool = pool();
    let calls = calls(&pool);
    let held = Arc::new(());
    let holds = held.clone();
    let job = calls
        .later(async move {
            std::future::pending::<()>().await;
            drop(holds);
            1
        })
        .submit();
    while pool.info().active > 0 || pool.info().queue_len > 0 {
        std::thread::yield_now();
    }
    job.cancel();
    pool.drained().wait();
    assert_eq!(Arc::strong_count(&held), 1);
    assert!(matches!(job.wait(), Err(CallError::Cancelled(_))));
}

#[test]
fn wait_timeout_gives_the_handle_back() {
    let pool = pool();
    let calls = calls(&pool);
    let (open, opened) = gate();
    let job = calls
        .run(move || {
            opened();
            1
        })
        .submit();
    let job = job.try_wait().expect_err("it is not over");
    let job = job.wait_timeout(Duration::from_millis(5)).expect_err("it is not over");
    let job = job.wait_deadline(Instant::now()).expect_err("it is not over");
    open.send(()).expect("it waits");
    assert_eq!(job.wait_timeout(Duration::MAX).expect("it ends").expect("it runs"), 1);
}

#[test]
fn earlier_of_time_out_and_deadline_applies() {
    let pool = pool();
    pool.pause();
    let calls = calls(&pool);
    let soon = Instant::now() + Duration::from_millis(5);
    assert!(matches!(calls.run(|| 1).timeout(LONG * 100).deadline(soon).wait(), Err(CallError::TimedOut(_))));
    let error = calls.run(|| 1).deadline(Instant::now()).wait().expect_err("it is too late");
    assert!(matches!(error, CallError::TimedOut(_)));
    assert_eq!(pool.info().queue_len, 0, "a queued call that timed out has left");
    pool.resume();
    assert_eq!(calls.run(|| 1).timeout(Duration::MAX).wait().expect("never is far away"), 1);
}

#[test]
fn timed_out_suspended_task_is_dropped() {
    let pool = pool();
    let calls = calls(&pool);
    let job = calls.later(std::future::pending()).timeout(Duration::from_millis(5));
    assert!(matches!(job.wait(), Err(CallError::TimedOut(_))));
    pool.drained().wait();
}

#[test]
fn handle_wakes_the_last_waker_that_polled_it() {
    let pool = pool();
    let calls = calls(&pool);
    let (open, opened) = gate();
    let mut job = Box::pin(
        calls
            .run(move || {
                opened();
                1
            })
            .submit(),
    );
    assert!(job.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert!(job.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    open.send(()).expect("it waits");
    assert_eq!(pollster::block_on(job).expect("it runs"), 1);
}

#[test]
fn current_returns_the_executor_and_the_task() {
    let pool = Pool::builder().name("here").build().expect("sound");
    assert_eq!(current().place(), &ThreadKind::Outside);
    let (tell, reports) = mpsc::channel();
    calls(&pool)
        .run(move || {
            tell.send(current()).expect("heard");
            1
        })
        .wait()
        .expect("it runs");
    let there = reports.recv().expect("it was sent");
    assert_eq!(there.place(), &ThreadKind::Pool("here".into()));
    assert_eq!(there.task().map(nanolith::task::TaskInfo::name), Some("run"));
}

#[test]
fn call_error_has_its_line_and_durations() {
    let pool = pool();
    let error = calls(&pool).run(|| panic!("no luck")).wait().expect_err("it panics");
    let line = line!() - 1;
    assert_eq!(error.trace().submitted().line(), line);
    let text = error.to_string();
    let begins =
        format!("`Any::run` panicked at {}:{line}: no luck; submitted at {}:{line}; waited ", file!(), file!());
    assert!(text.starts_with(&begins), "{text}");
    let CallError::Panicked(panic, _) = &error else { panic!("not {error}") };
    assert_eq!(panic.take_payload().expect("the first gets it").downcast_ref(), Some(&"no luck"));
}

#[test]
fn panic_in_a_suspended_task_ends_that_task_alone() {
    let pool = pool();
    let calls = calls(&pool);
    let job = calls.later(async {
        nanolith::time::sleep(Duration::from_millis(1)).await;
        panic!("late")
    });
    assert!(matches!(job.wait(), Err(CallError::Panicked(..))));
    pool.drained().wait();
    assert_eq!(calls.run(|| 1).wait().expect("the pool lives on"), 1);
}

#[test]
fn output_that_panics_in_drop_harms_no_other_call() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    let pool = pool();
    let calls = calls(&pool);
    pool.pause();
    let bomb = Bomb;
    let job = calls
        .run(move || {
            std::mem::forget(bomb);
            1
        })
        .submit();
    job.cancel(); // drops the arguments here
    drop(job);
    pool.resume();
    assert_eq!(calls.run(|| 1).wait().expect("the pool lives on"), 1);
}
