//! [`PoolInfo`] is a snapshot of a pool: how many calls wait, run and have ended, and how many
//! threads there are.

use super::{Pool, pool_shared::PoolShared};
use crate::meta::task_info::TaskInfo;
#[cfg(feature = "metrics")]
use crate::metrics::Metrics;
#[cfg(feature = "metrics-export")]
use crate::metrics::MetricsSource;
use std::sync::{Arc, atomic::Ordering};

/// The name, the counts and the threads of a pool at one moment, from [`Pool::info`].
///
/// ```
/// use nanolith::{pool::PoolInfo, prelude::*};
/// # use nanolith_doc_sets::*;
/// let pool = Pool::builder().build()?;
/// assert_eq!(Geometry::on(&pool).add(4, 5).wait()?, 9);
/// pool.drained().wait();
/// let PoolInfo { queue_len, in_flight, completed, is_closed, .. } = pool.info();
/// assert_eq!((queue_len, in_flight, completed, is_closed), (0, 0, 1, false));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PoolInfo {
    /// The name of the pool.
    pub name: Arc<str>,
    /// The number of calls from outside the pool that wait for their turn.
    pub queue_len: usize,
    /// The number of calls that wait and do not count towards the bound of the queue: calls that
    /// running tasks submitted, calls that resume, and calls of shares, which have bounds of their
    /// own.
    pub overflow: usize,
    /// The number of tasks that run now. A task that waits, or whose future is pending, does not
    /// count.
    pub active: usize,
    /// The number of tasks that could start now: the concurrency that no task uses.
    pub idle: usize,
    /// The number of calls that were accepted and have not ended: queued, running and suspended
    /// calls. A call leaves this number shortly after its output has arrived.
    pub in_flight: usize,
    /// The number of tasks that still run although their calls have timed out. Each of them keeps
    /// its slot.
    ///
    /// A thread cannot be stopped from outside, so a task has to stop by itself. A synchronous task
    /// checks [`Context::is_cancelled`](crate::task::Context::is_cancelled) from time to time. An
    /// asynchronous task is dropped at its next `.await`. A task that is blocked in foreign code
    /// cannot check; then [`Pool::set_concurrency`] gives the other tasks more slots.
    /// [`PoolEvent::Overrun`](super::PoolEvent::Overrun) names the task.
    ///
    /// ```
    /// # use nanolith::{pool::Concurrency, prelude::*, time::MILLISECOND};
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
    /// let info = pool.info();
    /// assert_eq!((info.overrunning, info.active), (1, 1));
    /// pool.set_concurrency(Concurrency::Exact(2))?; // the others go on
    /// # drop(answer);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub overrunning: usize,
    /// The number of calls that were started and have ended.
    pub completed: u64,
    /// The number of threads that the pool has: the threads that it keeps, and its spare threads.
    ///
    /// ```
    /// # use nanolith::{pool::Concurrency, prelude::*};
    /// let pool = Pool::builder().concurrency(Concurrency::Exact(3)).build()?;
    /// let info = pool.info();
    /// assert_eq!((info.threads, info.spare_threads), (3, 0));
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    pub threads: usize,
    /// The number of threads beyond those that the pool keeps. Spare threads replace threads that
    /// wait, or were started when the pool grew beyond
    /// [`PoolBuilder::min_concurrency`](super::PoolBuilder::min_concurrency).
    pub spare_threads: usize,
    /// Whether the maximum number of tasks is running.
    pub is_saturated: bool,
    /// Whether the queue has no capacity for a call from outside the pool.
    pub is_full: bool,
    /// Whether the pool is paused: see [`Pool::pause`].
    pub is_paused: bool,
    /// Whether the pool is closed. If so, it accepts no calls from outside.
    pub is_closed: bool,
}

impl Pool {
    /// Returns the counts of the pool's calls and threads at this moment.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// pool.pause();
    /// let job = Geometry::on(&pool).add(4, 5).submit();
    /// let info = pool.info();
    /// assert_eq!((info.queue_len, info.in_flight, info.is_paused), (1, 1, true));
    /// # drop(job);
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    #[must_use]
    pub fn info(&self) -> PoolInfo {
        self.inner().info()
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
    /// assert_eq!(pool.next_task().map(|task| task.name()), Some("parse"));
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    #[must_use]
    pub fn next_task(&self) -> Option<&'static TaskInfo> {
        self.inner().next_task()
    }

    /// Returns how long calls waited and ran, by task, and how busy the threads were. Returns
    /// `None` unless [`PoolBuilder::metrics`](super::PoolBuilder::metrics) was set.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let pool = Pool::builder().metrics(true).build()?;
    /// Geometry::on(&pool).add(4, 5).wait()?;
    /// pool.drained().wait();
    /// if let Some(metrics) = pool.metrics() {
    ///     println!("{}, {:.0} % busy", metrics.run_time(), 100.0 * metrics.utilization());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "metrics")]
    #[must_use]
    pub fn metrics(&self) -> Option<Metrics> {
        let slots = self.max_concurrency();
        self.inner().recorder.read(slots)
    }

    /// Returns what an exporter reads. It does not keep the pool.
    #[cfg(feature = "metrics-export")]
    pub(crate) fn metrics_source(&self) -> MetricsSource {
        let pool = Arc::downgrade(self.inner());
        let depth = move || pool.upgrade().map(|pool| pool.info()).map(|info| info.queue_len + info.overflow);
        MetricsSource::new(self.inner().config.name.clone(), self.inner().recorder.clone(), depth)
    }

    /// Discards all measurements and starts measuring again.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # let pool = Pool::builder().metrics(true).build()?;
    /// pool.reset_metrics();
    /// assert_eq!(pool.metrics().map(|metrics| metrics.run_time().count()), Some(0));
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    #[cfg(feature = "metrics")]
    pub fn reset_metrics(&self) {
        self.inner().recorder.reset();
    }
}

impl PoolShared {
    /// Returns the snapshot of [`Pool::info`]. The counts of the calls are read under one lock.
    pub(super) fn info(&self) -> PoolInfo {
        // ORDERING: Relaxed for the three atomics: figures, which order no other data.
        let (spare_threads, overrunning) = (self.spares.total(), self.overruns.count());
        let mut core = self.lock();
        let (figures, wakes) = core.injector.figures();
        let resting = self.resting.load(Ordering::Relaxed);
        let active = core.active.saturating_sub(resting);
        let info = PoolInfo {
            name: self.config.name.clone(),
            queue_len: figures.queued_outside,
            overflow: figures.overflow.saturating_sub(self.errands.load(Ordering::Relaxed)),
            active,
            idle: core.limit.saturating_sub(active),
            in_flight: figures.in_flight.saturating_sub(resting),
            overrunning,
            completed: figures.completed + self.served.load(Ordering::Relaxed) + self.ring.run_by_waiters(),
            threads: core.rayon.total + spare_threads,
            spare_threads,
            is_saturated: active >= core.limit,
            is_full: !core.injector.has_room(),
            is_paused: core.paused,
            is_closed: core.closed,
        };
        self.release(core, wakes);
        info
    }

    /// Returns the task that would run next.
    pub(super) fn next_task(&self) -> Option<&'static TaskInfo> {
        let mut core = self.lock();
        core.injector.drain_ring();
        let (next, wakes) = core.next_task();
        self.release(core, wakes);
        next
    }
}
