//! [`LocalBuilder`]: the settings of a `Local`, an executor whose owner runs its work, and their
//! validation.

use super::{Local, local_shared::LocalShared};
use crate::pool::GlobalSpawner;
use crate::{
    call::policy::{PolicyConfig, QueueOrder},
    channel::messenger::Messenger,
    executor::admission::OnFull,
    meta::priority::Priority,
    pool::{BuildError, MaxQueue},
    sched::queue::Limits,
    time::timer,
    wake::extensions::Extensions,
};
use std::{fmt, sync::Arc, time::Duration};

/// The settings of a `Local`.
#[derive(Clone)]
pub(super) struct Config {
    pub(super) name: Arc<str>,
    max_queue: MaxQueue,
    max_in_flight: usize,
    pub(super) on_full: OnFull,
    pub(super) schedule: PolicyConfig,
    pub(super) data: Extensions,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "local".into(),
            max_queue: MaxQueue::default(),
            max_in_flight: usize::MAX,
            on_full: OnFull::default(),
            schedule: PolicyConfig::default(),
            data: Extensions::default(),
        }
    }
}

impl Config {
    pub(super) fn bounds(&self) -> Limits {
        Limits { queued: self.max_queue.calls(1), in_flight: self.max_in_flight }
    }

    fn validate(&self) -> Result<(), BuildError> {
        if self.max_queue == MaxQueue::Bounded(0) {
            return Err(BuildError::bad("max_queue", "must be at least 1, or no call would ever be taken"));
        }
        if self.max_in_flight == 0 {
            return Err(BuildError::bad("max_in_flight", "must be at least 1, or no call would ever be taken"));
        }
        if self.on_full == OnFull::CallerRuns {
            return Err(BuildError::bad(
                "on_full",
                "cannot be `CallerRuns`: a local's tasks run on the thread that drives it",
            ));
        }
        Ok(())
    }
}

/// The settings of a [`Local`], from [`Local::builder`].
///
/// ```
/// use nanolith::{Local, executor::OnFull, prelude::*};
/// let settings = Local::builder().on_full(OnFull::Reject);
/// let (left, right) = (settings.clone().name("left").build()?, settings.name("right").build()?);
/// assert_eq!((left.name(), right.name()), ("left", "right"));
/// # Ok::<(), nanolith::pool::BuildError>(())
/// ```
#[derive(Clone)]
#[must_use = "settings do nothing until `build`"]
pub struct LocalBuilder {
    config: Config,
}

impl LocalBuilder {
    pub(super) fn new() -> Self {
        Self { config: Config::default() }
    }

