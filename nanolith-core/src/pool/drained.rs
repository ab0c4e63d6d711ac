//! Waiting for a pool's empty moment.

use super::pool_shared::{Emptied, PoolShared};
use crate::{
    call::backend::Backend,
    context::block_on,
    wake::{Registration, WakeList},
};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

/// Ends at the first empty moment: made by [`Pool::drained`](super::Pool::drained).
///
/// ```
/// use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// # let pool = Pool::builder().build()?;
/// let job = Geometry::on(&pool).add(4, 5).submit();
/// # pollster::block_on(async {
/// pool.drained().await;
/// # });
/// assert!(job.is_finished());
/// # Ok::<(), nanolith::BuildError>(())
/// ```
///
/// # Cancel safety
///
/// It counts from when it was made, however often it is polled.
#[must_use = "does nothing until awaited or waited on"]
pub struct Drained {
    inner: Arc<PoolShared>,
    /// `None`: the pool was empty when it was asked.
    since: Option<u64>,
    waiter: Registration<Emptied>,
}

impl Drained {
    pub(super) fn new(inner: Arc<PoolShared>) -> Self {
        let since = {
            let mut core = inner.lock();
            core.injector.require_exact();
            let since = core.injector.queue.empty_count();
            if since.is_none() {
                core.injector.release_exact();
            }
            inner.release(core, WakeList::default());
            since
        };
        Self { waiter: Registration::new(Emptied(inner.clone())), inner, since }
    }

    pub(super) fn inner(&self) -> &Arc<PoolShared> {
        &self.inner
    }

    /// Whether there was an empty moment since it was made; else `waker` is woken at the next.
    pub(super) fn has_been_empty(&mut self, waker: &Waker) -> bool {
        let Some(since) = self.since else { return true };
        let is_empty = self.waiter.poll_until(waker, |core| core.injector.queue.poll_empty_since(since)).is_ready();
        if is_empty {
            self.over();
        }
        is_empty
    }

    /// It has seen the empty moment, or goes without.
    fn over(&mut self) {
        if self.since.take().is_some() {
            self.inner.lock().injector.release_exact();
        }
    }

    /// Blocks until then. A task that waits for its own pool to be empty would wait for itself: for it, this ends at
    /// once.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// let job = Geometry::on(&pool).add(4, 5).submit();
    /// pool.drained().wait();
    /// assert!(job.is_finished());
    /// # Ok::<(), nanolith::BuildError>(())
    /// ```
    pub fn wait(self) {
        let host = Backend::id(&*self.inner);
        // A thread of the pool is let go at its first poll, so there is no slot to lend.
        let _ = block_on::block_on(self, Some(host));
    }
}

impl Future for Drained {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if crate::context::thread_context::current_executor() == Some(self.inner.id())
            || self.has_been_empty(cx.waker())
        {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Drop for Drained {
    fn drop(&mut self) {
        self.over();
    }
}

impl fmt::Debug for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drained").finish_non_exhaustive()
    }
}
