//! Tests of the order of calls: expirations, custom orders, inherited priorities, and raises, which
//! make the priority of a submitted call higher.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    Cluster, TaskSet,
    call::{with_priority, with_priority_async},
    executor::{OnFull, QueueOrder, QueuedCall},
    layers::{self, Retry},
    pool::Concurrency,
    prelude::*,
    sync::Backoff,
    task::TaskInfo,
    time::{MILLISECOND, MINUTE, SECOND},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    task::{Poll, Waker},
    thread,
    time::Duration,
};

pub struct Work;

#[define]
impl Work {
    pub fn tell(of: u32, to: Sender<u32>) {
        let _ = to.send(of);
    }

    #[task(idempotent)]
    pub fn fail_once(of: u32, to: Sender<u32>, tried: Arc<AtomicBool>) {
        let _ = to.send(of);
        assert!(tried.swap(true, Ordering::Relaxed), "it was the first time");
    }

    pub fn other(of: u32, to: Sender<u32>) {
        let _ = to.send(of);
    }

    pub fn fail() {
        panic!("no luck");
    }

    pub fn priority(cx: &Context<Self>) -> Priority {
        cx.priority()
    }

    /// Blocks until the test lets it end.
    pub fn hold(began: Sender<()>, go: Receiver<()>) {
        let _ = began.send(());
        let _ = go.recv();
    }

    /// Returns the priorities of a child, of that child's child, and of a child with a priority of
    /// its own.
    pub fn children(depth: u32) -> Vec<Priority> {
        let mut all = vec![Self::tasks().priority().wait().expect("it runs")];
        match depth {
            0 => all.push(Self::tasks().priority().priority(Priority::UserBlocking).wait().expect("it runs")),
            _ => all.extend(Self::tasks().children(depth - 1).wait().expect("it runs")),
        }
        all
    }

    /// Returns the priority of a child on the pool that the task runs on.
    pub fn child_on(pool: Pool) -> Priority {
        Self::on(&pool).priority().wait().expect("it runs")
    }

    pub async fn child_of_future(pool: Pool) -> Priority {
        Self::on(&pool).priority().await.expect("it runs")
    }

    pub fn scoped_child(pool: Pool) -> [Priority; 3] {
        let work = Self::on(&pool);
        let here = || work.priority().wait().expect("it runs");
        let urgent = work.child_on(pool.clone()).priority(Priority::UserBlocking);
        let (inner, within) = with_priority(Priority::Idle, || (here(), urgent.wait()));
        [inner, within.expect("it runs"), here()]
    }

    pub fn child_of_service(counter: Service<Counter>) -> Priority {
        counter.priority().wait().expect("it runs")
    }

    /// Waits for a call of another executor.
    pub fn wait_on(handle: Handle<Self, ()>, began: Sender<()>) {
        let _ = began.send(());
        let _ = handle.wait();
    }

    pub async fn await_it(handle: Handle<Self, ()>) {
        let _ = handle.await;
    }

    pub async fn block_in_future(handle: Handle<Self, ()>) {
        let _ = handle.wait();
    }

    /// Counts its polls, and is never ready.
    pub async fn count_polls(polls: Arc<AtomicUsize>, pending: Sender<Waker>) {
        std::future::poll_fn(|cx| {
            polls.fetch_add(1, Ordering::Relaxed);
            let _ = pending.send(cx.waker().clone());
            Poll::<()>::Pending
        })
        .await;
    }

    /// Returns the priority of a child that it submits after it receives a message.
    pub fn child_later(pool: Pool, began: Sender<()>, go: Receiver<()>) -> Priority {
        let _ = began.send(());
        let _ = go.recv();
        Self::on(&pool).priority().submit().wait().expect("it runs")
    }

    pub async fn suspended(of: u32, open: Arc<AtomicBool>, began: Sender<Waker>, to: Sender<u32>) {
        std::future::poll_fn(|cx| {
            if open.load(Ordering::Relaxed) {
                return Poll::Ready(());
            }
            let _ = began.send(cx.waker().clone());
            Poll::Pending
        })
        .await;
        let _ = to.send(of);
    }
}

pub struct Counter {
    reports: Vec<u32>,
}

#[define(inbox = u32)]
impl Counter {
    #[on_message]
    fn on_message(&mut self, of: u32) {
        self.reports.push(of);
    }

