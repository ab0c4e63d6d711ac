//! Thread-local values that stay usable until the thread has ended, also within destructors.
//!
//! A thread-local with a destructor is gone once that has run, and [`std::thread::LocalKey::with`]
//! panics from then on. A destructor of the program that waits for a call would then abort the
//! process. A [`PerThread`] value is never dropped, so it lasts as long as the thread, and an
//! access needs no check. Its users empty a value that owns something, themselves or by a function
//! that they pass to [`at_thread_end`].
//!
//! `clippy.toml` forbids the methods of `LocalKey` that panic. A value that must be dropped with
//! its thread, such as a cache of memory, uses `LocalKey::try_with` and handles its absence.

use super::unwind;
use std::{
    cell::{Cell, RefCell},
    mem::ManuallyDrop,
    thread::LocalKey,
};

/// A thread-local value, declared by [`per_thread!`].
pub(crate) struct PerThread<T: 'static>(&'static LocalKey<ManuallyDrop<T>>);

impl<T: 'static> PerThread<T> {
    /// Wraps the key. Only [`per_thread!`] calls this.
    pub(crate) const fn new(key: &'static LocalKey<ManuallyDrop<T>>) -> Self {
        Self(key)
    }

    /// Runs `f` with this thread's value.
    #[inline(always)]
    #[allow(clippy::disallowed_methods)] // the value has no destructor, so it is never gone
    pub(crate) fn with<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        self.0.with(|value| f(value))
    }
}

impl<T: Copy> PerThread<Cell<T>> {
    #[inline(always)]
    pub(crate) fn get(&self) -> T {
        self.with(Cell::get)
    }

    #[inline(always)]
    pub(crate) fn set(&self, value: T) {
        self.with(|cell| cell.set(value));
    }

    #[inline(always)]
    pub(crate) fn replace(&self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

/// Declares a [`PerThread`] value with a constant initial value.
macro_rules! per_thread {
    ($(#[$attribute:meta])* static $name:ident: $type:ty = $value:expr;) => {
        $(#[$attribute])*
        const $name: $crate::util::per_thread::PerThread<$type> = {
            ::std::thread_local! {
                static KEY: ::std::mem::ManuallyDrop<$type> = const { ::std::mem::ManuallyDrop::new($value) };
            }
            $crate::util::per_thread::PerThread::new(&KEY)
        };
    };
}
pub(crate) use per_thread;

/// Runs `clean_up` when this thread ends, after the destructors of the thread-locals that were
/// first used after this call. Does nothing if the thread's clean-up has run already.
pub(crate) fn at_thread_end(clean_up: fn()) {
    struct CleanUps(RefCell<Vec<fn()>>);
    impl Drop for CleanUps {
        fn drop(&mut self) {
            self.0.take().into_iter().for_each(unwind::ignore_panics);
        }
    }
    thread_local! {
        static CLEAN_UPS: CleanUps = const { CleanUps(RefCell::new(Vec::new())) };
    }
    let _ = CLEAN_UPS.try_with(|clean_ups| {
        let mut clean_ups = clean_ups.0.borrow_mut();
        if !clean_ups.iter().any(|known| std::ptr::fn_addr_eq(*known, clean_up)) {
            clean_ups.push(clean_up);
        }
    });
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::{sync::mpsc, thread};

    per_thread! {
        static VALUE: RefCell<Option<mpsc::Sender<u8>>> = RefCell::new(None);
    }

    /// A value that runs its closure when its thread ends.
    struct AtEnd(RefCell<Option<Box<dyn FnOnce()>>>);

    impl Drop for AtEnd {
        fn drop(&mut self) {
            self.0.take().into_iter().for_each(|run| run());
        }
    }

    thread_local! {
        static EARLIER: AtEnd = const { AtEnd(RefCell::new(None)) };
        static LATER: AtEnd = const { AtEnd(RefCell::new(None)) };
    }

    fn set(key: &'static LocalKey<AtEnd>, run: impl FnOnce() + 'static) {
        let kept = key.try_with(|at_end| at_end.0.replace(Some(Box::new(run))));
        assert!(kept.is_ok());
    }

    #[test]
    fn value_works_in_destructors_and_is_emptied_between() {
        let (seen, sees) = mpsc::channel();
        let (sender, receiver) = mpsc::channel();
        let ends = thread::spawn(move || {
            let (earlier, later) = (seen.clone(), seen);
            let look = |seen: mpsc::Sender<bool>| {
                move || seen.send(VALUE.with(|value| value.borrow().is_some())).expect("the test looks")
            };
            set(&EARLIER, look(earlier));
            at_thread_end(|| drop(VALUE.with(RefCell::take)));
            VALUE.with(|value| value.replace(Some(sender)));
            set(&LATER, look(later));
        });
        ends.join().expect("nothing panics");
        assert_eq!(sees.iter().collect::<Vec<_>>(), [true, false]);
        assert!(receiver.recv().is_err(), "what the value held is dropped");
    }
}
