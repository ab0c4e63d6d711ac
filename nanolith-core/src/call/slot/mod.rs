//! [`Slot`]: the one allocation in which a call lives from its submission to its end.
//!
//! `call/README.md` describes the protocol: which side owns which cell in which state, the races,
//! and why each is safe. The steps of each side are in a file of their own. The loom tests in
//! `call/slot_tests.rs` run through them.
#![allow(unsafe_code)] // unsafe code is allowed here: see ARCHITECTURE.md

mod end;
mod executor_side;
mod handle_side;
mod resident;

pub(crate) use end::{EndReason, EndResult};
pub(crate) use executor_side::{CoOwners, CompleteResult, Leaves};
pub(crate) use handle_side::TakeResult;

use super::call_ref::{OWNER, RefCounted};
use crate::util::{
    loom::{AtomicU64, Ordering, UnsafeCell},
    unwind,
};
use std::{mem::ManuallyDrop, task::Waker};

/// A call's state, its input or outcome, its header, and its waiter. The protocol does not use the
/// header.
///
/// In this order, the fields that an executor uses come first, in one cache line if the body is
/// small.
#[repr(C)]
pub(crate) struct Slot<I, O, M> {
    state: AtomicU64,
    body: UnsafeCell<Body<I, O>>,
    pub(crate) header: M,
    waiter: UnsafeCell<Option<Waker>>,
}

/// The input or the outcome. The state says which.
union Body<I, O> {
    nothing: (),
    input: ManuallyDrop<I>,
    outcome: ManuallyDrop<O>,
}

// SAFETY: the slot moves an `I` to the one thread that claims it and an `O` back to the one that
// takes it. No two threads ever reach the same cell at once (see README.md), and no reference into
// a cell leaves this module. `header` is shared.
unsafe impl<I: Send, O: Send, M: Send + Sync> Sync for Slot<I, O, M> {}
// SAFETY: as above; a slot owns what it holds.
unsafe impl<I: Send, O: Send, M: Send> Send for Slot<I, O, M> {}

// SAFETY: the word comes first; `new` and `begun` count one owner. `complete`, which takes owners
// off, is never the last.
unsafe impl<I: 'static, O: 'static, M: 'static> RefCounted for Slot<I, O, M> {}

/// The call has not begun. Its body holds the input, which belongs to the side that moves the slot
/// on.
const QUEUED: u64 = 0;
/// An executor has claimed the call. The body belongs to the executor: first the input, then the
/// outcome being written.
const RUNNING: u64 = 1;
/// The body holds the outcome, and belongs to the handle.
const DONE: u64 = 2;
/// The handle took the outcome, or the executor dropped it. The body is empty.
const CONSUMED: u64 = 3;
/// The call was ended from outside; the number of its [`EndReason`] is added. The side that ended a
/// queued call drops its input. The executor of a running call keeps the body.
const ENDED: u64 = 4;
const PHASE: u64 = 0xff;

/// The handle left a waker in its cell. The side that ends the call takes it.
const WAITING: u64 = 1 << 8;
/// The running task is asked to stop.
const CANCEL_REQUESTED: u64 = 1 << 9;
/// The input is out of the body, or the side that set this bit is about to take it.
const INPUT_TAKEN: u64 = 1 << 10;

/// The task that waits for the call runs it, ahead of its turn.
const RUN_BY_WAITER: u64 = 1 << 11;
/// Waits for the end may be registered in the header: the side that ends the call checks it.
const NOTIFY: u64 = 1 << 12;
/// No handle takes the outcome: the executor drops it.
const DETACHED: u64 = 1 << 13;

impl<I, O, M> Slot<I, O, M> {
    /// Creates a queued call. The last argument sets [`NOTIFY`]: the side that ends the call then
    /// checks the header.
    #[inline(always)]
    pub(crate) fn new(input: I, meta: M, told: bool) -> Self {
        Self {
            state: AtomicU64::new(QUEUED | OWNER | if told { NOTIFY } else { 0 }),
            header: meta,
            waiter: UnsafeCell::new(None),
            body: UnsafeCell::new(Body { input: ManuallyDrop::new(input) }),
        }
    }

