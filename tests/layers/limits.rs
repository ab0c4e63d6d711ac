//! Tests of the layers that limit calls: the concurrency limit and the rate limit.

use crate::manual_executor::{ManualExecutor, Work, WorkCalls, poll_now};
use nanolith::{
    Cluster, TaskSet,
    layers::{ConcurrencyLimit, Layer, Layered, LoadShed, RateLimit, Retry, stack},
    pool::Concurrency,
    prelude::*,
    service::ServiceRef,
    sync::Backoff,
    time::{MILLISECOND, MINUTE, MockClock, SECOND},
};
use std::{sync::OnceLock, task::Poll, time::Duration};

fn bulkhead(
    executor: &ManualExecutor,
    limit: &ConcurrencyLimit,
) -> WorkCalls<Layered<ConcurrencyLimit, ManualExecutor>> {
    Work::calls(limit.clone().layer(executor.clone()))
}

#[test]
fn place_is_freed_once_however_a_call_ends() {
    let (executor, limit) = (ManualExecutor::default(), ConcurrencyLimit::new(2));
    let work = bulkhead(&executor, &limit);
    for round in 0..5 {
        let jobs = [1, 2].map(|x| work.once(x).submit());
        assert_eq!(limit.in_flight(), 2);
        assert!(work.once(3).try_submit().expect_err("both places are taken").is_full());
        match round {
            0 => executor.succeed(),
            1 => executor.fail(),
            2 => drop(executor.take()),
            3 => jobs[0].cancel(),
            _ => {
                let running = executor.begin();
                jobs[0].cancel();
                assert_eq!(limit.in_flight(), 1, "its caller has gone");
                drop(running);
            }
        }
        assert_eq!(limit.in_flight(), 1);
        executor.succeed();
        assert_eq!(limit.in_flight(), 0);
        let _ = jobs.map(Handle::detach);
    }
}

#[test]
fn places_go_to_the_longest_waiting_call() {
    let (executor, limit) = (ManualExecutor::default(), ConcurrencyLimit::new(1));
    let work = bulkhead(&executor, &limit);
    let first = work.once(1).submit();
    let (mut second, mut third, mut fourth) = (work.once(2), work.once(3), work.once(4));
    assert!(
        poll_now(&mut second).is_pending() && poll_now(&mut third).is_pending() && poll_now(&mut fourth).is_pending()
    );
    assert_eq!(limit.waiting(), 3);
    executor.succeed();
    assert_eq!(limit.waiting(), 2, "the place is kept for the second");
    assert!(work.once(5).try_submit().is_err(), "no later call goes first");
    drop(second);
    assert_eq!(limit.waiting(), 1, "it goes to the third");
    assert!(poll_now(&mut fourth).is_pending() && poll_now(&mut third).is_pending());
    executor.succeed();
    assert_eq!(poll_now(&mut third).map(|outcome| outcome.expect("it ran")), Poll::Ready(3));
    assert!(poll_now(&mut fourth).is_pending());
    executor.succeed();
    assert_eq!(poll_now(&mut fourth).map(|outcome| outcome.expect("it ran")), Poll::Ready(4));
    assert_eq!((limit.in_flight(), limit.waiting()), (0, 0));
    assert_eq!(first.wait().expect("it ran"), 1);
}

#[test]
fn limit_rejects_calls_beyond_max_waiting() {
    let (executor, limit) = (ManualExecutor::default(), ConcurrencyLimit::new(1).max_waiting(1));
    let work = bulkhead(&executor, &limit);
    let first = work.once(1).submit();
    let (mut second, mut third) = (work.once(2), work.once(3));
    assert!(poll_now(&mut second).is_pending());
    assert!(matches!(poll_now(&mut third), Poll::Ready(Err(CallError::Rejected("ConcurrencyLimit", _)))));
    first.cancel();
    assert!(poll_now(&mut second).is_pending());
    executor.succeed();
    assert_eq!(poll_now(&mut second).map(|outcome| outcome.expect("it ran")), Poll::Ready(2));
}

#[test]
fn timed_out_call_leaves_the_wait_queue() {
    let clock = MockClock::new();
    clock.run(|| {
        let (executor, limit) = (ManualExecutor::default(), ConcurrencyLimit::new(1));
        let work = bulkhead(&executor, &limit);
        let first = work.once(1).submit();
        let mut late = work.once(2).timeout(SECOND);
        assert!(poll_now(&mut late).is_pending());
        clock.advance(SECOND);
        assert!(matches!(poll_now(&mut late), Poll::Ready(Err(CallError::TimedOut(_)))));
        assert_eq!(limit.waiting(), 0);
        executor.succeed();
        assert_eq!((first.wait().expect("it ran"), limit.in_flight()), (1, 0));
    });
}

