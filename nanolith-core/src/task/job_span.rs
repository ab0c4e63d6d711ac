//! What the program's subscriber of `tracing` learns of a [`Job`]: its span, and the cycle of waits that
//! refuses it. [`Job::carrier`] is what of the span goes to another process.

use super::{Job, TaskSet};
use crate::{
    call::slot::EndReason,
    deadlock::WaitCycle,
    error::CallError,
    trace::{self, FoundCycle, SpanParent},
};

impl<S: TaskSet> Job<S> {
    /// Returns the carrier of the job's span, for an executor that runs the task in another process. If
    /// the job has no span, it is that of the current span. It is empty if the program has
    /// [set](crate::trace::set_propagator) no propagator.
    ///
    /// ```
    /// use nanolith::{executor::Job, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// let job = Job::<Geometry>::new(GeometryTask::Add { x: 4, y: 5 }, drop);
    /// assert!(job.carrier().is_empty()); // there is no propagator
    /// ```
    #[cfg(feature = "tracing")]
    #[must_use]
    pub fn carrier(&self) -> trace::Carrier {
        match self.slot().header.span() {
            Some(span) => trace::inject(&span),
            None => trace::inject(&tracing::Span::current()),
        }
    }

    /// Opens the span of the call. No other thread knows the job yet.
    #[cold]
    pub(crate) fn open_span(&self, parent: SpanParent<'_>) {
        if self.slot().header.open_span(parent) {
            self.slot().fence(); // the end of the call checks the header
        }
    }

    /// Returns the error with which to refuse the job when a wait for queue room would close this
    /// cycle.
    pub(crate) fn would_deadlock(&self, cycle: WaitCycle) -> CallError {
        trace::in_cycle(FoundCycle::Ended, &cycle);
        self.slot().header.keep_cycle(cycle);
        self.slot().header.error(EndReason::WouldDeadlock)
    }
}
