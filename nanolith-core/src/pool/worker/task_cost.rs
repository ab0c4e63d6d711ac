//! [`TaskCost`]: a moving average of the measured run times of a pool's tasks. It decides on the
//! fast path and on the number of workers.

/// An exponential moving average of the run times of the last tasks.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::pool) struct TaskCost {
    /// The average, in nanoseconds.
    mean: u64,
    /// A second average that limits the effect of a single long time, in nanoseconds. Such times
    /// are those of a thread that was off its core, if they are rare.
    usual: u64,
    /// The number of recorded tasks, up to [`WARMUP`].
    known: u32,
}

/// The number of recorded tasks after which the average predicts the next task.
const WARMUP: u32 = 32;

/// What is known of the tasks after a rest, at most.
const RESTED: u32 = WARMUP - 2;

/// Tasks shorter than this are small: the lock would be a large part of their cost. In nanoseconds.
const SMALL_NS: u64 = 4_000;

/// Tasks longer than this are worth a second thread and the cost of waking it. In nanoseconds.
const PARALLEL_MIN_NS: u64 = 400;

/// A task counts in `usual` with at most double the present value plus this. In nanoseconds.
const STEP: u64 = 50;

/// The maximum run time that counts for one task, since its thread may have been off its core. In
/// nanoseconds.
const MOST: u64 = 5 * SMALL_NS;

impl TaskCost {
    /// Records the run time of a task, in nanoseconds.
    pub(in crate::pool) fn record(&mut self, took: u64) {
        let took = took.min(MOST);
        if self.known == 0 {
            (self.mean, self.usual) = (took, took);
        }
        self.mean = (7 * self.mean + took) / 8;
        self.usual = (7 * self.usual + took.min(2 * self.usual + STEP)) / 8;
        self.known = WARMUP.min(self.known + 1);
    }

    /// Records the mean run time of `tasks` tasks.
    pub(in crate::pool) fn record_many(&mut self, took: u64, tasks: u64) {
        self.record(took);
        self.known = (u64::from(self.known) + tasks.saturating_sub(1)).min(u64::from(WARMUP)) as u32;
    }

    /// Records that the pool rests. The average holds again once the next tasks confirm it.
    pub(in crate::pool) fn rest(&mut self) {
        self.known = self.known.min(RESTED);
    }

    pub(in crate::pool) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Returns whether tasks are small enough for the fast path.
    pub(in crate::pool) fn is_small(&self) -> bool {
        self.known == WARMUP && self.mean < SMALL_NS
    }

    /// Returns whether tasks were small before the last rest, or are now.
    pub(in crate::pool) fn was_small(&self) -> bool {
        self.known >= RESTED && self.mean < SMALL_NS
    }

    /// Returns whether tasks, though small, are worth one more thread.
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
    fn cost_is_unknown_after_a_few_short_tasks() {
        assert!(!after([100; 31]).is_small());
        assert!(after([100; 32]).is_small());
    }

    #[test]
    fn parent_counts_as_the_children_it_ran() {
        let mut cost = TaskCost::default();
        cost.record_many(100, 31);
        assert!(!cost.is_small());
        cost.record_many(100, 1);
        assert!(cost.is_small());
    }

    #[test]
    fn cost_is_confirmed_by_two_tasks_after_a_rest() {
        let mut cost = after([100; 32]);
        cost.rest();
        assert!(cost.was_small() && !cost.is_small());
        cost.record_many(100, 2);
        assert!(cost.is_small());
        let mut unknown = after([100; 8]);
        unknown.rest();
        assert!(!unknown.was_small());
    }

    #[test]
    fn one_long_task_is_ignored_and_two_are_not() {
        assert!(after([100; 64].into_iter().chain([1_000_000])).is_small());
        assert!(!after([100; 64].into_iter().chain([1_000_000; 2])).is_small());
    }

    #[test]
    fn rarely_preempted_thread_needs_no_second_thread() {
        let now_and_then = (0..256).map(|n| if n % 8 == 0 { 15_000 } else { 100 });
        assert!(!after(now_and_then).is_parallel_worthwhile());
        assert!(after([100; 64].into_iter().chain([1_000; 32])).is_parallel_worthwhile(), "tasks that grew");
    }

    #[test]
    fn task_of_a_microsecond_is_tiny_and_worth_a_thread() {
        let pace = after([1_000; 64]);
        assert!(pace.is_small() && pace.is_parallel_worthwhile());
        assert!(!after([5_000; 64]).is_small());
        assert!(!after([100; 64]).is_parallel_worthwhile());
    }
}
