//! Tests of pipelines: the output matches the input, no stage runs further ahead than the links
//! allow, and each end is clean.
// A test's name is its documentation; a task's arguments are owned.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc, clippy::needless_pass_by_value)]

use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use nanolith::{
    Cluster,
    pipeline::{Cause, End, ItemError, OnError, Pipeline},
    pool::Concurrency,
    port,
    prelude::*,
    sync::Semaphore,
    time::{MILLISECOND, MINUTE},
};
use std::{
    error::Error,
    panic,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::Duration,
};

type Tested = Result<(), Box<dyn Error>>;

/// A limit for an event that must happen, on a machine that is busy.
const LONG: Duration = Duration::from_secs(20);

pub struct Geometry;

#[define]
impl Geometry {
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    pub fn parse(text: String) -> Result<i64, std::num::ParseIntError> {
        text.parse()
    }

    pub fn sum(of: Vec<i64>) -> i64 {
        of.iter().sum()
    }

    pub fn burst(x: i64) -> i64 {
        assert_ne!(x, 3, "three is too much");
        x
    }

    /// Returns the number once it gets a permit.
    pub async fn pass(x: i64, gate: Semaphore) -> i64 {
        gate.acquire().await.map_or(x, |permit| {
            permit.forget();
            x
        })
    }
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
}

fn pool(concurrency: usize) -> Pool {
    Pool::builder().concurrency(Concurrency::Exact(concurrency)).build().expect("the system gives threads")
}

/// Waits for a condition that another thread makes true.
fn until(what: &str, mut is: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + LONG;
    while !is() {
        assert!(std::time::Instant::now() < end, "{what}");
        thread::yield_now();
    }
}

fn items<T>(collected: Result<nanolith::pipeline::Collected<T>, ItemError>) -> Vec<T> {
    collected.expect("no item fails").items
}

// ----- what comes out

#[test]
fn ordered_results_wait_for_a_slow_first_item() {
    let (gate, last) = (Semaphore::new(0), Arc::new(Semaphore::new(0)));
    let pipeline = {
        let (gate, last) = (gate.clone(), last.clone());
        Pipeline::from_iter(0..4_i64)
            .stage(Geometry::tasks(), move |geometry, n| {
                geometry.pass(n, if n == 0 { gate.clone() } else { (*last).clone() })
            })
            .concurrency(4)
    };
    let figures = pipeline.stats();
    let mut numbers = pipeline.into_iter();
    last.add_permits(3);
    until("the others are done", || figures.stages()[0].taken == 4);
    gate.add_permits(1);
    let numbers: Result<Vec<_>, _> = numbers.by_ref().collect();
    assert_eq!(numbers.expect("no item fails"), [0, 1, 2, 3]);
}

#[test]
fn unordered_results_come_as_they_finish() {
    let gate = Semaphore::new(0);
    let held = gate.clone();
    let mut numbers = Pipeline::from_iter(0..4_i64)
        .stage(Geometry::tasks(), move |geometry, n| {
            geometry.pass(n, if n == 0 { held.clone() } else { Semaphore::new(1) })
        })
        .concurrency(4)
        .unordered()
        .into_iter();
    let mut first: Vec<_> = numbers.by_ref().take(3).map(|n| n.expect("no item fails")).collect();
    first.sort_unstable();
    assert_eq!(first, [1, 2, 3]);
    gate.add_permits(1);
    assert!(matches!(numbers.next(), Some(Ok(0))));
    assert!(numbers.next().is_none());
}

#[test]
fn map_keeps_the_order_on_several_threads() {
    let pool = pool(3);
    let squares = |ordered: bool| {
        let pipeline = Pipeline::from_iter(0..20_000_u64).map(&pool, |n| n * n).buffer(512).concurrency(3);
        items(if ordered { pipeline.ordered() } else { pipeline.unordered() }.output(64).collect().wait())
    };
    let expected: Vec<_> = (0..20_000).map(|n| n * n).collect();
    assert_eq!(squares(true), expected);
    let mut unordered = squares(false);
    unordered.sort_unstable();
    assert_eq!(unordered, expected);
}

