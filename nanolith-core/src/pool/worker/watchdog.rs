//! A watchdog for a pool on its fast path, where calls pass without the lock. If a worker blocks
//! there, no other thread notices that work waits although a permit is free. The watchdog then
//! closes the ring, so that work goes through the lock again.

use crate::{
    pool::pool_shared::PoolShared,
    time::timer::{self, TimerAction},
    wake::WakeList,
};
use std::{
    sync::Weak,
    time::{Duration, Instant},
};

/// The maximum time that work waits while a permit is free and no worker is looking for work.
const CHECK_INTERVAL: Duration = Duration::from_millis(1);

/// Schedules the next check of the pool.
pub(in crate::pool) fn arm_watchdog(pool: Weak<PoolShared>) {
    let look = move || {
        if let Some(pool) = pool.upgrade() {
            pool.check_stalled();
        }
    };
    timer::arm_system(Instant::now() + CHECK_INTERVAL, TimerAction::Run(Box::new(look)));
}

impl PoolShared {
    /// Checks whether work waits and the ring has not moved since the last check. Then it closes
    /// the ring.
    fn check_stalled(&self) {
        let mut core = self.lock();
        let (seen, taken) = (core.watchdog.take(), self.ring.served());
        if !core.injector.is_open() || core.is_parked() {
            // The watchdog ends here.
            return;
        }
        if core.injector.has_waiting() && seen == Some(taken) {
            core.task_cost.reset();
            core.injector.close_ring();
        } else {
            core.watchdog = Some(taken);
        }
        let stays = core.watchdog.is_some();
        self.release(core, WakeList::default());
        if stays {
            arm_watchdog(self.me.clone());
        }
    }
}
