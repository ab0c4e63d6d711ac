//! The slot: one allocation in which a call lives from its submission to its end.
//!
//! `README.md` beside this file tells the protocol: who owns which cell in which state, the races, and why they cannot go
//! wrong. The loom tests in `slot_tests.rs` walk through it.
#![allow(unsafe_code)] // a room of its own: see ARCHITECTURE.md

use super::backend::ErasedCall;
use super::call_ref::{CallRef, OWNER, OWNERS, RefCounted};
use crate::{
    sim_runtime,
    time::clock,
    util::loom::{AtomicU64, Ordering, UnsafeCell},
};
use std::{mem::ManuallyDrop, ptr, task::Waker};

/// Why a call ended without an outcome in the slot.
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
    /// The simulation is over that the call's executor is of.
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

    /// The end of a call whose executor lets go of it.
    pub(crate) fn lost() -> Self {
        if sim_runtime::is_past_grace() { Self::SimulationOver } else { Self::Lost }
    }

    /// The end of a call by an alarm that rings, or whose clock does not go on.
    pub(crate) fn by_alarm() -> Self {
        if clock::is_over() { Self::SimulationOver } else { Self::TimedOut }
    }
}

/// Where the call was when it was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndResult {
    /// Nobody had begun it: its input was dropped, and its place in the queue is free.
    Queued,
    /// Its executor is at it and will find out.
    Running,
    /// It was over already.
    Over,
}

/// What the handle finds when it looks for the outcome.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TakeResult<O> {
    Outcome(O),
    Ended(EndReason),
    NotYet,
}

/// Nobody has begun the call. Its body holds the input, which whoever moves the slot on from here owns.
const QUEUED: u64 = 0;
/// An executor has claimed the call. The body is the executor's alone: first the input, then the outcome being written.
const RUNNING: u64 = 1;
/// The body holds the outcome, for the handle alone to take.
const DONE: u64 = 2;
/// The handle took the outcome. The body is empty.
const CONSUMED: u64 = 3;
/// The call was ended from outside, by the [`EndReason`] whose number is added. Whoever ended a queued call drops its input;
/// the executor of a running one keeps the body.
const ENDED: u64 = 4;
const PHASE: u64 = 0xff;

/// The handle left a waker in its cell; whoever ends the call takes it.
const WAITING: u64 = 1 << 8;
/// The running task is asked to stop.
const CANCEL_REQUESTED: u64 = 1 << 9;
/// The input is out of the body, or about to be taken by the one who set this.
const INPUT_TAKEN: u64 = 1 << 10;

/// The task that waits for the call runs it, ahead of its turn.
const RUN_BY_WAITER: u64 = 1 << 11;
/// Somebody may have left word beside the slot; whoever ends the call looks there.
const NOTIFY: u64 = 1 << 12;
/// Nobody takes the outcome: the executor drops it.
const DETACHED: u64 = 1 << 13;

/// The input, or the outcome: the state says which.
union Body<I, O> {
    nothing: (),
    input: ManuallyDrop<I>,
    outcome: ManuallyDrop<O>,
}

/// A call's state, its waiter, its input or outcome, and `meta`, which the protocol does not touch.
///
/// In this order what an executor touches comes first, in one cache line if the body is small.
#[repr(C)]
pub(crate) struct Slot<I, O, M> {
    state: AtomicU64,
    body: UnsafeCell<Body<I, O>>,
    pub(crate) header: M,
    waiter: UnsafeCell<Option<Waker>>,
}

// SAFETY: the slot moves an `I` to the one thread that claims it and an `O` back to the one that takes it; no two threads
// ever reach the same cell at once (see README.md), and no reference into a cell leaves this room. `meta` is shared.
unsafe impl<I: Send, O: Send, M: Send + Sync> Sync for Slot<I, O, M> {}
// SAFETY: as above; a slot owns what it holds.
unsafe impl<I: Send, O: Send, M: Send> Send for Slot<I, O, M> {}

// SAFETY: the word comes first; `new` and `begun` count one owner. `complete`, which takes owners off, is never the last.
unsafe impl<I: 'static, O: 'static, M: 'static> RefCounted for Slot<I, O, M> {}

/// The form in which an input leaves its slot: by itself or, where it is large, in a box that it reaches without a stop on the stack.
pub(crate) trait Leaves<I>: Sized {
    /// Reads the input out of the slot.
    ///
    /// # Safety
    ///
    /// `input` points to an input, which is the caller's and is read once.
    unsafe fn read(input: *const I) -> Self;
}

impl<I> Leaves<I> for I {
    #[inline(always)]
    unsafe fn read(input: *const I) -> Self {
        // SAFETY: as the caller says.
        unsafe { ptr::read(input) }
    }
}

