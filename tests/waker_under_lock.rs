//! Tests that no waker runs under a lock. A waker is user code: its clone, its wake and its drop
//! may query what its task waits for.
//!
//! Each test waits for capacity with such wakers, gives one wait up, and lets one complete. A waker
//! that runs under the owner's lock never ends.
#![allow(missing_docs, clippy::needless_pass_by_value)] // a test's name documents it
#![allow(unsafe_code, reason = "a waker whose clone is user code needs a table of functions")]

use nanolith::{
    Cluster, Executor, Local, TaskSet,
    layers::{ConcurrencyLimit, Layer, RateLimit},
    messenger::{LagPolicy, Messenger},
    pool::Concurrency,
    port,
    prelude::*,
    stream,
    sync::Semaphore,
    time::{MockClock, SECOND},
};
use std::{
    future::Future,
    mem::ManuallyDrop,
    pin::{Pin, pin},
    sync::{
        Arc, Condvar, Mutex,
        mpsc::{self, Receiver, Sender},
    },
    task::{Context as Cx, Poll, RawWaker, RawWakerVTable, Waker},
    thread,
    time::Duration,
};

/// A limit for an event that must happen, on a machine that is busy.
const LONG: Duration = Duration::from_secs(20);

pub struct Geometry;

#[define]
impl Geometry {
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    /// Runs until the other end of `until` is dropped.
    pub fn hold(started: Sender<()>, until: Receiver<()>) {
        let _ = started.send(());
        let _ = until.recv();
    }
}

// ----- the waker

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    clones: usize,
    wakes: usize,
    drops: usize,
}

/// Makes wakers that call `look` at each clone, wake and drop.
struct Looker {
    look: Box<dyn Fn() + Send + Sync>,
    seen: Mutex<Seen>,
    changed: Condvar,
}

static TABLE: RawWakerVTable = RawWakerVTable::new(clone_waker, wake_waker, wake_waker_by_ref, drop_waker);

/// # Safety
///
/// `data` is that of a waker with [`TABLE`], which lives on.
unsafe fn lent(data: *const ()) -> ManuallyDrop<Arc<Looker>> {
    // SAFETY: the pointer is from `Arc::into_raw`, and the waker keeps its count.
    ManuallyDrop::new(unsafe { Arc::from_raw(data.cast()) })
}

unsafe fn clone_waker(data: *const ()) -> RawWaker {
    // SAFETY: as the caller says.
    let looker = unsafe { lent(data) };
    looker.look_at(|seen| seen.clones += 1);
    looker.raw_waker()
}

unsafe fn wake_waker(data: *const ()) {
    // SAFETY: as the caller says. It gives the waker up.
    let looker = ManuallyDrop::into_inner(unsafe { lent(data) });
    looker.look_at(|seen| seen.wakes += 1);
}

unsafe fn wake_waker_by_ref(data: *const ()) {
    // SAFETY: as the caller says.
    unsafe { lent(data) }.look_at(|seen| seen.wakes += 1);
}

unsafe fn drop_waker(data: *const ()) {
    // SAFETY: as the caller says. It gives the waker up.
    let looker = ManuallyDrop::into_inner(unsafe { lent(data) });
    looker.look_at(|seen| seen.drops += 1);
}

impl Looker {
    fn new(look: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { look: Box::new(look), seen: Mutex::default(), changed: Condvar::new() })
    }

    fn look_at(&self, change: impl FnOnce(&mut Seen)) {
        (self.look)();
        change(&mut self.seen.lock().unwrap());
        self.changed.notify_all();
    }

    fn raw_waker(self: &Arc<Self>) -> RawWaker {
        RawWaker::new(Arc::into_raw(self.clone()).cast(), &TABLE)
    }

    /// Returns a new waker. It equals each waker of this looker, and no waker of another looker.
    fn waker(self: &Arc<Self>) -> Waker {
        // SAFETY: the functions of the table count the owners of the `Arc`, which may move to any
        // thread.
        unsafe { Waker::from_raw(self.raw_waker()) }
    }

    fn seen(&self) -> Seen {
        *self.seen.lock().unwrap()
    }

    fn wait_until(&self, is_so: impl Fn(&Seen) -> bool) {
        let seen = self.seen.lock().unwrap();
        let (_seen, limit) = self.changed.wait_timeout_while(seen, LONG, |seen| !is_so(seen)).unwrap();
        assert!(!limit.timed_out(), "the waker is not woken");
    }
}

/// Two lookers, so that one waker replaces another.
struct Lookers([Arc<Looker>; 2]);

impl Lookers {
    fn new(look: impl Fn() + Clone + Send + Sync + 'static) -> Self {
        Self([Looker::new(look.clone()), Looker::new(look)])
    }

    /// Polls `wait` with one waker and with another, each twice.
    fn poll<F: Future>(&self, mut wait: Pin<&mut F>) {
        for looker in &self.0 {
            for _ in 0..2 {
                let waker = looker.waker();
                assert!(wait.as_mut().poll(&mut Cx::from_waker(&waker)).is_pending(), "there is no room");
            }
        }
    }

