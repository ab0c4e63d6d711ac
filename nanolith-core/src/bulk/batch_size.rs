//! How much goes into one batch, and how many batches are under way: by what the last ones took.

use std::num::NonZero;

/// A batch that takes less is worth doubling. Nanoseconds.
const TARGET_MIN_NS: u64 = 40_000;

/// One that takes longer is too large: others could have had a part of it. Nanoseconds.
const TARGET_MAX_NS: u64 = 100_000;

/// The most inputs of a batch that nobody has set.
pub(super) const MAX_BATCH: usize = 1_024;

/// Calls under way where each input is one.
const MAX_SINGLE: usize = 4_096;

/// Batches under way before anything is known, at least.
const FIRST_BATCH: usize = 16;

/// What was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits {
    pub(super) in_flight: Option<NonZero<usize>>,
    pub(super) batch: Option<NonZero<usize>>,
}

impl Limits {
    /// How many inputs to take before anything else is known.
    pub(super) fn first(self) -> usize {
        let size = self.batch.map_or(1, NonZero::get);
        self.in_flight.map_or(size, |bound| size.min(bound.get()))
    }
}

/// How the work goes on.
#[derive(Debug)]
pub(super) struct BatchSizer {
    /// Inputs under way, at most.
    bound: usize,
    /// Inputs of the next batch.
    size: usize,
    /// Of any.
    most: usize,
    /// Whether the size follows the time that batches take.
    adapts: bool,
    /// Batches under way, at most: grows with each that comes back, so that the first ones are not all of one input.
    batches: usize,
    /// Whether inputs come so slowly that a batch of them is long in the making.
    waits: bool,
}

impl BatchSizer {
    /// For calls one by one.
    pub(super) fn of_singles(wish: Limits) -> Self {
        let bound = wish.in_flight.map_or(MAX_SINGLE, NonZero::get);
        Self { bound, size: 1, most: 1, adapts: false, batches: usize::MAX, waits: false }
    }

    /// For batches on so many threads: each has one and looks forward to another, and so has whoever hands them out.
    pub(super) fn of_batches(wish: Limits, threads: usize) -> Self {
        let batches = threads.saturating_mul(2).saturating_add(2);
        let usual = wish.batch.map_or(MAX_BATCH, NonZero::get).saturating_mul(batches);
        let bound = wish.in_flight.map_or(usual, NonZero::get);
        let most = wish.batch.map_or((bound / batches).clamp(1, MAX_BATCH), |size| size.get().min(bound));
        let size = if wish.batch.is_some() { most } else { 1 };
        let adapts = wish.batch.is_none();
        let batches = if adapts { batches.max(FIRST_BATCH) } else { usize::MAX };
        Self { bound, size, most, adapts, batches, waits: false }
    }

    pub(super) fn adapts(&self) -> bool {
        self.adapts
    }

    /// How many inputs to take now, with so many under way in so many batches; zero: wait for some to come back.
    pub(super) fn room(&self, inputs: usize, batches: usize) -> usize {
        if batches >= self.batches || inputs >= self.bound {
            return 0;
        }
        let room = self.bound - inputs;
        // Rather none than a small one, as long as others are under way.
        if room < self.size && batches > 0 { 0 } else { room.min(self.size) }
    }

    /// A batch of so many inputs took so long to run, in nanoseconds.
    pub(super) fn ran(&mut self, inputs: usize, took: u64) {
        if !self.adapts {
            return;
        }
        self.batches = self.batches.saturating_add(2);
        if took > TARGET_MAX_NS {
            let fitting = (inputs as u64).saturating_mul(TARGET_MAX_NS) / took;
            // By half at most: a thread may have been off its core.
            self.size = self.size.min((self.size / 2).max(usize::try_from(fitting).unwrap_or(usize::MAX))).max(1);
        } else if took < TARGET_MIN_NS && inputs >= self.size && !self.waits {
            self.size = (self.size * 2).min(self.most);
        }
    }

    /// To take the inputs of a batch took so long, in nanoseconds.
    pub(super) fn filled(&mut self, took: u64) {
        self.waits = took > TARGET_MIN_NS;
        if self.adapts && took > TARGET_MAX_NS {
            self.size = (self.size / 2).max(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_batches_grow_to_the_most_and_long_ones_shrink_to_one() {
        let mut pace = BatchSizer::of_batches(Limits::default(), 2);
        assert_eq!(pace.room(0, 0), 1);
        (0..20).for_each(|_| pace.ran(pace.size, 1_000));
        assert_eq!(pace.room(0, 0), MAX_BATCH);
        (0..20).for_each(|_| pace.ran(pace.size, 1_000_000_000));
        assert_eq!(pace.room(0, 0), 1);
    }

    #[test]
    fn a_batch_that_came_from_before_does_not_count_as_a_short_one() {
        let mut pace = BatchSizer::of_batches(Limits::default(), 2);
        pace.ran(1, 1_000);
        pace.ran(1, 1_000);
        assert_eq!(pace.size, 2);
    }

    #[test]
    fn a_size_of_ones_own_stays() {
        let wish = Limits { batch: NonZero::new(7), in_flight: NonZero::new(20) };
        let mut pace = BatchSizer::of_batches(wish, 2);
        pace.ran(7, 1_000_000_000);
        assert_eq!((pace.room(0, 0), pace.room(7, 1), pace.room(14, 2)), (7, 7, 0));
    }

    #[test]
    fn no_more_are_under_way_than_was_said() {
        let wish = Limits { batch: None, in_flight: NonZero::new(3) };
        let mut pace = BatchSizer::of_batches(wish, 64);
        (0..20).for_each(|_| pace.ran(1, 1));
        assert_eq!((pace.room(0, 0), pace.room(2, 2), pace.room(3, 3)), (1, 1, 0));
    }

    #[test]
    fn slow_inputs_do_not_wait_for_each_other() {
        let mut pace = BatchSizer::of_batches(Limits::default(), 2);
        for _ in 0..20 {
            pace.filled(1_000_000);
            pace.ran(pace.size, 1);
        }
        assert_eq!(pace.size, 1);
    }
}
