//! Wakers that leave a lock ([`WakeList`]), and wakers that are about to enter one ([`NewWaker`]).

use super::deferred;
use crate::{sim_runtime, util::unwind};
use std::{mem, task::Waker};

/// A clone of a task's waker, made before a lock is taken: the clone is user code.
///
/// A waiting list takes the waker, or leaves in this value the waker that is not needed. So the
/// caller declares the value before it takes the lock, and lends it to the code under the lock. The
/// value drops after the release.
#[derive(Debug)]
pub(crate) struct NewWaker(Option<Waker>);

impl NewWaker {
    pub(crate) fn of(waker: &Waker) -> Self {
        deferred::assert_unlocked();
        Self(Some(waker.clone()))
    }

    /// Stores this waker in `known`, and keeps the earlier one, to drop it later. In the common
    /// case both wake the same task, and `known` stays.
    pub(super) fn exchange(&mut self, known: &mut Waker) {
        if let Some(new) = self.0.as_mut().filter(|new| !known.will_wake(new)) {
            mem::swap(known, new);
        }
    }

    /// Like [`exchange`](Self::exchange), but returns the waker that is not needed.
    pub(super) fn replace(mut self, known: &mut Waker) -> Waker {
        self.exchange(known);
        self.into_waker()
    }

    pub(super) fn into_waker(mut self) -> Waker {
        self.take()
    }

    /// # Panics
    ///
    /// Panics if the waker was taken before: a task waits in one place for one event.
    pub(super) fn take(&mut self) -> Waker {
        self.0.take().expect("a new waker is stored once")
    }
}

impl Drop for NewWaker {
    fn drop(&mut self) {
        if let Some(waker) = self.0.take() {
            deferred::assert_unlocked();
            unwind::ignore_panics(|| drop(waker));
        }
    }
}

/// A list of wakers to wake once a lock is released. An empty list costs one word, and the first
/// waker needs no allocation.
#[derive(Debug, Default)]
#[must_use = "tasks wait for these wakers"]
pub(crate) enum WakeList {
    #[default]
    Empty,
    One(Waker),
    Many(Vec<Waker>),
}

const _: () = assert!(size_of::<WakeList>() == size_of::<Vec<Waker>>(), "it is passed along with every call");

impl WakeList {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    pub(crate) fn push(&mut self, waker: Waker) {
        *self = match mem::take(self) {
            Self::Empty => Self::One(waker),
            Self::One(first) => Self::Many(vec![first, waker]),
            Self::Many(mut wakers) => {
                wakers.push(waker);
                Self::Many(wakers)
            }
        };
    }

    /// Adds the wakers of `other` after those of this list.
    pub(crate) fn append(&mut self, other: Self) {
        *self = mem::take(self).and(other);
    }

    /// Returns these wakers, followed by those of `other`.
    #[inline]
    pub(crate) fn and(self, other: Self) -> Self {
        if other.is_empty() {
            self
        } else if self.is_empty() {
            other
        } else {
            self.join(other)
        }
    }

    #[cold]
    fn join(mut self, other: Self) -> Self {
        other.each(|waker| self.push(waker));
        self
    }

    /// Wakes all wakers, in the order in which they came. A panic of one wake does not skip the
    /// next wakers.
    pub(crate) fn wake(self) {
        if !self.is_empty() {
            self.wake_in_place();
            sim_runtime::switch_point();
        }
    }

    /// Like [`wake`](Self::wake), without a switch to another simulated thread. This is for a
    /// caller whose user may hold a lock, or a caller that switches by its own means.
    #[inline]
    pub(crate) fn wake_in_place(self) {
        if !self.is_empty() {
            self.each_unlocked(Waker::wake);
        }
    }

    /// Drops all wakers without a wake. A panic of one drop does not skip the next wakers.
    pub(super) fn discard(self) {
        if !self.is_empty() {
            self.each_unlocked(drop);
        }
    }

    #[cold]
    fn each_unlocked(self, f: fn(Waker)) {
        deferred::assert_unlocked();
        self.each(|waker| unwind::ignore_panics(|| f(waker)));
    }

    fn each(self, f: impl FnMut(Waker)) {
        match self {
            Self::Empty => {}
            Self::One(waker) => [waker].into_iter().for_each(f),
            Self::Many(wakers) => wakers.into_iter().for_each(f),
        }
    }
}
