//! The timer: one thread that fires alarms, which wake tasks and end calls.
//!
//! The thread starts with the first executor or with the first alarm. If the system cannot start
//! it, the build of that executor returns the error. The thread sleeps while no alarm is armed.
//!
//! If no executor was built, and the system cannot start the thread, each new alarm tries to start
//! the thread again. Meanwhile a thread that blocks fires the alarms that are due
//! ([`ring_without_thread`]), and a future that sleeps asks to be polled again at once.
//!
//! Alarms of one kind may be kept elsewhere ([`AlarmSource`]). The timer knows one moment for all of
//! them, before which none is due.
//!
//! An alarm on a virtual clock ([`clock::VirtualClock`]) fires on the thread that moves that clock.

use super::clock;
use crate::util::{ordered_map::OrderedMap, per_thread::per_thread};
use std::{
    cell::Cell,
    io, mem,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Waker,
    thread,
    time::Instant,
};

/// The action of an alarm. On the timer's thread it ends calls and wakes tasks; it moves user code
/// to [`offload`](crate::call::offload).
pub(crate) enum TimerAction {
    /// Wakes a sleeper.
    Wake(Waker),
    /// Runs code that acts on a call. If the simulation of the alarm's clock ends first, the code
    /// is dropped.
    Run(Box<dyn FnOnce() + Send>),
    /// Like `Run`, but the code also runs if that simulation ends first: it checks
    /// [`clock::is_over`].
    RunAlways(Box<dyn FnOnce() + Send>),
}

impl TimerAction {
    fn fire(self) {
        as_ringing(|| {
            crate::util::unwind::ignore_panics(|| match self {
                Self::Wake(waker) => waker.wake(),
                Self::Run(run) | Self::RunAlways(run) => run(),
            });
        });
    }

    /// Ends the alarm with its clock's simulation: a sleeper is woken and checks for the end, and a
    /// call ends.
    fn give_up(self) {
        match self {
            Self::Run(run) => crate::util::unwind::ignore_panics(|| drop(run)),
            always => always.fire(),
        }
    }
}

per_thread! {
    static RINGING: Cell<bool> = Cell::new(false);
}

per_thread! {
    static IS_TIMER: Cell<bool> = Cell::new(false);
}

/// Returns whether this is the timer's thread, which only ends calls and wakes tasks: see
/// [`offload`](crate::call::offload).
pub(crate) fn is_timer_thread() -> bool {
    IS_TIMER.get()
}

/// Runs `f` as an alarm. `f` must not panic.
pub(crate) fn as_ringing(f: impl FnOnce()) {
    let before = RINGING.replace(true);
    f();
    RINGING.set(before);
}

/// Returns whether an alarm fires on this thread, so that the thread must not run tasks.
pub(crate) fn on_timer_thread() -> bool {
    RINGING.get()
}

/// The key of an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// The due moment in nanoseconds, and a unique number.
    order: (u64, u64),
    /// The number of the alarm's clock; zero for the system's.
    source: u64,
}

impl Key {
    fn new(due: Instant, source: u64) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        // ORDERING: Relaxed, the number is unique and publishes nothing else.
        Self { order: (clock::at(due), LAST.fetch_add(1, Ordering::Relaxed)), source }
    }
}

/// Alarms by the system's clock that are kept elsewhere.
pub(crate) trait AlarmSource: Sync {
    /// Fires the alarms that are due at `now`. Returns a moment before which no other is due, unless
    /// the source [announces](announce) an earlier one; `None` if none is armed.
    fn fire_due(&self, now: Instant) -> Option<Instant>;
}

