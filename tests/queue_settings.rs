//! The settings of a queue, which all builders have in common.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    Local, TaskSet,
    executor::{MaxQueue, OnFull},
    pool::BuildError,
    prelude::*,
    service::LaunchError,
    time::{MINUTE, MockClock, sleep},
};
use std::{future::Future, pin::pin, task::Context as PollContext, thread};

pub struct Work;

#[define]
impl Work {
    pub async fn later(x: i64) -> i64 {
        sleep(MINUTE).await;
        x
    }
}

fn setting<T>(built: Result<T, BuildError>) -> Option<&'static str> {
    built.err().and_then(|error| error.setting())
}

fn launched<T, E>(launched: Result<T, LaunchError<E>>) -> Option<&'static str> {
    match launched {
        Err(LaunchError::Build(error)) => error.setting(),
        _ => None,
    }
}

#[test]
fn each_builder_rejects_zero_by_name() {
    let pool = Pool::builder().build().unwrap();
    let max_queue = [
        setting(Pool::builder().max_queue(0).build()),
        setting(Local::builder().max_queue(0).build()),
        setting(pool.share("tenant").max_queue(0).build()),
        launched(Work::service().max_queue(0).launch().wait()),
    ];
    assert_eq!(max_queue, [Some("max_queue"); 4]);
    let max_in_flight = [
        setting(Pool::builder().max_in_flight(0).build()),
        setting(Local::builder().max_in_flight(0).build()),
        setting(pool.share("tenant").max_in_flight(0).build()),
        launched(Work::service().max_in_flight(0).launch().wait()),
    ];
    assert_eq!(max_in_flight, [Some("max_in_flight"); 4]);
    assert_eq!(setting(pool.share("tenant").weight(0).build()), Some("weight"));
    assert_eq!(setting(pool.share("tenant").max_concurrency(0).build()), Some("max_concurrency"));
    let tenant = pool.share("tenant").weight(3).build().unwrap();
    assert_eq!((setting(tenant.set_weight(0)), tenant.weight()), (Some("weight"), 3));
}

#[test]
fn executor_of_one_thread_rejects_caller_runs() {
    assert_eq!(setting(Local::builder().on_full(OnFull::CallerRuns).build()), Some("on_full"));
    assert_eq!(launched(Work::service().on_full(OnFull::CallerRuns).launch().wait()), Some("on_full"));
    assert_eq!(setting(Pool::builder().on_full(OnFull::CallerRuns).build()), None);
}

#[test]
fn number_is_a_bound() {
    assert_eq!(MaxQueue::from(7), MaxQueue::Bounded(7));
    let pool = Pool::builder().max_queue(1).build().unwrap();
    pool.pause();
    let work = Work::on(&pool);
    work.later(1).submit().detach();
    assert!(work.later(2).try_submit().is_err_and(|refused| refused.is_full()));
}

/// Checks that a suspended call counts towards a bound of one call in flight, and that its end lets
/// the next call in.
fn bounds_calls_in_flight<P: nanolith::Executor<Work> + Clone>(clock: &MockClock, work: &WorkCalls<P>) {
    let first = work.later(1).submit();
    while clock.next_alarm().is_none() {
        thread::yield_now();
    }
    assert!(work.later(2).try_submit().is_err_and(|refused| refused.is_full()));
    let mut next = pin!(work.later(3).into_future());
    assert!(next.as_mut().poll(&mut PollContext::from_waker(std::task::Waker::noop())).is_pending());
    clock.advance(MINUTE);
    assert_eq!(first.wait().unwrap(), 1);
    // The next call enters, and sleeps for a minute of its own.
    let next = thread::scope(|scope| {
        let clock = clock.clone();
        scope.spawn(move || {
            while clock.next_alarm().is_none() {
                thread::yield_now();
            }
            clock.advance(MINUTE);
        });
        pollster::block_on(next)
    });
    assert_eq!(next.unwrap(), 3);
}

#[test]
fn service_counts_suspended_calls_in_flight() {
    let clock = MockClock::new();
    clock.run(|| {
        let service = Work::service().max_in_flight(1).launch().wait().unwrap();
        bounds_calls_in_flight(&clock, &service);
    });
}

#[test]
fn share_counts_suspended_calls_in_flight() {
    let clock = MockClock::new();
    clock.run(|| {
        let pool = Pool::builder().build().unwrap();
        let tenant = pool.share("tenant").max_in_flight(1).build().unwrap();
        bounds_calls_in_flight(&clock, &Work::calls(tenant));
    });
}

#[test]
fn share_keeps_settings_that_are_not_set() {
    let pool = Pool::builder().build().unwrap();
    pool.pause();
    let tenant = pool.share("tenant").weight(3).max_queue(1).on_full(OnFull::Reject).build().unwrap();
    let same = pool.share("tenant").max_concurrency(2).build().unwrap();
    assert_eq!(same.weight(), 3);
    let work = Work::calls(same);
    work.later(1).submit().detach();
    let second = work.later(2).timeout(MINUTE).wait();
    assert!(matches!(second, Err(CallError::Full(_))), "{second:?}");
    assert_eq!(tenant.info().queue_len, 1);
}
