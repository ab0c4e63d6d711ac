//! Tests of the places where wakers and destructors run: they may wait, submit and query, like any
//! other code.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    Executor, Handle, Local, TaskSet,
    call::SubmitError,
    executor::{Job, OnFull, QueuedCall},
    layers::{CircuitBreaker, Fallback, Retry, stack},
    mock::Mock,
    pool::Concurrency,
    prelude::*,
    sync::Backoff,
    time::{MILLISECOND, sleep},
};
use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    task::{Context as PollContext, Wake, Waker},
    thread,
    time::Duration,
};

type Code = Box<dyn FnOnce() + Send>;

/// Runs its code when it is dropped.
pub struct OnDrop(Option<Code>);

impl OnDrop {
    fn run(code: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(code)))
    }
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(|code| code());
    }
}

/// A waker that runs its code once, when it is woken.
struct OnWake(Mutex<Option<Code>>);

impl OnWake {
    fn waker(code: impl FnOnce() + Send + 'static) -> Waker {
        Waker::from(Arc::new(Self(Mutex::new(Some(Box::new(code))))))
    }
}

impl Wake for OnWake {
    fn wake(self: Arc<Self>) {
        let code = self.0.lock().expect("no panic").take();
        code.into_iter().for_each(|code| code());
    }
}

pub struct Work;

#[define]
impl Work {
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    pub fn give(value: OnDrop) -> OnDrop {
        value
    }

    /// Suspends once, so that a task that waits for this call lends its permit.
    pub async fn rest() {
        sleep(MILLISECOND).await;
    }

    pub fn run(code: Box<dyn FnOnce() + Send>) {
        code();
    }

    pub fn with(value: OnDrop) {
        drop(value);
    }

    #[task(idempotent)]
    pub fn echo(x: i64) -> i64 {
        x
    }

    pub async fn never() {
        std::future::pending::<()>().await;
    }
}

pub struct HeldService;

#[define]
impl HeldService {
    #[init]
    fn start() -> Self {
        Self
    }

    pub fn give(&self, value: OnDrop) -> OnDrop {
        value
    }

    pub fn with(&self, value: OnDrop) {
        drop(value);
    }

    pub fn hold(&self, begun: Sender<()>, free: Receiver<()>) {
        let _ = begun.send(());
        let _ = free.recv();
    }
}

/// A time that is longer than any step here.
const LONG: Duration = Duration::from_secs(20);

fn pool() -> Pool {
    Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("the settings are sound")
}

/// Raises the call, so that a second entry of it stays in the queue, and leaves its output to the
/// last owner.
fn raise_and_detach<S: TaskSet, T>(handle: Handle<S, T>) {
    handle.raise(Priority::UserBlocking);
    handle.detach();
}

/// Waits on a thread of its own, so that a pool which hangs fails the test.
fn expect_runs(pool: &Pool) {
    let (tell, reports) = channel();
    let work = Work::on(pool);
    thread::spawn(move || tell.send(work.add(4, 5).wait()));
    assert!(matches!(reports.recv_timeout(LONG), Ok(Ok(9))), "the pool runs later calls");
    pool.drained().wait();
    assert_eq!(pool.info().active, 0);
}

#[test]
fn output_of_raised_call_may_wait_for_its_pool() {
    let pool = pool();
    pool.pause();
    let ((tell, reports), work) = (channel(), Work::on(&pool));
    let value = OnDrop::run(move || assert_eq!(tell.send(work.rest().wait().is_ok()), Ok(())));
    raise_and_detach(Work::on(&pool).give(value).priority(Priority::Idle).submit());
    pool.resume();
    assert_eq!(reports.recv_timeout(LONG), Ok(true));
    expect_runs(&pool);
}

