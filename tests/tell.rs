//! Tests of `tell`, which submits a call without an answer: its order among calls, what becomes of
//! each message when a service ends or restarts, and what a task sees that runs as a message.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    Cluster, TaskSet,
    call::SubmitError,
    cluster::Balance,
    prelude::*,
    service::{OnPanic, Restart, ServiceRef},
    sync::{Backoff, CancelToken},
    task::{CallInfo, TaskInfo},
    time::MINUTE,
};
use std::{
    error::Error,
    future::Future,
    pin::pin,
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{self, Waker},
    thread,
};

/// What has become of the messages.
#[derive(Debug, Default)]
pub struct Census {
    made: AtomicUsize,
    run: AtomicUsize,
    dropped: AtomicUsize,
    hooks: AtomicUsize,
}

/// A part of a message, which counts its drop.
#[derive(Debug)]
pub struct Part(Arc<Census>);

impl Part {
    fn new(census: &Arc<Census>) -> Self {
        census.made.fetch_add(1, SeqCst);
        Self(census.clone())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, SeqCst);
    }
}

pub struct Log {
    census: Arc<Census>,
    notes: Vec<u64>,
    kept: Vec<Context<Log>>,
}

#[define]
impl Log {
    #[init]
    fn open(census: Arc<Census>) -> Self {
        Self { census, notes: Vec::new(), kept: Vec::new() }
    }

    #[before_task]
    fn count(&self, call: &CallInfo) {
        self.census.hooks.fetch_add(usize::from(call.task().name() == "note"), SeqCst);
    }

    pub fn note(&mut self, n: u64) {
        self.notes.push(n);
    }

    pub fn take(&mut self, part: Part, panics: bool) -> Part {
        part.0.run.fetch_add(1, SeqCst);
        assert!(!panics, "this message panics");
        part
    }

    pub fn notes(&self) -> Vec<u64> {
        self.notes.clone()
    }

    /// Meets the test twice: when the task has begun, and when it is to end.
    pub fn hold(gate: Arc<Barrier>) {
        gate.wait();
        gate.wait();
    }

    /// Meets the test, and ends when the call is cancelled.
    pub fn spin(cx: &Context<Self>, gate: Arc<Barrier>) {
        gate.wait();
        while !cx.is_cancelled() {
            thread::yield_now();
        }
    }

    pub fn keep(&mut self, cx: &Context<Self>) {
        self.kept.push(cx.clone());
    }

    pub fn kept(&self) -> Vec<&'static str> {
        self.kept.iter().filter_map(Context::task).map(TaskInfo::name).collect()
    }

    /// Submits a call that panics, and notes its parents.
    pub fn ask(&mut self, fail: &'static Mutex<Vec<String>>) {
        let error = Child::tasks().fail().wait().expect_err("it panics");
        let parents = error.trace().parents().iter().map(|parent| parent.task().name().to_owned());
        fail.lock().expect("no holder panics").extend(parents);
    }
}

pub struct Child;

#[define]
impl Child {
    pub fn fail() {
        panic!("a child that fails");
    }

    pub fn run(part: Part) {
        part.0.run.fetch_add(1, SeqCst);
    }
}

type Failed = Box<dyn Error>;

/// Calls in a row after which a service takes calls without its lock.
const STREAK: u64 = 100;

fn launch() -> Result<(Service<Log>, Arc<Census>), Failed> {
    const { assert!(size_of::<LogTask>() <= 32, "these messages need no slot") };
    let census = Arc::<Census>::default();
    let log = Log::service(census.clone()).launch().wait()?;
    warm_up(&log)?;
    Ok((log, census))
}

/// Runs calls until the service takes messages without its lock.
fn warm_up(log: &Service<Log>) -> Result<(), CallError> {
    let gate = Arc::new(Barrier::new(2));
    let holds = log.hold(gate.clone()).submit();
    gate.wait();
    let calls: Vec<_> = (0..STREAK).map(|_| log.kept().submit()).collect();
    gate.wait();
    holds.wait()?;
    calls.into_iter().try_for_each(|call| call.wait().map(drop))
}

/// Sends messages while the service is held, so that they run in a row.
fn in_a_row(log: &Service<Log>, send: impl FnOnce() -> Result<(), Failed>) -> Result<(), Failed> {
    let gate = Arc::new(Barrier::new(2));
    log.hold(gate.clone()).tell()?;
    gate.wait();
    send()?;
    gate.wait();
    Ok(())
}

