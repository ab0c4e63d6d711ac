//! Tests of bulk work: many inputs through one task by `each`, or one function over a `Vec`.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use nanolith::{
    Cluster, Executor, TaskSet,
    bulk::{each, each_stream, map, map_reduce},
    call::SubmitError,
    executor::{Job, OnFull},
    pool::Concurrency,
    prelude::*,
    task::{CallInfo, Outcome, TaskInfo, ThreadKind, block_in_place},
    time::{MILLISECOND, SECOND},
};
use std::{
    cell::Cell,
    collections::HashSet,
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicI64, AtomicUsize, Ordering},
        mpsc,
    },
    thread::ThreadId,
};

pub struct Geometry;

#[define]
impl Geometry {
    pub fn add(x: i64, y: i64) -> i64 {
        x.checked_add(y).expect("the sum fits")
    }

    pub fn negate(x: i64) -> i64 {
        -x
    }

    pub async fn add_later(x: i64, y: i64) -> i64 {
        nanolith::time::sleep(MILLISECOND).await;
        x + y
    }

    pub fn parse(text: String) -> Result<i64, std::num::ParseIntError> {
        text.parse()
    }

    pub fn note(log: Arc<Mutex<Vec<i64>>>, x: i64) -> i64 {
        log.lock().expect("sound").push(x);
        x
    }

    /// Blocks the thread, as a task does that reads from a device, and returns the thread.
    pub fn stand(nanos: u64) -> ThreadId {
        let began = std::time::Instant::now();
        while began.elapsed().as_nanos() < nanos.into() {
            std::hint::spin_loop();
        }
        std::thread::current().id()
    }

    /// Returns when it receives a word.
    pub fn hold_on(word: Option<mpsc::Receiver<()>>, x: i64) -> i64 {
        if let Some(word) = word {
            let _ = block_in_place(|| word.recv());
        }
        x
    }

    /// Runs until it is cancelled.
    pub fn spin(cx: &Context<Self>, began: mpsc::Sender<()>) -> bool {
        let _ = began.send(());
        while !cx.is_cancelled() {
            std::thread::yield_now();
        }
        true
    }

    pub fn who(cx: &Context<Self>) -> (Option<&'static str>, Option<&'static str>, ThreadKind) {
        let here = nanolith::task::current();
        (cx.task().map(TaskInfo::name), here.task().map(TaskInfo::name), here.place().clone())
    }

    /// Adds by many calls of its own set, on its own pool.
    pub fn sum(pool: Pool, to: i64) -> Result<i64, CallError> {
        let geometry = Geometry::on(&pool);
        each(&geometry, 0..to, |geometry, n| geometry.add(n, 1)).sum()
    }

    pub fn sum_as_they_come(pool: Pool, to: i64) -> Result<i64, CallError> {
        let geometry = Geometry::on(&pool);
        each(&geometry, 0..to, |geometry, n| geometry.add(n, 1)).unordered().sum()
    }

    /// Waits for a call, within one of many calls.
    pub fn twice(pool: Pool, x: i64) -> Result<i64, CallError> {
        Geometry::on(&pool).add(x, x).wait()
    }
}

fn pool(threads: usize) -> Pool {
    Pool::builder().concurrency(Concurrency::Exact(threads)).build().expect("it starts")
}

// ----- order

#[test]
fn results_come_in_the_order_of_their_inputs() {
    let geometry = Geometry::on(&pool(4));
    for count in [1, 2, 3, 100, 20_000] {
        let sums: Vec<i64> =
            each(&geometry, 0..count, |geometry, n| geometry.add(n, 1)).try_collect().expect("they run");
        assert_eq!(sums, (1..=count).collect::<Vec<_>>());
    }
}

#[test]
fn unordered_results_are_all_there() {
    let geometry = Geometry::on(&pool(4));
    let sums = each(&geometry, 0..20_000, |geometry, n| geometry.add(n, 1)).unordered();
    let sums: HashSet<i64> = sums.try_collect().expect("they run");
    assert_eq!(sums, (1..=20_000).collect());
}

#[test]
fn bulk_without_inputs_has_no_result_and_no_call() {
    let pool = pool(1);
    let geometry = Geometry::on(&pool);
    let mut none = each(&geometry, [0; 0], |geometry, n| geometry.add(n, 1));
    assert!(none.next().is_none() && none.next().is_none());
    assert!(each(&geometry, [0; 0], |geometry, n| geometry.add(n, 1)).unordered().next().is_none());
    pool.drained().wait();
    assert_eq!(pool.info().completed, 0);
}

