//! A thread as a waker: what blocks here waits as a future would.

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

/// The thread to unpark, and whether somebody has called for it since it last looked.
pub(crate) struct ParkInner {
    thread: Thread,
    /// Where it sleeps in a simulation.
    seat: Option<sim_runtime::SimThread>,
    notified: AtomicBool,
}

impl Wake for ParkInner {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // ORDERING: Release, pairs with the Acquire in `park_until`: the woken thread sees what it was woken for.
        if !self.notified.swap(true, Ordering::Release) {
            match &self.seat {
                Some(seat) => seat.wake(),
                None => self.thread.unpark(),
            }
        }
    }
}

/// The calling thread's own waker, and the means to sleep until it is used.
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

    /// The one of this thread. A thread whose locals are gone gets a fresh one.
    pub(crate) fn of_this_thread() -> Self {
        PARKING.try_with(Clone::clone).unwrap_or_else(|_| Self::new())
    }

    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Where a wait may stand within the poll of another of the same thread, it may use up the other's call: when this
    /// is dropped the other is called again, so that it looks for itself.
    pub(crate) fn nest(&self, within: bool) -> RenotifyGuard<'_> {
        RenotifyGuard(within.then_some(&self.parker))
    }

    /// Looks for a while whether the waker is used, and says so. Sleep follows, if it is not.
    pub(crate) fn spin_until(&self, limit: Duration) -> bool {
        // ORDERING: Relaxed, `park_until` looks again.
        let called = || self.parker.notified.load(Ordering::Relaxed);
        spin_until(limit, called);
        called()
    }

    /// Sleeps until the waker is used, or until `deadline`. Says whether it was used.
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
    /// The same in a simulation, where an alarm is set for the deadline.
    fn park_in(&self, seat: &sim_runtime::SimThread, deadline: Option<Instant>) -> bool {
        // ORDERING: Acquire, as above.
        let called = || self.parker.notified.swap(false, Ordering::Acquire);
        if called() {
            seat.poll_point(); // it may be a thread that wakes itself all the time
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

/// Calls a thread whose clock is moved by hand when that has come to its deadline.
struct DeadlineAlarm(Key);

impl DeadlineAlarm {
    fn new(due: Instant, waker: &Waker) -> Self {
        Self(timer::arm(due, TimerAction::Wake(waker.clone())))
    }
}

impl Drop for DeadlineAlarm {
    fn drop(&mut self) {
        timer::disarm(self.0);
    }
}

/// How long a thread that waits for an answer looks on before it sleeps: what waking it would cost.
pub(crate) const SPIN_BEFORE_PARK: Duration = Duration::from_micros(5);

/// How long it rests at most before it looks again.
pub(crate) const REST: Duration = Duration::from_micros(250);

/// A rest so long is worth a sleep.
const SLEEP_THRESHOLD: Duration = Duration::from_micros(60);

/// How long a future's poll looks on for an answer before it says that it is pending: a fraction of what it would cost to have
/// its task woken.
pub(crate) const POLL_SPIN: Duration = Duration::from_micros(1);

/// How long a thread that serves looks on for more before it sleeps, unless it is told: a few wake-ups' worth.
pub(crate) const IDLE_SPIN: Duration = Duration::from_micros(30);

/// The longest time for which a thread may be told to look on.
pub(crate) const MAX_SPIN: Duration = Duration::from_millis(10);

/// Looking on pays only where somebody else can run meanwhile.
pub(crate) static MULTI_CORE: Lazy<bool> = Lazy::new(|| thread::available_parallelism().map_or(1, NonZero::get) > 1);

/// Looks on until `seen`, but not longer than `limit`, and not at all where that would keep others from running.
///
/// Whether it pays shows: where what is waited for has not come while the thread looked on, a few times in a row (it takes
/// longer, or whoever brings it has been put on this very core), the thread sleeps at once, and tries again now and then.
pub(crate) fn spin_until(limit: Duration, seen: impl Fn() -> bool) {
    spin_until_after(Duration::ZERO, limit, seen);
}

/// The same, but after the first look the next comes after `rest` only, so that more is there to be seen: where many are to
/// come, to go to and fro for each costs more than the rest.
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

/// The same, but between two looks the core is offered to others, one of whom may be waited for: for those who are many. Where
/// others keep it for long, that does not pay.
pub(crate) fn yield_until(limit: Duration, seen: impl Fn(Duration) -> bool) {
    if sim_runtime::is_here() {
        return;
    }
    LUCK.with(|luck| {
        if seen(Duration::ZERO) || !luck.should_spin() {
            return;
        }
        let began = Instant::now();
        let (mut came, mut looked) = (false, Duration::ZERO);
        while !came && looked < limit {
            thread::yield_now();
            looked = began.elapsed();
            came = seen(looked);
        }
        luck.record(came && looked < MAX_YIELD);
    });
}

/// Who has kept a core for so long has work of its own.
const MAX_YIELD: Duration = Duration::from_micros(500);

/// Says whether it was `seen` in time. The pauses between two looks grow, so that the cache line that is looked at stays
/// with the one who writes to it.
pub(crate) fn look(rest: Duration, limit: Duration, seen: impl Fn() -> bool) -> bool {
    if rest >= SLEEP_THRESHOLD {
        thread::sleep(rest);
    } else if !rest.is_zero() {
        let began = Instant::now();
        while began.elapsed() < rest {
            thread::yield_now();
        }
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

/// How often to look between two looks at the clock.
const SPINS_PER_CLOCK_READ: u32 = 16;

per_thread! {
    static LUCK: SpinBudget = SpinBudget::new();
}

/// What the last looks came to.
pub(crate) struct SpinBudget {
    /// How many more may come to nothing.
    left: Cell<u32>,
    /// How many times it sleeps at once before it tries again.
    rest: Cell<u32>,
}

impl SpinBudget {
    const MOST: u32 = 8;
    const REST: u32 = 32;

    pub(crate) const fn new() -> Self {
        Self { left: Cell::new(Self::MOST), rest: Cell::new(0) }
    }

    /// Whether to look on this time.
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

/// Calls the outer wait again when the inner one is over.
pub(crate) struct RenotifyGuard<'a>(Option<&'a Arc<ParkInner>>);

impl Drop for RenotifyGuard<'_> {
    fn drop(&mut self) {
        if let Some(parker) = self.0 {
            // ORDERING: Relaxed, this thread itself looks at it next.
            parker.notified.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_looks_on_in_vain_soon_sleeps_at_once_and_tries_again() {
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
