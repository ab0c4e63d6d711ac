//! Tests of a pool of child processes. The test program is its own child, so it has a `main`: the
//! first statement serves in a child, the second runs the tests in the parent.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

mod processes;

use libtest_mimic::{Arguments, Trial};
use nanolith::{
    TaskSet,
    executor::OnFull,
    layers::{Layer, Retry},
    prelude::*,
    sync::CancelToken,
    time::{MILLISECOND, SECOND},
    wire::RemoteError,
};
use nanolith_process::{ChildCrash, Kill, KillReason, ProcessPool, ProcessPoolBuilder, Role, Stdout};
use processes::{ABORTED, kill as kill_process, wait_for_end};
use std::{
    error::Error,
    fmt, fs,
    io::{self, Read, Write},
    pin::Pin,
    process,
    sync::Arc,
    task::{Context as TaskContext, Wake, Waker},
    time::{Duration, Instant},
};

pub struct Geometry;

#[define(wire)]
impl Geometry {
    pub fn add(x: i64, y: i64) -> i64 {
        x.checked_add(y).expect("the sum fits")
    }

    pub async fn wait_then_add(x: i64, y: i64, millis: u64) -> i64 {
        nanolith::time::sleep(Duration::from_millis(millis)).await;
        x + y
    }

    pub fn parse(text: String) -> Result<i64, String> {
        text.parse().map_err(|error: std::num::ParseIntError| error.to_string())
    }

    pub fn read(path: String) -> Result<Vec<u8>, RemoteError> {
        Ok(fs::read(path)?)
    }

    pub fn load(path: String) -> Result<Vec<u8>, RemoteError> {
        Ok(fs::read(path).map_err(NotLoaded)?)
    }

    pub fn reverse(mut bytes: Vec<u8>) -> Vec<u8> {
        bytes.reverse();
        bytes
    }
}

/// An error with a source and without serde.
#[derive(Debug)]
struct NotLoaded(io::Error);

impl fmt::Display for NotLoaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings are not loaded")
    }
}

impl Error for NotLoaded {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

pub struct Victim;

#[define(wire)]
impl Victim {
    pub fn spin() {
        loop {
            std::hint::spin_loop();
        }
    }

    /// Stops when it is asked to.
    pub fn spin_until_asked(cx: &Context<Self>) {
        while !cx.is_cancelled() {
            std::thread::yield_now();
        }
    }

    pub fn exit(code: i32) {
        process::exit(code);
    }

    pub fn abort() {
        eprintln!("about to abort");
        process::abort();
    }

    pub fn overflow_stack(depth: u64) -> u64 {
        let page = std::hint::black_box([depth; 512]);
        if depth == u64::MAX { 0 } else { Self::overflow_stack(depth + 1) + page[7] }
    }

    pub fn allocate(megabytes: usize) -> usize {
        let memory: Vec<Vec<u8>> = (0..megabytes).map(|_| vec![1; 1 << 20]).collect();
        memory.iter().map(Vec::len).sum()
    }

    pub fn leak(megabytes: usize) {
        std::mem::forget(vec![1_u8; megabytes << 20]);
    }

    /// Spins, and shows by a file that it does.
    pub fn spin_visibly(marker: String) {
        let _ = fs::write(marker, "");
        Self::spin();
    }

    pub fn kill_itself(signal: String) {
        // The first SIGSEGV ends in the handler by which Rust finds stack overflows.
        for _ in 0..2 {
            let _ = process::Command::new("kill").args([&signal, &process::id().to_string()]).status();
        }
        std::thread::sleep(Duration::from_secs(10));
    }

    pub fn pid() -> u32 {
        process::id()
    }

    #[task(idempotent)]
    pub fn crash_once(marker: String) -> u32 {
        if fs::File::create_new(&marker).is_ok() {
            process::abort();
        }
        process::id()
    }

    pub fn read_stdin() -> usize {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).unwrap_or(usize::MAX)
    }

    /// Prints a line that does not end.
    pub fn print_part(text: String) {
        print!("{text}");
    }