    pub fn tell(&mut self, of: u32) {
        self.reports.push(of);
    }

    pub fn reports(&self) -> Vec<u32> {
        self.reports.clone()
    }

    pub fn priority(cx: &Context<Self>) -> Priority {
        cx.priority()
    }

    pub fn hold(&self, began: Sender<()>, go: Receiver<()>) {
        let _ = began.send(());
        let _ = go.recv();
    }
}

/// Returns a pool with one slot that starts no task yet.
fn paused(settings: nanolith::pool::PoolBuilder) -> (Pool, WorkCalls<Pool>) {
    let pool = settings.concurrency(Concurrency::Exact(1)).build().expect("it starts");
    pool.pause();
    let work = Work::on(&pool);
    (pool, work)
}

fn one_slot() -> Pool {
    Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("it starts")
}

/// Lets each call run, and returns the order in which they ran.
fn order(pool: &Pool, reports: &Receiver<u32>) -> Vec<u32> {
    pool.resume();
    pool.drained().wait();
    reports.try_iter().collect()
}

// ----- expirations

#[test]
fn earliest_expiration_runs_first_and_ties_keep_their_order() {
    let (pool, work) = paused(Pool::builder());
    let (to, reports) = mpsc::channel();
    let all = [Priority::Idle, Priority::Low, Priority::Normal, Priority::UserBlocking, Priority::Immediate];
    for (of, priority) in (0..).zip(all.into_iter().chain(all)) {
        work.tell(of, to.clone()).priority(priority).submit().detach();
    }
    assert_eq!(order(&pool, &reports), [4, 9, 3, 8, 2, 7, 1, 6, 0, 5]);
}

#[test]
fn pool_uses_its_configured_expirations() {
    let settings = Pool::builder().max_wait(Priority::Low, MILLISECOND).max_wait(Priority::Immediate, MINUTE);
    let (pool, work) = paused(settings);
    let (to, reports) = mpsc::channel();
    for (of, priority) in (0..).zip([Priority::Immediate, Priority::Normal, Priority::Low]) {
        work.tell(of, to.clone()).priority(priority).submit().detach();
    }
    assert_eq!(order(&pool, &reports), [2, 1, 0]);
}

#[test]
fn service_uses_its_configured_expirations() {
    let counter = Counter::service(Counter { reports: Vec::new() }).max_wait(Priority::Low, MILLISECOND);
    let counter = counter.launch().wait().expect("it starts");
    let (began, held) = mpsc::channel();
    let (go, gate) = mpsc::channel();
    counter.hold(began, gate).submit().detach();
    held.recv().expect("it holds");
    counter.tell(1).submit().detach();
    counter.tell(2).priority(Priority::Low).submit().detach();
    go.send(()).expect("it waits");
    assert_eq!(counter.reports().priority(Priority::Idle).wait().expect("it runs"), [2, 1]);
}

#[test]
fn call_may_have_its_own_expiration() {
    let (pool, work) = paused(Pool::builder());
    let (to, reports) = mpsc::channel();
    work.tell(0, to.clone()).submit().detach(); // 5 s
    work.tell(1, to.clone()).serve_within(SECOND).submit().detach();
    work.tell(2, to.clone()).serve_within(7 * SECOND).priority(Priority::Immediate).submit().detach();
    work.tell(3, to.clone()).priority(Priority::Low).submit().detach(); // 10 s
    work.tell(4, to.clone()).serve_within(Duration::ZERO).submit().detach();
    work.tell(5, to.clone()).serve_within(Duration::MAX).submit().detach();
    work.tell(6, to.clone()).priority(Priority::Idle).submit().detach();
    assert_eq!(order(&pool, &reports), [4, 1, 0, 2, 3, 6, 5]);
}

#[test]
fn own_expiration_is_no_time_out() {
    let work = Work::tasks();
    assert_eq!(work.priority().serve_within(Duration::ZERO).wait().expect("it runs"), Priority::Normal);
}

// ----- an order of one's own

