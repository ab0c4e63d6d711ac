//! How long the tasks of a pool take: whether it pays to have them come and go without the lock, and by how many.

/// A moving mean of the last tasks' times.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::pool) struct TaskCost {
    /// Nanoseconds.
    mean: u64,
    /// The same, but for times that are far beyond it: those of a thread that was off its core, as long as they are few.
    usual: u64,
    /// How many tasks it rests on, as far as that matters.
    known: u32,
}

/// So many tasks in a row tell how the next will be.
const WARMUP: u32 = 32;

/// Tasks shorter than this are tiny: the lock would be a good part of their cost. Nanoseconds.
const SMALL_NS: u64 = 4_000;

/// Tasks longer than this are worth a second thread, and the wake-up that it costs. Nanoseconds.
const PARALLEL_MIN_NS: u64 = 400;

/// A time that is far from the usual one moves it by no more than its double and this. Nanoseconds.
const STEP: u64 = 50;

/// What one task adds to the mean at most, since its thread may have been off its core. Nanoseconds.
const MOST: u64 = 5 * SMALL_NS;

impl TaskCost {
    /// A task took so long, in nanoseconds.
    pub(in crate::pool) fn record(&mut self, took: u64) {
        let took = took.min(MOST);
        if self.known == 0 {
            (self.mean, self.usual) = (took, took);
        }
        self.mean = (7 * self.mean + took) / 8;
        self.usual = (7 * self.usual + took.min(2 * self.usual + STEP)) / 8;
        self.known = WARMUP.min(self.known + 1);
    }

    pub(in crate::pool) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Whether tasks are tiny.
    pub(in crate::pool) fn is_small(&self) -> bool {
        self.known == WARMUP && self.mean < SMALL_NS
    }

    /// Whether tasks, though tiny, are worth one more thread.
    pub(in crate::pool) fn is_parallel_worthwhile(&self) -> bool {
        self.usual > PARALLEL_MIN_NS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(times: impl IntoIterator<Item = u64>) -> TaskCost {
        let mut pace = TaskCost::default();
        times.into_iter().for_each(|took| pace.record(took));
        pace
    }

    #[test]
    fn a_few_short_tasks_say_nothing_yet() {
        assert!(!after([100; 31]).is_small());
        assert!(after([100; 32]).is_small());
    }

    #[test]
    fn one_long_task_may_be_a_thread_that_was_off_its_core_but_two_are_not() {
        assert!(after([100; 64].into_iter().chain([1_000_000])).is_small());
        assert!(!after([100; 64].into_iter().chain([1_000_000; 2])).is_small());
    }

    #[test]
    fn a_thread_that_is_off_its_core_now_and_then_asks_for_no_second_one() {
        let now_and_then = (0..256).map(|n| if n % 8 == 0 { 15_000 } else { 100 });
        assert!(!after(now_and_then).is_parallel_worthwhile());
        assert!(after([100; 64].into_iter().chain([1_000; 32])).is_parallel_worthwhile(), "tasks that grew");
    }

    #[test]
    fn what_takes_a_microsecond_is_tiny_and_worth_a_thread() {
        let pace = after([1_000; 64]);
        assert!(pace.is_small() && pace.is_parallel_worthwhile());
        assert!(!after([5_000; 64]).is_small());
        assert!(!after([100; 64]).is_parallel_worthwhile());
    }
}
