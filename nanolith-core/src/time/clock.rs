//! Time as one number: nanoseconds since the process first asked, so that a slot keeps a moment in eight bytes.
//!
//! Every clock ends [500 years](SPAN) after it began. Whatever adds a duration to a moment does so by [`after`] or [`add`], which
//! give `None` for a moment beyond that end: what waits for it waits for ever. So no setting is too long, and none wraps.
//!
//! A thread may have another [`VirtualClock`] of time than the system's clock, which somebody moves by hand. All of the crate asks
//! here what time it is, but for what spins or measures for a few microseconds.

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

/// Nanoseconds since the first call of this function, plus one: never zero, so that zero can mean "not yet".
#[inline]
pub(crate) fn now() -> u64 {
    if is_any_mocked() {
        if let Some(now) = mocked() {
            return now;
        }
    }
    nanos(START.elapsed()).saturating_add(1)
}

/// The same as the standard library has it.
#[inline]
pub(crate) fn instant() -> Instant {
    if is_any_mocked() {
        if let Some(now) = mocked() {
            return *START + Duration::from_nanos(now);
        }
    }
    Instant::now()
}

/// The same for any moment; those before the process first asked count as that.
pub(crate) fn at(moment: Instant) -> u64 {
    nanos(moment.saturating_duration_since(*START)).saturating_add(1)
}

/// Returns the moment `delay` from now, by this thread's clock. `None` is never: the clock ends before that.
#[inline]
pub(crate) fn after(delay: Duration) -> Option<Instant> {
    add(instant(), delay)
}

/// The same, counted from another moment.
#[inline]
pub(crate) fn add(moment: Instant, delay: Duration) -> Option<Instant> {
    moment.checked_add(delay).filter(|due| reaches(*due))
}

/// Whether a clock ever comes to `moment`.
pub(crate) fn reaches(moment: Instant) -> bool {
    moment <= *END
}

/// How long a clock goes on.
const SPAN: Duration = Duration::from_secs(500 * 31_556_952);

/// The last moment of every clock.
static END: Lazy<Instant> = Lazy::new(|| *START + Duration::from_nanos(VirtualClock::LAST));

/// The time of day, and the date, which may be set.
#[cfg(feature = "cron")]
pub(crate) fn wall() -> SystemTime {
    match source() {
        Some(source) => source.wall(),
        None => SystemTime::now(),
    }
}

// ----- other sources

/// How many sources there are beside the system's clock: while there is none, nobody looks for one.
static SOURCES: AtomicUsize = AtomicUsize::new(0);