#[test]
fn inputs_of_several_tasks_keep_their_order() {
    let geometry = Geometry::on(&pool(2));
    let results = each(&geometry, 0..1_000, |geometry, n| match n % 3 {
        0 => geometry.add(n, 1),
        1 => geometry.negate(n),
        _ => geometry.add_later(n, 1), // asynchronous: a call of its own
    });
    let expected = (0..1_000).map(|n| if n % 3 == 1 { -n } else { n + 1 });
    assert_eq!(results.map(|result| result.expect("it runs")).collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

// ----- bounds

/// An input that counts how far the inputs are ahead of their results.
fn watched(taken: &Cell<usize>) -> impl Iterator<Item = i64> {
    (0..).inspect(|_| taken.set(taken.get() + 1))
}

#[test]
fn inputs_are_not_taken_before_the_first_result_is_polled() {
    let taken = Cell::new(0);
    let sums = each(Geometry::tasks(), watched(&taken), |geometry, n| geometry.add(n, 1));
    assert_eq!(taken.get(), 0);
    drop(sums);
}

#[test]
fn inputs_taken_ahead_stay_within_in_flight() {
    let geometry = Geometry::on(&pool(2));
    for (bound, batch) in [(1, None), (7, None), (100, None), (100, Some(1)), (100, Some(30)), (10, Some(64))] {
        for unordered in [false, true] {
            let taken = Cell::new(0);
            let mut sums = each(&geometry, watched(&taken), |geometry, n| geometry.add(n, 1)).in_flight(bound);
            sums = if let Some(batch) = batch { sums.batch(batch) } else { sums };
            sums = if unordered { sums.unordered() } else { sums };
            for given in 0..2_000 {
                sums.next().expect("it does not end").expect("it runs");
                let ahead = taken.get() - given;
                assert!(ahead <= bound, "{ahead} of {bound} in batches of {batch:?}");
            }
        }
    }
}

#[test]
fn batch_may_hold_all_inputs() {
    let pool = pool(2);
    let geometry = Geometry::on(&pool);
    let sums: Vec<i64> =
        each(&geometry, 0..5_000, |g, n| g.add(n, 1)).batch(usize::MAX).try_collect().expect("all fit");
    assert!(sums.into_iter().eq(1..=5_000));
}

#[test]
fn default_in_flight_is_a_few_thousand_inputs() {
    let taken = Cell::new(0);
    let geometry = Geometry::on(&pool(2));
    let mut most = 0;
    for (given, sum) in each(&geometry, watched(&taken), |geometry, n| geometry.add(n, 1)).take(100_000).enumerate() {
        sum.expect("it runs");
        most = most.max(taken.get() - given);
    }
    assert!((16..=8_192).contains(&most), "{most}");
}

#[test]
fn full_queue_holds_back_inputs_and_loses_none() {
    let pool = Pool::builder().max_queue(2).build().expect("it starts");
    for on_their_own in [false, true] {
        let geometry = Geometry::on(&pool);
        let sums = each(&geometry, 0..5_000, |geometry, n| geometry.add(n, 1));
        let sums = if on_their_own { sums.batch(1) } else { sums };
        let sums: Vec<i64> = sums.try_collect().expect("they run");
        assert_eq!(sums, (1..=5_000).collect::<Vec<_>>());
    }
    let geometry = Geometry::on(&pool);
    let sums = each(&geometry, 0..5_000, |geometry, n| geometry.add(n, 1)).unordered().batch(1);
    assert_eq!(sums.sum::<Result<i64, _>>().expect("they run"), (1..=5_000).sum());
}

#[test]
fn rejecting_queue_fails_no_input_while_others_run() {
    let pool = Pool::builder().max_queue(2).on_full(OnFull::Reject).build().expect("it starts");
    let geometry = Geometry::on(&pool);
    let sums: Vec<i64> = each(&geometry, 0..5_000, |geometry, n| geometry.add(n, 1)).try_collect().expect("they run");
    assert_eq!(sums, (1..=5_000).collect::<Vec<_>>());
}

#[test]
fn bulk_takes_no_place_while_no_result_is_polled() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(1)).max_queue(1).build().expect("it starts");
    let geometry = Geometry::on(&pool);
    let mut sums = each(&geometry, 0.., |geometry, n| geometry.add(n, 1)).batch(1);
    for _ in 0..10 {
        sums.next().expect("it does not end").expect("it runs");
        pool.drained().wait(); // so that a slot is free that no other call takes
        assert_eq!(geometry.add(1, 2).wait().expect("there is room"), 3);
    }
}

#[test]
fn tiny_tasks_share_a_call_and_long_tasks_do_not() {
    let pool = pool(2);
    let geometry = Geometry::on(&pool);
    assert_eq!(each(&geometry, 0..20_000, |geometry, n| geometry.add(n, 1)).count(), 20_000);
    pool.drained().wait();
    let calls = pool.info().completed;
    assert!(calls < 5_000, "{calls} calls for 20,000 inputs");
    assert_eq!(each(&geometry, 0..40, |geometry, _| geometry.stand(1_000_000)).count(), 40);
    pool.drained().wait();
    assert!(pool.info().completed - calls >= 36, "each had a call of its own, but for some at the beginning");
}

