//! [`Ancestry`]: what the calls that one run of a task submits, its child calls, have in common.
//!
//! The calls share their parents (for error messages), the deadline of the task, and a
//! [`CancelNode`], so that cancelling the task cancels them.
//!
//! The run's first child call creates the [`Ancestry`]. A fast-path child adds no cost: the child
//! checks the node when its turn comes, and while it runs. A child that leaves a future, or that
//! has an [`Extra`](super::header) box, is linked to the node, and the node ends it at once.

use super::{backend::ErasedCall, call_ref::CallRef, cancel_tree::CancelNode};
use crate::{error::ParentCall, meta::priority::Priority};
use std::{sync::Arc, time::Instant};

/// The calls above a new call, and the priority that the new call has unless its caller sets
/// another.
#[derive(Default)]
pub(crate) struct Origin {
    pub(crate) parents: Option<Arc<Ancestry>>,
    pub(crate) priority: Priority,
}

/// The maximum number of parents that a call remembers.
const MAX_PARENTS: usize = 16;

/// The task that submitted a call, and what that call shares with its siblings.
pub(crate) struct Ancestry {
    /// The calls within which the call was submitted, the nearest first.
    callers: Vec<ParentCall>,
    /// The moment at which the task's own call times out, if it has a deadline.
    deadline: Option<Instant>,
    stop: Arc<CancelNode>,
}

impl Ancestry {
    pub(crate) fn callers(&self) -> &[ParentCall] {
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

/// The run's own reference to its [`Ancestry`]. Dropping it ends the run: its [`CancelNode`] leaves
/// the tree, and cancelling the task's parents no longer ends its children.
pub(crate) struct RunAncestry(Arc<Ancestry>);

impl RunAncestry {
    /// Creates the ancestry for the first child of the task that runs as `call`.
    #[cold]
    pub(crate) fn of(call: &CallRef<dyn ErasedCall>) -> Self {
        let meta = call.header();
        let all = std::iter::once(meta.caller()).chain(meta.parents().iter().copied());
        let callers = all.take(MAX_PARENTS).collect();
        let stop = meta.parent_node().map_or_else(Arc::default, CancelNode::child_of);
        meta.set_children_node(&stop);
        if call.recheck_cancelled() {
            stop.cancel(); // the call may have ended before it had the node
        }
        Self(Arc::new(Ancestry { callers, deadline: meta.deadline(), stop }))
    }

    /// Ends the run of `call`. If the call was cancelled, this stops its children before its slot
    /// is free for them.
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