#[test]
fn calls_services_clusters_and_functions_are_stages() -> Tested {
    let own = pool(2);
    let counter = Counter::service(Counter { total: 0 }).launch().wait()?;
    let cluster = Cluster::launch(2, Geometry::service).wait()?;
    let totals = Pipeline::from_iter((1..=100).map(|n| n.to_string()))
        .try_stage(Geometry::on(&own), |geometry, text| geometry.parse(text))
        .concurrency(4)
        .stage(cluster.clone(), |cluster, n| cluster.add(n, 1))
        .concurrency(3)
        .map(&own, |n| n - 1)
        .stage(counter.clone(), |counter, n| counter.bump(n))
        .concurrency(8)
        .collect()
        .wait()?;
    let expected: Vec<i64> = (1..=100).map(|n| n * (n + 1) / 2).collect();
    assert_eq!(totals.items, expected, "a service takes them in order");
    assert_eq!(totals.report.stages.len(), 4);
    Ok(())
}

#[test]
fn empty_input_gives_no_output() {
    let none = Pipeline::from_iter(Vec::<i64>::new())
        .stage(Geometry::tasks(), |geometry, n| geometry.add(n, n))
        .batched(Geometry::tasks(), |geometry, numbers| geometry.sum(numbers))
        .collect()
        .wait()
        .expect("nothing fails");
    assert!(none.is_empty());
    assert_eq!((none.report.end, none.report.taken, none.report.delivered), (End::Finished, 0, 0));
}

#[test]
fn pipeline_without_stages_passes_its_input_through() {
    assert_eq!(items(Pipeline::from_iter(0..100).collect().wait()), (0..100).collect::<Vec<_>>());
}

#[test]
fn settings_of_zero_count_as_one() {
    let numbers = Pipeline::from_iter(0..100)
        .stage(Geometry::tasks(), |geometry, n| geometry.add(n, 0))
        .concurrency(1)
        .buffer(1)
        .map(&pool(1), |n| n)
        .concurrency(1)
        .buffer(1)
        .batched(Geometry::tasks(), |geometry, numbers| geometry.sum(numbers))
        .sizes(1..=1)
        .latency(Duration::ZERO)
        .buffer(1)
        .output(1)
        .collect();
    assert_eq!(items(numbers.wait()), (0..100).collect::<Vec<_>>());
}

#[test]
fn stage_concurrency_is_capped_by_its_pool() {
    let numbers = Pipeline::from_iter(0..100).map(&pool(2), |n| n).concurrency(usize::MAX).unordered();
    assert_eq!(items(numbers.collect().wait()).len(), 100);
}

#[test]
fn incomplete_batch_waits_for_more_items() {
    let (give, take) = mpsc::channel();
    let sums = Pipeline::from_iter(take)
        .batched(Geometry::tasks(), |geometry, numbers| geometry.sum(numbers))
        .sizes(3..=3)
        .latency(100 * MINUTE);
    let figures = sums.stats();
    let mut sums = sums.into_iter();
    for n in 1..=2 {
        give.send(n).expect("it is taken");
        until("it waits", || figures.stages()[0].depth == n as usize);
    }
    give.send(3).expect("it is taken");
    assert_eq!(sums.next().and_then(Result::ok), Some(6));
    give.send(4).expect("it is taken");
    drop(give);
    assert_eq!(sums.next().and_then(Result::ok), Some(4), "no more come");
}

// ----- how far ahead

/// Counts the items that it gives, and reports its drop.
struct Watched {
    next: i64,
    end: i64,
    pulled: Arc<AtomicUsize>,
    gone: Option<mpsc::Sender<()>>,
}

