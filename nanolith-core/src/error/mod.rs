//! How a call can end other than with its task's output, and where it was.

mod task_error;
pub(crate) mod view;
pub(crate) mod wait_cycle;

pub use task_error::TaskError;

use crate::meta::task_info::TaskInfo;
use std::{any::Any, error::Error, fmt, panic::Location, sync::Arc, sync::Mutex, time::Duration};
use wait_cycle::WaitCycle;

/// The payload by which the end of a simulation unwinds a thread that waits.
pub(crate) struct Unwind;

/// Any error, as a hook may give it.
///
/// ```
/// use nanolith::{BoxError, prelude::*};
/// # pub struct Geometry;
/// #[define]
/// impl Geometry {
///     #[before_task]
///     fn before(_: &CallInfo) -> Result<(), BoxError> {
///         Err("closed on Sundays".into())
///     }
/// #     pub fn add(x: i64, y: i64) -> i64 { x + y }
/// }
/// let error = Geometry::tasks().add(4, 5).wait().unwrap_err();
/// assert!(error.to_string().starts_with("`Geometry::add` failed in a hook: closed on Sundays"));
/// ```
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Why a call ended without its task's output.
///
/// It holds no arguments, costs one pointer to clone, and says where the call was submitted, by which chain of calls,
/// and how long it waited and ran. What can be said beside the kind is in the [`CallTrace`] of each.
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
/// # Ok::<(), nanolith::BuildError>(())
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
    /// The call's time was over before its task was done. A running task was asked to stop, and may go on a while.
    ///
    /// ```
    /// # use nanolith::prelude::*;
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
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let pool = Pool::builder().max_queue(MaxQueue::Bounded(1)).on_full(OnFull::Reject).build()?;
    /// # pool.pause();
    /// let geometry = Geometry::on(&pool);
    /// geometry.add(1, 2).submit().detach(); // fills the queue of a pool that is paused
    /// assert!(matches!(geometry.add(4, 5).wait(), Err(CallError::Full(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Full(CallTrace),
    /// The call was dropped to make room, as [`OnFull::DropOldest`](crate::OnFull::DropOldest) and
    /// [`OnFull::DropNewest`](crate::OnFull::DropNewest) ask for.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let pool = Pool::builder().max_queue(MaxQueue::Bounded(1)).on_full(OnFull::DropOldest).build()?;
    /// # pool.pause();
    /// let geometry = Geometry::on(&pool);
    /// let oldest = geometry.add(1, 2).submit();
    /// geometry.add(4, 5).submit().detach(); // takes the only place
    /// assert!(matches!(oldest.wait(), Err(CallError::Dropped(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Dropped(CallTrace),
    /// The executor was closed, or the [simulation](crate::sim::Simulation::run) that it belongs to is over. Then
    /// [`CallTrace::is_simulation_over`] says so.
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
    /// The service crashed while it had the call, and lost it: because the call had begun, or because the service is not
    /// started anew. The source of the error is the [`Crash`](crate::Crash).
    ///
    /// ```
    /// use nanolith::{Crash, prelude::*};
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
    /// The executor let go of the call without ending it.
    ///
    /// ```
    /// use nanolith::{Job, SubmitError, TaskSet, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// struct Forgetful;
    /// impl<S: TaskSet> Executor<S> for Forgetful {
    ///     fn execute(&self, _: Job<S>) -> Result<(), SubmitError<Job<S>>> {
    ///         Ok(()) // it took the job, and drops it
    ///     }
    /// }
    /// assert!(matches!(Geometry::calls(Forgetful).add(4, 5).wait(), Err(CallError::Lost(_))));
    /// ```
    Lost(CallTrace),
    /// The wait could never have ended: the call waits for the very thread, or state, that its caller holds.
    ///
    /// Where several calls wait for each other in a cycle, [`CallTrace::cycle`] has them, and the text names each with its source line.
    /// See [`deadlock`](crate::deadlock) for which cycles are found.
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
    /// # use nanolith::prelude::*;
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
    /// The global pool could not be started; the next call tries again.
    NotStarted(Arc<dyn Error + Send + Sync>, CallTrace),
    /// The executor has no state to run this task on, or cannot keep its future on one thread. The typed methods do not
    /// compile where this would come; a job made by hand meets it.
    ///
    /// ```
    /// use nanolith::{Job, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// # let (tell, told) = std::sync::mpsc::channel();
    /// let pool = Pool::builder().build()?; // has no `Counter`
    /// let job = Job::<Counter>::new(CounterTask::Bump { by: 1 }, move |outcome| drop(tell.send(outcome)));
    /// pool.execute(job)?;
    /// assert!(matches!(told.recv()?, Err(CallError::Unsupported(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Unsupported(CallTrace),
    /// The cluster has no member to run the call: it was launched with none, or all of them have ended.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let geometry = Cluster::launch(0, Geometry::service).wait()?;
    /// assert!(matches!(geometry.add(4, 5).wait(), Err(CallError::NoMember(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    NoMember(CallTrace),
    /// A layer, which is named, did not let the call through: an open circuit breaker, for example. Its task did not run.
    ///
    /// ```
    /// use nanolith::{layers::ConcurrencyLimit, layers::Layer, prelude::*};
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
    /// assert_eq!((error.at().submitted().file(), error.at().submitted().line()), (file!(), line!() - 1));
    /// ```
    #[must_use]
    pub fn at(&self) -> &CallTrace {
        place!(self)
    }

    /// The same of one input among many.
    pub(crate) fn of_item(mut self, item: usize) -> Self {
        let at: &mut CallTrace = place!(&mut self);
        *at = at.clone().of_item(item);
        self
    }

    /// The error of a call whose task, or hook, panicked. A thread that waits at the end of its simulation is made to unwind: that
    /// is no panic of the task's.
    pub(crate) fn of_panic(panic: Panic, at: CallTrace) -> Self {
        if panic.is::<Unwind>() { Self::Closed(at.of_ended_simulation()) } else { Self::Panicked(panic, at) }
    }

    fn what(&self) -> &'static str {
        match self {
            Self::Panicked(..) => "panicked",
            Self::Cancelled(_) => "was cancelled",
            Self::TimedOut(_) => "timed out",
            Self::Full(_) => "was rejected: the queue is full",
            Self::Dropped(_) => "was dropped: a newer call took its entry in the full queue",
            Self::Closed(at) if at.is_simulation_over() => "ended: its simulation is over",
            Self::Closed(_) => "was rejected: the executor is closed",
            Self::Crashed(_) => "failed: the service crashed",
            Self::Lost(_) => "was dropped by its executor before it completed",
            Self::WouldDeadlock(_) => "would deadlock: it waits for the task that called it",
            Self::Hook(..) => "failed in a hook",
            Self::NotStarted(..) => "could not run: the global pool failed to start",
            Self::Unsupported(_) => "cannot run on this executor",
            Self::NoMember(_) => "could not run: the cluster has no members",
            Self::Rejected(..) => "was rejected by",
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.at().task(), self.what())?;
        match self {
            Self::Panicked(panic, _) => write!(f, "{panic}")?,
            Self::Rejected(layer, _) => write!(f, " `{layer}`")?,
            Self::Hook(source, _) | Self::NotStarted(source, _) => write!(f, ": {source}")?,
            Self::WouldDeadlock(at) => at.cycle().map_or(Ok(()), |cycle| write!(f, ": {cycle}"))?,
            Self::Crashed(at) => at.0.crash.as_ref().map_or(Ok(()), |crash| write!(f, " ({crash})"))?,
            _ => {}
        }
        write!(f, "; {}", self.at())
    }
}

