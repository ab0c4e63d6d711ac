//! Tests of overruns: tasks that continue after their calls have timed out.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use futures_util::FutureExt;
use nanolith::{
    TaskSet,
    executor::OnFull,
    layers::{Layer, Retry},
    pool::{Concurrency, PoolEvent},
    prelude::*,
    service::LifeEvent,
    time::{MILLISECOND, MINUTE, MockClock, SECOND},
};
use std::{
    sync::{
        Arc, Barrier, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Duration,
};

pub struct Disk;

#[define]
impl Disk {
    #[task(idempotent)]
    pub fn stands_still(begun: Sender<()>, go: Arc<Mutex<Receiver<()>>>) {
        let _ = begun.send(());
        let _ = go.lock().expect("no panic").recv();
    }

    pub fn returns() {}

    pub async fn pending(begun: Sender<()>) {
        let _ = begun.send(());
        std::future::pending::<()>().await;
    }
}

fn pool() -> Pool {
    Pool::builder().concurrency(Concurrency::Exact(2)).build().expect("the settings are sound")
}

fn until(what: impl Fn() -> bool) {
    while !what() {
        thread::yield_now();
    }
}

type Gate = Arc<Mutex<Receiver<()>>>;

fn gate() -> (Sender<()>, Gate) {
    let (go, may_go) = channel();
    (go, Arc::new(Mutex::new(may_go)))
}

#[test]
fn overrunning_counts_tasks_that_run_on_after_a_time_out() {
    let clock = MockClock::new();
    clock.run(|| {
        let (pool, (begun, has_begun), (go, gate)) = (pool(), channel(), gate());
        let call = Disk::on(&pool).stands_still(begun, gate).timeout(SECOND).submit();
        has_begun.recv().expect("it begins");
        assert_eq!(pool.info().overrunning, 0);
        clock.advance(SECOND);
        assert!(matches!(call.wait(), Err(CallError::TimedOut(_))));
        let info = pool.info();
        assert_eq!((info.overrunning, info.active), (1, 1));
        drop(go);
        until(|| pool.info().overrunning == 0);
        pool.drained().wait();
    });
}

#[test]
fn overrun_event_comes_after_twice_the_time_out() {
    let clock = MockClock::new();
    clock.run(|| {
        let (pool, (begun, has_begun), (go, gate)) = (pool(), channel(), gate());
        let mut events = pool.events();
        let call = Disk::on(&pool).stands_still(begun, gate).timeout(10 * SECOND).submit();
        has_begun.recv().expect("it begins");
        clock.advance(10 * SECOND);
        assert!(call.wait().is_err());
        clock.advance(9 * SECOND);
        assert_eq!(pool.info().overrunning, 1);
        assert!(events.recv().now_or_never().is_none(), "it has run on for nine of ten seconds");
        clock.advance(2 * SECOND);
        let Some(PoolEvent::Overrun(task)) = events.recv().wait() else { panic!("the event is there") };
        assert_eq!(task.name(), "stands_still");
        drop(go);
        assert_eq!(events.recv().wait(), Some(PoolEvent::Drained), "one event each");
    });
}

#[test]
fn task_that_returns_soon_causes_no_event() {
    let clock = MockClock::new();
    clock.run(|| {
        let (pool, (begun, has_begun), (go, gate)) = (pool(), channel(), gate());
        let mut events = pool.events();
        let call = Disk::on(&pool).stands_still(begun, gate).timeout(10 * MILLISECOND).submit();
        has_begun.recv().expect("it begins");
        clock.advance(10 * MILLISECOND);
        assert!(call.wait().is_err());
        drop(go);
        until(|| pool.info().overrunning == 0);
        clock.advance(MINUTE);
        assert_eq!(events.recv().wait(), Some(PoolEvent::Drained));
    });
}

#[test]
fn suspended_task_is_dropped_and_does_not_overrun() {
    let clock = MockClock::new();
    clock.run(|| {
        let (pool, (begun, has_begun)) = (pool(), channel());
        let call = Disk::on(&pool).pending(begun).timeout(SECOND).submit();
        has_begun.recv().expect("it begins");
        clock.advance(SECOND);
        assert!(matches!(call.wait(), Err(CallError::TimedOut(_))));
        until(|| pool.info().overrunning == 0);
        pool.drained().wait();
    });
}

#[test]
fn run_timeout_and_layers_count_each_task_once() {
    let clock = MockClock::new();
    clock.run(|| {
        let (pool, (begun, has_begun), (go, gate)) = (pool(), channel(), gate());
        let limited = Disk::on(&pool).stands_still(begun.clone(), gate.clone()).run_timeout(SECOND).submit();
        has_begun.recv().expect("it begins");
        clock.advance(SECOND);
        assert!(limited.wait().is_err());
        assert_eq!(pool.info().overrunning, 1);
        let layered = Disk::calls(Retry::new(1).layer(pool.clone()));
        let beneath = layered.stands_still(begun, gate).timeout(SECOND).submit();
        has_begun.recv().expect("it begins");
        clock.advance(SECOND);
        assert!(beneath.wait().is_err());
        assert_eq!(pool.info().overrunning, 2, "the call of the layer's caller is none of its own");
        drop(go);
        until(|| pool.info().overrunning == 0);
        pool.drained().wait();
    });
}

#[test]
fn simultaneous_time_out_and_end_leave_no_entry() {
    let pool = pool();
    for round in 0..300_u64 {
        let ((begun, _has_begun), (go, gate)) = (channel(), gate());
        let call = Disk::on(&pool).stands_still(begun, gate).timeout(MILLISECOND).submit();
        thread::sleep(Duration::from_micros(700 + round * 2)); // the two ends come close to each other
        drop(go);
        let _ = call.wait();
    }
    pool.drained().wait();
    until(|| pool.info().overrunning == 0);
}

/// A thread of the pool takes a call, and the call times out before its task begins.
#[test]
fn call_that_times_out_before_its_task_begins_leaves_no_entry() {
    let clock = MockClock::new();
    clock.run(|| {
        let pool = pool();
        for round in 0..10_000_u32 {
            let call = Disk::on(&pool).returns().timeout(MILLISECOND).submit();
            (0..round % 500).for_each(|_| std::hint::spin_loop());
            clock.advance(MILLISECOND);
            let _ = call.wait();
            pool.drained().wait();
            assert_eq!((pool.info().overrunning, clock.next_alarm()), (0, None), "round {round}");
        }
    });
}

/// A full queue drops a call while it times out.
#[test]
fn call_that_a_full_queue_drops_as_it_times_out_leaves_no_entry() {
    let clock = MockClock::new();
    clock.run(|| {
        let pool = Pool::builder().max_queue(1).on_full(OnFull::DropOldest).build().expect("the settings are sound");
        pool.pause();
        let (rounds, barrier) = (5_000_u32, Barrier::new(2));
        thread::scope(|scope| {
            scope.spawn(|| {
                for round in 0..rounds {
                    barrier.wait();
                    (0..round % 300).for_each(|_| std::hint::spin_loop());
                    clock.advance(MILLISECOND);
                    barrier.wait();
                }
            });
            for round in 0..rounds {
                let first = Disk::on(&pool).returns().timeout(MILLISECOND).submit();
                barrier.wait();
                (0..round % 100).for_each(|_| std::hint::spin_loop());
                let second = Disk::on(&pool).returns().submit();
                barrier.wait();
                second.cancel();
                assert!(first.wait().is_err(), "it times out, or is dropped");
            }
        });
        assert_eq!((pool.info().overrunning, clock.next_alarm()), (0, None));
    });
}

#[test]
fn service_counts_and_reports_its_overrunning_task() {
    let clock = MockClock::new();
    clock.run(|| {
        let service = Disk::service().launch().wait().expect("it starts");
        let mut life = service.control().life();
        assert!(matches!(life.recv().wait(), Some(LifeEvent::Started)));
        let ((begun, has_begun), (go, gate)) = (channel(), gate());
        let call = service.stands_still(begun, gate).timeout(10 * SECOND).submit();
        has_begun.recv().expect("it begins");
        assert_eq!(service.info().overrunning, 0);
        clock.advance(10 * SECOND);
        assert!(matches!(call.wait(), Err(CallError::TimedOut(_))));
        assert_eq!(service.info().overrunning, 1);
        clock.advance(11 * SECOND);
        let Some(LifeEvent::Overrun(task)) = life.recv().wait() else { panic!("the event is there") };
        assert_eq!(task.name(), "stands_still");
        assert!(matches!(service.control().life().recv().wait(), Some(LifeEvent::Started)), "it is not replayed");
        drop(go);
        until(|| service.info().overrunning == 0);
        service.close().wait().expect("it closes");
        assert!(matches!(life.recv().wait(), Some(LifeEvent::Closed)), "one event each");
    });
}