#[test]
fn call_refused_by_the_inner_executor_keeps_no_place() {
    let (executor, limit) = (ManualExecutor::with_room_for(0), ConcurrencyLimit::new(1));
    let work = bulkhead(&executor, &limit);
    let refused = work.once(1).try_submit().expect_err("there is no room");
    assert_eq!(limit.in_flight(), 0);
    let mut call = refused.into_inner();
    assert!(poll_now(&mut call).is_pending());
    assert_eq!(limit.in_flight(), 1, "it waits beneath");
    drop(call);
    assert_eq!(limit.in_flight(), 0);
    let mut call = work.once(1);
    assert!(poll_now(&mut call).is_pending(), "refused first, it waits beneath");
    executor.set_room(1);
    assert!(poll_now(&mut call).is_pending(), "with the place that it has: it does not wait for another");
    executor.succeed();
    assert_eq!(poll_now(&mut call).map(|outcome| outcome.expect("it ran")), Poll::Ready(1));
}

static NESTED: OnceLock<NestCalls<Layered<ConcurrencyLimit, Pool>>> = OnceLock::new();

pub struct Nest;

#[define]
impl Nest {
    pub fn depth(left: u32) -> u32 {
        let nested = NESTED.get().filter(|_| left > 0);
        nested.map_or(0, |nest| 1 + nest.depth(left - 1).wait().expect("it does not wait for itself"))
    }
}

#[test]
fn task_that_calls_through_its_own_limit_does_not_deadlock() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("sound");
    let nest = NESTED.get_or_init(|| Nest::calls(ConcurrencyLimit::new(1).layer(pool)));
    assert_eq!(nest.depth(5).wait().expect("it ends"), 5);
}

pub struct Alone(Vec<u32>);

