//! What the calls that one run of a task submits have in common: their parents, for errors; the task's own limit; and a
//! [`CancelNode`], so that who cancels the task cancels them.
//!
//! It is made by the run's first such call. A plain child costs it nothing: the child looks at the stop when its turn comes, and
//! while it runs. One that leaves a future, or of which something rare is asked, hangs on the stop, and is ended at once.

use super::{backend::ErasedCall, call_ref::CallRef, cancel_tree::CancelNode};
use crate::{error::Caller, meta::priority::Priority};
use std::{sync::Arc, time::Instant};

/// Where a call comes from: the calls above it, and the priority that it has unless it is given another.
#[derive(Default)]
pub(crate) struct Origin {
    pub(crate) parents: Option<Arc<Ancestry>>,
    pub(crate) priority: Priority,
}

/// How many parents a call remembers.
const MAX_PARENTS: usize = 16;

/// The task within which a call was submitted, and what it shares with its siblings.
pub(crate) struct Ancestry {
    /// The calls within which the call was submitted, the nearest first.
    callers: Vec<Caller>,
    /// When the task's own call ends as timed out, if it does.
    deadline: Option<Instant>,
    stop: Arc<CancelNode>,
}

impl Ancestry {
    pub(crate) fn callers(&self) -> &[Caller] {
        &self.callers
    }

    #[inline]
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    #[inline]
    pub(crate) fn stop(&self) -> &Arc<CancelNode> {
        &self.stop
    }
}

/// The run's own share of it. Once it is dropped the run is over, and who ends the task's parents ends none of its children.
pub(crate) struct RunAncestry(Arc<Ancestry>);

impl RunAncestry {
    /// For the first child of the task that runs as `call`.
    #[cold]
    pub(crate) fn of(call: &CallRef<dyn ErasedCall>) -> Self {
        let meta = call.header();
        let all = std::iter::once(meta.caller()).chain(meta.parents().iter().copied());
        let callers = all.take(MAX_PARENTS).collect();
        let stop = meta.parent_node().map_or_else(Arc::default, CancelNode::child_of);
        meta.set_children_node(&stop);
        if call.recheck_cancelled() {
            stop.cancel(); // whoever ended the call may have come too early to see it
        }
        Self(Arc::new(Ancestry { callers, deadline: meta.deadline(), stop }))
    }

    /// The run of `call` is over. If that was cancelled, its children are stopped before its slot is free for them.
    #[cold]
    pub(crate) fn end(self, call: &CallRef<dyn ErasedCall>) {
        if call.is_asked_to_stop() {
            self.0.stop.cancel();
        }
    }

    #[inline]
    pub(crate) fn trace(&self) -> &Arc<Ancestry> {
        &self.0
    }
}

impl Drop for RunAncestry {
    fn drop(&mut self) {
        self.0.stop.leave();
    }
}
