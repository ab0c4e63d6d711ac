//! The methods that send messages to one member, or to all members, of a cluster.

use super::{Cluster, ClusterControl, ClusterRef};
use crate::{
    error::SubmitError,
    task::{HasInbox, TaskSet},
    typed::{MessageTask, SendFuture},
};

impl<S: TaskSet> Cluster<S> {
    /// Sends a message to one member, which is chosen as for a call. Two messages may go to two
    /// members, and then their order is not defined.
    ///
    /// ```
    /// use nanolith::{Cluster, prelude::*};
    /// # pub struct Counter { total: i64 }
    /// # #[define]
    /// # impl Counter {
    /// #     #[on_message] fn on_message(&mut self, by: i64) { self.total += by }
    /// #     pub fn total(&self) -> i64 { self.total }
    /// # }
    /// let counters = Cluster::launch(2, || Counter::service(Counter { total: 0 })).wait()?;
    /// for by in 1..=10 {
    ///     counters.send(by).wait()?;
    /// }
    /// let totals = counters.control().call_all(|counter| counter.total()).wait();
    /// assert_eq!(totals.into_iter().filter_map(|(_, total)| total.ok()).sum::<i64>(), 55);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn send(&self, message: S::Message) -> SendFuture<'_, S, ClusterRef<S>, S::Message>
    where
        S: HasInbox,
    {
        SendFuture::new(&self.executor, MessageTask::message(), message)
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
        SendFuture::new(&self.executor, MessageTask::message(), message).try_send()
    }
}

impl<S: HasInbox> ClusterControl<'_, S>
where
    S::Message: Clone,
{
    /// Sends a clone of a message to each member, without waiting for queue room. Returns the
    /// number of members that accepted it.
    ///
    /// ```
    /// use nanolith::{Cluster, prelude::*};
    /// # pub struct Counter { total: i64 }
    /// # #[define]
    /// # impl Counter {
    /// #     #[on_message] fn on_message(&mut self, by: i64) { self.total += by }
    /// #     pub fn total(&self) -> i64 { self.total }
    /// # }
    /// let counters = Cluster::launch(2, || Counter::service(Counter { total: 0 })).wait()?;
    /// assert_eq!(counters.control().send_all(&5), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_all(&self, message: &S::Message) -> usize {
        let members = self.members().into_iter().filter_map(|member| self.use_member(member));
        members.filter(|member| member.try_send(message.clone()).is_ok()).count()
    }
}
