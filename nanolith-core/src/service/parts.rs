//! [`ServiceParts`]: what an executor needs of a [`ServiceBuilder`] if the state lives elsewhere,
//! such as in another process. [`ServiceSet`]: makes the builder again from the arguments.

use super::{ServiceBuilder, init::Initializer, remote_outbox::RemoteOutbox, restart::Restart, settings::Settings};
use crate::{
    pool::{BuildError, queue_config::QueueConfig},
    task::TaskSet,
};
use std::{sync::Arc, time::Duration};

/// A set whose services can be made from the arguments of `#[init]` as one value.
///
/// `#[define(wire)]` implements it. An executor that runs services elsewhere sends the arguments
/// there, and makes the service from what arrives.
///
/// ```
/// use nanolith::{prelude::*, service::ServiceSet};
/// pub struct Counter { total: i64 }
/// #[define(wire)]
/// impl Counter {
///     #[init]
///     fn start(first: i64) -> Self { Self { total: first } }
///     pub fn total(&self) -> i64 { self.total }
/// }
/// let counter = Counter::service_of((10,)).launch().wait()?;
/// assert_eq!(counter.total().wait()?, 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait ServiceSet: TaskSet {
    /// The arguments of `#[init]`, as a tuple. For a set without `#[init]` it is the state, or `()`.
    type Args: 'static;
    /// The error of `#[init]`.
    type Error: Send + 'static;
    /// The event of `#[define(outbox = ..)]`. For a set without an outbox it is a type without values.
    type OutboxEvent: Clone + Send + Sync + 'static;
    /// The message of `#[on_message]`. For a set without it, it is a type without values.
    type InboxMessage: Send + 'static;

    /// Returns the builder that `Counter::service(..)` returns for these arguments.
    fn service_of(args: Self::Args) -> ServiceBuilder<Self, Self::Error, Self::Args>;

    /// Returns the task that handles a message.
    #[doc(hidden)]
    fn inbox_task(message: Self::InboxMessage) -> Self::Task;

    /// Returns the message of such a task, or `None` for another task.
    #[doc(hidden)]
    fn inbox_message(task: &Self::Task) -> Option<&Self::InboxMessage>;
}

/// The settings of a service whose state lives elsewhere.
#[allow(missing_debug_implementations)] // hidden: for executors of this project
pub struct ServiceParts<S: TaskSet, E, A> {
    init: Box<dyn Initializer<S, E, A>>,
    /// The name of the service.
    pub name: Arc<str>,
    /// When the service restarts.
    pub restart: Restart,
    /// How long `#[init]` may take.
    pub launch_timeout: Option<Duration>,
    /// The stack size of the service's thread.
    pub stack_size: Option<usize>,
    /// Where the owners of the service receive its events.
    pub outbox: RemoteOutbox,
    pub(crate) queue: QueueConfig,
}

impl<S: TaskSet, E, A> ServiceParts<S, E, A> {
    /// Returns the arguments of the next start. Returns `None` if they were used up by an earlier
    /// one.
    pub fn next_args(&mut self) -> Option<A> {
        self.init.take_args()
    }

    /// Returns how long a task may run before it should yield.
    #[must_use]
    pub fn slice(&self) -> Duration {
        self.queue.policy.slice
    }
}

impl<S: TaskSet, E: Send + 'static, A: 'static> ServiceBuilder<S, E, A> {
    /// Takes the builder apart, for a service whose state lives elsewhere.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if a setting is invalid, or is a value or a function of this process.
    #[doc(hidden)]
    pub fn into_parts(self) -> Result<ServiceParts<S, E, A>, BuildError> {
        let Self { init, settings } = self;
        settings.validate()?;
        if let Some(setting) = settings.first_local() {
            return Err(BuildError::bad(setting, "cannot be set for a service that does not run in this process"));
        }
        let Settings { name, queue, restart, launch_timeout, stack_size, outbox, .. } = settings;
        let outbox = RemoteOutbox::new(outbox);
        Ok(ServiceParts { init, name, restart, launch_timeout, stack_size, outbox, queue })
    }
}
