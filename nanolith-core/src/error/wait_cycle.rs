//! [`WaitCycle`]: a deadlock's cycle of waits, as an error names it.

use super::ParentCall;
use crate::meta::thread_kind::ThreadKind;
use std::{fmt, sync::Arc};

/// A cycle of waits: each call waits for the next, and the last one for the first.
///
/// [`CallTrace::cycle`](crate::error::CallTrace::cycle) returns it for a call that ended as
/// [`CallError::WouldDeadlock`](crate::error::CallError::WouldDeadlock). Its text has the source
/// lines.
///
/// ```
/// use nanolith::prelude::*;
/// # pub struct Counter { total: i64 }
/// #[define]
/// impl Counter {
///     #[init] fn start(first: i64) -> Self { Self { total: first } }
///     pub fn total(&self) -> i64 { self.total }
///     pub fn visit(&mut self, other: Service<Counter>, itself: Service<Counter>) -> Result<i64, CallError> {
///         other.ask(itself).wait()?
///     }
///     pub fn ask(&mut self, first: Service<Counter>) -> Result<i64, CallError> {
///         first.total().wait() // `first` waits for this task
///     }
/// }
/// let (left, right) = (Counter::service(1).launch().wait()?, Counter::service(2).launch().wait()?);
/// let error = left.visit(right.clone(), left.clone()).wait()?.unwrap_err();
/// let cycle = error.trace().cycle().expect("two services waited for each other");
/// let tasks: Vec<_> = cycle.steps().iter().filter_map(|step| Some(step.call()?.task().name())).collect();
/// assert_eq!(tasks, ["ask", "total", "visit"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct WaitCycle(Arc<[WaitStep]>);

impl WaitCycle {
    pub(crate) fn new(steps: Vec<WaitStep>) -> Self {
        Self(steps.into())
    }

    /// Returns the calls of the cycle, each followed by what it waits for.
    #[must_use]
    pub fn steps(&self) -> &[WaitStep] {
        &self.0
    }
}

impl fmt::Display for WaitCycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in self.steps() {
            write!(f, "{step} → ")?;
        }
        f.write_str("the first")
    }
}

/// A call in a [`WaitCycle`], or an executor whose thread waits outside of a call.
#[derive(Clone, Debug)]
pub struct WaitStep {
    call: Option<ParentCall>,
    place: ThreadKind,
    needs_room: bool,
}

impl WaitStep {
    pub(crate) fn new(call: Option<ParentCall>, place: ThreadKind, needs_room: bool) -> Self {
        Self { call, place, needs_room }
    }

    /// Returns the call and the source line of its submission, or `None` for a thread that waits
    /// outside of a call, as in `#[init]`.
    #[must_use]
    pub fn call(&self) -> Option<&ParentCall> {
        self.call.as_ref()
    }

    /// Returns the executor that has the call.
    #[must_use]
    pub fn place(&self) -> &ThreadKind {
        &self.place
    }

    /// Returns whether the call waits for room in the queue of its executor.
    #[must_use]
    pub fn needs_room(&self) -> bool {
        self.needs_room
    }
}

impl fmt::Display for WaitStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.needs_room {
            f.write_str("room for ")?;
        }
        match &self.call {
            Some(call) => write!(f, "`{}`", call.task)?,
            None => f.write_str("the thread")?,
        }
        match &self.place {
            ThreadKind::Pool(name) => write!(f, " on the pool `{name}`")?,
            ThreadKind::Service(name) => write!(f, " on the service `{name}`")?,
            ThreadKind::Local(name) => write!(f, " on the local `{name}`")?,
            ThreadKind::Outside => {}
        }
        match &self.call {
            Some(call) => write!(f, " from {}:{}", call.submitted.file(), call.submitted.line()),
            None => Ok(()),
        }
    }
}
