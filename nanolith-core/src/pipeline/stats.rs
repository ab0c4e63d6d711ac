//! What a pipeline is at, for whoever wonders, and what became of it.

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

/// Looks at a pipeline's stages while it runs, from any thread: made by [`Pipeline::figures`](super::Pipeline::figures).
///
/// ```
/// use nanolith::{GlobalPool, pipeline::Pipeline};
/// let squares = Pipeline::from_iter(0..1_000).map(GlobalPool.get()?, |n| n * n).named("square");
/// let figures = squares.figures();
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
pub struct Figures {
    run: Arc<Driver>,
}

impl Figures {
    pub(super) fn of(run: &Arc<Driver>) -> Self {
        Self { run: run.clone() }
    }

    /// Each stage, the first one first.
    #[must_use]
    pub fn stages(&self) -> Vec<StageFigures> {
        stages(&self.run)
    }

    /// How many items were taken from the input.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.run.taken()
    }

    /// How many results the consumer took, counted when it is done with those it took at once.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.run.delivered.load(Relaxed)
    }

    /// How many items failed, at whatever stage.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.run.failures()
    }

    /// How long it has run, or ran; zero if it has not started.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.run.elapsed()
    }
}

impl fmt::Debug for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (taken, delivered, stages) = (self.taken(), self.delivered(), self.stages());
        let mut debug = f.debug_struct("Figures");
        debug.field("taken", &taken).field("delivered", &delivered).field("stages", &stages).finish()
    }
}

/// A stage, as it stood at one moment. What was taken is done, has failed, is in flight, or was cancelled.
///
/// ```
/// use nanolith::{GlobalPool, pipeline::Pipeline};
/// let done = Pipeline::from_iter(0..100).map(GlobalPool.get()?, |n| n * n).collect().wait()?;
/// let stage = &done.report.stages[0];
/// assert_eq!((stage.taken, stage.done, stage.failed, stage.depth, stage.in_flight), (100, 100, 0, 0, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StageFigures {
    /// Its name. One that was given none has that of its task, from its first call on.
    pub name: Arc<str>,
    /// Items that wait before it.
    pub depth: usize,
    /// Items at work.
    pub in_flight: usize,
    /// Items that it took, in all.
    pub taken: u64,
    /// Items that it has done, in all.
    pub done: u64,
    /// Items that have failed, in all.
    pub failed: u64,
    /// Items done in a second, lately: in the last quarter of a second or so.
    pub rate: f64,
    /// How long items waited before it, on average, near enough.
    pub mean_wait: Duration,
    /// How long an item took, on average: from its call to the end of it, a wait at a busy executor included. Of a batch, its
    /// share.
    pub mean_run: Duration,
    /// How many items a batch has now, at most.
    pub batch: usize,
}

impl StageFigures {
    fn of(gauge: &StageMetrics) -> Self {
        let StageSnapshot { depth, in_flight, taken, batch, mean_wait, mean_run, rate, tally } = gauge.read();
        let (name, done, failed) = (gauge.name(), tally.done, tally.errors);
        Self { name, depth, in_flight, taken, done, failed, rate, mean_wait, mean_run, batch }
    }
}

fn stages(run: &Driver) -> Vec<StageFigures> {
    run.stages().iter().map(|gauge| StageFigures::of(gauge)).collect()
}

/// How a pipeline ended.
///
/// ```
/// use nanolith::{GlobalPool, pipeline::{End, Pipeline}};
/// let endless = Pipeline::from_iter(0..).map(GlobalPool.get()?, |n: u64| n * n);
/// let stop = endless.stop_handle();
/// let done = endless.for_each(|square| if square > 100 { stop.stop() }).wait()?;
/// assert_eq!(done.end, End::Stopped);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// The input was at its end.
    Finished,
    /// It was stopped, or cancelled, by a [`StopHandle`](super::StopHandle).
    Stopped,
}

/// What became of a pipeline.
///
/// ```
/// use nanolith::{GlobalPool, pipeline::{End, OnError, Pipeline}};
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
    /// How it ended.
    pub end: End,
    /// How many items were taken from the input.
    pub taken: u64,
    /// How many results came out.
    pub delivered: u64,
    /// How many items failed.
    pub failed: u64,
    /// Their errors, under [`OnError::Collect`](super::OnError::Collect).
    pub errors: Vec<ItemError>,
    /// Each stage, the first one first.
    pub stages: Vec<StageFigures>,
    /// From its start to its end.
    pub elapsed: Duration,
}

impl Report {
    /// The errors go into it.
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