impl<I> Leaves<I> for Box<I> {
    unsafe fn read(input: *const I) -> Self {
        let mut memory = Box::new_uninit();
        // SAFETY: as the caller says; the box is new and fits, and holds an input after this.
        unsafe {
            ptr::copy_nonoverlapping(input, memory.as_mut_ptr(), 1);
            memory.assume_init()
        }
    }
}

/// Owners of a call that its executor has beside the one that completes it.
pub(crate) struct CoOwners<T: RefCounted> {
    /// The one that stood with the running task.
    pub(crate) running: Option<CallRef<dyn ErasedCall>>,
    /// The one that was shown to others.
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

    /// They were counted off.
    fn left(self, call: &CallRef<T>) {
        let [running, shown] = self.of(call);
        self.running.filter(|_| running).into_iter().for_each(CallRef::forget);
        self.shown.filter(|_| shown).into_iter().for_each(CallRef::forget);
    }
}

/// What became of an outcome.
#[must_use]
pub(crate) enum CompleteResult<I: 'static, O: 'static, M: 'static> {
    /// It is the handle's, and the executor has left the slot.
    Released,
    /// The same, but there is somebody to be told, for which the slot is still the executor's too.
    Retained(CallRef<Slot<I, O, M>>),
    /// The call was ended meanwhile, or the handle had gone.
    Rejected(CallRef<Slot<I, O, M>>, O),
}

impl<I, O, M> Slot<I, O, M> {
    /// `told` says that `meta` is to be looked at when the call ends.
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

    /// A call that is at work already, as a part of another: its input was never here, and nobody takes its outcome.
    pub(crate) fn begun(meta: M) -> Self {
        Self {
            state: AtomicU64::new(RUNNING | INPUT_TAKEN | OWNER),
            header: meta,
            waiter: UnsafeCell::new(None),
            body: UnsafeCell::new(Body { nothing: () }),
        }
    }

    // ----- the executor's side

    /// Claims the call, so that nobody else runs or ends it as queued. Followed by [`Slot::take_input`].
    pub(crate) fn claim(&self) -> bool {
        // ORDERING: Acquire, pairs with the Release in `register`, as the front of a claimer's turn. The input does not
        // rest on it: that came with the slot, through whatever published it to us (a queue's lock, a channel).
        self.transition(|state| (phase(state) == QUEUED).then_some(state | RUNNING), Ordering::Acquire).is_ok()
    }

    /// Claims the call and takes its input in one step; `None` if somebody was first.
    #[inline]
    pub(crate) fn begin(&self) -> Option<I> {
        self.claim_input(INPUT_TAKEN)
    }

    /// The same, with so many more owners of the call.
    #[cfg(test)]
    pub(crate) fn claim_with_refs<const N: usize>(this: &CallRef<Self>) -> Option<(I, [CallRef<Self>; N])>
    where
        I: 'static,
        O: 'static,
        M: 'static,
    {
        Self::begin_shared_in(this)
    }

    /// The same with the input in this form.
    #[inline]
    pub(crate) fn begin_shared_in<F: Leaves<I>, const N: usize>(this: &CallRef<Self>) -> Option<(F, [CallRef<Self>; N])>
    where
        I: 'static,
        O: 'static,
        M: 'static,
    {
        Self::begin_shared_as(this, INPUT_TAKEN)
    }

