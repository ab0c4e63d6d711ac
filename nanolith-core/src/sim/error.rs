//! [`SimError`]: why a simulation failed, and the seed that repeats the failure.

use crate::{error::Panic, sim_runtime::Trace};
use std::{error::Error, fmt};

/// The error of a simulation that failed. Returned by [`Simulation::run`](super::Simulation::run).
/// It has the seed that reproduces the failure.
///
/// ```
/// use nanolith::sim::Simulation;
/// let failed = Simulation::new().run(42, || assert_eq!(2 + 2, 5, "the sum is wrong"));
/// let error = failed.map(|_| ()).expect_err("it panics");
/// assert_eq!(error.seed(), 42);
/// assert!(error.panic().is_some_and(|panic| panic.message().contains("the sum is wrong")));
/// assert!(error.to_string().starts_with("simulation failed with seed 42: run it again with NANOLITH_SIM_SEED=42"));
/// ```
#[derive(Debug)]
pub struct SimError {
    pub(super) seed: u64,
    pub(super) why: Why,
    pub(super) trace: Trace,
}

#[derive(Debug)]
pub(super) enum Why {
    Panicked(Panic),
    Deadlock(Vec<String>),
    Steps(u64, Vec<String>),
    Start(std::io::Error),
}

impl SimError {
    /// Returns the seed that reproduces the failure.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns the panic of the closure, or of a thread without a waiter.
    #[must_use]
    pub fn panic(&self) -> Option<&Panic> {
        match &self.why {
            Why::Panicked(panic) => Some(panic),
            _ => None,
        }
    }

    /// Returns whether all threads waited and no alarm was set.
    #[must_use]
    pub fn is_deadlock(&self) -> bool {
        matches!(self.why, Why::Deadlock(_))
    }

    /// Returns whether the simulation reached its [step limit](super::Simulation::step_limit).
    #[must_use]
    pub fn is_live_lock(&self) -> bool {
        matches!(self.why, Why::Steps(..))
    }

    /// Returns what each thread did when all threads waited, or at the step limit: one line for
    /// each thread.
    #[must_use]
    pub fn threads(&self) -> &[String] {
        match &self.why {
            Why::Deadlock(threads) | Why::Steps(_, threads) => threads,
            _ => &[],
        }
    }

    /// Returns the order in which threads ran.
    #[must_use]
    pub fn trace(&self) -> &Trace {
        &self.trace
    }
}

impl fmt::Display for SimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seed = self.seed;
        writeln!(f, "simulation failed with seed {seed}: run it again with NANOLITH_SIM_SEED={seed}")?;
        match &self.why {
            Why::Panicked(panic) => match panic.place() {
                Some((file, line)) => write!(f, "it panicked at {file}:{line}: {}", panic.message()),
                None => write!(f, "it panicked: {}", panic.message()),
            },
            Why::Deadlock(threads) => {
                write!(f, "deadlock: every simulated thread is blocked\n  {}", threads.join("\n  "))
            }
            Why::Steps(steps, threads) => {
                write!(f, "it did not end within {steps} steps\n  {}", threads.join("\n  "))
            }
            Why::Start(error) => write!(f, "failed to spawn a thread: {error}"),
        }
    }
}

impl Error for SimError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.why {
            Why::Start(error) => Some(error),
            _ => None,
        }
    }
}
