//! Cooperative scheduling: long tasks yield to more urgent calls and continue afterwards, by
//! [`yield_now`] or as a row of [`Step`]s.

use crate::context::thread_context;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// Returns whether the task on this thread should yield. It is
/// [`Context::should_yield`](crate::task::Context::should_yield) for code that has no context.
/// Returns `false` where no task runs, since no call waits for the thread.
///
/// ```
/// # use nanolith::prelude::*;
/// # pub struct Geometry;
/// #[define]
/// impl Geometry {
///     /// Adds as many as fit into its turn; gives back the rest.
///     pub fn sum(mut of: Vec<i64>) -> (i64, Vec<i64>) {
///         let mut sum = 0;
///         while let Some(x) = of.pop() {
///             sum += x;
///             if nanolith::task::should_yield() { break }
///         }
///         (sum, of)
///     }
/// }
/// let (sum, rest) = Geometry::tasks().sum(vec![2, 3, 4]).wait()?;
/// assert_eq!(sum + rest.into_iter().sum::<i64>(), 9);
/// assert!(!nanolith::task::should_yield());
/// # Ok::<(), CallError>(())
/// ```
#[must_use]
pub fn should_yield() -> bool {
    thread_context::should_yield().unwrap_or(false)
}

/// Lets other calls run first. In an asynchronous task these are all calls that expire earlier than
/// the task itself. The task keeps its expiration.
///
/// ```
/// # use nanolith::prelude::*;
/// # pub struct Geometry;
/// #[define]
/// impl Geometry {
///     pub async fn sum(of: Vec<i64>) -> i64 {
///         let mut sum = 0;
///         for x in of {
///             sum += x;
///             if nanolith::task::should_yield() {
///                 nanolith::task::yield_now().await;
///             }
///         }
///         sum
///     }
/// }
/// assert_eq!(Geometry::tasks().sum(vec![2, 3, 4]).wait()?, 9);
/// # Ok::<(), CallError>(())
/// ```
///
/// Outside of a task, and in a future that a task polls without the executor's waker, it is pending
/// once and wakes itself at once.
///
/// # Cancel safety
///
/// This future may be dropped at any time.
pub fn yield_now() -> YieldNow {
    YieldNow { gave_way: false }
}

/// A future that is pending once. [`yield_now`] creates it.
#[derive(Debug)]
#[must_use = "does nothing until awaited"]
pub struct YieldNow {
    gave_way: bool,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.gave_way, true) {
            return Poll::Ready(());
        }
        thread_context::give_way(cx.waker());
        Poll::Pending
    }
}

/// The result of one step of a long synchronous task: the output of a function under
/// `#[task(sliced)]`.
///
/// Between two steps the task returns to the lanes with the expiration that it had. So a more
/// urgent call starts within one slice, even at a concurrency of 1. A call that is cancelled in the
/// meantime does not continue.
///
/// ```
/// use nanolith::{prelude::*, task::{Step, should_yield}};
/// # pub struct Geometry;
/// #[define]
/// impl Geometry {
///     #[task(sliced)]
///     pub fn sum(of: Vec<i64>) -> Step<i64> {
///         add_on(0, of)
///     }
/// }
///
/// fn add_on(mut sum: i64, mut of: Vec<i64>) -> Step<i64> {
///     while let Some(x) = of.pop() {
///         sum += x;
///         if should_yield() {
///             return Step::resume_with(move || add_on(sum, of));
///         }
///     }
///     Step::Done(sum)
/// }
///
/// assert_eq!(Geometry::tasks().sum(vec![2, 3, 4]).wait()?, 9); // an `i64`, whatever the number of steps
/// # Ok::<(), CallError>(())
/// ```
///
/// A task that takes a context passes a clone of it to its steps.
pub enum Step<T> {
    /// The task's output.
    Done(T),
    /// The next step. [`Step::resume_with`] creates it.
    Continue(Box<dyn FnOnce() -> Self + Send>),
}

impl<T> Step<T> {
    /// Returns a step that continues with `next`.
    pub fn resume_with(next: impl FnOnce() -> Self + Send + 'static) -> Self {
        Self::Continue(Box::new(next))
    }

    /// Runs all steps in a row on this thread, for a direct call of such a function.
    ///
    /// ```
    /// use nanolith::task::Step;
    /// fn count(from: u32) -> Step<&'static str> {
    ///     if from == 0 { Step::Done("done") } else { Step::resume_with(move || count(from - 1)) }
    /// }
    /// assert_eq!(count(3).finish(), "done");
    /// ```
    pub fn finish(mut self) -> T {
        loop {
            match self {
                Self::Done(output) => return output,
                Self::Continue(next) => self = next(),
            }
        }
    }
}

impl<T> fmt::Debug for Step<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done(_) => "Done(..)",
            Self::Continue(_) => "Continue(..)",
        })
    }
}

/// Runs the steps of a task and yields between them, for generated code.
#[doc(hidden)]
pub async fn steps<T>(mut step: Step<T>) -> T {
    loop {
        match step {
            Step::Done(output) => return output,
            Step::Continue(next) => {
                yield_now().await;
                step = next();
            }
        }
    }
}
