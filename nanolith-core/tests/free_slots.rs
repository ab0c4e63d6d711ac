//! Tests that a free slot counts as capacity. A slot is the place of one running task; a queue's
//! bound counts the calls that wait beyond the free slots.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

mod common;

use common::{Any, AnyCalls, gate};
use nanolith::{CallError, Executor, Handle, Pool, TaskSet, Wait, executor::OnFull, pool::Concurrency};
use std::{sync::mpsc::Sender, thread};

/// Returns a pool of two slots, in which one call may wait beyond them.
fn pool() -> Pool {
    let builder = Pool::builder().concurrency(Concurrency::Exact(2)).max_queue(1);
    builder.on_full(OnFull::Reject).build().expect("the settings are sound")
}

/// Submits `count` calls at once, and returns how many were refused.
fn refused_of<E: Executor<Any>>(calls: &AnyCalls<E>, count: usize) -> usize {
    let jobs: Vec<_> = (0..count).map(|_| calls.run(|| 1).submit()).collect();
    jobs.into_iter().map(|job| usize::from(job.wait().is_err())).sum()
}

/// Submits a call that holds its slot until the sender is dropped.
fn hold<E: Executor<Any>>(calls: &AnyCalls<E>) -> (Sender<()>, Handle<Any, i64>) {
    let (open, opened) = gate();
    let call = calls.run(move || {
        opened();
        0
    });
    (open, call.submit())
}

#[test]
fn idle_pool_takes_calls_for_its_slots_and_its_bound() {
    let pool = pool();
    let calls = Any::on(pool.clone());
    for round in 0..2_000 {
        assert_eq!(refused_of(&calls, 3), 0, "in round {round}");
        pool.drained().wait();
    }
}

#[test]
fn pool_takes_a_call_for_each_slot_after_tiny_calls() {
    let pool = pool();
    let calls = Any::on(pool.clone());
    for round in 0..20 {
        // After many tiny calls, a thread takes calls without the pool's lock. It spins for a
        // while.
        (0..2_000).for_each(|_| drop(calls.run(|| 1).wait()));
        while pool.info().active > 0 {
            thread::yield_now();
        }
        assert_eq!(refused_of(&calls, 2), 0, "in round {round}");
    }
}

#[test]
fn bound_counts_calls_beyond_taken_slots() {
    let pool = pool();
    let calls = Any::on(pool.clone());
    let (gates, running): (Vec<_>, Vec<_>) = (0..2).map(|_| hold(&calls)).unzip();
    while pool.info().active < 2 {
        thread::yield_now();
    }
    let waiting = calls.run(|| 3).try_submit().expect("one call may wait");
    assert!(calls.run(|| 4).try_submit().expect_err("no slot is free").is_full());
    assert!(pool.info().is_full);
    drop(gates);
    assert!(running.into_iter().all(|job| job.wait().is_ok()));
    assert_eq!(waiting.wait().expect("it runs"), 3);
}

#[test]
fn paused_pool_has_no_free_slot() {
    let pool = pool();
    let calls = Any::on(pool.clone());
    pool.pause();
    let first = calls.run(|| 1).submit();
    assert!(matches!(calls.run(|| 2).wait(), Err(CallError::Full(_))));
    pool.resume();
    assert_eq!(first.wait().expect("it runs"), 1);
}

#[test]
fn resumed_pool_admits_callers_that_wait_for_room() {
    let builder = Pool::builder().concurrency(Concurrency::Exact(2)).max_queue(1);
    let pool = builder.build().expect("the settings are sound");
    let calls = Any::on(pool.clone());
    pool.pause();
    let first = calls.run(|| 1).submit();
    thread::scope(|scope| {
        let waits = scope.spawn(|| calls.run(|| 2).wait());
        pool.resume();
        assert_eq!(waits.join().expect("no panic").expect("it runs"), 2);
    });
    assert_eq!(first.wait().expect("it runs"), 1);
}

#[test]
fn idle_pool_admits_a_call_of_each_share() {
    let pool = pool();
    let share = pool.share("tenant").max_queue(1).on_full(OnFull::Reject).build().unwrap();
    let calls = Any::calls(share);
    for round in 0..500 {
        assert_eq!(refused_of(&calls, 3), 0, "in round {round}");
        pool.drained().wait();
    }
    pool.pause();
    let first = calls.run(|| 1).submit();
    assert!(matches!(calls.run(|| 2).wait(), Err(CallError::Full(_))), "a paused pool has no free slot");
    pool.resume();
    assert!(first.wait().is_ok());
}

#[test]
fn idle_service_takes_one_call_beyond_its_bound() {
    let service = Any::service(0).max_queue(1).on_full(OnFull::Reject).launch().wait().expect("it starts");
    for round in 0..2_000 {
        assert_eq!(refused_of(&service, 2), 0, "in round {round}");
        while service.info().in_progress + service.info().queue_len > 0 {
            thread::yield_now();
        }
    }
    let (gate, running) = hold(&service);
    while service.info().queue_len > 0 {
        thread::yield_now();
    }
    let waiting = service.run(|| 2).submit();
    assert!(matches!(service.run(|| 3).wait(), Err(CallError::Full(_))));
    drop(gate);
    assert!(running.wait().is_ok() && waiting.wait().is_ok());
}