impl Watched {
    fn to(end: i64) -> (Self, Arc<AtomicUsize>, mpsc::Receiver<()>) {
        let (gone, reports) = mpsc::channel();
        let pulled = Arc::new(AtomicUsize::new(0));
        (Self { next: 0, end, pulled: pulled.clone(), gone: Some(gone) }, pulled, reports)
    }
}

impl Iterator for Watched {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        if self.next == self.end {
            return None;
        }
        self.pulled.fetch_add(1, SeqCst);
        self.next += 1;
        Some(self.next - 1)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(gone) = self.gone.take() {
            let _ = gone.send(());
        }
    }
}

#[test]
fn slow_consumer_stops_the_input_after_full_links() {
    const BUFFER: usize = 3;
    const CALLS: usize = 2;
    let pool = pool(2);
    let (input, pulled, _gone) = Watched::to(10_000);
    let pipeline = Pipeline::from_iter(input)
        .stage(Geometry::on(&pool), |geometry, n| geometry.add(n, 1))
        .concurrency(CALLS)
        .buffer(BUFFER)
        .map(&pool, |n| n - 1)
        .buffer(BUFFER)
        .output(BUFFER);
    let figures = pipeline.stats();
    // The links, the calls in flight, a batch of functions, and the item that the input holds.
    let most = 3 * BUFFER + CALLS + BUFFER.div_ceil(2) + 1;
    let mut ahead = 0;
    for (taken, n) in pipeline.into_iter().enumerate() {
        assert_eq!(n.expect("no item fails"), taken as i64);
        let pulled = pulled.load(SeqCst);
        ahead = ahead.max(pulled - taken);
        assert!(pulled - taken <= most + 1, "{pulled} pulled when {taken} were taken");
        if taken == 100 {
            // The consumer stops until no stage can continue.
            until("the links fill", || figures.stages().iter().all(|stage| stage.depth == BUFFER));
        }
    }
    assert!(ahead > BUFFER * 2, "the stages go on while the consumer is busy: {ahead}");
}

#[test]
fn slow_stage_stops_the_stages_before_it() {
    let gate = Semaphore::new(0);
    let (input, pulled, _gone) = Watched::to(200);
    let held = gate.clone();
    let pipeline = Pipeline::from_iter(input)
        .stage(Geometry::tasks(), |geometry, n| geometry.add(n, 0))
        .buffer(2)
        .stage(Geometry::tasks(), move |geometry, n| geometry.pass(n, held.clone()))
        .buffer(4)
        .stage(Geometry::tasks(), |geometry, n| geometry.add(n, 0));
    let figures = pipeline.stats();
    let numbers = thread::spawn(move || items(pipeline.collect().wait()));
    until("what is before the slow stage fills", || {
        let stages = figures.stages();
        !stages.is_empty() && stages[0].depth == 2 && stages[1].depth == 4
    });
    // Two and four items in the links, one finished item that waits for capacity, one at the slow
    // stage, and one that the input holds.
    until("the input stops", || pulled.load(SeqCst) == 9);
    assert_eq!(figures.taken(), 8);
    let stages = figures.stages();
    assert_eq!((stages[1].in_flight, stages[2].taken), (1, 0));
    gate.add_permits(200);
    assert_eq!(numbers.join().expect("no panic"), (0..200).collect::<Vec<_>>());
    assert_eq!(pulled.load(SeqCst), 200);
}

#[test]
fn stages_continue_while_the_consumer_is_busy() {
    let pipeline = Pipeline::from_iter(0..8_i64).stage(Geometry::tasks(), |geometry, n| geometry.add(n, 0));
    let figures = pipeline.stats();
    let numbers = pipeline.into_iter();
    until("all are done though no result is taken", || figures.stages()[0].done == 8);
    assert_eq!(numbers.count(), 8);
}

// ----- ends

