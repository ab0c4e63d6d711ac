//! [`StopHandle`]: closes or terminates a pipeline from any thread.

use super::driver::Driver;
use std::{fmt, sync::Arc};

/// A handle that closes or terminates a pipeline, from any thread. Made by
/// [`Pipeline::stop_handle`](super::Pipeline::stop_handle).
///
/// After [`close`](Self::close), the items that were taken come out. After
/// [`terminate`](Self::terminate), they are dropped. In both cases the wait for the pipeline
/// returns `Ok`. Dropping the handle does nothing, and neither do its methods after the end.
///
/// ```
/// use nanolith::{pipeline::Pipeline, pool::GlobalPool, prelude::*};
/// let endless = Pipeline::from_iter(0..).map(GlobalPool.get()?, |n: u64| n * n);
/// let stop = endless.stop_handle();
/// std::thread::spawn(move || stop.close());
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

    /// Stops taking items from the input, and drops the input. Items that were taken pass all
    /// stages and come out. An input that blocks is dropped when it returns its next item; that
    /// item is discarded.
    pub fn close(&self) {
        self.run.stop();
    }

    /// Ends the pipeline early: like [`StopHandle::close`], and items between stages are dropped
    /// and their calls cancelled. Running tasks are asked to stop.
    ///
    /// The stages cancel their calls on their own threads, soon after this method returns; until
    /// then, a call may still start. No call starts after the pipeline has ended: after its results
    /// have ended, or its wait has returned.
    ///
    /// ```
    /// use nanolith::{pipeline::Pipeline, pool::GlobalPool, prelude::*};
    /// let endless = Pipeline::from_iter(0..).map(GlobalPool.get()?, |n: u64| n * n);
    /// let stop = endless.stop_handle();
    /// let report = endless.for_each(|square| if square > 100 { stop.terminate() }).wait()?;
    /// assert!(report.delivered <= report.taken);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn terminate(&self) {
        self.run.cancel();
    }

    /// Returns whether the pipeline was stopped or cancelled.
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
