//! [`Publisher`]: the settings of a publication of metrics.

use super::publishing::Publishing;
use crate::{metrics::MetricsSource, pool::Pool, service::Service, task::TaskSet, time::SECOND};
use std::{error::Error, fmt, io, sync::Arc, time::Duration};

/// The settings of a publication of metrics: which executors, and how often.
///
/// The publisher does not keep a pool or a service open.
///
/// ```
/// use nanolith::{metrics_export::{PublishError, Publisher}, prelude::*};
/// let pool = Pool::builder().name("pictures").build()?;
/// let error = Publisher::new().pool(&pool).start().unwrap_err(); // it does not measure
/// assert_eq!(error.to_string(), "`pictures` has no metrics: build it with `.metrics(true)`");
/// # Ok::<(), nanolith::pool::BuildError>(())
/// ```
#[must_use = "it publishes nothing before `start`"]
pub struct Publisher {
    sources: Vec<MetricsSource>,
    every: Duration,
}

impl Default for Publisher {
    fn default() -> Self {
        Self { sources: Vec::new(), every: SECOND }
    }
}

impl Publisher {
    /// Creates a publisher without executors.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a pool.
    pub fn pool(mut self, pool: &Pool) -> Self {
        self.sources.push(pool.metrics_source());
        self
    }

    /// Adds a service.
    pub fn service<S: TaskSet>(mut self, service: &Service<S>) -> Self {
        self.sources.push(service.metrics_source());
        self
    }

    /// Sets the time between two publications. The default is one second.
    pub fn every(mut self, interval: Duration) -> Self {
        self.every = interval;
        self
    }

    /// Starts a thread that publishes until the returned guard is dropped. The time is that of the
    /// system, also under a mock clock.
    ///
    /// # Errors
    ///
    /// [`PublishError`] if an executor does not measure, if the interval is zero, or if the system
    /// cannot start a thread.
    pub fn start(self) -> Result<Publishing, PublishError> {
        if let Some(source) = self.sources.iter().find(|source| !source.is_measured()) {
            return Err(PublishError::NotMeasured(source.name().clone()));
        }
        if self.every.is_zero() {
            return Err(PublishError::ZeroInterval);
        }
        Publishing::start(self.sources, self.every).map_err(PublishError::Thread)
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.sources.iter().map(MetricsSource::name).collect();
        f.debug_struct("Publisher").field("executors", &names).field("every", &self.every).finish()
    }
}

/// The error of [`Publisher::start`].
#[derive(Debug)]
#[non_exhaustive]
pub enum PublishError {
    /// The executor of this name was built without `.metrics(true)`.
    NotMeasured(Arc<str>),
    /// The time between two publications is zero.
    ZeroInterval,
    /// The system cannot start a thread.
    Thread(io::Error),
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMeasured(name) => write!(f, "`{name}` has no metrics: build it with `.metrics(true)`"),
            Self::ZeroInterval => f.write_str("the time between two publications is zero: `.every(..)` takes more"),
            Self::Thread(error) => write!(f, "cannot start the thread that publishes metrics: {error}"),
        }
    }
}

impl Error for PublishError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Thread(error) => Some(error),
            Self::NotMeasured(_) | Self::ZeroInterval => None,
        }
    }
}
