//! [`Port`]: one end of a bidirectional channel.

use super::{
    channel::{Direction, Observers},
    error::{TryRecvError, TrySendError},
    recv::Recv,
    send::SendFuture,
};
use crate::wake::{Registration, WaitTicket};
use std::{fmt, sync::Arc};

/// One end of a bidirectional channel: it sends `S` and receives `R`.
///
/// Ports are created in pairs by [`pair`](super::pair) and [`bounded`](super::bounded). The module
/// documentation lists the guarantees.
///
/// ```
/// use nanolith::{port::{self, Port}, prelude::*};
/// let (ours, theirs): (Port<i64, String>, Port<String, i64>) = port::pair();
/// ours.try_send(4)?;
/// drop(ours); // closes it
/// assert_eq!(theirs.recv().wait(), Ok(4));
/// assert!(theirs.recv().wait().is_err());
/// # Ok::<(), port::TrySendError<i64>>(())
/// ```
#[must_use = "dropped, the port is closed"]
pub struct Port<S, R> {
    pub(super) outward: Arc<Direction<S>>,
    pub(super) inward: Arc<Direction<R>>,
    /// The registration of this port when it is polled as a `Stream`.
    pub(super) streams: Registration<Observers<Arc<Direction<R>>>>,
    /// The ticket of a message that this port accepted as a `Sink` while the queue was full.
    pub(super) sinks: Option<WaitTicket>,
}

impl<S, R> Port<S, R> {
    pub(super) fn new(outward: Arc<Direction<S>>, inward: Arc<Direction<R>>) -> Self {
        let streams = Observers::at(inward.clone());
        Self { outward, inward, streams, sinks: None }
    }

    /// Sends a message, and waits for queue capacity if the other port's queue is full. An
    /// unbounded port always has capacity.
    ///
    /// ```
    /// use nanolith::{port, prelude::*};
    /// let (ours, theirs) = port::bounded::<i64, i64>(1);
    /// ours.send(4).wait()?; // blocks
    /// # pollster::block_on(async {
    /// theirs.send(5).await?; // does not
    /// # Ok::<(), port::SendError<i64>>(()) })?;
    /// # Ok::<(), port::SendError<i64>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`SendError`](super::SendError) with the message when the other port is closed, or
    /// closes while this call waits.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, nothing was sent, and the message is dropped.
    pub fn send(&self, message: S) -> SendFuture<'_, S> {
        SendFuture::new(&self.outward, message)
    }

    /// Sends a message without waiting.
    ///
    /// ```
    /// use nanolith::port::{self, TrySendError};
    /// let (ours, theirs) = port::bounded::<i64, ()>(1);
    /// assert_eq!(ours.try_send(4), Ok(()));
    /// assert_eq!(ours.try_send(5), Err(TrySendError::Full(5)));
    /// # drop(theirs);
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`TrySendError`] with the message when the queue is full or the other port is
    /// closed.
    pub fn try_send(&self, message: S) -> Result<(), TrySendError<S>> {
        self.outward.try_send(message)
    }

    /// Waits for the next message.
    ///
    /// ```
    /// use nanolith::{port, prelude::*};
    /// let (ours, theirs) = port::pair::<i64, i64>();
    /// ours.try_send(4)?;
    /// assert_eq!(theirs.recv().wait(), Ok(4)); // blocks
    /// theirs.try_send(5)?;
    /// # pollster::block_on(async {
    /// assert_eq!(ours.recv().await, Ok(5)); // does not
    /// # });
    /// # Ok::<(), port::TrySendError<i64>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`RecvError`](super::RecvError) when the other port is closed and all messages that
    /// it sent were received.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, no message was received.
    pub fn recv(&self) -> Recv<'_, R> {
        Recv::new(&self.inward)
    }

    /// Receives the next message without waiting.
    ///
    /// ```
    /// use nanolith::port::{self, TryRecvError};
    /// let (ours, theirs) = port::pair::<i64, ()>();
    /// assert_eq!(theirs.try_recv(), Err(TryRecvError::Empty));
    /// ours.try_send(4)?;
    /// assert_eq!(theirs.try_recv(), Ok(4));
    /// # Ok::<(), port::TrySendError<i64>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`TryRecvError::Empty`] when no message is available, and [`TryRecvError::Closed`]
    /// when no message can arrive any more.
    pub fn try_recv(&self) -> Result<R, TryRecvError> {
        self.inward.try_recv()
    }

    /// Returns the number of messages that this port can receive now. Messages of senders that wait
    /// for queue capacity are included.
    ///
    /// ```
    /// use nanolith::port;
    /// let (ours, theirs) = port::pair::<i64, ()>();
    /// ours.try_send(4)?;
    /// assert_eq!((theirs.len(), theirs.is_empty(), ours.is_empty()), (1, false, true));
    /// # Ok::<(), port::TrySendError<i64>>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.inward.len()
    }

    /// Returns `true` if this port has no message to receive. See [`Port::len`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Closes the port. Dropping the port has the same effect.
    ///
    /// Messages that this port sent still arrive. Messages that it had not received are dropped by
    /// the calling thread.
    ///
    /// ```
    /// use nanolith::port::{self, TrySendError};
    /// let (ours, theirs) = port::pair::<i64, i64>();
    /// ours.try_send(4)?;
    /// ours.close();
    /// assert_eq!(theirs.try_send(5), Err(TrySendError::Closed(5)));
    /// assert_eq!(theirs.iter().collect::<Vec<_>>(), [4]);
    /// # Ok::<(), TrySendError<i64>>(())
    /// ```
    pub fn close(self) {}

    /// Returns the incoming direction, for a handler that receives until the port is closed.
    pub(crate) fn inward(&self) -> &Arc<Direction<R>> {
        &self.inward
    }
}

impl<S, R> Drop for Port<S, R> {
    fn drop(&mut self) {
        // The receiver closes before the sender. So a thread that sees the sender closed also sees
        // that sends to this port fail. The unreceived messages are user values, so they are
        // dropped last, after all waiters were notified.
        let unreceived = self.inward.close_receiver();
        self.outward.close_sender();
        drop(unreceived);
    }
}

impl<S, R> fmt::Debug for Port<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port").field("len", &self.len()).field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}
