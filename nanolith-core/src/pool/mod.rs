//! The pool: lanes of work over runners that stand on rayon threads.
//!
//! `config` says what a pool is built from, `core` is its state under one lock, `runner` drains it, `waiting` says how
//! its threads wait, `spares` are the threads that stand in for them, `rayon_pool` is all that knows rayon.

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
pub use shutdown::{CloseWithin, Unfinished};
pub(crate) use spawn::spawn;
pub use threads::broadcast::{RunOnAll, RunOnAllError};

use self::{config::Config, pool_shared::PoolShared};
#[cfg(feature = "metrics")]
use crate::metrics::Metrics;
use crate::{
    call::backend::ExecutorId,
    error::Refused,
    executor::{Admission, Crew, Executor, admission},
    meta::task_info::TaskInfo,
    task::{Job, TaskSet},
};
use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// A pool of threads that runs tasks by priority, at most so many at once.
///
/// It is a handle: clones share one pool. When the last is dropped the pool closes, without waiting: the calls that it
/// accepted still finish.
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

/// Closes the pool when its last handle goes.
struct Last(Arc<PoolShared>);

impl Drop for Last {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Pool {
    /// The settings of a new pool.
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

    /// The pool's name, which its threads bear.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner().config.name
    }

    // ----- while it runs

    /// Changes how many tasks run at once. More start at once; of fewer, those that run finish first. A bound of
    /// [`MaxQueue::Auto`] follows; it evicts no call. The threads of [`PoolBuilder::min_concurrency`], where that is set, stay.
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
    /// [`BuildError`] when there can be no such pool; nothing has changed then.
    pub fn set_concurrency(&self, concurrency: Concurrency) -> Result<(), BuildError> {
        self.inner().set_concurrency(concurrency)
    }

    /// How many tasks run at once at most.
    ///
    /// A task that goes on after a wait may exceed this for a moment, until the next runner is done.
    #[must_use]
    pub fn max_concurrency(&self) -> usize {
        self.inner().lock().limit
    }

    /// Starts no queued call any more, but for those that a running task waits for. Calls are accepted as before, and
    /// those that were begun go on.
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

    /// Starts queued calls again.
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

