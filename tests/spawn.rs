//! Tests of `spawn` and `spawn_async` of a pool and of the global pool: a closure or a future without
//! a task set, and panics that no caller gets.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    Handle, TaskSet,
    layers::{Layer, Retry},
    pool::{Concurrency, GlobalPool, Work},
    prelude::*,
    time::{MILLISECOND, sleep},
};
use std::{
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Duration,
};

const LONG: Duration = Duration::from_secs(20);

fn pool() -> Pool {
    Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("the settings are sound")
}

/// Returns a pool, and the texts of the panics that its handler gets.
fn pool_with_handler() -> (Pool, Receiver<String>) {
    let (send, panics) = channel();
    let builder = Pool::builder().concurrency(Concurrency::Exact(1));
    let pool = builder.on_panic(move |error| drop(send.send(error.to_string()))).build();
    (pool.expect("the settings are sound"), panics)
}

/// Returns a closure that reports its start, and panics when the sender is dropped.
fn panic_later(text: &'static str) -> (impl FnOnce() + Send + 'static, Receiver<()>, Sender<()>) {
    let ((begun, has_begun), (go, may_go)) = (channel(), channel::<()>());
    let run = move || {
        let _ = begun.send(());
        let _ = may_go.recv();
        panic!("{text}");
    };
    (run, has_begun, go)
}

#[test]
fn closure_gives_its_output() {
    let text = String::from("plain functions");
    assert_eq!(pool().spawn(move || text.len()).wait().expect("it runs"), 15);
}

#[test]
fn pending_future_takes_no_slot_and_returns_its_output() {
    let pool = pool();
    let (send, received) = nanolith::port::pair::<u64, u64>();
    let waits = pool.spawn_async(async move { received.recv().await.expect("one comes") });
    while pool.info().in_flight < 1 || pool.info().active > 0 {
        thread::yield_now();
    }
    assert_eq!(pool.spawn(|| 7).wait().expect("the slot is free"), 7);
    send.try_send(9).expect("it is open");
    assert_eq!(waits.wait().expect("it runs"), 9);
}

#[test]
fn spawned_calls_panic_and_end_like_any_call() {
    let pool = pool();
    let panicked = pool.spawn(|| panic!("on purpose")).wait().expect_err("it panics");
    assert!(matches!(panicked, CallError::Panicked(..)));
    assert!(panicked.to_string().contains("pool::spawn") && panicked.to_string().contains("on purpose"), "{panicked}");
    let panicked = pool.spawn_async(async { panic!("on purpose") }).wait().expect_err("it panics");
    assert!(matches!(panicked, CallError::Panicked(..)));
    pool.pause();
    let value = Arc::new(());
    let held = value.clone();
    let cancelled: Handle<Work, ()> = pool.spawn(move || drop(held));
    cancelled.cancel();
    assert_eq!(Arc::strong_count(&value), 1, "a cancelled closure is dropped at once");
    assert!(matches!(cancelled.wait(), Err(CallError::Cancelled(_))));
}

#[test]
fn global_pool_runs_closures_and_futures() {
    let name = |thread: &thread::Thread| thread.name().map(str::to_owned);
    let worker = GlobalPool.get().expect("it starts").spawn(move || name(&thread::current())).wait().expect("it runs");
    let run = GlobalPool.spawn(move || name(&thread::current())).wait().expect("it runs");
    let prefix = |name: Option<String>| name.and_then(|name| Some(name.rsplit_once('-')?.0.to_owned()));
    assert!(run.is_some() && prefix(run) == prefix(worker), "both ran on threads of the global pool");
    let later = GlobalPool.spawn_async(async {
        sleep(MILLISECOND).await;
        9
    });
    assert_eq!(later.wait().expect("it runs"), 9);
    let panicked = GlobalPool.spawn(|| panic!("on purpose")).wait().expect_err("it panics");
    assert!(matches!(panicked, CallError::Panicked(..)));
    assert_eq!(panicked.trace().submitted().file(), file!());
}

#[test]
fn handler_gets_the_panic_of_a_detached_call() {
    let (pool, panics) = pool_with_handler();
    pool.spawn(|| panic!("of a closure")).detach();
    assert!(panics.recv_timeout(LONG).expect("the handler runs").contains("of a closure"));
    pool.spawn_async(async {
        sleep(MILLISECOND).await;
        panic!("of a future")
    })
    .detach();
    assert!(panics.recv_timeout(LONG).expect("the handler runs").contains("of a future"));
}

#[test]
fn handler_gets_a_panic_that_comes_after_the_end() {
    let (pool, panics) = pool_with_handler();
    let (run, has_begun, go) = panic_later("too late");
    let cancelled = pool.spawn(run);
    has_begun.recv().expect("it begins");
    cancelled.cancel();
    assert!(matches!(cancelled.wait(), Err(CallError::Cancelled(_))));
    drop(go);
    assert!(panics.recv_timeout(LONG).expect("the handler runs").contains("too late"));
}

#[test]
fn handler_gets_the_panic_of_a_dropped_handle() {
    let (pool, panics) = pool_with_handler();
    let unread = pool.spawn(|| panic!("unread"));
    while !unread.is_finished() {
        thread::yield_now();
    }
    assert!(panics.try_recv().is_err(), "its caller may still read it");
    drop(unread);
    assert!(panics.recv_timeout(LONG).expect("the handler runs").contains("unread"));
}

#[test]
fn handler_gets_no_panic_that_the_caller_gets() {
    let (pool, panics) = pool_with_handler();
    assert!(pool.spawn(|| panic!("read")).wait().is_err());
    let calls = bulk_retry(&pool);
    assert!(calls.is_err(), "an attempt's panic goes to the layer");
    pool.drained().wait();
    drop(pool);
    assert!(panics.recv_timeout(LONG).is_err(), "the handler goes with the pool, and has heard nothing");
}

pub struct Fails;

#[define]
impl Fails {
    #[task(idempotent)]
    pub fn fail() {
        panic!("on purpose");
    }
}

fn bulk_retry(pool: &Pool) -> Result<(), CallError> {
    Fails::calls(Retry::new(2).layer(pool.clone())).fail().wait()
}

#[test]
fn handler_may_submit_and_panic() {
    let (send, outputs) = channel();
    let builder = Pool::builder().concurrency(Concurrency::Exact(1));
    let other = pool();
    let pool = builder.on_panic(move |_| {
        let _ = send.send(other.spawn(|| 9).wait());
        panic!("in the handler");
    });
    let pool = pool.build().expect("the settings are sound");
    pool.spawn(|| panic!("on purpose")).detach();
    assert!(matches!(outputs.recv_timeout(LONG), Ok(Ok(9))));
    assert_eq!(pool.spawn(|| 7).wait().expect("the pool goes on"), 7);
}
