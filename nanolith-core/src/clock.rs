//! Time as one number: nanoseconds since the process first asked, so that a slot keeps a moment in eight bytes.

use once_cell::sync::Lazy;
use std::time::{Duration, Instant};

static START: Lazy<Instant> = Lazy::new(Instant::now);

/// Nanoseconds since the first call of this function, plus one: never zero, so that zero can mean "not yet".
pub(crate) fn now() -> u64 {
    nanos(START.elapsed()).saturating_add(1)
}

/// A duration as nanoseconds; longer than 584 years counts as that.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The time from one moment to a later one.
pub(crate) fn between(earlier: u64, later: u64) -> Duration {
    Duration::from_nanos(later.saturating_sub(earlier))
}
