//! Random kills: of children under load, and of the parent. The test program is its own child, and
//! in one test its own parent, so it has a `main`.
//!
//! The short form is part of each test run. `NANOLITH_KILLS=100` sets the number of kills of the
//! long form, which `cargo xtask kills` runs.
#![allow(missing_docs, clippy::missing_panics_doc)] // a test's name documents it
#![cfg_attr(windows, allow(dead_code, unused_imports))] // some tests are for systems with signals and `/proc`

mod processes;

use libtest_mimic::{Arguments, Trial};
use nanolith::{
    prelude::*,
    time::{MILLISECOND, SECOND},
};
use nanolith_process::{ChildCrash, Kill, KillReason, ProcessPool, ProcessPoolBuilder, Stdout};
use processes::KILL_SIGNAL;
use std::{
    env,
    error::Error,
    fs,
    io::{BufRead, BufReader, Read},
    process::{self, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// The number of kills of the short form.
const SHORT: usize = 20;
/// The environment variable that sets another number.
const KILLS: &str = "NANOLITH_KILLS";
/// The environment variable of a program that is to be a parent under load.
const PARENT: &str = "NANOLITH_KILLS_PARENT";
/// The environment variable by which a test finds its processes.
const MARK: &str = "NANOLITH_KILLS_MARK";
/// How long a call may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Load;

#[define(wire)]
impl Load {
    pub fn add(x: i64, y: i64) -> i64 {
        x.checked_add(y).expect("the sum fits")
    }

    pub async fn nap(millis: u64) -> u64 {
        nanolith::time::sleep(Duration::from_millis(millis)).await;
        millis
    }

    pub fn reverse(mut bytes: Vec<u8>) -> Vec<u8> {
        bytes.reverse();
        bytes
    }

    pub fn spin() {
        loop {
            std::hint::spin_loop();
        }
    }

    pub fn exit(code: i32) {
        process::exit(code);
    }

    pub fn pid() -> u32 {
        process::id()
    }

    /// Starts a process that outlives the task.
    pub fn start_sleep() -> u32 {
        let mut sleep = if cfg!(unix) { Command::new("sleep") } else { Command::new("ping") };
        let seconds = if cfg!(unix) { &["60"][..] } else { &["-n", "60", "127.0.0.1"] };
        sleep.args(seconds).stdout(Stdio::null()).spawn().map_or(0, |process| process.id())
    }
}

fn kills() -> usize {
    env::var(KILLS).ok().and_then(|kills| kills.parse().ok()).unwrap_or(SHORT)
}

fn pool(mark: &str, set: impl FnOnce(ProcessPoolBuilder) -> ProcessPoolBuilder) -> ProcessPool {
    // A child that is killed before it serves counts as one that failed to start.
    let builder = ProcessPool::builder().max_children(4).max_start_failures(100).grace(10 * MILLISECOND);
    let builder = builder.env(MARK, mark).pass_stderr(false).stdout(Stdout::Null);
    set(builder).build().expect("the settings are right")
}

fn mark(name: &str) -> String {
    format!("{}-{name}", process::id())
}

/// Returns the processes that have the mark in their environment. A zombie has no environment.
#[cfg(windows)]
fn marked(mark: &str) -> Vec<i32> {
    let line = format!("{MARK}={mark}");
    let marked = processes::with_environment(|variables| variables.contains(&line.as_str()));
    marked.into_iter().filter_map(|pid| i32::try_from(pid).ok()).collect()
}

#[cfg(unix)]
fn marked(mark: &str) -> Vec<i32> {
    let line = format!("{MARK}={mark}");
    let pids = fs::read_dir("/proc")
        .expect("there is /proc")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == line.as_bytes())
    })
    .collect()
}

/// Waits until `is_true`. Fails with the text that `describe` returns.
fn wait_until(limit: Duration, mut is_true: impl FnMut() -> bool, describe: impl FnOnce() -> String) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < limit, "{}", describe());
        thread::sleep(MILLISECOND);
    }
}