    pub fn print(text: String) {
        println!("{text}");
        let _ = io::stdout().flush();
    }

    pub fn variable(name: String) -> Option<String> {
        std::env::var(name).ok()
    }

    pub fn folder() -> String {
        std::env::current_dir().map(|folder| folder.display().to_string()).unwrap_or_default()
    }

    pub fn descriptors() -> Vec<String> {
        let list = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
        list.filter_map(|entry| fs::read_link(entry.path()).ok()).map(|path| path.display().to_string()).collect()
    }

    /// Returns the descriptors of a process that it starts.
    pub fn descriptors_of_a_process() -> String {
        let output = process::Command::new("ls").arg("/dev/fd").stdin(process::Stdio::null()).output();
        String::from_utf8_lossy(&output.expect("it runs").stdout).into_owned()
    }

    pub fn is_child() -> bool {
        nanolith_process::role() == Role::Child
    }
}

/// A set that no child serves.
pub struct Unserved;

#[define(wire)]
impl Unserved {
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }
}

fn pool(set: impl FnOnce(ProcessPoolBuilder) -> ProcessPoolBuilder) -> ProcessPool {
    let builder = ProcessPool::builder().max_children(2).pass_stderr(false).stdout(Stdout::Null);
    set(builder).build().expect("the settings are right")
}

fn source<E: Error + 'static>(error: &CallError) -> &E {
    let source = error.source().unwrap_or_else(|| panic!("{error} has no source"));
    source.downcast_ref().unwrap_or_else(|| panic!("another source: {source:?}"))
}

fn crash(outcome: Result<impl Sized, CallError>) -> ChildCrash {
    match outcome {
        Err(error @ CallError::Crashed(_)) => source::<ChildCrash>(&error).clone(),
        Err(error) => panic!("another error: {error}"),
        Ok(_) => panic!("it has an output"),
    }
}

fn kill(outcome: Result<impl Sized, CallError>) -> Kill {
    match outcome {
        Err(error @ CallError::Killed(_)) => source::<Kill>(&error).clone(),
        Err(error) => panic!("another error: {error}"),
        Ok(_) => panic!("it has an output"),
    }
}

/// Returns a path at which there is no file.
fn file(name: &str) -> String {
    std::env::temp_dir().join(format!("nanolith-process-{}-{name}", process::id())).display().to_string()
}

/// Waits until the file is there, and removes it.
fn wait_for_file(path: &str) {
    let start = Instant::now();
    while fs::remove_file(path).is_err() {
        assert!(start.elapsed() < 10 * SECOND, "the task does not run");
        std::thread::sleep(MILLISECOND);
    }
}

// ----- calls

fn tasks_run_in_another_process() {
    let pool = pool(|set| set);
    let victim = Victim::on(&pool);
    assert_ne!(victim.pid().wait().expect("it runs"), process::id());
    assert!(victim.is_child().wait().expect("it runs"));
    assert_eq!(nanolith_process::role(), Role::Parent);
}

fn calls_can_be_waited_awaited_and_submitted() {
    let pool = pool(|set| set);
    let geometry = Geometry::on(&pool);
    assert_eq!(geometry.add(4, 5).wait().expect("it runs"), 9);
    assert_eq!(pollster::block_on(async { geometry.add(4, 5).await }).expect("it runs"), 9);
    let jobs: Vec<_> = (0..200).map(|n| geometry.add(n, 1).submit()).collect();
    for (n, job) in (0..).zip(jobs) {
        assert_eq!(job.wait().expect("it runs"), n + 1);
    }
    assert_eq!(pool.info().completed, 202);
}

fn call_that_is_not_submitted_leaves_no_trace_of_its_wait() {
    let pool = pool(|set| set.max_children(1));
    let (geometry, token) = (Geometry::on(&pool), CancelToken::new());
    token.cancel();
    // This thread reads the second answer, so that the pool's thread does not watch the socket.
    (0..2).for_each(|n| assert_eq!(geometry.add(n, 1).wait().expect("it runs"), n + 1));
    assert!(geometry.add(1, 2).cancel_token(&token).wait().is_err());
    // Nothing but the pool's thread reads this answer.
    let job = geometry.add(4, 5).submit();
    let start = Instant::now();
    while !job.is_finished() {
        assert!(start.elapsed() < 10 * SECOND, "the answer is not read");
        std::thread::yield_now();
    }
}