    /// Records that no handle takes the outcome, right after the slot was made.
    #[inline(always)]
    pub(crate) fn detach_mut(&mut self) {
        // ORDERING: Relaxed, `&mut self`.
        let state = self.state.load(Ordering::Relaxed);
        self.state.store(state | DETACHED, Ordering::Relaxed);
    }

    /// Creates a call that already runs, as a part of another. Its input was never here, and no
    /// handle takes its outcome.
    pub(crate) fn begun(meta: M) -> Self {
        Self {
            state: AtomicU64::new(RUNNING | INPUT_TAKEN | OWNER),
            header: meta,
            waiter: UnsafeCell::new(None),
            body: UnsafeCell::new(Body { nothing: () }),
        }
    }

    /// Returns whether the call has not begun.
    #[inline]
    pub(crate) fn is_queued(&self) -> bool {
        // ORDERING: Relaxed, a hint: a side that acts on it claims first.
        phase(self.state.load(Ordering::Relaxed)) == QUEUED
    }

    /// Returns whether the call is over, its outcome taken or not.
    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        // ORDERING: Acquire, pairs with the Release in `complete` and `end_silently`.
        is_over(self.state.load(Ordering::Acquire))
    }

    /// Returns whether the call was ended from outside, so that no output of its task counts.
    pub(crate) fn was_ended(&self) -> bool {
        // ORDERING: Relaxed, for a figure. The phase does not change after the end.
        phase(self.state.load(Ordering::Relaxed)) >= ENDED
    }

    /// Orders a registration in the header (see [`crate::call::header`]) before the end of the
    /// call.
    ///
    /// The caller has just registered a wait, and checks after this whether the call is over.
    /// Either that check sees the end, or the side that ends the call sees the registration.
    pub(crate) fn fence(&self) {
        // ORDERING: AcqRel, pairs with the AcqRel in `complete` and `end_silently`. Of two writes
        // one comes first and the other sees it; a load could be early on both sides at once.
        self.state.fetch_or(NOTIFY, Ordering::AcqRel);
    }

    /// Wakes the waiter if the state before the step had one.
    fn wake_if_registered(&self, before: u64) {
        if let Some(waker) = self.waker_of(before) {
            unwind::ignore_panics(|| waker.wake());
        }
    }

    /// Takes the waker of the waiter, if the state before the step had one.
    fn waker_of(&self, before: u64) -> Option<Waker> {
        if before & WAITING == 0 {
            return None;
        }
        // SAFETY: WAITING was set and we cleared it with the step that ended the call. So the cell
        // is ours, and the handle, which sees the call over, never touches it again.
        self.waiter.with_mut(|cell| unsafe { (*cell).take() })
    }

    /// Moves the state on by `next`, which returns `None` where it cannot. Returns the state
    /// before.
    fn transition(&self, next: impl Fn(u64) -> Option<u64>, success: Ordering) -> Result<u64, u64> {
        // ORDERING: Acquire on failure: a caller that finds the call over sees what ended it.
        self.state.fetch_update(success, Ordering::Acquire, next)
    }
}

impl<I, O, M> Drop for Slot<I, O, M> {
    /// Drops the body and the waker. A panic of a user's destructor ends here: the last owner may
    /// be a worker or the timer.
    #[inline]
    fn drop(&mut self) {
        // ORDERING: Relaxed, `&mut self`: the last owner, ordered after all others by its release.
        let state = self.state.load(Ordering::Relaxed);
        // SAFETY: the state says what the body holds, and no other owner is left to reach it. A
        // claimed call whose input was never taken still holds it, ended or not.
        let drop_body = |body: *mut Body<I, O>| unsafe {
            match phase(state) {
                DONE => ManuallyDrop::drop(&mut (*body).outcome),
                CONSUMED => {}
                _ if state & INPUT_TAKEN == 0 => ManuallyDrop::drop(&mut (*body).input),
                _ => {}
            }
        };
        if phase(state) != CONSUMED {
            self.body.with_mut(|body| unwind::ignore_panics(|| drop_body(body)));
        }
        // SAFETY: no other owner is left to reach the cell.
        let waker = self.waiter.with_mut(|cell| unsafe { (*cell).take() });
        if let Some(waker) = waker {
            unwind::ignore_panics(|| drop(waker));
        }
    }
}

const fn phase(state: u64) -> u64 {
    state & PHASE
}

const fn is_over(state: u64) -> bool {
    phase(state) >= DONE
}
