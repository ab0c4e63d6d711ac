//! [`Recv`] and [`ReceivingWithin`]: the futures that wait for a port's next message, without and
//! with a time limit.

use super::{
    channel::{Direction, Receivers},
    error::{RecvError, RecvTimeoutError, TryRecvError},
};
use crate::{context::block_on, time::Limit, wake::Registration};
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
/// use nanolith::port::{self, Recv};
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

    /// Blocks until a message is available. Inside a task, the task's slot is released while this
    /// method blocks.
    ///
    /// ```
    /// use nanolith::port;
    /// let (ours, theirs) = port::pair::<(), i64>();
    /// std::thread::spawn(move || theirs.send(4).wait());
    /// assert_eq!(ours.recv().wait(), Ok(4));
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`RecvError`] when the other port is closed and all messages that it sent were
    /// received.
    pub fn wait(self) -> Result<R, RecvError> {
        match self.channel.try_recv() {
            Ok(message) => Ok(message),
            Err(TryRecvError::Closed) => Err(RecvError),
            Err(TryRecvError::Empty) => block_on::block_on_any(self),
        }
    }
}

impl<R> Future for Recv<'_, R> {
    type Output = Result<R, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.waiter.poll_recv(cx)
    }
}

impl<R> fmt::Debug for Recv<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recv").finish_non_exhaustive()
    }
}

/// A future that waits for the next message, at most for a limit. Created by
/// [`Port::recv_timeout`](super::Port::recv_timeout).
///
/// ```
/// use nanolith::{port::{self, ReceivingWithin, RecvTimeoutError}, time::MILLISECOND};
/// let (ours, theirs) = port::pair::<(), i64>();
/// let next: ReceivingWithin<'_, i64> = ours.recv_timeout(MILLISECOND);
/// # pollster::block_on(async {
/// assert_eq!(next.await, Err(RecvTimeoutError::Timeout));
/// # });
/// # drop(theirs);
/// ```
///
/// # Cancel safety
///
/// The same as for [`Recv`].
#[must_use = "receives nothing until awaited or waited on"]
#[derive(Debug)]
pub struct ReceivingWithin<'a, R> {
    receiving: Recv<'a, R>,
    limit: Limit,
}

impl<'a, R> ReceivingWithin<'a, R> {
    pub(super) fn new(receiving: Recv<'a, R>, limit: Duration) -> Self {
        Self { receiving, limit: Limit::new(limit) }
    }

    /// Blocks until a message is available or the time has elapsed. Inside a task, the task's slot
    /// is released while this method blocks.
    ///
    /// ```
    /// use nanolith::{port::{self, RecvTimeoutError}, time::MILLISECOND};
    /// let (ours, theirs) = port::pair::<(), i64>();
    /// assert_eq!(ours.recv_timeout(MILLISECOND).wait(), Err(RecvTimeoutError::Timeout));
    /// # drop(theirs);
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`RecvTimeoutError`] when the time has elapsed, or when no message can arrive any
    /// more.
    pub fn wait(mut self) -> Result<R, RecvTimeoutError> {
        match self.receiving.channel.try_recv() {
            Ok(message) => return Ok(message),
            Err(TryRecvError::Closed) => return Err(RecvTimeoutError::Closed),
            Err(TryRecvError::Empty) => {}
        }
        if self.limit.is_polled_here() {
            return block_on::block_on_any(self);
        }
        let received = block_on::block_on_any_until(Pin::new(&mut self.receiving), self.limit.deadline());
        received.map_or(Err(RecvTimeoutError::Timeout), |received| received.map_err(RecvTimeoutError::from))
    }
}

impl<R> Future for ReceivingWithin<'_, R> {
    type Output = Result<R, RecvTimeoutError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(received) = Pin::new(&mut self.receiving).poll(cx) {
            return Poll::Ready(received.map_err(RecvTimeoutError::from));
        }
        self.limit.poll(cx).map(|()| Err(RecvTimeoutError::Timeout))
    }
}
