//! The clock of this crate: moments as nanoseconds in a `u64`, by the system's clock or a virtual
//! one.
//!
//! A moment counts from the first use of the clock by the process, so a slot stores it in eight
//! bytes.
//!
//! Every clock ends [500 years](SPAN) after its start. Code adds a duration to a moment by
//! [`after`] or [`add`]. Both return `None` for a moment beyond that end: a wait for it never ends.
//! So no setting is too long, and no sum wraps.
//!
//! A thread may use a [`VirtualClock`] instead of the system's clock; a handle moves it by hand.
//! All of the crate takes the time from here, except code that spins or measures for a few
//! microseconds.

use crate::util::per_thread::{at_thread_end, per_thread};
use once_cell::sync::Lazy;
use std::{
    cell::RefCell,
    marker::PhantomData,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

static START: Lazy<Instant> = Lazy::new(Instant::now);

/// Returns the nanoseconds since the first call of this function, plus one. The result is never
/// zero, so that zero can mean "not yet".
#[inline]
pub(crate) fn now() -> u64 {
    if is_any_mocked() {
        if let Some(now) = mocked() {
            return now;
        }
    }
    nanos(START.elapsed()).saturating_add(1)
}

/// Like [`now`], as an [`Instant`].
#[inline]
pub(crate) fn instant() -> Instant {
    if is_any_mocked() {
        if let Some(now) = mocked() {
            return *START + Duration::from_nanos(now);
        }
    }
    Instant::now()
}

/// Converts any moment to nanoseconds like [`now`]. A moment before the first use counts as that
/// first use.
pub(crate) fn at(moment: Instant) -> u64 {
    nanos(moment.saturating_duration_since(*START)).saturating_add(1)
}

/// Converts nanoseconds, as [`at`] returns them, to the moment. A moment that the system cannot
/// represent counts as the end of every clock.
pub(crate) fn instant_at(nanos: u64) -> Instant {
    START.checked_add(Duration::from_nanos(nanos.saturating_sub(1))).unwrap_or(*END)
}

/// Returns the moment `delay` from now, by this thread's clock. Returns `None` if the clock ends
/// before that.
#[inline]
pub(crate) fn after(delay: Duration) -> Option<Instant> {
    add(instant(), delay)
}

/// Like [`after`], counted from `moment`.
#[inline]
pub(crate) fn add(moment: Instant, delay: Duration) -> Option<Instant> {
    moment.checked_add(delay).filter(|due| reaches(*due))
}

/// Returns whether a clock ever reaches `moment`.
pub(crate) fn reaches(moment: Instant) -> bool {
    moment <= *END
}

/// The time from the start to the end of a clock.
const SPAN: Duration = Duration::from_secs(500 * 31_556_952);

/// The last moment of every clock.
static END: Lazy<Instant> = Lazy::new(|| *START + Duration::from_nanos(VirtualClock::LAST));

/// Returns the calendar time, which can be set.
#[cfg(feature = "cron")]
pub(crate) fn wall() -> SystemTime {
    match source() {
        Some(source) => source.wall(),
        None => SystemTime::now(),
    }
}

// ----- virtual clocks

/// The number of virtual clocks. While it is zero, no thread looks for a virtual clock.
static SOURCES: AtomicUsize = AtomicUsize::new(0);

per_thread! {
    static SOURCE: RefCell<Option<Arc<VirtualClock>>> = RefCell::new(None);
}

/// A clock that moves only by [`VirtualClock::move_to`].
#[derive(Debug)]
pub(crate) struct VirtualClock {
    /// The clock's unique number, which is not zero.
    number: u64,
    now: AtomicU64,
    /// Whether the clock's simulation is over: then no alarm fires any more.
    over: AtomicBool,
    /// The calendar time that was set last, and the time elapsed on the clock by then.
    wall: Mutex<(SystemTime, Duration)>,
}

impl VirtualClock {
    /// The initial calendar time: the first moment of 2000, a Saturday, counted from 1970.
    const VIRTUAL_EPOCH: Duration = Duration::from_secs(946_684_800);

    /// The start of every virtual clock in nanoseconds. It leaves room for moments before it.
    const BEGIN: u64 = 1_000_000_000_000;

    /// The end of every virtual clock in nanoseconds. It leaves room for durations that are added
    /// to a moment.
    const LAST: u64 = Self::BEGIN + SPAN.as_secs() * 1_000_000_000;

    pub(crate) fn new() -> Arc<Self> {
        static LAST: AtomicU64 = AtomicU64::new(0);
        // ORDERING: Relaxed, and so below: a thread gets a virtual clock only from another place,
        // and that transfer orders the rest.
        SOURCES.fetch_add(1, Ordering::Relaxed);
        let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        let wall = (SystemTime::UNIX_EPOCH + Self::VIRTUAL_EPOCH, Duration::ZERO);
        let (now, over) = (AtomicU64::new(Self::BEGIN), AtomicBool::new(false));
        Arc::new(Self { number, now, over, wall: Mutex::new(wall) })
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Returns whether the simulation that the clock belongs to is over.
    pub(crate) fn is_over(&self) -> bool {
        // ORDERING: Relaxed. The timer's lock orders it where an alarm is armed.
        self.over.load(Ordering::Relaxed)
    }

    /// Records that no alarm of this clock fires any more. The caller holds the timer's lock.
    pub(crate) fn mark_over(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    pub(crate) fn elapsed(&self) -> Duration {
        elapsed(Self::BEGIN, self.now.load(Ordering::Relaxed))
    }

    /// Returns the calendar time. If the system cannot represent it, returns the time that was set.
    pub(crate) fn wall(&self) -> SystemTime {
        let (wall, elapsed) = *self.wall.lock().unwrap_or_else(PoisonError::into_inner);
        wall.checked_add(self.elapsed().saturating_sub(elapsed)).unwrap_or(wall)
    }

    /// Sets the calendar time; a time before 1970 counts as 1970.
    pub(crate) fn set_wall(&self, wall: SystemTime) {
        let set = (wall.max(SystemTime::UNIX_EPOCH), self.elapsed());
        *self.wall.lock().unwrap_or_else(PoisonError::into_inner) = set;
    }

    pub(crate) fn instant(&self) -> Instant {
        *START + Duration::from_nanos(self.now.load(Ordering::Relaxed))
    }

    /// Returns the moment `by` from now, or else the clock's last.
    pub(crate) fn saturating_after(&self, by: Duration) -> Instant {
        add(self.instant(), by).unwrap_or(*END)
    }

    /// Moves the clock to `instant`, unless it is there already, or later. The clock stops at its
    /// end.
    pub(crate) fn move_to(&self, instant: Instant) {
        let now = nanos(instant.min(*END).saturating_duration_since(*START));
        self.now.fetch_max(now, Ordering::Relaxed);
    }
}

impl Drop for VirtualClock {
    fn drop(&mut self) {
        SOURCES.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Returns whether there is a virtual clock. While there is none, no thread is simulated.
#[inline]
pub(crate) fn is_any_mocked() -> bool {
    SOURCES.load(Ordering::Relaxed) > 0
}

#[cold]
fn mocked() -> Option<u64> {
    SOURCE.with(|source| source.borrow().as_ref().map(|source| source.now.load(Ordering::Relaxed)))
}

/// Returns this thread's virtual clock; `None` for the system's clock. Threads that this thread
/// starts use the same clock.
pub(crate) fn source() -> Option<Arc<VirtualClock>> {
    if !is_any_mocked() {
        return None;
    }
    SOURCE.with(|source| source.borrow().clone())
}

/// Returns whether this thread's clock is that of a simulation that is over.
pub(crate) fn is_over() -> bool {
    source().is_some_and(|source| source.is_over())
}

/// Returns the time by `source`, or by the system's clock if that is `None`.
pub(crate) fn instant_by(source: Option<&VirtualClock>) -> Instant {
    source.map_or_else(Instant::now, VirtualClock::instant)
}

/// Returns a moment that no clock reaches.
pub(crate) fn never() -> Instant {
    *END + Duration::from_secs(1)
}

/// Makes `source` the clock of this thread until the returned guard is dropped.
pub(crate) fn enter(source: Option<Arc<VirtualClock>>) -> ClockGuard {
    ClockGuard(SOURCE.with(|here| here.replace(source)), PhantomData)
}

/// A guard that restores the thread's former clock when it is dropped.
#[derive(Debug)]
#[must_use = "the source is left when this is dropped"]
pub(crate) struct ClockGuard(Option<Arc<VirtualClock>>, PhantomData<*const ()>);

impl ClockGuard {
    /// Keeps the clock until the thread ends.
    pub(crate) fn for_ever(mut self) {
        drop(self.0.take());
        std::mem::forget(self);
        at_thread_end(|| drop(SOURCE.with(RefCell::take)));
    }
}

impl Drop for ClockGuard {
    fn drop(&mut self) {
        let before = self.0.take();
        let left = SOURCE.with(|here| here.replace(before));
        drop(left);
    }
}

// ----- the coarse clock

/// Returns a recent moment, for a fraction of the cost of [`now`].
///
/// Threads that run calls update it from time to time. [`crate::time::coarse`] updates it every
/// millisecond while a [`CoarseTicker`](crate::time::coarse::CoarseTicker) exists.
#[inline]
pub(crate) fn coarse_now() -> u64 {
    if is_any_mocked() {
        if let Some(now) = mocked() {
            return now;
        }
    }
    // ORDERING: Relaxed, it is a number.
    RECENT.load(Ordering::Relaxed)
}

/// Updates the coarse clock to `now`, if that is enough later than its value.
pub(crate) fn publish_coarse(now: u64) {
    if is_any_mocked() && mocked().is_some() {
        return; // a virtual time holds for this thread alone
    }
    // ORDERING: Relaxed, as above. Two updates at once may set it back by as little as lies between
    // their readings of the clock.
    if now > RECENT.load(Ordering::Relaxed) + MAX_STALENESS {
        RECENT.store(now, Ordering::Relaxed);
    }
}

/// The difference in nanoseconds below which an update is skipped, which saves readers a cache
/// miss.
const MAX_STALENESS: u64 = 5_000;

static RECENT: AtomicU64 = AtomicU64::new(0);

/// Converts a duration to nanoseconds. A duration over 584 years counts as 584 years, which is
/// beyond the end of every clock.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Converts nanoseconds to a duration, [`Duration::MAX`] at most.
pub(crate) fn duration(nanos: u128) -> Duration {
    const SECOND: u128 = 1_000_000_000;
    let below = u32::try_from(nanos % SECOND).unwrap_or(0); // it fits
    u64::try_from(nanos / SECOND).map_or(Duration::MAX, |secs| Duration::new(secs, below))
}

/// Returns the time from one moment to a later one.
pub(crate) fn elapsed(earlier: u64, later: u64) -> Duration {
    Duration::from_nanos(later.saturating_sub(earlier))
}