#[derive(Default)]
struct Timers {
    /// The alarms by their due moments.
    armed: OrderedMap<(u64, u64), Alarm>,
    /// The alarms that are kept elsewhere, and a moment before which none of them is due.
    elsewhere: Option<(Instant, &'static dyn AlarmSource)>,
}

/// What is to be done at a due moment.
enum Due {
    Alarm(TimerAction),
    Elsewhere(&'static dyn AlarmSource),
}

struct Alarm {
    due: Instant,
    action: TimerAction,
}

struct Timer {
    timers: Mutex<Timers>,
    earlier: Condvar,
}

static TIMER: Timer =
    Timer { timers: Mutex::new(Timers { armed: OrderedMap::new(), elsewhere: None }), earlier: Condvar::new() };

/// Whether the timer's thread was started.
static IS_STARTED: AtomicBool = AtomicBool::new(false);

/// Starts the timer's thread, unless it runs.
pub(crate) fn start() -> io::Result<()> {
    static STARTING: Mutex<()> = Mutex::new(());
    // ORDERING: Relaxed, here and below: the flag publishes nothing about the armed alarms, which
    // the timer's lock orders.
    if IS_STARTED.load(Ordering::Relaxed) {
        return Ok(());
    }
    let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if !IS_STARTED.load(Ordering::Relaxed) {
        thread::Builder::new().name("nanolith-timer".into()).spawn(|| TIMER.serve())?;
        IS_STARTED.store(true, Ordering::Relaxed);
    }
    Ok(())
}

/// Fires the alarms that are due on this thread, which is about to block, if the timer has no
/// thread. Returns the moment when the next alarm is due.
pub(crate) fn ring_without_thread() -> Option<Instant> {
    while !IS_STARTED.load(Ordering::Relaxed) {
        let mut timers = TIMER.lock();
        let (now, due) = (Instant::now(), timers.first_due()?);
        if due > now {
            return Some(due);
        }
        let first = timers.take_first()?;
        drop(timers);
        TIMER.do_due(first, now);
    }
    None
}

impl Timer {
    fn lock(&self) -> MutexGuard<'_, Timers> {
        self.timers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fires the alarms that are due and sleeps until the next, in an endless loop. No lock is held
    /// while an alarm fires.
    fn serve(&self) -> ! {
        IS_TIMER.set(true);
        let mut timers = self.lock();
        loop {
            let now = Instant::now();
            match timers.first_due() {
                Some(due) if due <= now => {
                    let due = timers.take_first();
                    drop(timers);
                    due.into_iter().for_each(|due| self.do_due(due, now));
                    timers = self.lock();
                }
                Some(due) => {
                    let wait = due - now;
                    timers = self.earlier.wait_timeout(timers, wait).unwrap_or_else(PoisonError::into_inner).0;
                }
                None => timers = self.earlier.wait(timers).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn do_due(&self, due: Due, now: Instant) {
        match due {
            Due::Alarm(alarm) => alarm.fire(),
            Due::Elsewhere(source) => {
                if let Some(next) = source.fire_due(now) {
                    self.lock().announce(source, next);
                }
            }
        }
    }
}

impl Timers {
    fn arm(&mut self, due: Instant, source: u64, action: TimerAction) -> Key {
        let key = Key::new(due, source);
        self.armed.insert(key.order, Alarm { due, action });
        key
    }

    /// Returns when the first alarm is due. An alarm that is kept elsewhere may be due later.
    fn first_due(&self) -> Option<Instant> {
        let armed = self.armed.first().map(|(_, alarm)| alarm.due);
        armed.into_iter().chain(self.elsewhere.map(|(due, _)| due)).min()
    }

    /// Takes the first alarm, or the source of the first alarms.
    fn take_first(&mut self) -> Option<Due> {
        let first = self.first_due();
        match self.elsewhere.take_if(|(due, _)| Some(*due) == first) {
            Some((_, source)) => Some(Due::Elsewhere(source)),
            None => self.pop_first().map(Due::Alarm),
        }
    }

    /// Records that an alarm of `source` is due at `due`. Returns whether that is the first of all.
    fn announce(&mut self, source: &'static dyn AlarmSource, due: Instant) -> bool {
        let is_first = self.first_due().is_none_or(|first| due < first);
        if self.elsewhere.is_none_or(|(known, _)| due < known) {
            self.elsewhere = Some((due, source));
        }
        is_first
    }

    fn pop_first(&mut self) -> Option<TimerAction> {
        self.armed.pop_first().map(|(_, alarm)| alarm.action)
    }
}

/// Arms an alarm that fires at `due`, by this thread's clock.
pub(crate) fn arm(due: Instant, alarm: TimerAction) -> Key {
    arm_by(clock::source().as_deref(), due, alarm)
}

/// Like [`arm`], by the clock `source`, or by the system's if that is `None`. If the simulation of
/// that clock is over, the alarm is given up at once.
pub(crate) fn arm_by(source: Option<&clock::VirtualClock>, due: Instant, alarm: TimerAction) -> Key {
    let Some(source) = source else { return arm_system(due, alarm) };
    let mut mocked = mocked();
    if source.is_over() {
        drop(mocked);
        alarm.give_up();
        return Key::new(due, source.number());
    }
    mocked.get_or_insert_with(source.number(), Default::default).arm(due, source.number(), alarm)
}

/// Like [`arm`], by the system's clock.
pub(crate) fn arm_system(due: Instant, alarm: TimerAction) -> Key {
    let _ = start(); // every executor has started it; else see the head of this file
    let mut timers = TIMER.lock();
    let key = timers.arm(due, 0, alarm);
    if timers.armed.first().is_some_and(|(first, _)| first == key.order) {
        TIMER.earlier.notify_one();
    }
    key
}

/// Tells the timer that an alarm of `source` is due at `due`. The source tells it once for alarms
/// that are due later.
pub(crate) fn announce(source: &'static dyn AlarmSource, due: Instant) {
    let _ = start(); // as in `arm_system`
    if TIMER.lock().announce(source, due) {
        TIMER.earlier.notify_one();
    }
}

/// Disarms an alarm, if it has not fired.
pub(crate) fn disarm(key: Key) {
    let alarm = take(key);
    drop(alarm); // outside the lock: dropping the alarm may disarm others
}

/// Like [`disarm`], but returns the alarm, because dropping it may run user code.
pub(crate) fn take(key: Key) -> Option<TimerAction> {
    with(key, |timers| timers.armed.remove(key.order)).map(|alarm| alarm.action)
}

/// Sets the waker of the alarm `key`. Returns false if the alarm has fired.
pub(crate) fn set_waker(key: Key, waker: &Waker) -> bool {
    let is_known = with(key, |timers| match &timers.armed.get(key.order)?.action {
        TimerAction::Wake(known) => Some(known.will_wake(waker)),
        TimerAction::Run(_) | TimerAction::RunAlways(_) => None,
    });
    match is_known {
        Some(false) => {
            let mut other = TimerAction::Wake(waker.clone()); // the earlier waker drops with it, after the lock is released
            with(key, |timers| timers.armed.get_mut(key.order).map(|known| mem::swap(&mut known.action, &mut other)))
                .is_some()
        }
        is_known => is_known.is_some(),
    }
}

fn with<R>(key: Key, f: impl FnOnce(&mut Timers) -> Option<R>) -> Option<R> {
    match key.source {
        0 => f(&mut TIMER.lock()),
        source => with_mocked(source, f),
    }
}

/// Returns when the next alarm is due by this thread's clock.
pub(crate) fn next() -> Option<Instant> {
    match clock::source() {
        Some(source) => next_due(&source),
        None => TIMER.lock().first_due(),
    }
}

// ----- virtual clocks

/// The armed alarms of each virtual clock, by the clock's number.
static MOCKED: Mutex<OrderedMap<u64, Timers>> = Mutex::new(OrderedMap::new());

fn mocked() -> MutexGuard<'static, OrderedMap<u64, Timers>> {
    MOCKED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `f` on the alarms of a virtual clock. Removes the clock's entry once no alarm is armed,
/// also after its last handle was dropped.
fn with_mocked<R>(source: u64, f: impl FnOnce(&mut Timers) -> Option<R>) -> Option<R> {
    let mut mocked = mocked();
    let timers = mocked.get_mut(source)?;
    let result = f(timers);
    if timers.armed.is_empty() {
        mocked.remove(source);
    }
    result
}

/// Returns when the next alarm of a virtual clock is due, unless it lies beyond the clock's end.
pub(crate) fn next_due(source: &clock::VirtualClock) -> Option<Instant> {
    let due = mocked().get(source.number())?.first_due();
    due.filter(|due| clock::reaches(*due))
}

/// Moves a virtual clock to its first alarm and fires the alarm, unless it lies beyond `end` or the
/// clock's own end. Returns whether an alarm fired.
///
/// The clock is moved under the lock that disarms the alarm. So a clock is never moved to an alarm
/// that was disarmed meanwhile. No lock is held while the alarm fires.
pub(crate) fn move_to_next(source: &clock::VirtualClock, end: Option<Instant>) -> bool {
    let first = with_mocked(source.number(), |timers| {
        let due = timers.first_due()?;
        if !clock::reaches(due) || end.is_some_and(|end| end < due) {
            return None;
        }
        source.move_to(due);
        timers.pop_first()
    });
    first.map(TimerAction::fire).is_some()
}

/// Fires the first alarm of a virtual clock, if it is due. Returns whether it was. No lock is held
/// while the alarm fires.
pub(crate) fn ring_next(source: &clock::VirtualClock) -> bool {
    let now = source.instant();
    let first = with_mocked(source.number(), |timers| {
        timers.first_due().filter(|due| *due <= now).and_then(|_| timers.pop_first())
    });
    first.map(TimerAction::fire).is_some()
}

/// Ends the alarms of a virtual clock whose simulation is over. Sleepers are woken, and calls that
/// wait for an alarm end. No lock is held meanwhile.
pub(crate) fn end(source: &clock::VirtualClock) {
    let armed = {
        let mut mocked = mocked();
        source.mark_over();
        mocked.remove(source.number())
    };
    armed.into_iter().flat_map(|timers| timers.armed.into_values()).for_each(|alarm| alarm.action.give_up());
}

/// Drops the alarms of a virtual clock that no handle can move any more.
pub(crate) fn forget(source: &clock::VirtualClock) {
    let forgotten = mocked().remove(source.number());
    drop(forgotten);
}

#[cfg(all(test, not(any(loom, miri))))]
mod tests {
    use super::*;
    use crate::{park::parker::ThreadParker, time::MILLISECOND};

    /// A test that runs in a process of its own, since a process has one timer.
    #[test]
    fn blocking_thread_rings_due_alarms_without_a_timer_thread() {
        if IS_STARTED.load(Ordering::Relaxed) {
            return; // another test of this process has started the thread
        }
        let parking = ThreadParker::of_this_thread();
        let key = TIMER.lock().arm(Instant::now() + MILLISECOND, 0, TimerAction::Wake(parking.waker().clone()));
        assert!(parking.park_until(None), "its own alarm wakes it");
        assert!(take(key).is_none());
    }
}
