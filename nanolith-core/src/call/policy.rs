//! [`SchedulingPolicy`]: how long each priority may wait on one executor, a custom order, and how
//! long a task may run before it should yield. The executor's queue, calls and threads share it.

use super::{aging::AgingTable, header::Header};
use crate::{
    meta::{priority::Priority, task_info::TaskInfo},
    time::clock,
    util::unwind,
};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicIsize, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

/// A custom order of calls, applied over the order of priorities; set by
/// [`PoolBuilder::order`](crate::pool::PoolBuilder::order) and the `order` method of other
/// builders.
///
/// ```
/// use nanolith::{executor::{QueueOrder, QueuedCall}, prelude::*, time::MINUTE};
/// # use nanolith_doc_sets::*;
/// /// The nearest deadline first; calls without one as they would go anyway.
/// struct NearestDeadline;
/// impl QueueOrder for NearestDeadline {
///     fn rank(&self, call: &QueuedCall<'_>) -> Option<u64> {
///         call.deadline()
///     }
/// }
/// let pool = Pool::builder().order(NearestDeadline).build()?;
/// assert_eq!(Geometry::on(&pool).add(4, 5).timeout(MINUTE).wait()?, 9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A closure with the signature of [`QueueOrder::rank`] is an order too.
///
/// The order runs without a lock held, on the thread that submits the call, and again when the call
/// is raised. If it panics, that counts as `None`.
pub trait QueueOrder: Send + Sync {
    /// Returns the rank of the call. Calls with the least rank go first; calls of equal rank go
    /// first in, first out.
    ///
    /// `None` leaves the call where it would stand without this order: at the rank
    /// [`QueuedCall::serve_by`].
    fn rank(&self, call: &QueuedCall<'_>) -> Option<u64>;
}

impl<F: Fn(&QueuedCall<'_>) -> Option<u64> + Send + Sync> QueueOrder for F {
    fn rank(&self, call: &QueuedCall<'_>) -> Option<u64> {
        self(call)
    }
}

/// A call that is about to be queued, as a [`QueueOrder`] sees it. Moments are nanoseconds on one
/// clock of the process.
///
/// ```
/// use nanolith::{executor::QueuedCall, prelude::*};
/// # use nanolith_doc_sets::*;
/// // as ever, but what parses may wait for a second more
/// let order = |call: &QueuedCall<'_>| {
///     let grace = if call.task().name() == "parse" { 1_000_000_000 } else { 0 };
///     Some(call.serve_by().saturating_add(grace))
/// };
/// let pool = Pool::builder().order(order).build()?;
/// assert_eq!(Geometry::on(&pool).add(4, 5).wait()?, 9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct QueuedCall<'a> {
    meta: &'a Header,
    expirations: &'a AgingTable,
}

impl QueuedCall<'_> {
    /// Returns the task that is called.
    #[must_use]
    pub fn task(&self) -> &'static TaskInfo {
        self.meta.task()
    }

    /// Returns the call's priority.
    #[must_use]
    pub fn priority(&self) -> Priority {
        self.meta.priority()
    }

    /// Returns when the call was submitted, in nanoseconds.
    #[must_use]
    pub fn submitted(&self) -> u64 {
        self.meta.submitted_at()
    }

    /// Returns when the call expires, in nanoseconds, by its priority or by
    /// [`Call::serve_within`](crate::typed::Call::serve_within). This is the call's rank without a
    /// custom order.
    #[must_use]
    pub fn serve_by(&self) -> u64 {
        self.meta.expires(self.expirations)
    }

    /// Returns the call's deadline in nanoseconds, or `None` if it has none.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        self.meta.deadline().map(clock::at)
    }
}

impl fmt::Debug for QueuedCall<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueuedCall")
            .field("task", self.task())
            .field("priority", &self.priority())
            .finish_non_exhaustive()
    }
}

/// The default time for which a task may run before it should yield.
const SLICE: Duration = Duration::from_millis(5);

