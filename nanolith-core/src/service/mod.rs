//! A service owns a state and runs calls on it, in the order in which they arrive, on a thread of its
//! own or on a pool.
//!
//! - `builder`, `settings`: the settings. `launch_future`: the future that waits for the start.
//!   `init`, `init_error`: how the state is made, and the error of that.
//! - `service_shared`, `service_state`: the data that the handles and the thread share, and the
//!   part of it under the lock. `backend`: how the service holds its calls. `service_ref`: the
//!   service as an executor. `control`: less common operations.
//! - `service_thread`: the thread, from its start to its end. `event_loop`, `fast_path`: how it
//!   takes calls, with the lock and without. `local_tasks`, `futures`: the pending futures of its
//!   tasks.
//! - `parts`, `remote_outbox`: the settings and the events of a service whose state lives elsewhere.
//! - `on_pool`: the service on the threads of a pool.
//! - `on_panic`: what follows a panic. `restart`, `replace_state`: when the service restarts, and
//!   how it gets a new state. `restart_group`: which services restart with it.
//! - `shutdown`: how the service ends. `close_future`, `close_timeout`: the futures that wait for
//!   the end. `events`, `stage`: the events and the stages of its life, for code outside.
//! - `messages`, `streams`: what callers send to the service. `outbox`, `messengers`: what the
//!   service sends.

mod backend;
mod builder;
mod close_future;
mod close_timeout;
mod close_watch;
mod control;
mod event_loop;
mod events;
mod fast_path;
mod futures;
mod init;
mod init_error;
mod launch_future;
mod local_tasks;
mod messages;
mod messengers;
mod on_panic;
mod on_pool;
mod outbox;
mod parts;
mod remote_outbox;
mod replace_state;
mod restart;
mod restart_group;
mod service_ref;
mod service_shared;
mod service_state;
mod service_thread;
mod settings;
mod shutdown;
mod streams;

pub use builder::ServiceBuilder;
pub use close_future::{Close, CloseError};
pub use close_timeout::CloseTimeout;
pub(crate) use close_watch::{CloseState, CloseWatch};
pub use control::{RestartError, ServiceControl};
pub use events::{Crash, LifeEvent};
pub use init::{InitOutput, init_output};
pub use init_error::InitError;
pub use launch_future::{Launch, LaunchError};
pub use messengers::AttachError;
pub use on_panic::OnPanic;
pub use on_pool::PoolState;
pub use outbox::{RecvStream, WaitForEvent};
#[doc(hidden)]
pub use parts::ServiceParts;
pub use parts::ServiceSet;
#[doc(hidden)]
pub use remote_outbox::RemoteOutbox;
pub use restart::Restart;
#[doc(hidden)]
pub use restart::Restarts;
pub use restart_group::{GroupError, RestartGroup};
pub use service_ref::ServiceRef;
pub use streams::{CreateStream, CreateStreamError};

use crate::task::TaskSet;
use std::{fmt, ops::Deref, sync::Arc, thread::ThreadId, time::Duration};

/// A handle of a running service, with the typed methods of its set. Clones share the service.
///
/// ```
/// use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// let counter = Counter::service(10).name("counter").launch().wait()?;
/// assert_eq!(counter.bump(5).wait()?, 15); // typed methods are on the service itself
/// let again = counter.clone(); // the same service
/// assert_eq!(again.total().wait()?, 15);
/// counter.close().wait()?; // accepted calls finish first
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// When the last handle is dropped, the service closes. The drop does not wait: the accepted calls
/// still finish.
pub struct Service<S: TaskSet> {
    executor: ServiceRef<S>,
    calls: Arc<S::Calls<ServiceRef<S>>>,
}

impl<S: TaskSet> Service<S> {
    pub(crate) fn new(executor: ServiceRef<S>) -> Self {
        Self { calls: Arc::new(S::calls(executor.clone())), executor }
    }

