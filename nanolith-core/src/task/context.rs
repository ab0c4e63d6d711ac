//! [`Context`]: what a running task gets as `cx: &Context<Self>`. The task asks whether it is
//! cancelled or should yield, reports its progress, and finds the executor's data.

use super::{CallSlot, TaskSet};
use crate::{
    call::{Progress, call_ref::CallRef},
    context::thread_context,
    meta::{priority::Priority, task_info::TaskInfo},
    wake::extensions::Extensions,
};
use std::{
    fmt,
    future::{Future, poll_fn},
    task::Poll,
    time::Instant,
};

/// The context of a running task. A task takes it by reference as its first parameter. It is not an
/// argument of the call.
///
/// ```
/// # use nanolith::prelude::*;
/// # pub struct Geometry;
/// #[define]
/// impl Geometry {
///     pub fn sum(cx: &Context<Self>, of: Vec<i64>) -> i64 {
///         let (mut sum, total) = (0, of.len() as u64);
///         for (done, x) in (1..).zip(of) {
///             if cx.is_cancelled() { break }
///             sum += x;
///             cx.progress(done, total);
///         }
///         sum
///     }
/// }
/// assert_eq!(Geometry::tasks().sum(vec![2, 3, 4]).wait()?, 9);
/// # Ok::<(), CallError>(())
/// ```
///
/// In a module under `#[define]` its type is `&Context<Tasks>`.
pub struct Context<S: TaskSet> {
    /// `None` in a service's init.
    pub(super) call: Option<CallRef<CallSlot<S>>>,
    pub(super) data: Extensions,
}

impl<S: TaskSet> Clone for Context<S> {
    fn clone(&self) -> Self {
        Self { call: self.call.clone(), data: self.data.clone() }
    }
}

impl<S: TaskSet> Context<S> {
    pub(crate) fn new(call: Option<CallRef<CallSlot<S>>>, data: Extensions) -> Self {
        Self { call, data }
    }

    pub(crate) fn executor_data(&self) -> &Extensions {
        &self.data
    }

