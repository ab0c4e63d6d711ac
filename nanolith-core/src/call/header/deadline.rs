//! The deadline of a call, the limit on its run, and the timer that ends it.

use super::{ALARM, DUE, Header, LIMITED, lock};
use crate::{
    call::{
        alarms,
        backend::{ErasedCall, ExecutorId},
        call_ref::CallRef,
    },
    time::{
        clock,
        timer::{self, Key},
    },
};
use std::{
    num::NonZero,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

/// A time in nanoseconds by which the coarse clock may be late.
const CLOCK_LAG: u64 = 5_000_000;

impl Header {
    /// Returns the earliest of the call's limits, or `None` if it has none.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let own = self.is_due_alone().then(|| clock::instant_at(self.due));
        let Some(cold) = self.cold.get() else { return own };
        let run = cold.seldom.get().and_then(|seldom| seldom.run_deadline.get().copied());
        [cold.deadline, cold.inherited.get().copied(), run, own].into_iter().flatten().min()
    }

    /// Sets the deadline of a call that has no other limit, no parent and no token. Its clock is the
    /// system's.
    pub(crate) fn end_at(&mut self, deadline: Instant) {
        *self.begin.get_mut() |= DUE;
        self.due = clock::at(deadline);
    }

    /// Returns whether the call has a deadline by [`Header::end_at`].
    #[inline]
    pub(crate) fn is_due_alone(&self) -> bool {
        self.due != 0
    }

    /// Returns whether the deadline of [`Header::end_at`] is so far from `now`, which may be
    /// milliseconds old, that it has not passed.
    #[inline]
    pub(super) fn is_due_later(&self, now: u64) -> bool {
        self.due > now.saturating_add(CLOCK_LAG) && self.cold.get().is_none()
    }

    /// Arms the alarm for the deadline of [`Header::end_at`], if there is one. `call` is an owner of
    /// this call, which runs on `host`.
    pub(crate) fn arm(&self, call: impl FnOnce() -> CallRef<dyn ErasedCall>, host: Option<ExecutorId>) {
        if !self.is_due_alone() {
            return;
        }
        if let Some(place) = alarms::arm(self.due, call(), host) {
            // ORDERING: Relaxed, and so in `disarm`. The place is stored before another thread knows
            // the call, except the timer's; the lock of the table orders the rest.
            let armed = ALARM | u64::from(place.get());
            let _ = self.ended_at.compare_exchange(0, armed, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Disarms the alarm of the call, which is over or ends now. The caller is an owner of the call.
    #[inline]
    pub(super) fn disarm(&self) {
        let armed = self.ended_at.load(Ordering::Relaxed);
        if armed & ALARM != 0 {
            self.disarm_at(armed);
        }
    }

    #[inline(never)]
    fn disarm_at(&self, armed: u64) {
        // One of the sides that disarm it is first.
        if self.ended_at.compare_exchange(armed, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let place = u32::try_from(armed & !ALARM).ok().and_then(NonZero::new);
            // The drop of the alarm's owner runs no user code: the caller is another owner.
            drop(place.and_then(|place| alarms::disarm(place, self)));
        }
    }

    /// Stores the timer that will end the call, in place of an earlier one. If the call is already
    /// over, disarms the timer.
    pub(crate) fn keep_timer(&self, key: Key) {
        let timer = &self.cold().timer;
        let unused = {
            let mut timer = lock(timer);
            match *timer {
                Timer::Over => Some(key),
                Timer::None => {
                    *timer = Timer::Armed(key);
                    None
                }
                Timer::Armed(before) => {
                    *timer = Timer::Armed(key);
                    Some(before)
                }
            }
        };
        unused.into_iter().for_each(timer::disarm);
    }

    /// Like [`Header::keep_timer`], for the timer that will bring the call to its executor. If that
    /// timer has fired, a later timer may already be stored, and stays.
    pub(crate) fn keep_first_timer(&self, key: Key) {
        let is_over = {
            let mut timer = lock(&self.cold().timer);
            if let Timer::None = *timer {
                *timer = Timer::Armed(key);
            }
            matches!(*timer, Timer::Over)
        };
        if is_over {
            timer::disarm(key);
        }
    }

    /// Sets the maximum time for which the task may run.
    #[cold]
    pub(crate) fn limit_run(&mut self, limit: Duration) {
        *self.begin.get_mut() |= LIMITED;
        let _ = self.seldom().run_limit.set(limit);
    }

    /// Returns whether the run time of the task is limited.
    pub(crate) fn has_run_limit(&self) -> bool {
        self.known_seldom().is_some_and(|cold| cold.run_limit.get().is_some())
    }

    /// Begins the run. Returns when its limit ends, unless the call's deadline is earlier.
    pub(crate) fn begin_limit(&self) -> Option<Instant> {
        let seldom = self.known_seldom()?;
        let over = clock::after(*seldom.run_limit.get()?)?;
        let is_first = self.deadline().is_none_or(|deadline| over < deadline);
        (seldom.run_deadline.set(over).is_ok() && is_first).then_some(over)
    }

    /// Records that the call times out while its task runs on a thread of `host`, which lists the
    /// call. The step that ends the call orders this before the check by the thread that ran the
    /// task.
    pub(crate) fn mark_overrun(&self, host: ExecutorId) {
        self.seldom().overruns.set(host.number());
    }

    /// Returns the executor that lists the call, if the call timed out while its task ran.
    pub(crate) fn overruns(&self) -> Option<ExecutorId> {
        self.known_seldom().and_then(|cold| ExecutorId::from_raw(cold.overruns.get()?))
    }
}

/// The timer that ends the call at its deadline.
#[derive(Default)]
pub(super) enum Timer {
    #[default]
    None,
    Armed(Key),
    /// The call was over before the timer was armed, or is over now.
    Over,
}
