//! What a task does with a [`Ring`] when it waits for a call that it pushed: it takes the oldest item
//! out, if that is the entry of this call. So a task that waits for its calls in their order leaves
//! no stale entries.

use super::{POSITION, Ring, RingItem, consumer::PREFETCH_DISTANCE};
use crate::util::loom::Ordering;
use std::sync::atomic::Ordering as FigureOrdering;

impl<T: RingItem> Ring<T> {
    /// Takes the oldest item out, if it points to `target`. The caller has claimed the target.
    pub(crate) fn pop_target(&self, target: *const ()) -> Option<T> {
        // ORDERING: as in `pop` and `try_pop`, for the head, `draining` and `sequence`.
        let head = self.head.0.load(Ordering::Acquire);
        if self.draining.load(Ordering::Relaxed) > 0 {
            return None;
        }
        let (cell, turn) = (self.cell(head), self.sequence(head));
        // ORDERING: Relaxed for `points`. It was written before the sequence that this Acquire reads. A
        // producer that has written it since came after another consumer, and the step below fails then.
        let is_full = cell.sequence.load(Ordering::Acquire) == turn + 1;
        if !is_full || cell.points.load(Ordering::Relaxed) != target.addr() {
            return None;
        }
        // ORDERING: AcqRel, as in `try_pop`. The head does not return to a position.
        let next = (head + 1) & POSITION;
        self.head.0.compare_exchange(head, next, Ordering::AcqRel, Ordering::Relaxed).ok()?;
        // ORDERING: Relaxed, a figure.
        self.taken_by_waiters.fetch_add(1, FigureOrdering::Relaxed);
        self.prefetch_cell(head + PREFETCH_DISTANCE);
        Some(self.read_cell(head, cell, turn).into_item()) // a value points to no call
    }

    /// Returns how many items [`pop_target`](Self::pop_target) has taken.
    fn taken_by_waiters(&self) -> u64 {
        // ORDERING: Relaxed, a figure.
        self.taken_by_waiters.load(FigureOrdering::Relaxed)
    }

    /// Counts a call that a task runs at once, so that it has no item here.
    pub(crate) fn count_at_once(&self) {
        // ORDERING: Relaxed, a figure.
        self.run_at_once.fetch_add(1, FigureOrdering::Relaxed);
    }

    /// Returns how many calls tasks have run for themselves.
    pub(crate) fn run_by_waiters(&self) -> u64 {
        // ORDERING: Relaxed, a figure.
        self.taken_by_waiters() + self.run_at_once.load(FigureOrdering::Relaxed)
    }

    /// Returns how many items consumers have taken, without those that waiting tasks took.
    pub(crate) fn served(&self) -> u64 {
        self.head().wrapping_sub(self.taken_by_waiters())
    }
}
