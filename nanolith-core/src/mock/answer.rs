//! [`Answer`] is the scripted outcome of an expected call.

use crate::{
    call::offload,
    error::{CallError, CallTrace, Panic},
    task::{Job, Reply, TaskSet},
    time::clock,
    util::unwind,
};
use std::{sync::Arc, time::Duration};

/// The user's function that returns a task's output.
pub(super) type Respond<S> = Arc<dyn Fn(<S as TaskSet>::Task) -> <S as TaskSet>::Output + Send + Sync>;

pub(super) enum Answer<S: TaskSet> {
    Returns(Respond<S>),
    Fails(Arc<dyn Fn(CallTrace) -> CallError + Send + Sync>),
    Panics(String),
    Never,
}

impl<S: TaskSet> Clone for Answer<S> {
    fn clone(&self) -> Self {
        match self {
            Self::Returns(respond) => Self::Returns(respond.clone()),
            Self::Fails(error) => Self::Fails(error.clone()),
            Self::Panics(message) => Self::Panics(message.clone()),
            Self::Never => Self::Never,
        }
    }
}

impl<S: TaskSet> Answer<S> {
    /// Answers after `delay`, by this thread's clock. Returns the reply if the answer never comes.
    pub(super) fn give_after(self, delay: Duration, task: S::Task, reply: Reply<S>) -> Option<Reply<S>> {
        let due = clock::after(delay);
        match (&self, due) {
            (Self::Never, _) | (_, None) => return Some(reply),
            (_, Some(_)) if delay.is_zero() => self.give(task, reply),
            (_, Some(due)) => {
                // A job of its own, which ends with the call. So the end of the call drops the
                // arguments.
                let job = Job::delegate(reply, task, Reply::complete);
                job.slot().header.mark_started(clock::now());
                job.delay_until(due, move |job| offload::run(None, move || self.give_to(job)));
            }
        }
        None
    }

    fn give_to(self, job: Job<S>) {
        if let Ok((task, reply)) = job.start_delegating() {
            self.give(task, reply);
        }
    }

    fn give(self, task: S::Task, reply: Reply<S>) {
        match self {
            Self::Returns(respond) => match unwind::catch(|| respond(task)) {
                Ok(output) => reply.complete(Ok(output)),
                Err(panic) => reply.panicked(panic),
            },
            Self::Fails(error) => {
                let error = error(reply.slot().header.at());
                reply.complete(Err(error));
            }
            Self::Panics(message) => reply.panicked(Panic::new(Box::new(message), None)),
            Self::Never => drop(reply),
        }
    }
}
