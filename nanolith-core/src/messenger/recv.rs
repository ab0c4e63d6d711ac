//! Waiting for a message: the next one or a certain one, with a limit or without.

use super::{RecvError, RecvTimeoutError, Subscriber};
use crate::{
    time::{Sleep, sleep},
    wait,
};
use std::{
    fmt,
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

/// Waits for the next message: made by [`Subscriber::recv`].
///
/// ```
/// use nanolith::messenger::{Messenger, Recv};
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
/// [`RecvError::Lost`] with the number of messages that were dropped before the next one, once; [`RecvError::Closed`] when no
/// more will come.
///
/// # Cancel safety
///
/// Dropped, it has received nothing.
#[must_use = "nothing is received until awaited or waited on"]
pub struct Recv<'a, T> {
    subscriber: &'a mut Subscriber<T>,
}

impl<'a, T: Clone> Recv<'a, T> {
    #[inline]
    pub(super) fn new(subscriber: &'a mut Subscriber<T>) -> Self {
        Self { subscriber }
    }

    /// Blocks for the message. Within a task, the slot is released meanwhile.
    ///
    /// ```
    /// use nanolith::Messenger;
    /// let left = Messenger::new();
    /// let mut heard = left.join().subscribe();
    /// std::thread::spawn(move || left.send(9).wait());
    /// assert_eq!(heard.recv().wait()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`Subscriber::recv`].
    #[inline]
    pub fn wait(self) -> Result<T, RecvError> {
        match self.subscriber.look() {
            Some(received) => received,
            None => self.wait_long(),
        }
    }

    #[cold]
    fn wait_long(self) -> Result<T, RecvError> {
        self.subscriber.look_on();
        wait::block_on_anybody(self)
    }
}

impl<T: Clone> Future for Recv<'_, T> {
    type Output = Result<T, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.subscriber.poll_recv(cx)
    }
}

impl<T> fmt::Debug for Recv<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recv").finish_non_exhaustive()
    }
}

/// A limit that counts from when it was set; the timer is armed when a future first asks.
struct Limit {
    deadline: Option<Instant>,
    sleep: Option<Sleep>,
}

impl Limit {
    fn new(limit: Duration) -> Self {
        Self { deadline: Instant::now().checked_add(limit), sleep: None }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else { return Poll::Pending };
        let left = || sleep(deadline.saturating_duration_since(Instant::now()));
        Pin::new(self.sleep.get_or_insert_with(left)).poll(cx)
    }
}

/// Waits for the next message, not longer than a limit: made by [`Subscriber::recv_timeout`].
///
/// ```
/// use nanolith::{messenger::{Messenger, RecvTimeout}, time::MINUTE};
/// let left = Messenger::new();
/// let mut heard = left.join().subscribe();
/// left.send(9).wait()?;
/// let next: RecvTimeout<'_, i64> = heard.recv_timeout(MINUTE);
/// assert_eq!(next.wait()?, 9); // or `.await`
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// As [`Recv`], and [`RecvTimeoutError::TimedOut`].
///
/// # Panics
///
/// As [`sleep`](crate::time::sleep) does.
///
/// # Cancel safety
///
/// Dropped, it has received nothing.
#[must_use = "nothing is received until awaited or waited on"]
pub struct RecvTimeout<'a, T> {
    recv: Recv<'a, T>,
    limit: Limit,
}

impl<'a, T: Clone> RecvTimeout<'a, T> {
    pub(super) fn new(recv: Recv<'a, T>, limit: Duration) -> Self {
        Self { recv, limit: Limit::new(limit) }
    }

    /// Blocks for the message. Within a task, the slot is released meanwhile.
    ///
    /// ```
    /// use nanolith::{Messenger, time::MILLISECOND};
    /// let left = Messenger::<u32>::new();
    /// let mut heard = left.join().subscribe();
    /// assert!(heard.recv_timeout(MILLISECOND).wait().is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Recv`], and [`RecvTimeoutError::TimedOut`].
    pub fn wait(self) -> Result<T, RecvTimeoutError> {
        let received = wait::block_on_anybody_until(pin!(self.recv), self.limit.deadline);
        received.map_or(Err(RecvTimeoutError::TimedOut), |received| received.map_err(Into::into))
    }
}

impl<T: Clone> Future for RecvTimeout<'_, T> {
    type Output = Result<T, RecvTimeoutError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(received) = self.recv.subscriber.poll_recv(cx) {
            return Poll::Ready(received.map_err(Into::into));
        }
        ready!(self.limit.poll(cx));
        Poll::Ready(Err(RecvTimeoutError::TimedOut))
    }
}

