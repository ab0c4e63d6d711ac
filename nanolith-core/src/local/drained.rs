//! [`Drained`]: the future that waits until a `Local` has no calls.

use super::local_shared::{Emptied, LocalShared};
use crate::{
    context::{
        block_on, thread_context,
        wait::{self, Sealed, Wait},
    },
    time::clock,
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

/// A future that completes at the first moment without calls. Made by
/// [`Local::drained`](super::Local::drained).
///
/// ```
/// use nanolith::{Local, prelude::*};
/// # use nanolith_doc_sets::*;
/// let local = Local::new();
/// let job = Geometry::on(&local).add(4, 5).submit();
/// local.block_on(local.drained());
/// assert!(job.is_finished());
/// ```
///
/// # Cancel safety
///
/// The wait counts from the creation of the future, however often the future is polled.
#[must_use = "does nothing until awaited or waited on"]
pub struct Drained {
    inner: Arc<LocalShared>,
    /// The value to compare with; `None` if the `Local` was empty when the future was created.
    since: Option<u64>,
    waiter: Registration<Emptied>,
}

impl Drained {
    pub(super) fn new(inner: Arc<LocalShared>) -> Self {
        let since = inner.emptied();
        Self { waiter: Registration::new(Emptied(inner.clone())), inner, since }
    }
}

impl Future for Drained {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(since) = self.since else { return Poll::Ready(()) };
        if thread_context::current_executor() == Some(self.inner.id) {
            return Poll::Ready(());
        }
        ready!(self.waiter.poll_until(cx.waker(), |core| core.injector.queue.poll_empty_since(since)));
        self.since = None;
        Poll::Ready(())
    }
}

impl Sealed for Drained {}

impl Wait for Drained {
    type Pending = Self;

    /// Blocks until that moment. The owner drives meanwhile. A task that waits for its own executor
    /// to be empty would wait for itself, so for such a task this returns at once.
    ///
    /// ```
    /// # use nanolith::{Local, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// # let local = Local::new();
    /// let job = Geometry::on(&local).add(4, 5).submit();
    /// local.drained().wait();
    /// assert!(job.is_finished());
    /// ```
    fn wait(self) {
        let inner = self.inner.clone();
        if inner.is_driven_by_us() { inner.block_on(self) } else { block_on::block_on_any(self) }
    }

    fn wait_timeout(mut self, limit: Duration) -> Result<Self::Output, Self> {
        let inner = self.inner.clone();
        if !inner.is_driven_by_us() {
            return wait::timeout(self, limit);
        }
        inner.block_until(Pin::new(&mut self), clock::after(limit)).ok_or(self)
    }
}

impl fmt::Debug for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drained").finish_non_exhaustive()
    }
}