fn asynchronous_tasks_and_results_pass() {
    let pool = pool(|set| set);
    let geometry = Geometry::on(&pool);
    assert_eq!(geometry.wait_then_add(4, 5, 1).wait().expect("it runs"), 9);
    assert_eq!(geometry.parse("7".into()).wait().expect("it runs"), Ok(7));
    assert!(geometry.parse("seven".into()).flatten().wait().is_err());
}

fn remote_error_keeps_text_kind_and_chain() {
    let pool = pool(|set| set);
    let geometry = Geometry::on(&pool);
    let missing = "no/such/folder/file";
    let expected = fs::read(missing).expect_err("there is no such file").to_string();
    let error = geometry.read(missing.into()).wait().expect("it runs").expect_err("there is no such file");
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.kind(), Some(io::ErrorKind::NotFound));
    let error = geometry.load(missing.into()).wait().expect("it runs").expect_err("there is no such file");
    assert_eq!(error.chain().collect::<Vec<_>>(), ["the settings are not loaded", &expected]);
    assert_eq!(error.kind(), Some(io::ErrorKind::NotFound));
}

fn large_messages_pass_both_ways() {
    let pool = pool(|set| set.max_children(1));
    let geometry = Geometry::on(&pool);
    let bytes: Vec<u8> = (0..=255).cycle().take(5 << 20).collect();
    let back = geometry.reverse(bytes.clone()).wait().expect("it runs");
    assert!(back.iter().rev().eq(&bytes));
    assert_eq!(geometry.add(4, 5).wait().expect("the child lives on"), 9);
}

fn message_above_limit_is_refused_and_given_back() {
    let pool = pool(|set| set.max_message(4096));
    let geometry = Geometry::on(&pool);
    let refused = geometry.reverse(vec![1; 5000]).try_submit().expect_err("it is too large");
    assert!(refused.to_string().contains("larger than the limit of 4096 bytes"), "{refused}");
    assert_eq!(pool.info().started, 0, "no child was needed");
    drop(refused.into_inner()); // the call
    assert_eq!(geometry.reverse(vec![1, 2]).wait().expect("it runs"), [2, 1]);
}

fn set_that_is_not_served_is_refused() {
    let pool = pool(|set| set);
    let error = Unserved::on(&pool).add(4, 5).wait().expect_err("no child serves it");
    assert!(error.to_string().contains("children do not serve `Unserved`: add it to"), "{error}");
}

fn panic_keeps_message_place_and_child() {
    let pool = pool(|set| set.max_children(1));
    let geometry = Geometry::on(&pool);
    match geometry.add(i64::MAX, 1).wait() {
        Err(CallError::Panicked(panic, trace)) => {
            assert_eq!(panic.message(), "the sum fits");
            assert!(panic.place().is_some_and(|(file, _)| file.ends_with("process_pool.rs")), "{:?}", panic.place());
            assert_eq!(trace.task().name(), "add");
        }
        other => panic!("another outcome: {other:?}"),
    }
    assert_eq!(geometry.add(4, 5).wait().expect("it runs"), 9);
    assert_eq!(pool.info().started, 1, "the same child");
}

fn urgent_call_goes_first() {
    let pool = pool(|set| set.max_children(1));
    let (geometry, victim) = (Geometry::on(&pool), Victim::on(&pool));
    let busy = geometry.wait_then_add(0, 0, 50).submit();
    let low = victim.spin().priority(Priority::Low).submit();
    let urgent = geometry.add(4, 5).priority(Priority::UserBlocking).submit();
    assert_eq!(busy.wait().expect("it runs"), 0);
    assert_eq!(urgent.wait().expect("it is not behind the low one"), 9);
    low.cancel();
    assert!(low.wait().is_err());
}

