//! [`Share`]: a group of a pool's calls, as an executor. Its calls get run time in proportion to
//! the share's weight.

use super::{
    fair_queue::{FairQueue, ShareClock, ShareId},
    share_admission::ShareAdmission,
    share_limit::ShareLimit,
    share_table::{ShareState, ShareTable},
};
use crate::{
    call::backend::ExecutorId,
    context::thread_context,
    error::SubmitError,
    executor::{
        Admission, Executor,
        admission::{self, OnFull},
    },
    pool::{Pool, config::MaxQueue},
    sched::{
        injector::Injector,
        queue::{BoundedQueue, Limits},
        ring::Ring,
    },
    task::{Job, TaskSet},
    wake::{AfterUnlock, WakeList},
};
use std::{
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

/// The value that all handles of one share have in common.
pub(in crate::pool) struct ShareHandle {
    pool: Pool,
    number: ShareId,
}

impl Drop for ShareHandle {
    fn drop(&mut self) {
        let mut core = self.pool.inner().lock();
        core.limits.shares.forget_if_idle(self.number);
        self.pool.inner().release(core, WakeList::default());
    }
}

/// A share of a pool, made by [`Pool::share`]. A share is an executor. While other shares have
/// calls waiting, its calls get the part of the pool's time that its weight sets.
///
/// When several shares have calls of one priority waiting, the share with the least run time for
/// its weight is next. Within a share, the calls of a priority run in order of arrival. A more
/// urgent priority goes first, regardless of the share. Between a share's calls and the pool's
/// other calls of the same priority, the order of arrival decides. A share may use the time that
/// other shares do not use: no thread is idle while a call waits. A share without calls does not
/// save up time, and its next call is served next.
///
/// The bounds of its calls are its own [`max_queue`](Share::max_queue) and
/// [`on_full`](Share::on_full). Its calls do not count towards the pool's bounds:
/// [`Pool::overflow`] counts those that wait. In every other respect they are calls of the pool.
///
/// ```
/// use nanolith::{TaskSet, executor::{MaxQueue, OnFull}, prelude::*};
/// # use nanolith_doc_sets::*;
/// let pool = Pool::builder().build()?;
/// let paying = Geometry::calls(pool.share("paying", 3));
/// let free = Geometry::calls(pool.share("free", 1).max_queue(MaxQueue::Bounded(100)).on_full(OnFull::Reject));
/// let flood: Vec<_> = (0..100).map(|n| free.add(n, n).submit()).collect();
/// assert_eq!(paying.add(4, 5).wait()?, 9); // it does not wait for all of them
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A `Share` is a handle: its clones are one share, and [`Pool::share`] returns the same share for
/// the same name. A handle keeps the pool open.
#[derive(Clone)]
pub struct Share {
    place: ShareAdmission,
    handles: Arc<ShareHandle>,
}

impl Share {
    pub(in crate::pool) fn new(pool: &Pool, name: Arc<str>, weight: u32) -> Self {
        pool.inner().look_at_rules();
        let mut core = pool.inner().lock();
        let limit = core.limit;
        let ShareTable { of, names, order, last, .. } = &mut core.limits.shares;
        let number = *names.entry(name.clone()).or_insert_with(|| {
            *last += 1;
            *last
        });
        let entry = of.entry(number).or_insert_with(|| {
            let inbox = Arc::new(Ring::new(1));
            let queue = BoundedQueue::ordered(Limits { queued: 1, in_flight: usize::MAX }, pool.inner().rules.clone());
            let mut entry = ShareState {
                pool: pool.inner().id(),
                name,
                front: Injector::new(queue, inbox),
                account: ShareClock::new(weight),
                max_queue: MaxQueue::default(),
                on_full: OnFull::default(),
                ran: 0,
                limit: None,
                handles: Weak::new(),
            };
            let bounds = entry.bounds(limit);
            entry.front.queue.set_bounds(bounds).wake(); // no caller waits yet
            entry
        });
        order.set_weight(number, &mut entry.account, weight);
        let handles = entry.handles.upgrade();
        let handles = handles.unwrap_or_else(|| Arc::new(ShareHandle { pool: pool.clone(), number }));
        entry.handles = Arc::downgrade(&handles);
        pool.inner().release(core, WakeList::default());
        Self { place: ShareAdmission::new(pool.inner().clone(), number), handles }
    }

    fn pool(&self) -> &Pool {
        &self.handles.pool
    }

    fn look<R>(&self, look: impl FnOnce(&ShareState) -> R, gone: R) -> R {
        self.pool().inner().lock().limits.shares.of.get(&self.place.number).map_or(gone, look)
    }

    fn change(&self, change: impl FnOnce(&mut FairQueue, ShareId, &mut ShareState, usize) -> WakeList) {
        let mut core = self.pool().inner().lock();
        let limit = core.limit;
        let changed = core.with_share(self.place.number, |order, number, entry| change(order, number, entry, limit));
        let wakes = changed.map(|(mine, pools)| mine.and(pools)).unwrap_or_default();
        self.pool().inner().release(core, wakes);
    }

    /// Sets how many of the share's calls from outside the pool may wait. The calls that free slots
    /// of the pool will run do not count towards this bound. The default is 65,536; `Bounded(0)`
    /// counts as one. The bound holds from now on for every handle of the share, and evicts no
    /// call.
    ///
    /// ```
    /// # use nanolith::{TaskSet, executor::MaxQueue, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// # pool.pause();
    /// let tenant = Geometry::calls(pool.share("tenant", 1).max_queue(MaxQueue::Bounded(1)));
    /// tenant.add(1, 2).submit().detach(); // fills the queue of a pool that is paused
    /// assert!(tenant.add(4, 5).try_submit().is_err_and(|refused| refused.is_full()));
    /// assert!(Geometry::on(&pool).add(4, 5).try_submit().is_ok()); // others have room
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    #[must_use = "a share is an executor: give it to `calls`"]
    pub fn max_queue(self, max_queue: MaxQueue) -> Self {
        self.change(|_, _, entry, concurrency| {
            entry.max_queue = max_queue;
            let bounds = entry.bounds(concurrency);
            entry.front.queue.set_bounds(bounds)
        });
        self
    }

    /// Sets what happens to a call that arrives when the share's queue is full. The default is to
    /// wait. The setting holds from now on for every handle of the share.
    #[must_use = "a share is an executor: give it to `calls`"]
    pub fn on_full(self, on_full: OnFull) -> Self {
        self.change(|_, _, entry, _| {
            entry.on_full = on_full;
            WakeList::default()
        });
        self
    }

    /// Sets how many of the share's calls run at once at most, even if the pool is idle. By default
    /// there is no such limit; 0 counts as 1. The limit holds from now on for every handle of the
    /// share, and for calls that start from now on.
    ///
    /// The limit counts like the pool's [concurrency](Pool::max_concurrency). A task that waits, or
    /// whose future is pending, leaves its slot to other calls. A woken future waits until a slot
    /// is free, and goes before calls that have not started. A synchronous task continues after a
    /// wait without waiting for a slot. So the share may exceed its limit until another of its
    /// calls ends or waits.
    ///
    /// While the share is at its limit, the other shares have the pool to themselves, and the share
    /// does not save up time. A [raised](crate::typed::Handle::raise) call is the next to start. With
    /// [`OnFull::CallerRuns`], a caller waits for a slot too.
    ///
    /// ```
    /// use nanolith::{TaskSet, pool::Concurrency, prelude::*};
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// # pub struct Report;
    /// static RUNNING: AtomicUsize = AtomicUsize::new(0);
    /// #[define]
    /// impl Report {
    ///     pub fn write() {
    ///         assert!(RUNNING.fetch_add(1, Ordering::SeqCst) < 2);
    ///         std::thread::yield_now();
    ///         RUNNING.fetch_sub(1, Ordering::SeqCst);
    ///     }
    /// }
    /// let pool = Pool::builder().concurrency(Concurrency::Exact(4)).build()?;
    /// let reports = Report::calls(pool.share("reports", 1).max_concurrency(2));
    /// let jobs: Vec<_> = (0..100).map(|_| reports.write().submit()).collect();
    /// for job in jobs {
    ///     job.wait()?;
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "a share is an executor: give it to `calls`"]
    pub fn max_concurrency(self, calls: usize) -> Self {
        thread_context::some_share_is_limited();
        self.change(|_, _, entry, _| {
            let mut after: AfterUnlock = AfterUnlock::default();
            entry.limit.get_or_insert_with(|| ShareLimit::new(calls)).set_slots(calls, &mut after);
            after.take_wakes()
        });
        self
    }

    /// Sets the share's weight, from the next call on. Zero counts as one.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # let pool = Pool::builder().build()?;
    /// let tenant = pool.share("tenant", 1);
    /// tenant.set_weight(5);
    /// assert_eq!(tenant.weight(), 5);
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    pub fn set_weight(&self, weight: u32) {
        self.change(|order, number, entry, _| {
            order.set_weight(number, &mut entry.account, weight);
            WakeList::default()
        });
    }

    /// Returns the share's name.
    #[must_use]
    pub fn name(&self) -> Arc<str> {
        self.look(|entry| entry.name.clone(), "".into())
    }

    /// Returns the share's weight.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.look(|entry| entry.account.weight(), 1)
    }

    /// Returns the number of the share's calls that wait for their turn.
    #[must_use]
    pub fn queue_len(&self) -> usize {
        self.look(|entry| entry.front.queue.tally().queued, 0)
    }

    /// Returns the number of the share's calls that were started and have not ended: running and
    /// suspended calls.
    ///
    /// ```
    /// # use nanolith::{TaskSet, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// let tenant = pool.share("tenant", 1);
    /// let sum = Geometry::calls(&tenant).add(4, 5).wait()?;
    /// pool.drained().wait();
    /// assert_eq!((tenant.queue_len(), tenant.running(), tenant.completed()), (0, 0, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn running(&self) -> usize {
        self.look(|entry| entry.front.queue.in_flight() - entry.front.queue.tally().queued, 0)
    }

    /// Returns the number of the share's calls that were started and have ended.
    #[must_use]
    pub fn completed(&self) -> u64 {
        self.look(|entry| entry.front.queue.completed(), 0)
    }

    /// Returns the total run time of the share's calls that have ended, by which the share is
    /// served. Waits of a synchronous task are included, waits of an asynchronous task are not.
    #[must_use]
    pub fn run_time(&self) -> Duration {
        self.look(|entry| Duration::from_nanos(entry.ran), Duration::ZERO)
    }
}

