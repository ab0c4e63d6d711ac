//! [`Slot`]: a hand-written oneshot cell for one value, which can be used again. One thread fills
//! it; the thread that takes the value spins briefly before it sleeps.

use super::cores;
use std::{
    hint,
    sync::{
        Condvar, LazyLock, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    thread::{self, Thread},
};

/// The number of checks before the taker sleeps: a few microseconds, about the cost of a wake-up.
/// On one core the taker sleeps at once, since the filler needs that core.
static LOOKS: LazyLock<u32> = LazyLock::new(|| if cores() == 1 { 0 } else { 200 });

/// A slot for one value.
pub(crate) trait Slot: Default + Send + Sync + 'static {
    /// Puts a value into an empty slot.
    fn fill(&self, value: u64);

    /// Waits for the value, and leaves the slot empty.
    fn take(&self) -> u64;
}

/// A slot made of a lock and a condition variable.
#[derive(Default)]
pub(crate) struct MutexSlot {
    held: Mutex<Held>,
    filled: Condvar,
}

#[derive(Default)]
struct Held {
    value: Option<u64>,
    awaited: bool,
}

impl Slot for MutexSlot {
    fn fill(&self, value: u64) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.value = Some(value);
        let awaited = held.awaited;
        drop(held);
        if awaited {
            self.filled.notify_one();
        }
    }

    fn take(&self) -> u64 {
        self.take_soon().unwrap_or_else(|| self.sleep())
    }
}

impl MutexSlot {
    fn take_soon(&self) -> Option<u64> {
        (0..*LOOKS).find_map(|_| {
            hint::spin_loop();
            self.held.lock().unwrap_or_else(PoisonError::into_inner).value.take()
        })
    }

    fn sleep(&self) -> u64 {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(value) = held.value.take() {
                held.awaited = false;
                return value;
            }
            held.awaited = true;
            held = self.filled.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The slot is empty, and no thread waits.
const EMPTY: u32 = 0;
/// The taker sleeps, or is about to sleep.
const AWAITED: u32 = 1;
/// The slot has a value.
const FULL: u32 = 2;

/// A slot made of atomics.
#[derive(Default)]
pub(crate) struct AtomicSlot {
    state: AtomicU32,
    value: AtomicU64,
    taker: OnceLock<Thread>,
}

impl Slot for AtomicSlot {
    fn fill(&self, value: u64) {
        self.value.store(value, Ordering::Relaxed);
        // ORDERING: Release, pairs with the Acquire loads in `take`: publishes the value. Acquire,
        // pairs with the exchange in `take`: the taker is seen.
        let taker = (self.state.swap(FULL, Ordering::AcqRel) == AWAITED).then(|| self.taker.get()).flatten();
        if let Some(taker) = taker {
            taker.unpark();
        }
    }

    fn take(&self) -> u64 {
        if !self.is_full_soon() {
            self.sleep();
        }
        let value = self.value.load(Ordering::Relaxed);
        // The next fill depends on the taker's use of this value, which orders the two.
        self.state.store(EMPTY, Ordering::Relaxed);
        value
    }
}

impl AtomicSlot {
    fn is_full(&self) -> bool {
        // ORDERING: Acquire, pairs with the swap in `fill`.
        self.state.load(Ordering::Acquire) == FULL
    }

    fn is_full_soon(&self) -> bool {
        (0..*LOOKS).any(|_| {
            hint::spin_loop();
            self.is_full()
        })
    }

    fn sleep(&self) {
        self.taker.get_or_init(thread::current);
        // ORDERING: Release, pairs with the swap in `fill`: the taker is seen.
        let _ = self.state.compare_exchange(EMPTY, AWAITED, Ordering::AcqRel, Ordering::Acquire);
        while !self.is_full() {
            thread::park();
        }
    }
}
