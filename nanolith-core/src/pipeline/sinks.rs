//! The final operations of a pipeline: [`ForEach`], [`Collect`], and its results as an iterator
//! ([`Iter`]) or as a stream ([`Results`]).

use super::{
    error::ItemError,
    output::Output,
    plan::Plan,
    stats::{PipelineStats, Report},
    stop_handle::StopHandle,
};
use crate::context::{
    block_on,
    wait::{self, Sealed, Wait},
};
use futures_util::Stream;
use std::{
    fmt,
    future::{Future, poll_fn},
    mem,
    ops::Deref,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

/// The number of results after which a poll yields to other tasks of the same runtime.
const TURN: usize = 128;

/// The state of a pipeline, from its plan to its end.
enum SinkState<T> {
    Planned(Plan<T>),
    Running(Output<T>),
    Over,
}

impl<T: Send + 'static> SinkState<T> {
    fn start(&mut self) -> &mut Output<T> {
        if let Self::Planned(_) = self {
            if let Self::Planned(plan) = mem::replace(self, Self::Over) {
                *self = Self::Running(plan.start());
            }
        }
        match self {
            Self::Running(output) => output,
            _ => panic!("a pipeline was polled after it was over"),
        }
    }

    /// Passes each result to `consume` until there are no more.
    fn poll_each(&mut self, cx: &mut Context<'_>, mut consume: impl FnMut(T)) -> Poll<Result<Report, ItemError>> {
        for _ in 0..TURN {
            let output = self.start();
            match ready!(output.poll_next(cx)) {
                Some(Ok(item)) => consume(item),
                Some(Err(error)) => {
                    *self = Self::Over;
                    return Poll::Ready(Err(error));
                }
                None => {
                    let report = output.report();
                    *self = Self::Over;
                    return Poll::Ready(Ok(report));
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Like [`poll_each`](Self::poll_each), but blocks.
    fn each(&mut self, mut consume: impl FnMut(T)) -> Result<Report, ItemError> {
        let output = self.start();
        loop {
            let next = match output.next_in_hand() {
                Some(item) => Some(Ok(item)),
                None => block_on::block_on_any(poll_fn(|cx| output.poll_next(cx))),
            };
            match next {
                Some(Ok(item)) => consume(item),
                Some(Err(error)) => return Err(error),
                None => return Ok(output.report()),
            }
        }
    }
}

/// A future that runs a pipeline and passes each result to a function. Made by
/// [`Pipeline::for_each`](super::Pipeline::for_each).
///
/// ```
/// use nanolith::{pipeline::{ForEach, Pipeline}, pool::GlobalPool, prelude::*};
/// let mut sum = 0;
/// let adding: ForEach<_, _> = Pipeline::from_iter(0..100).map(GlobalPool.get()?, |n| n * 2).for_each(|n| sum += n);
/// # pollster::block_on(async {
/// adding.await?; // or `adding.wait()`, which blocks
/// # Ok::<(), nanolith::pipeline::ItemError>(()) })?;
/// assert_eq!(sum, 9_900);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Cancel safety
///
/// Dropping this future cancels the pipeline.
#[must_use = "a pipeline does nothing until awaited or waited on"]
pub struct ForEach<T, F> {
    course: SinkState<T>,
    consume: F,
}

impl<T, F> Unpin for ForEach<T, F> {}

impl<T: Send + 'static, F: FnMut(T)> ForEach<T, F> {
    pub(super) fn new(plan: Plan<T>, consume: F) -> Self {
        Self { course: SinkState::Planned(plan), consume }
    }
}

impl<T: Send + 'static, F: FnMut(T)> Future for ForEach<T, F> {
    type Output = Result<Report, ItemError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.course.poll_each(cx, &mut this.consume)
    }
}

impl<T: Send + 'static, F: FnMut(T)> Sealed for ForEach<T, F> {}

impl<T: Send + 'static, F: FnMut(T)> Wait for ForEach<T, F> {
    type Pending = Self;

    /// Starts the pipeline and blocks until it ends. The function runs on this thread. Within a
    /// task, the task's slot is released while there is no result to consume.
    ///
    /// # Errors
    ///
    /// [`ItemError`]: the first error under [`OnError::Stop`](super::OnError::Stop), or that of an
    ///   input
    /// that panicked.
    ///
    /// # Panics
    ///
    /// A panic of the function propagates and cancels the pipeline.
    fn wait(mut self) -> Result<Report, ItemError> {
        self.course.each(self.consume)
    }

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        wait::timeout(self, limit)
    }
}

impl<T, F> fmt::Debug for ForEach<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForEach").finish_non_exhaustive()
    }
}

/// All results of a pipeline, and its report. Returned by
/// [`Pipeline::collect`](super::Pipeline::collect).
///
/// ```
/// use nanolith::{pipeline::{Collected, Pipeline}, pool::GlobalPool, prelude::*};
/// let squares: Collected<_> = Pipeline::from_iter(0..5).map(GlobalPool.get()?, |n| n * n).collect().wait()?;
/// assert_eq!(squares.items, [0, 1, 4, 9, 16]);
/// assert_eq!((squares.len(), squares.report.delivered), (5, 5)); // it is a slice, too
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Collected<T> {
    /// The results, in the order of the inputs if each stage keeps the order.
    pub items: Vec<T>,
    /// The report of the pipeline.
    pub report: Report,
}