#[test]
fn waker_of_an_idle_worker_may_wait_for_its_pool() {
    let pool = pool();
    pool.pause();
    let job = Work::on(&pool).add(1, 2).submit();
    let ((tell, reports), work) = (channel(), Work::on(&pool));
    let waker = OnWake::waker(move || assert_eq!(tell.send(work.rest().wait().is_ok()), Ok(())));
    let mut drained = pin!(pool.drained());
    assert!(drained.as_mut().poll(&mut PollContext::from_waker(&waker)).is_pending());
    pool.resume();
    assert_eq!(reports.recv_timeout(LONG), Ok(true));
    assert!(matches!(job.wait(), Ok(3)));
    expect_runs(&pool);
}

#[test]
fn thread_lends_its_permit_once_in_nested_waits() {
    let pool = pool();
    let (work, nested, (tell, reports)) = (Work::on(&pool), Work::on(&pool), channel());
    let code = move || {
        let mut pending = pin!(work.rest().submit());
        let is_pending = pending.as_mut().poll(&mut PollContext::from_waker(Waker::noop())).is_pending();
        let inner = work.run(Box::new(move || drop(nested.rest().wait()))).wait();
        let _ = tell.send(is_pending && inner.is_ok() && pollster::block_on(pending).is_ok());
    };
    Work::on(&pool).run(Box::new(code)).submit().detach();
    assert_eq!(reports.recv_timeout(LONG), Ok(true));
    pool.drained().wait();
    expect_runs(&pool);
}

#[test]
fn output_dropped_by_terminate_may_ask_its_service() {
    let service = HeldService::service().launch().wait().expect("it starts");
    let ((begun, has_begun), (free, is_free), (tell, reports)) = (channel(), channel(), channel());
    let (first, is_free_first) = channel();
    let first_begun = begun.clone();
    service.hold(first_begun, is_free_first).submit().detach();
    has_begun.recv().expect("it begins");
    let asked = service.clone();
    let value = OnDrop::run(move || assert_eq!(tell.send(asked.info().completed), Ok(())));
    raise_and_detach(service.give(value).priority(Priority::Idle).submit());
    service.hold(begun, is_free).priority(Priority::Low).submit().detach();
    drop(first); // the raised call runs, and then the second that holds the service
    has_begun.recv().expect("it begins");
    let ends = service.clone();
    let ended = thread::spawn(move || drop(ends.terminate()));
    assert!(reports.recv_timeout(LONG).is_ok(), "the destructor has asked");
    ended.join().expect("no panic");
    drop(free);
}

// ----- work that the timer's thread leaves to other threads

/// User code that reports its start, and continues when it may.
struct Block {
    begun: Sender<()>,
    go: Mutex<Receiver<()>>,
}

impl Block {
    fn new() -> (Arc<Self>, Blocked) {
        let ((begun, has_begun), (release, go)) = (channel(), channel());
        (Arc::new(Self { begun, go: Mutex::new(go) }), Blocked { has_begun, _release: release })
    }

    fn stand_still(&self) {
        let _ = self.begun.send(());
        let _ = self.go.lock().expect("no panic").recv();
    }
}

/// The test's end of the block. Its drop lets the code continue.
struct Blocked {
    has_begun: Receiver<()>,
    _release: Sender<()>,
}

impl Blocked {
    /// Waits until the code blocks, and then for a time-out of another call. That call stays in a
    /// paused pool, since a worker that starts it late would time it out without the timer.
    fn expect_others_time_out(&self) {
        self.has_begun.recv_timeout(LONG).expect("the code begins");
        let (tell, reports) = channel();
        let other = pool();
        other.pause();
        thread::spawn(move || tell.send(Work::on(&other).never().timeout(MILLISECOND).wait()));
        assert!(matches!(reports.recv_timeout(LONG), Ok(Err(CallError::TimedOut(_)))), "another call times out");
    }
}

fn blocking_argument() -> (OnDrop, Blocked) {
    let (block, blocked) = Block::new();
    (OnDrop::run(move || block.stand_still()), blocked)
}

