//! [`Random`]: the pseudorandom number generator of a simulation, SplitMix64: the same seed gives
//! the same numbers.

/// The state of a [SplitMix64](https://prng.di.unimi.it/splitmix64.c) generator.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Returns a number below `bound`, which is not zero.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// Returns true with this probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.part() < probability
    }

    /// Returns a number from 0 (included) to 1 (excluded).
    pub(super) fn part(&mut self) -> f64 {
        f64::from((self.next() >> 32) as u32) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_gives_the_same_numbers_and_another_does_not() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            [random.next(), random.next(), random.next()]
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn chance_occurs_about_as_often_as_its_probability() {
        let mut random = Random::new(1);
        let yes = (0..10_000).filter(|_| random.chance(0.25)).count();
        assert!((2_000..3_000).contains(&yes), "{yes}");
        assert!((0..1_000).all(|_| random.chance(1.0)) && !(0..1_000).any(|_| random.chance(0.0)));
    }
}
