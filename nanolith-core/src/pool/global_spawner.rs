//! Futures of the crate's own that run the user's code, on the global pool: handlers hear there, schedules make their calls.

use super::{BuildError, GlobalPool, spawn::spawn_on};
use crate::{call::backend::Backend, meta::priority::Priority};
use std::{future::Future, sync::Arc};

/// The threads that they run on.
#[derive(Clone)]
pub(crate) struct GlobalSpawner(Arc<dyn Backend>);

impl GlobalSpawner {
    /// # Errors
    ///
    /// [`BuildError`] when the global pool cannot be started.
    pub(crate) fn start() -> Result<Self, BuildError> {
        Ok(Self(GlobalPool.get()?.inner().clone()))
    }

    /// Runs `future`, which panics nowhere, to its end.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        spawn_on(self.0.clone(), Priority::Normal, future).detach();
    }
}
