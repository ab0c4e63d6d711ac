//! [`GlobalPool`]: the pool that the whole program shares. It starts on its first use.

use super::{BuildError, Pool, PoolBuilder};
use crate::{
    call::backend::ExecutorId,
    error::{CallError, SubmitError},
    executor::{Admission, Crew, Executor, HeldRoom},
    sim_runtime::{self, Scheduler},
    task::{Job, TaskSet},
    time::clock,
};
use once_cell::sync::OnceCell;
use std::{
    sync::Arc,
    task::{Context, Poll},
};

static GLOBAL: OnceCell<Pool> = OnceCell::new();

/// The pool that the whole program shares. By default it runs one task per core and queues at most
/// 65,536 calls.
///
/// The pool starts with the first call. If it cannot start, that call ends as
/// [`CallError::NotStarted`], and the next call tries again. [`PoolBuilder::build_global`] sets
/// other settings.
///
/// ```
/// use nanolith::{TaskSet, pool::GlobalPool, prelude::*};
/// # use nanolith_doc_sets::*;
/// assert_eq!(Geometry::tasks().add(4, 5).wait()?, 9); // on the global pool
/// assert_eq!(Geometry::calls(GlobalPool).add(4, 5).wait()?, 9); // the same
/// assert_eq!(GlobalPool.spawn(|| 4 + 5).wait()?, 9); // a closure
/// # Ok::<(), CallError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct GlobalPool;

impl GlobalPool {
    /// Returns the pool, and starts it if necessary. A [simulation](crate::sim::sim()) has a global
    /// pool of its own, and this method leaks a handle to it.
    ///
    /// ```
    /// use nanolith::{pool::GlobalPool, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// # let _ =
    /// Geometry::tasks().add(4, 5).submit();
    /// GlobalPool.get()?.drained().wait();
    /// assert_eq!(GlobalPool.get()?.info().completed, 1);
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`BuildError`] if the pool cannot be started.
    pub fn get(self) -> Result<&'static Pool, BuildError> {
        if let Some(world) = sim_runtime::world() {
            return lasting(&world);
        }
        GLOBAL.get_or_try_init(|| {
            // The pool is for the whole program, so it does not take the clock of its first user.
            let _clock = clock::enter(None);
            Pool::builder().build()
        })
    }
}

impl GlobalPool {
    /// Runs `f` with the pool.
    #[inline]
    pub(super) fn with<R>(self, f: impl FnOnce(&Pool) -> R) -> Result<R, BuildError> {
        match sim_runtime::world() {
            Some(world) => simulated(&world, Pool::builder()).map(|pool| f(&pool)),
            None => self.get().map(f),
        }
    }
}

// ----- in a simulation, which has a global pool of its own

#[derive(Default)]
struct Simulated(OnceCell<Pool>);

/// A handle that is never dropped, for [`GlobalPool::get`].
#[derive(Default)]
struct Lasting(OnceCell<&'static Pool>);

#[cold]
fn simulated(world: &Scheduler, builder: PoolBuilder) -> Result<Pool, BuildError> {
    world.local(Simulated::default).0.get_or_try_init(|| builder.build()).cloned()
}

#[cold]
fn lasting(world: &Scheduler) -> Result<&'static Pool, BuildError> {
    let pool = simulated(world, Pool::builder())?;
    Ok(world.local(Lasting::default).0.get_or_init(|| Box::leak(Box::new(pool))))
}

/// Starts the global pool with the settings of `builder`.
pub(super) fn build_global(builder: PoolBuilder) -> Result<(), BuildError> {
    if let Some(world) = sim_runtime::world() {
        let known = world.local(Simulated::default);
        return match known.0.set(builder.build()?) {
            Ok(()) => Ok(()),
            Err(_) => Err(BuildError::already_built()),
        };
    }
    let mut builder = Some(builder);
    let built =
        GLOBAL.get_or_try_init(|| builder.take().map_or_else(|| Err(BuildError::already_built()), PoolBuilder::build));
    match (built, builder) {
        (Ok(_), None) => Ok(()),
        (Ok(_), Some(_)) => Err(BuildError::already_built()),
        (Err(error), _) => Err(error),
    }
}

impl<S: TaskSet> Executor<S> for GlobalPool {
    fn try_execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
        if let Some(world) = sim_runtime::world() {
            return match simulated(&world, Pool::builder()) {
                Ok(pool) => pool.try_execute(job),
                Err(error) => Err(not_started(job, error)),
            };
        }
        match self.get() {
            Ok(pool) => pool.try_execute(job),
            Err(error) => Err(not_started(job, error)),
        }
    }

    fn execute(&self, job: Job<S>) -> Admission<'_, S> {
        if let Some(pool) = sim_runtime::world().and_then(|world| simulated(&world, Pool::builder()).ok()) {
            return Box::pin(async move { pool.execute(job).await });
        }
        match self.get() {
            Ok(pool) => pool.execute(job),
            Err(_) => Box::pin(std::future::ready(self.try_execute(job))),
        }
    }

    fn poll_room(&self, room: &mut HeldRoom, cx: &mut Context<'_>) -> Poll<()> {
        self.with(|pool| Executor::<S>::poll_room(pool, room, cx)).unwrap_or(Poll::Ready(()))
    }

    fn execute_in(&self, job: Job<S>, room: &mut HeldRoom) -> Result<(), SubmitError<Job<S>>> {
        match self.get() {
            Ok(pool) if sim_runtime::world().is_none() => pool.execute_in(job, room),
            _ => self.try_execute(job),
        }
    }

    fn accepts_calls(&self) -> bool {
        self.with(Executor::<S>::accepts_calls).unwrap_or(true)
    }

    fn host(&self) -> Option<ExecutorId> {
        self.with(Executor::<S>::host).ok().flatten()
    }

    fn takes_by_user_code(&self) -> bool {
        self.with(Executor::<S>::takes_by_user_code).unwrap_or(true)
    }

    fn crew(&self) -> Option<&dyn Crew> {
        let pool = self.get().ok()?;
        Some(pool)
    }
}

fn not_started<S: TaskSet>(job: Job<S>, error: BuildError) -> SubmitError<Job<S>> {
    let at = job.slot().header.at();
    SubmitError::new(job, CallError::NotStarted(Arc::new(error), at))
}
