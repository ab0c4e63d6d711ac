//! Tests of executors as tower services: back pressure, cancellation and errors.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    Cluster, Executor,
    cluster::ClusterRef,
    executor::OnFull,
    layers::{Layer, Timeout},
    pool::Concurrency,
    prelude::*,
    service::ServiceRef,
    time::{MINUTE, SECOND},
    tower::{CallService, TaskRequest, TaskService},
};
use std::{
    future::{Future as _, poll_fn},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    task::{Context as Cx, Poll, Wake, Waker},
};
use tower::{Service as TowerService, ServiceBuilder, ServiceExt};

pub struct Geometry;

#[define]
impl Geometry {
    pub fn add(x: i64, y: i64) -> i64 {
        x.checked_add(y).expect("the sum fits")
    }

    /// Runs until it is released, or its sender is gone.
    pub fn hold(started: Sender<()>, release: Receiver<()>) {
        started.send(()).expect("the test waits");
        let _ = release.recv();
    }

    /// Runs until its call is cancelled.
    pub fn spin(cx: &Context<Self>, started: Sender<()>, cancelled: Sender<()>) {
        started.send(()).expect("the test waits");
        while !cx.is_cancelled() {
            std::thread::yield_now();
        }
        cancelled.send(()).expect("the test waits");
    }
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn readiness<R, V: TowerService<R>>(service: &mut V, waker: &Waker) -> Poll<bool> {
    service.poll_ready(&mut Cx::from_waker(waker)).map(|ready| ready.is_ok())
}

fn is_ready<R, V: TowerService<R>>(service: &mut V) -> bool {
    readiness(service, Waker::noop()) == Poll::Ready(true)
}

/// Returns a paused pool with a queue of one call.
fn paused(on_full: OnFull) -> Pool {
    let pool = Pool::builder().max_queue(1).on_full(on_full).build().expect("ok");
    pool.pause();
    pool
}

fn adder<E: Executor<Geometry> + Clone + 'static>(
    executor: E,
) -> impl TowerService<(i64, i64), Response = i64, Error = CallError, Future: Unpin> + Clone {
    CallService::<Geometry>::new(executor, |geometry, (x, y)| geometry.add(x, y))
}

#[test]
fn service_answers_typed_requests_by_any_executor() {
    let pool = Pool::builder().build().expect("ok");
    let service = Geometry::service().launch().wait().expect("it starts");
    let cluster = Cluster::launch(2, Geometry::service).wait().expect("they start");
    let any: Arc<dyn Executor<Geometry>> = Arc::new(pool.clone());
    let share = pool.share("tenant").build().expect("ok");
    pollster::block_on(async {
        assert_eq!(adder(pool).oneshot((4, 5)).await.expect("it ran"), 9);
        assert_eq!(adder(share).oneshot((4, 5)).await.expect("it ran"), 9);
        assert_eq!(adder(any).oneshot((4, 5)).await.expect("it ran"), 9);
        assert_eq!(adder(ServiceRef::from(&service)).oneshot((4, 5)).await.expect("it ran"), 9);
        assert_eq!(adder(ClusterRef::from(&cluster)).oneshot((4, 5)).await.expect("it ran"), 9);
        assert_eq!(adder(nanolith::pool::GlobalPool).oneshot((4, 5)).await.expect("it ran"), 9);
    });
}

#[test]
fn task_service_answers_every_task_of_the_set() {
    let tasks = TaskService::new(Pool::builder().build().expect("ok"));
    pollster::block_on(async {
        let request = TaskRequest::<Geometry>::new(GeometryTask::Add { x: 4, y: 5 });
        let output = tasks.clone().oneshot(request).await.expect("it ran");
        assert!(matches!(output, GeometryOutput::Add(9)));
        let request = TaskRequest::<Geometry>::new(GeometryTask::Add { x: i64::MAX, y: 1 });
        let Err(error) = tasks.oneshot(request).await else { unreachable!("the task panics") };
        assert!(matches!(error, CallError::Panicked(..)));
        assert_eq!(error.trace().submitted().line(), line!() - 3);
    });
}

#[test]
fn full_queue_is_not_ready_and_freed_room_wakes() {
    for on_full in [OnFull::Wait, OnFull::Reject] {
        let pool = paused(on_full);
        let first = Geometry::on(&pool).add(1, 2).submit();
        let (mut add, wakes) = (adder(pool.clone()), Arc::new(Wakes::default()));
        let waker = Waker::from(wakes.clone());
        assert!(readiness(&mut add, &waker).is_pending(), "{on_full:?}");
        assert!(readiness(&mut add, &waker).is_pending(), "{on_full:?}");
        assert_eq!(wakes.0.load(Ordering::SeqCst), 0);
        pool.resume();
        assert_eq!(first.wait().expect("it ran"), 3);
        while wakes.0.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        assert_eq!(readiness(&mut add, &waker), Poll::Ready(true));
        assert_eq!(pollster::block_on(add.call((4, 5))).expect("it ran"), 9);
    }
}

