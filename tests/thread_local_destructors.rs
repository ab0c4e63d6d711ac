//! Tests that destructors of the program's thread-locals may use everything that is public.

#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    Cluster,
    messenger::Messenger,
    pool::Concurrency,
    port,
    prelude::*,
    sync::CancelToken,
    time::{MILLISECOND, MockClock, sleep, timeout},
};
use std::{cell::RefCell, sync::mpsc, thread, time::Duration};

pub struct Geometry;

#[define]
impl Geometry {
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    pub fn fail() {
        panic!("no luck");
    }
}

const LONG: Duration = Duration::from_secs(60);

/// Runs its closure when its thread ends.
struct AtEnd(RefCell<Option<Box<dyn FnOnce()>>>);

impl Drop for AtEnd {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(|run| run());
    }
}

thread_local! {
    static AT_END: AtEnd = const { AtEnd(RefCell::new(None)) };
}

/// Returns the value of `f` in the destructor of a thread-local that is dropped after all of the
/// library's.
fn at_end<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> R {
    let (give, take) = mpsc::channel();
    let thread = thread::spawn(move || {
        // The thread-local that is used first is dropped last.
        AT_END.with(|at_end| at_end.0.replace(Some(Box::new(move || give.send(f()).expect("the test waits")))));
        use_all();
    });
    let result = take.recv().expect("the destructor does not panic");
    thread.join().expect("the thread does not panic");
    result
}

/// Uses the library in each way that leaves a value in the thread.
fn use_all() {
    assert_eq!(Geometry::tasks().add(4, 5).wait().ok(), Some(9));
    assert!(Geometry::tasks().fail().wait().is_err());
    sleep(MILLISECOND).wait();
    MockClock::new().run(|| assert_eq!(Geometry::tasks().add(4, 5).wait().ok(), Some(9)));
    let token = CancelToken::new();
    token.cancel();
    token.cancelled().wait();
    assert_eq!(nanolith::task::current().task(), None);
}

#[test]
fn call_waits_in_thread_local_destructor() {
    assert_eq!(at_end(|| Geometry::tasks().add(4, 5).wait().ok()), Some(9));
    assert_eq!(at_end(|| Geometry::tasks().add(4, 5).timeout(LONG).wait().ok()), Some(9));
    assert_eq!(at_end(|| Geometry::tasks().add(4, 5).submit().wait().ok()), Some(9));
    assert!(at_end(|| Geometry::tasks().fail().wait()).is_err());
}

#[test]
fn future_is_awaited_in_thread_local_destructor() {
    assert_eq!(at_end(|| pollster::block_on(async { Geometry::tasks().add(4, 5).await.ok() })), Some(9));
    assert!(at_end(|| pollster::block_on(timeout(MILLISECOND, std::future::pending::<()>()))).is_err());
}

#[test]
fn time_passes_in_thread_local_destructor() {
    at_end(|| sleep(MILLISECOND).wait());
    let passed = at_end(|| {
        let clock = MockClock::new();
        clock.run(|| {
            let began = nanolith::time::now();
            clock.advance(LONG);
            nanolith::time::now() - began
        })
    });
    assert_eq!(passed, LONG);
}

#[test]
fn token_cancels_in_thread_local_destructor() {
    let is_cancelled = at_end(|| {
        let token = CancelToken::new();
        let below = token.child_token().child_token();
        token.cancel();
        token.cancelled().wait();
        below.is_cancelled()
    });
    assert!(is_cancelled);
}

#[test]
fn port_and_messenger_deliver_in_thread_local_destructor() {
    let (one, other) = port::pair::<u8, u8>();
    let ready = at_end(move || {
        let (asks, asked) = mpsc::channel();
        let sends = thread::spawn(move || {
            asked.recv().expect("it asks");
            one.send(4).wait().expect("the other end is there");
        });
        asks.send(()).expect("it is there");
        let received = other.recv().wait();
        sends.join().expect("no panic");
        received
    });
    assert_eq!(ready.ok(), Some(4));
    let heard = at_end(|| {
        let messenger = Messenger::<u8>::new();
        let mut subscription = messenger.subscribe();
        let sends = thread::spawn(move || messenger.join().send(5).wait().is_ok());
        let heard = subscription.recv().wait();
        assert!(sends.join().expect("no panic"));
        heard
    });
    assert_eq!(heard.ok(), Some(5));
}

#[test]
fn executors_live_and_end_in_thread_local_destructor() {
    let sum = at_end(|| {
        let pool = Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("a pool");
        let sum = Geometry::on(&pool).add(4, 5).wait().ok();
        pool.close();
        pool.drained().wait();
        sum
    });
    assert_eq!(sum, Some(9));
    let sum = at_end(|| {
        let service = Geometry::service().launch().wait().expect("a service");
        let sum = service.add(4, 5).wait().ok();
        service.close().wait().expect("it closes");
        sum
    });
    assert_eq!(sum, Some(9));
    let sum = at_end(|| {
        let local = nanolith::Local::new();
        Geometry::on(&local).add(4, 5).wait().ok()
    });
    assert_eq!(sum, Some(9));
    let cluster = at_end(|| {
        let cluster = Cluster::launch(2, Geometry::service).wait().expect("a cluster");
        cluster.add(4, 5).wait().ok()
    });
    assert_eq!(cluster, Some(9));
}

#[test]
fn current_and_yield_work_in_thread_local_destructor() {
    assert!(at_end(|| nanolith::task::current().task().is_none()));
    assert!(!at_end(nanolith::task::should_yield));
    at_end(|| pollster::block_on(nanolith::task::yield_now()));
    assert_eq!(at_end(|| nanolith::task::block_in_place(|| 4)), 4);
    let sum = at_end(|| nanolith::call::with_priority(Priority::Idle, || Geometry::tasks().add(4, 5).wait().ok()));
    assert_eq!(sum, Some(9));
}

#[test]
fn simulation_runs_in_thread_local_destructor() {
    let sum = at_end(|| {
        nanolith::sim(1, || {
            let pool = Pool::builder().concurrency(Concurrency::Exact(2)).build().expect("a pool");
            Geometry::on(&pool).add(4, 5).wait().ok()
        })
    });
    assert_eq!(sum, Some(9));
}

/// Tests the library's own threads as they end.
#[test]
fn pool_thread_that_ends_may_wait_for_other_pool() {
    let (give, take) = mpsc::channel();
    let pool = Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("a pool");
    pool.broadcast(move || {
        let give = give.clone();
        let waits = move || give.send(Geometry::tasks().add(4, 5).wait().ok()).expect("the test waits");
        AT_END.with(|at_end| at_end.0.replace(Some(Box::new(waits))));
    })
    .wait()
    .expect("it runs");
    pool.close();
    drop(pool);
    assert_eq!(take.recv().expect("the thread ends"), Some(9));
}
