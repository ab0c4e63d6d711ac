//! The span of a call with rare options: see [`crate::trace`]. [`Call::trace_parent`] sets its parent.

use super::options::RareOptions;
use crate::{call::header::Header, task::TaskSet};
#[cfg(feature = "tracing")]
use crate::{executor::Executor, trace::Carrier, typed::Call};

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

impl<S: TaskSet> RareOptions<S> {
    #[cfg(not(feature = "tracing"))]
    pub(super) fn open_span(&self, meta: &mut Header) {
        meta.open_span();
    }

    #[cfg(feature = "tracing")]
    pub(super) fn open_span(&self, meta: &mut Header) {
        match &self.trace_parent {
            Some(carrier) => meta.open_span_within(carrier),
            None => meta.open_span(),
        }
    }
}
