//! [`WaitFor`]: the future that waits for the first message of a port for which a predicate holds.

use super::{
    Port,
    channel::{Direction, Observers},
    error::RecvError,
    state::Sequence,
};
use crate::{
    context::wait::{self, Sealed, Wait},
    wake::Registration,
};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

impl<S, R> Port<S, R> {
    /// Waits for the first message that `fits`. The messages before it are kept, in order, for
    /// later receives. They count as received, so they no longer count against the bound.
    ///
    /// Messages that an earlier `wait_for` kept are inspected too. While messages are inspected,
    /// other receives of the same port wait. So `fits` must not receive from this port.
    ///
    /// ```
    /// use nanolith::{port, prelude::*};
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
    /// Returns [`RecvError`] when the other port is closed and no message that it sent fits.
    ///
    /// # Panics
    ///
    /// A panic of `fits` is passed on to the caller. The messages are kept.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, no message was taken: the inspected messages
    /// are kept.
    pub fn wait_for<P: FnMut(&R) -> bool>(&self, fits: P) -> WaitFor<'_, R, P> {
        WaitFor::new(&self.inward, fits)
    }
}

/// A future that waits for the first message that fits. Created by
/// [`Port::wait_for`](super::Port::wait_for).
///
/// ```
/// use nanolith::{port, prelude::*};
/// let (ours, theirs) = port::pair::<(), i64>();
/// [1, 2, 3].map(|n| theirs.try_send(n)).into_iter().collect::<Result<(), _>>()?;
/// # pollster::block_on(async {
/// assert_eq!(ours.wait_for(|n| n % 2 == 0).await, Ok(2)); // or `.wait()`, which blocks
/// # });
/// assert_eq!(ours.try_iter().collect::<Vec<_>>(), [1, 3]); // kept, in order
/// # Ok::<(), port::TrySendError<i64>>(())
/// ```
///
/// # Errors
///
/// Returns [`RecvError`] when the other port is closed and no message that it sent fits.
///
/// # Cancel safety
///
/// If the future is dropped before it is ready, no message was taken: the inspected messages are
/// kept.
#[must_use = "receives nothing until awaited or waited on"]
pub struct WaitFor<'a, R, P> {
    waiter: Registration<Observers<&'a Direction<R>>>,
    predicate: P,
    /// The number of the first message that this future has not inspected.
    unseen: Sequence,
}

/// The number of batches that one poll inspects before it yields to other tasks.
const TURN: usize = 64;

// No field is pinned.
impl<R, P> Unpin for WaitFor<'_, R, P> {}

impl<'a, R, P: FnMut(&R) -> bool> WaitFor<'a, R, P> {
    pub(super) fn new(channel: &'a Direction<R>, fits: P) -> Self {
        Self { waiter: Observers::at(channel), predicate: fits, unseen: 0 }
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

impl<R, P: FnMut(&R) -> bool> Sealed for WaitFor<'_, R, P> {}

impl<R, P: FnMut(&R) -> bool> Wait for WaitFor<'_, R, P> {
    type Pending = Self;

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        wait::timeout(self, limit)
    }
}

impl<R, P> fmt::Debug for WaitFor<'_, R, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitFor").finish_non_exhaustive()
    }
}
