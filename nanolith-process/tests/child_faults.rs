//! Children, and programs around them, that get in the way of the pool's thread or of the end of a
//! child. The test program is its own child, and in some tests its own parent.
#![allow(missing_docs, clippy::missing_panics_doc)] // a test's name documents it
#![cfg_attr(windows, allow(dead_code, unused_imports))] // some tests are for systems with signals and `/proc`

use libtest_mimic::{Arguments, Trial};
use nanolith::{
    prelude::*,
    time::{MILLISECOND, SECOND},
};
use nanolith_process::{ChildCrash, ProcessPool, ProcessPoolBuilder, Role, Stdout};
use std::{
    env,
    error::Error,
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// The environment variable of a child that starts another process before it serves.
const HELPER: &str = "HELPER_AT_START";
/// The environment variable of a test program that is to be a parent.
const PARENT: &str = "PARENT_ROLE";

pub struct Victim;

#[define(wire)]
impl Victim {
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    pub fn exit(code: i32) {
        process::exit(code);
    }

    /// Writes to the standard error without a pause, by several threads.
    pub fn flood_stderr() {
        let flood = || {
            let bytes = [b'x'; 32 * 1024];
            while io::stderr().write_all(&bytes).is_ok() {}
        };
        thread::scope(|scope| (0..3).for_each(|_| drop(scope.spawn(flood))));
    }

    pub fn print_error(text: String) {
        eprintln!("{text}");
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

fn crash(outcome: Result<impl Sized, CallError>) -> ChildCrash {
    match outcome {
        Err(error @ CallError::Crashed(_)) => {
            error.source().and_then(|source| source.downcast_ref::<ChildCrash>()).expect("it has a source").clone()
        }
        Err(error) => panic!("another error: {error}"),
        Ok(_) => panic!("it has an output"),
    }
}

fn flood_of_stderr_does_not_delay_a_kill() {
    let pool = pool(|set| set);
    assert!(Victim::on(&pool).add(4, 5).wait().is_ok(), "the child serves");
    let start = Instant::now();
    let outcome = Victim::on(&pool).flood_stderr().timeout(100 * MILLISECOND).wait();
    assert!(matches!(outcome, Err(CallError::Killed(_))), "{outcome:?}");
    assert!(start.elapsed() < 5 * SECOND, "{:?}", start.elapsed());
}

fn locked_stderr_of_parent_delays_no_call() {
    let pool = pool(|set| set.pass_stderr(true));
    let victim = Victim::on(&pool);
    victim.add(4, 5).wait().expect("it runs");
    let lock = io::stderr().lock();
    victim.print_error("a line of a child".into()).timeout(5 * SECOND).wait().expect("it runs");
    let outcome = victim.spin().timeout(20 * MILLISECOND).wait();
    drop(lock);
    assert!(matches!(outcome, Err(CallError::Killed(_))), "{outcome:?}");
}

/// The pipe is full and has no reader that reads.
fn blocked_stderr_of_parent_delays_no_call() {
    let output = run_as_parent(&this_program(), "blocked", |command| command.stderr(Stdio::piped()));
    assert_eq!(output, "it was killed\n");
}

fn parent() {
    match env::var(PARENT).as_deref() {
        Ok("blocked") => blocked_parent(),
        #[cfg(unix)]
        Ok("replaced") => replaced_parent(),
        other => panic!("another role: {other:?}"),
    }
}

fn blocked_parent() {
    let pool = pool(|set| set.pass_stderr(true));
    let victim = Victim::on(&pool);
    victim.print_error("x".repeat(300_000)).timeout(10 * SECOND).wait().expect("it runs");
    if let Err(CallError::Killed(_)) = victim.spin().timeout(20 * MILLISECOND).wait() {
        println!("it was killed");
    }
}

/// On Linux a child is the program of its parent, whatever is in the file by now. Elsewhere it is the
/// file, and the error of the call shows what came of that.
fn replaced_program_runs_or_ends_its_calls() {
    let copy = env::temp_dir().join(format!("nanolith-replaced-{}", process::id()));
    fs::copy(this_program(), &copy).expect("it is copied");
    let output = run_as_parent(&copy, "replaced", |command| command);
    fs::remove_file(&copy).expect("it was replaced");
    if cfg!(all(target_os = "linux", not(nanolith_poll))) {
        assert_eq!(output, "Ok(9)\n");
    } else {
        assert!(output.contains("failed to start") && output.contains("exited with code 7"), "{output}");
    }
}

#[cfg(unix)]
fn replaced_parent() {
    use std::os::unix::fs::PermissionsExt;
    let file = this_program();
    fs::remove_file(&file).expect("it is there");
    fs::write(&file, "#!/bin/sh\nexit 7\n").expect("it is written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o700)).expect("it is ours");
    let pool = pool(|set| set.max_start_failures(1));
    println!("{:?}", Victim::on(&pool).add(4, 5).wait());
}

fn this_program() -> PathBuf {
    env::current_exe().expect("it has a path")
}

/// Runs a program as another parent, and returns what it prints.
fn run_as_parent(program: &Path, role: &str, set: impl FnOnce(&mut Command) -> &mut Command) -> String {
    let mut command = Command::new(program);
    command.env(PARENT, role).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut parent = set(&mut command).spawn().expect("it starts");
    let (mut text, start) = (String::new(), Instant::now());
    while parent.try_wait().expect("it is a child").is_none() {
        if start.elapsed() > 20 * SECOND {
            let _ = parent.kill();
        }
        thread::sleep(MILLISECOND);
    }
    parent.stdout.take().expect("it is a pipe").read_to_string(&mut text).expect("it is text");
    text
}

/// A helper that a child started before it served has the socket as its standard input, so the
/// socket stays open when the child dies.
fn death_shows_though_another_process_holds_the_socket() {
    let pool = pool(|set| set.env(HELPER, "1"));
    let victim = Victim::on(&pool);
    assert_eq!(victim.add(4, 5).wait().expect("it runs"), 9);
    let crash = crash(victim.exit(3).timeout(10 * SECOND).wait());
    assert_eq!(crash.code(), Some(3));
    assert_eq!(victim.add(4, 5).timeout(10 * SECOND).wait().expect("another child runs it"), 9);
}

#[cfg(unix)]
fn pool_sleeps_after_a_failed_start() {
    let pool = pool(|set| set.current_dir("/no/such/folder").max_start_failures(1_000));
    let call = Victim::on(&pool).add(4, 5).timeout(50 * MILLISECOND).wait();
    assert!(matches!(call, Err(CallError::TimedOut(_))), "{call:?}");
    // No call waits for a child now. The processor time of this process shows whether it sleeps.
    thread::sleep(SECOND);
    let before = processor_time();
    thread::sleep(500 * MILLISECOND);
    let used = processor_time() - before;
    assert!(used < 200 * MILLISECOND, "{used:?}");
}

/// Returns the processor time of this process.
#[cfg(unix)]
fn processor_time() -> Duration {
    rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime).try_into().expect("it is positive")
}

fn longest_times_are_valid() {
    let pool = pool(|set| {
        set.start_timeout(Duration::MAX).idle_timeout(Duration::MAX).task_timeout(Duration::MAX).grace(Duration::MAX)
    });
    let victim = Victim::on(&pool);
    assert_eq!(victim.add(4, 5).timeout(10 * SECOND).wait().expect("it runs"), 9);
    let job = victim.spin().submit();
    job.cancel();
    pool.terminate();
    assert!(job.wait().is_err());
}

macro_rules! trials {
    ($($name:ident)*) => {
        vec![$(Trial::test(stringify!($name), || { $name(); Ok(()) })),*]
    };
}

/// Starts a process that holds the socket open, in a group of its own: a kill of the child's group does not
/// reach it.
#[cfg(unix)]
fn start_helper() {
    use std::os::unix::process::CommandExt;
    let mut helper = Command::new("sleep");
    let _ = helper.arg("30").process_group(0).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
}

fn main() {
    #[cfg(unix)]
    if nanolith_process::role() == Role::Child && env::var(HELPER).is_ok() {
        start_helper();
    }
    nanolith_process::init().serve::<(Victim,)>();
    if env::var(PARENT).is_ok() {
        return parent();
    }
    let trials = trials! {
        flood_of_stderr_does_not_delay_a_kill
        locked_stderr_of_parent_delays_no_call
        blocked_stderr_of_parent_delays_no_call
        longest_times_are_valid
    };
    // On Windows no process inherits a connection, and no file of a running program is replaced.
    #[cfg(unix)]
    let trials = trials.into_iter().chain(trials! {
        death_shows_though_another_process_holds_the_socket
        replaced_program_runs_or_ends_its_calls
        pool_sleeps_after_a_failed_start
    });
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() }; // one measures the processor time
    libtest_mimic::run(&arguments, trials.into_iter().collect()).exit();
}
