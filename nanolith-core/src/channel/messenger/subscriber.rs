//! [`Subscriber`] receives the messages that the other endpoints of a messenger send.

use super::{Recv, RecvError, TryRecvError, WaitFor, shared::Endpoint};
use crate::channel::broadcast::{Received, Receiver};
use crate::context::Wait;
use futures_util::Stream;
use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// The receiving end of a messenger: it receives the messages that other endpoints send after its
/// creation. Created by [`Messenger::subscribe`].
///
/// An endpoint is one handle of the messenger, with its clones. Its own messages do not arrive at
/// its own subscribers. With the default [`LagPolicy`](super::LagPolicy), a send waits while a
/// subscriber has 1,024 messages that it has not received.
///
/// ```
/// use nanolith::{messenger::Messenger, prelude::*};
/// let (left, right) = (Messenger::<i64>::open("figures")?, Messenger::<i64>::open("figures")?);
/// let heard = right.subscribe();
/// for n in 0..3 {
///     left.send(n).wait()?;
/// }
/// left.close_all();
/// assert_eq!(heard.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A subscriber is also a [`Stream`], and an iterator that blocks its thread for each message. With
/// [`LagPolicy::DropOldest`](super::LagPolicy::DropOldest), a slow subscriber loses messages. The
/// stream and the iterator skip these, and [`Subscriber::lost`] returns how many there were.
///
/// Dropping a subscriber drops the messages that it has not received. Senders no longer wait for
/// it.
///
/// [`Messenger::subscribe`]: super::Messenger::subscribe
pub struct Subscriber<T> {
    seat: Arc<Endpoint<T>>,
    receiver: Receiver<T>,
    lost: u64,
}

/// No field is pinned.
impl<T> Unpin for Subscriber<T> {}

impl<T: Clone> Subscriber<T> {
    pub(super) fn new(seat: Arc<Endpoint<T>>, receiver: Receiver<T>) -> Self {
        Self { seat, receiver, lost: 0 }
    }

    /// Waits for the next message.
    ///
    /// ```
    /// use nanolith::{messenger::Messenger, prelude::*};
    /// let left = Messenger::new();
    /// let mut heard = left.join().subscribe();
    /// left.send(9).wait()?;
    /// assert_eq!(heard.recv().wait()?, 9);
    /// # pollster::block_on(async {
    /// left.send(10).await?;
    /// assert_eq!(heard.recv().await?, 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`RecvError::Lost`] with the number of messages that were dropped before the next
    /// one, once. Returns [`RecvError::Closed`] when no more messages will arrive.
    pub fn recv(&mut self) -> Recv<'_, T> {
        Recv::new(self)
    }

    /// Receives the next message without waiting.
    ///
    /// ```
    /// use nanolith::{messenger::{Messenger, TryRecvError}, prelude::*};
    /// let left = Messenger::new();
    /// let mut heard = left.join().subscribe();
    /// assert_eq!(heard.try_recv(), Err(TryRecvError::Empty));
    /// left.send(9).wait()?;
    /// assert_eq!(heard.try_recv(), Ok(9));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Subscriber::recv`], and [`TryRecvError::Empty`] when no message is
    /// available.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        if self.is_closed() {
            return Err(TryRecvError::Closed);
        }
        match self.receiver.take_now() {
            Some(taken) => self.heard(taken).map_err(Into::into),
            None => Err(TryRecvError::Empty),
        }
    }

    /// Waits for the next message for which `predicate` returns `true`. The messages before it are
    /// skipped.
    ///
    /// ```
    /// use nanolith::{messenger::Messenger, prelude::*};
    /// let left = Messenger::new();
    /// let mut heard = left.join().subscribe();
    /// for n in 0..9 {
    ///     left.send(n).wait()?;
    /// }
    /// assert_eq!(heard.wait_for(|n| *n > 4).wait()?, 5);
    /// assert_eq!(heard.recv().wait()?, 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Subscriber::recv`]. A lost message may have been one that fits.
    pub fn wait_for<P: FnMut(&T) -> bool>(&mut self, predicate: P) -> WaitFor<'_, T, P> {
        WaitFor::new(self, predicate)
    }

    /// Returns an iterator that blocks for each message and ends when no more messages will arrive.
    /// It skips lost messages.
    ///
    /// ```
    /// use nanolith::{messenger::Messenger, prelude::*};
    /// let left = Messenger::new();
    /// let mut heard = left.join().subscribe();
    /// for n in 0..9 {
    ///     left.send(n).wait()?;
    /// }
    /// assert_eq!(heard.iter().take(3).collect::<Vec<_>>(), [0, 1, 2]);
    /// assert_eq!(heard.recv().wait()?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&mut self) -> Messages<&mut Self> {
        Messages(self)
    }

    /// Returns the number of messages that were sent to this subscriber and that it has not
    /// received.
    ///
    /// ```
    /// use nanolith::{messenger::Messenger, prelude::*};
    /// let left = Messenger::new();
    /// let mut heard = left.join().subscribe();
    /// left.send(1).wait()?;
    /// left.send(2).wait()?;
    /// assert_eq!((heard.lag(), heard.recv().wait()?, heard.lag()), (2, 1, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.receiver.lag()
    }

    /// Returns the number of lost messages that its receives have reported up to now.
    ///
    /// ```
    /// use nanolith::{messenger::{LagPolicy, Messenger}, prelude::*};
    /// let left = Messenger::builder().on_lag(LagPolicy::DropOldest(2)).build()?;
    /// let mut heard = left.join().subscribe();
    /// for n in 0..9 {
    ///     left.send(n).wait()?;
    /// }
    /// assert_eq!(heard.iter().take(2).collect::<Vec<_>>(), [7, 8]);
    /// assert_eq!(heard.lost(), 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Returns `true` if the endpoint is closed. Then the subscriber keeps no messages in memory.
    #[inline]
    fn is_closed(&mut self) -> bool {
        let closed = self.seat.is_closed();
        if closed {
            self.receiver.release();
        }
        closed
    }

    /// Spins for a while, until a message arrives.
    #[inline]
    pub(super) fn look_on(&self) {
        self.receiver.look_on();
    }

    /// Returns the next message, or an error, if it is visible without waiting.
    #[inline]
    pub(super) fn look(&mut self) -> Option<Result<T, RecvError>> {
        if self.is_closed() {
            return Some(Err(RecvError::Closed));
        }
        let taken = self.receiver.try_recv()?;
        Some(self.heard(taken))
    }

    pub(super) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, RecvError>> {
        if self.is_closed() {
            return Poll::Ready(Err(RecvError::Closed));
        }
        let taken = ready!(self.receiver.poll_recv(cx));
        Poll::Ready(self.heard(taken))
    }

    #[inline]
    fn heard(&mut self, taken: Received<T>) -> Result<T, RecvError> {
        match taken {
            Received::Message(message) => Ok(message),
            Received::Lost(count) => {
                self.lost += count;
                Err(RecvError::Lost(count))
            }
            Received::Ended => Err(RecvError::Closed),
        }
    }
}

