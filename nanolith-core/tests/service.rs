//! Tests of a service's guarantees: order, readers and writers, lifecycle hooks, and waits for its
//! own calls.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

mod common;

use common::{Any, AnyCalls, LONG, gate};
use nanolith::{
    CallError, Pool, Service, Wait,
    executor::{OnFull, OwnsState},
    pool::BuildError,
    service::{CloseError, LaunchError, OnPanic, ServiceRef},
    task::{ThreadKind, current},
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

fn service() -> Service<Any> {
    Any::service(0).launch().wait().expect("it starts")
}

/// Sleeps long enough for an order to show, in a task that is pending meanwhile.
async fn a_while() {
    nanolith::time::sleep(Duration::from_millis(5)).await;
}

#[test]
fn service_keeps_its_state() {
    let service = Any::service(10).launch().wait().expect("it starts");
    assert_eq!(service.change(5).wait().expect("it runs"), 15);
    assert_eq!(service.look().wait().expect("it runs"), 15);
    assert_eq!(service.look_later(async {}).wait().expect("it runs"), 15);
    assert_eq!(service.change_later(async {}).wait().expect("it runs"), 16);
    service.close().wait().expect("it closes");
    assert!(matches!(service.look().wait(), Err(CallError::Closed(_))));
}

#[test]
fn close_finishes_accepted_calls() {
    let service = Any::service(0).launch().wait().expect("it starts");
    let (open, wait) = gate();
    let jobs: Vec<_> = std::iter::once(service.change_with(1, move |_| wait()).submit())
        .chain((0..100).map(|_| service.change(1).submit()))
        .collect();
    let closing = service.close();
    open.send(()).expect("it waits");
    closing.wait().expect("it closes");
    for (n, job) in jobs.into_iter().enumerate() {
        assert_eq!(job.wait().expect("it was accepted"), n as i64 + 1);
    }
}

#[test]
fn terminate_ends_queued_calls() {
    let service = Any::service(0).launch().wait().expect("it starts");
    let (open, wait) = gate();
    let (began, begun) = mpsc::channel();
    let running = service
        .change_with(1, move |_| {
            began.send(()).expect("heard");
            wait();
        })
        .submit();
    begun.recv().expect("it runs");
    let queued = service.change(1).submit();
    let ending = service.terminate();
    assert!(matches!(queued.wait(), Err(CallError::Closed(_))));
    assert!(matches!(running.wait(), Err(CallError::Closed(_))), "its caller is let go, and it is asked to stop");
    open.send(()).expect("it waits");
    ending.wait().expect("it ends");
}

#[test]
fn calls_start_in_the_order_of_submission() {
    let service = service();
    let order = Arc::new(Mutex::new(Vec::new()));
    let jobs: Vec<_> = (0..300)
        .map(|n| {
            let order = order.clone();
            let note = move || order.lock().expect("sound").push(n);
            match n % 3 {
                0 => service.change_with(1, move |_| note()).submit(),
                1 => service
                    .look_later(async move {
                        note();
                        a_while().await;
                    })
                    .submit(),
                _ => service
                    .later(async move {
                        note();
                        0
                    })
                    .submit(),
            }
        })
        .collect();
    jobs.into_iter().for_each(|job| assert!(job.wait().is_ok(), "it runs"));
    assert_eq!(*order.lock().expect("sound"), (0..300).collect::<Vec<_>>());
}

#[test]
fn readers_interleave_and_a_writer_is_exclusive() {
    let service = service();
    let (readers, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let read = |_| {
        let (readers, most) = (readers.clone(), most.clone());
        service
            .look_later(async move {
                most.fetch_max(readers.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                a_while().await;
                readers.fetch_sub(1, Ordering::Relaxed);
            })
            .submit()
    };
    let before: Vec<_> = (0..10).map(read).collect();
    let seen = readers.clone();
    let writer = service.change_with(5, move |state| *state += 100 * seen.load(Ordering::Relaxed) as i64).submit();
    let after: Vec<_> = (0..10).map(read).collect();
    assert!(before.into_iter().all(|job| job.wait().expect("it runs") == 0));
    assert_eq!(writer.wait().expect("it runs"), 5, "no reader was left");
    assert!(after.into_iter().all(|job| job.wait().expect("it runs") == 5));
    assert_eq!(most.load(Ordering::Relaxed), 10);
}

#[test]
fn async_writer_holds_back_later_calls() {
    let service = service();
    let (open, opened) = flag();
    let writer = service.change_later(opened).submit();
    let stateless = service.run(|| 7).submit();
    let reader = service.look().submit();
    let reader = reader.wait_timeout(Duration::from_millis(20)).expect_err("it is held back");
    let stateless = stateless.try_wait().expect_err("so is what needs no state: calls start in order");
    open();
    assert_eq!(stateless.wait().expect("it runs"), 7);
    assert_eq!(writer.wait().expect("it runs"), 1);
    assert_eq!(reader.wait().expect("it runs"), 1);
}

/// Returns a future that is pending until the test opens it.
fn flag() -> (impl FnOnce(), impl Future<Output = ()> + Send) {
    let (send, receive) = flume::bounded::<()>(1);
    (move || drop(send), async move { assert!(receive.recv_async().await.is_err(), "the sender goes") })
}

#[test]
fn cancelled_writer_does_not_block_later_calls() {
    let service = service();
    let (open, opened) = flag();
    let reader = service.look_later(opened).submit();
    let writer = service.change(1).submit();
    let after = service.look().submit();
    writer.cancel();
    assert_eq!(after.wait().expect("it runs"), 0);
    open();
    assert_eq!(reader.wait().expect("it runs"), 0);
    service.close().wait().expect("it closes");
}

type Calls = Arc<AnyCalls<ServiceRef<Any>>>;

/// Returns a handle with which the service's tasks call their own service. No other handle keeps
/// the service alive.
fn itself(service: &Service<Any>) -> Service<Any> {
    service.clone()
}

#[test]
fn blocking_wait_on_the_own_service_fails() {
    let service = service();
    let me = itself(&service);
    let (tell, reports) = mpsc::channel();
    let job = service.change_with(1, move |_| tell.send(me.change(1).wait()).expect("heard"));
    assert_eq!(job.wait().expect("it runs"), 1);
    assert!(matches!(reports.recv().expect("sent"), Err(CallError::WouldDeadlock(_))));
    assert_eq!(service.look().wait().expect("it runs"), 1, "what would have deadlocked never runs");
}

#[test]
fn writer_that_awaits_its_own_service_fails() {
    let service = service();
    for read in [false, true] {
        let me = itself(&service);
        let (tell, reports) = mpsc::channel();
        let job = service.change_later(async move {
            let outcome = if read { me.look().await } else { me.change(1).await };
            tell.send(outcome).expect("heard");
        });
        job.wait().expect("it runs");
        assert!(matches!(reports.recv().expect("sent"), Err(CallError::WouldDeadlock(_))));
    }
}

#[test]
fn reader_that_awaits_a_writer_of_its_service_fails() {
    let service = service();
    let me = itself(&service);
    let (tell, reports) = mpsc::channel();
    let job = service.look_later(async move { tell.send(me.change(1).await).expect("heard") });
    job.wait().expect("it runs");
    assert!(matches!(reports.recv().expect("sent"), Err(CallError::WouldDeadlock(_))));
}

#[test]
fn reader_may_await_a_reader_past_a_queued_writer() {
    let service = service();
    let me = itself(&service);
    let (open, opened) = flag();
    let reader = service
        .look_later(async move {
            opened.await;
            me.look().await.expect("it starts ahead of the writer");
            me.later(async {
                a_while().await;
                1
            })
            .await
            .expect("so does this");
        })
        .submit();
    let writer = service.change(1).submit();
    open();
    assert_eq!(reader.wait_timeout(LONG).expect("it ends").expect("it runs"), 0);
    assert_eq!(writer.wait().expect("it runs"), 1);
}

#[test]
fn wait_for_the_end_of_the_own_service_fails() {
    let service = service();
    let me = itself(&service);
    let (tell, reports) = mpsc::channel();
    service.change_with(1, move |_| tell.send(me.close().wait()).expect("heard")).wait().expect("it runs");
    assert!(matches!(reports.recv().expect("sent"), Err(CloseError::WouldDeadlock)));
}

#[test]
fn panic_ends_its_call_and_the_handler_decides() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sees = seen.clone();
    let service = Any::service(1)
        .on_panic(move |error| {
            sees.lock().expect("sound").push(error.to_string());
            OnPanic::Continue
        })
        .launch()
        .wait()
        .expect("it starts");
    let error = service.change_with(1, |_| panic!("half way")).wait().expect_err("it panics");
    assert!(matches!(error, CallError::Panicked(..)));
    let error = service
        .change_later(async {
            a_while().await;
            panic!("later")
        })
        .wait()
        .expect_err("it panics");
    assert!(matches!(error, CallError::Panicked(..)));
    assert_eq!(service.look().wait().expect("it lives on"), 2);
    service.close().wait().expect("it closes");
    let seen = seen.lock().expect("sound");
    assert!(seen.len() == 2 && seen[0].contains("half way") && seen[1].contains("later"), "{seen:?}");
}

#[test]
fn panic_handler_may_close_the_service() {
    let service = Any::service(1).on_panic(|_| OnPanic::Close).launch().wait().expect("it starts");
    service.change_with(1, |_| panic!("enough")).wait().expect_err("it panics");
    service.control().closed().wait().expect("it closes by itself");
    assert!(matches!(service.look().wait(), Err(CallError::Closed(_))));
}

#[test]
fn terminate_ends_suspended_calls() {
    let service = service();
    let suspended = service.look_later(std::future::pending()).submit();
    service.later(async { 1 }).wait().expect("the first has begun");
    let ending = service.terminate();
    assert!(matches!(suspended.wait(), Err(CallError::Closed(_))));
    ending.wait().expect("it ends");
}

#[test]
fn drop_of_the_last_handle_begins_a_close() {
    let service = service();
    let jobs: Vec<_> = (0..10).map(|_| service.change(1).submit()).collect();
    let executor: Calls = Arc::new(Any::on(service_ref(&service)));
    drop(service);
    assert_eq!(executor.change(1).wait().expect("a handle still holds it"), 11);
    drop(executor);
    assert_eq!(jobs.into_iter().map(|job| job.wait().expect("it was accepted")).max(), Some(10));
}

fn service_ref(service: &Service<Any>) -> ServiceRef<Any> {
    service.calls().executor().clone()
}

#[test]
fn closed_service_waits_for_its_futures() {
    let service = service();
    let (open, opened) = flag();
    let reader = service.look_later(opened).submit();
    let closing = service.close();
    open();
    closing.wait().expect("it closes");
    assert_eq!(reader.wait().expect("it was accepted"), 0);
}

#[test]
fn launch_returns_wrong_settings_as_errors() {
    let named = |error: LaunchError<_>| match error {
        LaunchError::Build(error) => BuildError::setting(&error),
        _ => None,
    };
    let wrong = [
        (Any::service(0).max_queue(0), "max_queue"),
        (Any::service(0).max_in_flight(0), "max_in_flight"),
        (Any::service(0).on_full(OnFull::CallerRuns), "on_full"),
        (Any::service(0).stack_size(7), "stack_size"),
        (Any::service(0).spin_before_park(Duration::MAX), "spin_before_park"),
        (Any::service(0).name("a\0b"), "name"),
    ];
    for (builder, setting) in wrong {
        assert_eq!(named(builder.launch().wait().expect_err("it cannot work")), Some(setting));
    }
}

#[test]
fn full_service_follows_its_on_full_setting() {
    let service = Any::service(0).max_queue(1).on_full(OnFull::Reject).launch().wait().expect("it starts");
    let (open, opened) = gate();
    let (began, begun) = mpsc::channel();
    let running = service
        .change_with(1, move |_| {
            began.send(()).expect("heard");
            opened();
        })
        .submit();
    begun.recv_timeout(LONG).expect("it runs");
    let queued = service.change(1).submit();
    assert!(matches!(service.change(1).wait(), Err(CallError::Full(_))));
    open.send(()).expect("it waits");
    assert_eq!((running.wait().expect("it runs"), queued.wait().expect("it runs")), (1, 2));
}

#[test]
fn callers_wait_for_room_in_a_full_service() {
    let service = Any::service(0).max_queue(1).launch().wait().expect("it starts");
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..500).for_each(|_| assert!(service.change(1).submit().wait().is_ok(), "it runs")));
        }
    });
    assert_eq!(service.look().wait().expect("it runs"), 2_000);
    service.close().wait().expect("it closes");
    let info = service.info();
    assert_eq!((info.queue_len, info.in_progress, info.completed, info.is_closed), (0, 0, 2_001, true));
}