/// The same as its text, so that a `main` that returns it, or an `unwrap`, says what a person can read.
impl fmt::Debug for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for CallError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Hook(source, _) | Self::NotStarted(source, _) => Some(source.as_ref()),
            Self::Crashed(at) => at.0.crash.as_ref().map(|crash| crash.as_ref() as _),
            _ => None,
        }
    }
}

/// Why a service crashed, as the errors of its calls name it.
pub(crate) type CrashReason = Arc<dyn Error + Send + Sync>;

/// The trace of a call: where it was submitted, the calls above it, and how long it took.
///
/// ```
/// # use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// let error = Geometry::tasks().add(i64::MAX, 1).wait().unwrap_err();
/// let at = error.at();
/// assert_eq!(at.task().name(), "add");
/// assert_eq!(at.submitted().file(), file!());
/// println!("waited {:?}, ran {:?}", at.waited(), at.ran());
/// assert!(at.to_string().starts_with("submitted at "));
/// ```
#[derive(Clone, Debug)]
pub struct CallTrace(Arc<Details>);

#[derive(Clone, Debug)]
struct Details {
    caller: ParentCall,
    waited: Duration,
    ran: Duration,
    parents: Vec<ParentCall>,
    /// Of work in bulk.
    item: Option<usize>,
    /// Of a call that would have waited for itself.
    cycle: Option<WaitCycle>,
    /// Of a call that was lost by a crash.
    crash: Option<CrashReason>,
    simulation_is_over: bool,
}

