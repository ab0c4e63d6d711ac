//! Tests of the circuit breaker, the layer that rejects calls after too many failures.

use crate::manual_executor::{ManualExecutor, Work, WorkCalls, WorkOutput};
use nanolith::{
    TaskSet,
    layers::{BreakerState, CircuitBreaker, Layer, Layered},
    prelude::*,
    time::{MILLISECOND, MINUTE, MockClock, SECOND},
};

fn over(executor: &ManualExecutor, breaker: &CircuitBreaker) -> WorkCalls<Layered<CircuitBreaker, ManualExecutor>> {
    Work::calls(breaker.clone().layer(executor.clone()))
}

fn nervous() -> CircuitBreaker {
    CircuitBreaker::new().window_calls(4).min_calls(2).open_duration(SECOND).half_open_calls(1)
}

fn is_rejected<T>(outcome: &Result<T, CallError>) -> bool {
    matches!(outcome, Err(CallError::Rejected("CircuitBreaker", _)))
}

#[test]
fn breaker_opens_after_failures_and_closes_after_a_trial() {
    let clock = MockClock::new();
    clock.run(|| {
        let (executor, breaker) = (ManualExecutor::default(), nervous());
        let mut transitions = breaker.transitions();
        let work = over(&executor, &breaker);
        let jobs = [1, 2].map(|x| work.once(x).submit());
        executor.succeed();
        assert_eq!(breaker.state(), BreakerState::Closed);
        executor.fail();
        assert_eq!(breaker.state(), BreakerState::Open, "half of them");
        assert!(is_rejected(&work.once(3).wait()));
        let refused = work.once(3).try_submit().expect_err("it is open");
        assert!(!refused.is_full(), "and no call waits for room");
        clock.advance(SECOND);
        let trial = work.once(4).submit();
        assert!(is_rejected(&work.once(5).wait()), "one trial is under way");
        executor.fail();
        assert_eq!(breaker.state(), BreakerState::Open, "the trial failed");
        assert!(trial.wait().is_err());
        clock.advance(SECOND);
        let trial = refused.into_inner().submit();
        executor.succeed();
        assert_eq!(trial.wait().expect("it is let through"), 3);
        assert_eq!(breaker.state(), BreakerState::Closed);
        let to: Vec<_> = transitions.by_ref().take(5).map(|transition| transition.to).collect();
        let (open, half, closed) = (BreakerState::Open, BreakerState::HalfOpen, BreakerState::Closed);
        assert_eq!(to, [open, half, open, half, closed]);
        let _ = jobs.map(Handle::detach);
    });
}

#[test]
fn cancelled_or_returned_trial_makes_room_for_another() {
    let clock = MockClock::new();
    clock.run(|| {
        let (executor, breaker) = (ManualExecutor::with_room_for(1), nervous());
        let work = over(&executor, &breaker);
        breaker.trip();
        clock.advance(SECOND);
        let trial = work.once(1).submit();
        trial.cancel();
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        executor.set_room(0);
        assert!(work.once(2).try_submit().expect_err("there is no room").is_full());
        executor.set_room(1);
        let trial = work.once(3).submit();
        executor.succeed();
        assert_eq!(trial.wait().expect("it is let through"), 3);
        assert_eq!(breaker.state(), BreakerState::Closed);
    });
}

#[test]
fn endless_trial_counts_as_failed_and_admits_another() {
    let clock = MockClock::new();
    clock.run(|| {
        let (executor, breaker) = (ManualExecutor::default(), nervous()); // it stays open for a second
        let mut transitions = breaker.transitions();
        let work = over(&executor, &breaker);
        breaker.trip();
        clock.advance(SECOND);
        let hangs = work.once(1).submit();
        clock.advance(SECOND - MILLISECOND);
        assert!(is_rejected(&work.once(2).wait()), "the trial has its time");
        clock.advance(MILLISECOND);
        assert!(is_rejected(&work.once(3).wait()), "it is open again");
        assert_eq!(breaker.state(), BreakerState::Open);
        clock.advance(SECOND);
        let trial = work.once(4).submit();
        let (_, hanging) = executor.begin();
        executor.succeed();
        assert_eq!(trial.wait().expect("it is let through"), 4);
        assert_eq!(breaker.state(), BreakerState::Closed);
        hanging.complete(Ok(WorkOutput::Once(1)));
        assert_eq!(hangs.wait().expect("it goes on all the same"), 1);
        let to: Vec<_> = transitions.by_ref().take(5).map(|transition| transition.to).collect();
        let (open, half, closed) = (BreakerState::Open, BreakerState::HalfOpen, BreakerState::Closed);
        assert_eq!(to, [open, half, open, half, closed]);
    });
}

