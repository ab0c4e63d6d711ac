//! [`PoolBuilder`]: sets the options of a pool and starts it.

mod threads;

use super::{BuildError, Concurrency, MaxQueue, Pool, config::Config, global::build_global};
use crate::{call::policy::QueueOrder, error::CallError, executor::admission::OnFull, meta::priority::Priority};
use std::{fmt, sync::Arc, time::Duration};

/// A builder for a [`Pool`], made by [`Pool::builder`].
///
/// ```
/// use nanolith::{executor::OnFull, pool::Concurrency, prelude::*};
/// let settings = Pool::builder().concurrency(Concurrency::Exact(2)).on_full(OnFull::Reject);
/// let (left, right) = (settings.clone().name("left").build()?, settings.name("right").build()?);
/// assert_eq!((left.name(), right.name()), ("left", "right"));
/// # Ok::<(), nanolith::pool::BuildError>(())
/// ```
#[derive(Clone)]
#[must_use = "settings do nothing until `build`"]
pub struct PoolBuilder {
    pub(super) config: Config,
}

impl PoolBuilder {
    pub(super) fn new() -> Self {
        Self { config: Config::default() }
    }

    /// Sets the pool's name. The names of its threads are this name and a number. The default is
    /// `nanolith`.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// assert_eq!(Pool::builder().name("pictures").build()?.name(), "pictures");
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.config.name = name.into();
        self
    }

    /// Sets how many tasks run at once: from 1 to 10,000. The default is one task per core.
    ///
    /// ```
    /// # use nanolith::{pool::Concurrency, prelude::*};
    /// let pool = Pool::builder().concurrency(Concurrency::Exact(3)).build()?;
    /// assert_eq!(pool.max_concurrency(), 3);
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    pub fn concurrency(mut self, concurrency: Concurrency) -> Self {
        self.config.concurrency = concurrency;
        self
    }

    /// Sets whether the pool measures how long calls wait and run: see [`Pool::metrics`]. The
    /// default is `false`, which costs nothing.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// let pool = Pool::builder().metrics(true).build()?;
    /// assert!(pool.metrics().is_some());
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    #[cfg(feature = "metrics")]
    pub fn metrics(mut self, on: bool) -> Self {
        self.config.metrics = on;
        self
    }

    /// Sets how many calls from outside the pool may wait, in addition to the calls that free slots
    /// will run: at least 1. The default is 65,536.
    ///
    /// A free slot counts as capacity. So a call is not rejected while a slot runs no task, even if
    /// no thread has taken the earlier calls yet. A slot is free once its thread has counted its
    /// last call, which is a moment after that call's outcome is available.
    /// [`max_in_flight`](Self::max_in_flight) also bounds the calls that run.
    ///
    /// ```
    /// # use nanolith::{executor::MaxQueue, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let pool = Pool::builder().max_queue(MaxQueue::Bounded(1)).build()?;
    /// # pool.pause();
    /// let geometry = Geometry::on(&pool);
    /// geometry.add(1, 2).submit().detach(); // fills the queue of a pool that is paused
    /// assert!(geometry.add(4, 5).try_submit().is_err_and(|refused| refused.is_full()));
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    pub fn max_queue(mut self, max_queue: MaxQueue) -> Self {
        self.config.max_queue = max_queue;
        self
    }

    /// Sets how many calls from outside the pool may be queued, running and suspended together. The
    /// bound is at least 1. By default there is no such bound.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use std::sync::mpsc::{Receiver, channel};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry {
    /// #     pub fn add_received(x: i64, from: Receiver<i64>) -> i64 { x + from.recv().unwrap_or(0) }
    /// # }
    /// let pool = Pool::builder().max_in_flight(1).build()?;
    /// let geometry = Geometry::on(&pool);
    /// # let ((give, take), (_never, nothing)) = (channel(), channel());
    /// let job = geometry.add_received(4, take).submit(); // queued or running, it counts
    /// assert!(geometry.add_received(4, nothing).try_submit().is_err());
    /// # give.send(5)?;
    /// assert_eq!(job.wait()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_in_flight(mut self, calls: usize) -> Self {
        self.config.max_in_flight = calls;
        self
    }

    /// Sets what happens to a call that arrives when the queue is full. The default is to wait.
    ///
    /// ```
    /// # use nanolith::{executor::{MaxQueue, OnFull}, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let pool = Pool::builder().max_queue(MaxQueue::Bounded(1)).on_full(OnFull::Reject).build()?;
    /// # pool.pause();
    /// let geometry = Geometry::on(&pool);
    /// geometry.add(1, 2).submit().detach(); // fills the queue of a pool that is paused
    /// assert!(matches!(geometry.add(4, 5).wait(), Err(CallError::Full(_))));
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    pub fn on_full(mut self, on_full: OnFull) -> Self {
        self.config.on_full = on_full;
        self
    }

    /// Sets how long calls of this priority may be kept waiting by other calls on this pool,
    /// instead of
    /// [`Priority::max_wait`]: the call with the earliest expiration goes first. For
    /// [`Priority::Immediate`], zero counts as expired one millisecond before the call arrives.
    /// With `Duration::MAX` a call goes after all calls that expire.
    ///
    /// ```
    /// # use nanolith::{prelude::*, time::SECOND};
    /// let pool = Pool::builder().max_wait(Priority::Low, 2 * SECOND).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_wait(mut self, priority: Priority, timeout: Duration) -> Self {
        self.config.schedule.expirations.set(priority, timeout);
        self
    }

    /// Sets an order of the program's own, which takes precedence over that of the priorities: see
    /// [`QueueOrder`]. Each call then passes the pool's lock, and queueing it takes `O(log n)`. Dropping
    /// the oldest call of a full queue takes `O(n)`.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// use nanolith::executor::QueuedCall;
    /// let by_name = |call: &QueuedCall<'_>| call.task().name().len().try_into().ok(); // short names first
    /// let pool = Pool::builder().order(by_name).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn order(mut self, order: impl QueueOrder + 'static) -> Self {
        self.config.schedule.order = Some(Arc::new(order));
        self
    }

    /// Sets how long a task may run before it should yield
    /// ([`Context::should_yield`](crate::task::Context::should_yield)). The default is 5 ms. With
    /// `Duration::ZERO` a task should always yield.
    ///
    /// ```
    /// # use nanolith::{prelude::*, time::MILLISECOND};
    /// let pool = Pool::builder().slice(2 * MILLISECOND).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn slice(mut self, slice: Duration) -> Self {
        self.config.schedule.slice = slice;
        self
    }

    /// Sets a function that runs for each panic of a task that no caller receives. These are panics
    /// of calls that were detached, whose handle was dropped unread, or that had been cancelled or
    /// timed out before. The error is a [`CallError::Panicked`](crate::error::CallError::Panicked).
    ///
    /// The function runs on the thread on which the task panicked, or on which the handle is
    /// dropped, with no lock held. It may block and submit calls. A panic in it is ignored. The
    /// default does nothing: the program's panic hook has printed the panic.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// let (send, receive) = std::sync::mpsc::channel();
    /// let pool = Pool::builder().on_panic(move |error| drop(send.send(error.to_string()))).build()?;
    /// pool.spawn(|| panic!("the disk is full")).detach();
    /// assert!(receive.recv()?.contains("the disk is full"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_panic(mut self, handler: impl Fn(&CallError) + Send + Sync + 'static) -> Self {
        self.config.on_panic = Some(Arc::new(handler));
        self
    }

    /// Adds a value to the tasks' contexts, one per type: `cx.data::<T>()`. A later value of the
    /// same type replaces an earlier one.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    ///     pub fn add_offset(cx: &Context<Self>, x: i64) -> i64 {
    ///         x + cx.data().copied().unwrap_or(0_i64)
    ///     }
    /// }
    /// let pool = Pool::builder().data(5_i64).build()?;
    /// assert_eq!(Geometry::on(&pool).add_offset(4).wait()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn data<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.config.data.insert(value);
        self
    }

    /// Builds and starts the pool.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let pool = Pool::builder().build()?;
    /// assert_eq!(Geometry::on(&pool).add(4, 5).wait()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the setting that is invalid, or says that the system provides no
    /// threads.
    pub fn build(self) -> Result<Pool, BuildError> {
        Pool::build(self.config)
    }

    /// Starts the global pool with these settings, before its first use.
    ///
    /// ```
    /// # use nanolith::{pool::Concurrency, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// Pool::builder().concurrency(Concurrency::Exact(2)).build_global()?;
    /// assert_eq!(Geometry::tasks().add(4, 5).wait()?, 9);
    /// assert!(Pool::builder().build_global().is_err(), "it was built before");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`PoolBuilder::build`], and [`BuildError`] if the global pool was started
    /// before.
    pub fn build_global(self) -> Result<(), BuildError> {
        build_global(self)
    }
}

impl fmt::Debug for PoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolBuilder")
            .field("name", &self.config.name)
            .field("concurrency", &self.config.concurrency)
            .field("max_queue", &self.config.max_queue)
            .field("on_full", &self.config.on_full)
            .finish_non_exhaustive()
    }
}
