//! Tests of calls that end early: by inherited limits, by their parents, by tokens.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use futures_util::{FutureExt, StreamExt};
use nanolith::{
    Call, Cluster, Executor, Handle, Local, TaskGroup, TaskSet, bulk,
    layers::{Layer, Retry},
    pipeline::Pipeline,
    pool::Concurrency,
    prelude::*,
    sync::CancelToken,
    time::{HOUR, MILLISECOND, MINUTE, MockClock, SECOND, now, sleep},
};
use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

/// The channel on which tasks report their events.
type Reports = Sender<&'static str>;

type Counter = Arc<AtomicUsize>;

/// A function by which a task submits its child.
type Submits = Box<dyn Fn(&WorkCalls<Pool>) -> Handle<Work, ()> + Send>;

pub struct Work;

#[define]
impl Work {
    pub fn value(n: u32) -> u32 {
        n
    }

    pub async fn value_later(n: u32) -> u32 {
        sleep(HOUR).await;
        n
    }

    pub fn spin(cx: &Context<Self>, reports: Reports) {
        let _ = reports.send("begun");
        while !cx.is_cancelled() {
            thread::yield_now();
        }
        let _ = reports.send("stopped");
    }

    pub fn await_the_end(cx: &Context<Self>, reports: Reports) {
        let _ = reports.send("begun");
        pollster::block_on(cx.cancelled());
        let _ = reports.send("stopped");
    }

    pub async fn drop_at_await(reports: Reports) {
        struct ReportOnDrop(Reports);
        impl Drop for ReportOnDrop {
            fn drop(&mut self) {
                let _ = self.0.send("stopped");
            }
        }
        let _tells = ReportOnDrop(reports.clone());
        let _ = reports.send("begun");
        std::future::pending::<()>().await;
    }

    /// Runs `child` as a child and waits for it.
    pub fn cancelled_child(pool: Pool, child: Submits) -> bool {
        let outcome = child(&Work::on(&pool)).wait();
        matches!(outcome, Err(CallError::Cancelled(_)))
    }

    pub fn parent(pool: Pool, depth: u32, reports: Reports) {
        let work = Work::on(&pool);
        let child = match depth {
            0 => work.spin(reports).submit(),
            _ => work.parent(pool.clone(), depth - 1, reports).submit(),
        };
        let _ = child.wait();
    }

    pub fn submit_and_end(pool: Pool, reports: Reports) -> Handle<Work, ()> {
        // The call is not on the fast path, where it would notice a cancellation a moment later.
        Work::on(&pool).spin(reports).run_timeout(HOUR).submit()
    }

    /// Submits a child that has ended by the time this task spins, while the child's own child has
    /// not.
    pub fn outlive_a_child(cx: &Context<Self>, pool: Pool, reports: Reports, given: Sender<Handle<Work, ()>>) {
        let work = Work::on(&pool);
        let grandchild = work.submit_and_end(pool.clone(), reports).wait();
        let _ = given.send(grandchild.expect("the child ends normally"));
        while !cx.is_cancelled() {
            thread::yield_now();
        }
    }

    pub fn submit_and_spin(cx: &Context<Self>, other: Pool, child: Option<Counter>, given: Sender<Handle<Work, ()>>) {
        let work = Work::on(&other);
        let job = match child {
            Some(counter) => work.count(counter).submit(),
            None => work.count(Arc::default()).without_parent().submit(),
        };
        let _ = given.send(job);
        while !cx.is_cancelled() {
            thread::yield_now();
        }
    }

    pub fn limit_of_child(pool: Pool, own: Option<Duration>) -> Option<Instant> {
        let work = Work::on(&pool);
        own.map_or_else(|| work.limit().wait(), |own| work.limit().timeout(own).wait()).expect("it runs")
    }

    pub fn limit(cx: &Context<Self>) -> Option<Instant> {
        cx.deadline()
    }

    pub fn child_times_out(pool: Pool) -> bool {
        matches!(Work::on(&pool).value_later(1).wait(), Err(CallError::TimedOut(_)))
    }