per_thread! {
    static SOURCE: RefCell<Option<Arc<VirtualClock>>> = RefCell::new(None);
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub(crate) struct VirtualClock {
    /// No other has it, and it is not zero.
    number: u64,
    now: AtomicU64,
    /// The clock of a simulation that is over: no alarm rings any more.
    over: AtomicBool,
    /// What the calendar was set to last, and how far the clock was by then.
    wall: Mutex<(SystemTime, Duration)>,
}

impl VirtualClock {
    /// The first moment of 2000, since 1970: a Saturday.
    const VIRTUAL_EPOCH: Duration = Duration::from_secs(946_684_800);

    /// Where every such clock begins: late enough for moments before it.
    const BEGIN: u64 = 1_000_000_000_000;

    /// Where every such clock ends. It leaves room for what is added to a moment in nanoseconds.
    const LAST: u64 = Self::BEGIN + SPAN.as_secs() * 1_000_000_000;

    pub(crate) fn new() -> Arc<Self> {
        static LAST: AtomicU64 = AtomicU64::new(0);
        // ORDERING: Relaxed, and so below: a thread has a source only after it was handed one, and the handing orders the rest.
        SOURCES.fetch_add(1, Ordering::Relaxed);
        let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        let wall = (SystemTime::UNIX_EPOCH + Self::VIRTUAL_EPOCH, Duration::ZERO);
        let (now, over) = (AtomicU64::new(Self::BEGIN), AtomicBool::new(false));
        Arc::new(Self { number, now, over, wall: Mutex::new(wall) })
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Whether the simulation that the clock belongs to is over.
    pub(crate) fn is_over(&self) -> bool {
        // ORDERING: Relaxed. The timer's lock orders it where an alarm is armed.
        self.over.load(Ordering::Relaxed)
    }

    /// Records that no alarm of this clock rings any more. The caller holds the timer's lock.
    pub(crate) fn mark_over(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    pub(crate) fn elapsed(&self) -> Duration {
        elapsed(Self::BEGIN, self.now.load(Ordering::Relaxed))
    }

    /// What the calendar says. A time that the system cannot represent counts as the one that was set.
    pub(crate) fn wall(&self) -> SystemTime {
        let (wall, elapsed) = *self.wall.lock().unwrap_or_else(PoisonError::into_inner);
        wall.checked_add(self.elapsed().saturating_sub(elapsed)).unwrap_or(wall)
    }

    /// It is `wall` now, by the calendar; 1970 at the earliest.
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

    /// Moves the clock to `instant`, unless it is there already, or later. It stops at its end.
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

/// Whether anybody has another source of time: no thread is simulated while nobody has.
#[inline]
pub(crate) fn is_any_mocked() -> bool {
    SOURCES.load(Ordering::Relaxed) > 0
}

#[cold]
fn mocked() -> Option<u64> {
    SOURCE.with(|source| source.borrow().as_ref().map(|source| source.now.load(Ordering::Relaxed)))
}

/// Where this thread has the time from, if not from the system's clock. Threads that are started from here have it from there
/// too.
pub(crate) fn source() -> Option<Arc<VirtualClock>> {
    if !is_any_mocked() {
        return None;
    }
    SOURCE.with(|source| source.borrow().clone())
}

/// Whether this thread's clock is that of a simulation that is over.
pub(crate) fn is_over() -> bool {
    source().is_some_and(|source| source.is_over())
}

/// Returns the time by `source`, or by the system's clock if that is `None`.
pub(crate) fn instant_by(source: Option<&VirtualClock>) -> Instant {
    source.map_or_else(Instant::now, VirtualClock::instant)
}

/// A moment that no clock reaches.
pub(crate) fn never() -> Instant {
    *END + Duration::from_secs(1)
}

/// This thread has the time from `source` until what this gives is dropped.
pub(crate) fn enter(source: Option<Arc<VirtualClock>>) -> ClockGuard {
    ClockGuard(SOURCE.with(|here| here.replace(source)), PhantomData)
}

/// Gives a thread its former source of time back.
#[derive(Debug)]
#[must_use = "the source is left when this is dropped"]
pub(crate) struct ClockGuard(Option<Arc<VirtualClock>>, PhantomData<*const ()>);

impl ClockGuard {
    /// The source stays as long as the thread.
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

// ----- not so exact

/// A moment that is not long past, for a fraction of what [`now`] costs: whoever serves calls tells it now and then, and
/// [`crate::time::coarse`] does every millisecond while somebody serves.
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

/// Tells everybody that it is `now`, if that is news.
pub(crate) fn publish_coarse(now: u64) {
    if is_any_mocked() && mocked().is_some() {
        return; // it is nobody else's
    }
    // ORDERING: Relaxed, as above. Two who tell at once may set it back by as little as lies between their looks.
    if now > RECENT.load(Ordering::Relaxed) + MAX_STALENESS {
        RECENT.store(now, Ordering::Relaxed);
    }
}

/// A moment earlier than this is near enough, and costs those who look no cache line. Nanoseconds.
const MAX_STALENESS: u64 = 5_000;

static RECENT: AtomicU64 = AtomicU64::new(0);

/// A duration as nanoseconds; longer than 584 years counts as that, which is beyond the end of every clock.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds as a duration, [`Duration::MAX`] at most.
pub(crate) fn duration(nanos: u128) -> Duration {
    const SECOND: u128 = 1_000_000_000;
    let below = u32::try_from(nanos % SECOND).unwrap_or(0); // it fits
    u64::try_from(nanos / SECOND).map_or(Duration::MAX, |secs| Duration::new(secs, below))
}

/// The time from one moment to a later one.
pub(crate) fn elapsed(earlier: u64, later: u64) -> Duration {
    Duration::from_nanos(later.saturating_sub(earlier))
}