#[test]
fn each_hanging_trial_is_one_failure() {
    let clock = MockClock::new();
    clock.run(|| {
        let (executor, breaker) = (ManualExecutor::default(), nervous().half_open_calls(3).half_open_timeout(MINUTE));
        let work = over(&executor, &breaker);
        breaker.trip();
        clock.advance(SECOND);
        let hangs = work.once(1).submit();
        let (_, _hanging) = executor.begin();
        for x in [2, 3] {
            let trial = work.once(x).submit();
            executor.succeed();
            assert_eq!(trial.wait().expect("it is let through"), x);
        }
        assert_eq!(breaker.state(), BreakerState::HalfOpen, "the third may still end");
        clock.advance(MINUTE);
        assert_eq!(breaker.state(), BreakerState::Closed, "one of three failed, and half would be too many");
        hangs.detach();
    });
}

#[test]
fn breaker_opens_when_too_many_calls_are_slow() {
    let clock = MockClock::new();
    clock.run(|| {
        let (executor, breaker) = (ManualExecutor::default(), nervous().slow_rate(0.5, SECOND));
        let work = over(&executor, &breaker);
        let quick = work.once(1).submit();
        executor.succeed();
        let slow = work.once(2).submit();
        clock.advance(SECOND);
        assert_eq!(breaker.state(), BreakerState::Closed);
        executor.succeed();
        assert_eq!(breaker.state(), BreakerState::Open);
        assert!(quick.wait().is_ok() && slow.wait().is_ok(), "their callers have what they want");
    });
}

#[test]
fn old_outcomes_leave_the_window() {
    let clock = MockClock::new();
    clock.run(|| {
        let (executor, breaker) = (ManualExecutor::default(), nervous().window(10 * SECOND));
        let work = over(&executor, &breaker);
        for x in 0..5 {
            let job = work.once(x).submit();
            executor.fail();
            assert!(job.wait().is_err());
            clock.advance(10 * SECOND);
        }
        assert_eq!(breaker.state(), BreakerState::Closed, "never two within ten seconds");
    });
}

#[test]
fn user_predicate_defines_a_failure() {
    let executor = ManualExecutor::default();
    let breaker = nervous()
        .failure_if(|error| matches!(error, CallError::TimedOut(_)))
        .failure_if_output(|output: &WorkOutput| matches!(output, WorkOutput::Check(Err(_))));
    let work = over(&executor, &breaker);
    for _ in 0..2 {
        let job = work.check(1).submit();
        executor.fail();
        assert!(job.wait().is_err());
    }
    assert_eq!(breaker.state(), BreakerState::Closed, "to be lost is none");
    for _ in 0..2 {
        let job = work.check(1).submit();
        executor.begin().1.complete(Ok(WorkOutput::Check(Err("no".into()))));
        assert!(job.wait().expect("it ran").is_err());
    }
    assert_eq!(breaker.state(), BreakerState::Open, "two of four");
}

#[test]
fn breaker_may_wrap_two_executors() {
    let (executor, breaker) = (ManualExecutor::default(), nervous());
    let [left, right] = [(); 2].map(|()| over(&executor, &breaker));
    let jobs = [left.once(1).submit(), right.once(2).submit()];
    executor.fail();
    executor.fail();
    assert!(is_rejected(&left.once(3).wait()) && is_rejected(&right.once(3).wait()));
    let _ = jobs.map(Handle::detach);
}
