//! Tests of hedging, a second attempt of a slow call, and of fallback, another executor for a
//! failed call.

use crate::manual_executor::{ManualExecutor, Work, WorkCalls, WorkOutput};
use nanolith::{
    Cluster, TaskSet,
    layers::{Fallback, Hedge, Layer, Layered, Retry},
    prelude::*,
    time::{HOUR, MILLISECOND, MINUTE, MockClock, SECOND},
};
use std::sync::{
    Arc,
    mpsc::{Sender, channel},
};

fn over(executor: &ManualExecutor, hedge: &Hedge) -> WorkCalls<Layered<Hedge, ManualExecutor>> {
    Work::calls(hedge.clone().layer(executor.clone()))
}

#[test]
fn second_attempt_begins_after_the_delay_and_first_success_wins() {
    let clock = MockClock::new();
    clock.run(|| {
        let (executor, hedge) = (ManualExecutor::default(), Hedge::after(SECOND));
        for first_wins in [true, false] {
            let job = over(&executor, &hedge).echo(7).submit();
            let first = executor.begin().1;
            clock.advance(SECOND - MILLISECOND);
            assert_eq!(executor.len(), 0);
            clock.advance(MILLISECOND);
            let second = executor.begin().1;
            let (winner, loser) = if first_wins { (first, second) } else { (second, first) };
            winner.complete(Ok(WorkOutput::Echo(1)));
            assert!(loser.is_cancelled());
            loser.complete(Ok(WorkOutput::Echo(2)));
            assert_eq!(job.wait().expect("one of them ran"), 1);
        }
        assert_eq!((hedge.hedged(), clock.next_alarm()), (2, None));
    });
}

#[test]
fn quick_call_has_no_second_attempt() {
    let clock = MockClock::new();
    clock.run(|| {
        let (executor, hedge) = (ManualExecutor::default(), Hedge::after(SECOND));
        let job = over(&executor, &hedge).echo(7).submit();
        executor.succeed();
        assert_eq!((job.wait().expect("it ran"), clock.next_alarm()), (7, None));
        let job = over(&executor, &hedge).echo(7).submit();
        executor.fail();
        assert!(matches!(job.wait(), Err(CallError::Lost(_))), "a hedge is no retry");
        let job = over(&executor, &hedge).once(7).submit();
        clock.advance(SECOND);
        assert_eq!((executor.len(), hedge.hedged()), (1, 0), "it may not run twice");
        job.cancel();
    });
}

#[test]
fn error_counts_when_no_other_attempt_is_left() {
    let clock = MockClock::new();
    clock.run(|| {
        let (executor, hedge) = (ManualExecutor::default(), Hedge::after(SECOND));
        for (first_fails_first, both) in [(true, false), (false, false), (true, true), (false, true)] {
            let job = over(&executor, &hedge).echo(7).submit();
            let first = executor.begin().1;
            clock.advance(SECOND);
            let second = executor.begin().1;
            let (loser, other) = if first_fails_first { (first, second) } else { (second, first) };
            drop(loser);
            assert!(!job.is_finished());
            if both {
                drop(other);
            } else {
                other.complete(Ok(WorkOutput::Echo(7)));
            }
            assert_eq!(job.wait().is_err(), both);
        }
    });
}

#[test]
fn cancel_ends_both_attempts() {
    let clock = MockClock::new();
    clock.run(|| {
        let (executor, hedge) = (ManualExecutor::default(), Hedge::after(SECOND));
        let work = over(&executor, &hedge);
        let job = work.echo(7).submit();
        job.cancel();
        assert_eq!((executor.len(), clock.next_alarm()), (0, None));
        for first_failed in [false, true] {
            let job = work.echo(7).submit();
            let first = executor.begin().1;
            clock.advance(SECOND);
            let second = executor.begin().1;
            let first = (!first_failed).then_some(first);
            job.cancel();
            assert!(second.is_cancelled() && first.is_none_or(|first| first.is_cancelled()));
            assert!(matches!(job.wait(), Err(CallError::Cancelled(_))));
        }
    });
}

#[test]
fn returned_call_has_no_second_attempt() {
    let clock = MockClock::new();
    clock.run(|| {
        let (executor, hedge) = (ManualExecutor::with_room_for(0), Hedge::after(SECOND));
        let work = over(&executor, &hedge);
        assert!(work.echo(7).try_submit().expect_err("there is no room").is_full());
        assert_eq!((clock.next_alarm(), hedge.hedged()), (None, 0));
    });
}