#[test]
fn granted_room_is_kept_for_the_next_call() {
    let pool = paused(OnFull::Reject);
    let first = Geometry::on(&pool).add(1, 2).submit();
    let (mut add, mut next) = (adder(pool.clone()), adder(pool.clone()));
    assert!(!is_ready(&mut add) && !is_ready(&mut next));
    drop(first.cancel_on_drop()); // its room goes to the service that waits longest
    assert!(is_ready(&mut add) && is_ready(&mut add));
    assert!(matches!(Geometry::on(&pool).add(1, 2).wait(), Err(CallError::Full(_))));
    let call = add.call((4, 5));
    assert_eq!(pool.info().queue_len, 1, "the call has the room, not the next in line");
    assert!(!is_ready(&mut add) && !is_ready(&mut next));
    pool.resume();
    assert_eq!(pollster::block_on(call).expect("it ran"), 9);
}

#[test]
fn granted_room_is_used_by_a_call_with_options() {
    let pool = paused(OnFull::Reject);
    let first = Geometry::on(&pool).add(1, 2).submit();
    let mut add = CallService::<Geometry>::new(pool.clone(), |geometry, x| geometry.add(x, x).timeout(MINUTE));
    assert!(!is_ready(&mut add));
    drop(first.cancel_on_drop());
    assert!(is_ready(&mut add));
    let call = add.call(4);
    assert_eq!(pool.info().queue_len, 1);
    pool.resume();
    assert_eq!(pollster::block_on(call).expect("it ran"), 8);
}

#[test]
fn dropped_service_passes_its_room_on() {
    let pool = paused(OnFull::Reject);
    let first = Geometry::on(&pool).add(1, 2).submit();
    let (mut left, mut right, wakes) = (adder(pool.clone()), adder(pool.clone()), Arc::new(Wakes::default()));
    assert!(!is_ready(&mut left));
    let waker = Waker::from(wakes.clone());
    assert!(readiness(&mut right, &waker).is_pending());
    drop(first.cancel_on_drop());
    assert!(is_ready(&mut left));
    assert_eq!((wakes.0.load(Ordering::SeqCst), readiness(&mut right, &waker)), (0, Poll::Pending));
    drop(left);
    assert_eq!((wakes.0.load(Ordering::SeqCst), readiness(&mut right, &waker)), (1, Poll::Ready(true)));
}

#[test]
fn clone_waits_for_its_own_readiness() {
    let pool = paused(OnFull::Reject);
    let first = Geometry::on(&pool).add(1, 2).submit();
    let mut add = adder(pool.clone());
    assert!(!is_ready(&mut add));
    drop(first.cancel_on_drop());
    assert!(is_ready(&mut add));
    assert!(!is_ready(&mut add.clone()), "the room belongs to the original");
}

#[test]
fn call_that_lost_the_room_waits_or_is_refused() {
    for on_full in [OnFull::Wait, OnFull::Reject] {
        let pool = paused(on_full);
        let (mut left, mut right) = (adder(pool.clone()), adder(pool.clone()));
        assert!(is_ready(&mut left) && is_ready(&mut right), "there is room for one of them");
        let (first, mut second) = (left.call((1, 2)), right.call((4, 5)));
        match (on_full, Pin::new(&mut second).poll(&mut Cx::from_waker(Waker::noop()))) {
            (OnFull::Wait, Poll::Pending) => {}
            (OnFull::Reject, Poll::Ready(Err(CallError::Full(_)))) => {}
            other => unreachable!("not {other:?}"),
        }
        pool.resume();
        assert_eq!(pollster::block_on(first).expect("it ran"), 3);
        if on_full == OnFull::Wait {
            assert_eq!(pollster::block_on(second).expect("it ran"), 9);
        }
    }
}

#[test]
fn policy_that_takes_each_call_is_always_ready() {
    for on_full in [OnFull::DropOldest, OnFull::DropNewest, OnFull::CallerRuns] {
        let pool = paused(on_full);
        let first = Geometry::on(&pool).add(1, 2).submit();
        assert!(pool.info().is_full);
        assert!(is_ready(&mut adder(pool.clone())), "{on_full:?}");
        pool.resume();
        drop(first);
    }
}

#[test]
fn max_in_flight_counts_for_readiness() {
    let pool = Pool::builder().max_in_flight(1).concurrency(Concurrency::Exact(2)).build().expect("ok");
    let (started, starts) = channel();
    let (release, held) = channel();
    let job = Geometry::on(&pool).hold(started, held).submit();
    starts.recv().expect("it runs");
    let mut add = adder(pool.clone());
    assert!(!is_ready(&mut add));
    release.send(()).expect("it waits");
    job.wait().expect("it ran");
    pollster::block_on(async {
        assert_eq!(add.ready().await.expect("room").call((4, 5)).await.expect("it ran"), 9);
    });
}

