//! [`Local`]: an executor without threads, whose owner runs its work: in a game loop, a window's
//! event loop, a single-threaded `main`, or a test.
//!
//! - `local_shared`, `state`: the shared data and its lock.
//! - `driver`, `run`: running the work, and the methods that do so. `mock_time`: running along a
//!   mock clock.
//! - `backend`: how its tasks and its owner wait. `notify`: notifying the host of work. `drained`:
//!   the wait for an empty moment.

mod backend;
mod builder;
mod drained;
mod driver;
mod local_shared;
mod mock_time;
mod notify;
mod run;
mod state;

pub use builder::LocalBuilder;
pub use drained::Drained;
pub use notify::{WorkAvailable, WorkHint};
pub use run::RunReport;

use self::local_shared::LocalShared;
use crate::{
    call::backend::ExecutorId,
    error::SubmitError,
    executor::{Admission, Executor, admission},
    meta::task_info::TaskInfo,
    task::{Job, TaskSet},
};
use std::{fmt, sync::Arc};

/// An executor without threads: its owner runs its work, on its own thread, when it has time.
///
/// Calls arrive from any thread and are queued in order of expiration, as in a
/// [`Pool`](crate::pool::Pool). The host's loop gives them a few milliseconds in each round, like
/// React's scheduler. Tasks run on the host's thread only.
///
/// ```
/// use nanolith::{Local, prelude::*, time::MILLISECOND};
/// # use nanolith_doc_sets::*;
/// let local = Local::new();
/// let geometry = Geometry::on(&local);
/// let job = std::thread::spawn(move || geometry.add(4, 5).submit()).join().expect("it does not panic");
/// assert!(!job.is_finished(), "no thread drives it");
/// let turn = local.run_for(8 * MILLISECOND); // what a game can spare in each frame
/// assert_eq!((turn.ran(), turn.has_work()), (1, false));
/// assert_eq!(job.wait()?, 9);
/// # Ok::<(), CallError>(())
/// ```
///
/// # Driving
///
/// One thread drives at a time, with [`run_for`](Self::run_for) and similar methods, or with
/// [`block_on`](Self::block_on). If a second thread tries to drive, it receives a
/// [busy](RunReport::is_busy) report. So does a task that tries to drive the executor that runs it.
/// The owner is the thread that created the `Local`, until another thread drives: then that thread
/// is the owner.
///
/// A blocking wait of the owner drives meanwhile, because no other thread would run the work. This
/// holds for `.wait()` on a call, for queue room, for [`drained`](Self::drained), and for the calls
/// of a scope or a group. If the awaited call is still queued, it runs at once.
///
/// A blocking wait of a task drives too. It continues only calls that have begun, and the calls
/// that those wait for, since the task may hold a lock. An `.await` on a call inside another
/// executor's `block_on` drives nothing.
///
/// # Its end
///
/// A `Local` is a handle: clones share one executor. When the last clone is dropped, no thread can
/// drive any more. Queued calls then end as [`CallError::Closed`](crate::error::CallError::Closed).
/// A future that would continue later is dropped, which ends its call as
/// [`CallError::Lost`](crate::error::CallError::Lost).
#[derive(Clone)]
pub struct Local {
    last: Arc<Last>,
}

/// A guard that ends the queued work when the last handle is dropped.
struct Last(Arc<LocalShared>);

impl Drop for Last {
    fn drop(&mut self) {
        self.0.close_abandoned();
    }
}

impl Default for Local {
    fn default() -> Self {
        Self::new()
    }
}

impl Local {
    /// Creates a `Local` with the default settings, owned by the calling thread. Within a
    /// [`MockClock`](crate::time::MockClock), the `Local` uses that clock.
    #[must_use]
    pub fn new() -> Self {
        Self::of(LocalShared::new(builder::Config::default()))
    }

    fn of(inner: Arc<LocalShared>) -> Self {
        Self { last: Arc::new(Last(inner)) }
    }

    /// Returns a builder with the default settings.
    ///
    /// ```
    /// # use nanolith::{Local, prelude::*};
    /// let local = Local::builder().name("frames").max_queue(100).build()?;
    /// assert_eq!(local.name(), "frames");
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    pub fn builder() -> LocalBuilder {
        LocalBuilder::new()
    }

    fn inner(&self) -> &Arc<LocalShared> {
        &self.last.0
    }

