//! [`Spin`]: whether a thread that waits for bytes looks again and again for a short time, before it
//! sleeps. The wake of a thread on another core takes longer than a short call.

use std::time::{Duration, Instant};

/// How long a thread looks.
const LIMIT: Duration = Duration::from_micros(20);
/// How many waits at most do not look, after one that looked in vain.
const MAX_SKIPPED: u32 = 63;

/// What the last waits have shown. After a wait that looked in vain the next one sleeps at once, after
/// two of them the next three, and so on. So the looks take little time where bytes come late.
#[derive(Debug)]
pub(crate) struct Spin {
    /// Whether the other process can run while this one looks.
    is_useful: bool,
    /// How many waits sleep at once after the next one that looks in vain.
    penalty: u32,
    /// How many waits still sleep at once.
    skipped: u32,
}

impl Spin {
    pub(crate) fn new(is_useful: bool) -> Self {
        Self { is_useful, penalty: 1, skipped: 0 }
    }

    /// Begins a wait. Returns until when it looks, if it does.
    pub(crate) fn begin(&mut self) -> Option<Instant> {
        if !self.is_useful {
            return None;
        }
        match self.skipped.checked_sub(1) {
            Some(left) => {
                self.skipped = left;
                None
            }
            None => Instant::now().checked_add(LIMIT),
        }
    }

    /// Records whether a wait that looked has found bytes.
    pub(crate) fn end(&mut self, has_found: bool) {
        if has_found {
            self.penalty = 1;
        } else {
            self.skipped = self.penalty;
            self.penalty = (self.penalty * 2 + 1).min(MAX_SKIPPED);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns how many of some waits look, if bytes come late in each.
    fn looks(spin: &mut Spin, waits: usize) -> usize {
        (0..waits).filter(|_| spin.begin().is_some().then(|| spin.end(false)).is_some()).count()
    }

    #[test]
    fn waits_look_rarely_while_bytes_come_late() {
        let mut spin = Spin::new(true);
        assert_eq!(looks(&mut spin, 2), 1, "the second sleeps at once");
        assert_eq!(looks(&mut spin, 4), 1, "then three do");
        assert!(looks(&mut spin, 6_400) < 110);
    }

    #[test]
    fn each_wait_looks_while_bytes_come_soon() {
        let mut spin = Spin::new(true);
        looks(&mut spin, 1_000);
        (0..=MAX_SKIPPED).for_each(|_| {
            if spin.begin().is_some() {
                spin.end(true);
            }
        });
        (0..100).for_each(|_| {
            assert!(spin.begin().is_some());
            spin.end(true);
        });
    }

    #[test]
    fn no_wait_looks_on_one_core() {
        assert_eq!(looks(&mut Spin::new(false), 100), 0);
    }
}
