//! Typed calls and their handles: the types that the methods written by `#[define]` return.

mod call;
mod flatten;
mod from_call;
mod handle;
mod join;
mod send;

#[cfg(feature = "tower")]
pub(crate) use call::job_of_task;
use call::note_full;
pub use call::{Call, Submit, Tell};
pub(crate) use call::{CallParts, fail_job};
pub use flatten::Flatten;
pub(crate) use flatten::flatten;
pub use from_call::{FromCall, FromCallError, from_call};
pub use handle::{Handle, ProgressReceiver, RecvProgress};
pub use join::join;
pub(crate) use send::MessageTask;
pub use send::SendFuture;
