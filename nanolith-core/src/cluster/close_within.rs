//! A cluster's close with a limit for all members together.

use super::join_all::ClusterClosing;
use crate::{call::backend::WouldDeadlock, context::block_on, service::CloseError, task::TaskSet, time::Limit};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// Ends when all members of a cluster that closes have ended, or at the limit: made by
/// [`Cluster::close_within`](super::Cluster::close_within), which has closed them.
///
/// ```
/// use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// let geometry = Cluster::launch(2, Geometry::service).wait()?;
/// let job = geometry.add(4, 5).submit();
/// # pollster::block_on(async {
/// geometry.close_within(MINUTE).await?;
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// assert_eq!(job.wait()?, 9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Cancel safety
///
/// Dropped, the members close without a limit.
#[must_use = "the cluster closes; what does not finish is ended only by awaiting this, or waiting on it"]
pub struct ClusterCloseWithin<S: TaskSet> {
    closing: ClusterClosing<S>,
    limit: Limit,
}

impl<S: TaskSet> ClusterCloseWithin<S> {
    pub(super) fn new(closing: ClusterClosing<S>, limit: Duration) -> Self {
        Self { closing, limit: Limit::new(limit) }
    }

    /// Blocks until then.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let geometry = Cluster::launch(2, Geometry::service).wait()?;
    /// geometry.close_within(MINUTE).wait()?; // nothing was left to do
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`CloseError::Unfinished`] has what did not finish within the limit, of all members in sum; else as
    /// [`ClusterClosing::wait`].
    pub fn wait(self) -> Result<(), CloseError> {
        block_on::block_on(self, None).unwrap_or_else(|WouldDeadlock| Err(CloseError::WouldDeadlock))
    }
}

impl<S: TaskSet> Future for ClusterCloseWithin<S> {
    type Output = Result<(), CloseError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(ended) = Pin::new(&mut self.closing).poll(cx) {
            return Poll::Ready(ended);
        }
        self.limit.poll(cx).map(|()| Err(CloseError::Unfinished(self.closing.end_at_limit())))
    }
}

impl<S: TaskSet> fmt::Debug for ClusterCloseWithin<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterCloseWithin").finish_non_exhaustive()
    }
}
