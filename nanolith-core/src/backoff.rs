//! Ever longer waits: before a service's restarts, and between the tries of a call.

use crate::{baton, time::MINUTE};
use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

/// Ever longer waits before one restart, or one retry, after the other.
///
/// ```
/// use nanolith::{Backoff, prelude::*};
/// let backoff = Backoff::exponential(10 * MILLISECOND).up_to(SECOND).jitter(0.5);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    jitter: f64,
}

impl Backoff {
    /// No wait at all.
    ///
    /// ```
    /// # use nanolith::{Backoff, Restart};
    /// let restart = Restart::on_crash().backoff(Backoff::none());
    /// ```
    #[must_use]
    pub const fn none() -> Self {
        Self { first: Duration::ZERO, most: Duration::ZERO, jitter: 0.0 }
    }

    /// `first`, then twice as long each time; a quarter of it, more or less, by chance. For a service it begins at `first` again when
    /// no restart is within the limit's time any more.
    ///
    /// ```
    /// # use nanolith::{Backoff, prelude::*};
    /// let backoff = Backoff::exponential(10 * MILLISECOND);
    /// ```
    #[must_use]
    pub const fn exponential(first: Duration) -> Self {
        Self { first, most: MINUTE, jitter: 0.25 }
    }

    /// The longest wait: a minute unless this says otherwise. A shorter one than the first counts for all.
    ///
    /// ```
    /// # use nanolith::{Backoff, prelude::*};
    /// let backoff = Backoff::exponential(10 * MILLISECOND).up_to(SECOND);
    /// ```
    #[must_use]
    pub const fn up_to(mut self, most: Duration) -> Self {
        self.most = most;
        self
    }

    /// By which part a wait is longer or shorter by chance, so that those who failed together do not try again together:
    /// from 0 (exact) to 1 (from nothing to double). What is beyond counts as the nearer of the two, no number as 0.
    ///
    /// ```
    /// # use nanolith::{Backoff, prelude::*};
    /// let exact = Backoff::exponential(10 * MILLISECOND).jitter(0.0);
    /// ```
    #[must_use]
    pub const fn jitter(mut self, part: f64) -> Self {
        self.jitter = if part > 0.0 { part.min(1.0) } else { 0.0 };
        self
    }

    /// The wait after so many tries, where `chance` is from 0 to 1.
    pub(crate) fn wait(&self, restarts: usize, chance: f64) -> Duration {
        let doubled = u32::try_from(restarts).ok().and_then(|times| 2_u32.checked_pow(times));
        let wait = doubled.and_then(|factor| self.first.checked_mul(factor)).unwrap_or(self.most).min(self.most);
        let factor = 1.0 + self.jitter * (2.0 * chance - 1.0);
        Duration::try_from_secs_f64(wait.as_secs_f64() * factor).unwrap_or(Duration::MAX)
    }
}

/// A number from 0 to 1, by the chance that the standard library seeds its hash tables with; in a simulation by its seed.
pub(crate) fn chance() -> f64 {
    if let Some(world) = baton::world() {
        return world.draw_part();
    }
    let random = RandomState::new().build_hasher().finish();
    f64::from(u32::try_from(random >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{MILLISECOND, SECOND};

    #[test]
    fn waits_double_up_to_the_longest() {
        let backoff = Backoff::exponential(10 * MILLISECOND).up_to(SECOND).jitter(0.0);
        let waits = [0, 1, 2, 6, 7, 1_000].map(|restarts| backoff.wait(restarts, 0.9).as_millis());
        assert_eq!(waits, [10, 20, 40, 640, 1_000, 1_000]);
    }

    #[test]
    fn chance_moves_a_wait_by_its_part_at_most() {
        let backoff = Backoff::exponential(SECOND).jitter(0.5);
        assert_eq!([0.0, 0.5, 1.0].map(|chance| backoff.wait(0, chance).as_millis()), [500, 1_000, 1_500]);
        assert_eq!(Backoff::exponential(SECOND).jitter(f64::NAN), Backoff::exponential(SECOND).jitter(0.0));
        assert_eq!(Backoff::exponential(SECOND).jitter(7.0), Backoff::exponential(SECOND).jitter(1.0));
        assert!((0..1_000).all(|_| (0.0..=1.0).contains(&chance())));
    }
}
