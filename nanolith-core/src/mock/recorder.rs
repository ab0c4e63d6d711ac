//! [`Recorder`] is a layer that records calls and their outcomes.

use crate::{
    error::{CallError, SubmitError},
    executor::{Admission, Executor, OwnsState, RunsLocal, SharesState},
    meta::{priority::Priority, task_info::TaskInfo},
    task::{Job, TaskSet},
};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// One call, as a [`Recorder`] recorded it.
///
/// ```
/// use nanolith::{mock::Recorder, prelude::*};
/// # pub struct Geometry;
/// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
/// let recorder = Recorder::new(
///     Pool::builder().build()?,
///     |GeometryTask::Add { x, y }| (*x, *y),
///     |GeometryOutput::Add(sum)| *sum,
/// );
/// Geometry::on(&recorder).add(4, 5).priority(Priority::Low).wait()?;
/// let record = &recorder.records()[0];
/// assert_eq!((record.info.name(), record.task, record.priority), ("add", (4, 5), Priority::Low));
/// assert!(matches!(record.outcome, Some(Ok(9))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Record<K, V> {
    /// The metadata of the task.
    pub info: &'static TaskInfo,
    /// The recorded part of the task.
    pub task: K,
    /// The priority of the call when it was submitted.
    pub priority: Priority,
    /// The recorded part of the output, or the error; `None` if the call has not ended.
    pub outcome: Option<Result<V, CallError>>,
}

/// A layer around an executor that records each call and its outcome, in the order of submission.
///
/// The tasks themselves move to where they run, so the recorder cannot store them. Two functions
/// choose what it stores of tasks and outputs. A [`Replay`](super::Replay) answers calls from these
/// records.
///
/// ```
/// use nanolith::{mock::{Recorder, Replay}, prelude::*};
/// # pub struct Geometry;
/// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
/// let key = |GeometryTask::Add { x, y }: &GeometryTask| (*x, *y);
/// let recorder = Recorder::new(Pool::builder().build()?, key, |GeometryOutput::Add(sum)| *sum);
/// assert_eq!(Geometry::on(&recorder).add(4, 5).wait()?, 9);
///
/// let replay = Replay::of(recorder.records(), key, GeometryOutput::Add);
/// assert_eq!(Geometry::on(&replay).add(4, 5).wait()?, 9); // no pool runs
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// To write records to a file, store a form that can be written: with `#[define(wire)]`, the enums
/// themselves as text.
pub struct Recorder<S: TaskSet, E, K, V> {
    executor: Arc<E>,
    tape: Arc<Log<S, K, V>>,
}

/// The function that returns the recorded part of a value.
pub(super) type Keep<T, K> = Box<dyn Fn(&T) -> K + Send + Sync>;

struct Log<S: TaskSet, K, V> {
    keep_task: Keep<S::Task, K>,
    keep_output: Keep<S::Output, V>,
    /// The records by number, in ascending order.
    records: Mutex<Entry<K, V>>,
}

struct Entry<K, V> {
    next: u64,
    records: Vec<(u64, Record<K, V>)>,
}

impl<S: TaskSet, K, V> Log<S, K, V> {
    fn lock(&self) -> MutexGuard<'_, Entry<K, V>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, record: Record<K, V>) -> u64 {
        let mut kept = self.lock();
        kept.next += 1;
        let number = kept.next;
        kept.records.push((number, record));
        number
    }

    fn end(&self, number: u64, outcome: Result<V, CallError>) {
        let mut kept = self.lock();
        if let Ok(at) = kept.records.binary_search_by_key(&number, |(number, _)| *number) {
            kept.records[at].1.outcome = Some(outcome);
        }
    }

    /// Removes the record of a call that the executor did not accept.
    fn discard(&self, number: u64) {
        let mut kept = self.lock();
        let at = kept.records.binary_search_by_key(&number, |(number, _)| *number);
        let struck = at.map(|at| kept.records.remove(at));
        drop(kept);
        drop(struck);
    }
}

