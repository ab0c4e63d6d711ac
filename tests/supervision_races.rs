//! Tests of crashes, restarts and ends at unfavourable moments.

#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    Cluster,
    event::Events,
    executor::OnFull,
    prelude::*,
    service::{Crash, LifeEvent, OnPanic, Restart, RestartGroup},
    sync::Backoff,
    time::{MILLISECOND, MINUTE},
};
use std::{
    future::{Future, pending, poll_fn},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{Sender, channel},
    },
    task::{Poll, Waker},
};

type Failed = Box<dyn std::error::Error>;

/// A gate that opens once, and stays open.
#[derive(Clone, Default)]
pub struct Gate(Arc<(AtomicBool, Mutex<Vec<Waker>>)>);

impl Gate {
    fn open(&self) {
        self.0.0.store(true, Ordering::SeqCst);
        let wakers = std::mem::take(&mut *self.0.1.lock().expect("no holder panics"));
        wakers.into_iter().for_each(Waker::wake);
    }

    async fn opened(&self) {
        poll_fn(|cx| {
            self.0.1.lock().expect("no holder panics").push(cx.waker().clone());
            if self.0.0.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Reports its drop, and then panics if it should.
pub struct Last {
    tell: Sender<&'static str>,
    panics: bool,
}

impl Drop for Last {
    fn drop(&mut self) {
        let _ = self.tell.send("dropped");
        assert!(!self.panics, "the destructor panics");
    }
}

/// The behaviour of each start, by its number.
#[derive(Clone, Default)]
pub struct Starts {
    count: Arc<AtomicUsize>,
    /// The first start that does not end until `open`, if there is one.
    stuck: Option<usize>,
    /// The first start that fails. All later starts fail too.
    fails: Option<usize>,
    begun: Gate,
    open: Gate,
}

pub struct Counter {
    total: i64,
}

#[define]
impl Counter {
    #[init]
    async fn start(first: i64, starts: Starts) -> Self {
        let start = starts.count.fetch_add(1, Ordering::SeqCst);
        if starts.stuck.is_some_and(|stuck| start >= stuck) {
            starts.begun.open();
            starts.open.opened().await;
        }
        assert!(starts.fails.is_none_or(|fails| start < fails), "it cannot start");
        Self { total: first }
    }

    pub fn bump(&mut self, by: i64) -> i64 {
        self.total += by;
        self.total
    }

    pub fn fail(&mut self) {
        panic!("the task panics");
    }

    /// Panics when the gate opens, not before.
    pub async fn fail_later(&mut self, begun: Sender<()>, gate: Gate) {
        self.total += 1_000;
        let _ = begun.send(());
        gate.opened().await;
        panic!("the task panics");
    }

    /// Panics when the gate opens, while it shares the state.
    pub async fn fail_later_beside(&self, begun: Sender<()>, gate: Gate) {
        let _ = begun.send(());
        gate.opened().await;
        panic!("the task panics");
    }

    #[task(idempotent)]
    pub async fn nine_later(&self, begun: Sender<()>, gate: Gate) -> i64 {
        let _ = begun.send(());
        gate.opened().await;
        9
    }

    pub async fn never(&self, begun: Sender<()>, last: Last) {
        let _ = begun.send(());
        pending::<()>().await;
        drop(last);
    }
}

fn at_once() -> Restart {
    Restart::on_panic().backoff(Backoff::none())
}

fn launch(restart: Restart, starts: &Starts) -> Service<Counter> {
    Counter::service(10, starts.clone()).restart(restart).launch().wait().expect("it starts")
}

fn started(service: &Service<Counter>) -> Events<LifeEvent> {
    let mut life = service.control().life();
    assert!(matches!(life.recv().wait(), Some(LifeEvent::Started)));
    life
}

fn restarted(life: &mut Events<LifeEvent>) -> Crash {
    match life.recv().wait() {
        Some(LifeEvent::Restarted { crash, .. }) => crash,
        other => panic!("not {other:?}"),
    }
}

// ----- asynchronous tasks

#[test]
fn panic_after_a_wait_restarts_an_idle_service() -> Result<(), Failed> {
    let counter = launch(at_once(), &Starts::default());
    let mut life = started(&counter);
    let ((begun, begins), gate) = (channel(), Gate::default());
    let fails = counter.fail_later_beside(begun, gate.clone()).submit();
    begins.recv()?;
    std::thread::sleep(20 * MILLISECOND); // the thread has nothing to do, and sleeps
    gate.open();
    assert!(matches!(fails.wait(), Err(CallError::Panicked(..))));
    assert!(matches!(restarted(&mut life), Crash::Task(_)));
    Ok(())
}

#[test]
fn call_queued_behind_a_panicking_task_uses_the_new_state() -> Result<(), Failed> {
    let counter = launch(at_once(), &Starts::default());
    let ((begun, begins), gate) = (channel(), Gate::default());
    let fails = counter.fail_later(begun, gate.clone()).submit();
    begins.recv()?;
    let queued = counter.bump(1).submit();
    gate.open();
    assert!(matches!(fails.wait(), Err(CallError::Panicked(..))));
    assert_eq!(queued.wait()?, 11);
    Ok(())
}

// ----- destructors that panic

#[test]
fn future_that_panics_in_drop_is_no_longer_counted() -> Result<(), Failed> {
    let counter = launch(at_once(), &Starts::default());
    let mut life = started(&counter);
    let ((begun, begins), (tell, reports)) = (channel(), channel());
    let call = counter.never(begun, Last { tell, panics: true }).submit();
    begins.recv()?;
    call.cancel();
    assert_eq!(reports.recv()?, "dropped");
    assert!(matches!(restarted(&mut life), Crash::Loop(_)));
    assert_eq!(counter.bump(1).wait()?, 11);
    counter.close().wait()?; // it would wait for calls that are still counted
    assert_eq!(counter.info().in_progress, 0);
    Ok(())
}

#[test]
fn panicking_destructor_does_not_skip_other_destructors() -> Result<(), Failed> {
    let counter = launch(at_once(), &Starts::default());
    let ((begun, begins), (tell, reports)) = (channel(), channel());
    let calls = [true, false, true, false, true]
        .map(|panics| counter.never(begun.clone(), Last { tell: tell.clone(), panics }).submit());
    begins.iter().take(5).for_each(drop);
    drop(tell);
    counter.control().restart()?;
    for call in calls {
        assert!(matches!(call.wait(), Err(CallError::Crashed(_))));
    }
    assert_eq!(reports.iter().count(), 5);
    Ok(())
}

// ----- figures

#[test]
fn terminated_service_counts_no_active_call() -> Result<(), Failed> {
    let counter = launch(at_once(), &Starts::default());
    let ((begun, begins), (tell, _reports)) = (channel(), channel());
    let running = counter.never(begun, Last { tell, panics: false }).submit();
    begins.recv()?;
    let held = counter.bump(1).submit();
    counter.terminate().wait()?;
    assert!(matches!(running.wait(), Err(CallError::Closed(_))));
    assert!(matches!(held.wait(), Err(CallError::Closed(_))));
    let info = counter.info();
    assert_eq!((info.in_progress, info.queue_len, info.overflow), (0, 0, 0));
    Ok(())
}

// ----- waiters for capacity

#[test]
fn callers_that_wait_for_room_fail_when_the_service_gives_up() -> Result<(), Failed> {
    let counter =
        Counter::service(10, Starts::default()).max_queue(1).on_panic(|_| OnPanic::Restart).launch().wait()?;
    let ((begun, begins), gate) = (channel(), Gate::default());
    let fails = counter.fail_later(begun, gate.clone()).submit();
    begins.recv()?;
    let queued = counter.bump(1).submit();
    let (stands, stood) = channel();
    std::thread::scope(|scope| {
        let wait_in_line = || {
            let mut call = std::pin::pin!(counter.bump(1));
            pollster::block_on(poll_fn(|cx| {
                let outcome = call.as_mut().poll(cx);
                let _ = stands.clone().send(());
                outcome
            }))
        };
        let in_line = [(); 3].map(|()| scope.spawn(wait_in_line));
        stood.iter().take(3).for_each(drop);
        gate.open();
        for call in in_line {
            assert!(matches!(call.join().expect("it ends"), Err(CallError::Closed(_))));
        }
    });
    assert!(matches!(fails.wait(), Err(CallError::Panicked(..))));
    assert!(matches!(queued.wait(), Err(CallError::Crashed(_))));
    Ok(())
}

// ----- during a restart

#[test]
fn restarting_service_has_no_free_slot() -> Result<(), Failed> {
    let starts = Starts { stuck: Some(1), ..Starts::default() };
    let settings = Counter::service(10, starts.clone()).restart(at_once()).max_queue(1).on_full(OnFull::Reject);
    let counter = settings.launch().wait()?;
    assert!(counter.fail().wait().is_err());
    pollster::block_on(starts.begun.opened());
    let queued = counter.bump(1).submit();
    let refused = counter.bump(1).submit();
    starts.open.open();
    assert!(matches!(refused.wait(), Err(CallError::Full(_))), "the bound is one call");
    assert_eq!(queued.wait()?, 11);
    Ok(())
}

#[test]
fn terminate_ends_a_hanging_restart() -> Result<(), Failed> {
    let starts = Starts { stuck: Some(1), ..Starts::default() };
    let counter = launch(at_once(), &starts);
    assert!(counter.fail().wait().is_err());
    let queued = counter.bump(1).submit();
    pollster::block_on(starts.begun.opened());
    counter.terminate().wait()?;
    assert!(matches!(queued.wait(), Err(CallError::Closed(_))));
    Ok(())
}

#[test]
fn close_waits_for_a_restart_and_then_runs_accepted_calls() -> Result<(), Failed> {
    let starts = Starts { stuck: Some(1), ..Starts::default() };
    let counter = launch(at_once(), &starts);
    assert!(counter.fail().wait().is_err());
    let queued = counter.bump(1).submit();
    pollster::block_on(starts.begun.opened());
    let closing = counter.close();
    starts.open.open();
    closing.wait()?;
    assert_eq!(queued.wait()?, 11);
    Ok(())
}

#[test]
fn failed_restart_during_a_close_waits_before_the_next() -> Result<(), Failed> {
    let starts = Starts { fails: Some(1), ..Starts::default() };
    let counter =
        launch(Restart::on_panic().limit(100, MINUTE).backoff(Backoff::exponential(MINUTE).max_delay(MINUTE)), &starts);
    assert!(counter.fail().wait().is_err());
    let queued = counter.bump(1).submit();
    let closing = counter.close();
    assert!(queued.wait_timeout(200 * MILLISECOND).is_err());
    assert_eq!(starts.count.load(Ordering::SeqCst), 2, "the first wait is cut short, the second is not");
    counter.terminate().wait()?;
    closing.wait()?;
    Ok(())
}

pub struct Selfish;

static ITSELF: Mutex<Option<Service<Selfish>>> = Mutex::new(None);

#[define]
impl Selfish {
    #[init]
    async fn start() -> Self {
        let itself = ITSELF.lock().expect("no holder panics").clone();
        if let Some(itself) = itself {
            assert!(matches!(itself.nine().await, Err(CallError::WouldDeadlock(_))));
        }
        Self
    }

    pub fn nine(&self) -> i64 {
        9
    }
}

#[test]
fn restart_cannot_wait_for_a_call_of_its_own_service() -> Result<(), Failed> {
    let service = Selfish::service().restart(Restart::on_panic().except_in_tasks()).launch().wait()?;
    *ITSELF.lock().expect("no holder panics") = Some(service.clone());
    let mut life = service.control().life();
    service.control().restart()?;
    assert!(matches!(life.recv().wait(), Some(LifeEvent::Started)));
    assert!(matches!(life.recv().wait(), Some(LifeEvent::Restarted { .. })));
    *ITSELF.lock().expect("no holder panics") = None;
    assert_eq!(service.nine().wait()?, 9);
    Ok(())
}

// ----- groups

#[test]
fn rest_for_one_continues_past_an_ended_member() -> Result<(), Failed> {
    let group = RestartGroup::rest_for_one();
    let services = [(); 3].map(|()| launch(at_once(), &Starts::default()));
    services.iter().try_for_each(|service| group.add(service))?;
    let mut last = started(&services[2]);
    services[1].close().wait()?; // and its handle stays
    assert!(services[0].fail().wait().is_err());
    assert!(matches!(restarted(&mut last), Crash::Group));
    Ok(())
}

#[test]
fn rest_for_one_continues_past_a_member_that_ends_meanwhile() -> Result<(), Failed> {
    let group = RestartGroup::rest_for_one();
    let stuck = Starts { stuck: Some(1), ..Starts::default() };
    let all = [Starts::default(), stuck.clone(), Starts::default()];
    let services = all.each_ref().map(|starts| launch(at_once(), starts));
    services.iter().try_for_each(|service| group.add(service))?;
    let mut last = started(&services[2]);
    assert!(services[0].fail().wait().is_err());
    pollster::block_on(stuck.begun.opened());
    services[1].terminate().wait()?;
    assert!(matches!(restarted(&mut last), Crash::Group));
    Ok(())
}

#[test]
fn one_restart_answers_all_earlier_requests() -> Result<(), Failed> {
    let slow = Restart::on_panic().except_in_tasks().backoff(Backoff::exponential(300 * MILLISECOND).jitter(0.0));
    let counter = Counter::service(10, Starts::default()).restart(slow).on_panic(|_| OnPanic::Restart);
    let counter = counter.launch().wait()?;
    let mut life = started(&counter);
    assert!(counter.fail().wait().is_err());
    std::thread::sleep(50 * MILLISECOND); // it waits before it restarts
    counter.control().restart()?;
    assert!(matches!(restarted(&mut life), Crash::Task(_)));
    assert_eq!(counter.bump(1).wait()?, 11);
    assert_eq!(counter.info().restarts, 1);
    Ok(())
}

// ----- clusters

#[test]
fn restarting_member_stays_and_its_calls_wait() -> Result<(), Failed> {
    let starts = Starts { stuck: Some(1), ..Starts::default() };
    let (seen, member) = (starts.clone(), move || Counter::service(10, starts.clone()).restart(at_once()));
    let cluster = Cluster::launch(1, member).wait()?;
    let ((begun, begins), gate) = (channel(), Gate::default());
    let again = cluster.nine_later(begun, gate.clone()).submit();
    begins.recv()?;
    cluster.control().use_next()?.control().restart()?;
    pollster::block_on(seen.begun.opened());
    let queued = cluster.bump(1).submit();
    assert_eq!(cluster.info().active_services, 1);
    seen.open.open();
    gate.open();
    // A call that has started and may run twice has continued in the same member, since there is no
    // other member.
    assert_eq!((again.wait()?, queued.wait()?), (9, 11));
    assert_eq!(cluster.info().moved, 1);
    cluster.close().wait()?;
    Ok(())
}

// ----- all of it at once

/// Returns a number that looks random, and is the same in each run.
fn scatter(number: u64) -> u64 {
    let bits = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (bits ^ (bits >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 33
}

/// Makes calls of each kind, and checks that each of them ends.
fn torment(services: &[Service<Counter>], round: u64) {
    let ((begun, _begins), (tell, _reports)) = (channel(), channel());
    let gate = Gate::default();
    let (mut bumps, mut others) = (Vec::new(), Vec::new());
    for step in 0..200 {
        let chance = scatter(round * 1_000 + step);
        let service = &services[chance as usize % services.len()];
        match (chance >> 8) % 16 {
            0 => others.push(service.fail().submit()),
            1 => others.push(service.fail_later(begun.clone(), gate.clone()).submit()),
            2 => others.push(service.fail_later_beside(begun.clone(), gate.clone()).submit()),
            3 | 4 => {
                let panics = chance & (1 << 16) > 0;
                let call = service.never(begun.clone(), Last { tell: tell.clone(), panics });
                others.push(call.timeout(MILLISECOND).submit());
            }
            5 => drop(service.control().restart()),
            6 => drop(service.bump(1).submit().cancel_on_drop()),
            7 => others.push(service.fail().timeout(MILLISECOND).submit()),
            _ => bumps.push(service.bump(1).submit()),
        }
    }
    gate.open();
    for call in others {
        assert!(call.wait().is_err());
    }
    for call in bumps {
        assert!(call.wait().is_ok_and(|total| total > 10), "a queued call runs, on whichever state");
    }
}

#[test]
fn members_that_crash_at_once_end_every_call() -> Result<(), Failed> {
    for group in [RestartGroup::one_for_one(), RestartGroup::one_for_all(), RestartGroup::rest_for_one()] {
        let endless = at_once().limit(usize::MAX, MINUTE);
        let services = [(); 3].map(|()| launch(endless.clone(), &Starts::default()));
        services.iter().try_for_each(|service| group.add(service))?;
        std::thread::scope(|scope| {
            for round in 0..3 {
                let services = &services;
                scope.spawn(move || torment(services, round));
            }
        });
        for service in &services {
            service.close().wait()?;
            let info = service.info();
            assert_eq!((info.in_progress, info.queue_len, info.overflow), (0, 0, 0));
        }
    }
    Ok(())
}