#[test]
fn custom_order_precedes_priorities_and_ties_keep_order() {
    let order_of = |call: &QueuedCall<'_>| Some(u64::from(call.task().name() == "tell"));
    let (pool, work) = paused(Pool::builder().order(order_of));
    let (to, reports) = mpsc::channel();
    for of in 0..4 {
        work.tell(of, to.clone()).priority(Priority::Immediate).submit().detach();
        work.other(10 + of, to.clone()).priority(Priority::Idle).submit().detach();
    }
    assert_eq!(order(&pool, &reports), [10, 11, 12, 13, 0, 1, 2, 3]);
}

struct NearestDeadline;

impl QueueOrder for NearestDeadline {
    fn rank(&self, call: &QueuedCall<'_>) -> Option<u64> {
        call.deadline()
    }
}

#[test]
fn calls_without_a_rank_keep_their_position() {
    let (pool, work) = paused(Pool::builder().order(NearestDeadline));
    let (to, reports) = mpsc::channel();
    work.tell(0, to.clone()).timeout(MINUTE).submit().detach();
    work.tell(1, to.clone()).priority(Priority::Low).submit().detach();
    work.tell(2, to.clone()).timeout(8 * SECOND).submit().detach();
    work.tell(3, to.clone()).submit().detach();
    assert_eq!(order(&pool, &reports), [3, 2, 1, 0]);
}

#[test]
fn custom_order_applies_to_a_service() {
    let last_first = AtomicUsize::new(0);
    let order_of = move |_: &QueuedCall<'_>| Some(1_000 - last_first.fetch_add(1, Ordering::Relaxed) as u64);
    let counter = Counter::service(Counter { reports: Vec::new() }).order(order_of).launch().wait().expect("it starts");
    let (began, held) = mpsc::channel();
    let (go, gate) = mpsc::channel();
    counter.hold(began, gate).submit().detach();
    held.recv().expect("it holds");
    let all = [1, 2, 3].map(|of| counter.tell(of).submit());
    go.send(()).expect("it waits");
    all.into_iter().for_each(|one| one.wait().expect("it runs"));
    assert_eq!(counter.reports().wait().expect("it runs"), [3, 2, 1]);
}

#[test]
fn panicking_order_gives_no_rank() {
    let order_of = |_: &QueuedCall<'_>| panic!("no idea");
    let (pool, work) = paused(Pool::builder().order(order_of));
    let (to, reports) = mpsc::channel();
    work.tell(0, to.clone()).submit().detach();
    work.tell(1, to.clone()).priority(Priority::UserBlocking).submit().detach();
    assert_eq!(order(&pool, &reports), [1, 0]);
}

#[test]
fn custom_order_keeps_counts_and_bounds() {
    let newest_first = |call: &QueuedCall<'_>| Some(u64::MAX - call.submitted());
    let settings = Pool::builder().order(newest_first).max_queue(3).on_full(OnFull::DropOldest);
    let (pool, work) = paused(settings);
    let (to, reports) = mpsc::channel();
    let low = work.tell(0, to.clone()).priority(Priority::Low).submit();
    for of in 1..4 {
        work.tell(of, to.clone()).submit().detach();
    }
    assert!(matches!(low.wait(), Err(CallError::Dropped(_))), "the oldest of the lowest priority goes");
    assert_eq!(pool.info().queue_len, 3);
    assert_eq!(order(&pool, &reports), [3, 2, 1]);
    for of in 0..2_000 {
        work.tell(of, to.clone()).wait().expect("it runs");
    }
    pool.drained().wait();
    // The dropped call never started.
    let info = pool.info();
    assert_eq!((info.completed, info.in_flight), (2_003, 0));
}

// ----- what is inherited

#[test]
fn children_inherit_the_priority_of_their_parent() {
    let all = Work::tasks().children(1).priority(Priority::Low).wait().expect("it runs");
    assert_eq!(all, [Priority::Low, Priority::Low, Priority::UserBlocking]);
    let all = Work::tasks().children(0).wait().expect("it runs");
    assert_eq!(all, [Priority::Normal, Priority::UserBlocking]);
}

#[test]
fn children_inherit_in_one_slot_and_from_futures() {
    let pool = one_slot();
    let work = Work::on(&pool);
    for priority in Priority::ALL {
        assert_eq!(work.child_on(pool.clone()).priority(priority).wait().expect("it runs"), priority);
        assert_eq!(work.child_of_future(pool.clone()).priority(priority).wait().expect("it runs"), priority);
    }
}

