//! [`CloseTimeout`]: the future of a pool's close with a time limit. The calls that have not ended
//! by then are ended. The end of a simulation ends its pools in the same way.
//!
//! A queued call ends at once. A suspended call is dropped at its await: [`SuspendedCalls`] lists
//! it. A synchronous call is asked to stop, which its context shows, and its caller waits until the
//! call returns.
//!
//! [`SuspendedCalls`]: super::SuspendedCalls

use super::{drained::Drained, pool_shared::PoolShared};
use crate::{
    call::{backend::Backend, end_batch::EndBatch, slot::EndReason},
    context::{
        block_on,
        wait::{self, Sealed, Wait},
    },
    time::Limit,
};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

impl PoolShared {
    /// Ends queued and suspended calls, and asks running tasks to stop. Returns how many calls
    /// there were.
    fn stop(&self) -> Result<(), CloseTimeoutError> {
        self.stop_as(EndReason::Cancelled)
    }

    /// Ends the pool's calls because its simulation is over.
    pub(super) fn end_with_simulation(&self) {
        let _ = self.stop_as(EndReason::SimulationOver);
        let mut batch = EndBatch::default();
        self.at_work.end_all(Backend::id(self), EndReason::SimulationOver, &mut batch);
        batch.run();
    }

    /// Like [`PoolShared::stop`], with `how` as the reason for which calls end.
    fn stop_as(&self, how: EndReason) -> Result<(), CloseTimeoutError> {
        let id = Backend::id(self);
        let mut batch = EndBatch::default();
        self.close_paused();
        let (cancelled, running) = self.end_queued_into(how, &mut batch);
        self.ask_to_stop();
        self.close_into(&mut batch);
        self.suspended.end_all(id, how, &mut batch);
        batch.run();
        if cancelled + running == 0 { Ok(()) } else { Err(CloseTimeoutError { cancelled, running }) }
    }
}

/// The error of a close whose limit passed before all calls had finished: of
/// [`Pool::close_timeout`](super::Pool::close_timeout), of
/// [`Service::close_timeout`](crate::service::Service::close_timeout) or of
/// [`Cluster::close_timeout`](crate::cluster::Cluster::close_timeout).
///
/// ```
/// use nanolith::{prelude::*, time::{MILLISECOND, MINUTE}};
/// # pub struct Geometry;
/// # #[define] impl Geometry { pub async fn wait_then_add(x: i64, y: i64) -> i64 { nanolith::time::sleep(MINUTE).await; x + y } }
/// let pool = Pool::builder().build()?;
/// let slow = Geometry::on(&pool).wait_then_add(4, 5).submit(); // waits a minute
/// # while pool.info().queue_len > 0 { std::thread::yield_now() }
/// let unfinished = pool.close_timeout(MILLISECOND).wait().unwrap_err();
/// assert_eq!((unfinished.cancelled(), unfinished.running()), (0, 1));
/// assert!(matches!(slow.wait(), Err(CallError::Cancelled(_))));
/// # Ok::<(), nanolith::pool::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseTimeoutError {
    cancelled: usize,
    running: usize,
}

impl CloseTimeoutError {
    pub(crate) fn new(cancelled: usize, running: usize) -> Self {
        Self { cancelled, running }
    }

    /// Returns the sum of this and the counts of another executor.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { cancelled: self.cancelled + other.cancelled, running: self.running + other.running }
    }

    /// Returns the number of calls that were queued, and were ended as
    /// [`CallError::Cancelled`](crate::error::CallError::Cancelled).
    #[must_use]
    pub fn cancelled(&self) -> usize {
        self.cancelled
    }

    /// Returns the number of calls that had started, and were asked to stop. Wait for
    /// [`Pool::drained`](super::Pool::drained) or
    /// [`ServiceControl::closed`](crate::service::ServiceControl::closed) to learn when they have
    /// stopped.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running
    }
}

impl fmt::Display for CloseTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cancelled, running } = self;
        write!(
            f,
            "the limit was reached: {cancelled} queued calls were cancelled, {running} running ones asked to stop"
        )
    }
}

impl std::error::Error for CloseTimeoutError {}

/// A future that ends when all calls of a closed pool have ended, or at the limit. It is made by
/// [`Pool::close_timeout`](super::Pool::close_timeout), which has closed the pool.
///
/// ```
/// use nanolith::{prelude::*, time::MINUTE};
/// # use nanolith_doc_sets::*;
/// # let pool = Pool::builder().build()?;
/// let job = Geometry::on(&pool).add(4, 5).submit();
/// # pollster::block_on(async {
/// pool.close_timeout(MINUTE).await?;
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// assert!(job.is_finished());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Cancel safety
///
/// If this is dropped, the pool stays closed, and no call is ended.
#[must_use = "the pool is closed; what does not finish is ended only by awaiting this, or waiting on it"]
pub struct CloseTimeout {
    drained: Drained,
    limit: Limit,
}

impl CloseTimeout {
    pub(super) fn new(drained: Drained, limit: Duration) -> Self {
        drained.inner().close();
        Self { drained, limit: Limit::new(limit) }
    }
}

impl Future for CloseTimeout {
    type Output = Result<(), CloseTimeoutError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.drained.has_been_empty(cx.waker()) {
            return Poll::Ready(Ok(()));
        }
        self.limit.poll(cx).map(|()| self.drained.inner().stop())
    }
}

impl Sealed for CloseTimeout {}

impl Wait for CloseTimeout {
    type Pending = Self;

    /// Blocks the thread until all calls have ended, or until the limit.
    ///
    /// ```
    /// # use nanolith::{prelude::*, time::MINUTE};
    /// # let pool = Pool::builder().build()?;
    /// pool.close_timeout(MINUTE).wait()?; // nothing was left to do
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`CloseTimeoutError`] says how many calls did not finish within the limit. If a task of the
    /// pool calls this, its own call is one of them.
    fn wait(self) -> Result<(), CloseTimeoutError> {
        let inner = self.drained.inner().clone();
        // A wait that could never end ends its calls now, instead of at the limit.
        block_on::block_on(self, Some(inner.id())).unwrap_or_else(|_| inner.stop())
    }

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        let inner = self.drained.inner().clone();
        Ok(wait::timeout_on(self, inner.id(), limit)?.unwrap_or_else(|_| inner.stop()))
    }
}

impl fmt::Debug for CloseTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloseTimeout").finish_non_exhaustive()
    }
}