/// Returns the number of messages that ran, after a check that each was dropped once.
fn settled(census: &Census) -> usize {
    assert_eq!(census.dropped.load(SeqCst), census.made.load(SeqCst), "each message is dropped once");
    census.run.load(SeqCst)
}

/// Sends messages from two threads until the service refuses one. Returns the number of those that
/// it accepted.
fn send_until_refused(calls: &ServiceRef<Log>, census: &Arc<Census>, panics: impl Fn(u64) -> bool + Sync) -> usize {
    let send = || {
        let calls = Log::calls(calls.clone());
        (0..).take_while(|n| calls.take(Part::new(census), panics(*n)).tell().is_ok()).count()
    };
    thread::scope(|scope| {
        let other = scope.spawn(send);
        send() + other.join().expect("no sender panics")
    })
}

/// Runs `act` while two threads send messages. Returns the numbers of those that were accepted, and
/// of those that ran.
fn census_of(
    build: impl Fn(Arc<Census>) -> Result<Service<Log>, Failed>,
    panics: impl Fn(u64) -> bool + Sync,
    act: impl Fn(Service<Log>, &Census) -> Result<(), Failed>,
) -> Result<(usize, usize), Failed> {
    let census = Arc::<Census>::default();
    let log = build(census.clone())?;
    warm_up(&log)?;
    let calls = ServiceRef::from(&log);
    let accepted = thread::scope(|scope| {
        let sends = scope.spawn(|| send_until_refused(&calls, &census, &panics));
        while census.run.load(SeqCst) < 500 {
            thread::yield_now();
        }
        act(log, &census).map(|()| sends.join().expect("no sender panics"))
    })?;
    drop(calls);
    Ok((accepted, settled(&census)))
}

fn plain(census: Arc<Census>) -> Result<Service<Log>, Failed> {
    Ok(Log::service(census).restart(Restart::on_panic()).launch().wait()?)
}

#[test]
fn messages_and_calls_run_in_the_order_of_arrival() -> Result<(), Failed> {
    let (log, census) = launch()?;
    let mut answers = Vec::new();
    for n in 0..20_000 {
        match n % 7 {
            0 => answers.push(log.note(n).submit()),
            1 => log.note(n).timeout(MINUTE).tell()?, // needs a slot
            _ => log.note(n).tell()?,
        }
    }
    let notes = log.notes().wait()?;
    assert!(notes.into_iter().eq(0..20_000));
    answers.into_iter().try_for_each(Handle::wait)?;
    assert_eq!(census.hooks.load(SeqCst), 20_000, "the hook runs before each");
    Ok(())
}

#[test]
fn close_runs_every_accepted_message() -> Result<(), Failed> {
    for _ in 0..20 {
        let (accepted, run) = census_of(plain, |_| false, |log, _| Ok(log.close().wait()?))?;
        assert_eq!(accepted, run);
    }
    Ok(())
}

#[test]
fn terminate_drops_each_waiting_message_once() -> Result<(), Failed> {
    for _ in 0..20 {
        let (accepted, run) = census_of(plain, |_| false, |log, _| Ok(log.terminate().wait()?))?;
        assert!(run <= accepted, "{run} of {accepted}");
    }
    Ok(())
}

#[test]
fn restart_runs_every_accepted_message() -> Result<(), Failed> {
    for _ in 0..10 {
        let act = |log: Service<Log>, census: &Census| {
            for _ in 0..5 {
                let before = census.run.load(SeqCst);
                log.control().restart()?;
                while census.run.load(SeqCst) < before + 100 {
                    thread::yield_now();
                }
            }
            Ok(log.close().wait()?)
        };
        let (accepted, run) = census_of(plain, |_| false, act)?;
        assert_eq!(accepted, run);
    }
    Ok(())
}

#[test]
fn messages_that_panic_are_dropped_once() -> Result<(), Failed> {
    for action in [OnPanic::Continue, OnPanic::Restart] {
        let build = |census| -> Result<_, Failed> {
            let restart = Restart::on_panic().limit(usize::MAX, MINUTE).backoff(Backoff::none());
            Ok(Log::service(census).on_panic(move |_| action).restart(restart).launch().wait()?)
        };
        let (accepted, run) = census_of(build, |n| n % 97 == 0, |log, _| Ok(log.close().wait()?))?;
        assert_eq!(accepted, run, "{action:?}");
    }
    Ok(())
}

