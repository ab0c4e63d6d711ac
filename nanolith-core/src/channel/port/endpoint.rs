//! One end of two.

use super::{
    channel::{Direction, Observers},
    error::{TryRecvError, TrySendError},
    recv::{Receiving, ReceivingWithin},
    send::Sending,
};
use crate::wake::{Registration, WaitTicket};
use std::{fmt, sync::Arc, time::Duration};

/// One end of two: it sends `S` and receives `R`. Made by [`pair`](super::pair) and [`bounded`](super::bounded); the module says what holds.
///
/// ```
/// use nanolith::port::{self, Port};
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
    /// Where it waits as a stream.
    pub(super) streams: Registration<Observers<Arc<Direction<R>>>>,
    /// Where a message stands in line that it took as a sink.
    pub(super) sinks: Option<WaitTicket>,
}

impl<S, R> Port<S, R> {
    pub(super) fn new(outward: Arc<Direction<S>>, inward: Arc<Direction<R>>) -> Self {
        let streams = Observers::at(inward.clone());
        Self { outward, inward, streams, sinks: None }
    }

    /// Sends a message, and waits for room if it must. Without a bound there always is room.
    ///
    /// ```
    /// use nanolith::port;
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
    /// [`SendError`](super::SendError) with the message when the other port is closed, or closes while this one waits.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has sent nothing; the message is dropped.
    pub fn send(&self, message: S) -> Sending<'_, S> {
        Sending::new(&self.outward, message)
    }

    /// Sends a message if that takes no waiting.
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
    /// [`TrySendError`] with the message.
    pub fn try_send(&self, message: S) -> Result<(), TrySendError<S>> {
        self.outward.try_send(message)
    }

    /// Waits for the next message.
    ///
    /// ```
    /// use nanolith::port;
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
    /// [`RecvError`](super::RecvError) when the other port is closed and all that it sent was received.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has received nothing.
    pub fn recv(&self) -> Receiving<'_, R> {
        Receiving::new(&self.inward)
    }

    /// The next message, if it is there.
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
    /// [`TryRecvError`], which tells a port with nothing in it from one to which nothing can come.
    pub fn try_recv(&self) -> Result<R, TryRecvError> {
        self.inward.try_recv()
    }

    /// Waits for the next message, but not longer than `limit`, counted from this call.
    ///
    /// ```
    /// use nanolith::{port::{self, RecvTimeoutError}, time::MILLISECOND};
    /// let (ours, theirs) = port::pair::<i64, ()>();
    /// assert_eq!(theirs.recv_timeout(MILLISECOND).wait(), Err(RecvTimeoutError::Timeout)); // blocks
    /// ours.try_send(4)?;
    /// # pollster::block_on(async {
    /// assert_eq!(theirs.recv_timeout(MILLISECOND).await, Ok(4)); // does not
    /// # });
    /// # Ok::<(), port::TrySendError<i64>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError`](super::RecvTimeoutError).
    pub fn recv_timeout(&self, limit: Duration) -> ReceivingWithin<'_, R> {
        ReceivingWithin::new(self.recv(), limit)
    }

    /// How many messages wait to be received here, those of senders that wait for room included.
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

    /// Whether no message waits to be received here: see [`Port::len`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Closes the port, as dropping it does. What it sent still arrives; what it had not received is dropped, here and now.
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

    /// For a handler, which listens until the port is closed.
    pub(crate) fn inward(&self) -> &Arc<Direction<R>> {
        &self.inward
    }
}

impl<S, R> Drop for Port<S, R> {
    fn drop(&mut self) {
        // First nobody can send to it, so one who sees that no more comes from it sees that too. What it had not received
        // goes last, when all have been told: it is the user's.
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