fn wait_for_end_of_marked(mark: &str, limit: Duration) {
    let describe = || format!("of {mark} are alive: {}", marked(mark).into_iter().map(describe).collect::<String>());
    wait_until(limit, || marked(mark).is_empty(), describe);
}

/// Returns what a process is and does.
fn describe(pid: i32) -> String {
    let read = |name| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default().replace('\0', " ");
    format!("\n{pid}: {}, {}, in {}", read("cmdline"), read("stat").trim(), read("wchan"))
}

#[cfg(unix)]
fn signal(pid: u32, signal: rustix::process::Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, signal); // it may be gone
    }
}

fn source<E: Error + Clone + 'static>(error: &CallError) -> E {
    let source = error.source().unwrap_or_else(|| panic!("{error} has no source"));
    source.downcast_ref::<E>().unwrap_or_else(|| panic!("another source: {source:?}")).clone()
}

// ----- the load

/// Makes a call, and checks how it ends.
type Kind = fn(&LoadCalls<ProcessPool>) -> Result<(), String>;

/// The kinds of calls.
const KINDS: [Kind; 10] = [
    |load| expect(load.add(4, 5).wait(), |outcome| matches!(outcome, Ok(9))),
    |load| expect(load.nap(2).wait(), |outcome| matches!(outcome, Ok(2))),
    |load| expect(pollster::block_on(async { load.add(4, 5).await }), |outcome| matches!(outcome, Ok(9))),
    |load| expect(load.add(i64::MAX, 1).wait(), |outcome| matches!(outcome, Err(CallError::Panicked(..)))),
    |load| {
        let bytes: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
        let expected: Vec<u8> = bytes.iter().rev().copied().collect();
        expect(load.reverse(bytes).wait(), |outcome| outcome.as_ref().is_ok_and(|bytes| *bytes == expected))
    },
    |load| {
        let outcome = load.exit(3).wait();
        expect(
            outcome,
            |outcome| matches!(outcome, Err(error @ CallError::Crashed(_)) if source::<ChildCrash>(error).code() == Some(3)),
        )
    },
    |load| expect(load.spin().timeout(5 * MILLISECOND).wait(), is_timed_out),
    |load| expect(load.nap(60_000).timeout(5 * MILLISECOND).wait(), is_timed_out),
    |load| {
        let job = load.spin().submit();
        thread::sleep(Duration::from_millis(fastrand::u64(..5)));
        job.cancel();
        expect(job.wait(), is_cancelled)
    },
    |load| {
        // Four at once, of which the last is abandoned.
        let jobs: Vec<_> = (0..4).map(|n| load.add(n, n).submit()).collect();
        for (n, job) in (0..).zip(jobs).take(3) {
            expect(pollster::block_on(job), |outcome| outcome.as_ref().is_ok_and(|sum| *sum == n + n))?;
        }
        Ok(())
    },
];

fn is_timed_out<T>(outcome: &Result<T, CallError>) -> bool {
    match outcome {
        Err(CallError::TimedOut(_)) => true,
        Err(error @ CallError::Killed(_)) => source::<Kill>(error).reason() == KillReason::TimedOut,
        _ => false,
    }
}

fn is_cancelled<T>(outcome: &Result<T, CallError>) -> bool {
    match outcome {
        Err(CallError::Cancelled(_)) => true,
        Err(error @ CallError::Killed(_)) => source::<Kill>(error).reason() == KillReason::Cancelled,
        _ => false,
    }
}