/// A call as its children know it: its task, and where it was submitted.
///
/// ```
/// use nanolith::{ParentCall, prelude::*};
/// # use nanolith_doc_sets::*;
/// fn chain(parents: &[ParentCall]) -> Vec<String> {
///     parents.iter().map(|call| format!("{} from line {}", call.task(), call.submitted().line())).collect()
/// }
/// let error = Geometry::tasks().add(i64::MAX, 1).wait().unwrap_err();
/// assert!(chain(error.at().parents()).is_empty(), "no task made this call");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ParentCall {
    pub(crate) task: &'static TaskInfo,
    pub(crate) submitted: &'static Location<'static>,
}

impl ParentCall {
    /// The task that was called.
    #[must_use]
    pub fn task(&self) -> &'static TaskInfo {
        self.task
    }

    /// Where the call was made.
    #[must_use]
    pub fn submitted(&self) -> &'static Location<'static> {
        self.submitted
    }
}

impl CallTrace {
    pub(crate) fn new(caller: ParentCall, waited: Duration, ran: Duration, parents: Vec<ParentCall>) -> Self {
        let (item, cycle, crash) = (None, None, None);
        Self(Arc::new(Details { caller, waited, ran, parents, item, cycle, crash, simulation_is_over: false }))
    }

    /// The same of one input among many.
    pub(crate) fn of_item(mut self, item: usize) -> Self {
        Arc::make_mut(&mut self.0).item = Some(item);
        self
    }

    /// The same of a call whose wait closed this cycle.
    pub(crate) fn with_cycle(mut self, cycle: WaitCycle) -> Self {
        Arc::make_mut(&mut self.0).cycle = Some(cycle);
        self
    }

    /// The same of a call that was lost by this crash.
    pub(crate) fn with_crash(mut self, crash: CrashReason) -> Self {
        Arc::make_mut(&mut self.0).crash = Some(crash);
        self
    }

    /// The same of a call that ended with its simulation.
    pub(crate) fn of_ended_simulation(mut self) -> Self {
        Arc::make_mut(&mut self.0).simulation_is_over = true;
        self
    }

    /// Returns whether the call ended as [`CallError::Closed`] because its simulation is over.
    ///
    /// ```
    /// use nanolith::{prelude::*, sim::Simulation, time::{HOUR, sleep}};
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    ///     pub async fn add_in_an_hour(x: i64, y: i64) -> i64 { sleep(HOUR).await; x + y }
    /// }
    /// let report = Simulation::new().run(42, || Geometry::tasks().add_in_an_hour(4, 5).submit())?;
    /// match report.value.wait() {
    ///     Err(CallError::Closed(at)) if at.is_simulation_over() => {} // it goes on for a minute
    ///     other => unreachable!("not {other:?}"),
    /// }
    /// # Ok::<(), nanolith::sim::SimError>(())
    /// ```
    #[must_use]
    pub fn is_simulation_over(&self) -> bool {
        self.0.simulation_is_over
    }

    /// Returns the cycle of waits because of which the call ended as [`CallError::WouldDeadlock`]. `None`: the call ended for
    /// another reason, or was the only one that waited.
    #[must_use]
    pub fn cycle(&self) -> Option<&WaitCycle> {
        self.0.cycle.as_ref()
    }

