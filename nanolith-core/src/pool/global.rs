//! The global pool, which starts on its first use.

use super::{BuildError, Pool, PoolBuilder};
use crate::{
    clock,
    error::{CallError, Refused},
    executor::{Admission, Crew, Executor},
    host::HostId,
    task::{Job, TaskSet},
};
use once_cell::sync::OnceCell;
use std::sync::Arc;

static GLOBAL: OnceCell<Pool> = OnceCell::new();

/// The pool that all of a program shares: one task a core, at most 65,536 calls queued.
///
/// It starts with the first call. If it cannot, that call ends as [`CallError::NotStarted`], and the next tries again.
/// [`PoolBuilder::build_global`] gives it other settings.
///
/// ```
/// use nanolith::{GlobalPool, TaskSet, prelude::*};
/// # pub struct Geometry;
/// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
/// assert_eq!(Geometry::tasks().add(4, 5).wait()?, 9); // on the global pool
/// assert_eq!(Geometry::calls(GlobalPool).add(4, 5).wait()?, 9); // the same
/// # Ok::<(), CallError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct GlobalPool;

impl GlobalPool {
    /// The pool itself, started if need be.
    ///
    /// ```
    /// use nanolith::{GlobalPool, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// # let _ =
    /// Geometry::tasks().add(4, 5).submit();
    /// GlobalPool.get()?.drained().wait();
    /// assert_eq!(GlobalPool.get()?.completed(), 1);
    /// # Ok::<(), nanolith::BuildError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`BuildError`] when it cannot be started.
    pub fn get(self) -> Result<&'static Pool, BuildError> {
        GLOBAL.get_or_try_init(|| {
            // It is there for all, whatever clock its first user has.
            let _clock = clock::enter(None);
            Pool::builder().build()
        })
    }
}

/// Starts the global pool with settings of one's own.
pub(super) fn build_global(builder: PoolBuilder) -> Result<(), BuildError> {
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
    fn execute(&self, job: Job<S>) -> Result<(), Refused<Job<S>>> {
        match self.get() {
            Ok(pool) => pool.execute(job),
            Err(error) => {
                let at = job.slot().meta.at();
                Err(Refused::new(job, CallError::NotStarted(Arc::new(error), at)))
            }
        }
    }

    fn admit(&self, job: Job<S>) -> Admission<'_, S> {
        match self.get() {
            Ok(pool) => pool.admit(job),
            Err(_) => Box::pin(std::future::ready(self.execute(job))),
        }
    }

    fn host(&self) -> Option<HostId> {
        let pool = self.get().ok()?;
        Executor::<S>::host(pool)
    }

    fn crew(&self) -> Option<&dyn Crew> {
        let pool = self.get().ok()?;
        Some(pool)
    }
}
