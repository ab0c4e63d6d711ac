//! [`Cache`]: a layer that keeps outputs by key. Calls with one key share one load, as in
//! [`singleflight`](https://pkg.go.dev/golang.org/x/sync/singleflight).

use super::{
    cache_load::Load,
    cache_run::Run,
    cache_table::{Entry, EntryId, Finished, Found, Table},
    layered::{EnterResult, LayerPolicy, LayerStack, Transparent},
};
use crate::{
    call::offload,
    executor::Executor,
    task::{Job, Reply, TaskSet},
    time::clock,
    util::unwind,
    wake::Deferred,
};
use std::{
    borrow::Borrow,
    fmt,
    hash::{BuildHasher, Hash, RandomState},
    sync::Arc,
    time::Duration,
};

/// A layer that keeps the outputs of tasks and returns copies of them to later calls. It is for
/// tasks under `#[task(idempotent)]` whose output depends on their arguments alone. If several
/// calls with one key are in progress at the same time, only the first runs, and all receive its
/// output.
///
/// The first function returns the key of a task, and the second copies an output. A call for which
/// either returns `None` goes through unchanged. The cache keeps outputs only, never a
/// [`CallError`](crate::error::CallError).
///
/// ```
/// use nanolith::{TaskSet, layers::{Cache, Layer}, prelude::*};
/// # pub struct Geometry;
/// #[define]
/// impl Geometry {
///     #[task(idempotent)]
///     pub fn square(x: i64) -> i64 { x * x }
///     pub fn add(x: i64, y: i64) -> i64 { x + y }
/// }
/// let cache = Cache::<Geometry, i64>::new(
///     |task| if let GeometryTask::Square { x } = task { Some(*x) } else { None },
///     |output| if let GeometryOutput::Square(y) = output { Some(GeometryOutput::Square(*y)) } else { None },
/// );
/// let pool = Pool::builder().build()?;
/// let geometry = Geometry::calls(cache.layer(pool.clone()));
/// assert_eq!((geometry.square(4).wait()?, geometry.square(4).wait()?), (16, 16));
/// pool.drained().wait();
/// assert_eq!(pool.info().completed, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Clearing
///
/// [`clear`](Cache::clear) and [`invalidate`](Cache::invalidate) also affect loads in progress. A
/// later call neither shares such a load nor receives its output. The calls that shared it before
/// still receive it.
///
/// # Cancel safety
///
/// A call that ends while it waits for the load of another call drops its arguments at once. If the
/// call that runs the load is cancelled, or reaches its own time limit, the call that has waited
/// longest runs the load instead.
///
/// # Panics
///
/// `Hash` and `Eq` of the key run on the thread that submits a call, and no lock is held meanwhile.
/// They may block, and call the cache. If one of them, or one of the two functions, panics, the
/// call goes through unchanged.
///
/// A task that calls the cache for its own key waits for itself forever. The check for cycles does
/// not detect that.
///
/// Clones share the entries.
#[must_use = "a layer does nothing until it is put around an executor"]
pub struct Cache<S: TaskSet, K> {
    pub(super) shared: Arc<Shared<S, K>>,
}

type KeyOf<S, K> = Arc<dyn Fn(&<S as TaskSet>::Task) -> Option<K> + Send + Sync>;
type CopyOf<S> = Arc<dyn Fn(&<S as TaskSet>::Output) -> Option<<S as TaskSet>::Output> + Send + Sync>;
type Entries<S, K> = Table<K, Arc<<S as TaskSet>::Output>, Arc<Load<S>>>;

pub(super) struct Shared<S: TaskSet, K> {
    key: KeyOf<S, K>,
    copy: CopyOf<S>,
    hasher: RandomState,
    table: Deferred<Entries<S, K>>,
}

/// The default number of outputs that a cache keeps.
const CAPACITY: usize = 1_024;

impl<S: TaskSet, K: Hash + Eq> Cache<S, K> {
    /// Creates a cache that keeps at most 1,024 outputs without a time limit. The least recently
    /// used output is evicted first.
    pub fn new(
        key: impl Fn(&S::Task) -> Option<K> + Send + Sync + 'static,
        copy: impl Fn(&S::Output) -> Option<S::Output> + Send + Sync + 'static,
    ) -> Self {
        Self::with(Arc::new(key), Arc::new(copy), Table::new(CAPACITY, None))
    }

