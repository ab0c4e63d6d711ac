//! [`Closed`]: the future that waits until a closed pool's calls and threads have ended.

use super::{drained::Emptied, pool_shared::PoolShared, threads::roster::Roster};
use crate::{
    context::{
        block_on, thread_context,
        wait::{self, Sealed, Wait},
    },
    wake::Registration,
};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
    time::Duration,
};

/// A future that ends when the pool is closed, its calls have ended, and its threads have ended. It
/// is made by [`Pool::closed`](super::Pool::closed).
///
/// ```
/// use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// let pool = Pool::builder().build()?;
/// let job = Geometry::on(&pool).add(4, 5).submit();
/// let closed = pool.closed();
/// drop(pool); // the last handle: the pool closes
/// # pollster::block_on(async {
/// closed.await;
/// # });
/// assert!(job.is_finished());
/// # Ok::<(), nanolith::pool::BuildError>(())
/// ```
///
/// When awaited, this is ready once each thread has run its last function, which is the handler of
/// [`on_thread_exit`](crate::pool::PoolBuilder::on_thread_exit). Destructors of thread-locals may
/// still run then. [`Closed::wait`] also waits for these destructors.
///
/// # Cancel safety
///
/// The future may be dropped and requested again at any time.
#[must_use = "does nothing until awaited or waited on"]
pub struct Closed {
    inner: Arc<PoolShared>,
    waiter: Registration<Emptied>,
    /// The wait for the threads, once they are to end.
    ending: Option<Registration<Arc<Roster>>>,
}

impl Closed {
    pub(super) fn new(inner: Arc<PoolShared>) -> Self {
        Self { waiter: Registration::new(Emptied(inner.clone())), inner, ending: None }
    }

    /// Blocks the thread until the pool's threads have ended. A thread of the pool would wait for
    /// itself: on such a thread, this returns at once.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// let pool = Pool::builder().build()?;
    /// pool.close();
    /// pool.closed().wait();
    /// assert_eq!(pool.info().threads, 0);
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    #[cfg_attr(feature = "tokio", track_caller)]
    pub fn wait(self) {
        let inner = self.inner.clone();
        if inner.is_here() {
            return;
        }
        // This wait is for no work of the pool, so it cannot fail: the threads end by themselves.
        block_on::block_on_any(self);
        if inner.world.is_none() {
            let _lent = thread_context::enter_blocking(None);
            inner.roster.join();
        }
    }
}

impl Future for Closed {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { inner, waiter, ending } = &mut *self;
        if inner.is_here() {
            return Poll::Ready(());
        }
        while ending.is_none() {
            ready!(waiter.poll_until(cx.waker(), |core| inner.may_retire(core)));
            if inner.retire() {
                *ending = Some(Registration::new(inner.roster.clone()));
            }
        }
        let Some(ending) = ending else { return Poll::Ready(()) };
        ending.poll_until(cx.waker(), |state| state.is_over())
    }
}

impl Sealed for Closed {}

impl Wait for Closed {
    type Pending = Self;

    /// Blocks the thread until the pool's threads have ended. A thread of the pool would wait for
    /// itself: on such a thread, this returns at once.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// let pool = Pool::builder().build()?;
    /// pool.close();
    /// pool.closed().wait();
    /// assert_eq!(pool.info().threads, 0);
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    fn wait(self) {
        let inner = self.inner.clone();
        if inner.is_here() {
            return;
        }
        // This wait is for no work of the pool, so it cannot fail: the threads end by themselves.
        block_on::block_on_any(self);
        if inner.world.is_none() {
            let _lent = thread_context::enter_blocking(None);
            inner.roster.join();
        }
    }

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        wait::timeout(self, limit)
    }
}

impl PoolShared {
    /// Returns whether the current thread belongs to the pool.
    fn is_here(&self) -> bool {
        thread_context::current_executor() == Some(self.id())
    }

    /// Returns whether the pool's threads have no more work, now and later.
    fn may_retire(&self, core: &super::pool_state::PoolState) -> bool {
        // ORDERING: Relaxed, the count is raised under the lock.
        let has_errands = self.errands.load(Ordering::Relaxed) > 0;
        core.retired || core.closed && core.injector.in_flight() == 0 && !has_errands
    }

    /// Ends the threads of a closed pool. Returns `false` if there is still work for them.
    fn retire(&self) -> bool {
        let mut rayon = self.rayon();
        let mut core = self.lock();
        if !self.may_retire(&core) {
            return false;
        }
        core.retired = true;
        core.rayon.total = 0;
        drop(core);
        self.roster.keep_handles();
        let threads = rayon.take();
        drop(rayon);
        drop(threads); // The threads end after their last jobs.
        self.spares.shutdown();
        true
    }
}

impl fmt::Debug for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closed").finish_non_exhaustive()
    }
}
