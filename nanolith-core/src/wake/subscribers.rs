//! [`Subscribers`]: publishes rare events to subscribers, each with a channel of its own. A dropped
//! subscription leaves nothing behind.

use crate::util::ordered_map::OrderedMap;
use futures_util::Stream;
use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

/// A publisher of events to its [`Subscription`]s.
pub(crate) struct Subscribers<T>(Arc<Mutex<List<T>>>);

struct List<T> {
    /// The event that a new subscriber receives first.
    latest: Option<T>,
    is_replaying: bool,
    /// The maximum number of events that wait for a subscriber. Later events are dropped.
    most_unread: Option<usize>,
    is_over: bool,
    /// The senders, by the number of the subscription.
    senders: OrderedMap<u64, flume::Sender<T>>,
    last: u64,
}

impl<T: Clone> Subscribers<T> {
    /// Creates a publisher without replay: a new subscriber receives the events published from then
    /// on.
    pub(crate) fn new() -> Self {
        Self::with(None, None)
    }

    /// Creates a publisher with replay: a new subscriber receives the latest event first. That is
    /// `first` until another event is published.
    pub(crate) fn replaying(first: T) -> Self {
        Self::with(Some(first), None)
    }

    /// Creates a publisher without replay. A subscriber with `most_unread` events misses later
    /// ones.
    pub(crate) fn bounded(most_unread: usize) -> Self {
        Self::with(None, Some(most_unread))
    }

    fn with(latest: Option<T>, most_unread: Option<usize>) -> Self {
        let is_replaying = latest.is_some();
        Self(Arc::new(Mutex::new(List {
            latest,
            is_replaying,
            most_unread,
            is_over: false,
            senders: OrderedMap::new(),
            last: 0,
        })))
    }

    pub(crate) fn subscribe(&self) -> Subscription<T> {
        let mut list = lock(&self.0);
        let (sender, receiver) = list.most_unread.map_or_else(flume::unbounded, flume::bounded);
        list.last += 1;
        let number = list.last;
        if let Some(latest) = &list.latest {
            // The channel is empty and its receiver exists, so the send succeeds. No task waits at
            // the channel yet.
            let _ = sender.try_send(latest.clone());
        }
        if !list.is_over {
            list.senders.insert(number, sender);
        }
        Subscription { events: receiver.clone().into_stream(), receiver, number, list: self.0.clone() }
    }

    /// Sends `event` to every subscriber.
    pub(crate) fn publish(&self, event: &T) {
        let (before, senders): (_, Vec<_>) = {
            let mut list = lock(&self.0);
            (list.keep(event), list.senders.values().cloned().collect())
        };
        drop(before); // an error of the user's may be dropped with it
        send(senders, event);
    }

    /// Sends `event` to every subscriber, and keeps the earlier event for replay to new
    /// subscribers.
    pub(crate) fn publish_without_replay(&self, event: &T) {
        let senders: Vec<_> = lock(&self.0).senders.values().cloned().collect();
        send(senders, event);
    }

    /// Sends `event` to every subscriber, and ends every subscription after `event`.
    pub(crate) fn publish_last(&self, event: &T) {
        let (before, senders) = {
            let mut list = lock(&self.0);
            list.is_over = true;
            (list.keep(event), std::mem::take(&mut list.senders))
        };
        drop(before);
        send(senders.into_values(), event);
    }
}

impl<T: Clone> List<T> {
    /// Keeps `event` for new subscribers. Returns the event before, which the caller drops without
    /// the lock.
    #[must_use]
    fn keep(&mut self, event: &T) -> Option<T> {
        if self.is_replaying { self.latest.replace(event.clone()) } else { None }
    }
}

/// Sends `event` to each sender. A send wakes receivers, so no lock is held.
fn send<T: Clone>(senders: impl IntoIterator<Item = flume::Sender<T>>, event: &T) {
    for sender in senders {
        let _ = sender.try_send(event.clone()); // the channel may be full, and its receiver may be gone
    }
}

fn lock<T>(list: &Mutex<List<T>>) -> MutexGuard<'_, List<T>> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A stream of the published events. It leaves the list when it is dropped.
pub(crate) struct Subscription<T: 'static> {
    receiver: flume::Receiver<T>,
    events: flume::r#async::RecvStream<'static, T>,
    number: u64,
    list: Arc<Mutex<List<T>>>,
}

impl<T> Subscription<T> {
    /// Returns the next event if it is there, and `None` after the last. Stores no waker.
    pub(crate) fn try_next(&mut self) -> Poll<Option<T>> {
        match self.receiver.try_recv() {
            Ok(event) => Poll::Ready(Some(event)),
            Err(flume::TryRecvError::Disconnected) => Poll::Ready(None),
            Err(flume::TryRecvError::Empty) => Poll::Pending,
        }
    }

    /// Drops the waker of the last poll: the future that polled is gone.
    pub(crate) fn forget_waker(&mut self) {
        self.events = self.receiver.clone().into_stream();
    }
}

impl<T> Stream for Subscription<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        Pin::new(&mut self.events).poll_next(cx)
    }
}

impl<T> Drop for Subscription<T> {
    fn drop(&mut self) {
        let sender = lock(&self.list).senders.remove(self.number);
        drop(sender); // outside the lock
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use futures_util::{FutureExt, StreamExt};

    fn received<T>(subscription: &mut Subscription<T>) -> Option<T> {
        subscription.next().now_or_never().expect("an event, or the end")
    }

    #[test]
    fn dropped_subscription_leaves_the_list() {
        let subscribers = Subscribers::<u8>::new();
        let kept = subscribers.subscribe();
        (0..100).for_each(|_| drop(subscribers.subscribe()));
        assert_eq!(lock(&subscribers.0).senders.len(), 1);
        drop(kept);
        assert_eq!(lock(&subscribers.0).senders.len(), 0);
    }

    #[test]
    fn late_subscriber_receives_latest_event_then_end() {
        let subscribers = Subscribers::replaying(1);
        let mut early = subscribers.subscribe();
        subscribers.publish(&2);
        let mut late = subscribers.subscribe();
        subscribers.publish_last(&3);
        let mut last = subscribers.subscribe();
        assert_eq!([(); 4].map(|()| received(&mut early)), [Some(1), Some(2), Some(3), None]);
        assert_eq!([(); 3].map(|()| received(&mut late)), [Some(2), Some(3), None]);
        assert_eq!([(); 2].map(|()| received(&mut last)), [Some(3), None]);
    }

    #[test]
    fn stream_stays_open_without_its_publisher() {
        let mut subscription = Subscribers::<u8>::new().subscribe();
        assert!(subscription.next().now_or_never().is_none());
    }
}
