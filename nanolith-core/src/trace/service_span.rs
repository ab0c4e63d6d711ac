//! [`ServiceSpan`]: the span of a service, from its launch to its end.

use super::SpanGuard;
use std::sync::Arc;
use tracing::{Level, Span, span};

/// The span of a service. It is a root, because a child would keep the span of the launch open.
pub(crate) struct ServiceSpan(Span);

impl ServiceSpan {
    /// Opens the span of a service that is launched by this thread.
    pub(crate) fn open(set: &'static str, name: &str) -> Self {
        let span = span!(target: "nanolith::service", parent: None, Level::DEBUG, "service", set, executor = name);
        if !span.is_disabled() {
            span.follows_from(Span::current());
        }
        Self(span)
    }

    /// Runs the service on this thread within its span.
    pub(crate) fn run(self, service: impl FnOnce()) {
        let _entered = SpanGuard::enter(Arc::new(self.0));
        service();
    }
}
