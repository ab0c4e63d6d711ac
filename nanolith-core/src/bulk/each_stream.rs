//! [`EachStream`]: the same where nobody may wait.

use super::{
    source::{FromStream, Source},
    window::Window,
};
use crate::{error::CallError, executor::Executor, priority::Priority, task::TaskSet, typed::Call};
use futures_util::{Stream, stream::FusedStream};
use std::{
    fmt,
    num::NonZero,
    pin::Pin,
    task::{Context, Poll},
};

/// As [`each`](super::each), with the inputs of a stream: makes a call of each and gives the results as a stream. Inputs that
/// are not there yet hold up nothing: what is there goes out as it is.
///
/// ```
/// use futures_util::{TryStreamExt, stream};
/// use nanolith::bulk::each_stream;
/// # use nanolith::prelude::*;
/// # pub struct Geometry;
/// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
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
/// `next` of it may be dropped at any time; nothing is lost. The stream itself, dropped, cancels what is queued.
pub fn each_stream<'a, C, I, F, S, E, T>(
    calls: &'a C,
    inputs: I,
    call: F,
) -> EachStream<'a, S, E, T, FromStream<'a, C, I, F>>
where
    C: ?Sized,
    I: Stream,
    F: FnMut(&'a C, I::Item) -> Call<'a, S, E, T>,
    S: TaskSet,
    E: Executor<S> + ?Sized,
    T: Send + 'static,
{
    EachStream::new(Window::new(FromStream { calls, inputs: Box::pin(inputs), call }))
}

/// The results of calls in bulk, as a `Stream`: made by [`each_stream`] and [`Each::into_stream`](super::Each::into_stream).
///
/// ```
/// use futures_util::{StreamExt, stream};
/// use nanolith::bulk::each_stream;
/// # use nanolith::prelude::*;
/// # pub struct Geometry;
/// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
/// # pollster::block_on(async {
/// let sums = each_stream(Geometry::tasks(), stream::iter(0..100), |geometry, n| geometry.add(n, 1));
/// let mut sums = sums.in_flight(32).unordered();
/// while let Some(sum) = sums.next().await {
///     assert!((1..=100).contains(&sum?));
/// }
/// # Ok::<(), CallError>(()) }).unwrap();
/// ```
#[must_use = "it takes no input until it is polled"]
pub struct EachStream<'a, S: TaskSet, E: Executor<S> + ?Sized, T, M> {
    window: Window<'a, S, E, T, M>,
}

impl<S: TaskSet, E: Executor<S> + ?Sized, T, M> Unpin for EachStream<'_, S, E, T, M> {}

#[allow(private_bounds)] // whoever has one made it with `each_stream`
impl<'a, S, E, T, M> EachStream<'a, S, E, T, M>
where
    S: TaskSet,
    E: Executor<S> + ?Sized,
    T: Send + 'static,
    M: Source<'a, S, E, T>,
{
    pub(super) fn new(window: Window<'a, S, E, T, M>) -> Self {
        Self { window }
    }

    /// As [`Each::unordered`](super::Each::unordered).
    pub fn unordered(mut self) -> Self {
        self.window.unordered();
        self
    }

    /// As [`Each::in_flight`](super::Each::in_flight).
    pub fn in_flight(mut self, inputs: usize) -> Self {
        self.window.wish.in_flight = Some(NonZero::new(inputs).unwrap_or(NonZero::<usize>::MIN));
        self
    }

    /// As [`Each::batch`](super::Each::batch).
    pub fn batch(mut self, inputs: usize) -> Self {
        self.window.wish.batch = Some(NonZero::new(inputs).unwrap_or(NonZero::<usize>::MIN));
        self
    }

    /// As [`Each::priority`](super::Each::priority).
    pub fn priority(mut self, priority: Priority) -> Self {
        self.window.priority = Some(priority);
        self
    }
}

impl<'a, S, E, T, M> Stream for EachStream<'a, S, E, T, M>
where
    S: TaskSet,
    E: Executor<S> + ?Sized,
    T: Send + 'static,
    M: Source<'a, S, E, T>,
{
    type Item = Result<T, CallError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.window.poll_next(cx)
    }
}

impl<'a, S, E, T, M> FusedStream for EachStream<'a, S, E, T, M>
where
    S: TaskSet,
    E: Executor<S> + ?Sized,
    T: Send + 'static,
    M: Source<'a, S, E, T>,
{
    fn is_terminated(&self) -> bool {
        self.window.is_empty()
    }
}

impl<S: TaskSet, E: Executor<S> + ?Sized, T, M> fmt::Debug for EachStream<'_, S, E, T, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.window.describe(f.debug_struct("EachStream"))
    }
}