#[test]
fn long_batch_is_shared_with_other_threads() {
    let geometry = Geometry::on(&pool(2));
    let stands = each(&geometry, 0..200, |geometry, _| geometry.stand(500_000)).batch(200);
    let threads: HashSet<_> = stands.map(|thread| thread.expect("it runs")).collect();
    assert_eq!(threads.len(), 2);
}

#[test]
fn inputs_given_to_another_thread_keep_their_position() {
    let geometry = Geometry::on(&pool(3));
    let log = Arc::new(Mutex::new(Vec::new()));
    let numbers = each(&geometry, 0..300, |geometry, n| {
        // The first call of a batch takes long, so that the rest is given to other threads.
        if n % 100 == 0 { geometry.hold_on(Some(later(2)), n) } else { geometry.hold_on(None, n) }
    });
    assert_eq!(numbers.batch(100).try_collect::<Vec<_>>().expect("they run"), (0..300).collect::<Vec<_>>());
    let numbers = each(&geometry, 0..100, |geometry, n| geometry.note(log.clone(), n)).batch(100);
    assert_eq!(numbers.count(), 100);
    assert_eq!(*log.lock().expect("sound"), (0..100).collect::<Vec<_>>(), "a batch runs in order");
}

/// Returns a receiver whose word comes after some milliseconds.
fn later(millis: u32) -> mpsc::Receiver<()> {
    let (tell, reports) = mpsc::channel();
    std::thread::spawn(move || {
        std::thread::sleep(millis * MILLISECOND); // the duration of the task that waits for it; nothing is awaited
        let _ = tell.send(());
    });
    reports
}

#[test]
fn closing_pool_finishes_inputs_given_to_other_threads() {
    let pool = pool(1);
    let geometry = Geometry::on(&pool);
    let (tell, reports) = mpsc::channel();
    let mut reports = Some(reports);
    let numbers = each(&geometry, 0..100, |geometry, n| geometry.hold_on(reports.take(), n)).batch(100);
    std::thread::scope(|scope| {
        let all = scope.spawn(move || numbers.try_collect::<Vec<_>>());
        while pool.info().in_flight == 0 {
            std::thread::yield_now();
        }
        pool.close();
        std::thread::sleep(MILLISECOND); // the first one takes long, so the rest is shared; nothing is awaited
        tell.send(()).expect("it waits");
        assert_eq!(all.join().expect("it ends").expect("they run"), (0..100).collect::<Vec<_>>());
    });
}

// ----- errors

#[test]
fn panic_fails_its_input_alone_with_its_index() {
    let geometry = Geometry::on(&pool(2));
    for batch in [1, 7, 100] {
        let sums = each(&geometry, 0..100, |geometry, n| geometry.add(if n % 30 == 7 { i64::MAX } else { n }, 1));
        let line = line!() - 1;
        for (n, sum) in sums.batch(batch).enumerate() {
            match (n % 30, sum) {
                (7, Err(error)) => {
                    let CallError::Panicked(panic, at) = &error else { panic!("not {error}") };
                    assert_eq!((panic.message(), at.item()), ("the sum fits", Some(n)));
                    assert_eq!(panic.place().map(|(file, _)| file), Some(file!()));
                    assert_eq!(
                        (at.task().name(), at.submitted().file(), at.submitted().line()),
                        ("add", file!(), line)
                    );
                    assert!(error.to_string().contains(&format!("; item {n}, submitted at")), "{error}");
                }
                (7, Ok(sum)) => panic!("{sum} does not fit"),
                (_, sum) => assert_eq!(sum.expect("it runs"), n as i64 + 1),
            }
        }
    }
}

#[test]
fn first_error_stops_and_cancels_the_rest() {
    let pool = pool(2);
    let geometry = Geometry::on(&pool);
    let taken = Cell::new(0);
    let sums = each(&geometry, watched(&taken), |geometry, n| geometry.add(n, i64::MAX - 4_999));
    let error = sums.try_collect::<Vec<_>>().expect_err("one does not fit");
    assert_eq!(error.trace().item(), Some(5_000));
    assert!(taken.get() < 5_000 + 8_192);
    pool.drained().wait();
    let info = pool.info();
    assert_eq!((info.in_flight, info.queue_len), (0, 0));
}

#[test]
fn bulk_errors_can_be_collected() {
    let geometry = Geometry::on(&pool(2));
    let sums = each(&geometry, 0..1_000, |geometry, n| geometry.add(if n % 10 == 0 { i64::MAX } else { n }, 1));
    let (sums, errors): (Vec<_>, Vec<_>) = sums.partition(Result::is_ok);
    assert_eq!((sums.len(), errors.len()), (900, 100));
    let items: Vec<_> = errors.into_iter().filter_map(|error| error.unwrap_err().trace().item()).collect();
    assert_eq!(items, (0..1_000).step_by(10).collect::<Vec<_>>());
}