#[define]
impl Alone {
    pub fn push(&mut self, x: u32) -> usize {
        self.0.push(x);
        self.0.len()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn push_by_itself(
        &mut self,
        calls: AloneCalls<Layered<Retry, Layered<ConcurrencyLimit, ServiceRef<Alone>>>>,
    ) -> bool {
        matches!(calls.push(1).wait(), Err(CallError::WouldDeadlock(_)))
    }
}

#[test]
fn service_keeps_its_state_through_layers() {
    let alone = Alone::service(Alone(Vec::new())).launch().wait().expect("sound");
    let layers = || stack().retry(Retry::new(3)).concurrency_limit(ConcurrencyLimit::new(1));
    let calls = Alone::calls(layers().wrap(ServiceRef::from(&alone)));
    assert_eq!(calls.push(1).wait().expect("it runs"), 1);
    assert!(calls.push_by_itself(Alone::calls(layers().wrap(ServiceRef::from(&alone)))).wait().expect("it runs"));
    assert_eq!(calls.len().wait().expect("it runs"), 1);
    let cluster = Cluster::launch(2, || Alone::service(Alone(Vec::new()))).wait().expect("sound");
    let calls = Alone::calls(layers().wrap(nanolith::cluster::ClusterRef::from(&cluster)));
    assert_eq!(calls.push(1).wait().expect("it runs"), 1);
}

// ----- rate limit

fn bucket(executor: &ManualExecutor, limit: &RateLimit) -> WorkCalls<Layered<RateLimit, ManualExecutor>> {
    Work::calls(limit.clone().layer(executor.clone()))
}

#[test]
fn burst_runs_at_once_and_the_rest_at_the_rate() {
    let clock = MockClock::new();
    clock.run(|| {
        let (executor, limit) = (ManualExecutor::default(), RateLimit::new(10, SECOND).burst(3));
        let work = bucket(&executor, &limit);
        let mut calls: Vec<_> = (0..6).map(|x| work.once(x)).collect();
        assert!(calls.iter_mut().all(|call| poll_now(call).is_pending()));
        assert_eq!((executor.len(), limit.waiting(), limit.available()), (3, 3, 0));
        for gone in 4..=6 {
            clock.advance(99 * MILLISECOND);
            assert!(calls.iter_mut().all(|call| poll_now(call).is_pending()));
            assert_eq!(executor.len(), gone - 1);
            clock.advance(MILLISECOND);
            assert!(calls.iter_mut().all(|call| poll_now(call).is_pending()));
            assert_eq!(executor.len(), gone);
        }
        assert_eq!((limit.waiting(), clock.next_alarm()), (0, None));
        clock.advance(MINUTE);
        assert_eq!(limit.available(), 3, "the bucket holds no more");
        for (x, call) in (0..).zip(&mut calls) {
            executor.succeed();
            assert_eq!(poll_now(call).map(|outcome| outcome.expect("it ran")), Poll::Ready(x), "in order");
        }
    });
}

#[test]
fn rate_of_one_call_in_centuries_works() {
    let (executor, limit) = (ManualExecutor::default(), RateLimit::new(3, Duration::MAX).max_waiting(0));
    let work = bucket(&executor, &limit);
    let mut calls: Vec<_> = (0..5).map(|x| work.once(x)).collect();
    let taken = calls.iter_mut().map(poll_now).filter(Poll::is_pending).count();
    assert_eq!((taken, limit.available()), (3, 0));
}

#[test]
fn unused_token_is_returned() {
    let clock = MockClock::new();
    clock.run(|| {
        let (executor, limit) = (ManualExecutor::with_room_for(0), RateLimit::new(1, SECOND));
        let work = bucket(&executor, &limit);
        let refused = work.once(1).try_submit().expect_err("there is no room");
        assert_eq!(limit.available(), 1, "the executor refused it");
        let mut call = refused.into_inner();
        assert!(poll_now(&mut call).is_pending());
        assert_eq!(limit.available(), 0, "it waits beneath");
        let (mut second, mut third) = (work.once(2), work.once(3));
        assert!(poll_now(&mut second).is_pending() && poll_now(&mut third).is_pending());
        drop(call);
        assert_eq!((limit.available(), limit.waiting()), (0, 1), "the second has it");
        drop(second);
        assert_eq!((limit.available(), limit.waiting()), (0, 0), "the third has it");
        drop(third);
        assert_eq!((limit.available(), clock.next_alarm()), (1, None));
    });
}

#[test]
fn rate_limit_rejects_late_and_surplus_calls_at_once() {
    let clock = MockClock::new();
    clock.run(|| {
        let (executor, limit) = (ManualExecutor::default(), RateLimit::new(1, SECOND).max_waiting(2));
        let work = bucket(&executor, &limit);
        let first = work.once(1).submit();
        let mut second = work.once(2).timeout(2 * SECOND);
        assert!(poll_now(&mut second).is_pending());
        let mut late = work.once(3).timeout(2 * SECOND);
        assert!(matches!(poll_now(&mut late), Poll::Ready(Err(CallError::Rejected("RateLimit", _)))), "in two seconds");
        let mut third = work.once(3);
        assert!(poll_now(&mut third).is_pending());
        assert!(matches!(work.once(4).wait(), Err(CallError::Rejected("RateLimit", _))), "two wait");
        drop((first.cancel_on_drop(), second, third));
        assert_eq!((limit.waiting(), clock.next_alarm()), (0, None));
    });
}

#[test]
fn retry_takes_a_token_for_each_attempt_and_waits_for_it() {
    let clock = MockClock::new();
    clock.run(|| {
        let executor = ManualExecutor::default();
        let retry = Retry::new(3).backoff(Backoff::none());
        let work = Work::calls(stack().retry(retry).rate_limit(RateLimit::new(1, SECOND)).wrap(executor.clone()));
        let job = work.echo(7).submit();
        executor.fail();
        assert_eq!(executor.len(), 0, "the next waits for a token");
        clock.advance(SECOND);
        executor.succeed();
        assert_eq!(job.wait().expect("the second attempt"), 7);
        let job = work.echo(8).timeout(MINUTE);
        let mut job = std::pin::pin!(job);
        assert!(poll_now(&mut job).is_pending());
    });
}

#[test]
fn load_shed_rejects_calls_that_would_wait() {
    let executor = ManualExecutor::with_room_for(1);
    let work = Work::calls(LoadShed::new().layer(executor.clone()));
    let first = work.once(1).submit();
    assert!(matches!(work.once(2).wait(), Err(CallError::Rejected("LoadShed", _))));
    assert!(!work.once(2).try_submit().expect_err("there is no room").is_full());
    executor.succeed();
    assert_eq!(first.wait().expect("it ran"), 1);
    executor.close();
    assert!(matches!(work.once(2).wait(), Err(CallError::Closed(_))));
}
