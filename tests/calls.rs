//! Tests of a set's typed calls, with each way to wait.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    Executor, TaskError, TaskSet,
    call::{Progress, SubmitError},
    executor::Job,
    prelude::*,
    task::Reply,
    time::{MILLISECOND, MINUTE},
};
use std::{
    future::Future,
    num::ParseIntError,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    task::{Context as TaskContext, Wake, Waker},
    time::Duration,
};

pub struct Geometry;

#[define]
impl Geometry {
    /// Adds two numbers.
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    pub fn parse(text: String) -> Result<i64, ParseIntError> {
        text.parse()
    }

    pub async fn wait_then_add(x: i64, y: i64) -> i64 {
        nanolith::time::sleep(MILLISECOND).await;
        x + y
    }

    /// Counts until it is cancelled.
    pub fn count(cx: &Context<Self>, began: mpsc::Sender<()>) -> u64 {
        let mut count = 0;
        let _ = began.send(());
        while !cx.is_cancelled() {
            count += 1;
            std::thread::yield_now();
        }
        let _ = began.send(());
        count
    }

    pub fn climb(cx: &Context<Self>, steps: u64, next: mpsc::Receiver<()>) -> u64 {
        for step in 1..=steps {
            cx.progress(step, steps);
            let _ = next.recv();
        }
        steps
    }

    pub async fn outlive(cx: &Context<Self>) -> bool {
        cx.cancelled().await;
        cx.is_cancelled()
    }

    pub fn deadline_known(cx: &Context<Self>) -> bool {
        cx.deadline().is_some()
    }

    pub fn greeting(cx: &Context<Self>) -> Option<String> {
        cx.data::<String>().cloned()
    }

    fn helper() -> i64 {
        7
    }

    #[task]
    fn taken_in() -> i64 {
        Self::helper()
    }

    #[task(skip)]
    pub fn left_out() -> i64 {
        8
    }

    #[task(name = renamed)]
    pub fn original() -> i64 {
        9
    }
}

#[test]
fn refused_call_gives_its_arguments_back() {
    let pool = Pool::builder().build().expect("the settings are sound");
    pool.close();
    let geometry = Geometry::on(&pool);
    let text = String::from("7");
    let place = text.as_ptr();
    let refused = geometry.parse(text).try_submit().expect_err("the pool is closed");
    let Some(GeometryTask::Parse { text }) = refused.into_inner().into_task() else { panic!("it was not submitted") };
    assert_eq!((text.as_str(), text.as_ptr()), ("7", place), "the argument was moved, and not cloned");
}

#[test]
fn polled_call_has_no_arguments_to_give() {
    let geometry = Geometry::tasks();
    let mut call = geometry.add(4, 5);
    let _ = pin!(&mut call).poll(&mut TaskContext::from_waker(Waker::noop()));
    assert!(call.into_task().is_none());
}

#[test]
fn refused_call_gives_its_error_to_a_question_mark() {
    fn submit_to_closed_pool() -> Result<(), Box<dyn std::error::Error>> {
        let pool = Pool::builder().build()?;
        pool.close();
        let geometry = Geometry::on(&pool);
        geometry.add(4, 5).try_submit().map_err(SubmitError::into_error)?.detach();
        Ok(())
    }
    let error = submit_to_closed_pool().expect_err("the pool is closed");
    assert!(matches!(error.downcast_ref(), Some(CallError::Closed(_))), "{error}");
}

#[test]
fn every_way_to_wait_gives_the_output() {
    let geometry = Geometry::tasks();
    assert_eq!(geometry.add(4, 5).wait().expect("it runs"), 9);
    assert_eq!(geometry.add(4, 5).submit().wait().expect("it runs"), 9);
    assert_eq!(geometry.add(4, 5).try_submit().expect("there is room").wait().expect("it runs"), 9);
    assert_eq!(geometry.wait_then_add(4, 5).wait().expect("it runs"), 9);
    assert_eq!(geometry.parse("7".into()).wait().expect("it runs"), Ok(7));
    assert_eq!(geometry.parse("7".into()).flatten().wait().expect("it parses"), 7);
    assert!(matches!(geometry.parse("x".into()).flatten().wait(), Err(TaskError::Task(_))));
    assert_eq!((geometry.taken_in().wait().expect("it runs"), geometry.renamed().wait().expect("it runs")), (7, 9));
    assert_eq!((Geometry::add(4, 5), Geometry::left_out(), Geometry::original()), (9, 8, 9));
}

