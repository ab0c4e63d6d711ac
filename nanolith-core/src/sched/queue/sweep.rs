//! Removes stale entries from a [`BoundedQueue`]: entries whose calls are over, or were overtaken,
//! which means that a waiter ran them ahead of their turn.

use super::BoundedQueue;
use crate::wake::WakeList;

/// The way in which an entry that is out of date counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stale {
    /// The entry's call was run ahead of its turn, and is still counted.
    StillCounted,
    /// The side that claimed the call counts it.
    AlreadyCounted,
}

/// The number of entries in the lanes below which no sweep is due.
pub(super) const SWEEP: usize = 1_024;

/// The number of entries, beyond twice the waiting calls, that the lanes may hold before they are
/// stale.
const STALE: usize = 64;

/// The number of entries that a sweep may look at for each call that has ended. A raised call has
/// several entries.
const LOOKS: usize = 8;

impl<T> BoundedQueue<T> {
    /// Keeps a stale entry to be dropped after the lock is released.
    pub(crate) fn discard_stale(&mut self, entry: T) {
        self.ended.push(entry);
    }

    /// Returns whether there are entries to be dropped after the lock is released.
    pub(crate) fn has_spent(&self) -> bool {
        !self.ended.is_empty()
    }

    /// Takes the entries to be dropped after the lock is released.
    pub(crate) fn take_stale(&mut self) -> Vec<T> {
        std::mem::take(&mut self.ended)
    }

    /// Counts a stale entry: its call begins out of turn or was evicted, and the entry is still in
    /// the lanes.
    pub(crate) fn count_stale(&mut self) {
        self.stale += 1;
    }

    /// Returns whether most entries are stale, and enough calls have ended since the last sweep
    /// that each pays for [`LOOKS`].
    pub(crate) fn is_stale(&self) -> bool {
        let entries = self.lanes.len();
        LOOKS * self.stale > entries && entries > 2 * (self.queued.sum() + self.resumed) + STALE
    }

    /// Returns whether the lanes have grown to twice what the last sweep left, plus [`SWEEP`].
    pub(crate) fn is_overgrown(&self) -> bool {
        self.lanes.len() > self.sweep_at
    }

    /// Removes the entries that are `spent`. Counts out the calls that were run ahead of their
    /// turn; all of these are from inside.
    pub(crate) fn purge_stale(&mut self, mut spent: impl FnMut(&T) -> Option<Stale>) -> WakeList {
        let mut gone = 0;
        let swept = self.lanes.retain(|entry| {
            let spent = spent(entry);
            gone += usize::from(spent == Some(Stale::StillCounted));
            spent.is_none()
        });
        self.ended.extend(swept);
        self.stale = 0;
        self.sweep_at = SWEEP + 2 * self.lanes.len();
        if gone == 0 {
            return WakeList::default();
        }
        (0..gone).for_each(|_| self.rules.uncount_overtaken());
        self.queued.inside -= gone;
        self.in_flight.inside -= gone;
        self.completed += gone as u64;
        self.check_empty()
    }
}
