//! Tests of the settings of threads: their names, the size of their stacks, and the hooks for their
//! start and exit.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    pool::Concurrency,
    prelude::*,
    task::{ThreadKind, current},
};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
    mpsc,
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
fn pool_threads_are_named_by_their_number() {
    let pool = Pool::builder()
        .concurrency(Concurrency::Exact(1))
        .thread_name(|number| format!("mine {number}"))
        .build()
        .expect("sound");
    assert_eq!(Threads::on(&pool).name().wait().expect("it runs").as_deref(), Some("mine 0"));
}

#[test]
fn pool_threads_report_their_start_and_exit() {
    let (tell, reports) = mpsc::channel();
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
    assert_eq!(reports.iter().count(), 2, "both exit, and their handler is dropped");
    assert_eq!(starts.load(Ordering::Relaxed), 2);
}

#[test]
fn stack_has_its_configured_size() {
    let pool = Pool::builder().stack_size(64 * 1024 * 1024).build().expect("sound");
    assert_eq!(Threads::on(&pool).deep(1_000).wait().expect("16 MiB fit"), 1_000);
    let service = Threads::service().stack_size(64 * 1024 * 1024).launch().wait().expect("it starts");
    assert_eq!(service.deep(1_000).wait().expect("16 MiB fit"), 1_000);
}
