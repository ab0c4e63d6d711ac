//! [`Deferred`]: a mutex that defers wakes and drops until after its release.

use super::WakeList;
use crate::util::unwind;
use std::{
    convert::Infallible,
    mem,
    sync::{Mutex, MutexGuard, PoisonError, TryLockError},
    task::Waker,
};

/// The wakes and drops that a change under a lock leaves to do: first wakes, then drops. They
/// happen when this value is run or dropped.
///
/// `D` is the type of the values to drop. Their drops may run user code.
#[derive(Debug)]
pub(crate) struct AfterUnlock<D = Infallible> {
    wakes: WakeList,
    unused: WakeList,
    values: Vec<D>,
}

impl<D> Default for AfterUnlock<D> {
    fn default() -> Self {
        Self { wakes: WakeList::default(), unused: WakeList::default(), values: Vec::new() }
    }
}

impl<D> AfterUnlock<D> {
    /// Wakes `waker` after the release.
    pub(crate) fn wake(&mut self, waker: Waker) {
        self.wakes.push(waker);
    }

    /// Drops `waker` after the release, without a wake.
    pub(crate) fn drop_waker(&mut self, waker: Waker) {
        self.unused.push(waker);
    }

    /// Drops `value` after the release.
    pub(crate) fn drop_value(&mut self, value: D) {
        self.values.push(value);
    }

    /// Takes out the wakers to wake, for an owner that wakes them itself.
    pub(crate) fn take_wakes(&mut self) -> WakeList {
        mem::take(&mut self.wakes)
    }

    /// Wakes the wakers, and then drops the rest. The caller holds no lock.
    pub(crate) fn run(self) {
        drop(self);
    }
}

impl<D> Drop for AfterUnlock<D> {
    fn drop(&mut self) {
        mem::take(&mut self.wakes).wake();
        mem::take(&mut self.unused).discard();
        if !self.values.is_empty() {
            assert_unlocked();
            mem::take(&mut self.values).into_iter().for_each(|value| unwind::ignore_panics(|| drop(value)));
        }
    }
}

/// Data under a mutex that is changed only by [`Deferred::with`]. Wakes and drops happen after the
/// release.
#[derive(Debug)]
pub(crate) struct Deferred<T, D = Infallible> {
    data: Mutex<T>,
    kind: std::marker::PhantomData<fn() -> D>,
}

impl<T: Default, D> Default for Deferred<T, D> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T, D> Deferred<T, D> {
    pub(crate) const fn new(data: T) -> Self {
        Self { data: Mutex::new(data), kind: std::marker::PhantomData }
    }

    /// Changes the data under the lock. What `change` puts into its [`AfterUnlock`] happens after
    /// the release, even if `change` panics.
    pub(crate) fn with<R>(&self, change: impl FnOnce(&mut T, &mut AfterUnlock<D>) -> R) -> R {
        let mut after = AfterUnlock::default(); // dropped, and so run, after the guard
        let mut guard = Guard::lock(&self.data);
        change(&mut guard.data, &mut after)
    }

    /// Like [`with`](Self::with), but does nothing if the lock is held.
    pub(crate) fn try_with(&self, change: impl FnOnce(&mut T, &mut AfterUnlock<D>)) {
        let mut after = AfterUnlock::default(); // dropped after the guard
        if let Some(mut guard) = Guard::try_lock(&self.data) {
            change(&mut guard.data, &mut after);
        }
    }
}

/// The lock, and in debug builds a count of the locks that this thread holds.
struct Guard<'a, T> {
    data: MutexGuard<'a, T>,
    #[cfg(debug_assertions)]
    _held: held::Held,
}

impl<'a, T> Guard<'a, T> {
    fn lock(data: &'a Mutex<T>) -> Self {
        Self::of(data.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn try_lock(data: &'a Mutex<T>) -> Option<Self> {
        match data.try_lock() {
            Ok(data) => Some(Self::of(data)),
            Err(TryLockError::Poisoned(data)) => Some(Self::of(data.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn of(data: MutexGuard<'a, T>) -> Self {
        Self {
            data,
            #[cfg(debug_assertions)]
            _held: held::Held::new(),
        }
    }
}

/// Panics in debug builds if this thread is within [`Deferred::with`].
#[inline(always)]
pub(super) fn assert_unlocked() {
    #[cfg(debug_assertions)]
    assert!(!held::is_held(), "user code would run under a lock");
}

#[cfg(debug_assertions)]
mod held {
    use std::cell::Cell;

    thread_local! {
        static HELD: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn is_held() -> bool {
        HELD.try_with(Cell::get).unwrap_or(0) > 0
    }

    /// Counts one lock until it is dropped.
    pub(super) struct Held(());

    impl Held {
        pub(super) fn new() -> Self {
            let _ = HELD.try_with(|held| held.set(held.get() + 1));
            Self(())
        }
    }

    impl Drop for Held {
        fn drop(&mut self) {
            let _ = HELD.try_with(|held| held.set(held.get() - 1));
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::wake::{NewWaker, test_waker::CountingWaker};
    use std::{
        panic::{AssertUnwindSafe, catch_unwind},
        sync::{Arc, Mutex as StdMutex},
    };

    /// A value that records that it was dropped, and takes the lock in its drop.
    struct Probe {
        lock: Arc<Deferred<u32, Probe>>,
        log: Arc<StdMutex<Vec<&'static str>>>,
    }

    impl Drop for Probe {
        fn drop(&mut self) {
            self.lock.with(|count, _| *count += 1);
            self.log.lock().unwrap().push("drop");
        }
    }

    #[test]
    fn wakes_come_before_drops_and_after_release() {
        let lock = Arc::new(Deferred::<u32, Probe>::new(0));
        let log = Arc::new(StdMutex::new(Vec::new()));
        let (wakes, other) = (log.clone(), lock.clone());
        let waker = CountingWaker::with_action(move || {
            other.with(|count, _| *count += 1); // the lock is free
            wakes.lock().unwrap().push("wake");
        });
        let probe = Probe { lock: lock.clone(), log: log.clone() };
        let new = NewWaker::of(&waker.waker());
        lock.with(|_, after| {
            after.drop_value(probe);
            after.wake(new.into_waker());
        });
        assert_eq!(*log.lock().unwrap(), ["wake", "drop"]);
        assert_eq!(lock.with(|count, _| *count), 2);
    }

    #[test]
    fn panicking_change_still_wakes() {
        let lock: Deferred<()> = Deferred::new(());
        let waker = CountingWaker::new();
        let new = NewWaker::of(&waker.waker());
        let result = catch_unwind(AssertUnwindSafe(|| {
            lock.with(|(), after| {
                after.wake(new.into_waker());
                panic!("in the change");
            })
        }));
        assert!(result.is_err());
        assert_eq!(waker.wakes(), 1);
        lock.with(|(), _| ()); // the lock is free, too
    }

    #[test]
    #[cfg(debug_assertions)]
    fn waker_clone_under_lock_panics() {
        let lock: Deferred<()> = Deferred::new(());
        let waker = CountingWaker::new().waker();
        let result = catch_unwind(AssertUnwindSafe(|| lock.with(|(), _| NewWaker::of(&waker))));
        assert!(result.is_err());
        let _ = NewWaker::of(&waker);
    }
}
