//! Tests of the restart of a pool of child processes. The test program is its own child.
#![allow(missing_docs, clippy::missing_panics_doc)] // a test's name documents it

use libtest_mimic::{Arguments, Trial};
use nanolith::{
    event::Events,
    prelude::*,
    time::{MILLISECOND, SECOND},
};
use nanolith_process::{
    ExitReason, PoolRestartError, ProcessEvent, ProcessPool, ProcessPoolBuilder, Role, Stdout, is_retiring,
};
use std::{
    env,
    error::Error,
    fs,
    path::PathBuf,
    pin::Pin,
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context as TaskContext, Wake, Waker},
    thread,
    time::Duration,
};

/// The environment variable of a child that exits before it serves, once this file is there.
const BROKEN: &str = "BROKEN_ONCE_THERE";

pub struct Worker;

#[define(wire)]
impl Worker {
    pub fn pid() -> u32 {
        process::id()
    }

    /// Sleeps, and returns the id of its process.
    pub fn sleep(millis: u64) -> u32 {
        thread::sleep(Duration::from_millis(millis));
        process::id()
    }

    /// Works until its child is to end.
    pub fn work_until_the_end() -> u32 {
        while !is_retiring() {
            thread::sleep(Duration::from_millis(1));
        }
        process::id()
    }
}

fn pool(set: impl FnOnce(ProcessPoolBuilder) -> ProcessPoolBuilder) -> ProcessPool {
    let builder = ProcessPool::builder().max_children(2).grace(10 * MILLISECOND);
    set(builder.pass_stderr(false).stdout(Stdout::Null)).build().expect("the settings are right")
}

fn next(events: &mut Events<ProcessEvent>) -> ProcessEvent {
    let event = events.recv().wait_timeout(10 * SECOND);
    event.unwrap_or_else(|_| panic!("nothing happens")).expect("the stream goes on")
}

/// Waits until this number of children serve.
fn wait_until_online(events: &mut Events<ProcessEvent>, count: usize) {
    (0..count).for_each(|_| while !matches!(next(events), ProcessEvent::Online { .. }) {});
}

fn restart(pool: &ProcessPool) -> Result<(), PoolRestartError> {
    pool.restart().wait_timeout(20 * SECOND).unwrap_or_else(|_| panic!("the restart does not end: {:?}", pool.info()))
}

fn restart_replaces_each_child() {
    let pool = pool(|set| set.max_children(3).min_children(3));
    wait_until_online(&mut pool.events(), 3);
    let before = pool.pids();
    restart(&pool).expect("new children start");
    let after = pool.pids();
    assert_eq!((before.len(), after.len()), (3, 3));
    assert!(after.iter().all(|pid| !before.contains(pid)), "{before:?}, then {after:?}");
    assert_eq!((pool.info().restarted, pool.info().crashed, pool.info().recycled), (3, 0, 0));
}

fn no_call_is_lost_in_a_restart() {
    let pool = pool(|set| set.min_children(2));
    wait_until_online(&mut pool.events(), 2);
    let is_over = AtomicBool::new(false);
    // Short calls are sent ahead of each other.
    let call = |is_short: bool| {
        let (mut calls, worker) = (0, Worker::on(&pool));
        while !is_over.load(Ordering::Relaxed) {
            let call = if is_short { worker.pid() } else { worker.sleep(calls % 3) };
            let outcome = call.timeout(10 * SECOND).wait();
            assert!(outcome.is_ok(), "call {calls}: {outcome:?}");
            calls += 1;
        }
        calls
    };
    thread::scope(|scope| {
        let call = &call;
        let callers: Vec<_> = (0..6).map(|n| scope.spawn(move || call(n < 4))).collect();
        (0..5).for_each(|_| restart(&pool).expect("new children start"));
        is_over.store(true, Ordering::Relaxed);
        let calls: Vec<_> = callers.into_iter().map(|caller| caller.join().expect("no call fails")).collect();
        assert!(calls.iter().all(|calls| *calls > 0), "{calls:?}");
    });
    assert_eq!((pool.info().crashed, pool.info().killed), (0, 0));
    assert!(pool.info().restarted >= 10, "{:?}", pool.info());
}

fn running_call_finishes_in_its_old_child() {
    let pool = pool(|set| set.max_children(1));
    let mut events = pool.events();
    let call = Worker::on(&pool).sleep(300).submit();
    wait_until_online(&mut events, 1);
    let before = pool.pids();
    restart(&pool).expect("a new child starts");
    assert_eq!(call.wait().ok(), before.first().copied());
    assert_ne!(Worker::on(&pool).pid().wait().ok(), before.first().copied());
}

fn new_child_serves_before_an_old_one_ends() {
    let pool = pool(|set| set.min_children(2));
    let mut events = pool.events();
    wait_until_online(&mut events, 2);
    restart(&pool).expect("new children start");
    let (mut serving, mut least, mut most) = (2, 2, 2);
    while let Ok(event) = events.try_recv() {
        match event {
            ProcessEvent::Started { .. } => most = most.max(serving + 1),
            ProcessEvent::Online { .. } => serving += 1,
            ProcessEvent::Exit { reason, .. } => {
                assert!(matches!(reason, ExitReason::Restarted), "{reason:?}");
                serving -= 1;
                least = least.min(serving);
            }
            _ => {}
        }
    }
    assert_eq!((serving, least, most), (2, 2, 3));
}

