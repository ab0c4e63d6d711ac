//! [`Size`]: the adaptive batch size of a pipeline stage. It follows the measured run times, so
//! that a batch takes about the target time. Pure data.

use std::ops::RangeInclusive;

/// The size of the next batch, derived from the run times of earlier batches.
#[derive(Clone, Debug)]
pub(super) struct Size {
    least: usize,
    most: usize,
    /// The target run time of a batch, in nanoseconds.
    target: u64,
    now: usize,
}

impl Size {
    /// Starts with the smallest size.
    pub(super) fn new(sizes: &RangeInclusive<usize>, target: u64) -> Self {
        let least = *sizes.start();
        Self { least, most: *sizes.end(), target: target.max(1), now: least }
    }

    pub(super) fn least(&self) -> usize {
        self.least
    }

    pub(super) fn now(&self) -> usize {
        self.now
    }

    /// Records that a batch of `count` items took `nanos` nanoseconds.
    ///
    /// A batch above the target makes the next one smaller, by half at most, because the thread may
    /// have been off its core. If it took more than eight times the target, the size may shrink
    /// further. A batch below the target makes the next one larger, up to double, if the batch had
    /// the full size. So the fixed cost of a batch is spread over more and more items.
    pub(super) fn ran(&mut self, count: usize, nanos: u64) {
        let fits = (count as f64 * self.target as f64 / nanos.max(1) as f64) as usize;
        let next = if nanos > self.target.saturating_mul(8) {
            fits
        } else if nanos > self.target {
            fits.max(self.now / 2).min(self.now)
        } else if count >= self.now {
            // If the time allows, grow by at least one: rounding would otherwise keep a small size
            // from growing.
            let one_more = usize::from(nanos < self.target / 4 * 3);
            fits.clamp(self.now.saturating_add(one_more), self.now.saturating_mul(2))
        } else {
            return;
        };
        self.now = next.clamp(self.least, self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records 40 batches. An item takes `each` nanoseconds, and a batch takes `all` nanoseconds
    /// more.
    fn settle(size: &mut Size, each: u64, all: u64) -> usize {
        (0..40).for_each(|_| size.ran(size.now(), all + each * size.now() as u64));
        size.now()
    }

    #[test]
    fn batch_grows_to_its_latency_and_shrinks_again() {
        let mut size = Size::new(&(1..=1_000), 30_000);
        assert_eq!(settle(&mut size, 100, 0), 300);
        assert_eq!(settle(&mut size, 1_000, 0), 30);
        assert_eq!(settle(&mut size, 1_000_000, 0), 1);
        assert_eq!(settle(&mut size, 1, 0), 1_000, "the most that is allowed");
    }

    #[test]
    fn cost_of_a_batch_itself_is_spread_over_its_items() {
        let mut size = Size::new(&(1..=10_000), 20_000);
        assert!(settle(&mut size, 10, 10_000) > 900);
    }

    #[test]
    fn long_batch_halves_the_size_and_a_longer_one_shrinks_it_more() {
        let mut size = Size::new(&(1..=256), 30_000);
        settle(&mut size, 100, 0);
        size.ran(256, 200_000);
        assert_eq!(size.now(), 128);
        size.ran(128, 128_000_000);
        assert_eq!(size.now(), 1, "each takes a millisecond now");
    }

    #[test]
    fn incomplete_batch_does_not_grow_the_size() {
        let mut size = Size::new(&(4..=64), 1_000);
        size.ran(1, 1);
        assert_eq!(size.now(), 4);
    }
}
