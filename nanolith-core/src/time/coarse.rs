//! [`CoarseTicker`]: updates the coarse clock, [`clock::coarse_now`], every millisecond while
//! threads run calls that read it.

use super::{
    clock,
    timer::{self, TimerAction},
};
use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

const BEAT: Duration = Duration::from_millis(1);

/// The number of [`CoarseTicker`]s.
static SERVING: AtomicUsize = AtomicUsize::new(0);

/// Whether the next tick is armed.
static BEATS: AtomicBool = AtomicBool::new(false);

/// Returns whether the coarse clock is at most a few milliseconds behind, since the next tick is
/// due: a hint. It holds for a short time after the last [`CoarseTicker`] too.
#[inline]
pub(crate) fn is_ticking() -> bool {
    // ORDERING: Relaxed, a hint.
    BEATS.load(Ordering::Relaxed)
}

/// A guard: while it lives, [`clock::coarse_now`] is at most a few milliseconds behind.
pub(crate) struct CoarseTicker(());

impl CoarseTicker {
    pub(crate) fn begin() -> Self {
        clock::publish_coarse(clock::now());
        // ORDERING: SeqCst, and so below: of a ticker that begins and a last tick that stops, one
        // sees the other.
        SERVING.fetch_add(1, Ordering::SeqCst);
        if !BEATS.swap(true, Ordering::SeqCst) {
            set();
        }
        Self(())
    }
}

impl Drop for CoarseTicker {
    fn drop(&mut self) {
        SERVING.fetch_sub(1, Ordering::SeqCst);
    }
}

fn set() {
    timer::arm_system(Instant::now() + BEAT, TimerAction::Run(Box::new(tick)));
}

fn tick() {
    clock::publish_coarse(clock::now());
    if SERVING.load(Ordering::SeqCst) > 0 {
        return set();
    }
    BEATS.store(false, Ordering::SeqCst);
    // A ticker may have begun since, and found that the ticks were still armed.
    if SERVING.load(Ordering::SeqCst) > 0 && !BEATS.swap(true, Ordering::SeqCst) {
        set();
    }
}

#[cfg(all(test, not(any(loom, miri))))]
mod tests {
    use super::*;

    #[test]
    fn coarse_clock_ticks_while_a_ticker_lives() {
        let _pulse = CoarseTicker::begin();
        let before = clock::coarse_now();
        while clock::coarse_now() < before + 5_000_000 {
            std::thread::yield_now();
        }
    }
}
