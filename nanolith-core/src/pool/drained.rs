//! [`Drained`]: the future that waits for the first moment at which a pool is empty: no call is
//! queued, running or suspended.

use super::{pool_shared::PoolShared, pool_state::PoolState};
use crate::{
    call::backend::Backend,
    context::{
        block_on,
        wait::{self, Sealed, Wait},
    },
    wake::{AfterUnlock, Registration, WaiterHome, WaiterSet, WakeList},
};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

/// A future that ends the first time the pool is empty, made by
/// [`Pool::drained`](super::Pool::drained).
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
/// # Ok::<(), nanolith::pool::BuildError>(())
/// ```
///
/// # Cancel safety
///
/// The wait counts from the creation of this future, however often the future is polled.
#[must_use = "does nothing until awaited or waited on"]
pub struct Drained {
    inner: Arc<PoolShared>,
    /// The count of empty moments at creation. `None` if the pool has been empty.
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

    /// Returns whether the pool has been empty since this was created. If not, `waker` is woken the
    /// next time the pool is empty.
    pub(super) fn has_been_empty(&mut self, waker: &Waker) -> bool {
        let Some(since) = self.since else { return true };
        let is_empty = self.waiter.poll_until(waker, |core| core.injector.queue.poll_empty_since(since)).is_ready();
        if is_empty {
            self.over();
        }
        is_empty
    }

    /// Ends the exact counting of calls that this wait requires.
    fn over(&mut self) {
        if self.since.take().is_some() {
            self.inner.lock().injector.release_exact();
        }
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

impl Sealed for Drained {}

impl Wait for Drained {
    type Pending = Self;

    /// Blocks the thread until the pool has been empty. A task that waits for its own pool would
    /// wait for itself: on a thread of the pool, this returns at once.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// let job = Geometry::on(&pool).add(4, 5).submit();
    /// pool.drained().wait();
    /// assert!(job.is_finished());
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    fn wait(self) {
        let host = Backend::id(&*self.inner);
        // On a thread of the pool the first poll is ready, so there is no slot to lend.
        let _ = block_on::block_on(self, Some(host));
    }

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        let host = Backend::id(&*self.inner);
        wait::timeout_on(self, host, limit).map(drop)
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

/// The waiters for the moment when the pool is empty.
pub(super) struct Emptied(pub(super) Arc<PoolShared>);

impl WaiterHome for Emptied {
    type State = PoolState;

    fn with_state<R>(&self, change: impl FnOnce(&mut PoolState, &mut AfterUnlock) -> R) -> R {
        self.0.with_waiters(change)
    }

    fn waiters(core: &mut PoolState) -> &mut WaiterSet {
        &mut core.injector.queue.drained
    }
}
