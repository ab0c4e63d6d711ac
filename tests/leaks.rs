//! Tests that long runs of short-lived things leave no memory, no thread and no descriptor behind.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use futures_util::FutureExt;
use nanolith::{
    Cluster, Local, TaskGroup, bulk,
    layers::CircuitBreaker,
    messenger::Messenger,
    pipeline::Pipeline,
    pool::Concurrency,
    port,
    prelude::*,
    schedule::every,
    service::Restart,
    sync::{Backoff, CancelToken},
    time::{HOUR, MILLISECOND, MockClock, sleep},
};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    fs,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicIsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// The system's allocator, with a count of what is allocated. This is the one place of the package
/// with unsafe code.
struct Counter;

#[global_allocator]
static COUNTER: Counter = Counter;

static BLOCKS: AtomicIsize = AtomicIsize::new(0);
static BYTES: AtomicIsize = AtomicIsize::new(0);

/// Adds `blocks` and `bytes` to the counts. Either may be negative.
fn count(blocks: isize, bytes: isize) {
    BLOCKS.fetch_add(blocks, Ordering::Relaxed);
    BYTES.fetch_add(bytes, Ordering::Relaxed);
}

/// Returns the size of a block, which is never more than `isize::MAX`.
fn signed(size: usize) -> isize {
    isize::try_from(size).unwrap_or(isize::MAX)
}

// SAFETY: every method passes its arguments on to the system's allocator unchanged, and returns
// that allocator's result.
unsafe impl GlobalAlloc for Counter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, signed(layout.size()));
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(0, signed(size) - signed(layout.size()));
        // SAFETY: the caller keeps `realloc`'s contract, and `block` came from the system's
        // allocator.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-1, -signed(layout.size()));
        // SAFETY: the caller keeps `dealloc`'s contract, and `block` came from the system's
        // allocator.
        unsafe { System.dealloc(block, layout) }
    }
}

/// The resources of the process.
#[derive(Clone, Copy, Debug)]
struct Live {
    blocks: isize,
    bytes: isize,
    threads: usize,
    descriptors: usize,
}

impl Live {
    fn now() -> Self {
        let entries = |folder| fs::read_dir(folder).map_or(0, Iterator::count);
        Self {
            threads: entries("/proc/self/task"),
            descriptors: entries("/proc/self/fd"),
            blocks: BLOCKS.load(Ordering::Relaxed),
            bytes: BYTES.load(Ordering::Relaxed),
        }
    }

    /// Whether `rounds` rounds since `earlier` have left less than a list would grow by in as many
    /// rounds.
    fn is_flat_since(self, earlier: Self, rounds: isize) -> bool {
        self.blocks - earlier.blocks < rounds / 4
            && self.bytes - earlier.bytes < rounds * 8
            && self.threads <= earlier.threads
            && self.descriptors <= earlier.descriptors
    }
}

/// Runs `rounds` rounds many times. At least one of these repetitions must leave nothing.
///
/// The first repetitions fill caches, whose size depends a little on which thread was first. A
/// resource that grows in each round never passes.
#[track_caller]
fn assert_flat(rounds: isize, round: impl Fn()) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut seen = Vec::new();
    for _ in 0..40 {
        (0..rounds).for_each(|_| round());
        let now = calm();
        if seen.last().is_some_and(|earlier| now.is_flat_since(*earlier, rounds)) {
            return;
        }
        seen.push(now);
    }
    panic!("{rounds} rounds leave more each time: {seen:#?}");
}

/// Returns the resources of the process when no thread has ended for a while. A thread that ends
/// returns its resources.
fn calm() -> Live {
    let (mut live, mut since) = (Live::now(), Instant::now());
    while since.elapsed() < CALM {
        let now = Live::now();
        if now.threads != live.threads {
            since = Instant::now();
        }
        live = now;
        thread::yield_now();
    }
    live
}

/// A time that is longer than a thread takes to end.
const CALM: Duration = Duration::from_millis(50);

pub struct Geometry;

#[define]
impl Geometry {
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    pub async fn wait_then_add(x: i64, y: i64) -> i64 {
        nanolith::task::yield_now().await;
        x + y
    }

    pub async fn sleep_long() {
        sleep(HOUR).await;
    }

    pub fn fail() {
        panic!("no luck");
    }
}

fn small_pool() -> Pool {
    Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("a pool")
}