    /// Returns the name, which [`current`](crate::context::current) reports.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner().config.name
    }

    // ----- while it runs

    /// Starts no more queued calls, except calls that a task or the owner waits for. Calls are
    /// still accepted, and calls that have begun continue.
    ///
    /// ```
    /// # use nanolith::{Local, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let local = Local::new();
    /// local.pause();
    /// let job = Geometry::on(&local).add(4, 5).submit();
    /// assert_eq!(local.run_until_idle().ran(), 0);
    /// local.resume();
    /// assert_eq!(local.run_until_idle().ran(), 1);
    /// assert_eq!(job.wait()?, 9);
    /// # Ok::<(), CallError>(())
    /// ```
    pub fn pause(&self) {
        self.inner().set_paused(true);
    }

    /// Lets queued calls start again, when the `Local` is driven.
    pub fn resume(&self) {
        self.inner().set_paused(false);
    }

    // ----- what it does now

    /// Returns the counts of the `Local` at this moment.
    ///
    /// ```
    /// # use nanolith::{Local, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let local = Local::new();
    /// let job = Geometry::on(&local).add(4, 5).submit();
    /// let info = local.info();
    /// assert_eq!((info.queue_len, info.in_flight, info.completed), (1, 1, 0));
    /// # drop(job);
    /// ```
    #[must_use]
    pub fn info(&self) -> LocalInfo {
        self.inner().info()
    }

    /// Returns the task that would run next, if no more urgent call arrived.
    ///
    /// ```
    /// # use nanolith::{Local, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let local = Local::new();
    /// let job = Geometry::on(&local).add(4, 5).submit();
    /// assert_eq!(local.next_task().map(|task| task.name()), Some("add"));
    /// # drop(job);
    /// ```
    #[must_use]
    pub fn next_task(&self) -> Option<&'static TaskInfo> {
        self.inner().next_task()
    }

    // ----- the end

    /// Waits until, at some moment from this call on, no call is queued, running or suspended. Such
    /// a moment counts even if new calls arrive right after it. A blocking wait of the owner
    /// drives.
    ///
    /// ```
    /// # use nanolith::{Local, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let local = Local::new();
    /// let geometry = Geometry::on(&local);
    /// let jobs: Vec<_> = (0..100).map(|n| geometry.add(n, n).submit()).collect();
    /// local.drained().wait(); // or `.await`
    /// assert!(jobs.iter().all(|job| job.is_finished()));
    /// ```
    pub fn drained(&self) -> Drained {
        Drained::new(self.inner().clone())
    }

    /// Closes the `Local`: from now on it accepts only calls of its running tasks. The accepted
    /// calls still run when it is driven. A pause ends.
    ///
    /// ```
    /// # use nanolith::{Local, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let local = Local::new();
    /// let geometry = Geometry::on(&local);
    /// let accepted = geometry.add(1, 2).submit();
    /// local.close();
    /// assert!(matches!(geometry.add(4, 5).wait(), Err(CallError::Closed(_))));
    /// local.run_until_idle();
    /// assert_eq!(accepted.wait()?, 3);
    /// # Ok::<(), CallError>(())
    /// ```
    pub fn close(&self) {
        self.inner().close();
    }

    /// Closes the `Local`, and ends the queued calls as
    /// [`CallError::Cancelled`](crate::error::CallError::Cancelled). Returns the number of those
    /// calls. Calls that have begun continue.
    ///
    /// ```
    /// # use nanolith::{Local, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let local = Local::new();
    /// let queued = Geometry::on(&local).add(4, 5).submit();
    /// assert_eq!(local.terminate(), 1);
    /// assert!(matches!(queued.wait(), Err(CallError::Cancelled(_))));
    /// ```
    pub fn terminate(&self) -> usize {
        self.inner().terminate()
    }

    /// Returns whether the `Local` is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.inner().lock().closed
    }
}

impl<S: TaskSet> Executor<S> for Local {
    fn try_execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
        admission::try_execute(&**self.inner(), job)
    }

    fn execute(&self, job: Job<S>) -> Admission<'_, S> {
        admission::execute(&**self.inner(), job)
    }

    fn accepts_calls(&self) -> bool {
        !self.is_closed()
    }

    fn host(&self) -> Option<ExecutorId> {
        Some(self.inner().id)
    }

    fn takes_by_user_code(&self) -> bool {
        self.inner().rules.is_custom()
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_driven = self.inner().lock().driver.is_some();
        f.debug_struct("Local").field("info", &self.info()).field("is_driven", &is_driven).finish_non_exhaustive()
    }
}

/// The name and the counts of a [`Local`] at one moment, from [`Local::info`].
///
/// ```
/// use nanolith::{Local, local::LocalInfo, prelude::*};
/// # use nanolith_doc_sets::*;
/// let local = Local::new();
/// assert_eq!(Geometry::on(&local).add(4, 5).wait()?, 9);
/// let LocalInfo { queue_len, in_flight, completed, is_closed, .. } = local.info();
/// assert_eq!((queue_len, in_flight, completed, is_closed), (0, 0, 1, false));
/// # Ok::<(), CallError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LocalInfo {
    /// The name, which [`current`](crate::context::current) reports.
    pub name: Arc<str>,
    /// The number of calls from outside that wait for their turn.
    pub queue_len: usize,
    /// The number of calls that wait and do not count towards the bound of the queue: calls that
    /// running tasks submitted, and calls that resume.
    pub overflow: usize,
    /// The number of tasks that run now: 0 or 1. A task that waits, or whose future is pending,
    /// does not count.
    pub active: usize,
    /// The number of calls that were accepted and have not ended: queued, running and suspended
    /// calls.
    pub in_flight: usize,
    /// The number of calls that were started and have ended.
    pub completed: u64,
    /// Whether the queue has no capacity for a call from outside.
    pub is_full: bool,
    /// Whether the `Local` is paused: see [`Local::pause`].
    pub is_paused: bool,
    /// Whether the `Local` is closed. If so, it accepts only calls of its running tasks.
    pub is_closed: bool,
}
