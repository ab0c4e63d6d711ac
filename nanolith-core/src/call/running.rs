//! Where the call stands that a thread is at, for those who may want to end it meanwhile.
#![allow(unsafe_code)] // a room of its own: see ARCHITECTURE.md

use super::call_ref::{CallRef, RefCounted};
use crate::util::loom::{AtomicPtr, Ordering, yield_now};
use std::ptr;

/// One thread puts its call here, and takes it back before the call is over; others get to be its owners too. The lowest
/// bit of the pointer says that one of those is at it.
pub(crate) struct RunningCall<T: RefCounted> {
    at: AtomicPtr<T>,
}

const HELD: usize = 1;

impl<T: RefCounted> RunningCall<T> {
    pub(crate) fn new() -> Self {
        const { assert!(align_of::<T>() > HELD, "the lowest bit is free") };
        Self { at: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Puts `call` here until what this gives goes. For the one thread that the spot is of, one call at a time.
    #[inline]
    pub(crate) fn publish(&self, call: CallRef<T>) -> Published<'_, T> {
        // ORDERING: Release, pairs with the Acquire in `call`: the call is seen as it is now.
        self.at.store(call.pointer().as_ptr(), Ordering::Release);
        Published { spot: self, call: Some(call) }
    }

    /// Whether a call is here: a hint.
    pub(crate) fn is_set(&self) -> bool {
        // ORDERING: Relaxed, a hint.
        !self.at.load(Ordering::Relaxed).is_null()
    }

    /// The call that is here.
    pub(crate) fn call(&self) -> Option<CallRef<T>> {
        loop {
            // ORDERING: Relaxed, the step below looks again.
            let pointer = self.at.load(Ordering::Relaxed);
            if pointer.is_null() {
                return None;
            }
            if pointer.addr() & HELD != 0 {
                yield_now(); // somebody else is at it
                continue;
            }
            let held = pointer.map_addr(|address| address | HELD);
            // ORDERING: Acquire, pairs with the Release in `publish`.
            if self.at.compare_exchange(pointer, held, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                // SAFETY: whoever showed it owns it until `at` is null, and it is not while we hold it.
                let call = unsafe { CallRef::clone_raw(pointer) };
                // ORDERING: Release, pairs with the Acquire in `Published::drop`: the new owner is counted by then.
                self.at.store(pointer, Ordering::Release);
                return call;
            }
        }
    }
}

/// A call at its spot.
pub(crate) struct Published<'a, T: RefCounted> {
    spot: &'a RunningCall<T>,
    call: Option<CallRef<T>>,
}

impl<T: RefCounted> Published<'_, T> {
    /// Takes the call back.
    #[inline]
    pub(crate) fn retract(mut self) -> Option<CallRef<T>> {
        self.take()
    }

    fn take(&mut self) -> Option<CallRef<T>> {
        let call = self.call.take()?;
        let (here, gone) = (call.pointer().as_ptr(), ptr::null_mut());
        // ORDERING: Acquire, pairs with the Release in `call`.
        while self.spot.at.compare_exchange(here, gone, Ordering::Acquire, Ordering::Relaxed).is_err() {
            yield_now(); // somebody becomes an owner
        }
        Some(call)
    }
}

impl<T: RefCounted> Drop for Published<'_, T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}
