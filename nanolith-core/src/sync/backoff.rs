//! [`Backoff`]: [exponential backoff](https://en.wikipedia.org/wiki/Exponential_backoff) with
//! jitter: the waits before the restarts of a service, and between the tries of a call.

use crate::sim_runtime;
use crate::time::{MINUTE, clock};
use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

/// The waits before restarts or retries, each longer than the one before.
///
/// ```
/// use nanolith::{prelude::*, sync::Backoff, time::{MILLISECOND, SECOND}};
/// let backoff = Backoff::exponential(10 * MILLISECOND).max_delay(SECOND).jitter(0.5);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    jitter: f64,
}

impl Backoff {
    /// Returns a backoff without any wait.
    ///
    /// ```
    /// # use nanolith::{service::Restart, sync::Backoff};
    /// let restart = Restart::on_panic().backoff(Backoff::none());
    /// ```
    #[must_use]
    pub const fn none() -> Self {
        Self { first: Duration::ZERO, most: Duration::ZERO, jitter: 0.0 }
    }

    /// Returns a backoff that waits for `first`, and then twice as long each time.
    ///
    /// Each wait is randomly longer or shorter by up to a quarter. For a service, the waits begin
    /// at `first` again when no restart is within the limit's time any more.
    ///
    /// ```
    /// # use nanolith::{prelude::*, sync::Backoff, time::MILLISECOND};
    /// let backoff = Backoff::exponential(10 * MILLISECOND);
    /// ```
    ///
    /// The number of waits has no limit: the wait grows to the [longest](Backoff::max_delay) and
    /// stays there. A `first` of zero stays zero.
    #[must_use]
    pub const fn exponential(first: Duration) -> Self {
        // Durations cannot be compared in a `const fn`.
        let most = if first.as_nanos() > MINUTE.as_nanos() { first } else { MINUTE };
        Self { first, most, jitter: 0.25 }
    }

    /// Sets the longest wait, jitter included.
    ///
    /// The default is a minute, or the first wait where that is longer. If `most` is shorter than
    /// the first wait, every wait is limited to `most`.
    ///
    /// ```
    /// # use nanolith::{prelude::*, sync::Backoff, time::{MILLISECOND, SECOND}};
    /// let backoff = Backoff::exponential(10 * MILLISECOND).max_delay(SECOND);
    /// ```
    #[must_use]
    pub const fn max_delay(mut self, most: Duration) -> Self {
        self.most = most;
        self
    }

    /// Sets the part by which a wait is randomly longer or shorter, so that tries that failed
    /// together are not repeated together.
    ///
    /// The part is from 0 (exact) to 1 (from nothing to double). No wait is longer than the
    /// [longest](Backoff::max_delay). Near that limit, the waits are spread over the range that is
    /// left below it.
    ///
    /// ```
    /// # use nanolith::{prelude::*, sync::Backoff, time::MILLISECOND};
    /// let exact = Backoff::exponential(10 * MILLISECOND).jitter(0.0);
    /// ```
    ///
    /// # Panics
    ///
    /// If `part` is not from 0 to 1.
    #[must_use]
    #[track_caller]
    pub const fn jitter(mut self, part: f64) -> Self {
        assert!(part >= 0.0 && part <= 1.0, "`jitter` must be from 0 to 1");
        self.jitter = part;
        self
    }

    /// Returns the wait after this number of tries. `chance` is from 0 to 1.
    pub(crate) fn wait(&self, tries: usize, chance: f64) -> Duration {
        let most = self.most.as_nanos();
        let exact = doubled(self.first.as_nanos(), tries).min(most);
        let shortest = exact.saturating_sub(part(exact, self.jitter));
        let longest = exact.saturating_add(part(exact, self.jitter)).min(most);
        clock::duration(shortest.saturating_add(part(longest - shortest, chance)).min(longest))
    }
}

/// Returns `nanos`, doubled `times` times.
fn doubled(nanos: u128, times: usize) -> u128 {
    let factor = u32::try_from(times).ok().and_then(|times| 1_u128.checked_shl(times));
    nanos.saturating_mul(factor.unwrap_or(u128::MAX))
}

/// Returns this part of `nanos`, where the part is from 0 to 1.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // it saturates
fn part(nanos: u128, part: f64) -> u128 {
    ((nanos as f64 * part) as u128).min(nanos)
}

