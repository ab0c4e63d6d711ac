//! The service: a thread of its own that owns a state, and runs calls on it in the order in which they came.
//!
//! `builder` says what a service is launched with, `init` how it comes by its state and `init_error` how that fails, `inner` is what its handles and its
//! thread share, `executor` how it holds calls, `reference` how others bring them, `local_tasks` the futures that its tasks left,
//! `thread` its loop. `restart` says when it starts anew, `group` with whom, `life` who hears of that, `closing` is its end.
//! `messages`, `streams`, `outlets` and `messengers` are what is said to it, and by it.

mod backend;
mod builder;
mod close;
mod close_within;
mod event_loop;
mod events;
mod futures;
mod init;
mod init_error;
mod launch;
mod local_tasks;
mod messages;
mod messengers;
mod outbox;
mod restart;
mod service_ref;
mod service_shared;
mod streams;
mod supervisor;

pub use builder::{OnPanic, ServiceBuilder};
pub use close::{CloseError, Closing};
pub use close_within::ServiceCloseWithin;
pub use events::{Crash, LifeEvent, LifeEvents, NextEvent};
pub use init::{InitOutput, init_output};
pub use init_error::InitError;
pub use launch::{Launch, LaunchError};
pub use messengers::AttachError;
pub use outbox::{NextStream, WaitForEvent};
pub use restart::Restart;
pub use service_ref::ServiceRef;
pub(crate) use service_shared::{Stage, StageWatch};
pub use streams::{CreateStream, CreateStreamError};
pub use supervisor::{Group, GroupError};

use self::service_shared::ServiceShared;
use crate::task::TaskSet;
use std::{
    fmt,
    ops::Deref,
    sync::Arc,
    thread::{Thread, ThreadId},
    time::Duration,
};

/// A running service: a handle whose clones share it, with the typed methods of its set.
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
/// When the last handle is dropped the service closes, without waiting: the calls that it accepted still finish.
pub struct Service<S: TaskSet> {
    executor: ServiceRef<S>,
    calls: Arc<S::Calls<ServiceRef<S>>>,
}

impl<S: TaskSet> Service<S> {
    pub(crate) fn new(executor: ServiceRef<S>) -> Self {
        Self { calls: Arc::new(S::calls(executor.clone())), executor }
    }

    /// The typed methods, to be passed where any executor's calls are taken.
    ///
    /// ```
    /// # use nanolith::prelude::*;
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

    /// What its handles share.
    /// Has it crash, for tests; says whether it may still come to that.
    pub(crate) fn crash(&self) -> bool {
        self.executor.inner().restart(Crash::Simulated)
    }

    pub(crate) fn into_ref(self) -> ServiceRef<S> {
        self.executor
    }

    /// Closes the service: from now on it accepts only calls of its own running tasks; those accepted finish; then
    /// `#[on_close]` has the state. Await what this gives, or wait on it, to see the end.
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
    /// They come through what this gives: see [`CloseError`].
    pub fn close(&self) -> Closing<S> {
        self.executor.inner().begin_close();
        Closing::new(self.executor.inner().clone())
    }

    /// Closes as [`Service::close`] does, and waits for the end, for `limit` at most, counted from now. What has not finished by then
    /// is ended as a pool's is. A queued call ends as [`CallError::Cancelled`](crate::CallError::Cancelled), and so does a suspended
    /// one, at its await. A synchronous task that runs is asked to stop, which its [`Context`](crate::Context::is_cancelled) shows;
    /// its caller waits until it returns, and the service ends with it. `#[on_close]` does not run then, and one that is
    /// asynchronous and runs is dropped at its next await. A limit of zero ends at once what can be ended.
    ///
    /// ```
    /// use nanolith::{CloseError, prelude::*};
    /// # pub struct Counter { total: i64 }
    /// # #[define] impl Counter {
    /// #     #[init] fn start(first: i64) -> Self { Self { total: first } }
    /// #     pub async fn total_later(&self) -> i64 { nanolith::time::sleep(MINUTE).await; self.total }
    /// # }
    /// let counter = Counter::service(10).launch().wait()?;
    /// let pending = counter.total_later().submit(); // takes a minute
    /// # while counter.info().queue_len > 0 { std::thread::yield_now() }
    /// match counter.close_within(MILLISECOND).wait() {
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
    /// They come through what this gives. [`CloseError::Unfinished`] has what did not finish within the limit; else as
    /// [`Service::close`]. A task of the service that waits for this receives [`CloseError::WouldDeadlock`], and nothing is ended.
    pub fn close_within(&self, limit: Duration) -> ServiceCloseWithin<S> {
        ServiceCloseWithin::new(self.close(), limit)
    }

    /// Ends the service without waiting for its calls: queued, suspended or running, they end as
    /// [`CallError::Closed`](crate::CallError::Closed) at once. A synchronous task that runs is asked to stop, and the
    /// thread ends with it. `#[on_close]` does not run. An `async` `#[init]` that makes the state anew is dropped; a
    /// synchronous one is waited for.
    ///
    /// ```
    /// # use nanolith::prelude::*;
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
    /// They come through what this gives: see [`CloseError`].
    pub fn terminate(&self) -> Closing<S> {
        self.executor.inner().terminate();
        Closing::new(self.executor.inner().clone())
    }

    /// Its name, thread and figures, as of now.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let counter = Counter::service(10).launch().wait()?;
    /// let info = counter.info();
    /// assert_eq!((&*info.name, info.queue_len, info.closed), ("Counter", 0, false));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn info(&self) -> ServiceInfo {
        self.executor.inner().info()
    }

    /// Rarer verbs.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let counter = Counter::service(10).launch().wait()?;
    /// assert_eq!(counter.control().thread().name(), Some("Counter"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
