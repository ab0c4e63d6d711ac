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
/// ```
/// use nanolith::prelude::*;
/// # pub struct Counter { total: i64 }
/// # #[define] impl Counter {
/// #     #[init] fn start(first: i64) -> Self { Self { total: first } }
/// #     pub fn bump(&mut self, by: i64) -> i64 { self.total += by; self.total }
/// #     pub fn total(&self) -> i64 { self.total }
/// # }
/// # pollster::block_on(async {
/// let counter = Counter::service(10).launch().await?;
/// assert_eq!(counter.total().await?, 10);
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
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
    /// ```
    /// # use nanolith::prelude::*;
    /// # pub struct Counter { total: i64 }
    /// # #[define] impl Counter {
    /// #     #[init] fn start(first: i64) -> Self { Self { total: first } }
    /// #     pub fn bump(&mut self, by: i64) -> i64 { self.total += by; self.total }
    /// #     pub fn total(&self) -> i64 { self.total }
    /// # }
    /// let counter = Counter::service(10).launch().wait()?;
    /// assert_eq!(counter.total().wait()?, 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
///
/// ```
/// use nanolith::{LaunchError, prelude::*};
/// use std::num::TryFromIntError;
/// pub struct Counter { total: u32 }
/// #[define]
/// impl Counter {
///     #[init]
///     fn start(first: i64) -> Result<Self, TryFromIntError> {
///         Ok(Self { total: u32::try_from(first)? })
///     }
///     pub fn total(&self) -> u32 { self.total }
/// }
/// let failed: Result<_, LaunchError<TryFromIntError>> = Counter::service(-1).launch().wait();
/// assert!(matches!(failed, Err(LaunchError::Init(_))));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum LaunchError<E> {
    /// `#[init]` gave an error.
    Init(E),
    /// `#[init]` panicked.
    ///
    /// ```
    /// use nanolith::{LaunchError, prelude::*};
    /// # pub struct Counter { total: i64 }
    /// # #[define]
    /// impl Counter {
    ///     #[init]
    ///     fn start(first: i64) -> Self {
    ///         assert!(first >= 0, "it counts from zero up");
    ///         Self { total: first }
    ///     }
    /// #     pub fn total(&self) -> i64 { self.total }
    /// }
    /// match Counter::service(-1).launch().wait() {
    ///     Err(LaunchError::Panicked(panic)) => assert_eq!(panic.message(), "it counts from zero up"),
    ///     other => unreachable!("not {other:?}"),
    /// }
    /// ```
    Panicked(Panic),
    /// A setting cannot work, or the system gives no thread.
    ///
    /// ```
    /// use nanolith::{LaunchError, prelude::*};
    /// # pub struct Counter { total: i64 }
    /// # #[define] impl Counter {
    /// #     #[init] fn start(first: i64) -> Self { Self { total: first } }
    /// #     pub fn bump(&mut self, by: i64) -> i64 { self.total += by; self.total }
    /// #     pub fn total(&self) -> i64 { self.total }
    /// # }
    /// match Counter::service(10).queue(0).launch().wait() {
    ///     Err(LaunchError::Build(error)) => assert_eq!(error.setting(), Some("queue")),
    ///     other => unreachable!("not {other:?}"),
    /// }
    /// ```
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
