//! [`LocalBuilder`]: the settings of a `Local`, an executor whose owner runs its work, and their
//! validation.

use super::{Local, local_shared::LocalShared};
use crate::{
    channel::messenger::Messenger,
    pool::{
        BuildError, GlobalSpawner,
        queue_config::{QueueConfig, queue_settings},
    },
    time::timer,
    wake::extensions::Extensions,
};
use std::{fmt, sync::Arc, time::Duration};

/// The settings of a `Local`.
#[derive(Clone)]
pub(super) struct Config {
    pub(super) name: Arc<str>,
    pub(super) queue: QueueConfig,
    pub(super) data: Extensions,
}

impl Default for Config {
    fn default() -> Self {
        Self { name: "local".into(), queue: QueueConfig::default(), data: Extensions::default() }
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

    queue_settings!(bounds: config.queue);
    queue_settings!(order: config.queue);

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
        self.config.queue.policy.slice = slice;
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
    /// # use nanolith::{Local, prelude::*};
    /// let error = Local::builder().max_queue(0).build().unwrap_err();
    /// assert_eq!(error.setting(), Some("max_queue"));
    /// ```
    ///
    /// # Errors
    ///
    /// [`BuildError`] names an invalid setting, or reports that the timer thread could not be
    /// spawned.
    pub fn build(self) -> Result<Local, BuildError> {
        self.config.queue.validate_one_thread()?;
        timer::start().map_err(BuildError::threads)?;
        GlobalSpawner::take_offloaded_work();
        Ok(Local::of(LocalShared::new(self.config)))
    }
}

impl fmt::Debug for LocalBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalBuilder")
            .field("name", &self.config.name)
            .field("max_queue", &self.config.queue.max_queue())
            .field("on_full", &self.config.queue.on_full())
            .field("slice", &self.config.queue.policy.slice)
            .finish_non_exhaustive()
    }
}
