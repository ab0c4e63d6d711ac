//! Not twice what gives the same.

use super::{
    attempt,
    cache_store::Store,
    layered::{Around, Entered, OneBeneath, Policy},
};
use crate::{
    clock,
    error::CallError,
    executor::Executor,
    panics,
    task::{Job, Reply, TaskSet},
};
use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Keeps what tasks gave, and gives it again: for tasks under `#[task(idempotent)]` whose output rests on their arguments alone.
/// Of calls for the same that are under way together one runs, and the others have what it gives.
///
/// It is told the key of a task, and how to copy an output; where one of them says `None`, the call goes through as it is. Outputs
/// alone are kept, no [`CallError`].
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
/// assert_eq!(pool.completed(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Who is cancelled, or out of time, while others wait for the same leaves it to them: the next in line has it run anew. Clones share what is kept.
#[must_use = "a layer does nothing until it is put around an executor"]
pub struct Cache<S: TaskSet, K> {
    shared: Arc<Shared<S, K>>,
}

type KeyOf<S, K> = Arc<dyn Fn(&<S as TaskSet>::Task) -> Option<K> + Send + Sync>;
type CopyOf<S> = Arc<dyn Fn(&<S as TaskSet>::Output) -> Option<<S as TaskSet>::Output> + Send + Sync>;

struct Shared<S: TaskSet, K> {
    key: KeyOf<S, K>,
    copy: CopyOf<S>,
    state: Mutex<State<S, K>>,
}

struct State<S: TaskSet, K> {
    store: Store<K, Arc<S::Output>>,
    /// What is under way, and who waits for it.
    flights: HashMap<K, Vec<Waiter<S>>>,
}

/// A call for what another call has under way.
struct Waiter<S: TaskSet> {
    task: S::Task,
    reply: Reply<S>,
}

/// So many outputs are kept, unless somebody says otherwise.
const CAPACITY: usize = 1_024;

impl<S: TaskSet, K: Hash + Eq + Clone> Cache<S, K> {
    /// Keeps at most 1,024 outputs, for ever: those go first that were not asked for longest.
    pub fn new(
        key: impl Fn(&S::Task) -> Option<K> + Send + Sync + 'static,
        copy: impl Fn(&S::Output) -> Option<S::Output> + Send + Sync + 'static,
    ) -> Self {
        Self::with(Arc::new(key), Arc::new(copy), Store::new(CAPACITY, None))
    }

    fn with(key: KeyOf<S, K>, copy: CopyOf<S>, store: Store<K, Arc<S::Output>>) -> Self {
        let state = Mutex::new(State { store, flights: HashMap::new() });
        Self { shared: Arc::new(Shared { key, copy, state }) }
    }

    /// How many outputs are kept at most. With 0 none is: then calls for the same share what is under way, and no more.
    ///
    /// The layer is a new one from here on: set this before it is cloned.
    pub fn capacity(self, outputs: usize) -> Self {
        let store = Store::new(outputs, self.shared.lock().store.time_to_live());
        Self::with(self.shared.key.clone(), self.shared.copy.clone(), store)
    }

    /// How long an output is kept.
    ///
    /// The layer is a new one from here on: set this before it is cloned.
    ///
    /// With `Duration::ZERO` nothing is given again, with `Duration::MAX` it is for ever.
    pub fn time_to_live(self, time: Duration) -> Self {
        let store = Store::new(self.shared.lock().store.capacity(), Some(time));
        Self::with(self.shared.key.clone(), self.shared.copy.clone(), store)
    }

    /// Forgets what is kept.
    pub fn clear(&self) {
        let kept = self.shared.lock().store.clear();
        panics::quietly(|| drop(kept));
    }

    /// How many outputs are kept; those whose time is over count until they are asked for, or make room.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.lock().store.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<S: TaskSet, K> Shared<S, K> {
    fn lock(&self) -> MutexGuard<'_, State<S, K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The user's code: what panics says `None`.
    fn key(&self, task: &S::Task) -> Option<K> {
        ask(|| (self.key)(task))
    }

    fn copy(&self, output: &S::Output) -> Option<S::Output> {
        ask(|| (self.copy)(output))
    }
}

fn ask<T>(ask: impl FnOnce() -> Option<T>) -> Option<T> {
    let mut answer = None;
    panics::quietly(|| answer = ask());
    answer
}

/// What there is for a key.
enum Found<S: TaskSet> {
    Kept(Arc<S::Output>, S::Task, Reply<S>),
    UnderWay,
    Nothing(S::Task, Reply<S>),
}

