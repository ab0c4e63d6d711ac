//! Tests of a service that sleeps with its ring open: whatever comes next wakes it.
#![allow(missing_docs)] // a test's name documents it

mod common;

use common::{Any, LONG, gate};
use nanolith::{
    CallError, Priority, Service, Wait,
    service::{Restart, ServiceBuilder},
};
use std::{
    convert::Infallible,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

type Builder = ServiceBuilder<Any, Infallible, Any>;

/// Long enough for the service to be asleep. No event shows that a thread sleeps. If it does not, on
/// a busy machine, the tests hold too.
const ASLEEP: Duration = Duration::from_millis(20);

/// A rest between many rounds, in most of which the service falls asleep.
const REST: Duration = Duration::from_millis(1);

/// Launches a service whose thread takes calls from its ring. The calls that open the ring wait
/// behind one that holds the thread, so they surely arrive in a row.
fn hot(builder: Builder) -> Service<Any> {
    let service = builder.launch().wait().expect("it starts");
    let (open, wait) = gate();
    let (tell, begun) = mpsc::channel();
    let held = service.calls().run(move || {
        let _ = tell.send(());
        wait();
        0
    });
    let held = held.submit();
    begun.recv_timeout(LONG).expect("it begins");
    let jobs: Vec<_> = (0..200).map(|_| service.calls().change(1).submit()).collect();
    open.send(()).expect("it waits");
    assert!(held.wait().is_ok() && jobs.into_iter().all(|job| job.wait().is_ok()));
    service
}

fn resting(builder: Builder) -> Service<Any> {
    let service = hot(builder);
    thread::sleep(ASLEEP);
    service
}

#[test]
fn calls_from_two_threads_wake_the_service_after_each_rest() {
    let service = hot(Any::service(0));
    thread::scope(|scope| {
        for caller in 0..2_u64 {
            let service = &service;
            scope.spawn(move || {
                for n in 0..600_u64 {
                    thread::sleep(Duration::from_micros((n * 7 + caller * 3) % 90));
                    assert!(service.calls().change(1).wait().is_ok());
                }
            });
        }
    });
    assert_eq!(service.calls().look().wait().expect("it runs"), 1_400);
}

#[test]
fn look_at_the_figures_during_a_rest_loses_no_wake() {
    let service = resting(Any::service(0));
    for n in 1..=50 {
        assert_eq!(service.info().queue_len, 0);
        assert_eq!(service.calls().change(1).wait().expect("it wakes"), 200 + n);
        thread::sleep(REST);
    }
}

#[test]
fn calls_that_take_the_lock_wake_a_resting_service() {
    for _ in 0..20 {
        let service = resting(Any::service(0));
        let calls = service.calls();
        assert_eq!(calls.change(1).priority(Priority::Immediate).wait().expect("it wakes"), 201);
        thread::sleep(REST);
        assert_eq!(calls.change(1).timeout(LONG).wait().expect("it wakes"), 202);
        thread::sleep(REST);
        assert_eq!(calls.later(async { 7 }).wait().expect("it wakes"), 7);
        thread::sleep(REST);
        assert_eq!(calls.change(1).wait().expect("it wakes"), 203);
    }
}

#[test]
fn resting_service_closes() {
    let service = resting(Any::service(0));
    service.close().wait().expect("it ends");
    assert!(matches!(service.calls().change(1).wait(), Err(CallError::Closed(_))));
    resting(Any::service(0)).terminate().wait().expect("it ends");
    let service = resting(Any::service(0));
    let closed = service.control().closed();
    drop(service);
    closed.wait().expect("it ends with its last handle");
}

#[test]
fn resting_service_restarts() {
    let service = resting(Any::service(0).restart_with(Restart::on_panic(), || Any(5)));
    service.control().restart().expect("it is open");
    let until = Instant::now() + LONG;
    while service.info().restarts == 0 {
        assert!(Instant::now() < until, "it sleeps on");
        thread::yield_now();
    }
    assert_eq!(service.calls().look().wait().expect("it runs"), 5);
}

#[test]
fn call_after_a_rest_has_waited_since_its_submission() {
    let service = hot(Any::service(0));
    let rest = Duration::from_millis(400);
    thread::sleep(rest);
    let error = service.calls().change_with(1, |_| panic!("on purpose")).wait().expect_err("it panics");
    assert!(error.trace().waited() < rest / 2, "{error}");
    thread::sleep(rest);
    let error = service.calls().change_with(1, |_| panic!("on purpose")).wait().expect_err("it panics");
    assert!(error.trace().ran() < rest / 2, "{error}");
}