/// Checks that a call ended as it does without kills, or by one of the signals that the test sends.
fn expect<T: std::fmt::Debug>(
    outcome: Result<T, CallError>,
    is_right: impl FnOnce(&Result<T, CallError>) -> bool,
) -> Result<(), String> {
    if is_right(&outcome) {
        return Ok(());
    }
    match outcome {
        Err(error @ CallError::Crashed(_)) => match source::<ChildCrash>(&error).signal() {
            Some(9 | 11) => Ok(()),
            None if KILL_SIGNAL.is_none() && matches!(source::<ChildCrash>(&error).code(), Some(0 | 1)) => Ok(()),
            _ => Err(format!("another crash: {error}")),
        },
        Err(error) => Err(format!("another error: {error}")),
        Ok(_) => Err("another output".into()),
    }
}

/// The moments at which the callers began their latest calls.
struct Watch {
    began: Vec<Mutex<(usize, Instant)>>,
    is_over: AtomicBool,
    calls: AtomicU64,
}

impl Watch {
    fn new(callers: usize) -> Self {
        let began = (0..callers).map(|_| Mutex::new((0, Instant::now()))).collect();
        Self { began, is_over: AtomicBool::new(false), calls: AtomicU64::new(0) }
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Makes calls of random kinds until the load is over.
    fn call(&self, caller: usize, pool: &ProcessPool) {
        let load = Load::on(pool);
        while !self.is_over() {
            let kind = fastrand::usize(..KINDS.len());
            *self.began[caller].lock().expect("no panic") = (kind, Instant::now());
            KINDS[kind](&load).unwrap_or_else(|error| fail(&format!("a call of kind {kind}: {error}"), pool));
            self.calls.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Ends the test program if a call hangs.
    fn guard(&self, pool: &ProcessPool) {
        while !self.is_over() || self.began.iter().any(|began| began.try_lock().is_err()) {
            for (caller, began) in self.began.iter().enumerate() {
                let (kind, at) = *began.lock().expect("no panic");
                if at.elapsed() > PATIENCE {
                    fail(&format!("caller {caller} hangs in a call of kind {kind}"), pool);
                }
            }
            thread::sleep(20 * MILLISECOND);
        }
    }
}

/// Ends the test program. A panic in a scope would wait for the other threads.
fn fail(what: &str, pool: &ProcessPool) -> ! {
    eprintln!("{what}\n{:#?}\n{:?}", pool.info(), pool.pids());
    process::exit(101)
}

/// Kills a random child in a random way.
fn kill_one(pool: &ProcessPool) -> bool {
    let pids = pool.pids();
    let Some(pid) = fastrand::choice(pids) else { return false };
    end_somehow(pid);
    true
}

#[cfg(windows)]
fn end_somehow(pid: u32) {
    processes::kill(pid);
}

#[cfg(unix)]
fn end_somehow(pid: u32) {
    use rustix::process::Signal;
    match fastrand::u8(..3) {
        0 => signal(pid, Signal::KILL),
        1 => {
            // The first one ends in the handler by which Rust finds stack overflows.
            signal(pid, Signal::SEGV);
            thread::sleep(MILLISECOND);
            signal(pid, Signal::SEGV);
        }
        _ => {
            signal(pid, Signal::STOP);
            thread::sleep(Duration::from_millis(fastrand::u64(..20)));
            signal(pid, Signal::KILL);
        }
    }
}

/// Returns the number of calls that were made while `kills` children were killed.
fn kill_under_load(pool: &ProcessPool, callers: usize, kills: usize) -> u64 {
    let watch = Watch::new(callers);
    thread::scope(|scope| {
        let watch = &watch;
        let guard = scope.spawn(move || watch.guard(pool));
        let callers: Vec<_> = (0..callers).map(|caller| scope.spawn(move || watch.call(caller, pool))).collect();
        let mut done = 0;
        while done < kills {
            thread::sleep(Duration::from_millis(fastrand::u64(1..30)));
            done += usize::from(kill_one(pool));
        }
        watch.is_over.store(true, Ordering::Relaxed);
        let deadline = Instant::now() + PATIENCE;
        while callers.iter().any(|caller| !caller.is_finished()) {
            if Instant::now() > deadline {
                fail("a caller hangs after the load", pool);
            }
            thread::sleep(MILLISECOND);
        }
        guard.join().expect("no panic");
    });
    watch.calls.into_inner()
}

/// Checks that the pool is idle and answers, closes it, and waits until its children are gone.
fn end_in_order(pool: &ProcessPool, mark: &str) {
    wait_until(PATIENCE, || pool.info().in_flight == 0, || format!("calls are in flight: {:?}", pool.info()));
    let answer = Load::on(pool).add(4, 5).timeout(PATIENCE).wait();
    assert_eq!(answer.unwrap_or_else(|error| panic!("the pool does not answer: {error}")), 9);
    pool.close();
    if pool.closed().wait_timeout(PATIENCE).is_err() {
        fail("the pool does not close", pool);
    }
    assert_eq!(pool.info().children, 0);
    wait_for_end_of_marked(mark, SECOND);
}

// ----- the tests

fn calls_end_once_while_children_are_killed() {
    let mark = mark("load");
    let pool = pool(&mark, |set| set);
    let start = Instant::now();
    let calls = kill_under_load(&pool, 6, kills());
    let info = pool.info();
    println!(
        "{} kills in {:?}: {calls} calls, {} children, {} crashed, {} killed by the pool",
        kills(),
        start.elapsed(),
        info.started,
        info.crashed,
        info.killed
    );
    end_in_order(&pool, &mark);
}

fn children_die_with_their_parent() {
    let rounds = (kills() / 10).max(3);
    let mut longest = Duration::ZERO;
    for round in 0..rounds {
        let mark = mark(&format!("parent-{round}"));
        let mut parent = Command::new(env::current_exe().expect("it has a path"));
        parent.env(PARENT, "1").env(MARK, &mark).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut parent = parent.spawn().expect("it starts");
        let mut stdout = BufReader::new(parent.stdout.take().expect("it is a pipe"));
        if round % 3 > 0 {
            let mut line = String::new();
            stdout.read_line(&mut line).expect("it prints");
            assert_eq!(line, "ready\n");
        }
        thread::sleep(Duration::from_micros(fastrand::u64(..20_000)));
        let before = marked(&mark).len();
        parent.kill().expect("it is alive");
        parent.wait().expect("it is a child");
        let start = Instant::now();
        wait_for_end_of_marked(&mark, SECOND);
        longest = longest.max(start.elapsed());
        // An orphan that took itself for a parent would print, too.
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).expect("it is text");
        assert!(round % 3 == 0 || before > 2, "{before} processes before");
    }
    println!("{rounds} parents killed; all processes gone after {longest:?} at most");
}

/// Runs a pool whose children spin, start grandchildren, and start all the time. Never returns.
fn be_a_parent_under_load() -> ! {
    let mark = env::var(MARK).unwrap_or_default();
    let spinning = pool(&mark, |set| set.max_children(2));
    let starting = pool(&mark, |set| set.max_children(2).recycle_after(1));
    let _grandchild = Load::on(&spinning).start_sleep().wait().expect("it runs");
    let _spins = [Load::on(&spinning).spin().submit(), Load::on(&spinning).spin().submit()];
    let is_begun = || spinning.info().queue_len == 0;
    while !is_begun() {
        thread::sleep(MILLISECOND);
    }
    println!("ready");
    loop {
        let _ = Load::on(&starting).add(4, 5).wait();
    }
}

/// The threads that start once in a process, whatever number of pools it has: the timer, its ticker,
/// and the writer of the standard error. They may start after the first look.
const THREADS_OF_THE_PROCESS: usize = 3;

fn many_kills_leave_nothing_behind() {
    let mark = mark("resources");
    let round = || {
        let pool = pool(&mark, |set| set.max_children(2));
        kill_under_load(&pool, 2, 2);
        end_in_order(&pool, &mark);
    };
    // The clock starts, the allocator grows, and the thread of a closed pool ends.
    (0..3).for_each(|_| round());
    let before = Resources::now();
    let rounds = (kills() / 4).max(2 * THREADS_OF_THE_PROCESS);
    (0..rounds).for_each(|_| round());
    let settles = || {
        let now = Resources::now();
        now.threads <= before.threads + THREADS_OF_THE_PROCESS
            && now.descriptors <= before.descriptors
            && now.children == 0
    };
    wait_until(5 * SECOND, settles, || format!("{before:?} before, {:?} after {rounds} pools", Resources::now()));
    let after = Resources::now();
    println!("{rounds} pools: {before:?} before, {after:?} after");
    assert!(after.resident_kib < before.resident_kib + 16 * 1024, "{before:?} before, {after:?} after");
}

/// What a process has.
#[derive(Debug)]
struct Resources {
    threads: usize,
    descriptors: usize,
    resident_kib: u64,
    /// Living children and zombies.
    children: usize,
}

impl Resources {
    fn now() -> Self {
        let count = |folder| fs::read_dir(folder).expect("there is /proc").count();
        let status = fs::read_to_string("/proc/self/status").expect("there is /proc");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has a size");
        let resident_kib = resident.trim().trim_end_matches(" kB").parse().expect("it is a number");
        let me = process::id().to_string();
        let is_child = |pid: &str| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1).map(str::to_owned));
            parent.as_ref() == Some(&me)
        };
        let children = fs::read_dir("/proc")
            .expect("there is /proc")
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|pid| is_child(pid))
            .count();
        Self { threads: count("/proc/self/task"), descriptors: count("/proc/self/fd"), resident_kib, children }
    }
}

