//! [`ThreadParker`]: parks a thread until its waker is used, after a short adaptive spin. Each
//! blocking wait polls its future with this waker.

use crate::{
    sim_runtime,
    time::{
        clock,
        timer::{self, Key, TimerAction},
    },
    util::per_thread::per_thread,
};
use once_cell::sync::Lazy;
use std::{
    cell::Cell,
    hint,
    num::NonZero,
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
    task::{Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

/// The thread to unpark, and whether its waker was used since the thread last looked.
pub(crate) struct ParkInner {
    thread: Thread,
    /// The simulated thread that sleeps, if the thread is one.
    seat: Option<sim_runtime::SimThread>,
    notified: AtomicBool,
}

impl Wake for ParkInner {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // ORDERING: Release, pairs with the Acquire in `park_until` and in `park_in`: the woken
        // thread sees what it was woken for.
        if !self.notified.swap(true, Ordering::Release) {
            match &self.seat {
                Some(seat) => seat.wake(),
                None => self.thread.unpark(),
            }
        }
    }
}

/// The waker of the calling thread, and the means to sleep until that waker is used.
#[derive(Clone)]
pub(crate) struct ThreadParker {
    parker: Arc<ParkInner>,
    waker: Waker,
}

thread_local! {
    static PARKING: ThreadParker = ThreadParker::new();
}

impl ThreadParker {
    fn new() -> Self {
        let parker = Arc::new(ParkInner {
            thread: thread::current(),
            seat: sim_runtime::here(),
            notified: AtomicBool::new(false),
        });
        Self { waker: Waker::from(parker.clone()), parker }
    }

    /// Returns the parker of this thread. A thread whose thread-locals are gone gets a new parker.
    pub(crate) fn of_this_thread() -> Self {
        PARKING.try_with(Clone::clone).unwrap_or_else(|_| Self::new())
    }

    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Returns a guard that notifies this thread when it is dropped, if `within` is set.
    ///
    /// A wait may run within the poll of another wait of the same thread, and may use up the
    /// notification of that outer wait. The guard's notification makes the outer wait look again.
    pub(crate) fn nest(&self, within: bool) -> RenotifyGuard<'_> {
        RenotifyGuard(within.then_some(&self.parker))
    }

    /// Spins for a while, and returns whether the waker was used. If it was not, the caller sleeps
    /// next.
    pub(crate) fn spin_until(&self, limit: Duration) -> bool {
        // ORDERING: Relaxed. `park_until` looks again, with Acquire.
        let called = || self.parker.notified.load(Ordering::Relaxed);
        spin_until(limit, called);
        called()
    }

    /// Sleeps until the waker is used, or until `deadline`. Returns whether the waker was used.
    pub(crate) fn park_until(&self, deadline: Option<Instant>) -> bool {
        self.spin_until(SPIN_BEFORE_PARK);
        let alarm = deadline.filter(|_| clock::source().is_some()).map(|due| DeadlineAlarm::new(due, &self.waker));
        if let Some(seat) = &self.parker.seat {
            return self.park_in(seat, deadline);
        }
        loop {
            // ORDERING: Acquire, pairs with the Release in `wake_by_ref`.
            if self.parker.notified.swap(false, Ordering::Acquire) {
                return true;
            }
            let alarmed = timer::ring_without_thread();
            let first = alarmed.map(|due| deadline.map_or(due, |deadline| due.min(deadline)));
            match first.or(deadline) {
                None => thread::park(),
                Some(first) if Some(first) != deadline => {
                    thread::park_timeout(first.saturating_duration_since(Instant::now()));
                }
                Some(_) if alarm.is_some() => thread::park(),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(clock::instant());
                    if left.is_zero() {
                        return false;
                    }
                    thread::park_timeout(left);
                }
            }
        }
    }
}

impl ThreadParker {
    /// Like [`park_until`](Self::park_until), in a simulation. The caller has set an alarm for the
    /// deadline.
    fn park_in(&self, seat: &sim_runtime::SimThread, deadline: Option<Instant>) -> bool {
        // ORDERING: Acquire, pairs with the Release in `wake_by_ref`.
        let called = || self.parker.notified.swap(false, Ordering::Acquire);
        if called() {
            seat.poll_point(); // the thread may wake itself all the time
            return true;
        }
        while deadline.is_none_or(|deadline| clock::instant() < deadline && !clock::is_over()) {
            seat.park();
            if called() {
                return true;
            }
        }
        false
    }
}

/// An alarm that uses a waker when the thread's clock has reached the deadline.
pub(crate) struct DeadlineAlarm(Key);

impl DeadlineAlarm {
    pub(crate) fn new(due: Instant, waker: &Waker) -> Self {
        Self(timer::arm(due, TimerAction::Wake(waker.clone())))
    }
}

impl Drop for DeadlineAlarm {
    fn drop(&mut self) {
        timer::disarm(self.0);
    }
}

/// The time for which a thread that waits for an answer spins before it sleeps: as long as it takes
/// to wake the thread.
pub(crate) const SPIN_BEFORE_PARK: Duration = Duration::from_micros(5);

/// The longest rest of a waiting thread before it looks again.
pub(crate) const REST: Duration = Duration::from_micros(250);

/// A rest of this length or more is spent asleep.
const SLEEP_THRESHOLD: Duration = Duration::from_micros(60);

/// The time for which the poll of a future spins for an answer before it returns `Pending`: a
/// fraction of what it costs to wake the task.
pub(crate) const POLL_SPIN: Duration = Duration::from_micros(1);

/// The default time for which a serving thread spins for more work before it sleeps: as long as a
/// few wake-ups take.
pub(crate) const IDLE_SPIN: Duration = Duration::from_micros(30);

