//! Tests of hooks, which are functions of a set that run before and after each task: the order
//! holds, whatever happens.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    Handle, Local,
    prelude::*,
    task::{CallInfo, Outcome},
    time::{MILLISECOND, MockClock, SECOND},
};
use std::{
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

type Log = Arc<Mutex<Vec<String>>>;

fn note(log: &Log, text: impl Into<String>) {
    log.lock().expect("sound").push(text.into());
}

fn noted(log: &Log) -> Vec<String> {
    std::mem::take(&mut *log.lock().expect("sound"))
}

#[derive(Debug)]
struct Refusal;

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("refused by the hook")
    }
}

impl std::error::Error for Refusal {}

pub struct Sync {
    log: Log,
}

#[define]
impl Sync {
    #[before_task]
    fn before(&self, call: &CallInfo) -> Result<(), Refusal> {
        note(&self.log, format!("before {} {}", call.task().name(), call.in_service()));
        if call.task().name() == "refused" { Err(Refusal) } else { Ok(()) }
    }

    #[after_task]
    fn after(&self, call: &CallInfo, outcome: Outcome) -> Result<(), Refusal> {
        note(&self.log, format!("after {} {outcome:?}", call.task().name()));
        if call.task().name() == "too_late" { Err(Refusal) } else { Ok(()) }
    }

    pub fn work(&mut self) -> u8 {
        note(&self.log, "work");
        1
    }

    pub async fn later(&self) -> u8 {
        nanolith::time::sleep(MILLISECOND).await;
        note(&self.log, "later");
        2
    }

    pub fn refused(&self) {
        note(&self.log, "never");
    }

    pub fn too_late() -> u8 {
        3
    }

    pub fn panics(&self) {
        panic!("no luck");
    }
}

#[test]
fn hooks_run_around_each_task_in_order() {
    let log = Log::default();
    let service = Sync::service(Sync { log: log.clone() }).launch().wait().expect("it starts");
    assert_eq!(service.work().wait().expect("it runs"), 1);
    assert_eq!(noted(&log), ["before work true", "work", "after work Done"]);
    assert_eq!(service.later().wait().expect("it runs"), 2);
    assert_eq!(noted(&log), ["before later true", "later", "after later Done"]);
}