#[test]
fn argument_of_a_timed_out_call_may_wait_with_a_limit() {
    let pool = pool();
    pool.pause();
    let ((tell, reports), work) = (channel(), Work::on(&pool));
    let value = OnDrop::run(move || {
        let _ = tell.send(work.never().timeout(10 * MILLISECOND).wait().is_err());
    });
    assert!(matches!(Work::on(&pool).with(value).timeout(MILLISECOND).wait(), Err(CallError::TimedOut(_))));
    assert_eq!(reports.recv_timeout(LONG), Ok(true), "also while the pool is paused");
}

#[test]
fn argument_on_a_pool_delays_no_time_out() {
    let (pool, (value, blocked)) = (pool(), blocking_argument());
    pool.pause();
    assert!(Work::on(&pool).with(value).timeout(MILLISECOND).wait().is_err());
    blocked.expect_others_time_out();
}

#[test]
fn argument_of_a_share_delays_no_time_out() {
    let (pool, (value, blocked)) = (pool(), blocking_argument());
    pool.pause();
    assert!(Work::calls(pool.share("tenant").build().unwrap()).with(value).timeout(MILLISECOND).wait().is_err());
    blocked.expect_others_time_out();
}

#[test]
fn argument_on_a_service_delays_no_time_out() {
    let service = HeldService::service().launch().wait().expect("it starts");
    let ((begun, has_begun), (free, is_free), (value, blocked)) = (channel(), channel(), blocking_argument());
    service.hold(begun, is_free).submit().detach();
    has_begun.recv().expect("it begins");
    assert!(service.with(value).timeout(MILLISECOND).wait().is_err());
    drop(free);
    blocked.expect_others_time_out();
}

#[test]
fn argument_on_a_local_drops_on_the_driving_thread() {
    let (local, (tell, reports)) = (Local::new(), channel());
    let value = OnDrop::run(move || assert!(tell.send(thread::current().id()).is_ok()));
    let call = Work::on(&local).with(value).timeout(MILLISECOND).submit();
    while !call.is_finished() {
        thread::yield_now();
    }
    while reports.try_recv().map(|id| assert_eq!(id, thread::current().id())).is_err() {
        local.run_until_idle();
    }
}

#[test]
fn argument_of_a_cancelled_child_delays_no_time_out() {
    let (pool, (value, blocked)) = (pool(), blocking_argument());
    let (other, inner) = (self::pool(), pool.clone());
    pool.pause();
    let code = move || drop(Work::on(&inner).with(value).priority(Priority::Low).wait());
    let _ = Work::on(&other).run(Box::new(code)).timeout(20 * MILLISECOND).wait();
    blocked.expect_others_time_out();
}

#[test]
fn order_of_a_delayed_call_delays_no_time_out() {
    let (block, blocked) = Block::new();
    let order = move |call: &QueuedCall<'_>| {
        if call.task().name() == "echo" {
            block.stand_still();
        }
        None
    };
    let pool = Pool::builder().order(order).build().expect("the settings are sound");
    let call = Work::on(&pool).echo(1).after(MILLISECOND).submit();
    blocked.expect_others_time_out();
    drop(blocked);
    assert!(matches!(call.wait(), Ok(1)));
}

/// Refuses the first job, and blocks in each later job.
#[derive(Clone)]
struct Slow {
    block: Arc<Block>,
    refuses: Arc<Mutex<u32>>,
    pool: Pool,
}

impl Executor<Work> for Slow {
    fn try_execute(&self, job: Job<Work>) -> Result<(), SubmitError<Job<Work>>> {
        let refuses = {
            let mut left = self.refuses.lock().expect("no panic");
            let refuses = *left > 0;
            *left = left.saturating_sub(1);
            refuses
        };
        if refuses {
            let error = job.rejected("Slow");
            return Err(SubmitError::new(job, error));
        }
        self.block.stand_still();
        self.pool.try_execute(job)
    }
}

#[test]
fn executor_of_a_delayed_call_delays_no_time_out() {
    let (block, blocked) = Block::new();
    let slow = Slow { block, refuses: Arc::default(), pool: pool() };
    let call = Work::calls(slow).echo(1).after(MILLISECOND).submit();
    blocked.expect_others_time_out();
    drop(blocked);
    assert!(matches!(call.wait(), Ok(1)));
}

