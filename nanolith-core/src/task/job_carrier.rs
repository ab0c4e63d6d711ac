//! [`Job::carrier`]: what of a job's span goes to another process.

use super::{Job, TaskSet};
use crate::trace::{self, Carrier};
use tracing::Span;

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
    #[must_use]
    pub fn carrier(&self) -> Carrier {
        match self.slot().header.span() {
            Some(span) => trace::inject(&span),
            None => trace::inject(&Span::current()),
        }
    }
}
