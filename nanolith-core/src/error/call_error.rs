//! [`CallError`]: the reasons for which a call ends without its task's output.

use super::{CallTrace, Panic, Unwind};
use std::{error::Error, fmt, sync::Arc};

/// Why a call ended without its task's output.
///
/// It holds no arguments, costs one pointer to clone, and says where the call was submitted, by
/// which chain of calls, and how long it waited and ran. What can be said beside the kind is in the
/// [`CallTrace`] of each.
///
/// ```
/// use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// fn worth_another_try(error: &CallError) -> bool {
///     matches!(error, CallError::Full(_) | CallError::TimedOut(_))
/// }
///
/// let pool = Pool::builder().build()?;
/// pool.close();
/// let error = Geometry::on(&pool).add(4, 5).wait().unwrap_err();
/// assert!(!worth_another_try(&error));
/// assert!(error.to_string().starts_with("`Geometry::add` was rejected: the executor is closed; submitted at"));
/// # Ok::<(), nanolith::pool::BuildError>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum CallError {
    /// The task panicked; its executor lives on.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// match Geometry::tasks().add(i64::MAX, 1).wait() {
    ///     Err(CallError::Panicked(panic, _)) => assert_eq!(panic.message(), "the sum fits"),
    ///     other => unreachable!("not {other:?}"),
    /// }
    /// ```
    Panicked(Panic, CallTrace),
    /// The call was cancelled.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// pool.pause(); // so that the call is still queued
    /// let job = Geometry::on(&pool).add(4, 5).submit();
    /// job.cancel();
    /// assert!(matches!(job.wait(), Err(CallError::Cancelled(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Cancelled(CallTrace),
    /// The call's time was over before its task was done. A running task was asked to stop, and may
    /// go on a while.
    ///
    /// ```
    /// # use nanolith::{prelude::*, time::MILLISECOND};
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// pool.pause();
    /// let outcome = Geometry::on(&pool).add(4, 5).timeout(MILLISECOND).wait();
    /// assert!(matches!(outcome, Err(CallError::TimedOut(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    TimedOut(CallTrace),
    /// The executor's queue was full, and it does not wait.
    ///
    /// ```
    /// # use nanolith::{executor::OnFull, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let pool = Pool::builder().max_queue(1).on_full(OnFull::Reject).build()?;
    /// # pool.pause();
    /// let geometry = Geometry::on(&pool);
    /// geometry.add(1, 2).submit().detach(); // fills the queue of a pool that is paused
    /// assert!(matches!(geometry.add(4, 5).wait(), Err(CallError::Full(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Full(CallTrace),
    /// The call was dropped to make room, as
    /// [`OnFull::DropOldest`](crate::executor::OnFull::DropOldest) and
    /// [`OnFull::DropNewest`](crate::executor::OnFull::DropNewest) ask for.
    ///
    /// ```
    /// # use nanolith::{executor::OnFull, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let pool = Pool::builder().max_queue(1).on_full(OnFull::DropOldest).build()?;
    /// # pool.pause();
    /// let geometry = Geometry::on(&pool);
    /// let oldest = geometry.add(1, 2).submit();
    /// geometry.add(4, 5).submit().detach(); // takes the only place
    /// assert!(matches!(oldest.wait(), Err(CallError::Dropped(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Dropped(CallTrace),
    /// The executor was closed, or the [simulation](crate::sim::Simulation::run) that it belongs to
    /// is over. Then [`CallTrace::is_simulation_over`] says so.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let counter = Counter::service(10).launch().wait()?;
    /// counter.close().wait()?;
    /// assert!(matches!(counter.total().wait(), Err(CallError::Closed(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Closed(CallTrace),
    /// The executor crashed while it had the call. The call had begun, or the executor does not
    /// restart. For a service, the source of the error is the [`Crash`](crate::service::Crash).
    ///
    /// ```
    /// use nanolith::{prelude::*, service::{Crash, OnPanic}, time::MINUTE};
    /// use std::error::Error;
    /// # pub struct Geometry;
    /// # #[define] impl Geometry {
    /// #     pub fn add(x: i64, y: i64) -> i64 { x.checked_add(y).expect("the sum fits") }
    /// #     pub async fn wait_then_add(x: i64, y: i64) -> i64 { nanolith::time::sleep(MINUTE).await; x + y }
    /// # }
    /// let geometry = Geometry::service().on_panic(|_| OnPanic::Restart).launch().wait()?; // and no restart policy
    /// let job = geometry.wait_then_add(4, 5).submit();
    /// assert!(geometry.add(i64::MAX, 1).wait().is_err());
    /// let error = job.wait().unwrap_err();
    /// assert!(matches!(error, CallError::Crashed(_)));
    /// assert!(matches!(error.source().and_then(|source| source.downcast_ref()), Some(Crash::Task(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Crashed(CallTrace),
    /// The executor ended the task by force, after the call was cancelled or its time was over: it
    /// killed the process in which the task ran. A task on a thread of this process cannot be
    /// killed. The source of the error says after how long.
    Killed(CallTrace),
    /// The executor let go of the call without ending it.
    ///
    /// ```
    /// use nanolith::{Executor, TaskSet, call::SubmitError, executor::Job, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// struct Forgetful;
    /// impl<S: TaskSet> Executor<S> for Forgetful {
    ///     fn try_execute(&self, _: Job<S>) -> Result<(), SubmitError<Job<S>>> {
    ///         Ok(()) // it took the job, and drops it
    ///     }
    /// }
    /// assert!(matches!(Geometry::calls(Forgetful).add(4, 5).wait(), Err(CallError::Lost(_))));
    /// ```
    Lost(CallTrace),
    /// The wait could never have ended: the call waits for the very thread, or state, that its
    /// caller holds.
    ///
    /// Where several calls wait for each other in a cycle, [`CallTrace::cycle`] has them, and the
    /// text names each with its source line. See [`deadlock`](crate::deadlock) for which cycles are
    /// found.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # pub struct Counter { total: i64 }
    /// # #[define]
    /// impl Counter {
    /// #     #[init] fn start(first: i64) -> Self { Self { total: first } }
    /// #     pub fn bump(&mut self, by: i64) -> i64 { self.total += by; self.total }
    ///     pub fn bump_by_itself(&mut self, itself: Service<Counter>) -> Result<i64, CallError> {
    ///         itself.bump(1).wait() // `bump` needs the state that this task holds
    ///     }
    /// }
    /// let counter = Counter::service(10).launch().wait()?;
    /// assert!(matches!(counter.bump_by_itself(counter.clone()).wait()?, Err(CallError::WouldDeadlock(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    WouldDeadlock(CallTrace),
    /// A `before_task` or `after_task` hook failed. The error is the hook's own.
    ///
    /// ```
    /// # use nanolith::{prelude::*, task::CallInfo};
    /// # pub struct Geometry;
    /// #[define]
    /// impl Geometry {
    ///     #[before_task]
    ///     fn before(_: &CallInfo) -> Result<(), std::fmt::Error> {
    ///         Err(std::fmt::Error)
    ///     }
    /// #     pub fn add(x: i64, y: i64) -> i64 { x + y }
    /// }
    /// match Geometry::tasks().add(4, 5).wait() {
    ///     Err(CallError::Hook(source, _)) => assert!(source.is::<std::fmt::Error>()),
    ///     other => unreachable!("not {other:?}"),
    /// }
    /// ```
    Hook(Arc<dyn Error + Send + Sync>, CallTrace),
    /// The executor could not be started. For the global pool, the next call tries again.
    NotStarted(Arc<dyn Error + Send + Sync>, CallTrace),
    /// The executor has no state to run this task on, or cannot keep its future on one thread. The
    /// typed methods do not compile where this would come; a job made by hand meets it.
    ///
    /// ```
    /// use nanolith::{Executor, executor::Job, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// # let (sender, outcomes) = std::sync::mpsc::channel();
    /// let pool = Pool::builder().build()?; // has no `Counter`
    /// let job = Job::<Counter>::new(CounterTask::Bump { by: 1 }, move |outcome| drop(sender.send(outcome)));
    /// pool.try_execute(job)?;
    /// assert!(matches!(outcomes.recv()?, Err(CallError::Unsupported(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Unsupported(CallTrace),
    /// The cluster has no member to run the call: it was launched with none, or all of them have
    /// ended.
    ///
    /// ```
    /// # use nanolith::{Cluster, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let geometry = Cluster::launch(0, Geometry::service).wait()?;
    /// assert!(matches!(geometry.add(4, 5).wait(), Err(CallError::NoMember(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    NoMember(CallTrace),
    /// A layer, which is named, did not let the call through: an open circuit breaker, for example.
    /// Its task did not run.
    ///
    /// ```
    /// use nanolith::{layers::{ConcurrencyLimit, Layer}, prelude::*};
    /// # use nanolith::TaskSet;
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// let geometry = Geometry::calls(ConcurrencyLimit::new(1).max_waiting(0).layer(pool.clone()));
    /// # pool.pause();
    /// let first = geometry.add(1, 2).submit();
    /// assert!(matches!(geometry.add(4, 5).wait(), Err(CallError::Rejected("ConcurrencyLimit", _))));
    /// # pool.resume();
    /// assert_eq!(first.wait()?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Rejected(&'static str, CallTrace),
}

