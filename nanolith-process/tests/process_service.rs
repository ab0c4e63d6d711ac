//! Tests of services whose state lives in a child process. The test program is its own child.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it
#![allow(clippy::result_large_err)] // a refused call comes back whole

mod processes;

use libtest_mimic::{Arguments, Trial};
use nanolith::{
    TaskSet,
    cluster::Balance,
    executor::OnFull,
    layers::{Layer, Retry},
    prelude::*,
    service::Restart,
    sync::Backoff,
    time::{MILLISECOND, MINUTE, SECOND},
    wire::RemoteError,
};
use nanolith_process::{
    ChildCrash, CloseError, ExitReason, Kill, KillReason, LaunchError, ProcessCluster, ProcessClusterRef, ProcessEvent,
    ProcessService, ProcessServiceRef,
};
use processes::{ABORTED, kill};
use std::{
    error::Error,
    fs, io, process,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Instant,
};

pub struct Counter {
    total: i64,
    pid: u32,
    closes_into: Option<String>,
}

#[define(wire)]
impl Counter {
    #[init]
    fn start(first: i64, closes_into: Option<String>) -> Self {
        assert!(first >= 0, "it counts from zero up");
        Self { total: first, pid: process::id(), closes_into }
    }

    #[on_close]
    fn on_close(self) {
        match self.closes_into.as_deref() {
            None => {}
            Some("a panic") => panic!("the file is full"),
            Some("a hang") => thread::sleep(MINUTE),
            Some(path) => drop(fs::write(path, self.total.to_string())),
        }
    }

    pub fn bump(&mut self, by: i64) -> i64 {
        self.total = self.total.checked_add(by).expect("the total fits");
        self.total
    }

    #[task(idempotent)]
    pub fn total(&self) -> i64 {
        self.total
    }

    /// Returns the process that made the state, and the one that runs the task.
    pub fn pids(&self) -> (u32, u32) {
        (self.pid, process::id())
    }

    pub async fn bump_later(&mut self, by: i64) -> i64 {
        nanolith::time::sleep(MILLISECOND).await;
        self.total += by;
        self.total
    }

    pub async fn bump_slowly(&mut self, cx: &Context<Self>, by: i64) -> i64 {
        cx.progress(0, 1);
        nanolith::time::sleep(MINUTE).await;
        self.total += by;
        self.total
    }

    pub fn crash(&mut self) {
        eprintln!("the counter breaks");
        process::abort();
    }

    pub fn spin(&mut self) {
        self.total = -1;
        loop {
            std::hint::spin_loop();
        }
    }

    pub fn variable(&self, name: String) -> Option<String> {
        std::env::var(name).ok()
    }

    pub fn sleep(&self, millis: u64) {
        thread::sleep(u32::try_from(millis).expect("it is short") * MILLISECOND);
    }
}

/// A set whose `#[init]` is asynchronous, and fails as its argument says.
pub struct Feed;

#[define(wire)]
impl Feed {
    #[init]
    async fn open(how: String) -> Result<Self, io::Error> {
        nanolith::time::sleep(MILLISECOND).await;
        match &*how {
            "missing" => Err(io::Error::new(io::ErrorKind::NotFound, "no such feed")),
            "never" => std::future::pending().await,
            "exit" => process::exit(3),
            "" => Ok(Self),
            // A file that it creates: the second start fails.
            path => fs::File::create_new(path).map(|_| Self),
        }
    }

    pub fn ping(&self) -> u32 {
        process::id()
    }

    pub fn crash(&self) {
        process::abort();
    }
}

/// A set without `#[init]`, whose state is its own argument.
#[derive(serde::Serialize, serde::Deserialize)]
pub struct Words {
    words: Vec<String>,
}

#[define(wire)]
impl Words {
    pub fn push(&mut self, word: String) -> usize {
        self.words.push(word);
        self.words.len()
    }
}

/// A set without a state.
pub struct Unserved;

