//! Tests of the context of a task in a child process: its progress, and what it finds there.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use libtest_mimic::{Arguments, Trial};
use nanolith::{
    TaskSet,
    call::Progress,
    layers::{Layer, Retry},
    messenger::{Messenger, SendError},
    prelude::*,
    task::OpenStreamError,
    time::{MILLISECOND, SECOND},
};
use nanolith_process::{MessageError, ProcessPool, ProcessService};
use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

pub struct Counter;

#[define(wire, outbox = String, streams = String)]
impl Counter {
    pub fn count(cx: &Context<Self>, total: u64) -> u64 {
        (1..=total).for_each(|done| cx.progress(done, total));
        total
    }

    pub async fn count_slowly(cx: &Context<Self>, total: u64) -> u64 {
        for done in 1..=total {
            cx.progress(done, total);
            nanolith::time::sleep(15 * MILLISECOND).await;
        }
        total
    }

    /// Reports twice in a row, and again later. Then waits for the file, and aborts if it is not empty.
    pub fn report_and_wait(cx: &Context<Self>, file: String) {
        for done in [1, 3] {
            cx.progress(done, 4);
            cx.progress(done + 1, 4);
            thread::sleep(50 * MILLISECOND); // the interval between two reports is over
        }
        while !fs::exists(&file).unwrap_or(true) {
            thread::sleep(MILLISECOND);
        }
        if fs::read(&file).is_ok_and(|text| !text.is_empty()) {
            process::abort();
        }
    }

    #[task(idempotent)]
    pub fn crash_once(cx: &Context<Self>, file: String) {
        if fs::File::create_new(&file).is_ok() {
            cx.progress(1, 2);
            process::abort();
        }
        cx.progress(2, 2);
    }

    /// Leaves a thread that reports after the end, when the next call of `report_beside` runs.
    pub fn leave_reporter(cx: &Context<Self>) {
        let cx = cx.clone();
        thread::spawn(move || {
            wait_for_step(1);
            cx.progress(7, 7);
            STEP.store(2, Ordering::SeqCst);
        });
    }

    pub fn report_beside(cx: &Context<Self>) -> bool {
        STEP.store(1, Ordering::SeqCst);
        wait_for_step(2);
        cx.progress(1, 1);
        true
    }

    pub fn announce(cx: &Context<Self>) -> Result<usize, String> {
        cx.send("hello".into()).wait().map_err(SendError::into_inner)
    }

    pub fn open(cx: &Context<Self>) -> Option<String> {
        cx.create_stream("points".into()).err().map(OpenStreamError::into_inner)
    }
}

pub struct Tally {
    total: u64,
}

#[define(wire, streams = String)]
impl Tally {
    #[init]
    fn start(total: u64) -> Self {
        Self { total }
    }

    pub fn add_all(&mut self, cx: &Context<Self>, of: Vec<u64>) -> u64 {
        let total = of.len() as u64;
        for (done, number) in (1..).zip(of) {
            self.total += number;
            cx.progress(done, total);
        }
        self.total
    }

    pub fn open(cx: &Context<Self>) -> Option<String> {
        cx.create_stream("points".into()).err().map(OpenStreamError::into_inner)
    }
}

/// What the thread of `leave_reporter` and the next task have done.
static STEP: AtomicU32 = AtomicU32::new(0);

fn wait_for_step(step: u32) {
    let start = Instant::now();
    while STEP.load(Ordering::SeqCst) != step {
        assert!(start.elapsed() < 10 * SECOND, "step {step} does not come");
        thread::yield_now();
    }
}

// ----- the parent

fn pool() -> ProcessPool {
    ProcessPool::builder().max_children(1).pass_stderr(false).build().expect("the settings are right")
}

/// A file that does not exist yet, and is removed at the end.
struct Marker(PathBuf);

impl Marker {
    fn new() -> Self {
        static LAST: AtomicUsize = AtomicUsize::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        Self(env::temp_dir().join(format!("nanolith-progress-{}-{number}", process::id())))
    }

