//! [`JoinNext`], [`JoinAll`] and [`Shutdown`]: the futures of a task group. They wait for its next
//! call, for all its calls, or for its end.

use super::{HELPED, Patience, TaskGroup};
use crate::{
    context::wait::{self, Sealed, Wait},
    util::unwind,
};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// A future that waits for the next call of a group, from [`TaskGroup::join_next`].
///
/// # Cancel safety
///
/// If the future is dropped, no outcome is lost.
#[must_use = "does nothing until awaited or waited on"]
pub struct JoinNext<'g, T, E> {
    group: &'g mut TaskGroup<T, E>,
    patience: Patience,
}

impl<'g, T, E> JoinNext<'g, T, E> {
    pub(super) fn new(group: &'g mut TaskGroup<T, E>) -> Self {
        Self { group, patience: Patience::default() }
    }
}

impl<T, E> Unpin for JoinNext<'_, T, E> {}

/// Removes the waker from the group.
impl<T, E> Drop for JoinNext<'_, T, E> {
    fn drop(&mut self) {
        self.group.forget_waiter();
    }
}

impl<T: Send + 'static, E: Send + 'static> Future for JoinNext<'_, T, E> {
    type Output = Option<Result<T, E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { group, patience } = &mut *self;
        group.poll_next(patience, HELPED, cx).map(|ended| ended.map(|ended| ended()))
    }
}

impl<T: Send + 'static, E: Send + 'static> Sealed for JoinNext<'_, T, E> {}

impl<T: Send + 'static, E: Send + 'static> Wait for JoinNext<'_, T, E> {
    type Pending = Self;

    /// Blocks until a call is over. Within a task, the thread's permit is lent meanwhile, and a
    /// queued call of the same pool runs inline. If a task of a service waits for calls of its own
    /// service, the outcome is
    /// [`CallError::WouldDeadlock`](crate::error::CallError::WouldDeadlock).
    fn wait(self) -> Option<Result<T, E>> {
        let stop = self.group.stop().clone();
        super::block_on(&stop, HELPED, self)
    }

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        let stop = self.group.stop().clone();
        super::wait_timeout(&stop, HELPED, self, limit)
    }
}

impl<T, E> fmt::Debug for JoinNext<'_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinNext").field("group", &self.group).finish()
    }
}

/// A future that waits for all calls of a group, from [`TaskGroup::join_all`].
///
/// # Cancel safety
///
/// If the future is dropped, it cancels the calls that are not over, like the group.
#[must_use = "does nothing until awaited or waited on; dropped, it cancels the calls"]
pub struct JoinAll<T, E> {
    group: TaskGroup<T, E>,
    outcomes: Vec<Result<T, E>>,
    patience: Patience,
}

impl<T, E> JoinAll<T, E> {
    pub(super) fn new(group: TaskGroup<T, E>) -> Self {
        Self { group, outcomes: Vec::new(), patience: Patience::default() }
    }
}

impl<T, E> Unpin for JoinAll<T, E> {}

impl<T: Send + 'static, E: Send + 'static> Future for JoinAll<T, E> {
    type Output = Vec<Result<T, E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { group, outcomes, patience } = &mut *self;
        loop {
            match group.poll_next(patience, usize::MAX, cx) {
                Poll::Ready(Some(ended)) => outcomes.push(ended()),
                Poll::Ready(None) => return Poll::Ready(std::mem::take(outcomes)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl<T: Send + 'static, E: Send + 'static> Sealed for JoinAll<T, E> {}

impl<T: Send + 'static, E: Send + 'static> Wait for JoinAll<T, E> {
    type Pending = Self;

    /// Blocks until all calls are over. Within a task, see [`JoinNext::wait`].
    fn wait(self) -> Vec<Result<T, E>> {
        let stop = self.group.stop().clone();
        super::block_on(&stop, usize::MAX, self)
    }

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        let stop = self.group.stop().clone();
        super::wait_timeout(&stop, usize::MAX, self, limit)
    }
}

impl<T, E> fmt::Debug for JoinAll<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinAll").field("group", &self.group).field("ended", &self.outcomes.len()).finish()
    }
}

/// A future that waits for the end of calls that were cancelled, from [`TaskGroup::shutdown`].
///
/// # Cancel safety
///
/// The future can be dropped at any time.
#[must_use = "does nothing until awaited or waited on"]
pub struct Shutdown<'g, T, E> {
    next: JoinNext<'g, T, E>,
}

impl<'g, T, E> Shutdown<'g, T, E> {
    pub(super) fn new(next: JoinNext<'g, T, E>) -> Self {
        Self { next }
    }
}

impl<T, E> Unpin for Shutdown<'_, T, E> {}

impl<T: Send + 'static, E: Send + 'static> Future for Shutdown<'_, T, E> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let JoinNext { group, patience } = &mut self.next;
        loop {
            match group.poll_next(patience, usize::MAX, cx) {
                Poll::Ready(Some(ended)) => unwind::ignore_panics(|| drop(ended)),
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl<T: Send + 'static, E: Send + 'static> Sealed for Shutdown<'_, T, E> {}

impl<T: Send + 'static, E: Send + 'static> Wait for Shutdown<'_, T, E> {
    type Pending = Self;

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        wait::timeout(self, limit)
    }
}

impl<T, E> fmt::Debug for Shutdown<'_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shutdown").field("group", &self.next.group).finish()
    }
}
