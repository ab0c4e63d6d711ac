//! [`explore`]: runs a closure as a simulation once for each of many seeds, and stops at the first
//! failure.

use super::run::Simulation;
use std::{env, ops::Range};

/// Runs `f` once for each seed, like [`sim()`](super::sim()), and stops at the first failure.
///
/// If the environment sets `NANOLITH_SIM_SEED=42`, only that seed runs. This reproduces a failure.
///
/// ```
/// use nanolith::{prelude::*, sim};
/// # use nanolith_doc_sets::*;
/// sim::explore(0..20, || {
///     let counter = Counter::service(10).launch().wait().expect("it starts");
///     let bumps = [1, 2].map(|by| { let counter = counter.clone(); sim::spawn(move || counter.bump(by).wait()) });
///     bumps.map(|bump| bump.wait().expect("it counts").expect("it counts"));
///     assert_eq!(counter.bump(0).wait().expect("it counts"), 13); // in whichever order
/// });
/// ```
///
/// # Panics
///
/// Panics at the first failure, with the seed and the error. Panics if `NANOLITH_SIM_SEED` is not a
/// number.
#[track_caller]
pub fn explore(seeds: Range<u64>, f: impl Fn() + Sync) {
    Simulation::new().explore(seeds, f);
}

impl Simulation {
    /// Runs [`explore`] with these settings.
    ///
    /// ```
    /// use nanolith::{prelude::*, sim, sim::Simulation, time::MINUTE};
    /// Simulation::new().switch_probability(0.5).explore(0..20, || sim::advance(MINUTE));
    /// ```
    ///
    /// # Panics
    ///
    /// The same as for [`explore`].
    #[track_caller]
    pub fn explore(&self, seeds: Range<u64>, f: impl Fn() + Sync) {
        for seed in asked().map_or(seeds, |seed| seed..seed.saturating_add(1)) {
            if let Err(error) = self.run(seed, &f) {
                panic!("{error}");
            }
        }
    }
}

/// Returns the seed that the environment sets.
#[track_caller]
fn asked() -> Option<u64> {
    let seed = env::var_os(SEED)?;
    match seed.to_str().and_then(|seed| seed.trim().parse().ok()) {
        Some(seed) => Some(seed),
        None => panic!("{SEED} is no number from 0 up, but {seed:?}"),
    }
}

const SEED: &str = "NANOLITH_SIM_SEED";
