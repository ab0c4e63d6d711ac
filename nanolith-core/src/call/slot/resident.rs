//! The steps on a resident slot: a slot in which one thread runs a call after another. Each of
//! these calls has begun when the slot learns of it, and no handle takes its outcome.
#![allow(unsafe_code)] // unsafe code is allowed here: see ARCHITECTURE.md

use super::{CONSUMED, DETACHED, INPUT_TAKEN, RUNNING, Slot};
use crate::{
    call::call_ref::{CallRef, OWNER, RefCounted},
    util::loom::Ordering,
};

/// The state of a slot that nothing but the run of its calls uses: its owners are the resident
/// owner and the two owners of the run.
const ALONE: u64 = RUNNING | INPUT_TAKEN | DETACHED | (3 * OWNER);

impl<I: 'static, O: 'static, M: 'static> Slot<I, O, M> {
    /// Begins a run in a slot whose last call is over. Returns the two owners of the run, or `None`
    /// if the slot still has another owner.
    #[inline(always)]
    pub(crate) fn begin_resident(this: &mut CallRef<Self>) -> Option<[CallRef<Self>; 2]> {
        // ORDERING: Relaxed, no other thread knows the slot. `RunningCall` publishes it.
        this.get_mut()?.state.store(ALONE, Ordering::Relaxed);
        // SAFETY: the store counted two more owners than the one that `get_mut` found.
        Some(unsafe { [this.owner_of_counted(), this.owner_of_counted()] })
    }

    /// Returns whether nothing but its run uses a resident slot, and the call was not ended.
    /// Another thread may become an owner, or end the call, while the slot is published.
    #[inline(always)]
    pub(crate) fn is_alone(&self) -> bool {
        // ORDERING: Acquire, pairs with the Release of owners that left, as in `CallRef::get_mut`.
        self.state.load(Ordering::Acquire) == ALONE
    }

    /// Ends the run in a resident slot and releases its owners, if no other owner exists and the
    /// call was not ended meanwhile. Otherwise returns the owners, and the call is
    /// [completed](Slot::complete) as any other.
    ///
    /// The slot is not published any more.
    #[inline(always)]
    pub(crate) fn end_resident<R: ?Sized + RefCounted>(
        this: &CallRef<Self>,
        running: CallRef<R>,
        replies: CallRef<Self>,
    ) -> Result<(), (CallRef<R>, CallRef<Self>)> {
        if !this.is_alone() || !running.is_of(this) || !replies.is_of(this) {
            return Err((running, replies));
        }
        running.forget();
        replies.forget();
        // ORDERING: Relaxed. All owners are here, so no other thread uses the state.
        this.state.store(CONSUMED | INPUT_TAKEN | DETACHED | OWNER, Ordering::Relaxed);
        Ok(())
    }
}
