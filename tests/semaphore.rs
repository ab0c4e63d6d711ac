//! Tests of a semaphore's permits: none is lost or created, waiters are served in order, and a
//! waiter that gives up passes its grant on.
#![allow(missing_docs)] // a test's name documents it

use futures_util::FutureExt;
use nanolith::{
    pool::Concurrency,
    prelude::*,
    sync::{AcquireError, Semaphore, TryAcquireError},
    time::{MILLISECOND, MINUTE},
};
use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

#[test]
fn permits_go_to_the_longest_waiting_request() {
    let permits = Semaphore::new(3);
    let held = permits.try_acquire_many(2).expect("they are free");
    let mut many = permits.acquire_many(3);
    assert!((&mut many).now_or_never().is_none());
    let mut few = permits.acquire();
    assert!((&mut few).now_or_never().is_none(), "one is free, and kept for the one who came before");
    assert_eq!(permits.try_acquire().unwrap_err(), TryAcquireError::Taken);
    assert_eq!(permits.waiting(), 2);
    drop(held);
    let many = many.now_or_never().expect("all are free").expect("they are open");
    assert!((&mut few).now_or_never().is_none());
    drop(many);
    assert!(few.now_or_never().is_some());
    assert_eq!(permits.available_permits(), 3);
}

#[test]
fn dropped_acquire_hands_its_permits_on() {
    let permits = Semaphore::new(1);
    let held = permits.try_acquire().expect("it is free");
    let (mut first, mut second) = (permits.acquire(), permits.acquire());
    assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
    drop(held); // granted to the first
    assert!((&mut second).now_or_never().is_none());
    drop(first);
    assert!(second.now_or_never().is_some());
}

#[test]
fn dropped_large_acquire_frees_the_requests_behind_it() {
    let permits = Semaphore::new(1);
    let mut many = permits.acquire_many(5);
    let mut one = permits.acquire();
    assert!((&mut many).now_or_never().is_none() && (&mut one).now_or_never().is_none());
    drop(many);
    assert!(one.now_or_never().is_some());
}

#[test]
fn close_wakes_waiters_and_leaves_held_permits() {
    let permits = Semaphore::new(1);
    let held = permits.try_acquire().expect("it is free");
    let mut granted = permits.acquire();
    assert!((&mut granted).now_or_never().is_none());
    let waits = thread::spawn({
        let permits = permits.clone();
        move || permits.acquire().wait().map(drop)
    });
    while permits.waiting() < 2 {
        thread::yield_now();
    }
    drop(held);
    permits.close();
    assert_eq!(waits.join().expect("no panic"), Err(AcquireError));
    assert!(granted.now_or_never().expect("it was promised").is_ok());
    assert_eq!(permits.try_acquire().unwrap_err(), TryAcquireError::Closed);
    assert!(matches!(permits.acquire().wait_timeout(MINUTE), Ok(Err(AcquireError))));
    assert!(permits.is_closed());
}

#[test]
fn time_limit_ends_an_acquire_and_its_place_in_the_queue() {
    let permits = Semaphore::new(0);
    let pending = permits.acquire().wait_timeout(MILLISECOND).expect_err("there is no permit");
    assert_eq!(permits.waiting(), 1, "it keeps its place in line");
    drop(pending);
    assert_eq!(permits.waiting(), 0);
}

#[test]
fn forgotten_permits_are_gone_and_added_permits_exist() {
    let permits = Semaphore::new(2);
    permits.try_acquire().expect("it is free").forget();
    assert_eq!(permits.available_permits(), 1);
    permits.add_permits(usize::MAX);
    assert_eq!(permits.available_permits(), usize::MAX);
    let none = permits.try_acquire_many(0).expect("nothing is always there");
    assert_eq!(none.count(), 0);
}

#[test]
fn holders_never_exceed_the_permits_and_all_get_one() {
    const THREADS: usize = 8;
    const ROUNDS: usize = 2_000;
    let permits = Semaphore::new(3);
    let (inside, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (permits, inside, done, start) = (&permits, &inside, &done, &start);
            scope.spawn(move || {
                start.wait();
                for round in 0..ROUNDS {
                    let count = 1 + (thread + round) % 3;
                    if round % 7 == 0 {
                        let mut given_up = permits.acquire_many(count);
                        let _ = (&mut given_up).now_or_never();
                        continue;
                    }
                    let permit = if round % 2 == 0 {
                        permits.acquire_many(count).wait()
                    } else {
                        pollster::block_on(permits.acquire_many(count))
                    };
                    let permit = permit.expect("they stay open");
                    assert!(inside.fetch_add(count, Ordering::SeqCst) + count <= 3);
                    inside.fetch_sub(count, Ordering::SeqCst);
                    drop(permit);
                    done.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(done.into_inner(), THREADS * (ROUNDS - ROUNDS.div_ceil(7)));
    assert_eq!((permits.available_permits(), permits.waiting()), (3, 0));
}

pub struct Gate;

#[define]
impl Gate {
    pub fn pass(permits: Semaphore, reports: mpsc::Sender<&'static str>) {
        let _ = reports.send("waits");
        let permit = permits.acquire().wait();
        let _ = reports.send(if permit.is_ok() { "passed" } else { "closed" });
    }

    pub fn open(permits: Semaphore) {
        permits.add_permits(1);
    }
}

#[test]
fn task_that_waits_for_a_permit_lends_its_slot() -> Result<(), Box<dyn std::error::Error>> {
    let pool = Pool::builder().concurrency(Concurrency::Exact(1)).build()?;
    let gate = Gate::on(&pool);
    let permits = Semaphore::new(0);
    let (tell, reports) = mpsc::channel();
    let waits = gate.pass(permits.clone(), tell).submit();
    assert_eq!(reports.recv()?, "waits");
    gate.open(permits).wait()?; // runs, though the task in the only slot waits
    waits.wait()?;
    assert_eq!(reports.recv()?, "passed");
    Ok(())
}

#[test]
fn last_waker_of_an_acquire_is_woken() {
    struct Count(AtomicUsize);
    impl std::task::Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let permits = Semaphore::new(0);
    let wakers = [(); 2].map(|()| Arc::new(Count(AtomicUsize::new(0))));
    let mut taking = permits.acquire();
    for waker in &wakers {
        let waker = waker.clone().into();
        assert!(taking.poll_unpin(&mut std::task::Context::from_waker(&waker)).is_pending());
    }
    permits.add_permits(1);
    assert_eq!(wakers.map(|waker| waker.0.load(Ordering::SeqCst)), [0, 1]);
}
