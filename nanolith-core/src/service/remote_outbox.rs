//! [`RemoteOutbox`]: the owners' side of the events of a service whose state lives elsewhere.
//! [`ServiceBuilder::forward_events`]: the service's side.

use super::{ServiceBuilder, WaitForEvent};
use crate::{
    channel::messenger::{LagPolicy, Subscriber, TrySendError},
    pool::{BuildError, Subscription},
    task::{ForwardEvents, Outbox, TaskSet},
};
use std::sync::Arc;

impl<S: TaskSet, E, A> ServiceBuilder<S, E, A> {
    /// Passes the events of the service on to owners that are elsewhere, such as in another process.
    /// `T` is the event type of the set. The handles of this process receive no events.
    #[doc(hidden)]
    pub fn forward_events<T: 'static>(mut self, forwarder: impl ForwardEvents<T> + 'static) -> Self {
        let forwarder: Box<dyn ForwardEvents<T>> = Box::new(forwarder);
        self.settings.forwarder = Some(Box::new(forwarder));
        self
    }
}

/// The events of a service whose state lives elsewhere, for its owners in this process. Clones share
/// the events. The type of the events is the same in each call.
#[derive(Clone)]
#[allow(missing_debug_implementations)] // hidden: for executors of this project
pub struct RemoteOutbox(Arc<Outbox>);

impl RemoteOutbox {
    pub(super) fn new(policy: LagPolicy) -> Self {
        Self(Arc::new(Outbox::new(policy, None)))
    }

    /// Passes an event that has arrived on to the owners, unless one of them has no room.
    ///
    /// # Errors
    ///
    /// Gives the event back.
    pub fn try_send<T: Clone + Send + Sync + 'static>(&self, event: T) -> Result<usize, TrySendError<T>> {
        self.0.event_sender().try_send(event)
    }

    /// Passes an event that has arrived on to the owners when all of them have room.
    pub async fn send<T: Clone + Send + Sync + 'static>(self, event: T) {
        let _ = self.0.event_sender().send(event).await; // an outbox that is closed has no owner
    }

    /// See [`Service::on_message`](super::Service::on_message).
    ///
    /// # Errors
    ///
    /// [`BuildError`] if the global pool cannot be started.
    pub fn on_message<T: Clone + Send + Sync + 'static>(
        &self,
        handler: impl FnMut(T) + Send + 'static,
    ) -> Result<Subscription, BuildError> {
        self.0.events().on_message(handler)
    }

    /// See [`Service::wait_for`](super::Service::wait_for).
    pub fn wait_for<T, P>(&self, predicate: P) -> WaitForEvent<T, P>
    where
        T: Clone + Send + Sync + 'static,
        P: FnMut(&T) -> bool,
    {
        WaitForEvent::new(self.subscribe(), predicate)
    }

    /// See [`ServiceControl::events`](super::ServiceControl::events).
    #[must_use]
    pub fn subscribe<T: Clone + Send + Sync + 'static>(&self) -> Subscriber<T> {
        self.0.events().subscribe()
    }

    /// Closes the outbox, because the service has ended. Its owners receive what was sent before, and
    /// then the end.
    pub fn close(&self) {
        self.0.close();
    }
}
