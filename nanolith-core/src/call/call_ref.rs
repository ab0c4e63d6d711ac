//! [`CallRef`]: a counted reference to a call's slot (the one allocation of the call), like an
//! `Arc` without weak references.
//!
//! The count is in the slot's own state word. So the executor's last step, which ends the call,
//! also releases the executor's reference. The waiting handle then finds itself the only owner, and
//! no other thread touches the slot afterwards.
#![allow(unsafe_code)] // unsafe code is allowed here: see ARCHITECTURE.md

use super::{backend::ErasedCall, slab};
use crate::util::{
    loom::{AtomicU64, Ordering},
    prefetch::PrefetchTarget,
};
use std::{
    alloc::{self, Layout},
    any::TypeId,
    fmt, mem,
    ops::Deref,
    ptr::NonNull,
};

/// One owner. The count is the upper half of the word.
pub(super) const OWNER: u64 = 1 << OWNERS;
pub(super) const OWNERS: u32 = 32;
const MOST_OWNERS: u64 = 1 << 31;

/// A value that counts its owners.
///
/// # Safety
///
/// The first field, at the value's own address, is the word: an [`AtomicU64`] whose upper half
/// counts the owners. A new value has one owner. A step by which the implementation takes an owner
/// off that count leaves at least one, and has Release.
pub(crate) unsafe trait RefCounted: 'static {
    /// Returns the concrete type behind an erased value. Code outside this module cannot name
    /// `Sealed`, so it cannot override this method.
    #[doc(hidden)]
    fn kind(&self, _: Sealed) -> TypeId {
        TypeId::of::<Self>()
    }
}

/// A type that only this module can name.
pub(crate) struct Sealed(());

/// The word of a value that counts its owners.
///
/// The steps on the count take no reference to the value. As an argument, such a reference would
/// protect the whole value until the step returns. But another owner may free the value as soon as
/// the count is written. The word itself is not protected, since it is atomic.
struct Word(NonNull<AtomicU64>);

impl Word {
    #[inline(always)]
    fn of<T: ?Sized + RefCounted>(value: NonNull<T>) -> Self {
        Self(value.cast())
    }

    /// Adds one owner to the count.
    ///
    /// # Safety
    ///
    /// An owner exists until this returns.
    #[inline(always)]
    unsafe fn retain(self) {
        // SAFETY: an owner keeps the value alive, and the value begins with its word.
        let word = unsafe { self.0.as_ref() };
        // ORDERING: Relaxed, an owner creates another, which learns of the slot through it.
        let before = word.fetch_add(OWNER, Ordering::Relaxed);
        if before >> OWNERS > MOST_OWNERS {
            std::process::abort(); // as `Arc` does: billions of owners were forgotten
        }
    }

    /// Removes one owner from the count. Returns whether it was the last. Orders what all other
    /// owners did before what the last owner does next.
    ///
    /// # Safety
    ///
    /// This owner was counted, and does not touch the value after this unless it was the last.
    #[inline(always)]
    unsafe fn release(self) -> bool {
        // SAFETY: this owner keeps the value alive until the last step below; the value begins with
        // its word.
        let word = unsafe { self.0.as_ref() };
        // ORDERING: Acquire, pairs with the Release of the owners that left before, here and in
        // `Slot::complete`. An owner that is alone stays alone.
        if word.load(Ordering::Acquire) >> OWNERS == 1 {
            return true;
        }
        // ORDERING: AcqRel. Release orders what this owner did before the end; Acquire, for the
        // last owner, what all others did.
        word.fetch_sub(OWNER, Ordering::AcqRel) >> OWNERS == 1
    }
}

/// A counted owner of a value.
pub(crate) struct CallRef<T: ?Sized + RefCounted>(NonNull<T>);

// SAFETY: an owner gives what `&T` gives, and the last owner drops the `T` on its own thread.
unsafe impl<T: ?Sized + RefCounted + Send + Sync> Send for CallRef<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + RefCounted + Send + Sync> Sync for CallRef<T> {}

/// A block of memory for a slot, which is then written in place. Dropping this without
/// [`Uninit::init`] leaks the memory.
pub(crate) struct Uninit<T>(NonNull<T>);

impl<T: RefCounted> Uninit<T> {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        const { assert!(size_of::<T>() > 0, "what counts its owners has a size") };
        let layout = Layout::new::<T>();
        Self(if KEPT { slab::alloc(layout).cast() } else { slab::allocate(layout).cast() })
    }

    #[inline(always)]
    pub(crate) fn init(self, value: T) -> CallRef<T> {
        // SAFETY: the memory is new, and fits.
        unsafe { self.0.write(value) };
        CallRef(self.0)
    }

    /// Like [`Uninit::init`], but returns two owners.
    #[inline(always)]
    pub(crate) fn init_pair(self, value: T) -> (CallRef<T>, CallRef<T>) {
        let one = self.init(value);
        // SAFETY: the value was just made, and is not shared yet.
        let word = unsafe { Word::of(one.0).0.as_ref() };
        // ORDERING: Relaxed, no other thread knows the word.
        word.store(word.load(Ordering::Relaxed) + OWNER, Ordering::Relaxed);
        let other = CallRef(one.0);
        (one, other)
    }
}