#[test]
fn service_runs_on_a_named_thread_of_its_own() {
    let service = Any::service(0).name("own").launch().wait().expect("it starts");
    let (tell, reports) = mpsc::channel();
    let job = service.change_with(0, move |_| tell.send((thread::current().id(), current())).expect("heard"));
    job.wait().expect("it runs");
    let (id, there) = reports.recv().expect("sent");
    assert_eq!(Some(id), service.info().thread_id);
    assert_eq!(there.place(), &ThreadKind::Service("own".into()));
    assert_eq!(service.control().thread().as_ref().and_then(|thread| thread.name()), Some("own"));
}

#[test]
fn service_threads_report_their_start_and_exit() {
    let (starts, exits) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (start, exit) = (starts.clone(), exits.clone());
    let (gone, is_gone) = mpsc::channel::<()>();
    let service = Any::service(0)
        .on_thread_start(move || {
            start.fetch_add(1, Ordering::Relaxed);
            panic!("swallowed")
        })
        .on_thread_exit(move || {
            exit.fetch_add(1, Ordering::Relaxed);
            let _ = gone.send(());
        })
        .launch()
        .wait()
        .expect("it starts");
    service.close().wait().expect("it closes");
    is_gone.recv_timeout(LONG).expect("it exits");
    assert_eq!((starts.load(Ordering::Relaxed), exits.load(Ordering::Relaxed)), (1, 1));
}

#[test]
fn pool_refuses_a_task_that_needs_a_state() {
    // The bounds exclude the typed methods. A hand-made job gets an error at run time.
    let pool = Pool::builder().build().expect("sound");
    let (tell, reports) = mpsc::channel();
    let job = nanolith::executor::Job::<Any>::new(common::AnyTask::Look, move |outcome| {
        tell.send(outcome.err()).expect("heard");
    });
    nanolith::Executor::try_execute(&pool, job).expect("it is taken");
    assert!(matches!(reports.recv_timeout(LONG), Ok(Some(CallError::Unsupported(_)))));
}

fn owns<E: OwnsState<Any>>(calls: &AnyCalls<E>) -> i64 {
    calls.change(1).wait().expect("it runs")
}

#[test]
fn generic_code_takes_any_executor_with_a_state() {
    assert_eq!(owns(service().calls()), 1);
}