/// The settings of a builder that make a policy.
#[derive(Clone)]
pub(crate) struct PolicyConfig {
    pub(crate) expirations: AgingTable,
    pub(crate) slice: Duration,
    pub(crate) order: Option<Arc<dyn QueueOrder>>,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self { expirations: AgingTable::default(), slice: SLICE, order: None }
    }
}

/// A policy in use, shared by an executor's queue, its threads and its calls.
pub(crate) struct SchedulingPolicy {
    schedule: PolicyConfig,
    /// The earliest expiration in the queue, readable without the lock: a hint.
    earliest: AtomicU64,
    /// The number of overtaken calls whose entry is still in the queue or its ring.
    overtaken: AtomicIsize,
    /// The number of asynchronous calls that go to the lanes before the ring takes one again.
    lane_futures: AtomicU32,
}

/// The value of `lane_futures` for an executor whose ring takes no asynchronous call.
const NO_FUTURES: u32 = u32::MAX;

/// The number of asynchronous calls that go to the lanes after a future of the ring was pending. A
/// future that is woken goes to the lanes, and closes the ring for a moment.
const LANE_FUTURES: u32 = 256;

impl Default for SchedulingPolicy {
    fn default() -> Self {
        Self::new(PolicyConfig::default())
    }
}

impl SchedulingPolicy {
    pub(crate) fn new(schedule: PolicyConfig) -> Self {
        let (earliest, lane_futures) = (AtomicU64::new(u64::MAX), AtomicU32::new(NO_FUTURES));
        Self { schedule, earliest, overtaken: AtomicIsize::new(0), lane_futures }
    }

    /// Returns the policy of an executor whose ring takes asynchronous calls.
    pub(crate) fn with_futures_on_ring(self) -> Self {
        Self { lane_futures: AtomicU32::new(0), ..self }
    }

    // ORDERING of `lane_futures`: Relaxed, a guess about the next calls. Two threads that count at
    // once may lose a count.

    /// Returns whether asynchronous calls ever pass through the ring of this executor.
    pub(crate) fn takes_futures(&self) -> bool {
        self.lane_futures.load(Ordering::Relaxed) != NO_FUTURES
    }

    /// Returns whether an asynchronous call may pass through the ring now.
    #[inline]
    pub(crate) fn rings_futures(&self) -> bool {
        self.lane_futures.load(Ordering::Relaxed) == 0
    }

    /// Records that the future of a call from the ring was pending. So the next may be, too.
    pub(crate) fn note_suspended(&self) {
        self.lane_futures.store(LANE_FUTURES, Ordering::Relaxed);
    }

    /// Counts an asynchronous call that goes to the lanes.
    pub(crate) fn count_lane_future(&self) {
        let left = self.lane_futures.load(Ordering::Relaxed);
        if left != 0 && left != NO_FUTURES {
            self.lane_futures.store(left - 1, Ordering::Relaxed);
        }
    }

    pub(crate) fn expirations(&self) -> &AgingTable {
        &self.schedule.expirations
    }

    /// Returns whether there is a custom order.
    pub(crate) fn is_custom(&self) -> bool {
        self.schedule.order.is_some()
    }

    /// Returns the position of a newly queued call, or `None` for the end of its lane. This runs
    /// the user's order: no lock is held.
    #[inline]
    pub(crate) fn queue_position(&self, meta: &Header) -> Option<u64> {
        if self.is_custom() || meta.has_own_expiration() { self.custom_position(meta) } else { None }
    }

    #[cold]
    fn custom_position(&self, meta: &Header) -> Option<u64> {
        self.ask_order(meta);
        let is_apart = meta.custom_rank().is_some() || meta.has_own_expiration();
        is_apart.then(|| self.expires(meta))
    }

    /// Returns the position of a raised call. It is never later than the call's position before.
    pub(crate) fn raised_position(&self, meta: &Header) -> u64 {
        self.ask_order(meta);
        self.expires(meta)
    }

    fn ask_order(&self, meta: &Header) {
        let Some(order) = &self.schedule.order else { return };
        let queued = QueuedCall { meta, expirations: self.expirations() };
        if let Ok(Some(rank)) = unwind::catch(|| order.rank(&queued)) {
            meta.set_custom_rank(rank);
        }
    }

