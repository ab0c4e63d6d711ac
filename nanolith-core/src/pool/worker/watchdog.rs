//! Somebody who looks after a pool whose calls come and go without the lock: should a runner stand still there, nobody
//! else would notice that work waits though a permit is free.

use crate::pool::pool_shared::PoolShared;
use crate::{
    time::timer::{self, TimerAction},
    wake::WakeList,
};
use std::{
    sync::Weak,
    time::{Duration, Instant},
};

/// How long work may wait beside a free permit because nobody has looked.
const CHECK_INTERVAL: Duration = Duration::from_millis(1);

/// Looks at the pool in a while.
pub(in crate::pool) fn arm_watchdog(pool: Weak<PoolShared>) {
    let look = move || {
        if let Some(pool) = pool.upgrade() {
            pool.check_stalled();
        }
    };
    timer::arm_system(Instant::now() + CHECK_INTERVAL, TimerAction::Run(Box::new(look)));
}

impl PoolShared {
    /// The guard's round.
    fn check_stalled(&self) {
        let mut core = self.lock();
        let (seen, taken) = (core.watchdog.take(), self.ring.head());
        if !core.injector.is_open() {
            return; // it goes home
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