/// Where each kind of error keeps its [`CallTrace`].
macro_rules! place {
    ($error:expr) => {
        match $error {
            Self::Panicked(_, at) | Self::Hook(_, at) | Self::NotStarted(_, at) | Self::Rejected(_, at) => at,
            Self::Cancelled(at)
            | Self::TimedOut(at)
            | Self::Full(at)
            | Self::Dropped(at)
            | Self::Closed(at)
            | Self::Crashed(at)
            | Self::Killed(at)
            | Self::Lost(at)
            | Self::WouldDeadlock(at)
            | Self::Unsupported(at)
            | Self::NoMember(at) => at,
        }
    };
}

impl CallError {
    /// Where and when the call was.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let error = Geometry::tasks().add(i64::MAX, 1).wait().unwrap_err();
    /// assert_eq!((error.trace().submitted().file(), error.trace().submitted().line()), (file!(), line!() - 1));
    /// ```
    #[must_use]
    pub fn trace(&self) -> &CallTrace {
        place!(self)
    }

    /// The same of one input among many.
    pub(crate) fn of_item(mut self, item: usize) -> Self {
        let at: &mut CallTrace = place!(&mut self);
        *at = at.clone().of_item(item);
        self
    }

    /// The error of a call whose task, or hook, panicked. A thread that waits at the end of its
    /// simulation is made to unwind: that is no panic of the task's.
    pub(crate) fn of_panic(panic: Panic, at: CallTrace) -> Self {
        if panic.is::<Unwind>() { Self::Closed(at.of_ended_simulation()) } else { Self::Panicked(panic, at) }
    }