    /// Returns the typed methods, to pass to a function that is generic over the executor.
    ///
    /// ```
    /// # use nanolith::{Executor, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// fn nine(geometry: &GeometryCalls<impl Executor<Geometry>>) -> Result<i64, CallError> {
    ///     geometry.add(4, 5).wait()
    /// }
    /// let service = Geometry::service().launch().wait()?;
    /// assert_eq!((nine(service.calls())?, nine(Geometry::tasks())?), (9, 9));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn calls(&self) -> &S::Calls<ServiceRef<S>> {
        &self.calls
    }

    /// Crashes the service, for tests. Returns whether the service can still restart.
    pub(crate) fn crash(&self) -> bool {
        self.executor.inner().restart(Crash::Simulated)
    }

    pub(crate) fn into_ref(self) -> ServiceRef<S> {
        self.executor
    }

    /// Closes the service. From now on it accepts only calls of its own running tasks. The accepted
    /// calls finish, then `#[on_close]` receives the state. The returned [`Close`] waits for the
    /// end.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let counter = Counter::service(10).launch().wait()?;
    /// let accepted = counter.bump(5).submit();
    /// counter.close().wait()?;
    /// assert_eq!(accepted.wait()?, 15);
    /// assert!(matches!(counter.total().wait(), Err(CallError::Closed(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The returned [`Close`] yields them: see [`CloseError`].
    pub fn close(&self) -> Close<S> {
        self.executor.inner().begin_close();
        Close::new(self.executor.inner().clone())
    }

    /// Closes the service like [`Service::close`], and waits until it ends, for at most `limit`,
    /// counted from now. At the limit, unfinished calls are ended, as in a pool.
    ///
    /// A queued call ends as [`CallError::Cancelled`](crate::error::CallError::Cancelled). A
    /// suspended call ends in the same way, at its await. A running synchronous task is asked to
    /// stop, which its [`Context`](crate::task::Context::is_cancelled) shows. Its caller waits
    /// until the task returns, and the service ends with the task. `#[on_close]` does not run then.
    /// An asynchronous `#[on_close]` that already runs is dropped at its next await. A limit of
    /// zero ends at once every call that can be ended.
    ///
    /// ```
    /// use nanolith::{prelude::*, service::CloseError, time::{MILLISECOND, MINUTE}};
    /// # pub struct Counter { total: i64 }
    /// # #[define] impl Counter {
    /// #     #[init] fn start(first: i64) -> Self { Self { total: first } }
    /// #     pub async fn total_later(&self) -> i64 { nanolith::time::sleep(MINUTE).await; self.total }
    /// # }
    /// let counter = Counter::service(10).launch().wait()?;
    /// let pending = counter.total_later().submit(); // takes a minute
    /// # while counter.info().queue_len > 0 { std::thread::yield_now() }
    /// match counter.close_timeout(MILLISECOND).wait() {
    ///     Err(CloseError::Unfinished(unfinished)) => assert_eq!((unfinished.cancelled(), unfinished.running()), (0, 1)),
    ///     other => unreachable!("not {other:?}"),
    /// }
    /// assert!(matches!(pending.wait(), Err(CallError::Cancelled(_))));
    /// counter.control().closed().wait()?; // the thread ends soon
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The returned [`CloseTimeout`] yields them. [`CloseError::Unfinished`] counts the calls
    /// that did not finish within the limit; the other errors are those of [`Service::close`]. A
    /// task of the service that waits for this receives [`CloseError::WouldDeadlock`], and no call
    /// is ended.
    pub fn close_timeout(&self, limit: Duration) -> CloseTimeout<S> {
        CloseTimeout::new(self.close(), limit)
    }

    /// Ends the service without waiting for its calls. Queued, suspended and running calls end as
    /// [`CallError::Closed`](crate::error::CallError::Closed) at once. A running synchronous task
    /// is asked to stop, and the thread ends with the task. `#[on_close]` does not run. An `async`
    /// `#[init]` of a restart is dropped; a synchronous `#[init]` runs to its end first.
    ///
    /// ```
    /// # use nanolith::{prelude::*, time::MINUTE};
    /// # pub struct Counter { total: i64 }
    /// # #[define] impl Counter {
    /// #     #[init] fn start(first: i64) -> Self { Self { total: first } }
    /// #     pub async fn total_later(&self) -> i64 { nanolith::time::sleep(MINUTE).await; self.total }
    /// # }
    /// let counter = Counter::service(10).launch().wait()?;
    /// let pending = counter.total_later().submit(); // would take a minute
    /// counter.terminate().wait()?;
    /// assert!(matches!(pending.wait(), Err(CallError::Closed(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The returned [`Close`] yields them: see [`CloseError`].
    pub fn terminate(&self) -> Close<S> {
        self.executor.inner().terminate();
        Close::new(self.executor.inner().clone())
    }

    /// Returns the name, the thread and the counts of the service, as of now.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let counter = Counter::service(10).launch().wait()?;
    /// let info = counter.info();
    /// assert_eq!((&*info.name, info.queue_len, info.is_closed), ("Counter", 0, false));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn info(&self) -> ServiceInfo {
        self.executor.inner().info()
    }

    /// Returns a handle for less common operations.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let counter = Counter::service(10).launch().wait()?;
    /// let thread = counter.control().thread().expect("it has a thread of its own");
    /// assert_eq!(thread.name(), Some("Counter"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn control(&self) -> ServiceControl<'_, S> {
        ServiceControl { inner: self.executor.inner() }
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

/// The name, the thread and the counts of a service at one moment, from [`Service::info`].
///
/// ```
/// use nanolith::{prelude::*, service::ServiceInfo};
/// # use nanolith_doc_sets::*;
/// let counter = Counter::service(10).launch().wait()?;
/// counter.bump(5).wait()?;
/// counter.close().wait()?;
/// let ServiceInfo { in_progress, queue_len, overflow, completed, is_closed, .. } = counter.info();
/// assert_eq!((in_progress, queue_len, overflow, completed, is_closed), (0, 0, 0, 1, true));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServiceInfo {
    /// The name of the service and of its thread.
    pub name: Arc<str>,
    /// The id of the service's own thread; `None` if the service runs on a pool.
    pub thread_id: Option<ThreadId>,
    /// The number of calls that were started and have not ended: the running call, and the calls
    /// whose futures are pending.
    pub in_progress: usize,
    /// The number of tasks that still run after their calls timed out. The service runs no other
    /// call until they return.
    ///
    /// A thread cannot be stopped from outside, so a task has to stop by itself. A synchronous task
    /// asks [`Context::is_cancelled`](crate::task::Context::is_cancelled) from time to time. An
    /// asynchronous task is dropped at its next `.await`. A task that blocks in foreign code cannot
    /// ask; only another service can take over its calls. [`LifeEvent::Overrun`] names the task.
    pub overrunning: usize,
    /// The number of calls from outside that wait for their turn.
    pub queue_len: usize,
    /// The number of calls that wait and do not count towards the bound of the queue: calls that
    /// tasks of the service submitted.
    pub overflow: usize,
    /// The number of calls that were accepted and have not ended: queued, running and suspended
    /// calls. A call leaves this number shortly after its output has arrived.
    pub in_flight: usize,
    /// The number of calls that were started and have ended.
    pub completed: u64,
    /// Whether the service is closing or closed. If so, it accepts no calls from outside.
    pub is_closed: bool,
    /// The number of restarts after a crash.
    pub restarts: u64,
}
