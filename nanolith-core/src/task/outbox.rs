//! [`Outbox`]: the channels from a service to its owners, the holders of its handles. The service's
//! tasks and its owners find the outbox in the data of the executor. A pool has none, because a
//! pool has no owner.

use crate::{
    channel::{
        messenger::{LagPolicy, Messenger, TrySendError},
        port::{self, Port},
        stream::StreamReader,
    },
    wake::extensions::Extensions,
};
use std::{
    any::Any,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Instant,
};

/// The channels from a service to its owners. It is created with the service. Each channel is
/// created at its first use, because only then its type is known.
pub(crate) struct Outbox {
    policy: LagPolicy,
    /// Takes the events of a service whose owners are elsewhere: a `Box<dyn ForwardEvents<T>>`.
    forwarder: Option<Forwarder>,
    events: OnceLock<Box<dyn Any + Send + Sync>>,
    streams: OnceLock<Box<dyn Any + Send + Sync>>,
    /// The functions that close both channels.
    closers: Mutex<OnClose>,
}

impl Outbox {
    pub(crate) fn new(policy: LagPolicy, forwarder: Option<Forwarder>) -> Self {
        let (events, streams) = (OnceLock::new(), OnceLock::new());
        Self { policy, forwarder, events, streams, closers: Mutex::new(Some(Vec::new())) }
    }

    /// Returns the outbox in the data of a service.
    pub(crate) fn of(data: &Extensions) -> Option<&Self> {
        data.get()
    }

    /// Closes both channels, because the service has ended. Receivers get what was sent before, and
    /// then the end.
    pub(crate) fn close(&self) {
        let closers = self.closers().take();
        closers.into_iter().flatten().for_each(|close| close());
    }

    /// Returns the endpoint on which owners receive events.
    pub(crate) fn events<T: Clone + Send + Sync + 'static>(&self) -> &Messenger<T> {
        &self.event_channel().owners
    }

    /// Returns what takes the events of a service whose owners are elsewhere.
    pub(super) fn forwarder<T: 'static>(&self) -> Option<&dyn ForwardEvents<T>> {
        let forwarder = self.forwarder.as_ref()?;
        Some(&**forwarder.downcast_ref::<Box<dyn ForwardEvents<T>>>().expect(TYPED))
    }

    /// Returns the endpoint on which the service sends events.
    pub(crate) fn event_sender<T: Clone + Send + Sync + 'static>(&self) -> &Messenger<T> {
        &self.event_channel().service
    }

    /// Returns the port on which streams are sent, or `None` once the service has ended.
    pub(super) fn offering<M: Send + Sync + 'static>(&self) -> Option<Arc<StreamPort<M>>> {
        lock(&self.streams().service).clone()
    }

    /// Returns the port on which streams arrive.
    pub(crate) fn incoming<M: Send + Sync + 'static>(&self) -> &Port<Infallible, StreamReader<M>> {
        &self.streams().owners
    }

    fn event_channel<T: Clone + Send + Sync + 'static>(&self) -> &Events<T> {
        let events = self.events.get_or_init(|| {
            let service = Messenger::<T>::kept_for_first(self.policy);
            let (owners, end) = (service.join(), service.join());
            self.on_close(move || end.close_all());
            Box::new(Events { service, owners })
        });
        events.downcast_ref().expect(TYPED)
    }

    fn streams<M: Send + Sync + 'static>(&self) -> &Streams<M> {
        let streams = self.streams.get_or_init(|| {
            let (service, owners) = port::pair::<StreamReader<M>, Infallible>();
            let service = Arc::new(Mutex::new(Some(Arc::new(service))));
            let end = service.clone();
            self.on_close(move || {
                let port = lock(&end).take();
                drop(port); // the lock is not held here
            });
            Box::new(Streams::<M> { service, owners })
        });
        streams.downcast_ref().expect(TYPED)
    }

    fn closers(&self) -> MutexGuard<'_, OnClose> {
        self.closers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn on_close(&self, close: impl FnOnce() + Send + 'static) {
        let mut closers = self.closers();
        match &mut *closers {
            Some(closers) => closers.push(Box::new(close)),
            None => {
                drop(closers);
                close();
            }
        }
    }
}

/// Passes the events of a service on to owners that are elsewhere, such as in another process.
#[doc(hidden)]
pub trait ForwardEvents<T>: Send + Sync {
    /// Passes an event on, and waits for room until `deadline` on this thread. Without a deadline it
    /// waits until there is room. Returns the number of owners, as far as it is known.
    ///
    /// # Errors
    ///
    /// Gives the event back: there is no room, or no owner can ever receive it.
    fn forward(&self, event: T, deadline: Option<Instant>) -> Result<usize, TrySendError<T>>;
}

/// A `Box<dyn ForwardEvents<T>>`, its type erased.
pub(crate) type Forwarder = Box<dyn Any + Send + Sync>;

/// The event channel: the service sends on one endpoint, and its owners receive on the other.
struct Events<T: Clone + Send + Sync + 'static> {
    service: Messenger<T>,
    owners: Messenger<T>,
}

/// The queue of streams that no owner has taken yet.
struct Streams<M> {
    service: Arc<Mutex<Option<Arc<StreamPort<M>>>>>,
    owners: Port<Infallible, StreamReader<M>>,
}

/// The port on which a service sends its streams. It is cloned under its lock and used after the
/// lock is released.
type StreamPort<M> = Port<StreamReader<M>, Infallible>;

/// `None` once the service has ended.
type OnClose = Option<Vec<Box<dyn FnOnce() + Send>>>;

const TYPED: &str = "a set has one type of events, and one of streams";

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