#[test]
fn dropped_consumer_ends_all_stages() -> Tested {
    let pool = pool(2);
    let (input, _pulled, gone) = Watched::to(i64::MAX);
    let mut numbers = Pipeline::from_iter(input)
        .stage(Geometry::on(&pool), |geometry, n| geometry.add(n, 0))
        .concurrency(2)
        .into_iter();
    assert!(matches!(numbers.next(), Some(Ok(0))));
    drop(numbers);
    gone.recv_timeout(LONG)?;
    pool.drained().wait();
    Ok(())
}

#[test]
fn stop_delivers_taken_items_and_drops_the_input() -> Tested {
    let (input, _pulled, gone) = Watched::to(i64::MAX);
    let pipeline = Pipeline::from_iter(input).stage(Geometry::tasks(), |geometry, n| geometry.add(n, 0)).concurrency(2);
    let stop = pipeline.stop_handle();
    let mut count = 0;
    let report = pipeline
        .for_each(|n| {
            assert_eq!(n, count);
            count += 1;
            if n == 100 {
                stop.close();
            }
        })
        .wait()?;
    gone.recv_timeout(LONG)?;
    assert!(stop.is_stopped() && count > 100);
    assert_eq!((report.end, report.taken, report.delivered), (End::Stopped, count as u64, count as u64));
    Ok(())
}

#[test]
fn cancel_leaves_no_call_behind() -> Tested {
    let pool = pool(2);
    let (input, _pulled, gone) = Watched::to(i64::MAX);
    let gate = Semaphore::new(5);
    let held = gate.clone();
    let pipeline = Pipeline::from_iter(input)
        .stage(Geometry::on(&pool), move |geometry, n| geometry.pass(n, held.clone()))
        .concurrency(4);
    let (stop, figures) = (pipeline.stop_handle(), pipeline.stats());
    let ends = thread::spawn(move || pipeline.collect().wait());
    until("four calls wait for the gate", || gate.waiting() == 4);
    stop.terminate();
    let collected = ends.join().expect("no panic")?;
    gone.recv_timeout(LONG)?;
    assert_eq!(collected.report.end, End::Stopped);
    assert!(collected.len() <= 5);
    pool.drained().wait(); // the calls are cancelled: the gate stays closed
    assert_eq!((gate.waiting(), figures.stages()[0].in_flight), (0, 0));
    Ok(())
}

#[test]
fn pipeline_stopped_before_its_start_takes_no_item() {
    let (input, pulled, gone) = Watched::to(9);
    let pipeline = Pipeline::from_iter(input).stage(Geometry::tasks(), |geometry, n| geometry.add(n, 0));
    pipeline.stop_handle().close();
    let none = pipeline.collect().wait().expect("nothing fails");
    gone.recv_timeout(LONG).expect("it is dropped");
    assert_eq!((none.len(), none.report.end), (0, End::Stopped));
    assert!(pulled.load(SeqCst) <= 1);
}

#[test]
fn blocking_input_does_not_delay_a_cancel() -> Tested {
    let (more, blocks) = mpsc::channel::<i64>();
    let pipeline = Pipeline::from_iter(blocks).stage(Geometry::tasks(), |geometry, n| geometry.add(n, 0));
    let stop = pipeline.stop_handle();
    let mut numbers = pipeline.into_iter();
    more.send(4)?;
    assert!(matches!(numbers.next(), Some(Ok(4))), "what the input has given is on its way, though it blocks now");
    stop.close();
    assert!(numbers.next().is_none());
    Ok(())
}

#[test]
fn panicking_consumer_cancels_the_pipeline() {
    let (input, _pulled, gone) = Watched::to(i64::MAX);
    let pipeline = Pipeline::from_iter(input).stage(Geometry::tasks(), |geometry, n| geometry.add(n, 0));
    let caught =
        panic::catch_unwind(panic::AssertUnwindSafe(|| pipeline.for_each(|n| assert!(n < 10, "enough")).wait()));
    assert!(caught.is_err());
    gone.recv_timeout(LONG).expect("it ends");
}

