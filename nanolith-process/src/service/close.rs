//! [`ProcessServiceClose`]: the future that waits until a service in a child process has ended.

use crate::{close_error::CloseError, pool::Closed};
use nanolith::{
    __private::{WaitSealed, wait_timeout},
    Wait,
};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

/// A future that completes when a service is closed and its child is gone. Made by
/// [`ProcessService::close`](crate::ProcessService::close) and similar methods, which have already started
/// the close.
///
/// # Errors
///
/// [`CloseError`] if the service did not end in order. An end by
/// [`terminate`](crate::ProcessService::terminate) is no error.
///
/// # Cancel safety
///
/// The future can be dropped and made again at any time.
#[must_use = "the service is ending; await this, or wait on it, to see the end"]
#[derive(Debug)]
pub struct ProcessServiceClose {
    closed: Closed,
}

impl ProcessServiceClose {
    pub(super) fn new(closed: Closed) -> Self {
        Self { closed }
    }
}

impl Future for ProcessServiceClose {
    type Output = Result<(), CloseError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(Pin::new(&mut self.closed).poll(cx));
        Poll::Ready(self.closed.close_error().map_or(Ok(()), Err))
    }
}

impl WaitSealed for ProcessServiceClose {}

impl Wait for ProcessServiceClose {
    type Pending = Self;

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        wait_timeout(self, limit)
    }
}
