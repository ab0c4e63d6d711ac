//! [`Expectations`]: what a mock expects, and the calls that it received, under one lock. The lock
//! is not held while the user's functions inspect a task.

use super::expect::Expectation;
use crate::{
    error::{CallError, Panic, SubmitError},
    executor::Executor,
    task::{Job, Reply, TaskSet},
    time::clock,
};
use std::{
    fmt::Write,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

type Describe<S> = Arc<dyn Fn(&<S as TaskSet>::Task) -> String + Send + Sync>;

pub(super) struct Expectations<S: TaskSet> {
    in_order: bool,
    state: Mutex<State<S>>,
}

struct State<S: TaskSet> {
    expected: Vec<Expected<S>>,
    /// The index of the current expectation, if they are met in order.
    at: usize,
    unexpected: Vec<String>,
    /// The replies of calls that are never answered.
    held: Vec<Reply<S>>,
    real: Option<Arc<dyn Executor<S>>>,
    describe: Option<Describe<S>>,
}

struct Expected<S: TaskSet> {
    what: Arc<Expectation<S>>,
    came: usize,
}

impl<S: TaskSet> Expected<S> {
    fn is_met(&self) -> bool {
        self.came >= self.what.times.least
    }

    /// Returns whether the expectation allows another call. If so, it counts the call.
    fn try_match(&mut self) -> bool {
        let takes = self.came < self.what.times.most;
        self.came += usize::from(takes);
        takes
    }
}

impl<S: TaskSet> Expectations<S> {
    pub(super) fn new(in_order: bool) -> Self {
        let state =
            State { expected: Vec::new(), at: 0, unexpected: Vec::new(), held: Vec::new(), real: None, describe: None };
        Self { in_order, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, what: Expectation<S>) {
        self.lock().expected.push(Expected { what: Arc::new(what), came: 0 });
    }

    pub(super) fn go_on_to(&self, executor: Arc<dyn Executor<S>>) {
        let before = self.lock().real.replace(executor);
        drop(before);
    }

    pub(super) fn describe_by(&self, describe: Describe<S>) {
        let before = self.lock().describe.replace(describe);
        drop(before);
    }

    // ----- a call

    pub(super) fn try_execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
        let Ok((task, reply)) = job.start_delegating() else { return Ok(()) };
        if let Some(expected) = self.find(&task) {
            reply.slot().header.mark_started(clock::now());
            let held = expected.answer.clone().give_after(expected.delay, task, reply);
            self.lock().held.extend(held);
            return Ok(());
        }
        let real = self.lock().real.clone();
        match real {
            Some(real) => real.try_execute(Job::delegate(reply, task, Reply::complete)),
            None => {
                self.refuse(&task, reply);
                Ok(())
            }
        }
    }

    /// Returns the expectation that the task matches, and counts the call in it.
    fn find(&self, task: &S::Task) -> Option<Arc<Expectation<S>>> {
        let (all, mut at): (Vec<_>, _) = {
            let state = self.lock();
            (state.expected.iter().map(|expected| expected.what.clone()).collect(), state.at)
        };
        if !self.in_order {
            let mut fitting = all.iter().enumerate().filter(|(_, what)| (what.fits)(task));
            return fitting.find(|(nth, _)| self.lock().expected[*nth].try_match()).map(|(_, what)| what.clone());
        }
        loop {
            let what = all.get(at)?;
            let fits = (what.fits)(task);
            let mut state = self.lock();
            if state.at > at {
                at = state.at; // another call advanced it first
                continue;
            }
            if fits && state.expected[at].try_match() {
                state.at = at;
                return Some(what.clone());
            }
            if !state.expected[at].is_met() {
                return None;
            }
            at += 1;
        }
    }

    fn refuse(&self, task: &S::Task, reply: Reply<S>) {
        let describe = self.lock().describe.clone();
        let info = S::task_info(task);
        let mut what = format!("`{info}` ({})", info.identifier());
        if let Some(describe) = describe {
            let _ = write!(what, " with {}", describe(task)); // writing to a string does not fail
        }
        let at = reply.slot().header.at();
        self.lock().unexpected.push(format!("{what}, submitted at {}", at.submitted()));
        let panic = Panic::new(Box::new(format!("no expectation of the mock fits {what}")), None);
        reply.complete(Err(CallError::Panicked(panic, at)));
    }

    // ----- the result

    /// Returns a line for each expectation that was not met, and for each call that was not
    /// expected.
    pub(super) fn problems(&self) -> Vec<String> {
        let state = self.lock();
        let unmet = state.expected.iter().filter(|expected| !expected.is_met()).map(|expected| {
            let Expectation { times, told, .. } = &*expected.what;
            format!("expected at {told}: {times}, and {} came", expected.came)
        });
        let unexpected = state.unexpected.iter().map(|what| format!("not expected: {what}"));
        unmet.chain(unexpected).collect()
    }

    #[track_caller]
    pub(super) fn verify(&self) {
        let problems = self.problems();
        assert!(problems.is_empty(), "the mock of `{}` was called otherwise:\n- {}", S::NAME, problems.join("\n- "));
    }
}
