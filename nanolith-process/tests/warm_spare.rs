//! Tests of the spare child of a pool. The test program is its own child.
#![allow(missing_docs, clippy::missing_panics_doc)] // a test's name documents it

use libtest_mimic::{Arguments, Trial};
use nanolith::{
    event::Events,
    prelude::*,
    time::{MILLISECOND, SECOND},
};
use nanolith_process::{ProcessEvent, ProcessPool, ProcessPoolBuilder, Stdout};
use std::{process, thread, time::Duration};

pub struct Worker;

#[define(wire)]
impl Worker {
    pub fn pid() -> u32 {
        process::id()
    }

    pub fn sleep(millis: u64) -> u32 {
        thread::sleep(Duration::from_millis(millis));
        process::id()
    }

    pub fn exit(code: i32) {
        process::exit(code);
    }
}

fn pool(set: impl FnOnce(ProcessPoolBuilder) -> ProcessPoolBuilder) -> ProcessPool {
    let builder = ProcessPool::builder().max_children(2).warm_spare(true);
    set(builder.pass_stderr(false).stdout(Stdout::Null)).build().expect("the settings are right")
}

/// Waits until a child serves, and returns its process.
fn next_online(events: &mut Events<ProcessEvent>) -> u32 {
    loop {
        let event = events.recv().wait_timeout(10 * SECOND).unwrap_or_else(|_| panic!("no child serves"));
        if let Some(ProcessEvent::Online { pid }) = event {
            return pid;
        }
    }
}

fn spare_starts_with_the_pool_and_stays() {
    let pool = pool(|set| set.idle_timeout(20 * MILLISECOND));
    let pid = next_online(&mut pool.events());
    thread::sleep(Duration::from_millis(100)); // nothing ends it: there is no event to wait for
    assert_eq!(pool.pids(), [pid]);
    assert_eq!(Worker::on(&pool).pid().wait().expect("it runs"), pid, "it takes the first call");
    assert_eq!(pool.info().crashed, 0);
}

fn next_spare_starts_when_the_spare_takes_a_call() {
    let pool = pool(|set| set);
    let mut events = pool.events();
    let first = next_online(&mut events);
    let call = Worker::on(&pool).sleep(if cfg!(windows) { 2_000 } else { 300 }).submit();
    let second = next_online(&mut events);
    assert_eq!(Worker::on(&pool).pid().wait().expect("it runs"), second);
    assert_eq!(call.wait().expect("it runs"), first);
}

fn spare_replaces_a_crashed_child_without_a_start() {
    let pool = pool(|set| set.max_children(1));
    let mut events = pool.events();
    next_online(&mut events);
    let crashing = Worker::on(&pool).exit(3).submit();
    let spare = next_online(&mut events);
    assert!(crashing.wait().is_err());
    assert_eq!(Worker::on(&pool).pid().wait().expect("it runs"), spare);
}

fn spare_runs_no_call_beyond_max_children() {
    let pool = pool(|set| set.max_children(1));
    let mut events = pool.events();
    let first = next_online(&mut events);
    let running = Worker::on(&pool).sleep(if cfg!(windows) { 2_000 } else { 200 }).submit();
    next_online(&mut events);
    let waiting = Worker::on(&pool).pid().submit();
    thread::sleep(Duration::from_millis(50)); // nothing takes the call: there is no event to wait for
    let info = pool.info();
    assert_eq!((info.children, info.idle, info.queue_len), (2, 1, 1), "{info:?}");
    assert_eq!(running.wait().expect("it runs"), first);
    assert!(waiting.wait().is_ok());
}

fn idle_child_of_min_children_is_the_spare() {
    let pool = pool(|set| set.min_children(2));
    let mut events = pool.events();
    next_online(&mut events);
    next_online(&mut events);
    let first = Worker::on(&pool).sleep(if cfg!(windows) { 2_000 } else { 300 }).submit();
    thread::sleep(Duration::from_millis(50)); // no child starts: there is no event to wait for
    assert_eq!(pool.info().children, 2, "one of two is idle");
    let second = Worker::on(&pool).sleep(100).submit();
    next_online(&mut events);
    assert_eq!(pool.info().children, 3, "both are at work");
    assert!(first.wait().is_ok() && second.wait().is_ok());
}

macro_rules! trials {
    ($($name:ident)*) => {
        vec![$(Trial::test(stringify!($name), || { $name(); Ok(()) })),*]
    };
}

fn main() {
    nanolith_process::init().serve::<(Worker,)>();
    let trials = trials! {
        spare_starts_with_the_pool_and_stays
        next_spare_starts_when_the_spare_takes_a_call
        spare_replaces_a_crashed_child_without_a_start
        spare_runs_no_call_beyond_max_children
        idle_child_of_min_children_is_the_spare
    };
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
