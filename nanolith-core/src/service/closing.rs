//! The end of a service, to be waited for.

use super::inner::{Inner, Life};
use crate::{
    error::Panic,
    host::{Host, WouldDeadlock},
    task::TaskSet,
    wait,
};
use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// Ends when the service's thread has: made by [`Service::close`](super::Service::close) and its like, which have done
/// their part already. Dropping it changes nothing.
#[must_use = "the service is ending; await this, or wait on it, to see the end"]
pub struct Closing<S: TaskSet> {
    inner: Arc<Inner<S>>,
}

impl<S: TaskSet> Closing<S> {
    pub(super) fn new(inner: Arc<Inner<S>>) -> Self {
        Self { inner }
    }

    /// Blocks until the service has ended.
    ///
    /// # Errors
    ///
    /// [`CloseError`] if something panicked on the way, or if it is one of the service's own tasks that waits.
    pub fn wait(self) -> Result<(), CloseError> {
        let host = Host::id(&*self.inner);
        wait::block_on(self, Some(host)).unwrap_or_else(|WouldDeadlock| Err(CloseError::WouldDeadlock))
    }
}

impl<S: TaskSet> Future for Closing<S> {
    type Output = Result<(), CloseError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if crate::place::host_id() == Some(Host::id(&*self.inner)) {
            return Poll::Ready(Err(CloseError::WouldDeadlock));
        }
        let mut core = self.inner.lock();
        if core.life == Life::Over {
            return Poll::Ready(core.panic.clone().map_or(Ok(()), |panic| Err(CloseError::Panicked(panic))));
        }
        if !core.closers.iter().any(|known| known.will_wake(cx.waker())) {
            core.closers.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl<S: TaskSet> fmt::Debug for Closing<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closing").finish_non_exhaustive()
    }
}

/// A service did not end as it should.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CloseError {
    /// `#[on_close]`, or the state as it was dropped, panicked.
    Panicked(Panic),
    /// A task of the service waits for the service's end, which waits for the task.
    WouldDeadlock,
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(panic) => write!(f, "the service panicked as it closed{panic}"),
            Self::WouldDeadlock => f.write_str("a task of the service cannot wait for the service to close"),
        }
    }
}

impl Error for CloseError {}
