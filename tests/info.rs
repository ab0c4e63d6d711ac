//! Snapshots: `info()` of pools, shares, services, clusters, schedules and `Local`.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    Cluster, Local, TaskSet,
    pool::Concurrency,
    prelude::*,
    schedule::every,
    time::{HOUR, MINUTE, MockClock, sleep},
};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

pub struct Sum;

#[define]
impl Sum {
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    pub async fn later(x: i64) -> i64 {
        sleep(MINUTE).await;
        x
    }
}

#[test]
fn pool_info_is_of_one_moment() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(2)).max_queue(64).build().unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let sum = Sum::on(&pool);
            for n in 0..20_000 {
                sum.add(n, 1).submit().detach();
            }
            done.store(true, Ordering::Release);
        });
        while !done.load(Ordering::Acquire) {
            let info = pool.info();
            assert!(info.queue_len + info.overflow <= info.in_flight, "{info:?}");
            assert_eq!(info.is_saturated, info.idle == 0, "{info:?}");
            assert_eq!(info.active + info.idle, 2, "{info:?}");
        }
    });
    pool.drained().wait();
    let info = pool.info();
    assert_eq!((info.in_flight, info.completed, info.is_full, info.is_closed), (0, 20_000, false, false));
}

#[test]
fn pool_info_says_paused_full_and_closed() {
    let pool = Pool::builder().name("sums").max_queue(1).build().unwrap();
    pool.pause();
    let job = Sum::on(&pool).add(4, 5).submit();
    let info = pool.info();
    assert_eq!((&*info.name, info.is_paused, info.is_full, info.is_closed), ("sums", true, true, false));
    pool.close();
    assert_eq!(job.wait().unwrap(), 9);
    let info = pool.info();
    assert_eq!((info.is_full, info.is_closed), (false, true));
}

#[test]
fn local_info_counts_calls() {
    let local = Local::builder().name("frames").max_queue(1).build().unwrap();
    local.pause();
    let job = Sum::on(&local).add(4, 5).submit();
    let info = local.info();
    assert_eq!((&*info.name, info.queue_len, info.overflow, info.active), ("frames", 1, 0, 0));
    assert_eq!(
        (info.in_flight, info.completed, info.is_paused, info.is_full, info.is_closed),
        (1, 0, true, true, false)
    );
    local.close(); // ends the pause
    local.run_until_idle();
    assert_eq!(job.wait().unwrap(), 9);
    let info = local.info();
    assert_eq!(
        (info.in_flight, info.completed, info.is_paused, info.is_full, info.is_closed),
        (0, 1, false, false, true)
    );
}

#[test]
fn suspended_call_is_in_progress_and_in_flight() {
    let clock = MockClock::new();
    clock.run(|| {
        let service = Sum::service().launch().wait().unwrap();
        let cluster = Cluster::launch(2, Sum::service).wait().unwrap();
        let pool = Pool::builder().build().unwrap();
        let tenant = pool.share("tenant").build().unwrap();
        let jobs = [service.later(1).submit(), cluster.later(2).submit(), Sum::calls(&tenant).later(3).submit()];
        while service.info().in_progress + cluster.info().in_progress + tenant.info().in_progress < 3 {
            thread::yield_now();
        }
        assert_eq!(service.add(4, 5).wait().unwrap(), 9);
        // The service counts a call as ended shortly after its output is there.
        while service.info().in_flight > 1 {
            thread::yield_now();
        }
        let info = service.info();
        assert_eq!((info.in_progress, info.in_flight, info.queue_len, info.is_closed), (1, 1, 0, false));
        let info = cluster.info();
        assert_eq!((info.in_progress, info.in_flight, info.queue_len, info.is_closed), (1, 1, 0, false));
        let info = tenant.info();
        assert_eq!((info.in_progress, info.in_flight, info.queue_len, info.completed), (1, 1, 0, 0));
        clock.advance(MINUTE);
        jobs.into_iter().for_each(|job| assert!(job.wait().is_ok()));
        pool.drained().wait();
        while service.info().in_flight > 0 {
            thread::yield_now();
        }
        assert_eq!((service.info().in_progress, tenant.info().in_flight, tenant.info().completed), (0, 0, 1));
    });
}

#[test]
fn schedule_info_says_paused() {
    let clock = MockClock::new();
    clock.run(|| {
        let schedule = every(HOUR, Sum::tasks(), |sum| sum.add(4, 5)).start().unwrap();
        assert!(!schedule.info().is_paused);
        schedule.pause();
        assert!(schedule.info().is_paused);
        schedule.resume();
        assert!(!schedule.info().is_paused);
    });
}
