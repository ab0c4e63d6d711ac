//! [`ClusterCloseTimeout`]: the future that waits for the end of a closing cluster, with one time
//! limit for all members.

use super::join_all::ClusterClose;
use crate::{
    context::wait::{self, Sealed, Wait},
    service::CloseError,
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

/// A future that completes when all members of a closing cluster have ended, or at the limit. Made
/// by [`Cluster::close_timeout`](super::Cluster::close_timeout), which has already closed the
/// members.
///
/// ```
/// use nanolith::{Cluster, prelude::*, time::MINUTE};
/// # use nanolith_doc_sets::*;
/// let geometry = Cluster::launch(2, Geometry::service).wait()?;
/// let job = geometry.add(4, 5).submit();
/// # pollster::block_on(async {
/// geometry.close_timeout(MINUTE).await?;
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// assert_eq!(job.wait()?, 9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`CloseError::Unfinished`] counts the calls of all members that did not finish within the
/// limit. The other errors are those of [`ClusterClose::wait`].
///
/// # Cancel safety
///
/// If this is dropped, the members close without a limit.
#[must_use = "the cluster closes; what does not finish is ended only by awaiting this, or waiting on it"]
pub struct ClusterCloseTimeout<S: TaskSet> {
    closing: ClusterClose<S>,
    limit: Limit,
}

impl<S: TaskSet> ClusterCloseTimeout<S> {
    pub(super) fn new(closing: ClusterClose<S>, limit: Duration) -> Self {
        Self { closing, limit: Limit::new(limit) }
    }
}

impl<S: TaskSet> Future for ClusterCloseTimeout<S> {
    type Output = Result<(), CloseError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(ended) = Pin::new(&mut self.closing).poll(cx) {
            return Poll::Ready(ended);
        }
        self.limit.poll(cx).map(|()| Err(CloseError::Unfinished(self.closing.end_at_limit())))
    }
}

impl<S: TaskSet> Sealed for ClusterCloseTimeout<S> {}

impl<S: TaskSet> Wait for ClusterCloseTimeout<S> {
    type Pending = Self;

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        wait::timeout(self, limit)
    }
}

impl<S: TaskSet> fmt::Debug for ClusterCloseTimeout<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterCloseTimeout").finish_non_exhaustive()
    }
}
