//! [`JobQueueBuilder`]: the settings of a `JobQueue`, and their validation.

use super::{JobQueue, queue_shared::QueueShared};
use crate::{
    pool::{
        BuildError, GlobalSpawner,
        queue_config::{QueueConfig, queue_settings},
    },
    service::ServiceParts,
    task::TaskSet,
    time::timer,
};
use std::{fmt, sync::Arc};

#[derive(Clone)]
pub(super) struct Config {
    pub(super) name: Arc<str>,
    pub(super) queue: QueueConfig,
}

/// The settings of a [`JobQueue`]. Made by [`JobQueue::builder`].
#[derive(Clone)]
#[must_use = "settings do nothing until `build`"]
pub struct JobQueueBuilder {
    config: Config,
}

impl JobQueueBuilder {
    pub(super) fn new() -> Self {
        Self { config: Config { name: "queue".into(), queue: QueueConfig::default() } }
    }

    /// Returns a builder with the settings of a service whose state lives elsewhere.
    #[doc(hidden)]
    pub fn of_service<S: TaskSet, E, A>(parts: &ServiceParts<S, E, A>) -> Self {
        Self { config: Config { name: parts.name.clone(), queue: parts.queue.clone() } }
    }

    /// Sets the name, which texts about waits print. The default is `queue`.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.config.name = name.into();
        self
    }

    queue_settings!(bounds: config.queue);
    queue_settings!(order: config.queue);

    /// Creates the queue.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if a setting is invalid. `OnFull::CallerRuns` is: the queue runs nothing.
    pub fn build<T: Send + 'static>(self) -> Result<JobQueue<T>, BuildError> {
        self.config.queue.validate_one_thread()?;
        timer::start().map_err(BuildError::threads)?;
        GlobalSpawner::take_offloaded_work();
        Ok(JobQueue::of(QueueShared::new(self.config)))
    }
}

impl fmt::Debug for JobQueueBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobQueueBuilder")
            .field("name", &self.config.name)
            .field("max_queue", &self.config.queue.max_queue())
            .field("on_full", &self.config.queue.on_full())
            .finish_non_exhaustive()
    }
}
