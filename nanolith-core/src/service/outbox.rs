//! The receiving side of the events and streams that a service's tasks send:
//! [`Service::on_message`] and further methods for the holders of the service's handles.

use super::{Service, ServiceBuilder, ServiceControl, service_shared::ServiceShared};
use crate::{
    call::backend::Backend,
    channel::{
        messenger::{LagPolicy, Messenger, RecvError, Subscriber},
        port::{Port, Recv},
        stream::StreamReader,
    },
    context::wait::{Sealed, Wait},
    pool::{BuildError, Subscription},
    task::{GivesStreams, HasOutbox, Outbox, TaskSet},
};
use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

impl<S: TaskSet, E, A> ServiceBuilder<S, E, A> {
    /// Sets what happens when a receiver of events falls behind: see
    /// [`Context::send`](crate::task::Context::send). By default the service waits for a receiver
    /// that has 1,024 events ahead of it. A bound is at least 1.
    ///
    /// ```
    /// # use nanolith::{messenger::LagPolicy, prelude::*};
    /// # pub struct Counter { total: i64 }
    /// # #[define(outbox = i64)]
    /// # impl Counter {
    /// #     pub fn bump(&mut self, cx: &Context<Self>, by: i64) { self.total += by; let _ = cx.send(self.total).wait(); }
    /// # }
    /// let last = LagPolicy::DropOldest(1);
    /// let counter = Counter::service(Counter { total: 10 }).outbox(last).launch().wait()?;
    /// let mut totals = counter.control().events();
    /// for by in 0..4 {
    ///     counter.bump(by).wait()?;
    /// }
    /// assert!(totals.recv().wait().is_err()); // 3 were lost
    /// assert_eq!(totals.recv().wait()?, 16);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn outbox(mut self, slow: LagPolicy) -> Self {
        self.settings.outbox = slow;
        self
    }

    /// Starts the service without owners: no handle receives its events and streams. So a task gets
    /// an event back as an error, as on a pool. A program that serves the service to another process
    /// does this, because there is no owner of the service in its own.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # pub struct Counter { total: i64 }
    /// #[define(outbox = i64)]
    /// impl Counter {
    ///     pub fn bump(&mut self, cx: &Context<Self>, by: i64) -> bool {
    ///         self.total += by;
    ///         cx.send(self.total).wait().is_ok()
    ///     }
    /// }
    /// let counter = Counter::service(Counter { total: 10 }).without_owners().launch().wait()?;
    /// assert!(!counter.bump(5).wait()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn without_owners(mut self) -> Self {
        self.settings.has_owners = false;
        self
    }
}

/// Returns the outbox, which the service's builder has inserted.
fn outlets<S: TaskSet>(inner: &ServiceShared<S>) -> &Outbox {
    Outbox::of(Backend::data(inner)).expect("every service has its outlets")
}

fn heard<S: HasOutbox>(inner: &ServiceShared<S>) -> &Messenger<S::Event> {
    outlets(inner).events()
}

fn arriving<S: GivesStreams>(inner: &ServiceShared<S>) -> &Port<Infallible, StreamReader<S::Metadata>> {
    outlets(inner).incoming()
}

impl<S: TaskSet> Service<S> {
    /// Passes each event that the service sends from now on to `handler`, on the global pool. This
    /// ends when the [`Subscription`] is dropped or the service has ended. Each subscriber receives
    /// all events. The first subscriber also receives the events that were sent before, as far as
    /// they are retained.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # pub struct Counter { total: i64 }
    /// # #[define(outbox = i64)]
    /// # impl Counter {
    /// #     pub fn bump(&mut self, cx: &Context<Self>, by: i64) { self.total += by; let _ = cx.send(self.total).wait(); }
    /// # }
    /// let counter = Counter::service(Counter { total: 10 }).launch().wait()?;
    /// let (sender, totals) = std::sync::mpsc::channel();
    /// let listening = counter.on_message(move |total| { let _ = sender.send(total); })?;
    /// counter.bump(5).wait()?;
    /// assert_eq!(totals.recv()?, 15);
    /// drop(listening);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
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
        heard(self.executor.inner()).on_message(handler)
    }

    /// Waits for an event for which `predicate` returns `true`, among the events that are sent from
    /// now on or are retained. Other subscribers receive the event too.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # pub struct Counter { total: i64 }
    /// # #[define(outbox = i64)]
    /// # impl Counter {
    /// #     pub fn bump(&mut self, cx: &Context<Self>, by: i64) { self.total += by; let _ = cx.send(self.total).wait(); }
    /// # }
    /// let counter = Counter::service(Counter { total: 10 }).launch().wait()?;
    /// let high = counter.wait_for(|total| *total > 20);
    /// for _ in 0..5 {
    ///     counter.bump(4).wait()?;
    /// }
    /// assert_eq!(high.wait()?, 22);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
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
        WaitForEvent::new(heard(self.executor.inner()).subscribe(), predicate)
    }
}

impl<S: HasOutbox> ServiceControl<'_, S> {
    /// Subscribes to the events that the service sends from now on. The [`Subscriber`] receives
    /// them one by one, and is a `Stream` and a blocking iterator. The first subscriber also
    /// receives the events that were sent before, as far as they are retained.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # pub struct Counter { total: i64 }
    /// # #[define(outbox = i64)]
    /// # impl Counter {
    /// #     pub fn bump(&mut self, cx: &Context<Self>, by: i64) { self.total += by; let _ = cx.send(self.total).wait(); }
    /// # }
    /// let counter = Counter::service(Counter { total: 10 }).launch().wait()?;
    /// counter.bump(1).wait()?; // kept for the first who asks
    /// let totals = counter.control().events();
    /// counter.bump(2).wait()?;
    /// counter.close().wait()?;
    /// assert_eq!(totals.into_iter().collect::<Vec<_>>(), [11, 13]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn events(&self) -> Subscriber<S::Event> {
        heard(self.inner).subscribe()
    }
}