    /// Returns when the call's turn comes at the latest, whether it is queued, running or
    /// suspended.
    pub(crate) fn expires(&self, meta: &Header) -> u64 {
        meta.custom_rank().unwrap_or_else(|| meta.expires(self.expirations()))
    }

    /// Returns whether the running call should yield: its slice is used up, or more urgent work
    /// waits.
    pub(crate) fn should_yield(&self, meta: &Header) -> bool {
        // ORDERING: Relaxed, a hint.
        self.earliest.load(Ordering::Relaxed) < self.expires(meta) || meta.ran_in_slice() > self.schedule.slice
    }

    /// Returns whether the running call would be the next to run if its future were queued now.
    pub(crate) fn is_next(&self, meta: &Header) -> bool {
        // ORDERING: Relaxed, as in `should_yield`.
        meta.precedes_ring() && self.earliest.load(Ordering::Relaxed) >= self.expires(meta)
    }

    // ORDERING of `overtaken`: Relaxed, a figure. A reader that knows of the run, by its outcome,
    // knows of the count too.

    /// Counts a call that a thread of the executor runs ahead of its turn; its entry stays in the
    /// queue.
    #[inline]
    pub(crate) fn count_overtaken(&self) {
        self.overtaken.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts that the entry of an overtaken call has left the queue. This may come before
    /// [`SchedulingPolicy::count_overtaken`].
    pub(crate) fn uncount_overtaken(&self) {
        self.overtaken.fetch_sub(1, Ordering::Relaxed);
    }

    /// Returns the number of overtaken calls whose entry is still in the queue or its ring.
    pub(crate) fn overtaken(&self) -> usize {
        self.overtaken.load(Ordering::Relaxed).max(0).unsigned_abs()
    }

    /// Publishes the earliest expiration in the queue. The caller holds the queue.
    pub(crate) fn publish_earliest(&self, expires: Option<u64>) {
        // ORDERING: Relaxed, a hint.
        self.earliest.store(expires.unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{call::ancestry::Origin, error::ParentCall};
    use std::panic::Location;

    const TASK: TaskInfo = TaskInfo::new("Set", "task", "order::Set::task");
    const MS: u64 = 1_000_000;

    fn meta(priority: Priority) -> Header {
        let meta = Header::new(
            ParentCall { task: &TASK, submitted: Location::caller() },
            Some(priority),
            None,
            Origin::default(),
        );
        meta.stamp_submitted(|| 10 * MS);
        meta
    }

    #[test]
    fn call_without_a_rank_goes_to_its_lane() {
        assert_eq!(SchedulingPolicy::default().queue_position(&meta(Priority::Low)), None);
    }

    #[test]
    fn own_expiration_precedes_that_of_the_priority_until_raised() {
        let (rules, meta) = (SchedulingPolicy::default(), meta(Priority::Normal));
        meta.expire_in(Duration::from_secs(20));
        assert_eq!(rules.queue_position(&meta), Some(20_010 * MS));
        assert!(meta.raise(Priority::UserBlocking));
        assert_eq!(rules.raised_position(&meta), 260 * MS);
        assert!(!meta.raise(Priority::Low), "only ever more urgent");
    }

    #[test]
    fn order_gives_the_rank_and_its_panic_gives_none() {
        let order: Arc<dyn QueueOrder> = Arc::new(|call: &QueuedCall<'_>| match call.priority() {
            Priority::Idle => panic!("no idea"),
            Priority::Low => None,
            _ => Some(7),
        });
        let rules = SchedulingPolicy::new(PolicyConfig { order: Some(order), ..PolicyConfig::default() });
        assert_eq!(rules.queue_position(&meta(Priority::Normal)), Some(7));
        assert_eq!(rules.queue_position(&meta(Priority::Low)), None);
        assert_eq!(rules.queue_position(&meta(Priority::Idle)), None);
        let raised = meta(Priority::Low);
        raised.raise(Priority::Normal);
        assert_eq!((rules.raised_position(&raised), rules.expires(&raised)), (7, 7));
    }
}