#[test]
fn with_priority_applies_to_calls_submitted_within() {
    let work = Work::tasks();
    let inner = with_priority(Priority::Low, || {
        let outer = work.priority().wait().expect("it runs");
        (outer, with_priority(Priority::Immediate, || work.priority().wait()).expect("it runs"), work.priority().wait())
    });
    assert_eq!((inner.0, inner.1, inner.2.expect("it runs")), (Priority::Low, Priority::Immediate, Priority::Low));
    assert_eq!(work.priority().wait().expect("it runs"), Priority::Normal);
    assert!(std::panic::catch_unwind(|| with_priority(Priority::Low, || panic!("out of the scope"))).is_err());
    assert_eq!(work.priority().wait().expect("it runs"), Priority::Normal);
}

#[test]
fn future_created_in_with_priority_keeps_the_priority() {
    let work = Work::tasks();
    let inner = pollster::block_on(with_priority_async(Priority::Idle, async {
        nanolith::time::sleep(MILLISECOND).await;
        work.priority().await.expect("it runs")
    }));
    assert_eq!(inner, Priority::Idle);
    assert_eq!(with_priority_async(Priority::Low, work.priority()).wait().expect("it runs"), Priority::Low);
    assert_eq!(work.priority().wait().expect("it runs"), Priority::Normal);
}

#[test]
fn with_priority_within_a_task_applies_to_that_task_alone() {
    let pool = one_slot();
    let priorities = Work::on(&pool).scoped_child(pool.clone()).priority(Priority::Low).wait().expect("it runs");
    // The priority in the middle is that of a grandchild, which runs on top of the task in its
    // scope.
    assert_eq!(priorities, [Priority::Idle, Priority::UserBlocking, Priority::Low]);
}

#[test]
fn services_and_clusters_honour_with_priority() {
    let counter = Counter::service(Counter { reports: Vec::new() }).launch().wait().expect("it starts");
    let child = Work::tasks().child_of_service(counter);
    assert_eq!(child.priority(Priority::Low).wait().expect("it runs"), Priority::Low);
    let cluster = Cluster::launch(2, || Counter::service(Counter { reports: Vec::new() })).wait().expect("it starts");
    assert_eq!(with_priority(Priority::Low, || cluster.priority().wait()).expect("it runs"), Priority::Low);
}

#[test]
fn messages_and_calls_of_one_scope_keep_their_order() {
    let counter = Counter::service(Counter { reports: Vec::new() }).launch().wait().expect("it starts");
    let (began, held) = mpsc::channel();
    let (go, gate) = mpsc::channel();
    counter.hold(began, gate).submit().detach();
    held.recv().expect("it holds");
    counter.tell(1).submit().detach();
    with_priority(Priority::UserBlocking, || {
        counter.send(2).wait().expect("it is open");
        counter.tell(3).submit().detach();
        counter.send(4).wait().expect("it is open");
    });
    go.send(()).expect("it waits");
    assert_eq!(counter.reports().priority(Priority::Idle).wait().expect("it runs"), [2, 3, 4, 1]);
}

// ----- raised

#[test]
fn raised_queued_call_runs_once_at_its_new_position() {
    let (pool, work) = paused(Pool::builder());
    let (to, reports) = mpsc::channel();
    let jobs: Vec<_> = (0..5).map(|of| work.tell(of, to.clone()).submit()).collect();
    let idle = work.tell(5, to.clone()).priority(Priority::Idle).submit();
    idle.raise(Priority::Low);
    idle.raise(Priority::Idle); // never less urgent
    jobs[3].raise(Priority::UserBlocking);
    jobs[3].raise(Priority::UserBlocking);
    jobs[4].raise(Priority::Immediate);
    work.tell(6, to.clone()).priority(Priority::Idle).submit().detach();
    assert_eq!((pool.info().queue_len, pool.info().in_flight), (7, 7), "an entry more is no call more");
    assert_eq!(order(&pool, &reports), [4, 3, 0, 1, 2, 5, 6]);
    assert_eq!((pool.info().queue_len, pool.info().in_flight, pool.info().completed), (0, 0, 7));
}

#[test]
fn raised_call_keeps_the_order_of_its_submission() {
    let (pool, work) = paused(Pool::builder());
    let (to, reports) = mpsc::channel();
    let first = work.tell(0, to.clone()).priority(Priority::Low).submit();
    work.tell(1, to.clone()).priority(Priority::UserBlocking).submit().detach();
    first.raise(Priority::UserBlocking); // it came first
    assert_eq!(order(&pool, &reports), [0, 1]);
}

