//! [`ResidentSlot`]: the slot in which a service's thread runs one-way calls, one after another.

use super::{CallSlot, OneWayCall, TaskSet};
use crate::{
    call::{
        ancestry::Origin,
        backend::ErasedCall,
        call_ref::{CallRef, Uninit},
        header::Header,
        slot::Slot,
    },
    meta::priority::Priority,
};

/// The owners of a run: that of the running task, and that of its reply.
pub(super) type RunOwners<S> = (CallRef<dyn ErasedCall>, CallRef<CallSlot<S>>);

/// The slot in which a service's thread runs one-way calls, one after another. If another owner
/// keeps the slot after a call, for example a context, the next call gets a new slot.
pub(crate) struct ResidentSlot<S: TaskSet> {
    slot: Option<CallRef<CallSlot<S>>>,
}

impl<S: TaskSet> ResidentSlot<S> {
    pub(crate) fn new() -> Self {
        Self { slot: None }
    }

    /// Begins a run with this call. Returns the two owners of the run.
    #[inline(always)]
    pub(super) fn begin(&mut self, call: &OneWayCall<S>, now: u64) -> [CallRef<CallSlot<S>>; 2] {
        let pair = match self.slot.as_mut().and_then(Slot::begin_resident) {
            Some(pair) => pair,
            None => self.begin_anew(call),
        };
        self.go_on(call, now);
        pair
    }

    #[cold]
    fn begin_anew(&mut self, call: &OneWayCall<S>) -> [CallRef<CallSlot<S>>; 2] {
        let origin = Origin { parents: None, priority: Priority::Normal };
        let slot = Uninit::new().init(Slot::begun(Header::new(call.caller(), None, None, origin)));
        Slot::begin_resident(self.slot.insert(slot)).expect("a new slot has one owner")
    }

    /// Begins the next call in the same run, whose slot [is unused](Self::is_unused).
    #[inline(always)]
    pub(super) fn go_on(&self, call: &OneWayCall<S>, now: u64) {
        self.slot().header.renew(call.caller(), call.submitted_at(), now);
    }

    /// Returns whether the last call of the run has left nothing in the slot, and was not ended.
    #[inline(always)]
    pub(super) fn is_unused(&self) -> bool {
        self.slot().is_alone() && !self.slot().header.needs_notify()
    }

    /// Returns the slot of the run.
    #[inline(always)]
    pub(super) fn slot(&self) -> &CallRef<CallSlot<S>> {
        self.slot.as_ref().expect("the run is in the slot")
    }

    /// Ends the run and releases its owners. Returns them if the last call has to be completed as
    /// any other: it was ended meanwhile, it has another owner, or a wait in its header is to be
    /// notified.
    #[inline(always)]
    pub(super) fn end(
        &self,
        running: CallRef<dyn ErasedCall>,
        replies: CallRef<CallSlot<S>>,
    ) -> Result<(), RunOwners<S>> {
        match &self.slot {
            Some(slot) if !slot.header.needs_notify() => Slot::end_resident(slot, running, replies),
            _ => Err((running, replies)),
        }
    }

    /// Gives up the slot, since the last call has left something in it.
    #[cold]
    pub(super) fn give_up(&mut self) {
        self.slot = None;
    }
}
