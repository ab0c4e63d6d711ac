//! One closure, many seeds.

use super::run::Simulation;
use std::{env, ops::Range};

/// Runs `f` once for each of these seeds, each time as [`sim()`](super::sim()) does, and stops at the first that fails.
///
/// Where the environment says `NANOLITH_SIM_SEED=42`, it runs that seed alone: so a failure is looked at again.
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
/// Panics with the seed, and with what went wrong, at the first that fails; and if `NANOLITH_SIM_SEED` is no number.
#[track_caller]
pub fn explore(seeds: Range<u64>, f: impl Fn() + Sync) {
    Simulation::new().explore(seeds, f);
}

impl Simulation {
    /// [`explore`] with these settings.
    ///
    /// ```
    /// use nanolith::{prelude::*, sim::{self, Simulation}};
    /// Simulation::new().switch_probability(0.5).explore(0..20, || sim::advance(MINUTE));
    /// ```
    ///
    /// # Panics
    ///
    /// As [`explore`] does.
    #[track_caller]
    pub fn explore(&self, seeds: Range<u64>, f: impl Fn() + Sync) {
        for seed in asked().map_or(seeds, |seed| seed..seed.saturating_add(1)) {
            if let Err(error) = self.run(seed, &f) {
                panic!("{error}");
            }
        }
    }
}

/// The one seed that is asked for.
#[track_caller]
fn asked() -> Option<u64> {
    let seed = env::var_os(SEED)?;
    match seed.to_str().and_then(|seed| seed.trim().parse().ok()) {
        Some(seed) => Some(seed),
        None => panic!("{SEED} is no number from 0 up, but {seed:?}"),
    }
}

const SEED: &str = "NANOLITH_SIM_SEED";
