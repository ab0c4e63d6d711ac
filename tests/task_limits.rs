//! Tests of task limits: the number of calls of one task that run at once in a pool.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use futures_util::lock::Mutex as AsyncMutex;
use nanolith::{
    Executor, TaskSet,
    executor::OnFull,
    layers::{self, RateLimit},
    pool::Concurrency,
    prelude::*,
    time::MILLISECOND,
};
use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    time::Duration,
};

/// A limit for an event that must happen, on a machine that is busy.
const LONG: Duration = Duration::from_secs(20);

/// The number of tasks that run now, and the largest number that ran at once.
#[derive(Default)]
pub struct Gauge {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Gauge {
    fn enter(&self) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
    }

    fn leave(&self) {
        self.now.fetch_sub(1, Ordering::SeqCst);
    }

    fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

pub struct Kinds;

#[define]
impl Kinds {
    #[task(concurrency = 2)]
    pub fn hold(begun: Sender<usize>, number: usize, go: Receiver<()>) -> usize {
        let _ = begun.send(number);
        let _ = go.recv_timeout(LONG);
        number
    }

    #[task(concurrency = 3)]
    pub fn measured(gauge: Arc<Gauge>) {
        gauge.enter();
        std::thread::yield_now();
        gauge.leave();
    }

    #[task(concurrency = 2)]
    pub async fn suspended(begun: Sender<usize>, number: usize, gate: Arc<AsyncMutex<()>>) -> usize {
        let _ = begun.send(number);
        drop(gate.lock().await);
        number
    }

    #[task(concurrency = 1)]
    pub fn alone(text: String) -> i64 {
        text.parse().expect("a number")
    }

    /// Waits for a call of its own task.
    #[task(concurrency = 1)]
    pub fn down(pool: Pool, levels: u32) -> Result<u32, CallError> {
        if levels == 0 { Ok(0) } else { Self::on(&pool).down(pool.clone(), levels - 1).wait()?.map(|below| below + 1) }
    }

    /// Waits for its own task through another task. Both are asynchronous.
    #[task(concurrency = 1)]
    pub async fn down_async(pool: Pool, levels: u32) -> Result<u32, CallError> {
        if levels == 0 { Ok(0) } else { Self::on(&pool).between(pool.clone(), levels).await? }
    }

    pub async fn between(pool: Pool, levels: u32) -> Result<u32, CallError> {
        Self::on(&pool).down_async(pool.clone(), levels - 1).await?.map(|below| below + 1)
    }

    /// Waits for calls of a task that it is not itself.
    pub fn all_of(pool: Pool, gauge: Arc<Gauge>) -> Result<(), CallError> {
        let kinds = Self::on(&pool);
        let jobs: Vec<_> = (0..8).map(|_| kinds.measured(gauge.clone()).submit()).collect();
        jobs.into_iter().rev().try_for_each(Handle::wait)
    }

    /// Waits for a delayed call of its own task, which no executor has yet.
    #[task(concurrency = 1)]
    pub fn later(executor: Arc<dyn Executor<Kinds>>, after: Duration, levels: u32) -> Result<u32, CallError> {
        if levels == 0 {
            return Ok(0);
        }
        let below = Self::calls(executor.clone()).later(executor, after, levels - 1).after(after).wait()?;
        below.map(|below| below + 1)
    }

    #[task(concurrency = 1)]
    pub async fn later_async(
        executor: Arc<dyn Executor<Kinds>>,
        after: Duration,
        levels: u32,
    ) -> Result<u32, CallError> {
        if levels == 0 {
            return Ok(0);
        }
        let below = Self::calls(executor.clone()).later_async(executor, after, levels - 1).after(after).await?;
        below.map(|below| below + 1)
    }

    /// Waits for a service that waits for a call of this task.
    #[task(concurrency = 1)]
    pub fn around(pool: Pool, service: Service<Kinds>, levels: u32) -> Result<u32, CallError> {
        if levels == 0 { Ok(0) } else { service.relay(pool, service.clone(), levels - 1).wait()? }
    }

    pub fn relay(pool: Pool, service: Service<Kinds>, levels: u32) -> Result<u32, CallError> {
        Self::on(&pool).around(pool.clone(), service, levels).wait()?.map(|below| below + 1)
    }

    pub fn plain() -> i64 {
        7
    }

