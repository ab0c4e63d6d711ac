//! [`ProcessService`]: a service whose state lives in a child process.
//!
//! - `builder`, `launch`: the settings, and the future that waits for the start. `close`: that of the end.
//! - `messages`: the messages to the service. `outbox`: its events, for the holders of its handles.
//! - `init_args`: the arguments of `#[init]` for each child. `service_ref`: the service as an executor.

mod builder;
mod close;
mod init_args;
mod launch;
mod messages;
mod outbox;
mod service_ref;

pub use builder::ProcessServiceBuilder;
pub use close::ProcessServiceClose;
pub use launch::ProcessLaunch;
pub use service_ref::ProcessServiceRef;

use crate::{ProcessEvent, served::ProcessSet};
use nanolith::{event::Events, service::ServiceBuilder};
use std::{fmt, ops::Deref, sync::Arc};

/// A service whose state lives in a child process, with the typed methods of the set. Clones share
/// the service.
///
/// `#[init]` runs in the child, and so do all tasks, one at a time. If the child dies, or is killed to
/// end a task, its state is lost. The [`Restart`](nanolith::service::Restart) policy decides whether
/// another child makes a new one.
///
/// ```standalone_crate
/// use nanolith::{prelude::*, service::Restart};
/// use nanolith_process::ProcessService;
///
/// pub struct Counter { total: i64 }
///
/// #[define(wire)]
/// impl Counter {
///     #[init]
///     fn start(first: i64) -> Self { Self { total: first } }
///     pub fn bump(&mut self, by: i64) -> i64 { self.total += by; self.total }
///     pub fn crash(&mut self) { std::process::abort() }
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     nanolith_process::init().serve::<(Counter,)>();
///     let service = Counter::service(10).restart(Restart::on_panic());
///     let counter = ProcessService::launch(service).wait()?; // or `.await?`
///     assert_eq!(counter.bump(5).wait()?, 15);
///     assert!(matches!(counter.crash().wait(), Err(CallError::Crashed(_))));
///     assert_eq!(counter.bump(1).wait()?, 11); // another child, which began at 10
///     counter.close().wait()?;
///     Ok(())
/// }
/// ```
///
/// # Restarts
///
/// | what happens | [`never`](nanolith::service::Restart::never) | [`on_panic`](nanolith::service::Restart::on_panic) | [`except_in_tasks`](nanolith::service::Restart::except_in_tasks) |
/// |---|---|---|---|
/// | a task or a hook panics | the state is kept | a new child | the state is kept |
/// | the child dies, or is killed | the service ends | a new child | a new child |
/// | `#[init]` fails at a restart | | another try | another try |
///
/// The limit and the waits of the policy count all of them. Calls that the child had not begun run on
/// the new state. When the service ends, they end as [`CallError::Crashed`](nanolith::CallError::Crashed).
/// A state is dropped only at an orderly end, after `#[on_close]`: a process that dies runs nothing.
///
/// When the last handle is dropped, the service closes: accepted calls still run, then `#[on_close]`.
/// The child has five seconds for that.
pub struct ProcessService<S: ProcessSet> {
    executor: ProcessServiceRef<S>,
    calls: Arc<S::Calls<ProcessServiceRef<S>>>,
}

impl<S: ProcessSet> ProcessService<S> {
    pub(crate) fn new(executor: ProcessServiceRef<S>) -> Self {
        Self { calls: Arc::new(S::calls(executor.clone())), executor }
    }

    /// Starts the service in a child process with the default settings: see
    /// [`builder`](Self::builder).
    pub fn launch(service: ServiceBuilder<S, S::Error, S::Args>) -> ProcessLaunch<S> {
        Self::builder(service).launch()
    }

    /// Returns a builder of the service and its child process. `service` is what the set's `service`
    /// returns, with its settings.
    pub fn builder(service: ServiceBuilder<S, S::Error, S::Args>) -> ProcessServiceBuilder<S> {
        ProcessServiceBuilder::new(service)
    }

    /// Returns the typed methods, to pass to a function that is generic over the executor.
    #[must_use]
    pub fn calls(&self) -> &S::Calls<ProcessServiceRef<S>> {
        &self.calls
    }

    /// Returns the counts of the service at this moment.
    #[must_use]
    pub fn info(&self) -> ProcessServiceInfo {
        self.executor.info()
    }

    /// Closes the service: it accepts no more calls. Accepted calls still run, then `#[on_close]`. The
    /// returned future waits for the end of the child. Its error is a [`CloseError`](crate::CloseError).
    pub fn close(&self) -> ProcessServiceClose {
        self.executor.close()
    }

    /// Closes the service, ends the queued calls as [`CallError::Cancelled`](nanolith::CallError::Cancelled),
    /// and kills the child: the call that it runs ends as [`CallError::Killed`](nanolith::CallError::Killed).
    pub fn terminate(&self) -> ProcessServiceClose {
        self.executor.terminate()
    }

    /// Returns a handle for less common operations.
    #[must_use]
    pub fn control(&self) -> ProcessServiceControl<'_, S> {
        ProcessServiceControl { executor: &self.executor }
    }
}

/// The less common operations of a service in a child process, from [`ProcessService::control`].
#[derive(Debug)]
pub struct ProcessServiceControl<'a, S: ProcessSet> {
    executor: &'a ProcessServiceRef<S>,
}

impl<S: ProcessSet> ProcessServiceControl<'_, S> {
    /// Returns a stream of what happens to the child processes of the service: each start, and each end
    /// with its reason. See [`ProcessPool::events`](crate::ProcessPool::events).
    pub fn process_events(&self) -> Events<ProcessEvent> {
        self.executor.pool().events()
    }

    /// Waits until the service is closed and its child is gone. This does not close the service.
    pub fn closed(&self) -> ProcessServiceClose {
        ProcessServiceClose::new(self.executor.pool().closed())
    }
}

impl<S: ProcessSet> Clone for ProcessServiceControl<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: ProcessSet> Copy for ProcessServiceControl<'_, S> {}

impl<S: ProcessSet> Clone for ProcessService<S> {
    fn clone(&self) -> Self {
        Self { executor: self.executor.clone(), calls: self.calls.clone() }
    }
}

impl<S: ProcessSet> Deref for ProcessService<S> {
    type Target = S::Calls<ProcessServiceRef<S>>;

    fn deref(&self) -> &Self::Target {
        &self.calls
    }
}

impl<S: ProcessSet> fmt::Debug for ProcessService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProcessService").field(&self.info()).finish()
    }
}

/// The name and the counts of a service in a child process, from [`ProcessService::info`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProcessServiceInfo {
    /// The name of the service.
    pub name: Arc<str>,
    /// The id of the child process, if there is one: between a crash and a restart there is none.
    pub pid: Option<u32>,
    /// The number of calls that wait for their turn.
    pub queue_len: usize,
    /// The number of calls that were accepted and have not ended.
    pub in_flight: usize,
    /// The number of calls that were started and have ended.
    pub completed: u64,
    /// The number of restarts.
    pub restarts: u64,
    /// Whether the service is closed.
    pub is_closed: bool,
}
