//! [`ProcessClusterLaunch`]: the future that waits until all members have their state.
//! [`ProcessClusterClosed`]: the future that waits until all have ended.

use super::{ProcessCluster, ProcessClusterRef, members::Members};
use crate::{
    CloseError, LaunchError, ProcessLaunch, ProcessService, ProcessServiceClose, ProcessServiceRef,
    build_error::BuildError, served::ProcessSet,
};
use nanolith::{
    __private::{WaitSealed, wait_timeout},
    Wait,
    cluster::Balance,
};
use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// A future that completes when all members of a cluster have their state. Made by
/// [`ProcessCluster::launch`].
///
/// # Errors
///
/// [`ProcessClusterLaunchError`] of the first member that did not start. The others close.
///
/// # Panics
///
/// Panics if it is polled again after it has completed.
///
/// # Cancel safety
///
/// If this is dropped, the members close.
#[must_use = "gives the cluster when awaited or waited on"]
pub struct ProcessClusterLaunch<S: ProcessSet> {
    members: Vec<Member<S>>,
    balance: Balance,
}

enum Member<S: ProcessSet> {
    Starting(ProcessLaunch<S>),
    Started(ProcessService<S>),
}

impl<S: ProcessSet> ProcessClusterLaunch<S> {
    pub(super) fn new(members: Vec<ProcessLaunch<S>>, balance: Balance) -> Self {
        Self { members: members.into_iter().map(Member::Starting).collect(), balance }
    }
}

impl<S: ProcessSet> Unpin for ProcessClusterLaunch<S> {}

impl<S: ProcessSet> Future for ProcessClusterLaunch<S> {
    type Output = Result<ProcessCluster<S>, ProcessClusterLaunchError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.members.is_empty() {
            let error = LaunchError::Build(BuildError::setting("n", "must be at least 1"));
            return Poll::Ready(Err(ProcessClusterLaunchError { member: 0, error }));
        }
        let mut is_pending = false;
        for (number, member) in this.members.iter_mut().enumerate() {
            let Member::Starting(launch) = member else { continue };
            match Pin::new(launch).poll(cx) {
                Poll::Pending => is_pending = true,
                Poll::Ready(Ok(service)) => *member = Member::Started(service),
                Poll::Ready(Err(error)) => {
                    this.members.clear(); // which closes those that have started
                    return Poll::Ready(Err(ProcessClusterLaunchError { member: number, error }));
                }
            }
        }
        if is_pending {
            return Poll::Pending;
        }
        let started = std::mem::take(&mut this.members).into_iter().filter_map(|member| match member {
            Member::Started(service) => Some(ProcessServiceRef::from(&service)),
            Member::Starting(_) => None,
        });
        let members = Members::new(started.collect(), this.balance);
        Poll::Ready(Ok(ProcessCluster::new(ProcessClusterRef::new(members))))
    }
}

impl<S: ProcessSet> WaitSealed for ProcessClusterLaunch<S> {}

impl<S: ProcessSet> Wait for ProcessClusterLaunch<S> {
    type Pending = Self;

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        wait_timeout(self, limit)
    }
}

impl<S: ProcessSet> fmt::Debug for ProcessClusterLaunch<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessClusterLaunch").field("members", &self.members.len()).finish_non_exhaustive()
    }
}

/// Why a [`ProcessCluster`] did not start: the member and its error.
#[derive(Debug)]
pub struct ProcessClusterLaunchError {
    /// The number of the member.
    pub member: usize,
    /// Why it did not start.
    pub error: LaunchError,
}

impl fmt::Display for ProcessClusterLaunchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "member {}: {}", self.member, self.error)
    }
}

impl Error for ProcessClusterLaunchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

/// Waits until all members of a cluster have ended: see [`ProcessCluster::close`].
///
/// # Errors
///
/// The [`CloseError`] of the first member that did not end in order. The others have ended too.
///
/// # Cancel safety
///
/// If the future is dropped, the members still end.
#[must_use = "does nothing until awaited or waited on"]
#[derive(Debug)]
pub struct ProcessClusterClosed {
    members: Vec<ProcessServiceClose>,
    failed: Option<CloseError>,
}

impl ProcessClusterClosed {
    pub(super) fn new(members: Vec<ProcessServiceClose>) -> Self {
        Self { members, failed: None }
    }
}

impl Future for ProcessClusterClosed {
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

impl WaitSealed for ProcessClusterClosed {}

impl Wait for ProcessClusterClosed {
    type Pending = Self;

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        wait_timeout(self, limit)
    }
}
