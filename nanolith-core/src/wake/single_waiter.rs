//! [`SingleWaiter`]: a slot for the waker of at most one waiter. Pure data; its owner guards it
//! with a lock of its own.

use super::{AfterUnlock, NewWaker, WakeList};
use std::{convert::Infallible, task::Waker};

/// The waker of the only waiter, if there is one. Pure data; its owner brings the lock.
#[derive(Debug, Default)]
pub(crate) struct SingleWaiter(Option<Waker>);

impl SingleWaiter {
    /// Registers `waker` in place of an earlier one.
    pub(crate) fn register<D>(&mut self, waker: NewWaker, after: &mut AfterUnlock<D>) {
        match &mut self.0 {
            Some(known) => after.drop_waker(waker.replace(known)),
            none => *none = Some(waker.into_waker()),
        }
    }

    /// Wakes and removes the waiter.
    pub(crate) fn notify<D>(&mut self, after: &mut AfterUnlock<D>) {
        self.0.take().into_iter().for_each(|waker| after.wake(waker));
    }

    /// Notifies the waiter. The caller wakes the returned list after the release.
    pub(crate) fn take(&mut self) -> WakeList {
        let mut after = AfterUnlock::<Infallible>::default();
        self.notify(&mut after);
        after.take_wakes()
    }

    /// Removes the waiter without a wake.
    pub(crate) fn remove<D>(&mut self, after: &mut AfterUnlock<D>) {
        self.0.take().into_iter().for_each(|waker| after.drop_waker(waker));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wake::test_waker::CountingWaker;

    #[test]
    fn last_registered_waker_is_woken() {
        let (one, other) = (CountingWaker::new(), CountingWaker::new());
        let mut waiter = SingleWaiter::default();
        for waker in [&one, &one, &other] {
            let new = NewWaker::of(&waker.waker());
            waiter.register(new, &mut AfterUnlock::<()>::default());
        }
        assert_eq!((one.clones(), other.clones()), (0, 1));
        waiter.notify(&mut AfterUnlock::<()>::default());
        waiter.notify(&mut AfterUnlock::<()>::default());
        assert_eq!((one.wakes(), other.wakes(), waiter.0.is_some()), (0, 1, false));
    }

    #[test]
    fn removed_waiter_leaves_no_waker() {
        let one = CountingWaker::new();
        let mut waiter = SingleWaiter::default();
        waiter.register(NewWaker::of(&one.waker()), &mut AfterUnlock::<()>::default());
        waiter.remove(&mut AfterUnlock::<()>::default());
        assert_eq!((one.clones(), one.wakes()), (0, 0));
    }
}
