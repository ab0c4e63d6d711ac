//! [`Launch`]: the future that waits until a service has started. [`LaunchError`]: why it has not.

use super::{InitError, Service, ServiceRef};
use crate::{
    context::wait::{self, Sealed, Wait},
    error::{Panic, error_view},
    pool::BuildError,
    task::TaskSet,
    time::Limit,
    wake::{Deferred, NewWaker, SingleWaiter},
};
use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

/// The result that the service's thread sends to `Launch`. If the `ServiceRef` is dropped without a
/// receiver, the service closes.
pub(super) type Launched<S, E> = Result<ServiceRef<S>, LaunchError<E>>;

/// A future that completes when the service's `#[init]` has returned. Made by
/// [`ServiceBuilder::launch`](super::ServiceBuilder::launch).
///
/// ```
/// use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// # pollster::block_on(async {
/// let counter = Counter::service(10).launch().await?;
/// assert_eq!(counter.total().await?, 10);
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
///
/// # Errors
///
/// [`LaunchError`] with the error of `#[init]`, its panic, or an invalid setting.
///
/// # Cancel safety
///
/// The service starts even if this is not awaited. If this is dropped, an asynchronous `#[init]` is
/// dropped at its next await. A service that starts after the drop closes again.
#[must_use = "gives the service when awaited or waited on"]
pub struct Launch<S: TaskSet, E: 'static> {
    /// `None` after the result was received, or after the launch was given up.
    answer: Option<flume::r#async::RecvFut<'static, Launched<S, E>>>,
    limit: Option<Limit>,
    attempt: Arc<LaunchAttempt>,
}

/// The launch's data that the service's thread reads.
#[derive(Default)]
pub(super) struct LaunchAttempt(Deferred<AttemptState>);

#[derive(Default)]
struct AttemptState {
    is_given_up: bool,
    /// The waker of the service's thread, while an asynchronous `#[init]` waits.
    thread: SingleWaiter,
}

impl LaunchAttempt {
    /// Registers `waker`, which wakes the service's thread if the launch is given up. Holds until
    /// [`LaunchAttempt::forget_thread`].
    pub(super) fn watch(&self, waker: &Waker) {
        let waker = NewWaker::of(waker);
        self.0.with(|state, after| state.thread.register(waker, after));
    }

    pub(super) fn forget_thread(&self) {
        self.0.with(|state, after| state.thread.remove(after));
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.0.with(|state, _| state.is_given_up)
    }

    fn give_up(&self) {
        self.0.with(|state, after| {
            state.is_given_up = true;
            state.thread.notify(after);
        });
    }
}

impl<S: TaskSet, E: 'static> Launch<S, E> {
    pub(super) fn new(
        answer: flume::Receiver<Launched<S, E>>,
        limit: Option<Duration>,
        attempt: Arc<LaunchAttempt>,
    ) -> Self {
        Self { answer: Some(answer.into_recv_async()), limit: limit.map(Limit::new), attempt }
    }

    /// Waits for the service. The error of `#[init]` is returned with its type erased.
    pub(crate) async fn of_any_error(self) -> Result<ServiceRef<S>, LaunchError<InitError>>
    where
        E: Send,
    {
        self.await.map(Service::into_ref).map_err(|error| match error {
            LaunchError::Init(error) => LaunchError::Init(InitError::of::<S, E>(error)),
            LaunchError::Panicked(panic) => LaunchError::Panicked(panic),
            LaunchError::Build(error) => LaunchError::Build(error),
            LaunchError::TimedOut => LaunchError::TimedOut,
            LaunchError::Lost => LaunchError::Lost,
        })
    }
}

impl<S: TaskSet, E: 'static> Future for Launch<S, E> {
    type Output = Result<Service<S>, LaunchError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(answer) = &mut self.answer else { return Poll::Ready(Err(LaunchError::Lost)) };
        if let Poll::Ready(answer) = Pin::new(answer).poll(cx) {
            self.answer = None;
            return Poll::Ready(match answer {
                Ok(launched) => launched.map(Service::new).inspect_err(|error| {
                    if let LaunchError::Init(_) = error {
                        error_view::learn::<E>(S::error_view);
                    }
                }),
                Err(flume::RecvError::Disconnected) => Err(LaunchError::Lost),
            });
        }
        if self.limit.as_mut().is_some_and(|limit| limit.poll(cx).is_ready()) {
            self.give_up();
            return Poll::Ready(Err(LaunchError::TimedOut));
        }
        Poll::Pending
    }
}

impl<S: TaskSet, E: 'static> Sealed for Launch<S, E> {}

impl<S: TaskSet, E: 'static> Wait for Launch<S, E> {
    type Pending = Self;

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        wait::timeout(self, limit)
    }
}

impl<S: TaskSet, E: 'static> Launch<S, E> {
    /// Gives up the launch. A start that completes later finds no receiver, and the service closes.
    fn give_up(&mut self) {
        let answer = self.answer.take();
        if answer.is_some() {
            self.attempt.give_up();
        }
    }
}

impl<S: TaskSet, E: 'static> Drop for Launch<S, E> {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl<S: TaskSet, E> fmt::Debug for Launch<S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launch").finish_non_exhaustive()
    }
}

/// The error of a failed launch.
///
/// ```
/// use nanolith::{prelude::*, service::LaunchError};
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
///
/// `LaunchError<E>` is an [`Error`] for each `E: Debug + Display`, including `anyhow::Error`, boxed
/// errors and `String`, so `?` passes it on.
#[derive(Debug)]
#[non_exhaustive]
pub enum LaunchError<E> {
    /// `#[init]` returned an error.
    Init(E),
    /// `#[init]` panicked.
    ///
    /// ```
    /// use nanolith::{prelude::*, service::LaunchError};
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
    /// A setting is invalid, or the operating system failed to spawn a thread.
    ///
    /// ```
    /// use nanolith::{prelude::*, service::LaunchError};
    /// # use nanolith_doc_sets::*;
    /// match Counter::service(10).max_queue(0).launch().wait() {
    ///     Err(LaunchError::Build(error)) => assert_eq!(error.setting(), Some("max_queue")),
    ///     other => unreachable!("not {other:?}"),
    /// }
    /// ```
    Build(BuildError),
    /// `#[init]` took longer than [`launch_timeout`](super::ServiceBuilder::launch_timeout). An
    /// asynchronous `#[init]` is dropped at its next await. A synchronous `#[init]` runs on, and
    /// the service closes when it returns.
    TimedOut,
    /// The service's thread ended without a result.
    Lost,
}

impl<E: fmt::Display> fmt::Display for LaunchError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Init(error) => error.fmt(f),
            Self::Panicked(panic) => write!(f, "`#[init]` panicked{panic}"),
            Self::Build(error) => error.fmt(f),
            Self::TimedOut => f.write_str("`#[init]` did not finish within the launch timeout"),
            Self::Lost => f.write_str("the service's thread ended before it started"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display + 'static> Error for LaunchError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Init(error) => error_view::source(error),
            Self::Build(error) => error.source(),
            _ => None,
        }
    }
}
