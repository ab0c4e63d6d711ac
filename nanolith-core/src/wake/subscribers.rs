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
    /// The maximum number of events that wait for a subscriber.
    most_unread: Option<usize>,
    /// Whether a full channel loses its oldest event. Otherwise it loses the later ones.
    keeps_newest: bool,
    is_over: bool,
    /// The channels, by the number of the subscription.
    channels: OrderedMap<u64, Channel<T>>,
    last: u64,
}

/// The publisher's end of a channel.
struct Channel<T> {
    sender: flume::Sender<T>,
    /// Takes the oldest event out of a full channel that keeps the newest ones.
    oldest: Option<flume::Receiver<T>>,
}

impl<T> Clone for Channel<T> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), oldest: self.oldest.clone() }
    }
}

impl<T> Channel<T> {
    /// Sends an event, unless the channel is full or its receiver is gone.
    fn send(&self, event: T) {
        let mut unsent = self.sender.try_send(event);
        while let (Err(flume::TrySendError::Full(event)), Some(oldest)) = (unsent, &self.oldest) {
            drop(oldest.try_recv());
            unsent = self.sender.try_send(event);
        }
    }
}

impl<T: Clone> Subscribers<T> {
    /// Creates a publisher without replay: a new subscriber receives the events published from then
    /// on.
    pub(crate) fn new() -> Self {
        Self::with(None, None, false)
    }

    /// Creates a publisher with replay: a new subscriber receives the latest event first. That is
    /// `first` until another event is published.
    pub(crate) fn replaying(first: T) -> Self {
        Self::with(Some(first), None, false)
    }

    /// Creates a publisher without replay. A subscriber with `most_unread` events misses later
    /// ones.
    pub(crate) fn bounded(most_unread: usize) -> Self {
        Self::with(None, Some(most_unread), false)
    }

    /// Creates a publisher without replay. A subscriber with `most_unread` events loses the oldest
    /// when another event is published.
    pub(crate) fn newest(most_unread: usize) -> Self {
        Self::with(None, Some(most_unread), true)
    }

    fn with(latest: Option<T>, most_unread: Option<usize>, keeps_newest: bool) -> Self {
        let is_replaying = latest.is_some();
        Self(Arc::new(Mutex::new(List {
            latest,
            is_replaying,
            most_unread,
            keeps_newest,
            is_over: false,
            channels: OrderedMap::new(),
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
            let oldest = list.keeps_newest.then(|| receiver.clone());
            list.channels.insert(number, Channel { sender, oldest });
        }
        Subscription { events: receiver.clone().into_stream(), receiver, number, list: self.0.clone() }
    }

    /// Sends `event` to every subscriber.
    pub(crate) fn publish(&self, event: &T) {
        let (before, channels): (_, Vec<_>) = {
            let mut list = lock(&self.0);
            (list.keep(event), list.channels.values().cloned().collect())
        };
        drop(before); // an error of the user's may be dropped with it
        send(channels, event);
    }

    /// Sends `event` to every subscriber, and keeps the earlier event for replay to new
    /// subscribers.
    pub(crate) fn publish_without_replay(&self, event: &T) {
        let channels: Vec<_> = lock(&self.0).channels.values().cloned().collect();
        send(channels, event);
    }

    /// Sends `event` to every subscriber, and ends every subscription after `event`.
    pub(crate) fn publish_last(&self, event: &T) {
        let (before, channels) = {
            let mut list = lock(&self.0);
            list.is_over = true;
            (list.keep(event), std::mem::take(&mut list.channels))
        };
        drop(before);
        send(channels.into_values(), event);
    }

    /// Ends every subscription after the events that wait for it.
    pub(crate) fn end(&self) {
        let channels = {
            let mut list = lock(&self.0);
            list.is_over = true;
            std::mem::take(&mut list.channels)
        };
        drop(channels); // this wakes receivers, so no lock is held
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

/// Sends `event` to each channel. A send wakes receivers, so no lock is held.
fn send<T: Clone>(channels: impl IntoIterator<Item = Channel<T>>, event: &T) {
    channels.into_iter().for_each(|channel| channel.send(event.clone()));
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
        let channel = lock(&self.list).channels.remove(self.number);
        drop(channel); // outside the lock
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
        assert_eq!(lock(&subscribers.0).channels.len(), 1);
        drop(kept);
        assert_eq!(lock(&subscribers.0).channels.len(), 0);
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
    #[test]
    fn full_channel_loses_the_oldest_or_the_latest_events() {
        let (newest, first) = (Subscribers::newest(2), Subscribers::bounded(2));
        let mut both = [newest.subscribe(), first.subscribe()];
        for event in 1..=5 {
            newest.publish(&event);
            first.publish(&event);
        }
        assert_eq!(both.each_mut().map(received), [Some(4), Some(1)]);
        assert_eq!(both.each_mut().map(received), [Some(5), Some(2)]);
    }

    #[test]
    fn ended_publisher_ends_streams_after_their_events() {
        let subscribers = Subscribers::newest(2);
        let mut early = subscribers.subscribe();
        subscribers.publish(&1);
        subscribers.end();
        let mut late = subscribers.subscribe();
        assert_eq!([(); 2].map(|()| received(&mut early)), [Some(1), None]);
        assert_eq!(received(&mut late), None);
    }
}
