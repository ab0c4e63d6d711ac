//! Tests of executors with layers of tower around their calls.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    layers::{self, Layer as _},
    pool::Concurrency,
    prelude::*,
    service::ServiceRef,
    time::SECOND,
    tower::{TaskRequest, TaskService, TowerExecutor, TowerLayer},
};
use std::{
    error::Error,
    future::{Future, Ready, ready},
    pin::Pin,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    task::{Context as Cx, Poll},
    time::Duration,
};
use tokio::runtime::Runtime;
use tower::{
    Layer, Service as TowerService, ServiceBuilder,
    limit::{ConcurrencyLimit, ConcurrencyLimitLayer},
    retry::{Policy, RetryLayer},
    timeout::{TimeoutLayer, error::Elapsed},
};

pub struct Work {
    total: i64,
}

static ATTEMPTS: AtomicUsize = AtomicUsize::new(0);

#[define]
impl Work {
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    /// Succeeds at the third attempt.
    #[task(idempotent)]
    pub fn flaky() -> usize {
        let attempt = ATTEMPTS.fetch_add(1, Ordering::SeqCst);
        assert!(attempt >= 2, "attempt {attempt} fails");
        attempt
    }

    /// Runs until its call is cancelled.
    pub fn spin(cx: &Context<Self>, started: Sender<()>, cancelled: Sender<()>) {
        started.send(()).expect("the test waits");
        while !cx.is_cancelled() {
            std::thread::yield_now();
        }
        cancelled.send(()).expect("the test waits");
    }

    pub fn hold(started: Sender<()>, release: Receiver<()>) {
        started.send(()).expect("the test waits");
        let _ = release.recv();
    }

    pub fn priority(cx: &Context<Self>) -> Option<std::time::Instant> {
        cx.deadline()
    }

    pub fn bump(&mut self, by: i64) -> i64 {
        self.total += by;
        self.total
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().expect("threads")
}

fn around<L>(runtime: &Runtime, layer: L) -> TowerLayer<L> {
    let handle = runtime.handle().clone();
    TowerLayer::new(layer, move |call| drop(handle.spawn(call)))
}

fn pool() -> Pool {
    Pool::builder().concurrency(Concurrency::Exact(4)).build().expect("ok")
}

#[test]
fn timeout_of_tower_ends_the_call_and_cancels_its_task() {
    let runtime = runtime();
    let executor = around(&runtime, TimeoutLayer::new(Duration::from_millis(20))).layer(pool());
    let (started, starts) = channel();
    let (cancelled, cancels) = channel();
    let error = Work::on(&executor).spin(started, cancelled).wait().expect_err("it takes too long");
    starts.recv().expect("it ran");
    cancels.recv().expect("it was cancelled");
    assert!(matches!(error, CallError::Rejected("tower", _)), "{error}");
    assert!(error.source().is_some_and(<dyn Error>::is::<Elapsed>), "{error}");
    assert_eq!(error.trace().submitted().line(), line!() - 5);
    assert_eq!(Work::on(&executor).add(4, 5).wait().expect("it is fast"), 9);
}

#[test]
fn error_of_tower_is_mapped() {
    let runtime = runtime();
    let layer = around(&runtime, TimeoutLayer::new(Duration::from_millis(5)))
        .map_error(|error, trace| CallError::TimedOut(trace.caused_by(error)));
    let pool = pool();
    pool.pause();
    let outcome = Work::on(&layer.layer(pool)).add(4, 5).wait();
    assert!(matches!(outcome, Err(CallError::TimedOut(_))), "{outcome:?}");
}

#[test]
fn concurrency_limit_of_tower_holds_calls_back() {
    let runtime = runtime();
    let pool = pool();
    let executor: TowerExecutor<ConcurrencyLimit<TaskService<Pool>>, Pool> =
        around(&runtime, ConcurrencyLimitLayer::new(1)).layer(pool.clone());
    let work = Work::on(&executor);
    let (started, starts) = channel();
    let (release, held) = channel();
    let first = work.hold(started, held).submit();
    starts.recv().expect("it runs");
    let refused = work.add(4, 5).try_submit().expect_err("the limit is reached");
    assert!(refused.is_full());
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| refused.into_inner().wait());
        release.send(()).expect("it waits");
        assert_eq!(waits.join().expect("no panic").expect("it ran"), 9);
    });
    first.wait().expect("it ran");
    assert_eq!(executor.inner().info().completed, pool.info().completed);
}

/// Retries a call that panicked, if its task may run twice.
#[derive(Clone)]
struct AfterPanic;

impl<T> Policy<TaskRequest<Work>, T, CallError> for AfterPanic {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut TaskRequest<Work>, result: &mut Result<T, CallError>) -> Option<Ready<()>> {
        matches!(result, Err(CallError::Panicked(..))).then(|| ready(()))
    }

    fn clone_request(&mut self, request: &TaskRequest<Work>) -> Option<TaskRequest<Work>> {
        request.try_clone()
    }
}

#[test]
fn retry_of_tower_runs_an_idempotent_task_again() {
    let runtime = runtime();
    let executor = around(&runtime, RetryLayer::new(AfterPanic)).layer(pool());
    assert_eq!(Work::on(&executor).flaky().wait().expect("the third attempt succeeds"), 2);
}

#[test]
fn cancel_of_the_call_ends_it_below_tower() {
    let runtime = runtime();
    let pool = pool();
    let executor = around(&runtime, TimeoutLayer::new(Duration::from_secs(60))).layer(pool.clone());
    let (started, starts) = channel();
    let (cancelled, cancels) = channel();
    let job = Work::on(&executor).spin(started, cancelled).submit();
    starts.recv().expect("it runs");
    job.cancel();
    assert!(matches!(job.wait(), Err(CallError::Cancelled(_))));
    cancels.recv().expect("the task has seen it");
    pool.drained().wait();
}

