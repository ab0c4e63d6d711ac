//! [`SmallValue`]: a value of any type that fits a few words, in a place whose size does not depend
//! on the type.
#![allow(unsafe_code)] // unsafe code is allowed here: see ARCHITECTURE.md

use std::{
    marker::PhantomData,
    mem::{ManuallyDrop, MaybeUninit},
};

type Words = [u64; 4];

/// A value of `T` in four words. So code for a large type, for which no such value exists, has no
/// large stack frames.
pub(crate) struct SmallValue<T> {
    words: MaybeUninit<Words>,
    value: PhantomData<T>,
}

impl<T> SmallValue<T> {
    /// Whether values of `T` fit.
    pub(crate) const FITS: bool = size_of::<T>() <= size_of::<Words>() && align_of::<T>() <= align_of::<Words>();

    /// Returns the value in its place, or as it is if it does not fit.
    #[inline(always)]
    pub(crate) fn new(value: T) -> Result<Self, T> {
        if !Self::FITS {
            return Err(value);
        }
        let mut words = MaybeUninit::<Words>::uninit();
        // SAFETY: the value fits in size and alignment.
        unsafe { words.as_mut_ptr().cast::<T>().write(value) };
        Ok(Self { words, value: PhantomData })
    }

    #[inline(always)]
    pub(crate) fn get(&self) -> &T {
        // SAFETY: `new` has written a `T`, and `into_inner` takes it out together with `self`.
        unsafe { &*self.words.as_ptr().cast::<T>() }
    }

    #[inline(always)]
    pub(crate) fn into_inner(self) -> T {
        let this = ManuallyDrop::new(self);
        // SAFETY: as in `get`. `this` is not dropped, so the value is read once.
        unsafe { this.words.as_ptr().cast::<T>().read() }
    }
}

impl<T> Drop for SmallValue<T> {
    fn drop(&mut self) {
        // SAFETY: as in `get`. Nothing uses the value after this.
        unsafe { self.words.as_mut_ptr().cast::<T>().drop_in_place() };
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::rc::Rc;

    #[test]
    fn small_value_is_dropped_once() {
        let counted = Rc::new(());
        let kept = SmallValue::new((counted.clone(), 7_u8)).expect("it fits");
        assert_eq!((kept.get().1, Rc::strong_count(&counted)), (7, 2));
        let (taken, _) = kept.into_inner();
        assert_eq!(Rc::strong_count(&counted), 2);
        drop(SmallValue::new(taken));
        assert_eq!(Rc::strong_count(&counted), 1);
    }

    #[test]
    fn large_or_aligned_value_comes_back() {
        #[repr(align(16))]
        struct Aligned(u8);
        assert!(SmallValue::new([0_u64; 5]).is_err_and(|value| value == [0; 5]));
        assert!(SmallValue::new(Aligned(7)).is_err_and(|value| value.0 == 7));
    }
}
