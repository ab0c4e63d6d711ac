//! Tests of the events of a pool of child processes. The test program is its own child.
#![allow(missing_docs, clippy::missing_panics_doc)] // a test's name documents it

mod processes;

use libtest_mimic::{Arguments, Trial};
use nanolith::{
    event::{Events, TryRecvError},
    prelude::*,
    time::{MILLISECOND, SECOND},
};
use nanolith_process::{ExitReason, KillReason, ProcessEvent, ProcessPool, ProcessPoolBuilder, Role, Stdout};
use processes::{KILL_SIGNAL, kill};
use std::{env, process};

pub struct Worker;

#[define(wire)]
impl Worker {
    pub fn pid() -> u32 {
        process::id()
    }

    pub fn exit(code: i32) {
        process::exit(code);
    }

    pub fn spin() {
        loop {
            std::hint::spin_loop();
        }
    }
}

fn pool(set: impl FnOnce(ProcessPoolBuilder) -> ProcessPoolBuilder) -> ProcessPool {
    let builder = ProcessPool::builder().max_children(1).grace(10 * MILLISECOND);
    set(builder.pass_stderr(false).stdout(Stdout::Null)).build().expect("the settings are right")
}

fn next(events: &mut Events<ProcessEvent>) -> ProcessEvent {
    let event = events.recv().wait_timeout(10 * SECOND);
    event.unwrap_or_else(|_| panic!("nothing happens")).expect("the stream goes on")
}

/// Returns the process and the reason of the next end of a child.
fn next_exit(events: &mut Events<ProcessEvent>) -> (u32, ExitReason) {
    loop {
        if let ProcessEvent::Exit { pid, reason } = next(events) {
            return (pid, reason);
        }
    }
}

fn child_is_started_then_online_then_gone() {
    let pool = pool(|set| set);
    let mut events = pool.events();
    let pid = Worker::on(&pool).pid().wait().expect("it runs");
    assert!(matches!(next(&mut events), ProcessEvent::Started { pid: started } if started == pid));
    assert!(matches!(next(&mut events), ProcessEvent::Online { pid: online } if online == pid));
    assert!(matches!(events.try_recv(), Err(TryRecvError::Empty)), "the child lives");
    pool.close();
    assert!(matches!(next(&mut events), ProcessEvent::Exit { pid: gone, reason: ExitReason::Closed } if gone == pid));
    assert!(events.next().is_none(), "the pool is closed, and its children are gone");
    assert!(pool.events().next().is_none(), "a later stream ends at once");
}

fn event_of_a_crash_precedes_the_error_of_its_call() {
    let pool = pool(|set| set);
    let mut events = pool.events();
    assert!(Worker::on(&pool).exit(3).wait().is_err());
    let happened: Vec<_> = std::iter::from_fn(|| events.try_recv().ok()).take(3).collect();
    let Some(ProcessEvent::Exit { pid, reason: ExitReason::Crashed(crash) }) = happened.last() else {
        panic!("{happened:?}")
    };
    assert_eq!((crash.code(), crash.pid()), (Some(3), *pid));
    assert_eq!(pool.info().crashed, 1);
}

fn exit_says_that_the_pool_killed() {
    let pool = pool(|set| set);
    let mut events = pool.events();
    assert!(Worker::on(&pool).pid().wait().is_ok(), "the child serves"); // so the time of the call is that of its task
    assert!(Worker::on(&pool).spin().timeout(50 * MILLISECOND).wait().is_err());
    assert!(matches!(next_exit(&mut events), (_, ExitReason::Killed(KillReason::TimedOut))));

    let idle = Worker::on(&pool).pid().wait().expect("it runs");
    pool.terminate();
    let (pid, reason) = next_exit(&mut events);
    assert!(pid == idle && matches!(reason, ExitReason::Killed(KillReason::Terminated)), "{reason:?}");
    assert_eq!(pool.info().killed, 1, "the idle child ran no task");
}

fn exit_says_that_a_child_was_killed_from_outside() {
    let pool = pool(|set| set);
    let mut events = pool.events();
    let pid = Worker::on(&pool).pid().wait().expect("it runs");
    kill(pid);
    let (gone, reason) = next_exit(&mut events);
    assert!(
        gone == pid && matches!(&reason, ExitReason::Crashed(crash) if crash.signal() == KILL_SIGNAL),
        "{reason:?}"
    );
}

fn exit_says_that_a_child_was_recycled() {
    let pool = pool(|set| set.recycle_after(1));
    let mut events = pool.events();
    let pid = Worker::on(&pool).pid().wait().expect("it runs");
    let (gone, reason) = next_exit(&mut events);
    assert!(gone == pid && matches!(reason, ExitReason::Recycled), "{reason:?}");
}

fn exit_says_that_a_child_was_idle() {
    let pool = pool(|set| set.idle_timeout(20 * MILLISECOND));
    let mut events = pool.events();
    let pid = Worker::on(&pool).pid().wait().expect("it runs");
    let (gone, reason) = next_exit(&mut events);
    assert!(gone == pid && matches!(reason, ExitReason::Idle), "{reason:?}");
}

fn child_that_fails_to_start_is_never_online() {
    let pool = pool(|set| set.env("EXIT_AT_START", "7").max_start_failures(2));
    let events = pool.events();
    assert!(Worker::on(&pool).pid().wait().is_err());
    let all: Vec<_> = events.collect();
    let is_crash = |event: &ProcessEvent| matches!(event, ProcessEvent::Exit { reason: ExitReason::Crashed(crash), .. } if crash.code() == Some(7));
    assert_eq!(all.iter().filter(|event| is_crash(event)).count(), 2, "{all:?}");
    assert_eq!(all.len(), 4, "each is started, and gone: {all:?}");
    assert_eq!(pool.info().crashed, 0, "none had served");
}

fn stream_that_is_not_read_keeps_the_newest_events() {
    let pool = pool(|set| set.recycle_after(1));
    let events = pool.events();
    let pids: Vec<_> = (0..100).map(|_| Worker::on(&pool).pid().wait().expect("it runs")).collect();
    pool.close();
    pool.closed().wait();
    let kept: Vec<_> = events.collect();
    assert_eq!(kept.len(), 256, "of 300");
    let last = kept.last().expect("there are events");
    assert!(matches!(last, ProcessEvent::Exit { pid, .. } if Some(pid) == pids.last()), "{last:?}");
}

macro_rules! trials {
    ($($name:ident)*) => {
        vec![$(Trial::test(stringify!($name), || { $name(); Ok(()) })),*]
    };
}

fn main() {
    if nanolith_process::role() == Role::Child {
        if let Ok(code) = env::var("EXIT_AT_START") {
            process::exit(code.parse().unwrap_or(1));
        }
    }
    nanolith_process::init().serve::<(Worker,)>();
    let trials = trials! {
        child_is_started_then_online_then_gone
        event_of_a_crash_precedes_the_error_of_its_call
        exit_says_that_the_pool_killed
        exit_says_that_a_child_was_killed_from_outside
        exit_says_that_a_child_was_recycled
        exit_says_that_a_child_was_idle
        child_that_fails_to_start_is_never_online
        stream_that_is_not_read_keeps_the_newest_events
    };
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
