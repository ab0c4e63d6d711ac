//! How long the tasks of a pool take: whether it pays to have them come and go without the lock, and by how many.

/// A moving mean of the last tasks' times.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::pool) struct Pace {
    /// Nanoseconds.
    mean: u64,
    /// The same, but for times that are far beyond it: those of a thread that was off its core, as long as they are few.
    usual: u64,
    /// How many tasks it rests on, as far as that matters.
    known: u32,
}

/// So many tasks in a row tell how the next will be.
const ENOUGH: u32 = 32;

/// Tasks shorter than this are tiny: the lock would be a good part of their cost. Nanoseconds.
const TINY: u64 = 4_000;

/// Tasks longer than this are worth a second thread, and the wake-up that it costs. Nanoseconds.
const SPREAD: u64 = 400;

/// A time that is far from the usual one moves it by no more than its double and this. Nanoseconds.
const STEP: u64 = 50;

/// What one task adds to the mean at most, since its thread may have been off its core. Nanoseconds.
const MOST: u64 = 5 * TINY;

impl Pace {
    /// A task took so long, in nanoseconds.
    pub(in crate::pool) fn note(&mut self, took: u64) {
        let took = took.min(MOST);
        if self.known == 0 {
            (self.mean, self.usual) = (took, took);
        }
        self.mean = (7 * self.mean + took) / 8;
        self.usual = (7 * self.usual + took.min(2 * self.usual + STEP)) / 8;
        self.known = ENOUGH.min(self.known + 1);
    }

    pub(in crate::pool) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Whether tasks are tiny.
    pub(in crate::pool) fn is_tiny(&self) -> bool {
        self.known == ENOUGH && self.mean < TINY
    }

    /// Whether tasks, though tiny, are worth one more thread.
    pub(in crate::pool) fn spreads(&self) -> bool {
        self.usual > SPREAD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(times: impl IntoIterator<Item = u64>) -> Pace {
        let mut pace = Pace::default();
        times.into_iter().for_each(|took| pace.note(took));
        pace
    }

    #[test]
    fn a_few_short_tasks_say_nothing_yet() {
        assert!(!after([100; 31]).is_tiny());
        assert!(after([100; 32]).is_tiny());
    }

    #[test]
    fn one_long_task_may_be_a_thread_that_was_off_its_core_but_two_are_not() {
        assert!(after([100; 64].into_iter().chain([1_000_000])).is_tiny());
        assert!(!after([100; 64].into_iter().chain([1_000_000; 2])).is_tiny());
    }

    #[test]
    fn a_thread_that_is_off_its_core_now_and_then_asks_for_no_second_one() {
        let now_and_then = (0..256).map(|n| if n % 8 == 0 { 15_000 } else { 100 });
        assert!(!after(now_and_then).spreads());
        assert!(after([100; 64].into_iter().chain([1_000; 32])).spreads(), "tasks that grew");
    }

    #[test]
    fn what_takes_a_microsecond_is_tiny_and_worth_a_thread() {
        let pace = after([1_000; 64]);
        assert!(pace.is_tiny() && pace.spreads());
        assert!(!after([5_000; 64]).is_tiny());
        assert!(!after([100; 64]).spreads());
    }
}