#[define(wire)]
impl Unserved {
    pub fn nothing() {}
}

fn marker(name: &str) -> String {
    std::env::temp_dir()
        .join(format!("nanolith-process-service-{}-{name}", process::id()))
        .to_string_lossy()
        .into_owned()
}

fn counter(restart: Restart) -> ProcessService<Counter> {
    ProcessService::launch(Counter::service(10, None).restart(restart)).wait().expect("it starts")
}

fn at_once() -> Restart {
    Restart::on_panic().backoff(Backoff::none())
}

fn source<E: Error + Clone + 'static>(error: &CallError) -> E {
    error.source().and_then(|source| source.downcast_ref::<E>()).expect("it has this source").clone()
}

fn state_lives_in_the_child() {
    let counter = counter(Restart::never());
    let (of_state, of_task) = counter.pids().wait().expect("it runs");
    assert_eq!(of_state, of_task);
    assert_ne!(of_state, process::id());
    assert_eq!(counter.info().pid, Some(of_state));
    assert_eq!(counter.bump(5).wait().expect("it runs"), 15);
    assert_eq!(counter.bump(1).wait().expect("it runs"), 16);
    assert_eq!(counter.bump_later(4).wait().expect("it runs"), 20);
    assert_eq!(pollster::block_on(counter.total().into_future()).expect("it runs"), 20);
    let jobs: Vec<_> = (0..200).map(|_| counter.bump(1).submit()).collect();
    let totals: Vec<_> = jobs.into_iter().map(|job| job.wait().expect("it runs")).collect();
    assert_eq!(totals, (21..=220).collect::<Vec<_>>(), "in their order");
}

fn state_without_init_passes_to_the_child() {
    let words = Words { words: vec!["a".into()] };
    let words = ProcessService::launch(Words::service(words)).wait().expect("it starts");
    assert_eq!(words.push("b".into()).wait().expect("it runs"), 2);
}

fn dead_child_ends_a_service_that_never_restarts() {
    let counter = counter(Restart::never());
    let error = counter.crash().wait().expect_err("it dies");
    let CallError::Crashed(_) = &error else { panic!("not {error:?}") };
    let crash: ChildCrash = source(&error);
    assert_eq!(((crash.code(), crash.signal()), crash.stderr().contains("the counter breaks")), (ABORTED, true));
    let Err(CloseError::Crashed(end)) = counter.control().closed().wait() else { panic!("it ended in order") };
    assert_eq!(end.pid(), crash.pid());
    assert!(counter.info().is_closed);
    assert!(matches!(counter.total().wait(), Err(CallError::Closed(_))));
    assert_eq!(counter.info().pid, None);
}

fn dead_child_is_replaced_with_a_new_state() {
    let counter = counter(at_once());
    assert_eq!(counter.bump(5).wait().expect("it runs"), 15);
    let before = counter.info().pid;
    let crash = counter.crash().submit();
    let queued: Vec<_> = (0..20).map(|_| counter.bump(1).submit()).collect();
    assert!(matches!(crash.wait(), Err(CallError::Crashed(_))));
    let totals: Vec<_> = queued.into_iter().map(|job| job.wait().expect("it runs on the new state")).collect();
    assert_eq!(totals, (11..=30).collect::<Vec<_>>());
    assert_ne!(counter.info().pid, before);
    assert_eq!(counter.info().restarts, 1);
}

fn idle_child_that_is_killed_is_replaced() {
    let counter = counter(at_once());
    counter.bump(5).wait().expect("it runs");
    kill(counter.info().pid.expect("there is a child"));
    until(|| counter.info().restarts == 1);
    assert_eq!(counter.total().wait().expect("it runs"), 10);
}

fn until(what: impl Fn() -> bool) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < 20 * SECOND, "it does not come");
        thread::sleep(MILLISECOND);
    }
}

