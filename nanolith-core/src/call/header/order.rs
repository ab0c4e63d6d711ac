//! The position of a call among queued calls: its priority, its expiration (when its turn comes at
//! the latest) and its rank in a custom order. A raise gives a queued call a higher priority: a
//! user asks for it, or a more urgent task that waits for the call.

use super::{Header, RAISED};
use crate::{call::aging::AgingTable, meta::priority::Priority, time::clock};
use std::{sync::atomic::Ordering, time::Duration};

impl Header {
    // ORDERING of `priority`: Relaxed. A raise and a reader that relies on it meet at a lock: that
    // of the queue, or that of `stop` in [`Extra`].

    #[inline]
    pub(crate) fn priority(&self) -> Priority {
        Priority::numbered(self.priority.load(Ordering::Relaxed) & !RAISED)
    }

    /// Makes the call more urgent. Returns whether the priority changed.
    pub(crate) fn raise(&self, to: Priority) -> bool {
        let raised = |now: u8| ((to as u8) < now & !RAISED).then_some(to as u8 | RAISED);
        self.priority.fetch_update(Ordering::Relaxed, Ordering::Relaxed, raised).is_ok()
    }

    fn is_raised(&self) -> bool {
        self.priority.load(Ordering::Relaxed) & RAISED != 0
    }

    /// Returns when the call expires: work that expires later should not run before it.
    pub(crate) fn expires(&self, expirations: &AgingTable) -> u64 {
        let by_priority = || expirations.of(self.priority(), self.submitted_at());
        match self.cold.get().and_then(|cold| cold.serve_within.get()) {
            None => by_priority(),
            Some(nanos) => {
                let own = self.submitted_at().saturating_add(nanos);
                if self.is_raised() { own.min(by_priority()) } else { own }
            }
        }
    }

    /// Returns whether no call in a ring goes before this one once it has begun: the calls there have
    /// the same priority, and came later.
    pub(crate) fn precedes_ring(&self) -> bool {
        self.fits_ring()
    }

    /// Makes the call expire this long after its submission, overriding its priority.
    pub(crate) fn expire_in(&self, timeout: Duration) {
        self.cold().serve_within.set(clock::nanos(timeout));
    }

    #[inline]
    pub(crate) fn has_own_expiration(&self) -> bool {
        self.cold.get().is_some_and(|cold| cold.serve_within.get().is_some())
    }

    /// Returns the rank that a custom order gave the call, if it gave one.
    pub(crate) fn custom_rank(&self) -> Option<u64> {
        self.known_seldom().and_then(|cold| cold.custom_rank.get())
    }

    /// Stores the rank that a custom order gives. A raise never makes the call later.
    pub(crate) fn set_custom_rank(&self, rank: u64) {
        let rank = self.custom_rank().map_or(rank, |before| before.min(rank));
        self.seldom().custom_rank.set(rank);
    }
}
