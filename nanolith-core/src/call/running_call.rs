//! [`RunningCall`]: a published pointer to the call that a thread runs, from which other threads
//! get a counted reference to the call.
//!
//! It works like a [hazard pointer](https://en.wikipedia.org/wiki/Hazard_pointer) with a lock bit:
//! the thread that runs the call waits to take it back while another thread counts its reference.
#![allow(unsafe_code)] // unsafe code is allowed here: see ARCHITECTURE.md

use super::call_ref::{CallRef, RefCounted};
use crate::util::loom::{AtomicPtr, Ordering, yield_now};
use std::ptr;

/// The place where one thread publishes the call that it runs. The thread takes the call back
/// before the call is over. Meanwhile other threads can become owners too. The lowest bit of the
/// pointer is set while a thread does so.
pub(crate) struct RunningCall<T: RefCounted> {
    at: AtomicPtr<T>,
}

const HELD: usize = 1;

impl<T: RefCounted> RunningCall<T> {
    pub(crate) fn new() -> Self {
        const { assert!(align_of::<T>() > HELD, "the lowest bit is free") };
        Self { at: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Publishes `call` until the returned guard is dropped. Only the thread that owns the place
    /// calls this, with one call at a time.
    #[inline]
    pub(crate) fn publish(&self, call: CallRef<T>) -> Published<'_, T> {
        // ORDERING: Release, pairs with the Acquire in `call`: the call is seen as it is now.
        self.at.store(call.pointer().as_ptr(), Ordering::Release);
        Published { spot: self, call: Some(call) }
    }

    /// Runs `f` while `call` is published. Only the thread that owns the place calls this.
    #[inline(always)]
    pub(crate) fn show<R>(&self, call: &CallRef<T>, f: impl FnOnce() -> R) -> R {
        /// Takes the call back when it is dropped, also during a panic.
        struct Shown<'a, T: RefCounted>(&'a RunningCall<T>, &'a CallRef<T>);
        impl<T: RefCounted> Drop for Shown<'_, T> {
            #[inline(always)]
            fn drop(&mut self) {
                self.0.take_back(self.1);
            }
        }
        // ORDERING: Release, as in `publish`.
        self.at.store(call.pointer().as_ptr(), Ordering::Release);
        let _shown = Shown(self, call);
        f()
    }

    /// Takes back the call that is published.
    #[inline(always)]
    fn take_back(&self, call: &CallRef<T>) {
        let (here, gone) = (call.pointer().as_ptr(), ptr::null_mut());
        // ORDERING: Acquire, pairs with the Release in `call`.
        while self.at.compare_exchange(here, gone, Ordering::Acquire, Ordering::Relaxed).is_err() {
            yield_now(); // another thread becomes an owner
        }
    }

    /// Returns whether a call is published: a hint.
    pub(crate) fn is_set(&self) -> bool {
        // ORDERING: Relaxed, a hint.
        !self.at.load(Ordering::Relaxed).is_null()
    }

    /// Returns an owner of the published call.
    pub(crate) fn call(&self) -> Option<CallRef<T>> {
        loop {
            // ORDERING: Relaxed, the step below looks again.
            let pointer = self.at.load(Ordering::Relaxed);
            if pointer.is_null() {
                return None;
            }
            if pointer.addr() & HELD != 0 {
                yield_now(); // another thread holds the pointer
                continue;
            }
            let held = pointer.map_addr(|address| address | HELD);
            // ORDERING: Acquire, pairs with the Release in `publish`.
            if self.at.compare_exchange(pointer, held, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                // SAFETY: the publisher owns the call until `at` is null, and `at` is not null
                // while we hold the bit.
                let call = unsafe { CallRef::clone_raw(pointer) };
                // ORDERING: Release, pairs with the Acquire in `Published::take`: the new owner is
                // counted by then.
                self.at.store(pointer, Ordering::Release);
                return call;
            }
        }
    }
}

/// A published call. Dropping it takes the call back.
pub(crate) struct Published<'a, T: RefCounted> {
    spot: &'a RunningCall<T>,
    call: Option<CallRef<T>>,
}

impl<T: RefCounted> Published<'_, T> {
    /// Takes the call back, and returns it.
    #[inline]
    pub(crate) fn retract(mut self) -> Option<CallRef<T>> {
        self.take()
    }

    fn take(&mut self) -> Option<CallRef<T>> {
        let call = self.call.take()?;
        self.spot.take_back(&call);
        Some(call)
    }
}

impl<T: RefCounted> Drop for Published<'_, T> {
    #[inline]
    fn drop(&mut self) {
        drop(self.take());
    }
}
