//! [`Budget`]: a limit on the load from retries, like Finagle's
//! [`RetryBudget`](https://twitter.github.io/finagle/guide/Clients.html#retries): a part of the
//! recent calls, plus a fixed number per second.

use super::sliding_window::{Span, Window};
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// The time span of recent calls, in seconds.
const LATELY: u32 = 10;

#[derive(Debug)]
pub(super) struct Budget {
    part: f64,
    per_second: u32,
    /// The counts of calls and of retries.
    window: Mutex<Window<2>>,
}

impl Budget {
    pub(super) fn new(part: f64, per_second: u32) -> Self {
        let window = Window::new(Span::Time(Duration::from_secs(LATELY.into())));
        Self { part, per_second, window: Mutex::new(window) }
    }

    /// Counts a call.
    pub(super) fn deposit(&self, now: u64) {
        self.window.lock().unwrap_or_else(PoisonError::into_inner).add(now, [1, 0]);
    }

    /// Counts a retry, if the budget allows it. Returns whether it does.
    pub(super) fn withdraw(&self, now: u64) -> bool {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let [calls, retries] = window.counts(now);
        #[allow(clippy::cast_precision_loss)] // there are fewer than 2⁵² calls in ten seconds
        let by_calls = if self.part.is_finite() { calls as f64 * self.part } else { f64::INFINITY };
        #[allow(clippy::cast_precision_loss)]
        let may = (retries + 1) as f64 <= by_calls + f64::from(self.per_second) * f64::from(LATELY);
        if may {
            window.add(now, [0, 1]);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn retries_are_a_fraction_of_recent_calls() {
        let budget = Budget::new(0.5, 0);
        assert!(!budget.withdraw(0));
        (0..4).for_each(|_| budget.deposit(0));
        assert_eq!([(); 3].map(|()| budget.withdraw(0)), [true, true, false]);
        assert!(!budget.withdraw(11 * SECOND), "the calls are long past");
        budget.deposit(11 * SECOND);
        budget.deposit(11 * SECOND);
        assert!(budget.withdraw(11 * SECOND), "and so are the retries");
    }

    #[test]
    fn infinite_fraction_is_no_bound() {
        let budget = Budget::new(f64::INFINITY, 0);
        assert!((0..100).all(|_| budget.withdraw(0)), "though no call was counted of late");
        assert!(!Budget::new(0.0, 0).withdraw(0));
        let largest = Budget::new(f64::MAX, u32::MAX);
        assert!(largest.withdraw(u64::MAX));
    }

    #[test]
    fn minimum_of_retries_per_second_is_always_allowed() {
        let budget = Budget::new(0.0, 1);
        assert_eq!((0..12).filter(|_| budget.withdraw(0)).count(), 10);
    }
}