    pub fn child_after_the_end(cx: &Context<Self>, pool: Pool, reports: Reports) {
        let _ = reports.send("begun");
        while !cx.is_cancelled() {
            thread::yield_now();
        }
        let work = Work::on(&pool);
        let plain = matches!(work.value(1).wait(), Err(CallError::Cancelled(_)));
        let cold = matches!(work.value(1).priority(Priority::Low).wait(), Err(CallError::Cancelled(_)));
        let later = matches!(work.value_later(1).wait(), Err(CallError::Cancelled(_)));
        let without_parent = work.value(1).without_parent().wait().is_ok();
        let _ = reports.send(if plain && cold && later && without_parent { "as it should" } else { "not so" });
    }

    pub fn count(counter: Arc<AtomicUsize>) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

fn pool(concurrency: usize) -> Pool {
    Pool::builder().concurrency(Concurrency::Exact(concurrency)).build().expect("the settings are sound")
}

fn hears(heard: &Receiver<&'static str>, what: &str) {
    assert_eq!(heard.recv().expect("the sender is there"), what);
}

// ----- limits

#[test]
fn run_timeout_excludes_the_wait_in_the_queue() {
    let clock = MockClock::new();
    clock.run(|| {
        let pool = pool(1);
        pool.pause();
        let (tell, reports) = channel();
        let job = Work::on(&pool).await_the_end(tell).run_timeout(MINUTE).submit();
        clock.advance(HOUR);
        assert!(!job.is_finished());
        pool.resume();
        hears(&reports, "begun");
        clock.advance(MINUTE - MILLISECOND);
        assert!(!job.is_finished());
        clock.advance(MILLISECOND);
        assert!(matches!(job.wait(), Err(CallError::TimedOut(_))));
        hears(&reports, "stopped");
    });
}

#[test]
fn call_without_time_never_begins() {
    let pool = Pool::builder().build().expect("sound settings");
    for _ in 0..100 {
        let outcome = Work::on(&pool).value(4).timeout(Duration::ZERO).wait();
        assert!(matches!(outcome, Err(CallError::TimedOut(_))), "{outcome:?}");
    }
    assert_eq!(pool.info().completed, 0);
}

#[test]
fn earlier_of_both_time_outs_applies() {
    let clock = MockClock::new();
    clock.run(|| {
        let (pool, begun) = (pool(2), now());
        let work = Work::on(&pool);
        assert_eq!(work.limit().timeout(HOUR).run_timeout(MINUTE).wait().expect("it runs"), Some(begun + MINUTE));
        assert_eq!(work.limit().timeout(MINUTE).run_timeout(HOUR).wait().expect("it runs"), Some(begun + MINUTE));
        let job = work.value_later(1).timeout(MINUTE).run_timeout(HOUR).submit();
        clock.advance(MINUTE);
        assert!(matches!(job.wait(), Err(CallError::TimedOut(_))));
    });
}

#[test]
fn run_timeout_applies_to_services_and_nested_calls() {
    let clock = MockClock::new();
    clock.run(|| {
        let service = Work::service().launch().wait().expect("sound");
        let (tell, reports) = channel();
        let job = service.await_the_end(tell.clone()).run_timeout(MINUTE).submit();
        hears(&reports, "begun");
        clock.advance(MINUTE);
        assert!(matches!(job.wait(), Err(CallError::TimedOut(_))));
        let cluster = Cluster::launch(2, Work::service).wait().expect("sound");
        hears(&reports, "stopped");
        let job = cluster.await_the_end(tell).run_timeout(MINUTE).submit();
        hears(&reports, "begun");
        clock.advance(MINUTE);
        assert!(matches!(job.wait(), Err(CallError::TimedOut(_))));
        hears(&reports, "stopped");
    });
}

#[test]
fn child_inherits_the_deadline_and_the_earlier_applies() {
    let clock = MockClock::new();
    clock.run(|| {
        let (pool, begun) = (pool(1), now());
        let work = Work::on(&pool);
        let passed = work.limit_of_child(pool.clone(), None).timeout(MINUTE).wait();
        assert_eq!(passed.expect("it runs"), Some(begun + MINUTE));
        let own = work.limit_of_child(pool.clone(), Some(SECOND)).timeout(MINUTE).wait();
        assert_eq!(own.expect("it runs"), Some(begun + SECOND));
        let own = work.limit_of_child(pool.clone(), Some(HOUR)).timeout(MINUTE).wait();
        assert_eq!(own.expect("it runs"), Some(begun + MINUTE));
        let by_run = work.limit_of_child(pool.clone(), None).run_timeout(MINUTE).wait();
        assert_eq!(by_run.expect("it runs"), Some(begun + MINUTE));
        assert_eq!(work.limit_of_child(pool.clone(), None).wait().expect("it runs"), None);
    });
}

#[test]
fn child_that_waits_past_its_parents_deadline_times_out() {
    let clock = MockClock::new();
    clock.run(|| {
        let pool = pool(1);
        let calls = Work::on(&pool);
        let parent = calls.child_times_out(pool.clone()).timeout(MINUTE).submit();
        while clock.next_alarm() != Some(MINUTE) || pool.info().active > 0 {
            thread::yield_now(); // until the child sleeps
        }
        clock.advance(MINUTE);
        assert!(matches!(parent.wait(), Err(CallError::TimedOut(_))));
        pool.drained().wait();
    });
}

// ----- parents

fn cancelled_with_its_parent(child: impl Fn(&WorkCalls<Pool>, Reports) -> Handle<Work, ()> + Send + 'static) {
    let pool = pool(1);
    let (tell, reports) = channel();
    let parent =
        Work::on(&pool).cancelled_child(pool.clone(), Box::new(move |work| child(work, tell.clone()))).submit();
    hears(&reports, "begun");
    parent.cancel();
    hears(&reports, "stopped");
    assert!(matches!(parent.wait(), Err(CallError::Cancelled(_))));
    pool.drained().wait();
}

#[test]
fn running_child_sees_the_cancellation_of_its_parent() {
    cancelled_with_its_parent(|work, reports| work.spin(reports).submit());
}

#[test]
fn child_that_awaits_cancellation_wakes_with_its_parent() {
    cancelled_with_its_parent(|work, reports| work.await_the_end(reports).submit());
}

#[test]
fn async_child_is_dropped_with_its_parent() {
    cancelled_with_its_parent(|work, reports| work.drop_at_await(reports).submit());
}

#[test]
fn child_of_another_priority_is_cancelled_with_its_parent() {
    cancelled_with_its_parent(|work, reports| work.spin(reports).priority(Priority::UserBlocking).submit());
}

#[test]
fn cancellation_reaches_all_descendants() {
    let pool = pool(2);
    let (tell, reports) = channel();
    let parent = Work::on(&pool).parent(pool.clone(), 20, tell).submit();
    hears(&reports, "begun");
    parent.cancel();
    hears(&reports, "stopped");
    pool.drained().wait();
}

#[test]
fn time_out_cancels_the_children() {
    let clock = MockClock::new();
    clock.run(|| {
        let pool = pool(2);
        let (tell, reports) = channel();
        let parent = Work::on(&pool).parent(pool.clone(), 3, tell).run_timeout(MINUTE).submit();
        hears(&reports, "begun");
        clock.advance(MINUTE);
        assert!(matches!(parent.wait(), Err(CallError::TimedOut(_))));
        hears(&reports, "stopped");
        pool.drained().wait();
    });
}

#[test]
fn normal_end_of_a_task_cancels_nothing() {
    let pool = pool(2);
    let (tell, reports) = channel();
    let parent = Work::on(&pool).submit_and_end(pool.clone(), tell).submit();
    hears(&reports, "begun");
    let token = CancelToken::new();
    let child = parent.wait().expect("it ended");
    token.cancel();
    assert!(!child.is_finished());
    child.cancel();
    hears(&reports, "stopped");
}

#[test]
fn detached_work_of_an_ended_child_is_not_cancelled() {
    let pool = pool(4);
    let ((tell, reports), (give, given)) = (channel(), channel());
    let parent = Work::on(&pool).outlive_a_child(pool.clone(), tell, give).submit();
    hears(&reports, "begun");
    let grandchild = given.recv().expect("it is there");
    parent.cancel();
    assert!(matches!(parent.wait(), Err(CallError::Cancelled(_))));
    assert!(reports.try_recv().is_err() && !grandchild.is_finished());
    grandchild.cancel();
    hears(&reports, "stopped");
}

#[test]
fn queued_child_of_a_cancelled_parent_never_runs() {
    let (pool, other) = (pool(1), pool(1));
    other.pause();
    let ((give, given), counter) = (channel(), Counter::default());
    let parent = Work::on(&pool).submit_and_spin(other.clone(), Some(counter.clone()), give).submit();
    let child = given.recv().expect("it submits");
    parent.cancel();
    other.resume();
    assert!(matches!(child.wait(), Err(CallError::Cancelled(_))));
    other.drained().wait();
    assert_eq!(counter.load(Ordering::Relaxed), 0);
}

#[test]
fn unlinked_child_continues_without_its_parent() {
    let (pool, other) = (pool(1), pool(1));
    other.pause();
    let (give, given) = channel();
    let parent = Work::on(&pool).submit_and_spin(other.clone(), None, give).submit();
    let child = given.recv().expect("it submits");
    parent.cancel();
    other.resume();
    child.wait().expect("it runs");
}

#[test]
fn cancelled_task_starts_unlinked_children_only() {
    let pool = pool(1);
    let (tell, reports) = channel();
    let parent = Work::on(&pool).child_after_the_end(pool.clone(), tell).submit();
    hears(&reports, "begun");
    parent.cancel();
    hears(&reports, "as it should");
}

pub struct Deep;

#[define]
impl Deep {
    pub async fn nest(depth: u32, pool: Pool, reports: Reports) {
        if depth == 0 {
            let _ = reports.send("begun");
            std::future::pending::<()>().await;
        }
        let child = Deep::on(&pool).nest(depth - 1, pool.clone(), reports).submit();
        let _ = child.await;
    }
}

#[test]
fn cancel_of_a_deep_family_needs_no_deep_stack() {
    let pool = pool(1);
    let (tell, reports) = channel();
    let root = Deep::on(&pool).nest(20_000, pool.clone(), tell).submit();
    hears(&reports, "begun");
    root.cancel();
    pool.drained().wait();
    assert!(matches!(root.wait(), Err(CallError::Cancelled(_))));
}

// ----- tokens

#[test]
fn token_cancels_its_running_and_queued_calls() {
    let pool = pool(1);
    let (tell, reports) = channel();
    let token = CancelToken::new();
    let work = Work::on(&pool);
    let running = work.spin(tell).cancel_token(&token).submit();
    hears(&reports, "begun");
    let queued: Vec<_> = (0..1_000).map(|n| work.value(n).cancel_token(&token).submit()).collect();
    let other = work.value(7).submit();
    token.cancel();
    token.cancel();
    assert!(matches!(running.wait(), Err(CallError::Cancelled(_))));
    for job in queued {
        assert!(matches!(job.wait(), Err(CallError::Cancelled(_))));
    }
    assert_eq!(other.wait().expect("it has no token"), 7);
    pool.drained().wait();
    let info = pool.info();
    assert_eq!((info.queue_len, info.in_flight), (0, 0));
}

#[test]
fn call_with_a_cancelled_token_never_runs() {
    let (pool, counter) = (pool(1), Arc::new(AtomicUsize::new(0)));
    let token = CancelToken::new();
    token.cancel();
    let work = Work::on(&pool);
    assert!(matches!(work.count(counter.clone()).cancel_token(&token).wait(), Err(CallError::Cancelled(_))));
    let awaited = pollster::block_on(work.count(counter.clone()).cancel_token(&token.child_token()));
    assert!(matches!(awaited, Err(CallError::Cancelled(_))));
    let tried = work.count(counter.clone()).cancel_token(&token).try_submit().expect("the call does not ask for room");
    assert!(matches!(tried.wait(), Err(CallError::Cancelled(_))));
    assert_eq!(counter.load(Ordering::Relaxed), 0);
}

#[test]
fn child_token_is_cancelled_alone_and_with_its_parent() {
    let root = CancelToken::new();
    let child = root.child_token();
    let grandchild = child.child_token();
    let sibling = root.child_token();
    drop(child.clone());
    child.cancel();
    assert!(grandchild.is_cancelled() && !sibling.is_cancelled() && !root.is_cancelled());
    root.cancel();
    assert!(sibling.is_cancelled() && root.child_token().is_cancelled());
}

#[test]
fn long_chain_of_tokens_ends_without_a_deep_stack() {
    let root = CancelToken::new();
    let mut last = root.child_token();
    let mut kept = vec![];
    for _ in 0..100_000 {
        last = last.child_token();
        kept.push(last.clone());
    }
    let alone = last.child_token();
    root.cancel();
    assert!(alone.is_cancelled());
    drop((kept, root));
    drop((last, alone));
}

#[test]
fn token_wakes_its_waiters() {
    let token = CancelToken::new();
    let waits: Vec<_> = (0..4)
        .map(|n| {
            let token = token.clone();
            thread::spawn(move || match n % 2 {
                0 => token.cancelled().wait(),
                _ => assert_eq!(pollster::block_on(token.run_until_cancelled(std::future::pending::<()>())), None),
            })
        })
        .collect();
    drop(token.clone().drop_guard());
    waits.into_iter().for_each(|waits| waits.join().expect("it does not panic"));
}

#[test]
fn ended_calls_leave_nothing_in_their_token() {
    let pool = pool(2);
    let token = CancelToken::new();
    let (kept, work) = (Arc::new(AtomicUsize::new(0)), Work::on(&pool));
    for _ in 0..100 {
        work.count(kept.clone()).cancel_token(&token).wait().expect("it runs");
    }
    drop(work);
    pool.drained().wait();
    assert_eq!(Arc::strong_count(&kept), 1);
    token.cancel();
    assert_eq!(kept.load(Ordering::Relaxed), 100);
}

#[test]
fn concurrent_token_cancels_lose_no_call() {
    let pool = pool(2);
    for round in 0..200 {
        let token = CancelToken::new();
        let barrier = Arc::new(Barrier::new(2));
        thread::scope(|scope| {
            let submits = scope.spawn(|| {
                barrier.wait();
                let jobs: Vec<_> = (0..50).map(|n| Work::on(&pool).value(n).cancel_token(&token).submit()).collect();
                jobs.into_iter().map(Handle::wait).filter(Result::is_ok).count()
            });
            barrier.wait();
            (0..round).for_each(|_| std::hint::spin_loop());
            token.cancel();
            assert!(submits.join().expect("it does not panic") <= 50);
        });
    }
    pool.drained().wait();
    let info = pool.info();
    assert_eq!((info.queue_len, info.in_flight), (0, 0));
}

// ----- a cancel within a cancel

/// Runs a function when it is dropped, like an argument whose destructor is user code.
pub struct AtDrop(Option<Box<dyn FnOnce() + Send>>);

impl AtDrop {
    fn new(run: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(run)))
    }
}

