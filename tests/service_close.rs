//! Tests of closing a service or a cluster within a limit: which calls finish, which are ended, and
//! what the error reports.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    Cluster,
    cluster::Balance,
    prelude::*,
    service::CloseError,
    sim,
    time::{HOUR, MILLISECOND},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

/// Counts how often `#[on_close]` has started, and has been dropped.
#[derive(Default)]
pub struct Closes {
    begun: AtomicUsize,
    dropped: AtomicUsize,
}

struct Drops(Arc<Closes>);

impl Drop for Drops {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

pub struct Store {
    closes: Arc<Closes>,
    closes_late: bool,
}

#[define]
impl Store {
    #[init]
    fn open(closes: Arc<Closes>, closes_late: bool) -> Self {
        Self { closes, closes_late }
    }

    /// Reports its start, and ends when the sender is dropped.
    pub fn hold(&mut self, begun: Sender<()>, gate: Receiver<()>) -> u8 {
        let _ = (begun.send(()), gate.recv());
        7
    }

    /// Ends when it is cancelled.
    pub fn spin(cx: &Context<Self>, begun: Sender<()>) -> u8 {
        let _ = begun.send(());
        while !cx.is_cancelled() {
            std::thread::yield_now();
        }
        7
    }

    pub async fn never(&self, begun: Sender<()>) {
        let _ = begun.send(());
        std::future::pending::<()>().await;
    }

    pub fn read(&self) -> u8 {
        7
    }

    /// Closes its own service.
    pub fn close_itself(&self, itself: Service<Self>) -> bool {
        matches!(itself.close_timeout(HOUR).wait(), Err(CloseError::WouldDeadlock))
    }

