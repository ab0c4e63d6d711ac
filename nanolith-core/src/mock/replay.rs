//! [`Replay`] answers calls from records and runs nothing.

use super::{Record, recorder::Keep};
use crate::{
    error::{CallError, Panic, SubmitError},
    executor::{Executor, OwnsState, RunsLocal, SharesState},
    task::{Job, TaskSet},
};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// An executor that runs nothing. Each call ends with the first recorded outcome of an equal task
/// that was not replayed before. The records come from a [`Recorder`](super::Recorder), or from a
/// file.
///
/// ```
/// use nanolith::{mock::Replay, prelude::*};
/// # pub struct Geometry;
/// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
/// let lines = "add 4 5 = 9\nadd 1 2 = 3";
/// let calls = lines.lines().filter_map(|line| line.split_once(" = ")).map(|(call, sum)| (call.to_owned(), Ok(sum)));
/// let replay = Replay::new(
///     calls,
///     |GeometryTask::Add { x, y }| format!("add {x} {y}"),
///     |sum: &str| GeometryOutput::Add(sum.parse().unwrap_or(0)),
/// );
/// assert_eq!(Geometry::on(&replay).add(1, 2).wait()?, 3);
/// assert_eq!(replay.remaining(), 1);
/// # Ok::<(), CallError>(())
/// ```
///
/// A call without a record left ends as [`CallError::Panicked`], with a message that names it.
pub struct Replay<S: TaskSet, K, V> {
    tape: Arc<Log<S, K, V>>,
}

struct Log<S: TaskSet, K, V> {
    key: Keep<S::Task, K>,
    output: Box<dyn Fn(V) -> S::Output + Send + Sync>,
    calls: Mutex<Vec<Option<Entry<K, V>>>>,
}

/// The record of a call.
struct Entry<K, V> {
    key: Arc<K>,
    outcome: Result<V, CallError>,
}

impl<S: TaskSet, K, V> Log<S, K, V> {
    fn lock(&self) -> MutexGuard<'_, Vec<Option<Entry<K, V>>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S, K, V> Replay<S, K, V>
where
    S: TaskSet,
    K: PartialEq + Send + Sync + 'static,
    V: Send + 'static,
{
    /// Makes a replay from tasks and their outcomes. `key` returns what was recorded of a task.
    /// `output` makes the task's output from what was recorded of it.
    pub fn new(
        calls: impl IntoIterator<Item = (K, Result<V, CallError>)>,
        key: impl Fn(&S::Task) -> K + Send + Sync + 'static,
        output: impl Fn(V) -> S::Output + Send + Sync + 'static,
    ) -> Self {
        let calls = calls.into_iter().map(|(key, outcome)| Some(Entry { key: Arc::new(key), outcome })).collect();
        let tape = Log { key: Box::new(key), output: Box::new(output), calls: Mutex::new(calls) };
        Self { tape: Arc::new(tape) }
    }

    /// Makes a replay from the records of a [`Recorder`](super::Recorder). Calls that had not ended
    /// are left out.
    pub fn of(
        records: impl IntoIterator<Item = Record<K, V>>,
        key: impl Fn(&S::Task) -> K + Send + Sync + 'static,
        output: impl Fn(V) -> S::Output + Send + Sync + 'static,
    ) -> Self {
        let calls = records.into_iter().filter_map(|record| Some((record.task, record.outcome?)));
        Self::new(calls, key, output)
    }

    /// Returns the number of recorded calls that were not replayed.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.tape.lock().iter().flatten().count()
    }

    /// Takes the first recorded outcome of an equal task.
    fn take(&self, key: &K) -> Option<Result<V, CallError>> {
        let keys: Vec<_> = {
            let calls = self.tape.lock();
            let left = calls.iter().enumerate().filter_map(|(nth, call)| Some((nth, call.as_ref()?.key.clone())));
            left.collect()
        };
        let mut equal = keys.into_iter().filter(|(_, known)| **known == *key);
        equal.find_map(|(nth, _)| self.tape.lock()[nth].take()).map(|kept| kept.outcome)
    }
}

impl<S, K, V> Executor<S> for Replay<S, K, V>
where
    S: TaskSet,
    K: PartialEq + Send + Sync + 'static,
    V: Send + 'static,
{
    fn try_execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
        let Ok((task, reply)) = job.split() else { return Ok(()) };
        match self.take(&(self.tape.key)(&task)) {
            Some(outcome) => reply.complete(outcome.map(|value| (self.tape.output)(value))),
            None => {
                let info = S::task_info(&task);
                let text = format!("nothing is left to replay for `{info}` ({})", info.identifier());
                reply.panicked(Panic::new(Box::new(text), None));
            }
        }
        Ok(())
    }
}

#[diagnostic::do_not_recommend]
impl<S: TaskSet, K: PartialEq + Send + Sync + 'static, V: Send + 'static> SharesState<S> for Replay<S, K, V> {}
#[diagnostic::do_not_recommend]
impl<S: TaskSet, K: PartialEq + Send + Sync + 'static, V: Send + 'static> OwnsState<S> for Replay<S, K, V> {}
#[diagnostic::do_not_recommend]
impl<S: TaskSet, K: PartialEq + Send + Sync + 'static, V: Send + 'static> RunsLocal<S> for Replay<S, K, V> {}

impl<S: TaskSet, K, V> Clone for Replay<S, K, V> {
    fn clone(&self) -> Self {
        Self { tape: self.tape.clone() }
    }
}

impl<S: TaskSet, K, V> fmt::Debug for Replay<S, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left = self.tape.lock().iter().flatten().count();
        f.debug_struct("Replay").field("set", &S::NAME).field("left", &left).finish_non_exhaustive()
    }
}
