//! [`Messenger`]: one endpoint of a broadcast channel that is found by name. It sends messages and
//! creates subscribers.

use super::{
    LagPolicy, MessengerBuilder, OpenError, SendFuture, Subscriber, TrySendError,
    shared::{Endpoint, MessengerShared},
};
use crate::channel::broadcast;
use std::{fmt, num::NonZero, sync::Arc};

/// An endpoint of a messenger. It sends to the subscribers of all other endpoints, and creates
/// subscribers of its own.
///
/// ```
/// use nanolith::{messenger::Messenger, prelude::*};
/// let (waiter, kitchen) = (Messenger::<&str>::open("orders")?, Messenger::<&str>::open("orders")?);
/// let mut orders = kitchen.subscribe();
/// assert_eq!(waiter.send("tea").wait(), Ok(1)); // to one subscriber
/// assert_eq!(orders.recv().wait()?, "tea");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Any thread may send through a reference. [`messenger`](crate::channel::messenger) has the rules.
/// An endpoint cannot be cloned, because a clone would be another sender. [`Messenger::join`]
/// creates another endpoint.
pub struct Messenger<T: Clone + Send + Sync + 'static> {
    seat: Arc<Endpoint<T>>,
}

impl<T: Clone + Send + Sync + 'static> Messenger<T> {
    pub(super) fn of(seat: Arc<Endpoint<T>>) -> Self {
        Self { seat }
    }

    /// Creates a messenger without a name. Other threads and tasks get its endpoints from
    /// [`Messenger::join`].
    ///
    /// ```
    /// use nanolith::{messenger::Messenger, prelude::*};
    /// let (left, right) = { let left = Messenger::new(); let right = left.join(); (left, right) };
    /// let mut heard = right.subscribe();
    /// left.send(9).wait()?;
    /// assert_eq!(heard.recv().wait()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[allow(clippy::new_without_default)] // a default that is a new endpoint each time would surprise
    pub fn new() -> Self {
        Self::of(Endpoint::new(MessengerShared::new(None, LagPolicy::default())))
    }

    /// Creates a messenger that keeps messages for its first subscriber, up to the policy's bound.
    /// Senders do not wait for the first subscriber.
    pub(crate) fn kept_for_first(policy: LagPolicy) -> Self {
        Self::of(Endpoint::new(MessengerShared::kept_for_first(policy)))
    }

    /// Opens an endpoint of the messenger of this name, and creates the messenger if the name is
    /// not in use.
    ///
    /// ```
    /// use nanolith::messenger::Messenger;
    /// let (one, other) = (Messenger::<u32>::open("orders")?, Messenger::<u32>::open("orders")?);
    /// assert_ne!(one.id(), other.id());
    /// assert_eq!(one.info().endpoints, 2);
    /// # Ok::<(), nanolith::messenger::OpenError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`OpenError::OtherType`] when the name is in use for messages of another type. The
    /// error names both types.
    pub fn open(name: impl Into<Arc<str>>) -> Result<Self, OpenError> {
        Self::builder().open(name)
    }

    /// Returns a builder for a new messenger.
    ///
    /// ```
    /// use nanolith::messenger::{LagPolicy, Messenger};
    /// let ticks = Messenger::<u32>::builder().on_lag(LagPolicy::DropOldest(16)).build()?;
    /// assert_eq!(ticks.info().on_lag, LagPolicy::DropOldest(16));
    /// # Ok::<(), nanolith::messenger::OpenError>(())
    /// ```
    pub fn builder() -> MessengerBuilder<T> {
        MessengerBuilder::new()
    }

    /// Creates another endpoint of the same messenger, for another sender.
    ///
    /// ```
    /// use nanolith::{messenger::Messenger, prelude::*};
    /// let waiter = Messenger::new();
    /// let kitchen = waiter.join();
    /// let mut orders = kitchen.subscribe();
    /// kitchen.send("cake").wait()?; // not to itself
    /// waiter.send("tea").wait()?;
    /// assert_eq!(orders.recv().wait()?, "tea");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "dropped, the endpoint is gone"]
    pub fn join(&self) -> Self {
        Self::of(Endpoint::new(self.seat.hub.clone()))
    }

    /// Creates a subscriber that receives the messages that other endpoints send from now on.
    ///
    /// ```
    /// use nanolith::{messenger::Messenger, prelude::*};
    /// let (left, right) = (Messenger::<i64>::open("figures")?, Messenger::<i64>::open("figures")?);
    /// left.send(1).wait()?; // no subscriber
    /// let mut heard = right.subscribe();
    /// left.send(2).wait()?;
    /// assert_eq!(heard.recv().wait()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "dropped, it receives nothing"]
    pub fn subscribe(&self) -> Subscriber<T> {
        let receiver = self.seat.hub.log.receiver(self.seat.origin());
        Subscriber::new(self.seat.clone(), receiver)
    }

    /// Sends to the subscribers of all other endpoints, and returns their number. With
    /// [`LagPolicy::Wait`] it waits until each subscriber has capacity. With the other policies
    /// it never waits.
    ///
    /// ```
    /// use nanolith::{messenger::Messenger, prelude::*};
    /// let (waiter, kitchen) = { let waiter = Messenger::new(); let kitchen = waiter.join(); (waiter, kitchen) };
    /// assert_eq!(waiter.send("tea").wait(), Ok(0)); // no subscriber
    /// let (here, there) = (kitchen.subscribe(), kitchen.subscribe());
    /// # pollster::block_on(async {
    /// assert_eq!(waiter.send("tea").await, Ok(2));
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`SendError`](super::SendError) with the message when the messenger is closed.
    pub fn send(&self, message: T) -> SendFuture<'_, T> {
        SendFuture::new(self.seat.hub.log.send(self.seat.origin(), message))
    }

    /// Sends without waiting. Returns the number of subscribers that the message went to.
    ///
    /// ```
    /// use nanolith::messenger::{LagPolicy, Messenger};
    /// let waiter = Messenger::builder().on_lag(LagPolicy::Wait(1)).build()?;
    /// let kitchen = waiter.join().subscribe();
    /// assert_eq!(waiter.try_send("tea"), Ok(1));
    /// assert!(waiter.try_send("cake").is_err_and(|error| error.is_full()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`TrySendError`] with the message when a subscriber has no capacity, or the
    /// messenger is closed.
    pub fn try_send(&self, message: T) -> Result<usize, TrySendError<T>> {
        self.seat.hub.log.try_send(self.seat.origin(), message).map_err(|refusal| match refusal {
            broadcast::TrySendError::Full(message) => TrySendError::Full(message),
            broadcast::TrySendError::Ended(message) => TrySendError::Closed(message),
        })
    }

    /// Ends this endpoint with its subscribers. The messages that they have not received are
    /// dropped, and they get `Closed`. Messages that this endpoint has sent are still received, and
    /// other endpoints stay open.
    ///
    /// ```
    /// use nanolith::{messenger::{Messenger, RecvError}, prelude::*};
    /// let (left, right) = (Messenger::<i64>::open("figures")?, Messenger::<i64>::open("figures")?);
    /// let mut heard = right.subscribe();
    /// left.send(1).wait()?;
    /// right.close();
    /// assert_eq!(heard.recv().wait(), Err(RecvError::Closed));
    /// assert_eq!(left.send(2).wait(), Ok(0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Dropping an endpoint does not end its subscribers.
    pub fn close(self) {
        self.seat.close();
    }

    /// Closes the messenger for all endpoints. Later sends fail. Messages that were sent before are
    /// still received, and then all subscribers get `Closed`. The name is free at once.
    ///
    /// ```
    /// use nanolith::{messenger::{Messenger, RecvError, SendError}, prelude::*};
    /// let (left, right) = (Messenger::<i64>::open("figures")?, Messenger::<i64>::open("figures")?);
    /// let mut heard = right.subscribe();
    /// left.send(1).wait()?;
    /// left.close_all();
    /// assert_eq!(right.send(2).wait(), Err(SendError(2)));
    /// assert_eq!((heard.recv().wait(), heard.recv().wait()), (Ok(1), Err(RecvError::Closed)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close_all(&self) {
        self.seat.hub.close_all();
    }

    /// Returns the messenger's name. A messenger without a name has its number instead: `#7`.
    ///
    /// ```
    /// use nanolith::messenger::Messenger;
    /// assert_eq!(Messenger::<u32>::open("orders")?.name(), "orders");
    /// assert!(Messenger::<u32>::new().name().starts_with('#'));
    /// # Ok::<(), nanolith::messenger::OpenError>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.seat.hub.name
    }

    /// Returns the identity of this endpoint, which is unique among all endpoints.
    ///
    /// ```
    /// use nanolith::messenger::Messenger;
    /// let (left, right) = (Messenger::<u32>::new(), Messenger::<u32>::new());
    /// assert_ne!(left.id(), right.id());
    /// ```
    #[must_use]
    pub fn id(&self) -> EndpointId {
        EndpointId(self.seat.id)
    }

    /// Returns the messenger's current figures.
    ///
    /// ```
    /// use nanolith::{messenger::Messenger, prelude::*};
    /// let (left, right) = (Messenger::<i64>::open("figures")?, Messenger::<i64>::open("figures")?);
    /// let heard = right.subscribe();
    /// left.send(9).wait()?;
    /// let info = left.info();
    /// assert_eq!((info.endpoints, info.receivers, info.lag, info.is_closed), (2, 1, 1, false));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn info(&self) -> MessengerInfo {
        let hub = &self.seat.hub;
        let (receivers, lag, waiting) = hub.log.stats();
        MessengerInfo {
            name: hub.name.clone(),
            on_lag: hub.log.policy(),
            endpoints: hub.endpoints(),
            receivers,
            lag,
            waiting,
            is_closed: hub.log.is_ended(),
        }
    }

    pub(super) fn shared_name(&self) -> Arc<str> {
        self.seat.hub.name.clone()
    }
}