async fn awaited() {
    let geometry = Geometry::tasks();
    assert_eq!(geometry.add(4, 5).await.expect("it runs"), 9);
    assert_eq!(geometry.wait_then_add(4, 5).await.expect("it runs"), 9);
    assert_eq!(geometry.parse("7".into()).flatten().await.expect("it parses"), 7);
    let job = geometry.add(1, 1).submit_async().await;
    assert_eq!(job.await.expect("it runs"), 2);
    let calls = futures_util::future::join_all((0..100).map(|n| geometry.add(n, n))).await;
    assert_eq!(calls.into_iter().map(|sum| sum.expect("it runs")).sum::<i64>(), 9_900);
}

#[test]
fn calls_are_awaited_on_any_executor() {
    pollster::block_on(awaited());
    smol::block_on(awaited());
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("tokio starts");
    tokio.block_on(async { tokio::spawn(awaited()).await.expect("it does not panic") });
}

#[test]
fn running_task_sees_its_cancellation() {
    let (began, reports) = mpsc::channel();
    let job = Geometry::tasks().count(began).submit();
    reports.recv().expect("it began");
    job.cancel();
    assert!(matches!(job.wait(), Err(CallError::Cancelled(_))));
    reports.recv().expect("it stopped");
}

#[test]
fn timed_out_task_is_asked_to_stop() {
    let (began, reports) = mpsc::channel();
    let job = Geometry::tasks().count(began).timeout(Duration::from_millis(10)).submit();
    assert!(matches!(job.wait(), Err(CallError::TimedOut(_))));
    reports.recv().expect("it began");
    reports.recv().expect("it stopped");
}

#[test]
fn error_has_the_times_of_the_end_however_late_it_is_read() {
    let late = Duration::from_millis(400);
    let (began, reports) = mpsc::channel();
    let timed_out = Geometry::tasks().count(began.clone()).timeout(Duration::from_millis(10)).submit();
    reports.recv().expect("it began");
    reports.recv().expect("it stopped");
    let cancelled = Geometry::tasks().count(began).submit();
    reports.recv().expect("it began");
    cancelled.cancel();
    let pool = Pool::builder().build().expect("sound");
    pool.pause();
    let queued = Geometry::on(&pool).add(4, 5).timeout(Duration::from_millis(10)).submit();
    std::thread::sleep(late);
    for job in [timed_out, cancelled] {
        let error = job.wait().expect_err("it was ended");
        assert!(error.trace().ran() < late, "{error}");
    }
    let error = queued.wait().expect_err("it was ended");
    assert!(error.trace().waited() < late && error.trace().ran().is_zero(), "{error}");
}

#[test]
fn latest_progress_value_is_seen() {
    let (go, next) = mpsc::channel();
    let job = Geometry::tasks().climb(3, next).submit();
    let seen = pollster::block_on(async {
        let mut progress = job.progress();
        let mut seen = Vec::new();
        while let Some(step) = progress.recv().await {
            seen.push(step);
            assert_eq!(progress.latest(), Some(step));
            go.send(()).expect("it climbs");
        }
        seen
    });
    assert_eq!(seen, [1, 2, 3].map(|done| Progress { done, total: 3 }));
    assert_eq!(job.wait().expect("it runs"), 3);
}

#[test]
fn on_progress_gets_each_report() {
    let (go, next) = mpsc::channel();
    (0..3).for_each(|_| go.send(()).expect("it is received"));
    let (sender, reports) = mpsc::channel();
    let climb = Geometry::tasks().climb(3, next).on_progress(move |now| sender.send(now).expect("it is received"));
    assert_eq!(climb.wait().expect("it runs"), 3);
    assert_eq!(reports.try_iter().collect::<Vec<_>>(), [1, 2, 3].map(|done| Progress { done, total: 3 }));
}

