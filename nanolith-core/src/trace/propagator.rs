//! [`Propagator`]: passes spans on to other processes, by the keys and values of a [`Carrier`].

use super::Carrier;
use crate::util::unwind;
use std::{error::Error, fmt, sync::OnceLock};
use tracing::Span;

/// Passes spans on to other processes and machines.
///
/// A program sets one by [`set_propagator`], in each of its processes. This one uses
/// `tracing-opentelemetry` 0.33 and `opentelemetry` 0.32:
///
/// ```ignore
/// use nanolith::trace::{Carrier, Propagator};
/// use opentelemetry::{global, propagation::{Extractor, Injector}};
/// use tracing_opentelemetry::OpenTelemetrySpanExt as _;
///
/// struct OpenTelemetry;
/// struct Keys<'a>(&'a Carrier);
/// struct KeysMut<'a>(&'a mut Carrier);
///
/// impl Injector for KeysMut<'_> {
///     fn set(&mut self, key: &str, value: String) {
///         self.0.set(key, value);
///     }
/// }
///
/// impl Extractor for Keys<'_> {
///     fn get(&self, key: &str) -> Option<&str> {
///         self.0.get(key)
///     }
///     fn keys(&self) -> Vec<&str> {
///         self.0.iter().map(|(key, _)| key).collect()
///     }
/// }
///
/// impl Propagator for OpenTelemetry {
///     fn inject(&self, span: &tracing::Span, carrier: &mut Carrier) {
///         global::get_text_map_propagator(|format| format.inject_context(&span.context(), &mut KeysMut(carrier)));
///     }
///     fn extract(&self, span: &tracing::Span, carrier: &Carrier) {
///         let parent = global::get_text_map_propagator(|format| format.extract(&Keys(carrier)));
///         let _ = span.set_parent(parent);
///     }
/// }
/// ```
pub trait Propagator: Send + Sync + 'static {
    /// Writes what identifies `span` into `carrier`. The span may be disabled.
    fn inject(&self, span: &Span, carrier: &mut Carrier);

    /// Makes the span that was written into `carrier` the parent of `span`. The span is new: no thread
    /// has entered it, and it has no parent in this process.
    fn extract(&self, span: &Span, carrier: &Carrier);
}

static PROPAGATOR: OnceLock<Box<dyn Propagator>> = OnceLock::new();

/// Sets the propagator of this process. A program does this once, before its first call.
///
/// ```
/// use nanolith::trace::{self, Carrier, Propagator};
/// use tracing::Span;
///
/// /// Sends the name of the span only.
/// struct Names;
/// impl Propagator for Names {
///     fn inject(&self, span: &Span, carrier: &mut Carrier) {
///         carrier.set("span", span.metadata().map_or("", |metadata| metadata.name()));
///     }
///     fn extract(&self, span: &Span, carrier: &Carrier) {
///         span.record("remote", carrier.get("span"));
///     }
/// }
/// trace::set_propagator(Names)?;
/// assert_eq!(trace::inject(&Span::none()).get("span"), Some(""));
/// # Ok::<(), trace::PropagatorSetError>(())
/// ```
///
/// # Errors
///
/// [`PropagatorSetError`] if this process has a propagator. It stays.
pub fn set_propagator(propagator: impl Propagator) -> Result<(), PropagatorSetError> {
    PROPAGATOR.set(Box::new(propagator)).map_err(|_| PropagatorSetError)
}

/// Returns a carrier that identifies `span`, for another process. Without a propagator it is empty.
///
/// [`Call::trace_parent`](crate::typed::Call::trace_parent) makes the span the parent of a call there.
#[must_use]
pub fn inject(span: &Span) -> Carrier {
    let mut carrier = Carrier::new();
    if let Some(propagator) = PROPAGATOR.get() {
        unwind::ignore_panics(|| propagator.inject(span, &mut carrier));
    }
    carrier
}

/// Makes the span of `carrier` the parent of `span`.
pub(super) fn extract(span: &Span, carrier: &Carrier) {
    if let Some(propagator) = PROPAGATOR.get() {
        unwind::ignore_panics(|| propagator.extract(span, carrier));
    }
}

/// The error of [`set_propagator`]: the process has a propagator already.
///
/// ```
/// use nanolith::trace::PropagatorSetError;
/// assert_eq!(PropagatorSetError.to_string(), "this process has a propagator already: set it once");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PropagatorSetError;

impl fmt::Display for PropagatorSetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this process has a propagator already: set it once")
    }
}

impl Error for PropagatorSetError {}
