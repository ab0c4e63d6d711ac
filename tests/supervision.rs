//! Tests of a service that crashes: restarts, limits, groups, and events.

#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    event::Events,
    prelude::*,
    service::{CloseError, Crash, GroupError, LaunchError, LifeEvent, OnPanic, Restart, RestartError, RestartGroup},
    sync::Backoff,
    task::CallInfo,
    time::MINUTE,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

/// Counts from `first` up. Each start is counted in `starts`.
pub struct Counter {
    total: i64,
}

#[define]
impl Counter {
    #[init]
    fn start(first: i64, starts: Arc<Starts>) -> Result<Self, CannotStart> {
        let start = starts.count.fetch_add(1, Ordering::SeqCst);
        match starts.fails.contains(&start) {
            true => Err(CannotStart),
            false => Ok(Self { total: first }),
        }
    }

    #[before_task]
    fn before(&self, call: &CallInfo) {
        assert!(call.task().name() != "hooked", "the hook panics");
    }

    pub fn bump(&mut self, by: i64) -> i64 {
        self.total += by;
        self.total
    }

    pub fn hooked(&self) {}

    pub fn fail(&mut self) {
        self.total += 1_000;
        panic!("the task panics");
    }

    /// Panics when the test lets it.
    pub fn fail_later(&mut self, begun: Sender<()>, go: Receiver<()>) {
        let _ = begun.send(());
        let _ = go.recv();
        panic!("the task panics");
    }

    pub async fn never(&self, begun: Sender<()>) {
        let _ = begun.send(());
        std::future::pending::<()>().await;
    }
}

#[derive(Debug)]
pub struct CannotStart;

impl std::fmt::Display for CannotStart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it cannot start")
    }
}

impl std::error::Error for CannotStart {}

#[derive(Default)]
pub struct Starts {
    count: AtomicUsize,
    /// The numbers of the starts that fail.
    fails: Vec<usize>,
}

fn failing<const N: usize>(fails: [usize; N]) -> Arc<Starts> {
    Arc::new(Starts { fails: fails.into(), ..Starts::default() })
}

fn at_once() -> Restart {
    Restart::on_panic().except_in_tasks().backoff(Backoff::none())
}

/// Launches a service that restarts when a task panics.
fn launch(restart: Restart, starts: &Arc<Starts>) -> Service<Counter> {
    let builder = Counter::service(10, starts.clone()).restart(restart).on_panic(|_| OnPanic::Restart);
    builder.launch().wait().expect("it starts")
}

fn restarted(life: &mut Events<LifeEvent>) -> (Crash, u64) {
    match life.recv().wait() {
        Some(LifeEvent::Restarted { crash, restarts }) => (crash, restarts),
        other => panic!("not {other:?}"),
    }
}

fn started(service: &Service<Counter>) -> Events<LifeEvent> {
    let mut life = service.control().life();
    assert!(matches!(life.recv().wait(), Some(LifeEvent::Started)));
    life
}

// ----- crashes

#[test]
fn panic_answered_with_restart_gives_a_new_state() {
    let counter = launch(at_once(), &Arc::default());
    assert_eq!(counter.bump(5).wait().ok(), Some(15));
    assert!(matches!(counter.fail().wait(), Err(CallError::Panicked(..))));
    assert_eq!(counter.bump(1).wait().ok(), Some(11));
    assert_eq!(counter.info().restarts, 1);
}

#[test]
fn panic_in_a_hook_is_a_crash() -> Result<(), Box<dyn std::error::Error>> {
    let counter = Counter::service(10, Arc::default()).restart(at_once()).launch().wait()?;
    let mut life = started(&counter);
    counter.bump(5).wait()?;
    assert!(matches!(counter.hooked().wait(), Err(CallError::Panicked(..))));
    assert!(matches!(restarted(&mut life), (Crash::Hook(_), 1)));
    assert_eq!(counter.bump(1).wait()?, 11);
    Ok(())
}

#[test]
fn answer_of_the_handler_overrides_the_policy() -> Result<(), Box<dyn std::error::Error>> {
    let counter = Counter::service(10, Arc::default()).restart(Restart::on_panic()).on_panic(|_| OnPanic::Continue);
    let counter = counter.launch().wait()?;
    assert!(counter.fail().wait().is_err());
    assert_eq!(counter.bump(1).wait()?, 1_011);
    Ok(())
}

