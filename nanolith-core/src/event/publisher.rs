//! [`EventPublisher`]: publishes events of an executor that another crate of the workspace has.

use super::Events;
use crate::wake::subscribers::Subscribers;
use std::fmt;

/// Publishes events to the [`Events`] streams that subscribe to it.
#[doc(hidden)]
pub struct EventPublisher<T>(Subscribers<T>);

impl<T: Clone + Send + 'static> EventPublisher<T> {
    /// Creates a publisher. A stream with `most_unread` unread events loses the oldest when another
    /// event is published.
    #[must_use]
    pub fn newest(most_unread: usize) -> Self {
        Self(Subscribers::newest(most_unread))
    }

    /// Returns a stream of the events from now on.
    pub fn subscribe(&self) -> Events<T> {
        Events::of(&self.0)
    }

    /// Publishes an event. This wakes receivers, so the caller holds no lock.
    pub fn publish(&self, event: &T) {
        self.0.publish(event);
    }

    /// Ends every stream after its unread events.
    pub fn end(&self) {
        self.0.end();
    }
}

impl<T> fmt::Debug for EventPublisher<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventPublisher").finish_non_exhaustive()
    }
}
