//! [`Histogram`]: an HDR histogram of durations, with percentiles.

use hdrhistogram::Histogram as Hdr;
use std::{fmt, time::Duration};

/// A histogram of durations: how many calls took how long, accurate to one part in a hundred. The
/// data structure is an [HdrHistogram](https://hdrhistogram.github.io/HdrHistogram/).
///
/// ```
/// # use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// let pool = Pool::builder().metrics(true).build()?;
/// for n in 0..100 {
///     Geometry::on(&pool).add(n, n).wait()?;
/// }
/// pool.drained().wait();
/// let run = pool.metrics().ok_or("it was asked to measure")?.run_time();
/// assert_eq!(run.count(), 100);
/// assert!(run.min() <= run.percentile(50.0) && run.percentile(50.0) <= run.percentile(99.0));
/// println!("{run}"); // 100 calls, mean 310ns, p50 290ns, p90 400ns, p99 900ns, max 1.2µs
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Histogram(Hdr<u64>);

/// The number of significant decimal digits: the accuracy is one part in a hundred.
const DIGITS: u8 = 2;

impl Histogram {
    pub(super) fn new() -> Self {
        Self(Hdr::new(DIGITS).expect("two digits are within what it takes"))
    }

    pub(super) fn record(&mut self, nanos: u64, calls: u64) {
        let _ = self.0.record_n(nanos, calls); // the histogram grows with its values
    }

    /// Adds the calls of another histogram.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # let pool = Pool::builder().metrics(true).build()?;
    /// let metrics = pool.metrics().ok_or("it was asked to measure")?;
    /// let mut both = metrics.wait_time();
    /// both.merge(&metrics.run_time());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn merge(&mut self, other: &Self) {
        // The histogram grows with its values, so it takes all values of `other`.
        let _ = self.0.add(&other.0);
    }

    /// Returns the calls that this histogram has beyond `before`, an earlier copy of it.
    #[cfg(feature = "metrics-export")]
    pub(crate) fn since(&self, before: Option<&Self>) -> Self {
        let mut new = self.clone();
        if let Some(before) = before {
            // It fails if `before` has calls that this histogram has not. Then all are new.
            if new.0.subtract(&before.0).is_err() {
                return self.clone();
            }
        }
        new
    }

    /// Returns the number of calls.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Returns the shortest duration, or zero if there are no calls.
    #[must_use]
    pub fn min(&self) -> Duration {
        Duration::from_nanos(self.0.min())
    }

    /// Returns the longest duration, or zero if there are no calls.
    #[must_use]
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.0.max())
    }

    /// Returns the mean duration, or zero if there are no calls.
    #[must_use]
    pub fn mean(&self) -> Duration {
        rounded(self.0.mean())
    }

    /// Returns the standard deviation, or zero if there are no calls.
    #[must_use]
    pub fn std_dev(&self) -> Duration {
        rounded(self.0.stdev())
    }

    /// Returns the duration that this percentage of the calls did not exceed. A value outside of 0
    /// to 100 counts as the nearer of the two.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Duration {
        Duration::from_nanos(self.0.value_at_percentile(percent.clamp(0.0, 100.0)))
    }

    /// Returns each duration that occurred, rounded, with its number of calls: the shortest first.
    pub fn iter(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        self.0.iter_recorded().map(|step| (Duration::from_nanos(step.value_iterated_to()), step.count_at_value()))
    }
}

/// Converts nanoseconds to a duration. NaN counts as zero.
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
