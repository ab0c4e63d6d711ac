//! Tests that a wait which is polled and dropped leaves no waker behind, for each kind of wait.
#![allow(missing_docs)] // a test's name documents it

use futures_util::FutureExt;
use nanolith::{
    Cluster, Local, TaskGroup,
    layers::CircuitBreaker,
    messenger::Messenger,
    pool::Concurrency,
    port,
    prelude::*,
    schedule::every,
    stream,
    sync::{CancelToken, Semaphore},
    time::{self, SECOND},
};
use std::{
    future::{Future, pending},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context as Cx, Wake, Waker},
};

/// How often each wait is created, polled and dropped.
const TIMES: usize = 1_000;

struct Counted(AtomicUsize);

impl Wake for Counted {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Returns how many clones of a new waker are left after the wait was polled twice with it and
/// dropped.
fn kept<F: Future>(wait: F) -> usize {
    let counted = Arc::new(Counted(AtomicUsize::new(0)));
    let waker = Waker::from(counted.clone());
    {
        let mut wait = pin!(wait);
        for _ in 0..2 {
            assert!(wait.as_mut().poll(&mut Cx::from_waker(&waker)).is_pending(), "there is nothing to wait for");
        }
    }
    drop(waker);
    Arc::strong_count(&counted) - 1
}

/// Creates, polls and drops a wait repeatedly.
macro_rules! assert_no_waker_stays {
    ($wait:expr) => {
        let kept: usize = (0..TIMES).map(|_| kept($wait)).sum();
        assert_eq!(kept, 0, "wakers stay after `{}`", stringify!($wait));
    };
}

pub struct Work;

#[define]
impl Work {
    pub async fn listen() {
        pending::<()>().await;
    }

    pub async fn begin(begun: mpsc::Sender<()>) {
        let _ = begun.send(());
        pending::<()>().await;
    }

    pub fn block(begun: mpsc::Sender<()>, until: mpsc::Receiver<()>) {
        let _ = begun.send(());
        let _ = until.recv();
    }

    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    /// Polls and drops waits of a task's own. Returns how many wakers stay.
    pub async fn wait_within(cx: &Context<Self>) -> usize {
        (0..TIMES).map(|_| kept(cx.cancelled())).sum()
    }
}

#[derive(Clone)]
pub struct Reported(pub u32);

pub struct Counter;

#[define(inbox = u32, outbox = Reported)]
impl Counter {
    #[init]
    fn start() -> Self {
        Self
    }

    #[on_message]
    async fn on_message(&mut self, _message: u32) {
        pending::<()>().await;
    }

    /// Polls and drops searches for a messenger. Returns how many wakers stay.
    pub fn search(cx: &Context<Self>) -> usize {
        (0..TIMES).map(|_| kept(cx.find_messenger::<u32>("no such"))).sum()
    }

    pub fn total(&self) -> i64 {
        0
    }
}

pub struct Slow;

#[define]
impl Slow {
    #[init]
    fn start(until: mpsc::Receiver<()>) -> Self {
        let _ = until.recv();
        Self
    }

    pub fn total(&self) -> i64 {
        0
    }
}

#[test]
fn dropped_pool_waits_leave_no_waker() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(2)).max_queue(1).build().unwrap();
    let work = Work::on(&pool);
    let (begun, has_begun) = mpsc::channel();
    let jobs = [(); 2].map(|()| work.begin(begun.clone()).submit());
    (0..2).for_each(|_| has_begun.recv().unwrap());
    assert_no_waker_stays!(pool.drained());
    let mut events = pool.events();
    assert_no_waker_stays!(events.recv());
    assert_no_waker_stays!(jobs[0].progress().recv());
    pool.pause();
    let queued = work.add(1, 2).submit();
    assert_no_waker_stays!(work.add(1, 2).submit_async());
    assert_no_waker_stays!(work.add(1, 2));
    let _ = events.recv().now_or_never(); // it was full
    assert_no_waker_stays!(events.recv());
    assert_no_waker_stays!(pool.close_timeout(60 * SECOND));
    drop(queued);
}

#[test]
fn dropped_broadcast_waits_leave_no_waker() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(1)).build().unwrap();
    let ((begun, has_begun), (go, until)) = (mpsc::channel(), mpsc::channel());
    Work::on(&pool).block(begun, until).submit().detach();
    has_begun.recv().unwrap();
    let kept: usize = (0..20).map(|_| kept(pool.broadcast(|| ()))).sum();
    assert_eq!(kept, 0);
    drop(go);
}

#[test]
fn dropped_waits_within_tasks_leave_no_waker() {
    assert_eq!(Work::tasks().wait_within().wait().unwrap(), 0);
}