#[test]
fn crash_without_a_policy_ends_the_service() -> Result<(), Box<dyn std::error::Error>> {
    let counter = Counter::service(10, Arc::default()).on_panic(|_| OnPanic::Restart).launch().wait()?;
    let mut life = started(&counter);
    assert!(counter.fail().wait().is_err());
    assert!(matches!(counter.control().closed().wait(), Err(CloseError::Crashed(Crash::Task(_)))));
    assert!(matches!(life.recv().wait(), Some(LifeEvent::GaveUp(Crash::Task(_)))));
    assert!(life.recv().wait().is_none());
    assert!(matches!(counter.bump(1).wait(), Err(CallError::Closed(_))));
    assert_eq!(counter.control().restart(), Err(RestartError));
    Ok(())
}

#[test]
fn requested_restarts_have_no_limit() -> Result<(), Box<dyn std::error::Error>> {
    let starts = Arc::default();
    let counter = launch(Restart::on_panic().except_in_tasks().limit(1, MINUTE), &starts);
    let mut life = started(&counter);
    for round in 1..=20 {
        counter.control().restart()?;
        assert!(matches!(restarted(&mut life), (Crash::Asked, restarts) if restarts == round));
    }
    assert_eq!(starts.count.load(Ordering::SeqCst), 21);
    assert_eq!(counter.bump(1).wait()?, 11);
    Ok(())
}

// ----- calls

#[test]
fn queued_calls_survive_the_restart() -> Result<(), Box<dyn std::error::Error>> {
    let counter = launch(at_once(), &Arc::default());
    let (begun, begins) = channel();
    let (go, goes) = channel();
    let fails = counter.fail_later(begun, goes).submit();
    begins.recv()?;
    let queued: Vec<_> = (0..100).map(|_| counter.bump(1).submit()).collect();
    go.send(())?;
    assert!(matches!(fails.wait(), Err(CallError::Panicked(..))));
    for (bumps, call) in (1..).zip(queued) {
        assert_eq!(call.wait()?, 10 + bumps);
    }
    Ok(())
}

#[test]
fn begun_calls_end_as_crashed() -> Result<(), Box<dyn std::error::Error>> {
    let counter = launch(at_once(), &Arc::default());
    let (begun, begins) = channel();
    let pending: Vec<_> = (0..3).map(|_| counter.never(begun.clone()).submit()).collect();
    begins.iter().take(3).for_each(drop);
    counter.control().restart()?;
    for call in pending {
        assert!(matches!(call.wait(), Err(CallError::Crashed(_))));
    }
    assert_eq!(counter.bump(1).wait()?, 11);
    counter.close().wait()?; // it would wait for calls that are still counted
    Ok(())
}

