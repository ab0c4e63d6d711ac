//! The settings of an executor's queue: the same for pools, services, `Local`s and shares.

use super::BuildError;
use crate::{call::policy::PolicyConfig, executor::admission::OnFull, sched::queue::Limits};

/// The number of calls from outside an executor that may wait, in addition to the calls that free
/// slots will run. The default is 65,536. A plain number is a [`MaxQueue::Bounded`].
///
/// ```
/// use nanolith::{executor::MaxQueue, pool::Concurrency, prelude::*};
/// assert_eq!(MaxQueue::default(), MaxQueue::Bounded(65_536));
/// assert_eq!(MaxQueue::from(100), MaxQueue::Bounded(100));
/// // four tasks at once, and at most sixteen calls that wait for them
/// let pool = Pool::builder().concurrency(Concurrency::Exact(4)).max_queue(MaxQueue::Auto).build()?;
/// # Ok::<(), nanolith::pool::BuildError>(())
/// ```
///
/// A free slot counts as capacity: an idle pool with a concurrency of 2 and a bound of 1 accepts 3
/// calls at once. A slot is free while its thread runs no task. It is free a moment after the
/// outcome of its last call is available. A paused pool has no free slot. A service has one slot. A
/// [`Local`](crate::local::Local) has none, since it starts calls only while it is driven.
///
/// Calls that running tasks submit to their own executor are always accepted. They are counted
/// separately: [`PoolInfo::overflow`](crate::pool::PoolInfo::overflow).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MaxQueue {
    /// No bound except memory.
    Unbounded,
    /// The square of the concurrency. The bound changes with the concurrency. For a service and a
    /// [`Local`](crate::local::Local) this is one call.
    Auto,
    /// A number of calls, at least one.
    Bounded(usize),
}

impl Default for MaxQueue {
    /// Returns `Bounded(65_536)`.
    fn default() -> Self {
        Self::Bounded(65_536)
    }
}

impl From<usize> for MaxQueue {
    /// Returns a bound of this number of calls.
    fn from(calls: usize) -> Self {
        Self::Bounded(calls)
    }
}

impl MaxQueue {
    pub(crate) fn calls(self, concurrency: usize) -> usize {
        match self {
            Self::Unbounded => usize::MAX,
            Self::Auto => concurrency.saturating_mul(concurrency),
            Self::Bounded(calls) => calls,
        }
    }
}

/// The settings of a queue that a builder holds. [`queue_settings`] writes the builder's methods.
#[derive(Clone, Default)]
pub(crate) struct QueueConfig {
    /// `None` stands for the default, and in a share for the bound that the share has.
    pub(crate) max_queue: Option<MaxQueue>,
    /// `None` stands for no bound, and in a share for the bound that the share has.
    pub(crate) max_in_flight: Option<usize>,
    /// `None` stands for the default, and in a share for the policy that the share has.
    pub(crate) on_full: Option<OnFull>,
    pub(crate) policy: PolicyConfig,
}

impl QueueConfig {
    pub(crate) fn max_queue(&self) -> MaxQueue {
        self.max_queue.unwrap_or_default()
    }

    pub(crate) fn on_full(&self) -> OnFull {
        self.on_full.unwrap_or_default()
    }

    /// Takes over the bounds and the policy that `later` sets. The order stays.
    pub(crate) fn update(&mut self, later: &Self) {
        self.max_queue = later.max_queue.or(self.max_queue);
        self.max_in_flight = later.max_in_flight.or(self.max_in_flight);
        self.on_full = later.on_full.or(self.on_full);
    }

    /// Returns the bounds of the queue of an executor that runs `concurrency` tasks at once.
    pub(crate) fn bounds(&self, concurrency: usize) -> Limits {
        Limits { queued: self.max_queue().calls(concurrency), in_flight: self.max_in_flight.unwrap_or(usize::MAX) }
    }

    /// Returns the error of the first invalid setting.
    pub(crate) fn validate(&self) -> Result<(), BuildError> {
        if let Some(MaxQueue::Bounded(calls)) = self.max_queue {
            at_least_one("max_queue", calls)?;
        }
        self.max_in_flight.map_or(Ok(()), |calls| at_least_one("max_in_flight", calls))
    }

    /// Like [`QueueConfig::validate`], for an executor whose tasks run on one certain thread.
    pub(crate) fn validate_one_thread(&self) -> Result<(), BuildError> {
        self.validate()?;
        match self.on_full() {
            OnFull::CallerRuns => {
                Err(BuildError::bad("on_full", "cannot be `CallerRuns`: these tasks run on one thread only"))
            }
            _ => Ok(()),
        }
    }
}

/// Returns an error with the setting's name if its value is zero.
pub(crate) fn at_least_one(setting: &'static str, value: usize) -> Result<(), BuildError> {
    match value {
        0 => Err(BuildError::bad(setting, "must be at least 1")),
        _ => Ok(()),
    }
}

