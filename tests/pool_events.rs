//! Tests of a pool's events about its queue: full, and drained.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{executor::OnFull, pool::PoolEvent, prelude::*};
use std::thread;

pub struct Geometry;

#[define]
impl Geometry {
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }
}

fn pool(calls: usize, on_full: OnFull) -> Pool {
    Pool::builder().max_queue(calls).on_full(on_full).build().expect("sound settings")
}

#[test]
fn full_queue_sends_full_and_later_drained() {
    for on_full in [OnFull::Reject, OnFull::DropNewest, OnFull::DropOldest, OnFull::CallerRuns] {
        let pool = pool(1, on_full);
        let mut events = pool.events();
        pool.pause();
        let first = Geometry::on(&pool).add(1, 2).submit();
        assert!(pool.info().is_full);
        let second = Geometry::on(&pool).add(4, 5).submit();
        assert_eq!(events.recv().wait(), Some(PoolEvent::Full), "{on_full:?}");
        pool.resume();
        assert_eq!(events.recv().wait(), Some(PoolEvent::Drained), "{on_full:?}");
        drop((first, second));
        assert!(!pool.info().is_full);
    }
}

#[test]
fn caller_that_waits_for_room_causes_a_full_event() {
    let pool = pool(1, OnFull::Wait);
    let mut events = pool.events();
    pool.pause();
    let geometry = Geometry::on(&pool);
    let first = geometry.add(1, 2).submit();
    thread::scope(|scope| {
        let waits = scope.spawn(|| geometry.add(4, 5).wait());
        assert_eq!(events.recv().wait(), Some(PoolEvent::Full));
        pool.resume();
        assert_eq!(waits.join().expect("it does not panic").expect("it runs"), 9);
    });
    assert_eq!(first.wait().expect("it runs"), 3);
    assert_eq!(events.recv().wait(), Some(PoolEvent::Drained));
}

#[test]
fn drained_event_comes_though_the_pool_is_busy_again() {
    let pool = pool(1_000, OnFull::Wait);
    let mut events = pool.events();
    for n in 0..200 {
        Geometry::on(&pool).add(n, n).wait().expect("it runs");
    }
    pool.drained().wait();
    pool.pause();
    let busy = Geometry::on(&pool).add(4, 5).submit();
    assert_eq!(events.recv().wait(), Some(PoolEvent::Drained), "it was, whatever it is at now");
    pool.resume();
    assert_eq!(busy.wait().expect("it runs"), 9);
}

#[test]
fn event_stream_ends_with_the_pool() {
    let pool = pool(1_000, OnFull::Wait);
    let (mut events, idle) = (pool.events(), pool.events());
    pool.pause();
    let job = Geometry::on(&pool).add(4, 5).submit();
    let waits = thread::spawn(move || idle.collect::<Vec<_>>());
    pool.close();
    assert_eq!(events.recv().wait(), Some(PoolEvent::Drained));
    assert_eq!(events.recv().wait(), None);
    assert_eq!(waits.join().expect("it does not panic"), [PoolEvent::Drained]);
    assert_eq!(job.wait().expect("it runs"), 9);
}

#[test]
fn every_subscriber_receives_every_event() {
    let pool = pool(1_000, OnFull::Wait);
    let watch = || {
        let mut events = pool.events();
        thread::spawn(move || events.recv().wait())
    };
    let watchers = [watch(), watch()];
    Geometry::on(&pool).add(4, 5).wait().expect("it runs");
    for watcher in watchers {
        assert_eq!(watcher.join().expect("it does not panic"), Some(PoolEvent::Drained));
    }
}