fn full_queue_rejects() {
    let pool = pool(|set| set.max_children(1).max_queue(1).on_full(OnFull::Reject));
    let geometry = Geometry::on(&pool);
    let first = geometry.wait_then_add(0, 0, 100).submit();
    let second = geometry.add(1, 1).submit();
    assert!(matches!(geometry.add(4, 5).wait(), Err(CallError::Full(_))));
    assert_eq!((first.wait().expect("it runs"), second.wait().expect("it runs")), (0, 2));
}

// ----- kills

fn runaway_task_is_killed_after_timeout_and_grace() {
    let pool = pool(|set| set.max_children(1).grace(20 * MILLISECOND));
    let (geometry, victim) = (Geometry::on(&pool), Victim::on(&pool));
    let pid = victim.pid().wait().expect("it runs");
    let start = Instant::now();
    let kill = kill(victim.spin().timeout(50 * MILLISECOND).wait());
    assert!(start.elapsed() >= 70 * MILLISECOND);
    assert_eq!((kill.pid(), kill.reason()), (pid, KillReason::TimedOut));
    assert!(kill.after() >= 60 * MILLISECOND, "{:?}", kill.after());
    wait_for_end(pid);
    assert_eq!(geometry.add(4, 5).wait().expect("another child takes over"), 9);
    assert_eq!((pool.info().killed, pool.info().started), (1, 2));
}

fn cancelled_task_is_killed_after_grace() {
    let pool = pool(|set| set.grace(10 * MILLISECOND));
    let marker = file("spins");
    let job = Victim::on(&pool).spin_visibly(marker.clone()).submit();
    wait_for_file(&marker);
    job.cancel();
    assert_eq!(kill(job.wait()).reason(), KillReason::Cancelled);
}

fn task_that_stops_when_asked_is_not_killed() {
    let pool = pool(|set| set.max_children(1).grace(10 * SECOND));
    let victim = Victim::on(&pool);
    let pid = victim.pid().wait().expect("it runs");
    assert!(matches!(victim.spin_until_asked().timeout(20 * MILLISECOND).wait(), Err(CallError::TimedOut(_))));
    assert_eq!(victim.pid().wait().expect("it runs"), pid, "the same child");
}

fn task_timeout_of_pool_kills() {
    let pool = pool(|set| set.task_timeout(30 * MILLISECOND).grace(Duration::ZERO));
    let kill = kill(Victim::on(&pool).spin().wait());
    assert_eq!(kill.reason(), KillReason::TaskTimeout);
    assert!(kill.after() >= 30 * MILLISECOND);
}

fn queued_call_times_out_without_a_kill() {
    let pool = pool(|set| set.max_children(1));
    let geometry = Geometry::on(&pool);
    let busy = geometry.wait_then_add(0, 0, 100).submit();
    assert!(matches!(geometry.add(4, 5).timeout(10 * MILLISECOND).wait(), Err(CallError::TimedOut(_))));
    busy.wait().expect("it is not disturbed");
    assert_eq!(pool.info().killed, 0);
}

fn terminate_kills_running_and_cancels_queued() {
    let pool = pool(|set| set.max_children(1));
    let marker = file("terminate");
    let running = Victim::on(&pool).spin_visibly(marker.clone()).submit();
    wait_for_file(&marker);
    let queued = Victim::on(&pool).spin().submit();
    assert_eq!(pool.terminate(), 1);
    assert_eq!(kill(running.wait()).reason(), KillReason::Terminated);
    assert!(matches!(queued.wait(), Err(CallError::Cancelled(_))));
    pool.closed().wait();
    assert_eq!(pool.info().children, 0);
}

// ----- deaths

fn exit_code_is_in_the_error() {
    let pool = pool(|set| set);
    let crash = crash(Victim::on(&pool).exit(3).wait());
    assert_eq!((crash.code(), crash.signal()), (Some(3), None));
    assert!(crash.to_string().ends_with("exited with code 3"), "{crash}");
}

