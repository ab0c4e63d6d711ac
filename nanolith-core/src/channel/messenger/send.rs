//! [`SendFuture`]: the future that sends a message through a messenger, and waits for capacity.

use super::SendError;
use crate::{
    channel::broadcast,
    context::wait::{Sealed, Wait},
    time::clock,
};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// A future that sends a message when every receiver has capacity. Created by
/// [`Messenger::send`](super::Messenger::send).
///
/// It returns the number of receivers that the message went to.
///
/// ```
/// use nanolith::{messenger::{Messenger, SendFuture}, prelude::*};
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

    /// Takes the message back. Returns `None` if the message was sent.
    ///
    /// A message whose wait has reached its time limit is still in the line of blocked senders. It
    /// may be sent from there until this call.
    ///
    /// ```
    /// use nanolith::{messenger::{LagPolicy, Messenger}, prelude::*, time::MILLISECOND};
    /// let waiter = Messenger::builder().on_lag(LagPolicy::Wait(1)).build()?;
    /// let mut kitchen = waiter.join().subscribe();
    /// waiter.send("tea").wait()?;
    /// let pending = waiter.send("cake").wait_timeout(MILLISECOND).expect_err("the kitchen is behind");
    /// assert_eq!(pending.into_inner(), Some("cake"));
    /// assert_eq!((kitchen.recv().wait()?, kitchen.lag()), ("tea", 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_inner(mut self) -> Option<T> {
        self.sending.take_back()
    }
}

impl<T> Future for SendFuture<'_, T> {
    type Output = Result<usize, SendError<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.sending).poll(cx).map_err(SendError)
    }
}

impl<T> Sealed for SendFuture<'_, T> {}

impl<T> Wait for SendFuture<'_, T> {
    type Pending = Self;

    /// Blocks until the message is sent. Inside a task, the task's slot is released while this
    /// method blocks.
    ///
    /// ```
    /// use nanolith::{messenger::Messenger, prelude::*};
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
    fn wait(mut self) -> Result<usize, SendError<T>> {
        match self.sending.block_until(None) {
            Some(sent) => sent.map_err(SendError),
            None => unreachable!("there is no limit"),
        }
    }

    fn wait_timeout(mut self, limit: Duration) -> Result<Self::Output, Self> {
        let sent = self.sending.block_until(clock::after(limit));
        sent.map(|sent| sent.map_err(SendError)).ok_or(self)
    }
}

impl<T> fmt::Debug for SendFuture<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendFuture").finish_non_exhaustive()
    }
}