    /// Submits detached calls, after it receives a message.
    pub fn starts(pool: Pool, go: Receiver<()>, begun: Sender<usize>, of: Vec<Receiver<()>>) {
        let _ = go.recv_timeout(LONG);
        for (number, go) in of.into_iter().enumerate() {
            Self::on(&pool).hold(begun.clone(), number, go).submit().detach();
        }
    }
}

fn kinds(threads: usize) -> Pool {
    Pool::builder().concurrency(Concurrency::Exact(threads)).build().expect("sound")
}

/// Calls of one task that run until the test lets them end. The first of them run at once.
type Held = (Vec<Sender<()>>, Vec<Handle<Kinds, usize>>, Receiver<usize>);

fn hold(pool: &Pool, calls: usize) -> Held {
    let (begun, reports) = mpsc::channel();
    let mut go = Vec::new();
    let mut jobs = Vec::new();
    for number in 0..calls {
        let (send, may_go) = mpsc::channel();
        go.push(send);
        jobs.push(Kinds::on(pool).hold(begun.clone(), number, may_go).submit());
    }
    let two: HashSet<_> = (0..2).map(|_| reports.recv_timeout(LONG).expect("two begin")).collect();
    assert_eq!(two, HashSet::from([0, 1]));
    (go, jobs, reports)
}

#[test]
fn calls_beyond_a_task_limit_take_no_slot() {
    let pool = kinds(3);
    let (go, jobs, reports) = hold(&pool, 5);
    assert!((0..100).all(|_| Kinds::on(&pool).plain().wait().expect("those behind go on") == 7));
    assert_eq!(pool.info().queue_len, 3);
    assert!(reports.try_recv().is_err());
    for go in go {
        drop(go);
    }
    assert_eq!(jobs.into_iter().map(|job| job.wait().expect("it runs")).sum::<usize>(), 10);
}

#[test]
fn calls_held_by_a_task_limit_run_first_in_first_out() {
    let pool = kinds(4);
    let (go, jobs, reports) = hold(&pool, 6);
    for (number, go) in go.into_iter().enumerate() {
        drop(go);
        if number + 2 < 6 {
            assert_eq!(reports.recv_timeout(LONG), Ok(number + 2), "one ends, the next begins");
        }
    }
    assert!(jobs.into_iter().all(|job| job.wait().is_ok()));
}

#[test]
fn more_urgent_call_of_a_limited_task_runs_first() {
    let pool = kinds(4);
    let (mut go, jobs, reports) = hold(&pool, 3);
    let (begun, urgent) = mpsc::channel();
    let (_go, may_go) = mpsc::channel();
    let first = Kinds::on(&pool).hold(begun, 9, may_go).priority(Priority::Immediate).submit();
    assert_eq!(Kinds::on(&pool).plain().wait().expect("it runs, so those before it are held"), 7);
    go.remove(0);
    assert_eq!(urgent.recv_timeout(LONG), Ok(9));
    assert!(reports.try_recv().is_err());
    drop((go, _go));
    assert!(first.wait().is_ok() && jobs.into_iter().all(|job| job.wait().is_ok()));
}

#[test]
fn task_limit_holds_for_all_submitters() {
    let pool = kinds(8);
    let gauge = Arc::new(Gauge::default());
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (pool, gauge) = (pool.clone(), gauge.clone());
            std::thread::spawn(move || {
                let kinds = Kinds::on(&pool);
                for round in 0..50 {
                    let jobs: Vec<_> = (0..20).map(|_| kinds.measured(gauge.clone()).submit()).collect();
                    let plain: Vec<_> = (0..20).map(|_| kinds.plain().submit()).collect();
                    jobs.into_iter().enumerate().for_each(|(n, job)| {
                        if n % 7 == round % 7 { job.cancel() } else { job.wait().expect("it runs") }
                    });
                    plain.into_iter().for_each(|job| assert_eq!(job.wait().expect("it runs"), 7));
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("every call ends"));
    pool.drained().wait();
    assert_eq!(gauge.most(), 3, "as many as may, and no more");
    let info = pool.info();
    assert_eq!((info.queue_len, info.overflow, info.in_flight), (0, 0, 0));
}

#[test]
fn async_calls_count_in_a_task_limit_until_they_end() {
    let pool = kinds(1);
    let (begun, reports) = mpsc::channel();
    let gate = Arc::new(AsyncMutex::new(()));
    let go = gate.try_lock().expect("it is free");
    let kinds = Kinds::on(&pool);
    let mut jobs: Vec<_> = (0..4).map(|number| kinds.suspended(begun.clone(), number, gate.clone()).submit()).collect();
    let first: Vec<_> = (0..2).map(|_| reports.recv_timeout(LONG).expect("two begin")).collect();
    assert_eq!(first, [0, 1]);
    assert_eq!(kinds.plain().wait().expect("they hold no slot"), 7);
    assert!(reports.try_recv().is_err());
    jobs.remove(0).cancel();
    assert_eq!(reports.recv_timeout(LONG), Ok(2), "one that is dropped makes room");
    drop(go);
    assert_eq!(reports.recv_timeout(LONG), Ok(3));
    assert!(jobs.into_iter().all(|job| job.wait().is_ok()));
}

#[test]
fn call_held_by_a_task_limit_is_cancelled_and_times_out() {
    let pool = kinds(4);
    let (go, mut jobs, reports) = hold(&pool, 6);
    let (begun, late) = mpsc::channel();
    let (_never, may_go) = mpsc::channel();
    let timed = Kinds::on(&pool).hold(begun, 9, may_go).timeout(MILLISECOND).submit();
    assert!(matches!(timed.wait(), Err(CallError::TimedOut(_))));
    jobs[2].cancel();
    assert_eq!(pool.info().queue_len, 3);
    assert!(matches!(jobs.remove(2).wait(), Err(CallError::Cancelled(_))));
    drop(go);
    let begun: HashSet<_> = reports.iter().take(3).collect();
    assert_eq!(begun, HashSet::from([3, 4, 5]));
    assert!(late.recv().is_err(), "what ended before it began never begins");
    assert!(jobs.into_iter().all(|job| job.wait().is_ok()));
    pool.drained().wait();
    assert_eq!(pool.info().in_flight, 0);
}

#[test]
fn call_held_by_a_task_limit_counts_in_bounds_and_drain() {
    let bounded = Pool::builder().concurrency(Concurrency::Exact(4)).max_queue(2);
    let pool = bounded.on_full(OnFull::Reject).build().expect("sound");
    let (go, jobs, _reports) = hold(&pool, 2);
    let (begun, _) = mpsc::channel();
    // Two more calls than there are slots for.
    let waits: Vec<_> = (0..4).map(|_| Kinds::on(&pool).hold(begun.clone(), 9, mpsc::channel().1).submit()).collect();
    let kinds = Kinds::on(&pool);
    let full = kinds.hold(begun, 9, mpsc::channel().1).try_submit();
    assert!(full.is_err_and(|refused| refused.is_full()));
    let drained = pool.drained();
    drop(go);
    drained.wait();
    assert!(waits.iter().chain(&jobs).all(Handle::is_finished));
}

#[test]
fn shutdown_ends_calls_held_by_a_task_limit() {
    let pool = kinds(4);
    let (go, jobs, _reports) = hold(&pool, 5);
    assert_eq!(Kinds::on(&pool).plain().wait().expect("it runs, so those before it are held"), 7);
    assert_eq!(pool.terminate(), 3);
    drop(go);
    let ended = jobs.into_iter().map(Handle::wait).filter(|end| matches!(end, Err(CallError::Cancelled(_)))).count();
    assert_eq!(ended, 3);
    pool.drained().wait();
    let info = pool.info();
    assert_eq!((info.queue_len, info.in_flight), (0, 0));
}

/// Checks that the first waiting call starts as soon as one of the two calls before it is over.
fn expect_two_at_once(pool: &Pool) {
    let (mut go, jobs, reports) = hold(pool, 3);
    assert_eq!(Kinds::on(pool).plain().wait().expect("it runs, so the third is held"), 7);
    drop(go.remove(0));
    assert_eq!(reports.recv_timeout(LONG / 2), Ok(2), "beside the second, which runs");
    drop(go);
    assert!(jobs.into_iter().all(|job| job.wait().is_ok()));
}

#[test]
fn raised_call_held_by_a_task_limit_takes_one_place() {
    let pool = kinds(4);
    let (go, mut jobs, _reports) = hold(&pool, 3);
    assert_eq!(Kinds::on(&pool).plain().wait().expect("it runs, so the third is held"), 7);
    jobs[2].raise(Priority::UserBlocking);
    assert_eq!(Kinds::on(&pool).plain().wait().expect("it runs, so the third is held in its new place too"), 7);
    pool.pause();
    drop(go);
    jobs.drain(..2).for_each(|job| assert!(job.wait().is_ok()));
    while pool.info().active > 0 {
        std::thread::yield_now(); // both are counted, and the third was called in the place of each
    }
    pool.resume();
    pool.drained().wait();
    expect_two_at_once(&pool);
    assert!(jobs.remove(0).wait().is_ok(), "it was over before");
}

#[test]
fn held_call_dropped_in_its_turn_frees_its_task_limit() {
    let bounded = Pool::builder().concurrency(Concurrency::Exact(4)).max_queue(3);
    let pool = bounded.on_full(OnFull::DropOldest).build().expect("sound");
    let (go, mut jobs, _reports) = hold(&pool, 2);
    jobs.extend((0..2).map(|_| Kinds::on(&pool).hold(mpsc::channel().0, 9, mpsc::channel().1).submit()));
    while pool.next_task().is_some() {
        std::thread::yield_now(); // the last two are held
    }
    pool.pause();
    drop(go);
    jobs.drain(..2).for_each(|job| assert!(job.wait().is_ok()));
    while pool.info().active > 0 {
        std::thread::yield_now(); // both are counted, and the last two were called
    }
    let newest = [(); 2].map(|()| Kinds::on(&pool).plain().submit());
    pool.resume();
    pool.drained().wait();
    expect_two_at_once(&pool);
    assert!(newest.into_iter().all(|job| job.wait().is_ok()));
    assert!(matches!(jobs.remove(0).wait(), Err(CallError::Dropped(_))));
    assert!(jobs.remove(0).wait().is_ok());
}

#[test]
fn shutdown_frees_the_places_of_a_task_limit() {
    let pool = kinds(4);
    let (go, mut jobs, _reports) = hold(&pool, 4);
    let (go_on, may_go_on) = mpsc::channel();
    let (begun, reports) = mpsc::channel();
    let (mut go_children, children): (Vec<_>, Vec<_>) = (0..4).map(|_| mpsc::channel()).unzip();
    let starts = Kinds::on(&pool).starts(pool.clone(), may_go_on, begun, children).submit();
    while pool.next_task().is_some() {
        std::thread::yield_now(); // the last two are held, and `starts` has begun
    }
    pool.pause();
    drop(go);
    jobs.drain(..2).for_each(|job| assert!(job.wait().is_ok()));
    while pool.info().active > 1 {
        std::thread::yield_now(); // both are counted, and the last two were called
    }
    assert_eq!(pool.terminate(), 2);
    drop(go_on);
    assert!(starts.wait().is_ok());
    let first: HashSet<_> = (0..2).map(|_| reports.recv_timeout(LONG).expect("two begin")).collect();
    while pool.next_task().is_some() {
        std::thread::yield_now(); // the remaining calls are held
    }
    assert_eq!(first, HashSet::from([0, 1]));
    drop(go_children.remove(0));
    assert_eq!(reports.recv_timeout(LONG / 2), Ok(2), "beside the second, which runs");
    drop(go_children);
    pool.drained().wait();
}

#[test]
fn close_finishes_calls_held_by_a_task_limit() {
    let pool = kinds(4);
    let (go, jobs, _reports) = hold(&pool, 5);
    pool.close();
    drop((go, pool));
    assert!(jobs.into_iter().all(|job| job.wait().is_ok()));
}

#[test]
fn panic_frees_the_place_of_its_task_limit() {
    let pool = kinds(2);
    let kinds = Kinds::on(&pool);
    let jobs: Vec<_> = ["x", "1", "y", "2"].map(|text| kinds.alone(text.into()).submit()).into();
    let sums: Vec<_> = jobs.into_iter().map(|job| job.wait().ok()).collect();
    assert_eq!(sums, [None, Some(1), None, Some(2)]);
}

#[test]
fn task_lends_its_place_to_a_call_of_its_own_kind() {
    for threads in [1, 2] {
        let pool = kinds(threads);
        let kinds = Kinds::on(&pool);
        assert_eq!(kinds.down(pool.clone(), 100).wait().expect("it runs").expect("each runs"), 100);
        assert_eq!(kinds.down_async(pool.clone(), 10).wait().expect("it runs").expect("each runs"), 10);
        assert_eq!(kinds.alone("7".into()).wait().expect("nothing is left behind"), 7);
        assert_eq!(kinds.down(pool.clone(), 1).wait().expect("it runs").expect("each runs"), 1);
    }
}

#[test]
fn task_lends_its_place_to_its_kind_through_a_service() {
    for threads in [1, 4] {
        let pool = kinds(threads);
        let service = Kinds::service().launch().wait().expect("it starts");
        let job = Kinds::on(&pool).around(pool.clone(), service, 1).submit();
        assert!(matches!(job.wait_timeout(LONG), Ok(Ok(Ok(1)))));
    }
}

#[test]
fn task_lends_its_place_to_a_later_call_of_its_kind() {
    let pool = kinds(2);
    let at_rest = layers::stack().rate_limit(RateLimit::new(1, 10 * MILLISECOND)).wrap(pool.clone());
    let executors: [(Arc<dyn Executor<Kinds>>, _); 2] =
        [(Arc::new(pool), MILLISECOND), (Arc::new(at_rest), Duration::ZERO)];
    for (executor, after) in executors {
        let kinds = Kinds::calls(executor.clone());
        let job = kinds.later(executor.clone(), after, 2).submit();
        assert!(matches!(job.wait_timeout(LONG), Ok(Ok(Ok(2)))));
        let job = kinds.later_async(executor, after, 2).submit();
        assert!(matches!(job.wait_timeout(LONG), Ok(Ok(Ok(2)))));
    }
}

#[test]
fn held_calls_do_not_block_a_call_that_their_task_waits_for() {
    let bounded = Pool::builder().concurrency(Concurrency::Exact(2)).max_queue(1);
    let pool = bounded.build().expect("sound");
    let executor: Arc<dyn Executor<Kinds>> = Arc::new(pool.clone());
    let first = Kinds::calls(executor.clone()).later(executor.clone(), 50 * MILLISECOND, 1).submit();
    while pool.info().in_flight - pool.info().queue_len == 0 {
        std::thread::yield_now();
    }
    let fills = Kinds::calls(executor.clone()).later(executor, Duration::ZERO, 0).submit();
    assert!(matches!(first.wait_timeout(LONG), Ok(Ok(Ok(1)))));
    assert!(matches!(fills.wait(), Ok(Ok(0))));
}

#[test]
fn full_pool_admits_calls_that_its_task_submits_via_a_layer() {
    let bounded = Pool::builder().concurrency(Concurrency::Exact(2)).max_queue(1);
    let pool = bounded.build().expect("sound");
    let limited = layers::stack().rate_limit(RateLimit::new(1, 50 * MILLISECOND)).wrap(pool.clone());
    let executor: Arc<dyn Executor<Kinds>> = Arc::new(limited);
    let first = Kinds::calls(executor.clone()).later(executor.clone(), Duration::ZERO, 1).submit();
    while pool.info().in_flight - pool.info().queue_len == 0 {
        std::thread::yield_now();
    }
    let fills = Kinds::on(&pool).later(executor, Duration::ZERO, 0).submit();
    assert!(matches!(first.wait_timeout(LONG), Ok(Ok(Ok(1)))));
    assert!(matches!(fills.wait(), Ok(Ok(0))));
}

#[test]
fn wait_for_another_kind_at_its_limit_ends() {
    for threads in [1, 4] {
        let pool = kinds(threads);
        let gauge = Arc::new(Gauge::default());
        let jobs: Vec<_> = (0..20).map(|_| Kinds::on(&pool).all_of(pool.clone(), gauge.clone()).submit()).collect();
        assert!(jobs.into_iter().all(|job| matches!(job.wait(), Ok(Ok(())))));
        assert!(gauge.most() <= 3, "{} ran at once", gauge.most());
    }
}

#[test]
fn caller_runs_no_call_beyond_a_task_limit() {
    let bounded = Pool::builder().concurrency(Concurrency::Exact(2)).max_queue(2);
    let pool = bounded.on_full(OnFull::CallerRuns).build().expect("sound");
    let (go, jobs, reports) = hold(&pool, 2);
    let (begun, _) = mpsc::channel();
    let submit = || Kinds::on(&pool).hold(begun.clone(), 9, mpsc::channel().1).submit();
    let waits = [submit(), submit()];
    let refused = Kinds::on(&pool).hold(begun.clone(), 9, mpsc::channel().1).wait();
    assert!(matches!(refused, Err(CallError::Full(_))));
    assert_eq!(Kinds::on(&pool).plain().wait().expect("the caller runs it"), 7);
    drop((go, reports));
    assert!(waits.into_iter().chain(jobs).all(|job| job.wait().is_ok()));
}

#[test]
fn service_ignores_task_limits() {
    let service = Kinds::service().launch().wait().expect("it starts");
    let (begun, reports) = mpsc::channel();
    let gate = Arc::new(AsyncMutex::new(()));
    let go = gate.try_lock().expect("it is free");
    let jobs: Vec<_> = (0..3).map(|number| service.suspended(begun.clone(), number, gate.clone()).submit()).collect();
    let all: Vec<_> = (0..3).map(|_| reports.recv_timeout(LONG).expect("all begin")).collect();
    assert_eq!(all, [0, 1, 2]);
    drop(go);
    assert!(jobs.into_iter().all(|job| job.wait().is_ok()));
}
