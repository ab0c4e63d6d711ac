//! What the calls that one run of a task submits have in common: their parents, for errors; the task's own limit; and a
//! [`Stop`], so that who cancels the task cancels them.
//!
//! It is made by the run's first such call. A plain child costs it nothing: the child looks at the stop when its turn comes, and
//! while it runs. One that leaves a future, or of which something rare is asked, hangs on the stop, and is ended at once.

use super::{backend::Runnable, call_ref::Shared, cancel_tree::Stop};
use crate::error::Caller;
use std::{sync::Arc, time::Instant};

/// How many parents a call remembers.
const MAX_PARENTS: usize = 16;

/// The task within which a call was submitted, and what it shares with its siblings.
pub(crate) struct Trace {
    /// The calls within which the call was submitted, the nearest first.
    callers: Vec<Caller>,
    /// When the task's own call ends as timed out, if it does.
    deadline: Option<Instant>,
    stop: Arc<Stop>,
}

impl Trace {
    pub(crate) fn callers(&self) -> &[Caller] {
        &self.callers
    }

    #[inline]
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    #[inline]
    pub(crate) fn stop(&self) -> &Arc<Stop> {
        &self.stop
    }
}

/// The run's own share of it. Once it is dropped the run is over, and who ends the task's parents ends none of its children.
pub(crate) struct Lineage(Arc<Trace>);

impl Lineage {
    /// For the first child of the task that runs as `call`.
    #[cold]
    pub(crate) fn of(call: &Shared<dyn Runnable>) -> Self {
        let meta = call.meta();
        let all = std::iter::once(meta.caller()).chain(meta.parents().iter().copied());
        let callers = all.take(MAX_PARENTS).collect();
        let stop = meta.ancestor().map_or_else(Arc::default, Stop::within);
        meta.beget(&stop);
        if call.look_for_stop() {
            stop.stop(); // whoever ended the call may have come too early to see it
        }
        Self(Arc::new(Trace { callers, deadline: meta.deadline(), stop }))
    }

    /// The run of `call` is over. If that was cancelled, its children are stopped before its slot is free for them.
    #[cold]
    pub(crate) fn end(self, call: &Shared<dyn Runnable>) {
        if call.is_asked_to_stop() {
            self.0.stop.stop();
        }
    }

    #[inline]
    pub(crate) fn trace(&self) -> &Arc<Trace> {
        &self.0
    }
}

impl Drop for Lineage {
    fn drop(&mut self) {
        self.0.stop.leave();
    }
}
