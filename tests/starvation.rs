//! Tests that a flood of urgent work delays less urgent work until that expires, and no longer.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    Executor, TaskSet,
    pool::Concurrency,
    prelude::*,
    service::ServiceRef,
    time::{HOUR, MINUTE, MockClock},
};
use std::{
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

pub struct Work;

/// The duration of each urgent task.
const STEP: Duration = Duration::from_millis(10);

/// The tasks on any executor.
type Calls = Arc<WorkCalls<Arc<dyn Executor<Work>>>>;

#[define]
impl Work {
    /// Takes the time of a step, and submits another task of the same priority, until the time
    /// `end`.
    pub fn step(calls: Calls, clock: MockClock, priority: Priority, end: Duration) {
        if clock.elapsed() < end {
            calls.step(calls.clone(), clock.clone(), priority, end).priority(priority).submit().detach();
        }
        clock.advance(STEP);
    }

    /// Runs until the test lets it end.
    pub fn keep(until: Receiver<()>) {
        let _ = until.recv();
    }

    /// Returns the time at which it started.
    pub fn began(clock: MockClock) -> Duration {
        clock.elapsed()
    }
}

/// The number of urgent calls that are queued or running at any time.
const DEPTH: usize = 4;

/// Submits calls that wait behind a flood of a minute, and checks when each started. `begin` lets
/// the executor start after all calls are queued.
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
    // The call that expires first runs first. So a waiting call runs before an urgent call that
    // came less than 250 ms before the waiting call's expiration.
    let early = Priority::UserBlocking.max_wait() + STEP;
    for (began, priority) in [(normal, Priority::Normal), (low, Priority::Low)] {
        let expires = priority.max_wait();
        assert!(began + early >= expires, "{priority:?} began at {began:?}, before it expired");
        assert!(began <= expires, "{priority:?} began at {began:?}, after it expired");
    }
    assert!(idle >= MINUTE, "idle work began at {idle:?}, in the flood");
}

#[test]
fn flood_of_a_minute_on_a_pool_starves_no_call() {
    let clock = MockClock::new();
    clock.run(|| {
        let pool = Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("sound");
        pool.pause();
        behind_a_flood(Arc::new(pool.clone()), &clock, || pool.resume());
    });
}

#[test]
fn flood_of_a_minute_on_a_service_starves_no_call() {
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
fn expired_call_precedes_urgent_calls() {
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
