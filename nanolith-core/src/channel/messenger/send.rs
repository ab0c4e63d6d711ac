//! [`SendFuture`]: the future that sends a message through a messenger, and waits for capacity.

use super::SendError;
use crate::channel::broadcast;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// A future that sends a message when every receiver has capacity. Created by
/// [`Messenger::send`](super::Messenger::send).
///
/// It returns the number of receivers that the message went to.
///
/// ```
/// use nanolith::messenger::{Messenger, SendFuture};
/// let waiter = Messenger::new();
/// let kitchen = waiter.join().subscribe();
/// let sending: SendFuture<'_, &str> = waiter.send("tea");
/// assert_eq!(sending.wait(), Ok(1)); // or `.await`
/// ```
///
/// # Errors
///
/// Returns [`SendError`] with the message when the messenger is closed.
///
/// # Panics
///
/// The future panics when it is polled after it was ready.
///
/// # Cancel safety
///
/// If the future is dropped before its first poll, nothing was sent. If it is dropped while it
/// waits for capacity, its message leaves the line of blocked senders. A message for which capacity
/// was found just before is sent.
#[must_use = "nothing is sent until awaited or waited on"]
pub struct SendFuture<'a, T> {
    sending: broadcast::SendFuture<'a, T>,
}

impl<'a, T> SendFuture<'a, T> {
    #[inline]
    pub(super) fn new(sending: broadcast::SendFuture<'a, T>) -> Self {
        Self { sending }
    }

    /// Blocks until the message is sent. Inside a task, the task's slot is released while this
    /// method blocks.
    ///
    /// ```
    /// use nanolith::messenger::Messenger;
    /// let waiter = Messenger::new();
    /// let mut kitchen = waiter.join().subscribe();
    /// waiter.send("tea").wait()?;
    /// assert_eq!(kitchen.recv().wait()?, "tea");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`SendError`] with the message when the messenger is closed.
    #[inline]
    pub fn wait(self) -> Result<usize, SendError<T>> {
        self.sending.wait().map_err(SendError)
    }
}

impl<T> Future for SendFuture<'_, T> {
    type Output = Result<usize, SendError<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.sending).poll(cx).map_err(SendError)
    }
}

impl<T> fmt::Debug for SendFuture<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendFuture").finish_non_exhaustive()
    }
}
