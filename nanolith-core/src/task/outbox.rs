//! The events and streams that a service sends to its owners. The service's tasks and its owners
//! find the [`Outbox`] in the data of the executor. A pool has none, because a pool has no owner.

use super::{Context, GivesStreams, HasOutbox, TaskSet};
use crate::{
    channel::{
        messenger::{LagPolicy, Messenger, SendError, Sending, TrySendError},
        port::{self, Port},
        stream::{CreditError, Credits, StreamReader, StreamWriter, pipe_or_back},
    },
    context::block_on,
    wake::extensions::Extensions,
};
use std::{
    any::Any,
    convert::Infallible,
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    task::{self, Poll},
};

/// The channels from a service to its owners. It is created with the service. Each channel is
/// created at its first use, because only then its type is known.
pub(crate) struct Outbox {
    policy: LagPolicy,
    events: OnceLock<Box<dyn Any + Send + Sync>>,
    streams: OnceLock<Box<dyn Any + Send + Sync>>,
    /// The functions that close both channels.
    closers: Mutex<OnClose>,
}

/// `None` once the service has ended.
type OnClose = Option<Vec<Box<dyn FnOnce() + Send>>>;

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

const TYPED: &str = "a set has one type of events, and one of streams";

impl Outbox {
    pub(crate) fn new(policy: LagPolicy) -> Self {
        Self { policy, events: OnceLock::new(), streams: OnceLock::new(), closers: Mutex::new(Some(Vec::new())) }
    }

    /// Returns the outbox in the data of a service.
    pub(crate) fn of(data: &Extensions) -> Option<&Self> {
        data.get()
    }

    fn closers(&self) -> MutexGuard<'_, OnClose> {
        self.closers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes both channels, because the service has ended. Receivers get what was sent before, and
    /// then the end.
    pub(crate) fn close(&self) {
        let closers = self.closers().take();
        closers.into_iter().flatten().for_each(|close| close());
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

    fn event_channel<T: Clone + Send + Sync + 'static>(&self) -> &Events<T> {
        let events = self.events.get_or_init(|| {
            let service = Messenger::<T>::kept_for_first(self.policy);
            let (owners, end) = (service.join(), service.join());
            self.on_close(move || end.close_all());
            Box::new(Events { service, owners })
        });
        events.downcast_ref().expect(TYPED)
    }

    /// Returns the endpoint on which owners receive events.
    pub(crate) fn events<T: Clone + Send + Sync + 'static>(&self) -> &Messenger<T> {
        &self.event_channel().owners
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

    /// Returns the port on which streams are sent, or `None` once the service has ended.
    fn offering<M: Send + Sync + 'static>(&self) -> Option<Arc<StreamPort<M>>> {
        lock(&self.streams().service).clone()
    }

    /// Returns the port on which streams arrive.
    pub(crate) fn incoming<M: Send + Sync + 'static>(&self) -> &Port<Infallible, StreamReader<M>> {
        &self.streams().owners
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: TaskSet> Context<S> {
    /// Sends an event to the service's owners: see
    /// [`Service::on_message`](crate::Service::on_message). Await the returned value, or block on
    /// it with `.wait()`. By default it waits for owners that have 1,024 events ahead of them.
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
            Some(outlets) => SendState::Out(outlets.event_channel().service.send(event)),
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
            Some(outlets) => outlets.event_channel().service.try_send(event),
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
    Out(Sending<'a, T>),
    Nowhere(Option<T>),
}

impl<T> Unpin for SendEvent<'_, T> {}

impl<T> SendEvent<'_, T> {
    /// Blocks until the event is sent.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # pub struct Geometry;
    /// #[define(outbox = String)]
    /// impl Geometry {
    ///     pub fn announce(cx: &Context<Self>) -> Result<usize, String> {
    ///         cx.send("hello".into()).wait().map_err(|unsaid| unsaid.into_inner())
    ///     }
    /// }
    /// assert_eq!(Geometry::tasks().announce().wait()?, Err("hello".into())); // a pool has no owner
    /// # Ok::<(), CallError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SendError`] with the event if no owner can ever receive it.
    pub fn wait(self) -> Result<usize, SendError<T>> {
        match self.0 {
            SendState::Out(sending) => sending.wait(),
            nowhere @ SendState::Nowhere(_) => {
                block_on::block_on_any(SendEvent(nowhere)) // it is ready at once
            }
        }
    }
}

impl<T> Future for SendEvent<'_, T> {
    type Output = Result<usize, SendError<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            SendState::Out(sending) => Pin::new(sending).poll(cx),
            SendState::Nowhere(event) => {
                Poll::Ready(Err(SendError(event.take().expect("it was polled after it was ready"))))
            }
        }
    }
}