fn panic_keeps_or_replaces_the_state_by_the_policy() {
    for (restart, expected) in [(Restart::never(), 15), (at_once().except_in_tasks(), 15), (at_once(), 10)] {
        let counter = counter(restart);
        counter.bump(5).wait().expect("it runs");
        let panics = counter.bump(i64::MAX).submit();
        let next = counter.total().submit();
        let error = panics.wait().expect_err("it panics");
        let CallError::Panicked(panic, _) = &error else { panic!("not {error:?}") };
        assert_eq!(panic.message(), "the total fits");
        assert_eq!(next.wait().expect("it runs"), expected);
    }
}

fn events_tell_of_each_child_of_a_service() {
    let counter = counter(at_once());
    let mut events = counter.control().process_events();
    let before = counter.info().pid.expect("there is a child");
    assert!(counter.crash().wait().is_err());
    counter.total().wait().expect("it runs");
    let after = counter.info().pid.expect("there is a child");
    counter.close().wait().expect("it ends in order");
    let mut seen = Vec::new();
    while let Some(event) = events.recv().wait() {
        match event {
            ProcessEvent::Exit { pid, reason: ExitReason::Crashed(_) } => seen.push((pid, "crashed")),
            ProcessEvent::Exit { pid, reason: ExitReason::Closed } => seen.push((pid, "closed")),
            ProcessEvent::Online { pid } => seen.push((pid, "online")),
            ProcessEvent::Started { pid } => seen.push((pid, "started")),
            other => panic!("not {other:?}"),
        }
    }
    assert_eq!(seen, [(before, "crashed"), (after, "started"), (after, "online"), (after, "closed")]);
}

fn service_gives_up_after_too_many_restarts() {
    let counter = counter(at_once().limit(2, MINUTE));
    for _ in 0..2 {
        assert!(matches!(counter.crash().wait(), Err(CallError::Crashed(_))));
        assert_eq!(counter.total().wait().expect("it goes on"), 10);
    }
    let slow = counter.sleep(30).submit();
    let last = counter.crash().submit();
    let queued = counter.total().submit();
    slow.wait().expect("it runs");
    assert!(matches!(last.wait(), Err(CallError::Crashed(_))));
    let error = queued.wait().expect_err("the service has ended");
    assert!(matches!(&error, CallError::Crashed(_)), "{error:?}");
    assert_eq!(source::<ChildCrash>(&error).signal(), ABORTED.1);
    assert!(matches!(counter.close().wait(), Err(CloseError::Crashed(_))));
    assert_eq!(counter.info().restarts, 2);
}

fn restart_waits_as_its_policy_says() {
    let wait = 80 * MILLISECOND;
    let counter = counter(Restart::on_panic().backoff(Backoff::exponential(wait).jitter(0.0)));
    assert!(counter.crash().wait().is_err());
    let crashed = Instant::now();
    counter.total().wait().expect("it runs");
    assert!(crashed.elapsed() >= wait - 20 * MILLISECOND, "{:?}", crashed.elapsed());
}

fn runaway_task_is_killed_and_the_service_restarts() {
    let counter = counter(at_once());
    let error = counter.spin().timeout(30 * MILLISECOND).wait().expect_err("it is killed");
    assert!(matches!(&error, CallError::Killed(_)), "{error:?}");
    assert!(source::<Kill>(&error).after() >= 30 * MILLISECOND);
    assert_eq!(counter.total().wait().expect("it runs"), 10);
    assert_eq!(counter.info().restarts, 1);
}

fn task_that_stops_when_asked_keeps_the_state() {
    let counter = counter(at_once());
    counter.bump(5).wait().expect("it runs");
    let slow = counter.bump_slowly(1).submit();
    assert!(slow.progress().recv().wait().is_some(), "it has begun");
    slow.cancel();
    assert!(matches!(slow.wait(), Err(CallError::Cancelled(_))));
    let late = counter.bump_slowly(1).timeout(30 * MILLISECOND).wait();
    assert!(matches!(late, Err(CallError::TimedOut(_))), "{late:?}");
    assert_eq!((counter.total().wait().expect("it runs"), counter.info().restarts), (15, 0));
}

