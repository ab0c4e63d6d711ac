//! The executor's steps on the slot of a call, which has the call's state, input and outcome. The
//! executor claims the call, takes the input and stores the outcome.
#![allow(unsafe_code)] // unsafe code is allowed here: see ARCHITECTURE.md

use super::{
    CANCEL_REQUESTED, CONSUMED, DETACHED, DONE, INPUT_TAKEN, NOTIFY, PHASE, QUEUED, RUN_BY_WAITER, RUNNING, Slot,
    WAITING, phase,
};
use crate::{
    call::{
        backend::ErasedCall,
        call_ref::{CallRef, OWNER, OWNERS, RefCounted},
    },
    util::{loom::Ordering, unwind},
};
use std::{mem::ManuallyDrop, ptr};

impl<I, O, M> Slot<I, O, M> {
    /// Claims the call, so that no other thread runs it or ends it as queued. [`Slot::take_input`]
    /// follows.
    #[inline]
    pub(crate) fn claim(&self) -> bool {
        // ORDERING: Acquire, pairs with the Release in `register`, as the first step of a claimer.
        // The input does not depend on it: the input came with the slot, through the step that
        // published the slot to us (a queue's lock, a channel).
        self.transition(|state| (phase(state) == QUEUED).then_some(state | RUNNING), Ordering::Acquire).is_ok()
    }

    /// Claims the call and takes its input in one step. Returns `None` if another side was first.
    #[inline]
    pub(crate) fn begin(&self) -> Option<I> {
        self.claim_input(INPUT_TAKEN)
    }

    /// Like [`Slot::begin`], and adds `N` owners of the call.
    #[cfg(test)]
    pub(crate) fn claim_with_refs<const N: usize>(this: &CallRef<Self>) -> Option<(I, [CallRef<Self>; N])>
    where
        I: 'static,
        O: 'static,
        M: 'static,
    {
        Self::begin_shared_in(this)
    }

    /// Like [`Slot::begin`] with `N` more owners, and the input in the form `F`.
    #[inline]
    pub(crate) fn begin_shared_in<F: Leaves<I>, const N: usize>(this: &CallRef<Self>) -> Option<(F, [CallRef<Self>; N])>
    where
        I: 'static,
        O: 'static,
        M: 'static,
    {
        Self::begin_shared_as(this, INPUT_TAKEN)
    }

    /// Like [`Slot::begin_shared_in`], for a task that waits for the call and runs it ahead of its
    /// turn. A thread that finds the call's entry in a queue learns that from
    /// [`Slot::was_overtaken`].
    pub(crate) fn claim_by_waiter<F: Leaves<I>, const N: usize>(this: &CallRef<Self>) -> Option<(F, [CallRef<Self>; N])>
    where
        I: 'static,
        O: 'static,
        M: 'static,
    {
        Self::begin_shared_as(this, INPUT_TAKEN | RUN_BY_WAITER)
    }

    #[inline]
    fn begin_shared_as<F: Leaves<I>, const N: usize>(
        this: &CallRef<Self>,
        marks: u64,
    ) -> Option<(F, [CallRef<Self>; N])>
    where
        I: 'static,
        O: 'static,
        M: 'static,
    {
        let input = this.claim_input(marks + N as u64 * OWNER)?;
        // SAFETY: the step counted them.
        Some((input, std::array::from_fn(|_| unsafe { this.owner_of_counted() })))
    }

    pub(crate) fn was_overtaken(&self) -> bool {
        // ORDERING: Relaxed. The caller found the call claimed, and the bit came with the claim.
        self.state.load(Ordering::Relaxed) & RUN_BY_WAITER != 0
    }

    #[inline]
    fn claim_input<F: Leaves<I>>(&self, marks: u64) -> Option<F> {
        // ORDERING: Acquire, as in `claim`. The bits are not set in a queued call, so adding sets
        // them.
        self.transition(|state| (phase(state) == QUEUED).then(|| state + (RUNNING | marks)), Ordering::Acquire).ok()?;
        // SAFETY: we moved the slot on from QUEUED, so the input is ours; INPUT_TAKEN, set with the
        // same step, keeps the drop and `take_input` from it.
        Some(self.body.with_mut(|body| unsafe { F::read((&raw const (*body).input).cast()) }))
    }

    /// Takes the input of a call that was claimed, or that was ended while queued. Only the side
    /// that did so calls this, once.
    #[cfg(test)]
    pub(crate) fn take_input(&self) -> Option<I> {
        self.take_input_in()
    }

    /// Like [`Slot::take_input`], in the form `F`.
    pub(crate) fn take_input_in<F: Leaves<I>>(&self) -> Option<F> {
        // ORDERING: Relaxed. One side moves on from QUEUED, and only that side sets INPUT_TAKEN.
        // The drop reads it after all others, by its release.
        let state = self.state.fetch_or(INPUT_TAKEN, Ordering::Relaxed);
        if state & INPUT_TAKEN != 0 || phase(state) == QUEUED {
            return None;
        }
        // SAFETY: we moved the slot on from QUEUED, so the body is ours. INPUT_TAKEN was not set,
        // so the body still holds the input. Now that it is set, no drop of the slot and no second
        // call reaches the input.
        Some(self.body.with_mut(|body| unsafe { F::read((&raw const (*body).input).cast()) }))
    }

