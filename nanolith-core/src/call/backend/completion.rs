//! [`Completion`]: what an executor adds to its counters for a call that is over. [`RunResult`]:
//! whether a run of a call has ended the call.

use crate::{call::header::Header, meta::task_info::TaskInfo};

/// A call that is over, with what its executor counts of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Completion {
    pub(crate) task: &'static TaskInfo,
    /// The time that the call ran, in nanoseconds, where the share needs it.
    pub(crate) ran: u64,
    pub(crate) share: u32,
    /// Whether the call holds a slot of that share.
    pub(crate) has_share_slot: bool,
    pub(crate) inside: bool,
    /// Whether the call's task began.
    pub(crate) began: bool,
}

impl Completion {
    pub(crate) fn of(meta: &Header) -> Self {
        Self {
            task: meta.task(),
            ran: 0,
            share: meta.share(),
            has_share_slot: meta.share_slot().is_some(),
            inside: meta.is_nested(),
            began: true,
        }
    }

    /// Marks the completion as that of a call whose task never began.
    pub(crate) fn skipped(self) -> Self {
        Self { began: false, ..self }
    }

    /// Returns what there is to count after the call came to `ran`; `None` if it is not over.
    pub(crate) fn after(self, ran: RunResult) -> Option<Self> {
        match ran {
            RunResult::Finished => Some(self),
            RunResult::Skipped => Some(self.skipped()),
            RunResult::Pending => None,
        }
    }

    /// Returns whether the executor needs the call's running time.
    pub(crate) fn is_timed(&self) -> bool {
        self.share != 0
    }

    pub(crate) fn ran(self, nanos: u64) -> Self {
        Self { ran: self.ran.saturating_add(nanos), ..self }
    }
}

/// The result of running a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunResult {
    /// The call is over.
    Finished,
    /// The call left a future, which notifies its executor when it is over.
    Pending,
    /// The call is over, and its task never began.
    Skipped,
}