fn failed_launches_say_why() {
    let launch = |how: &str| ProcessService::launch(Feed::service(how.into())).wait().map(drop);
    match launch("missing") {
        Err(LaunchError::Init(error)) => {
            assert_eq!((error.kind(), error.to_string()), (Some(io::ErrorKind::NotFound), "no such feed".into()));
        }
        other => panic!("not {other:?}"),
    }
    match launch("exit") {
        Err(LaunchError::Crashed(crash)) => assert_eq!(crash.code(), Some(3)),
        other => panic!("not {other:?}"),
    }
    match ProcessService::launch(Counter::service(-1, None)).wait().map(drop) {
        Err(LaunchError::Panicked(panic)) => assert_eq!(panic.message(), "it counts from zero up"),
        other => panic!("not {other:?}"),
    }
    let late = Feed::service("never".into()).launch_timeout(50 * MILLISECOND);
    assert!(matches!(ProcessService::launch(late).wait().map(drop), Err(LaunchError::TimedOut)));
    let error = ProcessService::launch(Unserved::service()).wait().map(drop).expect_err("it is not served");
    assert!(error.to_string().contains("children do not serve `Unserved`"), "{error}");
}

fn settings_of_this_process_are_refused() {
    let launch = |service| ProcessService::launch(service).wait().map(drop).expect_err("it is refused").to_string();
    let counter = || Counter::service(10, None);
    assert!(launch(counter().data(5_u8)).starts_with("`data` cannot be set for a service that"));
    assert!(launch(counter().on_thread_start(|| {})).starts_with("`on_thread_start` cannot"));
    assert!(launch(counter().max_queue(0)).contains("max_queue"));
}

fn restart_whose_init_fails_is_tried_again() {
    let path = marker("once");
    let restart = at_once().limit(3, MINUTE);
    let feed = ProcessService::launch(Feed::service(path.clone()).restart(restart)).wait().expect("it starts");
    assert!(matches!(feed.crash().wait(), Err(CallError::Crashed(_))));
    let error = feed.ping().wait().expect_err("the file is there, so `#[init]` fails");
    assert!(matches!(&error, CallError::Crashed(_)), "{error:?}");
    assert!(error.to_string().contains("made no state of its service"), "{error}");
    assert_eq!(feed.info().restarts, 3);
    let _ = fs::remove_file(path);
}

fn arguments_of_each_restart_can_differ() {
    let mut starts = 0;
    let again = move || {
        starts += 100;
        (starts, None)
    };
    let service = Counter::service(10, None).restart_with(at_once(), again);
    let counter = ProcessService::launch(service).wait().expect("it starts");
    for first in [100, 200] {
        assert!(counter.crash().wait().is_err());
        assert_eq!(counter.total().wait().expect("it runs"), first);
    }
}

fn close_finishes_calls_and_runs_on_close() {
    let path = marker("closed");
    let counter = ProcessService::launch(Counter::service(10, Some(path.clone()))).wait().expect("it starts");
    let slow = counter.sleep(50).submit();
    let queued = counter.bump(7).submit();
    let closed = counter.close();
    assert!(matches!(counter.total().wait(), Err(CallError::Closed(_))));
    closed.wait().expect("it ends in order");
    slow.wait().expect("it was accepted");
    assert_eq!(queued.wait().expect("it was accepted"), 17);
    assert_eq!(fs::read_to_string(&path).expect("`#[on_close]` has run"), "17");
    let _ = fs::remove_file(path);
}

