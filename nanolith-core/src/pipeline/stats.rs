//! [`PipelineStats`]: the figures of a pipeline by stage, while it runs. [`Report`]: its counts and
//! errors at its end.

use super::{
    driver::Driver,
    error::ItemError,
    stage_stats::{StageMetrics, StageSnapshot},
};
use std::{
    fmt,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

/// A handle that reads the figures of a pipeline's stages while it runs, from any thread. Made by
/// [`Pipeline::stats`](super::Pipeline::stats).
///
/// ```
/// use nanolith::{pipeline::Pipeline, pool::GlobalPool};
/// let squares = Pipeline::from_iter(0..1_000).map(GlobalPool.get()?, |n| n * n).name("square");
/// let figures = squares.stats();
/// for square in squares {
/// #   let square = square?;
///     if square == 250_000 {
///         for stage in figures.stages() {
///             println!("{}: {} wait, {} at work, {:.0} per second", stage.name, stage.depth, stage.in_flight, stage.rate);
///         }
///     }
/// }
/// assert_eq!((figures.taken(), figures.stages()[0].done, figures.delivered()), (1_000, 1_000, 1_000));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct PipelineStats {
    run: Arc<Driver>,
}

impl PipelineStats {
    pub(super) fn of(run: &Arc<Driver>) -> Self {
        Self { run: run.clone() }
    }

    /// Returns the figures of each stage, from the first stage to the last.
    #[must_use]
    pub fn stages(&self) -> Vec<StageStats> {
        stages(&self.run)
    }

    /// Returns the number of items taken from the input.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.run.taken()
    }

    /// Returns the number of results that the consumer took. Results that are taken together are
    /// counted once all of them are used.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.run.delivered.load(Relaxed)
    }

    /// Returns the number of items that failed, at any stage.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.run.failures()
    }

    /// Returns how long the pipeline has run, or ran; zero if it has not started.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.run.elapsed()
    }
}

impl fmt::Debug for PipelineStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (taken, delivered, stages) = (self.taken(), self.delivered(), self.stages());
        let mut debug = f.debug_struct("PipelineStats");
        debug.field("taken", &taken).field("delivered", &delivered).field("stages", &stages).finish()
    }
}

/// The figures of a stage at one moment. Each item taken is done, failed, in flight, or cancelled.
///
/// ```
/// use nanolith::{pipeline::Pipeline, pool::GlobalPool, prelude::*};
/// let done = Pipeline::from_iter(0..100).map(GlobalPool.get()?, |n| n * n).collect().wait()?;
/// let stage = &done.report.stages[0];
/// assert_eq!((stage.taken, stage.done, stage.failed, stage.depth, stage.in_flight), (100, 100, 0, 0, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StageStats {
    /// The name of the stage. A stage without a name has that of its task, from its first call on.
    pub name: Arc<str>,
    /// The number of items that wait before the stage.
    pub depth: usize,
    /// The number of items in calls that have not ended.
    pub in_flight: usize,
    /// The total number of items that the stage took.
    pub taken: u64,
    /// The total number of items that are done.
    pub done: u64,
    /// The total number of items that failed.
    pub failed: u64,
    /// The number of items done per second, over about the last quarter of a second.
    pub rate: f64,
    /// The average time that items waited before the stage. An estimate.
    pub mean_wait: Duration,
    /// The average time that an item took, from the submission of its call to its end. That
    /// includes a wait at a busy executor. An item of a batch counts with its share.
    pub mean_run: Duration,
    /// The current maximum number of items in a batch.
    pub batch: usize,
}

impl StageStats {
    fn of(gauge: &StageMetrics) -> Self {
        let StageSnapshot { depth, in_flight, taken, batch, mean_wait, mean_run, rate, tally } = gauge.read();
        let (name, done, failed) = (gauge.name(), tally.done, tally.errors);
        Self { name, depth, in_flight, taken, done, failed, rate, mean_wait, mean_run, batch }
    }
}

fn stages(run: &Driver) -> Vec<StageStats> {
    run.stages().iter().map(|gauge| StageStats::of(gauge)).collect()
}

/// The way in which a pipeline ended.
///
/// ```
/// use nanolith::{pipeline::{End, Pipeline}, pool::GlobalPool, prelude::*};
/// let endless = Pipeline::from_iter(0..).map(GlobalPool.get()?, |n: u64| n * n);
/// let stop = endless.stop_handle();
/// let done = endless.for_each(|square| if square > 100 { stop.close() }).wait()?;
/// assert_eq!(done.end, End::Stopped);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// The input ended.
    Finished,
    /// The pipeline was stopped or cancelled by a [`StopHandle`](super::StopHandle).
    Stopped,
}

/// The result of a pipeline: how it ended, its counts and its errors.
///
/// ```
/// use nanolith::{pipeline::{End, OnError, Pipeline}, pool::GlobalPool, prelude::*};
/// let report = Pipeline::from_iter([4, 0, 5])
///     .map(GlobalPool.get()?, |n| 20 / n)
///     .on_error(OnError::Collect)
///     .for_each(|quotient| println!("{quotient}"))
///     .wait()?;
/// assert_eq!((report.end, report.taken, report.delivered, report.failed), (End::Finished, 3, 2, 1));
/// assert_eq!(report.errors[0].index(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The way in which the pipeline ended.
    pub end: End,
    /// The number of items taken from the input.
    pub taken: u64,
    /// The number of results that came out.
    pub delivered: u64,
    /// The number of items that failed.
    pub failed: u64,
    /// The errors of failed items, under [`OnError::Collect`](super::OnError::Collect).
    pub errors: Vec<ItemError>,
    /// The figures of each stage, from the first stage to the last.
    pub stages: Vec<StageStats>,
    /// The time from the start of the pipeline to its end.
    pub elapsed: Duration,
}

impl Report {
    /// Makes the report. Collected errors move into it.
    pub(super) fn of(run: &Driver) -> Self {
        Self {
            end: if run.is_stopped() { End::Stopped } else { End::Finished },
            taken: run.taken(),
            delivered: run.delivered.load(Relaxed),
            failed: run.failures(),
            errors: run.take_collected(),
            stages: stages(run),
            elapsed: run.elapsed(),
        }
    }
}