#[test]
fn executor_beneath_a_retry_delays_no_time_out() {
    let (block, blocked) = Block::new();
    let slow = Slow { block, refuses: Arc::new(Mutex::new(1)), pool: pool() };
    let retry = Retry::new(3).backoff(Backoff::exponential(MILLISECOND));
    let call = Work::calls(stack().retry(retry).wrap(slow)).echo(1).submit();
    blocked.expect_others_time_out();
    drop(blocked);
    assert!(matches!(call.wait(), Ok(1)));
}

#[test]
fn predicate_of_a_retry_delays_no_time_out() {
    let (block, blocked) = Block::new();
    let pool = pool();
    pool.pause();
    let retry = Retry::new(2).when(move |_: &CallError| {
        block.stand_still();
        false
    });
    let calls = Work::calls(stack().retry(retry).timeout(MILLISECOND).wrap(pool.clone()));
    let call = calls.echo(1).submit();
    blocked.expect_others_time_out();
    drop(blocked);
    assert!(call.wait().is_err());
}

#[test]
fn predicate_of_a_fallback_delays_no_time_out() {
    let (block, blocked) = Block::new();
    let pool = pool();
    pool.pause();
    let fallback = Fallback::to(self::pool()).when(move |_: &CallError| {
        block.stand_still();
        false
    });
    let call = Work::calls(stack().layer(fallback).timeout(MILLISECOND).wrap(pool.clone())).echo(1).submit();
    blocked.expect_others_time_out();
    drop(blocked);
    assert!(call.wait().is_err());
}

#[test]
fn predicate_of_a_circuit_breaker_delays_no_time_out() {
    let (block, blocked) = Block::new();
    let pool = pool();
    pool.pause();
    let breaker = CircuitBreaker::new().failure_if(move |_: &CallError| {
        block.stand_still();
        false
    });
    let call = Work::calls(stack().layer(breaker).timeout(MILLISECOND).wrap(pool.clone())).echo(1).submit();
    blocked.expect_others_time_out();
    drop(blocked);
    assert!(call.wait().is_err());
}

#[test]
fn call_dropped_for_a_delayed_one_delays_no_time_out() {
    let builder = Pool::builder().max_queue(1).on_full(OnFull::DropOldest);
    let pool = builder.build().expect("the settings are sound");
    pool.pause();
    let (value, blocked) = blocking_argument();
    let dropped = Work::on(&pool).with(value).submit();
    let call = Work::on(&pool).echo(1).after(MILLISECOND).submit();
    blocked.expect_others_time_out();
    assert!(matches!(dropped.wait(), Err(CallError::Dropped(_))));
    pool.resume();
    drop(blocked);
    assert!(matches!(call.wait(), Ok(1)));
}

#[test]
fn answer_of_a_mock_delays_no_time_out() {
    let (block, blocked) = Block::new();
    let mock = Mock::<Work>::new();
    let answer = move |_| {
        block.stand_still();
        WorkOutput::Echo(9)
    };
    mock.expect(|_| true).delay(MILLISECOND).returns(answer);
    let call = Work::calls(mock.clone()).echo(1).submit();
    blocked.expect_others_time_out();
    drop(blocked);
    assert!(matches!(call.wait(), Ok(9)));
}

#[test]
fn delayed_call_with_a_custom_order_keeps_to_the_bound() {
    let builder = Pool::builder().order(|_: &QueuedCall<'_>| None).max_queue(1);
    let pool = builder.on_full(OnFull::Reject).build().expect("the settings are sound");
    pool.pause();
    let queued = Work::on(&pool).echo(1).submit();
    assert!(matches!(Work::on(&pool).echo(2).after(MILLISECOND).wait(), Err(CallError::Full(_))));
    pool.resume();
    assert!(matches!(queued.wait(), Ok(1)));
}
