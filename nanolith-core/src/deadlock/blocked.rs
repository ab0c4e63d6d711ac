//! [`BlockedWait`]: a blocking wait in the wait-for graph, and the search for cycles that consist
//! of blocking waits alone.

use super::{
    check,
    graph::{self, Probes, wait_step},
    probe::Probe,
};
use crate::{
    call::{
        backend::{Backend, ErasedCall, ExecutorId},
        call_ref::CallRef,
        wait_graph::{BlockedWaiter, Needs, Node, WaitTarget},
    },
    context::thread_context,
    error::wait_cycle::WaitCycle,
    util::prefetch::PrefetchTarget,
};
use std::sync::Arc;

/// The probes of a search through blocking waits alone: a suspended task counts as able to go on.
struct NoProbes;

impl Probes for NoProbes {
    fn probe(&mut self, _: &Node) -> Option<Probe> {
        None
    }
}

/// The edges of a blocking wait without a limit. Dropping it removes them.
pub(crate) struct BlockedWait {
    host: Arc<dyn Backend>,
    /// The earlier wait of the executor's thread. `None` if the executor has several threads.
    before: Option<Option<BlockedWaiter>>,
    /// The call that runs on this thread, and what it waited for before.
    call: Option<(CallRef<dyn ErasedCall>, Option<WaitTarget>)>,
}

/// The maximum number of steps along a chain of waits. A cycle that this thread is not part of has
/// no end.
const LONGEST_CHAIN: usize = 64;

impl BlockedWait {
    /// Registers that the task on this thread blocks until `wait` is over. Returns `None` if no
    /// executor owns the thread.
    ///
    /// # Errors
    ///
    /// Returns the cycle, if the wait closes a cycle of blocking waits. Each thread registers its
    /// edge before it looks for other edges. So at least one of the threads that close a cycle sees
    /// it.
    pub(crate) fn begin(wait: impl FnOnce() -> WaitTarget) -> Result<Option<Self>, WaitCycle> {
        let Some(host) = thread_context::current_backend() else { return Ok(None) };
        let (call, wait) = (thread_context::running_call(), wait());
        let waiter = BlockedWaiter { call: call.clone(), wait: wait.clone() };
        let before = host.set_blocked(Some(waiter));
        let call = call.map(|call| {
            let before = call.header().set_blocked(Some(wait.clone()));
            if before.is_none() {
                host.list_blocked(&call, true);
            }
            (call, before)
        });
        let this = Self { host, before, call };
        match this.cycle(wait) {
            Some(cycle) => Err(cycle),
            None => {
                check::arm_for_blocked();
                Ok(Some(this))
            }
        }
    }

    /// Like [`begin`](Self::begin), for a wait until the queue of `target` has capacity for the
    /// call.
    pub(crate) fn begin_for_room(
        target: Option<ExecutorId>,
        is_message: bool,
        call: impl FnOnce() -> CallRef<dyn ErasedCall>,
    ) -> Result<Option<Self>, WaitCycle> {
        let here = thread_context::current_executor();
        let Some(target) = target.filter(|_| here.is_some() && here != target) else { return Ok(None) };
        let waits = target.get().is_some_and(|host| host.waits_for_room());
        if waits { Self::begin(|| WaitTarget::Room { host: target, call: call(), is_message }) } else { Ok(None) }
    }

    /// Follows the chain of blocking waits from `wait` on. Each thread of the chain waits for one
    /// thing, so the chain has no branches.
    fn cycle(&self, mut wait: WaitTarget) -> Option<WaitCycle> {
        let mut steps = vec![wait_step(self.call.as_ref().map(|(call, _)| call), Some(self.host.id()), false)];
        for _ in 0..LONGEST_CHAIN {
            let (mut call, mut holder, needs_room) = match wait {
                WaitTarget::Call(host, call) => (call, host, false),
                WaitTarget::Room { host, call, .. } => (call, Some(host), true),
            };
            if call.is_over() {
                return None; // the task that waits for `call` is about to go on
            }
            if !needs_room {
                while let Some(onward) = call.header().delegate() {
                    call = onward;
                }
                holder = call.header().executor().or(holder);
                if self.is_own(&call) {
                    return Some(WaitCycle::new(steps));
                }
            }
            steps.push(wait_step(Some(&call), holder, needs_room));
            if let Some(next) = call.header().blocked().filter(|_| !needs_room) {
                wait = next; // the call runs, and its thread blocks
                continue;
            }
            let host = holder?.get()?;
            if self.before.is_some() && host.id() == self.host.id() {
                return Some(WaitCycle::new(steps));
            }
            let Some(next) = host.blocked() else { return self.cycle_by_limits(&*host, &call, needs_room) };
            if let Some(running) = next.call {
                if self.is_own(&running) {
                    return Some(WaitCycle::new(steps));
                }
                steps.push(wait_step(Some(&running), Some(host.id()), false));
            }
            wait = next.wait;
        }
        None
    }

    /// Searches for a cycle through a limit of a pool, which the chain has reached. Several calls
    /// may wait behind such a limit.
    fn cycle_by_limits(
        &self,
        host: &dyn Backend,
        call: &CallRef<dyn ErasedCall>,
        needs_room: bool,
    ) -> Option<WaitCycle> {
        let (own, _) = self.call.as_ref()?;
        if !needs_room && !call.is_queued() || matches!(host.needs(call, needs_room), Needs::Nothing) {
            return None;
        }
        let start = Node::new(own.clone(), self.host.id());
        let cycles = graph::cycles(&[start], &mut NoProbes, false);
        let own = cycles.iter().find(|cycle| cycle.nodes.iter().any(|node| self.is_own(&node.call)));
        own.map(graph::Cycle::named)
    }

    fn is_own(&self, call: &CallRef<dyn ErasedCall>) -> bool {
        self.call.as_ref().is_some_and(|(own, _)| own.target_ptr() == call.target_ptr())
    }
}

impl Drop for BlockedWait {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            drop(self.host.set_blocked(before));
        }
        if let Some((call, before)) = self.call.take() {
            if before.is_none() {
                self.host.list_blocked(&call, false);
            }
            drop(call.header().set_blocked(before));
        }
    }
}
