//! [`Drained`]: the future that waits until a `JobQueue` has no calls.

use super::queue_shared::{Emptied, QueueShared};
use crate::{
    context::wait::{self, Sealed, Wait},
    wake::Registration,
};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

/// Waits until a `JobQueue` has no calls: see [`JobQueue::drained`](super::JobQueue::drained).
#[must_use = "does nothing until awaited or waited on"]
pub struct Drained<T: Send + 'static> {
    since: Option<u64>,
    waiter: Registration<Emptied<T>>,
}

impl<T: Send + 'static> Drained<T> {
    pub(super) fn new(queue: Arc<QueueShared<T>>) -> Self {
        Self { since: queue.emptied(), waiter: Registration::new(Emptied(queue)) }
    }
}

impl<T: Send + 'static> Future for Drained<T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(since) = self.since else { return Poll::Ready(()) };
        ready!(self.waiter.poll_until(cx.waker(), |state| state.injector.queue.poll_empty_since(since)));
        self.since = None;
        Poll::Ready(())
    }
}

impl<T: Send + 'static> Sealed for Drained<T> {}

impl<T: Send + 'static> Wait for Drained<T> {
    type Pending = Self;

    fn wait_timeout(self, limit: Duration) -> Result<(), Self> {
        wait::timeout(self, limit)
    }
}

impl<T: Send + 'static> fmt::Debug for Drained<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drained").finish_non_exhaustive()
    }
}