#[test]
fn raised_call_is_cancelled_dropped_and_closed_like_others() {
    let settings = Pool::builder().max_queue(2).on_full(OnFull::DropOldest);
    let (pool, work) = paused(settings);
    let (to, reports) = mpsc::channel();
    let raised = work.tell(0, to.clone()).priority(Priority::Idle).submit();
    let low = work.tell(1, to.clone()).priority(Priority::Low).submit();
    raised.raise(Priority::UserBlocking);
    let third = work.tell(2, to.clone()).submit();
    assert!(matches!(low.wait(), Err(CallError::Dropped(_))), "its first entry is no longer what it is");
    raised.cancel();
    raised.cancel();
    assert_eq!(pool.info().queue_len, 1);
    third.raise(Priority::Immediate);
    assert_eq!(pool.terminate(), 1);
    assert!(matches!(third.wait(), Err(CallError::Cancelled(_))));
    assert!(matches!(raised.wait(), Err(CallError::Cancelled(_))));
    assert_eq!((pool.info().in_flight, reports.try_iter().count()), (0, 0));
}

#[test]
fn call_in_a_service_is_raised() {
    let counter = Counter::service(Counter { reports: Vec::new() }).launch().wait().expect("it starts");
    let (began, held) = mpsc::channel();
    let (go, gate) = mpsc::channel();
    counter.hold(began, gate).submit().detach();
    held.recv().expect("it holds");
    let jobs = [1, 2, 3].map(|of| counter.tell(of).submit());
    jobs[2].raise(Priority::UserBlocking);
    go.send(()).expect("it waits");
    assert_eq!(counter.reports().priority(Priority::Idle).wait().expect("it runs"), [3, 1, 2]);
    counter.close().wait().expect("it closes");
    let info = counter.info();
    assert_eq!((info.queue_len, info.completed), (0, 5));
}

#[test]
fn call_in_a_cluster_is_raised_in_its_member() {
    let cluster = Cluster::launch(1, || Counter::service(Counter { reports: Vec::new() })).wait().expect("it starts");
    let (began, held) = mpsc::channel();
    let (go, gate) = mpsc::channel();
    cluster.hold(began, gate).submit().detach();
    held.recv().expect("it holds");
    let jobs = [1, 2, 3].map(|of| cluster.tell(of).submit());
    jobs[2].raise(Priority::UserBlocking);
    go.send(()).expect("it waits");
    assert_eq!(cluster.reports().priority(Priority::Idle).wait().expect("it runs"), [3, 1, 2]);
}

#[test]
fn retried_call_keeps_a_raise_over_its_own_expiration() {
    let (pool, work) = paused(Pool::builder());
    let (calls, (to, reports)) = (
        Work::calls(layers::stack().retry(Retry::new(2).backoff(Backoff::none())).wrap(pool.clone())),
        mpsc::channel(),
    );
    let fails_once = calls.fail_once(1, to.clone(), Arc::default()).serve_within(MINUTE).submit();
    fails_once.raise(Priority::UserBlocking);
    work.tell(2, to).submit().detach();
    assert_eq!(order(&pool, &reports), [1, 1, 2]);
}

#[test]
fn raised_calls_that_run_in_their_waiter_are_counted_once() {
    let pool = one_slot();
    let (to, reports) = mpsc::channel();
    for of in 0..500 {
        let job = Work::on(&pool).tell(of, to.clone()).submit();
        job.raise(Priority::ALL[of as usize % 5]);
        job.wait().expect("it runs");
    }
    pool.drained().wait();
    assert_eq!(
        (pool.info().in_flight, pool.info().queue_len, pool.info().overflow, pool.info().completed),
        (0, 0, 0, 500)
    );
    assert_eq!(reports.try_iter().count(), 500);
}

#[test]
fn raise_of_a_running_call_raises_its_children() {
    let pool = one_slot();
    let (began, held) = mpsc::channel();
    let (go, gate) = mpsc::channel();
    let job = Work::on(&pool).child_later(pool.clone(), began, gate).priority(Priority::Low).submit();
    held.recv().expect("it runs");
    job.raise(Priority::UserBlocking);
    go.send(()).expect("it waits");
    assert_eq!(job.wait().expect("it runs"), Priority::UserBlocking);
}

