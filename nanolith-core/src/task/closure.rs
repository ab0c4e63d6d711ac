//! [`Work`]: the task set of closures. Its call runs a closure, a future or many tasks as one on a
//! pool. `bulk` and `Pool::spawn` use it.

use super::{CallSlot, NoState, Run, Scope, TaskSet};
use crate::{
    call::{
        call_ref::{CallRef, Uninit},
        slot::Slot,
    },
    meta::task_info::TaskInfo,
    time::clock,
};
use std::{any::Any, future::Future};

/// The task set of closures. [`bulk::map`](crate::bulk::map) and the other functions of that module
/// are calls of it, and so is [`Pool::spawn`](crate::pool::Pool::spawn). Every pool runs it. A handle
/// of a closure that returns a `usize` is a `Handle<Work, usize>`.
///
/// ```
/// use nanolith::{Executor, bulk::{self, Work}, prelude::*};
/// fn roots(pool: &impl Executor<Work>, of: Vec<f64>) -> Result<Vec<f64>, CallError> {
///     bulk::map(pool, of, f64::sqrt).wait()
/// }
/// assert_eq!(roots(&Pool::builder().build()?, vec![4.0, 9.0])?, [2.0, 3.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Work;

/// The task of one call: a boxed closure with its description.
#[allow(missing_debug_implementations)] // no user can name it
pub struct Closure {
    info: &'static TaskInfo,
    run: Box<RunPiece>,
}

type RunPiece = dyn FnOnce(&mut Scope<Work>) -> Run<Box<dyn Any + Send>> + Send;

impl Closure {
    /// Creates a task from a closure. `info` describes it to hooks, errors and metrics: the
    /// description of the task that the closure runs many times, or its own.
    pub(crate) fn new<F>(info: &'static TaskInfo, run: F) -> Self
    where
        F: FnOnce(&mut Scope<Work>) -> Run<Box<dyn Any + Send>> + Send + 'static,
    {
        Self { info, run: Box::new(run) }
    }
}

/// Returns a task that runs one closure.
pub(crate) fn closure<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Closure {
    Closure::new(&Work::TASKS[2], |_| Run::Done(Box::new(run())))
}

/// Returns a task that runs one future.
pub(crate) fn future<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Closure {
    Closure::new(&Work::TASKS[3], |scope| {
        scope.spawn_unless_task_local(async move {
            let output: Box<dyn Any + Send> = Box::new(future.await);
            output
        })
    })
}

/// Returns the output of a closure as a `T`, or `None` if it has another type.
pub(crate) fn downcast_output<T: 'static>(output: Box<dyn Any + Send>) -> Option<T> {
    output.downcast().ok().map(|output| *output)
}

pub(crate) const MAP: TaskInfo = TaskInfo::new("bulk", "map", "nanolith::bulk::map");
pub(crate) const MAP_REDUCE: TaskInfo = TaskInfo::new("bulk", "map_reduce", "nanolith::bulk::map_reduce");
const SPAWN: TaskInfo = TaskInfo::new("pool", "spawn", "nanolith::pool::spawn");
const SPAWN_ASYNC: TaskInfo = TaskInfo::new("pool", "spawn_async", "nanolith::pool::spawn_async").asynchronous();

impl TaskSet for Work {
    type Task = Closure;
    type Output = Box<dyn Any + Send>;
    type Calls<E> = E;
    type Shared = NoState;

    const NAME: &'static str = "bulk";
    const IDENTIFIER: &'static str = "nanolith::bulk";
    const TASKS: &'static [TaskInfo] = &[MAP, MAP_REDUCE, SPAWN, SPAWN_ASYNC];
    const BRINGS_STATE: bool = true;

    fn task_info(task: &Closure) -> &'static TaskInfo {
        task.info
    }

    fn calls<E>(executor: E) -> E {
        executor
    }

    fn run(task: Closure, scope: &mut Scope<Self>) -> Run<Self::Output> {
        (task.run)(scope)
    }
}

/// Creates the call for the context of one of the tasks that `whole` runs. It ends when `whole`
/// ends.
pub(super) fn subtask<S: TaskSet>(whole: &CallRef<CallSlot<Work>>) -> CallRef<CallSlot<S>> {
    let meta = whole.header.for_retry();
    meta.mark_started(clock::now());
    let part: CallRef<CallSlot<S>> = Uninit::new().init(Slot::begun(meta));
    whole.header.delegate_to(&part.clone().erase());
    whole.fence();
    if whole.is_asked_to_stop() {
        part.end_call(crate::call::slot::EndReason::Cancelled);
    }
    part
}
