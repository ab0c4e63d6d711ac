//! Scopes of a priority: what is submitted within one is as urgent, unless it is told.

use super::{block_on, thread_context};
use crate::meta::priority::Priority;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// Runs `f`; calls that it submits are of this priority, unless they are told another. A wait within it raises what it waits
/// for to that priority, as a task's wait does.
///
/// ```
/// use nanolith::{prelude::*, with_priority};
/// # pub struct Geometry;
/// #[define]
/// impl Geometry {
///     pub fn is_low(cx: &Context<Self>) -> bool {
///         cx.priority() == Priority::Low
///     }
/// }
/// let job = with_priority(Priority::Low, || Geometry::tasks().is_low().submit());
/// assert!(job.wait()?);
/// # Ok::<(), CallError>(())
/// ```
///
/// Within a task it stands in the place of the task's own priority. It is for this thread alone: what `f` gives to others to
/// run is not in it.
pub fn with_priority<R>(priority: Priority, f: impl FnOnce() -> R) -> R {
    thread_context::with_priority(priority, f)
}

/// The same for a future: each of its polls is within the scope.
///
/// ```
/// use nanolith::{prelude::*, with_priority_async};
/// # pub struct Geometry;
/// # #[define]
/// # impl Geometry {
/// #     pub fn is_low(cx: &Context<Self>) -> bool { cx.priority() == Priority::Low }
/// # }
/// # pollster::block_on(async {
/// let geometry = Geometry::tasks();
/// assert!(with_priority_async(Priority::Low, async { geometry.is_low().await }).await?);
/// # Ok::<(), CallError>(()) }).unwrap();
/// ```
pub fn with_priority_async<F: Future>(priority: Priority, future: F) -> WithPriority<F> {
    WithPriority { priority, future: Box::pin(future) }
}

/// A future in a scope of a priority: made by [`with_priority_async`].
///
/// ```
/// use nanolith::{WithPriority, prelude::*, with_priority_async};
/// # use nanolith_doc_sets::*;
/// let sum: WithPriority<_> = with_priority_async(Priority::Low, Geometry::tasks().add(4, 5));
/// assert_eq!(sum.wait()?, 9);
/// # Ok::<(), CallError>(())
/// ```
///
/// # Cancel safety
///
/// That of the future.
#[must_use = "does nothing until awaited or waited on"]
pub struct WithPriority<F> {
    priority: Priority,
    future: Pin<Box<F>>,
}

impl<F: Future> WithPriority<F> {
    /// Blocks until the future is ready. Within a task, the slot is released meanwhile.
    pub fn wait(self) -> F::Output {
        block_on::block_on_any(self)
    }
}

impl<F: Future> Future for WithPriority<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Self { priority, future } = &mut *self;
        thread_context::with_priority(*priority, || future.as_mut().poll(cx))
    }
}

impl<F> fmt::Debug for WithPriority<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithPriority").field("priority", &self.priority).finish_non_exhaustive()
    }
}