#[test]
fn task_errors_are_outputs_of_a_bulk() {
    let texts = (0..100).map(|n| if n == 60 { "sixty".to_owned() } else { n.to_string() });
    let numbers = each(Geometry::tasks(), texts, |geometry, text| geometry.parse(text));
    let failed: Vec<_> =
        numbers.map(|number| number.expect("it runs")).enumerate().filter(|(_, n)| n.is_err()).collect();
    assert_eq!(failed.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [60]);
}

#[test]
fn closed_pool_refuses_every_input() {
    let pool = pool(1);
    pool.close();
    let geometry = Geometry::on(&pool);
    let refused =
        each(&geometry, 0..20, |geometry, n| geometry.add(n, 1)).filter(|sum| matches!(sum, Err(CallError::Closed(_))));
    assert_eq!(refused.count(), 20);
}

#[test]
fn shutdown_cancels_queued_inputs() {
    let pool = pool(1);
    let geometry = Geometry::on(&pool);
    let mut numbers =
        each(
            &geometry,
            0..40,
            |geometry, n| {
                if n == 20 { geometry.hold_on(Some(later(1)), n) } else { geometry.add(n, 0) }
            },
        );
    assert_eq!(numbers.next().expect("the first").expect("it runs"), 0);
    pool.terminate();
    let results: Vec<_> = numbers.collect();
    assert_eq!(results.len(), 39, "each input has its result");
    for (n, result) in (1..).zip(results) {
        match result {
            Ok(number) => assert_eq!(number, n),
            Err(error) => {
                assert!(matches!(error, CallError::Cancelled(_) | CallError::Closed(_)), "{error}");
                assert_eq!(error.trace().item(), Some(n as usize));
            }
        }
    }
}

// ----- the end

#[test]
fn dropped_bulk_cancels_queued_and_stops_running_calls() {
    for batch in [1, 5] {
        let pool = pool(1);
        let geometry = Geometry::on(&pool);
        let (tell, began) = mpsc::channel();
        let mut spins = each(&geometry, 0..20, |geometry, _| geometry.spin(tell.clone())).batch(batch).into_stream();
        assert!(spins.next().now_or_never().is_none(), "the first spins until it is asked to stop");
        began.recv().expect("it runs");
        drop(spins);
        pool.drained().wait();
        assert!(began.try_recv().is_err(), "no other ever began");
    }
}

#[test]
fn inputs_without_a_run_are_dropped() {
    let geometry = Geometry::on(&pool(1));
    let log = Arc::new(Mutex::new(Vec::new()));
    let mut numbers = each(&geometry, 0.., |geometry, n| geometry.note(log.clone(), n));
    for n in 0..100 {
        assert_eq!(numbers.next().expect("it does not end").expect("it runs"), n);
    }
    drop(numbers);
    while Arc::strong_count(&log) > 1 {
        std::thread::yield_now(); // a batch that runs is finished
    }
}

// ----- where it runs

#[test]
fn task_may_use_bulk_on_its_own_pool_of_one() {
    let pool = pool(1);
    let geometry = Geometry::on(&pool);
    assert_eq!(geometry.sum(pool.clone(), 10_000).wait().expect("it runs").expect("they run"), (1..=10_000).sum());
    let sum = geometry.sum_as_they_come(pool.clone(), 10_000).wait().expect("it runs");
    assert_eq!(sum.expect("they run"), (1..=10_000).sum());
    let sums = each(&geometry, 0..100, |geometry, n| geometry.sum(pool.clone(), n));
    let sums: Vec<_> = sums.map(|sum| sum.expect("it runs").expect("they run")).collect();
    assert_eq!(sums, (0..100).map(|n| (1..=n).sum()).collect::<Vec<i64>>());
}

#[test]
fn bulk_task_may_wait_for_a_call_of_its_pool() {
    let pool = pool(1);
    let geometry = Geometry::on(&pool);
    let twice = each(&geometry, 0..1_000, |geometry, n| geometry.twice(pool.clone(), n)).batch(100);
    let twice: Vec<_> = twice.map(|twice| twice.expect("it runs").expect("it runs")).collect();
    assert_eq!(twice, (0..1_000).map(|n| 2 * n).collect::<Vec<_>>());
}

#[test]
fn bulk_task_has_its_name_and_position() {
    let pool = Pool::builder().name("crew").build().expect("it starts");
    let geometry = Geometry::on(&pool);
    for who in each(&geometry, 0..50, |geometry, _| geometry.who()).batch(10) {
        assert_eq!(who.expect("it runs"), (Some("who"), Some("who"), ThreadKind::Pool("crew".into())));
    }
}