impl<S: TaskSet, K: Hash + Eq + Clone> Shared<S, K> {
    fn find(&self, key: &K, task: S::Task, reply: Reply<S>) -> Found<S> {
        let now = clock::now();
        let mut state = self.lock();
        if let Some(output) = state.store.get(key, now) {
            return Found::Kept(output, task, reply);
        }
        match state.flights.get_mut(key) {
            Some(waiters) => {
                waiters.push(Waiter { task, reply });
                Found::UnderWay
            }
            None => {
                state.flights.insert(key.clone(), Vec::new());
                Found::Nothing(task, reply)
            }
        }
    }
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
impl<S: TaskSet, K> OneBeneath for Cache<S, K> {}

impl<S, K> Policy<S> for Cache<S, K>
where
    S: TaskSet<Output: Sync>,
    K: Hash + Eq + Clone + Send + Sync + 'static,
{
    type Pass = ();

    fn enter<E: Executor<S> + 'static>(around: &Arc<Around<Self, E>>, job: Job<S>) -> Entered<S, ()> {
        if !job.info().is_idempotent() {
            return Entered::On(job, ());
        }
        let Ok((task, reply)) = job.open() else { return Entered::Over };
        let shared = &around.layer.shared;
        let Some(key) = shared.key(&task) else {
            return Entered::On(Job::within(reply, task, Reply::complete), ());
        };
        match shared.find(&key, task, reply) {
            Found::UnderWay => Entered::Over,
            Found::Nothing(task, reply) => Entered::On(Flight::begin(around, key, task, reply), ()),
            Found::Kept(output, task, reply) => match shared.copy(&output) {
                Some(output) => {
                    reply.complete(Ok(output));
                    Entered::Over
                }
                None => Entered::On(Job::within(reply, task, Reply::complete), ()),
            },
        }
    }
}

/// Whether the error is that of this one caller, and says nothing to others.
fn is_its_own<S: TaskSet>(reply: &Reply<S>, error: &CallError) -> bool {
    let is_late = matches!(error, CallError::TimedOut(_)) && reply.slot().meta.has_run_limit();
    is_late || reply.is_cancelled()
}

/// What is under way for a key. However it ends, those who wait for it hear of that.
struct Flight<S, K, E>
where
    S: TaskSet<Output: Sync>,
    K: Hash + Eq + Clone + Send + Sync + 'static,
    E: Executor<S> + 'static,
{
    around: Arc<Around<Cache<S, K>, E>>,
    key: Option<K>,
}

impl<S, K, E> Flight<S, K, E>
where
    S: TaskSet<Output: Sync>,
    K: Hash + Eq + Clone + Send + Sync + 'static,
    E: Executor<S> + 'static,
{
    fn begin(around: &Arc<Around<Cache<S, K>, E>>, key: K, task: S::Task, reply: Reply<S>) -> Job<S> {
        let flight = Self { around: around.clone(), key: Some(key) };
        Job::within(reply, task, move |reply, outcome| flight.end(reply, outcome))
    }

    fn end(mut self, reply: Reply<S>, outcome: Result<S::Output, CallError>) {
        let Some(key) = self.key.take() else { return };
        let shared = &self.around.layer.shared;
        match &outcome {
            Err(error) if is_its_own(&reply, error) => self.leave_to_others(key),
            Err(error) => {
                let waiters = self.land(&key, None);
                waiters.into_iter().for_each(|waiter| waiter.reply.complete(Err(error.clone())));
            }
            Ok(output) => {
                let kept = shared.copy(output).map(Arc::new);
                for Waiter { task, reply } in self.land(&key, kept) {
                    match shared.copy(output) {
                        Some(output) => reply.complete(Ok(output)),
                        None => attempt::send(&self.around, Job::within(reply, task, Reply::complete)),
                    }
                }
            }
        }
        reply.complete(outcome);
    }

    /// Nothing is under way for the key any more. Gives those who waited.
    fn land(&self, key: &K, kept: Option<Arc<S::Output>>) -> Vec<Waiter<S>> {
        let now = clock::now();
        let mut state = self.around.layer.shared.lock();
        let gone = kept.and_then(|output| state.store.insert(key.clone(), output, now));
        let waiters = state.flights.remove(key).unwrap_or_default();
        drop(state);
        panics::quietly(|| drop(gone));
        waiters
    }

    /// The one whose call is under way has gone. The first of the others who has not takes over.
    fn leave_to_others(&self, key: K) {
        loop {
            let next = {
                let mut state = self.around.layer.shared.lock();
                match state.flights.get_mut(&key) {
                    Some(waiters) if !waiters.is_empty() => waiters.remove(0),
                    _ => {
                        state.flights.remove(&key);
                        return;
                    }
                }
            };
            if !next.reply.is_cancelled() {
                return attempt::send(&self.around, Self::begin(&self.around, key, next.task, next.reply));
            }
        }
    }
}

impl<S, K, E> Drop for Flight<S, K, E>
where
    S: TaskSet<Output: Sync>,
    K: Hash + Eq + Clone + Send + Sync + 'static,
    E: Executor<S> + 'static,
{
    /// The call was taken back.
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.leave_to_others(key);
        }
    }
}

impl<S: TaskSet, K> fmt::Debug for Cache<S, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").finish_non_exhaustive()
    }
}