#[test]
fn dropped_service_waits_leave_no_waker() {
    let counter = Counter::service().max_queue(1).launch().wait().unwrap();
    let control = counter.control();
    assert_eq!(counter.search().wait().unwrap(), 0);
    assert_no_waker_stays!(control.closed());
    let mut life = control.life();
    while life.recv().now_or_never().is_some() {}
    assert_no_waker_stays!(life.recv());
    let mut outbox = counter.control().events();
    assert_no_waker_stays!(outbox.recv());
    counter.send(1).wait().unwrap();
    counter.send(2).wait().unwrap();
    assert_no_waker_stays!(counter.total());
    assert_no_waker_stays!(counter.send(3));
    assert_no_waker_stays!(counter.close());
    counter.terminate().wait().unwrap();
}

#[test]
fn dropped_launch_waits_leave_no_waker() {
    for _ in 0..20 {
        let (go, until) = mpsc::channel();
        assert_eq!(kept(Slow::service(until).launch()), 0);
        drop(go);
    }
}

#[test]
fn dropped_cluster_waits_leave_no_waker() {
    let work = Cluster::launch(2, Work::service).wait().unwrap();
    let _jobs = [work.listen().submit(), work.listen().submit()];
    assert_no_waker_stays!(work.close());
    work.terminate().wait().unwrap();
}

#[test]
fn dropped_message_waits_leave_no_waker() {
    let messenger = Messenger::<u32>::new();
    let other = messenger.join();
    let mut subscriber = other.subscribe();
    assert_no_waker_stays!(subscriber.recv());
    assert_no_waker_stays!(time::timeout(60 * SECOND, subscriber.recv()));
    assert_no_waker_stays!(subscriber.wait_for(|n| *n == 7));
    assert_no_waker_stays!(other.subscribe().recv());
}

#[test]
fn dropped_messenger_room_waits_leave_no_waker() {
    use nanolith::messenger::LagPolicy;
    let messenger = Messenger::builder().on_lag(LagPolicy::Wait(1)).build().unwrap();
    let subscriber = messenger.join().subscribe();
    messenger.send(1).wait().unwrap();
    assert_no_waker_stays!(messenger.send(2));
    drop(subscriber);
}

#[test]
fn dropped_port_waits_leave_no_waker() {
    let (left, right) = port::bounded::<u32, u32>(1);
    assert_no_waker_stays!(right.recv());
    assert_no_waker_stays!(time::timeout(60 * SECOND, right.recv()));
    assert_no_waker_stays!(right.wait_for(|n| *n == 7));
    assert_no_waker_stays!(right.closed());
    left.try_send(1).unwrap();
    assert_no_waker_stays!(left.send(2));
    assert_no_waker_stays!(right.wait_for(|n| *n == 7));
    assert_eq!(right.try_recv(), Ok(1));
}

#[test]
fn dropped_stream_waits_leave_no_waker() {
    let (mut sender, mut receiver) = stream::items::<u32>(1).unwrap();
    assert_no_waker_stays!(receiver.recv());
    assert_no_waker_stays!(time::timeout(60 * SECOND, receiver.recv()));
    while sender.try_send(1).is_ok() {}
    assert_no_waker_stays!(sender.send(2));
    assert_eq!(kept(sender.drained()), 0);
    assert_eq!(receiver.recv().wait().unwrap(), Some(1));
}

#[test]
fn dropped_token_waits_leave_no_waker() {
    let token = CancelToken::new();
    assert_no_waker_stays!(token.cancelled());
    assert_no_waker_stays!(token.run_until_cancelled(pending::<()>()));
}

#[test]
fn dropped_permit_waits_leave_no_waker() {
    let permits = Semaphore::new(1);
    let held = permits.try_acquire().unwrap();
    assert_no_waker_stays!(permits.acquire());
    drop(held);
}

#[test]
fn dropped_group_waits_leave_no_waker() {
    let mut group = TaskGroup::new();
    group.spawn(Work::tasks().listen());
    assert_no_waker_stays!(group.join_next());
    nanolith::group::try_scope(|scope| {
        let joined = scope.spawn(Work::tasks().listen());
        let kept = kept(joined);
        scope.cancel();
        assert_eq!(kept, 0);
        Ok::<(), CallError>(())
    })
    .unwrap_err();
}

#[test]
fn dropped_local_waits_leave_no_waker() {
    let local = Local::new();
    assert_no_waker_stays!(local.work_available());
    let job = Work::on(&local).add(1, 2).submit();
    assert_no_waker_stays!(local.drained());
    drop(job);
}

#[test]
fn dropped_schedule_waits_leave_no_waker() {
    let schedule = every(3_600 * SECOND, Work::tasks(), |work| work.add(1, 2)).start().unwrap();
    assert_no_waker_stays!(schedule.closed());
}

#[test]
fn dropped_time_waits_leave_no_waker() {
    assert_no_waker_stays!(time::sleep(60 * SECOND));
    assert_no_waker_stays!(time::timeout(60 * SECOND, pending::<()>()));
}

#[test]
fn dropped_circuit_breaker_waits_leave_no_waker() {
    let breaker = CircuitBreaker::new();
    let mut transitions = breaker.transitions();
    assert_no_waker_stays!(transitions.recv());
}
