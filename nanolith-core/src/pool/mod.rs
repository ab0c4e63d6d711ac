//! The thread pool: a priority queue of calls, and workers on rayon threads that run them.
//!
//! `config` holds a pool's settings, and `pool_state` is the pool's state under one lock.
//! `pool_shared` is what all handles share. Further methods of a handle are in `info`, `close`
//! and `spawn`. `closed_future` and `drained` have the futures that wait for a pool's end, and
//! until it is empty. `worker` runs queued calls, and says what a thread does that waits. `threads`
//! holds the rayon threads, the spare threads and the simulated threads. `limits` holds the limits
//! of task kinds and the shares, which are groups of calls that get run time by weight. `handlers`
//! runs functions of the program for incoming messages, on the global pool.

mod builder;
mod close;
mod close_timeout;
mod closed_future;
mod config;
mod drained;
mod events;
mod global;
mod global_spawner;
pub(super) mod handlers;
mod hosted_future;
mod info;
mod limits;
pub(crate) mod parallel;
mod pool_item;
mod pool_shared;
mod pool_state;
pub(crate) mod queue_config;
mod resize;
mod shared_state;
mod spawn;
mod suspended_calls;
pub(super) mod threads;
mod wake_state;
mod worker;

pub use builder::PoolBuilder;
pub use close_timeout::{CloseTimeout, CloseTimeoutError};
pub use closed_future::Closed;
pub use config::{BuildError, Concurrency};
pub(crate) use config::{MIN_STACK, ThreadHandler, check_name, check_spin};
pub use drained::Drained;
pub use events::PoolEvent;
pub use global::GlobalPool;
pub(crate) use global_spawner::GlobalSpawner;
pub use handlers::subscription::Subscription;
pub(crate) use handlers::subscription::{Source, subscribe};
pub(crate) use hosted_future::{Abandoned, HostedFuture};
pub use info::PoolInfo;
pub use limits::{
    share::{Share, ShareInfo},
    share_builder::ShareBuilder,
};
pub use queue_config::MaxQueue;
pub use shared_state::{PoolExecutor, SharedPool, SharedState};
pub(crate) use spawn::spawn;
pub(crate) use suspended_calls::{ListedCall, SuspendedCalls, end_suspended};
pub use threads::broadcast::{Broadcast, BroadcastError};

use self::{config::Config, events::PoolEvents, pool_shared::PoolShared};
use crate::{
    call::backend::ExecutorId,
    error::SubmitError,
    event::Events,
    executor::{Admission, Crew, Executor, HeldRoom, admission},
    task::{Job, TaskSet},
};
use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

/// A pool of threads that runs tasks by priority, up to a fixed number at once.
///
/// A `Pool` is a handle, and its clones share one pool. When the last handle is dropped, the pool
/// closes without waiting. The calls that the pool has accepted still finish.
///
/// ```
/// use nanolith::{pool::Concurrency, prelude::*};
/// # use nanolith_doc_sets::*;
/// let pool = Pool::builder().name("pictures").concurrency(Concurrency::Half).build()?;
/// assert_eq!(Geometry::on(&pool).add(4, 5).wait()?, 9);
/// pool.drained().wait();
/// let info = pool.info();
/// assert_eq!((info.queue_len, info.overflow, info.in_flight, info.completed), (0, 0, 0, 1));
/// assert_eq!((info.active, info.idle, info.is_saturated), (0, pool.max_concurrency(), false));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Pool {
    last: Arc<Last>,
}

/// Closes the pool when its last handle is dropped.
struct Last(Arc<PoolShared>);

impl Drop for Last {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Pool {
    /// Returns a builder with the default settings.
    ///
    /// ```
    /// # use nanolith::{executor::MaxQueue, pool::Concurrency, prelude::*};
    /// let pool = Pool::builder().max_queue(MaxQueue::Auto).build()?;
    /// assert_eq!(pool.max_concurrency(), Concurrency::X1.tasks()); // the default
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    pub fn builder() -> PoolBuilder {
        PoolBuilder::new()
    }

    fn build(config: Config) -> Result<Self, BuildError> {
        Ok(Self { last: Arc::new(Last(PoolShared::new(config)?)) })
    }

    fn inner(&self) -> &Arc<PoolShared> {
        &self.last.0
    }

    /// Returns the pool's name. The names of its threads start with it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner().config.name
    }