    /// Sets the name, which [`current`](crate::context::current) reports. The default is `local`.
    ///
    /// ```
    /// # use nanolith::{Local, prelude::*};
    /// assert_eq!(Local::builder().name("frames").build()?.name(), "frames");
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.config.name = name.into();
        self
    }

    /// Sets how many calls from outside may be queued: at least 1. The default is 65,536.
    /// `MaxQueue::Auto` means one call.
    ///
    /// ```
    /// # use nanolith::{Local, executor::MaxQueue, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let local = Local::builder().max_queue(MaxQueue::Bounded(1)).build()?;
    /// let geometry = Geometry::on(&local);
    /// geometry.add(1, 2).submit().detach();
    /// assert!(geometry.add(4, 5).try_submit().is_err_and(|refused| refused.is_full()));
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    pub fn max_queue(mut self, max_queue: MaxQueue) -> Self {
        self.config.max_queue = max_queue;
        self
    }

    /// Sets how many calls from outside may be queued, running and suspended together: at least 1.
    /// The default is no such bound.
    ///
    /// ```
    /// # use nanolith::{Local, prelude::*, time::MINUTE};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub async fn wait(x: i64) -> i64 { nanolith::time::sleep(MINUTE).await; x } }
    /// let local = Local::builder().max_in_flight(1).build()?;
    /// let geometry = Geometry::on(&local);
    /// let job = geometry.wait(4).submit();
    /// local.run_until_idle(); // it is suspended now, and counts
    /// assert!(geometry.wait(5).try_submit().is_err());
    /// # drop(job);
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    pub fn max_in_flight(mut self, calls: usize) -> Self {
        self.config.max_in_flight = calls;
        self
    }

    /// Sets what happens to a call that arrives when the queue is full. The default is to wait; the
    /// owner waits by driving. `CallerRuns` is for pools only.
    ///
    /// ```
    /// # use nanolith::{Local, executor::{MaxQueue, OnFull}, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let local = Local::builder().max_queue(MaxQueue::Bounded(1)).on_full(OnFull::Reject).build()?;
    /// let geometry = Geometry::on(&local);
    /// geometry.add(1, 2).submit().detach();
    /// assert!(matches!(geometry.add(4, 5).wait(), Err(CallError::Full(_))));
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    pub fn on_full(mut self, on_full: OnFull) -> Self {
        self.config.on_full = on_full;
        self
    }

    /// Sets how long work of this priority may be overtaken by other work, instead of
    /// [`Priority::max_wait`]. The earliest expiration runs first. For [`Priority::Immediate`], zero
    /// counts as expired one millisecond before the call arrives.
    ///
    /// ```
    /// # use nanolith::{Local, prelude::*, time::SECOND};
    /// let local = Local::builder().max_wait(Priority::Low, 2 * SECOND).build()?;
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    pub fn max_wait(mut self, priority: Priority, timeout: Duration) -> Self {
        self.config.schedule.expirations.set(priority, timeout);
        self
    }

    /// Sets a custom order, which takes precedence over the order of priorities: see [`QueueOrder`].
    ///
    /// ```
    /// # use nanolith::{Local, prelude::*};
    /// use nanolith::executor::QueuedCall;
    /// let by_name = |call: &QueuedCall<'_>| call.task().name().len().try_into().ok(); // short names first
    /// let local = Local::builder().order(by_name).build()?;
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    pub fn order(mut self, order: impl QueueOrder + 'static) -> Self {
        self.config.schedule.order = Some(Arc::new(order));
        self
    }

    /// Sets how long [`Local::run_slice`] runs, and how long a task may run before it should yield
    /// ([`Context::should_yield`](crate::task::Context::should_yield)). The default is 5 ms.
    ///
    /// ```
    /// # use nanolith::{Local, prelude::*, time::MILLISECOND};
    /// let local = Local::builder().slice(2 * MILLISECOND).build()?;
    /// assert_eq!(local.run_slice().ran(), 0);
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    pub fn slice(mut self, slice: Duration) -> Self {
        self.config.schedule.slice = slice;
        self
    }

    /// Adds a value for the tasks' contexts, at most one for each type: `cx.data::<T>()`. A later
    /// value of the same type replaces the earlier value.
    ///
    /// ```
    /// # use nanolith::{Local, prelude::*};
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    ///     pub fn add_offset(cx: &Context<Self>, x: i64) -> i64 {
    ///         x + cx.data().copied().unwrap_or(0_i64)
    ///     }
    /// }
    /// let local = Local::builder().data(5_i64).build()?;
    /// assert_eq!(Geometry::on(&local).add_offset(4).wait()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn data<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.config.data.insert(value);
        self
    }

    /// Attaches a messenger. The tasks find it with
    /// [`Context::messenger`](crate::task::Context::messenger).
    ///
    /// ```
    /// use nanolith::{Local, messenger::Messenger, prelude::*};
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    ///     pub fn add_and_tell(cx: &Context<Self>, x: i64, y: i64) {
    ///         if let Ok(sums) = cx.messenger("sums") {
    ///             let _ = sums.try_send(x + y);
    ///         }
    ///     }
    /// }
    /// let sums = Messenger::<i64>::open("sums")?;
    /// let mut heard = sums.subscribe();
    /// let local = Local::builder().messenger(&sums).build()?;
    /// Geometry::on(&local).add_and_tell(4, 5).wait()?;
    /// assert_eq!(heard.recv().wait()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn messenger<T: Clone + Send + Sync + 'static>(mut self, messenger: &Messenger<T>) -> Self {
        self.config.data.attach(messenger.attachment());
        self
    }

    /// Builds the `Local`. The calling thread is its owner.
    ///
    /// ```
    /// # use nanolith::{Local, executor::MaxQueue, prelude::*};
    /// let error = Local::builder().max_queue(MaxQueue::Bounded(0)).build().unwrap_err();
    /// assert_eq!(error.setting(), Some("max_queue"));
    /// ```
    ///
    /// # Errors
    ///
    /// [`BuildError`] names an invalid setting, or reports that the timer thread could not be
    /// spawned.
    pub fn build(self) -> Result<Local, BuildError> {
        self.config.validate()?;
        timer::start().map_err(BuildError::threads)?;
        GlobalSpawner::take_offloaded_work();
        Ok(Local::of(LocalShared::new(self.config)))
    }
}

impl fmt::Debug for LocalBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalBuilder")
            .field("name", &self.config.name)
            .field("max_queue", &self.config.max_queue)
            .field("on_full", &self.config.on_full)
            .field("slice", &self.config.schedule.slice)
            .finish_non_exhaustive()
    }
}
