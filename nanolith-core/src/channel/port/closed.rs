//! [`Closed`]: the future that waits until the other port of a pair is closed.

use super::{
    Port,
    channel::{Closers, Direction},
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
    /// Waits until the other port is closed. Messages that it sent before may still be available.
    ///
    /// ```
    /// use nanolith::{port, prelude::*};
    /// let (ours, theirs) = port::pair::<i64, ()>();
    /// ours.try_send(4)?;
    /// drop(ours);
    /// theirs.closed().wait(); // or `.await`
    /// assert_eq!(theirs.try_recv(), Ok(4));
    /// # Ok::<(), port::TrySendError<i64>>(())
    /// ```
    pub fn closed(&self) -> Closed<'_, R> {
        Closed::new(&self.inward)
    }

    /// Returns `true` if the other port is closed. Messages that it sent before may still be
    /// available.
    ///
    /// ```
    /// use nanolith::port;
    /// let (ours, theirs) = port::pair::<(), ()>();
    /// assert!(!ours.is_closed());
    /// theirs.close();
    /// assert!(ours.is_closed());
    /// ```
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.outward.is_receiver_gone() || self.inward.is_sender_gone()
    }
}

/// A future that waits until the other port is closed. Created by
/// [`Port::closed`](super::Port::closed).
///
/// ```
/// use nanolith::{port::{self, Closed}, prelude::*};
/// let (ours, theirs) = port::pair::<(), ()>();
/// theirs.close();
/// let closed: Closed<'_, ()> = ours.closed();
/// # pollster::block_on(async {
/// closed.await; // or `closed.wait()`, which blocks
/// # });
/// ```
///
/// # Cancel safety
///
/// This future can be dropped and created again at any time.
#[must_use = "does nothing until awaited or waited on"]
pub struct Closed<'a, R> {
    waiter: Registration<Closers<&'a Direction<R>>>,
}

impl<'a, R> Closed<'a, R> {
    pub(super) fn new(channel: &'a Direction<R>) -> Self {
        Self { waiter: Closers::at(channel) }
    }
}

impl<R> Future for Closed<'_, R> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.waiter.poll_closed(cx)
    }
}

impl<R> Sealed for Closed<'_, R> {}

impl<R> Wait for Closed<'_, R> {
    type Pending = Self;

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        wait::timeout(self, limit)
    }
}

impl<R> fmt::Debug for Closed<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closed").finish_non_exhaustive()
    }
}
