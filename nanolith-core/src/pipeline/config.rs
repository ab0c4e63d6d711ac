//! How a stage runs: the settings that follow it.

use super::{Pipeline, batch_size::Size, stage_stats::StageMetrics};
use crate::time::MILLISECOND;
use std::{ops::RangeInclusive, sync::Arc, time::Duration};

/// What [`Pipeline`] ends with: its input, to which no stage was added yet.
#[derive(Debug)]
pub enum Input {}

/// What [`Pipeline`] ends with: a stage that makes a call of each item.
#[derive(Debug)]
pub enum Calls {}

/// What [`Pipeline`] ends with: a stage that makes a call of many items.
#[derive(Debug)]
pub enum Batches {}

/// What [`Pipeline`] ends with: a stage that runs a function on each item.
#[derive(Debug)]
pub enum Functions {}

/// A kind of stage: [`Calls`], [`Batches`], [`Functions`].
pub trait Stage: sealed::Sealed {}

impl Stage for Calls {}
impl Stage for Batches {}
impl Stage for Functions {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Calls {}
    impl Sealed for super::Batches {}
    impl Sealed for super::Functions {}
}

/// How many items wait before a stage, unless it is said.
pub(super) const BUFFER: usize = 16;

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) concurrency: usize,
    pub(super) ordered: bool,
    buffer: Option<usize>,
    sizes: RangeInclusive<usize>,
    pub(super) latency: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { concurrency: 1, ordered: true, buffer: None, sizes: 1..=1, latency: 10 * MILLISECOND }
    }
}

impl Settings {
    /// Those of a stage of batches.
    pub(super) fn of_batches() -> Self {
        Self { sizes: 1..=64, ..Self::default() }
    }

    /// The places of the link before the stage: at least as many as the least batch takes.
    pub(super) fn places(&self) -> usize {
        let size = self.sizes.start().max(self.sizes.end());
        self.buffer.unwrap_or(BUFFER.max(*size)).max(*self.sizes.start()).max(1)
    }

    pub(super) fn size(&self) -> Size {
        Size::new(&self.sizes, crate::time::clock::nanos(self.latency))
    }
}

impl<T, K: Stage> Pipeline<T, K> {
    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.plan.settings);
        self
    }

    /// How many calls of this stage are in flight at once at most; for a function, how many threads of the pool it takes. The
    /// default is one; zero counts as one. For a function, more than 1,024 and more than the pool has count as the greater of
    /// the two.
    ///
    /// ```
    /// use nanolith::{pipeline::Pipeline, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let sums = Pipeline::from_iter(0..100)
    ///     .stage(Geometry::tasks(), |geometry, n| geometry.add(n, n))
    ///     .concurrency(8)
    ///     .collect()
    ///     .wait()?;
    /// assert_eq!(sums.items[99], 198); // still in order
    /// # Ok::<(), nanolith::pipeline::ItemError>(())
    /// ```
    pub fn concurrency(self, calls: usize) -> Self {
        self.with(|settings| settings.concurrency = calls.max(1))
    }

    /// What comes out of this stage comes in the order in which it went in, which is the default. One that takes long holds
    /// back those after it that are done; they count as in flight, so memory stays bounded.
    ///
    /// ```
    /// use nanolith::{GlobalPool, pipeline::Pipeline};
    /// let squares = Pipeline::from_iter(0..100).map(GlobalPool.get()?, |n| n * n).concurrency(2).ordered();
    /// assert!(squares.collect().wait()?.items.is_sorted());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn ordered(self) -> Self {
        self.with(|settings| settings.ordered = true)
    }

    /// What comes out of this stage comes as it is done.
    ///
    /// ```
    /// use nanolith::{GlobalPool, pipeline::Pipeline};
    /// let squares = Pipeline::from_iter(0..100).map(GlobalPool.get()?, |n| n * n).concurrency(2).unordered();
    /// assert_eq!(squares.collect().wait()?.items.iter().sum::<i32>(), 328_350);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unordered(self) -> Self {
        self.with(|settings| settings.ordered = false)
    }

    /// How many items wait before this stage at most. The default is 16, or the largest batch where that is more; zero counts
    /// as one.
    ///
    /// Together with the concurrency of each stage it bounds the memory: when there is no room before a stage, the one before
    /// begins nothing once it has as many results in hand as it may have calls in flight.
    ///
    /// ```
    /// use nanolith::{pipeline::Pipeline, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let sums = Pipeline::from_iter(0..100)
    ///     .stage(Geometry::tasks(), |geometry, n| geometry.add(n, 1))
    ///     .stage(Geometry::tasks(), |geometry, n| geometry.add(n, 1))
    ///     .buffer(2) // the sums that wait for the second stage
    ///     .collect()
    ///     .wait()?;
    /// assert_eq!(sums.items[99], 101);
    /// # Ok::<(), nanolith::pipeline::ItemError>(())
    /// ```
    pub fn buffer(self, items: usize) -> Self {
        self.with(|settings| settings.buffer = Some(items))
    }

    /// The name of this stage in errors and figures. The default is that of its task or function. The first name stays.
    ///
    /// ```
    /// use nanolith::{GlobalPool, pipeline::Pipeline};
    /// let pipeline = Pipeline::from_iter(0..9).map(GlobalPool.get()?, |n| n * n).named("square");
    /// assert_eq!(&*pipeline.figures().stages()[0].name, "square");
    /// # Ok::<(), nanolith::BuildError>(())
    /// ```
    pub fn named(self, name: &str) -> Self {
        if let Some(gauge) = &self.plan.gauge {
            gauge.name_it(|| name.into());
        }
        self
    }
}

impl<T> Pipeline<T, Batches> {
    /// How many items a batch has: as many as wait, at least so many and at most so many. The default is 1 to 64.
    ///
    /// Fewer than the least go on together once they have waited for the [`latency`](Pipeline::latency), or when no more
    /// come. The link before the stage has room for the least batch at least. Zero counts as one, and a most that is less than
    /// the least as that.
    ///
    /// ```
    /// use nanolith::{pipeline::Pipeline, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let sums = Pipeline::from_iter(1..=9)
    ///     .batched(Geometry::tasks(), |geometry, numbers| geometry.sum(numbers))
    ///     .sizes(3..=3)
    ///     .latency(MINUTE)
    ///     .collect()
    ///     .wait()?;
    /// assert_eq!(sums.items, [6, 15, 24]);
    /// # Ok::<(), nanolith::pipeline::ItemError>(())
    /// ```
    pub fn sizes(self, sizes: RangeInclusive<usize>) -> Self {
        self.with(|settings| settings.sizes = sizes)
    }

    /// How long the call of a batch should take. The default is 10 ms. With `Duration::ZERO` batches stay small, with
    /// `Duration::MAX` they grow to the largest.
    ///
    /// Batches begin small. They grow while their calls take less, and shrink when they take more: so they follow the measured
    /// rate of the stage.
    ///
    /// ```
    /// use nanolith::{pipeline::Pipeline, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let sums = Pipeline::from_iter(1..=1_000)
    ///     .batched(Geometry::tasks(), |geometry, numbers| geometry.sum(numbers))
    ///     .latency(5 * MILLISECOND)
    ///     .collect()
    ///     .wait()?;
    /// assert_eq!(sums.items.iter().sum::<i64>(), 500_500);
    /// # Ok::<(), nanolith::pipeline::ItemError>(())
    /// ```
    pub fn latency(self, target: Duration) -> Self {
        self.with(|settings| settings.latency = target)
    }
}

/// The gauge of the stage that was added last, if any was.
pub(super) type LastGauge = Option<Arc<StageMetrics>>;
