//! The thread pool: a priority queue of calls, and workers on rayon threads that run them.
//!
//! `config` holds a pool's settings, and `pool_state` is the pool's state under one lock.
//! `pool_shared` is what all handles share. `worker` runs queued calls, and says what a thread does
//! that waits. `threads` holds the rayon threads, the spare threads and the simulated threads.
//! `limits` holds the limits of task kinds and the shares. `handlers` runs message handlers on the
//! global pool.

mod builder;
mod closed;
mod config;
mod drained;
mod events;
mod global;
mod global_spawner;
pub(super) mod handlers;
mod limits;
pub(crate) mod parallel;
mod pool_shared;
mod pool_state;
mod resize;
mod shared_state;
mod shutdown;
mod spawn;
pub(super) mod threads;
mod worker;

pub use builder::PoolBuilder;
pub use closed::Closed;
pub use config::{BuildError, Concurrency, MaxQueue};
pub(crate) use config::{MIN_STACK, ThreadHandler, check_name, check_spin};
pub use drained::Drained;
pub use events::{NextPoolEvent, PoolEvent, PoolEvents};
pub use global::GlobalPool;
pub(crate) use global_spawner::GlobalSpawner;
pub use handlers::subscription::Subscription;
pub(crate) use handlers::subscription::{Source, subscribe};
pub use limits::share::Share;
pub use shared_state::{SharedPool, SharedState};
pub(crate) use shutdown::{AtWork, SuspendedCalls, end_suspended};
pub use shutdown::{CloseTimeout, CloseTimeoutError};
pub(crate) use spawn::spawn;
pub use threads::broadcast::{RunOnAll, RunOnAllError};