fn abort_has_signal_and_last_lines() {
    let pool = pool(|set| set);
    let crash = crash(Victim::on(&pool).abort().wait());
    assert_eq!((crash.code(), crash.signal()), ABORTED);
    assert_eq!(crash.stderr(), "about to abort\n");
    let end = if cfg!(unix) { "signal 6 (SIGABRT)" } else { "exception 0xC0000409 (abort)" };
    assert!(crash.to_string().ends_with(&format!("was ended by {end}; it wrote: about to abort")), "{crash}");
}

fn stack_overflow_is_named() {
    let pool = pool(|set| set);
    let crash = crash(Victim::on(&pool).overflow_stack(0).wait());
    assert!(crash.is_stack_overflow(), "{crash}");
}

fn memory_limit_ends_the_child() {
    let pool = pool(|set| set.memory_limit(100 << 20));
    let victim = Victim::on(&pool);
    assert_eq!(victim.allocate(10).wait().expect("it is within the limit"), 10 << 20);
    let crash = crash(victim.allocate(200).wait());
    assert!(crash.is_out_of_memory(), "{crash}");
    let text = crash.to_string();
    let expected = "ran out of memory: its `memory_limit` is 104857600 bytes; it wrote: memory allocation of";
    assert!(text.contains(expected), "{text}");
}

fn memory_limit_below_a_stack_is_named() {
    let pool = pool(|set| set.memory_limit(1 << 20).max_start_failures(1));
    let error = Geometry::on(&pool).add(4, 5).wait().expect_err("no child starts");
    assert!(error.to_string().contains("raise the `memory_limit`, which is 1048576 bytes"), "{error}");
}

fn cpu_time_ends_the_child_by_its_signal() {
    let pool = pool(|set| set.cpu_time(SECOND));
    let crash = crash(Victim::on(&pool).spin().wait());
    assert_eq!(crash.signal(), Some(24), "{crash}");
}

fn signals_are_in_the_error() {
    let pool = pool(|set| set);
    for (name, number) in [("-SEGV", 11), ("-KILL", 9), ("-TERM", 15)] {
        let crash = crash(Victim::on(&pool).kill_itself(name.into()).wait());
        assert_eq!(crash.signal(), Some(number), "{name}");
    }
}

fn other_child_takes_over() {
    let pool = pool(|set| set.max_children(1));
    let (geometry, victim) = (Geometry::on(&pool), Victim::on(&pool));
    let dying = victim.abort().submit();
    let after: Vec<_> = (0..20).map(|n| geometry.add(n, n).submit()).collect();
    assert!(dying.wait().is_err());
    for (n, job) in (0..).zip(after) {
        assert_eq!(job.wait().expect("another child runs it"), n + n);
    }
}

fn idle_child_that_dies_is_replaced() {
    let pool = pool(|set| set.max_children(1));
    let victim = Victim::on(&pool);
    let pid = victim.pid().wait().expect("it runs");
    kill_process(pid);
    wait_for_end(pid);
    let start = Instant::now();
    while pool.pids().contains(&pid) {
        assert!(start.elapsed() < 10 * SECOND, "the pool does not notice");
        std::thread::sleep(MILLISECOND);
    }
    assert_ne!(victim.pid().wait().expect("it runs"), pid);
}

fn retry_layer_runs_an_idempotent_task_again() {
    let marker = file("crash-once");
    let pool = pool(|set| set);
    let retry = Retry::new(2).when(|error| matches!(error, CallError::Crashed(_)));
    let victim = Victim::calls(retry.layer(pool));
    assert!(victim.crash_once(marker.clone()).wait().is_ok());
    let _ = fs::remove_file(marker);
}

fn child_that_cannot_start_ends_its_calls() {
    let pool = pool(|set| set.current_dir("/no/such/folder").max_start_failures(2));
    let error = Geometry::on(&pool).add(4, 5).wait().expect_err("no child starts");
    assert!(matches!(error, CallError::NotStarted(..)), "{error}");
    let later = Geometry::on(&pool).add(4, 5).wait().expect_err("the pool has given up");
    assert!(matches!(later, CallError::NotStarted(..)), "{later}");
    pool.closed().wait();
}

