//! The futures that receive from a messenger: [`Recv`] and [`ReceivingWithin`] (with a time limit)
//! the next message, [`WaitFor`] the first for which a predicate holds.

use super::{RecvError, Subscriber};
use crate::context::{
    block_on,
    wait::{self, Sealed, Wait},
};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

/// A subscriber that a future polls. Dropping it removes the future's waker from the messenger.
struct Polled<'a, T>(&'a mut Subscriber<T>);

impl<T> Drop for Polled<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.0.rise();
    }
}

/// A future that waits for the next message. Created by [`Subscriber::recv`].
///
/// ```
/// use nanolith::{messenger::{Messenger, Recv}, prelude::*};
/// let left = Messenger::new();
/// let mut heard = left.join().subscribe();
/// left.send(9).wait()?;
/// let next: Recv<'_, i64> = heard.recv();
/// assert_eq!(next.wait()?, 9); // or `.await`
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Returns [`RecvError::Lost`] with the number of messages that were dropped before the next one,
/// once. Returns [`RecvError::Closed`] when no more messages will arrive.
///
/// # Cancel safety
///
/// If the future is dropped before it is ready, no message was received.
#[must_use = "nothing is received until awaited or waited on"]
pub struct Recv<'a, T> {
    subscriber: Polled<'a, T>,
}

impl<'a, T: Clone> Recv<'a, T> {
    #[inline]
    pub(super) fn new(subscriber: &'a mut Subscriber<T>) -> Self {
        Self { subscriber: Polled(subscriber) }
    }

    #[cold]
    #[cfg_attr(feature = "tokio", track_caller)]
    fn wait_long(self) -> Result<T, RecvError> {
        self.subscriber.0.look_on();
        block_on::block_on_any(self)
    }
}

impl<T: Clone> Future for Recv<'_, T> {
    type Output = Result<T, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.subscriber.0.poll_recv(cx)
    }
}

impl<T: Clone> Sealed for Recv<'_, T> {}

impl<T: Clone> Wait for Recv<'_, T> {
    type Pending = Self;

    /// Blocks until a message arrives. Inside a task, the task's slot is released while this method
    /// blocks.
    ///
    /// ```
    /// use nanolith::{messenger::Messenger, prelude::*};
    /// let left = Messenger::new();
    /// let mut heard = left.join().subscribe();
    /// std::thread::spawn(move || left.send(9).wait());
    /// assert_eq!(heard.recv().wait()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Subscriber::recv`].
    #[inline]
    fn wait(self) -> Result<T, RecvError> {
        match self.subscriber.0.look() {
            Some(received) => received,
            None => self.wait_long(),
        }
    }

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        wait::timeout(self, limit)
    }
}

impl<T> fmt::Debug for Recv<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recv").finish_non_exhaustive()
    }
}

/// A future that waits for the first message for which a predicate holds. Created by
/// [`Subscriber::wait_for`].
///
/// ```
/// use nanolith::{messenger::Messenger, prelude::*};
/// let left = Messenger::new();
/// let mut heard = left.join().subscribe();
/// for order in ["tea", "cake"] {
///     left.send(order).wait()?;
/// }
/// assert_eq!(heard.wait_for(|order| order.starts_with('c')).wait()?, "cake"); // or `.await`
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Returns the errors of [`Recv`].
///
/// # Cancel safety
///
/// If the future is dropped, the messages that it inspected are passed over. This is also the case
/// when [`time::timeout`](crate::time::timeout) drops it.
#[must_use = "nothing is received until awaited or waited on"]
pub struct WaitFor<'a, T, P> {
    subscriber: Polled<'a, T>,
    predicate: P,
}

/// The number of messages that one poll inspects before it yields to other tasks, and before a
/// limit is checked against the clock.
const TURN: usize = 64;

/// No field is pinned.
impl<T, P> Unpin for WaitFor<'_, T, P> {}

impl<'a, T: Clone, P: FnMut(&T) -> bool> WaitFor<'a, T, P> {
    pub(super) fn new(subscriber: &'a mut Subscriber<T>, predicate: P) -> Self {
        Self { subscriber: Polled(subscriber), predicate }
    }
}

impl<T: Clone, P: FnMut(&T) -> bool> Future for WaitFor<'_, T, P> {
    type Output = Result<T, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        for _ in 0..TURN {
            let received = ready!(self.subscriber.0.poll_recv(cx));
            match &received {
                Ok(message) if !(self.predicate)(message) => {}
                _ => return Poll::Ready(received),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<T: Clone, P: FnMut(&T) -> bool> Sealed for WaitFor<'_, T, P> {}

impl<T: Clone, P: FnMut(&T) -> bool> Wait for WaitFor<'_, T, P> {
    type Pending = Self;

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        wait::timeout(self, limit)
    }
}

impl<T, P> fmt::Debug for WaitFor<'_, T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitFor").finish_non_exhaustive()
    }
}
