//! Tests of cooperative yielding: when a long task should end its slice of time, and that other
//! calls then run.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    pool::Concurrency,
    prelude::*,
    task::{CallInfo, Outcome, Step, should_yield, yield_now},
    time::MILLISECOND,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    time::Duration,
};

pub struct Work;

#[define]
impl Work {
    pub fn tell(of: u32, to: Sender<u32>) {
        let _ = to.send(of);
    }

    pub fn light(lamp: Arc<AtomicBool>) {
        lamp.store(true, Ordering::Relaxed);
    }

    /// Continues until the lamp is lit, and returns the number of its steps.
    #[task(sliced)]
    pub fn until_lit(lamp: Arc<AtomicBool>, began: Sender<()>) -> Step<u32> {
        let _ = began.send(());
        burn(lamp, 1)
    }

    /// Reports each of its steps, and yields after each.
    #[task(sliced)]
    pub fn steps(of: u32, count: u32, to: Sender<u32>) -> Step<u32> {
        step(of, count, 0, to)
    }

    #[task(sliced)]
    pub fn fail_in_step(after: u32) -> Step<()> {
        fail_after(after)
    }

    #[task(sliced)]
    pub fn with_context(cx: &Context<Self>, steps: u64) -> Step<u64> {
        climb(cx.clone(), 0, steps)
    }

    /// Does the same as `until_lit`, without slices.
    pub async fn until_lit_async(lamp: Arc<AtomicBool>, began: Sender<()>) -> u32 {
        let _ = began.send(());
        let mut rounds = 0;
        while !lamp.load(Ordering::Relaxed) {
            rounds += 1;
            yield_now().await;
        }
        rounds
    }

    pub async fn steps_async(of: u32, count: u32, to: Sender<u32>) {
        for round in 0..count {
            let _ = to.send(of + round);
            yield_now().await;
        }
    }

    /// Runs until it should yield, and returns that.
    pub fn until_asked(cx: &Context<Self>, began: Sender<()>) -> bool {
        let _ = began.send(());
        while !cx.should_yield() {
            std::hint::spin_loop();
        }
        should_yield()
    }

    /// Returns whether it should yield before and after an action of the test.
    pub fn asked(cx: &Context<Self>, began: Sender<bool>, go: Receiver<()>) -> bool {
        let _ = began.send(cx.should_yield());
        let _ = go.recv();
        cx.should_yield()
    }

    /// Yields, and meanwhile waits for another task of the pool, which yields too.
    pub async fn yield_beside_a_wait(pool: Pool, to: Sender<u32>) {
        let waits = async { Work::on(&pool).steps_async(0, 2, to).wait().expect("it runs") };
        futures_util::future::join(yield_now(), waits).await;
    }

    pub async fn keep(what: Arc<()>) -> Arc<()> {
        yield_now().await;
        what
    }

    /// Returns whether it should yield in its first turn and in its second.
    pub async fn asked_in_two_turns() -> [bool; 2] {
        std::thread::sleep(2 * MILLISECOND);
        let first = should_yield();
        yield_now().await;
        [first, should_yield()]
    }
}

fn burn(lamp: Arc<AtomicBool>, steps: u32) -> Step<u32> {
    while !lamp.load(Ordering::Relaxed) {
        if should_yield() {
            return Step::resume_with(move || burn(lamp, steps + 1));
        }
    }
    Step::Done(steps)
}

fn step(of: u32, count: u32, done: u32, to: Sender<u32>) -> Step<u32> {
    let _ = to.send(of + done);
    if done + 1 == count { Step::Done(count) } else { Step::resume_with(move || step(of, count, done + 1, to)) }
}

fn fail_after(steps: u32) -> Step<()> {
    assert!(steps > 0, "no luck");
    Step::resume_with(move || fail_after(steps - 1))
}

fn climb(cx: Context<Work>, done: u64, of: u64) -> Step<u64> {
    cx.progress(done, of);
    if done == of { Step::Done(done) } else { Step::resume_with(move || climb(cx, done + 1, of)) }
}

pub struct Shop {
    sold: u32,
}

#[define]
impl Shop {
    pub fn sell(&mut self) -> u32 {
        self.sold += 1;
        self.sold
    }

    pub fn light(lamp: Arc<AtomicBool>) {
        lamp.store(true, Ordering::Relaxed);
    }

    pub fn tell(of: u32, to: Sender<u32>) {
        let _ = to.send(of);
    }

    pub fn hold(began: Sender<()>, go: Receiver<()>) {
        let _ = began.send(());
        let _ = go.recv();
    }

