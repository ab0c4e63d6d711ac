//! The span of a call: see [`crate::trace`]. Without the cargo feature `tracing`, these methods do
//! nothing.

use super::Header;
use crate::{
    call::{end_batch::EndBatch, slot::EndReason},
    trace::SpanGuard,
};

#[cfg(feature = "tracing")]
pub(super) use on::SpanShare;

#[cfg(feature = "tracing")]
mod on {
    use super::{EndBatch, EndReason, Header, SpanGuard};
    use crate::{
        call::{header::SPAN, offload},
        meta::thread_kind::ThreadKind,
        trace::{self, CallSpan, Carrier, SpanParent},
    };
    use std::sync::{Arc, atomic::Ordering};
    use tracing::Span;

    /// The span of a call, and whether the end of this call is the end of the span.
    pub(in crate::call::header) struct SpanShare {
        span: Arc<CallSpan>,
        is_owner: bool,
    }

    impl Header {
        /// Opens the span of a call that is submitted now, if the program traces calls.
        #[inline(always)]
        pub(crate) fn open_span(&mut self) {
            if trace::is_on() {
                self.open_span_by(SpanParent::Current);
            }
        }

        /// Opens the span of a message. It is a root that follows from the current span.
        pub(crate) fn open_linked_span(&mut self) {
            if trace::is_on() {
                self.open_span_by(SpanParent::Linked);
            }
        }

        /// Opens the span of a call that another process has sent.
        pub(crate) fn open_span_within(&mut self, carrier: &Carrier) {
            if trace::is_on() {
                self.open_span_by(SpanParent::Carrier(carrier));
            }
        }

        #[cold]
        fn open_span_by(&mut self, parent: SpanParent<'_>) {
            if let Some(span) = CallSpan::open(self.task, self.priority(), parent) {
                self.set_span(SpanShare { span: Arc::new(span), is_owner: true });
            }
        }

        fn set_span(&mut self, share: SpanShare) {
            self.begin |= SPAN;
            let _ = self.cold().span.set(share); // the header is new
        }

        /// Shares the span of the call that continues as this call.
        #[inline]
        pub(in crate::call::header) fn share_span_of(&mut self, first: &Self) {
            if let Some(share) = first.span_share() {
                self.set_span(SpanShare { span: share.span.clone(), is_owner: false });
            }
        }

        #[inline(always)]
        fn span_share(&self) -> Option<&SpanShare> {
            if self.begin & SPAN == 0 { None } else { self.cold.get()?.span.get() }
        }

        /// Returns the span of the call, or the span in which it was submitted.
        pub(crate) fn span(&self) -> Option<Arc<Span>> {
            self.span_share()?.span.get()
        }

        /// Records the start of the task in the span. `executor` runs the task.
        #[inline(always)]
        pub(crate) fn begin_span(&self, executor: impl FnOnce() -> Option<ThreadKind>) {
            if let Some(share) = self.span_share() {
                let executor = executor();
                share
                    .span
                    .begin(self.submitted_at.load(Ordering::Relaxed), executor.as_ref().and_then(ThreadKind::name));
            }
        }

        /// Makes the span the current span of this thread until the guard is dropped.
        #[inline(always)]
        pub(crate) fn enter_span(&self) -> SpanGuard {
            match self.span_share() {
                Some(share) => SpanGuard::enter(share.span.get()),
                None => SpanGuard::NONE,
            }
        }

        /// Closes the span. The call is about to end with `outcome`, in the words of
        /// [`CallError::outcome`](crate::error::CallError::outcome).
        #[inline(always)]
        pub(crate) fn close_span(&self, outcome: impl FnOnce() -> &'static str) {
            if let Some(share) = self.span_share() {
                close(share, outcome());
            }
        }

        /// Closes the span of a call that was ended from outside. That is left to `batch`.
        #[inline]
        pub(crate) fn close_span_into(&self, how: EndReason, batch: &mut EndBatch) {
            let share = self.span_share().filter(|share| share.is_owner);
            if let Some(ended) = share.and_then(|share| share.span.end(how.outcome())) {
                batch.close_span(ended);
            }
        }
    }

    #[cold]
    fn close(share: &SpanShare, outcome: &'static str) {
        if let Some(ended) = share.is_owner.then(|| share.span.end(outcome)).flatten() {
            offload::run(None, move || ended.close());
        }
    }
}

#[cfg(not(feature = "tracing"))]
#[allow(clippy::unused_self)] // the signatures are those of the enabled methods
impl Header {
    #[inline(always)]
    pub(crate) fn open_span(&mut self) {}

    #[inline(always)]
    pub(crate) fn open_linked_span(&mut self) {}

    #[inline(always)]
    pub(super) fn share_span_of(&mut self, _: &Self) {}

    #[inline(always)]
    pub(crate) fn begin_span(&self, _: impl FnOnce() -> Option<crate::meta::thread_kind::ThreadKind>) {}

    #[inline(always)]
    pub(crate) fn enter_span(&self) -> SpanGuard {
        SpanGuard
    }

    #[inline(always)]
    pub(crate) fn close_span(&self, _: impl FnOnce() -> &'static str) {}

    #[inline(always)]
    pub(crate) fn close_span_into(&self, _: EndReason, _: &mut EndBatch) {}
}
