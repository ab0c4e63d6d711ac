//! Tests of the retry layer, which runs a failed call again.

use crate::manual_executor::{ManualExecutor, Work, WorkCalls, WorkOutput, poll_now};
use nanolith::{
    Executor, TaskSet,
    layers::{CircuitBreaker, Layer, Layered, Retry, Timeout, stack},
    prelude::*,
    sync::Backoff,
    time::{MILLISECOND, MINUTE, MockClock, SECOND},
};
use std::task::Poll;

fn over(executor: &ManualExecutor, retry: Retry) -> WorkCalls<Layered<Retry, ManualExecutor>> {
    Work::calls(retry.layer(executor.clone()))
}

fn second() -> Backoff {
    Backoff::exponential(SECOND).jitter(0.0)
}

#[test]
fn failed_attempt_is_repeated_after_a_backoff() {
    let clock = MockClock::new();
    clock.run(|| {
        let executor = ManualExecutor::default();
        let retry = Retry::new(3).backoff(second());
        let job = over(&executor, retry.clone()).echo(7).submit();
        executor.fail();
        clock.advance(SECOND - MILLISECOND);
        assert_eq!((executor.len(), job.is_finished()), (0, false), "it rests");
        clock.advance(MILLISECOND);
        executor.fail();
        clock.advance(SECOND);
        assert_eq!(executor.len(), 0, "the second rest is twice as long");
        clock.advance(SECOND);
        executor.succeed();
        assert_eq!(job.wait().expect("the third try"), 7);
        assert_eq!((retry.retries(), clock.next_alarm()), (2, None));
    });
}

#[test]
fn error_of_the_last_attempt_is_returned() {
    let executor = ManualExecutor::default();
    let job = over(&executor, Retry::new(3).backoff(Backoff::none())).echo(7).submit();
    (0..3).for_each(|_| executor.fail());
    assert_eq!(executor.len(), 0);
    assert!(matches!(job.wait(), Err(CallError::Lost(_))));
}

#[test]
fn task_without_idempotence_is_not_retried() {
    let executor = ManualExecutor::default();
    let job = over(&executor, Retry::new(3).backoff(Backoff::none())).once(7).submit();
    executor.fail();
    assert_eq!(executor.len(), 0);
    assert!(matches!(job.wait(), Err(CallError::Lost(_))));
}

#[test]
fn user_predicate_selects_errors_and_outputs_to_retry() {
    let executor = ManualExecutor::default();
    let retry = Retry::new(2).backoff(Backoff::none()).when(|error| matches!(error, CallError::TimedOut(_)));
    let job = over(&executor, retry.clone()).echo(7).submit();
    executor.fail();
    assert!(matches!(job.wait(), Err(CallError::Lost(_))), "no other try");
    let retry = retry.when_output(|output: &WorkOutput| matches!(output, WorkOutput::Check(Err(_))));
    let job = over(&executor, retry).check(7).submit();
    executor.begin().1.complete(Ok(WorkOutput::Check(Err("not yet".into()))));
    executor.succeed();
    assert_eq!(job.flatten().wait().expect("the second try"), 7);
}

#[test]
fn panicking_predicate_means_no_retry() {
    let executor = ManualExecutor::default();
    let retry = Retry::new(2).when(|_| panic!("a bad predicate"));
    let job = over(&executor, retry).echo(7).submit();
    executor.fail();
    assert!(matches!(job.wait(), Err(CallError::Lost(_))));
}

#[test]
fn cancel_ends_the_backoff_and_the_attempt() {
    let clock = MockClock::new();
    clock.run(|| {
        let executor = ManualExecutor::default();
        let work = over(&executor, Retry::new(3).backoff(second()));
        let job = work.echo(7).submit();
        executor.fail();
        assert!(clock.next_alarm().is_some());
        job.cancel();
        assert!(matches!(job.wait(), Err(CallError::Cancelled(_))));
        assert_eq!(clock.next_alarm(), None, "nothing is left of it");
        let job = work.echo(7).submit();
        let (_task, reply) = executor.begin();
        job.cancel();
        assert!(reply.is_cancelled(), "the attempt is asked to stop");
        drop(reply);
        assert_eq!((executor.len(), clock.next_alarm()), (0, None), "and is the last");
        assert!(matches!(job.wait(), Err(CallError::Cancelled(_))));
    });
}