fn child_that_exits_at_start_ends_its_calls() {
    let pool = pool(|set| set.env("EXIT_AT_START", "7").max_start_failures(2));
    let error = Geometry::on(&pool).add(4, 5).wait().expect_err("no child starts");
    assert!(error.to_string().contains("exited with code 7"), "{error}");
}

fn child_that_does_not_answer_is_killed() {
    let pool = pool(|set| set.env("SLEEP_AT_START", "60").start_timeout(50 * MILLISECOND).max_start_failures(1));
    let error = Geometry::on(&pool).add(4, 5).wait().expect_err("no child answers");
    assert!(error.to_string().contains("did not answer within 50ms after its start"), "{error}");
}

// ----- children

fn children_are_replaced_after_a_number_of_calls() {
    let pool = pool(|set| set.max_children(1).recycle_after(5));
    let victim = Victim::on(&pool);
    let mut pids: Vec<u32> = (0..20).map(|_| victim.pid().wait().expect("it runs")).collect();
    pids.dedup();
    assert_eq!(pids.len(), 4, "{pids:?}");
    assert_eq!((pool.info().recycled, pool.info().crashed), (4, 0));
}

fn children_are_replaced_above_a_size() {
    let pool = pool(|set| set.max_children(1).recycle_above(64 << 20));
    let victim = Victim::on(&pool);
    let first = victim.pid().wait().expect("it runs");
    assert_eq!(victim.pid().wait().expect("it runs"), first);
    victim.leak(100).wait().expect("it runs");
    assert_ne!(victim.pid().wait().expect("it runs"), first);
    assert_eq!(pool.info().recycled, 1);
}

fn idle_children_end_but_the_least_number() {
    let pool = pool(|set| set.min_children(1).idle_timeout(30 * MILLISECOND));
    let geometry = Geometry::on(&pool);
    let both = [geometry.wait_then_add(0, 0, 300).submit(), geometry.wait_then_add(0, 0, 300).submit()];
    both.into_iter().for_each(|job| assert_eq!(job.wait().expect("it runs"), 0));
    assert_eq!(pool.info().started, 2);
    let start = Instant::now();
    while pool.info().children > 1 {
        assert!(start.elapsed() < 5 * SECOND, "an idle child is still there");
        std::thread::sleep(MILLISECOND);
    }
    std::thread::sleep(100 * MILLISECOND);
    assert_eq!((pool.info().children, pool.info().crashed), (1, 0));
}

fn closed_pool_finishes_calls_and_ends_children() {
    let pool = pool(|set| set);
    let geometry = Geometry::on(&pool);
    let job = geometry.wait_then_add(4, 5, 50).submit();
    let pid = Victim::on(&pool).pid().wait().expect("it runs");
    pool.close();
    assert!(matches!(geometry.add(1, 2).wait(), Err(CallError::Closed(_))));
    pool.closed().wait();
    assert_eq!(job.wait().expect("it was accepted"), 9);
    assert_eq!(pool.info().children, 0);
    wait_for_end(pid);
}

fn wait_for_the_end_leaves_no_waker() {
    let pool = pool(|set| set);
    let woken = Arc::new(NoWake);
    let waker = Waker::from(woken.clone());
    let mut closed = pool.closed();
    for _ in 0..3 {
        assert!(Pin::new(&mut closed).poll(&mut TaskContext::from_waker(&waker)).is_pending());
    }
    assert_eq!(Arc::strong_count(&woken), 3, "ours, the waker's, and that of the wait");
    drop(closed);
    assert_eq!(Arc::strong_count(&woken), 2);
}

/// A waker that does nothing.
struct NoWake;

impl Wake for NoWake {
    fn wake(self: Arc<Self>) {}
}

fn dropped_pool_ends_its_children() {
    let pool = pool(|set| set);
    let pid = Victim::on(&pool).pid().wait().expect("it runs");
    drop(pool);
    wait_for_end(pid);
}