// ----- errors

const TEXTS: [&str; 6] = ["0", "1", "two", "3", "four", "5"];

fn numbers(on_error: OnError) -> Result<nanolith::pipeline::Collected<i64>, ItemError> {
    Pipeline::from_iter(TEXTS.map(String::from))
        .try_stage(Geometry::tasks(), |geometry, text| geometry.parse(text))
        .concurrency(2)
        .on_error(on_error)
        .collect()
        .wait()
}

#[test]
fn first_error_stops_the_pipeline_and_is_the_outcome() {
    let failed = numbers(OnError::Stop).expect_err("two is no number");
    assert!(failed.index() == 2 || failed.index() == 4, "calls run two at a time: {failed}");
    assert_eq!(failed.stage(), "parse");
    let source = failed.source().expect("the task's own");
    assert!(source.is::<std::num::ParseIntError>());
}

#[test]
fn error_comes_after_all_results() {
    let pipeline = Pipeline::from_iter(TEXTS.map(String::from))
        .try_stage(Geometry::tasks(), |geometry, text| geometry.parse(text));
    let all: Vec<_> = pipeline.into_iter().collect();
    let (last, before) = all.split_last().expect("something comes");
    assert_eq!(last.as_ref().map_err(ItemError::index).unwrap_err(), 2);
    assert!(before.iter().flatten().copied().eq(0..before.len() as i64));
}

#[test]
fn skipped_errors_are_counted() {
    let numbers = numbers(OnError::Skip).expect("errors are skipped");
    assert_eq!(numbers.items, [0, 1, 3, 5]);
    assert_eq!((numbers.report.failed, numbers.report.errors.len(), numbers.report.end), (2, 0, End::Finished));
}

#[test]
fn collected_errors_keep_their_values() {
    let numbers = numbers(OnError::Collect).expect("errors are collected");
    assert_eq!(numbers.items, [0, 1, 3, 5]);
    let mut positions: Vec<_> = numbers.report.errors.iter().map(|error| (error.index(), error.stage())).collect();
    positions.sort_unstable();
    assert_eq!(positions, [(2, "parse"), (4, "parse")]);
}

#[test]
fn panicking_task_is_reported_with_its_stage_and_item() {
    let failed = Pipeline::from_iter(0..9)
        .stage(Geometry::tasks(), |geometry, n| geometry.burst(n))
        .collect()
        .wait()
        .expect_err("three bursts");
    assert_eq!((failed.stage(), failed.index(), failed.count()), ("burst", 3, 1));
    assert!(matches!(failed.cause(), Cause::Call(CallError::Panicked(..))), "{failed}");
    assert!(failed.to_string().starts_with("item 3 failed at stage `burst`: `Geometry::burst` panicked"), "{failed}");
}

#[test]
fn panic_of_a_closure_or_function_loses_its_item_alone() {
    let pool = pool(2);
    let done = Pipeline::from_iter(0..1_000_i64)
        .stage(Geometry::tasks(), |geometry, n| {
            assert_ne!(n, 4, "no four");
            geometry.add(n, 0)
        })
        .name("first")
        .map(&pool, |n| {
            assert_ne!(n % 100, 5, "no five");
            n
        })
        .name("second")
        .buffer(256)
        .concurrency(2)
        .on_error(OnError::Collect)
        .collect()
        .wait()
        .expect("errors are collected");
    let expected: Vec<_> = (0..1_000).filter(|n| *n != 4 && n % 100 != 5).collect();
    assert_eq!(done.items, expected);
    let panicked = |error: &ItemError| matches!(error.cause(), Cause::Panicked(_));
    assert!(done.report.errors.iter().all(panicked));
    let at = |stage| done.report.errors.iter().filter(move |error| error.stage() == stage).map(ItemError::index);
    assert_eq!(at("first").collect::<Vec<_>>(), [4]);
    assert_eq!(at("second").count(), 10);
    assert!(at("second").all(|index| index % 100 == 5));
}

