//! Builds the [`CallError`] of a call from its header. The error has the [`CallTrace`] (call site,
//! times and parents), and the crash or the cycle of waits that ended the call.

use super::Header;
use crate::{
    call::slot::EndReason,
    error::{CallError, CallTrace, Cause, wait_cycle::WaitCycle},
    time::clock,
};
use std::sync::atomic::Ordering;

impl Header {
    /// Returns the call site, times and parents of the call. Its time runs until it is ended from
    /// outside.
    pub(crate) fn at(&self) -> CallTrace {
        let now = self.end_or_now();
        let started = self.started_at.load(Ordering::Relaxed);
        let submitted = if self.submitted_at() == 0 { now } else { self.submitted_at() };
        let until = if started == 0 { now } else { started };
        CallTrace::new(
            self.caller(),
            clock::elapsed(submitted, until),
            clock::elapsed(until, now),
            self.parents().to_vec(),
        )
    }

    /// Returns the error of a call that was ended from outside.
    pub(crate) fn error(&self, end: EndReason) -> CallError {
        let at = self.at();
        match end {
            EndReason::Cancelled => CallError::Cancelled(at),
            EndReason::TimedOut => CallError::TimedOut(at),
            EndReason::Full => CallError::Full(at),
            EndReason::Dropped => CallError::Dropped(at),
            EndReason::Closed => CallError::Closed(at),
            EndReason::Crashed => CallError::Crashed(match self.known_seldom().and_then(|cold| cold.crash.get()) {
                Some(crash) => at.with_cause(crash.clone()),
                None => at,
            }),
            EndReason::Lost => CallError::Lost(at),
            EndReason::WouldDeadlock => {
                CallError::WouldDeadlock(match self.known_seldom().and_then(|cold| cold.cycle.get()) {
                    Some(cycle) => at.with_cycle(cycle.clone()),
                    None => at,
                })
            }
            EndReason::Unsupported => CallError::Unsupported(at),
            EndReason::SimulationOver => CallError::Closed(at.of_ended_simulation()),
        }
    }

    /// Stores the cycle because of which the call will end as [`EndReason::WouldDeadlock`].
    pub(crate) fn keep_cycle(&self, cycle: WaitCycle) {
        let _ = self.seldom().cycle.set(cycle); // the first cycle that is found is the reason
    }

    /// Stores the crash because of which the call will end as [`EndReason::Crashed`].
    pub(crate) fn keep_crash(&self, crash: &Cause) {
        let _ = self.seldom().crash.set(crash.clone());
    }
}