fn no_more_than_max_children_run_calls_in_a_restart() {
    let pool = pool(|set| set.max_children(1));
    let mut events = pool.events();
    // Longer than the start of a process.
    let first = Worker::on(&pool).sleep(if cfg!(windows) { 2_000 } else { 200 }).submit();
    wait_until_online(&mut events, 1);
    let restarted = pool.restart();
    wait_until_online(&mut events, 1);
    let second = Worker::on(&pool).pid().submit();
    thread::sleep(Duration::from_millis(50)); // nothing takes the call: there is no event to wait for
    assert_eq!(pool.info().queue_len, 1, "the old child runs the only call");
    assert!(first.wait().is_ok() && second.wait().is_ok());
    restarted.wait().expect("a new child starts");
}

fn task_learns_that_its_child_retires() {
    let pool = pool(|set| set.max_children(1));
    let mut events = pool.events();
    let first = Worker::on(&pool).work_until_the_end().submit();
    wait_until_online(&mut events, 1);
    restart(&pool).expect("a new child starts");
    let old = first.wait().expect("its task returns");
    let second = Worker::on(&pool).work_until_the_end().submit();
    pool.close();
    assert!(pool.closed().wait_timeout(10 * SECOND).is_ok(), "a close lets the task know, too");
    assert_ne!(second.wait().expect("its task returns"), old);
    assert!(!is_retiring(), "this is the parent");
}

fn failed_restart_leaves_old_children() {
    let marker: PathBuf = env::temp_dir().join(format!("nanolith-restart-{}", process::id()));
    let pool = pool(|set| set.min_children(2).max_start_failures(3).env(BROKEN, &marker));
    wait_until_online(&mut pool.events(), 2);
    let mut before = pool.pids();
    fs::write(&marker, "").expect("it is written");
    for _ in 0..4 {
        let error = restart(&pool).expect_err("no child starts");
        assert!(matches!(&error, PoolRestartError::NotStarted(crash) if crash.code() == Some(7)), "{error}");
        assert!(error.source().is_some_and(|source| source.to_string().contains("exited with code 7")));
    }
    let mut after = pool.pids();
    before.sort_unstable();
    after.sort_unstable();
    assert_eq!(before, after);
    assert!(Worker::on(&pool).pid().wait().is_ok(), "failed restarts do not close the pool");
    fs::remove_file(marker).expect("it is there");
    restart(&pool).expect("new children start again");
}

fn close_ends_a_restart() {
    let pool = pool(|set| set.max_children(1));
    let mut events = pool.events();
    let call = Worker::on(&pool).sleep(500).submit();
    wait_until_online(&mut events, 1);
    let restarted = pool.restart();
    pool.close();
    assert!(matches!(restarted.wait(), Err(PoolRestartError::Closed)));
    assert!(!call.is_finished(), "the restart does not wait for the end of the pool");
    assert!(call.wait().is_ok());
    pool.closed().wait();
    assert!(matches!(restart(&pool), Err(PoolRestartError::Closed)));
}

fn restart_without_children_ends_at_once() {
    let pool = pool(|set| set);
    restart(&pool).expect("there is nothing to replace");
    assert_eq!(pool.info().started, 0);
}

fn later_restart_replaces_the_children_of_an_earlier_one() {
    let pool = pool(|set| set.min_children(2));
    let mut events = pool.events();
    wait_until_online(&mut events, 2);
    let first = pool.restart();
    wait_until_online(&mut events, 1);
    let before = pool.pids();
    let second = pool.restart();
    drop(first);
    second.wait().expect("new children start");
    assert!(pool.pids().iter().all(|pid| !before.contains(pid)), "{before:?}, then {:?}", pool.pids());
    assert_eq!(pool.info().children, 2);
}

fn dropped_restart_leaves_no_waker() {
    let pool = pool(|set| set.max_children(1));
    let mut events = pool.events();
    let call = Worker::on(&pool).sleep(200).submit();
    wait_until_online(&mut events, 1);
    let woken = Arc::new(NoWake);
    let waker = Waker::from(woken.clone());
    let mut restarted = pool.restart();
    for _ in 0..3 {
        assert!(Pin::new(&mut restarted).poll(&mut TaskContext::from_waker(&waker)).is_pending());
    }
    assert_eq!(Arc::strong_count(&woken), 3, "ours, the waker's, and that of the wait");
    drop(restarted);
    assert_eq!(Arc::strong_count(&woken), 2);
    assert!(call.wait().is_ok());
    while !matches!(next(&mut events), ProcessEvent::Exit { reason: ExitReason::Restarted, .. }) {}
}

/// A waker that does nothing.
struct NoWake;

impl Wake for NoWake {
    fn wake(self: Arc<Self>) {}
}

macro_rules! trials {
    ($($name:ident)*) => {
        vec![$(Trial::test(stringify!($name), || { $name(); Ok(()) })),*]
    };
}

fn main() {
    if nanolith_process::role() == Role::Child && env::var(BROKEN).is_ok_and(|file| fs::exists(file).unwrap_or(false)) {
        process::exit(7);
    }
    nanolith_process::init().serve::<(Worker,)>();
    let trials = trials! {
        restart_replaces_each_child
        no_call_is_lost_in_a_restart
        running_call_finishes_in_its_old_child
        new_child_serves_before_an_old_one_ends
        no_more_than_max_children_run_calls_in_a_restart
        task_learns_that_its_child_retires
        failed_restart_leaves_old_children
        close_ends_a_restart
        restart_without_children_ends_at_once
        later_restart_replaces_the_children_of_an_earlier_one
        dropped_restart_leaves_no_waker
    };
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
