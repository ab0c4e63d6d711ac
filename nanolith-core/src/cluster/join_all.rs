//! [`ClusterClose`] and [`CallAll`]: the futures that wait for the end of all members of a cluster,
//! or for a call on each member.

use super::cluster_shared::MemberId;
use crate::{
    call::backend::WouldDeadlock,
    context::block_on,
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

    /// Blocks until all members are over.
    ///
    /// ```
    /// # use nanolith::{Cluster, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let geometry = Cluster::launch(2, Geometry::service).wait()?;
    /// geometry.close().wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The first error of a member: see [`CloseError`].
    pub fn wait(self) -> Result<(), CloseError> {
        block_on::block_on(self, None).unwrap_or_else(|WouldDeadlock| Err(CloseError::WouldDeadlock))
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

impl<S: TaskSet> fmt::Debug for ClusterClose<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterClosing").field("members", &self.members.len()).finish_non_exhaustive()
    }
}

pub(super) type OneCall<T> = Pin<Box<dyn Future<Output = (MemberId, Result<T, CallError>)> + Send>>;

/// A future that makes one call on each member. Made by
/// [`ClusterControl::call_all`](crate::cluster::ClusterControl::call_all). The calls are submitted when the
/// future is awaited or waited on. It yields the result of each member.
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

    /// Submits the calls and blocks until all are over. Returns one result for each member, in the
    /// order of their numbers.
    ///
    /// ```
    /// # use nanolith::{Cluster, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let counter = Cluster::launch(2, || Counter::service(10)).wait()?;
    /// let totals = counter.control().call_all(|counter| counter.bump(5)).wait();
    /// assert!(totals.into_iter().all(|(_, total)| matches!(total, Ok(15))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn wait(self) -> Vec<(MemberId, Result<T, CallError>)> {
        // A wait without a target executor cannot fail as a deadlock. A call to the waiting member
        // itself ends with an error.
        block_on::block_on(self, None).unwrap_or_default()
    }
}

impl<T: 'static> Future for CallAll<T> {
    type Output = Vec<(MemberId, Result<T, CallError>)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(ready!(Pin::new(&mut self.calls).poll(cx)))
    }
}

impl<T: 'static> fmt::Debug for CallAll<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallAll").finish_non_exhaustive()
    }
}
