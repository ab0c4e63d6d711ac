//! The span of a call with rare options: see [`crate::trace`]. [`Call::trace_parent`] sets its parent.

use super::call_options::RareOptions;
#[cfg(feature = "tracing")]
use crate::{executor::Executor, trace::Carrier, typed::Call};
use crate::{
    task::{Job, TaskSet},
    trace::SpanParent,
};

#[cfg(feature = "tracing")]
impl<S: TaskSet, E: Executor<S> + ?Sized, T> Call<'_, S, E, T> {
    /// Makes the span of a carrier the parent of this call's span, for a call that another process has
    /// requested. Without a [propagator](crate::trace::set_propagator), the span is a root.
    ///
    /// ```
    /// use nanolith::{prelude::*, trace::Carrier};
    /// # use nanolith_doc_sets::*;
    /// let headers = [("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")];
    /// let carrier: Carrier = headers.into_iter().collect();
    /// assert_eq!(Geometry::tasks().add(4, 5).trace_parent(carrier).wait()?, 9);
    /// # Ok::<(), CallError>(())
    /// ```
    #[inline]
    pub fn trace_parent(mut self, carrier: Carrier) -> Self {
        self.rare().trace_parent = Some(carrier);
        self
    }
}

/// Opens the span of a call that is submitted now. No other thread knows the job yet.
#[cold]
pub(super) fn open<S: TaskSet>(job: &Job<S>, rare: Option<&RareOptions<S>>) {
    #[cfg(feature = "tracing")]
    if let Some(carrier) = rare.and_then(|rare| rare.trace_parent.as_ref()) {
        return job.open_span(SpanParent::Carrier(carrier));
    }
    let _ = rare;
    job.open_span(SpanParent::Current);
}
