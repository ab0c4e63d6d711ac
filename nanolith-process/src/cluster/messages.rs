//! The methods that send messages to one member, or to all members, of a cluster of child processes.

use super::{ProcessCluster, ProcessClusterControl, ProcessClusterRef};
use crate::served::ProcessSet;
use nanolith::{
    call::{SendFuture, SubmitError},
    task::HasInbox,
};

impl<S: ProcessSet> ProcessCluster<S> {
    /// Sends a message to one member, which is chosen as for a call, as
    /// [`Cluster::send`](nanolith::Cluster::send) does. Two messages may go to two members, and then
    /// their order is not defined.
    ///
    /// ```standalone_crate
    /// use nanolith::prelude::*;
    /// use nanolith_process::{ProcessCluster, ProcessService};
    ///
    /// # pub struct Counter { total: i64 }
    /// #[define(wire)]
    /// impl Counter {
    ///     #[init]
    ///     fn start() -> Self { Self { total: 0 } }
    ///     #[on_message]
    ///     fn on_message(&mut self, by: i64) { self.total += by }
    ///     pub fn total(&self) -> i64 { self.total }
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     nanolith_process::init().serve::<(Counter,)>();
    ///     let counters = ProcessCluster::launch(2, || ProcessService::builder(Counter::service())).wait()?;
    ///     counters.send(5).wait()?;
    ///     assert_eq!(counters.control().send_all(&1), 2);
    ///     let members = counters.control().members();
    ///     let totals: Result<Vec<_>, _> = members.iter().map(|member| member.total().wait()).collect();
    ///     assert_eq!(totals?.iter().sum::<i64>(), 7);
    ///     Ok(())
    /// }
    /// ```
    #[track_caller]
    pub fn send(&self, message: S::Message) -> SendFuture<'_, S, ProcessClusterRef<S>, S::Message>
    where
        S: HasInbox,
    {
        SendFuture::by_executor(&self.executor, message)
    }

    /// Sends a message to one member without waiting for queue room.
    ///
    /// # Errors
    ///
    /// [`SubmitError`] gives the message back if all members are full, or if there is no member.
    #[track_caller]
    pub fn try_send(&self, message: S::Message) -> Result<(), SubmitError<S::Message>>
    where
        S: HasInbox,
    {
        SendFuture::by_executor(&self.executor, message).try_send()
    }
}

impl<S: ProcessSet + HasInbox> ProcessClusterControl<'_, S>
where
    S::Message: Clone,
{
    /// Sends a clone of a message to each member, without waiting for queue room. Returns the number
    /// of members that accepted it. [`ProcessCluster::send`] has an example.
    pub fn send_all(&self, message: &S::Message) -> usize {
        self.members().iter().filter(|member| member.try_send(message.clone()).is_ok()).count()
    }
}