#[test]
fn panic_of_the_input_is_reported_last_under_any_policy() {
    let input = || (0..9).inspect(|n| assert_ne!(*n, 5, "no five"));
    let check = |all: Vec<Result<i64, ItemError>>| {
        let (last, before) = all.split_last().expect("something comes");
        assert!(before.iter().flatten().copied().eq(0..5), "{before:?}");
        let failed = last.as_ref().expect_err("the panic is the last");
        assert_eq!((failed.stage(), failed.index()), ("input", 5));
    };
    for on_error in [OnError::Stop, OnError::Skip] {
        for from in [Pipeline::from_iter(input()), Pipeline::from_stream(stream::iter(input()))] {
            let numbers = from.stage(Geometry::tasks(), |geometry, n| geometry.add(n, 0)).on_error(on_error);
            check(numbers.into_iter().collect());
        }
    }
}

#[test]
fn closed_executor_fails_the_remaining_items() -> Tested {
    let pool = pool(1);
    pool.close();
    let failed = Pipeline::from_iter(0..9)
        .stage(Geometry::on(&pool), |geometry, n| geometry.add(n, n))
        .collect()
        .wait()
        .expect_err("it is closed");
    assert!(matches!(failed.cause(), Cause::Call(CallError::Closed(_))));
    Ok(())
}

// ----- batches

#[test]
fn batches_grow_while_items_wait_and_calls_are_quick() -> Tested {
    let gate = Semaphore::new(0);
    let sizes = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (held, noted) = (gate.clone(), sizes.clone());
    let pipeline = Pipeline::from_iter(0..1_000_i64)
        .batched(Geometry::tasks(), move |geometry, numbers: Vec<i64>| {
            noted.lock().expect("no panic").push(numbers.len());
            geometry.pass(numbers.len() as i64, held.clone())
        })
        .sizes(1..=32)
        .latency(MINUTE)
        .buffer(64);
    let figures = pipeline.stats();
    let sums = thread::spawn(move || items(pipeline.collect().wait()));
    until("many wait", || figures.stages()[0].depth >= 48);
    gate.add_permits(1_000);
    assert_eq!(sums.join().expect("no panic").iter().sum::<i64>(), 1_000);
    let sizes = sizes.lock().expect("no panic");
    assert_eq!(sizes[..5], [1, 2, 4, 8, 16], "items wait from the start: {sizes:?}");
    assert!(sizes.iter().all(|size| *size <= 32));
    assert_eq!(figures.stages()[0].done, 1_000);
    Ok(())
}

#[test]
fn batches_shrink_when_calls_exceed_their_latency() -> Tested {
    let slow = Arc::new(AtomicUsize::new(0));
    let sizes = Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = sizes.clone();
    let stage = slow.clone();
    let pool = pool(2);
    let pipeline = Pipeline::from_iter(0..4_000_i64)
        .batched(Geometry::on(&pool), move |geometry, numbers: Vec<i64>| {
            if numbers.contains(&2_000) {
                stage.store(1, SeqCst);
            }
            let slow = stage.load(SeqCst) == 1;
            noted.lock().expect("no panic").push((slow, numbers.len()));
            if slow {
                thread::sleep(numbers.len() as u32 * MILLISECOND / 2); // the work of that many
            }
            geometry.sum(numbers)
        })
        .sizes(1..=64)
        .latency(8 * MILLISECOND);
    let sums = items(pipeline.collect().wait());
    assert_eq!(sums.iter().sum::<i64>(), (0..4_000).sum());
    let sizes = sizes.lock().expect("no panic");
    let quick = sizes.iter().filter(|(slow, _)| !slow).map(|(_, size)| *size).max();
    assert!(quick.is_some_and(|size| size > 16), "{sizes:?}");
    let (_, last) = sizes[sizes.len() - 5];
    assert!(last <= 24, "16 of them take as long as they should: {sizes:?}");
    Ok(())
}

