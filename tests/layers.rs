//! Tests of layers, which are executors around an executor: a user-written layer here, and the
//! layers of this library in `layers/`.
#![allow(missing_docs, unreachable_pub, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

#[path = "layers/cache.rs"]
mod cache;
#[path = "layers/circuit_breaker.rs"]
mod circuit_breaker;
#[path = "layers/extreme_durations.rs"]
mod extreme_durations;
#[path = "layers/hedge.rs"]
mod hedge;
#[path = "layers/limits.rs"]
mod limits;
#[path = "layers/manual_executor.rs"]
mod manual_executor;
#[path = "layers/retry.rs"]
mod retry;
#[path = "layers/stacks.rs"]
mod stacks;

use nanolith::{Executor, TaskSet, call::SubmitError, executor::Job, prelude::*};
use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

pub struct Flaky;

static TRIES: AtomicU64 = AtomicU64::new(0);

#[define]
impl Flaky {
    #[task(idempotent)]
    pub fn third_time_lucky(name: String) -> String {
        if TRIES.fetch_add(1, Ordering::Relaxed) < 2 {
            panic!("not yet");
        }
        name
    }

    pub fn once() -> u8 {
        panic!("never");
    }
}

/// Retries tasks that may run twice.
struct Retry<E>(Arc<E>);

impl<S: TaskSet, E: Executor<S> + 'static> Executor<S> for Retry<E> {
    fn try_execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
        if let Ok((task, reply)) = job.split() {
            attempt(self.0.clone(), task, reply, 3);
        }
        Ok(())
    }
}

fn attempt<S: TaskSet, E: Executor<S> + 'static>(
    inner: Arc<E>,
    task: S::Task,
    reply: nanolith::task::Reply<S>,
    left: u32,
) {
    let again = S::duplicate(&task);
    let executor = inner.clone();
    let job = Job::new(task, move |outcome| match (outcome, again) {
        (Err(CallError::Panicked(..)), Some(task)) if left > 1 => attempt(inner, task, reply, left - 1),
        (outcome, _) => reply.complete(outcome),
    });
    // A refused job is dropped together with its reply, so the call ends as lost.
    drop(executor.try_execute(job));
}

#[test]
fn layer_creates_its_own_jobs() {
    let pool = Pool::builder().build().expect("sound");
    let flaky = Flaky::calls(Retry(Arc::new(pool)));
    assert_eq!(flaky.third_time_lucky("lucky".into()).wait().expect("the third try"), "lucky");
    assert!(matches!(flaky.once().wait(), Err(CallError::Panicked(..))), "it may not run twice");
}

#[test]
fn dropped_job_ends_its_call_as_lost() {
    struct Forgetful;
    impl<S: TaskSet> Executor<S> for Forgetful {
        fn try_execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
            drop(job);
            Ok(())
        }
    }
    let flaky = Flaky::calls(Forgetful);
    assert!(matches!(flaky.once().wait(), Err(CallError::Lost(_))));
}

#[test]
fn refusing_executor_gives_the_call_back() {
    struct Closed;
    impl<S: TaskSet> Executor<S> for Closed {
        fn try_execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
            let error = job.closed();
            Err(SubmitError::new(job, error))
        }
    }
    let flaky = Flaky::calls(Closed);
    assert!(matches!(flaky.once().wait(), Err(CallError::Closed(_))));
    let refused = flaky.once().try_submit().expect_err("it is closed");
    assert_eq!(refused.into_inner().task().map(nanolith::task::TaskInfo::name), Some("once"));
}

/// A state that is shared through a layer.
pub struct Sum(AtomicI64);

#[define(shared)]
impl Sum {
    pub fn add(&self, by: i64) -> i64 {
        self.0.fetch_add(by, Ordering::Relaxed) + by
    }
}

impl<E: nanolith::executor::SharesState<Sum> + 'static> nanolith::executor::SharesState<Sum> for Retry<E> {}

#[test]
fn jobs_of_a_layer_find_the_shared_state() {
    let pool = Pool::builder().build().expect("sound");
    let state = Arc::new(Sum(AtomicI64::new(1)));
    let below = nanolith::pool::SharedPool::new(pool, state);
    let sum = Sum::calls(Retry(Arc::new(below)));
    assert_eq!(sum.add(1).wait().expect("it runs"), 2);
}
