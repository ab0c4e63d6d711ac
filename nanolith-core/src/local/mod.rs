//! An executor that its owner drives: a game loop, a window's thread, a `main` without threads, a test.
//!
//! `core` is its state under one lock, `driving` runs the work, `executor` says how its tasks and its owner wait, `turn` and
//! `work` are what the host's loop sees, `flush` moves a mock clock along.

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
pub use run::Turn;

use self::local_shared::LocalShared;
use crate::{
    call::backend::ExecutorId,
    error::Refused,
    executor::{Admission, Executor, admission},
    meta::task_info::TaskInfo,
    task::{Job, TaskSet},
};
use std::{fmt, sync::Arc};

/// An executor without threads: whoever owns it runs its work, when they have time for it.
///
/// So it lives in the loop of a host, as React's scheduler does: calls come from any thread and wait in order of expiration, as
/// a [`Pool`](crate::Pool)'s do, and the host gives them a few milliseconds in each round. Tasks run on the host's thread
/// alone.
///
/// ```
/// use nanolith::{Local, prelude::*};
/// # use nanolith_doc_sets::*;
/// let local = Local::new();
/// let geometry = Geometry::on(&local);
/// let job = std::thread::spawn(move || geometry.add(4, 5).submit()).join().expect("it does not panic");
/// assert!(!job.is_finished(), "nobody drives");
/// let turn = local.run_for(8 * MILLISECOND); // what a game can spare in each frame
/// assert_eq!((turn.ran(), turn.has_work()), (1, false));
/// assert_eq!(job.wait()?, 9);
/// # Ok::<(), CallError>(())
/// ```
///
/// # Driving
///
/// One thread drives at a time, by [`run_for`](Self::run_for) and its like, or [`block_on`](Self::block_on). A second that tries
/// to gets a report that says [so](Turn::is_busy), and so does a task that tries to drive what drives it. The owner is the thread
/// that made it, until another drives: then it is that one.
///
/// What the owner waits for here (`.wait()` on a call, for room, for [`drained`](Self::drained), for the calls of a scope or a
/// group), it would wait for in vain: so it drives meanwhile. A call that it waits for is run at once, if it is still queued. So does a task's wait, but only what was begun
/// before goes on meanwhile, and what that waits for, since the task may hold a lock. To `.await` a call in a foreign executor's
/// `block_on` drives nothing.
///
/// # Its end
///
/// It is a handle: clones share one executor. When the last is dropped nobody can drive any more. So what is queued then ends as
/// [`CallError::Closed`](crate::CallError::Closed), and a future that would go on later is dropped, which ends its call as
/// [`CallError::Lost`](crate::CallError::Lost).
#[derive(Clone)]
pub struct Local {
    last: Arc<Last>,
}

/// Ends what waits when the last handle goes.
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
    /// One with the default settings, which this thread owns. Within a [`MockClock`](crate::time::MockClock), it has its time
    /// from there.
    #[must_use]
    pub fn new() -> Self {
        Self::of(LocalShared::new(builder::Config::default()))
    }

    fn of(inner: Arc<LocalShared>) -> Self {
        Self { last: Arc::new(Last(inner)) }
    }

    /// The settings of a new one.
    ///
    /// ```
    /// # use nanolith::{Local, prelude::*};
    /// let local = Local::builder().name("frames").max_queue(MaxQueue::Bounded(100)).build()?;
    /// assert_eq!(local.name(), "frames");
    /// # Ok::<(), nanolith::BuildError>(())
    /// ```
    pub fn builder() -> LocalBuilder {
        LocalBuilder::new()
    }

    fn inner(&self) -> &Arc<LocalShared> {
        &self.last.0
    }

    /// The name, which [`current`](crate::current) tells.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner().config.name
    }

    // ----- while it runs

    /// Starts no queued call any more, but for those that somebody waits for. Calls are accepted as before, and those that were
    /// begun go on.
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

    /// Starts queued calls again, when it is driven.
    pub fn resume(&self) {
        self.inner().set_paused(false);
    }

    /// Whether it is paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.inner().lock().paused
    }

    // ----- figures: each true at the moment when it was read

    /// Calls from outside that wait for their turn.
    #[must_use]
    pub fn queue_len(&self) -> usize {
        self.inner().figures().queued_outside
    }

    /// Calls that wait beyond the bound: those that running tasks submitted, and those that resume.
    #[must_use]
    pub fn overflow(&self) -> usize {
        self.inner().figures().overflow
    }

    /// Tasks that run now: one at most.
    #[must_use]
    pub fn active(&self) -> usize {
        self.inner().lock().active.min(1)
    }

    /// Calls that were accepted and are not over: queued, running and suspended.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.inner().figures().in_flight
    }

    /// Calls that were begun and are over.
    #[must_use]
    pub fn completed(&self) -> u64 {
        self.inner().figures().completed
    }

    /// The task that would run next, if nothing more urgent came.
    ///
    /// ```
    /// # use nanolith::{Local, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let local = Local::new();
    /// let job = Geometry::on(&local).add(4, 5).submit();
    /// assert_eq!(local.next().map(|task| task.name()), Some("add"));
    /// # drop(job);
    /// ```
    #[must_use]
    pub fn next(&self) -> Option<&'static TaskInfo> {
        self.inner().next_task()
    }

    // ----- the end

    /// Waits for the first moment, from this call on, when no call is queued, running or suspended, even if others come at once.
    /// The owner's wait drives.
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

    /// Accepts no more calls but those of its running tasks; those that it has accepted are still run by whoever drives, also
    /// where it was paused, which ends by this.
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

    /// Closes, and ends the queued calls as [`CallError::Cancelled`](crate::CallError::Cancelled). Gives their number. Calls
    /// that were begun go on.
    ///
    /// ```
    /// # use nanolith::{Local, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let local = Local::new();
    /// let queued = Geometry::on(&local).add(4, 5).submit();
    /// assert_eq!(local.shutdown_now(), 1);
    /// assert!(matches!(queued.wait(), Err(CallError::Cancelled(_))));
    /// ```
    pub fn shutdown_now(&self) -> usize {
        self.inner().shutdown_now()
    }

    /// Whether it was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.inner().lock().closed
    }
}

impl<S: TaskSet> Executor<S> for Local {
    fn execute(&self, job: Job<S>) -> Result<(), Refused<Job<S>>> {
        admission::execute(&**self.inner(), job)
    }

    fn admit(&self, job: Job<S>) -> Admission<'_, S> {
        admission::admit(&**self.inner(), job)
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
        let (driven, paused, closed) = {
            let core = self.inner().lock();
            (core.driver.is_some(), core.paused, core.closed)
        };
        f.debug_struct("Local")
            .field("name", &self.name())
            .field("queue_len", &self.queue_len())
            .field("overflow", &self.overflow())
            .field("in_flight", &self.in_flight())
            .field("completed", &self.completed())
            .field("driven", &driven)
            .field("paused", &paused)
            .field("closed", &closed)
            .finish_non_exhaustive()
    }
}