impl<S: TaskSet> Executor<S> for Share {
    fn try_execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
        self.place.inner.look_at_limits(&job);
        job.slot().header.set_share(self.place.number);
        admission::try_execute(&self.place, job).map_err(outside)
    }

    fn execute(&self, job: Job<S>) -> Admission<'_, S> {
        self.place.inner.look_at_limits(&job);
        job.slot().header.set_share(self.place.number);
        let admission = admission::execute(&self.place, job);
        Box::pin(async { admission.await.map_err(outside) })
    }

    fn accepts_calls(&self) -> bool {
        !self.place.inner.lock().closed
    }

    fn host(&self) -> Option<ExecutorId> {
        Some(self.place.inner.id())
    }

    fn takes_by_user_code(&self) -> bool {
        false
    }
}

/// Removes the share from a rejected job, since its owner may submit it elsewhere.
fn outside<S: TaskSet>(refused: SubmitError<Job<S>>) -> SubmitError<Job<S>> {
    let (job, error) = refused.into_parts();
    job.slot().header.set_share(0);
    SubmitError::new(job, error)
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share")
            .field("name", &self.name())
            .field("weight", &self.weight())
            .field("queue_len", &self.queue_len())
            .field("running", &self.running())
            .field("completed", &self.completed())
            .finish_non_exhaustive()
    }
}
