//! The receiving side of the events that a service in a child process sends:
//! [`ProcessService::on_message`] and further methods. [`OwnerEvents`]: what passes an event that has
//! arrived on to them.

use super::{ProcessService, ProcessServiceControl};
use crate::{
    message_error::MessageError,
    pool::{BlockedEvent, EventSink},
    served::ProcessSet,
    wire,
};
use nanolith::{
    __private::{NoMessage, RemoteOutbox},
    messenger::{Subscriber, TrySendError},
    pool::{BuildError, Subscription},
    service::WaitForEvent,
    task::HasOutbox,
};
use std::{any::TypeId, marker::PhantomData};

/// Passes events on to the holders of a service's handles.
pub(super) struct OwnerEvents<S> {
    outbox: RemoteOutbox,
    set: PhantomData<fn(S)>,
}

impl<S: ProcessSet> OwnerEvents<S> {
    pub(super) fn new(outbox: RemoteOutbox) -> Self {
        Self { outbox, set: PhantomData }
    }
}

impl<S: ProcessSet> EventSink for OwnerEvents<S> {
    fn has_events(&self) -> bool {
        TypeId::of::<S::OutboxEvent>() != TypeId::of::<NoMessage>()
    }

    fn accept(&self, event: &[u8]) -> Result<Option<BlockedEvent>, MessageError> {
        let event = wire::decode::<S::OutboxEvent>(event)?;
        match self.outbox.try_send(event) {
            Err(TrySendError::Full(event)) => Ok(Some(Box::pin(self.outbox.clone().send(event)))),
            Ok(_) | Err(_) => Ok(None), // an outbox that is closed has no receiver
        }
    }

    fn close(&self) {
        self.outbox.close();
    }
}

impl<S: ProcessSet> ProcessService<S> {
    /// Passes each event that the service sends from now on to `handler`, on the global pool, as
    /// [`Service::on_message`](nanolith::Service::on_message) does. This ends when the
    /// [`Subscription`] is dropped or the service has ended. Each subscriber receives all events. The
    /// first subscriber also receives the events that were sent before, as far as they are retained.
    ///
    /// Events arrive in the order in which the child sends them, and before the output of the task
    /// that sends them. A restart does not end the subscription.
    ///
    /// ```standalone_crate
    /// use nanolith::prelude::*;
    /// use nanolith_process::ProcessService;
    ///
    /// pub struct Counter { total: i64 }
    ///
    /// #[define(wire, outbox = i64)]
    /// impl Counter {
    ///     #[init]
    ///     fn start(total: i64) -> Self { Self { total } }
    ///     pub fn bump(&mut self, cx: &Context<Self>, by: i64) {
    ///         self.total += by;
    ///         let _ = cx.send(self.total).wait();
    ///     }
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     nanolith_process::init().serve::<(Counter,)>();
    ///     let counter = ProcessService::launch(Counter::service(10)).wait()?;
    ///     let (sender, totals) = std::sync::mpsc::channel();
    ///     let listening = counter.on_message(move |total| { let _ = sender.send(total); })?;
    ///     counter.bump(5).wait()?;
    ///     assert_eq!(totals.recv()?, 15);
    ///     drop(listening);
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`BuildError`] if the global pool cannot be started.
    ///
    /// # Panics
    ///
    /// If `handler` panics, the panic affects that event only; `handler` receives the next event.
    pub fn on_message(&self, handler: impl FnMut(S::Event) + Send + 'static) -> Result<Subscription, BuildError>
    where
        S: HasOutbox,
    {
        self.executor.outbox().on_message(handler)
    }

    /// Waits for an event for which `predicate` returns `true`, among the events that arrive from now
    /// on or are retained. Other subscribers receive the event too.
    ///
    /// ```standalone_crate
    /// use nanolith::prelude::*;
    /// use nanolith_process::ProcessService;
    ///
    /// # pub struct Counter { total: i64 }
    /// # #[define(wire, outbox = i64)]
    /// # impl Counter {
    /// #     #[init]
    /// #     fn start(total: i64) -> Self { Self { total } }
    /// #     pub fn bump(&mut self, cx: &Context<Self>, by: i64) { self.total += by; let _ = cx.send(self.total).wait(); }
    /// # }
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     nanolith_process::init().serve::<(Counter,)>();
    ///     let counter = ProcessService::launch(Counter::service(10)).wait()?;
    ///     let high = counter.wait_for(|total| *total > 20);
    ///     for _ in 0..5 {
    ///         counter.bump(4).wait()?;
    ///     }
    ///     assert_eq!(high.wait()?, 22);
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// The returned future yields them: see [`WaitForEvent`].
    pub fn wait_for<P>(&self, predicate: P) -> WaitForEvent<S::Event, P>
    where
        S: HasOutbox,
        P: FnMut(&S::Event) -> bool,
    {
        self.executor.outbox().wait_for(predicate)
    }
}

impl<S: ProcessSet + HasOutbox> ProcessServiceControl<'_, S> {
    /// Subscribes to the events that the service sends from now on. The [`Subscriber`] receives them
    /// one by one, and is a `Stream` and a blocking iterator. The first subscriber also receives the
    /// events that were sent before, as far as they are retained.
    ///
    /// ```standalone_crate
    /// use nanolith::prelude::*;
    /// use nanolith_process::ProcessService;
    ///
    /// # pub struct Counter { total: i64 }
    /// # #[define(wire, outbox = i64)]
    /// # impl Counter {
    /// #     #[init]
    /// #     fn start(total: i64) -> Self { Self { total } }
    /// #     pub fn bump(&mut self, cx: &Context<Self>, by: i64) { self.total += by; let _ = cx.send(self.total).wait(); }
    /// # }
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     nanolith_process::init().serve::<(Counter,)>();
    ///     let counter = ProcessService::launch(Counter::service(10)).wait()?;
    ///     counter.bump(1).wait()?; // kept for the first subscriber
    ///     let totals = counter.control().events();
    ///     counter.bump(2).wait()?;
    ///     counter.close().wait()?;
    ///     assert_eq!(totals.into_iter().collect::<Vec<_>>(), [11, 13]);
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn events(&self) -> Subscriber<S::Event> {
        self.executor.outbox().subscribe()
    }
}