fn service() -> Service<Geometry> {
    Geometry::service().launch().wait().expect("a service")
}

#[test]
fn pools_leave_no_memory() {
    assert_flat(100, || {
        let pool = small_pool();
        assert_eq!(Geometry::on(&pool).add(4, 5).wait().ok(), Some(9));
        drop(Geometry::on(&pool).wait_then_add(4, 5).submit());
        pool.broadcast(|| ()).wait().expect("it runs");
        pool.close();
        pool.drained().wait();
    });
}

#[test]
fn pools_of_changing_size_leave_no_memory() {
    let pool = small_pool();
    assert_flat(50, || {
        pool.set_concurrency(Concurrency::Exact(2)).expect("a larger one");
        assert_eq!(Geometry::on(&pool).add(4, 5).wait().ok(), Some(9));
        pool.set_concurrency(Concurrency::Exact(1)).expect("a smaller one");
    });
}

#[test]
fn services_leave_no_memory() {
    assert_flat(200, || {
        let service = service();
        assert_eq!(service.add(4, 5).wait().ok(), Some(9));
        service.close().wait().expect("it closes");
    });
}

#[test]
fn restarts_leave_no_memory() {
    let policy = Restart::on_panic().limit(usize::MAX, MILLISECOND).backoff(Backoff::none());
    let service = Geometry::service().restart(policy).launch().wait().expect("a service");
    assert_flat(200, || {
        assert!(service.fail().wait().is_err());
        assert_eq!(service.add(4, 5).wait().ok(), Some(9));
    });
}

#[test]
fn clusters_leave_no_memory() {
    assert_flat(50, || {
        let cluster = Cluster::launch(2, Geometry::service).wait().expect("a cluster");
        assert_eq!(cluster.add(4, 5).wait().ok(), Some(9));
        cluster.close().wait().expect("it closes");
    });
}

#[test]
fn cluster_members_leave_no_memory() {
    let cluster = Cluster::launch(1, Geometry::service).wait().expect("a cluster");
    assert_flat(100, || {
        let member = cluster.control().add().wait().expect("a member");
        assert_eq!(cluster.add(4, 5).wait().ok(), Some(9));
        cluster.control().remove(member).expect("it is there").wait().expect("it closes");
    });
}

#[test]
fn locals_leave_no_memory() {
    assert_flat(500, || {
        let local = Local::new();
        assert_eq!(Geometry::on(&local).add(4, 5).wait().ok(), Some(9));
    });
}

#[test]
fn calling_threads_leave_no_memory() {
    let service = service();
    assert_flat(300, || {
        thread::scope(|scope| {
            scope.spawn(|| {
                let jobs: Vec<_> = (0..3).map(|n| service.add(n, 1).submit()).collect();
                jobs.into_iter().for_each(|job| assert!(job.wait().is_ok()));
                assert_eq!(Geometry::tasks().add(4, 5).wait().ok(), Some(9));
                assert!(Geometry::tasks().fail().wait().is_err());
            });
        });
    });
}

#[test]
fn subscriptions_leave_no_memory() {
    let service = service();
    assert_flat(1_000, || drop(service.control().life().recv().wait()));
    assert_flat(1_000, || drop(service.control().life()));
    let breaker = CircuitBreaker::new();
    assert_flat(1_000, || drop(breaker.transitions()));
    let pool = small_pool();
    assert_flat(1_000, || {
        let mut events = pool.events();
        assert!(events.recv().now_or_never().is_none());
    });
}

#[test]
fn dropped_waits_leave_no_memory() {
    let (pool, service) = (small_pool(), service());
    let job = Geometry::on(&pool).sleep_long().submit();
    assert_flat(1_000, || assert!(pool.drained().now_or_never().is_none()));
    assert_flat(1_000, || assert!(service.control().closed().now_or_never().is_none()));
    let token = CancelToken::new();
    assert_flat(1_000, || assert!(token.child_token().cancelled().now_or_never().is_none()));
    assert_flat(1_000, || assert!(token.cancelled().now_or_never().is_none()));
    assert_flat(1_000, || assert!(sleep(HOUR).now_or_never().is_none()));
    drop(job);
}