impl<T: Clone + Send + Sync + 'static> Drop for Messenger<T> {
    fn drop(&mut self) {
        self.seat.leave();
    }
}

impl<T: Clone + Send + Sync + 'static> fmt::Debug for Messenger<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messenger").field("name", &self.name()).field("id", &self.id()).finish_non_exhaustive()
    }
}

/// The identity of an endpoint, unique among the endpoints of all messengers. Created by
/// [`Messenger::id`].
///
/// ```
/// use nanolith::messenger::{EndpointId, Messenger};
/// let left = Messenger::<u32>::new();
/// let id: EndpointId = left.id();
/// assert_ne!(id, left.join().id());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(NonZero<u64>);

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The figures of a messenger at the moment of the call. Created by [`Messenger::info`].
///
/// ```
/// use nanolith::messenger::{Messenger, MessengerInfo};
/// let MessengerInfo { endpoints, receivers, waiting, .. } = Messenger::<u32>::new().info();
/// assert_eq!((endpoints, receivers, waiting), (1, 0, 0));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MessengerInfo {
    /// The messenger's name.
    pub name: Arc<str>,
    /// The behavior when a receiver falls behind.
    pub on_lag: LagPolicy,
    /// The number of endpoints: each [`Messenger`], and one for each place that the messenger is
    /// attached to.
    pub endpoints: usize,
    /// The number of subscribers of all endpoints, handlers included.
    pub receivers: usize,
    /// The number of messages ahead of the slowest subscriber.
    pub lag: u64,
    /// The number of senders that wait for capacity.
    pub waiting: usize,
    /// Whether the messenger is closed.
    pub is_closed: bool,
}
