//! The primitives of the model-checked protocols: loom's under `cfg(loom)`, else the standard
//! library's.
//!
//! Only the modules with unsafe code, and `pool/wake_state.rs`, `channel/stream/notify.rs` and
//! `channel/broadcast/cursor.rs`, import this module. All other code uses the standard library
//! directly.

#[cfg(loom)]
pub(crate) use loom::cell::UnsafeCell;
#[cfg(not(loom))]
pub(crate) use plain::UnsafeCell;

#[cfg(loom)]
pub(crate) use loom::{
    sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, fence},
    thread::yield_now,
};
#[cfg(not(loom))]
pub(crate) use std::{
    sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, fence},
    thread::yield_now,
};

pub(crate) use std::sync::atomic::Ordering;

#[cfg(not(loom))]
mod plain {
    /// The standard cell, with the accessors of loom's cell.
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        /// Passes the pointer to `f`. The code that dereferences it has a `SAFETY:` comment.
        #[inline(always)]
        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }
}
