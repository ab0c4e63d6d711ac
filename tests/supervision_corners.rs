//! Crashes, restarts and ends at bad moments.

#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test is read from its names

use nanolith::{Backoff, Crash, Group, LifeEvent, LifeEvents, Restart, prelude::*};
use std::{
    future::{pending, poll_fn},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{Sender, channel},
    },
    task::{Poll, Waker},
};

type Failed = Box<dyn std::error::Error>;

/// Opens once, and stays open.
#[derive(Clone, Default)]
pub struct Gate(Arc<(AtomicBool, Mutex<Vec<Waker>>)>);

impl Gate {
    fn open(&self) {
        self.0.0.store(true, Ordering::SeqCst);
        let wakers = std::mem::take(&mut *self.0.1.lock().expect("nobody panics here"));
        wakers.into_iter().for_each(Waker::wake);
    }

    async fn opened(&self) {
        poll_fn(|cx| {
            self.0.1.lock().expect("nobody panics here").push(cx.waker().clone());
            if self.0.0.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Tells when it is dropped, and then panics if it is to.
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

/// How each start goes, by its number.
#[derive(Clone, Default)]
pub struct Starts {
    count: Arc<AtomicUsize>,
    /// The first that does not come to an end until `open`, if any does not.
    stuck: Option<usize>,
    /// The first that fails, as all after it do.
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

    /// The same beside others.
    pub async fn fail_later_beside(&self, begun: Sender<()>, gate: Gate) {
        let _ = begun.send(());
        gate.opened().await;
        panic!("the task panics");
    }

    pub async fn never(&self, begun: Sender<()>, last: Last) {
        let _ = begun.send(());
        pending::<()>().await;
        drop(last);
    }
}

fn at_once() -> Restart {
    Restart::always().backoff(Backoff::none())
}

fn launch(restart: Restart, starts: &Starts) -> Service<Counter> {
    Counter::service(10, starts.clone()).restart(restart).launch().wait().expect("it starts")
}

fn started(service: &Service<Counter>) -> LifeEvents {
    let mut life = service.control().life();
    assert!(matches!(life.recv().wait(), Some(LifeEvent::Started)));
    life
}

fn restarted(life: &mut LifeEvents) -> Crash {
    match life.recv().wait() {
        Some(LifeEvent::Restarted { crash, .. }) => crash,
        other => panic!("not {other:?}"),
    }
}

// ----- asynchronous tasks

#[test]
fn a_panic_after_a_wait_restarts_the_service_though_nothing_else_comes() -> Result<(), Failed> {
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
fn what_waits_behind_a_task_that_panics_later_runs_on_the_new_state() -> Result<(), Failed> {
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
fn a_future_that_panics_as_it_is_dropped_is_counted_out() -> Result<(), Failed> {
    let counter = launch(at_once(), &Starts::default());
    let mut life = started(&counter);
    let ((begun, begins), (tell, told)) = (channel(), channel());
    let call = counter.never(begun, Last { tell, panics: true }).submit();
    begins.recv()?;
    call.cancel();
    assert_eq!(told.recv()?, "dropped");
    assert!(matches!(restarted(&mut life), Crash::Loop(_)));
    assert_eq!(counter.bump(1).wait()?, 11);
    counter.close().wait()?; // it would wait for those that are counted still
    assert_eq!(counter.info().active_calls, 0);
    Ok(())
}

#[test]
fn a_destructor_that_panics_keeps_no_other_from_its_turn() -> Result<(), Failed> {
    let counter = launch(at_once(), &Starts::default());
    let ((begun, begins), (tell, told)) = (channel(), channel());
    let calls = [true, false, true, false, true]
        .map(|panics| counter.never(begun.clone(), Last { tell: tell.clone(), panics }).submit());
    begins.iter().take(5).for_each(drop);
    drop(tell);
    counter.control().restart()?;
    for call in calls {
        assert!(matches!(call.wait(), Err(CallError::Crashed(_))));
    }
    assert_eq!(told.iter().count(), 5);
    Ok(())
}