    fn with(key: KeyOf<S, K>, copy: CopyOf<S>, table: Entries<S, K>) -> Self {
        Self { shared: Arc::new(Shared { key, copy, hasher: RandomState::new(), table: Deferred::new(table) }) }
    }

    /// Sets the maximum number of outputs that are kept. With 0 no output is kept, and calls with
    /// one key only share a load in progress.
    ///
    /// This returns a new layer with its own entries, so set it before the layer is cloned.
    pub fn capacity(self, outputs: usize) -> Self {
        let time_to_live = self.shared.table.with(|table, _| table.time_to_live());
        Self::with(self.shared.key.clone(), self.shared.copy.clone(), Table::new(outputs, time_to_live))
    }

    /// Sets how long an output is kept.
    ///
    /// This returns a new layer with its own entries, so set it before the layer is cloned.
    ///
    /// With `Duration::ZERO` no output is used again. With `Duration::MAX` an output never expires.
    pub fn time_to_live(self, time: Duration) -> Self {
        let capacity = self.shared.table.with(|table, _| table.capacity());
        Self::with(self.shared.key.clone(), self.shared.copy.clone(), Table::new(capacity, Some(time)))
    }

    /// Removes the output of one key, and detaches a load of that key in progress, so that a later
    /// call runs anew. See the [type](Cache#clearing).
    ///
    /// ```
    /// use nanolith::{TaskSet, layers::{Cache, Layer}, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { #[task(idempotent)] pub fn length(text: String) -> usize { text.len() } }
    /// let cache = Cache::<Geometry, String>::new(
    ///     |GeometryTask::Length { text }| Some(text.clone()),
    ///     |GeometryOutput::Length(length)| Some(GeometryOutput::Length(*length)),
    /// );
    /// let geometry = Geometry::calls(cache.clone().layer(Pool::builder().build()?));
    /// geometry.length("tea".into()).wait()?;
    /// geometry.length("water".into()).wait()?;
    /// cache.invalidate("tea");
    /// assert_eq!(cache.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    ///
    /// A panic of the key's `Hash` or `Eq` is passed on, and changes nothing.
    pub fn invalidate<Q: Hash + Eq + ?Sized>(&self, key: &Q)
    where
        K: Borrow<Q>,
    {
        let shared = &self.shared;
        let mut at = EntryId::before(shared.hasher.hash_one(key));
        while let Some((id, known)) = shared.table.with(|table, _| table.next(at)) {
            if (*known).borrow() == key {
                let entry = shared.table.with(|table, _| table.remove(id));
                if entry.is_some() {
                    return unwind::ignore_panics(|| drop(entry));
                }
            }
            at = id;
        }
    }

    /// Removes all outputs, and detaches the loads in progress, so that later calls run anew. See
    /// the [type](Cache#clearing).
    pub fn clear(&self) {
        let entries = self.shared.table.with(|table, _| table.clear());
        entries.into_values().for_each(|entry| unwind::ignore_panics(|| drop(entry)));
    }

    /// Returns the number of outputs that are kept. An expired output counts until a call asks for
    /// it, or until it is evicted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.table.with(|table, _| table.len())
    }

    /// Returns whether no output is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The result of looking for a call's key.
enum Looked<S: TaskSet> {
    Value(Arc<S::Output>),
    Loading(Arc<Load<S>>),
    /// No entry existed. The call runs this load.
    Begun(EntryId, Arc<Load<S>>),
}

impl<S: TaskSet, K> Shared<S, K> {
    pub(super) fn copy(&self, output: &S::Output) -> Option<S::Output> {
        ask(|| (self.copy)(output))
    }

    /// Returns a copy for a caller that holds a reference to an output. The reference may be the
    /// last.
    fn copy_of(&self, output: Arc<S::Output>) -> Option<S::Output> {
        let copy = self.copy(&output);
        unwind::ignore_panics(|| drop(output));
        copy
    }
}