    /// Of work in bulk, which input it was, counted from zero: see [`bulk`](crate::bulk).
    ///
    /// ```
    /// use nanolith::bulk::each;
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let sums = each(Geometry::tasks(), [3, 4, i64::MAX], |geometry, x| geometry.add(x, 1));
    /// let error = sums.try_collect::<Vec<_>>().unwrap_err();
    /// assert_eq!(error.at().item(), Some(2));
    /// ```
    #[must_use]
    pub fn item(&self) -> Option<usize> {
        self.0.item
    }

    /// The task that was called.
    #[must_use]
    pub fn task(&self) -> &'static TaskInfo {
        self.0.caller.task
    }

    /// Where the call was made.
    #[must_use]
    pub fn submitted(&self) -> &'static Location<'static> {
        self.0.caller.submitted
    }

    /// How long the call waited before it ran: from its submission to its start, or to its end if it never ran. Among
    /// short calls in a row, whose times are not taken one by one, it is true to a few milliseconds.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.0.waited
    }

    /// How long it ran, the time at which it was suspended included; zero if it never ran. As true as [`CallTrace::waited`].
    #[must_use]
    pub fn ran(&self) -> Duration {
        self.0.ran
    }

    /// The calls within which this one was submitted, the nearest first; at most the nearest sixteen.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    /// #     pub fn add(x: i64, y: i64) -> i64 { x.checked_add(y).expect("the sum fits") }
    ///     pub fn twice(x: i64) -> Result<i64, CallError> {
    ///         Geometry::tasks().add(x, x).wait()
    ///     }
    /// }
    /// let error = Geometry::tasks().twice(i64::MAX).wait()?.unwrap_err();
    /// assert_eq!(error.at().parents()[0].task().to_string(), "Geometry::twice");
    /// # Ok::<(), CallError>(())
    /// ```
    #[must_use]
    pub fn parents(&self) -> &[ParentCall] {
        &self.0.parents
    }
}

impl fmt::Display for CallTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.submitted();
        if let Some(item) = self.item() {
            write!(f, "item {item}, ")?;
        }
        write!(f, "submitted at {}:{}", place.file(), place.line())?;
        for parent in self.parents() {
            write!(f, ", within `{}` from {}:{}", parent.task, parent.submitted.file(), parent.submitted.line())?;
        }
        write!(f, "; waited {}, ran {}", Span(self.waited()), Span(self.ran()))
    }
}

/// A duration in the unit a person would use.
struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_micros() {
            micros @ 0..1_000 => write!(f, "{micros} µs"),
            micros @ 1_000..10_000_000 => write!(f, "{} ms", micros / 1_000),
            micros => write!(f, "{} s", micros / 1_000_000),
        }
    }
}

/// A panic: what it said, where, and the payload.
///
/// ```
/// # use nanolith::prelude::*;
/// # pub struct Geometry;
/// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x.checked_add(y).expect("the sum fits") } }
/// if let Err(CallError::Panicked(panic, _)) = Geometry::tasks().add(i64::MAX, 1).wait() {
///     assert_eq!(panic.message(), "the sum fits");
///     assert_eq!(panic.place().map(|(file, _)| file), Some(file!()));
/// #     return;
/// }
/// # unreachable!("it panics");
/// ```
#[derive(Clone)]
pub struct Panic(Arc<Caught>);

struct Caught {
    message: String,
    place: Option<Place>,
    payload: Mutex<Option<Box<dyn Any + Send>>>,
}

/// A place in a source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: String,
    pub(crate) line: u32,
}

