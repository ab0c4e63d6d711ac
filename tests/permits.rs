//! Tests of permits: none is lost or created, waiters are served in order, and a waiter that gives
//! up passes its grant on.
#![allow(missing_docs)] // a test's name documents it

use futures_util::FutureExt;
use nanolith::{
    pool::Concurrency,
    prelude::*,
    sync::{AcquireError, AcquireTimeoutError, Semaphore, TryAcquireError},
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
fn the_first_to_ask_is_the_first_served_however_few_the_others_want() {
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
fn one_who_gives_up_hands_the_grant_on() {
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
fn one_who_asks_for_many_and_gives_up_lets_those_behind_have_theirs() {
    let permits = Semaphore::new(1);
    let mut many = permits.acquire_many(5);
    let mut one = permits.acquire();
    assert!((&mut many).now_or_never().is_none() && (&mut one).now_or_never().is_none());
    drop(many);
    assert!(one.now_or_never().is_some());
}

#[test]
fn a_close_sends_those_who_wait_away_and_leaves_holders_what_they_have() {
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
    assert_eq!(permits.acquire().wait_timeout(MINUTE).unwrap_err(), AcquireTimeoutError::Closed);
    assert!(permits.is_closed());
}

#[test]
fn a_limit_ends_the_wait_and_the_place_in_line() {
    let permits = Semaphore::new(0);
    assert_eq!(permits.acquire().wait_timeout(MILLISECOND).unwrap_err(), AcquireTimeoutError::Timeout);
    assert_eq!(permits.waiting(), 0);
}

#[test]
fn what_is_forgotten_is_gone_and_what_is_added_is_there() {
    let permits = Semaphore::new(2);
    permits.try_acquire().expect("it is free").forget();
    assert_eq!(permits.available_permits(), 1);
    permits.add_permits(usize::MAX);
    assert_eq!(permits.available_permits(), usize::MAX);
    let none = permits.try_acquire_many(0).expect("nothing is always there");
    assert_eq!(none.count(), 0);
}

#[test]
fn never_more_hold_a_permit_than_there_are_and_everybody_gets_one() {
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
    pub fn pass(permits: Semaphore, told: mpsc::Sender<&'static str>) {
        let _ = told.send("waits");
        let permit = permits.acquire().wait();
        let _ = told.send(if permit.is_ok() { "passed" } else { "closed" });
    }

    pub fn open(permits: Semaphore) {
        permits.add_permits(1);
    }
}

#[test]
fn a_task_that_waits_for_a_permit_lends_its_slot() -> Result<(), Box<dyn std::error::Error>> {
    let pool = Pool::builder().concurrency(Concurrency::Exact(1)).build()?;
    let gate = Gate::on(&pool);
    let permits = Semaphore::new(0);
    let (tell, told) = mpsc::channel();
    let waits = gate.pass(permits.clone(), tell).submit();
    assert_eq!(told.recv()?, "waits");
    gate.open(permits).wait()?; // runs, though the task in the only slot waits
    waits.wait()?;
    assert_eq!(told.recv()?, "passed");
    Ok(())
}

#[test]
fn a_waker_that_changes_is_the_one_that_is_woken() {
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