// ----- surroundings

fn standard_input_of_tasks_is_empty() {
    let pool = pool(|set| set);
    assert_eq!(Victim::on(&pool).read_stdin().wait().expect("it runs"), 0);
}

fn prints_of_tasks_do_not_disturb_the_protocol() {
    let pool = pool(|set| set);
    let victim = Victim::on(&pool);
    victim.print("{\"not\": \"a frame\"}".repeat(1_000)).wait().expect("it runs");
    assert!(victim.is_child().wait().expect("it runs"));
}

/// Says to this program that it makes one call, whose task prints this text, and exits.
const PRINTED: &str = "PROCESS_POOL_PRINTED";

fn make_call_and_exit(text: String) -> ! {
    let pool = pool(|set| set.stdout(Stdout::Inherit));
    Victim::on(&pool).print_part(text).wait().expect("it runs");
    process::exit(0) // without a close, so the child is killed
}

fn unfinished_line_is_printed_by_the_end_of_its_call() {
    let program = std::env::current_exe().expect("it has a path");
    let output = process::Command::new(program).env(PRINTED, "no end").output().expect("it starts");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "no end");
}

fn environment_and_folder_are_set() {
    let pool = pool(|set| set.env_clear().env("COLOUR", "blue").env_keep("PATH").current_dir("/"));
    let victim = Victim::on(&pool);
    assert_eq!(victim.variable("COLOUR".into()).wait().expect("it runs").as_deref(), Some("blue"));
    assert_eq!(victim.variable("PATH".into()).wait().expect("it runs"), std::env::var("PATH").ok());
    assert_eq!(victim.variable("HOME".into()).wait().expect("it runs"), None);
    let root = std::path::absolute("/").expect("there is a root").display().to_string();
    assert_eq!(victim.folder().wait().expect("it runs"), root);
}

fn child_has_no_descriptors_of_its_siblings() {
    let pool = pool(|set| set.min_children(2));
    let file = fs::File::open("/proc/self/exe").expect("it is there");
    let victim = Victim::on(&pool);
    let mut found = victim.descriptors().wait().expect("it runs");
    found.sort();
    found.dedup(); // one for reading, one for writing
    found.retain(|path| path.starts_with("socket:") || path.starts_with('/') && path != "/dev/null");
    let sockets = found.iter().filter(|path| path.starts_with("socket:")).count();
    assert_eq!(sockets, 1, "its own connection alone: {found:?}");
    assert!(!found.iter().any(|path| path.contains("process_pool")), "{found:?}");
    drop(file);
}

/// The descriptors of a process that a task starts are those of a process that this one starts.
fn processes_of_a_task_inherit_no_descriptors() {
    let expected = Victim::descriptors_of_a_process();
    let pool = pool(|set| set.min_children(2));
    let victim = Victim::on(&pool);
    assert_eq!(victim.descriptors_of_a_process().wait().expect("it runs"), expected);
    assert_eq!(Victim::descriptors_of_a_process(), expected, "beside a pool");
}

fn wrong_settings_are_named() {
    let build = |set: fn(ProcessPoolBuilder) -> ProcessPoolBuilder| {
        set(ProcessPool::builder()).build().map(drop).expect_err("it is wrong").to_string()
    };
    assert_eq!(build(|set| set.max_children(0)), "the setting `max_children` must be at least 1");
    assert_eq!(build(|set| set.min_children(500)), "the setting `min_children` must not be above `max_children`");
    assert_eq!(build(|set| set.recycle_after(0)), "the setting `recycle_after` must be at least 1");
    if !cfg!(target_os = "linux") {
        let refused = [build(|set| set.memory_limit(1 << 30)), build(|set| set.recycle_above(1 << 30))];
        assert!(refused[0].contains("`memory_limit`") && refused[1].contains("`recycle_above`"), "{refused:?}");
    }
    if cfg!(windows) {
        let refused = [build(|set| set.cpu_time(SECOND)), build(|set| set.nice(1)), build(listener)];
        assert!(refused[0].contains("`cpu_time`") && refused[1].contains("`nice`"), "{refused:?}");
        assert_eq!(refused[2], "the setting `listener` is not available on this system");
    }
    assert!(build(|set| set.max_queue(0)).contains("max_queue"));
    assert!(build(|set| set.on_full(OnFull::CallerRuns)).contains("CallerRuns"));
}