#[test]
fn hedge_delay_follows_recent_durations() {
    let clock = MockClock::new();
    clock.run(|| {
        let (executor, hedge) = (ManualExecutor::default(), Hedge::after(MINUTE).percentile(90.0));
        let work = over(&executor, &hedge);
        for ms in 1..=20 {
            let job = work.echo(7).submit();
            clock.advance(ms * MILLISECOND);
            executor.succeed();
            assert!(job.wait().is_ok());
        }
        let job = work.echo(7).submit();
        assert_eq!(clock.next_alarm(), Some(18 * MILLISECOND));
        job.cancel();
    });
}

#[test]
fn failed_call_runs_on_the_fallback() {
    let (here, there) = (ManualExecutor::default(), ManualExecutor::default());
    let work = Work::calls(Fallback::to(there.clone()).layer(here.clone()));
    let job = work.echo(7).submit();
    here.fail();
    there.succeed();
    assert_eq!(job.wait().expect("it ran there"), 7);
    let job = work.echo(7).submit();
    here.fail();
    there.fail();
    assert!(matches!(job.wait(), Err(CallError::Lost(_))), "and no third");
    let job = work.once(7).submit();
    here.fail();
    assert!(matches!(job.wait(), Err(CallError::Lost(_))), "it may have run");
    let job = work.echo(7).submit();
    job.cancel();
    assert_eq!((here.len(), there.len()), (0, 0));
    here.close();
    for (job, x) in [(work.once(1).submit(), 1), (work.echo(2).submit(), 2)] {
        there.succeed();
        assert_eq!(job.wait().expect("it was not begun here"), x);
    }
    there.close();
    assert!(matches!(work.echo(2).wait(), Err(CallError::Closed(_))));
    assert!(matches!(work.once(2).wait(), Err(CallError::Closed(_))));
}

#[test]
fn fallback_call_waits_for_room() {
    let (here, there) = (ManualExecutor::default(), ManualExecutor::with_room_for(0));
    let work =
        Work::calls(Fallback::to(there.clone()).when(|error| matches!(error, CallError::Lost(_))).layer(here.clone()));
    let job = work.echo(7).submit();
    here.fail();
    assert!(!job.is_finished());
    there.set_room(1);
    there.succeed();
    assert_eq!(job.wait().expect("it ran there"), 7);
    here.close();
    assert!(matches!(work.echo(7).wait(), Err(CallError::Closed(_))), "that is no reason");
}

/// An argument whose clone runs code of the test.
pub struct Argument(pub Arc<()>);

impl Clone for Argument {
    fn clone(&self) -> Self {
        assert!(Arc::strong_count(&self.0) < 100, "no clone of this one");
        Self(self.0.clone())
    }
}

pub struct Slow;

#[define]
impl Slow {
    #[task(idempotent)]
    pub async fn keep(argument: Argument, begun: Sender<()>) -> usize {
        drop(argument);
        let _ = begun.send(());
        nanolith::time::sleep(HOUR).await;
        1
    }

    #[task(idempotent)]
    pub fn count(argument: Argument) -> usize {
        Arc::strong_count(&argument.0)
    }
}

#[test]
fn cancel_drops_arguments_of_the_second_attempt_at_once() {
    let pool = Pool::builder().build().expect("the settings are sound");
    let (argument, (tell, begun)) = (Arc::new(()), channel());
    let hedged = Slow::calls(Hedge::after(HOUR).layer(pool.clone()));
    let retried = Slow::calls(Retry::new(3).layer(pool.clone()));
    let fallen_back = Slow::calls(Fallback::to(pool.clone()).layer(pool));
    for round in 0..3 {
        let (argument, tell) = (Argument(argument.clone()), tell.clone());
        let job = match round {
            0 => hedged.keep(argument, tell).submit(),
            1 => retried.keep(argument, tell).submit(),
            _ => fallen_back.keep(argument, tell).submit(),
        };
        begun.recv().expect("it begins");
        job.cancel();
        assert!(matches!(job.wait(), Err(CallError::Cancelled(_))));
    }
    assert_eq!(Arc::strong_count(&argument), 1);
}

#[test]
fn call_whose_arguments_cannot_be_cloned_runs_once() {
    let pool = Pool::builder().build().expect("the settings are sound");
    let argument = Arc::new(());
    let _many: Vec<_> = (0..100).map(|_| argument.clone()).collect();
    let this = || Argument(argument.clone());
    assert!(Slow::calls(Hedge::after(HOUR).layer(pool.clone())).count(this()).wait().is_ok());
    assert!(Slow::calls(Retry::new(3).layer(pool.clone())).count(this()).wait().is_ok());
    assert!(Slow::calls(Fallback::to(pool.clone()).layer(pool)).count(this()).wait().is_ok());
    let cluster = Cluster::launch(2, Slow::service).wait().expect("it starts");
    assert!(cluster.count(this()).wait().is_ok());
}
