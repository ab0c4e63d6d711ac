//! Memory that is read soon.

/// An item that points to what its taker touches next.
pub(crate) trait PrefetchTarget {
    fn target_ptr(&self) -> *const ();
}