#[test]
fn full_or_closed_service_gives_a_message_back() -> Result<(), Failed> {
    let census = Arc::<Census>::default();
    let log = Log::service(census.clone()).max_queue(1).launch().wait()?;
    let gate = Arc::new(Barrier::new(2));
    log.hold(gate.clone()).tell()?;
    gate.wait();
    log.take(Part::new(&census), false).try_tell()?;
    let refused = log.take(Part::new(&census), false).try_tell().expect_err("the queue is full");
    assert!(refused.is_full());
    assert!(matches!(refused.into_inner(), LogTask::Take { panics: false, .. }));
    let mut entering = pin!(log.take(Part::new(&census), false).tell_async());
    assert!(entering.as_mut().poll(&mut task::Context::from_waker(Waker::noop())).is_pending());
    gate.wait();
    pollster::block_on(entering)?;
    let calls = Log::calls(ServiceRef::from(&log));
    log.close().wait()?;
    assert_eq!(census.run.load(SeqCst), 2);
    let refused = calls.take(Part::new(&census), false).tell().expect_err("the service is closed");
    assert!(matches!(refused.error(), CallError::Closed(_)));
    assert!(matches!(refused.into_inner(), LogTask::Take { panics: false, .. }));
    let refused = pollster::block_on(calls.take(Part::new(&census), false).tell_async());
    assert!(matches!(refused.map_err(SubmitError::into_inner), Err(LogTask::Take { .. })));
    assert_eq!(settled(&census), 2);
    Ok(())
}

#[test]
fn terminate_cancels_a_running_message() -> Result<(), Failed> {
    let (log, _) = launch()?;
    let gate = Arc::new(Barrier::new(2));
    log.spin(gate.clone()).tell()?;
    gate.wait();
    log.terminate().wait()?;
    Ok(())
}

#[test]
fn info_counts_messages_that_run_and_wait() -> Result<(), Failed> {
    let (log, _) = launch()?;
    let gate = Arc::new(Barrier::new(2));
    let before = log.info().completed;
    log.hold(gate.clone()).tell()?;
    gate.wait();
    (0..10).try_for_each(|n| log.note(n).tell())?;
    let info = log.info();
    assert_eq!((info.in_progress, info.queue_len, info.in_flight), (1, 10, 11));
    gate.wait();
    assert_eq!(log.notes().wait()?.len(), 10);
    while log.info().completed < before + 12 {
        thread::yield_now();
    }
    Ok(())
}

#[test]
fn held_service_accepts_messages_up_to_its_bound() -> Result<(), Failed> {
    let (log, _) = launch()?;
    in_a_row(&log, || {
        (0..60_000).try_for_each(|n| log.note(n).tell())?; // many more than the ring has cells
        assert_eq!(log.info().queue_len, 60_000);
        Ok(())
    })?;
    assert!(log.notes().wait()?.into_iter().eq(0..60_000));
    Ok(())
}

#[test]
fn kept_context_keeps_its_call() -> Result<(), Failed> {
    let (log, _) = launch()?;
    in_a_row(&log, || Ok((0..3).try_for_each(|n| log.keep().tell().and_then(|()| log.note(n).tell()))?))?;
    assert_eq!(log.kept().wait()?, ["keep"; 3]);
    Ok(())
}

#[test]
fn child_call_names_the_message_as_its_parent() -> Result<(), Failed> {
    static PARENTS: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let (log, _) = launch()?;
    in_a_row(&log, || {
        log.note(1).tell()?;
        log.ask(&PARENTS).tell()?;
        Ok(log.note(2).tell()?)
    })?;
    assert_eq!(log.notes().wait()?, [1, 2]);
    assert_eq!(*PARENTS.lock().expect("no holder panics"), ["ask"]);
    Ok(())
}

#[test]
fn pool_and_cluster_and_layer_run_messages() -> Result<(), Failed> {
    let census = Arc::<Census>::default();
    let pool = Pool::builder().build()?;
    Child::on(&pool).run(Part::new(&census)).tell()?;
    Child::on(&pool).run(Part::new(&census)).priority(Priority::UserBlocking).tell()?;
    pool.drained().wait();
    let token = CancelToken::new();
    token.cancel();
    Child::on(&pool).run(Part::new(&census)).cancel_token(&token).tell()?; // never begins
    assert_eq!(settled(&census), 2);
    let counted = census.clone();
    let logs =
        Cluster::builder().balance(Balance::RoundRobin).launch(2, move || Log::service(counted.clone())).wait()?;
    (0..10).try_for_each(|_| logs.take(Part::new(&census), false).tell())?;
    logs.close().wait()?;
    assert_eq!(settled(&census), 12);
    Ok(())
}
