//! Tests of the basics of a pool, over a hand-written set: outputs, threads, order, nested waits,
//! panics, cancellation and time-outs.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

mod common;

use common::{Any, gate};
use nanolith::{CallError, Pool, Priority, Wait, executor::OnFull, pool::Concurrency};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

fn pool(concurrency: usize) -> Pool {
    Pool::builder().concurrency(Concurrency::Exact(concurrency)).build().expect("the settings are sound")
}

#[test]
fn call_returns_the_output_of_its_task() {
    let pool = pool(2);
    let calls = Any::on(pool);
    assert_eq!(calls.run(|| 4 + 5).wait().expect("it runs"), 9);
    assert_eq!(pollster::block_on(calls.run(|| 4 + 5).into_future()).expect("it runs"), 9);
}

#[test]
fn task_runs_on_a_thread_of_the_pool() {
    let pool = pool(1);
    let calls = Any::on(pool);
    let here = thread::current().id();
    assert_eq!(calls.run(move || i64::from(thread::current().id() != here)).wait().expect("it runs"), 1);
}

#[test]
fn every_call_from_many_threads_ends_once() {
    let pool = pool(4);
    let calls = Any::on(pool.clone());
    let ran = Arc::new(AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let jobs: Vec<_> = (0..5_000)
                    .map(|n| {
                        let ran = ran.clone();
                        calls
                            .run(move || {
                                ran.fetch_add(1, Ordering::Relaxed);
                                n
                            })
                            .submit()
                    })
                    .collect();
                for (n, job) in jobs.into_iter().enumerate() {
                    assert_eq!(job.wait().expect("it runs"), n as i64);
                }
            });
        }
    });
    pool.drained().wait();
    let info = pool.info();
    assert_eq!((ran.load(Ordering::Relaxed), info.completed, info.in_flight), (20_000, 20_000, 0));
}

#[test]
fn calls_of_one_priority_run_first_in_first_out() {
    let pool = pool(1);
    let calls = Any::on(pool.clone());
    pool.pause();
    let order = Arc::new(Mutex::new(Vec::new()));
    for n in 0..100 {
        let order = order.clone();
        calls
            .run(move || {
                order.lock().expect("sound").push(n);
                n
            })
            .submit()
            .detach();
    }
    pool.resume();
    pool.drained().wait();
    assert_eq!(*order.lock().expect("sound"), (0..100).collect::<Vec<_>>());
}

#[test]
fn nested_wait_ends_at_concurrency_one() {
    let calls = Arc::new(Any::on(pool(1)));
    fn nest(calls: &Arc<common::AnyCalls<Pool>>, depth: i64) -> i64 {
        if depth == 0 {
            return 0;
        }
        let inner = calls.clone();
        1 + calls.run(move || nest(&inner, depth - 1)).wait().expect("it runs")
    }
    assert_eq!(nest(&calls, 1_000), 1_000);
}

#[test]
fn panic_ends_its_own_task_alone() {
    let calls = Any::on(pool(1));
    let error = calls.run(|| panic!("no luck")).wait().expect_err("it panics");
    let CallError::Panicked(panic, at) = &error else { panic!("not {error}") };
    assert_eq!((panic.message(), at.task().name()), ("no luck", "run"));
    println!("{error}");
    assert_eq!(calls.run(|| 1).wait().expect("the pool lives on"), 1);
}

#[test]
fn cancelled_queued_call_frees_its_place() {
    let pool =
        Pool::builder().concurrency(Concurrency::Exact(1)).max_queue(1).on_full(OnFull::Reject).build().expect("sound");
    let calls = Any::on(pool.clone());
    pool.pause();
    let job = calls.run(|| 1).submit();
    assert!(calls.run(|| 2).try_submit().is_err());
    job.cancel();
    assert!(matches!(job.wait(), Err(CallError::Cancelled(_))));
    assert_eq!(pool.info().queue_len, 0);
    let other = calls.run(|| 3).try_submit().expect("there is room");
    pool.resume();
    assert_eq!(other.wait().expect("it runs"), 3);
}

#[test]
fn time_out_frees_the_caller() {
    let calls = Any::on(pool(1));
    let (open, wait) = gate();
    let job = calls
        .run(move || {
            wait();
            1
        })
        .timeout(Duration::from_millis(20))
        .submit();
    assert!(matches!(job.wait(), Err(CallError::TimedOut(_))));
    open.send(()).expect("it waits");
    assert_eq!(calls.run(|| 2).wait().expect("the slot is free again"), 2);
}

#[test]
fn pending_async_task_holds_no_slot() {
    let calls = Any::on(pool(1));
    let (send, receive) = channel();
    let pending = calls.later(receive).submit();
    assert_eq!(calls.run(|| 2).wait().expect("the slot is free"), 2);
    send(7);
    assert_eq!(pending.wait().expect("it runs"), 7);
}

/// Returns a value that arrives later, as a function that sends it and a future.
fn channel() -> (impl FnOnce(i64), impl Future<Output = i64> + Send) {
    let shared = Arc::new(Mutex::new((None::<i64>, None::<std::task::Waker>)));
    let other = shared.clone();
    let send = move |value| {
        let mut shared = shared.lock().expect("sound");
        shared.0 = Some(value);
        if let Some(waker) = shared.1.take() {
            waker.wake();
        }
    };
    let receive = std::future::poll_fn(move |cx| {
        let mut other = other.lock().expect("sound");
        match other.0.take() {
            Some(value) => std::task::Poll::Ready(value),
            None => {
                other.1 = Some(cx.waker().clone());
                std::task::Poll::Pending
            }
        }
    });
    (send, receive)
}

#[test]
fn more_urgent_call_runs_first() {
    let pool = pool(1);
    let calls = Any::on(pool.clone());
    pool.pause();
    let order = Arc::new(Mutex::new(Vec::new()));
    for (n, priority) in [(1, Priority::Idle), (2, Priority::Low), (3, Priority::Normal), (4, Priority::Immediate)] {
        let order = order.clone();
        calls
            .run(move || {
                order.lock().expect("sound").push(n);
                n
            })
            .priority(priority)
            .submit()
            .detach();
    }
    pool.resume();
    pool.drained().wait();
    assert_eq!(*order.lock().expect("sound"), [4, 3, 2, 1]);
}
