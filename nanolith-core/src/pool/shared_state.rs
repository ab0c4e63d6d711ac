//! [`SharedState`]: the state that tasks of a `#[define(shared)]` set share on a pool.
//! [`SharedPool`]: a pool with that state, as an executor.

use super::{GlobalPool, Pool, Share};
use crate::{
    call::backend::ExecutorId,
    error::SubmitError,
    executor::{Admission, Crew, Executor, HeldRoom, SharesState},
    task::{Job, TaskSet},
};
use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

/// A state to run tasks with on a pool. It is made by a method like `Counter::shared(state)`, which
/// `#[define(shared)]` generates.
///
/// ```
/// use nanolith::{pool::GlobalPool, prelude::*};
/// use std::sync::{Arc, atomic::{AtomicI64, Ordering}};
/// pub struct Counter { total: AtomicI64 }
/// #[define(shared)]
/// impl Counter {
///     pub fn bump(&self, by: i64) -> i64 { self.total.fetch_add(by, Ordering::Relaxed) + by }
/// }
/// let counter = Counter::shared(Arc::new(Counter { total: 10.into() })).on(&GlobalPool);
/// assert_eq!(counter.bump(5).wait()?, 15);
/// # Ok::<(), CallError>(())
/// ```
#[must_use = "a state does nothing until it is put on a pool"]
pub struct SharedState<S>(Arc<S>);

impl<S: TaskSet<Shared = Arc<S>>> SharedState<S> {
    /// Creates the value. This is for generated code.
    #[doc(hidden)]
    pub fn new(state: Arc<S>) -> Self {
        Self(state)
    }

    /// Returns the typed calls, which run on `pool` with this state: on a [`Pool`], a
    /// [`Share`](super::Share) of one, or the [`GlobalPool`].
    ///
    /// ```
    /// # use nanolith::{pool::GlobalPool, prelude::*};
    /// # use std::sync::{Arc, atomic::{AtomicI64, Ordering}};
    /// # pub struct Counter { total: AtomicI64 }
    /// # #[define(shared)] impl Counter {
    /// #     pub fn bump(&self, by: i64) -> i64 { self.total.fetch_add(by, Ordering::Relaxed) + by }
    /// # }
    /// # let pool = Pool::builder().build()?;
    /// let state = Arc::new(Counter { total: 10.into() });
    /// let counter = Counter::shared(state.clone());
    /// assert_eq!(counter.clone().on(&pool).bump(5).wait()?, 15);
    /// assert_eq!(counter.on(&GlobalPool).bump(5).wait()?, 20); // the same state
    /// assert_eq!(state.total.load(Ordering::Relaxed), 20); // shared with the tasks
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A layer goes around [`SharedPool`].
    pub fn on<P: PoolExecutor + Executor<S>>(self, pool: &P) -> S::Calls<SharedPool<S, P>> {
        S::calls(SharedPool::new(pool.clone(), self.0))
    }
}

/// Returns another handle to the same state.
impl<S> Clone for SharedState<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> fmt::Debug for SharedState<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedState").finish_non_exhaustive()
    }
}

/// An executor whose tasks run on the threads of a pool, and that passes on each call as it came: a
/// [`Pool`], a [`Share`](super::Share) of one, or the [`GlobalPool`]. No other type implements this
/// trait. A layer does not, since the calls that it makes would be without the state:
///
/// ```compile_fail,E0277
/// use nanolith::{layers::{Layer, Retry}, prelude::*};
/// # use std::sync::{Arc, atomic::{AtomicI64, Ordering}};
/// # pub struct Counter { total: AtomicI64 }
/// # #[define(shared)] impl Counter {
/// #     pub fn bump(&self, by: i64) -> i64 { self.total.fetch_add(by, Ordering::Relaxed) + by }
/// # }
/// let retrying = Retry::new(3).layer(Pool::builder().build()?);
/// let counter = Counter::shared(Arc::new(Counter { total: 10.into() })).on(&retrying);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a pool nor a share of one",
    note = "put a layer around the state: `policy.layer(SharedPool::new(pool, state))`"
)]
pub trait PoolExecutor: Clone + sealed::Sealed {}

impl PoolExecutor for Pool {}
impl PoolExecutor for GlobalPool {}
impl PoolExecutor for Share {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Pool {}
    impl Sealed for super::GlobalPool {}
    impl Sealed for super::Share {}
}

/// A pool with a state that its tasks of `S` share: the executor of the calls that
/// [`SharedState::on`] returns.
///
/// A layer makes new calls, for example for a second attempt, and these need the state too. So the
/// layer goes around this type:
///
/// ```
/// use nanolith::{TaskSet, layers::{Layer, Retry}, pool::SharedPool, prelude::*};
/// # use std::sync::{Arc, atomic::{AtomicI64, Ordering}};
/// # pub struct Counter { total: AtomicI64 }
/// # #[define(shared)] impl Counter {
/// #     #[task(idempotent)]
/// #     pub fn bump(&self, by: i64) -> i64 { self.total.fetch_add(by, Ordering::Relaxed) + by }
/// # }
/// let state = Arc::new(Counter { total: 10.into() });
/// let pool = SharedPool::new(Pool::builder().build()?, state);
/// assert_eq!(Counter::calls(Retry::new(3).layer(pool)).bump(5).wait()?, 15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SharedPool<S, P = Pool> {
    pool: P,
    state: Arc<S>,
}

impl<S, P: PoolExecutor> SharedPool<S, P> {
    /// Creates an executor to put a layer around. [`SharedState::on`] returns the typed calls
    /// directly.
    pub fn new(pool: P, state: Arc<S>) -> Self {
        Self { pool, state }
    }
}

impl<S: TaskSet<Shared = Arc<S>> + Send + Sync, P: Executor<S>> Executor<S> for SharedPool<S, P> {
    fn try_execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
        self.pool.try_execute(job.with_state(&self.state))
    }

    fn execute(&self, job: Job<S>) -> Admission<'_, S> {
        self.pool.execute(job.with_state(&self.state))
    }

    fn poll_room(&self, room: &mut HeldRoom, cx: &mut Context<'_>) -> Poll<()> {
        self.pool.poll_room(room, cx)
    }

    fn execute_in(&self, job: Job<S>, room: &mut HeldRoom) -> Result<(), SubmitError<Job<S>>> {
        self.pool.execute_in(job.with_state(&self.state), room)
    }

    fn accepts_calls(&self) -> bool {
        self.pool.accepts_calls()
    }

    fn host(&self) -> Option<ExecutorId> {
        self.pool.host()
    }

    fn takes_by_user_code(&self) -> bool {
        self.pool.takes_by_user_code()
    }

    fn shared(&self) -> Option<S::Shared> {
        Some(self.state.clone())
    }

    fn crew(&self) -> Option<&dyn Crew> {
        self.pool.crew()
    }
}

impl<S: TaskSet<Shared = Arc<S>> + Send + Sync, P: Executor<S>> SharesState<S> for SharedPool<S, P> {}

impl<S, P: Clone> Clone for SharedPool<S, P> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone(), state: self.state.clone() }
    }
}

impl<S, P: fmt::Debug> fmt::Debug for SharedPool<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedPool").field("pool", &self.pool).finish_non_exhaustive()
    }
}