fn panic_of_on_close_is_the_error_of_the_close() {
    let service = || Counter::service(0, Some("a panic".into()));
    let counter = ProcessService::launch(service()).wait().expect("it starts");
    let error = counter.close().wait().expect_err("it panics");
    let CloseError::Crashed(crash) = &error else { panic!("not {error:?}") };
    assert_eq!(crash.code(), Some(1));
    assert!(error.to_string().contains("the file is full"), "{error}");

    let counters = ProcessCluster::launch(2, || ProcessService::builder(service())).wait().expect("they start");
    assert!(matches!(counters.close().wait(), Err(CloseError::Crashed(_))));
}

fn on_close_that_takes_too_long_is_killed() {
    let counter = ProcessService::launch(Counter::service(0, Some("a hang".into()))).wait().expect("it starts");
    assert!(matches!(counter.close().wait(), Err(CloseError::TimedOut)));
}

fn dropped_service_closes() {
    let path = marker("dropped");
    let counter = ProcessService::launch(Counter::service(3, Some(path.clone()))).wait().expect("it starts");
    drop(counter);
    until(|| fs::read_to_string(&path).is_ok_and(|text| text == "3"));
    let _ = fs::remove_file(path);
}

fn dropped_launch_ends_the_child() {
    let launch = ProcessService::launch(Feed::service("never".into()));
    let launch = launch.wait_timeout(50 * MILLISECOND).expect_err("it does not start");
    drop(launch);
}

fn terminate_kills_the_running_task() {
    let counter = counter(at_once());
    let running = counter.spin().submit();
    until(|| counter.info().queue_len == 0);
    let queued = counter.total().submit();
    counter.terminate().wait().expect("an end by force is no error");
    assert!(matches!(running.wait(), Err(CallError::Killed(_))));
    assert!(matches!(queued.wait(), Err(CallError::Cancelled(_))));
    assert_eq!(counter.info().restarts, 0);
}

fn settings_of_the_queue_are_those_of_the_service() {
    let service = Counter::service(10, None).name("tally").max_queue(1).on_full(OnFull::Reject);
    let counter = ProcessService::launch(service).wait().expect("it starts");
    assert_eq!(&*counter.info().name, "tally");
    let jobs: Vec<_> = (0..80).map(|_| counter.sleep(5).try_submit()).collect();
    assert!(jobs.iter().any(Result::is_err), "a call finds the queue full");
}

fn settings_of_the_child_are_set() {
    let builder = ProcessService::builder(Counter::service(10, None).restart(at_once()));
    let builder = builder.env("COLOUR", "blue").task_timeout(30 * MILLISECOND).grace(MILLISECOND);
    let counter = builder.launch().wait().expect("it starts");
    assert_eq!(counter.variable("COLOUR".into()).wait().expect("it runs").as_deref(), Some("blue"));
    let error = counter.spin().wait().expect_err("it runs too long");
    assert_eq!(source::<Kill>(&error).reason(), KillReason::TaskTimeout);
    assert_eq!(counter.variable("COLOUR".into()).wait().expect("it runs").as_deref(), Some("blue"));
    let error = ProcessService::builder(Counter::service(1, None)).max_message(1).launch().wait().map(drop);
    assert!(error.expect_err("it is too small").to_string().contains("`max_message`"));
}

fn layers_wrap_the_service() {
    let counter = counter(at_once());
    let retried = Counter::calls(Retry::new(2).layer(ProcessServiceRef::from(&counter)));
    let crash = counter.crash().submit();
    assert_eq!(retried.total().wait().expect("it runs"), 10);
    assert!(crash.wait().is_err());
}

fn cluster(n: usize, restart: &Restart, balance: Balance) -> ProcessCluster<Counter> {
    let member = || ProcessService::builder(Counter::service(10, None).restart(restart.clone()));
    ProcessCluster::builder().name("counters").balance(balance).launch(n, member).wait().expect("they start")
}