#[test]
fn small_batch_leaves_after_its_latency_or_at_the_end() -> Tested {
    let (more, input) = mpsc::channel::<i64>();
    let mut sums = Pipeline::from_iter(input)
        .batched(Geometry::tasks(), |geometry, numbers| geometry.sum(numbers))
        .sizes(4..=4)
        .latency(20 * MILLISECOND)
        .into_iter();
    (1..=5).try_for_each(|n| more.send(n))?;
    assert!(matches!(sums.next(), Some(Ok(10))), "four are a batch");
    assert!(matches!(sums.next(), Some(Ok(5))), "one has waited for long enough");
    more.send(6)?;
    drop(more);
    assert!(matches!(sums.next(), Some(Ok(6))));
    assert!(sums.next().is_none());
    Ok(())
}

#[test]
fn failed_batch_counts_all_of_its_items() {
    let done = Pipeline::from_iter(1..=6_i64)
        .batched(Geometry::tasks(), |geometry, numbers: Vec<i64>| geometry.burst(numbers[0]))
        .sizes(2..=2)
        .latency(MINUTE)
        .on_error(OnError::Collect)
        .collect()
        .wait()
        .expect("errors are collected");
    assert_eq!(done.items, [1, 5]);
    let failed = &done.report.errors[0];
    assert_eq!((failed.index(), failed.count(), done.report.failed), (2, 2, 2));
    assert!(
        failed.to_string().starts_with("a batch of 2 items, the first with index 2, failed at stage `burst`"),
        "{failed}"
    );
}

// ----- figures

#[test]
fn figures_of_all_stages_add_up() {
    let pool = pool(2);
    let done = Pipeline::from_iter((0..500).map(|n| if n % 50 == 7 { "seven".into() } else { n.to_string() }))
        .try_stage(Geometry::tasks(), |geometry, text| geometry.parse(text))
        .concurrency(3)
        .map(&pool, |n| n * 2)
        .batched(Geometry::tasks(), |geometry, numbers| geometry.sum(numbers))
        .on_error(OnError::Skip)
        .collect()
        .wait()
        .expect("errors are skipped");
    let report = &done.report;
    assert_eq!((report.taken, report.failed, report.delivered), (500, 10, done.len() as u64));
    let [parse, double, sum] = &report.stages[..] else { panic!("three stages: {report:?}") };
    assert_eq!((&*parse.name, &*sum.name), ("parse", "sum"));
    assert_eq!((parse.taken, parse.done, parse.failed), (500, 490, 10));
    assert_eq!((double.taken, double.done), (490, 490));
    assert_eq!((sum.taken, sum.done), (490, 490));
    for stage in &report.stages {
        assert_eq!((stage.depth, stage.in_flight), (0, 0), "{stage:?}");
        assert!(stage.rate > 0.0 && stage.mean_run > Duration::ZERO && stage.mean_wait <= report.elapsed, "{stage:?}");
    }
    assert!(done.iter().sum::<i64>() > 0);
}

#[test]
fn waits_and_runs_of_stages_are_measured() {
    const RUN: Duration = Duration::from_millis(4);
    let pool = pool(1);
    let done = Pipeline::from_iter(0..40)
        .map(&pool, |n| {
            thread::sleep(RUN); // the work
            n
        })
        .buffer(8)
        .collect()
        .wait()
        .expect("no item fails");
    let stage = &done.report.stages[0];
    assert!(stage.mean_run >= RUN, "{stage:?}");
    assert!(stage.mean_wait >= RUN * 4, "about seven wait before each: {stage:?}");
    assert!(stage.mean_wait <= stage.mean_run * 9, "{stage:?}");
    assert_eq!(stage.batch, 1, "one takes long enough");
}

// ----- where it runs

