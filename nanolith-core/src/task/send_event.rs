//! [`SendEvent`]: the future by which a task of a service sends an event to the service's owners,
//! the holders of its handles. [`Context::send`] creates it.

use super::{Context, ForwardEvents, HasOutbox, Outbox, TaskSet};
use crate::{
    channel::messenger::{SendError, SendFuture, TrySendError},
    context::{
        block_on,
        wait::{Sealed, Wait},
    },
};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{self, Poll},
    time::{Duration, Instant},
};

impl<S: TaskSet> Context<S> {
    /// Sends an event to the service's owners: see
    /// [`Service::on_message`](crate::service::Service::on_message). Await the returned value, or
    /// block on it with `.wait()`. By default it waits for owners that have 1,024 events ahead of
    /// them.
    ///
    /// Before the first owner receives, a send does not wait. Events up to the bound are kept for
    /// that owner, and it learns how many were lost. On a pool no owner can ever receive.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # pub struct Counter { total: i64 }
    /// #[define(outbox = i64)]
    /// impl Counter {
    ///     pub fn bump(&mut self, cx: &Context<Self>, by: i64) {
    ///         self.total += by;
    ///         let _ = cx.send(self.total).wait();
    ///     }
    /// }
    /// let counter = Counter::service(Counter { total: 10 }).launch().wait()?;
    /// let mut totals = counter.control().events();
    /// counter.bump(5).wait()?;
    /// assert_eq!(totals.recv().wait()?, 15);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send(&self, event: S::Event) -> SendEvent<'_, S::Event>
    where
        S: HasOutbox,
    {
        SendEvent(match Outbox::of(self.executor_data()) {
            Some(outlets) => match outlets.forwarder() {
                Some(forwarder) => SendState::Forward(forwarder, Some(event)),
                None => SendState::Out(outlets.event_sender().send(event)),
            },
            None => SendState::Nowhere(Some(event)),
        })
    }

    /// Sends an event without waiting.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # pub struct Counter { total: i64 }
    /// #[define(outbox = i64)]
    /// impl Counter {
    ///     pub fn bump(&mut self, cx: &Context<Self>, by: i64) -> bool {
    ///         self.total += by;
    ///         cx.try_send(self.total).is_ok()
    ///     }
    /// }
    /// let counter = Counter::service(Counter { total: 10 }).launch().wait()?;
    /// assert!(counter.bump(5).wait()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`TrySendError`] gives the event back: an owner is too far behind, or no owner can ever
    /// receive it.
    pub fn try_send(&self, event: S::Event) -> Result<usize, TrySendError<S::Event>>
    where
        S: HasOutbox,
    {
        match Outbox::of(self.executor_data()) {
            Some(outlets) => match outlets.forwarder() {
                Some(forwarder) => forwarder.forward(event, Some(Instant::now())),
                None => outlets.event_sender().try_send(event),
            },
            None => Err(TrySendError::Closed(event)),
        }
    }
}

/// A future that sends an event to a service's owners when all of them have capacity.
/// [`Context::send`] creates it. Its output is the number of owners.
///
/// # Errors
///
/// [`SendError`] with the event if no owner can ever receive it: on a pool.
///
/// # Panics
///
/// As a future, when polled after it was ready.
///
/// # Cancel safety
///
/// If it is dropped before it is ready, the event is not sent, unless the send completes at that
/// very moment.
#[must_use = "nothing is said until awaited or waited on"]
pub struct SendEvent<'a, T>(SendState<'a, T>);

enum SendState<'a, T> {
    Out(SendFuture<'a, T>),
    /// The owners are elsewhere. A wait for room is one of the thread.
    Forward(&'a dyn ForwardEvents<T>, Option<T>),
    Nowhere(Option<T>),
}

const POLLED_AGAIN: &str = "it was polled after it was ready";

impl<T> Unpin for SendEvent<'_, T> {}

impl<T> SendEvent<'_, T> {
    /// Takes the event back. Returns `None` if it was sent.
    ///
    /// An event whose wait has reached its time limit may be sent until this call.
    pub fn into_inner(self) -> Option<T> {
        match self.0 {
            SendState::Out(sending) => sending.into_inner(),
            SendState::Forward(_, event) | SendState::Nowhere(event) => event,
        }
    }
}

impl<T> Future for SendEvent<'_, T> {
    type Output = Result<usize, SendError<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            SendState::Out(sending) => Pin::new(sending).poll(cx),
            SendState::Forward(forwarder, event) => {
                let sent = forwarder.forward(event.take().expect(POLLED_AGAIN), None);
                Poll::Ready(sent.map_err(|unsent| SendError(unsent.into_inner())))
            }
            SendState::Nowhere(event) => Poll::Ready(Err(SendError(event.take().expect(POLLED_AGAIN)))),
        }
    }
}

impl<T> Sealed for SendEvent<'_, T> {}

impl<T> Wait for SendEvent<'_, T> {
    type Pending = Self;

    /// Blocks until the event is sent.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # pub struct Geometry;
    /// #[define(outbox = String)]
    /// impl Geometry {
    ///     pub fn announce(cx: &Context<Self>) -> Result<usize, String> {
    ///         cx.send("hello".into()).wait().map_err(|unsent| unsent.into_inner())
    ///     }
    /// }
    /// assert_eq!(Geometry::tasks().announce().wait()?, Err("hello".into())); // a pool has no owner
    /// # Ok::<(), CallError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SendError`] with the event if no owner can ever receive it.
    fn wait(self) -> Result<usize, SendError<T>> {
        match self.0 {
            SendState::Out(sending) => sending.wait(),
            ready @ (SendState::Forward(..) | SendState::Nowhere(_)) => {
                block_on::block_on_any(SendEvent(ready)) // its first poll is its last
            }
        }
    }

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        match self.0 {
            SendState::Out(sending) => {
                sending.wait_timeout(limit).map_err(|pending| SendEvent(SendState::Out(pending)))
            }
            SendState::Forward(forwarder, Some(event)) => {
                match forwarder.forward(event, Instant::now().checked_add(limit)) {
                    Err(TrySendError::Full(event)) => Err(SendEvent(SendState::Forward(forwarder, Some(event)))),
                    Err(TrySendError::Closed(event)) => Ok(Err(SendError(event))),
                    Ok(owners) => Ok(Ok(owners)),
                }
            }
            ready @ (SendState::Forward(..) | SendState::Nowhere(_)) => Ok(SendEvent(ready).wait()),
        }
    }
}

impl<T> fmt::Debug for SendEvent<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendEvent").finish_non_exhaustive()
    }
}
