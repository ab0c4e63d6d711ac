//! Wakers that leave a lock, and wakers that are about to enter one.

use super::deferred;
use crate::{baton, panics};
use std::task::Waker;

/// A clone of a task's waker, made before a lock is taken: the clone is user code.
#[derive(Debug)]
pub(crate) struct NewWaker(Waker);

impl NewWaker {
    pub(crate) fn of(waker: &Waker) -> Self {
        deferred::assert_unlocked();
        Self(waker.clone())
    }

    /// Stores this waker in place of the one in `known`, and returns the waker that is not needed. Both wake the same task
    /// in the common case, and then `known` stays.
    pub(super) fn replace(self, known: &mut Waker) -> Waker {
        if known.will_wake(&self.0) { self.0 } else { std::mem::replace(known, self.0) }
    }

    pub(super) fn into_waker(self) -> Waker {
        self.0
    }
}

/// Wakers to wake once a lock is released. The first takes no allocation.
#[derive(Debug, Default)]
#[must_use = "tasks wait for these wakers"]
pub(crate) struct WakeList {
    first: Option<Waker>,
    more: Vec<Waker>,
}

impl WakeList {
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(crate) fn push(&mut self, waker: Waker) {
        match self.first {
            None => self.first = Some(waker),
            Some(_) => self.more.push(waker),
        }
    }

    pub(crate) fn append(&mut self, other: Self) {
        other.first.into_iter().chain(other.more).for_each(|waker| self.push(waker));
    }

    /// Wakes all of them, in the order in which they came. A wake that panics keeps no other from its turn.
    pub(crate) fn wake(self) {
        if self.is_empty() {
            return;
        }
        deferred::assert_unlocked();
        self.first.into_iter().chain(self.more).for_each(|waker| panics::quietly(|| waker.wake()));
        baton::preempt();
    }

    /// Drops all of them without a wake. A drop that panics keeps no other from its turn.
    pub(super) fn discard(self) {
        if self.is_empty() {
            return;
        }
        deferred::assert_unlocked();
        self.first.into_iter().chain(self.more).for_each(|waker| panics::quietly(|| drop(waker)));
    }
}
