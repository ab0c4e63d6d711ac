//! Tests of `CancelToken`: no call begins after its token was cancelled, however the call came to
//! its executor.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use futures_util::{FutureExt, StreamExt};
use nanolith::{
    TaskSet, bulk,
    executor::{OnFull, QueuedCall},
    pipeline::Pipeline,
    pool::Concurrency,
    prelude::*,
    sync::CancelToken,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Duration,
};

type Counter = Arc<AtomicUsize>;

const ROUNDS: usize = 50;

/// A limit for an event that must happen.
const LONG: Duration = Duration::from_secs(20);

pub struct Begins;

#[define]
impl Begins {
    /// Holds its slot until its call is cancelled.
    pub fn hold(cx: &Context<Self>, begun: Sender<()>) {
        let _ = begun.send(());
        while !cx.is_cancelled() {}
    }

    /// Counts if its token was cancelled before the call began.
    pub fn count(token: CancelToken, late: Counter) {
        late.fetch_add(token.is_cancelled().into(), Ordering::Relaxed);
    }

    pub fn count_on_caller(token: CancelToken, late: Counter) {
        Self::count(token, late);
    }

    /// Holds its slot until its call is cancelled if `n` is zero. Any other call counts.
    pub fn turn(cx: &Context<Self>, n: usize, begun: Sender<()>, late: Counter) {
        if n > 0 {
            late.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let _ = begun.send(());
        while !cx.is_cancelled() {}
    }

    /// Makes calls in bulk on another pool, until its own call is cancelled.
    pub fn bulk(other: Pool, token: CancelToken, late: Counter, batch: usize) {
        let calls = bulk::each(Begins::on(&other), 0..200, |work, _| work.count(token.clone(), late.clone()));
        calls.in_flight(64).batch(batch).for_each(drop);
    }

    /// Submits a child, and waits for the child once its own call is cancelled.
    pub fn parent(cx: &Context<Self>, pool: Pool, token: CancelToken, late: Counter, begun: Sender<()>) {
        let child = Begins::on(&pool).count(token, late).submit();
        let _ = begun.send(());
        while !cx.is_cancelled() {}
        assert!(child.wait().is_err());
    }

    /// Submits calls of the caller's token to its own pool, and waits for the last of them first.
    pub fn overtake(cx: &Context<Self>, pool: Pool, token: CancelToken, late: Counter, begun: Sender<()>) {
        let work = Begins::on(&pool);
        let call = || work.count(token.clone(), late.clone()).cancel_token(&token).without_parent().submit();
        let calls: Vec<_> = (0..8).map(|_| call()).collect();
        let _ = begun.send(());
        while !cx.is_cancelled() {}
        calls.into_iter().rev().for_each(|call| assert!(call.wait().is_err()));
    }
}

fn pool() -> Pool {
    Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("the settings are sound")
}

fn hears(begun: &Receiver<()>) {
    begun.recv_timeout(LONG).expect("the call begins");
}

/// A call that holds the only slot of a pool, and the calls behind it. All of them have one token.
struct Behind {
    pool: Pool,
    work: BeginsCalls<Pool>,
    token: CancelToken,
    late: Counter,
}

impl Behind {
    fn new(pool: Pool) -> Self {
        let (token, (begun, has_begun)) = (CancelToken::new(), channel());
        let work = Begins::calls(pool.clone());
        work.hold(begun).cancel_token(&token).submit().detach();
        hears(&has_begun);
        Self { pool, work, token, late: Counter::default() }
    }

    /// Submits calls behind the first. Cancels their token as soon as calls are queued.
    fn cancel_after(self, submit: impl FnOnce(&Self)) {
        submit(&self);
        while self.pool.info().queue_len == 0 {
            thread::yield_now();
        }
        self.cancel();
    }

