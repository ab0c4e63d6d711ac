//! The methods of [`PoolShared`] that change the concurrency of a running pool, and pause it.

use super::{
    config::{BuildError, Concurrency, Config},
    pool_shared::PoolShared,
    pool_state::RayonThreads,
    threads::rayon_threads,
};
use crate::wake::WakeList;
use std::sync::Arc;

impl PoolShared {
    /// Changes the concurrency. For more kept threads, a larger rayon pool replaces the present
    /// one, which ends after its last worker. If the pool keeps a fixed number of threads, more
    /// spare threads may start instead.
    pub(super) fn set_concurrency(self: &Arc<Self>, concurrency: Concurrency) -> Result<(), BuildError> {
        let tasks = Config::tasks(concurrency)?;
        if self.config.kept(tasks) > self.lock().rayon.total {
            let larger = rayon_threads::build(self, tasks)?;
            let mut rayon = self.rayon();
            let mut core = self.lock();
            if tasks > core.rayon.total && !core.retired {
                let generation = core.rayon.generation + 1;
                core.rayon = RayonThreads { total: tasks, occupied: 0, coming: 0, generation };
                drop(core);
                let old = rayon.replace(larger);
                drop(rayon);
                drop(old);
            }
        }
        self.spares.set_max(self.config.others(tasks));
        let mut core = self.lock();
        core.limit = tasks;
        core.injector.close_ring();
        let wakes = core.count_free_slots().and(core.injector.queue.set_bounds(self.config.queue.bounds(tasks)));
        let wakes = wakes.and(core.limits.shares.set_bounds(tasks));
        self.release(core, wakes);
        Ok(())
    }

    pub(super) fn set_paused(&self, paused: bool) {
        let mut core = self.lock();
        core.paused = paused;
        core.injector.close_ring();
        self.release(core, WakeList::default());
    }
}