    /// Returns the name of the error's kind, for spans and metrics.
    pub(crate) fn outcome(&self) -> &'static str {
        match self {
            Self::Panicked(..) => "panicked",
            Self::Cancelled(_) => "cancelled",
            Self::TimedOut(_) => "timed_out",
            Self::Full(_) => "full",
            Self::Dropped(_) => "dropped",
            Self::Closed(_) => "closed",
            Self::Crashed(_) => "crashed",
            Self::Killed(_) => "killed",
            Self::Lost(_) => "lost",
            Self::WouldDeadlock(_) => "would_deadlock",
            Self::Hook(..) => "hook_failed",
            Self::NotStarted(..) => "not_started",
            Self::Unsupported(_) => "unsupported",
            Self::NoMember(_) => "no_member",
            Self::Rejected(..) => "rejected",
        }
    }

    fn what(&self) -> &'static str {
        match self {
            Self::Panicked(..) => "panicked",
            Self::Cancelled(_) => "was cancelled",
            Self::TimedOut(_) => "timed out",
            Self::Full(_) => "was rejected: the queue is full",
            Self::Dropped(_) => "was dropped: the queue was full",
            Self::Closed(at) if at.is_simulation_over() => "ended: its simulation is over",
            Self::Closed(_) => "was rejected: the executor is closed",
            Self::Crashed(_) => "failed: its executor crashed",
            Self::Killed(_) => "was killed",
            Self::Lost(_) => "was dropped by its executor before it completed",
            Self::WouldDeadlock(_) => "would deadlock: it waits for the task that called it",
            Self::Hook(..) => "failed in a hook",
            Self::NotStarted(..) => "could not run: its executor failed to start",
            Self::Unsupported(_) => "cannot run on this executor",
            Self::NoMember(_) => "could not run: the cluster has no members",
            Self::Rejected(..) => "was rejected by",
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.trace().task(), self.what())?;
        match self {
            Self::Panicked(panic, _) => write!(f, "{panic}")?,
            Self::Rejected(layer, at) => {
                write!(f, " `{layer}`")?;
                at.cause().map_or(Ok(()), |cause| write!(f, ": {cause}"))?;
            }
            Self::Hook(source, _) | Self::NotStarted(source, _) => write!(f, ": {source}")?,
            Self::WouldDeadlock(at) => at.cycle().map_or(Ok(()), |cycle| write!(f, ": {cycle}"))?,
            other => other.trace().cause().map_or(Ok(()), |cause| write!(f, " ({cause})"))?,
        }
        write!(f, "; {}", self.trace())
    }
}

/// The same as its text, so that a `main` that returns it, or an `unwrap`, says what a person can
/// read.
impl fmt::Debug for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for CallError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Hook(source, _) | Self::NotStarted(source, _) => Some(source.as_ref()),
            other => other.trace().cause().map(|cause| cause as _),
        }
    }
}
