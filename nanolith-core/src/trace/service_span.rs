//! [`ServiceSpan`]: the span of a service, from its launch to its end.

use super::SpanGuard;
use std::sync::Arc;
use tracing::{Level, Span, span};

/// The span of a service. It is a root, because a child would keep the span of the launch open.
pub(crate) struct ServiceSpan(Arc<Span>);

impl ServiceSpan {
    /// Opens the span of a service that is launched by this thread.
    pub(crate) fn open(set: &'static str, name: &str) -> Self {
        let span = span!(target: "nanolith::service", parent: None, Level::DEBUG, "service", set, executor = name);
        if !span.is_disabled() {
            span.follows_from(Span::current());
        }
        Self(Arc::new(span))
    }

    /// Runs `f`, the service or a part of its work, on this thread within the span.
    pub(crate) fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        let _entered = SpanGuard::enter(self.0.clone());
        f()
    }
}
