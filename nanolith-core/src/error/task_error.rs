//! [`TaskError`]: the failure of a call whose task returns a `Result` of its own: the task's error
//! or the call's.

use super::{CallError, error_view};
use std::{error::Error, fmt};

/// The failure of a call whose task gives a `Result`, both in one: what `.flatten()` gives.
///
/// ```
/// # use nanolith::{TaskError, prelude::*};
/// # use nanolith_doc_sets::*;
/// match Geometry::tasks().parse("seven".into()).flatten().wait() {
///     Ok(number) => println!("{number}"),
///     Err(TaskError::Task(error)) => assert_eq!(error.to_string(), "invalid digit found in string"),
///     Err(TaskError::Call(error)) => unreachable!("{error}"),
/// }
/// ```
///
/// It is an error whatever the task's own one is, an `anyhow::Error`, a boxed error or a `String`
/// too, so `?` passes it on. Its text and its source are the inner error's, and a `match` takes
/// that error out by value.
///
/// ```
/// use nanolith::{BoxError, prelude::*};
/// pub struct Rows;
/// #[define]
/// impl Rows {
///     pub fn read(text: String) -> Result<i64, BoxError> { Ok(text.parse()?) }
/// }
/// fn twice(text: &str) -> Result<i64, BoxError> {
///     Ok(2 * Rows::tasks().read(text.to_owned()).flatten().wait()?)
/// }
/// assert_eq!(twice("7")?, 14);
/// assert_eq!(twice("seven").unwrap_err().to_string(), "invalid digit found in string");
/// # Ok::<(), BoxError>(())
/// ```
#[derive(Clone, Debug)]
pub enum TaskError<E> {
    /// The call did not give the task's result.
    Call(CallError),
    /// The task gave its own error.
    Task(E),
}

impl<E: fmt::Display> fmt::Display for TaskError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(error) => error.fmt(f),
            Self::Task(error) => error.fmt(f),
        }
    }
}

/// So `?` takes calls with and without [`flatten`](crate::typed::Call::flatten) in one function.
impl<E> From<CallError> for TaskError<E> {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl<E: fmt::Debug + fmt::Display + 'static> Error for TaskError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Call(error) => error.source(),
            Self::Task(error) => error_view::source(error),
        }
    }
}