impl<S: TaskSet<Output: Sync>, K: Hash + Eq + Send + Sync + 'static> Shared<S, K> {
    /// Looks for the key of a task. Returns `None` if it has none, or if user code panicked.
    fn look(&self, task: &S::Task) -> Option<Looked<S>> {
        ask(|| {
            let key = Arc::new((self.key)(task)?);
            Some(self.look_for(&key))
        })
    }

    /// Walks through the entries with the key's hash. Keys are compared between two locks, so an
    /// entry may be gone by then.
    fn look_for(&self, key: &Arc<K>) -> Looked<S> {
        let now = clock::now();
        let mut at = EntryId::before(self.hasher.hash_one(&**key));
        let mut load = None;
        loop {
            let Some((id, known)) = self.table.with(|table, _| table.next(at)) else {
                let load = load.get_or_insert_with(Load::new);
                match self.table.with(|table, _| table.begin(at, key, load.clone())) {
                    Some(id) => return Looked::Begun(id, load.clone()),
                    None => continue, // another call has added an entry
                }
            };
            if known == *key {
                match self.table.with(|table, _| table.get(id, now)) {
                    Found::Value(output) => return Looked::Value(output),
                    Found::Loading(load) => return Looked::Loading(load),
                    Found::Nothing => self.remove(id),
                }
            }
            at = id;
        }
    }

    /// Keeps the output of a load for later calls, unless the load was detached.
    pub(super) fn keep(&self, id: EntryId, output: S::Output) {
        let (output, now) = (Arc::new(output), clock::now());
        let Finished { gone, unused } = self.table.with(|table, _| table.finish(id, output, now));
        drop_entries::<S, K>(gone);
        offload::run(None, move || drop(unused));
    }

    /// Removes an entry that later calls cannot use.
    pub(super) fn remove(&self, id: EntryId) {
        let entry = self.table.with(|table, _| table.remove(id));
        drop_entries::<S, K>([entry]);
    }
}

/// Drops entries, with their keys and outputs. On the timer thread, the global pool drops them.
fn drop_entries<S, K>(entries: impl IntoIterator<Item = Option<Entry<K, Arc<S::Output>, Arc<Load<S>>>>>)
where
    S: TaskSet<Output: Sync>,
    K: Send + Sync + 'static,
{
    for entry in entries.into_iter().flatten() {
        offload::run(None, move || drop(entry));
    }
}

/// Runs the user's function. A panic counts as `None`.
fn ask<T>(ask: impl FnOnce() -> Option<T>) -> Option<T> {
    let mut answer = None;
    unwind::ignore_panics(|| answer = ask());
    answer
}

impl<S: TaskSet, K> Clone for Cache<S, K> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<S: TaskSet, K, E> super::Layer<E> for Cache<S, K> {
    type Executor = super::Layered<Self, E>;

    fn layer(self, inner: E) -> super::Layered<Self, E> {
        super::Layered::new(self, inner)
    }
}
impl<S: TaskSet, K> Transparent for Cache<S, K> {}

impl<S, K> LayerPolicy<S> for Cache<S, K>
where
    S: TaskSet<Output: Sync>,
    K: Hash + Eq + Send + Sync + 'static,
{
    type Reservation = ();

    fn enter<E: Executor<S> + 'static>(around: &Arc<LayerStack<Self, E>>, job: Job<S>) -> EnterResult<S, ()> {
        if !job.task().is_idempotent() {
            return EnterResult::Forward(job, ());
        }
        let Ok((mut task, mut reply)) = job.start_delegating() else { return EnterResult::Finished };
        let shared = &around.layer.shared;
        loop {
            let looked = shared.look(&task);
            let output = match looked {
                None => None,
                Some(Looked::Value(output)) => shared.copy_of(output),
                Some(Looked::Begun(id, load)) => {
                    return EnterResult::Forward(Run::begin(around, id, load, task, reply), ());
                }
                Some(Looked::Loading(load)) => match load.join(task, reply) {
                    Ok(()) => return EnterResult::Finished,
                    // The load has ended. Now the table has its output, or no entry.
                    Err(back) => {
                        (task, reply) = back;
                        continue;
                    }
                },
            };
            let Some(output) = output else {
                return EnterResult::Forward(Job::delegate(reply, task, Reply::complete), ());
            };
            reply.complete(Ok(output));
            unwind::ignore_panics(|| drop(task));
            return EnterResult::Finished;
        }
    }
}

impl<S: TaskSet, K> fmt::Debug for Cache<S, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").finish_non_exhaustive()
    }
}
