//! [`Mixed`]: a task of 1 µs to 10 ms. The length of each task is a function of its number, so
//! every contender gets the same tasks in the same order.

use crate::work::{Body, grind, mix, stamped, turns_a_microsecond};
use std::{
    hint::black_box,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

/// The tasks whose ends are kept, which is more than a case has in flight. It is a power of two.
const KEPT: usize = 4_096;

/// Changes the lengths of all tasks.
const SEED: u64 = 0x5eed;

/// The start of the clock of [`Mixed::ended`].
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

static ENDS: [AtomicU64; KEPT] = [const { AtomicU64::new(0) }; KEPT];

/// A body that computes for 1 µs to 10 ms: 90 % of the tasks for less than 10 µs, 9 % for 10 to
/// 100, 0.9 % for 100 to 1,000, and 0.1 % for longer. Each of the four kinds takes about a quarter
/// of the time of all.
pub(crate) struct Mixed;

impl Body for Mixed {
    fn run(n: u64) -> u64 {
        black_box(grind(n, Self::micros(n) * turns_a_microsecond()));
        // ORDERING: Relaxed. The answer of the task publishes it.
        ENDS[n as usize % KEPT].store(Self::now(), Ordering::Relaxed);
        stamped(mix(n))
    }
}

impl Mixed {
    /// The mean length of a task in nanoseconds.
    pub(crate) const MEAN_NANOS: u64 = 20_000;

    /// Returns the length of a task in microseconds.
    pub(crate) fn micros(n: u64) -> u64 {
        let random = scattered(n);
        let decade = match random % 1_000 {
            0 => 1_000,
            1..10 => 100,
            10..100 => 10,
            _ => 1,
        };
        decade + (random >> 32) % (9 * decade)
    }

    /// Whether a task is one of those that take less than 10 µs.
    pub(crate) fn is_short(n: u64) -> bool {
        Self::micros(n) < 10
    }

    /// Returns the nanoseconds since the first call of this function.
    pub(crate) fn now() -> u64 {
        START.elapsed().as_nanos() as u64
    }

    /// Returns when a task ended, by the clock of [`Mixed::now`]. The caller has its answer.
    pub(crate) fn ended(n: u64) -> u64 {
        ENDS[n as usize % KEPT].load(Ordering::Relaxed)
    }
}

/// Returns a number whose bits all depend on `n`, by the finalizer of
/// [SplitMix64](https://prng.di.unimi.it/splitmix64.c).
fn scattered(n: u64) -> u64 {
    let value = (n ^ SEED).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_the_documented_shares_and_mean() {
        const TASKS: u64 = 100_000;
        let lengths: Vec<_> = (0..TASKS).map(Mixed::micros).collect();
        let below = |limit: u64| lengths.iter().filter(|length| **length < limit).count() as f64 / TASKS as f64;
        assert!(lengths.iter().all(|length| (1..10_000).contains(length)));
        for (limit, share) in [(10, 0.9), (100, 0.99), (1_000, 0.999)] {
            assert!((below(limit) - share).abs() < 0.003, "{} are below {limit}", below(limit));
        }
        let mean = lengths.iter().sum::<u64>() * 1_000 / TASKS;
        assert!(mean.abs_diff(Mixed::MEAN_NANOS) < Mixed::MEAN_NANOS / 10, "the mean is {mean} ns");
    }
}