#[test]
fn deadline_of_the_call_reaches_the_task() {
    let runtime = runtime();
    let executor = around(&runtime, TimeoutLayer::new(Duration::from_secs(60))).layer(pool());
    assert!(Work::on(&executor).priority().timeout(SECOND * 60).wait().expect("it ran").is_some());
    assert!(Work::on(&executor).priority().wait().expect("it ran").is_none());
}

#[test]
fn methods_with_state_pass_through_to_a_service() {
    let runtime = runtime();
    let service = Work::service(Work { total: 10 }).launch().wait().expect("it starts");
    let executor = around(&runtime, ConcurrencyLimitLayer::new(2)).layer(ServiceRef::from(&service));
    let work = Work::on(&executor);
    assert_eq!(work.bump(5).wait().expect("it ran"), 15);
    assert_eq!(pollster::block_on(work.bump(5)).expect("it ran"), 20);
}

#[test]
fn tower_stands_in_a_stack_of_layers() {
    let runtime = runtime();
    let both = ServiceBuilder::new().concurrency_limit(8).timeout(Duration::from_secs(60)).into_inner();
    let executor = layers::stack().timeout(SECOND).layer(around(&runtime, both)).load_shed().wrap(pool());
    let work = Work::on(&executor);
    let jobs: Vec<_> = (0..50).map(|n| work.add(n, n).submit()).collect();
    for (n, job) in (0..).zip(jobs) {
        assert_eq!(job.wait().expect("it ran"), n + n);
    }
}

/// A layer whose service panics, or fails before a call.
#[derive(Clone)]
enum Broken {
    Panics,
    NeverReady,
}

#[derive(Clone)]
struct BrokenService(Broken);

impl<V> Layer<V> for Broken {
    type Service = BrokenService;

    fn layer(&self, _: V) -> BrokenService {
        BrokenService(self.clone())
    }
}

impl TowerService<TaskRequest<Work>> for BrokenService {
    type Response = WorkOutput;
    type Error = std::fmt::Error;
    type Future = Ready<Result<WorkOutput, std::fmt::Error>>;

    fn poll_ready(&mut self, _: &mut Cx<'_>) -> Poll<Result<(), std::fmt::Error>> {
        Poll::Ready(if matches!(self.0, Broken::NeverReady) { Err(std::fmt::Error) } else { Ok(()) })
    }

    fn call(&mut self, request: TaskRequest<Work>) -> Self::Future {
        panic!("no luck with {}", request.task_info());
    }
}

#[test]
fn panic_and_failed_readiness_of_the_service_end_the_call() {
    let runtime = runtime();
    let panics = around(&runtime, Broken::Panics).layer(pool());
    let error = Work::on(&panics).add(4, 5).wait().expect_err("a panic");
    assert!(matches!(&error, CallError::Panicked(panic, _) if panic.message() == "no luck with Work::add"), "{error}");
    let unready = around(&runtime, Broken::NeverReady).layer(pool());
    let error = Work::on(&unready).add(4, 5).wait().expect_err("it is never ready");
    assert!(matches!(error, CallError::Rejected("tower", _)), "{error}");
}

/// A layer whose service never answers, and reports when its future is dropped.
#[derive(Clone)]
struct Stuck(Sender<&'static str>);

struct StuckFuture(Sender<&'static str>);

impl<V> Layer<V> for Stuck {
    type Service = Self;

    fn layer(&self, _: V) -> Self {
        self.clone()
    }
}

impl TowerService<TaskRequest<Work>> for Stuck {
    type Response = WorkOutput;
    type Error = std::fmt::Error;
    type Future = StuckFuture;

    fn poll_ready(&mut self, _: &mut Cx<'_>) -> Poll<Result<(), std::fmt::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: TaskRequest<Work>) -> StuckFuture {
        let _ = self.0.send("called");
        StuckFuture(self.0.clone())
    }
}

impl Future for StuckFuture {
    type Output = Result<WorkOutput, std::fmt::Error>;

    fn poll(self: Pin<&mut Self>, _: &mut Cx<'_>) -> Poll<Self::Output> {
        Poll::Pending
    }
}

impl Drop for StuckFuture {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

#[test]
fn cancel_and_timeout_drop_the_future_of_the_service() {
    let runtime = runtime();
    let (reports, reported) = channel();
    let work = Work::on(&around(&runtime, Stuck(reports)).layer(pool()));
    let job = work.add(4, 5).submit();
    assert_eq!(reported.recv(), Ok("called"));
    job.cancel();
    assert!(matches!(job.wait(), Err(CallError::Cancelled(_))));
    assert_eq!(reported.recv(), Ok("dropped"));
    let outcome = work.add(4, 5).timeout(Duration::from_millis(5)).wait();
    assert!(matches!(outcome, Err(CallError::TimedOut(_))));
    assert_eq!([reported.recv(), reported.recv()], [Ok("called"), Ok("dropped")]);
}

#[test]
fn call_is_lost_if_its_runtime_is_gone() {
    let ended = runtime();
    let executor = around(&ended, TimeoutLayer::new(Duration::from_secs(60))).layer(pool());
    ended.shutdown_background();
    assert!(matches!(Work::on(&executor).add(4, 5).wait(), Err(CallError::Lost(_))));
}

#[test]
fn task_may_wait_for_a_call_through_tower_to_its_own_pool() {
    let runtime = runtime();
    let pool = Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("ok");
    let executor = around(&runtime, ConcurrencyLimitLayer::new(1)).layer(pool.clone());
    let nested = pool.spawn(move || Work::on(&executor).add(4, 5).wait());
    assert_eq!(nested.wait().expect("it ran").expect("it ran"), 9);
}