/// Writes the methods of a builder that set its [`QueueConfig`], which is the field at the given
/// path. `bounds` writes the methods of the bounds, `order` those of the order.
macro_rules! queue_settings {
    (bounds: $($queue:ident).+) => {
        /// Sets how many calls from outside may wait for their turn: a number of at least 1, or a
        /// [`MaxQueue`](crate::pool::MaxQueue). The default is 65,536.
        ///
        /// Calls that free slots will run do not count towards this bound: see
        /// [`MaxQueue`](crate::pool::MaxQueue). [`max_in_flight`](Self::max_in_flight) also bounds
        /// the calls that run.
        ///
        /// ```
        /// # use nanolith::prelude::*;
        /// # use nanolith_doc_sets::*;
        /// let pool = Pool::builder().max_queue(1).build()?;
        /// # pool.pause();
        /// let geometry = Geometry::on(&pool);
        /// geometry.add(1, 2).submit().detach(); // fills the queue of a pool that is paused
        /// assert!(geometry.add(4, 5).try_submit().is_err_and(|refused| refused.is_full()));
        /// # Ok::<(), nanolith::pool::BuildError>(())
        /// ```
        pub fn max_queue(mut self, max_queue: impl Into<crate::pool::MaxQueue>) -> Self {
            self.$($queue).+.max_queue = Some(max_queue.into());
            self
        }

        /// Sets how many calls from outside may be queued, running and suspended together: at
        /// least 1. By default there is no such bound.
        ///
        /// A call counts until its worker has dropped what is left of it, a moment after its caller
        /// has the outcome. A caller that must never be refused in that moment uses `OnFull::Wait`.
        ///
        /// ```
        /// # use nanolith::{prelude::*, time::MINUTE};
        /// # pub struct Geometry;
        /// # #[define] impl Geometry { pub async fn wait(x: i64) -> i64 { nanolith::time::sleep(MINUTE).await; x } }
        /// let pool = Pool::builder().max_in_flight(1).build()?;
        /// let geometry = Geometry::on(&pool);
        /// let job = geometry.wait(4).submit(); // queued, running or suspended, it counts
        /// assert!(geometry.wait(5).try_submit().is_err());
        /// # drop(job);
        /// # Ok::<(), nanolith::pool::BuildError>(())
        /// ```
        pub fn max_in_flight(mut self, calls: usize) -> Self {
            self.$($queue).+.max_in_flight = Some(calls);
            self
        }

        /// Sets what happens to a call that arrives when the queue is full. The default is to wait.
        ///
        /// [`OnFull::CallerRuns`](crate::executor::OnFull::CallerRuns) is for pools and shares. A
        /// service and a `Local` reject it, since their tasks run on one thread only.
        ///
        /// ```
        /// # use nanolith::{executor::OnFull, prelude::*};
        /// # use nanolith_doc_sets::*;
        /// let pool = Pool::builder().max_queue(1).on_full(OnFull::Reject).build()?;
        /// # pool.pause();
        /// let geometry = Geometry::on(&pool);
        /// geometry.add(1, 2).submit().detach(); // fills the queue of a pool that is paused
        /// assert!(matches!(geometry.add(4, 5).wait(), Err(CallError::Full(_))));
        /// # Ok::<(), nanolith::pool::BuildError>(())
        /// ```
        pub fn on_full(mut self, on_full: crate::executor::OnFull) -> Self {
            self.$($queue).+.on_full = Some(on_full);
            self
        }
    };
    (order: $($queue:ident).+) => {
        /// Sets how long calls of this priority may be kept waiting by other calls, instead of
        /// [`Priority::max_wait`](crate::meta::Priority::max_wait). The call with the earliest
        /// expiration runs first. For `Priority::Immediate`, zero means one millisecond before the
        /// call arrives. With `Duration::MAX` a call goes after all calls that expire.
        ///
        /// ```
        /// # use nanolith::{prelude::*, time::SECOND};
        /// let pool = Pool::builder().max_wait(Priority::Low, 2 * SECOND).build()?;
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        pub fn max_wait(mut self, priority: crate::meta::Priority, timeout: std::time::Duration) -> Self {
            self.$($queue).+.policy.expirations.set(priority, timeout);
            self
        }

        /// Sets a custom order, which takes precedence over the order of the priorities: see
        /// [`QueueOrder`](crate::call::QueueOrder). Each call then takes the executor's lock, and
        /// `O(log n)` time to be queued. Dropping the oldest call of a full queue takes `O(n)`.
        ///
        /// ```
        /// # use nanolith::prelude::*;
        /// use nanolith::executor::QueuedCall;
        /// let by_name = |call: &QueuedCall<'_>| call.task().name().len().try_into().ok(); // short names first
        /// let pool = Pool::builder().order(by_name).build()?;
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        pub fn order(mut self, order: impl crate::call::QueueOrder + 'static) -> Self {
            self.$($queue).+.policy.order = Some(std::sync::Arc::new(order));
            self
        }
    };
}
pub(crate) use queue_settings;
