//! [`Batch`]: many tasks of one kind as one call of a pool, which runs them one after the other.
//! Each task keeps its own outcome. A batch that runs for too long submits its remaining tasks as
//! smaller batches.

use super::results::ResultsBuilder;
use crate::{
    call::call_ref::{CallRef, Uninit},
    context::thread_context,
    error::{CallError, Panic},
    executor::Crew,
    meta::task_info::TaskInfo,
    task::{
        CallInfo, CallSlot, Closure, EnvRef, Environment, HookRun, Job, Outcome, PoolEnv, Run, Scope, TaskSet, Work,
        downcast_output,
    },
    time::clock,
    trace,
    typed::Handle,
    util::unwind,
};
use std::{any::Any, sync::Arc, vec};

/// The run time after which a batch hands its remaining tasks to the pool. Nanoseconds.
const BUDGET: u64 = 200_000;

/// The largest number of tasks that a batch runs between two reads of the clock.
const STRIDE: usize = 32;

/// Tasks that one call runs one after the other.
pub(super) struct Batch<S: TaskSet, T> {
    pub(super) tasks: Vec<S::Task>,
    pub(super) info: &'static TaskInfo,
    pub(super) extract: fn(S::Output) -> Option<T>,
    pub(super) shared: Option<S::Shared>,
    /// The pool that gets the remaining tasks if the batch exceeds [`BUDGET`].
    pub(super) crew: Arc<dyn Crew>,
}

/// The results of a batch.
pub(super) struct Done<T> {
    pub(super) results: ResultsBuilder<T>,
    /// The time that the batch ran, in nanoseconds.
    pub(super) took: u64,
    /// The smaller batches that this batch handed to the pool, in order, with their numbers of
    /// tasks.
    pub(super) rest: Vec<(Handle<Work, Done<T>>, usize)>,
}

impl<S: TaskSet, T: Send + 'static> Batch<S, T> {
    pub(super) fn into_piece(self) -> Closure {
        Closure::new(self.info, |scope| Run::Done(Box::new(self.run(scope)) as Box<dyn Any + Send>))
    }

    fn run(self, scope: &Scope<Work>) -> Done<T> {
        let began = clock::now();
        let Self { tasks, info, extract, shared, crew } = self;
        let host = match &scope.env {
            EnvRef::Pool(ground) => ground.host.clone(),
            EnvRef::Service(_) => None,
        };
        let whole = scope.reply.as_ref().expect("it is there until the call is over").slot().clone();
        let standing = EnvRef::Pool(PoolEnv::<S> { host, shared });
        let scope = Scope { reply: None, apart: None, within: Some(whole.clone()), env: standing };
        let results = ResultsBuilder::for_items(tasks.len());
        let mut runner =
            Runner { tasks: tasks.into_iter(), results, info, extract, whole, began, stint: 1, crew, scope };
        let rest = runner.run();
        Done { results: runner.results, took: clock::now() - began, rest }
    }
}

/// A batch while it runs.
struct Runner<S: TaskSet, T> {
    tasks: vec::IntoIter<S::Task>,
    results: ResultsBuilder<T>,
    info: &'static TaskInfo,
    extract: fn(S::Output) -> Option<T>,
    /// The call that runs the whole batch.
    whole: CallRef<CallSlot<Work>>,
    began: u64,
    /// The number of tasks to run before the next read of the clock.
    stint: usize,
    crew: Arc<dyn Crew>,
    scope: Scope<S>,
}

/// The reason why [`run_stint`](Runner::run_stint) returns.
enum Pause {
    /// No task is left, or the batch is asked to stop.
    Over,
    /// The stint is over: the clock is due.
    Stint,
}