impl<T> Deref for Collected<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items
    }
}

impl<T> IntoIterator for Collected<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter()
    }
}

/// A future that runs a pipeline and stores its results. Made by
/// [`Pipeline::collect`](super::Pipeline::collect).
///
/// ```
/// use nanolith::{pipeline::{Collect, Pipeline}, pool::GlobalPool, prelude::*};
/// let squares: Collect<_> = Pipeline::from_iter(0..5).map(GlobalPool.get()?, |n| n * n).collect();
/// # pollster::block_on(async {
/// assert_eq!(squares.await?.items, [0, 1, 4, 9, 16]); // or `squares.wait()?`, which blocks
/// # Ok::<(), nanolith::pipeline::ItemError>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Cancel safety
///
/// Dropping this future cancels the pipeline.
#[must_use = "a pipeline does nothing until awaited or waited on"]
pub struct Collect<T> {
    course: SinkState<T>,
    items: Vec<T>,
}

impl<T> Unpin for Collect<T> {}

impl<T: Send + 'static> Collect<T> {
    pub(super) fn new(plan: Plan<T>) -> Self {
        Self { course: SinkState::Planned(plan), items: Vec::new() }
    }
}

impl<T: Send + 'static> Future for Collect<T> {
    type Output = Result<Collected<T>, ItemError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let report = ready!(this.course.poll_each(cx, |item| this.items.push(item)))?;
        Poll::Ready(Ok(Collected { items: mem::take(&mut this.items), report }))
    }
}

impl<T: Send + 'static> Sealed for Collect<T> {}

impl<T: Send + 'static> Wait for Collect<T> {
    type Pending = Self;

    /// Starts the pipeline and blocks until it ends. Within a task, the task's slot is released
    /// during the wait.
    ///
    /// # Errors
    ///
    /// The same as for [`ForEach::wait`]. The results before the error are dropped.
    fn wait(mut self) -> Result<Collected<T>, ItemError> {
        let report = self.course.each(|item| self.items.push(item))?;
        Ok(Collected { items: self.items, report })
    }

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        wait::timeout(self, limit)
    }
}

impl<T> fmt::Debug for Collect<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collect").field("items", &self.items.len()).finish_non_exhaustive()
    }
}

macro_rules! running {
    ($name:ident) => {
        impl<T> $name<T> {
            /// Returns a handle that reads the figures of the stages, from any thread.
            #[must_use]
            pub fn stats(&self) -> PipelineStats {
                PipelineStats::of(&self.output.run)
            }

            /// Returns a handle that stops the pipeline, from any thread.
            #[must_use]
            pub fn stop_handle(&self) -> StopHandle {
                StopHandle::of(&self.output.run)
            }

            /// Returns the report so far. Collected errors move into it.
            #[must_use]
            pub fn report(&self) -> Report {
                self.output.report()
            }
        }

        impl<T> Unpin for $name<T> {}

        impl<T> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("figures", &self.stats()).finish_non_exhaustive()
            }
        }
    };
}

/// The results of a running pipeline, as an iterator that blocks for each; an error is the last
/// item. Made by iterating over a [`Pipeline`](super::Pipeline).
///
/// ```
/// use nanolith::{pipeline::{Iter, Pipeline}, pool::GlobalPool};
/// let squares: Iter<_> = Pipeline::from_iter(0..5).map(GlobalPool.get()?, |n| n * n).into_iter();
/// assert_eq!(squares.collect::<Result<Vec<_>, _>>()?, [0, 1, 4, 9, 16]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Dropping it before its end cancels the pipeline.
#[must_use = "dropped, the pipeline is cancelled"]
pub struct Iter<T> {
    output: Output<T>,
}

running!(Iter);

impl<T: Send + 'static> Iter<T> {
    pub(super) fn new(plan: Plan<T>) -> Self {
        Self { output: plan.start() }
    }
}

impl<T> Iterator for Iter<T> {
    type Item = Result<T, ItemError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.output.next_in_hand() {
            Some(item) => Some(Ok(item)),
            None => block_on::block_on_any(poll_fn(|cx| self.output.poll_next(cx))),
        }
    }
}

/// The results of a running pipeline as a `Stream`; an error is the last item. Made by
/// [`Pipeline::into_stream`](super::Pipeline::into_stream).
///
/// ```
/// use futures_util::TryStreamExt;
/// use nanolith::{pipeline::{Pipeline, Results}, pool::GlobalPool};
/// let squares: Results<_> = Pipeline::from_iter(0..5).map(GlobalPool.get()?, |n| n * n).into_stream();
/// # pollster::block_on(async {
/// assert_eq!(squares.try_collect::<Vec<_>>().await?, [0, 1, 4, 9, 16]);
/// # Ok::<(), nanolith::pipeline::ItemError>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Dropping it before its end cancels the pipeline.
#[must_use = "dropped, the pipeline is cancelled"]
pub struct Results<T> {
    output: Output<T>,
}

running!(Results);

impl<T: Send + 'static> Results<T> {
    pub(super) fn new(plan: Plan<T>) -> Self {
        Self { output: plan.start() }
    }
}

impl<T> Stream for Results<T> {
    type Item = Result<T, ItemError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.output.poll_next(cx)
    }
}