    /// Starts to wait, and gives the wait up.
    fn give_up(&self, wait: impl Future) {
        self.poll(Box::pin(wait).as_mut());
        for looker in &self.0 {
            let Seen { clones, wakes, drops } = looker.seen();
            assert!(clones > 0, "it is registered");
            assert_eq!(wakes + drops, clones + 2, "no waker is left behind");
        }
    }

    /// Waits until `free` frees capacity.
    fn come_in<F: Future>(&self, wait: F, free: impl FnOnce()) -> F::Output {
        let mut wait = pin!(wait);
        self.poll(wait.as_mut());
        let last = &self.0[1];
        let before = last.seen().wakes;
        free();
        last.wait_until(|seen| seen.wakes > before);
        let waker = last.waker();
        match wait.as_mut().poll(&mut Cx::from_waker(&waker)) {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("a waiter is woken when there is room for it"),
        }
    }
}

/// Fails the test if `body` does not end.
fn within_limit(body: impl FnOnce() + Send + 'static) {
    let (done, ends) = mpsc::channel();
    let body = thread::spawn(move || {
        body();
        done.send(()).unwrap();
    });
    match ends.recv_timeout(LONG) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("a waker blocks: it runs under a lock"),
        _ => body.join().unwrap(),
    }
}

/// Runs a call that holds its executor until the returned sender is dropped.
fn hold<E: Executor<Geometry>>(geometry: &GeometryCalls<E>) -> Sender<()> {
    let ((started, starts), (release, until)) = (mpsc::channel(), mpsc::channel());
    geometry.hold(started, until).submit().detach();
    starts.recv_timeout(LONG).unwrap();
    release
}

fn one_slot() -> Pool {
    let builder = Pool::builder().concurrency(Concurrency::Exact(1));
    builder.max_queue(1).build().unwrap()
}

// ----- executors

#[test]
fn waiting_pool_call_runs_no_waker_under_lock() {
    within_limit(|| {
        let pool = one_slot();
        pool.pause();
        let geometry = Geometry::on(&pool);
        geometry.add(1, 2).submit().detach();
        let owner = pool.clone();
        let lookers = Lookers::new(move || _ = owner.info().queue_len);
        lookers.give_up(geometry.add(3, 4).submit_async());
        let job = lookers.come_in(geometry.add(3, 4).submit_async(), || pool.resume());
        assert_eq!(job.wait().unwrap(), 7);
    });
}

#[test]
fn waiting_share_call_runs_no_waker_under_lock() {
    within_limit(|| {
        let pool = one_slot();
        pool.pause();
        let share = pool.share("tenant").max_queue(1).build().unwrap();
        let geometry = Geometry::calls(share.clone());
        geometry.add(1, 2).submit().detach();
        let lookers = Lookers::new(move || _ = share.info().queue_len);
        lookers.give_up(geometry.add(3, 4).submit_async());
        let job = lookers.come_in(geometry.add(3, 4).submit_async(), || pool.resume());
        assert_eq!(job.wait().unwrap(), 7);
    });
}

#[test]
fn waiting_service_call_runs_no_waker_under_lock() {
    within_limit(|| {
        let service = Geometry::service().max_queue(1).launch().wait().unwrap();
        let release = hold(service.calls());
        service.add(1, 2).submit().detach();
        let owner = service.clone();
        let lookers = Lookers::new(move || _ = owner.info());
        lookers.give_up(service.add(3, 4).submit_async());
        let job = lookers.come_in(service.add(3, 4).submit_async(), || drop(release));
        assert_eq!(job.wait().unwrap(), 7);
    });
}

#[test]
fn waiting_local_call_runs_no_waker_under_lock() {
    within_limit(|| {
        let local = Local::builder().max_queue(1).build().unwrap();
        let geometry = Geometry::on(&local);
        geometry.add(1, 2).submit().detach();
        let owner = local.clone();
        let lookers = Lookers::new(move || _ = owner.info().queue_len);
        lookers.give_up(geometry.add(3, 4).submit_async());
        let job = lookers.come_in(geometry.add(3, 4).submit_async(), || assert!(local.run_one()));
        local.run_until_idle();
        assert_eq!(job.wait().unwrap(), 7);
    });
}

#[test]
fn waiting_cluster_call_runs_no_waker_under_lock() {
    within_limit(|| {
        let cluster = Cluster::launch(2, || Geometry::service().max_queue(1)).wait().unwrap();
        let members: Vec<_> = cluster.control().members().iter().map(|id| cluster.control().use_member(*id)).collect();
        let members: Vec<_> = members.into_iter().map(|member| member.unwrap()).collect();
        let releases: Vec<_> = members.iter().map(|member| hold(member.calls())).collect();
        members.iter().for_each(|member| member.add(1, 2).submit().detach());
        let cluster = Arc::new(cluster);
        let owner = cluster.clone();
        let lookers = Lookers::new(move || _ = owner.info());
        lookers.give_up(cluster.add(3, 4).submit_async());
        let job = lookers.come_in(cluster.add(3, 4).submit_async(), || drop(releases));
        assert_eq!(job.wait().unwrap(), 7);
    });
}

