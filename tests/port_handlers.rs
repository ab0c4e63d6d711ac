//! Tests of message handlers of ports, on a global pool that runs one task at a time. The file is a
//! program of its own, since the pool is global.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    pool::{Concurrency, GlobalPool},
    port,
    prelude::*,
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
    mpsc,
};

pub struct Geometry;

#[define]
impl Geometry {
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }
}

/// Starts the global pool. All tests here share it, so any of them may start it.
fn one_slot() {
    let _ = Pool::builder().concurrency(Concurrency::Exact(1)).build_global();
    assert_eq!(GlobalPool.get().expect("it runs").max_concurrency(), 1);
}

/// Handles the messages that it sends to itself, until `stop` is set. Returns the count of
/// messages.
fn posts_to_itself(stop: &Arc<AtomicBool>) -> (nanolith::pool::Subscription, Arc<AtomicU64>, impl Sized + use<>) {
    let (ours, theirs) = port::pair::<u64, ()>();
    ours.try_send(1).expect("there is room");
    let (heard, stop) = (Arc::new(AtomicU64::new(0)), stop.clone());
    let counts = heard.clone();
    let listening = theirs.on_message(move |n| {
        counts.store(n, Ordering::SeqCst);
        if !stop.load(Ordering::SeqCst) {
            ours.try_send(n + 1).expect("there is room");
        }
    });
    (listening.expect("there is a pool"), heard, theirs)
}

#[test]
fn handler_that_posts_to_itself_starves_no_task() {
    one_slot();
    let stop = Arc::default();
    let (_first, first_heard, _first_port) = posts_to_itself(&stop);
    let (_second, second_heard, _second_port) = posts_to_itself(&stop);
    for n in 0..100 {
        assert_eq!(Geometry::tasks().add(n, 1).wait().expect("it has its turn"), n + 1);
    }
    stop.store(true, Ordering::SeqCst);
    for heard in [first_heard, second_heard] {
        assert!(heard.load(Ordering::SeqCst) > 64, "both had more than one turn");
    }
}

#[test]
fn many_handlers_share_one_slot() {
    one_slot();
    let (tell, reports) = mpsc::channel();
    let ends: Vec<_> = (0..50)
        .map(|at| {
            let ((ours, theirs), tell) = (port::pair::<u32, ()>(), tell.clone());
            let listening = theirs.on_message(move |n| tell.send((at, n)).expect("the test listens"));
            (ours, theirs, listening.expect("there is a pool"))
        })
        .collect();
    for n in 0..20 {
        ends.iter().for_each(|(ours, ..)| ours.try_send(n).expect("there is room"));
    }
    let mut next = [0; 50];
    for (at, n) in reports.iter().take(50 * 20) {
        let expected: &mut u32 = &mut next[at];
        assert_eq!(n, *expected, "each hears in order");
        *expected += 1;
    }
}

#[test]
fn waiting_handler_lends_its_slot() {
    one_slot();
    let (ours, theirs) = port::pair::<u32, u32>();
    let (ask, asked) = port::pair::<u32, u32>();
    let asked = Arc::new(asked);
    let answers = asked.clone();
    let _answers = asked.on_message(move |n| answers.try_send(n * 2).expect("there is room")).expect("there is a pool");
    let theirs = Arc::new(theirs);
    let replies = theirs.clone();
    let _asks = theirs.on_message(move |n| {
        ask.send(n).wait().expect("it is heard");
        replies.try_send(ask.recv().wait().expect("it is answered")).expect("there is room");
    });
    ours.send(4).wait().expect("it is heard");
    assert_eq!(ours.recv().wait(), Ok(8));
}