#[test]
fn calls_of_every_end_leave_no_memory() {
    let pool = small_pool();
    let geometry = Geometry::on(&pool);
    let token = CancelToken::new();
    assert_flat(500, || assert!(geometry.fail().wait().is_err()));
    assert_flat(500, || assert!(geometry.sleep_long().timeout(Duration::ZERO).wait().is_err()));
    assert_flat(500, || {
        let job = geometry.sleep_long().cancel_token(&token.child_token()).submit();
        job.cancel();
        assert!(job.wait().is_err());
    });
    assert_flat(500, || {
        let child = token.child_token();
        let job = geometry.sleep_long().cancel_token(&child).submit();
        child.cancel();
        assert!(job.wait().is_err());
    });
    assert_flat(500, || assert!(geometry.add(4, 5).timeout(HOUR).wait().is_ok()));
    assert_flat(500, || drop(geometry.add(4, 5).timeout(HOUR).submit()));
    assert_flat(500, || drop(geometry.sleep_long().timeout(HOUR).submit().cancel_on_drop()));
    assert_flat(500, || assert!(geometry.add(4, 5).cancel_token(&token).wait().is_ok()));
    assert_flat(500, || drop(geometry.add(4, 5).cancel_token(&token).submit()));
    assert_flat(500, || drop(geometry.add(4, 5).submit()));
    assert_flat(500, || drop(geometry.add(4, 5)));
}

#[test]
fn messengers_and_ports_leave_no_memory() {
    assert_flat(1_000, || {
        let messenger = Messenger::<u8>::open("orders").expect("a name that is free");
        let mut subscriber = messenger.subscribe();
        assert!(subscriber.recv().now_or_never().is_none());
        messenger.join().send(1).wait().expect("it is open");
        assert_eq!(subscriber.recv().wait().ok(), Some(1));
    });
    let messenger = Messenger::<u8>::new();
    assert_flat(1_000, || {
        let mut subscriber = messenger.subscribe();
        assert!(subscriber.recv().now_or_never().is_none());
    });
    assert_flat(1_000, || {
        let (one, other) = port::pair::<u8, u8>();
        assert!(one.recv().now_or_never().is_none());
        other.send(1).wait().expect("the other end is there");
    });
}

#[test]
fn groups_and_bulk_leave_no_memory() {
    let pool = small_pool();
    let geometry = Geometry::on(&pool);
    assert_flat(200, || {
        let mut group = TaskGroup::<i64>::new();
        (0..3).for_each(|n| group.spawn(geometry.add(n, 1)));
        assert_eq!(group.join_all().wait().len(), 3);
    });
    assert_flat(200, || {
        let sums = bulk::map(&pool, vec![1, 2, 3], |n: i64| n + 1).wait().expect("no panic");
        assert_eq!(sums, [2, 3, 4]);
    });
}

#[test]
fn pipelines_leave_no_memory() {
    let pool = small_pool();
    assert_flat(100, || {
        let doubled = Pipeline::from_iter(0..10_i64).map(&pool, |n| n * 2).ordered().collect().wait();
        assert!(doubled.is_ok());
    });
}

#[test]
fn schedules_leave_no_memory() {
    assert_flat(300, || {
        let schedule = every(HOUR, Geometry::tasks(), |geometry| geometry.add(4, 5)).start().expect("it starts");
        assert!(schedule.closed().now_or_never().is_none());
    });
}

#[test]
fn mock_clocks_leave_no_memory() {
    let clocks = Mutex::new(None);
    assert_flat(200, || {
        let clock = MockClock::new();
        let entered = clock.enter();
        drop((sleep(HOUR).now_or_never(), clock));
        let late = sleep(HOUR);
        let _ = clocks.lock().map(|mut clocks| *clocks = late.now_or_never());
        drop(entered);
    });
}

#[test]
fn pool_that_outlives_its_clock_leaves_no_memory() {
    assert_flat(100, || {
        let clock = MockClock::new();
        let pool = clock.run(small_pool);
        drop(clock);
        let job = Geometry::on(&pool).sleep_long().submit();
        while pool.info().in_flight == 0 {
            thread::yield_now();
        }
        drop(Geometry::on(&pool).add(4, 5).wait()); // the other task sleeps by then
        job.cancel();
        assert!(job.wait().is_err());
    });
}

#[test]
fn simulations_leave_no_memory() {
    assert_flat(50, || {
        let sum = nanolith::sim(1, || {
            let pool = small_pool();
            Geometry::on(&pool).add(4, 5).wait().ok()
        });
        assert_eq!(sum, Some(9));
    });
}