    #[on_close]
    async fn done(self) {
        self.closes.begun.fetch_add(1, Ordering::SeqCst);
        let drops = Drops(self.closes.clone());
        if self.closes_late {
            std::future::pending::<()>().await;
        }
        std::mem::forget(drops);
    }
}

fn launch(closes: &Arc<Closes>, closes_late: bool) -> Service<Store> {
    Store::service(closes.clone(), closes_late).launch().wait().expect("it starts")
}

/// Returns the numbers of unfinished calls: queued, and started.
fn unfinished(closed: Result<(), CloseError>) -> (usize, usize) {
    match closed {
        Err(CloseError::Unfinished(unfinished)) => (unfinished.cancelled(), unfinished.running()),
        other => panic!("not {other:?}"),
    }
}

fn is_cancelled<T>(outcome: &Result<T, CallError>) -> bool {
    matches!(outcome, Err(CallError::Cancelled(_)))
}

#[test]
fn accepted_calls_and_on_close_finish_within_the_limit() {
    let closes = Arc::default();
    let store = launch(&closes, false);
    let jobs: Vec<_> = (0..100).map(|_| store.read().submit()).collect();
    store.close_timeout(HOUR).wait().expect("it ends in time");
    assert!(jobs.into_iter().all(|job| job.wait().is_ok()));
    assert_eq!((closes.begun.load(Ordering::SeqCst), closes.dropped.load(Ordering::SeqCst)), (1, 0));
    assert!(matches!(store.read().wait(), Err(CallError::Closed(_))));
}

#[test]
fn limit_ends_queued_calls_and_asks_the_running_task_to_stop() {
    let closes = Arc::default();
    let store = launch(&closes, false);
    let (tell, begun) = channel();
    let spins = store.spin(tell).submit();
    begun.recv().expect("it begins");
    let queued = [(); 3].map(|()| store.read().submit());
    assert_eq!(unfinished(store.close_timeout(Duration::ZERO).wait()), (3, 1));
    assert!(queued.into_iter().all(|job| is_cancelled(&job.wait())));
    assert_eq!(spins.wait().expect("its caller waits until it returns"), 7);
    store.control().closed().wait().expect("it ends");
    assert_eq!(closes.begun.load(Ordering::SeqCst), 0, "`#[on_close]` does not run");
}

#[test]
fn limit_ends_suspended_calls() {
    let closes = Arc::default();
    let store = launch(&closes, false);
    let (tell, begun) = channel();
    let pending = [(); 2].map(|()| store.never(tell.clone()).submit());
    begun.iter().take(2).for_each(drop);
    assert_eq!(unfinished(pollster::block_on(store.close_timeout(MILLISECOND))), (0, 2));
    assert!(pending.into_iter().all(|job| is_cancelled(&job.wait())));
    store.control().closed().wait().expect("it ends");
}

#[test]
fn limit_drops_an_endless_on_close() {
    let closes = Arc::default();
    let store = launch(&closes, true);
    assert_eq!(unfinished(store.close_timeout(MILLISECOND).wait()), (0, 0));
    store.control().closed().wait().expect("it ends");
    assert_eq!(closes.begun.load(Ordering::SeqCst), closes.dropped.load(Ordering::SeqCst));
}

#[test]
fn dropped_close_continues_without_a_limit() {
    let closes = Arc::default();
    let store = launch(&closes, false);
    let ((tell, begun), (open, gate)) = (channel(), channel());
    let held = store.hold(tell, gate).submit();
    begun.recv().expect("it begins");
    let queued = store.read().submit();
    drop(store.close_timeout(Duration::ZERO));
    drop(open);
    assert_eq!((held.wait().expect("it ends"), queued.wait().expect("it was accepted")), (7, 7));
    store.control().closed().wait().expect("it ends");
    assert_eq!(closes.begun.load(Ordering::SeqCst), 1);
}

#[test]
fn task_that_closes_its_own_service_does_not_wait() {
    let store = launch(&Arc::default(), false);
    assert!(store.close_itself(store.clone()).wait().expect("it ends"));
    store.control().closed().wait().expect("it closes");
}

#[test]
fn cluster_limit_covers_all_members() {
    let closes = Arc::<Closes>::default();
    let of_members = closes.clone();
    let cluster = Cluster::builder().balance(Balance::RoundRobin);
    let cluster = cluster.launch(3, move || Store::service(of_members.clone(), false)).wait().expect("they start");
    let (tell, begun) = channel();
    // Each of two members has a call that runs and one that waits. The third member is idle.
    let spins = [(); 2].map(|()| cluster.spin(tell.clone()).submit());
    begun.iter().take(2).for_each(drop);
    cluster.read().wait().expect("the third is idle");
    let queued = [(); 2].map(|()| cluster.read().submit());
    assert_eq!(unfinished(cluster.close_timeout(20 * MILLISECOND).wait()), (2, 2));
    assert!(queued.into_iter().all(|job| is_cancelled(&job.wait())));
    assert!(spins.into_iter().all(|job| job.wait().is_ok()));
    assert!(cluster.close().wait().is_ok(), "all have ended");
}

#[test]
fn cluster_closes_within_its_limit() {
    let closes = Arc::<Closes>::default();
    let of_members = closes.clone();
    let cluster = Cluster::launch(3, move || Store::service(of_members.clone(), false)).wait().expect("they start");
    let jobs: Vec<_> = (0..100).map(|_| cluster.read().submit()).collect();
    pollster::block_on(cluster.close_timeout(HOUR)).expect("they end in time");
    assert!(jobs.into_iter().all(|job| job.wait().is_ok()));
    assert_eq!(closes.begun.load(Ordering::SeqCst), 3);
}

#[test]
fn each_call_ends_once_whenever_the_limit_comes() {
    sim::explore(0..100, || {
        let store = launch(&Arc::default(), false);
        let (tell, _begun) = channel();
        let mut jobs: Vec<_> = (0..sim::random() % 8).map(|_| store.read().submit()).collect();
        let pending = (sim::random() % 2 == 0).then(|| store.never(tell).submit());
        jobs.extend((0..sim::random() % 8).map(|_| store.read().submit()));
        let closed = store.close_timeout(MILLISECOND * (sim::random() % 2) as u32).wait();
        let ended = jobs.into_iter().map(|job| job.wait().is_ok()).filter(|is_ok| !is_ok).count();
        let ended = ended + pending.map_or(0, |job| usize::from(is_cancelled(&job.wait())));
        match closed {
            Ok(()) => assert_eq!(ended, 0),
            closed => {
                let (cancelled, running) = unfinished(closed);
                // A call that is about to start counts as queued.
                assert!(cancelled <= ended + 1, "{cancelled} were queued, {ended} ended");
                assert!(ended <= cancelled + running, "{cancelled} were queued, {running} begun, {ended} ended");
            }
        }
        store.control().closed().wait().expect("it ends");
    });
}