    fn cancel(self) {
        self.token.cancel();
        self.pool.drained().wait();
        assert_eq!(self.late.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn no_call_of_a_bulk_begins_after_its_token_is_cancelled() {
    for _ in 0..ROUNDS {
        for batch in [1, 8] {
            let own = pool();
            Behind::new(pool()).cancel_after(|Behind { pool, token, late, .. }| {
                let own = Begins::on(&own);
                let call = own.bulk(pool.clone(), token.clone(), late.clone(), batch);
                call.cancel_token(token).submit().detach();
            });
            own.drained().wait();
        }
    }
}

#[test]
fn no_task_of_a_batch_begins_after_it_is_dropped() {
    for _ in 0..ROUNDS {
        let (pool, late, (begun, has_begun)) = (pool(), Counter::default(), channel());
        let work = Begins::on(&pool);
        let calls = bulk::each(&work, 0..8, |work, n| work.turn(n, begun.clone(), late.clone())).in_flight(8);
        let mut results = calls.batch(8).into_stream();
        assert!(results.next().now_or_never().is_none());
        hears(&has_begun);
        drop(results);
        pool.drained().wait();
        assert_eq!(late.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn no_call_of_a_stage_begins_after_its_token_is_cancelled() {
    for _ in 0..ROUNDS {
        let behind = Behind::new(pool());
        let (work, token, late) = (behind.work.clone(), behind.token.clone(), behind.late.clone());
        let calls = Pipeline::from_iter(0..200)
            .stage(work, move |work, _| work.count(token.clone(), late.clone()).cancel_token(&token))
            .concurrency(64);
        let results = thread::spawn(move || calls.into_iter().for_each(drop));
        behind.cancel_after(|_| {});
        results.join().expect("no panic");
    }
}

#[test]
fn no_delayed_call_begins_after_its_token_is_cancelled() {
    for round in 0..ROUNDS {
        let behind = Behind::new(pool());
        let Behind { work, token, late, .. } = &behind;
        // Some calls are due before the cancellation, some at about its time, and some after it.
        let calls: Vec<_> = (1..200)
            .map(|n| work.count(token.clone(), late.clone()).cancel_token(token).after(Duration::from_micros(5 * n)))
            .map(Call::submit)
            .collect();
        thread::sleep(Duration::from_micros(10 * round as u64));
        token.cancel();
        assert!(calls.into_iter().all(|call| call.wait().is_err()));
        behind.cancel();
    }
}

#[test]
fn caller_runs_no_call_after_its_token_is_cancelled() {
    let (token, late) = (CancelToken::new(), Counter::default());
    let cancelled = token.clone();
    // The token is cancelled after the call was submitted, and before the pool finds its queue
    // full.
    let order = move |call: &QueuedCall<'_>| {
        if call.task().name() == "count_on_caller" {
            cancelled.cancel();
        }
        None
    };
    let builder = Pool::builder().order(order).max_queue(1).on_full(OnFull::CallerRuns);
    let pool = builder.build().expect("the settings are sound");
    pool.pause();
    let work = Begins::on(&pool);
    let queued = work.count(CancelToken::new(), late.clone()).submit();
    let call = work.count_on_caller(token.clone(), late.clone()).cancel_token(&token).wait();
    assert!(matches!(call, Err(CallError::Cancelled(_))));
    pool.resume();
    assert!(queued.wait().is_ok());
    pool.drained().wait();
    assert_eq!((late.load(Ordering::Relaxed), pool.info().in_flight), (0, 0));
}

#[test]
fn no_overtaken_child_begins_after_its_parent_is_cancelled() {
    for _ in 0..ROUNDS {
        let (pool, token, late, (begun, has_begun)) = (pool(), CancelToken::new(), Counter::default(), channel());
        let work = Begins::on(&pool);
        work.parent(pool.clone(), token.clone(), late.clone(), begun).cancel_token(&token).submit().detach();
        hears(&has_begun);
        token.cancel();
        pool.drained().wait();
        assert_eq!(late.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn no_overtaken_call_begins_after_its_token_is_cancelled() {
    for _ in 0..ROUNDS {
        let (pool, token, late, (begun, has_begun)) = (pool(), CancelToken::new(), Counter::default(), channel());
        let work = Begins::on(&pool);
        work.overtake(pool.clone(), token.clone(), late.clone(), begun).cancel_token(&token).submit().detach();
        hears(&has_begun);
        token.cancel();
        pool.drained().wait();
        assert_eq!(late.load(Ordering::Relaxed), 0);
    }
}
