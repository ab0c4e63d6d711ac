//! One thread that wakes others when their time has come. It starts with the first timer and sleeps when there is none.

use once_cell::sync::OnceCell;
use std::{
    collections::BTreeMap,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    task::Waker,
    thread,
    time::Instant,
};

/// What happens when the time has come. It runs on the timer's thread, so it is brief.
pub(crate) enum Alarm {
    /// Wakes a sleeper.
    Wake(Waker),
    /// Does something to a call.
    Run(Box<dyn FnOnce() + Send>),
}

impl Alarm {
    fn ring(self) {
        crate::panics::quietly(|| match self {
            Self::Wake(waker) => waker.wake(),
            Self::Run(run) => run(),
        });
    }
}

/// Which timer to disarm: unique, and in order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    due: Instant,
    number: u64,
}

#[derive(Default)]
struct Timers {
    armed: BTreeMap<Key, Alarm>,
    next: u64,
}

#[derive(Default)]
struct Timer {
    timers: Mutex<Timers>,
    earlier: Condvar,
}

static TIMER: OnceCell<&'static Timer> = OnceCell::new();

impl Timer {
    /// # Panics
    ///
    /// Panics if the system gives no thread.
    fn get() -> &'static Self {
        TIMER.get_or_init(|| {
            let timer: &'static Self = Box::leak(Box::default());
            thread::Builder::new()
                .name("nanolith-timer".into())
                .spawn(|| timer.serve())
                .expect("the system gives no thread for the timer");
            timer
        })
    }

    fn lock(&self) -> MutexGuard<'_, Timers> {
        self.timers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rings what is due, sleeps until the next, for ever. No lock is held while an alarm rings.
    fn serve(&self) -> ! {
        let mut timers = self.lock();
        loop {
            let now = Instant::now();
            match timers.armed.first_key_value().map(|(key, _)| *key) {
                Some(key) if key.due <= now => {
                    let alarm = timers.armed.remove(&key);
                    drop(timers);
                    alarm.into_iter().for_each(Alarm::ring);
                    timers = self.lock();
                }
                Some(key) => {
                    let wait = key.due - now;
                    timers = self.earlier.wait_timeout(timers, wait).unwrap_or_else(PoisonError::into_inner).0;
                }
                None => timers = self.earlier.wait(timers).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

/// Rings `alarm` at `due`.
pub(crate) fn arm(due: Instant, alarm: Alarm) -> Key {
    let timer = Timer::get();
    let mut timers = timer.lock();
    timers.next += 1;
    let key = Key { due, number: timers.next };
    timers.armed.insert(key, alarm);
    if timers.armed.first_key_value().is_some_and(|(first, _)| *first == key) {
        timer.earlier.notify_one();
    }
    key
}

/// Takes an alarm back, if it has not rung.
pub(crate) fn disarm(key: Key) {
    let alarm = Timer::get().lock().armed.remove(&key);
    drop(alarm); // outside the lock: what it holds may disarm others
}

/// Sets whom to wake at `key`; false if it has rung.
pub(crate) fn rewake(key: Key, waker: &Waker) -> bool {
    match Timer::get().lock().armed.get_mut(&key) {
        Some(Alarm::Wake(known)) => {
            known.clone_from(waker);
            true
        }
        _ => false,
    }
}
