//! The deadline of a call, the limit on its run, and the timer that ends it.

use super::{Header, LIMITED, lock};
use crate::{
    call::backend::ExecutorId,
    time::{
        clock,
        timer::{self, Key},
    },
};
use std::time::{Duration, Instant};

impl Header {
    /// Returns the earliest of the call's limits, or `None` if it has none.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let cold = self.cold.get()?;
        [cold.deadline, cold.inherited.get().copied(), cold.run_deadline.get().copied()].into_iter().flatten().min()
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
        let _ = self.cold().run_limit.set(limit);
    }

    /// Returns whether the run time of the task is limited.
    pub(crate) fn has_run_limit(&self) -> bool {
        self.cold.get().is_some_and(|cold| cold.run_limit.get().is_some())
    }

    /// Begins the run. Returns when its limit ends, unless the call's deadline is earlier.
    pub(crate) fn begin_limit(&self) -> Option<Instant> {
        let cold = self.cold.get()?;
        let over = clock::after(*cold.run_limit.get()?)?;
        let is_first = self.deadline().is_none_or(|deadline| over < deadline);
        (cold.run_deadline.set(over).is_ok() && is_first).then_some(over)
    }

    /// Records that the call times out while its task runs on a thread of `host`, which lists the
    /// call. The step that ends the call orders this before the check by the thread that ran the
    /// task.
    pub(crate) fn mark_overrun(&self, host: ExecutorId) {
        self.cold().overruns.set(host.number());
    }

    /// Returns the executor that lists the call, if the call timed out while its task ran.
    pub(crate) fn overruns(&self) -> Option<ExecutorId> {
        self.cold.get().and_then(|cold| ExecutorId::from_raw(cold.overruns.get()?))
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
