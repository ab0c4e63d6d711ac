//! The slot: one allocation in which a call lives from its submission to its end.
//!
//! `README.md` beside this file describes the protocol: which side owns which cell in which state,
//! the races, and why each is safe. The loom tests in `slot_tests.rs` run through them.
#![allow(unsafe_code)] // unsafe code is allowed here: see ARCHITECTURE.md

use super::backend::ErasedCall;
use super::call_ref::{CallRef, OWNER, OWNERS, RefCounted};
use crate::{
    sim_runtime,
    time::clock,
    util::loom::{AtomicU64, Ordering, UnsafeCell},
};
use std::{mem::ManuallyDrop, ptr, task::Waker};

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
    const ALL: [Self; 10] = [
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

/// The result of a handle's look for the outcome.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TakeResult<O> {
    Outcome(O),
    Ended(EndReason),
    NotYet,
}

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

/// The input or the outcome. The state says which.
union Body<I, O> {
    nothing: (),
    input: ManuallyDrop<I>,
    outcome: ManuallyDrop<O>,
}

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

// SAFETY: the slot moves an `I` to the one thread that claims it and an `O` back to the one that
// takes it. No two threads ever reach the same cell at once (see README.md), and no reference into
// a cell leaves this module. `header` is shared.
unsafe impl<I: Send, O: Send, M: Send + Sync> Sync for Slot<I, O, M> {}
// SAFETY: as above; a slot owns what it holds.
unsafe impl<I: Send, O: Send, M: Send> Send for Slot<I, O, M> {}

// SAFETY: the word comes first; `new` and `begun` count one owner. `complete`, which takes owners
// off, is never the last.
unsafe impl<I: 'static, O: 'static, M: 'static> RefCounted for Slot<I, O, M> {}

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
    fn left(self, call: &CallRef<T>) {
        let [running, shown] = self.of(call);
        self.running.filter(|_| running).into_iter().for_each(CallRef::forget);
        self.shown.filter(|_| shown).into_iter().for_each(CallRef::forget);
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

    // ----- the executor's side

    /// Claims the call, so that no other thread runs it or ends it as queued. [`Slot::take_input`]
    /// follows.
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
        crate::util::unwind::ignore_panics(|| drop(input));
        None
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

    // ----- any side

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

    /// Takes the input back out of a call that has not begun. No executor begins the call
    /// afterwards. If a handle waits for an outcome, the caller stores one.
    pub(crate) fn withdraw(&self) -> Option<I> {
        self.begin()
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

    // ----- the handle's side: one owner, so these never run twice at once

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
    pub(crate) fn drop_waker(&self) -> Option<O> {
        let detached = |state| (!is_over(state)).then_some(state & !WAITING | DETACHED);
        // ORDERING: Acquire: if the call is over, its outcome is seen. The bit carries nothing.
        match self.transition(detached, Ordering::Acquire) {
            Ok(_) => {
                // SAFETY: WAITING is not set and only the handle could set it: the cell is ours.
                let waker = self.waiter.with_mut(|cell| unsafe { (*cell).take() });
                crate::util::unwind::ignore_panics(|| drop(waker));
                None
            }
            Err(_) => match self.take() {
                TakeResult::Outcome(outcome) => Some(outcome),
                TakeResult::NotYet | TakeResult::Ended(_) => None,
            },
        }
    }

    /// Wakes the waiter if the state before the step had one.
    fn wake_if_registered(&self, before: u64) {
        if let Some(waker) = self.waker_of(before) {
            crate::util::unwind::ignore_panics(|| waker.wake());
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
            self.body.with_mut(|body| crate::util::unwind::ignore_panics(|| drop_body(body)));
        }
        // SAFETY: no other owner is left to reach the cell.
        let waker = self.waiter.with_mut(|cell| unsafe { (*cell).take() });
        if let Some(waker) = waker {
            crate::util::unwind::ignore_panics(|| drop(waker));
        }
    }
}

const fn phase(state: u64) -> u64 {
    state & PHASE
}

const fn is_over(state: u64) -> bool {
    phase(state) >= DONE
}
