//! Tests of threads: their names, the hooks for their start and exit, and time.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    pool::Concurrency,
    prelude::*,
    task::{ThreadKind, current},
    time::{Elapsed, MILLISECOND, MINUTE, sleep, timeout},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

pub struct Threads;

#[define]
impl Threads {
    pub fn name() -> Option<String> {
        std::thread::current().name().map(str::to_owned)
    }

    pub fn place() -> ThreadKind {
        current().place().clone()
    }

    pub fn deep(levels: u32) -> u32 {
        // Each level keeps 16 KiB on the stack.
        let kept = std::hint::black_box([0_u8; 16 * 1024]);
        if levels == 0 { u32::from(kept[0]) } else { 1 + Self::deep(levels - 1) }
    }
}

#[test]
fn a_pools_threads_are_named_by_their_number() {
    let pool = Pool::builder()
        .concurrency(Concurrency::Exact(1))
        .thread_name(|number| format!("mine {number}"))
        .build()
        .expect("sound");
    assert_eq!(Threads::on(&pool).name().wait().expect("it runs").as_deref(), Some("mine 0"));
}

#[test]
fn a_pools_threads_tell_of_their_start_and_exit() {
    let (tell, told) = mpsc::channel();
    let starts = Arc::new(AtomicUsize::new(0));
    let started = starts.clone();
    let pool = Pool::builder()
        .concurrency(Concurrency::Exact(2))
        .on_thread_start(move || {
            started.fetch_add(1, Ordering::Relaxed);
            panic!("what a handler throws stays in it");
        })
        .on_thread_exit(move || assert!(tell.send(()).is_ok(), "the receiver is there"))
        .build()
        .expect("sound");
    assert!(matches!(Threads::on(&pool).place().wait(), Ok(ThreadKind::Pool(_))));
    drop(pool);
    assert_eq!(told.iter().count(), 2, "both exit, and their handler is dropped");
    assert_eq!(starts.load(Ordering::Relaxed), 2);
}

#[test]
fn the_stack_is_as_large_as_it_was_asked_for() {
    let pool = Pool::builder().stack_size(64 * 1024 * 1024).build().expect("sound");
    assert_eq!(Threads::on(&pool).deep(1_000).wait().expect("16 MiB fit"), 1_000);
    let service = Threads::service().stack_size(64 * 1024 * 1024).launch().wait().expect("it starts");
    assert_eq!(service.deep(1_000).wait().expect("16 MiB fit"), 1_000);
}

#[test]
fn sleeps_end_in_their_order_and_not_before_their_time() {
    let began = Instant::now();
    let order = pollster::block_on(async {
        let (tell, told) = mpsc::channel();
        let sleeps = [30, 10, 20].map(|ms| {
            let tell = tell.clone();
            async move {
                sleep(Duration::from_millis(ms)).await;
                assert!(began.elapsed() >= Duration::from_millis(ms));
                tell.send(ms).expect("heard");
            }
        });
        futures_util::future::join_all(sleeps).await;
        drop(tell);
        told.into_iter().collect::<Vec<_>>()
    });
    assert_eq!(order, [10, 20, 30]);
}

#[test]
fn a_limit_ends_what_takes_too_long() {
    pollster::block_on(async {
        assert_eq!(timeout(MILLISECOND, std::future::pending::<()>()).await, Err(Elapsed));
        assert_eq!(timeout(MINUTE, async { 7 }).await, Ok(7));
        assert_eq!(timeout(Duration::MAX, async { 7 }).await, Ok(7));
    });
}