#[test]
fn failing_hook_ends_its_call_with_the_reason() {
    let log = Log::default();
    let service = Sync::service(Sync { log: log.clone() }).launch().wait().expect("it starts");
    let error = service.refused().wait().expect_err("the hook refuses");
    assert!(matches!(&error, CallError::Hook(source, _) if source.is::<Refusal>()), "{error}");
    assert!(std::error::Error::source(&error).is_some_and(<dyn std::error::Error + 'static>::is::<Refusal>));
    assert_eq!(noted(&log), ["before refused true"], "neither the task nor the other hook");
    assert!(matches!(service.too_late().wait(), Err(CallError::Hook(..))));
    assert_eq!(noted(&log).last().map(String::as_str), Some("after too_late Done"));
}

#[test]
fn after_hook_runs_after_a_panic_and_after_a_cancel() {
    let log = Log::default();
    let service = Sync::service(Sync { log: log.clone() }).launch().wait().expect("it starts");
    assert!(matches!(service.panics().wait(), Err(CallError::Panicked(..))));
    assert_eq!(noted(&log), ["before panics true", "after panics Panicked"]);
    let job = service.later().timeout(Duration::from_micros(100)).submit();
    assert!(matches!(job.wait(), Err(CallError::TimedOut(_))));
    service.close().wait().expect("it closes");
    let noted = noted(&log);
    assert!(noted.is_empty() || noted == ["before later true", "after later Stopped"], "{noted:?}");
}

pub struct Async {
    log: Log,
}

#[define]
impl Async {
    #[before_task]
    async fn before(&self, call: &CallInfo) {
        nanolith::time::sleep(MILLISECOND).await;
        note(&self.log, format!("before {}", call.task().name()));
    }

    #[after_task]
    async fn after(&self, call: &CallInfo, outcome: Outcome) {
        nanolith::time::sleep(MILLISECOND).await;
        note(&self.log, format!("after {} {outcome:?}", call.task().name()));
    }

    #[on_close]
    async fn end(self) {
        nanolith::time::sleep(MILLISECOND).await;
        note(&self.log, "closed");
    }

    pub fn work(&mut self) -> u8 {
        note(&self.log, "work");
        1
    }

    pub async fn later(&mut self) -> u8 {
        note(&self.log, "later");
        2
    }

    pub async fn panics() {
        panic!("no luck");
    }

    pub async fn pending(begun: Sender<()>) {
        let _ = begun.send(());
        std::future::pending::<()>().await;
    }
}

#[test]
fn async_hooks_run_around_every_kind_of_task() {
    let log = Log::default();
    let service = Async::service(Async { log: log.clone() }).launch().wait().expect("it starts");
    let jobs = [service.work().submit(), service.later().submit(), service.work().submit()];
    assert_eq!(jobs.map(|job| job.wait().expect("it runs")), [1, 2, 1]);
    assert!(service.panics().wait().is_err());
    service.close().wait().expect("it closes");
    let work = ["before work", "work", "after work Done"];
    let later = ["before later", "later", "after later Done"];
    let expected: Vec<_> = [&work[..], &later, &work, &["before panics", "after panics Panicked", "closed"]].concat();
    assert_eq!(noted(&log), expected);
}

pub struct Free;

static FREE: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[define]
impl Free {
    #[before_task]
    fn before(call: &CallInfo) {
        FREE.lock().expect("sound").push(format!("before {} {}", call.task().name(), call.in_service()));
    }

    #[after_task]
    async fn after(call: &CallInfo, outcome: Outcome) {
        nanolith::time::sleep(MILLISECOND).await;
        FREE.lock().expect("sound").push(format!("after {} {outcome:?}", call.task().name()));
    }

    pub fn work() -> u8 {
        1
    }
}

#[test]
fn hooks_without_self_run_on_pools_too() {
    let pool = Pool::builder().build().expect("sound");
    assert_eq!(Free::on(&pool).work().wait().expect("it runs"), 1);
    assert_eq!(*FREE.lock().expect("sound"), ["before work false", "after work Done"]);
    pool.drained().wait();
    let service = Free::service().launch().wait().expect("it starts");
    assert_eq!(service.work().wait().expect("it runs"), 1);
    assert_eq!(FREE.lock().expect("sound")[2..], ["before work true", "after work Done"]);
}

// ----- a pending hook can be ended

/// The channel on which a hook reports its start and the drop of its future.
type Reports = Sender<&'static str>;

/// A future that never ends, and reports its drop.
async fn never(reports: Reports) {
    struct ReportOnDrop(Reports);
    impl Drop for ReportOnDrop {
        fn drop(&mut self) {
            let _ = self.0.send("dropped");
        }
    }
    let _tells = ReportOnDrop(reports.clone());
    let _ = reports.send("waits");
    std::future::pending::<()>().await;
}

pub struct Waits {
    reports: Reports,
    before: bool,
    after: bool,
    close: bool,
}

#[define(shared)]
impl Waits {
    #[before_task]
    async fn before(&self, _: &CallInfo) {
        if self.before {
            never(self.reports.clone()).await;
        }
    }

    #[after_task]
    async fn after(&self, _: &CallInfo, _: Outcome) {
        if self.after {
            never(self.reports.clone()).await;
        }
    }

    #[on_close]
    async fn end(self) {
        if self.close {
            never(self.reports.clone()).await;
        }
    }

    pub fn now(&self) {}

    pub async fn later(&self) {}

    pub async fn pending(&self) {
        std::future::pending::<()>().await;
    }
}

fn waits(before: bool, after: bool, close: bool) -> (Waits, Receiver<&'static str>) {
    let (reports, heard) = channel();
    (Waits { reports, before, after, close }, heard)
}

fn hears(heard: &Receiver<&'static str>, what: &str) {
    assert_eq!(heard.recv().expect("the hook tells"), what);
}

/// Runs each hook, around each kind of task, on a pool.
fn each_hook_on_a_pool(end: impl Fn(&Pool, Handle<Waits, ()>)) {
    for (before, is_async) in [(true, true), (true, false), (false, true), (false, false)] {
        let (state, heard) = waits(before, !before, false);
        let pool = Pool::builder().build().expect("sound");
        let calls = Waits::shared(Arc::new(state)).on(&pool);
        let job = if is_async { calls.later().submit() } else { calls.now().submit() };
        hears(&heard, "waits");
        end(&pool, job);
        hears(&heard, "dropped");
        pool.drained().wait();
        assert_eq!(pool.info().in_flight, 0);
    }
}

#[test]
fn cancel_drops_a_hook_that_waits_on_a_pool() {
    each_hook_on_a_pool(|_, job| {
        job.cancel();
        assert!(matches!(job.wait(), Err(CallError::Cancelled(_))));
    });
}

#[test]
fn close_timeout_drops_a_hook_that_waits() {
    each_hook_on_a_pool(|pool, job| {
        assert!(pool.close_timeout(Duration::ZERO).wait().is_err());
        assert!(matches!(job.wait(), Err(CallError::Cancelled(_))));
    });
}

#[test]
fn time_out_drops_a_hook_that_waits_on_a_pool() {
    let clock = MockClock::new();
    clock.run(|| {
        let (state, heard) = waits(true, false, false);
        let pool = Pool::builder().build().expect("sound");
        let job = Waits::shared(Arc::new(state)).on(&pool).later().timeout(SECOND).submit();
        hears(&heard, "waits");
        clock.advance(SECOND);
        assert!(matches!(job.wait(), Err(CallError::TimedOut(_))));
        hears(&heard, "dropped");
        pool.drained().wait();
    });
}

#[test]
fn cancel_drops_a_hook_that_waits_on_a_service() {
    for before in [true, false] {
        let (state, heard) = waits(before, !before, false);
        let service = Waits::service(state).launch().wait().expect("it starts");
        for is_async in [true, false] {
            let job = if is_async { service.later().submit() } else { service.now().submit() };
            hears(&heard, "waits");
            job.cancel();
            hears(&heard, "dropped");
            assert!(matches!(job.wait(), Err(CallError::Cancelled(_))));
        }
        service.close().wait().expect("nothing is left");
    }
}

pub struct WaitsFree;

static WAITS_FREE: Mutex<Option<Reports>> = Mutex::new(None);

#[define]
impl WaitsFree {
    #[before_task]
    async fn before(_: &CallInfo) {
        let reports = WAITS_FREE.lock().expect("sound").take().expect("one call is made");
        never(reports).await;
    }

    pub fn now() {}
}

#[test]
fn cancel_drops_a_hook_that_waits_on_a_local() {
    let (reports, heard) = channel();
    *WAITS_FREE.lock().expect("sound") = Some(reports);
    let local = Local::builder().build().expect("sound");
    let job = WaitsFree::on(&local).now().submit();
    local.run_until_idle();
    hears(&heard, "waits");
    job.cancel();
    local.run_until_idle();
    hears(&heard, "dropped");
    assert_eq!(local.info().in_flight, 0);
}

#[test]
fn after_hook_of_a_cancelled_task_runs_to_its_end() {
    let log = Log::default();
    let service = Async::service(Async { log: log.clone() }).launch().wait().expect("it starts");
    let (begun, begins) = channel();
    let job = service.pending(begun).submit();
    begins.recv().expect("it begins");
    job.cancel();
    service.close().wait().expect("it closes");
    assert_eq!(noted(&log), ["before pending", "after pending Stopped", "closed"]);
}

#[test]
fn close_timeout_drops_a_hook_that_outlives_its_call() {
    let (state, heard) = waits(false, true, false);
    let pool = Pool::builder().build().expect("sound");
    let job = Waits::shared(Arc::new(state)).on(&pool).pending().submit();
    while pool.info().active > 0 || pool.info().queue_len > 0 {
        std::thread::yield_now();
    }
    job.cancel();
    hears(&heard, "waits");
    assert!(pool.close_timeout(Duration::ZERO).wait().is_err());
    hears(&heard, "dropped");
    pool.drained().wait();
}

#[test]
fn terminate_drops_an_on_close_that_waits() {
    let (state, heard) = waits(false, false, true);
    let service = Waits::service(state).launch().wait().expect("it starts");
    let closing = service.close();
    hears(&heard, "waits");
    service.terminate().wait().expect("it ends");
    hears(&heard, "dropped");
    closing.wait().expect("it ends");
}