/// The longest time for which a thread can be configured to spin.
pub(crate) const MAX_SPIN: Duration = Duration::from_millis(10);

/// Whether the machine has several cores. A spin pays only where another thread can run meanwhile.
pub(crate) static MULTI_CORE: Lazy<bool> = Lazy::new(|| thread::available_parallelism().map_or(1, NonZero::get) > 1);

/// Spins until `seen` returns true, for at most `limit`. Does not spin where that would keep other
/// threads from running.
///
/// Each thread adapts to whether spinning pays. A few spins in a row may have failed: the wait
/// takes longer, or the thread that ends the wait runs on this very core. Then the thread sleeps at
/// once, and tries to spin again now and then.
pub(crate) fn spin_until(limit: Duration, seen: impl Fn() -> bool) {
    spin_until_after(Duration::ZERO, limit, seen);
}

/// Like [`spin_until`], but rests for `rest` between the first look and the next. More values are
/// there after the rest. Where many values are to come, a switch to and fro for each value costs
/// more than the rest.
pub(crate) fn spin_until_after(rest: Duration, limit: Duration, seen: impl Fn() -> bool) {
    if seen() || !*MULTI_CORE || sim_runtime::is_here() {
        return;
    }
    LUCK.with(|luck| {
        if luck.should_spin() {
            luck.record(look(rest, limit, seen));
        }
    });
}

/// Like [`spin_until`], but yields the core to other threads between two looks. This is for waits
/// in which many threads take part: the awaited thread may be among those that run meanwhile. Where
/// other threads keep the core for long, yielding does not pay.
pub(crate) fn yield_until(limit: Duration, seen: impl Fn() -> bool) {
    if sim_runtime::is_here() {
        return;
    }
    LUCK.with(|luck| {
        if seen() || !luck.should_spin() {
            return;
        }
        let began = Instant::now();
        let (mut came, mut looked) = (false, Duration::ZERO);
        while !came && looked < limit {
            thread::yield_now();
            looked = began.elapsed();
            came = seen();
        }
        luck.record(came && looked < MAX_YIELD);
    });
}

/// Yields the core to other threads for `limit`, or until `seen` returns true. This is for a thread
/// that has handled many values since its last wait. The cost is spread over those values, so the
/// thread yields even where its last spins failed.
pub(crate) fn yield_after_many(limit: Duration, seen: impl Fn() -> bool) {
    if sim_runtime::is_here() {
        return;
    }
    let began = Instant::now();
    while !seen() && began.elapsed() < limit {
        thread::yield_now();
    }
}

/// The longest successful yield. A thread that keeps the core for longer has work of its own.
const MAX_YIELD: Duration = Duration::from_micros(500);

/// Rests for `rest`, and then spins until `seen` returns true, or until `limit` has passed. Returns
/// whether `seen` returned true.
///
/// The pauses between two looks grow, so that the cache line that is read stays with the thread
/// that writes to it.
pub(crate) fn look(rest: Duration, limit: Duration, seen: impl Fn() -> bool) -> bool {
    if rest >= SLEEP_THRESHOLD {
        thread::sleep(rest);
    } else if !rest.is_zero() {
        yield_after_many(rest, || false);
    }
    let mut end = None;
    loop {
        for round in 0..SPINS_PER_CLOCK_READ {
            for _ in 0..=(round / 4) {
                hint::spin_loop();
            }
            if seen() {
                return true;
            }
        }
        let now = Instant::now();
        if now > *end.get_or_insert(now + limit) {
            return false;
        }
    }
}

/// The number of looks between two reads of the clock.
const SPINS_PER_CLOCK_READ: u32 = 16;

per_thread! {
    static LUCK: SpinBudget = SpinBudget::new();
}

/// The results of the last spins. They decide whether the next wait spins.
pub(crate) struct SpinBudget {
    /// The number of further spins that may fail.
    left: Cell<u32>,
    /// The number of waits that sleep at once before a spin is tried again.
    rest: Cell<u32>,
}

impl SpinBudget {
    const MOST: u32 = 8;
    const REST: u32 = 32;

    pub(crate) const fn new() -> Self {
        Self { left: Cell::new(Self::MOST), rest: Cell::new(0) }
    }

    /// Returns whether to spin this time.
    pub(crate) fn should_spin(&self) -> bool {
        if self.left.get() > 0 {
            return true;
        }
        self.rest.set(self.rest.get() - 1);
        self.rest.get() == 0
    }

    pub(crate) fn record(&self, seen: bool) {
        let left = self.left.get();
        self.left.set(if seen { Self::MOST.min(left + 2) } else { left.saturating_sub(1) });
        if self.left.get() == 0 {
            self.rest.set(Self::REST);
        }
    }
}

/// Notifies the outer wait again when the inner wait is over.
pub(crate) struct RenotifyGuard<'a>(Option<&'a Arc<ParkInner>>);

impl Drop for RenotifyGuard<'_> {
    fn drop(&mut self) {
        if let Some(parker) = self.0 {
            // ORDERING: Relaxed. This thread itself reads the flag next.
            parker.notified.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn vain_spinning_is_given_up_and_tried_again_later() {
        let luck = SpinBudget::new();
        (0..SpinBudget::MOST).for_each(|_| {
            assert!(luck.should_spin());
            luck.record(false);
        });
        assert_eq!((0..SpinBudget::REST - 1).filter(|_| luck.should_spin()).count(), 0);
        assert!(luck.should_spin(), "now and then");
        luck.record(true);
        assert!(luck.should_spin(), "it was lucky");
    }
}
