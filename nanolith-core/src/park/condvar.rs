//! [`Condvar`]: a condition variable like that of the standard library, on which the threads of a
//! deterministic simulation can wait too.

use super::parker::ThreadParker;
use crate::{sim_runtime, time::clock};
use std::{
    sync::{Condvar as Real, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::Duration,
};

#[derive(Default)]
pub(crate) struct Condvar {
    real: Real,
    /// The wakers of the simulated threads that wait, in order.
    waiting: Mutex<Vec<Waker>>,
}

impl Condvar {
    fn waiting(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits like [`std::sync::Condvar::wait_timeout`]. Returns whether the time was up. The wait
    /// may end without a cause.
    pub(crate) fn wait_timeout<'a, T>(
        &self,
        mutex: &'a Mutex<T>,
        guard: MutexGuard<'a, T>,
        limit: Duration,
    ) -> (MutexGuard<'a, T>, bool) {
        if !sim_runtime::is_here() {
            let (guard, waited) = self.real.wait_timeout(guard, limit).unwrap_or_else(PoisonError::into_inner);
            return (guard, waited.timed_out());
        }
        let parking = ThreadParker::of_this_thread();
        self.waiting().push(parking.waker().clone());
        drop(guard);
        let until = clock::after(limit);
        parking.park_until(until);
        self.waiting().retain(|waker| !waker.will_wake(parking.waker()));
        let is_late = until.is_some_and(|until| until <= clock::instant());
        (mutex.lock().unwrap_or_else(PoisonError::into_inner), is_late)
    }

    pub(crate) fn notify_one(&self) {
        let first = {
            let mut waiting = self.waiting();
            (!waiting.is_empty()).then(|| waiting.remove(0))
        };
        first.into_iter().for_each(Waker::wake);
        self.real.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        let all = std::mem::take(&mut *self.waiting());
        all.into_iter().for_each(Waker::wake);
        self.real.notify_all();
    }
}
