//! [`Recv`] and [`ReceivingWithin`]: the futures that wait for a port's next message, without and
//! with a time limit.

use super::{
    channel::{Direction, Receivers},
    error::{RecvError, TryRecvError},
};
use crate::{
    context::{
        block_on,
        wait::{self, Sealed, Wait},
    },
    wake::Registration,
};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// A future that waits for the next message. Created by [`Port::recv`](super::Port::recv).
///
/// ```
/// use nanolith::{port::{self, Recv}, prelude::*};
/// let (ours, theirs) = port::pair::<(), i64>();
/// theirs.send(4).wait()?;
/// let next: Recv<'_, i64> = ours.recv();
/// # pollster::block_on(async {
/// assert_eq!(next.await, Ok(4)); // or `next.wait()`, which blocks
/// # });
/// # Ok::<(), port::SendError<i64>>(())
/// ```
///
/// # Cancel safety
///
/// If the future is dropped before it is ready, no message was received: the message stays for the
/// next receive.
#[must_use = "receives nothing until awaited or waited on"]
pub struct Recv<'a, R> {
    channel: &'a Direction<R>,
    waiter: Registration<Receivers<&'a Direction<R>>>,
}

impl<'a, R> Recv<'a, R> {
    pub(super) fn new(channel: &'a Direction<R>) -> Self {
        Self { channel, waiter: Receivers::at(channel) }
    }
}

impl<R> Future for Recv<'_, R> {
    type Output = Result<R, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.waiter.poll_recv(cx)
    }
}

impl<R> Sealed for Recv<'_, R> {}

impl<R> Wait for Recv<'_, R> {
    type Pending = Self;

    /// Blocks until a message is available. Inside a task, the task's slot is released while this
    /// method blocks.
    ///
    /// ```
    /// use nanolith::{port, prelude::*};
    /// let (ours, theirs) = port::pair::<(), i64>();
    /// std::thread::spawn(move || theirs.send(4).wait());
    /// assert_eq!(ours.recv().wait(), Ok(4));
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`RecvError`] when the other port is closed and all messages that it sent were
    /// received.
    fn wait(self) -> Result<R, RecvError> {
        match self.channel.try_recv() {
            Ok(message) => Ok(message),
            Err(TryRecvError::Closed) => Err(RecvError),
            Err(TryRecvError::Empty) => block_on::block_on_any(self),
        }
    }

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        wait::timeout(self, limit)
    }
}

impl<R> fmt::Debug for Recv<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recv").finish_non_exhaustive()
    }
}