///
/// ```
/// use nanolith::{ServiceInfo, prelude::*};
/// # use nanolith_doc_sets::*;
/// let counter = Counter::service(10).launch().wait()?;
/// counter.bump(5).wait()?;
/// counter.close().wait()?;
/// let ServiceInfo { active_calls, queue_len, overflow, completed, closed, .. } = counter.info();
/// assert_eq!((active_calls, queue_len, overflow, completed, closed), (0, 0, 0, 1, true));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServiceInfo {
    /// Its name, which its thread bears.
    pub name: Arc<str>,
    /// Its thread.
    pub thread_id: ThreadId,
    /// Calls that were begun and are not over: one that runs, and those whose futures are pending.
    pub active_calls: usize,
    /// Tasks that still run though their calls have timed out. The service serves no other call until they return.
    ///
    /// A thread cannot be stopped from outside, so a task has to stop by itself: a synchronous one asks
    /// [`Context::is_cancelled`](crate::Context::is_cancelled) from time to time, an asynchronous one is dropped at its next `.await`.
    /// Where a task cannot ask, because it waits in foreign code, only another service can take its calls.
    /// [`LifeEvent::Overrun`] names the task.
    pub overrunning: usize,
    /// Calls from outside that wait for their turn.
    pub queue_len: usize,
    /// Calls that wait beyond the bound, since the service's own tasks submitted them.
    pub overflow: usize,
    /// Calls that were begun and are over.
    pub completed: u64,
    /// Whether it is closing or closed: it accepts no calls from outside.
    pub closed: bool,
    /// How often it has started anew after a crash.
    pub restarts: u64,
}

/// Rarer verbs of a service: made by [`Service::control`].
///
/// ```
/// use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// let counter = Counter::service(10).launch().wait()?;
/// let control = counter.control();
/// assert_eq!(control.thread().id(), counter.info().thread_id);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Control<'a, S: TaskSet> {
    inner: &'a Arc<ServiceShared<S>>,
}

impl<S: TaskSet> Control<'_, S> {
    /// Waits for the service's end, without bringing it about.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let counter = Counter::service(10).launch().wait()?;
    /// let end = counter.control().closed();
    /// drop(counter); // the last handle: the service closes
    /// end.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// They come through what this gives: see [`CloseError`].
    pub fn closed(&self) -> Closing<S> {
        Closing::new(self.inner.clone())
    }

    /// Has the service start anew, as after a crash: its state is dropped and `#[init]` makes another. The call that runs
    /// finishes first; that counts against no limit. A start that has not begun answers all who asked for one, and one who
    /// asks a service that is over asks in vain.
    ///
    /// ```
    /// # use nanolith::{LifeEvent, Restart, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let counter = Counter::service(10).restart(Restart::on_panic()).launch().wait()?;
    /// assert_eq!(counter.bump(5).wait()?, 15);
    /// let mut life = counter.control().life();
    /// counter.control().restart()?;
    /// assert!(matches!(life.recv().wait(), Some(LifeEvent::Started)));
    /// assert!(matches!(life.recv().wait(), Some(LifeEvent::Restarted { .. })));
    /// assert_eq!(counter.bump(5).wait()?, 15);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NeverRestarts`] where the service was launched without a restart policy.
    pub fn restart(&self) -> Result<(), NeverRestarts> {
        if !self.inner.restarts {
            return Err(NeverRestarts);
        }
        self.inner.restart(Crash::Asked);
        Ok(())
    }

    /// What happens in the service's life, beginning with what happened last.
    ///
    /// ```
    /// # use nanolith::{LifeEvent, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let geometry = Geometry::service().launch().wait()?;
    /// let life = geometry.control().life();
    /// drop(geometry);
    /// for event in life {
    ///     println!("{event:?}"); // Started, Closed
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn life(&self) -> LifeEvents {
        self.inner.watchers.join()
    }

    /// How long calls waited and ran, by task, and how busy the thread was; `None` unless the service was built to measure. A
    /// restart goes on with it.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let geometry = Geometry::service().metrics(true).launch().wait()?;
    /// geometry.add(4, 5).wait()?;
    /// if let Some(metrics) = geometry.control().metrics() {
    ///     println!("{}", metrics.run());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "metrics")]
    #[must_use]
    pub fn metrics(&self) -> Option<crate::metrics::Metrics> {
        self.inner.recorder.read(1)
    }

    /// Forgets what was measured, and begins anew.
    #[cfg(feature = "metrics")]
    pub fn reset_metrics(&self) {
        self.inner.recorder.reset();
    }

    /// The service's thread.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let counter = Counter::service(10).name("counter").launch().wait()?;
    /// assert_eq!(counter.control().thread().name(), Some("counter"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn thread(&self) -> Thread {
        self.inner.thread()
    }
}

/// A service without a restart policy was asked to start anew: see [`Control::restart`].
///
/// ```
/// use nanolith::{NeverRestarts, prelude::*};
/// # use nanolith_doc_sets::*;
/// let geometry = Geometry::service().launch().wait()?;
/// assert_eq!(geometry.control().restart(), Err(NeverRestarts));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeverRestarts;

impl fmt::Display for NeverRestarts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the service has no restart policy: launch it with `.restart(..)`")
    }
}

impl std::error::Error for NeverRestarts {}

impl<S: TaskSet> Clone for Control<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: TaskSet> Copy for Control<'_, S> {}

impl<S: TaskSet> fmt::Debug for Control<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").field("service", &self.inner.info()).finish()
    }
}
