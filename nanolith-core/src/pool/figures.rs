//! The figures of a pool: how many calls wait, run and have ended, and how many threads there are.

use super::{Pool, pool_shared::PoolShared};
#[cfg(feature = "metrics")]
use crate::metrics::Metrics;
use crate::{meta::task_info::TaskInfo, sched::injector::Figures, wake::WakeList};
use std::sync::atomic::Ordering;

/// Figures, each correct at the moment when it is read.
impl Pool {
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
    pub fn is_saturated(&self) -> bool {
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
    /// checks [`Context::is_cancelled`](crate::task::Context::is_cancelled) from time to time. An
    /// asynchronous task is dropped at its next `.await`. A task that is blocked in foreign code
    /// cannot check; then [`set_concurrency`](Self::set_concurrency) gives the other tasks more
    /// slots. [`PoolEvent::Overrun`](super::PoolEvent::Overrun) names the task.
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

    /// Returns whether the queue has no capacity for a call from outside the pool now.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # let pool = Pool::builder().build()?;
    /// assert!(!pool.is_full());
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.inner().is_full()
    }

    /// Returns the number of threads that the pool has now: the threads that it keeps, and its
    /// [`spare_threads`](Pool::spare_threads).
    ///
    /// ```
    /// # use nanolith::{pool::Concurrency, prelude::*};
    /// let pool = Pool::builder().concurrency(Concurrency::Exact(3)).build()?;
    /// assert_eq!((pool.threads(), pool.spare_threads()), (3, 0));
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    #[must_use]
    pub fn threads(&self) -> usize {
        let kept = self.inner().lock().rayon.total;
        kept + self.inner().spares.total()
    }

    /// Returns the number of threads beyond those that the pool keeps. Spare threads replace
    /// threads that wait, or were started when the pool grew beyond
    /// [`PoolBuilder::min_concurrency`](super::PoolBuilder::min_concurrency).
    #[must_use]
    pub fn spare_threads(&self) -> usize {
        self.inner().spares.total()
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
    /// Returns the figures of the pool's queue at this moment.
    pub(super) fn figures(&self) -> Figures {
        let mut core = self.lock();
        let (figures, wakes) = core.injector.figures();
        self.release(core, wakes);
        figures
    }

    /// Returns whether the queue has no capacity for a call from outside.
    pub(super) fn is_full(&self) -> bool {
        let mut core = self.lock();
        let is_full = !core.injector.has_room();
        self.release(core, WakeList::default());
        is_full
    }

    /// Returns the number of workers that run a task.
    pub(super) fn active(&self) -> usize {
        let active = self.lock().active;
        // ORDERING: Relaxed, a figure.
        active.saturating_sub(self.resting.load(Ordering::Relaxed))
    }

    /// Returns the number of calls that were accepted and have not ended.
    pub(super) fn in_flight(&self) -> usize {
        let Figures { in_flight, .. } = self.figures();
        // ORDERING: Relaxed, a figure.
        in_flight.saturating_sub(self.resting.load(Ordering::Relaxed))
    }

    /// Returns the number of calls that were started and have ended.
    pub(super) fn completed(&self) -> u64 {
        // ORDERING: Relaxed, a figure.
        self.lock().injector.queue.completed() + self.served.load(Ordering::Relaxed)
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
