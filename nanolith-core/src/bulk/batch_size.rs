//! [`BatchSizer`] chooses how many inputs make up a batch, which is one call for many inputs, and
//! how many batches are in flight. It decides by the run times of earlier batches.

use std::num::NonZero;

/// A batch with a shorter run time makes the size double. Nanoseconds.
const TARGET_MIN_NS: u64 = 40_000;

/// A batch with a longer run time is too large: other threads could have run part of it.
/// Nanoseconds.
const TARGET_MAX_NS: u64 = 100_000;

/// The largest batch, if the user sets no size.
pub(super) const MAX_BATCH: usize = 1_024;

/// The maximum number of calls in flight where each input is a call of its own.
const MAX_SINGLE: usize = 4_096;

/// The least number of batches allowed in flight before any run time is known.
const FIRST_BATCH: usize = 16;

/// The least first batch of a task of the executor, in inputs.
const FIRST_WITHIN: usize = 16;

/// The limits that the user sets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits {
    pub(super) in_flight: Option<NonZero<usize>>,
    pub(super) batch: Option<NonZero<usize>>,
}

impl Limits {
    /// Returns the number of inputs to take before anything else is known.
    pub(super) fn first(self) -> usize {
        let size = self.batch.map_or(1, NonZero::get);
        self.in_flight.map_or(size, |bound| size.min(bound.get()))
    }
}

/// The current batch size and limits.
#[derive(Debug)]
pub(super) struct BatchSizer {
    /// The maximum number of inputs in flight.
    bound: usize,
    /// The number of inputs in the next batch.
    size: usize,
    /// The maximum number of inputs in any batch.
    most: usize,
    /// Whether the size follows the run times of batches.
    adapts: bool,
    /// The maximum number of batches in flight. It grows with each completed batch, because the
    /// first batches would otherwise all have one input.
    batches: usize,
    /// Whether inputs arrive so slowly that filling a batch takes long.
    waits: bool,
}

impl BatchSizer {
    /// Makes limits for calls that are submitted one by one.
    pub(super) fn of_singles(wish: Limits) -> Self {
        let bound = wish.in_flight.map_or(MAX_SINGLE, NonZero::get);
        Self { bound, size: 1, most: 1, adapts: false, batches: usize::MAX, waits: false }
    }

    /// Makes limits for batches on `threads` threads. Each thread runs one batch and has one more
    /// waiting, and the thread that takes the results has two as well.
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

    /// Begins with larger batches, for `inputs` inputs at least that a task of the executor asks for. That
    /// task runs batches itself, so a small one pays a call and gains nothing.
    pub(super) fn begin_within(&mut self, inputs: usize, threads: usize) {
        if self.adapts {
            self.size = (inputs / (FIRST_BATCH * threads.max(1))).max(FIRST_WITHIN).min(self.most);
        }
    }

    pub(super) fn adapts(&self) -> bool {
        self.adapts
    }

    /// Returns how many inputs to take now, with `inputs` in flight in `batches` batches. Zero
    /// means: wait for a batch to complete.
    pub(super) fn room(&self, inputs: usize, batches: usize) -> usize {
        if batches >= self.batches || inputs >= self.bound {
            return 0;
        }
        let room = self.bound - inputs;
        // While other batches are in flight, waiting is better than submitting a small batch.
        if room < self.size && batches > 0 { 0 } else { room.min(self.size) }
    }

    /// Records that a batch of `inputs` inputs ran for `took` nanoseconds.
    pub(super) fn ran(&mut self, inputs: usize, took: u64) {
        if !self.adapts {
            return;
        }
        self.batches = self.batches.saturating_add(2);
        if took > TARGET_MAX_NS {
            let fitting = (inputs as u64).saturating_mul(TARGET_MAX_NS) / took;
            // At most by half, since the thread may have been off its core.
            self.size = self.size.min((self.size / 2).max(usize::try_from(fitting).unwrap_or(usize::MAX))).max(1);
        } else if took < TARGET_MIN_NS && inputs >= self.size && !self.waits {
            self.size = (self.size * 2).min(self.most);
        }
    }

    /// Records that taking the inputs of a batch took `took` nanoseconds.
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
    fn batch_of_an_earlier_size_does_not_count_as_short() {
        let mut pace = BatchSizer::of_batches(Limits::default(), 2);
        pace.ran(1, 1_000);
        pace.ran(1, 1_000);
        assert_eq!(pace.size, 2);
    }

    #[test]
    fn task_begins_with_a_part_of_its_inputs() {
        let first = |inputs, threads| {
            let mut pace = BatchSizer::of_batches(Limits::default(), threads);
            pace.begin_within(inputs, threads);
            pace.room(0, 0)
        };
        assert_eq!((first(0, 2), first(1_000, 1), first(1_000, 2), first(usize::MAX, 2)), (16, 62, 31, MAX_BATCH));
        let wish = Limits { batch: NonZero::new(3), in_flight: None };
        let mut pace = BatchSizer::of_batches(wish, 2);
        pace.begin_within(1_000, 2);
        assert_eq!(pace.room(0, 0), 3);
    }

    #[test]
    fn configured_batch_size_stays() {
        let wish = Limits { batch: NonZero::new(7), in_flight: NonZero::new(20) };
        let mut pace = BatchSizer::of_batches(wish, 2);
        pace.ran(7, 1_000_000_000);
        assert_eq!((pace.room(0, 0), pace.room(7, 1), pace.room(14, 2)), (7, 7, 0));
    }

    #[test]
    fn batches_under_way_stay_within_in_flight() {
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