    fn name(&self) -> String {
        self.path().display().to_string()
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Marker {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The reports of a call, in the order in which they came.
#[derive(Clone, Default)]
struct Reports(Arc<Mutex<Vec<Progress>>>);

impl Reports {
    fn add(&self) -> impl Fn(Progress) + use<> {
        let reports = self.0.clone();
        move |progress| reports.lock().unwrap_or_else(PoisonError::into_inner).push(progress)
    }

    fn done(&self) -> Vec<u64> {
        let reports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reports.iter().map(|progress| progress.done).collect()
    }
}

fn handle_has_the_last_report() {
    let pool = pool();
    let job = Counter::on(&pool).count(3).submit();
    let mut progress = job.progress();
    let mut last = None;
    while let Some(report) = progress.recv().wait() {
        last = Some(report);
    }
    assert_eq!(last, Some(Progress { done: 3, total: 3 }));
    assert_eq!(job.progress().latest(), last);
    assert!(matches!(job.wait(), Ok(3)));
}

fn thread_that_waits_for_the_call_gets_reports() {
    let (pool, reports) = (pool(), Reports::default());
    let total = Counter::on(&pool).count_slowly(5).on_progress(reports.add()).timeout(20 * SECOND).wait();
    assert!(matches!(total, Ok(5)), "{total:?}");
    let done = reports.done();
    assert!(done.is_sorted() && done.len() > 1 && done.last() == Some(&5), "{done:?}");
}

fn million_reports_take_few_messages() {
    let (pool, reports) = (pool(), Reports::default());
    let counter = Counter::on(&pool);
    assert!(matches!(counter.count(0).wait(), Ok(0)), "it has started");
    let start = Instant::now();
    assert!(matches!(counter.count(1_000_000).on_progress(reports.add()).wait(), Ok(1_000_000)));
    let most = start.elapsed().as_millis() / 10 + 2;
    let done = reports.done();
    assert!(done.len() as u128 <= most, "{} reports, at most {most}", done.len());
    assert!(done.is_sorted() && done.last() == Some(&1_000_000), "{done:?}");
}

fn merged_report_arrives_while_the_task_runs() {
    let (pool, file) = (pool(), Marker::new());
    let job = Counter::on(&pool).report_and_wait(file.name()).timeout(20 * SECOND).submit();
    let mut progress = job.progress();
    // The fourth report comes within the interval after the third, and no fifth follows.
    while progress.recv().wait().expect("the task waits for the file").done < 4 {}
    fs::write(file.path(), "").expect("it is written");
    assert_eq!(progress.recv().wait(), None);
    assert!(job.wait().is_ok());
}

fn report_outlives_the_crash_of_its_task() {
    let (pool, file) = (pool(), Marker::new());
    let job = Counter::on(&pool).report_and_wait(file.name()).timeout(20 * SECOND).submit();
    let mut progress = job.progress();
    while progress.recv().wait().expect("the task waits for the file").done < 4 {}
    fs::write(file.path(), "abort").expect("it is written");
    assert_eq!(progress.recv().wait(), None);
    assert_eq!(progress.latest().map(|progress| progress.done), Some(4));
    assert!(matches!(job.wait(), Err(CallError::Crashed(_))));
}

fn call_that_is_retried_reports_again() {
    let (file, reports) = (Marker::new(), Reports::default());
    let pool = Retry::new(2).when(|error| matches!(error, CallError::Crashed(_))).layer(pool());
    let outcome = Counter::calls(&pool).crash_once(file.name()).on_progress(reports.add()).wait();
    assert!(outcome.is_ok(), "{outcome:?}");
    // The first run may end before its report is sent.
    assert_eq!(reports.done().last(), Some(&2));
}

fn report_of_an_ended_task_reaches_no_other_call() {
    let (pool, reports) = (pool(), Reports::default());
    let counter = Counter::on(&pool);
    assert!(counter.leave_reporter().wait().is_ok());
    let outcome = counter.report_beside().on_progress(reports.add()).timeout(20 * SECOND).wait();
    assert!(matches!(outcome, Ok(true)), "{outcome:?}");
    assert_eq!(reports.done(), [1]);
}

fn task_of_a_service_reports_to_the_handle() {
    let tally = ProcessService::launch(Tally::service(1)).wait().expect("it starts");
    let job = tally.add_all(vec![2, 3, 4]).submit();
    let mut progress = job.progress();
    while progress.recv().wait().is_some() {}
    assert_eq!(progress.latest(), Some(Progress { done: 3, total: 3 }));
    assert!(matches!(job.wait(), Ok(10)));
    tally.close().wait().expect("it ends in order");
}

fn task_of_a_service_gets_its_stream_back() {
    let tally = ProcessService::launch(Tally::service(7)).wait().expect("it starts");
    assert!(matches!(tally.open().wait(), Ok(Some(metadata)) if metadata == "points"));
    tally.close().wait().expect("it ends in order");
}

fn task_finds_no_owner_as_on_a_pool() {
    let (children, threads) = (pool(), Pool::builder().build().expect("the settings are right"));
    let (remote, local) = (Counter::on(&children), Counter::on(&threads));
    for outcome in [remote.announce().wait(), local.announce().wait()] {
        assert!(matches!(&outcome, Ok(Err(event)) if event == "hello"), "{outcome:?}");
    }
    for outcome in [remote.open().wait(), local.open().wait()] {
        assert!(matches!(&outcome, Ok(Some(metadata)) if metadata == "points"), "{outcome:?}");
    }
}

fn call_with_a_messenger_is_refused_and_given_back() {
    let children = pool();
    let counter = Counter::on(&children);
    let events = Messenger::<u64>::open("events").expect("the name is free");
    let refused = counter.count(3).messenger(&events).try_submit().expect_err("the task could not find it");
    assert!(matches!(refused.error(), CallError::Rejected(..)), "{}", refused.error());
    let why = refused.error().source().and_then(|source| source.downcast_ref::<MessageError>());
    assert!(why.is_some_and(|why| why.to_string().starts_with("the messenger `events` does not reach")), "{why:?}");
    let again = refused.into_inner().wait().expect_err("it has its messenger still");
    assert!(matches!(again, CallError::Rejected(..)), "{again}");
    assert_eq!(children.info().in_flight, 0);
}

macro_rules! trials {
    ($($name:ident)*) => {
        vec![$(Trial::test(stringify!($name), || { $name(); Ok(()) })),*]
    };
}

fn main() {
    nanolith_process::init().serve::<(Counter, Tally)>();
    let trials = trials! {
        handle_has_the_last_report
        thread_that_waits_for_the_call_gets_reports
        million_reports_take_few_messages
        merged_report_arrives_while_the_task_runs
        report_outlives_the_crash_of_its_task
        call_that_is_retried_reports_again
        report_of_an_ended_task_reaches_no_other_call
        task_of_a_service_reports_to_the_handle
        task_of_a_service_gets_its_stream_back
        task_finds_no_owner_as_on_a_pool
        call_with_a_messenger_is_refused_and_given_back
    };
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
