//! A state that a pool's tasks share: `#[define(shared)]`.

use super::{GlobalPool, Pool};
use crate::{
    error::Refused,
    executor::{Admission, Executor, HostRef, SharesState},
    task::{Job, TaskSet},
};
use std::{fmt, sync::Arc};

/// A state, to be put on a pool: made by `Counter::shared(state)`.
#[must_use = "a state does nothing until it is put on a pool"]
pub struct SharedState<S>(Arc<S>);

impl<S: TaskSet<Shared = Arc<S>>> SharedState<S> {
    /// For generated code.
    #[doc(hidden)]
    pub fn new(state: Arc<S>) -> Self {
        Self(state)
    }

    /// The typed calls, run on `pool` with this state.
    pub fn on(self, pool: &Pool) -> S::Calls<SharedPool<S>> {
        S::calls(SharedPool { pool: pool.clone(), state: self.0 })
    }

    /// The typed calls, run on the global pool with this state.
    pub fn tasks(self) -> S::Calls<SharedPool<S, GlobalPool>> {
        S::calls(SharedPool { pool: GlobalPool, state: self.0 })
    }
}

impl<S> fmt::Debug for SharedState<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedState").finish_non_exhaustive()
    }
}

/// A pool with a state that its tasks of `S` share.
pub struct SharedPool<S, P = Pool> {
    pool: P,
    state: Arc<S>,
}

impl<S, P> SharedPool<S, P> {
    /// As an executor, to put a layer around: [`SharedState::on`] gives the typed calls at once.
    pub fn new(pool: P, state: Arc<S>) -> Self {
        Self { pool, state }
    }
}

impl<S: TaskSet<Shared = Arc<S>> + Send + Sync, P: Executor<S>> Executor<S> for SharedPool<S, P> {
    fn execute(&self, job: Job<S>) -> Result<(), Refused<Job<S>>> {
        self.pool.execute(job.sharing(&self.state))
    }

    fn admit(&self, job: Job<S>) -> Admission<'_, S> {
        self.pool.admit(job.sharing(&self.state))
    }

    fn host(&self) -> Option<HostRef> {
        self.pool.host()
    }

    fn shared(&self) -> Option<S::Shared> {
        Some(self.state.clone())
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
