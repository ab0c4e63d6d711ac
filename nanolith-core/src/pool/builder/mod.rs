//! [`PoolBuilder`]: sets the options of a pool and starts it.

mod threads;

use super::{BuildError, Concurrency, Pool, config::Config, global::build_global, queue_config::queue_settings};
use crate::error::CallError;
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

    queue_settings!(bounds: config.queue);
    queue_settings!(order: config.queue);

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
        self.config.queue.policy.slice = slice;
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
            .field("max_queue", &self.config.queue.max_queue())
            .field("on_full", &self.config.queue.on_full())
            .finish_non_exhaustive()
    }
}
