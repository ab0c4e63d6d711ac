//! The errors of calls: how a call ends without its task's output, and where it was.

mod call_error;
mod call_trace;
pub(crate) mod error_view;
mod panic;
mod submit_error;
mod task_error;
pub(crate) mod wait_cycle;

pub use call_error::CallError;
pub use call_trace::{CallTrace, ParentCall};
pub use panic::Panic;
pub(crate) use panic::{Place, Unwind};
pub use submit_error::SubmitError;
pub use task_error::TaskError;

use std::{error::Error, sync::Arc};

/// Any error, as a hook may give it.
///
/// ```
/// use nanolith::{BoxError, prelude::*, task::CallInfo};
/// # pub struct Geometry;
/// #[define]
/// impl Geometry {
///     #[before_task]
///     fn before(_: &CallInfo) -> Result<(), BoxError> {
///         Err("closed on Sundays".into())
///     }
/// #     pub fn add(x: i64, y: i64) -> i64 { x + y }
/// }
/// let error = Geometry::tasks().add(4, 5).wait().unwrap_err();
/// assert!(error.to_string().starts_with("`Geometry::add` failed in a hook: closed on Sundays"));
/// ```
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The error that ended a call, such as the crash of its executor.
pub(crate) type Cause = Arc<dyn Error + Send + Sync>;