#[test]
fn calls_of_a_bulk_keep_their_limit() {
    let geometry = Geometry::on(&pool(1));
    let (tell, _began) = mpsc::channel();
    let spins = each(&geometry, 0..3, |geometry, _| geometry.spin(tell.clone()).timeout(5 * MILLISECOND));
    let ends: Vec<_> = spins.collect();
    assert!(ends.iter().all(|end| matches!(end, Err(CallError::TimedOut(_)))), "{ends:?}");
}

pub struct Counter {
    total: i64,
}

#[define]
impl Counter {
    pub fn bump(&mut self, by: i64) -> i64 {
        self.total += by;
        self.total
    }

    /// Asks the other service for as many results as `count`.
    pub fn ask(&mut self, other: Service<Counter>, count: i64) -> Vec<Result<i64, CallError>> {
        each(&other, 0..count, |other, _| other.bump(1)).collect()
    }
}

#[test]
fn service_takes_its_inputs_one_by_one_in_order() {
    let counter = Counter::service(Counter { total: 0 }).max_queue(4).launch().wait().expect("it starts");
    let totals: Vec<i64> = each(&counter, 1..=1_000, |counter, by| counter.bump(by)).try_collect().expect("they run");
    assert_eq!(totals, (1..=1_000).map(|n| n * (n + 1) / 2).collect::<Vec<_>>());
    assert_eq!(each(&counter, 0..100, |counter, _| counter.bump(0)).unordered().count(), 100);
}

#[test]
fn services_that_wait_for_each_other_in_bulk_fail() {
    let counter = Counter::service(Counter { total: 0 }).launch().wait().expect("it starts");
    let reports = counter.ask(counter.clone(), 3).wait().expect("it runs");
    assert!(reports.iter().all(|end| matches!(end, Err(CallError::WouldDeadlock(_)))), "{reports:?}");
}

#[test]
fn bulk_runs_on_a_cluster() {
    let cluster = Cluster::launch(3, Geometry::service).wait().expect("it starts");
    let sums: Vec<i64> = each(&cluster, 0..500, |cluster, n| cluster.add(n, 1)).try_collect().expect("they run");
    assert_eq!(sums, (1..=500).collect::<Vec<_>>());
    let sums = each(&cluster, 0..500, |cluster, n| cluster.add(n, 1)).unordered();
    assert_eq!(sums.sum::<Result<i64, _>>().expect("they run"), (1..=500).sum());
}

/// Counts the calls that pass through.
struct Counted<E>(E, AtomicUsize);

impl<S: TaskSet, E: Executor<S>> Executor<S> for Counted<E> {
    fn try_execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.try_execute(job)
    }
}

#[test]
fn layer_sees_each_call_of_a_bulk() {
    let counted = Arc::new(Counted(pool(2), AtomicUsize::new(0)));
    let geometry = Geometry::calls(counted.clone());
    let sums: Vec<i64> = each(&geometry, 0..100, |geometry, n| geometry.add(n, 1)).try_collect().expect("they run");
    assert_eq!(sums, (1..=100).collect::<Vec<_>>());
    assert_eq!(counted.1.load(Ordering::Relaxed), 100);
}

#[test]
fn dyn_executor_takes_batches_if_it_is_a_pool() {
    let pool = pool(2);
    let any: Arc<dyn Executor<Geometry>> = Arc::new(pool.clone());
    let geometry = Geometry::calls(any);
    assert_eq!(each(&geometry, 0..100, |geometry, n| geometry.add(n, 1)).batch(50).count(), 100);
    pool.drained().wait();
    assert_eq!(pool.info().completed, 2);
}

pub struct Shared {
    total: AtomicI64,
    log: Mutex<Vec<String>>,
}

#[define(shared)]
impl Shared {
    #[before_task]
    fn before(&self, call: &CallInfo) -> Result<(), String> {
        self.note(format!("before {}", call.task().name()));
        if self.total.load(Ordering::Relaxed) == 3 { Err("three is enough".into()) } else { Ok(()) }
    }

    #[after_task]
    fn after(&self, _: &CallInfo, outcome: Outcome) {
        self.note(format!("after {outcome:?}"));
    }

    pub fn bump(&self, by: i64) -> i64 {
        assert_ne!(by, 0, "by nothing");
        self.total.fetch_add(by, Ordering::Relaxed) + by
    }

    fn note(&self, text: String) {
        self.log.lock().expect("sound").push(text);
    }
}

