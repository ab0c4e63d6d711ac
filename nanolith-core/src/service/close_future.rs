//! [`Close`]: the future that waits until a service has ended. [`CloseError`]: the error of a
//! service that did not end in order.

use super::{close_watch::ClosedWaiters, events::Crash, service_shared::ServiceShared, service_state::Phase};
use crate::{
    call::backend::{Backend, ExecutorId, WouldDeadlock},
    context::{
        block_on,
        wait::{self, Sealed, Wait},
    },
    error::Panic,
    pool::CloseTimeoutError,
    task::TaskSet,
    wake::Registration,
};
use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

/// A future that completes when the service's thread has ended. Made by
/// [`Service::close`](super::Service::close) and similar methods, which have already started the
/// close. Dropping the future does not stop the close.
///
/// ```
/// use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// let counter = Counter::service(10).launch().wait()?;
/// # pollster::block_on(async {
/// counter.close().await?;
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// assert!(counter.info().is_closed);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Cancel safety
///
/// The future can be dropped and created again at any time.
#[must_use = "the service is ending; await this, or wait on it, to see the end"]
pub struct Close<S: TaskSet> {
    waiter: Registration<ClosedWaiters<S>>,
}

impl<S: TaskSet> Close<S> {
    pub(super) fn new(inner: Arc<ServiceShared<S>>) -> Self {
        Self { waiter: Registration::new(ClosedWaiters(inner)) }
    }

    pub(super) fn host(&self) -> ExecutorId {
        Backend::id(&*self.waiter.home().0)
    }

    /// Ends the calls that are left, because the limit of the close has passed.
    pub(crate) fn end_at_limit(&self) -> CloseTimeoutError {
        self.waiter.home().0.end_at_limit()
    }
}

impl<S: TaskSet> Future for Close<S> {
    type Output = Result<(), CloseError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if crate::context::thread_context::current_executor() == Some(self.host()) {
            return Poll::Ready(Err(CloseError::WouldDeadlock));
        }
        self.waiter.poll_with(cx.waker(), |core, _| {
            (core.phase == Phase::Over).then(|| core.error.clone().map_or(Ok(()), Err))
        })
    }
}

impl<S: TaskSet> Sealed for Close<S> {}

impl<S: TaskSet> Wait for Close<S> {
    type Pending = Self;

    /// Blocks until the service has ended.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let counter = Counter::service(10).launch().wait()?;
    /// let job = counter.bump(5).submit();
    /// counter.close().wait()?;
    /// assert_eq!(job.wait()?, 15); // accepted before the close
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`CloseError`] if user code panicked during the close, if the service crashed, or if one of
    /// the service's own tasks waits.
    fn wait(self) -> Result<(), CloseError> {
        let host = self.host();
        block_on::block_on(self, Some(host)).unwrap_or_else(|WouldDeadlock| Err(CloseError::WouldDeadlock))
    }

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        let host = self.host();
        let ended = wait::timeout_on(self, host, limit)?;
        Ok(ended.unwrap_or_else(|WouldDeadlock| Err(CloseError::WouldDeadlock)))
    }
}

impl<S: TaskSet> fmt::Debug for Close<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Close").finish_non_exhaustive()
    }
}

/// The error of a service that did not end in order.
///
/// ```
/// use nanolith::{prelude::*, service::CloseError};
/// # pub struct Counter { total: i64 }
/// # #[define]
/// impl Counter {
/// #     #[init] fn start(first: i64) -> Self { Self { total: first } }
///     #[on_close]
///     fn done(self) {
///         assert_eq!(self.total, 0, "a call came in");
///     }
/// #     pub fn total(&self) -> i64 { self.total }
/// }
/// let counter = Counter::service(10).launch().wait()?;
/// assert!(matches!(counter.close().wait(), Err(CloseError::Panicked(_))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CloseError {
    /// `#[on_close]` panicked, or the drop of the state did.
    Panicked(Panic),
    /// The service crashed, and its policy does not restart it, or the limit was reached.
    ///
    /// ```
    /// use nanolith::{prelude::*, service::{CloseError, OnPanic}};
    /// # use nanolith_doc_sets::*;
    /// let geometry = Geometry::service().on_panic(|_| OnPanic::Restart).launch().wait()?; // and no restart policy
    /// assert!(geometry.add(i64::MAX, 1).wait().is_err());
    /// assert!(matches!(geometry.control().closed().wait(), Err(CloseError::Crashed(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Crashed(Crash),
    /// A task of the service waits for the service's end, which waits for the task.
    ///
    /// ```
    /// use nanolith::{prelude::*, service::CloseError};
    /// # pub struct Counter { total: i64 }
    /// # #[define]
    /// impl Counter {
    /// #     #[init] fn start(first: i64) -> Self { Self { total: first } }
    ///     pub fn close_itself(&self, itself: Service<Counter>) -> bool {
    ///         matches!(itself.close().wait(), Err(CloseError::WouldDeadlock))
    ///     }
    /// }
    /// let counter = Counter::service(10).launch().wait()?;
    /// assert!(counter.close_itself(counter.clone()).wait()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    WouldDeadlock,
    /// The service had not ended within the limit of
    /// [`Service::close_timeout`](super::Service::close_timeout), and the remaining calls were
    /// ended.
    Unfinished(CloseTimeoutError),
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(panic) => write!(f, "the service panicked as it closed{panic}"),
            Self::Crashed(crash) => write!(f, "the service ended by a crash: {crash}"),
            Self::Unfinished(unfinished) => unfinished.fmt(f),
            Self::WouldDeadlock => f.write_str("a task of the service cannot wait for the service to close"),
        }
    }
}

impl Error for CloseError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Crashed(crash) => Some(crash),
            _ => None,
        }
    }
}
