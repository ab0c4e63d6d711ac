//! The start of a service, to be waited for.

use super::{Service, ServiceRef};
use crate::{error::Panic, pool::BuildError, task::TaskSet, wait};
use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// What the service's thread tells its launcher. A service that nobody takes closes as its handle is dropped.
pub(super) type Launched<S, E> = Result<ServiceRef<S>, LaunchError<E>>;

/// Ends when the service's `#[init]` has: made by [`ServiceBuilder::launch`](super::ServiceBuilder::launch).
///
/// # Cancel safety
///
/// The service starts whether or not somebody waits. If this is dropped, it closes again.
#[must_use = "gives the service when awaited or waited on"]
pub struct Launch<S: TaskSet, E: 'static> {
    answer: flume::r#async::RecvFut<'static, Launched<S, E>>,
}

impl<S: TaskSet, E: 'static> Launch<S, E> {
    pub(super) fn new(answer: flume::Receiver<Launched<S, E>>) -> Self {
        Self { answer: answer.into_recv_async() }
    }

    /// Blocks until the service has started.
    ///
    /// # Errors
    ///
    /// [`LaunchError`] with the error of `#[init]`, its panic, or a setting that cannot work.
    pub fn wait(self) -> Result<Service<S>, LaunchError<E>> {
        // The service is not there yet, so nobody can be waiting for himself.
        wait::block_on(self, None).unwrap_or(Err(LaunchError::Lost))
    }
}

impl<S: TaskSet, E: 'static> Future for Launch<S, E> {
    type Output = Result<Service<S>, LaunchError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer).poll(cx).map(|answer| match answer {
            Ok(launched) => launched.map(Service::new),
            Err(flume::RecvError::Disconnected) => Err(LaunchError::Lost),
        })
    }
}

impl<S: TaskSet, E> fmt::Debug for Launch<S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launch").finish_non_exhaustive()
    }
}

/// A service could not be launched.
#[derive(Debug)]
#[non_exhaustive]
pub enum LaunchError<E> {
    /// `#[init]` gave an error.
    Init(E),
    /// `#[init]` panicked.
    Panicked(Panic),
    /// A setting cannot work, or the system gives no thread.
    Build(BuildError),
    /// The service's thread ended before it told anything.
    Lost,
}

impl<E: fmt::Display> fmt::Display for LaunchError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Init(error) => error.fmt(f),
            Self::Panicked(panic) => write!(f, "the service's init panicked{panic}"),
            Self::Build(error) => error.fmt(f),
            Self::Lost => f.write_str("the service's thread ended before it started"),
        }
    }
}

impl<E: Error + 'static> Error for LaunchError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Init(error) => error.source(),
            Self::Build(error) => error.source(),
            _ => None,
        }
    }
}
