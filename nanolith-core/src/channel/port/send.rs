//! [`SendFuture`]: the future that sends a message to the other port of a pair, and waits for queue
//! capacity.

use super::{
    channel::Direction,
    error::{SendError, SendTimeoutError, TrySendError},
};
use crate::{context::block_on, time::Limit, wake::WaitTicket};
use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// A future that sends a message and waits for queue capacity. Created by
/// [`Port::send`](super::Port::send).
///
/// ```
/// use nanolith::port::{self, SendFuture};
/// let (ours, theirs) = port::bounded::<i64, ()>(1);
/// let sending: SendFuture<'_, i64> = ours.send(4);
/// # pollster::block_on(async {
/// sending.await?; // or `sending.wait()?`, which blocks
/// # Ok::<(), port::SendError<i64>>(()) })?;
/// assert_eq!(theirs.recv().wait(), Ok(4));
/// # Ok::<(), port::SendError<i64>>(())
/// ```
///
/// # Cancel safety
///
/// If the future is dropped before it is ready, the message is taken back and dropped: nothing was
/// sent.
#[must_use = "sends nothing until awaited or waited on"]
pub struct SendFuture<'a, S> {
    channel: &'a Direction<S>,
    state: State<S>,
}

enum State<S> {
    SendError(S),
    /// The message is in the line of blocked senders.
    Waits(WaitTicket),
    Done,
}

// No field is pinned: the message may move until it is sent.
impl<S> Unpin for SendFuture<'_, S> {}

impl<'a, S> SendFuture<'a, S> {
    pub(super) fn new(channel: &'a Direction<S>, message: S) -> Self {
        Self { channel, state: State::SendError(message) }
    }

    /// Blocks until the message is sent. Inside a task, the task's slot is released while this
    /// method blocks.
    ///
    /// ```
    /// use nanolith::port;
    /// let (ours, theirs) = port::bounded::<i64, ()>(1);
    /// ours.send(4).wait()?;
    /// assert_eq!(theirs.recv().wait(), Ok(4));
    /// # Ok::<(), port::SendError<i64>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`SendError`] with the message when the other port is closed, or closes while this
    /// call waits.
    pub fn wait(mut self) -> Result<(), SendError<S>> {
        match self.at_once() {
            Some(sent) => sent.map_err(SendError),
            None => block_on::block_on_any(self),
        }
    }

    /// Blocks until the message is sent, at most for `limit`. The time counts from this call.
    ///
    /// ```
    /// use nanolith::{port::{self, SendTimeoutError}, time::MILLISECOND};
    /// let (ours, theirs) = port::bounded::<i64, ()>(1);
    /// ours.send(4).wait()?;
    /// assert_eq!(ours.send(5).wait_timeout(MILLISECOND), Err(SendTimeoutError::Timeout(5)));
    /// # drop(theirs);
    /// # Ok::<(), port::SendError<i64>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`SendTimeoutError`] with the message when the time has elapsed or the other port is
    /// closed.
    pub fn wait_timeout(mut self, limit: Duration) -> Result<(), SendTimeoutError<S>> {
        let limit = Limit::new(limit);
        if let Some(sent) = self.at_once() {
            return sent.map_err(SendTimeoutError::Closed);
        }
        match block_on::block_on_any_until(Pin::new(&mut self), limit.deadline()) {
            Some(sent) => sent.map_err(|SendError(message)| SendTimeoutError::Closed(message)),
            None => self.take_back().map_or(Ok(()), |message| Err(SendTimeoutError::Timeout(message))),
        }
    }

    /// Sends the message if that needs no wait. Returns `Some(Err)` with the message when the other
    /// port is closed, and `None` when the queue is full.
    fn at_once(&mut self) -> Option<Result<(), S>> {
        let State::SendError(message) = mem::replace(&mut self.state, State::Done) else { return None };
        match self.channel.send_now(message) {
            Ok(()) => Some(Ok(())),
            Err(TrySendError::Closed(message)) => Some(Err(message)),
            Err(TrySendError::Full(message)) => {
                self.state = State::SendError(message);
                None
            }
        }
    }

    /// Takes back the message if it was not sent.
    fn take_back(&mut self) -> Option<S> {
        match mem::replace(&mut self.state, State::Done) {
            State::SendError(message) => Some(message),
            State::Waits(ticket) => self.channel.leave_line(ticket),
            State::Done => None,
        }
    }
}

impl<S> Future for SendFuture<'_, S> {
    type Output = Result<(), SendError<S>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if matches!(self.state, State::SendError(_)) {
            if let Some(sent) = self.at_once() {
                return Poll::Ready(sent.map_err(SendError)); // the waker was not cloned
            }
        }
        let ticket = match mem::replace(&mut self.state, State::Done) {
            State::SendError(message) => match self.channel.send(message, cx.waker()) {
                Ok(None) => return Poll::Ready(Ok(())),
                Ok(Some(ticket)) => ticket,
                Err(message) => return Poll::Ready(Err(SendError(message))),
            },
            State::Waits(ticket) => match self.channel.poll_line(ticket, cx) {
                Poll::Pending => ticket,
                Poll::Ready(sent) => return Poll::Ready(sent.map_err(SendError)),
            },
            // The contract of `Future` forbids another poll after `Ready`.
            State::Done => panic!("`SendFuture` was polled after it was ready"),
        };
        self.state = State::Waits(ticket);
        Poll::Pending
    }
}

impl<S> Drop for SendFuture<'_, S> {
    fn drop(&mut self) {
        drop(self.take_back());
    }
}

impl<S> fmt::Debug for SendFuture<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendFuture").finish_non_exhaustive()
    }
}
