//! [`Pace`]: an iterator that numbers the tasks of one run. It gives numbers until the lap, the
//! least duration of a run, is over. So fast contenders are measured as long as slow ones.

use std::time::{Duration, Instant};

/// An iterator that counts up from zero: at least `least` numbers, and more until the lap's time is
/// over.
pub(crate) struct Pace {
    next: u64,
    least: u64,
    /// The clock is read at each multiple of this power of two.
    grain: u64,
    until: Option<Instant>,
}

impl Pace {
    /// Returns exactly `count` numbers.
    pub(crate) fn exactly(count: u64) -> Self {
        Self { next: 0, least: count, grain: 1, until: None }
    }

    /// Returns `least` numbers, then more until `duration` from now.
    pub(crate) fn lasting(duration: Duration, least: u64, grain: u64) -> Self {
        Self { next: 0, least, grain, until: Some(Instant::now() + duration) }
    }

    /// Returns how many numbers were given.
    pub(crate) fn given(&self) -> u64 {
        self.next
    }

    fn is_over(&self) -> bool {
        let clock = self.next & (self.grain - 1) == 0;
        self.next >= self.least && self.until.is_none_or(|until| clock && Instant::now() >= until)
    }
}

impl Iterator for Pace {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if self.is_over() {
            return None;
        }
        self.next += 1;
        Some(self.next - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lap_without_time_yields_the_minimum() {
        assert_eq!(Pace::exactly(3).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(Pace::lasting(Duration::ZERO, 3, 1).count(), 3);
    }

    #[test]
    fn lap_ends_at_a_multiple_of_its_grain() {
        assert_eq!(Pace::lasting(Duration::ZERO, 3, 8).count(), 8);
    }
}
