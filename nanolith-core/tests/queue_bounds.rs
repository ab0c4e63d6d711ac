//! Tests of queue bounds: the effect of a full queue, the order of the submitters that wait, and
//! the empty queue.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

mod common;

use common::{Any, AnyCalls, LONG, gate};
use nanolith::{
    CallError, Pool, Priority, Wait,
    executor::{MaxQueue, OnFull},
    pool::{Concurrency, PoolBuilder},
};
use std::{
    collections::VecDeque,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Poll, Wake},
    thread,
    time::Duration,
};

#[derive(Default)]
struct Woken(AtomicBool);

impl Woken {
    fn is(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn builder() -> PoolBuilder {
    Pool::builder().concurrency(Concurrency::Exact(1))
}

fn bounded(queue: usize, on_full: OnFull) -> (Pool, AnyCalls<Pool>) {
    let pool = builder().max_queue(queue).on_full(on_full).build().expect("sound");
    (pool.clone(), Any::on(pool))
}

#[test]
fn full_queue_rejects_and_gives_the_call_back() {
    let (pool, calls) = bounded(2, OnFull::Reject);
    pool.pause();
    let _first = calls.run(|| 1).submit();
    let _second = calls.run(|| 2).submit();
    assert!(matches!(calls.run(|| 3).wait(), Err(CallError::Full(_))));
    let refused = calls.run(|| 4).try_submit().expect_err("it is full");
    assert!(refused.is_full());
    pool.resume();
    pool.drained().wait();
    assert_eq!(refused.into_inner().wait().expect("the call came back whole"), 4);
}

#[test]
fn try_submit_returns_without_waiting() {
    let (pool, calls) = bounded(1, OnFull::Wait);
    pool.pause();
    let _first = calls.run(|| 1).submit();
    assert!(calls.run(|| 2).try_submit().expect_err("it is full").is_full());
    pool.resume();
}

#[test]
fn caller_runs_calls_beyond_the_bound() {
    let (pool, calls) = bounded(1, OnFull::CallerRuns);
    pool.pause();
    let _first = calls.run(|| 1).submit();
    let here = thread::current().id();
    assert_eq!(calls.run(move || i64::from(thread::current().id() == here)).wait().expect("it runs"), 1);
    assert_eq!(pool.info().queue_len, 1);
    pool.resume();
    pool.drained().wait();
    assert_eq!(pool.info().completed, 2);
}

#[test]
fn drop_oldest_drops_the_oldest_of_the_lowest_priority() {
    let (pool, calls) = bounded(3, OnFull::DropOldest);
    pool.pause();
    let normal = calls.run(|| 1).submit();
    let low = calls.run(|| 2).priority(Priority::Low).submit();
    let lower = calls.run(|| 3).priority(Priority::Low).submit();
    let newest = calls.run(|| 4).submit();
    assert!(matches!(low.wait(), Err(CallError::Dropped(_))));
    assert_eq!(pool.info().queue_len, 3);
    pool.resume();
    assert_eq!([normal, lower, newest].map(|job| job.wait().expect("it runs")), [1, 3, 4]);
}

#[test]
fn drop_newest_drops_the_new_call() {
    let (pool, calls) = bounded(1, OnFull::DropNewest);
    pool.pause();
    let first = calls.run(|| 1).submit();
    assert!(matches!(calls.run(|| 2).wait(), Err(CallError::Dropped(_))));
    pool.resume();
    assert_eq!(first.wait().expect("it runs"), 1);
}

#[test]
fn dropped_call_drops_its_arguments_at_once() {
    let (pool, calls) = bounded(1, OnFull::DropOldest);
    pool.pause();
    let held = Arc::new(());
    let job = {
        let held = held.clone();
        calls
            .run(move || {
                drop(held);
                1
            })
            .submit()
    };
    let _newest = calls.run(|| 2).submit();
    assert_eq!(Arc::strong_count(&held), 1, "the handle does not keep what never runs");
    assert!(job.is_finished());
    pool.resume();
}

#[test]
fn waiting_submitters_never_exceed_the_bound() {
    let (pool, calls) = bounded(4, OnFull::Wait);
    let most = AtomicUsize::new(0);
    let done = AtomicUsize::new(0);
    thread::scope(|scope| {
        let submitters: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    for n in 0..2_000 {
                        assert_eq!(calls.run(move || n).submit().wait().expect("it runs"), n);
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        while submitters.iter().any(|submitter| !submitter.is_finished()) {
            most.fetch_max(pool.info().queue_len, Ordering::Relaxed);
        }
    });
    assert_eq!(done.into_inner(), 16_000);
    assert!(most.into_inner() <= 5, "four wait beyond the one that a free slot will run");
}

#[test]
fn longest_waiting_submitter_gets_the_free_place() {
    let (pool, calls) = bounded(1, OnFull::Wait);
    pool.pause();
    let mut queued = calls.run(|| 0).submit();
    let mut line: VecDeque<_> = (0..5)
        .map(|_| {
            let (woken, mut submit) = (Arc::new(Woken::default()), Box::pin(calls.run(|| 0).submit_async()));
            // The call is in the wait queue from its first poll on.
            assert!(submit.as_mut().poll(&mut Context::from_waker(&woken.clone().into())).is_pending());
            (woken, submit)
        })
        .collect();
    while let Some((woken, mut submit)) = line.pop_front() {
        assert!(!woken.is());
        queued.cancel();
        assert!(woken.is(), "the one place is for the one who waits longest");
        assert!(line.iter().all(|(later, _)| !later.is()));
        let Poll::Ready(job) = submit.as_mut().poll(&mut Context::from_waker(&woken.into())) else {
            panic!("it has a place");
        };
        queued = job;
    }
    queued.cancel();
}

#[test]
fn cancelled_submitter_does_not_block_the_next_one() {
    let (pool, calls) = bounded(1, OnFull::Wait);
    pool.pause();
    let _first = calls.run(|| 1).submit();
    let mut gives_up = Box::pin(calls.run(|| 2).submit_async());
    let mut stays = Box::pin(calls.run(|| 3).submit_async());
    let waker = std::task::Waker::noop();
    let mut cx = Context::from_waker(waker);
    assert!(gives_up.as_mut().poll(&mut cx).is_pending());
    assert!(stays.as_mut().poll(&mut cx).is_pending());
    drop(gives_up);
    pool.resume();
    assert_eq!(pollster::block_on(stays).wait().expect("it runs"), 3);
}

#[test]
fn time_out_includes_the_wait_for_room() {
    let (pool, calls) = bounded(1, OnFull::Wait);
    pool.pause();
    let _first = calls.run(|| 1).submit();
    let limit = Duration::from_millis(10);
    assert!(matches!(calls.run(|| 2).timeout(limit).wait(), Err(CallError::TimedOut(_))));
    assert!(matches!(pollster::block_on(calls.run(|| 2).timeout(limit)), Err(CallError::TimedOut(_))));
    assert_eq!(pool.info().queue_len, 1);
    pool.resume();
    pool.drained().wait();
    let info = pool.info();
    assert_eq!((info.completed, info.in_flight), (1, 0));
}

#[test]
fn close_refuses_submitters_that_wait_for_room() {
    let (pool, calls) = bounded(1, OnFull::Wait);
    pool.pause();
    let _first = calls.run(|| 1).submit();
    thread::scope(|scope| {
        let mut waiting = Box::pin(calls.run(|| 2).submit_async());
        let waker = std::task::Waker::noop();
        assert!(waiting.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
        let waits = scope.spawn(|| pollster::block_on(waiting).wait());
        pool.close();
        assert!(matches!(waits.join().expect("it ends"), Err(CallError::Closed(_))));
    });
    pool.resume();
}

#[test]
fn calls_of_running_tasks_are_admitted_beyond_the_bound() {
    let (pool, calls) = bounded(1, OnFull::Reject);
    let calls = Arc::new(calls);
    let (inner, watched) = (calls.clone(), pool.clone());
    let job = calls.run(move || {
        let children: Vec<_> = (0..100).map(|n| inner.run(move || n).submit()).collect();
        let info = watched.info();
        assert_eq!((info.queue_len, info.overflow), (0, 100));
        children.into_iter().map(|child| child.wait().expect("it runs")).sum()
    });
    assert_eq!(job.wait().expect("it runs"), 4_950);
    assert_eq!(pool.info().overflow, 0);
}

#[test]
fn calls_in_flight_are_bounded_while_they_are_suspended() {
    let pool = builder().max_in_flight(2).on_full(OnFull::Reject).build().expect("sound");
    let calls = Any::on(pool.clone());
    let first = calls.later(std::future::pending()).submit();
    let second = calls.later(async { 2 }).submit();
    assert_eq!(second.wait().expect("it runs"), 2);
    let third = calls.later(std::future::pending()).submit();
    while pool.info().in_flight > 2 {
        thread::yield_now();
    }
    assert!(calls.run(|| 4).try_submit().expect_err("two are suspended").is_full());
    first.cancel();
    third.cancel();
    assert!(matches!(first.wait(), Err(CallError::Cancelled(_))));
    pool.drained().wait();
    assert_eq!(calls.run(|| 5).wait().expect("there is room"), 5);
}

#[test]
fn drained_wait_ends_though_the_queue_refills() {
    let (pool, calls) = bounded(10, OnFull::Wait);
    let calls = Arc::new(calls);
    let stop = Arc::new(AtomicUsize::new(0));
    let (tell, reports) = mpsc::channel();
    thread::scope(|scope| {
        let busy = scope.spawn(|| {
            while stop.load(Ordering::Relaxed) == 0 {
                calls.run(|| 1).wait().expect("it runs");
                let _ = tell.send(());
            }
        });
        reports.recv_timeout(LONG).expect("it is busy");
        for _ in 0..100 {
            pool.drained().wait();
        }
        stop.store(1, Ordering::Relaxed);
        busy.join().expect("it ends");
    });
}

#[test]
fn bound_follows_the_concurrency_and_evicts_nothing() {
    let pool = Pool::builder()
        .concurrency(Concurrency::Exact(3))
        .max_queue(MaxQueue::Auto)
        .on_full(OnFull::Reject)
        .build()
        .expect("sound");
    let calls = Any::on(pool.clone());
    pool.pause();
    let jobs: Vec<_> = (0..9).map(|n| calls.run(move || n).try_submit().expect("there is room")).collect();
    assert!(calls.run(|| 0).try_submit().is_err());
    pool.set_concurrency(Concurrency::Exact(2)).expect("sound");
    assert_eq!(pool.info().queue_len, 9);
    assert!(calls.run(|| 0).try_submit().is_err());
    pool.set_concurrency(Concurrency::Exact(4)).expect("sound");
    let more = calls.run(|| 9).try_submit().expect("16 fit");
    pool.resume();
    for (n, job) in jobs.into_iter().chain([more]).enumerate() {
        assert_eq!(job.wait().expect("it runs"), n as i64);
    }
}

#[test]
fn concurrency_changes_while_the_pool_runs() {
    let pool = builder().build().expect("sound");
    let calls = Any::on(pool.clone());
    for concurrency in [4, 1, 3, 2, 8, 1] {
        pool.set_concurrency(Concurrency::Exact(concurrency)).expect("sound");
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let together = Arc::new(std::sync::Barrier::new(concurrency));
        let jobs: Vec<_> = (0..concurrency * 10)
            .map(|_| {
                let (now, most, together) = (now.clone(), most.clone(), together.clone());
                calls
                    .run(move || {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        together.wait(); // the pool runs as many tasks as it may
                        now.fetch_sub(1, Ordering::SeqCst);
                        0
                    })
                    .submit()
            })
            .collect();
        for job in jobs {
            assert_eq!(job.wait_timeout(LONG).expect("a slot is free").expect("it runs"), 0);
        }
        assert_eq!(most.load(Ordering::SeqCst), concurrency);
    }
}

#[test]
fn build_errors_name_wrong_settings() {
    let named = |builder: PoolBuilder| builder.build().expect_err("it cannot work").setting();
    assert_eq!(named(Pool::builder().concurrency(Concurrency::Exact(0))), Some("concurrency"));
    assert_eq!(named(Pool::builder().concurrency(Concurrency::Exact(usize::MAX))), Some("concurrency"));
    assert_eq!(named(Pool::builder().max_queue(0)), Some("max_queue"));
    assert_eq!(named(Pool::builder().max_in_flight(0)), Some("max_in_flight"));
    assert_eq!(named(Pool::builder().stack_size(1)), Some("stack_size"));
    assert_eq!(named(Pool::builder().spin_before_park(Duration::from_secs(1))), Some("spin_before_park"));
    assert_eq!(named(Pool::builder().name("a\0b")), Some("name"));
    assert_eq!(named(Pool::builder().thread_name(|n| format!("{n}\0"))), Some("thread_name"));
    let pool = builder().build().expect("sound");
    assert!(pool.set_concurrency(Concurrency::Exact(0)).is_err());
    assert_eq!(pool.max_concurrency(), 1);
}

#[test]
fn shutdown_ends_queued_calls_and_returns_their_number() {
    let (pool, calls) = bounded(100, OnFull::Wait);
    let (open, opened) = gate();
    let (began, begun) = mpsc::channel();
    let running = calls
        .run(move || {
            began.send(()).expect("heard");
            opened();
            1
        })
        .submit();
    begun.recv_timeout(LONG).expect("it runs");
    let queued: Vec<_> = (0..10).map(|n| calls.run(move || n).submit()).collect();
    assert_eq!(pool.terminate(), 10);
    assert!(queued.into_iter().all(|job| matches!(job.wait(), Err(CallError::Cancelled(_)))));
    assert!(matches!(calls.run(|| 1).wait(), Err(CallError::Closed(_))));
    open.send(()).expect("it waits");
    assert_eq!(running.wait().expect("it ran to its end"), 1);
    pool.drained().wait();
}

#[test]
fn closed_pool_finishes_accepted_calls() {
    let (pool, calls) = bounded(100, OnFull::Wait);
    let calls = Arc::new(calls);
    pool.pause();
    let inner = calls.clone();
    let nested = calls.run(move || inner.run(|| 7).wait().expect("a running task's calls are still accepted")).submit();
    pool.close();
    assert!(matches!(calls.run(|| 1).wait(), Err(CallError::Closed(_))));
    pool.resume();
    assert_eq!(nested.wait().expect("it was accepted"), 7);
}

#[test]
fn paused_pool_finishes_accepted_calls_after_close() {
    let (pool, calls) = bounded(100, OnFull::Wait);
    pool.pause();
    let accepted = calls.run(|| 1).submit();
    pool.close();
    assert_eq!(accepted.wait_timeout(LONG).expect("it ends").expect("it was accepted"), 1);
}

#[test]
fn shutdown_of_a_paused_pool_starts_no_call() {
    let (pool, calls) = bounded(100, OnFull::Wait);
    pool.pause();
    let queued: Vec<_> = (0..10).map(|n| calls.run(move || n).submit()).collect();
    assert_eq!(pool.terminate(), 10);
    assert!(queued.into_iter().all(|job| matches!(job.wait(), Err(CallError::Cancelled(_)))));
}

#[test]
fn pool_without_handles_finishes_accepted_calls() {
    let (pool, calls) = bounded(100, OnFull::Wait);
    pool.pause();
    let jobs: Vec<_> = (0..10).map(|n| calls.run(move || n).submit()).collect();
    drop((pool, calls));
    for (n, job) in jobs.into_iter().enumerate() {
        assert_eq!(job.wait_timeout(LONG).expect("it ends").expect("it was accepted"), n as i64);
    }
}

#[test]
fn pool_figures_match_its_state() {
    let (pool, calls) = bounded(100, OnFull::Wait);
    let info = pool.info();
    assert_eq!((info.active, info.idle, info.is_saturated, pool.next_task()), (0, 1, false, None));
    let (open, opened) = gate();
    let (began, begun) = mpsc::channel();
    let running = calls
        .run(move || {
            began.send(()).expect("heard");
            opened();
            1
        })
        .submit();
    begun.recv_timeout(LONG).expect("it runs");
    let info = pool.info();
    assert_eq!((info.active, info.idle, info.is_saturated), (1, 0, true));
    let _low = calls.run(|| 1).priority(Priority::Low).submit();
    let later = calls.later(async { 1 }).submit();
    assert_eq!(pool.next_task().map(nanolith::task::TaskInfo::name), Some("later"));
    later.cancel();
    assert_eq!(pool.next_task().map(nanolith::task::TaskInfo::name), Some("run"));
    let info = pool.info();
    assert_eq!((info.queue_len, info.in_flight), (1, 2));
    open.send(()).expect("it waits");
    running.wait().expect("it runs");
    pool.drained().wait();
    let info = pool.info();
    assert_eq!((info.completed, info.in_flight, info.queue_len), (2, 0, 0));
}
