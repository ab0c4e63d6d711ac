//! The times of a call: its submission, its start, and the turns of its future.

use super::{ALARM, Header};
use crate::time::clock;
use std::{sync::atomic::Ordering, time::Duration};

impl Header {
    // ORDERING of `submitted_at`, `started_at` and `ended_at`: Relaxed. Each is written once, before
    // the slot passes through a lock or a state change that publishes it. A reader of an unpublished
    // value would only compute another time by a little.

    #[inline]
    pub(crate) fn submitted_at(&self) -> u64 {
        self.submitted_at.load(Ordering::Relaxed)
    }

    /// Stamps the submission when an executor is asked to take the call. A later request keeps the
    /// first time.
    #[inline]
    pub(crate) fn stamp_submitted(&self, now: impl FnOnce() -> u64) {
        if self.submitted_at() == 0 {
            self.submitted_at.store(now(), Ordering::Relaxed);
        }
    }

    /// Returns the time since the submission.
    pub(crate) fn age(&self) -> Duration {
        clock::elapsed(self.submitted_at(), clock::now())
    }

    #[inline]
    pub(crate) fn mark_started(&self, now: u64) {
        self.started_at.store(now, Ordering::Relaxed);
    }

    /// Records that the call is ended from outside now. An earlier end stays.
    pub(crate) fn mark_ended(&self) {
        self.disarm();
        if self.ended_at.load(Ordering::Relaxed) == 0 {
            self.ended_at.store(clock::now(), Ordering::Relaxed);
        }
    }

    /// Returns when the call was ended from outside, or this moment.
    pub(crate) fn end_or_now(&self) -> u64 {
        match self.ended_at.load(Ordering::Relaxed) {
            armed if armed & ALARM != 0 => clock::now(),
            0 => clock::now(),
            // A thread without the call's clock has ended it.
            ended if ended < self.submitted_at() => clock::now(),
            ended => ended,
        }
    }

    /// Returns how long the call waited before it started.
    #[inline]
    pub(crate) fn waited(&self) -> Duration {
        clock::elapsed(self.submitted_at(), self.started_at.load(Ordering::Relaxed))
    }

    /// Returns how long the task has run so far.
    pub(crate) fn ran(&self) -> Duration {
        match self.started_at.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            started => clock::elapsed(started, clock::now()),
        }
    }

    /// Begins a turn of the call's future. The turn is not the first.
    pub(crate) fn begin_slice(&self) {
        if let Some(cold) = self.cold.get() {
            let began = match cold.slice.load(Ordering::Relaxed) {
                FIRST | UNSEEN => UNSEEN,
                _ => clock::now(),
            };
            cold.slice.store(began, Ordering::Relaxed);
        }
    }

    /// Returns how long the call has run in this turn. If no check has asked in this turn yet, the
    /// turn begins now.
    pub(crate) fn ran_in_slice(&self) -> Duration {
        let Some(cold) = self.cold.get().or_else(|| self.task.get().is_async().then(|| self.cold())) else {
            return self.ran();
        };
        // ORDERING: Relaxed, a time.
        match cold.slice.load(Ordering::Relaxed) {
            FIRST | ASKED => {
                cold.slice.store(ASKED, Ordering::Relaxed);
                self.ran()
            }
            UNSEEN => {
                cold.slice.store(clock::now(), Ordering::Relaxed);
                Duration::ZERO
            }
            began => clock::elapsed(began, clock::now()),
        }
    }
}

/// A value of `slice`: the first turn, which began with the call.
const FIRST: u64 = 0;
/// A value of `slice`: a later turn whose time no check has asked for yet.
const UNSEEN: u64 = 1;
/// A value of `slice`: the first turn, after the task has asked how long it has run. Such a task
/// asks again.
const ASKED: u64 = 2;
