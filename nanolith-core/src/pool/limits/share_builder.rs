//! The builder of a share.

use super::share::Share;
use crate::pool::{
    BuildError, Pool,
    queue_config::{QueueConfig, at_least_one, queue_settings},
};
use std::{fmt, sync::Arc};

/// A builder for a [`Share`], made by [`Pool::share`].
///
/// A setting that is not set stays as it is if the pool has a share of this name, and else has its
/// default.
///
/// ```
/// # use nanolith::prelude::*;
/// # let pool = Pool::builder().build()?;
/// let tenant = pool.share("tenant").weight(3).max_queue(100).build()?;
/// assert_eq!(pool.share("tenant").max_concurrency(2).build()?.weight(), 3); // the same share
/// # Ok::<(), nanolith::pool::BuildError>(())
/// ```
#[derive(Clone)]
#[must_use = "settings do nothing until `build`"]
pub struct ShareBuilder {
    pool: Pool,
    name: Arc<str>,
    pub(super) weight: Option<u32>,
    pub(super) max_concurrency: Option<usize>,
    pub(super) queue: QueueConfig,
}

impl ShareBuilder {
    pub(in crate::pool) fn new(pool: &Pool, name: Arc<str>) -> Self {
        Self { pool: pool.clone(), name, weight: None, max_concurrency: None, queue: QueueConfig::default() }
    }

    /// Sets the share's weight: at least 1. The default is 1.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # let pool = Pool::builder().build()?;
    /// assert_eq!(pool.share("tenant").weight(3).build()?.weight(), 3);
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    pub fn weight(mut self, weight: u32) -> Self {
        self.weight = Some(weight);
        self
    }

    queue_settings!(bounds: queue);

    /// Sets how many of the share's calls run at once at most, even if the pool is idle: at least
    /// 1. By default there is no such limit. The limit holds for calls that start from now on.
    ///
    /// The limit counts like the pool's [concurrency](Pool::max_concurrency). A task that waits, or
    /// whose future is pending, leaves its slot to other calls. A woken future waits until a slot
    /// is free, and goes before calls that have not started. A synchronous task continues after a
    /// wait without waiting for a slot. So the share may exceed its limit until another of its
    /// calls ends or waits.
    ///
    /// While the share is at its limit, the other shares have the pool to themselves, and the share
    /// does not save up time. A [raised](crate::typed::Handle::raise) call is the next to start.
    /// With [`OnFull::CallerRuns`](crate::executor::OnFull::CallerRuns), a caller waits for a slot
    /// too.
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
    /// let reports = Report::calls(pool.share("reports").max_concurrency(2).build()?);
    /// let jobs: Vec<_> = (0..100).map(|_| reports.write().submit()).collect();
    /// for job in jobs {
    ///     job.wait()?;
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_concurrency(mut self, calls: usize) -> Self {
        self.max_concurrency = Some(calls);
        self
    }

    /// Builds the share, or applies the settings to the share of this name, for all its handles. A
    /// new bound evicts no call.
    ///
    /// ```
    /// # use nanolith::{TaskSet, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// let tenant = pool.share("tenant").build()?;
    /// assert_eq!(Geometry::calls(tenant).add(4, 5).wait()?, 9);
    /// assert_eq!(pool.share("tenant").weight(0).build().unwrap_err().setting(), Some("weight"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the setting that is invalid. The share is unchanged then.
    pub fn build(self) -> Result<Share, BuildError> {
        self.queue.validate()?;
        self.weight.map_or(Ok(()), check_weight)?;
        self.max_concurrency.map_or(Ok(()), |calls| at_least_one("max_concurrency", calls))?;
        Ok(Share::open(&self.pool, self.name.clone(), &self))
    }
}

/// Returns an error if no share can have this weight.
pub(super) fn check_weight(weight: u32) -> Result<(), BuildError> {
    at_least_one("weight", weight as usize)
}

impl fmt::Debug for ShareBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShareBuilder")
            .field("name", &self.name)
            .field("weight", &self.weight)
            .field("max_queue", &self.queue.max_queue)
            .field("on_full", &self.queue.on_full)
            .finish_non_exhaustive()
    }
}