use self::{config::Config, pool_shared::PoolShared};
#[cfg(feature = "metrics")]
use crate::metrics::Metrics;
use crate::{
    call::backend::ExecutorId,
    error::SubmitError,
    executor::{Admission, Crew, Executor, admission},
    meta::task_info::TaskInfo,
    task::{Job, TaskSet},
};
use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// A pool of threads that runs tasks by priority, up to a fixed number at once.
///
/// A `Pool` is a handle, and its clones share one pool. When the last handle is dropped, the pool
/// closes without waiting. The calls that the pool has accepted still finish.
///
/// ```
/// use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// let pool = Pool::builder().name("pictures").concurrency(Concurrency::Half).build()?;
/// assert_eq!(Geometry::on(&pool).add(4, 5).wait()?, 9);
/// pool.drained().wait();
/// assert_eq!((pool.queue_len(), pool.overflow(), pool.in_flight(), pool.completed()), (0, 0, 0, 1));
/// assert_eq!((pool.active(), pool.idle(), pool.maxed()), (0, pool.max_concurrency(), false));
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
    /// # use nanolith::prelude::*;
    /// let pool = Pool::builder().max_queue(MaxQueue::Auto).build()?;
    /// assert_eq!(pool.max_concurrency(), Concurrency::X1.tasks()); // the default
    /// # Ok::<(), nanolith::BuildError>(())
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

    // ----- while the pool runs

    /// Sets how many tasks run at once. A higher number lets more tasks start at once. After a
    /// lower number, tasks that run finish first. A bound of [`MaxQueue::Auto`] follows the new
    /// number and evicts no call. The number of threads set by [`PoolBuilder::min_concurrency`]
    /// stays the same.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # let pool = Pool::builder().build()?;
    /// pool.set_concurrency(Concurrency::Exact(2))?;
    /// assert_eq!(pool.max_concurrency(), 2);
    /// assert!(pool.set_concurrency(Concurrency::Exact(0)).is_err());
    /// # Ok::<(), nanolith::BuildError>(())
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
    /// assert_eq!(pool.queue_len(), 1);
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
    /// assert!(!pool.is_paused());
    /// # Ok::<(), nanolith::BuildError>(())
    /// ```
    pub fn resume(&self) {
        self.inner().set_paused(false);
    }

    /// Returns whether the pool is paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.inner().lock().paused
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
    /// # use nanolith::prelude::*;
    /// use std::cell::Cell;
    /// thread_local! { static UNIT: Cell<i64> = const { Cell::new(1) } }
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    ///     pub fn scaled(x: i64) -> i64 { x * UNIT.get() }
    /// }
    /// let pool = Pool::builder().concurrency(Concurrency::Exact(2)).build()?;
    /// let results = pool.run_on_all(|| UNIT.set(1_000)).wait()?;
    /// assert_eq!(results.len(), 2);
    /// assert_eq!(Geometry::on(&pool).scaled(9).wait()?, 9_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`RunOnAllError::WouldDeadlock`] if a task of the pool would block its own thread in this
    /// wait. An asynchronous task may await it.
    ///
    /// # Panics
    ///
    /// If `run` panics, the panic is the result of that thread.
    pub fn run_on_all<T: Send + 'static>(&self, run: impl Fn() -> T + Send + Sync + 'static) -> RunOnAll<T> {
        RunOnAll::begin(self.inner().clone(), run)
    }

    /// Returns a share of the pool, which is an executor. While several shares have calls waiting,
    /// each share gets run time in proportion to its weight. So a burst of calls in one share does
    /// not delay the other shares. A weight of zero counts as one. The same name returns the same
    /// share, and sets its weight from now on.
    ///
    /// Within a share, calls run by priority, and in order of arrival within a priority.
    /// `.serve_within(..)` and the pool's own order have no effect within a share, until a call is
    /// raised. Calls that a task of the pool submits through a share are always accepted.
    ///
    /// ```
    /// # use nanolith::{TaskSet, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// let tenant = pool.share("tenant-a", 3);
    /// assert_eq!(Geometry::calls(tenant).add(4, 5).wait()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "a share is an executor: give it to `calls`"]
    pub fn share(&self, name: impl Into<Arc<str>>, weight: u32) -> Share {
        Share::new(self, name.into(), weight)
    }

    // ----- figures: each is correct at the moment when it is read

    /// Returns the number of calls from outside the pool that wait for their turn.
    #[must_use]
    pub fn queue_len(&self) -> usize {
        self.inner().figures().queued_outside
    }

    /// Returns the number of calls that wait and do not count towards the bound of the queue: calls
    /// that running tasks submitted, calls that resume, and calls of shares, which have bounds of
    /// their own.
    #[must_use]
    pub fn overflow(&self) -> usize {
        // ORDERING: Relaxed, a figure.
        let errands = self.inner().errands.load(Ordering::Relaxed);
        self.inner().figures().overflow.saturating_sub(errands)
    }

    /// Returns the number of tasks that run now. A task that waits, or whose future is pending,
    /// does not count.
    #[must_use]
    pub fn active(&self) -> usize {
        self.inner().active()
    }

    /// Returns the number of tasks that could start now.
    #[must_use]
    pub fn idle(&self) -> usize {
        let active = self.inner().active();
        self.inner().lock().limit.saturating_sub(active)
    }

    /// Returns whether the maximum number of tasks is running.
    #[must_use]
    pub fn maxed(&self) -> bool {
        let active = self.inner().active();
        active >= self.inner().lock().limit
    }

    /// Returns the number of calls that were accepted and have not ended: queued, running and
    /// suspended calls.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.inner().in_flight()
    }

    /// Returns the number of tasks that still run although their calls have timed out. Each of them
    /// keeps its slot.
    ///
    /// A thread cannot be stopped from outside, so a task has to stop by itself. A synchronous task
    /// checks [`Context::is_cancelled`](crate::Context::is_cancelled) from time to time. An
    /// asynchronous task is dropped at its next `.await`. A task that is blocked in foreign code
    /// cannot check; then [`set_concurrency`](Self::set_concurrency) gives the other tasks more
    /// slots. [`PoolEvent::Overrun`] names the task.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # pub struct Disk;
    /// # #[define] impl Disk {
    /// #     pub fn read(begun: std::sync::mpsc::Sender<()>, from: std::sync::mpsc::Receiver<()>) {
    /// #         let _ = begun.send(());
    /// #         let _ = from.recv();
    /// #     }
    /// # }
    /// # let ((begun, has_begun), (answer, never)) = (std::sync::mpsc::channel(), std::sync::mpsc::channel());
    /// let pool = Pool::builder().concurrency(Concurrency::Exact(1)).build()?;
    /// let read = Disk::on(&pool).read(begun, never).timeout(200 * MILLISECOND).submit();
    /// has_begun.recv()?;
    /// assert!(read.wait().is_err());
    /// assert_eq!((pool.overrunning(), pool.active()), (1, 1));
    /// pool.set_concurrency(Concurrency::Exact(2))?; // the others go on
    /// # drop(answer);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn overrunning(&self) -> usize {
        self.inner().overruns.count()
    }

    /// Returns the number of calls that were started and have ended.
    #[must_use]
    pub fn completed(&self) -> u64 {
        self.inner().completed()
    }

    /// Returns how long calls waited and ran, by task, and how busy the threads were. Returns
    /// `None` unless [`PoolBuilder::metrics`] was set.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let pool = Pool::builder().metrics(true).build()?;
    /// Geometry::on(&pool).add(4, 5).wait()?;
    /// pool.drained().wait();
    /// if let Some(metrics) = pool.metrics() {
    ///     println!("{}, {:.0} % busy", metrics.run(), 100.0 * metrics.utilization());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "metrics")]
    #[must_use]
    pub fn metrics(&self) -> Option<Metrics> {
        let slots = self.max_concurrency();
        self.inner().recorder.read(slots)
    }

    /// Discards all measurements and starts measuring again.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # let pool = Pool::builder().metrics(true).build()?;
    /// pool.reset_metrics();
    /// assert_eq!(pool.metrics().map(|metrics| metrics.run().count()), Some(0));
    /// # Ok::<(), nanolith::BuildError>(())
    /// ```
    #[cfg(feature = "metrics")]
    pub fn reset_metrics(&self) {
        self.inner().recorder.reset();
    }

    /// Returns the task that would run next if no more urgent call arrived.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// pool.pause();
    /// let geometry = Geometry::on(&pool);
    /// let later = geometry.add(4, 5).submit();
    /// let sooner = geometry.parse("7".into()).priority(Priority::Immediate).submit();
    /// assert_eq!(pool.next().map(|task| task.name()), Some("parse"));
    /// # Ok::<(), nanolith::BuildError>(())
    /// ```
    #[must_use]
    pub fn next(&self) -> Option<&'static TaskInfo> {
        self.inner().next_task()
    }

    /// Returns the number of threads that the pool has now: the threads that it keeps, and its
    /// [`spare_threads`](Pool::spare_threads).
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// let pool = Pool::builder().concurrency(Concurrency::Exact(3)).build()?;
    /// assert_eq!((pool.threads(), pool.spare_threads()), (3, 0));
    /// # Ok::<(), nanolith::BuildError>(())
    /// ```
    #[must_use]
    pub fn threads(&self) -> usize {
        let kept = self.inner().lock().rayon.total;
        kept + self.inner().spares.total()
    }

    /// Returns the number of threads beyond those that the pool keeps. Spare threads replace
    /// threads that wait, or were started when the pool grew beyond
    /// [`PoolBuilder::min_concurrency`].
    #[must_use]
    pub fn spare_threads(&self) -> usize {
        self.inner().spares.total()
    }

    // ----- closing

    /// Waits for the first moment after this call at which no call is queued, running or suspended.
    /// The wait ends even if new calls arrive immediately after that moment.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// let jobs: Vec<_> = (0..100).map(|n| Geometry::on(&pool).add(n, n).submit()).collect();
    /// pool.drained().wait(); // or `.await`
    /// assert!(jobs.iter().all(|job| job.is_finished()));
    /// # Ok::<(), nanolith::BuildError>(())
    /// ```
    pub fn drained(&self) -> Drained {
        Drained::new(self.inner().clone())
    }

    /// Waits until the pool is closed, its calls have ended, and its threads have ended. This
    /// method does not close the pool.
    ///
    /// A pool that is only closed keeps its threads until its handles are dropped. This wait ends
    /// the threads once all calls have ended. [`on_thread_exit`](PoolBuilder::on_thread_exit) has
    /// then run on each thread. The returned future holds no handle of the pool.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use std::sync::{Arc, atomic::{AtomicUsize, Ordering}};
    /// let exits = Arc::new(AtomicUsize::new(0));
    /// let count = exits.clone();
    /// let pool = Pool::builder()
    ///     .concurrency(Concurrency::Exact(3))
    ///     .on_thread_exit(move || { count.fetch_add(1, Ordering::SeqCst); })
    ///     .build()?;
    /// pool.close();
    /// pool.closed().wait(); // or `.await`
    /// assert_eq!(exits.load(Ordering::SeqCst), 3);
    /// # Ok::<(), nanolith::BuildError>(())
    /// ```
    pub fn closed(&self) -> Closed {
        Closed::new(self.inner().clone())
    }

    /// Returns a stream of what happens to the pool's queue from now on: for example that it was
    /// full, or that it became empty.
    ///
    /// ```
    /// # use nanolith::{PoolEvent, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// let mut events = pool.events();
    /// assert_eq!(Geometry::on(&pool).add(4, 5).wait()?, 9);
    /// assert_eq!(events.recv().wait(), Some(PoolEvent::Drained));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn events(&self) -> PoolEvents {
        PoolEvents::new(self.inner().clone())
    }

    /// Returns whether the queue has no capacity for a call from outside the pool now.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # let pool = Pool::builder().build()?;
    /// assert!(!pool.is_full());
    /// # Ok::<(), nanolith::BuildError>(())
    /// ```
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.inner().is_full()
    }

    /// Closes the pool: it accepts no more calls, except those of its running tasks. The calls that
    /// it has accepted finish. A paused pool resumes. This method returns at once; wait for the end
    /// with [`Pool::drained`].
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// let accepted = Geometry::on(&pool).add(1, 2).submit();
    /// pool.close();
    /// assert!(matches!(Geometry::on(&pool).add(4, 5).wait(), Err(CallError::Closed(_))));
    /// assert_eq!(accepted.wait()?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self) {
        self.inner().close();
    }

    /// Closes the pool like [`Pool::close`], and waits until all calls have ended, for `limit` at
    /// most, counted from now. Calls that have not finished by then are ended. A queued call ends
    /// as [`CallError::Cancelled`](crate::CallError::Cancelled), an asynchronous call ends at its
    /// await. A running synchronous task is asked to stop, which its
    /// [`Context`](crate::Context::is_cancelled) shows; its caller waits until the task returns.
    /// With a limit of zero, every call that can be ended ends at once.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    ///     pub fn count(cx: &Context<Self>) -> u64 {
    ///         (0..).take_while(|_| !cx.is_cancelled()).count() as u64
    ///     }
    /// }
    /// # let pool = Pool::builder().build()?;
    /// let endless = Geometry::on(&pool).count().submit();
    /// # while pool.queue_len() > 0 { std::thread::yield_now() }
    /// let unfinished = pool.close_timeout(10 * MILLISECOND).wait().unwrap_err();
    /// assert_eq!((unfinished.cancelled(), unfinished.running()), (0, 1));
    /// assert!(endless.wait()? > 0); // it was asked to stop
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close_timeout(&self, limit: Duration) -> CloseTimeout {
        CloseTimeout::new(self.drained(), limit)
    }

    /// Closes the pool, and ends the queued calls as
    /// [`CallError::Cancelled`](crate::CallError::Cancelled). Returns the number of calls that it
    /// ended. Running tasks finish.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// # pool.pause();
    /// let queued = Geometry::on(&pool).add(4, 5).submit();
    /// assert_eq!(pool.shutdown_now(), 1);
    /// assert!(matches!(queued.wait(), Err(CallError::Cancelled(_))));
    /// # Ok::<(), nanolith::BuildError>(())
    /// ```
    pub fn shutdown_now(&self) -> usize {
        self.inner().shut_down()
    }

    /// Returns whether the pool was closed.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # let pool = Pool::builder().build()?;
    /// pool.close();
    /// assert!(pool.is_closed());
    /// # Ok::<(), nanolith::BuildError>(())
    /// ```
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.inner().lock().closed
    }
}

impl<S: TaskSet> Executor<S> for Pool {
    fn execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
        self.inner().look_at_limits(&job);
        admission::execute(&**self.inner(), job)
    }

    fn admit(&self, job: Job<S>) -> Admission<'_, S> {
        self.inner().look_at_limits(&job);
        admission::admit(&**self.inner(), job)
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