#[test]
fn raised_future_resumes_at_its_new_position() {
    let pool = one_slot();
    let work = Work::on(&pool);
    let (to, reports) = mpsc::channel();
    let (began, pending) = mpsc::channel();
    let open = Arc::new(AtomicBool::new(false));
    let jobs = [0, 1].map(|of| {
        let job = work.suspended(of, open.clone(), began.clone(), to.clone()).priority(Priority::Low).submit();
        (job, pending.recv().expect("it is pending"))
    });
    let (hold, held) = mpsc::channel();
    let (go, gate) = mpsc::channel();
    work.hold(hold, gate).submit().detach();
    held.recv().expect("it holds");
    open.store(true, Ordering::Relaxed);
    jobs[1].0.raise(Priority::UserBlocking);
    jobs.iter().for_each(|(_, waker)| waker.wake_by_ref());
    work.tell(2, to.clone()).submit().detach();
    go.send(()).expect("it waits");
    pool.drained().wait();
    assert_eq!(reports.try_iter().collect::<Vec<_>>(), [1, 2, 0]);
}

#[test]
fn raise_polls_no_future_that_awaits_no_call() {
    let pool = one_slot();
    let polls = Arc::new(AtomicUsize::new(0));
    let (pending, wakers) = mpsc::channel();
    let job = Work::on(&pool).count_polls(polls.clone(), pending).priority(Priority::Idle).submit();
    let waker = wakers.recv().expect("it is pending");
    for priority in [Priority::Low, Priority::Normal, Priority::Immediate] {
        job.raise(priority);
    }
    Work::on(&pool).tell(0, mpsc::channel().0).priority(Priority::Idle).wait().expect("it runs");
    assert_eq!(polls.load(Ordering::Relaxed), 1, "a poll would have gone before the idle call");
    waker.wake();
    wakers.recv().expect("it is polled for a cause");
    assert_eq!(polls.load(Ordering::Relaxed), 2);
    job.cancel();
}

#[test]
fn raise_reaches_the_call_that_a_future_blocks_on() {
    let (pool, work) = paused(Pool::builder());
    let (to, reports) = mpsc::channel();
    let idle = work.tell(0, to.clone()).priority(Priority::Idle).submit();
    let waiter = Work::on(&one_slot()).block_in_future(idle).priority(Priority::Idle).submit();
    // The first raise may come before the future blocks. When that raise has reached the call, the
    // future blocks for sure.
    for (of, priority) in [(1, Priority::Low), (2, Priority::Normal), (3, Priority::UserBlocking)] {
        work.other(of, to.clone()).priority(priority).submit().detach();
        assert_eq!(pool.next_task().map(TaskInfo::name), Some("other"));
        waiter.raise(priority);
        await_raised(&pool);
    }
    assert_eq!(order(&pool, &reports), [0, 3, 2, 1]);
    waiter.wait().expect("it runs");
}

// ----- waits

/// Returns a pool that starts no task, with two calls: one of the lowest priority, and a more
/// urgent one before it.
fn elsewhere() -> (Pool, Handle<Work, ()>, Receiver<u32>) {
    let (pool, work) = paused(Pool::builder());
    let (to, reports) = mpsc::channel();
    work.other(1, to.clone()).submit().detach();
    let idle = work.tell(2, to).priority(Priority::Idle).submit();
    assert_eq!(pool.next_task().map(TaskInfo::name), Some("other"));
    (pool, idle, reports)
}

/// Waits until the awaited call is first.
fn await_raised(pool: &Pool) {
    while pool.next_task().map(TaskInfo::name) != Some("tell") {
        thread::yield_now();
    }
}

#[test]
fn blocking_task_raises_the_call_that_it_waits_for() {
    let waits =
        |handle| Work::on(&one_slot()).wait_on(handle, mpsc::channel().0).priority(Priority::UserBlocking).submit();
    let (pool, idle, reports) = elsewhere();
    let waiter = waits(idle);
    await_raised(&pool);
    assert_eq!(order(&pool, &reports), [2, 1]);
    waiter.wait().expect("it runs");
}

