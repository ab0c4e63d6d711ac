//! The wakers that leave a lock.

use crate::{baton, panics};
use std::task::Waker;

/// Who is to be woken once the lock is released. Mostly one, who takes no allocation.
#[derive(Default)]
#[must_use]
pub(crate) struct Wakes {
    first: Option<Waker>,
    more: Vec<Waker>,
}

impl Wakes {
    pub(crate) fn add(&mut self, waker: Waker) {
        match self.first {
            None => self.first = Some(waker),
            Some(_) => self.more.push(waker),
        }
    }

    /// Wakes them. One that panics keeps the others from nothing.
    pub(crate) fn wake(self) {
        if self.first.is_none() {
            return;
        }
        self.first.into_iter().chain(self.more).for_each(|waker| panics::quietly(|| waker.wake()));
        baton::preempt();
    }
}