#[test]
fn panic_of_progress_function_does_not_end_the_task() {
    let (go, next) = mpsc::channel();
    (0..3).for_each(|_| go.send(()).expect("it is received"));
    assert_eq!(Geometry::tasks().climb(3, next).on_progress(|_| panic!("in the function")).wait().expect("it runs"), 3);
}

/// Hands the reply of each call to the test.
struct Handed(mpsc::Sender<Reply<Geometry>>);

impl Executor<Geometry> for Handed {
    fn try_execute(&self, job: Job<Geometry>) -> Result<(), SubmitError<Job<Geometry>>> {
        if let Ok((_, reply)) = job.split() {
            self.0.send(reply).expect("the test is there");
        }
        Ok(())
    }
}

#[test]
fn reply_stores_progress_and_its_guard_notifies() {
    let (sender, replies) = mpsc::channel();
    let (told, reports) = mpsc::channel();
    let geometry = Geometry::calls(Handed(sender));
    let job = geometry.add(4, 5).on_progress(move |now| told.send(now).expect("it is received")).submit();
    let reply = replies.recv().expect("it has begun");
    let (mut progress, woken) = (job.progress(), Arc::new(Woken::default()));
    let mut report = pin!(progress.recv());
    assert!(report.as_mut().poll(&mut TaskContext::from_waker(&Waker::from(woken.clone()))).is_pending());
    let notify = reply.progress(1, 2);
    assert_eq!(job.progress().latest(), Some(Progress { done: 1, total: 2 }));
    assert!(!woken.0.load(Ordering::SeqCst) && reports.try_recv().is_err(), "no code of the program ran");
    drop(notify);
    assert!(woken.0.load(Ordering::SeqCst) && reports.try_recv().is_ok());
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn context_has_deadline_and_data() {
    let pool = Pool::builder().data(String::from("hello")).data(7_u8).build().expect("sound");
    let geometry = Geometry::on(&pool);
    assert_eq!(geometry.greeting().wait().expect("it runs").as_deref(), Some("hello"));
    assert!(geometry.deadline_known().timeout(MINUTE).wait().expect("it runs"));
    assert!(!geometry.deadline_known().wait().expect("it runs"));
    assert_eq!(Geometry::tasks().greeting().wait().expect("it runs"), None);
}

#[test]
fn cancel_drops_an_async_task() {
    let pool = Pool::builder().build().expect("sound");
    let job = Geometry::on(&pool).outlive().timeout(Duration::from_millis(5)).submit();
    assert!(matches!(job.wait(), Err(CallError::TimedOut(_))));
    pool.drained().wait();
}

#[test]
fn error_names_the_source_line_of_its_call() {
    let pool = Pool::builder().build().expect("sound");
    pool.terminate();
    let error = Geometry::on(&pool).add(1, 2).wait().expect_err("the pool is closed");
    assert_eq!((error.trace().submitted().file(), error.trace().submitted().line()), (file!(), line!() - 1));
    assert!(error.to_string().starts_with("`Geometry::add` was rejected: the executor is closed; submitted at"));
}

pub struct Journal(Vec<u32>);

#[define]
impl Journal {
    pub fn note(&mut self, n: u32) {
        self.0.push(n);
    }

    pub fn read(&self) -> Vec<u32> {
        self.0.clone()
    }
}

#[test]
fn short_service_queue_keeps_the_order_of_one_thread() {
    for _ in 0..200 {
        let journal = Journal::service(Journal(Vec::new())).max_queue(4).launch().wait().expect("it starts");
        let mut jobs = std::collections::VecDeque::new();
        for n in 0..500 {
            loop {
                match journal.note(n).try_submit() {
                    Ok(job) => break jobs.push_back(job),
                    Err(_) => jobs.pop_front().into_iter().for_each(|job| job.wait().expect("it runs")),
                }
            }
        }
        jobs.into_iter().for_each(|job| job.wait().expect("it runs"));
        assert!(journal.read().wait().expect("it runs").into_iter().eq(0..500));
    }
}
