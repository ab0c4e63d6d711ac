//! Tests of the reports of blocking waits on threads of an async runtime.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    event::{self, BlockedAsyncThread, Events},
    executor::OnFull,
    pool::Concurrency,
    port,
    prelude::*,
    stream,
    task::ThreadKind,
    time::{MILLISECOND, SECOND},
};
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};
use tokio::runtime::Runtime;

pub struct Naps;

#[define]
impl Naps {
    pub fn nap(duration: Duration) {
        thread::sleep(duration);
    }

    /// Blocks a thread of the pool for another task of the pool.
    pub fn wait_for_nap(duration: Duration) -> bool {
        nanolith::task::block_in_place(|| thread::sleep(duration));
        let pool = Pool::builder().build().expect("ok");
        Naps::on(&pool).nap(duration).wait().is_ok()
    }
}

/// Long enough to be reported.
const LONG: Duration = Duration::from_millis(40);

/// The stream is that of the process, so one test reads it at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> (MutexGuard<'static, ()>, Events<BlockedAsyncThread>) {
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    (guard, event::blocked_async_threads())
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime")
}

fn lines(events: &mut Events<BlockedAsyncThread>) -> Vec<u32> {
    std::iter::from_fn(|| events.try_recv().ok()).map(|report| report.location().line()).collect()
}

#[test]
fn wait_on_a_runtime_thread_is_reported_once_with_its_line() {
    let (_alone, mut events) = alone();
    let pool = Pool::builder().name("naps").build().expect("ok");
    runtime().block_on(async { Naps::on(&pool).nap(LONG).wait().expect("it ran") });
    let report = events.try_recv().expect("it was reported");
    assert_eq!((report.location().file(), report.location().line()), (file!(), line!() - 2));
    assert_eq!(report.awaited(), &ThreadKind::Pool("naps".into()));
    assert_eq!(report.thread().id(), thread::current().id());
    assert!(report.to_string().ends_with(", for the pool `naps`: use `.await`"), "{report}");
    assert_eq!(lines(&mut events), []);
}

#[test]
fn wait_is_reported_while_it_still_blocks() {
    let (_alone, mut events) = alone();
    let (ours, theirs) = port::pair::<i64, i64>();
    let blocked = thread::spawn(move || runtime().block_on(async { ours.recv().wait() }));
    let report = events.recv().wait_timeout(60 * SECOND).expect("it is reported").expect("no end");
    assert_eq!(report.location().line(), line!() - 2);
    assert_eq!(report.awaited(), &ThreadKind::Outside);
    theirs.send(7).wait().expect("it waits"); // it had not ended
    assert_eq!(blocked.join().expect("no panic").expect("it was sent"), 7);
}

#[test]
fn each_kind_of_wait_is_reported_with_the_callers_line() {
    let (_alone, mut events) = alone();
    let settings = Pool::builder().concurrency(Concurrency::Exact(1)).max_queue(1).on_full(OnFull::Wait);
    let pool = settings.build().expect("ok");
    let naps = Naps::on(&pool);
    let mut expected = Vec::new();
    runtime().block_on(async {
        let job = naps.nap(LONG).submit();
        assert!(job.wait_timeout(LONG / 2).is_err());
        expected.push(line!() - 1);
        nanolith::time::sleep(LONG).wait();
        expected.push(line!() - 1);
        naps.nap(LONG).submit().detach();
        naps.nap(Duration::ZERO).submit().detach();
        naps.nap(Duration::ZERO).submit().detach(); // the queue is full
        expected.push(line!() - 1);
        let (sender, mut receiver) = stream::items::<i64>(1).expect("ok");
        assert!(receiver.recv().wait_timeout(LONG).is_err());
        expected.push(line!() - 1);
        drop(sender);
        pool.pause();
        let paused = naps.nap(Duration::ZERO).submit();
        assert!(paused.flatten_wait(LONG).is_none());
        expected.push(line!() - 1);
        pool.resume();
    });
    assert_eq!(lines(&mut events), expected);
}

/// A program's own wrapper, which passes on the line of its caller.
trait FlattenWait<T> {
    #[track_caller]
    fn flatten_wait(self, limit: Duration) -> Option<T>;
}

impl<T> FlattenWait<T> for Handle<Naps, T> {
    fn flatten_wait(self, limit: Duration) -> Option<T> {
        self.wait_timeout(limit).ok()?.ok()
    }
}

#[test]
fn short_wait_is_not_reported() {
    let (_alone, mut events) = alone();
    let pool = Pool::builder().build().expect("ok");
    let began = std::time::Instant::now();
    runtime().block_on(async { Naps::on(&pool).nap(MILLISECOND).wait().expect("it ran") });
    if began.elapsed() < 10 * MILLISECOND {
        assert_eq!(lines(&mut events), []); // the machine did not stall
    }
}

#[test]
fn wait_outside_of_a_runtime_is_not_reported() {
    let (_alone, mut events) = alone();
    let pool = Pool::builder().build().expect("ok");
    Naps::on(&pool).nap(LONG).wait().expect("it ran");
    assert_eq!(lines(&mut events), []);
}

#[test]
fn thread_of_a_pool_with_a_runtime_is_not_reported() {
    let (_alone, mut events) = alone();
    let runtime = runtime();
    let pool = Pool::builder().tokio(runtime.handle().clone()).build().expect("ok");
    assert!(Naps::on(&pool).wait_for_nap(LONG).wait().expect("it ran"));
    assert_eq!(lines(&mut events), []);
}

/// The false positive that the documentation names.
#[test]
fn thread_of_spawn_blocking_is_reported() {
    let (_alone, mut events) = alone();
    let pool = Pool::builder().build().expect("ok");
    let naps = Naps::on(&pool);
    let waits = runtime().block_on(async { tokio::task::spawn_blocking(move || naps.nap(LONG).wait()).await });
    assert!(waits.expect("no panic").is_ok());
    assert_eq!(lines(&mut events), [line!() - 2]);
}

#[test]
fn wait_that_drives_a_local_is_reported_after_it_ended() {
    let (_alone, mut events) = alone();
    let local = nanolith::Local::builder().build().expect("ok");
    runtime().block_on(async { Naps::on(&local).nap(LONG).wait().expect("it ran") });
    assert_eq!(lines(&mut events), [line!() - 1]);
}