    pub async fn until_lit(&self, lamp: Arc<AtomicBool>) {
        while !lamp.load(Ordering::Relaxed) {
            yield_now().await;
        }
    }

    pub async fn steps(&self, of: u32, count: u32, to: Sender<u32>) {
        for round in 0..count {
            let _ = to.send(of + round);
            yield_now().await;
        }
    }

    pub async fn sell_many(&mut self, count: u32) -> u32 {
        for _ in 0..count {
            self.sold += 1;
            yield_now().await;
        }
        self.sold
    }

    pub async fn yield_within(&self) {
        smol::block_on(yield_now());
        futures_util::future::join(yield_now(), yield_now()).await;
    }

    #[task(sliced)]
    pub fn count(to: u32) -> Step<u32> {
        count_on(0, to)
    }
}

fn count_on(from: u32, to: u32) -> Step<u32> {
    if from == to { Step::Done(from) } else { Step::resume_with(move || count_on(from + 1, to)) }
}

static RUNS: [AtomicU32; 2] = [AtomicU32::new(0), AtomicU32::new(0)];
pub struct Hooked;
#[define]
impl Hooked {
    #[before_task]
    fn before(_call: &CallInfo) {
        RUNS[0].fetch_add(1, Ordering::Relaxed);
    }
    #[after_task]
    fn after(_call: &CallInfo, _outcome: Outcome) {
        RUNS[1].fetch_add(1, Ordering::Relaxed);
    }
    #[task(sliced)]
    pub fn count(to: u32) -> Step<u32> {
        count_on(0, to)
    }
}

const HOUR: Duration = Duration::from_secs(3_600);

fn one_slot(slice: Duration) -> Pool {
    Pool::builder().concurrency(Concurrency::Exact(1)).slice(slice).build().expect("it starts")
}

// ----- when to yield

#[test]
fn task_should_yield_after_a_slice() {
    let pool = one_slot(MILLISECOND);
    let (began, _) = mpsc::channel();
    assert!(Work::on(&pool).until_asked(began).wait().expect("it ends"));
}

#[test]
fn slice_has_its_configured_length() {
    let asked = |slice| {
        let (began, first) = mpsc::channel();
        let (go, gate) = mpsc::channel();
        go.send(()).expect("the gate is here");
        let second = Work::on(&one_slot(slice)).asked(began, gate).wait().expect("it runs");
        (first.recv().expect("it reported"), second)
    };
    assert_eq!(asked(Duration::ZERO), (true, true));
    assert_eq!(asked(HOUR), (false, false));
}

#[test]
fn task_should_yield_at_once_to_more_urgent_work() {
    let pool = one_slot(HOUR);
    let work = Work::on(&pool);
    let (began, held) = mpsc::channel();
    let job = work.until_asked(began).submit();
    held.recv().expect("it runs");
    work.light(Arc::default()).priority(Priority::UserBlocking).submit().detach();
    assert!(job.wait().expect("it ends"));
}

#[test]
fn task_should_not_yield_to_equally_urgent_work() {
    let pool = one_slot(HOUR);
    let work = Work::on(&pool);
    let (began, first) = mpsc::channel();
    let (go, gate) = mpsc::channel();
    let job = work.asked(began, gate).submit();
    assert!(!first.recv().expect("it runs"));
    work.light(Arc::default()).priority(Priority::Low).submit().detach();
    work.light(Arc::default()).submit().detach(); // as urgent, and later
    go.send(()).expect("it waits");
    assert!(!job.wait().expect("it runs"));
}

#[test]
fn cancelled_task_should_yield_within_its_slice() {
    let pool = one_slot(HOUR);
    let (began, held) = mpsc::channel();
    let job = Work::on(&pool).until_asked(began).submit();
    held.recv().expect("it runs");
    job.cancel();
    pool.drained().wait(); // it has returned
}

#[test]
fn each_poll_of_a_future_is_a_slice() {
    let pool = one_slot(MILLISECOND);
    assert_eq!(Work::on(&pool).asked_in_two_turns().wait().expect("it runs"), [true, false]);
}

