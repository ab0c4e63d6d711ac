//! [`SendFuture`]: the future that sends a message to the other port of a pair, and waits for queue
//! capacity.

use super::{
    channel::Direction,
    error::{SendError, TrySendError},
};
use crate::{
    context::{
        block_on,
        wait::{self, Sealed, Wait},
    },
    wake::WaitTicket,
};
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
/// use nanolith::{port::{self, SendFuture}, prelude::*};
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
    Begun(S),
    /// The message is in the line of blocked senders.
    Waits(WaitTicket),
    Done,
}

// No field is pinned: the message may move until it is sent.
impl<S> Unpin for SendFuture<'_, S> {}

impl<'a, S> SendFuture<'a, S> {
    pub(super) fn new(channel: &'a Direction<S>, message: S) -> Self {
        Self { channel, state: State::Begun(message) }
    }

    /// Takes the message back. Returns `None` if the message was sent.
    ///
    /// A message whose wait has reached its time limit is still in the line of blocked senders. It
    /// may be sent from there until this call.
    ///
    /// ```
    /// use nanolith::{port, prelude::*, time::MILLISECOND};
    /// let (ours, theirs) = port::bounded::<i64, ()>(1);
    /// ours.send(4).wait()?;
    /// let pending = ours.send(5).wait_timeout(MILLISECOND).expect_err("the port is full");
    /// assert_eq!(pending.into_inner(), Some(5));
    /// assert_eq!((theirs.recv().wait()?, theirs.is_empty()), (4, true));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_inner(mut self) -> Option<S> {
        self.take_back()
    }

    /// Sends the message if that needs no wait. Returns `Some(Err)` with the message when the other
    /// port is closed, and `None` when the queue is full.
    fn at_once(&mut self) -> Option<Result<(), S>> {
        if !matches!(self.state, State::Begun(_)) {
            return None;
        }
        let State::Begun(message) = mem::replace(&mut self.state, State::Done) else { return None };
        match self.channel.send_now(message) {
            Ok(()) => Some(Ok(())),
            Err(TrySendError::Closed(message)) => Some(Err(message)),
            Err(TrySendError::Full(message)) => {
                self.state = State::Begun(message);
                None
            }
        }
    }

    /// Takes back the message if it was not sent.
    fn take_back(&mut self) -> Option<S> {
        match mem::replace(&mut self.state, State::Done) {
            State::Begun(message) => Some(message),
            State::Waits(ticket) => self.channel.leave_line(ticket),
            State::Done => None,
        }
    }
}

impl<S> Future for SendFuture<'_, S> {
    type Output = Result<(), SendError<S>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(sent) = self.at_once() {
            return Poll::Ready(sent.map_err(SendError)); // the waker was not cloned
        }
        let ticket = match mem::replace(&mut self.state, State::Done) {
            State::Begun(message) => match self.channel.send(message, cx.waker()) {
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

impl<S> Sealed for SendFuture<'_, S> {}

impl<S> Wait for SendFuture<'_, S> {
    type Pending = Self;

    /// Blocks until the message is sent. Inside a task, the task's slot is released while this
    /// method blocks.
    ///
    /// ```
    /// use nanolith::{port, prelude::*};
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
    fn wait(mut self) -> Result<(), SendError<S>> {
        match self.at_once() {
            Some(sent) => sent.map_err(SendError),
            None => block_on::block_on_any(self),
        }
    }

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        wait::timeout(self, limit)
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
