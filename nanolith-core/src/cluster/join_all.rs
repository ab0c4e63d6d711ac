//! [`ClusterClose`] and [`CallAll`]: the futures that wait for the end of all members of a cluster,
//! or for a call on each member.

use super::cluster_shared::MemberId;
use crate::{
    context::wait::{self, Sealed, Wait},
    error::CallError,
    pool::CloseTimeoutError,
    service::{Close, CloseError},
    task::TaskSet,
};
use futures_util::future::{JoinAll, join_all};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

/// A future that waits for the end of all members of a cluster, including the members that were
/// leaving already. Made by [`Cluster::close`](crate::cluster::Cluster::close) and
/// [`Cluster::terminate`](crate::cluster::Cluster::terminate).
///
/// ```
/// use nanolith::{Cluster, cluster::ClusterClose, prelude::*};
/// # use nanolith_doc_sets::*;
/// let geometry = Cluster::launch(2, Geometry::service).wait()?;
/// let accepted = geometry.add(4, 5).submit();
/// let closing: ClusterClose<Geometry> = geometry.close();
/// closing.wait()?; // or `.await?`
/// assert_eq!(accepted.wait()?, 9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// The first error of a member, after all members are over: see [`CloseError`]. A task of a member
/// cannot wait for that member's end.
///
/// # Cancel safety
///
/// If the future is dropped, the members still end.
#[must_use = "the cluster is ending; await this, or wait on it, to see the end"]
pub struct ClusterClose<S: TaskSet> {
    members: Vec<Close<S>>,
    failed: Option<CloseError>,
}

impl<S: TaskSet> ClusterClose<S> {
    pub(super) fn new(members: Vec<Close<S>>) -> Self {
        Self { members, failed: None }
    }

    /// Ends the calls that are left, because the limit of the close has passed.
    pub(super) fn end_at_limit(&self) -> CloseTimeoutError {
        let nothing = CloseTimeoutError::new(0, 0);
        self.members.iter().map(Close::end_at_limit).fold(nothing, CloseTimeoutError::and)
    }
}

impl<S: TaskSet> Future for ClusterClose<S> {
    type Output = Result<(), CloseError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { members, failed } = &mut *self;
        members.retain_mut(|member| match Pin::new(member).poll(cx) {
            Poll::Pending => true,
            Poll::Ready(end) => {
                *failed = failed.take().or(end.err());
                false
            }
        });
        if !members.is_empty() {
            return Poll::Pending;
        }
        Poll::Ready(failed.take().map_or(Ok(()), Err))
    }
}

impl<S: TaskSet> Sealed for ClusterClose<S> {}

impl<S: TaskSet> Wait for ClusterClose<S> {
    type Pending = Self;

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        wait::timeout(self, limit)
    }
}

impl<S: TaskSet> fmt::Debug for ClusterClose<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterClose").field("members", &self.members.len()).finish_non_exhaustive()
    }
}

pub(super) type OneCall<T> = Pin<Box<dyn Future<Output = (MemberId, Result<T, CallError>)> + Send>>;

/// A future that makes one call on each member. Made by
/// [`ClusterControl::call_all`](crate::cluster::ClusterControl::call_all). The calls are submitted
/// when the future is awaited or waited on. It yields the result of each member.
///
/// ```
/// use nanolith::{Cluster, cluster::CallAll, prelude::*};
/// # use nanolith_doc_sets::*;
/// let counter = Cluster::launch(2, || Counter::service(10)).wait()?;
/// let all: CallAll<i64> = counter.control().call_all(|counter| counter.bump(5));
/// for (member, total) in all.wait() {
///     println!("member {member} has {}", total?);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Cancel safety
///
/// If the future is dropped, the unfinished calls are cancelled.
#[must_use = "does nothing until awaited or waited on"]
pub struct CallAll<T: 'static> {
    calls: JoinAll<OneCall<T>>,
}

impl<T: 'static> CallAll<T> {
    pub(super) fn new(calls: Vec<OneCall<T>>) -> Self {
        Self { calls: join_all(calls) }
    }
}

impl<T: 'static> Future for CallAll<T> {
    type Output = Vec<(MemberId, Result<T, CallError>)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(ready!(Pin::new(&mut self.calls).poll(cx)))
    }
}

impl<T: 'static> Sealed for CallAll<T> {}

impl<T: 'static> Wait for CallAll<T> {
    type Pending = Self;

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        wait::timeout(self, limit)
    }
}

impl<T: 'static> fmt::Debug for CallAll<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallAll").finish_non_exhaustive()
    }
}