#[test]
fn awaiting_task_raises_the_call_that_it_awaits() {
    let (pool, idle, reports) = elsewhere();
    let waiter = Work::tasks().await_it(idle).priority(Priority::Immediate).submit();
    await_raised(&pool);
    assert_eq!(order(&pool, &reports), [2, 1]);
    waiter.wait().expect("it runs");
}

#[test]
fn wait_raises_its_call_only_within_with_priority() {
    let (pool, idle, reports) = elsewhere();
    let idle = idle.wait_timeout(MILLISECOND).expect_err("nothing starts");
    assert_eq!(pool.next_task().map(TaskInfo::name), Some("other"), "a thread outside is in no hurry");
    let idle = with_priority(Priority::UserBlocking, || idle.wait_timeout(MILLISECOND)).expect_err("nothing starts");
    assert_eq!(order(&pool, &reports), [2, 1]);
    idle.wait().expect("it runs");
}

#[test]
fn raise_reaches_the_call_that_a_raised_call_waits_for() {
    let (pool, idle, reports) = elsewhere();
    let (middle, outer) = (one_slot(), one_slot());
    let (began, both) = mpsc::channel();
    let inner = Work::on(&middle).wait_on(idle, began.clone()).priority(Priority::Idle).submit();
    let waiter = Work::on(&outer).wait_on(inner, began).priority(Priority::Idle).submit();
    assert_eq!(both.iter().take(2).count(), 2);
    while middle.info().active + outer.info().active > 0 {
        thread::yield_now(); // until both block in their waits
    }
    waiter.raise(Priority::Immediate);
    await_raised(&pool);
    assert_eq!(order(&pool, &reports), [2, 1]);
    waiter.wait().expect("it runs");
}

#[test]
fn raise_reaches_the_call_that_a_raised_future_awaits() {
    let (pool, idle, reports) = elsewhere();
    let middle = one_slot();
    let inner = Work::on(&middle).await_it(idle).priority(Priority::Idle).submit();
    let waiter = Work::on(&middle).await_it(inner).priority(Priority::Idle).submit();
    while middle.info().active > 0 || middle.info().queue_len > 0 {
        thread::yield_now(); // until both are pending
    }
    waiter.raise(Priority::Immediate);
    await_raised(&pool);
    assert_eq!(order(&pool, &reports), [2, 1]);
    waiter.wait().expect("it runs");
}

// ----- behaviours of React's scheduler

#[test]
fn second_cancel_does_not_free_a_place_again() {
    let (pool, work) = paused(Pool::builder());
    let (to, reports) = mpsc::channel();
    let job = work.tell(0, to.clone()).submit();
    work.tell(1, to).submit().detach();
    job.cancel();
    job.cancel();
    assert_eq!(pool.info().in_flight, 1);
    assert_eq!(order(&pool, &reports), [1]);
    job.cancel();
    assert!(matches!(job.wait(), Err(CallError::Cancelled(_))));
}

#[test]
fn error_in_one_task_leaves_the_others_running() {
    let (pool, work) = paused(Pool::builder());
    let (to, reports) = mpsc::channel();
    work.tell(0, to.clone()).submit().detach();
    let failing = work.fail().submit();
    work.tell(1, to).submit().detach();
    assert_eq!(order(&pool, &reports), [0, 1]);
    assert!(matches!(failing.wait(), Err(CallError::Panicked(..))));
}

#[test]
fn concurrent_raises_waits_and_cancels_lose_no_call() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(2)).build().expect("it starts");
    let (to, reports) = mpsc::channel();
    thread::scope(|scope| {
        for seed in 0..3 {
            let (work, to) = (Work::on(&pool), to.clone());
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed);
                for of in 0..2_000 {
                    let job = work.tell(of, to.clone()).priority(random.choice(Priority::ALL).expect("there are some"));
                    let job = job.submit();
                    job.raise(random.choice(Priority::ALL).expect("there are some"));
                    match random.u8(0..4) {
                        0 => job.cancel(),
                        1 => job.wait().expect("it runs"),
                        _ => job.detach(),
                    }
                }
            });
        }
    });
    pool.drained().wait();
    assert_eq!((pool.info().in_flight, pool.info().queue_len, pool.info().overflow), (0, 0, 0));
    assert_eq!(reports.try_iter().count() as u64, pool.info().completed);
}