    /// Returns the task that runs, or `None` in a service's init.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    ///     pub fn name(cx: &Context<Self>) -> Option<&'static str> {
    ///         cx.task().map(|task| task.name())
    ///     }
    /// }
    /// assert_eq!(Geometry::tasks().name().wait()?, Some("name"));
    /// # Ok::<(), CallError>(())
    /// ```
    #[must_use]
    pub fn task(&self) -> Option<&'static TaskInfo> {
        self.call.as_ref().map(|call| call.header.task())
    }

    /// Returns whether the task should stop, because no caller waits for its output any more.
    ///
    /// This is the case if the call, or a call that submitted it, was cancelled or timed out. It is
    /// also the case if the pool asks all tasks to stop: see
    /// [`Pool::close_timeout`](crate::pool::Pool::close_timeout).
    ///
    /// ```
    /// # use nanolith::{prelude::*, time::MILLISECOND};
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    ///     pub fn count(cx: &Context<Self>) -> u64 {
    ///         (0..).take_while(|_| !cx.is_cancelled()).count() as u64
    ///     }
    /// }
    /// let outcome = Geometry::tasks().count().timeout(MILLISECOND).wait();
    /// assert!(matches!(outcome, Err(CallError::TimedOut(_))));
    /// ```
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.call.as_ref().is_some_and(|call| CallSlot::is_to_stop(call) || thread_context::is_shutting_down())
    }

    /// Waits until the call is cancelled or timed out. If neither happens, the future is never
    /// ready.
    ///
    /// ```
    /// # use nanolith::{prelude::*, time::MILLISECOND};
    /// use std::sync::mpsc::Sender;
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    ///     pub fn serve(cx: &Context<Self>, stopped: Sender<()>) {
    ///         pollster::block_on(cx.cancelled());
    ///         let _ = stopped.send(());
    ///     }
    /// }
    /// let (sender, starts) = std::sync::mpsc::channel();
    /// let outcome = Geometry::tasks().serve(sender).timeout(MILLISECOND).wait();
    /// assert!(matches!(outcome, Err(CallError::TimedOut(_))));
    /// # starts.recv().or_else(|_| Ok::<_, CallError>(()))?; // it never began
    /// # Ok::<(), CallError>(())
    /// ```
    ///
    /// An asynchronous task rarely needs this: its future is dropped at its next await.
    ///
    /// # Cancel safety
    ///
    /// This future may be dropped and created again at any time.
    pub fn cancelled(&self) -> impl Future<Output = ()> + '_ {
        let mut stop = self.call.as_ref().map(|call| call.header.stop_wait());
        poll_fn(move |cx| {
            if let (Some(call), Some(stop)) = (&self.call, &mut stop) {
                stop.register(cx.waker());
                call.fence();
                CallSlot::hang_on_parents(call);
            }
            if self.is_cancelled() { Poll::Ready(()) } else { Poll::Pending }
        })
    }

    /// Reports how far the task has come, in a unit of the task's choice. A new report replaces the
    /// one before it. The holder of the handle reads it, or waits for it, with
    /// [`Handle::progress`](crate::typed::Handle::progress). A function of the caller gets each
    /// report with [`Call::on_progress`](crate::typed::Call::on_progress).
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    ///     pub fn sum(cx: &Context<Self>, of: Vec<i64>) -> i64 {
    ///         let total = of.len() as u64;
    ///         (1..).zip(of).map(|(done, x)| { cx.progress(done, total); x }).sum()
    ///     }
    /// }
    /// # let pool = Pool::builder().build()?;
    /// let job = Geometry::on(&pool).sum(vec![2, 3, 4]).submit();
    /// pool.drained().wait();
    /// assert_eq!(job.progress().latest().map(|progress| progress.done), Some(3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn progress(&self, done: u64, total: u64) {
        if let Some(call) = &self.call {
            drop(call.header.report_progress(Progress { done, total }));
        }
    }

    /// Returns whether the task should stop or yield. [`is_cancelled`](Self::is_cancelled) says
    /// which of the two.
    ///
    /// This is the case if it was cancelled, or has run for a slice ([`PoolBuilder::slice`], 5 ms
    /// by default). It is also the case if a more urgent call waits for the executor. An
    /// asynchronous task yields with [`yield_now`], which begins a new slice. A synchronous task
    /// yields by returning a [`Step`].
    ///
    /// [`PoolBuilder::slice`]: crate::pool::PoolBuilder::slice
    /// [`yield_now`]: crate::task::yield_now
    /// [`Step`]: crate::task::Step
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    ///     /// Adds as many as fit into its turn; gives back the rest.
    ///     pub fn sum(cx: &Context<Self>, mut of: Vec<i64>) -> (i64, Vec<i64>) {
    ///         let mut sum = 0;
    ///         while !cx.should_yield() {
    ///             let Some(x) = of.pop() else { break };
    ///             sum += x;
    ///         }
    ///         (sum, of)
    ///     }
    /// }
    /// let (sum, rest) = Geometry::tasks().sum(vec![2, 3, 4]).wait()?;
    /// assert_eq!(sum + rest.into_iter().sum::<i64>(), 9);
    /// # Ok::<(), CallError>(())
    /// ```
    #[must_use]
    pub fn should_yield(&self) -> bool {
        self.is_cancelled() || self.call.as_ref().is_some_and(|call| thread_context::should_yield_for(&call.header))
    }

    /// Returns the call's present priority, or [`Priority::Normal`] in a service's init. Calls that
    /// the task submits have the same priority, unless they set another.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    ///     pub fn is_urgent(cx: &Context<Self>) -> bool {
    ///         cx.priority() <= Priority::UserBlocking
    ///     }
    /// }
    /// assert!(Geometry::tasks().is_urgent().priority(Priority::Immediate).wait()?);
    /// assert!(!Geometry::tasks().is_urgent().wait()?);
    /// # Ok::<(), CallError>(())
    /// ```
    #[must_use]
    pub fn priority(&self) -> Priority {
        self.call.as_ref().map_or(Priority::Normal, |call| call.header.priority())
    }

    /// Returns the moment at which the call times out, or `None` if it has no limit.
    ///
    /// ```
    /// # use nanolith::{prelude::*, time::MINUTE};
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    ///     pub fn has_a_limit(cx: &Context<Self>) -> bool {
    ///         cx.deadline().is_some()
    ///     }
    /// }
    /// assert!(Geometry::tasks().has_a_limit().timeout(MINUTE).wait()?);
    /// assert!(!Geometry::tasks().has_a_limit().wait()?);
    /// # Ok::<(), CallError>(())
    /// ```
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.call.as_ref().and_then(|call| call.header.deadline())
    }

    /// Returns the value of this type that the executor was built with:
    /// `Pool::builder().data(value)`, or the same method of a service's builder.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    ///     pub fn greeting(cx: &Context<Self>) -> Option<String> {
    ///         cx.data::<String>().cloned()
    ///     }
    /// }
    /// let pool = Pool::builder().data(String::from("hello")).build()?;
    /// assert_eq!(Geometry::on(&pool).greeting().wait()?.as_deref(), Some("hello"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn data<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.data.get()
    }
}

impl<S: TaskSet> fmt::Debug for Context<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("task", &self.task()).finish_non_exhaustive()
    }
}
