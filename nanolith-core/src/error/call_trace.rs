//! [`CallTrace`]: where an ended call was submitted, within which calls, and its durations.

use super::{BoxError, Cause, wait_cycle::WaitCycle};
use crate::meta::task_info::TaskInfo;
use std::{error::Error, fmt, panic::Location, sync::Arc, time::Duration};

/// The trace of a call: where it was submitted, the calls above it, and how long it took. Each
/// [`CallError`](super::CallError) has one.
///
/// ```
/// # use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// let error = Geometry::tasks().add(i64::MAX, 1).wait().unwrap_err(); // a panic: it overflows
/// let at = error.trace();
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
    /// The error that ended the call, such as the crash of its executor.
    cause: Option<Cause>,
    simulation_is_over: bool,
}

/// A call as its children know it: its task, and where it was submitted.
///
/// ```
/// use nanolith::{call::ParentCall, prelude::*};
/// # use nanolith_doc_sets::*;
/// fn chain(parents: &[ParentCall]) -> Vec<String> {
///     parents.iter().map(|call| format!("{} from line {}", call.task(), call.submitted().line())).collect()
/// }
/// let error = Geometry::tasks().add(i64::MAX, 1).wait().unwrap_err();
/// assert!(chain(error.trace().parents()).is_empty(), "no task made this call");
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
        let (item, cycle, cause) = (None, None, None);
        Self(Arc::new(Details { caller, waited, ran, parents, item, cycle, cause, simulation_is_over: false }))
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

    /// Returns the trace with the error that ended the call, for an executor that makes a
    /// [`CallError`](crate::error::CallError). The source of the `CallError` is this error.
    ///
    /// ```
    /// use nanolith::{executor::Job, prelude::*};
    /// use std::error::Error;
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// let job = Job::<Geometry>::new(GeometryTask::Add { x: 4, y: 5 }, |outcome| {
    ///     let error = outcome.unwrap_err();
    ///     assert!(error.to_string().contains("crashed (the power failed)"));
    ///     assert_eq!(error.source().map(ToString::to_string), Some("the power failed".into()));
    /// });
    /// let (_task, reply) = job.split()?;
    /// let trace = reply.trace().caused_by("the power failed");
    /// reply.complete(Err(CallError::Crashed(trace)));
    /// # Ok::<(), nanolith::executor::JobEndedError>(())
    /// ```
    #[must_use]
    pub fn caused_by(self, cause: impl Into<BoxError>) -> Self {
        self.with_cause(Arc::from(cause.into()))
    }

    pub(crate) fn with_cause(mut self, cause: Cause) -> Self {
        Arc::make_mut(&mut self.0).cause = Some(cause);
        self
    }

    /// The same of a call that ended with its simulation.
    pub(crate) fn of_ended_simulation(mut self) -> Self {
        Arc::make_mut(&mut self.0).simulation_is_over = true;
        self
    }

    /// Returns the error that ended the call, such as the crash of its executor.
    #[must_use]
    pub fn cause(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.0.cause.as_deref()
    }

    /// Returns whether the call ended as [`CallError::Closed`](crate::error::CallError::Closed)
    /// because its simulation is over.
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

    /// Returns the cycle of waits because of which the call ended as
    /// [`CallError::WouldDeadlock`](crate::error::CallError::WouldDeadlock). `None`: the call ended
    /// for another reason, or was the only one that waited.
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
    /// assert_eq!(error.trace().item(), Some(2));
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

    /// How long the call waited before it ran: from its submission to its start, or to its end if
    /// it never ran. Among short calls in a row, whose times are not taken one by one, it is true
    /// to a few milliseconds.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.0.waited
    }

    /// How long it ran, the time at which it was suspended included; zero if it never ran. As true
    /// as [`CallTrace::waited`].
    #[must_use]
    pub fn ran(&self) -> Duration {
        self.0.ran
    }

    /// The calls within which this one was submitted, the nearest first; at most the nearest
    /// sixteen.
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
    /// assert_eq!(error.trace().parents()[0].task().to_string(), "Geometry::twice");
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
