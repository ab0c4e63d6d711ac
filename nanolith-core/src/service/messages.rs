//! [`Service::send`]: sends a message to a service. Messages wait in one queue with the service's
//! calls.

use super::{Service, ServiceRef};
use crate::{
    error::SubmitError,
    task::{HasInbox, TaskSet},
    typed::{MessageTask, SendFuture},
};

impl<S: TaskSet> Service<S> {
    /// Sends a message to the set's `#[on_message]`. Messages and calls are taken in the order in
    /// which they arrive. If the queue is full, this waits for queue room, unless the service was
    /// built with another `on_full`.
    ///
    /// ```
    /// use nanolith::prelude::*;
    /// pub struct Counter { total: i64 }
    /// #[define]
    /// impl Counter {
    ///     #[on_message]
    ///     fn on_message(&mut self, by: i64) { self.total += by }
    ///     pub fn total(&self) -> i64 { self.total }
    /// }
    /// let counter = Counter::service(Counter { total: 10 }).launch().wait()?;
    /// counter.send(5).wait()?; // or `.await?`
    /// assert_eq!(counter.total().wait()?, 15);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn send(&self, message: S::Message) -> SendFuture<'_, S, ServiceRef<S>, S::Message>
    where
        S: HasInbox,
    {
        SendFuture::new(&self.executor, MessageTask::message(), message)
    }

    /// Sends a message without waiting for queue room.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # pub struct Counter { total: i64 }
    /// # #[define]
    /// # impl Counter {
    /// #     #[on_message]
    /// #     fn on_message(&mut self, by: i64) { self.total += by }
    /// #     pub fn total(&self) -> i64 { self.total }
    /// # }
    /// let counter = Counter::service(Counter { total: 10 }).launch().wait()?;
    /// if let Err(refused) = counter.try_send(5) {
    ///     assert!(refused.is_full()); // `refused.into_inner()` is the 5
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SubmitError`] gives the message back if the queue is full or the service is closed.
    #[track_caller]
    pub fn try_send(&self, message: S::Message) -> Result<(), SubmitError<S::Message>>
    where
        S: HasInbox,
    {
        SendFuture::new(&self.executor, MessageTask::message(), message).try_send()
    }
}
