//! The service: a thread of its own that owns a state, and runs calls on it in the order in which they came.
//!
//! `builder` says what a service is launched with, `inner` is what its handles and its thread share, `crew` the futures
//! that its tasks left, `thread` its loop, `closing` its end.

mod builder;
mod closing;
mod crew;
mod inner;
mod launch;
mod thread;

pub use builder::{InitOutput, OnPanic, ServiceBuilder};
pub use closing::{CloseError, Closing};
pub use inner::ServiceRef;
pub use launch::{Launch, LaunchError};

use self::inner::Inner;
use crate::task::TaskSet;
use std::{
    fmt,
    ops::Deref,
    sync::Arc,
    thread::{Thread, ThreadId},
};

/// A running service: a handle whose clones share it, with the typed methods of its set.
///
/// ```ignore
/// let counter = Counter::service(10).name("counter").launch().await?;
/// counter.bump(5).await?;      // typed methods are on the service itself
/// counter.close().await?;      // accepted calls finish first
/// ```
///
/// When the last handle is dropped the service closes, without waiting: the calls that it accepted still finish.
pub struct Service<S: TaskSet> {
    executor: ServiceRef<S>,
    calls: Arc<S::Calls<ServiceRef<S>>>,
}

impl<S: TaskSet> Service<S> {
    fn new(executor: ServiceRef<S>) -> Self {
        Self { calls: Arc::new(S::calls(executor.clone())), executor }
    }

    /// The typed methods, to be passed where any executor's calls are taken.
    #[must_use]
    pub fn calls(&self) -> &S::Calls<ServiceRef<S>> {
        &self.calls
    }

    /// Closes the service: from now on it accepts only calls of its own running tasks; those accepted finish; then
    /// `#[on_close]` has the state. Await what this gives, or wait on it, to see the end.
    pub fn close(&self) -> Closing<S> {
        self.executor.inner().begin_close();
        Closing::new(self.executor.inner().clone())
    }

    /// Ends the service without waiting for what is queued or suspended: those calls end as
    /// [`CallError::Closed`](crate::CallError::Closed). A synchronous task that runs is asked to stop, and the thread
    /// ends with it. `#[on_close]` does not run.
    pub fn terminate(&self) -> Closing<S> {
        self.executor.inner().terminate();
        Closing::new(self.executor.inner().clone())
    }

    /// Its name, thread and figures, as of now.
    #[must_use]
    pub fn info(&self) -> ServiceInfo {
        self.executor.inner().info()
    }

    /// Rarer verbs.
    pub fn control(&self) -> Control<'_, S> {
        Control { inner: self.executor.inner() }
    }
}

impl<S: TaskSet> Clone for Service<S> {
    fn clone(&self) -> Self {
        Self { executor: self.executor.clone(), calls: self.calls.clone() }
    }
}

impl<S: TaskSet> Deref for Service<S> {
    type Target = S::Calls<ServiceRef<S>>;

    fn deref(&self) -> &Self::Target {
        &self.calls
    }
}

impl<S: TaskSet> fmt::Debug for Service<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Service").field(&self.info()).finish()
    }
}

/// What there is to know of a service, as of the moment when it was asked: made by [`Service::info`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServiceInfo {
    /// Its name, which its thread bears.
    pub name: Arc<str>,
    /// Its thread.
    pub thread_id: ThreadId,
    /// Calls that were begun and are not over: one that runs, and those whose futures are pending.
    pub active_calls: usize,
    /// Calls from outside that wait for their turn.
    pub queue_len: usize,
    /// Calls that wait beyond the bound, since the service's own tasks submitted them.
    pub overflow: usize,
    /// Calls that were begun and are over.
    pub completed: u64,
    /// Whether it is closing or closed: it accepts no calls from outside.
    pub closed: bool,
}

/// Rarer verbs of a service: made by [`Service::control`].
pub struct Control<'a, S: TaskSet> {
    inner: &'a Arc<Inner<S>>,
}

impl<S: TaskSet> Control<'_, S> {
    /// Waits for the service's end, without bringing it about.
    pub fn closed(&self) -> Closing<S> {
        Closing::new(self.inner.clone())
    }

    /// The service's thread.
    #[must_use]
    pub fn thread(&self) -> Thread {
        self.inner.thread()
    }
}

impl<S: TaskSet> fmt::Debug for Control<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").field("service", &self.inner.info()).finish()
    }
}