impl<T> fmt::Debug for SendEvent<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendEvent").finish_non_exhaustive()
    }
}

impl<S: TaskSet> Context<S> {
    /// Opens a stream to the service's owners. One owner takes it: see
    /// [`Service::on_stream`](crate::Service::on_stream). Data that is written before that is kept,
    /// up to the credits.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// use std::io::{Read, Write};
    /// # pub struct Counter { total: i64 }
    /// #[define(streams = &'static str)]
    /// impl Counter {
    ///     pub fn print(&self, cx: &Context<Self>) -> std::io::Result<()> {
    ///         let mut writer = cx.create_stream("total").map_err(std::io::Error::other)?;
    ///         write!(writer, "{}", self.total)?;
    ///         writer.finish();
    ///         Ok(())
    ///     }
    /// }
    /// let counter = Counter::service(Counter { total: 10 }).launch().wait()?;
    /// counter.print().wait()??;
    /// let mut stream = counter.control().next_stream().wait().ok_or("one was made")?;
    /// let mut text = String::new();
    /// stream.read_to_string(&mut text)?;
    /// assert_eq!((*stream.metadata(), &*text), ("total", "10"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`OpenStreamError`] gives the metadata back: there is no owner.
    pub fn create_stream(
        &self,
        metadata: S::Metadata,
    ) -> Result<StreamWriter<S::Metadata>, OpenStreamError<S::Metadata>>
    where
        S: GivesStreams,
    {
        self.create_stream_with(metadata, Credits::new())
    }

    /// Like [`Context::create_stream`], with the given credits.
    ///
    /// ```
    /// # use nanolith::{prelude::*, stream::Credits};
    /// # pub struct Counter { total: i64 }
    /// #[define(streams = ())]
    /// impl Counter {
    ///     pub fn can_stream(cx: &Context<Self>) -> bool {
    ///         cx.create_stream_with((), Credits::new().chunks(0)).is_ok()
    ///     }
    /// }
    /// assert!(!Counter::service().launch().wait()?.can_stream().wait()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`OpenStreamError`] gives the metadata back: there is no owner, or the credits are invalid.
    pub fn create_stream_with(
        &self,
        metadata: S::Metadata,
        credits: Credits,
    ) -> Result<StreamWriter<S::Metadata>, OpenStreamError<S::Metadata>>
    where
        S: GivesStreams,
    {
        let (writer, reader) =
            pipe_or_back(metadata, credits).map_err(|(error, metadata)| OpenStreamError::Credits(error, metadata))?;
        let port = Outbox::of(self.executor_data()).and_then(Outbox::offering);
        let offered = match port {
            Some(port) => port.try_send(reader).map_err(port::TrySendError::into_inner),
            None => Err(reader),
        };
        match offered {
            Ok(()) => Ok(writer),
            Err(reader) => Err(OpenStreamError::NoOwner(reader.into_metadata(writer))),
        }
    }
}

/// The error of [`Context::create_stream`]. It gives the metadata back.
///
/// ```
/// use nanolith::{OpenStreamError, prelude::*};
/// # pub struct Geometry;
/// #[define(streams = String)]
/// impl Geometry {
///     pub fn draw(cx: &Context<Self>) -> Option<String> {
///         cx.create_stream("points".into()).err().map(OpenStreamError::into_inner)
///     }
/// }
/// assert_eq!(Geometry::tasks().draw().wait()?.as_deref(), Some("points")); // a pool has no owner
/// # Ok::<(), CallError>(())
/// ```
#[non_exhaustive]
pub enum OpenStreamError<M> {
    /// The credits are invalid.
    Credits(CreditError, M),
    /// There is no owner to take the stream: on a pool, or when the service has ended.
    NoOwner(M),
}

impl<M> OpenStreamError<M> {
    /// Returns the metadata.
    pub fn into_inner(self) -> M {
        match self {
            Self::Credits(_, metadata) | Self::NoOwner(metadata) => metadata,
        }
    }
}

impl<M> fmt::Display for OpenStreamError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credits(error, _) => error.fmt(f),
            Self::NoOwner(_) => f.write_str("there is no owner to take the stream"),
        }
    }
}

impl<M> fmt::Debug for OpenStreamError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credits(error, _) => f.debug_tuple("Credits").field(error).finish_non_exhaustive(),
            Self::NoOwner(_) => f.write_str("NoOwner(..)"),
        }
    }
}

impl<M> Error for OpenStreamError<M> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Credits(error, _) => Some(error),
            Self::NoOwner(_) => None,
        }
    }
}