    /// Like [`Slot::take_input_in`], for an executor that is about to run the call. If the call was
    /// ended since the claim, drops the input.
    #[inline]
    pub(crate) fn take_input_to_run<F: Leaves<I>>(&self) -> Option<F> {
        // ORDERING: Relaxed, as in `take_input_in`. An end that is not seen here counts as one that
        // came while the task ran.
        let state = self.state.fetch_or(INPUT_TAKEN, Ordering::Relaxed);
        if state & INPUT_TAKEN != 0 || phase(state) == QUEUED {
            return None;
        }
        // SAFETY: as in `take_input_in`.
        let input = self.body.with_mut(|body| unsafe { F::read((&raw const (*body).input).cast()) });
        if phase(state) == RUNNING {
            return Some(input);
        }
        unwind::ignore_panics(|| drop(input));
        None
    }

    /// Calls `look` with the input of a queued call, which counts as claimed meanwhile. Returns `None`
    /// if the call has begun or ended.
    ///
    /// If the call ends meanwhile, the input stays in the body, and the caller drops it by
    /// [`Slot::take_input_in`].
    pub(crate) fn with_input<R>(&self, look: impl FnOnce(&I) -> R) -> Option<R> {
        if !self.claim() {
            return None;
        }
        let _back = GiveBack(self); // also if `look` panics
        // SAFETY: we moved the slot on from QUEUED and INPUT_TAKEN is not set. So the body holds the
        // input, and no other side looks at it until `GiveBack` moves the slot back.
        Some(self.body.with_mut(|body| look(unsafe { &(*body).input })))
    }

    /// Stores the outcome and wakes the waiter. Releases `this` and its `fellows`, unless waits for
    /// the end must still be notified. The claimer calls this once, after `take_input`.
    #[inline]
    pub(crate) fn complete(this: CallRef<Self>, fellows: CoOwners<Self>, outcome: O) -> CompleteResult<I, O, M>
    where
        I: 'static,
        O: 'static,
        M: 'static,
    {
        // SAFETY: between `take_input` and DONE the body is the claimer's alone, and it is empty.
        this.body.with_mut(|body| unsafe { (*body).outcome = ManuallyDrop::new(outcome) });
        let owners = 1 + fellows.count(&this);
        // ORDERING: Relaxed, the step below looks again.
        let mut state = this.state.load(Ordering::Relaxed);
        while phase(state) == RUNNING {
            // An executor with waits to notify stays an owner until that is done; the last owner
            // stays to drop the slot.
            let leaves = state & (WAITING | NOTIFY | DETACHED) == 0 && state >> OWNERS > owners;
            let gone = if leaves { owners } else { owners - 1 };
            // An outcome that no handle takes stays the executor's.
            let over = if state & DETACHED == 0 { DONE } else { CONSUMED };
            let done = (state & !(PHASE | WAITING) | over) - (gone << OWNERS);
            // ORDERING: AcqRel. Release publishes the outcome to `take`, and all that this owner
            // did to the last owner. Acquire pairs with the Release in `register`, so that the
            // waker stored there is ours to read.
            match this.state.compare_exchange_weak(state, done, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) if leaves => {
                    fellows.left(&this);
                    this.forget();
                    return CompleteResult::Released;
                }
                Ok(before) => {
                    fellows.left(&this);
                    if before & DETACHED != 0 {
                        break;
                    }
                    this.wake_if_registered(before);
                    return CompleteResult::Retained(this);
                }
                Err(now) => state = now,
            }
        }
        // SAFETY: the call was ended while it ran, or its handle is gone, and CONSUMED or ENDED
        // with INPUT_TAKEN keeps the drop from the body. So no other side looks at the body: it is
        // still ours, with the outcome that we just wrote.
        let outcome = this.body.with_mut(|body| unsafe { ManuallyDrop::take(&mut (*body).outcome) });
        CompleteResult::Rejected(this, outcome)
    }

    /// Ends the call for its handle, which waits on this thread and takes the outcome without the slot.
    /// Releases `this` and `fellow`, the owners of the run.
    ///
    /// Gives both back if the call was ended meanwhile, or if waits for the end must be notified.
    #[inline]
    pub(crate) fn complete_here<F: ?Sized + RefCounted>(
        this: CallRef<Self>,
        fellow: CallRef<F>,
    ) -> Result<(), (CallRef<Self>, CallRef<F>)>
    where
        I: 'static,
        O: 'static,
        M: 'static,
    {
        const RELEASED: u64 = 2 * OWNER;
        debug_assert!(fellow.is_of(&this), "both own the call that ran");
        // ORDERING: Acquire, pairs with the Release of owners that left. If this thread's three owners
        // are the only ones, no other thread knows the slot any more.
        let mut state = this.state.load(Ordering::Acquire);
        while phase(state) == RUNNING && state & (WAITING | NOTIFY | DETACHED) == 0 {
            let over = (state & !PHASE | CONSUMED) - RELEASED;
            let is_alone = state >> OWNERS == 3;
            if is_alone {
                // ORDERING: Relaxed, no other thread knows the slot.
                this.state.store(over, Ordering::Relaxed);
            }
            // ORDERING: AcqRel, as in `complete`. No outcome is published.
            let step = || this.state.compare_exchange_weak(state, over, Ordering::AcqRel, Ordering::Acquire);
            match if is_alone { Ok(state) } else { step() } {
                Ok(_) => {
                    this.forget();
                    fellow.forget();
                    return Ok(());
                }
                Err(now) => state = now,
            }
        }
        Err((this, fellow))
    }

    /// Takes the input back out of a call that has not begun. No executor begins the call
    /// afterwards. If a handle waits for an outcome, the caller stores one.
    pub(crate) fn withdraw(&self) -> Option<I> {
        self.begin()
    }

    /// Returns whether the running task is asked to stop.
    pub(crate) fn is_asked_to_stop(&self) -> bool {
        // ORDERING: Acquire, pairs with the Release in `end_silently`: a reader that sees the
        // request sees what was written before it.
        self.state.load(Ordering::Acquire) & CANCEL_REQUESTED != 0
    }

    /// Like [`Slot::is_asked_to_stop`], but with a read-modify-write. The caller has just
    /// registered what the end of the running task must stop. Either this sees the end, or the end
    /// sees the registration.
    pub(crate) fn recheck_cancelled(&self) -> bool {
        // ORDERING: AcqRel, pairs with the AcqRel in `end_silently`: of two writes one comes first
        // and the other sees it.
        self.state.fetch_or(0, Ordering::AcqRel) & CANCEL_REQUESTED != 0
    }
}