fn members_of_a_cluster_have_states_of_their_own() {
    let counters = cluster(3, &Restart::never(), Balance::RoundRobin);
    let totals: Vec<_> = (0..6).map(|_| counters.bump(1).wait().expect("it runs")).collect();
    assert_eq!(totals, [11, 11, 11, 12, 12, 12]);
    let info = counters.info();
    let mut pids: Vec<_> = info.members.iter().map(|member| member.pid.expect("it lives")).collect();
    assert_eq!(&*info.members[2].name, "counters 2");
    pids.sort_unstable();
    pids.dedup();
    assert_eq!(pids.len(), 3);
    counters.close().wait().expect("it ends in order");
    assert!(matches!(counters.total().wait(), Err(CallError::NoMember(_))));
}

fn idle_member_gets_the_call() {
    let counters = cluster(2, &Restart::never(), Balance::LeastBusy);
    let slow = counters.sleep(300).submit();
    let start = Instant::now();
    for _ in 0..5 {
        counters.bump(1).wait().expect("it runs");
    }
    assert!(!slow.is_finished() && start.elapsed() < 300 * MILLISECOND);
    slow.wait().expect("it runs");
}

fn key_keeps_its_member_over_a_restart() {
    let counters = cluster(4, &at_once(), Balance::default());
    let member = |key: &str| counters.control().use_key(key).expect("there is a member");
    for key in ["ada", "bob", "cyd", "dan", "eve"] {
        let total = member(key).total().wait().expect("it runs");
        assert_eq!(member(key).bump(1).wait().expect("it runs"), total + 1);
        assert_eq!(member(key).total().wait().expect("it runs"), total + 1);
    }
    let name = member("ada").info().name;
    assert!(member("ada").crash().wait().is_err());
    assert_eq!(member("ada").total().wait().expect("it runs"), 10);
    assert_eq!((member("ada").info().name, member("ada").info().restarts), (name, 1));
}

fn member_that_has_ended_gets_no_call() {
    let counters = cluster(2, &Restart::never(), Balance::RoundRobin);
    let gone = counters.control().use_key("ada").expect("there is a member");
    assert!(gone.crash().wait().is_err());
    assert!(gone.control().closed().wait().is_err());
    for _ in 0..4 {
        counters.bump(1).wait().expect("the other member runs it");
    }
    let heir = counters.control().use_key("ada").expect("there is a member");
    assert_eq!(heir.total().wait().expect("it runs"), 14);
}

fn full_member_passes_calls_on() {
    let service = || Counter::service(0, None).max_queue(1).on_full(OnFull::Reject);
    let member = || ProcessService::builder(service());
    let balance = Balance::TaskAffinity; // all calls of a task choose one member
    let counters = ProcessCluster::builder().balance(balance).launch(2, member).wait().expect("they start");
    let jobs: Vec<_> = (0..200).map(|_| counters.sleep(20).try_submit()).collect();
    assert!(jobs.iter().any(Result::is_err), "both are full");
    drop(jobs);
    assert!(counters.info().members.iter().all(|member| member.in_flight > 0), "both got calls");
    counters.terminate().wait().expect("an end by force is no error");
}

fn cluster_that_cannot_start_names_the_member() {
    let member = |number: usize| {
        let how = if number == 1 { "exit" } else { "" };
        ProcessService::builder(Feed::service(how.into()))
    };
    let error = ProcessCluster::builder().launch_numbered(3, member).wait().map(drop).expect_err("one exits");
    assert_eq!(error.member, 1);
    assert!(matches!(&error.error, LaunchError::Crashed(crash) if crash.code() == Some(3)), "{error}");
    let none = ProcessCluster::launch(0, || ProcessService::builder(Feed::service(String::new())));
    assert!(none.wait().map(drop).expect_err("none").to_string().contains("`n` must be at least 1"));
}

fn layer_retries_on_another_member() {
    let counters = cluster(2, &Restart::never(), Balance::RoundRobin);
    let retried = Counter::calls(Retry::new(2).layer(ProcessClusterRef::from(&counters)));
    let victim = counters.control().use_next().expect("there is a member");
    kill(victim.info().pid.expect("it lives"));
    for _ in 0..4 {
        assert_eq!(retried.total().wait().expect("the other member runs it"), 10);
    }
}

