//! [`WakeState`]: whether a future that lives on a pool is idle, waits for its turn, or is polled.
//! At most one thread polls it, and no wake is lost.

use crate::util::loom::{AtomicU32, AtomicU64, Ordering};

/// The state of a future, and the position in the queue that its wakes ask for.
pub(super) struct WakeState {
    state: AtomicU32,
    /// The earliest position that a wake has asked for since the last poll began; `u64::MAX` if none
    /// has. A hint: it decides the order of work, and no wake depends on it.
    wanted: AtomicU64,
}

/// The future has not been started: a wake has no effect.
const NEW: u32 = 0;
/// The future waits to be woken.
const IDLE: u32 = 1;
/// The future waits for its turn in the queue. The queue may have more than one entry of it.
const QUEUED: u32 = 2;
/// A thread polls the future. This is also the last state.
const POLLED: u32 = 3;
/// A thread polls the future, which was woken since.
const WOKEN: u32 = 4;

impl WakeState {
    pub(super) fn new() -> Self {
        Self { state: AtomicU32::new(NEW), wanted: AtomicU64::new(u64::MAX) }
    }

    /// Lets wakes have an effect from now on. The caller wakes the future next.
    pub(super) fn start(&self) {
        // ORDERING: Release, pairs with the Acquire in `begin`: the poll finds the future.
        self.state.store(IDLE, Ordering::Release);
    }

    /// Wakes the future for the position `expires`. Returns the position at which the caller has to
    /// add an entry to the queue. If the future already waits for a later position, this is one entry
    /// more. The later entry has no effect then.
    #[must_use]
    pub(super) fn wake(&self, expires: u64) -> Option<u64> {
        // ORDERING: Relaxed, a hint.
        let before = self.wanted.fetch_min(expires, Ordering::Relaxed);
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            let (next, entry) = match state {
                IDLE => (QUEUED, Some(expires.min(before))),
                QUEUED => (QUEUED, (expires < before).then_some(expires)),
                POLLED => (WOKEN, None),
                WOKEN => (WOKEN, None),
                _ => return None,
            };
            // ORDERING: Release, pairs with the Acquire in `begin` and `end`: the next poll sees what
            // the future was woken for. The step is also taken where the state stays, since a load
            // could be out of date.
            match self.state.compare_exchange(state, next, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return entry,
                Err(found) => state = found,
            }
        }
    }

    /// Begins a poll, for an entry that was taken from the queue. Returns false if another entry was
    /// first.
    #[must_use]
    pub(super) fn begin(&self) -> bool {
        self.wanted.store(u64::MAX, Ordering::Relaxed);
        // ORDERING: Acquire, pairs with the Release in `wake`, and with that in `end`: this poll
        // follows the last one.
        self.state.compare_exchange(QUEUED, POLLED, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Ends a poll that left the future pending. Returns the position of the next entry, if the future
    /// was woken meanwhile.
    #[must_use]
    pub(super) fn end(&self) -> Option<u64> {
        // ORDERING: Release, pairs with the Acquire in `begin`.
        match self.state.compare_exchange(POLLED, IDLE, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => None,
            Err(_) => {
                // The one wake that set `WOKEN` has released what it was for; this step keeps it in the
                // state's release sequence. ORDERING: AcqRel, as above.
                self.state.swap(QUEUED, Ordering::AcqRel);
                Some(self.wanted.load(Ordering::Relaxed))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[cfg(loom)]
    use loom::thread;
    #[cfg(not(loom))]
    use std::thread;

    fn check(f: impl Fn() + Sync + Send + 'static) {
        #[cfg(loom)]
        loom::model(f);
        #[cfg(not(loom))]
        (0..if cfg!(miri) { 4 } else { 200 }).for_each(|_| f());
    }

    /// A future that counts the wakes which its polls have seen, and the entries of its queue.
    struct Woken {
        state: WakeState,
        wakes: AtomicU32,
        seen: AtomicU32,
        polls_at_once: AtomicU32,
        entries: AtomicU32,
    }

    impl Woken {
        fn started() -> Arc<Self> {
            let zero = || AtomicU32::new(0);
            let (wakes, seen, polls_at_once, entries) = (zero(), zero(), zero(), zero());
            let this = Self { state: WakeState::new(), wakes, seen, polls_at_once, entries };
            assert_eq!(this.state.wake(1), None, "it has not been started");
            this.state.start();
            Arc::new(this)
        }

        fn wake(&self, expires: u64) {
            self.wakes.fetch_add(1, Ordering::Relaxed);
            if self.state.wake(expires).is_some() {
                self.entries.fetch_add(1, Ordering::Relaxed);
            }
        }

        /// Takes one entry of the queue, if there is one.
        fn run(&self) -> bool {
            let take = |entries: u32| entries.checked_sub(1);
            if self.entries.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
                return false;
            }
            if self.state.begin() {
                assert_eq!(self.polls_at_once.fetch_add(1, Ordering::Relaxed), 0);
                self.seen.store(self.wakes.load(Ordering::Relaxed), Ordering::Relaxed);
                self.polls_at_once.fetch_sub(1, Ordering::Relaxed);
                if self.state.end().is_some() {
                    self.entries.fetch_add(1, Ordering::Relaxed);
                }
            }
            true
        }
    }

    #[test]
    fn each_wake_is_seen_by_a_later_poll() {
        check(|| {
            let woken = Woken::started();
            let wakers: Vec<_> = (0..2)
                .map(|n| {
                    let woken = woken.clone();
                    thread::spawn(move || woken.wake(10 - n))
                })
                .collect();
            while woken.run() {}
            wakers.into_iter().for_each(|waker| waker.join().expect("it does not panic"));
            while woken.run() {}
            assert_eq!(woken.seen.load(Ordering::Relaxed), 2);
        });
    }

    #[test]
    fn two_entries_are_never_polled_at_once() {
        check(|| {
            let woken = Woken::started();
            woken.wake(5);
            woken.wake(3); // earlier: one entry more
            let runner = {
                let woken = woken.clone();
                thread::spawn(move || woken.run())
            };
            woken.run();
            runner.join().expect("it does not panic");
            while woken.run() {}
            assert_eq!((woken.seen.load(Ordering::Relaxed), woken.entries.load(Ordering::Relaxed)), (2, 0));
        });
    }

    #[test]
    fn only_an_earlier_position_adds_an_entry() {
        check(|| {
            let state = WakeState::new();
            state.start();
            assert_eq!([5, 7, 3, 4].map(|expires| state.wake(expires)), [Some(5), None, Some(3), None]);
            assert!(state.begin());
            assert!(!state.begin(), "the later entry has no effect");
            assert_eq!(state.wake(9), None);
            assert_eq!(state.end(), Some(9));
            assert!(state.begin());
            assert_eq!(state.end(), None);
        });
    }
}
