//! [`ClusterLaunch`]: the future that waits until all members of a cluster have started, and its
//! error.

use super::{Cluster, add_member::Starting, cluster_shared::MemberId, join_all::ClusterClose};
use crate::{
    context::wait::{self, Sealed, Wait},
    service::{Launch, LaunchError, ServiceBuilder, ServiceRef},
    task::TaskSet,
};
use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

mod sealed {
    pub trait Sealed {}
}

/// A builder that a member of a cluster can be launched from: a [`ServiceBuilder`].
///
/// ```
/// use nanolith::{Cluster, cluster::{ClusterLaunch, LaunchMember}, prelude::*};
/// # use nanolith_doc_sets::*;
/// fn one_a_core<B: LaunchMember>(member: fn() -> B) -> ClusterLaunch<B::Set, B::Error> {
///     let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
///     Cluster::launch(cores, member)
/// }
/// assert_eq!(one_a_core(Geometry::service).wait()?.add(4, 5).wait()?, 9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait LaunchMember: sealed::Sealed + 'static {
    /// The set whose tasks the member runs.
    type Set: TaskSet;
    /// The error type of the member's `#[init]`.
    type Error: Send + 'static;

    #[doc(hidden)]
    fn launch_member(self, name: Option<String>) -> Launch<Self::Set, Self::Error>;
}

impl<S: TaskSet, E, A> sealed::Sealed for ServiceBuilder<S, E, A> {}

impl<S: TaskSet, E: Send + 'static, A: 'static> LaunchMember for ServiceBuilder<S, E, A> {
    type Set = S;
    type Error = E;

    fn launch_member(self, name: Option<String>) -> Launch<S, E> {
        match name {
            Some(name) => self.name(name).launch(),
            None => self.launch(),
        }
    }
}

pub(super) fn starting<S: TaskSet, E: Send + 'static>(launch: Launch<S, E>) -> Starting<S> {
    Box::pin(launch.of_any_error())
}

/// A future that waits for the start of a cluster. Made by [`Cluster::launch`]. All members start
/// at the same time.
///
/// ```
/// use nanolith::{Cluster, cluster::ClusterLaunch, prelude::*};
/// # use nanolith_doc_sets::*;
/// let launch: ClusterLaunch<Geometry, _> = Cluster::launch(2, Geometry::service);
/// # pollster::block_on(async {
/// assert_eq!(launch.await?.add(4, 5).await?, 9);
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
///
/// # Errors
///
/// [`ClusterLaunchError`] with the first member that did not start, after the started members have
/// closed.
///
/// # Cancel safety
///
/// If the future is dropped, the members close as soon as they have started.
#[must_use = "gives the cluster when awaited or waited on"]
pub struct ClusterLaunch<S: TaskSet, E: 'static> {
    cluster: Option<Cluster<S>>,
    pending: Vec<(MemberId, Launch<S, E>)>,
    started: Vec<(MemberId, ServiceRef<S>)>,
    failed: Option<ClusterLaunchError<E>>,
    closing: Option<ClusterClose<S>>,
}

impl<S: TaskSet, E: 'static> Unpin for ClusterLaunch<S, E> {}

impl<S: TaskSet, E: 'static> ClusterLaunch<S, E> {
    pub(super) fn new(cluster: Cluster<S>, pending: Vec<(MemberId, Launch<S, E>)>) -> Self {
        Self { cluster: Some(cluster), pending, started: Vec::new(), failed: None, closing: None }
    }

    fn poll_members(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { pending, started, failed, .. } = self;
        pending.retain_mut(|(id, launch)| match Pin::new(launch).poll(cx) {
            Poll::Pending => true,
            Poll::Ready(Ok(service)) => {
                started.push((*id, service.into_ref()));
                false
            }
            Poll::Ready(Err(error)) => {
                let error = ClusterLaunchError { member: *id, error };
                *failed = failed.take().filter(|known| known.member < error.member).or(Some(error));
                false
            }
        });
        if pending.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl<S: TaskSet, E: 'static> Future for ClusterLaunch<S, E> {
    type Output = Result<Cluster<S>, ClusterLaunchError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(self.poll_members(cx));
        if self.failed.is_some() {
            let this = &mut *self;
            let started = &mut this.started;
            let close = || ClusterClose::new(started.drain(..).map(|(_, service)| service.close()).collect());
            // The errors of these closes are ignored: the launch error is returned instead.
            let _ = ready!(Pin::new(this.closing.get_or_insert_with(close)).poll(cx));
        }
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Err(error));
        }
        let mut started = std::mem::take(&mut self.started);
        started.sort_by_key(|(id, _)| *id);
        let cluster = self.cluster.take().expect("a launch is not polled after it was ready");
        for (id, service) in started {
            cluster.inner().join(id, service);
        }
        Poll::Ready(Ok(cluster))
    }
}

impl<S: TaskSet, E: 'static> Sealed for ClusterLaunch<S, E> {}

impl<S: TaskSet, E: 'static> Wait for ClusterLaunch<S, E> {
    type Pending = Self;

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        wait::timeout(self, limit)
    }
}

impl<S: TaskSet, E> fmt::Debug for ClusterLaunch<S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterLaunch").field("pending", &self.pending.len()).finish_non_exhaustive()
    }
}

/// The error of a cluster's launch: a member that did not start. The other members were closed.
///
/// ```
/// use nanolith::{Cluster, prelude::*, service::LaunchError};
/// # pub struct Counter { total: i64 }
/// #[define]
/// impl Counter {
///     #[init]
///     fn start(first: i64) -> Result<Self, String> {
///         if first < 0 { Err(format!("{first} is too small")) } else { Ok(Self { total: first }) }
///     }
/// #     pub fn total(&self) -> i64 { self.total }
/// }
/// let launch = Cluster::builder().launch_numbered(3, |member| Counter::service(1 - member.number() as i64));
/// let error = launch.wait().unwrap_err();
/// assert_eq!((error.member().number(), error.to_string().as_str()), (2, "member 2 did not start: -1 is too small"));
/// assert!(matches!(error.into_inner(), LaunchError::Init(_)));
/// ```
#[derive(Debug)]
pub struct ClusterLaunchError<E> {
    member: MemberId,
    error: LaunchError<E>,
}

impl<E> ClusterLaunchError<E> {
    /// Returns the member that did not start, or the first of them if there are several.
    #[must_use]
    pub fn member(&self) -> MemberId {
        self.member
    }

    /// Returns the reason that the member did not start.
    #[must_use]
    pub fn into_inner(self) -> LaunchError<E> {
        self.error
    }
}

impl<E: fmt::Display> fmt::Display for ClusterLaunchError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "member {} did not start: {}", self.member, self.error)
    }
}

impl<E: fmt::Debug + fmt::Display + 'static> Error for ClusterLaunchError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}
