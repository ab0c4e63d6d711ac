//! [`GlobalSpawner`]: spawns this crate's own futures that run user code, such as message handlers,
//! on the global pool.

use super::{BuildError, GlobalPool, spawn::spawn_on};
use crate::{
    call::{
        backend::{Backend, OffloadedWork},
        offload,
    },
    meta::priority::Priority,
    util::unwind,
};
use std::{future::Future, sync::Arc};

/// A handle to the threads of the global pool.
#[derive(Clone)]
pub(crate) struct GlobalSpawner(Arc<dyn Backend>);

impl GlobalSpawner {
    /// # Errors
    ///
    /// [`BuildError`] if the global pool cannot be started.
    pub(crate) fn start() -> Result<Self, BuildError> {
        Ok(Self(GlobalPool.get()?.inner().clone()))
    }

    /// Runs `future` to its end. The future must not panic.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        spawn_on(self.0.clone(), Priority::Normal, future).detach();
    }

    /// Registers the global pool to run the code that the timer's thread does not run itself. Each
    /// executor calls this when it is built.
    pub(crate) fn take_offloaded_work() {
        offload::set_global(run_on_global_pool);
    }
}

/// Runs `work` on the global pool, or on this thread if the global pool cannot be started.
fn run_on_global_pool(work: OffloadedWork) {
    match GlobalSpawner::start() {
        Ok(spawner) => spawner.spawn(async move { unwind::ignore_panics(work) }),
        Err(_) => unwind::ignore_panics(work),
    }
}
