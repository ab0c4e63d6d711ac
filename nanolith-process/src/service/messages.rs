//! [`ProcessService::send`]: sends a message to a service in a child process. Messages wait in one
//! queue with the service's calls.

use super::{ProcessService, ProcessServiceRef};
use crate::served::ProcessSet;
use nanolith::{
    call::{SendFuture, SubmitError},
    task::HasInbox,
};

impl<S: ProcessSet> ProcessService<S> {
    /// Sends a message to the set's `#[on_message]`, which runs in the child, as
    /// [`Service::send`](nanolith::Service::send) does. Messages and calls are taken in the order in
    /// which they arrive. If the queue is full, this waits for queue room, unless the service was built
    /// with another `on_full`.
    ///
    /// A message that the child has not begun when it dies runs on the new state, if the service
    /// restarts. Otherwise it is dropped. A message that the child had begun is not run again.
    ///
    /// ```standalone_crate
    /// use nanolith::prelude::*;
    /// use nanolith_process::ProcessService;
    ///
    /// pub struct Counter { total: i64 }
    ///
    /// #[define(wire)]
    /// impl Counter {
    ///     #[init]
    ///     fn start(total: i64) -> Self { Self { total } }
    ///     #[on_message]
    ///     fn on_message(&mut self, by: i64) { self.total += by }
    ///     pub fn total(&self) -> i64 { self.total }
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     nanolith_process::init().serve::<(Counter,)>();
    ///     let counter = ProcessService::launch(Counter::service(10)).wait()?;
    ///     counter.send(5).wait()?; // or `.await?`
    ///     assert_eq!(counter.total().wait()?, 15);
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`SubmitError`] gives the message back: the service is closed, it is full and does not wait for
    /// room, or the message cannot be encoded.
    #[track_caller]
    pub fn send(&self, message: S::Message) -> SendFuture<'_, S, ProcessServiceRef<S>, S::Message>
    where
        S: HasInbox,
    {
        SendFuture::by_executor(&self.executor, message)
    }

    /// Sends a message without waiting for queue room.
    ///
    /// # Errors
    ///
    /// [`SubmitError`] gives the message back: the queue is full, the service is closed, or the message
    /// cannot be encoded.
    #[track_caller]
    pub fn try_send(&self, message: S::Message) -> Result<(), SubmitError<S::Message>>
    where
        S: HasInbox,
    {
        SendFuture::by_executor(&self.executor, message).try_send()
    }
}
