//! Tests of `Pool::closed`, which waits until the calls of a closed pool are over and its threads
//! have ended.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{pool::Concurrency, prelude::*, sim, time::MILLISECOND};
use std::{
    cell::RefCell,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

pub struct Work;

/// Counts when it is dropped.
pub struct CountsDrop(Arc<AtomicUsize>);

impl Drop for CountsDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

thread_local! {
    static LOCAL: RefCell<Option<CountsDrop>> = const { RefCell::new(None) };
}

#[define]
impl Work {
    /// Reports its start, and ends when the sender is dropped.
    pub fn hold(begun: Sender<()>, gate: Receiver<()>) {
        let _ = (begun.send(()), gate.recv());
    }

    pub async fn nap() -> u8 {
        nanolith::time::sleep(MILLISECOND).await;
        7
    }

    pub fn nested(pool: Pool, levels: u8) -> u8 {
        if levels == 0 { 0 } else { 1 + Self::on(&pool).nested(pool.clone(), levels - 1).wait().expect("it runs") }
    }

    pub fn wait_for_itself(pool: Pool) {
        pool.closed().wait();
    }

    pub fn keep_local(drops: Arc<AtomicUsize>) {
        LOCAL.set(Some(CountsDrop(drops)));
    }
}

fn pool(name: &str) -> Pool {
    Pool::builder().name(name).concurrency(Concurrency::Exact(2)).build().expect("the settings are sound")
}

/// Returns the threads of this process with this name.
#[cfg(target_os = "linux")]
fn threads_named(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("it is there");
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|known| known.starts_with(name)).count()
}

#[test]
fn closed_wait_ends_after_all_calls_and_threads() {
    let pool = pool("gone");
    let ((tell, begun), (open, gate)) = (channel(), channel());
    let held = Work::on(&pool).hold(tell, gate).submit();
    begun.recv().expect("it begins");
    let (nap, nested) = (Work::on(&pool).nap().submit(), Work::on(&pool).nested(pool.clone(), 3).submit());
    let closed = pool.closed();
    let waits = thread::spawn(move || closed.wait());
    assert_eq!(nested.wait().expect("it runs"), 3);
    assert!(!waits.is_finished(), "it is open");
    pool.close();
    assert_eq!(nap.wait().expect("it was accepted"), 7);
    assert!(!waits.is_finished(), "a call is not over");
    drop(open);
    waits.join().expect("it waits");
    assert!(held.is_finished());
    let info = pool.info();
    assert_eq!((info.threads, info.spare_threads), (0, 0));
    #[cfg(target_os = "linux")]
    assert_eq!(threads_named("gone"), 0);
}

#[test]
fn awaited_closed_ends_after_the_last_handle_drops() {
    let exits = Arc::new(AtomicUsize::new(0));
    let count = exits.clone();
    let builder = Pool::builder().concurrency(Concurrency::Exact(3)).on_thread_exit(move || {
        count.fetch_add(1, Ordering::SeqCst);
    });
    let pool = builder.build().expect("the settings are sound");
    let nap = Work::on(&pool).nap().submit();
    let closed = pool.closed();
    drop(pool);
    pollster::block_on(closed);
    assert_eq!((nap.wait().expect("it was accepted"), exits.load(Ordering::SeqCst)), (7, 3));
}

#[test]
fn closed_wait_includes_thread_local_destructors() {
    let (pool, drops) = (pool("locals"), Arc::new(AtomicUsize::new(0)));
    Work::on(&pool).keep_local(drops.clone()).wait().expect("it runs");
    pool.close();
    pool.closed().wait();
    assert_eq!(drops.load(Ordering::SeqCst), 1);
}

#[test]
fn every_closed_wait_ends_and_the_pool_stays_closed() {
    let pool = pool("many");
    pool.close();
    let waits: Vec<_> = (0..8).map(|_| pool.closed()).map(|closed| thread::spawn(move || closed.wait())).collect();
    waits.into_iter().for_each(|wait| wait.join().expect("it waits"));
    pool.closed().wait();
    assert!(matches!(Work::on(&pool).nap().wait(), Err(CallError::Closed(_))));
    pool.set_concurrency(Concurrency::Exact(4)).expect("it has no effect");
    assert!(pool.broadcast(|| ()).wait().expect("there are none").is_empty());
    pool.drained().wait();
    assert_eq!(pool.info().threads, 0);
}

#[test]
fn task_that_waits_for_its_own_pool_to_close_continues() {
    let pool = pool("own");
    Work::on(&pool).wait_for_itself(pool.clone()).wait().expect("it ends");
    pool.close();
    pool.closed().wait();
}

#[test]
fn dropped_closed_wait_changes_nothing() {
    let pool = pool("dropped");
    {
        let mut closed = std::pin::pin!(pool.closed());
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(closed.as_mut().poll(&mut cx).is_pending());
    }
    assert_eq!(Work::on(&pool).nap().wait().expect("it is open"), 7);
}

#[test]
fn close_of_an_idle_pool_wakes_the_wait() {
    #[derive(Default)]
    struct Counts(AtomicUsize);
    impl std::task::Wake for Counts {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let (pool, wakes) = (pool("idle"), Arc::new(Counts::default()));
    let mut closed = Box::pin(pool.closed());
    let waker = std::task::Waker::from(wakes.clone());
    assert!(closed.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
    assert_eq!(wakes.0.load(Ordering::SeqCst), 0);
    pool.close();
    assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
    pollster::block_on(closed);
}

#[test]
fn closed_wait_includes_calls_beyond_the_close_limit() {
    let pool = pool("limit");
    let ((tell, begun), (open, gate)) = (channel(), channel());
    let held = Work::on(&pool).hold(tell, gate).submit();
    begun.recv().expect("it begins");
    let unfinished = pool.close_timeout(MILLISECOND).wait().expect_err("it is held");
    assert_eq!(unfinished.running(), 1);
    let closed = pool.closed();
    let waits = thread::spawn(move || closed.wait());
    drop(open);
    waits.join().expect("it waits");
    assert!(held.is_finished());
}

#[test]
fn simulated_pool_closes_in_the_same_way() {
    sim::explore(0..50, || {
        let pool = pool("simulated");
        let nested = Work::on(&pool).nested(pool.clone(), 3).submit();
        let (nap, closed) = (Work::on(&pool).nap().submit(), pool.closed());
        let waits = sim::spawn(move || closed.wait());
        assert!(nested.wait().is_ok());
        pool.close();
        waits.wait().expect("it waits");
        assert!(nap.is_finished());
        assert_eq!(pool.info().threads, 0);
    });
}