    /// Whether it is paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.inner().lock().paused
    }

    /// Runs `run` once on each of the pool's threads, for set-up: at once on those that are idle, between two tasks on the
    /// others. Gives the results, one a thread.
    ///
    /// The threads are those that there are now: [`PoolBuilder::on_thread_start`] runs on those that start later. A paused
    /// pool's threads run it too. A thread whose task does not end never comes to it.
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
    /// A task of the pool that would stand still in the wait gets [`RunOnAllError::WouldDeadlock`]; an asynchronous one may
    /// await it.
    ///
    /// # Panics
    ///
    /// A panic in `run` is the result of that thread.
    pub fn run_on_all<T: Send + 'static>(&self, run: impl Fn() -> T + Send + Sync + 'static) -> RunOnAll<T> {
        RunOnAll::begin(self.inner().clone(), run)
    }

    /// A share of the pool, as an executor: while several shares have calls waiting, each gets run time in proportion to its
    /// weight, so that the flood of one holds no other up. Zero counts as one. The same name gives the same share, which has
    /// this weight from now on.
    ///
    /// Within a share calls go by their priority, first come first served: `.expires_in(..)` and the pool's own order count for
    /// nothing there, until a call is raised. What a task of the pool submits through a share is always taken.
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

    // ----- figures: each true at the moment when it was read

    /// Calls from outside that wait for their turn.
    #[must_use]
    pub fn queue_len(&self) -> usize {
        self.inner().figures().queued_outside
    }

    /// Calls that wait beyond the bound: those that running tasks submitted, those that resume, and those of shares, which
    /// have bounds of their own.
    #[must_use]
    pub fn overflow(&self) -> usize {
        // ORDERING: Relaxed, a figure.
        let errands = self.inner().errands.load(Ordering::Relaxed);
        self.inner().figures().overflow.saturating_sub(errands)
    }

    /// Tasks that run now. A task that waits, or whose future is pending, does not count.
    #[must_use]
    pub fn active(&self) -> usize {
        self.inner().active()
    }

    /// Tasks that could start now.
    #[must_use]
    pub fn idle(&self) -> usize {
        let active = self.inner().active();
        self.inner().lock().limit.saturating_sub(active)
    }

    /// Whether as many tasks run as may.
    #[must_use]
    pub fn maxed(&self) -> bool {
        let active = self.inner().active();
        active >= self.inner().lock().limit
    }

    /// Calls that were accepted and are not over: queued, running and suspended.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.inner().in_flight()
    }

    /// Tasks that still run though their calls have timed out. Each keeps its slot.
    ///
    /// A thread cannot be stopped from outside, so a task has to stop by itself: a synchronous one asks
    /// [`Context::is_cancelled`](crate::Context::is_cancelled) from time to time, an asynchronous one is dropped at its next `.await`.
    /// Where a task cannot ask, because it stands still in foreign code, [`set_concurrency`](Self::set_concurrency) gives the others
    /// more slots. [`PoolEvent::Overrun`] names the task.
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

    /// Calls that were begun and are over.
    #[must_use]
    pub fn completed(&self) -> u64 {
        self.inner().completed()
    }

    /// How long calls waited and ran, by task, and how busy its threads were; `None` unless it was built to measure.
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

    /// Forgets what was measured, and begins anew.
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

    /// The task that would run next, if nothing more urgent came.
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

    /// Threads that the pool has now: those that it keeps, and those beside them, of which
    /// [`spare_threads`](Pool::spare_threads) tells.
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

    /// Threads beside those that the pool keeps: they stand in for those that wait, or are what it grew by beyond
    /// [`PoolBuilder::min_concurrency`].
    #[must_use]
    pub fn spare_threads(&self) -> usize {
        self.inner().spares.total()
    }

    // ----- the end

    /// Waits for the first moment, from this call on, when no call is queued, running or suspended, even if others come
    /// at once.
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

    /// Waits until the pool is closed, its calls are over, and its threads have ended, without closing it.
    ///
    /// A pool that is only closed keeps its threads for as long as its handles live. This has them end once all calls are over,
    /// and [`on_thread_exit`](PoolBuilder::on_thread_exit) has run on each by then. It keeps no handle itself.
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

    /// What happens to its queue from now on: it was full, it ran empty.
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

    /// Whether its queue has no room for a call from outside now.
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

    /// Accepts no more calls but those of its running tasks; those it has accepted finish, also where it was paused, which
    /// ends by this. Returns at once: wait for the end with [`Pool::drained`].
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

    /// Closes as [`Pool::close`] does, and waits until all calls are over, for `limit` at most, counted from now. What has not
    /// finished by then is ended: a queued call as [`CallError::Cancelled`](crate::CallError::Cancelled), an asynchronous one
    /// at its await. A synchronous task that runs is asked to stop, which its
    /// [`Context`](crate::Context::is_cancelled) shows; its caller waits until it returns. A limit of zero ends at once what
    /// can be ended.
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
    /// let unfinished = pool.close_within(10 * MILLISECOND).wait().unwrap_err();
    /// assert_eq!((unfinished.cancelled(), unfinished.running()), (0, 1));
    /// assert!(endless.wait()? > 0); // it was asked to stop
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close_within(&self, limit: Duration) -> CloseWithin {
        CloseWithin::new(self.drained(), limit)
    }

    /// Closes, and ends the queued calls as [`CallError::Cancelled`](crate::CallError::Cancelled). Gives their number.
    /// Running tasks finish.
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

    /// Whether it was closed.
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
    fn execute(&self, job: Job<S>) -> Result<(), Refused<Job<S>>> {
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
