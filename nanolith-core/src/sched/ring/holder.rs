//! What the holder of the queue's lock does with a [`Ring`]: it opens, limits, closes and drains it.

use super::{CLOSED, CREDIT_SHIFT, POSITION, RESTING, Ring, RingItem};
use crate::util::loom::{Ordering, yield_now};

impl<T: RingItem> Ring<T> {
    pub(crate) fn set_in_use(&self, is_in_use: bool) {
        // ORDERING: Relaxed, a hint.
        self.in_use.store(is_in_use.into(), Ordering::Relaxed);
    }

    /// Sets the maximum number of items, at most the number of cells. Opens the ring if that gives
    /// credits.
    ///
    /// The limit of an open ring may grow but not shrink: [`Ring::close`] comes first then.
    pub(crate) fn set_limit(&self, items: usize) {
        let limit = items.min(self.cells.len()) as u64;
        // ORDERING: Relaxed, published by the step below if the ring was closed.
        self.limit.store(limit, Ordering::Relaxed);
        // ORDERING: Relaxed, the step below looks again.
        let tail = self.tail.0.load(Ordering::Relaxed);
        let places = limit.saturating_sub(self.between(self.head(), tail));
        if tail & CLOSED != 0 && places > 0 {
            // ORDERING: Release, pairs with the Acquire in `try_push`. Only `end_rest` writes to a
            // closed ring's tail meanwhile.
            let opened = |tail| Some(places << CREDIT_SHIFT | tail & (POSITION | RESTING));
            let _ = self.tail.0.fetch_update(Ordering::Release, Ordering::Relaxed, opened);
        }
    }

    /// Closes the ring to producers. Returns the position at which it was closed.
    pub(crate) fn close(&self) -> u64 {
        // ORDERING: AcqRel. Acquire pairs with the Release in `try_push`; Release keeps this before
        // what the lock holder does. CLOSED is set and the credits are cleared in one step, or a
        // producer would find positions that became free. The consumer may sleep on.
        let shut = |tail| Some(tail & (POSITION | RESTING) | CLOSED);
        let (Ok(tail) | Err(tail)) = self.tail.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, shut);
        tail & POSITION
    }

    /// Closes the ring to producers, and takes out all items.
    pub(crate) fn close_and_drain(&self, mut each: impl FnMut(T)) {
        let end = self.close();
        // ORDERING: Relaxed, published by the steps in `try_pop`.
        self.draining.store(1, Ordering::Relaxed);
        while self.head() != end {
            match self.try_pop(|| false, |_| true) {
                Some(taken) => each(taken.into_item()),
                // The producer that took the position fills its cell next, or a consumer is moving
                // the head.
                None => yield_now(),
            }
        }
        // ORDERING: Relaxed, see `mark_mixed`.
        self.is_mixed.store(0, Ordering::Relaxed);
        // ORDERING: Release, the store stays after the last step.
        self.draining.store(0, Ordering::Release);
    }

    /// Pushes an item into a closed ring, if it has a free cell.
    pub(crate) fn push_closed(&self, item: T) -> Result<(), T> {
        if self.len() >= self.cells.len() {
            return Err(item);
        }
        // ORDERING: AcqRel, as in `try_push`. The ring is closed, so no other thread moves the
        // tail.
        let tail = self.tail.0.fetch_add(1, Ordering::AcqRel);
        self.write_cell(tail & POSITION, item);
        Ok(())
    }
}
