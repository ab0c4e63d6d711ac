//! [`each_stream`] makes one call for each input of a `Stream` and returns the results as a
//! `Stream`, [`EachStream`]. It is the async form of [`each`](super::each()).

use super::{
    driver::{self, Driver, Link},
    source::FromStream,
    window::Window,
};
use crate::util::checked::at_least_one;
use crate::{error::CallError, executor::Executor, meta::priority::Priority, task::TaskSet, typed::Call};
use futures_util::{Stream, stream::FusedStream};
use std::{
    convert::Infallible,
    fmt,
    future::Future,
    num::NonZero,
    pin::Pin,
    task::{Context, Poll},
};

/// Makes a call for each input of a stream and returns the results as a stream, like
/// [`each`](super::each). A pending input delays nothing: a batch is submitted with the inputs that
/// have arrived.
///
/// ```
/// use futures_util::{TryStreamExt, stream};
/// use nanolith::bulk::each_stream;
/// # use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// # pollster::block_on(async {
/// let sums = each_stream(Geometry::tasks(), stream::iter(0..100), |geometry, n| geometry.add(n, 1));
/// let sum = sums.try_fold(0, |sum, added| async move { Ok(sum + added) }).await?;
/// assert_eq!(sum, 5_050);
/// # Ok::<(), CallError>(()) }).unwrap();
/// ```
///
/// # Errors
///
/// Each input has its own result: see [`each`](super::each).
///
/// # Cancel safety
///
/// The future of `next` may be dropped at any time without losing a result. Dropping the stream
/// itself cancels the queued calls.
pub fn each_stream<C, I, F, S, E, T>(calls: C, inputs: I, call: F) -> EachStream<T, impl Future<Output = Infallible>>
where
    I: Stream,
    F: for<'c> FnMut(&'c C, I::Item) -> Call<'c, S, E, T>,
    S: TaskSet,
    E: Executor<S> + ?Sized,
    T: Send + 'static,
{
    let link = Link::new();
    let asked = link.clone();
    let run = async move {
        let source = FromStream { calls: &calls, inputs: Box::pin(inputs), call };
        driver::serve(Window::new(source), asked).await
    };
    EachStream::new(Driver::new(run, link))
}

/// The results of calls in bulk, as a `Stream`. Made by [`each_stream`] and
/// [`Each::into_stream`](super::Each::into_stream).
///
/// ```
/// use futures_util::{StreamExt, stream};
/// use nanolith::bulk::each_stream;
/// # use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// # pollster::block_on(async {
/// let sums = each_stream(Geometry::tasks(), stream::iter(0..100), |geometry, n| geometry.add(n, 1));
/// let mut sums = sums.in_flight(32).unordered();
/// while let Some(sum) = sums.next().await {
///     assert!((1..=100).contains(&sum?));
/// }
/// # Ok::<(), CallError>(()) }).unwrap();
/// ```
#[must_use = "it takes no input until it is polled"]
pub struct EachStream<T, D> {
    driver: Driver<T, D>,
}

impl<T, D> Unpin for EachStream<T, D> {}

impl<T: Send + 'static, D: Future<Output = Infallible>> EachStream<T, D> {
    pub(super) fn new(driver: Driver<T, D>) -> Self {
        Self { driver }
    }

    /// Returns each result as soon as it exists: see [`Each::unordered`](super::Each::unordered).
    pub fn unordered(mut self) -> Self {
        self.driver.set(|settings| settings.unordered = true);
        self
    }

    /// Sets the maximum number of inputs ahead of the results: see
    /// [`Each::in_flight`](super::Each::in_flight).
    ///
    /// # Panics
    ///
    /// If `inputs` is 0.
    #[track_caller]
    pub fn in_flight(mut self, inputs: usize) -> Self {
        let inputs = NonZero::new(at_least_one("in_flight", inputs));
        self.driver.set(|settings| settings.wish.in_flight = inputs);
        self
    }

    /// Sets the number of inputs in each batch: see [`Each::batch`](super::Each::batch).
    ///
    /// # Panics
    ///
    /// If `inputs` is 0.
    #[track_caller]
    pub fn batch(mut self, inputs: usize) -> Self {
        let inputs = NonZero::new(at_least_one("batch", inputs));
        self.driver.set(|settings| settings.wish.batch = inputs);
        self
    }

    /// Sets the priority of all calls: see [`Each::priority`](super::Each::priority).
    pub fn priority(mut self, priority: Priority) -> Self {
        self.driver.set(|settings| settings.priority = Some(priority));
        self
    }
}

impl<T: Send + 'static, D: Future<Output = Infallible>> Stream for EachStream<T, D> {
    type Item = Result<T, CallError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.driver.poll_next(cx)
    }
}

impl<T: Send + 'static, D: Future<Output = Infallible>> FusedStream for EachStream<T, D> {
    fn is_terminated(&self) -> bool {
        self.driver.is_over()
    }
}

impl<T, D> fmt::Debug for EachStream<T, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.driver.describe(f.debug_struct("EachStream"))
    }
}
