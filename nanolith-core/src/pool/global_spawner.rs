//! Futures of the crate's own that run the user's code, on the global pool: handlers hear there, schedules make their calls.

use super::{BuildError, GlobalPool, spawn::spawn_on};
use crate::{
    call::{
        backend::{Backend, Work},
        offload,
    },
    meta::priority::Priority,
    util::unwind,
};
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

    /// Has the global pool run the code that the timer's thread leaves to others. Each executor that is built says so.
    pub(crate) fn take_offloaded_work() {
        offload::set_global(run_on_global_pool);
    }
}

/// Runs `work` on the global pool; here and now if that cannot be started.
fn run_on_global_pool(work: Work) {
    match GlobalSpawner::start() {
        Ok(spawner) => spawner.spawn(async move { unwind::ignore_panics(work) }),
        Err(_) => unwind::ignore_panics(work),
    }
}
