//! The methods of [`Pipeline`] that set up the stage added last, such as its concurrency and its
//! batch sizes. The types [`Calls`], [`Batches`] and [`Functions`] say which methods a stage has.

use super::{Pipeline, batch_size::Size, stage_stats::StageMetrics};
use crate::time::MILLISECOND;
use crate::util::checked::at_least_one;
use std::{ops::RangeInclusive, sync::Arc, time::Duration};

/// The kind of a [`Pipeline`] without a stage: its input.
#[derive(Debug)]
pub enum Input {}

/// The kind of a [`Pipeline`] whose last stage makes a call for each item.
#[derive(Debug)]
pub enum Calls {}

/// The kind of a [`Pipeline`] whose last stage makes a call for many items.
#[derive(Debug)]
pub enum Batches {}

/// The kind of a [`Pipeline`] whose last stage runs a function on each item.
#[derive(Debug)]
pub enum Functions {}

/// A kind of stage: [`Calls`], [`Batches`] or [`Functions`].
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

/// The default number of items that wait before a stage.
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
    /// Returns the default settings of a stage of batches.
    pub(super) fn of_batches() -> Self {
        Self { sizes: 1..=64, ..Self::default() }
    }

    /// Returns the number of places of the queue before the stage: at least the size of the least
    /// batch.
    pub(super) fn places(&self) -> usize {
        let size = self.sizes.start().max(self.sizes.end());
        self.buffer.unwrap_or(BUFFER.max(*size)).max(*self.sizes.start())
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

    /// Sets how many calls of this stage are in flight at once at most; for a function, the number
    /// of pool threads. At least one, which is the default. For a function, the greatest value
    /// is 1,024 or the number of the pool's threads, whichever is more.
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
    ///
    /// # Panics
    ///
    /// If `calls` is 0.
    #[track_caller]
    pub fn concurrency(self, calls: usize) -> Self {
        at_least_one("concurrency", calls);
        self.with(|settings| settings.concurrency = calls)
    }

    /// Passes on results in the order of their inputs. This is the default. An item that takes long
    /// delays completed items after it. Those count as in flight, so memory stays bounded.
    ///
    /// ```
    /// use nanolith::{pipeline::Pipeline, pool::GlobalPool, prelude::*};
    /// let squares = Pipeline::from_iter(0..100).map(GlobalPool.get()?, |n| n * n).concurrency(2).ordered();
    /// assert!(squares.collect().wait()?.items.is_sorted());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn ordered(self) -> Self {
        self.with(|settings| settings.ordered = true)
    }

    /// Passes on each result as soon as it exists.
    ///
    /// ```
    /// use nanolith::{pipeline::Pipeline, pool::GlobalPool, prelude::*};
    /// let squares = Pipeline::from_iter(0..100).map(GlobalPool.get()?, |n| n * n).concurrency(2).unordered();
    /// assert_eq!(squares.collect().wait()?.items.iter().sum::<i32>(), 328_350);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unordered(self) -> Self {
        self.with(|settings| settings.ordered = false)
    }

    /// Sets how many items wait before this stage at most: at least 1. The default is 16, or the
    /// size of the largest batch if that is more.
    ///
    /// Together with the concurrency of each stage, this bounds the memory. If there is no room
    /// before a stage, the stage before it collects at most as many results as it may have calls in
    /// flight. Then it starts no more calls.
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
    ///
    /// # Panics
    ///
    /// If `items` is 0.
    #[track_caller]
    pub fn buffer(self, items: usize) -> Self {
        at_least_one("buffer", items);
        self.with(|settings| settings.buffer = Some(items))
    }

    /// Sets the name of this stage in errors and figures. The default is that of its task or
    /// function. If the name is set twice, the first one stays.
    ///
    /// ```
    /// use nanolith::{pipeline::Pipeline, pool::GlobalPool};
    /// let pipeline = Pipeline::from_iter(0..9).map(GlobalPool.get()?, |n| n * n).name("square");
    /// assert_eq!(&*pipeline.stats().stages()[0].name, "square");
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    pub fn name(self, name: &str) -> Self {
        if let Some(gauge) = &self.plan.gauge {
            gauge.name_it(|| name.into());
        }
        self
    }
}

impl<T> Pipeline<T, Batches> {
    /// Sets the size of batches: as many items as wait, within this range. The default is 1 to 64.
    ///
    /// Fewer items than the least are processed together once they have waited for the
    /// [`latency`](Pipeline::latency), or when no more follow. The queue before the stage has room
    /// for at least one batch of the least size.
    ///
    /// ```
    /// use nanolith::{pipeline::Pipeline, prelude::*, time::MINUTE};
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
    ///
    /// # Panics
    ///
    /// If the range is empty, or starts at 0.
    #[track_caller]
    pub fn sizes(self, sizes: RangeInclusive<usize>) -> Self {
        at_least_one("sizes", *sizes.start());
        assert!(!sizes.is_empty(), "`sizes` must not be an empty range");
        self.with(|settings| settings.sizes = sizes)
    }

    /// Sets the target duration of a batch's call. The default is 10 ms. With `Duration::ZERO`
    /// batches stay small; with `Duration::MAX` they grow to the largest size.
    ///
    /// The first batches are small. Batches grow while their calls take less than the target, and
    /// shrink when they take more. So the size follows the measured rate of the stage.
    ///
    /// ```
    /// use nanolith::{pipeline::Pipeline, prelude::*, time::MILLISECOND};
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

/// The metrics of the stage that was added last, if any.
pub(super) type LastGauge = Option<Arc<StageMetrics>>;