#[test]
fn batch_shares_the_state_and_runs_the_hooks_of_each() {
    let state = Arc::new(Shared { total: AtomicI64::new(0), log: Mutex::default() });
    let pool = pool(1);
    let shared = Shared::shared(state.clone()).on(&pool);
    let totals: Vec<_> = each(&shared, [1, 0, 2, 4], |shared, by| shared.bump(by)).batch(4).collect();
    pool.drained().wait();
    assert!(pool.info().completed < 4, "they came as one batch, which is shared out only if it takes long");
    assert!(matches!(totals[..], [Ok(1), Err(CallError::Panicked(..)), Ok(3), Err(CallError::Hook(..))]), "{totals:?}");
    let log = state.log.lock().expect("sound");
    let each =
        ["before bump", "after Done", "before bump", "after Panicked", "before bump", "after Done", "before bump"];
    assert_eq!(log[..], each);
}

pub struct Slow;

#[define]
impl Slow {
    #[before_task]
    async fn before(_: &CallInfo) {
        nanolith::time::sleep(MILLISECOND).await;
    }

    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }
}

#[test]
fn async_hooks_and_tasks_of_a_bulk_wait_concurrently() {
    let pool = pool(1);
    let (slow, geometry) = (Slow::on(&pool), Geometry::on(&pool));
    let began = std::time::Instant::now();
    let sums: Vec<i64> = each(&slow, 0..2_000, |slow, n| slow.add(n, 1)).try_collect().expect("they run");
    assert_eq!(sums, (1..=2_000).collect::<Vec<_>>());
    let sums = each(&geometry, 0..2_000, |geometry, n| geometry.add_later(n, 1)).unordered();
    assert_eq!(sums.count(), 2_000);
    assert!(began.elapsed() < 2 * SECOND, "one after the other they take four seconds");
}

#[test]
fn bulk_priority_applies_to_every_call() {
    let pool = pool(1);
    let geometry = Geometry::on(&pool);
    let log = Arc::new(Mutex::new(Vec::new()));
    for batch in [1, 4] {
        pool.pause();
        let note = |n| geometry.note(log.clone(), n);
        let mut later = each(&geometry, 0..4, |_, n| note(n)).priority(Priority::Low).batch(batch).into_stream();
        let mut sooner = each(&geometry, 4..8, |_, n| note(n).priority(Priority::Idle));
        sooner = sooner.priority(Priority::Immediate).batch(batch);
        let mut sooner = sooner.into_stream();
        assert!(later.next().now_or_never().is_none() && sooner.next().now_or_never().is_none());
        pool.resume();
        pool.drained().wait();
        assert_eq!(std::mem::take(&mut *log.lock().expect("sound")), [4, 5, 6, 7, 0, 1, 2, 3]);
    }
}

#[test]
fn slow_input_does_not_delay_unordered_results() {
    let geometry = Geometry::on(&pool(2));
    let (tell, reports) = mpsc::channel();
    let mut reports = Some(reports);
    let numbers = each(&geometry, 0..1_000, |geometry, n| geometry.hold_on(reports.take(), n)).unordered();
    let mut came = 0;
    for number in numbers {
        let number = number.expect("it runs");
        came += 1;
        assert_eq!(number == 0, came == 1_000, "the first comes last");
        if came == 999 {
            tell.send(()).expect("it waits");
        }
    }
    assert_eq!(came, 1_000);
}

#[test]
fn inputs_in_batches_of_one_may_wait_for_each_other() {
    let geometry = Geometry::on(&pool(2));
    let (tell, reports) = mpsc::channel();
    let mut reports = Some(reports);
    let mut tell = Some(tell);
    let numbers = each(&geometry, 0..2, |geometry, n| {
        if n == 1 {
            drop(tell.take());
        }
        geometry.hold_on(reports.take(), n)
    });
    assert_eq!(numbers.batch(1).try_collect::<Vec<_>>().expect("they run"), [0, 1]);
}

// ----- streams

#[test]
fn bulk_maps_a_stream_to_a_stream() {
    let geometry = Geometry::on(&pool(2));
    pollster::block_on(async {
        let sums = each_stream(&geometry, stream::iter(0..10_000), |geometry, n| geometry.add(n, 1));
        assert_eq!(sums.try_collect::<Vec<i64>>().await.expect("they run"), (1..=10_000).collect::<Vec<_>>());
        let sums = each_stream(&geometry, stream::iter(0..10_000), |geometry, n| geometry.add(n, 1)).unordered();
        assert_eq!(sums.try_collect::<HashSet<i64>>().await.expect("they run"), (1..=10_000).collect());
        let sums = each(&geometry, 0..10_000, |geometry, n| geometry.add(n, 1)).into_stream();
        assert_eq!(sums.try_collect::<Vec<i64>>().await.expect("they run"), (1..=10_000).collect::<Vec<_>>());
    });
}

#[test]
fn input_is_submitted_before_the_next_one_arrives() {
    let geometry = Geometry::on(&pool(2));
    let (give, take) = numbers_by_hand();
    let mut sums = each_stream(&geometry, take, |geometry, n| geometry.add(n, 1)).batch(100);
    pollster::block_on(async {
        for n in 0..10 {
            give(Some(n));
            assert_eq!(sums.next().await.expect("it goes on").expect("it runs"), n + 1);
        }
        give(None);
        assert!(sums.next().await.is_none());
    });
}