    /// Sets how many tasks run at once. A higher number lets more tasks start at once. After a
    /// lower number, tasks that run finish first. A bound of [`MaxQueue::Auto`] follows the new
    /// number and evicts no call. The number of threads set by [`PoolBuilder::min_concurrency`]
    /// stays the same.
    ///
    /// ```
    /// # use nanolith::{pool::Concurrency, prelude::*};
    /// # let pool = Pool::builder().build()?;
    /// pool.set_concurrency(Concurrency::Exact(2))?;
    /// assert_eq!(pool.max_concurrency(), 2);
    /// assert!(pool.set_concurrency(Concurrency::Exact(0)).is_err());
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`BuildError`] if no pool can have this concurrency. The pool is unchanged then.
    pub fn set_concurrency(&self, concurrency: Concurrency) -> Result<(), BuildError> {
        self.inner().set_concurrency(concurrency)
    }

    /// Returns the maximum number of tasks that run at once.
    ///
    /// A task that continues after a wait may exceed this number for a moment, until the next
    /// worker has finished its task.
    #[must_use]
    pub fn max_concurrency(&self) -> usize {
        self.inner().lock().limit
    }

    /// Stops starting queued calls, except the calls that a running task waits for. The pool still
    /// accepts calls, and calls that have started continue.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// pool.pause();
    /// let job = Geometry::on(&pool).add(4, 5).submit();
    /// assert_eq!(pool.info().queue_len, 1);
    /// pool.resume();
    /// assert_eq!(job.wait()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pause(&self) {
        self.inner().set_paused(true);
    }

    /// Starts queued calls again after [`Pool::pause`].
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # let pool = Pool::builder().build()?;
    /// pool.pause();
    /// pool.resume();
    /// assert!(!pool.info().is_paused);
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    pub fn resume(&self) {
        self.inner().set_paused(false);
    }

    /// Runs `run` once on each of the pool's threads, for example to set up thread-locals. Idle
    /// threads run it at once, the other threads between two tasks. The output has one result for
    /// each thread.
    ///
    /// Only the threads that exist now run it. [`PoolBuilder::on_thread_start`] runs on threads
    /// that start later. The threads of a paused pool run it too. A thread whose task does not end
    /// never runs it.
    ///
    /// ```
    /// # use nanolith::{pool::Concurrency, prelude::*};
    /// use std::cell::Cell;
    /// thread_local! { static UNIT: Cell<i64> = const { Cell::new(1) } }
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    ///     pub fn scaled(x: i64) -> i64 { x * UNIT.get() }
    /// }
    /// let pool = Pool::builder().concurrency(Concurrency::Exact(2)).build()?;
    /// let results = pool.broadcast(|| UNIT.set(1_000)).wait()?;
    /// assert_eq!(results.len(), 2);
    /// assert_eq!(Geometry::on(&pool).scaled(9).wait()?, 9_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`BroadcastError::WouldDeadlock`] if a task of the pool would block its own thread in this
    /// wait. An asynchronous task may await it.
    ///
    /// # Panics
    ///
    /// If `run` panics, the panic is the result of that thread.
    pub fn broadcast<T: Send + 'static>(&self, run: impl Fn() -> T + Send + Sync + 'static) -> Broadcast<T> {
        Broadcast::begin(self.inner().clone(), run)
    }

    /// Returns a builder for a share of the pool, which is an executor. While several shares have
    /// calls waiting, each share gets run time in proportion to its weight. So a burst of calls in
    /// one share does not delay the other shares. The same name builds the same share, and changes
    /// its settings from now on.
    ///
    /// Within a share, calls run by priority, and in order of arrival within a priority.
    /// `.serve_within(..)` and the pool's own order have no effect within a share, until a call is
    /// raised. Calls that a task of the pool submits through a share are always accepted.
    ///
    /// ```
    /// # use nanolith::{TaskSet, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// let tenant = pool.share("tenant-a").weight(3).build()?;
    /// assert_eq!(Geometry::calls(tenant).add(4, 5).wait()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn share(&self, name: impl Into<Arc<str>>) -> ShareBuilder {
        ShareBuilder::new(self, name.into())
    }

    /// Returns a stream of what happens to the pool's queue from now on: for example that it was
    /// full, or that it became empty. The stream ends when the pool is closed and its last call has
    /// ended.
    ///
    /// An event that happens several times between two reads is returned once; for overruns, the
    /// last one is returned. Different events between two reads are returned in the order of
    /// [`PoolEvent`].
    ///
    /// While the stream exists, every call passes the pool's lock. That lowers the rate of short
    /// calls.
    ///
    /// ```
    /// # use nanolith::{pool::PoolEvent, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// let mut events = pool.events();
    /// assert_eq!(Geometry::on(&pool).add(4, 5).wait()?, 9);
    /// assert_eq!(events.recv().wait(), Some(PoolEvent::Drained));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn events(&self) -> Events<PoolEvent> {
        Events::new(PoolEvents::new(self.inner().clone()))
    }
}

impl<S: TaskSet> Executor<S> for Pool {
    fn try_execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
        self.inner().look_at_limits(&job);
        admission::try_execute(&**self.inner(), job)
    }

    fn execute(&self, job: Job<S>) -> Admission<'_, S> {
        self.inner().look_at_limits(&job);
        admission::execute(&**self.inner(), job)
    }

    fn poll_room(&self, room: &mut HeldRoom, cx: &mut Context<'_>) -> Poll<()> {
        admission::poll_room::<S, _>(self.inner(), room, cx.waker())
    }

    fn execute_in(&self, job: Job<S>, room: &mut HeldRoom) -> Result<(), SubmitError<Job<S>>> {
        self.inner().look_at_limits(&job);
        admission::execute_in(&**self.inner(), job, room)
    }

    fn accepts_calls(&self) -> bool {
        !self.is_closed()
    }

    fn host(&self) -> Option<ExecutorId> {
        Some(self.inner().id())
    }

    fn takes_by_user_code(&self) -> bool {
        self.inner().rules.is_custom()
    }

    fn crew(&self) -> Option<&dyn Crew> {
        Some(self)
    }
}

impl Crew for Pool {
    fn threads(&self) -> usize {
        self.max_concurrency()
    }

    fn to_owned(&self) -> Arc<dyn Crew> {
        Arc::new(self.clone())
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner().lock().describe(f.debug_struct("Pool").field("name", &self.name()))
    }
}
