//! [`SharedState`]: the state that tasks of a `#[define(shared)]` set share on a pool.
//! [`SharedPool`]: a pool with that state, as an executor.

use super::{GlobalPool, Pool};
use crate::{
    call::backend::ExecutorId,
    error::SubmitError,
    executor::{Admission, Crew, Executor, SharesState},
    task::{Job, TaskSet},
};
use std::{fmt, sync::Arc};

/// A state to run tasks with on a pool. It is made by a method like `Counter::shared(state)`, which
/// `#[define(shared)]` generates.
///
/// ```
/// use nanolith::prelude::*;
/// use std::sync::{Arc, atomic::{AtomicI64, Ordering}};
/// pub struct Counter { total: AtomicI64 }
/// #[define(shared)]
/// impl Counter {
///     pub fn bump(&self, by: i64) -> i64 { self.total.fetch_add(by, Ordering::Relaxed) + by }
/// }
/// let counter = Counter::shared(Arc::new(Counter { total: 10.into() })).tasks();
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

    /// Returns the typed calls, which run on `pool` with this state.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use std::sync::{Arc, atomic::{AtomicI64, Ordering}};
    /// # pub struct Counter { total: AtomicI64 }
    /// # #[define(shared)] impl Counter {
    /// #     pub fn bump(&self, by: i64) -> i64 { self.total.fetch_add(by, Ordering::Relaxed) + by }
    /// # }
    /// # let pool = Pool::builder().build()?;
    /// let state = Arc::new(Counter { total: 10.into() });
    /// let counter = Counter::shared(state.clone()).on(&pool);
    /// assert_eq!(counter.bump(5).wait()?, 15);
    /// assert_eq!(state.total.load(Ordering::Relaxed), 15); // shared with the tasks
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on(self, pool: &Pool) -> S::Calls<SharedPool<S>> {
        S::calls(SharedPool { pool: pool.clone(), state: self.0 })
    }

    /// Returns the typed calls, which run on the global pool with this state.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use std::sync::{Arc, atomic::{AtomicI64, Ordering}};
    /// # pub struct Counter { total: AtomicI64 }
    /// # #[define(shared)] impl Counter {
    /// #     pub fn bump(&self, by: i64) -> i64 { self.total.fetch_add(by, Ordering::Relaxed) + by }
    /// # }
    /// let counter = Counter::shared(Arc::new(Counter { total: 10.into() })).tasks();
    /// assert_eq!(counter.bump(5).wait()?, 15);
    /// # Ok::<(), CallError>(())
    /// ```
    pub fn tasks(self) -> S::Calls<SharedPool<S, GlobalPool>> {
        S::calls(SharedPool { pool: GlobalPool, state: self.0 })
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

/// A pool with a state that its tasks of `S` share. The calls of [`SharedState::on`] run on it.
///
/// ```
/// use nanolith::{Executor, pool::{GlobalPool, SharedPool}, prelude::*};
/// # use std::sync::{Arc, atomic::{AtomicI64, Ordering}};
/// # pub struct Counter { total: AtomicI64 }
/// # #[define(shared)] impl Counter {
/// #     pub fn bump(&self, by: i64) -> i64 { self.total.fetch_add(by, Ordering::Relaxed) + by }
/// # }
/// fn twice<P>(counter: &CounterCalls<SharedPool<Counter, P>>) -> Result<i64, CallError>
/// where
///     P: Executor<Counter>,
/// {
///     counter.bump(1).wait()?;
///     counter.bump(1).wait()
/// }
/// assert_eq!(twice(&Counter::shared(Arc::new(Counter { total: 10.into() })).tasks())?, 12);
/// # Ok::<(), CallError>(())
/// ```
pub struct SharedPool<S, P = Pool> {
    pool: P,
    state: Arc<S>,
}

impl<S, P> SharedPool<S, P> {
    /// Creates an executor, for example to put a layer around it. [`SharedState::on`] returns the
    /// typed calls directly.
    ///
    /// ```
    /// use nanolith::{TaskSet, pool::SharedPool, prelude::*};
    /// # use std::sync::{Arc, atomic::{AtomicI64, Ordering}};
    /// # pub struct Counter { total: AtomicI64 }
    /// # #[define(shared)] impl Counter {
    /// #     pub fn bump(&self, by: i64) -> i64 { self.total.fetch_add(by, Ordering::Relaxed) + by }
    /// # }
    /// let executor = SharedPool::new(Pool::builder().build()?, Arc::new(Counter { total: 10.into() }));
    /// assert_eq!(Counter::calls(executor).bump(5).wait()?, 15);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
