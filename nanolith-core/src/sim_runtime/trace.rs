//! [`Trace`]: which thread of a simulation ran when. Two runs with one seed have equal traces.

use std::{
    collections::hash_map::DefaultHasher,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
    time::Duration,
};

/// A switch: a thread of a simulation went on in place of another thread.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Switch {
    /// The time of the simulation's clock, since its start.
    pub at: Duration,
    /// The name of the thread that ran before; `None` at the start.
    pub from: Option<Arc<str>>,
    /// The reason why that thread went no further: it `waits`, `ended`, `gave way`, or was
    /// `interrupted`.
    pub why: &'static str,
    /// The name of the thread that went on.
    pub to: Arc<str>,
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = self.from.as_deref().unwrap_or("no thread");
        write!(f, "{:?}: {from} {}, {} goes on", self.at, self.why, self.to)
    }
}

/// The switches between the threads of a simulation, in order: equal for two runs with one seed.
///
/// The trace keeps the first 100,000 switches. The [fingerprint](Trace::fingerprint) covers all
/// switches.
///
/// ```
/// use nanolith::{prelude::*, sim::Simulation};
/// # use nanolith_doc_sets::*;
/// let run = |seed| Simulation::new().run(seed, || Geometry::tasks().add(4, 5).wait());
/// let (one, again) = (run(42)?, run(42)?);
/// assert_eq!(one.trace, again.trace);
/// println!("{}", one.trace); // a line a switch
/// # Ok::<(), nanolith::sim::SimError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    switches: Vec<Switch>,
    count: u64,
    fingerprint: u64,
}

/// The number of switches that a trace keeps.
const KEPT: usize = 100_000;

impl Trace {
    pub(super) fn push(&mut self, switch: Switch) {
        let mut hasher = DefaultHasher::new();
        (self.fingerprint, &switch).hash(&mut hasher);
        self.fingerprint = hasher.finish();
        self.count += 1;
        if self.switches.len() < KEPT {
            self.switches.push(switch);
        }
    }

    /// Returns the switches in order, without those after the first 100,000.
    #[must_use]
    pub fn switches(&self) -> &[Switch] {
        &self.switches
    }

    /// Returns the number of switches.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns a number that tells two traces apart.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.switches.iter().try_for_each(|switch| writeln!(f, "{switch}"))?;
        match self.count - self.switches.len() as u64 {
            0 => Ok(()),
            more => writeln!(f, "and {more} more"),
        }
    }
}