impl Drop for AtDrop {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(|run| run());
    }
}

pub struct Owns;

#[define]
impl Owns {
    pub fn own(value: AtDrop) {
        drop(value);
    }

    pub async fn suspend(reports: Reports) {
        let _ = reports.send("begun");
        std::future::pending::<()>().await;
    }

    pub async fn suspend_with(value: AtDrop, reports: Reports) {
        let _ = reports.send("begun");
        std::future::pending::<()>().await;
        drop(value);
    }

    pub fn block(block: Receiver<()>, reports: Reports) {
        let _ = reports.send("begun");
        let _ = block.recv();
    }
}

/// A group with a suspended call. When the value is dropped, the group is shut down and awaited.
fn shuts_group_down(pool: &Pool) -> AtDrop {
    let (tell, reports) = channel();
    let mut group = TaskGroup::new();
    group.spawn(Owns::on(pool).suspend(tell));
    hears(&reports, "begun");
    AtDrop::new(move || group.shutdown().wait())
}

/// `cancel` ends a queued call. The destructor of the call's argument waits for the end of a group.
fn destructor_waits(cancel: impl FnOnce(Call<'_, Owns, Pool, ()>, &Pool) -> Handle<Owns, ()>) {
    let (queues, runs) = (pool(1), pool(1));
    queues.pause();
    let argument = shuts_group_down(&runs);
    let job = cancel(Owns::on(&queues).own(argument), &queues);
    assert!(matches!(job.wait(), Err(CallError::Cancelled(_))));
    runs.drained().wait();
}

#[test]
fn destructor_shuts_group_down_within_token_cancel() {
    destructor_waits(|call, _| {
        let token = CancelToken::new();
        let job = call.cancel_token(&token).submit();
        token.cancel();
        job
    });
}

#[test]
fn destructor_shuts_group_down_within_handle_cancel() {
    destructor_waits(|call, _| {
        let job = call.submit();
        job.cancel();
        job
    });
}

#[test]
fn destructor_shuts_group_down_within_terminate() {
    destructor_waits(|call, pool| {
        let job = call.submit();
        pool.terminate();
        job
    });
}

#[test]
fn destructor_shuts_group_down_within_future_drop() {
    let pool = pool(1);
    let argument = shuts_group_down(&pool);
    let (tell, reports) = channel();
    let token = CancelToken::new();
    let job = Owns::on(&pool).suspend_with(argument, tell).cancel_token(&token).submit();
    hears(&reports, "begun");
    token.cancel();
    assert!(matches!(job.wait(), Err(CallError::Cancelled(_))));
    pool.drained().wait();
}

/// A waker that calls a function.
struct WakeBy<F>(F);

impl<F: Fn() + Send + Sync + 'static> std::task::Wake for WakeBy<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

#[test]
fn waker_cancels_another_token_within_a_cancel() {
    let pool = pool(1);
    pool.pause();
    let (outer, inner) = (CancelToken::new(), CancelToken::new());
    let below = inner.child_token();
    let job = Arc::new(Work::on(&pool).value(7).cancel_token(&below).submit());
    let (tell, reports) = channel();
    let seen = job.clone();
    let waker = Arc::new(WakeBy(move || {
        inner.cancel();
        let _ = tell.send(if below.is_cancelled() && seen.is_finished() { "at once" } else { "later" });
    }));
    let mut cancelled = outer.cancelled();
    let waker = waker.into();
    assert!(std::pin::Pin::new(&mut cancelled).poll(&mut std::task::Context::from_waker(&waker)).is_pending());
    outer.cancel();
    hears(&reports, "at once");
}

/// Two queued calls, each with an argument whose destructor waits for the other call. `cancel` ends
/// both.
fn destructors_wait_for_each_other(calls: &OwnsCalls<impl Executor<Owns>>, token: &CancelToken, cancel: impl FnOnce()) {
    let waits_for = |given: Receiver<Handle<Owns, ()>>| {
        AtDrop::new(move || drop(given.recv().expect("the other handle comes").wait()))
    };
    let ((give_one, one), (give_other, other)) = (channel(), channel());
    let first = calls.own(waits_for(other)).cancel_token(token).submit();
    let second = calls.own(waits_for(one)).cancel_token(token).submit();
    give_one.send(first).expect("the second takes it");
    give_other.send(second).expect("the first takes it");
    cancel();
}

#[test]
fn token_cancel_ends_all_calls_before_an_argument_drops() {
    let pool = pool(1);
    pool.pause();
    let token = CancelToken::new();
    destructors_wait_for_each_other(&Owns::on(&pool), &token, || token.cancel());
}

#[test]
fn shutdown_now_ends_all_calls_before_an_argument_drops() {
    let pool = pool(1);
    pool.pause();
    destructors_wait_for_each_other(&Owns::on(&pool), &CancelToken::new(), || {
        pool.terminate();
    });
}

#[test]
fn terminate_ends_all_calls_before_an_argument_drops() {
    let service = Owns::service().launch().wait().expect("it starts");
    let ((unblock, block), (tell, reports)) = (channel(), channel());
    let running = service.block(block, tell).submit();
    hears(&reports, "begun");
    destructors_wait_for_each_other(&service, &CancelToken::new(), || drop(service.terminate()));
    drop(unblock);
    assert!(matches!(running.wait(), Err(CallError::Closed(_))));
}

#[test]
fn local_ends_all_calls_before_an_argument_drops() {
    let local = Local::builder().build().expect("the settings are sound");
    destructors_wait_for_each_other(&Owns::on(&local), &CancelToken::new(), || {
        local.terminate();
    });
}

#[test]
fn close_timeout_ends_all_calls_before_an_argument_drops() {
    let pool = pool(1);
    let (tell, reports) = channel();
    let suspended = Owns::on(&pool).suspend(tell).submit();
    hears(&reports, "begun");
    // It has the only slot: a close resumes a paused pool.
    let (tell, reports) = channel();
    let running = Begins::on(&pool).first(tell).submit();
    hears(&reports, "begun");
    let argument = AtDrop::new(move || assert!(matches!(suspended.wait(), Err(CallError::Cancelled(_)))));
    let queued = Owns::on(&pool).own(argument).submit();
    let unfinished = pool.close_timeout(Duration::ZERO).wait();
    assert!(unfinished.is_err());
    assert!(queued.wait().is_err());
    assert!(running.wait().is_ok(), "it was asked to stop");
    pool.drained().wait();
}

// ----- no call begins after its end was asked for

pub struct Begins;

#[define]
impl Begins {
    /// Holds its slot until it is cancelled.
    pub fn first(cx: &Context<Self>, reports: Reports) {
        let _ = reports.send("begun");
        while !cx.is_cancelled() {}
    }

    /// Counts if its token was cancelled before the call started.
    pub fn next(token: CancelToken, late: Counter) {
        late.fetch_add(token.is_cancelled().into(), Ordering::Relaxed);
    }

    pub async fn next_async(token: CancelToken, late: Counter) {
        late.fetch_add(token.is_cancelled().into(), Ordering::Relaxed);
    }

    #[task(concurrency = 1)]
    pub fn next_limited(token: CancelToken, late: Counter) {
        late.fetch_add(token.is_cancelled().into(), Ordering::Relaxed);
    }

    pub fn count(counter: Counter) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Submits children that count, and holds its slot until it is cancelled.
    pub fn parent(cx: &Context<Self>, pool: Pool, counter: Counter, reports: Reports) {
        let work = Begins::on(&pool);
        let _children: Vec<_> = (0..20).map(|_| work.count(counter.clone()).submit()).collect();
        let _ = reports.send("begun");
        while !cx.is_cancelled() {}
    }
}

/// A running call and many calls queued behind it share a token. None of the queued calls starts
/// after the cancellation.
fn none_begins_after_a_cancel<E>(rounds: usize, calls: impl Fn() -> (BegunBy<E>, Box<dyn FnOnce()>))
where
    E: Executor<Begins> + Clone + 'static,
{
    let late = Counter::default();
    for _ in 0..rounds {
        let (BegunBy { first, next }, drained) = calls();
        let (token, (tell, reports)) = (CancelToken::new(), channel());
        let below = token.child_token();
        let running = first.first(tell).cancel_token(&token).submit();
        hears(&reports, "begun");
        for _ in 0..20 {
            next.next(token.clone(), late.clone()).cancel_token(&token).submit().detach();
            next.next(below.clone(), late.clone()).cancel_token(&below).submit().detach();
            next.next_async(token.clone(), late.clone()).cancel_token(&token).submit().detach();
            next.next_limited(token.clone(), late.clone()).cancel_token(&token).submit().detach();
            next.next(token.clone(), late.clone())
                .cancel_token(&token)
                .after(Duration::from_micros(1))
                .submit()
                .detach();
            let raised = next.next(token.clone(), late.clone()).cancel_token(&token).submit();
            raised.raise(Priority::Immediate);
            raised.detach();
        }
        token.cancel();
        assert!(running.wait().is_err());
        drained();
    }
    assert_eq!(late.load(Ordering::Relaxed), 0);
}

/// The executors of the first call and of the calls after it.
struct BegunBy<E: Executor<Begins>> {
    first: BeginsCalls<E>,
    next: BeginsCalls<E>,
}

impl<E: Executor<Begins> + Clone> BegunBy<E> {
    fn both(executor: E) -> Self {
        Self { first: Begins::calls(executor.clone()), next: Begins::calls(executor) }
    }
}

#[test]
fn no_call_begins_on_a_pool_after_its_token_is_cancelled() {
    none_begins_after_a_cancel(100, || {
        let pool = pool(1);
        (BegunBy::both(pool.clone()), Box::new(move || pool.drained().wait()))
    });
}

#[test]
fn no_call_of_a_share_begins_after_its_token_is_cancelled() {
    none_begins_after_a_cancel(100, || {
        let pool = pool(1);
        (BegunBy::both(pool.share("tenant").build().unwrap()), Box::new(move || pool.drained().wait()))
    });
}

#[test]
fn no_call_begins_on_a_service_after_its_token_is_cancelled() {
    none_begins_after_a_cancel(100, || {
        let service = Begins::service().launch().wait().expect("it starts");
        (BegunBy::both(service.calls().executor.clone()), Box::new(move || service.close().wait().expect("it ends")))
    });
}

#[test]
fn no_call_within_a_call_begins_after_its_token_is_cancelled() {
    none_begins_after_a_cancel(100, || {
        let pool = pool(1);
        let layered = Arc::new(Retry::new(2).layer(pool.clone()));
        (BegunBy::both(layered), Box::new(move || pool.drained().wait()))
    });
}

/// A pool whose only slot is occupied until the handle is cancelled.
fn taken_pool() -> (Pool, Handle<Begins, ()>) {
    let (pool, (tell, reports)) = (pool(1), channel());
    let running = Begins::on(&pool).first(tell).submit();
    hears(&reports, "begun");
    (pool, running)
}

#[test]
fn no_call_of_a_bulk_begins_after_it_is_dropped() {
    for batch in [1, 8] {
        let (pool, running) = taken_pool();
        let (work, counter) = (Begins::on(&pool), Counter::default());
        let calls = bulk::each(&work, 0..1_000, |work, _| work.count(counter.clone())).in_flight(64).batch(batch);
        let mut results = calls.into_stream();
        assert!(results.next().now_or_never().is_none());
        assert!(pool.info().queue_len > 0, "the calls are queued");
        drop(results);
        running.cancel();
        pool.drained().wait();
        assert_eq!(counter.load(Ordering::Relaxed), 0, "in batches of {batch}");
    }
}

#[test]
fn no_call_of_a_cancelled_pipeline_begins_after_its_results_end() {
    let (pool, running) = taken_pool();
    let counter = Counter::default();
    let counts = counter.clone();
    let pipeline = Pipeline::from_iter(0..1_000)
        .stage(Begins::calls(pool.clone()), move |work, _| work.count(counts.clone()))
        .concurrency(64);
    let (stop, results) = (pipeline.stop_handle(), pipeline.into_iter());
    let ended = thread::spawn(move || results.for_each(drop));
    while pool.info().queue_len == 0 {
        thread::yield_now();
    }
    stop.terminate();
    ended.join().expect("no panic");
    running.cancel();
    pool.drained().wait();
    assert_eq!(counter.load(Ordering::Relaxed), 0);
}

#[test]
fn no_child_begins_after_its_parent_is_cancelled() {
    let counter = Counter::default();
    for _ in 0..50 {
        let (pool, (tell, reports)) = (pool(1), channel());
        let parent = Begins::on(&pool).parent(pool.clone(), counter.clone(), tell).submit();
        hears(&reports, "begun");
        parent.cancel();
        pool.drained().wait();
    }
    assert_eq!(counter.load(Ordering::Relaxed), 0);
}

#[test]
fn call_past_its_deadline_never_begins_without_a_timer() {
    let clock = MockClock::new();
    clock.run(|| {
        let counter = Counter::default();
        let (one, other) = (pool(1), pool(1));
        one.pause();
        other.pause();
        let (give, given) = channel::<Handle<Work, ()>>();
        let resumed = other.clone();
        // The clock advances after this destructor, and then the other call's timer fires.
        let argument = AtDrop::new(move || {
            let late = given.recv().expect("the other call comes");
            resumed.resume();
            assert!(matches!(late.wait(), Err(CallError::TimedOut(_))));
        });
        let first = Owns::on(&one).own(argument).timeout(SECOND).submit();
        give.send(Work::on(&other).count(counter.clone()).timeout(SECOND).submit()).expect("the destructor takes it");
        clock.advance(SECOND);
        assert!(matches!(first.wait(), Err(CallError::TimedOut(_))));
        other.drained().wait();
        assert_eq!(counter.load(Ordering::Relaxed), 0);
    });
}