/// Moves a slot back to the queued state when it is dropped, unless the call has ended meanwhile.
struct GiveBack<'a, I, O, M>(&'a Slot<I, O, M>);

impl<I, O, M> Drop for GiveBack<'_, I, O, M> {
    fn drop(&mut self) {
        let queued = |state| (phase(state) == RUNNING).then_some(state & !PHASE | QUEUED);
        // ORDERING: Release, pairs with the Acquire of the next claim: our look at the input comes
        // before the side that moves the input out.
        let _ = self.0.transition(queued, Ordering::Release);
    }
}

/// The result of completing a call.
#[must_use]
pub(crate) enum CompleteResult<I: 'static, O: 'static, M: 'static> {
    /// The outcome belongs to the handle, and the executor has released the slot.
    Released,
    /// The outcome belongs to the handle. The executor still owns the slot, to notify waits of the
    /// end.
    Retained(CallRef<Slot<I, O, M>>),
    /// The call was ended meanwhile, or the handle was dropped. The outcome comes back.
    Rejected(CallRef<Slot<I, O, M>>, O),
}

/// The owners of a call that its executor has beside the owner that completes it.
pub(crate) struct CoOwners<T: RefCounted> {
    /// The owner that is kept with the running task.
    pub(crate) running: Option<CallRef<dyn ErasedCall>>,
    /// The owner that was published to other threads.
    pub(crate) shown: Option<CallRef<T>>,
}

impl<T: RefCounted> CoOwners<T> {
    pub(crate) const NONE: Self = Self { running: None, shown: None };

    fn of<'a>(&'a self, call: &'a CallRef<T>) -> [bool; 2] {
        let running = self.running.as_ref().is_some_and(|fellow| fellow.is_of(call));
        [running, self.shown.as_ref().is_some_and(|fellow| fellow.is_of(call))]
    }

    fn count(&self, call: &CallRef<T>) -> u64 {
        self.of(call).into_iter().map(u64::from).sum()
    }

    /// Forgets the owners that `complete` has subtracted from the count.
    #[inline]
    fn left(self, call: &CallRef<T>) {
        let [running, shown] = self.of(call);
        self.running.filter(|_| running).into_iter().for_each(CallRef::forget);
        self.shown.filter(|_| shown).into_iter().for_each(CallRef::forget);
    }
}

/// The form in which an input leaves its slot: by value or, if it is large, in a box. The boxed
/// form copies the input from the slot to the heap without a copy on the stack.
pub(crate) trait Leaves<I>: Sized {
    /// Reads the input out of the slot.
    ///
    /// # Safety
    ///
    /// `input` points to an input that belongs to the caller and is read once.
    unsafe fn read(input: *const I) -> Self;
}

impl<I> Leaves<I> for I {
    #[inline(always)]
    unsafe fn read(input: *const I) -> Self {
        // SAFETY: as the caller guarantees.
        unsafe { ptr::read(input) }
    }
}

impl<I> Leaves<I> for Box<I> {
    unsafe fn read(input: *const I) -> Self {
        let mut memory = Box::new_uninit();
        // SAFETY: as the caller guarantees; the box is new and fits, and holds an input after this.
        unsafe {
            ptr::copy_nonoverlapping(input, memory.as_mut_ptr(), 1);
            memory.assume_init()
        }
    }
}
