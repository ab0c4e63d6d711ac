//! Ending a pipeline from elsewhere.

use super::driver::Driver;
use std::{fmt, sync::Arc};

/// Ends a pipeline, from any thread: made by [`Pipeline::stop_handle`](super::Pipeline::stop_handle).
///
/// ```
/// use nanolith::{GlobalPool, pipeline::Pipeline};
/// let endless = Pipeline::from_iter(0..).map(GlobalPool.get()?, |n: u64| n * n);
/// let stop = endless.stop_handle();
/// std::thread::spawn(move || stop.stop());
/// let squares = endless.collect().wait()?; // all of those that were begun
/// assert_eq!(squares.items.len() as u64, squares.report.taken);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct StopHandle {
    run: Arc<Driver>,
}

impl StopHandle {
    pub(super) fn of(run: &Arc<Driver>) -> Self {
        Self { run: run.clone() }
    }

    /// Takes no more from the input, which is dropped; what was taken goes through all stages and comes out. An input that
    /// blocks is dropped when it gives its next item, which goes nowhere.
    pub fn stop(&self) {
        self.run.stop();
    }

    /// Ends everything: as [`StopHandle::stop`], and what is on its way is dropped, its calls cancelled. Tasks that run are
    /// asked to stop.
    ///
    /// The stages cancel their calls on their own threads, soon after this returns, so a call may still begin until then. Once
    /// the pipeline's end has come (its results are over, its wait has returned), no call of it begins.
    ///
    /// ```
    /// use nanolith::{GlobalPool, pipeline::Pipeline};
    /// let endless = Pipeline::from_iter(0..).map(GlobalPool.get()?, |n: u64| n * n);
    /// let stop = endless.stop_handle();
    /// let report = endless.for_each(|square| if square > 100 { stop.cancel() }).wait()?;
    /// assert!(report.delivered <= report.taken);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel(&self) {
        self.run.cancel();
    }

    /// Whether it was stopped or cancelled.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.run.is_stopped()
    }
}

impl fmt::Debug for StopHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopHandle").field("is_stopped", &self.is_stopped()).finish()
    }
}
