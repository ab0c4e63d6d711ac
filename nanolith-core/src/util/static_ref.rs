//! [`StaticRef`]: a reference to a `'static` value that another reference may replace.
#![allow(unsafe_code)] // unsafe code is allowed here: see ARCHITECTURE.md

use std::{
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
};

/// A `&'static T` that threads read while it may be replaced. A reader gets one of the references
/// that were stored.
pub(crate) struct StaticRef<T: 'static>(AtomicPtr<T>);

impl<T: Sync> StaticRef<T> {
    #[inline(always)]
    pub(crate) const fn new(value: &'static T) -> Self {
        Self(AtomicPtr::new(ptr::from_ref(value).cast_mut()))
    }

    // ORDERING: Relaxed. The value lives as long as the program, and was there before the first
    // reference to it. Its type is `Sync`, so it is published by whatever made the reference.
    #[inline(always)]
    pub(crate) fn get(&self) -> &'static T {
        // SAFETY: only `new` and `set` store here, and each stores a `&'static T`.
        unsafe { &*self.0.load(Ordering::Relaxed) }
    }

    /// Replaces the reference.
    #[inline(always)]
    pub(crate) fn set(&self, value: &'static T) {
        self.0.store(ptr::from_ref(value).cast_mut(), Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::{sync::Arc, thread};

    #[test]
    fn readers_see_a_stored_reference() {
        static ONE: u8 = 1;
        static TWO: u8 = 2;
        let shared = Arc::new(StaticRef::new(&ONE));
        let reader = shared.clone();
        let reads = thread::spawn(move || (0..100).all(|_| matches!(reader.get(), 1 | 2)));
        (0..100).for_each(|n| shared.set(if n % 2 == 0 { &TWO } else { &ONE }));
        assert!(reads.join().expect("it reads") && *shared.get() == 1);
    }
}