#[test]
fn backoff_ends_at_the_deadline() {
    let clock = MockClock::new();
    clock.run(|| {
        let executor = ManualExecutor::default();
        let job = over(&executor, Retry::new(9).backoff(second())).echo(7).timeout(2 * SECOND).submit();
        executor.fail();
        clock.advance(SECOND);
        executor.fail();
        assert!(
            matches!(job.wait(), Err(CallError::Lost(_))),
            "two seconds more would be too late: the error is returned at once"
        );
    });
}

#[test]
fn time_out_of_an_attempt_is_retried_and_of_the_call_is_not() {
    let clock = MockClock::new();
    clock.run(|| {
        let executor = ManualExecutor::default();
        let layers = stack().timeout(5 * SECOND).retry(Retry::new(9).backoff(Backoff::none())).timeout(2 * SECOND);
        let work = Work::calls(layers.wrap(executor.clone()));
        let job = work.echo(7).submit();
        for second in 0..6 {
            assert_eq!((executor.len(), job.is_finished()), (usize::from(second < 5), second >= 5), "after {second} s");
            clock.advance(SECOND);
        }
        assert!(matches!(job.wait(), Err(CallError::TimedOut(_))));
        let job = work.echo(8).submit();
        let silent = executor.begin();
        clock.advance(2 * SECOND);
        assert!(silent.1.is_cancelled());
        executor.succeed();
        assert_eq!(job.wait().expect("the second attempt"), 8);
        assert_eq!(clock.next_alarm(), None);
    });
}

#[test]
fn attempts_keep_priority_deadline_and_source_line() {
    let executor = ManualExecutor::default();
    let work = over(&executor, Retry::new(2).backoff(Backoff::none()));
    let until = nanolith::time::now() + MINUTE;
    let job = work.echo(7).priority(Priority::Low).deadline(until).submit();
    executor.fail();
    let again = executor.take().expect("it is tried again");
    assert_eq!((again.priority(), again.deadline()), (Priority::Low, Some(until)));
    drop(again);
    let error = job.wait().expect_err("it is lost twice");
    assert_eq!((error.trace().submitted().file(), error.trace().task().name()), (file!(), "echo"));
}

#[test]
fn retry_counts_a_rejection_as_a_failure() {
    let clock = MockClock::new();
    clock.run(|| {
        let executor = ManualExecutor::default();
        let breaker = CircuitBreaker::new().open_duration(SECOND).half_open_calls(1);
        let layers = stack().retry(Retry::new(2).backoff(second())).circuit_breaker(breaker.clone());
        let work = Work::calls(layers.wrap(executor.clone()));
        breaker.trip();
        let job = work.echo(7).submit();
        assert_eq!(executor.len(), 0);
        clock.advance(SECOND);
        executor.succeed();
        assert_eq!(job.wait().expect("it was half-open by then"), 7);
        breaker.trip();
        let once = work.once(7).try_submit().expect_err("it is not tried again");
        assert!(matches!(once.error(), CallError::Rejected("CircuitBreaker", _)));
        executor.close();
        breaker.reset();
        assert!(matches!(work.echo(7).wait(), Err(CallError::Closed(_))), "it stays closed");
    });
}

#[test]
fn retried_call_waits_for_room() {
    let executor = ManualExecutor::with_room_for(1);
    let work = over(&executor, Retry::new(2).backoff(Backoff::none()));
    let first = work.echo(1).submit();
    let refused = work.echo(2).try_submit().expect_err("there is no room");
    assert!(refused.is_full());
    let mut second = refused.into_inner();
    assert!(poll_now(&mut second).is_pending());
    executor.succeed();
    assert_eq!(first.wait().expect("it ran"), 1);
    assert!(poll_now(&mut second).is_pending(), "it has come in");
    executor.fail();
    executor.succeed();
    assert_eq!(poll_now(&mut second).map(|outcome| outcome.expect("the second try")), Poll::Ready(2));
}

