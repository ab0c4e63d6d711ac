//! Time as one number: nanoseconds since the process first asked, so that a slot keeps a moment in eight bytes.

use once_cell::sync::Lazy;
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

static START: Lazy<Instant> = Lazy::new(Instant::now);

/// Nanoseconds since the first call of this function, plus one: never zero, so that zero can mean "not yet".
pub(crate) fn now() -> u64 {
    nanos(START.elapsed()).saturating_add(1)
}

/// A moment that is not long past, for a fraction of what [`now`] costs: whoever serves calls tells it now and then, and
/// [`crate::pulse`] does every millisecond while somebody serves.
pub(crate) fn recent() -> u64 {
    // ORDERING: Relaxed, it is a number.
    RECENT.load(Ordering::Relaxed)
}

/// Tells everybody that it is `now`, if that is news.
pub(crate) fn tell(now: u64) {
    // ORDERING: Relaxed, as above. Two who tell at once may set it back by as little as lies between their looks.
    if now > recent() + NEWS {
        RECENT.store(now, Ordering::Relaxed);
    }
}

/// A moment earlier than this is near enough, and costs those who look no cache line. Nanoseconds.
const NEWS: u64 = 5_000;

static RECENT: AtomicU64 = AtomicU64::new(0);

/// A duration as nanoseconds; longer than 584 years counts as that.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The time from one moment to a later one.
pub(crate) fn between(earlier: u64, later: u64) -> Duration {
    Duration::from_nanos(later.saturating_sub(earlier))
}