impl<T> Subscriber<T> {
    /// Takes back the waker of the last poll, if the log still has it.
    #[inline]
    pub(super) fn rise(&mut self) {
        self.receiver.rise();
    }
}

impl<T: Clone> Stream for Subscriber<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        loop {
            match ready!(self.poll_recv(cx)) {
                Ok(message) => return Poll::Ready(Some(message)),
                Err(RecvError::Lost(_)) => {}
                Err(RecvError::Closed) => return Poll::Ready(None),
            }
        }
    }
}

/// An iterator that blocks for each message of a subscriber. Created by [`Subscriber::iter`], and
/// by `for`.
///
/// ```
/// use nanolith::{messenger::Messenger, prelude::*};
/// let left = Messenger::new();
/// let heard = left.join().subscribe();
/// left.send(9).wait()?;
/// left.close_all();
/// for n in heard {
///     assert_eq!(n, 9);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Messages<S>(S);

fn next<T: Clone>(subscriber: &mut Subscriber<T>) -> Option<T> {
    loop {
        match subscriber.recv().wait() {
            Ok(message) => return Some(message),
            Err(RecvError::Lost(_)) => {}
            Err(RecvError::Closed) => return None,
        }
    }
}

impl<T: Clone> Iterator for Messages<&mut Subscriber<T>> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        next(self.0)
    }
}

impl<T: Clone> Iterator for Messages<Subscriber<T>> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        next(&mut self.0)
    }
}

impl<T: Clone> IntoIterator for Subscriber<T> {
    type Item = T;
    type IntoIter = Messages<Self>;

    fn into_iter(self) -> Messages<Self> {
        Messages(self)
    }
}

impl<'a, T: Clone> IntoIterator for &'a mut Subscriber<T> {
    type Item = T;
    type IntoIter = Messages<Self>;

    fn into_iter(self) -> Messages<&'a mut Subscriber<T>> {
        Messages(self)
    }
}

impl<T> fmt::Debug for Subscriber<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber")
            .field("messenger", &self.seat.hub.name)
            .field("lost", &self.lost)
            .finish_non_exhaustive()
    }
}