fn listener(builder: ProcessPoolBuilder) -> ProcessPoolBuilder {
    builder.listener(std::net::TcpListener::bind("127.0.0.1:0").expect("a free port"))
}

/// The tests of limits that Linux alone has, and of its `/proc`.
const LINUX_ALONE: [&str; 4] = [
    "memory_limit_ends_the_child",
    "memory_limit_below_a_stack_is_named",
    "children_are_replaced_above_a_size",
    "child_has_no_descriptors_of_its_siblings",
];

/// The tests of signals, and of limits and descriptors that Windows does not have.
const UNIX_ALONE: [&str; 3] =
    ["cpu_time_ends_the_child_by_its_signal", "signals_are_in_the_error", "processes_of_a_task_inherit_no_descriptors"];

/// Returns whether a test runs on this system.
fn runs_here(test: &str) -> bool {
    (cfg!(target_os = "linux") || !LINUX_ALONE.contains(&test)) && (cfg!(unix) || !UNIX_ALONE.contains(&test))
}

macro_rules! trials {
    ($($name:ident)*) => {
        vec![$(Trial::test(stringify!($name), || { $name(); Ok(()) })),*]
    };
}

fn main() {
    if nanolith_process::role() == Role::Child {
        if let Ok(code) = std::env::var("EXIT_AT_START") {
            process::exit(code.parse().unwrap_or(1));
        }
        if std::env::var("SLEEP_AT_START").is_ok() {
            std::thread::sleep(60 * SECOND);
        }
    }
    nanolith_process::init().serve::<(Geometry, Victim)>();
    if let Ok(text) = std::env::var(PRINTED) {
        make_call_and_exit(text);
    }
    let trials = trials! {
        tasks_run_in_another_process
        calls_can_be_waited_awaited_and_submitted
        call_that_is_not_submitted_leaves_no_trace_of_its_wait
        asynchronous_tasks_and_results_pass
        remote_error_keeps_text_kind_and_chain
        large_messages_pass_both_ways
        message_above_limit_is_refused_and_given_back
        set_that_is_not_served_is_refused
        panic_keeps_message_place_and_child
        urgent_call_goes_first
        full_queue_rejects
        runaway_task_is_killed_after_timeout_and_grace
        cancelled_task_is_killed_after_grace
        task_that_stops_when_asked_is_not_killed
        task_timeout_of_pool_kills
        queued_call_times_out_without_a_kill
        terminate_kills_running_and_cancels_queued
        exit_code_is_in_the_error
        abort_has_signal_and_last_lines
        stack_overflow_is_named
        memory_limit_ends_the_child
        memory_limit_below_a_stack_is_named
        cpu_time_ends_the_child_by_its_signal
        signals_are_in_the_error
        other_child_takes_over
        idle_child_that_dies_is_replaced
        retry_layer_runs_an_idempotent_task_again
        child_that_cannot_start_ends_its_calls
        child_that_exits_at_start_ends_its_calls
        child_that_does_not_answer_is_killed
        children_are_replaced_after_a_number_of_calls
        children_are_replaced_above_a_size
        idle_children_end_but_the_least_number
        closed_pool_finishes_calls_and_ends_children
        wait_for_the_end_leaves_no_waker
        dropped_pool_ends_its_children
        standard_input_of_tasks_is_empty
        prints_of_tasks_do_not_disturb_the_protocol
        unfinished_line_is_printed_by_the_end_of_its_call
        environment_and_folder_are_set
        child_has_no_descriptors_of_its_siblings
        processes_of_a_task_inherit_no_descriptors
        wrong_settings_are_named
    };
    let trials = trials.into_iter().filter(|trial| runs_here(trial.name())).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