#[test]
fn yield_beside_a_nested_wait_goes_on() {
    let pool = one_slot(HOUR);
    let (to, seen) = mpsc::channel();
    Work::on(&pool).yield_beside_a_wait(pool.clone(), to).wait().expect("it ends");
    assert_eq!(seen.try_iter().collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn task_that_yields_for_ever_ends_by_a_cancel() {
    let pool = one_slot(HOUR);
    let (began, held) = mpsc::channel();
    let job = Work::on(&pool).until_lit_async(Arc::default(), began).submit();
    held.recv().expect("it runs");
    job.cancel();
    pool.drained().wait(); // its future was dropped
}

#[test]
fn should_yield_is_false_outside_of_tasks() {
    assert!(!should_yield());
    pollster::block_on(yield_now());
}

// ----- steps

#[test]
fn sliced_task_returns_its_output_after_any_number_of_steps() {
    let (to, reports) = mpsc::channel();
    let work = Work::tasks();
    assert_eq!(work.steps(0, 1, to.clone()).wait().expect("it runs"), 1);
    assert_eq!(work.steps(10, 3, to).wait().expect("it runs"), 3);
    assert_eq!(reports.try_iter().collect::<Vec<_>>(), [0, 10, 11, 12]);
    assert_eq!(pollster::block_on(work.with_context(4).submit()).expect("it runs"), 4);
    assert_eq!(Work::steps(0, 3, mpsc::channel().0).finish(), 3, "as a plain function it gives its steps");
}

#[test]
fn urgent_task_starts_within_a_slice_at_concurrency_one() {
    for slice in [MILLISECOND, HOUR] {
        let pool = one_slot(slice);
        let work = Work::on(&pool);
        let (lamp, (began, held)) = (Arc::default(), mpsc::channel());
        let long = work.until_lit(Arc::clone(&lamp), began).priority(Priority::Low).submit();
        held.recv().expect("it runs");
        work.light(lamp).priority(Priority::UserBlocking).wait().expect("it has the slot between two steps");
        assert!(long.wait().expect("it ends") > 1);
    }
}

#[test]
fn task_between_two_steps_keeps_its_expiration() {
    let pool = one_slot(HOUR);
    pool.pause();
    let work = Work::on(&pool);
    let (to, reports) = mpsc::channel();
    work.steps(10, 3, to.clone()).priority(Priority::Low).submit().detach();
    work.steps(20, 2, to.clone()).priority(Priority::Low).submit().detach();
    work.tell(1, to.clone()).priority(Priority::Idle).submit().detach();
    work.steps(30, 2, to.clone()).submit().detach();
    pool.resume();
    pool.drained().wait();
    let order: Vec<_> = reports.try_iter().collect();
    assert_eq!(
        order,
        [30, 31, 10, 11, 12, 20, 21, 1],
        "others of its priority came later, and wait for the rest of it"
    );
}

#[test]
fn more_urgent_work_runs_between_two_steps() {
    let pool = one_slot(HOUR);
    let work = Work::on(&pool);
    let (lamp, (began, held)) = (Arc::new(AtomicBool::new(false)), mpsc::channel());
    let (to, reports) = mpsc::channel();
    let long = work.until_lit(Arc::clone(&lamp), began).submit();
    held.recv().expect("it runs");
    let urgent = work.steps(0, 3, to.clone()).priority(Priority::UserBlocking).submit();
    assert_eq!(urgent.wait().expect("it runs"), 3, "all of its steps are more urgent");
    assert!(!long.is_finished());
    work.tell(4, to).priority(Priority::Low).submit().detach();
    lamp.store(true, Ordering::Relaxed);
    pool.drained().wait();
    assert_eq!(reports.try_iter().collect::<Vec<_>>(), [0, 1, 2, 4]);
}

#[test]
fn raised_sliced_task_continues_sooner() {
    let pool = one_slot(HOUR);
    pool.pause();
    let work = Work::on(&pool);
    let (to, reports) = mpsc::channel();
    let low = work.steps(10, 2, to.clone()).priority(Priority::Low).submit();
    work.tell(1, to).submit().detach();
    low.raise(Priority::UserBlocking);
    pool.resume();
    pool.drained().wait();
    assert_eq!(reports.try_iter().collect::<Vec<_>>(), [10, 11, 1]);
}

#[test]
fn cancel_between_two_steps_ends_the_task() {
    let pool = one_slot(HOUR);
    let (lamp, (began, held)) = (Arc::default(), mpsc::channel());
    let long = Work::on(&pool).until_lit(lamp, began).submit();
    held.recv().expect("it runs");
    long.cancel();
    pool.drained().wait(); // though the lamp is never lit
    assert!(matches!(long.wait(), Err(CallError::Cancelled(_))));
}

#[test]
fn panic_in_a_step_ends_its_task() {
    let pool = one_slot(HOUR);
    for after in [0, 2] {
        assert!(matches!(Work::on(&pool).fail_in_step(after).wait(), Err(CallError::Panicked(..))));
    }
    pool.drained().wait();
    let info = pool.info();
    assert_eq!((info.in_flight, info.completed), (0, 2));
}

// ----- futures that yield

#[test]
fn yielding_future_lets_more_urgent_work_run_first() {
    let pool = one_slot(HOUR);
    let work = Work::on(&pool);
    let (lamp, (began, held)) = (Arc::default(), mpsc::channel());
    let long = work.until_lit_async(Arc::clone(&lamp), began).priority(Priority::Low).submit();
    held.recv().expect("it runs");
    work.light(lamp).wait().expect("it has the slot");
    assert!(long.wait().expect("it ends") > 0);
}

#[test]
fn yielding_futures_keep_their_expiration() {
    let pool = one_slot(HOUR);
    pool.pause();
    let work = Work::on(&pool);
    let (to, reports) = mpsc::channel();
    work.steps_async(10, 3, to.clone()).submit().detach();
    work.steps_async(20, 2, to.clone()).submit().detach();
    work.tell(1, to).priority(Priority::Idle).submit().detach();
    pool.resume();
    pool.drained().wait();
    assert_eq!(reports.try_iter().collect::<Vec<_>>(), [10, 11, 12, 20, 21, 1]);
}

#[test]
fn yielded_future_leaves_nothing_behind() {
    let pool = one_slot(HOUR);
    let what = Arc::new(());
    for round in 0..3 {
        let job = Work::on(&pool).keep(what.clone()).submit();
        match round {
            0 => job.cancel(),
            1 => drop(job.wait().expect("it runs")),
            _ => job.detach(),
        }
    }
    pool.drained().wait();
    drop(pool);
    while Arc::strong_count(&what) > 1 {
        std::thread::yield_now(); // the worker releases the last one
    }
}

// ----- on services

fn shop() -> Service<Shop> {
    Shop::service(Shop { sold: 0 }).launch().wait().expect("it starts")
}

#[test]
fn yielding_service_future_lets_only_more_urgent_work_pass() {
    let shop = shop();
    let (began, held) = mpsc::channel();
    let (go, gate) = mpsc::channel();
    shop.hold(began, gate).submit().detach();
    held.recv().expect("it holds");
    let (to, reports) = mpsc::channel();
    shop.steps(10, 2, to.clone()).submit().detach();
    shop.steps(20, 2, to.clone()).submit().detach();
    shop.tell(1, to.clone()).priority(Priority::Idle).submit().detach();
    shop.steps(30, 3, to.clone()).priority(Priority::Low).submit().detach();
    shop.tell(2, to).priority(Priority::UserBlocking).submit().detach();
    go.send(()).expect("it waits");
    shop.tell(3, mpsc::channel().0).priority(Priority::Idle).wait().expect("it is last");
    assert_eq!(reports.try_iter().collect::<Vec<_>>(), [2, 10, 11, 20, 21, 30, 31, 32, 1]);
}

#[test]
fn endlessly_yielding_service_future_starves_no_urgent_call() {
    let shop = shop();
    let lamp = Arc::new(AtomicBool::new(false));
    let long = shop.until_lit(Arc::clone(&lamp)).priority(Priority::Low).submit();
    shop.light(lamp).wait().expect("it has its turn");
    long.wait().expect("it ends");
}

#[test]
fn writer_waits_for_yielding_readers() {
    let shop = shop();
    let (to, reports) = mpsc::channel();
    let reader = shop.steps(0, 20, to).priority(Priority::Low).submit();
    assert_eq!(shop.sell().priority(Priority::Immediate).wait().expect("it runs"), 1);
    reader.wait().expect("it ends");
    assert_eq!(reports.try_iter().count(), 20);
}

#[test]
fn writer_that_yields_keeps_the_state() {
    let shop = shop();
    let many = shop.sell_many(5).priority(Priority::Low).submit();
    let urgent = shop.sell().priority(Priority::Immediate).wait().expect("it runs");
    let many = many.wait().expect("it runs");
    assert!(matches!((urgent, many), (6, 5) | (1, 6)), "before it or after it: {urgent}, {many}");
}

#[test]
fn foreign_yield_resumes_at_once() {
    shop().yield_within().wait().expect("it ends");
    assert_eq!(shop().count(100).wait().expect("it runs"), 100);
}

#[test]
fn closing_service_finishes_yielding_futures() {
    let shop = shop();
    let (to, reports) = mpsc::channel();
    let job = shop.steps(0, 50, to).submit();
    shop.close().wait().expect("it closes");
    job.wait().expect("it finished");
    assert_eq!(reports.try_iter().count(), 50);
}

#[test]
fn hooks_run_around_all_steps() {
    assert_eq!(Hooked::tasks().count(3).wait().expect("it runs"), 3);
    assert_eq!(RUNS.each_ref().map(|runs| runs.load(Ordering::Relaxed)), [1, 1]);
}
