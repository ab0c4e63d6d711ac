//! [`ManualExecutor`]: an executor whose jobs the test ends by hand, and [`Work`], a set with calls
//! on it.

use nanolith::{
    Executor,
    call::SubmitError,
    executor::{Admission, Job},
    prelude::*,
    task::Reply,
};
use std::{
    collections::VecDeque,
    future::poll_fn,
    panic::Location,
    sync::{Arc, Mutex},
    task::{Poll, Waker},
};

pub struct Work;

#[define]
impl Work {
    #[task(idempotent)]
    pub fn echo(x: u32) -> u32 {
        x
    }

    #[task(idempotent)]
    pub fn check(x: u32) -> Result<u32, String> {
        Ok(x)
    }

    pub fn once(x: u32) -> u32 {
        x
    }
}

/// An executor that accepts a number of jobs, and runs none of them.
#[derive(Clone, Default)]
pub struct ManualExecutor(Arc<Mutex<ManualState>>);

#[derive(Default)]
struct ManualState {
    jobs: VecDeque<Job<Work>>,
    waiting: Vec<Waker>,
    most: Option<usize>,
    closed: bool,
}

impl ManualExecutor {
    pub(crate) fn with_room_for(jobs: usize) -> Self {
        let executor = Self::default();
        executor.set_room(jobs);
        executor
    }

    pub(crate) fn set_room(&self, jobs: usize) {
        self.0.lock().unwrap().most = Some(jobs);
        self.call();
    }

    pub(crate) fn close(&self) {
        self.0.lock().unwrap().closed = true;
        self.call();
    }

    /// Wakes the waiters, which then check again.
    fn call(&self) {
        let waiting = std::mem::take(&mut self.0.lock().unwrap().waiting);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Returns the number of held jobs whose calls are not over.
    pub(crate) fn len(&self) -> usize {
        let mut state = self.0.lock().unwrap();
        state.jobs.retain(|job| !job.is_over());
        state.jobs.len()
    }

    /// Starts the oldest job.
    #[track_caller]
    pub(crate) fn begin(&self) -> (WorkTask, Reply<Work>) {
        let job = self.take().unwrap_or_else(|| panic!("no job is held: {}", Location::caller()));
        job.split().expect("it is not over")
    }

    pub(crate) fn take(&self) -> Option<Job<Work>> {
        self.len();
        let job = self.0.lock().unwrap().jobs.pop_front();
        self.call();
        job
    }

    /// Starts the oldest job, and completes it.
    #[track_caller]
    pub(crate) fn succeed(&self) {
        let (task, reply) = self.begin();
        reply.complete(Ok(match task {
            WorkTask::Echo { x } => WorkOutput::Echo(x),
            WorkTask::Check { x } => WorkOutput::Check(Ok(x)),
            WorkTask::Once { x } => WorkOutput::Once(x),
        }));
    }

    /// Starts the oldest job, and drops its reply.
    #[track_caller]
    pub(crate) fn fail(&self) {
        drop(self.begin());
    }

    fn put(&self, job: Job<Work>) -> Result<(), SubmitError<Job<Work>>> {
        let mut state = self.0.lock().unwrap();
        if state.closed {
            let error = job.closed();
            return Err(SubmitError::new(job, error));
        }
        if state.most.is_some_and(|most| state.jobs.len() >= most) {
            let error = job.full();
            return Err(SubmitError::new(job, error));
        }
        state.jobs.push_back(job);
        Ok(())
    }
}

impl Executor<Work> for ManualExecutor {
    fn try_execute(&self, job: Job<Work>) -> Result<(), SubmitError<Job<Work>>> {
        self.len();
        self.put(job)
    }

    fn execute(&self, job: Job<Work>) -> Admission<'_, Work> {
        let mut job = Some(job);
        Box::pin(poll_fn(move |cx| {
            let Some(brought) = job.take() else { return Poll::Ready(Ok(())) };
            match self.put(brought) {
                Err(refused) if refused.is_full() => {
                    job = Some(refused.into_inner());
                    self.0.lock().unwrap().waiting.push(cx.waker().clone());
                    Poll::Pending
                }
                taken => Poll::Ready(taken),
            }
        }))
    }
}

/// Polls a future by hand.
pub(crate) fn poll_now<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut std::task::Context::from_waker(Waker::noop()))
}
