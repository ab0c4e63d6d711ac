//! [`Share`]: a group of a pool's calls, as an executor. Its calls get run time in proportion to
//! the share's weight.

use super::{
    fair_queue::{FairQueue, ShareClock, ShareId},
    share_admission::ShareAdmission,
    share_builder::{ShareBuilder, check_weight},
    share_limit::ShareLimit,
    share_table::{ShareState, ShareTable},
};
use crate::{
    call::backend::ExecutorId,
    context::thread_context,
    error::SubmitError,
    executor::{Admission, Executor, HeldRoom, admission},
    pool::{BuildError, Pool, queue_config::QueueConfig},
    sched::{injector::Injector, queue::BoundedQueue, ring::Ring},
    task::{Job, TaskSet},
    wake::{AfterUnlock, WakeList},
};
use std::{
    fmt,
    sync::{Arc, Weak},
    task::{Context, Poll},
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
/// The bounds of its calls are its own [`max_queue`](ShareBuilder::max_queue) and
/// [`on_full`](ShareBuilder::on_full). Its calls do not count towards the pool's bounds:
/// [`PoolInfo::overflow`](crate::pool::PoolInfo::overflow) counts those that wait. In every other
/// respect they are calls of the pool.
///
/// ```
/// use nanolith::{TaskSet, executor::OnFull, prelude::*};
/// # use nanolith_doc_sets::*;
/// let pool = Pool::builder().build()?;
/// let paying = Geometry::calls(pool.share("paying").weight(3).build()?);
/// let free = Geometry::calls(pool.share("free").max_queue(100).on_full(OnFull::Reject).build()?);
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
    /// Opens the share of this name, and applies the valid settings of `builder` to it.
    pub(super) fn open(pool: &Pool, name: Arc<str>, builder: &ShareBuilder) -> Self {
        pool.inner().look_at_rules();
        if builder.max_concurrency.is_some() {
            thread_context::some_share_is_limited();
        }
        let mut core = pool.inner().lock();
        let concurrency = core.limit;
        let ShareTable { of, names, last, .. } = &mut core.limits.shares;
        let number = *names.entry(name.clone()).or_insert_with(|| {
            *last += 1;
            *last
        });
        let entry = of.get_or_insert_with(number, || {
            let inbox = Arc::new(Ring::new(1));
            let settings = QueueConfig::default();
            let queue = BoundedQueue::ordered(settings.bounds(concurrency), pool.inner().rules.clone());
            ShareState {
                pool: pool.inner().id(),
                name,
                front: Injector::new(queue, inbox),
                account: ShareClock::new(1),
                settings,
                ran: 0,
                limit: None,
                handles: Weak::new(),
            }
        });
        let handles = entry.handles.upgrade();
        let handles = handles.unwrap_or_else(|| Arc::new(ShareHandle { pool: pool.clone(), number }));
        entry.handles = Arc::downgrade(&handles);
        let applied = core.with_share(number, |order, number, entry| entry.apply(builder, order, number, concurrency));
        let wakes = applied.map(|(mine, pools)| mine.and(pools)).unwrap_or_default();
        pool.inner().release(core, wakes);
        Self { place: ShareAdmission::new(pool.inner().clone(), number), handles }
    }

    fn pool(&self) -> &Pool {
        &self.handles.pool
    }

    fn look<R>(&self, look: impl FnOnce(&ShareState) -> R, gone: R) -> R {
        self.pool().inner().lock().limits.shares.of.get(self.place.number).map_or(gone, look)
    }

    /// Sets the share's weight, from the next call on: at least 1.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # let pool = Pool::builder().build()?;
    /// let tenant = pool.share("tenant").build()?;
    /// tenant.set_weight(5)?;
    /// assert_eq!(tenant.weight(), 5);
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`BuildError`] if the weight is 0. The share is unchanged then.
    pub fn set_weight(&self, weight: u32) -> Result<(), BuildError> {
        check_weight(weight)?;
        let mut core = self.pool().inner().lock();
        let changed = core.with_share(self.place.number, |order, number, entry| {
            order.set_weight(number, &mut entry.account, weight);
        });
        let wakes = changed.map(|((), wakes)| wakes).unwrap_or_default();
        self.pool().inner().release(core, wakes);
        Ok(())
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

    /// Returns the counts of the share's calls at this moment.
    ///
    /// ```
    /// # use nanolith::{TaskSet, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// let tenant = pool.share("tenant").build()?;
    /// let sum = Geometry::calls(&tenant).add(4, 5).wait()?;
    /// pool.drained().wait();
    /// let info = tenant.info();
    /// assert_eq!((info.queue_len, info.in_progress, info.completed), (0, 0, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn info(&self) -> ShareInfo {
        self.look(ShareState::info, ShareInfo::default())
    }
}

impl ShareState {
    /// Applies the settings that `builder` has. Returns the callers for which there is room now.
    fn apply(
        &mut self,
        builder: &ShareBuilder,
        order: &mut FairQueue,
        number: ShareId,
        concurrency: usize,
    ) -> WakeList {
        if let Some(weight) = builder.weight {
            order.set_weight(number, &mut self.account, weight);
        }
        self.settings.update(&builder.queue);
        let mut after: AfterUnlock = AfterUnlock::default();
        if let Some(calls) = builder.max_concurrency {
            self.limit.get_or_insert_with(|| ShareLimit::new(calls)).set_slots(calls, &mut after);
        }
        self.front.queue.set_bounds(self.settings.bounds(concurrency)).and(after.take_wakes())
    }

    fn info(&self) -> ShareInfo {
        let (in_flight, queue_len) = (self.front.queue.in_flight(), self.front.queue.tally().queued);
        ShareInfo {
            queue_len,
            in_progress: in_flight - queue_len,
            in_flight,
            completed: self.front.queue.completed(),
            run_time: Duration::from_nanos(self.ran),
        }
    }
}

/// The counts of a share's calls at one moment, from [`Share::info`].
///
/// ```
/// use nanolith::{pool::ShareInfo, prelude::*};
/// # let pool = Pool::builder().build()?;
/// let ShareInfo { queue_len, in_progress, completed, .. } = pool.share("tenant").build()?.info();
/// assert_eq!((queue_len, in_progress, completed), (0, 0, 0));
/// # Ok::<(), nanolith::pool::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShareInfo {
    /// The number of the share's calls that wait for their turn.
    pub queue_len: usize,
    /// The number of the share's calls that were started and have not ended: running and suspended
    /// calls.
    pub in_progress: usize,
    /// The number of the share's calls that were accepted and have not ended: queued, running and
    /// suspended calls. A call leaves this number shortly after its output has arrived.
    pub in_flight: usize,
    /// The number of the share's calls that were started and have ended.
    pub completed: u64,
    /// The total run time of the share's calls that have ended, by which the share is served. Waits
    /// of a synchronous task are included, waits of an asynchronous task are not.
    pub run_time: Duration,
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

    fn poll_room(&self, room: &mut HeldRoom, cx: &mut Context<'_>) -> Poll<()> {
        admission::poll_room::<S, _>(&Arc::new(self.place.clone()), room, cx.waker())
    }

    fn execute_in(&self, job: Job<S>, room: &mut HeldRoom) -> Result<(), SubmitError<Job<S>>> {
        self.place.inner.look_at_limits(&job);
        job.slot().header.set_share(self.place.number);
        admission::execute_in(&self.place, job, room).map_err(outside)
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
            .field("info", &self.info())
            .finish_non_exhaustive()
    }
}
