//! The step by which a call is ended from outside, and [`EndReason`], why: a cancel, a time-out, a
//! queue that drops the call, or a close.
#![deny(unsafe_code)] // the end leaves the cells of the slot to other steps

use super::{CANCEL_REQUESTED, ENDED, PHASE, QUEUED, RUNNING, Slot, WAITING, phase};
use crate::{sim_runtime, time::clock, util::loom::Ordering};
use std::task::Waker;

impl<I, O, M> Slot<I, O, M> {
    /// Ends the call from outside without running user code: the caller wakes the returned waker.
    ///
    /// The input of a queued call stays in the body and belongs to the caller. The caller takes it
    /// by [`Slot::take_input`], or leaves it to the last owner.
    pub(crate) fn end_silently(&self, how: EndReason) -> (EndResult, Option<Waker>) {
        let ended = |state| {
            let mark = match phase(state) {
                QUEUED => 0,
                RUNNING => CANCEL_REQUESTED,
                _ => return None,
            };
            Some((state & !(PHASE | WAITING)) | (ENDED + how as u64) | mark)
        };
        // ORDERING: AcqRel. Release publishes the end; Acquire pairs with `register`'s Release for
        // the waker.
        let Ok(before) = self.transition(ended, Ordering::AcqRel) else { return (EndResult::Over, None) };
        let ended = if phase(before) == QUEUED { EndResult::Queued } else { EndResult::Running };
        (ended, self.waker_of(before))
    }

    /// Asks the running task to stop, without ending its call. Returns whether the call was running.
    pub(crate) fn request_stop(&self) -> bool {
        let asked = |state| (phase(state) == RUNNING).then_some(state | CANCEL_REQUESTED);
        // ORDERING: AcqRel, as in `end_silently`: the task sees what was written before the request.
        self.transition(asked, Ordering::AcqRel).is_ok()
    }

    /// Like [`Slot::end_silently`], and then wakes the waiter and drops the input.
    #[cfg(test)]
    pub(crate) fn end(&self, how: EndReason) -> EndResult {
        let (ended, waker) = self.end_silently(how);
        waker.into_iter().for_each(|waker| crate::util::unwind::ignore_panics(|| waker.wake()));
        if ended == EndResult::Queued {
            let input = self.take_input();
            crate::util::unwind::ignore_panics(|| drop(input));
        }
        ended
    }
}

/// The reason why a call ended without an outcome in the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum EndReason {
    Cancelled,
    TimedOut,
    Full,
    Dropped,
    Closed,
    Crashed,
    Lost,
    WouldDeadlock,
    Unsupported,
    /// The simulation that the call's executor belongs to is over.
    SimulationOver,
}

impl EndReason {
    pub(super) const ALL: [Self; 10] = [
        Self::Cancelled,
        Self::TimedOut,
        Self::Full,
        Self::Dropped,
        Self::Closed,
        Self::Crashed,
        Self::Lost,
        Self::WouldDeadlock,
        Self::Unsupported,
        Self::SimulationOver,
    ];

    /// Returns the name of the reason, for spans and metrics. It is that of the call's error.
    pub(crate) fn outcome(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
            Self::Full => "full",
            Self::Dropped => "dropped",
            Self::Closed | Self::SimulationOver => "closed",
            Self::Crashed => "crashed",
            Self::Lost => "lost",
            Self::WouldDeadlock => "would_deadlock",
            Self::Unsupported => "unsupported",
        }
    }

    /// Returns the end of a call whose executor drops it.
    pub(crate) fn lost() -> Self {
        if sim_runtime::is_past_grace() { Self::SimulationOver } else { Self::Lost }
    }

    /// Returns the end of a call by an alarm that fires, or whose clock has stopped.
    pub(crate) fn by_alarm() -> Self {
        if clock::is_over() { Self::SimulationOver } else { Self::TimedOut }
    }
}

/// The phase in which a call was when it was ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndResult {
    /// The call had not begun. The side that ended it drops its input and frees its queue room.
    Queued,
    /// The executor runs the call, and will notice the end.
    Running,
    /// The call was already over.
    Over,
}