impl Panic {
    pub(crate) fn new(payload: Box<dyn Any + Send>, place: Option<Place>) -> Self {
        let message = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
            (Some(text), _) => (*text).to_owned(),
            (_, Some(text)) => text.clone(),
            _ => "a value that is no text".to_owned(),
        };
        Self(Arc::new(Caught { message, place, payload: Mutex::new(Some(payload)) }))
    }

    /// Whether a `T` was thrown.
    pub(crate) fn is<T: 'static>(&self) -> bool {
        let payload = self.0.payload.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        payload.as_ref().is_some_and(|payload| payload.is::<T>())
    }

    /// What the panic said, if it said it in text; else `a value that is no text`.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// File and line of the panic. Missing when another panic hook was set after ours, or the panic was passed on from
    /// another thread, as by `resume_unwind` or within a `par_iter`.
    #[must_use]
    pub fn place(&self) -> Option<(&str, u32)> {
        self.0.place.as_ref().map(|place| (place.file.as_str(), place.line))
    }

    /// The payload, for [`std::panic::resume_unwind`]; the first who asks gets it, of all clones.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// # let Err(CallError::Panicked(panic, _)) = Geometry::tasks().add(i64::MAX, 1).wait() else { unreachable!() };
    /// let payload = panic.take_payload().expect("it was not taken");
    /// assert!(panic.take_payload().is_none());
    /// let again = std::thread::spawn(|| std::panic::resume_unwind(payload));
    /// assert!(again.join().is_err());
    /// ```
    #[must_use]
    pub fn take_payload(&self) -> Option<Box<dyn Any + Send>> {
        self.0.payload.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((file, line)) = self.place() {
            write!(f, " at {file}:{line}")?;
        }
        write!(f, ": {}", self.message())
    }
}

impl fmt::Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Panic").field("message", &self.message()).field("place", &self.place()).finish()
    }
}

/// A call that was not taken, given back whole with the reason.
///
/// ```
/// # use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// let pool = Pool::builder().max_queue(MaxQueue::Bounded(1)).build()?;
/// let geometry = Geometry::on(&pool);
/// # pool.pause();
/// # geometry.add(1, 2).submit().detach();
/// let refused = geometry.add(4, 5).try_submit().expect_err("the queue is full");
/// eprintln!("{}", refused.error());
/// # pool.resume();
/// assert_eq!(refused.into_inner().wait()?, 9); // the same call, with its arguments
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "holds what was refused"]
pub struct SubmitError<T> {
    value: T,
    error: CallError,
}

impl<T> SubmitError<T> {
    /// Refuses `value` because of `error`, as an executor does.
    ///
    /// ```
    /// use nanolith::{Job, SubmitError, TaskSet, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// /// An executor that is closed for good.
    /// struct Nobody;
    /// impl<S: TaskSet> Executor<S> for Nobody {
    ///     fn execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
    ///         let error = job.closed();
    ///         Err(SubmitError::new(job, error))
    ///     }
    /// }
    /// assert!(matches!(Geometry::calls(Nobody).add(4, 5).wait(), Err(CallError::Closed(_))));
    /// ```
    pub fn new(value: T, error: CallError) -> Self {
        Self { value, error }
    }

    pub(crate) fn value(&self) -> &T {
        &self.value
    }

    /// Why it was refused.
    #[must_use]
    pub fn error(&self) -> &CallError {
        &self.error
    }

    /// Whether it was refused for want of room: it may be tried again.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// pool.close();
    /// let geometry = Geometry::on(&pool);
    /// let refused = geometry.add(4, 5).try_submit().unwrap_err();
    /// assert!(!refused.is_full(), "the pool is closed, so there is no use in another try");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self.error, CallError::Full(_))
    }

    /// What was refused, whole.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// # let (closed, open) = (Pool::builder().build()?, Pool::builder().build()?);
    /// # closed.close();
    /// let geometry = Geometry::on(&closed);
    /// let call = geometry.add(4, 5).try_submit().unwrap_err().into_inner();
    /// assert_eq!(call.info().map(|task| task.name()), Some("add"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_inner(self) -> T {
        self.value
    }

    /// Both parts.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// # pool.close();
    /// let geometry = Geometry::on(&pool);
    /// let (call, error) = geometry.add(4, 5).try_submit().unwrap_err().into_parts();
    /// assert!(matches!(error, CallError::Closed(_)));
    /// assert!(call.info().is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_parts(self) -> (T, CallError) {
        (self.value, self.error)
    }
}

impl<T> fmt::Debug for SubmitError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for SubmitError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<T> Error for SubmitError<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}
