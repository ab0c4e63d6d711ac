//! Tests of the behaviours of Piscina, a pool of worker threads for Node.js, that have a meaning
//! here and that no other test shows. `docs/peers.md` has the whole list.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    executor::{MaxQueue, OnFull},
    pool::Concurrency,
    prelude::*,
    time::MILLISECOND,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, ThreadId},
    time::Duration,
};

/// A limit for an event that must happen, on a machine that is busy.
const LONG: Duration = Duration::from_secs(20);

pub struct Work;

#[define]
impl Work {
    pub fn root(x: u32) -> f64 {
        f64::from(x).sqrt()
    }

    /// Reports its start, and returns when it receives a message.
    pub fn hold(begun: Sender<()>, go: Receiver<()>) {
        let _ = begun.send(());
        let _ = go.recv_timeout(LONG);
    }

    /// Runs until it is cancelled, and returns its thread.
    pub fn endless(cx: &Context<Self>, begun: Sender<()>) -> ThreadId {
        let _ = begun.send(());
        while !cx.is_cancelled() {
            thread::yield_now();
        }
        thread::current().id()
    }

    /// Never ends by itself. Holds `kept` while it lives.
    pub async fn suspended(begun: Sender<()>, kept: Sender<()>) {
        let _ = begun.send(());
        std::future::pending::<()>().await;
        drop(kept);
    }

    pub fn fail() {
        panic!("it fails");
    }

    pub fn here() -> ThreadId {
        thread::current().id()
    }

    pub fn filled(mut buffer: Vec<u8>) -> Vec<u8> {
        buffer.fill(7);
        buffer
    }

    /// Closes its own pool.
    pub fn shut(pool: Pool) -> bool {
        pool.close_timeout(MILLISECOND).wait().is_ok()
    }
}

fn pool(threads: usize) -> Pool {
    Pool::builder().concurrency(Concurrency::Exact(threads)).build().expect("sound")
}

/// Submits a task that runs until the test lets it end.
fn held(pool: &Pool) -> (Sender<()>, Handle<Work, ()>) {
    let (begun, reports) = mpsc::channel();
    let (go, may_go) = mpsc::channel();
    let job = Work::on(pool).hold(begun, may_go).submit();
    reports.recv_timeout(LONG).expect("it begins");
    (go, job)
}

/// Submits a task that runs until it is cancelled.
fn endless(pool: &Pool) -> Handle<Work, ThreadId> {
    let (begun, reports) = mpsc::channel();
    let job = Work::on(pool).endless(begun).submit();
    reports.recv_timeout(LONG).expect("it begins");
    job
}

// ----- abort

#[test]
fn thread_survives_the_abort_of_its_running_task() {
    let pool = pool(1);
    let before = Work::on(&pool).here().wait().expect("it runs");
    let job = endless(&pool);
    let waits = Work::on(&pool).here().submit();
    job.cancel();
    assert!(matches!(job.wait(), Err(CallError::Cancelled(_))));
    assert_eq!(waits.wait().expect("it runs"), before);
}

#[test]
fn aborted_queued_tasks_leave_the_order_of_the_others() {
    let pool = pool(1);
    let (go, first) = held(&pool);
    let (tell, reports) = mpsc::channel();
    let jobs: Vec<_> = (0..10)
        .map(|_| {
            let (_, go) = mpsc::channel();
            Work::on(&pool).hold(tell.clone(), go).submit()
        })
        .collect();
    jobs.iter().step_by(2).for_each(Handle::cancel);
    assert_eq!(pool.info().queue_len, 5);
    drop((go, tell));
    first.wait().expect("it runs");
    let ends: Vec<_> = jobs.into_iter().map(|job| job.wait().is_ok()).collect();
    assert_eq!(ends, [false, true].repeat(5));
    assert_eq!(reports.iter().count(), 5, "what was aborted never began");
}

#[test]
fn abort_of_an_ended_task_does_nothing() {
    let pool = pool(1);
    let job = Work::on(&pool).root(81).submit();
    pool.drained().wait();
    job.cancel();
    assert_eq!(job.wait().expect("it was over").to_bits(), 9_f64.to_bits());
}

// ----- drain and queue limits

#[test]
fn drained_wait_never_misses_the_empty_moment() {
    let pool = pool(2);
    for x in 0..5_000 {
        let job = Work::on(&pool).root(x).submit();
        let drained = pool.drained();
        if x % 2 == 0 {
            drained.wait();
            assert!(job.is_finished());
        } else {
            job.wait().expect("it runs");
            drained.wait();
        }
    }
}

#[test]
fn documented_loop_of_piscina_finishes() {
    let pool = Pool::builder().max_queue(MaxQueue::Auto).on_full(OnFull::Reject).build().expect("sound");
    let work = Work::on(&pool);
    let (done, sum) = (Arc::new(AtomicUsize::new(0)), 200_000);
    let mut jobs = Vec::new();
    for x in 0..sum {
        let mut call = work.root(x);
        // The queue is full, so it needs a drain.
        let job = loop {
            match call.try_submit() {
                Ok(job) => break job,
                Err(refused) => call = refused.into_inner(),
            }
            pool.drained().wait();
        };
        jobs.push(job);
        if jobs.len() == 1_000 {
            jobs.drain(..).for_each(|job| {
                job.wait().expect("it runs");
                done.fetch_add(1, Ordering::Relaxed);
            });
        }
    }
    assert_eq!(done.load(Ordering::Relaxed), 200_000);
}

