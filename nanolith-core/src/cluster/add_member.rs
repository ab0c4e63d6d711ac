//! [`AddMember`] and [`Resize`]: the futures that wait for services to join a cluster after its
//! launch, and their error.

use super::{
    cluster_shared::{ClusterShared, MemberId},
    join_all::ClusterClose,
};
use crate::{
    context::wait::{self, Sealed, Wait},
    service::{InitError, LaunchError, ServiceRef},
    task::TaskSet,
};
use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

/// A future of a member's start, with the error type of `#[init]` erased.
pub(super) type Starting<S> = Pin<Box<dyn Future<Output = Result<ServiceRef<S>, LaunchError<InitError>>> + Send>>;

/// The error of adding a member.
///
/// ```
/// use nanolith::{Cluster, cluster::AddError, prelude::*};
/// # use nanolith_doc_sets::*;
/// let geometry = Cluster::launch(1, Geometry::service).wait()?;
/// geometry.close().wait()?;
/// assert!(matches!(geometry.control().add().wait(), Err(AddError::Closed)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum AddError {
    /// The member did not start.
    Failed(MemberId, LaunchError<InitError>),
    /// The cluster is closed.
    Closed,
}

impl fmt::Display for AddError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(member, error) => write!(f, "member {member} did not start: {error}"),
            Self::Closed => f.write_str("the cluster is closed"),
        }
    }
}

impl Error for AddError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(_, error) => error.source(),
            Self::Closed => None,
        }
    }
}

/// A future that waits for the start of one more member. Made by
/// [`ClusterControl::add`](crate::cluster::ClusterControl::add).
///
/// ```
/// use nanolith::{Cluster, cluster::AddMember, prelude::*};
/// # use nanolith_doc_sets::*;
/// let geometry = Cluster::launch(1, Geometry::service).wait()?;
/// let adding: AddMember<Geometry> = geometry.control().add();
/// let member = adding.wait()?; // or `.await?`
/// assert_eq!(geometry.control().members()[1], member);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`AddError`] if the member did not start, or the cluster is closed.
///
/// # Cancel safety
///
/// If the future is dropped, the member is not added, and closes as soon as it has started.
#[must_use = "the member joins when this is awaited or waited on"]
pub struct AddMember<S: TaskSet> {
    cluster: Arc<ClusterShared<S>>,
    start: Option<Result<(MemberId, Starting<S>), AddError>>,
}

impl<S: TaskSet> AddMember<S> {
    pub(super) fn new(cluster: &Arc<ClusterShared<S>>) -> Self {
        Self { start: Some(cluster.start()), cluster: cluster.clone() }
    }

    fn poll_start(&mut self, cx: &mut Context<'_>) -> Poll<Result<MemberId, AddError>> {
        let Some(Ok((id, starting))) = &mut self.start else {
            let error = self.start.take().and_then(Result::err);
            return Poll::Ready(Err(error.expect("the start of a member is not polled after it was ready")));
        };
        let (id, started) = (*id, ready!(starting.as_mut().poll(cx)));
        let joined = match started {
            Ok(service) => self.cluster.join(id, service).then_some(id).ok_or(AddError::Closed),
            Err(error) => Err(AddError::Failed(id, error)),
        };
        self.end();
        Poll::Ready(joined)
    }

    /// Counts the member as no longer starting: it has joined, or will not join.
    fn end(&mut self) {
        if let Some(Ok(_)) = self.start.take() {
            self.cluster.has_started();
        }
    }
}

impl<S: TaskSet> Future for AddMember<S> {
    type Output = Result<MemberId, AddError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_start(cx)
    }
}

impl<S: TaskSet> Sealed for AddMember<S> {}

impl<S: TaskSet> Wait for AddMember<S> {
    type Pending = Self;

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        wait::timeout(self, limit)
    }
}

impl<S: TaskSet> Drop for AddMember<S> {
    fn drop(&mut self) {
        self.end();
    }
}

impl<S: TaskSet> fmt::Debug for AddMember<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddMember").finish_non_exhaustive()
    }
}

/// A future that waits until a cluster has the requested number of members. Made by
/// [`ClusterControl::resize`](crate::cluster::ClusterControl::resize).
///
/// ```
/// use nanolith::{Cluster, cluster::Resize, prelude::*};
/// # use nanolith_doc_sets::*;
/// let geometry = Cluster::launch(1, Geometry::service).wait()?;
/// let resizing: Resize<Geometry> = geometry.control().resize(3);
/// resizing.wait()?; // or `.await?`
/// assert_eq!(geometry.control().members().len(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// The [`AddError`] of the first member that did not start, after the other members have started.
/// Those members stay.
///
/// # Cancel safety
///
/// If the future is dropped, members that have not started are not added. Members that close still
/// close.
#[must_use = "members join when this is awaited or waited on"]
pub struct Resize<S: TaskSet> {
    adding: Vec<AddMember<S>>,
    closing: Option<ClusterClose<S>>,
    failed: Option<AddError>,
}

impl<S: TaskSet> Resize<S> {
    pub(super) fn new(adding: Vec<AddMember<S>>, closing: ClusterClose<S>) -> Self {
        Self { adding, closing: Some(closing), failed: None }
    }
}

impl<S: TaskSet> Future for Resize<S> {
    type Output = Result<(), AddError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { adding, closing, failed } = &mut *self;
        adding.retain_mut(|member| match Pin::new(member).poll(cx) {
            Poll::Pending => true,
            Poll::Ready(added) => {
                *failed = failed.take().or(added.err());
                false
            }
        });
        if let Some(Poll::Ready(_)) = closing.as_mut().map(|closing| Pin::new(closing).poll(cx)) {
            *closing = None; // the errors of removed members are ignored
        }
        if !adding.is_empty() || closing.is_some() {
            return Poll::Pending;
        }
        Poll::Ready(failed.take().map_or(Ok(()), Err))
    }
}

impl<S: TaskSet> Sealed for Resize<S> {}

impl<S: TaskSet> Wait for Resize<S> {
    type Pending = Self;

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        wait::timeout(self, limit)
    }
}

impl<S: TaskSet> fmt::Debug for Resize<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resize").field("adding", &self.adding.len()).finish_non_exhaustive()
    }
}