#[test]
fn second_attempt_waits_for_room_until_cancelled() {
    let clock = MockClock::new();
    clock.run(|| {
        let executor = ManualExecutor::with_room_for(1);
        let work = over(&executor, Retry::new(2).backoff(second()));
        let [kept, cancelled] = [1, 2].map(|x| {
            let job = work.echo(x).submit();
            executor.fail();
            job
        });
        let other = work.once(3).submit();
        clock.advance(SECOND);
        assert_eq!(executor.len(), 1, "there is room for the other alone");
        cancelled.cancel();
        executor.succeed();
        assert_eq!(other.wait().expect("it ran"), 3);
        executor.succeed();
        assert_eq!((kept.wait().expect("it ran"), executor.len()), (1, 0));
    });
}

#[test]
fn returned_call_leaves_no_retry_behind() {
    let clock = MockClock::new();
    clock.run(|| {
        let executor = ManualExecutor::with_room_for(0);
        let retry = Retry::new(5).backoff(second());
        let breaker = CircuitBreaker::new().window_calls(1).min_calls(1);
        let layers = stack().retry(retry.clone()).timeout(MINUTE).circuit_breaker(breaker.clone()).timeout(SECOND);
        let work = Work::calls(layers.wrap(executor.clone()));
        let refused = work.echo(7).try_submit().expect_err("there is no room");
        assert_eq!((retry.retries(), clock.next_alarm()), (0, None), "no attempt, and no time-out");
        assert_eq!(breaker.state(), nanolith::layers::BreakerState::Closed, "nor a failure");
        executor.set_room(1);
        let job = refused.into_inner().submit();
        executor.succeed();
        assert_eq!(job.wait().expect("it is whole"), 7);
    });
}

#[test]
fn budget_bounds_the_retries_of_all_calls() {
    let clock = MockClock::new();
    clock.run(|| {
        let executor = ManualExecutor::default();
        let retry = Retry::new(2).backoff(Backoff::none()).budget(0.5, 0);
        let work = over(&executor, retry.clone());
        let jobs: Vec<_> = (0..4).map(|x| work.echo(x).submit()).collect();
        while executor.len() > 0 {
            executor.fail();
        }
        assert_eq!(retry.retries(), 2);
        assert!(jobs.into_iter().all(|job| job.wait().is_err()));
    });
}

#[test]
fn many_attempts_that_fail_at_once_need_no_deep_stack() {
    struct Never;
    impl<S: TaskSet> Executor<S> for Never {
        fn try_execute(
            &self,
            job: nanolith::executor::Job<S>,
        ) -> Result<(), nanolith::call::SubmitError<nanolith::executor::Job<S>>> {
            drop(job);
            Ok(())
        }
    }
    let retry = Retry::new(20_000).backoff(Backoff::none());
    let work = Work::calls(retry.clone().layer(Never));
    assert!(matches!(work.echo(7).wait(), Err(CallError::Lost(_))));
    assert_eq!(retry.retries(), 19_999);
}

#[test]
fn timeout_layer_counts_from_the_arrival_of_a_call() {
    let clock = MockClock::new();
    clock.run(|| {
        let executor = ManualExecutor::with_room_for(0);
        let work = Work::calls(Timeout::new(SECOND).layer(executor.clone()));
        let mut call = work.once(7);
        assert!(poll_now(&mut call).is_pending(), "it waits for room");
        clock.advance(SECOND);
        assert!(matches!(poll_now(&mut call), Poll::Ready(Err(CallError::TimedOut(_)))));
        executor.set_room(1);
        let job = work.once(7).timeout(MILLISECOND).submit();
        assert_eq!(
            executor.take().and_then(|job| job.deadline()),
            Some(nanolith::time::now() + MILLISECOND),
            "the earlier"
        );
        assert!(job.wait().is_err());
    });
}
