//! [`CloseTimeout`]: the future that waits until a closing service has ended, for a limited time.
//! At the limit, it ends the calls that have not finished.

use super::{CloseError, close_future::Close, service_shared::ServiceShared, shutdown::Ending};
use crate::{
    call::{backend::WouldDeadlock, end_batch::EndBatch},
    context::{
        block_on,
        wait::{self, Sealed, Wait},
    },
    pool::CloseTimeoutError,
    task::TaskSet,
    time::Limit,
};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// A future that completes when a closing service has ended, or at the limit. Made by
/// [`Service::close_timeout`](super::Service::close_timeout), which has already closed the service.
///
/// ```
/// use nanolith::{prelude::*, time::MINUTE};
/// # use nanolith_doc_sets::*;
/// let counter = Counter::service(10).launch().wait()?;
/// let job = counter.bump(5).submit();
/// # pollster::block_on(async {
/// counter.close_timeout(MINUTE).await?;
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// assert_eq!(job.wait()?, 15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Cancel safety
///
/// If this is dropped, the service closes without a limit.
#[must_use = "the service closes; what does not finish is ended only by awaiting this, or waiting on it"]
pub struct CloseTimeout<S: TaskSet> {
    closing: Close<S>,
    limit: Limit,
}

impl<S: TaskSet> CloseTimeout<S> {
    pub(super) fn new(closing: Close<S>, limit: Duration) -> Self {
        Self { closing, limit: Limit::new(limit) }
    }
}

impl<S: TaskSet> Future for CloseTimeout<S> {
    type Output = Result<(), CloseError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(ended) = Pin::new(&mut self.closing).poll(cx) {
            return Poll::Ready(ended);
        }
        self.limit.poll(cx).map(|()| Err(CloseError::Unfinished(self.closing.end_at_limit())))
    }
}

impl<S: TaskSet> Sealed for CloseTimeout<S> {}

impl<S: TaskSet> Wait for CloseTimeout<S> {
    type Pending = Self;

    /// Blocks until the service has ended, or until the limit.
    ///
    /// ```
    /// # use nanolith::{prelude::*, time::MINUTE};
    /// # use nanolith_doc_sets::*;
    /// let geometry = Geometry::service().launch().wait()?;
    /// geometry.close_timeout(MINUTE).wait()?; // nothing was left to do
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`CloseError::Unfinished`] counts the calls that did not finish within the limit. The other
    /// errors are those of [`Close::wait`].
    fn wait(self) -> Result<(), CloseError> {
        let host = self.closing.host();
        block_on::block_on(self, Some(host)).unwrap_or_else(|WouldDeadlock| Err(CloseError::WouldDeadlock))
    }

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        let host = self.closing.host();
        let ended = wait::timeout_on(self, host, limit)?;
        Ok(ended.unwrap_or_else(|WouldDeadlock| Err(CloseError::WouldDeadlock)))
    }
}

impl<S: TaskSet> fmt::Debug for CloseTimeout<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloseTimeout").finish_non_exhaustive()
    }
}

impl<S: TaskSet> ServiceShared<S> {
    /// Ends queued and suspended calls, and asks running tasks to stop. Returns how many there were
    /// of each.
    pub(super) fn end_at_limit(&self) -> CloseTimeoutError {
        let mut batch = EndBatch::default();
        self.ask_to_stop();
        let (cancelled, running) = self.terminate_as(&Ending::Cancelled, &mut batch);
        batch.run();
        CloseTimeoutError::new(cancelled, running)
    }
}
