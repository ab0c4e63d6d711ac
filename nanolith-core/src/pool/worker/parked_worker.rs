//! The last worker of a pool sleeps here, and not in rayon. A thread that rayon wakes looks for
//! other sleepers first and for work last. This worker is unparked directly, by the thread that has
//! work for it.
//!
//! If the last tasks were small, the ring is open meanwhile. So a caller that submits many calls
//! before the worker is awake takes the lock for none of them.

use crate::{
    pool::{pool_shared::PoolShared, pool_state::PoolState},
    time::clock,
};
use std::{
    sync::MutexGuard,
    thread::{self, Thread},
};

/// The number of calls in the ring from which a worker that was woken takes calls there. Fewer
/// calls gain nothing from the ring, and need no watchdog.
const BURST: usize = 8;

/// What a worker does after it has slept, or if it may not sleep.
pub(super) enum AfterRest {
    /// It did not sleep.
    Stayed,
    /// It looks for work.
    Look,
    /// It takes calls from the ring.
    Serve,
}

/// The worker that sleeps. It holds its permit.
pub(in crate::pool) struct ParkedWorker {
    thread: Thread,
    /// The generation of its rayon pool.
    generation: u64,
    /// Whether the ring is open for it.
    has_ring: bool,
    /// Whether it was unparked and has not taken the lock yet.
    is_called: bool,
}

impl PoolState {
    /// Returns whether the only worker of this generation may sleep: nothing waits, no other thread
    /// of the pool runs a task that may need this thread, and nothing is to run on each thread.
    fn may_park(&self, generation: Option<u64>) -> bool {
        let has_ring = self.parked.as_ref().is_some_and(|parked| parked.has_ring);
        generation == Some(self.rayon.generation)
            && !(self.paused || self.closed || self.has_work())
            && self.broadcasts.is_empty()
            && (self.running, self.pending_starts, self.spinning) == (1, 0, 0)
            && (self.active, self.blocking, self.sent_apart) == (0, 0, 0)
            && self.running <= self.permits()
            && has_ring == self.injector.is_open()
    }

    /// Returns the thread of the worker that sleeps, if it is to be unparked now.
    pub(in crate::pool) fn call_parked(&mut self) -> Option<Thread> {
        let generation = self.parked.as_ref()?.generation;
        if self.may_park(Some(generation)) { None } else { self.call() }
    }

    fn call(&mut self) -> Option<Thread> {
        let parked = self.parked.as_mut()?;
        (!std::mem::replace(&mut parked.is_called, true)).then(|| parked.thread.clone())
    }

    /// Returns whether a worker sleeps. No task runs then.
    pub(in crate::pool) fn is_parked(&self) -> bool {
        self.parked.is_some()
    }
}

impl PoolShared {
    /// Unparks the worker that sleeps with the ring open. A call has come into the ring.
    #[cold]
    pub(in crate::pool) fn call_worker(&self) {
        let parked = self.lock().call();
        parked.iter().for_each(Thread::unpark);
    }

    /// Sleeps, if this worker is the last one and may sleep.
    pub(super) fn park_worker<'a>(
        &'a self,
        mut core: MutexGuard<'a, PoolState>,
        generation: Option<u64>,
    ) -> (MutexGuard<'a, PoolState>, AfterRest) {
        let Some(number) = generation.filter(|_| self.world.is_none() && core.may_park(generation)) else {
            return (core, AfterRest::Stayed);
        };
        let has_ring = self.open_for_rest(&mut core);
        core.parked = Some(ParkedWorker { thread: thread::current(), generation: number, has_ring, is_called: false });
        let mut core = self.sleep(core);
        core.parked = None;
        let mut serves = false;
        if has_ring {
            self.ring.end_rest();
            clock::publish_coarse(clock::now());
            self.ring.set_untimed(false);
            serves = self.ring.len() >= BURST && core.can_use_fast_path();
            if !serves {
                core.injector.close_ring();
                core.task_cost.rest();
            }
        }
        (core, if serves { AfterRest::Serve } else { AfterRest::Look })
    }

    /// Opens the ring for the time of a rest, if the last tasks were small. Returns whether it did.
    fn open_for_rest(&self, core: &mut PoolState) -> bool {
        if !core.can_use_fast_path() {
            // Calls that come rarely gain nothing from the ring, and need no watchdog.
            core.task_cost.rest();
            return false;
        }
        self.ring.set_untimed(true);
        core.injector.open_ring();
        // Without a credit the ring is closed. A push after it opens later would wake no thread.
        let rests = self.ring.begin_rest() || self.ring.len() > 0;
        if !rests {
            core.injector.close_ring();
            self.ring.set_untimed(false);
        }
        rests
    }

    /// Sleeps until the worker is called.
    fn sleep<'a>(&'a self, mut core: MutexGuard<'a, PoolState>) -> MutexGuard<'a, PoolState> {
        while core.parked.as_ref().is_some_and(|parked| !parked.is_called) && self.ring.len() == 0 {
            drop(core);
            thread::park();
            core = self.lock();
        }
        core
    }
}