/// A stream that returns the values given to it.
fn numbers_by_hand() -> (impl Fn(Option<i64>), impl futures_util::Stream<Item = i64>) {
    let (give, take) = nanolith::port::pair::<Option<i64>, ()>();
    let numbers = take.take_while(|message| std::future::ready(message.is_some())).filter_map(std::future::ready);
    (move |number| give.send(number).wait().expect("it is open"), numbers)
}

#[test]
fn async_consumer_does_not_block_a_pool_of_one() {
    let pool = pool(1);
    let geometry = Geometry::on(&pool);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("it starts");
    runtime.block_on(async {
        let sums = each(&geometry, 0..5_000, |geometry, n| geometry.add(n, 1)).into_stream();
        let other = each(&geometry, 0..100, |geometry, n| geometry.add_later(n, 1)).into_stream();
        let (sums, other) =
            futures_util::future::join(sums.try_collect::<Vec<i64>>(), other.try_collect::<Vec<i64>>()).await;
        assert_eq!(sums.expect("they run").len() + other.expect("they run").len(), 5_100);
    });
}

#[test]
fn bulk_moves_between_threads() {
    fn check<T: Send>(it: T) -> T {
        it
    }
    let sums = check(each(Geometry::tasks(), 0..10, |geometry, n| geometry.add(n, 1)));
    let sums = check(sums.into_stream());
    drop(check(each_stream(Geometry::tasks(), stream::iter(0..10), |geometry, n| geometry.add(n, 1))));
    drop(sums);
}

// ----- a function over a `Vec`

#[test]
fn map_returns_results_in_order() {
    let pool = pool(4);
    for count in [0, 1, 2, 100_000] {
        let numbers: Vec<u64> = (0..count).collect();
        let names = map(&pool, numbers, |n| n.to_string()).wait().expect("it runs");
        assert!(names.iter().zip(0..).all(|(name, n)| *name == n.to_string()) && names.len() == count as usize);
    }
    pool.drained().wait();
    assert_eq!(pool.info().completed, 4, "each is one call");
}

#[test]
fn map_runs_on_the_threads_of_its_pool_only() {
    let pool = Pool::builder().name("crew").concurrency(Concurrency::Exact(2)).build().expect("it starts");
    let meet = Barrier::new(2);
    let places = map(&pool, vec![(); 2], move |()| {
        meet.wait(); // both at once, or never
        nanolith::task::current().place().clone()
    });
    assert_eq!(places.wait().expect("it runs"), vec![ThreadKind::Pool("crew".into()); 2]);
}

#[test]
fn reduce_joins_results_in_order() {
    let pool = pool(4);
    let letters: Vec<char> = ('a'..='z').cycle().take(10_000).collect();
    let text: String = letters.iter().collect();
    let joined = map_reduce(&pool, letters, String::from, String::new, |one, other| one + &other);
    assert_eq!(joined.wait().expect("it runs"), text);
    assert_eq!(map_reduce(&pool, Vec::new(), |n: i64| n, || 7, i64::max).wait().expect("it runs"), 7);
}

#[test]
fn panic_within_map_names_its_item_and_spares_the_pool() {
    let pool = pool(2);
    let numbers: Vec<i64> = (0..10_000).collect();
    let error = map(&pool, numbers.clone(), |n| Geometry::add(if n == 777 { i64::MAX } else { n }, 1)).wait();
    let error = error.expect_err("one panics");
    let CallError::Panicked(panic, at) = &error else { panic!("not {error}") };
    assert_eq!((panic.message(), at.item(), at.task().to_string()), ("the sum fits", Some(777), "bulk::map".into()));
    assert_eq!(at.submitted().file(), file!());
    let error = map_reduce(
        &pool,
        numbers.clone(),
        |n| Geometry::add(if n == 777 { i64::MAX } else { n }, 1),
        || 0,
        |x, y| x ^ y,
    );
    assert_eq!(error.wait().expect_err("one panics").trace().item(), Some(777));
    assert_eq!(map(&pool, numbers, |n| n + 1).wait().expect("it runs").len(), 10_000);
}