impl<S: TaskSet, T: Send + 'static> Runner<S, T> {
    fn run(&mut self) -> Vec<(Handle<Work, Done<T>>, usize)> {
        if !self.scope.supports(self.info) {
            let at = self.whole.header.at();
            self.tasks.by_ref().for_each(|_| self.results.fail(CallError::Unsupported(at.clone())));
        }
        loop {
            match unwind::catch(|| self.run_stint()) {
                Ok(Pause::Over) => return Vec::new(),
                Ok(Pause::Stint) if self.is_late() => return self.give_away(),
                Ok(Pause::Stint) => self.stint = (2 * self.stint).min(STRIDE),
                Err(panic) => {
                    thread_context::release_pending_polls();
                    let error = self.panicked(panic);
                    self.results.fail(error);
                }
            }
        }
    }

    fn run_stint(&mut self) -> Pause {
        for _ in 0..self.stint {
            if self.whole.is_asked_to_stop() {
                return Pause::Over;
            }
            let Some(task) = self.tasks.next() else { return Pause::Over };
            let output = if S::HOOKS.are_none() { self.run_alone(task) } else { self.run_hooked(task) };
            thread_context::release_pending_polls();
            if let Some(output) = output {
                self.results.push(output);
            }
        }
        Pause::Stint
    }

    /// Runs one task without hooks. Returns `None` if it failed; the failure is then in `results`.
    #[inline(always)]
    fn run_alone(&mut self, task: S::Task) -> Option<T> {
        if let Run::Done(output) = S::run(task, &mut self.scope) {
            if let Some(output) = (self.extract)(output) {
                return Some(output);
            }
        }
        self.lost()
    }

    /// Runs before hook → task → after hook, all synchronous: see `task/run.rs`.
    fn run_hooked(&mut self, task: S::Task) -> Option<T> {
        let EnvRef::Pool(ground) = &self.scope.env else { return self.lost() };
        let ground = ground.clone();
        let meta = &self.whole.header;
        let call = CallInfo { task: self.info, priority: meta.priority(), waited: meta.waited(), in_service: false };
        if let Err(error) = self.hook(ground.before(call)) {
            return self.fail(error);
        }
        let ran = unwind::catch(|| self.run_alone(task));
        let outcome = match &ran {
            Ok(Some(_)) => Outcome::Done,
            Ok(None) => Outcome::Stopped,
            Err(_) => Outcome::Panicked,
        };
        let after = self.hook(ground.after(call, outcome));
        match (ran, after) {
            (Ok(Some(output)), Ok(())) => Some(output),
            (Ok(Some(_)), Err(error)) => self.fail(error),
            (Ok(None), _) => None,
            (Err(panic), _) => self.fail(self.panicked(panic)),
        }
    }

    fn hook<F>(&self, stage: HookRun<F>) -> Result<(), CallError> {
        match stage {
            HookRun::Ready(Ok(Ok(()))) => Ok(()),
            HookRun::Ready(Ok(Err(source))) => Err(CallError::Hook(source.into(), self.whole.header.at())),
            HookRun::Ready(Err(panic)) => Err(self.panicked(panic)),
            HookRun::Future(_) => unreachable!("a set whose hooks are asynchronous is not run in batches"),
        }
    }

    #[cold]
    fn panicked(&self, panic: Panic) -> CallError {
        let error = CallError::of_panic(panic, self.whole.header.at());
        if let CallError::Panicked(panic, _) = &error {
            trace::panicked(thread_context::current_kind().as_ref(), panic, &error);
        }
        error
    }

    #[cold]
    fn lost(&mut self) -> Option<T> {
        self.fail(CallError::Lost(self.whole.header.at()))
    }

    #[cold]
    fn fail(&mut self, error: CallError) -> Option<T> {
        self.results.fail(error);
        None
    }

    /// Returns whether the remaining tasks go to other threads. The batch must run on a thread of
    /// the pool itself: only such a thread may submit past the pool's bounds.
    fn is_late(&self) -> bool {
        let late = self.tasks.len() > 0 && clock::now() - self.began > BUDGET;
        late && thread_context::current_executor().is_some() && thread_context::current_executor() == self.crew.host()
    }

    /// Submits the remaining tasks to the pool, in two pieces for each of its threads.
    #[cold]
    fn give_away(&mut self) -> Vec<(Handle<Work, Done<T>>, usize)> {
        let pieces = self.crew.threads().saturating_mul(2).max(1);
        let size = self.tasks.len().div_ceil(pieces);
        let mut given = Vec::with_capacity(pieces);
        while self.tasks.len() > 0 {
            let tasks: Vec<_> = self.tasks.by_ref().take(size).collect();
            given.push((tasks.len(), self.give(tasks)));
        }
        given.into_iter().map(|(count, handle)| (handle, count)).collect()
    }

    fn give(&self, tasks: Vec<S::Task>) -> Handle<Work, Done<T>> {
        let EnvRef::Pool(ground) = &self.scope.env else { unreachable!("a batch stands on a pool") };
        let (info, extract, crew) = (self.info, self.extract, self.crew.clone());
        let batch = Batch::<S, T> { tasks, info, extract, shared: ground.shared.clone(), crew };
        let (job, slot) = Job::with_owner(Uninit::new(), batch.into_piece(), None, self.whole.header.for_retry());
        if let Err(refused) = self.crew.try_execute(job) {
            crate::typed::fail_job(refused);
        }
        Handle::new(slot, self.crew.host(), downcast_output).cancel_on_drop()
    }
}