/// Whether the memory of slots is reused. Under loom and miri every slot gets fresh memory, so that
/// they find a use after free.
const KEPT: bool = !cfg!(any(loom, miri));

impl<T: RefCounted> CallRef<T> {
    #[cfg(test)]
    pub(crate) fn new(value: T) -> Self {
        Uninit::new().init(value)
    }

    /// Erases the type of this owner.
    pub(crate) fn erase(self) -> CallRef<dyn ErasedCall>
    where
        T: ErasedCall,
    {
        let erased: NonNull<dyn ErasedCall> = self.0;
        mem::forget(self);
        CallRef(erased)
    }

    pub(super) fn pointer(&self) -> NonNull<T> {
        self.0
    }

    /// Returns exclusive access to the value, if this is its only owner.
    #[inline(always)]
    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        // SAFETY: this owner keeps the value alive, and the value begins with its word.
        let word = unsafe { Word::of(self.0).0.as_ref() };
        // ORDERING: Acquire, pairs with the Release of the owners that left before, as in
        // `release`.
        if word.load(Ordering::Acquire) >> OWNERS != 1 {
            return None;
        }
        // SAFETY: no other owner exists, and none can be made while this one is borrowed: an owner
        // is made from another owner. `RunningCall` borrows or owns the one that it shows.
        Some(unsafe { self.0.as_mut() })
    }

    /// Creates an owner from a pointer whose value another owner keeps alive meanwhile.
    ///
    /// # Safety
    ///
    /// The pointer came from [`CallRef::pointer`] of an owner, and that owner exists until this
    /// returns.
    pub(super) unsafe fn clone_raw(pointer: *mut T) -> Option<Self> {
        let pointer = NonNull::new(pointer)?;
        // SAFETY: that owner exists meanwhile.
        unsafe { Word::of(pointer).retain() };
        Some(Self(pointer))
    }

    /// Creates an owner that was counted already.
    ///
    /// # Safety
    ///
    /// No other owner stands for that count.
    pub(super) unsafe fn owner_of_counted(&self) -> Self {
        Self(self.0)
    }
}

impl CallRef<dyn ErasedCall> {
    /// Restores the type that this owner had before it was erased.
    pub(crate) fn downcast<T: ErasedCall>(self) -> Option<CallRef<T>> {
        if (*self).kind(Sealed(())) != TypeId::of::<T>() {
            return None;
        }
        let typed = self.0.cast();
        mem::forget(self);
        Some(CallRef(typed))
    }
}

impl<T: ?Sized + RefCounted> CallRef<T> {
    /// Returns whether both own the same value.
    pub(super) fn is_of<U: ?Sized + RefCounted>(&self, other: &CallRef<U>) -> bool {
        self.0.addr() == other.0.addr()
    }

    /// Gives up the ownership without a step on the count: another step has already removed it.
    pub(crate) fn forget(self) {
        mem::forget(self);
    }
}

impl<T: ?Sized + RefCounted> Deref for CallRef<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: an owner keeps the value alive.
        unsafe { self.0.as_ref() }
    }
}

impl<T: ?Sized + RefCounted> Clone for CallRef<T> {
    fn clone(&self) -> Self {
        // SAFETY: this is an owner.
        unsafe { Word::of(self.0).retain() };
        Self(self.0)
    }
}

impl<T: ?Sized + RefCounted> Drop for CallRef<T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this owner was counted, and ends here.
        if unsafe { Word::of(self.0).release() } {
            let layout = Layout::for_value::<T>(self);
            // SAFETY: this was the last owner, so no other code reaches the value any more.
            unsafe { self.0.drop_in_place() };
            if KEPT {
                // SAFETY: `Uninit::new` took it with the layout of its type, which is the value's.
                unsafe { slab::free(self.0.cast(), layout) };
            } else {
                // SAFETY: `Uninit::new` got it from `allocate` with that layout.
                unsafe { alloc::dealloc(self.0.cast().as_ptr(), layout) };
            }
        }
    }
}

impl<T: ?Sized + RefCounted> PrefetchTarget for CallRef<T> {
    #[inline]
    fn target_ptr(&self) -> *const () {
        self.0.as_ptr().cast()
    }
}

impl<T: ?Sized + RefCounted> fmt::Debug for CallRef<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallRef").finish_non_exhaustive()
    }
}
