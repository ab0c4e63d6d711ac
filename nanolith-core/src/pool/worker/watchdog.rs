//! Somebody who looks after a pool whose calls come and go without the lock: should a runner stand still there, nobody
//! else would notice that work waits though a permit is free.

use crate::pool::pool_shared::Inner;
use crate::{
    time::timer::{self, Alarm},
    wake::WakeList,
};
use std::{
    sync::Weak,
    time::{Duration, Instant},
};

/// How long work may wait beside a free permit because nobody has looked.
const ROUND: Duration = Duration::from_millis(1);

/// Looks at the pool in a while.
pub(in crate::pool) fn post(pool: Weak<Inner>) {
    let look = move || {
        if let Some(pool) = pool.upgrade() {
            pool.look_after();
        }
    };
    timer::arm_real(Instant::now() + ROUND, Alarm::Run(Box::new(look)));
}

impl Inner {
    /// The guard's round.
    fn look_after(&self) {
        let mut core = self.lock();
        let (seen, taken) = (core.guard.take(), self.inbox.taken());
        if !core.front.is_open() {
            return; // it goes home
        }
        if core.front.has_waiting() && seen == Some(taken) {
            core.pace.forget();
            core.front.shut();
        } else {
            core.guard = Some(taken);
        }
        let stays = core.guard.is_some();
        self.release(core, WakeList::default());
        if stays {
            post(self.me.clone());
        }
    }
}
