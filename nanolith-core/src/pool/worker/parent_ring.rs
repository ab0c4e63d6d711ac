//! A ring that a task opens for its own calls. A worker takes the task from the lanes, for example
//! after a rest, and the task submits many calls to its pool. If the pool's last tasks were small, the
//! ring is open from then on until the task is over.

use super::watchdog;
use crate::{
    context::thread_context::{self, ContextId},
    pool::{pool_shared::PoolShared, pool_state::PoolState},
    time::coarse::CoarseTicker,
    wake::WakeList,
};
use std::sync::MutexGuard;

/// The calls of one task through the lanes after which the ring opens. Fewer calls gain nothing.
const BURST: u32 = 16;

/// The ring of a task that a worker took from the lanes.
pub(in crate::pool) struct ParentRing {
    worker: ContextId,
    _ticker: CoarseTicker,
}

impl PoolState {
    /// Counts a call that a task submits to its pool through the lanes. Returns whether to open the ring
    /// for this task.
    fn count_child(&mut self) -> bool {
        self.children_in_row = self.children_in_row.saturating_add(1);
        self.children_in_row >= BURST && self.may_open_for_children()
    }

    fn may_open_for_children(&self) -> bool {
        !self.has_ring_consumer()
            && !self.injector.is_open()
            && self.is_undisturbed()
            && self.task_cost.was_small()
            && self.injector.can_use_ring()
    }

    /// Returns whether a worker takes calls from the ring, or runs a task that has opened it.
    pub(in crate::pool) fn has_ring_consumer(&self) -> bool {
        self.injector.queue.ring_consumers() > 0 || self.parent_ring.is_some()
    }

    /// Closes the ring that the task which this worker has run may have opened.
    pub(super) fn end_parent_ring(&mut self) {
        self.children_in_row = 0;
        if self.parent_ring.as_ref().is_some_and(|ring| ring.worker == thread_context::context_id()) {
            self.parent_ring = None;
            if self.injector.queue.ring_consumers() == 0 {
                self.injector.close_ring();
            }
        }
    }
}

impl PoolShared {
    /// Releases the lock after a submission through the lanes. One from `inside` may open the ring.
    pub(in crate::pool) fn release_after_submit(
        &self,
        mut core: MutexGuard<'_, PoolState>,
        wakes: WakeList,
        inside: bool,
    ) {
        let opens = inside && core.count_child();
        self.release(core, wakes);
        if opens {
            self.open_for_children();
        }
    }

    /// Opens the ring for the task on this thread, a worker of the pool.
    #[cold]
    fn open_for_children(&self) {
        if self.world.is_some() || !thread_context::runs_calls_of(Some(self.id())) {
            return;
        }
        let ring = ParentRing { worker: thread_context::context_id(), _ticker: CoarseTicker::begin() };
        let mut core = self.lock();
        if !core.may_open_for_children() {
            return;
        }
        core.parent_ring = Some(ring);
        core.injector.open_ring();
        let posted = core.post_watchdog(self.ring.served());
        self.release(core, WakeList::default());
        if posted {
            watchdog::arm_watchdog(self.me.clone());
        }
    }
}