#[test]
fn cancelled_map_stops_and_drops_the_rest() {
    let pool = pool(2);
    let (tell, began) = mpsc::channel();
    let (items, ran) = (Arc::new(()), Arc::new(AtomicUsize::new(0)));
    let go_on = Arc::new((Mutex::new(false), std::sync::Condvar::new()));
    let (counted, gate) = (ran.clone(), go_on.clone());
    let job = map(&pool, vec![items.clone(); 10_000], move |item| {
        counted.fetch_add(1, Ordering::Relaxed);
        let _ = tell.send(());
        let _open = gate.1.wait_while(gate.0.lock().expect("sound"), |open| !*open).expect("sound");
        item
    });
    let job = job.submit();
    began.recv().expect("it runs");
    job.cancel();
    assert!(matches!(job.wait(), Err(CallError::Cancelled(_))));
    *go_on.0.lock().expect("sound") = true;
    go_on.1.notify_all();
    pool.drained().wait();
    assert!(ran.load(Ordering::Relaxed) <= 2, "none but those that had begun");
    while Arc::strong_count(&items) > 1 {
        std::thread::yield_now();
    }
}

#[test]
fn map_takes_a_priority_and_a_limit() {
    let pool = pool(1);
    pool.pause();
    let log = Arc::new(Mutex::new(Vec::new()));
    let note = |name| {
        let log = log.clone();
        map(&pool, vec![()], move |()| log.lock().expect("sound").push(name))
    };
    let later = note("later").priority(Priority::Low).submit();
    let sooner = note("sooner").priority(Priority::Immediate).submit();
    assert!(matches!(note("never").timeout(MILLISECOND).wait(), Err(CallError::TimedOut(_))));
    pool.resume();
    later.wait().expect("it runs");
    sooner.wait().expect("it runs");
    assert_eq!(*log.lock().expect("sound"), ["sooner", "later"]);
}

#[test]
fn map_run_by_its_caller_starts_no_other_threads() {
    let pool = Pool::builder().max_queue(1).on_full(OnFull::CallerRuns).build().expect("it starts");
    pool.pause();
    Geometry::on(&pool).add(1, 2).submit().detach(); // fills the queue
    let threads = map(&pool, vec![(); 100], |()| std::thread::current().id()).wait().expect("it runs");
    assert_eq!(threads, vec![std::thread::current().id(); 100]);
    let sums = each(&Geometry::on(&pool), 0..100, |geometry, n| geometry.add(n, 1)).sum::<Result<i64, _>>();
    assert_eq!(sums.expect("they run"), (1..=100).sum());
    pool.resume();
}

// ----- what calls are made of, by value and by reference

#[test]
fn bulk_takes_calls_by_value_and_by_reference() {
    let pool = pool(2);
    let expected: Vec<i64> = (1..=100).collect();
    let sums = each(Geometry::on(&pool), 0..100, |geometry, n| geometry.add(n, 1));
    assert_eq!(sums.try_collect::<Vec<i64>>().expect("they run"), expected);
    let geometry = Geometry::on(&pool);
    let sums = each(&geometry, 0..100, |geometry, n| geometry.add(n, 1));
    assert_eq!(sums.try_collect::<Vec<i64>>().expect("they run"), expected);
    let sums = each(Box::new(geometry), 0..100, |geometry, n| geometry.add(n, 1)).batch(1);
    assert_eq!(sums.try_collect::<Vec<i64>>().expect("they run"), expected);
}

#[test]
fn stream_bulk_takes_calls_by_value() {
    let pool = pool(2);
    pollster::block_on(async {
        let sums = each_stream(Geometry::on(&pool), stream::iter(0..100), |geometry, n| geometry.add(n, 1));
        assert_eq!(sums.try_collect::<Vec<i64>>().await.expect("they run"), (1..=100).collect::<Vec<_>>());
        let sums = each(Geometry::on(&pool), 0..100, |geometry, n| geometry.add_later(n, 1)).into_stream();
        assert_eq!(sums.try_collect::<Vec<i64>>().await.expect("they run"), (1..=100).collect::<Vec<_>>());
    });
}

#[test]
fn service_moved_into_a_bulk_lives_as_long_as_its_results() {
    let counter = Counter::service(Counter { total: 10 }).launch().wait().expect("it starts");
    let closed = counter.clone();
    let mut totals = each(counter, 1..=1_000, |counter, by| counter.bump(by));
    assert_eq!(totals.next().expect("the first").expect("it runs"), 11);
    drop(closed);
    assert_eq!(totals.last().expect("there are more").expect("it runs"), 500_510);
}

#[test]
fn panic_of_the_input_iterator_reaches_the_consumer() {
    let pool = pool(2);
    let inputs = (0..10).inspect(|n| assert_ne!(*n, 5, "no five"));
    let mut sums = each(Geometry::on(&pool), inputs, |geometry, n| geometry.add(n, 1)).batch(1).in_flight(1);
    let first: Vec<i64> = sums.by_ref().take(5).map(|sum| sum.expect("it runs")).collect();
    assert_eq!(first, [1, 2, 3, 4, 5]);
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| sums.next())).expect_err("the input panics");
    assert!(panic.downcast_ref::<String>().is_some_and(|text| text.contains("no five")));
    assert_eq!(sums.map(|sum| sum.expect("it runs")).collect::<Vec<_>>(), [7, 8, 9, 10]);
}
