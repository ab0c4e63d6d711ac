//! The span of a call: see [`crate::trace`]. Without the cargo feature `tracing`, these methods do
//! nothing.

use super::Header;
use crate::{
    call::{end_batch::EndBatch, slot::EndReason},
    trace::{SpanGuard, SpanParent},
};

#[cfg(feature = "tracing")]
pub(super) use on::SpanShare;

#[cfg(feature = "tracing")]
mod on {
    use super::{EndBatch, EndReason, Header, SpanGuard, SpanParent};
    use crate::{
        call::{header::SPAN, offload},
        meta::thread_kind::ThreadKind,
        trace::{self, CallSpan},
    };
    use std::sync::{Arc, atomic::Ordering};
    use tracing::Span;

    /// The span of a call, and whether the end of this call is the end of the span.
    pub(in crate::call::header) struct SpanShare {
        span: Arc<CallSpan>,
        is_owner: bool,
    }

    impl Header {
        /// Opens the span of a call that is submitted now on this thread. No other thread knows the call
        /// yet. Returns whether it has a span.
        #[cold]
        pub(crate) fn open_span(&self, parent: SpanParent<'_>) -> bool {
            let span = CallSpan::open(self.task.get(), self.priority(), parent);
            let share = span.map(|span| SpanShare { span: Arc::new(span), is_owner: true });
            share.is_some_and(|share| self.set_span(share))
        }

        fn set_span(&self, share: SpanShare) -> bool {
            self.begin.fetch_or(SPAN, Ordering::Relaxed);
            self.seldom().span.set(share).is_ok()
        }

        /// Shares the span of the call that continues as this call.
        pub(in crate::call::header) fn share_span_of(&self, first: &Self) {
            if let Some(share) = first.span_share() {
                self.set_span(SpanShare { span: share.span.clone(), is_owner: false });
            }
        }

        /// Returns whether the call has a span, or shares one.
        #[inline(always)]
        pub(crate) fn has_span(&self) -> bool {
            self.begin() & SPAN != 0
        }

        fn span_share(&self) -> Option<&SpanShare> {
            if self.has_span() { self.known_seldom()?.span.get() } else { None }
        }

        /// Returns the span of the call, or the span in which it was submitted.
        pub(crate) fn span(&self) -> Option<Arc<Span>> {
            self.span_share()?.span.get()
        }

        /// Records the start of the task in the span. `executor` runs the task.
        #[cold]
        pub(crate) fn begin_span(&self, executor: Option<&ThreadKind>) {
            if let Some(share) = self.span_share() {
                share.span.begin(self.submitted_at.load(Ordering::Relaxed), executor.and_then(ThreadKind::name));
            }
        }

        /// Makes the span the current span of this thread until the guard is dropped.
        #[cold]
        pub(crate) fn enter_span(&self) -> Option<SpanGuard> {
            self.span().map(SpanGuard::enter)
        }

        /// Makes the span the current span of this thread until [`trace::leave`]. Returns whether it did.
        pub(crate) fn enter_task_span(&self) -> bool {
            self.span().is_some_and(trace::enter)
        }

        /// Closes the span. The call is about to end with `outcome`, in the words of
        /// [`CallError::outcome`](crate::error::CallError::outcome).
        #[cold]
        pub(crate) fn close_span(&self, outcome: &'static str) {
            let share = self.span_share().filter(|share| share.is_owner);
            if let Some(ended) = share.and_then(|share| share.span.end(outcome)) {
                offload::run(None, move || ended.close());
            }
        }

        /// Closes the span of a call that was ended from outside. That is left to `batch`.
        #[inline]
        pub(crate) fn close_span_into(&self, how: EndReason, batch: &mut EndBatch) {
            let share = self.span_share().filter(|share| share.is_owner);
            share.and_then(|share| share.span.end(how.outcome())).into_iter().for_each(|ended| batch.close_span(ended));
        }
    }
}

#[cfg(not(feature = "tracing"))]
#[allow(clippy::unused_self)] // the signatures are those of the enabled methods
impl Header {
    #[inline(always)]
    pub(crate) fn open_span(&self, _: SpanParent<'_>) -> bool {
        false
    }

    #[inline(always)]
    pub(super) fn share_span_of(&self, _: &Self) {}

    #[inline(always)]
    pub(crate) fn has_span(&self) -> bool {
        false
    }

    #[inline(always)]
    pub(crate) fn begin_span(&self, _: Option<&crate::meta::thread_kind::ThreadKind>) {}

    #[inline(always)]
    pub(crate) fn enter_span(&self) -> Option<SpanGuard> {
        None
    }

    #[inline(always)]
    pub(crate) fn enter_task_span(&self) -> bool {
        false
    }

    #[inline(always)]
    pub(crate) fn close_span(&self, _: &'static str) {}

    #[inline(always)]
    pub(crate) fn close_span_into(&self, _: EndReason, _: &mut EndBatch) {}
}
