//! [`ProcessLaunch`]: the future that waits until a service in a child process has its state.

use super::{ProcessService, ProcessServiceRef};
use crate::{build_error::BuildError, launch_error::LaunchError, pool::LaunchStage, served::ProcessSet};
use nanolith::{
    __private::{WaitSealed, wait_timeout},
    Wait,
};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// A future that completes when the `#[init]` of a service has returned in its child process. Made by
/// [`ProcessServiceBuilder::launch`](crate::ProcessServiceBuilder::launch).
///
/// # Errors
///
/// [`LaunchError`].
///
/// # Panics
///
/// Panics if it is polled again after it has completed.
///
/// # Cancel safety
///
/// The child starts even if this is not awaited. If this is dropped, the service closes.
#[must_use = "gives the service when awaited or waited on"]
pub struct ProcessLaunch<S: ProcessSet> {
    /// `None` after it has completed.
    started: Option<Result<ProcessServiceRef<S>, BuildError>>,
    /// The number of the wait, once it has left a waker.
    waiter: Option<u64>,
}

impl<S: ProcessSet> ProcessLaunch<S> {
    pub(super) fn new(started: Result<ProcessServiceRef<S>, BuildError>) -> Self {
        Self { started: Some(started), waiter: None }
    }
}

impl<S: ProcessSet> Future for ProcessLaunch<S> {
    type Output = Result<ProcessService<S>, LaunchError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let service = match this.started.take().expect("it has not completed before") {
            Ok(service) => service,
            Err(error) => return Poll::Ready(Err(LaunchError::Build(error))),
        };
        match service.pool().poll_launch(&mut this.waiter, cx.waker().clone()) {
            LaunchStage::Starting => {
                this.started = Some(Ok(service));
                Poll::Pending
            }
            LaunchStage::Done => {
                service.pool().forget_waiter(this.waiter.take());
                Poll::Ready(Ok(ProcessService::new(service)))
            }
            LaunchStage::Failed(error) => {
                Poll::Ready(Err(error.expect("a launch has one future, which takes the error once")))
            }
        }
    }
}

impl<S: ProcessSet> WaitSealed for ProcessLaunch<S> {}

impl<S: ProcessSet> Wait for ProcessLaunch<S> {
    type Pending = Self;

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        wait_timeout(self, limit)
    }
}

impl<S: ProcessSet> Drop for ProcessLaunch<S> {
    fn drop(&mut self) {
        if let Some(Ok(service)) = &self.started {
            service.pool().forget_waiter(self.waiter);
        }
    }
}

impl<S: ProcessSet> fmt::Debug for ProcessLaunch<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessLaunch").finish_non_exhaustive()
    }
}
