//! Tests of what becomes of children and calls when their parent ends: by SIGKILL, by SIGTERM and by
//! Ctrl-C. This program is the parent, its children, and the test that starts and ends the parent.
#![allow(missing_docs)] // a test's name documents it
#![cfg_attr(windows, allow(dead_code, unused_imports))] // some tests are for systems with signals and `/proc`

mod processes;

use libtest_mimic::{Arguments, Trial};
use nanolith::{prelude::*, time::SECOND};
use nanolith_process::ProcessPool;
use std::{
    env,
    io::{BufRead, BufReader, Lines},
    process::{self, Child, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Says to this program that it is the parent, and which task its child runs.
const TASK: &str = "PARENT_END_TASK";

pub struct Work;

#[define(wire)]
impl Work {
    /// Prints the id of its process, and takes a while.
    pub fn sleep(millis: u64) -> u64 {
        println!("{}", process::id());
        thread::sleep(Duration::from_millis(millis));
        millis
    }
}

// ----- the parent

/// Makes a call, waits for a signal, and closes the pool as `docs/processes.md` shows.
fn parent(millis: u64) {
    #[cfg(unix)]
    let mut signals = signal_hook::iterator::Signals::new([signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM])
        .expect("the signals can be handled");
    let children = ProcessPool::builder().max_children(1).build().expect("the settings are right");
    let job = Work::on(&children).sleep(millis).submit();
    #[cfg(unix)]
    signals.forever().next();
    #[cfg(windows)]
    thread::sleep(60 * SECOND); // it is killed
    children.close();
    if children.closed().wait_timeout(2 * SECOND).is_err() {
        children.terminate();
        children.closed().wait();
    }
    match job.wait() {
        Ok(millis) => println!("slept for {millis} ms"),
        Err(CallError::Killed(_)) => println!("killed"),
        Err(error) => println!("{error}"),
    }
}

// ----- the tests

/// A parent that runs, and the id of its child.
struct Started {
    parent: Child,
    child: u32,
    lines: Lines<BufReader<ChildStdout>>,
}

fn start(millis: u64) -> Started {
    let mut command = Command::new(env::current_exe().expect("it has a path"));
    command.env(TASK, millis.to_string()).stdout(Stdio::piped());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut parent = command.spawn().expect("it starts");
    let mut lines = BufReader::new(parent.stdout.take().expect("it is piped")).lines();
    let child = lines.next().expect("a line").expect("text").parse().expect("an id");
    Started { parent, child, lines }
}

impl Started {
    #[cfg(unix)]
    fn signal(&self, signal: &str, to: impl std::fmt::Display) {
        let status = Command::new("kill").args(["-s", signal, "--", &to.to_string()]).status();
        assert!(status.expect("`kill` runs").success());
    }

    /// Waits until the parent and its child have ended. Returns what the parent prints.
    fn end(mut self) -> Vec<String> {
        let printed = self.lines.map_while(Result::ok).collect();
        self.parent.wait().expect("it ends");
        wait_for_end(self.child);
        printed
    }
}

/// Waits until the process is gone, or has ended and waits for its new parent to notice.
fn wait_for_end(pid: u32) {
    let start = Instant::now();
    while is_alive(pid) {
        assert!(start.elapsed() < SECOND, "process {pid} is still there");
        thread::sleep(Duration::from_millis(1));
    }
}

#[cfg(target_os = "linux")]
fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[cfg(not(target_os = "linux"))]
fn is_alive(pid: u32) -> bool {
    processes::is_process(pid)
}

fn child_does_not_outlive_a_killed_parent() {
    let mut started = start(60_000);
    started.parent.kill().expect("it is killed");
    assert!(started.end().is_empty());
}

#[cfg(unix)]
fn term_lets_accepted_calls_finish() {
    let started = start(300);
    started.signal("TERM", started.parent.id());
    assert_eq!(started.end(), ["slept for 300 ms"]);
}

#[cfg(unix)]
fn ctrl_c_does_not_reach_children() {
    let started = start(300);
    started.signal("INT", format!("-{}", started.parent.id())); // the whole group, as a terminal does
    assert_eq!(started.end(), ["slept for 300 ms"]);
}

#[cfg(unix)]
fn term_kills_a_task_that_takes_too_long() {
    let started = start(60_000);
    started.signal("TERM", started.parent.id());
    assert_eq!(started.end(), ["killed"]);
}

macro_rules! trials {
    ($($name:ident)*) => {
        vec![$(Trial::test(stringify!($name), || { $name(); Ok(()) })),*]
    };
}

fn main() {
    nanolith_process::init().serve::<(Work,)>();
    if let Ok(millis) = env::var(TASK) {
        return parent(millis.parse().expect("a number"));
    }
    let trials = trials! {
        child_does_not_outlive_a_killed_parent
    };
    // Windows has no signals.
    #[cfg(unix)]
    let trials = trials.into_iter().chain(trials! {
        term_lets_accepted_calls_finish
        ctrl_c_does_not_reach_children
        term_kills_a_task_that_takes_too_long
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into_iter().collect()).exit();
}