fn kill_of_child_kills_its_grandchild() {
    let mark = mark("grandchild");
    let pool = pool(&mark, |set| set.max_children(1));
    let load = Load::on(&pool);
    let grandchild = || {
        let child = load.pid().wait().expect("it runs");
        let pid = i32::try_from(load.start_sleep().wait().expect("it runs")).expect("it is a pid");
        // The grandchild has the mark once it is `sleep`.
        wait_until(PATIENCE, || marked(&mark).contains(&pid), || "there is no grandchild".into());
        (child, pid)
    };
    let wait_for_end = |pid| wait_until(SECOND, || !marked(&mark).contains(&pid), || describe(pid));

    let (child, pid) = grandchild();
    processes::kill(child); // from outside
    wait_for_end(pid);
    let (_, pid) = grandchild();
    // By the pool, once the time-out does not come before the start of the task.
    while !matches!(load.spin().timeout(20 * MILLISECOND).wait(), Err(CallError::Killed(_))) {}
    wait_for_end(pid);
    let (_, pid) = grandchild();
    assert!(load.exit(3).wait().is_err()); // by itself
    wait_for_end(pid);
}

macro_rules! trials {
    ($($name:ident)*) => {
        vec![$(Trial::test(stringify!($name), || { $name(); Ok(()) })),*]
    };
}

fn main() {
    nanolith_process::init().serve::<(Load,)>();
    if env::var(PARENT).is_ok() {
        be_a_parent_under_load();
    }
    let trials = trials! {
        calls_end_once_while_children_are_killed
        children_die_with_their_parent
        many_kills_leave_nothing_behind
        kill_of_child_kills_its_grandchild
    };
    // They find their processes in `/proc`, or by the functions of Windows.
    let trials = if cfg!(any(target_os = "linux", windows)) { trials } else { Vec::new() };
    // The first counts what is in `/proc`. The second may kill its parent while Windows starts a process, which
    // then never runs and stays.
    let unix_alone = ["many_kills_leave_nothing_behind", "children_die_with_their_parent"];
    let runs_here = |trial: &Trial| cfg!(unix) || !unix_alone.contains(&trial.name());
    let trials = trials.into_iter().filter(runs_here).collect();
    // One after another: a test counts the threads and descriptors of this process.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    libtest_mimic::run(&arguments, trials).exit();
}
