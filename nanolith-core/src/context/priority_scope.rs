//! [`with_priority`] opens a priority scope: a call that is submitted within it has the scope's
//! priority by default.

use super::{
    thread_context,
    wait::{self, Sealed, Wait},
};
use crate::meta::priority::Priority;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// Runs `f` in a scope of `priority`. Each call that `f` submits has this priority, unless the call
/// sets another one.
///
/// A wait within `f` raises the awaited call to this priority, like a wait within a task.
///
/// ```
/// use nanolith::{call::with_priority, prelude::*};
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
/// Within a task, the scope replaces the task's own priority. The scope covers the calling thread
/// only: work that `f` hands to other threads is outside it.
pub fn with_priority<R>(priority: Priority, f: impl FnOnce() -> R) -> R {
    thread_context::with_priority(priority, f)
}

/// Runs `future` in a scope of `priority`, like [`with_priority`]: each of its polls is within the
/// scope.
///
/// ```
/// use nanolith::{call::with_priority_async, prelude::*};
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

/// A future in a priority scope, returned by [`with_priority_async`].
///
/// ```
/// use nanolith::{call::{WithPriority, with_priority_async}, prelude::*};
/// # use nanolith_doc_sets::*;
/// let sum: WithPriority<_> = with_priority_async(Priority::Low, Geometry::tasks().add(4, 5));
/// assert_eq!(sum.wait()?, 9);
/// # Ok::<(), CallError>(())
/// ```
///
/// # Cancel safety
///
/// The same as that of the inner future.
#[must_use = "does nothing until awaited or waited on"]
pub struct WithPriority<F> {
    priority: Priority,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for WithPriority<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Self { priority, future } = &mut *self;
        thread_context::with_priority(*priority, || future.as_mut().poll(cx))
    }
}

impl<F: Future> Sealed for WithPriority<F> {}

impl<F: Future> Wait for WithPriority<F> {
    type Pending = Self;

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        wait::timeout(self, limit)
    }
}

impl<F> fmt::Debug for WithPriority<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithPriority").field("priority", &self.priority).finish_non_exhaustive()
    }
}
