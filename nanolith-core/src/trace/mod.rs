//! Spans of calls and services, and events of executors, for subscribers of the crate [`tracing`].
//!
//! A program enables them by the cargo feature `tracing`, and sets a subscriber for all threads, for
//! example by `tracing_subscriber::fmt::init()`.
//!
//! # Spans
//!
//! | span | target | level | parent | open |
//! |---|---|---|---|---|
//! | `call` | `nanolith::call` | `TRACE` | the span in which the call was submitted | from the submission to the end of the call |
//! | `message` | `nanolith::call` | `TRACE` | none; it follows from the span of the sender | from the send to the end of its handler |
//! | `service` | `nanolith::service` | `DEBUG` | none; it follows from the span of the launch | from the launch to the end of the service |
//!
//! While a task runs, the span of its call is the current span, on whichever thread that is. So the
//! program's own events and the calls of the task are within it. The future of an asynchronous task
//! enters the span at each poll. Calls that a layer runs again, and the batches of a bulk call, share
//! the span of the first call.
//!
//! The fields of `call` and `message`:
//!
//! | field | what | unit | set |
//! |---|---|---|---|
//! | `set`, `task` | the names of the set and of the task | | at the submission |
//! | `identifier` | the number of the call in its process | | at the submission |
//! | `priority` | the priority | | at the submission |
//! | `executor` | the name of the executor that runs the task | | at the start of the task |
//! | `wait_us` | the time from the submission to the start | microseconds | at the start of the task |
//! | `run_us` | the time from the start of the task to its end, awaits included | microseconds | at the end |
//! | `outcome` | `ok`, or the kind of the [`CallError`](crate::error::CallError) | | at the end |
//!
//! If the subscriber does not enable the span of a call, the span in which the call was submitted is
//! the current span of the task instead. This costs an allocation for a call within a span. A filter
//! of `nanolith::context=off` turns it off.
//!
//! # Events
//!
//! | event | target | level |
//! |---|---|---|
//! | a call was refused, or dropped by a full queue | `nanolith::call` | `DEBUG` |
//! | a task, or a hook around it, panicked | `nanolith::call` | `ERROR` |
//! | a task runs far beyond its time limit | `nanolith::call` | `WARN` |
//! | a service restarted | `nanolith::service` | `WARN` |
//! | a service crashed and ended | `nanolith::service` | `ERROR` |
//! | a cycle of waits may be a deadlock | `nanolith::deadlock` | `WARN` |
//! | a call ended, because its wait closed a cycle | `nanolith::deadlock` | `ERROR` |
//!
//! # Across processes and machines
//!
//! A [`Propagator`] writes what identifies a span into a [`Carrier`], a list of keys and values, and
//! reads it on the other side. `nanolith-process` sends a carrier with each call, if the program has
//! [set](set_propagator) a propagator.
//!
//! # Cost
//!
//! Without a subscriber, a call reads one atomic integer. A call that has a span takes the way of
//! calls with rare options through its executor, and costs some hundred nanoseconds more.
//!
//! ```
//! use nanolith::prelude::*;
//! # use nanolith_doc_sets::*;
//! # #[cfg(feature = "tracing")]
//! # {
//! let request = tracing::info_span!("request");
//! let sum = request.in_scope(|| Geometry::tasks().add(4, 5).submit()); // a span within `request`
//! assert_eq!(sum.wait()?, 9);
//! # }
//! # Ok::<(), CallError>(())
//! ```

#[cfg(feature = "tracing")]
mod call_span;
#[cfg(feature = "tracing")]
mod carrier;
#[cfg(feature = "tracing")]
mod events;
#[cfg(feature = "tracing")]
mod propagator;
#[cfg(feature = "tracing")]
mod service_span;

#[cfg(not(feature = "tracing"))]
mod off;

#[cfg(feature = "tracing")]
pub(crate) use call_span::{CallSpan, EndedSpan, SpanGuard, SpanParent, enter, is_on, leave};
#[cfg(feature = "tracing")]
pub use carrier::Carrier;
#[cfg(feature = "tracing")]
pub(crate) use events::{FoundCycle, gave_up, in_cycle, overran, panicked, refused, restarted};
#[cfg(feature = "tracing")]
pub use propagator::{Propagator, PropagatorSetError, inject, set_propagator};
#[cfg(feature = "tracing")]
pub(crate) use service_span::ServiceSpan;

#[cfg(not(feature = "tracing"))]
pub(crate) use off::{
    FoundCycle, ServiceSpan, SpanGuard, SpanParent, gave_up, in_cycle, is_on, leave, overran, panicked, refused,
    restarted,
};