impl<T> fmt::Debug for RecvTimeout<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvTimeout").field("deadline", &self.limit.deadline).finish_non_exhaustive()
    }
}

/// Waits for a message for which a predicate holds: made by [`Subscriber::wait_for`].
///
/// ```
/// use nanolith::Messenger;
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
/// As [`Recv`].
///
/// # Cancel safety
///
/// Dropped, it has passed over the messages that it saw.
#[must_use = "nothing is received until awaited or waited on"]
pub struct WaitFor<'a, T, P> {
    subscriber: &'a mut Subscriber<T>,
    predicate: P,
}

/// How many messages are looked at before others have their turn, and a limit its look at the clock.
const TURN: usize = 64;

/// Nothing in it is pinned.
impl<T, P> Unpin for WaitFor<'_, T, P> {}

impl<'a, T: Clone, P: FnMut(&T) -> bool> WaitFor<'a, T, P> {
    pub(super) fn new(subscriber: &'a mut Subscriber<T>, predicate: P) -> Self {
        Self { subscriber, predicate }
    }

    /// Blocks for the message. Within a task, the slot is released meanwhile.
    ///
    /// ```
    /// use nanolith::Messenger;
    /// let left = Messenger::new();
    /// let mut heard = left.join().subscribe();
    /// left.send(4).wait()?;
    /// left.send(7).wait()?;
    /// assert_eq!(heard.wait_for(|n| n % 2 == 1).wait()?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Recv`].
    pub fn wait(self) -> Result<T, RecvError> {
        wait::block_on_anybody(self)
    }
}

impl<T: Clone, P: FnMut(&T) -> bool> Future for WaitFor<'_, T, P> {
    type Output = Result<T, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        for _ in 0..TURN {
            let received = ready!(self.subscriber.poll_recv(cx));
            match &received {
                Ok(message) if !(self.predicate)(message) => {}
                _ => return Poll::Ready(received),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<T, P> fmt::Debug for WaitFor<'_, T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitFor").finish_non_exhaustive()
    }
}

/// Waits for a message for which a predicate holds, not longer than a limit: made by [`Subscriber::wait_for_timeout`].
///
/// ```
/// use nanolith::{Messenger, time::MINUTE};
/// let left = Messenger::new();
/// let mut heard = left.join().subscribe();
/// left.send(7).wait()?;
/// assert_eq!(heard.wait_for_timeout(|n| *n == 7, MINUTE).wait()?, 7); // or `.await`
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// As [`Recv`], and [`RecvTimeoutError::TimedOut`].
///
/// # Panics
///
/// As [`sleep`](crate::time::sleep) does.
///
/// # Cancel safety
///
/// Dropped, it has passed over the messages that it saw.
#[must_use = "nothing is received until awaited or waited on"]
pub struct WaitForTimeout<'a, T, P> {
    wait_for: WaitFor<'a, T, P>,
    limit: Limit,
}

impl<'a, T: Clone, P: FnMut(&T) -> bool> WaitForTimeout<'a, T, P> {
    pub(super) fn new(subscriber: &'a mut Subscriber<T>, predicate: P, limit: Duration) -> Self {
        Self { wait_for: WaitFor::new(subscriber, predicate), limit: Limit::new(limit) }
    }

    /// Blocks for the message. Within a task, the slot is released meanwhile.
    ///
    /// ```
    /// use nanolith::{Messenger, time::MILLISECOND};
    /// let left = Messenger::<u32>::new();
    /// let mut heard = left.join().subscribe();
    /// assert!(heard.wait_for_timeout(|_| true, MILLISECOND).wait().is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Recv`], and [`RecvTimeoutError::TimedOut`].
    pub fn wait(self) -> Result<T, RecvTimeoutError> {
        let received = wait::block_on_anybody_until(pin!(self.wait_for), self.limit.deadline);
        received.map_or(Err(RecvTimeoutError::TimedOut), |received| received.map_err(Into::into))
    }
}

impl<T: Clone, P: FnMut(&T) -> bool> Future for WaitForTimeout<'_, T, P> {
    type Output = Result<T, RecvTimeoutError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(received) = Pin::new(&mut self.wait_for).poll(cx) {
            return Poll::Ready(received.map_err(Into::into));
        }
        ready!(self.limit.poll(cx));
        Poll::Ready(Err(RecvTimeoutError::TimedOut))
    }
}

impl<T, P> fmt::Debug for WaitForTimeout<'_, T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitForTimeout").field("deadline", &self.limit.deadline).finish_non_exhaustive()
    }
}
