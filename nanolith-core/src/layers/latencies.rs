//! [`Latencies`]: the latencies of recent calls, and a percentile of them. It is pure data: the
//! caller holds the lock.

use std::time::Duration;

/// The number of latencies that are kept.
const KEPT: usize = 256;
/// The number of latencies that are enough for a percentile.
const ENOUGH: usize = 20;
/// The number of new latencies after which the percentile is computed again.
const STALE: usize = 16;

#[derive(Debug)]
pub(super) struct Latencies {
    /// The percentile as a part, from 0 to 1.
    part: f64,
    kept: Vec<Duration>,
    /// The index of the oldest latency, once `KEPT` are there.
    oldest: usize,
    found: Option<Duration>,
    since_found: usize,
}

impl Latencies {
    pub(super) fn new(part: f64) -> Self {
        Self { part, kept: Vec::new(), oldest: 0, found: None, since_found: 0 }
    }

    pub(super) fn add(&mut self, latency: Duration) {
        if self.kept.len() < KEPT {
            self.kept.push(latency);
        } else {
            self.kept[self.oldest] = latency;
            self.oldest = (self.oldest + 1) % KEPT;
        }
        self.since_found += 1;
    }

    /// Returns the latency that this part of the calls did not exceed, or `None` while there are
    /// too few calls.
    pub(super) fn percentile(&mut self) -> Option<Duration> {
        if self.kept.len() < ENOUGH {
            return None;
        }
        if self.found.is_none() || self.since_found >= STALE {
            let mut sorted = self.kept.clone();
            sorted.sort_unstable();
            // Both factors are small, and not negative.
            #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let rank = (self.part * sorted.len() as f64).ceil() as usize;
            self.found = sorted.get(rank.clamp(1, sorted.len()) - 1).copied();
            self.since_found = 0;
        }
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentile_covers_the_latest_values() {
        let mut latencies = Latencies::new(0.95);
        (1..20).for_each(|ms| latencies.add(Duration::from_millis(ms)));
        assert_eq!(latencies.percentile(), None, "too few");
        latencies.add(Duration::from_millis(20));
        assert_eq!(latencies.percentile(), Some(Duration::from_millis(19)));
        (0..KEPT).for_each(|_| latencies.add(Duration::from_secs(1)));
        assert_eq!(latencies.percentile(), Some(Duration::from_secs(1)));
    }
}