fn every_call_of_a_cluster_ends_while_children_are_killed() {
    let counters = cluster(3, &at_once().limit(usize::MAX, MINUTE), Balance::default());
    let is_over = AtomicBool::new(false);
    let call = || {
        let mut ended = (0_u32, 0_u32);
        while !is_over.load(Ordering::Relaxed) {
            let jobs: Vec<_> = (0..20).map(|_| counters.bump(1).submit()).collect();
            for job in jobs {
                match job.wait_timeout(20 * SECOND).expect("it ends") {
                    Ok(_) => ended.0 += 1,
                    Err(CallError::Crashed(_)) => ended.1 += 1,
                    Err(other) => panic!("not {other:?}"),
                }
            }
        }
        ended
    };
    let (done, crashed) = thread::scope(|scope| {
        let callers = [scope.spawn(call), scope.spawn(call), scope.spawn(call)];
        for round in 0..30 {
            thread::sleep(15 * MILLISECOND);
            let members = counters.info().members;
            members[round % members.len()].pid.into_iter().for_each(kill);
        }
        is_over.store(true, Ordering::Relaxed);
        let ended = callers.map(|caller| caller.join().expect("each call ends with a result or its reason"));
        ended.into_iter().fold((0, 0), |sum, ended| (sum.0 + ended.0, sum.1 + ended.1))
    });
    assert!(done > 0 && crashed > 0, "{done} and {crashed}");
    let restarts: u64 = counters.info().members.iter().map(|member| member.restarts).sum();
    assert!(restarts >= 10, "{restarts} restarts");
    assert_eq!(counters.total().wait().map(drop).ok(), Some(()), "they go on");
    counters.close().wait().expect("it ends in order");
    assert!(counters.info().members.iter().all(|member| member.pid.is_none() && member.in_flight == 0));
}

fn error_of_init_converts() {
    let error = RemoteError::from(io::Error::other("x"));
    assert_eq!(LaunchError::Init(error).to_string(), "x");
}

macro_rules! trials {
    ($($name:ident)*) => {
        vec![$(Trial::test(stringify!($name), || { $name(); Ok(()) })),*]
    };
}

fn main() {
    nanolith_process::init().serve::<(Counter, Feed, Words)>();
    let trials = trials! {
        state_lives_in_the_child
        state_without_init_passes_to_the_child
        dead_child_ends_a_service_that_never_restarts
        dead_child_is_replaced_with_a_new_state
        idle_child_that_is_killed_is_replaced
        panic_keeps_or_replaces_the_state_by_the_policy
        events_tell_of_each_child_of_a_service
        service_gives_up_after_too_many_restarts
        restart_waits_as_its_policy_says
        runaway_task_is_killed_and_the_service_restarts
        task_that_stops_when_asked_keeps_the_state
        failed_launches_say_why
        settings_of_this_process_are_refused
        restart_whose_init_fails_is_tried_again
        arguments_of_each_restart_can_differ
        close_finishes_calls_and_runs_on_close
        panic_of_on_close_is_the_error_of_the_close
        on_close_that_takes_too_long_is_killed
        dropped_service_closes
        dropped_launch_ends_the_child
        terminate_kills_the_running_task
        settings_of_the_queue_are_those_of_the_service
        settings_of_the_child_are_set
        layers_wrap_the_service
        members_of_a_cluster_have_states_of_their_own
        idle_member_gets_the_call
        key_keeps_its_member_over_a_restart
        member_that_has_ended_gets_no_call
        full_member_passes_calls_on
        cluster_that_cannot_start_names_the_member
        layer_retries_on_another_member
        every_call_of_a_cluster_ends_while_children_are_killed
        error_of_init_converts
    };
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