// ----- layers

#[test]
fn concurrency_limit_runs_no_waker_under_lock() {
    within_limit(|| {
        let limit = ConcurrencyLimit::new(1);
        let geometry = Geometry::calls(limit.clone().layer(Pool::builder().build().unwrap()));
        let release = hold(&geometry);
        let lookers = Lookers::new(move || _ = limit.waiting());
        lookers.give_up(geometry.add(3, 4).submit_async());
        let job = lookers.come_in(geometry.add(3, 4).submit_async(), || drop(release));
        assert_eq!(job.wait().unwrap(), 7);
    });
}

#[test]
fn rate_limit_runs_no_waker_under_lock() {
    within_limit(|| {
        let clock = MockClock::new();
        clock.run(|| {
            let limit = RateLimit::new(1, SECOND);
            let geometry = Geometry::calls(limit.clone().layer(Pool::builder().build().unwrap()));
            assert_eq!(geometry.add(1, 2).wait().unwrap(), 3); // takes the only token
            let lookers = Lookers::new(move || _ = limit.waiting());
            lookers.give_up(geometry.add(3, 4).submit_async());
            let job = lookers.come_in(geometry.add(3, 4).submit_async(), || clock.advance(SECOND));
            assert_eq!(job.wait().unwrap(), 7);
        });
    });
}

// ----- permits, ports, messengers, streams

#[test]
fn permits_run_no_waker_under_lock() {
    within_limit(|| {
        let permits = Semaphore::new(0);
        let owner = permits.clone();
        let lookers = Lookers::new(move || _ = owner.available_permits());
        lookers.give_up(permits.acquire());
        let permit = lookers.come_in(permits.acquire(), || permits.add_permits(1));
        assert_eq!(permit.map(|permit| permit.count()), Ok(1));
    });
}

#[test]
fn port_sender_runs_no_waker_under_lock() {
    within_limit(|| {
        let (sender, receiver) = port::bounded::<u32, u32>(1);
        let receiver = Arc::new(receiver);
        sender.try_send(1).unwrap();
        let owner = receiver.clone();
        let lookers = Lookers::new(move || _ = owner.len());
        lookers.give_up(sender.send(2));
        let sent = lookers.come_in(sender.send(3), || assert_eq!(receiver.try_recv(), Ok(1)));
        assert!(sent.is_ok());
        assert_eq!(receiver.try_recv(), Ok(3));
    });
}

#[test]
fn port_close_runs_no_sender_waker_under_lock() {
    within_limit(|| {
        let (sender, receiver) = port::bounded::<u32, u32>(1);
        sender.try_send(1).unwrap();
        let sender = Arc::new(sender);
        let owner = sender.clone();
        let lookers = Lookers::new(move || _ = owner.is_empty());
        let sent = lookers.come_in(sender.send(2), || drop(receiver));
        assert!(sent.is_err());
    });
}

#[test]
fn messenger_sender_runs_no_waker_under_lock() {
    within_limit(|| {
        let sender = Messenger::<u32>::builder().on_lag(LagPolicy::Wait(1)).build().unwrap();
        let mut receiver = sender.join().subscribe();
        sender.try_send(1).unwrap();
        let owner = Arc::new(sender.join());
        let lookers = Lookers::new(move || _ = owner.info());
        lookers.give_up(sender.send(2));
        let sent = lookers.come_in(sender.send(3), || assert_eq!(receiver.recv().wait(), Ok(1)));
        assert!(sent.is_ok());
        assert_eq!(receiver.recv().wait(), Ok(3));
    });
}

#[test]
fn messenger_end_runs_no_sender_waker_under_lock() {
    within_limit(|| {
        let sender = Messenger::<u32>::builder().on_lag(LagPolicy::Wait(1)).build().unwrap();
        let _receiver = sender.join().subscribe();
        sender.try_send(1).unwrap();
        let owner = Arc::new(sender.join());
        let lookers = Lookers::new(move || _ = owner.info());
        let sent = lookers.come_in(sender.send(2), || sender.close_all());
        assert!(sent.is_err());
    });
}

#[test]
fn stream_writer_runs_no_waker_under_lock() {
    within_limit(|| {
        let (mut sender, receiver) = stream::items::<u32>(1).unwrap();
        while sender.try_send(1).is_ok() {}
        let receiver = Arc::new(Mutex::new(receiver));
        let owner = receiver.clone();
        let lookers = Lookers::new(move || _ = owner.try_lock().map(|receiver| format!("{receiver:?}")));
        lookers.poll(Box::pin(sender.send(2)).as_mut());
        let sent = lookers.come_in(sender.send(3), || while let Ok(Some(_)) = receiver.lock().unwrap().try_recv() {});
        assert!(sent.is_ok());
    });
}