#[test]
fn full_pool_rejects_at_the_square_of_its_concurrency() {
    let settings = Pool::builder().concurrency(Concurrency::Exact(3)).max_queue(MaxQueue::Auto);
    let pool = settings.on_full(OnFull::Reject).build().expect("sound");
    let held: Vec<_> = (0..3).map(|_| held(&pool)).collect();
    let jobs: Vec<_> = (0..12).map(|x| Work::on(&pool).root(x).submit()).collect();
    drop(held);
    let rejected = jobs.into_iter().map(Handle::wait).filter(|end| matches!(end, Err(CallError::Full(_)))).count();
    assert_eq!(rejected, 3);
}

// ----- counts and moves

#[test]
fn completed_counts_failed_and_stopped_tasks() {
    let pool = pool(2);
    assert_eq!(pool.info().completed, 0);
    Work::on(&pool).root(4).wait().expect("it runs");
    assert!(Work::on(&pool).fail().wait().is_err());
    endless(&pool).cancel();
    pool.drained().wait();
    assert_eq!(pool.info().completed, 3);
    pool.pause();
    drop(Work::on(&pool).root(4).submit().cancel_on_drop());
    let info = pool.info();
    assert_eq!((info.completed, info.queue_len), (3, 0), "one that never began is not counted");
}

#[test]
fn buffer_moves_to_the_worker_and_back_without_a_copy() {
    let pool = pool(1);
    let buffer = vec![0_u8; 1 << 20];
    let address = buffer.as_ptr();
    let buffer = Work::on(&pool).filled(buffer).wait().expect("it runs");
    assert_eq!((buffer.as_ptr(), buffer[0]), (address, 7));
}

// ----- close, with a limit, and destroy

#[test]
fn close_timeout_waits_for_running_and_queued_calls() {
    let pool = pool(1);
    let (go, job) = held(&pool);
    let jobs: Vec<_> = (0..10).map(|x| Work::on(&pool).root(x).submit()).collect();
    let close = pool.close_timeout(LONG);
    assert!(pool.is_closed());
    assert!(matches!(Work::on(&pool).root(1).wait(), Err(CallError::Closed(_))));
    drop(go);
    close.wait().expect("all finish");
    assert!(job.is_finished() && jobs.iter().all(Handle::is_finished));
}

#[test]
fn close_timeout_ends_queued_calls_and_stops_running_ones() {
    let pool = pool(2);
    let running = [endless(&pool), endless(&pool)];
    let queued: Vec<_> = (0..10).map(|x| Work::on(&pool).root(x).submit()).collect();
    let unfinished = pool.close_timeout(10 * MILLISECOND).wait().expect_err("they do not end");
    assert_eq!((unfinished.cancelled(), unfinished.running()), (10, 2));
    assert!(queued.into_iter().all(|job| matches!(job.wait(), Err(CallError::Cancelled(_)))));
    assert!(running.into_iter().all(|job| job.wait().is_ok()), "they saw it");
    pool.drained().wait();
    assert_eq!(pool.info().in_flight, 0);
}

#[test]
fn shutdown_now_does_not_wait_and_drops_suspended_calls() {
    let pool = pool(1);
    let (begun, reports) = mpsc::channel();
    let (kept, dropped) = mpsc::channel();
    let jobs: Vec<_> = (0..3).map(|_| Work::on(&pool).suspended(begun.clone(), kept.clone()).submit()).collect();
    (0..3).for_each(|_| reports.recv_timeout(LONG).expect("it begins"));
    drop(kept);
    let unfinished = pool.close_timeout(Duration::ZERO).wait().expect_err("they do not end");
    assert_eq!((unfinished.cancelled(), unfinished.running()), (0, 3));
    assert!(jobs.into_iter().all(|job| matches!(job.wait(), Err(CallError::Cancelled(_)))));
    assert!(dropped.recv_timeout(LONG).is_err(), "their futures are gone");
    pool.drained().wait();
}

#[test]
fn dropped_close_wait_ends_nothing() {
    let pool = pool(1);
    let (go, job) = held(&pool);
    let queued = Work::on(&pool).root(81).submit();
    drop(pool.close_timeout(Duration::ZERO));
    drop(go);
    assert!(job.wait().is_ok() && queued.wait().is_ok());
}

#[test]
fn second_close_equals_one_close() {
    let pool = pool(1);
    let (go, job) = held(&pool);
    let (first, second) = (pool.close_timeout(LONG), pool.close_timeout(LONG));
    pool.close();
    drop(go);
    assert!(first.wait().is_ok() && second.wait().is_ok() && job.wait().is_ok());
    assert!(pool.close_timeout(Duration::ZERO).wait().is_ok(), "nothing is left to do");
}

#[test]
fn task_that_closes_its_own_pool_is_left_unfinished() {
    let pool = pool(1);
    let job = Work::on(&pool).shut(pool.clone()).submit();
    assert!(!job.wait().expect("it is let go at the limit"));
}

#[test]
fn shutdown_of_one_pool_stops_no_other() {
    let (one, other) = (pool(1), pool(1));
    let (stops, goes_on) = (endless(&one), endless(&other));
    assert!(one.close_timeout(Duration::ZERO).wait().is_err());
    stops.wait().expect("it was asked to stop");
    assert!(!goes_on.is_finished());
    goes_on.cancel();
    other.drained().wait();
}
