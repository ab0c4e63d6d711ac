//! [`PrefetchTarget`]: an item of a queue whose memory the queue can prefetch.

/// An item that points to the memory that its taker uses next.
pub(crate) trait PrefetchTarget {
    fn target_ptr(&self) -> *const ();
}
