//! Pipelines: items flow through stages of tasks, services, clusters and functions, over bounded
//! queues.
//!
//! Needs the cargo feature `pipeline`.
//!
//! `plan` puts stages together and starts them; `channel` is the queue between two stages.
//! `call_stage` and `map_stage` drive a stage; `input` and `batch_size` define what it takes at
//! once. `source` is the input of a pipeline, and `sinks` and `output` are its end. `stages` and
//! `config` add stages and set them up. `stage_stats` counts, and `stats` shows the counts. All
//! share one `driver`. Programs use [`Pipeline`].
//!
//! A stage is one future, or a few. A stage that makes calls is polled on the global pool, and a
//! stage of functions on the pool that it runs on. Stages run by themselves, whatever the consumer
//! does. An input that may block is pulled on a thread of its own.

mod batch_size;
mod call_stage;
mod channel;
mod config;
mod driver;
mod error;
mod input;
mod map_stage;
mod output;
mod plan;
mod sinks;
mod source;
mod stage_stats;
mod stages;
mod stats;
mod stop_handle;

pub use config::{Batches, Calls, Functions, Input, Stage};
pub use error::{Cause, ItemError, OnError};
pub use sinks::{Collect, Collected, ForEach, Iter, Results};
pub use stats::{End, PipelineStats, Report, StageStats};
pub use stop_handle::StopHandle;

use self::{plan::Plan, source::Streaming};
use crate::util::checked::at_least_one;
use futures_util::Stream;
use std::{fmt, marker::PhantomData};

/// Items that flow through stages of unequal speed, to one consumer.
///
/// Each stage makes calls for its items, on an executor of its own. The stage sets how many calls
/// run at once ([`concurrency`](Self::concurrency)), and whether results keep their order. The
/// queues between the stages are bounded ([`buffer`](Self::buffer)), so a slow stage or a slow
/// consumer stops the stages before it. Memory is bounded for every input. Nothing starts before
/// the pipeline is waited on, awaited or iterated; from then on it runs by itself.
///
/// ```
/// use nanolith::{pipeline::Pipeline, prelude::*};
/// # use nanolith_doc_sets::*;
/// let geometry = Geometry::service().launch().wait()?;
/// let mut total = 0;
/// let report = Pipeline::from_iter((1..=100).map(|n| n.to_string()))
///     .try_stage(Geometry::tasks(), |geometry, text| geometry.parse(text)).concurrency(4).buffer(8)
///     .stage(geometry.clone(), |geometry, n| geometry.add(n, 1)).concurrency(2).unordered()
///     .batched(Geometry::tasks(), |geometry, numbers| geometry.sum(numbers)) // as many at once as wait
///     .for_each(|sum| total += sum)
///     .wait()?; // or `.await?`
/// assert_eq!((report.taken, total), (100, 5_150));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # How far the input is ahead
///
/// An item is taken from the input once there is room in the first queue. So the items under way
/// are at most these: the items that fit into the queues ([`buffer`](Self::buffer),
/// [`output`](Self::output)), the items in flight at the stages, and the next item of the input.
/// Each thread of a stage of functions has at most half of the waiting items in flight, and at most
/// 256.
/// # Panics
///
/// None. A panic of a task, of a closure or of a function is the error of its item. A panic of the
/// input ends the input: items returned before come out, and the panic is the outcome.
#[must_use = "a pipeline does nothing until its end is awaited, waited on or iterated"]
pub struct Pipeline<T, K = Input> {
    plan: Plan<T>,
    kind: PhantomData<fn() -> K>,
}

impl<T: Send + 'static> Pipeline<T> {
    /// Starts a pipeline with an iterator. It is pulled on a thread of its own, so it may block,
    /// for example to read a directory or a channel.
    ///
    /// ```
    /// use nanolith::{pipeline::Pipeline, pool::GlobalPool, prelude::*};
    /// let lines = std::io::Cursor::new("4\n5");
    /// let numbers = Pipeline::from_iter(std::io::BufRead::lines(lines))
    ///     .try_map(GlobalPool.get()?, |line| line)
    ///     .try_map(GlobalPool.get()?, |line| line.parse::<i64>());
    /// assert_eq!(numbers.collect().wait()?.items, [4, 5]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[allow(clippy::should_implement_trait)] // the items of that trait need be neither `Send` nor `'static`
    pub fn from_iter<I>(input: I) -> Self
    where
        I: IntoIterator<Item = T>,
        I::IntoIter: Send + 'static,
    {
        let input = input.into_iter();
        Self::of(Plan::new(move |starting, out| {
            if let Err(error) = source::pull(starting.run.clone(), input, out) {
                starting.run.on_panic(&starting.run.input, 0, Cause::not_started(error));
            }
        }))
    }

    /// Starts a pipeline with a stream. It is polled on the global pool, so it must not block.
    ///
    /// ```
    /// use futures_util::stream;
    /// use nanolith::{pipeline::Pipeline, pool::GlobalPool};
    /// let squares = Pipeline::from_stream(stream::iter(0..5)).map(GlobalPool.get()?, |n| n * n);
    /// # pollster::block_on(async {
    /// assert_eq!(squares.collect().await?.items, [0, 1, 4, 9, 16]);
    /// # Ok::<(), nanolith::pipeline::ItemError>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_stream<S>(input: S) -> Self
    where
        S: Stream<Item = T> + Send + 'static,
    {
        Self::of(Plan::new(move |starting, out| {
            let streaming = Streaming::new(starting.run.clone(), input, out);
            starting.run.spawn_input(starting.global, streaming);
        }))
    }
}

