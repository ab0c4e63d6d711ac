//! [`ItemError`]: the error of an item that failed in a pipeline. [`OnError`]: what the pipeline
//! does then.

use super::stage_stats::StageMetrics;
use crate::error::{BoxError, CallError, Panic, Unwind};
use std::{error::Error, fmt, sync::Arc};

/// The action of a pipeline after an item has failed.
///
/// ```
/// use nanolith::{pipeline::{OnError, Pipeline}, prelude::*};
/// # use nanolith_doc_sets::*;
/// let texts = ["4", "five", "6"].map(String::from);
/// let numbers = Pipeline::from_iter(texts)
///     .try_stage(Geometry::tasks(), |geometry, text| geometry.parse(text))
///     .on_error(OnError::Skip)
///     .collect()
///     .wait()?;
/// assert_eq!((numbers.items, numbers.report.failed), (vec![4, 6], 1));
/// # Ok::<(), nanolith::pipeline::ItemError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnError {
    /// The first error ends the pipeline: calls in flight are cancelled, and the error is the
    /// outcome.
    #[default]
    Stop,
    /// The item is left out. The figures count it.
    Skip,
    /// The item is left out, and its error is stored for the [`Report`](super::Report). Memory
    /// grows with the number of errors.
    Collect,
}

/// The error of a failed item: its index, its stage, and the cause.
///
/// ```
/// use nanolith::{pipeline::{Cause, Pipeline}, prelude::*};
/// # use nanolith_doc_sets::*;
/// let failed = Pipeline::from_iter(["4", "five"].map(String::from))
///     .try_stage(Geometry::tasks(), |geometry, text| geometry.parse(text))
///     .collect()
///     .wait()
///     .unwrap_err();
/// assert_eq!((failed.stage(), failed.index()), ("parse", 1));
/// assert!(matches!(failed.cause(), Cause::Task(_)));
/// assert_eq!(failed.to_string(), "item 1 failed at stage `parse`: invalid digit found in string");
/// ```
#[derive(Clone)]
pub struct ItemError {
    stage: Arc<str>,
    index: u64,
    count: usize,
    cause: Cause,
}

/// The reason why an item failed.
///
/// ```
/// use nanolith::{pipeline::{Cause, Pipeline}, pool::GlobalPool, prelude::*};
/// let failed = Pipeline::from_iter([4, 0]).map(GlobalPool.get()?, |n| 20 / n).collect().wait().unwrap_err();
/// assert!(matches!(failed.cause(), Cause::Panicked(_)));
/// # Ok::<(), nanolith::pool::BuildError>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum Cause {
    /// The item's call ended without the task's output.
    Call(CallError),
    /// The item's task returned an error of its own.
    Task(Arc<dyn Error + Send + Sync>),
    /// Code outside of a call panicked: the function of a stage, the closure that makes its calls,
    /// or the input.
    Panicked(Panic),
    /// The pipeline did not start: the global pool, or a thread, could not be started.
    NotStarted(Arc<dyn Error + Send + Sync>),
    /// The [simulation](crate::sim::Simulation::run) in which the pipeline ran has ended.
    SimulationOver,
}

impl Cause {
    pub(super) fn task(error: impl Into<BoxError>) -> Self {
        Self::Task(Arc::from(error.into()))
    }

    /// Makes the cause of a panic outside of a call. The end of a simulation also unwinds such
    /// code.
    pub(super) fn of_panic(panic: Panic) -> Self {
        if panic.is::<Unwind>() { Self::SimulationOver } else { Self::Panicked(panic) }
    }

    pub(super) fn not_started(error: impl Error + Send + Sync + 'static) -> Self {
        Self::NotStarted(Arc::new(error))
    }
}

impl ItemError {
    pub(super) fn new(at: &StageMetrics, index: u64, count: usize, cause: Cause) -> Self {
        Self { stage: at.name(), index, count, cause }
    }

    /// Returns the name of the stage: the one set by [`name`](super::Pipeline::name), else that
    /// of its task or function. An item that fails before the first stage fails at `input`.
    #[must_use]
    pub fn stage(&self) -> &str {
        &self.stage
    }

    /// Returns the index of the input item, counted from zero. For a batch, it is that of the first
    /// item.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Returns how many items failed together: more than one for a batch.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns why the item failed.
    #[must_use]
    pub fn cause(&self) -> &Cause {
        &self.cause
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(error) => error.fmt(f),
            Self::Task(error) | Self::NotStarted(error) => error.fmt(f),
            Self::SimulationOver => f.write_str("the simulation in which the pipeline ran is over"),
            Self::Panicked(panic) => write!(f, "panicked{panic}"),
        }
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ItemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.cause, self.count) {
            (Cause::NotStarted(error), _) => write!(f, "the pipeline could not start: {error}"),
            (cause, 0 | 1) => write!(f, "item {} failed at stage `{}`: {cause}", self.index, self.stage),
            (cause, count) => {
                write!(
                    f,
                    "a batch of {count} items, the first with index {}, failed at stage `{}`: {cause}",
                    self.index, self.stage
                )
            }
        }
    }
}

/// Writes the `Display` text, so that a `main` that returns it, or an `unwrap`, prints readable
/// text.
impl fmt::Debug for ItemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for ItemError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Call(error) => Some(error),
            Cause::Task(error) | Cause::NotStarted(error) => Some(error.as_ref()),
            Cause::Panicked(_) | Cause::SimulationOver => None,
        }
    }
}