/// A future that waits for an event of a service, from [`Service::wait_for`].
///
/// # Errors
///
/// [`RecvError::Closed`] if the service has ended. [`RecvError::Lost`] if the service does not wait
/// for slow receivers and events were lost, since the event may have been among them.
///
/// # Cancel safety
///
/// The subscription begins when the future is created, however often the future is polled.
#[must_use = "does nothing until awaited or waited on"]
pub struct WaitForEvent<T: Clone, P> {
    events: Subscriber<T>,
    predicate: P,
}

impl<T: Clone, P> WaitForEvent<T, P> {
    pub(super) fn new(events: Subscriber<T>, predicate: P) -> Self {
        Self { events, predicate }
    }
}

impl<T: Clone, P> Unpin for WaitForEvent<T, P> {}

impl<T: Clone, P: FnMut(&T) -> bool> Future for WaitForEvent<T, P> {
    type Output = Result<T, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { events, predicate } = &mut *self;
        Pin::new(&mut events.wait_for(predicate)).poll(cx)
    }
}

impl<T: Clone, P: FnMut(&T) -> bool> Sealed for WaitForEvent<T, P> {}

impl<T: Clone, P: FnMut(&T) -> bool> Wait for WaitForEvent<T, P> {
    type Pending = Self;

    /// Blocks until there is such an event.
    ///
    /// # Errors
    ///
    /// See [`WaitForEvent`].
    fn wait(mut self) -> Result<T, RecvError> {
        self.events.wait_for(self.predicate).wait()
    }

    fn wait_timeout(mut self, limit: Duration) -> Result<Self::Output, Self> {
        let heard = self.events.wait_for(&mut self.predicate).wait_timeout(limit).ok();
        heard.ok_or(self)
    }
}

impl<T: Clone, P> fmt::Debug for WaitForEvent<T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitForEvent").finish_non_exhaustive()
    }
}

impl<S: TaskSet> Service<S> {
    /// Passes each stream that the service creates to `handler`, on the global pool, one after the
    /// other. This ends when the [`Subscription`] is dropped or the service has ended. A stream
    /// goes to one subscriber only. Streams that were created before are retained for the first
    /// subscriber.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// use std::io::{Read, Write};
    /// # pub struct Counter { total: i64 }
    /// # #[define(streams = &'static str)]
    /// # impl Counter {
    /// #     pub fn print(&self, cx: &Context<Self>) -> std::io::Result<()> {
    /// #         let mut writer = cx.create_stream("total").map_err(std::io::Error::other)?;
    /// #         write!(writer, "{}", self.total)?;
    /// #         writer.finish();
    /// #         Ok(())
    /// #     }
    /// # }
    /// let counter = Counter::service(Counter { total: 10 }).launch().wait()?;
    /// let (sender, texts) = std::sync::mpsc::channel();
    /// let listening = counter.on_stream(move |mut stream| {
    ///     let mut text = String::new();
    ///     let _ = stream.read_to_string(&mut text).map(|_| sender.send(text));
    /// })?;
    /// counter.print().wait()??;
    /// assert_eq!(texts.recv()?, "10");
    /// # drop(listening);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`BuildError`] if the global pool cannot be started.
    pub fn on_stream(
        &self,
        handler: impl FnMut(StreamReader<S::Metadata>) + Send + 'static,
    ) -> Result<Subscription, BuildError>
    where
        S: GivesStreams,
    {
        arriving(self.executor.inner()).on_message(handler)
    }
}

impl<S: GivesStreams> ServiceControl<'_, S> {
    /// Waits for the next stream that the service creates.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # pub struct Counter { total: i64 }
    /// # #[define(streams = &'static str)]
    /// # impl Counter {
    /// #     pub fn print(cx: &Context<Self>) -> bool { cx.create_stream("total").map(|writer| writer.finish()).is_ok() }
    /// # }
    /// let counter = Counter::service().launch().wait()?;
    /// assert!(counter.print().wait()?);
    /// let stream = counter.control().next_stream().wait().ok_or("one was made")?;
    /// assert_eq!(*stream.metadata(), "total");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn next_stream(&self) -> RecvStream<'_, S::Metadata> {
        RecvStream(arriving(self.inner).recv())
    }
}

/// A future that waits for a stream of a service, from [`ServiceControl::next_stream`]. Yields
/// `None` when the service has ended.
///
/// # Cancel safety
///
/// If the future is dropped, it has taken no stream.
#[must_use = "does nothing until awaited or waited on"]
pub struct RecvStream<'a, M>(Recv<'a, StreamReader<M>>);

impl<M> Unpin for RecvStream<'_, M> {}

impl<M> Future for RecvStream<'_, M> {
    type Output = Option<StreamReader<M>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(Result::ok)
    }
}

impl<M> Sealed for RecvStream<'_, M> {}

impl<M> Wait for RecvStream<'_, M> {
    type Pending = Self;

    /// Blocks until there is a stream.
    fn wait(self) -> Option<StreamReader<M>> {
        self.0.wait().ok()
    }

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        self.0.wait_timeout(limit).map(Result::ok).map_err(RecvStream)
    }
}

impl<M> fmt::Debug for RecvStream<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvStream").finish_non_exhaustive()
    }
}
