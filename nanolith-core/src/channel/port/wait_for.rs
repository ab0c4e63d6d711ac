//! Waiting for the first message that fits.

use super::{
    Port,
    channel::{Direction, Observers},
    error::{RecvError, RecvTimeoutError},
    state::Sequence,
};
use crate::{context::block_on, time::Limit, wake::Registration};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

impl<S, R> Port<S, R> {
    /// Waits for the first message that `fits`. Those before it are kept, in order, for later receives; they have been
    /// received, so they take no room of a bound any more.
    ///
    /// Messages that were kept before are looked at too. While it looks, other receives of the same port wait, so `fits` must
    /// not receive from it.
    ///
    /// ```
    /// use nanolith::port;
    /// struct Order { id: u64, urgent: bool }
    /// let (ours, theirs) = port::pair::<Order, ()>();
    /// for (id, urgent) in [(1, false), (2, true), (3, false)] {
    ///     ours.send(Order { id, urgent }).wait()?;
    /// }
    /// let first = theirs.wait_for(|order| order.urgent).wait()?; // or `.await`, or `.wait_timeout(limit)`
    /// assert_eq!(first.id, 2);
    /// assert_eq!(theirs.try_iter().map(|order| order.id).collect::<Vec<_>>(), [1, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`RecvError`] when the other port is closed and nothing that it sent fits.
    ///
    /// # Panics
    ///
    /// A panic of `fits` passes through; the messages are kept.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has taken nothing: what it looked at is kept.
    pub fn wait_for<P: FnMut(&R) -> bool>(&self, fits: P) -> WaitFor<'_, R, P> {
        WaitFor::new(&self.inward, fits)
    }
}

/// The first message that fits, to be waited for: made by [`Port::wait_for`](super::Port::wait_for).
///
/// ```
/// use nanolith::port;
/// let (ours, theirs) = port::pair::<(), i64>();
/// [1, 2, 3].map(|n| theirs.try_send(n)).into_iter().collect::<Result<(), _>>()?;
/// # pollster::block_on(async {
/// assert_eq!(ours.wait_for(|n| n % 2 == 0).await, Ok(2)); // or `.wait()`, which blocks
/// # });
/// assert_eq!(ours.try_iter().collect::<Vec<_>>(), [1, 3]); // kept, in order
/// # Ok::<(), port::TrySendError<i64>>(())
/// ```
///
/// # Cancel safety
///
/// Dropped before it is ready, it has taken nothing: what it looked at is kept.
#[must_use = "receives nothing until awaited or waited on"]
pub struct WaitFor<'a, R, P> {
    waiter: Registration<Observers<&'a Direction<R>>>,
    predicate: P,
    /// The number of the first message that it has not looked at.
    unseen: Sequence,
}

/// How many batches are looked through before others have their turn.
const TURN: usize = 64;

// Nothing here is pinned.
impl<R, P> Unpin for WaitFor<'_, R, P> {}

impl<'a, R, P: FnMut(&R) -> bool> WaitFor<'a, R, P> {
    pub(super) fn new(channel: &'a Direction<R>, fits: P) -> Self {
        Self { waiter: Observers::at(channel), predicate: fits, unseen: 0 }
    }

    /// Blocks until a message that fits is there. Within a task, the slot is released meanwhile.
    ///
    /// ```
    /// use nanolith::port;
    /// let (ours, theirs) = port::pair::<(), i64>();
    /// std::thread::spawn(move || (1..9).try_for_each(|n| theirs.send(n).wait()));
    /// assert_eq!(ours.wait_for(|n| *n > 4).wait(), Ok(5));
    /// assert_eq!(ours.recv().wait(), Ok(1));
    /// ```
    ///
    /// # Errors
    ///
    /// [`RecvError`] when the other port is closed and nothing that it sent fits.
    pub fn wait(self) -> Result<R, RecvError> {
        block_on::block_on_any(self)
    }

    /// Blocks until a message that fits is there, but not longer than `limit`, counted from this call.
    ///
    /// ```
    /// use nanolith::{port::{self, RecvTimeoutError}, time::MILLISECOND};
    /// let (ours, theirs) = port::pair::<(), i64>();
    /// theirs.try_send(1)?;
    /// assert_eq!(ours.wait_for(|n| *n > 4).wait_timeout(MILLISECOND), Err(RecvTimeoutError::Timeout));
    /// assert_eq!(ours.try_recv(), Ok(1));
    /// # Ok::<(), port::TrySendError<i64>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError`].
    pub fn wait_timeout(mut self, limit: Duration) -> Result<R, RecvTimeoutError> {
        let received = block_on::block_on_any_until(Pin::new(&mut self), Limit::new(limit).deadline());
        received.map_or(Err(RecvTimeoutError::Timeout), |received| received.map_err(RecvTimeoutError::from))
    }
}

impl<R, P: FnMut(&R) -> bool> Future for WaitFor<'_, R, P> {
    type Output = Result<R, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        for _ in 0..TURN {
            let Poll::Ready(batch) = this.waiter.poll_judge(this.unseen, cx) else {
                return Poll::Pending;
            };
            match batch?.find(&mut this.predicate) {
                Ok(message) => return Poll::Ready(Ok(message)),
                Err(next) => this.unseen = next,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<R, P> fmt::Debug for WaitFor<'_, R, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitFor").finish_non_exhaustive()
    }
}
