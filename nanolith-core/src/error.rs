//! How a call can end other than with its task's output, and where it was.

use crate::id::TaskInfo;
use std::{any::Any, error::Error, fmt, panic::Location, sync::Arc, sync::Mutex, time::Duration};

/// Any error, as a hook or a launch gives it.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Why a call ended without its task's output.
///
/// It holds no arguments, costs one pointer to clone, and says where the call was submitted, by which chain of calls, and
/// how long it waited and ran. What can be said beside the kind is in the [`At`] of each.
///
/// ```
/// use nanolith_core::CallError;
/// fn worth_another_try(error: &CallError) -> bool {
///     matches!(error, CallError::Full(_) | CallError::TimedOut(_))
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CallError {
    /// The task panicked; its executor lives on.
    Panicked(Panic, At),
    /// The call was cancelled.
    Cancelled(At),
    /// The call's time was over before its task was done. A running task was asked to stop, and may go on a while.
    TimedOut(At),
    /// The executor's queue was full, and it does not wait.
    Full(At),
    /// The call was dropped to make room, as `OnFull::DropOldest` and `OnFull::DropNewest` ask for.
    Dropped(At),
    /// The executor was closed.
    Closed(At),
    /// The service crashed while it had the call.
    Crashed(At),
    /// The executor let go of the call without ending it.
    Lost(At),
    /// The wait could never have ended: the call waits for the very thread, or state, that its caller holds.
    WouldDeadlock(At),
    /// A `before_task` or `after_task` hook failed.
    Hook(Arc<dyn Error + Send + Sync>, At),
    /// The global pool could not be started; the next call tries again.
    NotStarted(Arc<dyn Error + Send + Sync>, At),
    /// The executor has no state to run this task on, or cannot keep its future on one thread.
    Unsupported(At),
}

impl CallError {
    /// Where and when the call was.
    #[must_use]
    pub fn at(&self) -> &At {
        match self {
            Self::Panicked(_, at) | Self::Hook(_, at) | Self::NotStarted(_, at) => at,
            Self::Cancelled(at)
            | Self::TimedOut(at)
            | Self::Full(at)
            | Self::Dropped(at)
            | Self::Closed(at)
            | Self::Crashed(at)
            | Self::Lost(at)
            | Self::WouldDeadlock(at)
            | Self::Unsupported(at) => at,
        }
    }

    fn what(&self) -> &'static str {
        match self {
            Self::Panicked(..) => "panicked",
            Self::Cancelled(_) => "was cancelled",
            Self::TimedOut(_) => "timed out",
            Self::Full(_) => "was refused, since the queue was full",
            Self::Dropped(_) => "was dropped from the full queue",
            Self::Closed(_) => "was refused, since the executor is closed",
            Self::Crashed(_) => "was lost when the service crashed",
            Self::Lost(_) => "was let go by its executor without an end",
            Self::WouldDeadlock(_) => "would have waited for itself",
            Self::Hook(..) => "failed in a hook",
            Self::NotStarted(..) => "found no pool",
            Self::Unsupported(_) => "cannot run on this executor",
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.at().task(), self.what())?;
        match self {
            Self::Panicked(panic, _) => write!(f, "{panic}")?,
            Self::Hook(source, _) | Self::NotStarted(source, _) => write!(f, ": {source}")?,
            _ => {}
        }
        write!(f, "; {}", self.at())
    }
}

impl Error for CallError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Hook(source, _) | Self::NotStarted(source, _) => Some(source.as_ref()),
            _ => None,
        }
    }
}

/// Where a call was submitted, by whom, and how long it took.
#[derive(Clone, Debug)]
pub struct At(Arc<Details>);

#[derive(Debug)]
struct Details {
    caller: Caller,
    waited: Duration,
    ran: Duration,
    parents: Vec<Caller>,
}

/// A call as its children know it: its task, and where it was submitted.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    pub(crate) task: &'static TaskInfo,
    pub(crate) submitted: &'static Location<'static>,
}

impl Caller {
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

impl At {
    pub(crate) fn new(caller: Caller, waited: Duration, ran: Duration, parents: Vec<Caller>) -> Self {
        Self(Arc::new(Details { caller, waited, ran, parents }))
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

    /// How long the call waited before it ran.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.0.waited
    }

    /// How long it ran.
    #[must_use]
    pub fn ran(&self) -> Duration {
        self.0.ran
    }

    /// The calls within which this one was submitted, the nearest first; at most the nearest sixteen.
    #[must_use]
    pub fn parents(&self) -> &[Caller] {
        &self.0.parents
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.submitted();
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

    /// What the panic said, if it said it in text.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// File and line of the panic. Missing when another panic hook was set after ours, or the panic came from a
    /// thread that only helped, as within a `par_iter`.
    #[must_use]
    pub fn place(&self) -> Option<(&str, u32)> {
        self.0.place.as_ref().map(|place| (place.file.as_str(), place.line))
    }

    /// The payload, for [`std::panic::resume_unwind`]; the first who asks gets it.
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
/// use nanolith_core::Refused;
/// fn both<T>(refused: Refused<T>) -> T {
///     eprintln!("{}", refused.error());
///     refused.into_inner()
/// }
/// ```
#[must_use = "holds what was refused"]
pub struct Refused<T> {
    value: T,
    error: CallError,
}

impl<T> Refused<T> {
    /// Refuses `value` because of `error`.
    pub fn new(value: T, error: CallError) -> Self {
        Self { value, error }
    }

    /// Why it was refused.
    #[must_use]
    pub fn error(&self) -> &CallError {
        &self.error
    }

    /// Whether it was refused for want of room: it may be tried again.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self.error, CallError::Full(_))
    }

    /// What was refused, whole.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// Both parts.
    pub fn into_parts(self) -> (T, CallError) {
        (self.value, self.error)
    }
}

impl<T> fmt::Debug for Refused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for Refused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<T> Error for Refused<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

/// The failure of a call whose task gives a `Result`, both in one: what `.flatten()` gives.
#[derive(Clone, Debug)]
pub enum TaskError<E> {
    /// The call did not give the task's result.
    Call(CallError),
    /// The task gave its own error.
    Task(E),
}

impl<E: fmt::Display> fmt::Display for TaskError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(error) => error.fmt(f),
            Self::Task(error) => error.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for TaskError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Call(error) => error.source(),
            Self::Task(error) => error.source(),
        }
    }
}