    /// The same for a task that waits for the call and runs it ahead of its turn. Whoever finds the call's entry in a queue
    /// learns that from [`Slot::was_overtaken`].
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
        // SAFETY: they were counted with the step.
        Some((input, std::array::from_fn(|_| unsafe { this.owner_of_counted() })))
    }

    pub(crate) fn was_overtaken(&self) -> bool {
        // ORDERING: Relaxed, for one who found the call claimed: the mark came with the claim.
        self.state.load(Ordering::Relaxed) & RUN_BY_WAITER != 0
    }

    #[inline]
    fn claim_input<F: Leaves<I>>(&self, marks: u64) -> Option<F> {
        // ORDERING: Acquire, as in `claim`. The marks are not set in a queued call, so adding sets them.
        self.transition(|state| (phase(state) == QUEUED).then(|| state + (RUNNING | marks)), Ordering::Acquire).ok()?;
        // SAFETY: we moved the slot on from QUEUED, so the input is ours; EMPTY, set with the same step, keeps the drop and
        // `take_input` from it.
        Some(self.body.with_mut(|body| unsafe { F::read((&raw const (*body).input).cast()) }))
    }

    /// The input of a call that was claimed, or that was ended while it was queued; for the side that did so, once.
    #[cfg(test)]
    pub(crate) fn take_input(&self) -> Option<I> {
        self.take_input_in()
    }

    /// The same in this form.
    pub(crate) fn take_input_in<F: Leaves<I>>(&self) -> Option<F> {
        // ORDERING: Relaxed, one moves on from QUEUED, and only that one sets EMPTY. The drop reads it after all others,
        // by its release.
        let state = self.state.fetch_or(INPUT_TAKEN, Ordering::Relaxed);
        if state & INPUT_TAKEN != 0 || phase(state) == QUEUED {
            return None;
        }
        // SAFETY: we moved the slot on from QUEUED, so the body is ours; EMPTY was not set, so it still holds the input,
        // and now that it is set no drop of the slot and no second call reaches it.
        Some(self.body.with_mut(|body| unsafe { F::read((&raw const (*body).input).cast()) }))
    }

    /// The same for an executor that is about to run the call. Where that was ended since the claim, the input is dropped.
    #[inline]
    pub(crate) fn take_input_to_run<F: Leaves<I>>(&self) -> Option<F> {
        // ORDERING: Relaxed, as in `take_input`. An end that is not seen here counts as one that came while the task ran.
        let state = self.state.fetch_or(INPUT_TAKEN, Ordering::Relaxed);
        if state & INPUT_TAKEN != 0 || phase(state) == QUEUED {
            return None;
        }
        // SAFETY: as in `take_input`.
        let input = self.body.with_mut(|body| unsafe { F::read((&raw const (*body).input).cast()) });
        if phase(state) == RUNNING {
            return Some(input);
        }
        crate::util::unwind::ignore_panics(|| drop(input));
        None
    }

    /// Leaves the outcome, wakes the waiter, and gives up `this` and its fellow owners, if nobody else is to be told. For the
    /// claimer, once, after `take_input`.
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
            // Whoever has somebody to tell stays until that is done; the last owner stays to drop the slot.
            let leaves = state & (WAITING | NOTIFY | DETACHED) == 0 && state >> OWNERS > owners;
            let gone = if leaves { owners } else { owners - 1 };
            // An outcome that no handle takes stays the executor's.
            let over = if state & DETACHED == 0 { DONE } else { CONSUMED };
            let done = (state & !(PHASE | WAITING) | over) - (gone << OWNERS);
            // ORDERING: AcqRel. Release publishes the outcome to `take`, and all that this owner did to the last one;
            // Acquire pairs with the Release in `register`, so that the waker it left is ours to read.
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
        // SAFETY: the call was ended while it ran, or the handle has gone, and TAKEN keeps the drop from the body. So nobody
        // will look at the body: still ours, with the outcome that we just wrote.
        let outcome = this.body.with_mut(|body| unsafe { ManuallyDrop::take(&mut (*body).outcome) });
        CompleteResult::Rejected(this, outcome)
    }

    /// Whether the running task is asked to stop.
    pub(crate) fn is_asked_to_stop(&self) -> bool {
        // ORDERING: Acquire, pairs with the Release in `end`: who sees the request sees what was written before it.
        self.state.load(Ordering::Acquire) & CANCEL_REQUESTED != 0
    }

    /// The same for one who has just left word beside the slot that whoever ends the running task is to read: it sees the end,
    /// or whoever ends the task sees the word.
    pub(crate) fn recheck_cancelled(&self) -> bool {
        // ORDERING: AcqRel, pairs with the AcqRel in `end`: of two writes one comes first and the other sees it.
        self.state.fetch_or(0, Ordering::AcqRel) & CANCEL_REQUESTED != 0
    }

    // ----- anybody's side

    /// Ends the call from outside, and runs no user code: the waker of the waiter is the caller's to wake. A queued call's
    /// input stays in the body. It is the caller's alone, who takes it by [`Slot::take_input`], or leaves it to the last owner.
    pub(crate) fn end_silently(&self, how: EndReason) -> (EndResult, Option<Waker>) {
        let ended = |state| {
            let mark = match phase(state) {
                QUEUED => 0,
                RUNNING => CANCEL_REQUESTED,
                _ => return None,
            };
            Some((state & !(PHASE | WAITING)) | (ENDED + how as u64) | mark)
        };
        // ORDERING: AcqRel. Release publishes the end; Acquire pairs with `register`'s Release for the waker.
        let Ok(before) = self.transition(ended, Ordering::AcqRel) else { return (EndResult::Over, None) };
        let ended = if phase(before) == QUEUED { EndResult::Queued } else { EndResult::Running };
        (ended, self.waker_of(before))
    }

    /// The same with all that is left to the caller.
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

    /// Takes the input back out of a call that nobody has begun. Nobody else begins it now, and its outcome, if somebody
    /// waits for one, is the caller's to leave.
    pub(crate) fn withdraw(&self) -> Option<I> {
        self.begin()
    }

    /// Whether nobody has begun the call.
    #[inline]
    pub(crate) fn is_queued(&self) -> bool {
        // ORDERING: Relaxed, a hint: whoever acts on it claims first.
        phase(self.state.load(Ordering::Relaxed)) == QUEUED
    }

    /// Whether the call is over, its outcome taken or not.
    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        // ORDERING: Acquire, pairs with the Release in `complete` and `end`.
        is_over(self.state.load(Ordering::Acquire))
    }

    /// For one who has just left word beside the slot (see [`crate::call::header`]) that it wants to be told, before it looks
    /// whether there is something to be told already: it sees the end, or whoever ends the call sees the word.
    pub(crate) fn fence(&self) {
        // ORDERING: AcqRel, pairs with the AcqRel in `complete` and `end`. Of two writes one comes first and the other sees
        // it; a load could be early on both sides at once.
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
                // ORDERING: Relaxed, nobody but the handle moves on from DONE, and a last owner is ordered by its release.
                if state >> OWNERS == 1 {
                    self.state.store(state + (CONSUMED - DONE), Ordering::Relaxed);
                } else {
                    self.state.fetch_add(CONSUMED - DONE, Ordering::Relaxed);
                }
                // SAFETY: in DONE the body holds the outcome and is the handle's; TAKEN keeps the drop from it.
                TakeResult::Outcome(self.body.with_mut(|body| unsafe { ManuallyDrop::take(&mut (*body).outcome) }))
            }
            CONSUMED => TakeResult::Ended(EndReason::Lost),
            ended => TakeResult::Ended(EndReason::ALL[(ended - ENDED) as usize]),
        }
    }

    /// Leaves `waker` to be woken at the end. Says false when the call is over already.
    pub(crate) fn register(&self, waker: &Waker) -> bool {
        if !self.clear_waker() {
            return false;
        }
        // SAFETY: WAITING is not set, so nobody else reads the cell, and only the handle sets it.
        self.waiter.with_mut(|cell| unsafe {
            match &mut *cell {
                Some(known) => known.clone_from(waker),
                none => *none = Some(waker.clone()),
            }
        });
        // ORDERING: Release, pairs with the Acquire in `complete` and `end`: hands the waker to whoever ends the call.
        self.transition(|state| (!is_over(state)).then_some(state | WAITING), Ordering::Release).is_ok()
    }

    /// Takes the waker's cell back. Says false when the call is over.
    fn clear_waker(&self) -> bool {
        // ORDERING: Acquire: should the call be over, what ended it is seen.
        self.transition(|state| (!is_over(state)).then_some(state & !WAITING), Ordering::Acquire).is_ok()
    }

    /// The handle goes: no task is woken any more, and no handle takes the outcome. The executor drops it, or the caller does,
    /// who gets it from this.
    pub(crate) fn drop_waker(&self) -> Option<O> {
        let detached = |state| (!is_over(state)).then_some(state & !WAITING | DETACHED);
        // ORDERING: Acquire: should the call be over, its outcome is seen. The mark carries nothing.
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

    /// Wakes the waiter if the state that was left had one.
    fn wake_if_registered(&self, before: u64) {
        if let Some(waker) = self.waker_of(before) {
            crate::util::unwind::ignore_panics(|| waker.wake());
        }
    }

    /// The waker of the waiter, if the state that was left had one.
    fn waker_of(&self, before: u64) -> Option<Waker> {
        if before & WAITING == 0 {
            return None;
        }
        // SAFETY: WAITING was set and we cleared it with the step that ended the call: the cell is ours, and the handle,
        // which sees the call over, never touches it again.
        self.waiter.with_mut(|cell| unsafe { (*cell).take() })
    }

    /// Moves the state on by `next`, which says `None` where it cannot. Gives the state before.
    fn transition(&self, next: impl Fn(u64) -> Option<u64>, success: Ordering) -> Result<u64, u64> {
        // ORDERING: Acquire on failure: who finds the call over sees what ended it.
        self.state.fetch_update(success, Ordering::Acquire, next)
    }
}

impl<I, O, M> Drop for Slot<I, O, M> {
    /// What the user's destructors throw stays here: the last owner may be a runner, or the timer.
    #[inline]
    fn drop(&mut self) {
        // ORDERING: Relaxed, `&mut self`: the last owner, ordered after all others by its release.
        let state = self.state.load(Ordering::Relaxed);
        // SAFETY: the state says what the body holds, and nobody else is left to reach it. A claimed call whose input was
        // never taken still holds it, ended or not.
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
        // SAFETY: nobody else is left to reach the cell.
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
