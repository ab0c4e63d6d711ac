//! The handle's steps on the slot of a call, which has the call's state, input and outcome. The
//! handle takes the outcome, and stores a waker until then. There is one handle, so no two of these
//! steps run at once.
#![allow(unsafe_code)] // unsafe code is allowed here: see ARCHITECTURE.md

use super::{CONSUMED, DETACHED, DONE, ENDED, EndReason, QUEUED, RUNNING, Slot, WAITING, is_over, phase};
use crate::{
    call::call_ref::OWNERS,
    util::{loom::Ordering, unwind},
};
use std::{mem::ManuallyDrop, task::Waker};

impl<I, O, M> Slot<I, O, M> {
    /// Takes the outcome if it is there.
    #[inline(always)]
    pub(crate) fn take(&self) -> TakeResult<O> {
        // ORDERING: Acquire, pairs with the Release in `complete`: the outcome is ours to read.
        let state = self.state.load(Ordering::Acquire);
        match phase(state) {
            QUEUED | RUNNING => TakeResult::NotYet,
            DONE => {
                // ORDERING: Relaxed. Only the handle moves on from DONE, and a last owner is
                // ordered by its release.
                if state >> OWNERS == 1 {
                    self.state.store(state + (CONSUMED - DONE), Ordering::Relaxed);
                } else {
                    self.state.fetch_add(CONSUMED - DONE, Ordering::Relaxed);
                }
                // SAFETY: in DONE the body holds the outcome and is the handle's; CONSUMED keeps
                // the drop from it.
                TakeResult::Outcome(self.body.with_mut(|body| unsafe { ManuallyDrop::take(&mut (*body).outcome) }))
            }
            CONSUMED => TakeResult::Ended(EndReason::Lost),
            ended => TakeResult::Ended(EndReason::ALL[(ended - ENDED) as usize]),
        }
    }

    /// Stores `waker` to be woken at the end. Returns false if the call is already over.
    pub(crate) fn register(&self, waker: &Waker) -> bool {
        if !self.clear_waker() {
            return false;
        }
        // SAFETY: WAITING is not set, so no other side reads the cell, and only the handle sets it.
        self.waiter.with_mut(|cell| unsafe {
            match &mut *cell {
                Some(known) => known.clone_from(waker),
                none => *none = Some(waker.clone()),
            }
        });
        // ORDERING: Release, pairs with the Acquire in `complete` and `end_silently`: hands the
        // waker to the side that ends the call.
        self.transition(|state| (!is_over(state)).then_some(state | WAITING), Ordering::Release).is_ok()
    }

    /// Takes the waker's cell back. Returns false if the call is over.
    fn clear_waker(&self) -> bool {
        // ORDERING: Acquire: if the call is over, what ended it is seen.
        self.transition(|state| (!is_over(state)).then_some(state & !WAITING), Ordering::Acquire).is_ok()
    }

    /// Detaches the handle: no task is woken any more, and no handle takes the outcome.
    ///
    /// If the call is over, returns its outcome for the caller to drop. Otherwise the executor
    /// drops it.
    #[inline]
    pub(crate) fn drop_waker(&self) -> Option<O> {
        let detached = |state| (!is_over(state)).then_some(state & !WAITING | DETACHED);
        // ORDERING: Acquire: if the call is over, its outcome is seen. The bit carries nothing.
        match self.transition(detached, Ordering::Acquire) {
            Ok(_) => {
                // SAFETY: WAITING is not set and only the handle could set it: the cell is ours.
                if let Some(waker) = self.waiter.with_mut(|cell| unsafe { (*cell).take() }) {
                    discard(waker);
                }
                None
            }
            Err(_) => match self.take() {
                TakeResult::Outcome(outcome) => Some(outcome),
                TakeResult::NotYet | TakeResult::Ended(_) => None,
            },
        }
    }
}

#[cold]
fn discard(waker: Waker) {
    unwind::ignore_panics(|| drop(waker));
}

/// The result of a handle's look for the outcome.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TakeResult<O> {
    Outcome(O),
    Ended(EndReason),
    NotYet,
}
