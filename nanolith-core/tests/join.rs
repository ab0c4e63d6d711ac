//! Tests of `join`, within tasks and outside of them.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

mod common;

use common::{Any, AnyCalls, gate};
use nanolith::{CallError, Pool, TaskSet, Wait, join, pool::Concurrency};
use std::{
    sync::{Arc, mpsc},
    thread,
};

fn pool(concurrency: usize) -> Pool {
    Pool::builder().concurrency(Concurrency::Exact(concurrency)).build().expect("the settings are sound")
}

fn calls(pool: &Pool) -> Arc<AnyCalls<Pool>> {
    Arc::new(Any::on(pool.clone()))
}

/// Runs `f` in a task of the pool, with the pool's calls.
fn within(pool: &Pool, f: impl FnOnce(&Arc<AnyCalls<Pool>>) -> i64 + Send + 'static) -> Result<i64, CallError> {
    let inner = calls(pool);
    calls(pool).run(move || f(&inner)).wait()
}

fn leaves(calls: &Arc<AnyCalls<Pool>>, depth: u32) -> i64 {
    if depth == 0 {
        return 1;
    }
    let [left, right] = [(); 2].map(|()| calls.clone());
    let half = |calls: Arc<AnyCalls<Pool>>| move || leaves(&calls, depth - 1);
    let (left, right) = join(calls.run(half(left)), calls.run(half(right)));
    left.expect("it runs") + right.expect("it runs")
}

#[test]
fn joined_tree_is_counted_at_any_concurrency() {
    for concurrency in [1, 2, 4] {
        let pool = pool(concurrency);
        for _ in 0..20 {
            assert_eq!(within(&pool, |calls| leaves(calls, 10)).expect("it runs"), 1_024);
        }
        pool.drained().wait();
        assert_eq!(pool.info().in_flight, 0);
        assert_eq!(pool.info().completed, 20 * (2_048 - 1));
    }
}

#[test]
fn join_of_one_worker_runs_both_calls_on_its_thread() {
    let pool = pool(1);
    let same = within(&pool, |calls| {
        let (sender, threads) = mpsc::channel();
        let note = || {
            let sender = sender.clone();
            move || {
                sender.send(thread::current().id()).expect("the test listens");
                0
            }
        };
        let (first, second) = join(calls.run(note()), calls.run(note()));
        assert_eq!((first.expect("it runs"), second.expect("it runs")), (0, 0));
        let ran: Vec<_> = threads.try_iter().collect();
        i64::from(ran == [thread::current().id(); 2])
    });
    assert_eq!(same.expect("it runs"), 1);
}

#[test]
fn second_call_of_join_runs_on_another_worker_meanwhile() {
    let pool = pool(2);
    let sum = within(&pool, |calls| {
        let (sender, receiver) = mpsc::channel();
        // The first call ends only after the second has begun.
        let first = calls.run(move || receiver.recv().expect("the second call runs"));
        let second = calls.run(move || {
            sender.send(1).expect("the first call listens");
            2
        });
        let (first, second) = join(first, second);
        first.expect("it runs") + second.expect("it runs")
    });
    assert_eq!(sum.expect("it runs"), 3);
}

#[test]
fn join_outside_of_a_pool_runs_both_calls_at_once() {
    let calls = calls(&pool(2));
    let (ask, question) = mpsc::channel();
    let (answer, answered) = mpsc::channel();
    let first = calls.run(move || {
        ask.send(1).expect("the second call listens");
        answered.recv().expect("the second call answers")
    });
    let second = calls.run(move || {
        let asked = question.recv().expect("the first call asks");
        answer.send(asked + 1).expect("the first call listens");
        asked
    });
    let (first, second) = join(first, second);
    assert_eq!((first.expect("it runs"), second.expect("it runs")), (2, 1));
}

#[test]
fn panic_of_one_joined_call_leaves_the_other() {
    let pool = pool(1);
    let sum = within(&pool, |calls| {
        let (first, second) = join(calls.run(|| panic!("the first")), calls.run(|| 2));
        assert!(matches!(first, Err(CallError::Panicked(..))));
        let (third, fourth) = join(calls.run(|| 3), calls.run(|| panic!("the fourth")));
        assert!(matches!(fourth, Err(CallError::Panicked(..))));
        second.expect("it runs") + third.expect("it runs")
    });
    assert_eq!(sum.expect("it runs"), 5);
}

#[test]
fn joined_calls_end_with_their_cancelled_task() {
    let pool = pool(1);
    let (outcomes, seen) = mpsc::channel();
    let (open, held) = gate();
    let (begin, begun) = mpsc::channel();
    let inner = calls(&pool);
    let outer = calls(&pool);
    let job = outer.run(move || {
        begin.send(()).expect("the test listens");
        held();
        let (first, second) = join(inner.run(|| 1), inner.run(|| 2));
        outcomes.send((first, second)).expect("the test listens");
        0
    });
    let job = job.submit();
    begun.recv().expect("the task begins");
    job.cancel();
    open.send(()).expect("the task waits");
    let (first, second) = seen.recv().expect("the task ends");
    assert!(matches!((first, second), (Err(CallError::Cancelled(_)), Err(CallError::Cancelled(_)))));
}

#[test]
fn joined_calls_of_a_full_pool_wait_for_room() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(1)).max_queue(1).build().expect("sound");
    let calls = calls(&pool);
    for n in 0..100 {
        let (first, second) = join(calls.run(move || n), calls.run(move || n + 1));
        assert_eq!((first.expect("it runs"), second.expect("it runs")), (n, n + 1));
    }
}

#[test]
fn join_in_a_task_reaches_another_executor() {
    let (here, there) = (pool(1), calls(&pool(1)));
    let sum = within(&here, move |calls| {
        let (first, second) = join(calls.run(|| 1), there.run(|| 2));
        let (third, fourth) = join(there.run(|| 3), calls.run(|| 4));
        [first, second, third, fourth].into_iter().map(|each| each.expect("it runs")).sum()
    });
    assert_eq!(sum.expect("it runs"), 10);
}

#[test]
fn join_of_a_service_with_itself_would_deadlock() {
    let service = Any::service(0).launch().wait().expect("it starts");
    let inner = Any::calls(service.executor().clone());
    let outcome = service.change_with(0, move |state| {
        let (first, second) = join(inner.look(), inner.look());
        let refused = |outcome| matches!(outcome, Err(CallError::WouldDeadlock(_)));
        *state = i64::from(refused(first)) + i64::from(refused(second));
    });
    assert_eq!(outcome.wait().expect("it runs"), 2);
}