impl<S, E, K, V> Recorder<S, E, K, V>
where
    S: TaskSet,
    E: Executor<S>,
    K: Send + 'static,
    V: Send + 'static,
{
    /// Wraps `executor`. `keep_task` returns what to record of a task, on the thread that submits
    /// the call. `keep_output` returns what to record of an output, on the thread that ends the
    /// call. Both must be brief and must not panic.
    pub fn new(
        executor: E,
        keep_task: impl Fn(&S::Task) -> K + Send + Sync + 'static,
        keep_output: impl Fn(&S::Output) -> V + Send + Sync + 'static,
    ) -> Self {
        let tape = Log {
            keep_task: Box::new(keep_task),
            keep_output: Box::new(keep_output),
            records: Mutex::new(Entry { next: 0, records: Vec::new() }),
        };
        Self { executor: Arc::new(executor), tape: Arc::new(tape) }
    }

    /// Returns a copy of the records so far.
    ///
    /// The records are cloned under the recorder's lock, and new calls wait for that lock. So their
    /// `Clone` must not call the recorder.
    #[must_use]
    pub fn records(&self) -> Vec<Record<K, V>>
    where
        K: Clone,
        V: Clone,
    {
        self.tape.lock().records.iter().map(|(_, record)| record.clone()).collect()
    }

    /// Removes and returns the records so far.
    ///
    /// ```
    /// # use nanolith::{mock::Recorder, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// # let pool = Pool::builder().build()?;
    /// let recorder = Recorder::new(pool, |_| (), |GeometryOutput::Add(sum)| *sum);
    /// Geometry::on(&recorder).add(4, 5).wait()?;
    /// assert_eq!(recorder.take().len(), 1);
    /// assert!(recorder.take().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A call that has not ended has no outcome in its record, and gets none later.
    #[must_use]
    pub fn take(&self) -> Vec<Record<K, V>> {
        let records = std::mem::take(&mut self.tape.lock().records);
        records.into_iter().map(|(_, record)| record).collect()
    }

    /// Records the call. Returns a job that runs in its place.
    fn record(&self, job: Job<S>) -> Option<(u64, Job<S>)> {
        let (info, priority) = (job.task(), job.priority());
        let (task, reply) = job.start_delegating().ok()?;
        let number = self.tape.push(Record { info, task: (self.tape.keep_task)(&task), priority, outcome: None });
        let tape = self.tape.clone();
        let job = Job::delegate(reply, task, move |reply, outcome| {
            let kept = outcome.as_ref().map(|output| (tape.keep_output)(output)).map_err(Clone::clone);
            tape.end(number, kept);
            reply.complete(outcome);
        });
        Some((number, job))
    }
}

impl<S, E, K, V> Executor<S> for Recorder<S, E, K, V>
where
    S: TaskSet,
    E: Executor<S>,
    K: Send + 'static,
    V: Send + 'static,
{
    fn try_execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
        let Some((number, job)) = self.record(job) else { return Ok(()) };
        self.executor.try_execute(job).inspect_err(|_| self.tape.discard(number))
    }

    fn execute(&self, job: Job<S>) -> Admission<'_, S> {
        let recorded = self.record(job);
        Box::pin(async move {
            let Some((number, job)) = recorded else { return Ok(()) };
            self.executor.execute(job).await.inspect_err(|_| self.tape.discard(number))
        })
    }

    fn accepts_calls(&self) -> bool {
        self.executor.accepts_calls()
    }

    fn shared(&self) -> Option<S::Shared> {
        self.executor.shared()
    }
}

#[diagnostic::do_not_recommend]
impl<S: TaskSet, E: SharesState<S>, K: Send + 'static, V: Send + 'static> SharesState<S> for Recorder<S, E, K, V> {}
#[diagnostic::do_not_recommend]
impl<S: TaskSet, E: OwnsState<S>, K: Send + 'static, V: Send + 'static> OwnsState<S> for Recorder<S, E, K, V> {}
#[diagnostic::do_not_recommend]
impl<S: TaskSet, E: RunsLocal<S>, K: Send + 'static, V: Send + 'static> RunsLocal<S> for Recorder<S, E, K, V> {}

impl<S: TaskSet, E, K, V> Clone for Recorder<S, E, K, V> {
    fn clone(&self) -> Self {
        Self { executor: self.executor.clone(), tape: self.tape.clone() }
    }
}

impl<S: TaskSet, E: fmt::Debug, K, V> fmt::Debug for Recorder<S, E, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let records = self.tape.lock().records.len();
        f.debug_struct("Recorder").field("executor", &self.executor).field("records", &records).finish_non_exhaustive()
    }
}
