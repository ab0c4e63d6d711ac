//! [`AgingTable`]: priority aging. The table says how long a call of each priority may wait on one
//! executor, from which the place of the call in the queue follows.

use crate::{meta::priority::Priority, time::clock};
use std::time::Duration;

/// The time by which an immediate call's expiration lies in the past when the call is submitted, in
/// nanoseconds.
const EARLY: u64 = 1_000_000;

/// A timeout for each priority, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AgingTable([u64; Priority::ALL.len()]);

impl Default for AgingTable {
    fn default() -> Self {
        Self(Priority::ALL.map(|priority| clock::nanos(priority.max_wait())))
    }
}

impl AgingTable {
    pub(crate) fn set(&mut self, priority: Priority, timeout: Duration) {
        self.0[priority as usize] = clock::nanos(timeout);
    }

    /// Returns the moment, in nanoseconds, at which work submitted at `now` expires.
    #[inline]
    pub(crate) fn of(&self, priority: Priority, now: u64) -> u64 {
        match self.0[priority as usize] {
            0 if priority == Priority::Immediate => now.saturating_sub(EARLY),
            timeout => now.saturating_add(timeout),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn each_priority_has_its_configured_time_out() {
        let mut table = AgingTable::default();
        assert_eq!(table.of(Priority::Immediate, 10 * MS), 9 * MS);
        assert_eq!(table.of(Priority::UserBlocking, 10 * MS), 260 * MS);
        table.set(Priority::UserBlocking, Duration::from_millis(7));
        table.set(Priority::Immediate, Duration::from_millis(1));
        assert_eq!(table.of(Priority::UserBlocking, 10 * MS), 17 * MS);
        assert_eq!(table.of(Priority::Immediate, 10 * MS), 11 * MS);
    }

    #[test]
    fn endless_expiration_does_not_wrap() {
        let mut table = AgingTable::default();
        table.set(Priority::Idle, Duration::MAX);
        assert_eq!(table.of(Priority::Idle, 10), u64::MAX);
    }
}
