//! A flood of urgent work delays what is less urgent until that expires, and no longer.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test is read from its names

use nanolith::{
    ServiceRef, TaskSet,
    prelude::*,
    time::{HOUR, MockClock},
};
use std::{
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

pub struct Work;

/// What each urgent task takes.
const STEP: Duration = Duration::from_millis(10);

/// The tasks on whatever runs them.
type Calls = Arc<WorkCalls<Arc<dyn Executor<Work>>>>;

#[define]
impl Work {
    /// Takes a step's time, and leaves another of the same priority behind it, until it is `end`.
    pub fn step(calls: Calls, clock: MockClock, priority: Priority, end: Duration) {
        if clock.elapsed() < end {
            calls.step(calls.clone(), clock.clone(), priority, end).priority(priority).submit().detach();
        }
        clock.advance(STEP);
    }

    /// Stays until it is let go.
    pub fn keep(until: Receiver<()>) {
        let _ = until.recv();
    }

    /// When it began.
    pub fn began(clock: MockClock) -> Duration {
        clock.elapsed()
    }
}

/// How many urgent calls are queued or run at any time.
const DEPTH: usize = 4;

/// What waits behind a minute's flood, and when each began. `begin` lets the executor begin once all are queued.
fn behind_a_flood(executor: Arc<dyn Executor<Work>>, clock: &MockClock, begin: impl FnOnce()) {
    let work: Calls = Arc::new(Work::calls(executor));
    let waiting = [Priority::Normal, Priority::Low, Priority::Idle]
        .map(|priority| work.began(clock.clone()).priority(priority).submit());
    for _ in 0..DEPTH {
        let urgent = Priority::UserBlocking;
        work.step(work.clone(), clock.clone(), urgent, MINUTE).priority(urgent).submit().detach();
    }
    begin();
    let [normal, low, idle] = waiting.map(|handle| handle.wait().expect("it runs"));
    // Of two that wait, the one goes first that expires first: an urgent one goes after it that came less than its 250 ms before.
    let early = Priority::UserBlocking.timeout() + STEP;
    for (began, priority) in [(normal, Priority::Normal), (low, Priority::Low)] {
        let expires = priority.timeout();
        assert!(began + early >= expires, "{priority:?} began at {began:?}, before it expired");
        assert!(began <= expires, "{priority:?} began at {began:?}, after it expired");
    }
    assert!(idle >= MINUTE, "idle work began at {idle:?}, in the flood");
}

#[test]
fn a_minutes_flood_on_a_pool_starves_nobody_and_lets_nobody_by() {
    let clock = MockClock::new();
    clock.run(|| {
        let pool = Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("sound");
        pool.pause();
        behind_a_flood(Arc::new(pool.clone()), &clock, || pool.resume());
    });
}

#[test]
fn a_minutes_flood_on_a_service_starves_nobody_and_lets_nobody_by() {
    let clock = MockClock::new();
    clock.run(|| {
        let service = Work::service().launch().wait().expect("sound");
        let (until, held) = channel();
        let keeps = service.keep(held).submit();
        behind_a_flood(Arc::new(ServiceRef::from(&service)), &clock, || drop(until));
        keeps.wait().expect("it runs");
    });
}

#[test]
fn what_has_expired_goes_before_urgent_work_that_has_not() {
    let clock = MockClock::new();
    clock.run(|| {
        let pool = Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("sound");
        pool.pause();
        let work: Calls = Arc::new(Work::calls(Arc::new(pool.clone())));
        let idle = work.began(clock.clone()).priority(Priority::Idle).submit();
        clock.advance(13 * 24 * HOUR);
        let urgent = Priority::UserBlocking;
        let urgent = work.step(work.clone(), clock.clone(), urgent, Duration::ZERO).priority(urgent).submit();
        pool.resume();
        assert_eq!(idle.wait().expect("it runs"), 13 * 24 * HOUR, "it was the first of all");
        urgent.wait().expect("it runs");
    });
}