impl<T: Send + 'static, K> Pipeline<T, K> {
    /// Sets what happens when an item fails, at any stage. The default is [`OnError::Stop`].
    ///
    /// ```
    /// use nanolith::{pipeline::{OnError, Pipeline}, pool::GlobalPool, prelude::*};
    /// let quotients = Pipeline::from_iter([4, 0, 5]).map(GlobalPool.get()?, |n| 20 / n).on_error(OnError::Skip);
    /// assert_eq!(quotients.collect().wait()?.items, [5, 4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_error(self, on_error: OnError) -> Self {
        self.plan.run.set_on_error(on_error);
        self
    }

    /// Sets how many results wait for the consumer at most: at least 1. The default is 16.
    ///
    /// ```
    /// use nanolith::{pipeline::Pipeline, pool::GlobalPool, prelude::*};
    /// let squares = Pipeline::from_iter(0..10_000).map(GlobalPool.get()?, |n| n * n).output(1_024);
    /// assert_eq!(squares.collect().wait()?.len(), 10_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If `results` is 0.
    #[track_caller]
    pub fn output(mut self, results: usize) -> Self {
        self.plan.output = at_least_one("output", results);
        self
    }

    /// Returns a handle that reads the figures of the stages, from any thread.
    ///
    /// ```
    /// use nanolith::{pipeline::Pipeline, pool::GlobalPool, prelude::*};
    /// let squares = Pipeline::from_iter(0..100).map(GlobalPool.get()?, |n| n * n);
    /// let figures = squares.stats();
    /// squares.collect().wait()?;
    /// assert_eq!(figures.stages()[0].done, 100);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn stats(&self) -> PipelineStats {
        PipelineStats::of(&self.plan.run)
    }

    /// Returns a handle that stops the pipeline, from any thread.
    ///
    /// ```
    /// use nanolith::{pipeline::{End, Pipeline}, pool::GlobalPool, prelude::*};
    /// let squares = Pipeline::from_iter(0..).map(GlobalPool.get()?, |n: u64| n * n);
    /// squares.stop_handle().close();
    /// assert_eq!(squares.collect().wait()?.report.end, End::Stopped);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn stop_handle(&self) -> StopHandle {
        StopHandle::of(&self.plan.run)
    }

    // ----- ends

    /// Runs the pipeline and passes each result to `consume`, on the waiting thread or within the
    /// awaiting task.
    ///
    /// ```
    /// use nanolith::{pipeline::Pipeline, pool::GlobalPool, prelude::*};
    /// let mut sum = 0;
    /// let report = Pipeline::from_iter(0..100).map(GlobalPool.get()?, |n| n * 2).for_each(|n| sum += n).wait()?;
    /// assert_eq!((sum, report.delivered), (9_900, 100));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ItemError`]: the first error under [`OnError::Stop`], or that of an input that panicked.
    pub fn for_each<F: FnMut(T)>(self, consume: F) -> ForEach<T, F> {
        ForEach::new(self.plan, consume)
    }

    /// Runs the pipeline and returns all results, with the report.
    ///
    /// ```
    /// use nanolith::{pipeline::Pipeline, pool::GlobalPool, prelude::*};
    /// let squares = Pipeline::from_iter(0..5).map(GlobalPool.get()?, |n| n * n).collect().wait()?;
    /// assert_eq!(squares.items, [0, 1, 4, 9, 16]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`Pipeline::for_each`].
    pub fn collect(self) -> Collect<T> {
        Collect::new(self.plan)
    }

    /// Starts the pipeline and returns its results as a `Stream`; an error is the last item.
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// use nanolith::{pipeline::Pipeline, pool::GlobalPool};
    /// let mut squares = Pipeline::from_iter(2..5).map(GlobalPool.get()?, |n| n * n).into_stream();
    /// # pollster::block_on(async {
    /// assert_eq!(squares.next().await.transpose()?, Some(4));
    /// # Ok::<(), nanolith::pipeline::ItemError>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_stream(self) -> Results<T> {
        Results::new(self.plan)
    }
}

/// Starts the pipeline. The iterator blocks for each result; an error is the last item.
impl<T: Send + 'static, K> IntoIterator for Pipeline<T, K> {
    type Item = Result<T, ItemError>;
    type IntoIter = Iter<T>;

    fn into_iter(self) -> Iter<T> {
        Iter::new(self.plan)
    }
}

impl<T, K> fmt::Debug for Pipeline<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline").field("figures", &PipelineStats::of(&self.plan.run)).finish_non_exhaustive()
    }
}