/// Returns a random number from 0 to 1. It comes from the random state that the standard library
/// seeds its hash tables with, and in a simulation from the seed.
pub(crate) fn chance() -> f64 {
    if let Some(world) = sim_runtime::world() {
        return world.draw_part();
    }
    let random = RandomState::new().build_hasher().finish();
    f64::from(u32::try_from(random >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::time::{HOUR, MILLISECOND, SECOND};
    use proptest::prelude::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let backoff = Backoff::exponential(10 * MILLISECOND).max_delay(SECOND).jitter(0.0);
        let waits = [0, 1, 2, 6, 7, 1_000].map(|restarts| backoff.wait(restarts, 0.9).as_millis());
        assert_eq!(waits, [10, 20, 40, 640, 1_000, 1_000]);
    }

    #[test]
    fn jitter_moves_a_wait_by_its_fraction_at_most() {
        let backoff = Backoff::exponential(SECOND).jitter(0.5);
        assert_eq!([0.0, 0.5, 1.0].map(|chance| backoff.wait(0, chance).as_millis()), [500, 1_000, 1_500]);
        assert!((0..1_000).all(|_| (0.0..=1.0).contains(&chance())));
    }

    #[test]
    fn longest_wait_is_spread_below_the_cap() {
        let backoff = Backoff::exponential(SECOND).max_delay(SECOND).jitter(0.5);
        assert_eq!([0.0, 0.5, 1.0].map(|chance| backoff.wait(9, chance).as_millis()), [500, 750, 1_000]);
    }

    #[test]
    fn first_wait_beyond_a_minute_is_kept() {
        assert_eq!(Backoff::exponential(HOUR).jitter(0.0).wait(0, 0.5), HOUR);
        assert_eq!(Backoff::exponential(HOUR).jitter(0.0).wait(9, 0.5), HOUR);
        assert_eq!(Backoff::exponential(HOUR).max_delay(MINUTE).jitter(0.0).wait(0, 0.5), MINUTE);
    }

    #[test]
    fn zero_stays_zero_and_the_longest_duration_is_reached() {
        for tries in [0, 31, 32, 64, 128, u32::MAX as usize, usize::MAX] {
            let zero = Backoff::exponential(Duration::ZERO).max_delay(Duration::MAX);
            let nothing = Backoff::none().max_delay(Duration::MAX).jitter(1.0);
            assert_eq!((zero.wait(tries, 1.0), nothing.wait(tries, 1.0)), (Duration::ZERO, Duration::ZERO));
        }
        let longest = Backoff::exponential(Duration::MAX).jitter(0.0);
        assert_eq!([0, 1, usize::MAX].map(|tries| longest.wait(tries, 1.0)), [Duration::MAX; 3]);
        let doubled = Backoff::exponential(Duration::from_nanos(1)).max_delay(Duration::MAX).jitter(0.0);
        assert_eq!(doubled.wait(93, 1.0).as_nanos(), 1 << 93);
        assert_eq!(doubled.wait(94, 1.0), Duration::MAX);
    }

    fn durations() -> impl Strategy<Value = Duration> {
        let any = (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(secs, nanos)| Duration::new(secs, nanos));
        let short = (0..10_000_000_000_u64).prop_map(Duration::from_nanos);
        prop_oneof![any, short, Just(Duration::ZERO), Just(Duration::MAX)]
    }

    fn factors() -> impl Strategy<Value = f64> {
        let odd = [0.0, 1.0, -0.0, f64::MIN_POSITIVE];
        prop_oneof![0.0..=1.0, prop::sample::select(odd.to_vec())]
    }

    fn tries() -> impl Strategy<Value = usize> {
        let odd = [31, 32, 33, 63, 64, 127, 128, u32::MAX as usize, usize::MAX];
        prop_oneof![0..200_usize, any::<usize>(), prop::sample::select(odd.to_vec())]
    }

    proptest! {
        #[test]
        fn no_wait_is_beyond_the_cap(
            (first, most) in (durations(), durations()),
            jitter in factors(),
            tries in tries(),
            chance in 0.0..=1.0,
        ) {
            let set = Backoff::exponential(first).max_delay(most).jitter(jitter);
            prop_assert!(set.wait(tries, chance) <= most);
            let unset = Backoff::exponential(first).jitter(jitter);
            prop_assert!(unset.wait(tries, chance) <= first.max(MINUTE));
            prop_assert_eq!(Backoff::none().jitter(jitter).wait(tries, chance), Duration::ZERO);
        }

        #[test]
        fn waits_without_jitter_never_shrink(
            (first, most) in (durations(), durations()),
            jitter in prop::sample::select(&[0.0, -0.0][..]),
            tries in tries(),
            chance in 0.0..=1.0,
        ) {
            let backoff = Backoff::exponential(first).max_delay(most).jitter(jitter);
            let (wait, next) = (backoff.wait(tries, chance), backoff.wait(tries.saturating_add(1), chance));
            prop_assert!(wait <= next);
            prop_assert_eq!(backoff.wait(0, chance), first.min(most));
            let doubled = wait.checked_mul(2).map_or(most, |doubled| doubled.min(most));
            prop_assert!(next == doubled || tries == usize::MAX);
        }

        #[test]
        fn greater_random_value_never_gives_a_shorter_wait(
            (first, most) in (durations(), durations()),
            jitter in factors(),
            tries in tries(),
            (one, other) in (0.0..=1.0, 0.0..=1.0),
        ) {
            let backoff = Backoff::exponential(first).max_delay(most).jitter(jitter);
            let (less, more) = if one < other { (one, other) } else { (other, one) };
            prop_assert!(backoff.wait(tries, less) <= backoff.wait(tries, more));
        }
    }
}
