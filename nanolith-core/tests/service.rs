//! Tests of the service, over a hand-written set.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

mod common;

use common::{Any, gate};
use nanolith::CallError;

#[test]
fn a_service_keeps_its_state() {
    let service = Any::service(10).launch().wait().expect("it starts");
    assert_eq!(service.change(5).wait().expect("it runs"), 15);
    assert_eq!(service.look().wait().expect("it runs"), 15);
    assert_eq!(service.look_later(async {}).wait().expect("it runs"), 15);
    assert_eq!(service.change_later(async {}).wait().expect("it runs"), 16);
    service.close().wait().expect("it closes");
    assert!(matches!(service.look().wait(), Err(CallError::Closed(_))));
}

#[test]
fn what_was_accepted_finishes_before_a_close() {
    let service = Any::service(0).launch().wait().expect("it starts");
    let (open, wait) = gate();
    let jobs: Vec<_> = std::iter::once(service.change_with(1, move |_| wait()).submit())
        .chain((0..100).map(|_| service.change(1).submit()))
        .collect();
    let closing = service.close();
    open.send(()).expect("it waits");
    closing.wait().expect("it closes");
    for (n, job) in jobs.into_iter().enumerate() {
        assert_eq!(job.wait().expect("it was accepted"), n as i64 + 1);
    }
}

#[test]
fn terminate_ends_the_queue() {
    let service = Any::service(0).launch().wait().expect("it starts");
    let (open, wait) = gate();
    let (began, begun) = std::sync::mpsc::channel();
    let running = service
        .change_with(1, move |_| {
            began.send(()).expect("heard");
            wait();
        })
        .submit();
    begun.recv().expect("it runs");
    let queued = service.change(1).submit();
    let ending = service.terminate();
    assert!(matches!(queued.wait(), Err(CallError::Closed(_))));
    assert!(matches!(running.wait(), Err(CallError::Closed(_))), "its caller is let go, and it is asked to stop");
    open.send(()).expect("it waits");
    ending.wait().expect("it ends");
}