#[test]
fn every_call_ends_once_however_often_the_service_crashes() -> Result<(), Box<dyn std::error::Error>> {
    const CALLS: usize = 4_000;
    let restart = Restart::on_panic().limit(usize::MAX, MINUTE).backoff(Backoff::none());
    let counter = Counter::service(10, Arc::default()).restart(restart).launch().wait()?;
    let (done, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let (counter, done, failed) = (&counter, &done, &failed);
            scope.spawn(move || {
                let mut calls = Vec::new();
                for n in 0..CALLS {
                    if n % 500 == 250 * thread {
                        let outcome = counter.fail().wait();
                        assert!(matches!(outcome, Err(CallError::Panicked(..))), "{outcome:?}");
                        failed.fetch_add(1, Ordering::SeqCst);
                    }
                    calls.push(counter.bump(1).submit());
                }
                for call in calls {
                    call.wait().expect("a call that was queued runs, on whichever state");
                    done.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(done.into_inner(), 2 * CALLS);
    assert_eq!(counter.info().restarts, failed.into_inner() as u64);
    let info = counter.info();
    assert_eq!((info.in_progress, info.queue_len, info.overflow), (0, 0, 0));
    counter.close().wait()?;
    Ok(())
}

/// Tests the rows of the table in the docs of `Restart`.
#[test]
fn policy_decides_what_a_panic_leaves_of_the_state() -> Result<(), Box<dyn std::error::Error>> {
    let (kept, new) = ([1_015, 1_016], [10, 10]);
    for (restart, [task, hook]) in [
        (Restart::never(), [kept[0], kept[1]]),
        (Restart::on_panic(), [new[0], new[1]]),
        (Restart::on_panic().except_in_tasks(), [kept[0], new[1]]),
    ] {
        let counter = Counter::service(10, Arc::default()).restart(restart.clone()).launch().wait()?;
        counter.bump(5).wait()?;
        assert!(matches!(counter.fail().wait(), Err(CallError::Panicked(..))));
        assert_eq!(counter.bump(0).wait()?, task, "{restart:?}");
        counter.bump(1).wait()?;
        assert!(matches!(counter.hooked().wait(), Err(CallError::Panicked(..))));
        assert_eq!(counter.bump(0).wait()?, hook, "{restart:?}");
    }
    Ok(())
}

// ----- limits

#[test]
fn service_gives_up_beyond_its_limit_and_fails_its_waiters() -> Result<(), Box<dyn std::error::Error>> {
    let counter = launch(at_once().limit(2, MINUTE), &Arc::default());
    let mut life = started(&counter);
    for restarts in 1..=2 {
        assert!(counter.fail().wait().is_err());
        assert_eq!(restarted(&mut life).1, restarts);
    }
    let (begun, begins) = channel();
    let (go, goes) = channel();
    let fails = counter.fail_later(begun, goes).submit();
    begins.recv()?;
    let queued = counter.bump(1).submit();
    go.send(())?;
    assert!(matches!(fails.wait(), Err(CallError::Panicked(..))));
    assert!(matches!(queued.wait(), Err(CallError::Crashed(_))));
    assert!(matches!(life.recv().wait(), Some(LifeEvent::GaveUp(Crash::Task(_)))));
    Ok(())
}

#[test]
fn failing_init_of_a_restart_is_tried_again() -> Result<(), Box<dyn std::error::Error>> {
    let starts = failing([1, 2]);
    let counter = launch(at_once(), &starts);
    let mut life = started(&counter);
    assert!(counter.fail().wait().is_err());
    assert!(matches!(restarted(&mut life), (Crash::Init(_), 1)));
    assert_eq!(starts.count.load(Ordering::SeqCst), 4);
    assert_eq!(counter.bump(1).wait()?, 11);
    Ok(())
}

#[test]
fn init_that_always_fails_ends_the_service() {
    let counter = launch(at_once().limit(3, MINUTE), &failing([1, 2, 3, 4]));
    assert!(counter.fail().wait().is_err());
    assert!(matches!(counter.control().closed().wait(), Err(CloseError::Crashed(Crash::Init(_)))));
}

#[test]
fn limit_that_never_holds_is_refused() {
    for restart in [at_once().limit(0, MINUTE), at_once().limit(1, Duration::ZERO)] {
        let launched = Counter::service(10, Arc::default()).restart(restart).launch().wait();
        match launched {
            Err(LaunchError::Build(error)) => assert_eq!(error.setting(), Some("restart")),
            other => panic!("not {other:?}"),
        }
    }
}

#[test]
fn factory_gives_new_arguments_at_each_restart() -> Result<(), Box<dyn std::error::Error>> {
    let next = AtomicI64::new(100);
    let args = move || (next.fetch_add(100, Ordering::SeqCst), Arc::default());
    let counter = Counter::service(10, Arc::default()).restart_with(at_once(), args).launch().wait()?;
    for first in [10, 100, 200] {
        assert_eq!(counter.bump(1).wait()?, first + 1);
        counter.control().restart()?;
    }
    Ok(())
}

// ----- a close in the middle

#[test]
fn close_shortens_the_backoff_and_finishes_accepted_calls() -> Result<(), Box<dyn std::error::Error>> {
    let slow = Restart::on_panic().except_in_tasks().backoff(Backoff::exponential(MINUTE));
    let counter = launch(slow, &Arc::default());
    assert!(counter.fail().wait().is_err());
    let queued = counter.bump(1).submit();
    counter.close().wait()?;
    assert_eq!(queued.wait()?, 11);
    Ok(())
}

#[test]
fn terminate_ends_the_backoff() -> Result<(), Box<dyn std::error::Error>> {
    let slow = Restart::on_panic().except_in_tasks().backoff(Backoff::exponential(MINUTE));
    let counter = launch(slow, &Arc::default());
    let mut life = started(&counter);
    assert!(counter.fail().wait().is_err());
    let queued = counter.bump(1).submit();
    counter.terminate().wait()?;
    assert!(matches!(queued.wait(), Err(CallError::Closed(_))));
    assert!(matches!(life.recv().wait(), Some(LifeEvent::Closed)));
    Ok(())
}

// ----- watching

#[test]
fn late_life_stream_starts_with_the_last_event() -> Result<(), Box<dyn std::error::Error>> {
    let counter = launch(at_once(), &Arc::default());
    let mut early = started(&counter);
    assert!(counter.fail().wait().is_err());
    restarted(&mut early);
    let mut late = counter.control().life();
    assert_eq!(restarted(&mut late).1, 1);
    counter.close().wait()?;
    let after_the_end: Vec<_> = counter.control().life().collect();
    assert!(matches!(after_the_end[..], [LifeEvent::Closed]), "{after_the_end:?}");
    assert!(matches!(early.last(), Some(LifeEvent::Closed)));
    Ok(())
}

// ----- groups

fn three(group: &RestartGroup) -> Result<[Service<Counter>; 3], GroupError> {
    let services = [(); 3].map(|()| launch(at_once().limit(1, MINUTE), &Arc::default()));
    services.iter().try_for_each(|service| group.add(service))?;
    Ok(services)
}

/// Crashes the second member. Returns how often each has restarted, when all of `expected` have.
fn after_the_second_crashed(group: &RestartGroup, expected: [u64; 3]) -> Result<(), Box<dyn std::error::Error>> {
    let services = three(group)?;
    let mut lives = services.each_ref().map(started);
    assert!(services[1].fail().wait().is_err());
    for (life, expected) in lives.iter_mut().zip(expected) {
        for restarts in 1..=expected {
            assert_eq!(restarted(life).1, restarts);
        }
    }
    for service in &services {
        assert_eq!(service.bump(1).wait()?, 11);
    }
    assert_eq!(services.each_ref().map(|service| service.info().restarts), expected);
    Ok(())
}

#[test]
fn one_for_one_leaves_the_others_alone() -> Result<(), Box<dyn std::error::Error>> {
    after_the_second_crashed(&RestartGroup::one_for_one(), [0, 1, 0])
}

#[test]
fn one_for_all_restarts_all() -> Result<(), Box<dyn std::error::Error>> {
    after_the_second_crashed(&RestartGroup::one_for_all(), [1, 1, 1])
}

#[test]
fn rest_for_one_restarts_those_after_it() -> Result<(), Box<dyn std::error::Error>> {
    after_the_second_crashed(&RestartGroup::rest_for_one(), [0, 1, 1])
}

#[test]
fn member_that_gives_up_closes_those_that_would_restart() -> Result<(), Box<dyn std::error::Error>> {
    for (group, open) in [
        (RestartGroup::one_for_one(), [true, false, true]),
        (RestartGroup::one_for_all(), [false, false, false]),
        (RestartGroup::rest_for_one(), [true, false, false]),
    ] {
        let services = three(&group)?;
        let mut lives = services.each_ref().map(started);
        assert!(services[1].fail().wait().is_err());
        restarted(&mut lives[1]);
        assert!(services[1].fail().wait().is_err());
        for (service, open) in services.iter().zip(open) {
            if !open {
                let _ = service.control().closed().wait();
            }
            assert_eq!(service.bump(1).wait().is_ok(), open);
        }
    }
    Ok(())
}

#[test]
fn service_is_in_one_group_and_can_restart() -> Result<(), Box<dyn std::error::Error>> {
    let service = launch(at_once(), &Arc::default());
    RestartGroup::one_for_one().add(&service)?;
    assert_eq!(RestartGroup::one_for_all().add(&service), Err(GroupError::InAGroup));
    let mortal = Counter::service(10, Arc::default()).launch().wait()?;
    assert_eq!(RestartGroup::one_for_all().add(&mortal), Err(GroupError::NeverRestarts));
    Ok(())
}
