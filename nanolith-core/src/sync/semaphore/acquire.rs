//! [`Acquire`]: the future that waits for permits of a semaphore.

use super::{
    Permit, Semaphore,
    error::{AcquireError, TryAcquireError},
};
use crate::{
    context::{
        block_on,
        wait::{self, Sealed, Wait},
    },
    wake::{NewWaker, WaitState, WaitTicket},
};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// A wait for permits, returned by [`Semaphore::acquire`] and [`Semaphore::acquire_many`].
///
/// ```
/// use nanolith::{prelude::*, sync::{Acquire, Semaphore}};
/// let permits = Semaphore::new(1);
/// let taking: Acquire = permits.acquire();
/// # pollster::block_on(async {
/// let permit = taking.await?; // or `taking.wait()`, which blocks
/// # drop(permit);
/// # Ok::<(), nanolith::sync::AcquireError>(()) }).unwrap();
/// ```
///
/// # Cancel safety
///
/// A wait that is dropped before it is ready leaves the queue. A permit that it was granted goes to
/// the next waiter.
#[must_use = "takes nothing until awaited or waited on"]
pub struct Acquire {
    permits: Semaphore,
    count: usize,
    ticket: Option<WaitTicket>,
}

impl Acquire {
    pub(super) fn new(permits: Semaphore, count: usize) -> Self {
        Self { permits, count, ticket: None }
    }

    fn try_now(&self) -> Option<Result<Permit, AcquireError>> {
        match self.permits.try_acquire_many(self.count) {
            Ok(permit) => Some(Ok(permit)),
            Err(TryAcquireError::Closed) => Some(Err(AcquireError)),
            Err(TryAcquireError::Taken) => None,
        }
    }

    fn taken(&self) -> Permit {
        Permit { permits: self.permits.clone(), count: self.count }
    }
}

impl Future for Acquire {
    type Output = Result<Permit, AcquireError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Some(taken) = this.ticket.is_none().then(|| this.try_now()).flatten() {
            return Poll::Ready(taken); // without a clone of the waker
        }
        let mut waker = NewWaker::of(cx.waker());
        let state = this.permits.core.with(|core, _| match this.ticket {
            Some(ticket) => core.redeem(ticket, &mut waker),
            None if core.is_closed() => WaitState::Dismissed,
            None if core.take(this.count) => WaitState::Granted(this.count),
            None => {
                this.ticket = Some(core.join(this.count, &mut waker));
                WaitState::Waiting
            }
        });
        match state {
            WaitState::Waiting => Poll::Pending,
            WaitState::Granted(_) => {
                this.ticket = None;
                Poll::Ready(Ok(this.taken()))
            }
            WaitState::Dismissed => {
                this.ticket = None;
                Poll::Ready(Err(AcquireError))
            }
        }
    }
}

impl Sealed for Acquire {}

impl Wait for Acquire {
    type Pending = Self;

    /// Blocks until the permits are granted. Within a task, the task's slot is lent meanwhile.
    ///
    /// ```
    /// use nanolith::{prelude::*, sync::Semaphore};
    /// assert_eq!(Semaphore::new(2).acquire_many(2).wait()?.count(), 2);
    /// # Ok::<(), nanolith::sync::AcquireError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`AcquireError`] once the permits are closed.
    fn wait(self) -> Result<Permit, AcquireError> {
        match self.ticket.is_none().then(|| self.try_now()).flatten() {
            Some(taken) => taken,
            None => block_on::block_on_any(self),
        }
    }

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        wait::timeout(self, limit)
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.permits.core.with(|core, after| core.leave(ticket, after));
        }
    }
}

impl fmt::Debug for Acquire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire").field("count", &self.count).field("waits", &self.ticket.is_some()).finish()
    }
}