#[test]
fn full_share_service_and_layer_are_not_ready() {
    let pool = Pool::builder().build().expect("ok");
    pool.pause();
    let share = pool.share("tenant").max_queue(1).build().expect("ok");
    let of_share = Geometry::on(&share).add(1, 2).submit();
    let (mut shared, mut free) = (adder(share.clone()), adder(pool.clone()));
    assert!(!is_ready(&mut shared));
    assert!(is_ready(&mut free), "the share's bound is its own");
    let mut layered = adder(Timeout::new(MINUTE).layer(share));
    assert!(!is_ready(&mut layered));
    drop(of_share.cancel_on_drop());
    assert!(is_ready(&mut shared) && !is_ready(&mut layered), "the first in line has the room");
    drop(shared);
    assert!(is_ready(&mut layered));
    let call = layered.call((4, 5));
    pool.resume();
    assert_eq!(pollster::block_on(call).expect("it ran"), 9);

    let service = Geometry::service().max_queue(1).launch().wait().expect("it starts");
    let (started, starts) = channel();
    let (release, held) = channel();
    let running = service.hold(started, held).submit();
    starts.recv().expect("it runs");
    let queued = service.add(1, 2).submit();
    let mut add = adder(ServiceRef::from(&service));
    assert!(!is_ready(&mut add));
    release.send(()).expect("it waits");
    pollster::block_on(async {
        assert_eq!(add.ready().await.expect("room").call((4, 5)).await.expect("it ran"), 9);
        running.await.expect("it ran");
        assert_eq!(queued.await.expect("it ran"), 3);
    });
}

#[test]
fn closed_executor_is_ready_and_ends_its_calls() {
    let pool = paused(OnFull::Wait);
    let first = Geometry::on(&pool).add(1, 2).submit();
    let (mut add, wakes) = (adder(pool.clone()), Arc::new(Wakes::default()));
    let waker = Waker::from(wakes.clone());
    assert!(readiness(&mut add, &waker).is_pending());
    pool.close();
    assert_eq!((wakes.0.load(Ordering::SeqCst), readiness(&mut add, &waker)), (1, Poll::Ready(true)));
    assert!(matches!(pollster::block_on(add.call((4, 5))), Err(CallError::Closed(_))));
    pool.resume();
    assert_eq!(first.wait().expect("it was accepted"), 3);
}

#[test]
fn dropped_future_cancels_its_call() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(1)).max_queue(1).build().expect("ok");
    let mut spin =
        CallService::<Geometry>::new(pool.clone(), |geometry, (started, cancelled)| geometry.spin(started, cancelled));
    let (started, starts) = channel();
    let (cancelled, cancels) = channel();
    assert!(is_ready(&mut spin));
    let running = spin.call((started.clone(), cancelled.clone()));
    starts.recv().expect("it runs");
    let queued = adder(pool.clone()).call((4, 5));
    let waits = adder(pool.clone()).call((4, 5));
    assert_eq!(pool.info().queue_len, 1);
    drop((queued, waits));
    assert_eq!(pool.info().queue_len, 0);
    drop(running);
    cancels.recv().expect("the task has seen it");
    pool.drained().wait();
    assert_eq!(pool.info().completed, 1, "the others never ran");
}

#[test]
fn load_shed_of_tower_sheds_what_a_full_queue_does_not_take() {
    let pool = paused(OnFull::Wait);
    let add = ServiceBuilder::new().load_shed().service(adder(pool.clone()));
    let shed = pollster::block_on(async {
        let mut first = Box::pin(add.clone().oneshot((1, 2)));
        assert!(poll_fn(|cx| Poll::Ready(first.as_mut().poll(cx).is_pending())).await);
        let shed = add.clone().oneshot((4, 5)).await.expect_err("the queue is full");
        pool.resume();
        assert_eq!(first.await.expect("it ran"), 3);
        shed
    });
    assert!(shed.is::<tower::load_shed::error::Overloaded>(), "{shed}");
}

#[test]
fn services_under_load_lose_no_call_and_no_room() {
    let pool = Pool::builder().max_queue(2).concurrency(Concurrency::Exact(2)).build().expect("ok");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut add = adder(pool.clone());
                pollster::block_on(async {
                    for n in 0..500 {
                        let call = add.ready().await.expect("room").call((n, n));
                        if n % 5 == 0 {
                            drop(call);
                        } else {
                            assert_eq!(call.await.expect("it ran"), n + n);
                        }
                    }
                });
            });
        }
    });
    assert!(pool.drained().wait_timeout(60 * SECOND).is_ok());
    assert_eq!(Geometry::on(&pool).add(4, 5).try_submit().expect("the queue is empty").wait().expect("it ran"), 9);
}
