//! `Stream` (of received messages) and `Sink` (of sent messages) for a port.

use super::{
    Port,
    error::{SendError, TrySendError},
};
use futures_util::{Sink, Stream};
use std::{
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

/// The stream ends when the other port is closed and all messages that it sent were received.
///
/// ```
/// use futures_util::StreamExt;
/// use nanolith::{port, prelude::*};
/// let (ours, theirs) = port::pair::<(), i64>();
/// std::thread::spawn(move || (1..=3).try_for_each(|n| theirs.send(n).wait()));
/// # pollster::block_on(async {
/// assert_eq!(ours.map(|n| n * 2).collect::<Vec<_>>().await, [2, 4, 6]);
/// # });
/// ```
impl<S, R> Stream for Port<S, R> {
    type Item = R;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<R>> {
        self.streams.poll_next(cx).map(Result::ok)
    }
}

/// After a flush, all messages are sent. Closing the sink only flushes it: the port closes when it
/// is dropped.
///
/// ```
/// use futures_util::SinkExt;
/// use nanolith::port;
/// let (mut ours, theirs) = port::bounded::<i64, ()>(16);
/// # pollster::block_on(async {
/// ours.feed(1).await?;
/// ours.send(2).await // the sink's; `Port::send` goes by `&self`
/// # })?;
/// assert_eq!(theirs.try_iter().collect::<Vec<_>>(), [1, 2]);
/// # Ok::<(), port::SendError<i64>>(())
/// ```
impl<S, R> Sink<S> for Port<S, R> {
    type Error = SendError<S>;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError<S>>> {
        self.poll_flush(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: S) -> Result<(), SendError<S>> {
        match self.outward.send_now(message) {
            Ok(()) => Ok(()),
            Err(TrySendError::Closed(message)) => Err(SendError(message)),
            Err(TrySendError::Full(message)) => {
                self.sinks = self.outward.send(message, Waker::noop()).map_err(SendError)?;
                Ok(())
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError<S>>> {
        let Some(ticket) = self.sinks else { return Poll::Ready(Ok(())) };
        let flushed = ready!(self.outward.poll_line(ticket, cx));
        self.sinks = None;
        Poll::Ready(flushed.map_err(SendError))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError<S>>> {
        self.poll_flush(cx)
    }
}
