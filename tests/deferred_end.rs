//! Tests of calls whose end is deferred to the end of their tasks, for executors that kill tasks.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    Executor, TaskSet,
    call::SubmitError,
    executor::{Admission, Job},
    prelude::*,
    service::ServiceRef,
    sync::CancelToken,
    time::{MILLISECOND, MINUTE, SECOND, sleep},
};
use std::sync::{
    Arc, Mutex,
    mpsc::{Receiver, Sender, channel},
};

pub struct Work;

#[define]
impl Work {
    pub fn nothing() {}

    /// Reports its begin and the request to stop, and ends when the gate opens.
    pub fn hold(cx: &Context<Self>, reports: Sender<&'static str>, gate: Arc<Mutex<Receiver<()>>>) {
        let _ = reports.send("begun");
        pollster::block_on(cx.cancelled());
        let _ = reports.send("asked");
        let _ = gate.lock().expect("no panic").recv();
    }

    pub async fn sleep_a_minute(begun: Sender<()>) {
        let _ = begun.send(());
        sleep(MINUTE).await;
    }
}

#[derive(Clone)]
struct Whole(ServiceRef<Work>);

impl Executor<Work> for Whole {
    fn try_execute(&self, job: Job<Work>) -> Result<(), SubmitError<Job<Work>>> {
        job.defer_end();
        self.0.try_execute(job)
    }

    fn execute(&self, job: Job<Work>) -> Admission<'_, Work> {
        job.defer_end();
        self.0.execute(job)
    }
}

fn whole() -> (Service<Work>, WorkCalls<Whole>) {
    let service = Work::service().launch().wait().expect("it starts");
    let calls = Work::calls(Whole(ServiceRef::from(&service)));
    (service, calls)
}

#[test]
fn synchronous_task_that_is_asked_to_stop_ends_its_call_itself() {
    let (service, work) = whole();
    for is_cancelled in [true, false] {
        let ((reports, reported), (go, gate)) = (channel(), channel());
        let limit = if is_cancelled { MINUTE } else { 20 * MILLISECOND };
        let job = work.hold(reports, Arc::new(Mutex::new(gate))).timeout(limit).submit();
        assert_eq!(reported.recv(), Ok("begun"));
        if is_cancelled {
            job.cancel();
        }
        assert_eq!(reported.recv(), Ok("asked"));
        assert!(!job.is_finished(), "its task runs");
        drop(go);
        job.wait().expect("the task has an output");
    }
    assert_eq!(service.info().overrunning, 0);
}

#[test]
fn asynchronous_task_that_is_asked_to_stop_is_dropped() {
    let (_service, work) = whole();
    let (begun, has_begun) = channel();
    let job = work.sleep_a_minute(begun.clone()).submit();
    has_begun.recv().expect("it begins");
    job.cancel();
    assert!(matches!(job.wait(), Err(CallError::Cancelled(_))));
    let late = work.sleep_a_minute(begun).timeout(20 * MILLISECOND).wait();
    assert!(matches!(late, Err(CallError::TimedOut(_))), "{late:?}");
}

/// A call is asked to stop between the claim and the begin of its task.
#[test]
fn call_that_is_asked_to_stop_as_it_begins_ends() {
    let (service, work) = whole();
    for round in 0..5_000_u32 {
        let token = CancelToken::new();
        let job = work.nothing().cancel_token(&token).submit();
        (0..round % 400).for_each(|_| std::hint::spin_loop());
        token.cancel();
        let outcome = job.wait_timeout(10 * SECOND).expect("it ends");
        assert!(matches!(outcome, Ok(()) | Err(CallError::Cancelled(_))), "{outcome:?}");
    }
    service.close().wait().expect("no call is left");
}
