//! How durations are spread.

use hdrhistogram::Histogram as Hdr;
use std::{fmt, time::Duration};

/// How long calls took: how many took how long, each to one part in a hundred.
///
/// ```
/// # use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// let pool = Pool::builder().metrics(true).build()?;
/// for n in 0..100 {
///     Geometry::on(&pool).add(n, n).wait()?;
/// }
/// pool.drained().wait();
/// let run = pool.metrics().ok_or("it was asked to measure")?.run();
/// assert_eq!(run.count(), 100);
/// assert!(run.min() <= run.percentile(50.0) && run.percentile(50.0) <= run.percentile(99.0));
/// println!("{run}"); // 100 calls, mean 310ns, p50 290ns, p90 400ns, p99 900ns, max 1.2µs
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Histogram(Hdr<u64>);

/// One part in a hundred.
const DIGITS: u8 = 2;

impl Histogram {
    pub(super) fn new() -> Self {
        Self(Hdr::new(DIGITS).expect("two digits are within what it takes"))
    }

    pub(super) fn record(&mut self, nanos: u64, calls: u64) {
        let _ = self.0.record_n(nanos, calls); // it grows with what comes
    }

    /// Adds the calls of another.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # let pool = Pool::builder().metrics(true).build()?;
    /// let metrics = pool.metrics().ok_or("it was asked to measure")?;
    /// let mut both = metrics.wait();
    /// both.merge(&metrics.run());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn merge(&mut self, other: &Self) {
        // It grows with what comes, so it takes all of it.
        let _ = self.0.add(&other.0);
    }

    /// How many calls there are in it.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The shortest; zero if there is none.
    #[must_use]
    pub fn min(&self) -> Duration {
        Duration::from_nanos(self.0.min())
    }

    /// The longest; zero if there is none.
    #[must_use]
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.0.max())
    }

    /// The mean; zero if there is none.
    #[must_use]
    pub fn mean(&self) -> Duration {
        rounded(self.0.mean())
    }

    /// The standard deviation; zero if there is none.
    #[must_use]
    pub fn std_dev(&self) -> Duration {
        rounded(self.0.stdev())
    }

    /// So many percent of the calls took no longer: from 0 to 100, and what is beyond counts as these.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Duration {
        Duration::from_nanos(self.0.value_at_percentile(percent.clamp(0.0, 100.0)))
    }

    /// Each length that occurred, rounded, with how many calls there were of it: the shortest first.
    pub fn iter(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        self.0.iter_recorded().map(|step| (Duration::from_nanos(step.value_iterated_to()), step.count_at_value()))
    }
}

/// Not a number counts as zero.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a duration of ours, in nanoseconds
fn rounded(nanos: f64) -> Duration {
    Duration::from_nanos(nanos.round() as u64)
}

impl fmt::Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} calls, mean {:?}", self.count(), self.mean())?;
        for percent in [50.0, 90.0, 99.0] {
            write!(f, ", p{percent} {:?}", self.percentile(percent))?;
        }
        write!(f, ", max {:?}", self.max())
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Histogram({self})")
    }
}