#[test]
fn async_input_and_output_work_on_any_runtime() -> Tested {
    let numbers = || {
        Pipeline::from_stream(stream::iter(0..500_i64))
            .stage(Geometry::tasks(), |geometry, n| geometry.add(n, 1))
            .concurrency(4)
    };
    let expected: Vec<_> = (1..=500).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build()?;
    assert_eq!(runtime.block_on(async { tokio::spawn(numbers().collect()).await })??.items, expected);
    assert_eq!(smol::block_on(numbers().into_stream().try_collect::<Vec<_>>())?, expected);
    let mut sum = 0;
    let report = pollster::block_on(numbers().for_each(|n| sum += n))?;
    assert_eq!((sum, report.delivered), (125_250, 500));
    Ok(())
}

#[test]
fn slow_input_and_dropped_output_streams_end_cleanly() -> Tested {
    let (ours, theirs) = port::pair::<i64, ()>();
    let input = stream::unfold(theirs, |port| async move { port.recv().await.ok().map(|n| (n, port)) });
    let pipeline = Pipeline::from_stream(input).stage(Geometry::tasks(), |geometry, n| geometry.add(n, 0));
    let mut out = pipeline.into_stream();
    assert!(out.next().now_or_never().is_none(), "nothing came yet");
    ours.send(4).wait()?;
    assert!(matches!(pollster::block_on(out.next()), Some(Ok(4))));
    drop(out);
    until("the input is dropped", || ours.send(5).wait().is_err());
    Ok(())
}

pub struct Inner;

#[define]
impl Inner {
    /// Runs a pipeline within a task. Its stages run on the task's own pool.
    pub fn squares(pool: Pool, to: i64) -> i64 {
        let calls = Geometry::on(&pool);
        let squares = Pipeline::from_iter(0..to).map(&pool, |n| n * n).stage(calls, |geometry, n| geometry.add(n, 0));
        items(squares.collect().wait()).iter().sum()
    }
}

#[test]
fn task_may_run_a_pipeline_on_its_own_pool_of_one() -> Tested {
    let pool = pool(1);
    assert_eq!(Inner::on(&pool).squares(pool.clone(), 100).timeout(LONG).wait()?, 328_350);
    Ok(())
}

#[test]
fn pipeline_waits_for_a_bounded_executor() -> Tested {
    let pool = Pool::builder().concurrency(Concurrency::Exact(1)).max_queue(1).build()?;
    let sums = Pipeline::from_iter(0..300).stage(Geometry::on(&pool), |geometry, n| geometry.add(n, n)).concurrency(16);
    assert_eq!(items(sums.collect().wait()), (0..300).map(|n| n * 2).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn concurrent_pipelines_do_not_interfere() {
    let pool = pool(2);
    thread::scope(|scope| {
        for start in 0..6_i64 {
            let pool = &pool;
            scope.spawn(move || {
                let numbers = Pipeline::from_iter(start..start + 3_000)
                    .map(pool, |n| n + 1)
                    .concurrency(2)
                    .stage(Geometry::tasks(), |geometry, n| geometry.add(n, -1))
                    .concurrency(3);
                assert_eq!(items(numbers.collect().wait()), (start..start + 3_000).collect::<Vec<_>>());
            });
        }
    });
}

/// An error that panics when it is dropped.
#[derive(Debug)]
struct Spiteful;

impl std::fmt::Display for Spiteful {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("spiteful")
    }
}

impl Error for Spiteful {}

impl Drop for Spiteful {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("to the last");
        }
    }
}

#[test]
fn panic_in_the_drop_of_a_skipped_error_stops_nothing() {
    let numbers = Pipeline::from_iter(0..1_000)
        .try_map(&pool(4), |n| if n % 10 == 3 { Err(Spiteful) } else { Ok(n) })
        .concurrency(4)
        .on_error(OnError::Skip)
        .collect()
        .wait()
        .expect("what fails is skipped");
    assert_eq!((numbers.len(), numbers.report.failed), (900, 100));
}
