//! [`SubmitError`]: a call or a job that an executor refused, given back with the reason.

use super::CallError;
use std::{error::Error, fmt};

/// A call that was not taken, given back whole with the reason.
///
/// ```
/// # use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// let pool = Pool::builder().max_queue(1).build()?;
/// let geometry = Geometry::on(&pool);
/// # pool.pause();
/// # geometry.add(1, 2).submit().detach();
/// let refused = geometry.add(4, 5).try_submit().expect_err("the queue is full");
/// eprintln!("{}", refused.error());
/// # pool.resume();
/// assert_eq!(refused.into_inner().wait()?, 9); // the same call, with its arguments
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "holds what was refused"]
pub struct SubmitError<T> {
    value: T,
    error: CallError,
}

impl<T> SubmitError<T> {
    /// Refuses `value` because of `error`, as an executor does.
    ///
    /// ```
    /// use nanolith::{Executor, TaskSet, call::SubmitError, executor::Job, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// /// An executor that is closed for good.
    /// struct Nobody;
    /// impl<S: TaskSet> Executor<S> for Nobody {
    ///     fn try_execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
    ///         let error = job.closed();
    ///         Err(SubmitError::new(job, error))
    ///     }
    /// }
    /// assert!(matches!(Geometry::calls(Nobody).add(4, 5).wait(), Err(CallError::Closed(_))));
    /// ```
    pub fn new(value: T, error: CallError) -> Self {
        Self { value, error }
    }

    pub(crate) fn value(&self) -> &T {
        &self.value
    }

    /// Why it was refused.
    #[must_use]
    pub fn error(&self) -> &CallError {
        &self.error
    }

    /// Whether it was refused for want of room: it may be tried again.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// pool.close();
    /// let geometry = Geometry::on(&pool);
    /// let refused = geometry.add(4, 5).try_submit().unwrap_err();
    /// assert!(!refused.is_full(), "the pool is closed, so there is no use in another try");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self.error, CallError::Full(_))
    }

    /// What was refused, whole.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// # let (closed, open) = (Pool::builder().build()?, Pool::builder().build()?);
    /// # closed.close();
    /// let geometry = Geometry::on(&closed);
    /// let call = geometry.add(4, 5).try_submit().unwrap_err().into_inner();
    /// assert_eq!(call.task().map(|task| task.name()), Some("add"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_inner(self) -> T {
        self.value
    }

    /// Returns the reason, and drops what was refused. A refused call borrows its typed calls, so
    /// `?` cannot pass the whole error out of a function that has made them. `?` can pass the reason.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let pool = Pool::builder().build()?;
    ///     let geometry = Geometry::on(&pool);
    ///     let job = geometry.add(4, 5).try_submit().map_err(|refused| refused.into_error())?;
    ///     assert_eq!(job.wait()?, 9);
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn into_error(self) -> CallError {
        self.error
    }

    /// Both parts.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// # pool.close();
    /// let geometry = Geometry::on(&pool);
    /// let (call, error) = geometry.add(4, 5).try_submit().unwrap_err().into_parts();
    /// assert!(matches!(error, CallError::Closed(_)));
    /// assert!(call.task().is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_parts(self) -> (T, CallError) {
        (self.value, self.error)
    }
}

impl<T> fmt::Debug for SubmitError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubmitError").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for SubmitError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<T> Error for SubmitError<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}
