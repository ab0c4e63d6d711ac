//! [`Handle`]: waits for a call that was submitted, cancels it, or raises its priority.

mod progressing;
mod wait;

pub use progressing::{ProgressReceiver, RecvProgress};

use super::Flatten;
use crate::{
    call::{
        backend::{self, ExecutorId},
        call_ref::CallRef,
        slot::EndReason,
    },
    context::thread_context,
    error::CallError,
    meta::{priority::Priority, task_info::TaskInfo},
    sim_runtime,
    task::{CallSlot, TaskSet, drop_unseen},
};
use std::{fmt, time::Instant};

/// A submitted call. It can be awaited, waited on, polled or cancelled.
///
/// The handle borrows nothing. Dropping it detaches the call, which continues.
/// [`Handle::cancel_on_drop`] changes that.
///
/// ```
/// use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// let job = Geometry::tasks().add(4, 5).submit();
/// // .. something else meanwhile ..
/// assert_eq!(job.wait()?, 9); // or `job.await?`
/// # Ok::<(), CallError>(())
/// ```
///
/// # Cancel safety
///
/// As a future it may be polled by reference, dropped and polled again, until it is ready.
#[must_use = "say `.detach()` if the call is to go on without its handle, or `.cancel_on_drop()`"]
pub struct Handle<S: TaskSet, T> {
    slot: CallRef<CallSlot<S>>,
    host: Option<ExecutorId>,
    extract: fn(S::Output) -> Option<T>,
    /// The effect of a drop of the handle.
    on_drop: OnDrop,
    /// Whether a thread counts this handle as pending, and has lent its slot for that reason.
    counted: thread_context::PendingPoll,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OnDrop {
    Detach,
    Cancel,
    /// The outcome was taken.
    Nothing,
}

impl<S: TaskSet, T> Handle<S, T> {
    pub(crate) fn new(
        slot: CallRef<CallSlot<S>>,
        host: Option<ExecutorId>,
        extract: fn(S::Output) -> Option<T>,
    ) -> Self {
        Self { slot, host, extract, on_drop: OnDrop::Detach, counted: None }
    }

    /// Blocks until the call is over, or until `deadline`.
    ///
    /// ```
    /// # use nanolith::{prelude::*, time::MINUTE};
    /// # use nanolith_doc_sets::*;
    /// let job = Geometry::tasks().add(4, 5).submit();
    /// match job.wait_deadline(std::time::Instant::now() + MINUTE) {
    ///     Ok(outcome) => assert_eq!(outcome?, 9),
    ///     Err(job) => job.cancel(),
    /// }
    /// # Ok::<(), CallError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Gives the handle back if the call is not over by then. The call continues.
    #[cfg_attr(feature = "tokio", track_caller)]
    pub fn wait_deadline(mut self, deadline: Instant) -> Result<Result<T, CallError>, Self> {
        self.block_until(Some(deadline)).ok_or(self)
    }

    /// Returns the outcome if the call is over.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// # pool.pause();
    /// let job = Geometry::on(&pool).add(4, 5).submit();
    /// let job = job.try_wait().expect_err("the pool is paused");
    /// pool.resume();
    /// pool.drained().wait();
    /// assert_eq!(job.try_wait().expect("it is over")?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Gives the handle back if the call is not over.
    pub fn try_wait(mut self) -> Result<Result<T, CallError>, Self> {
        self.ready().ok_or(self)
    }

    /// Returns whether the call is over.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// let job = Geometry::on(&pool).add(4, 5).submit();
    /// pool.drained().wait();
    /// assert!(job.is_finished());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_finished(&self) -> bool {
        sim_runtime::poll_point();
        self.slot.is_over()
    }

    /// Cancels the call. Its caller returns at once with [`CallError::Cancelled`].
    ///
    /// A queued call never runs, and its queue room is free at once. A running task is asked to
    /// stop, which its `Context` shows. An asynchronous task is dropped at its next await.
    /// Cancelling a call that is over does nothing.
    ///
    /// The calls that the running task has submitted, and that are not over, are cancelled too. The
    /// same applies to the calls of their tasks, and so on.
    ///
    /// Asynchronous calls are cancelled at once, and so are calls with rare options (a limit, a
    /// token, a delay). Other calls that run see the cancellation in their `Context`. Other calls
    /// that are queued end without running, at the latest when their turn comes.
    ///
    /// A timeout has the same effect. A task that ends by itself, or panics, cancels nothing.
    /// [`Call::without_parent`](crate::typed::Call::without_parent) excludes a call from this.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    ///     pub fn spin(cx: &Context<Self>) {
    ///         while !cx.is_cancelled() {
    ///             std::thread::yield_now();
    ///         }
    ///     }
    /// }
    /// let job = Geometry::tasks().spin().submit();
    /// job.cancel();
    /// assert!(matches!(job.wait(), Err(CallError::Cancelled(_))));
    /// ```
    pub fn cancel(&self) {
        self.end(EndReason::Cancelled);
    }

    /// Raises the priority of the call. A priority that is not more urgent changes nothing.
    ///
    /// A queued call moves to the position of a call with the new priority and the same time of
    /// submission. If the task runs, calls that it submits from now on have the new priority. The
    /// calls that it waits for are raised too, and its future, if it has one, is polled sooner. A
    /// future that awaits a call is polled once more, to raise that call. Other futures are not.
    ///
    /// A task that waits for a less urgent call raises that call automatically.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// # pool.pause();
    /// let later = Geometry::on(&pool).add(4, 5).priority(Priority::Idle).submit();
    /// later.raise(Priority::UserBlocking); // it is urgent now
    /// # pool.resume();
    /// assert_eq!(later.wait()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn raise(&self, priority: Priority) {
        backend::raise(&self.slot.clone().erase(), self.host, priority);
    }

    /// Lets the call continue without its handle, like a drop of the handle.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// Geometry::on(&pool).add(4, 5).submit().detach();
    /// pool.drained().wait();
    /// assert_eq!(pool.info().completed, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn detach(self) {}

    /// Cancels the call when the handle is dropped.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// pool.pause();
    /// drop(Geometry::on(&pool).add(4, 5).submit().cancel_on_drop());
    /// assert_eq!(pool.info().in_flight, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel_on_drop(mut self) -> Self {
        self.on_drop = OnDrop::Cancel;
        self
    }

    /// Undoes [`Handle::cancel_on_drop`].
    pub(crate) fn detach_on_drop(mut self) -> Self {
        self.on_drop = OnDrop::Detach;
        self
    }

    /// Returns the task that was called.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let job = Geometry::tasks().add(4, 5).submit();
    /// assert_eq!(job.task().to_string(), "Geometry::add");
    /// # job.wait()?;
    /// # Ok::<(), CallError>(())
    /// ```
    #[must_use]
    pub fn task(&self) -> &'static TaskInfo {
        self.slot.header.task()
    }

    /// Returns a view of the task's progress, to read ([`ProgressReceiver::latest`]) or to await
    /// ([`ProgressReceiver::recv`]).
    ///
    /// ```
    /// use nanolith::{call::Progress, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry {
    /// #     pub fn sum(cx: &Context<Self>, of: Vec<i64>) -> i64 {
    /// #         let total = of.len() as u64;
    /// #         (1..).zip(of).map(|(done, x)| { cx.progress(done, total); x }).sum()
    /// #     }
    /// # }
    /// let job = Geometry::tasks().sum(vec![2, 3, 4]).submit();
    /// # pollster::block_on(async {
    /// while let Some(Progress { done, total }) = job.progress().recv().await {
    /// #     if done < total { continue }
    ///     println!("{done} of {total}");
    /// #     break;
    /// }
    /// # });
    /// # assert_eq!(job.wait()?, 9);
    /// # Ok::<(), CallError>(())
    /// ```
    pub fn progress(&self) -> ProgressReceiver<'_, S> {
        ProgressReceiver::new(&self.slot, self.host)
    }

    pub(crate) fn end(&self, how: EndReason) {
        backend::end(&*self.slot, self.host, how);
    }
}

impl<S: TaskSet, V, E> Handle<S, Result<V, E>> {
    /// Combines both kinds of failure in one error:
    /// [`TaskError::Call`](crate::error::TaskError::Call) and
    /// [`TaskError::Task`](crate::error::TaskError::Task).
    ///
    /// ```
    /// # use nanolith::{TaskError, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let job = Geometry::tasks().parse("seven".into()).submit();
    /// assert!(matches!(job.flatten().wait(), Err(TaskError::Task(_))));
    /// ```
    pub fn flatten(self) -> Flatten<Self> {
        Flatten::new(self)
    }
}

impl<S: TaskSet, T> Drop for Handle<S, T> {
    fn drop(&mut self) {
        if self.on_drop == OnDrop::Cancel {
            self.cancel();
        }
        if self.on_drop != OnDrop::Nothing {
            self.detach_call();
        }
    }
}

impl<S: TaskSet, T> Handle<S, T> {
    /// Drops the handle's side of a call whose outcome was not taken. This is a function of its
    /// own, so that it costs nothing when the outcome was taken.
    #[inline(never)]
    fn detach_call(&mut self) {
        let outcome = self.slot.drop_waker();
        if self.slot.is_over() {
            self.slot.header.over_for_handle(); // else the side that ends the call does it
        }
        if let Some(outcome) = outcome {
            drop_unseen(outcome, || self.target()?.get());
        }
        thread_context::poll_resolved(&mut self.counted);
    }
}

impl<S: TaskSet, T> fmt::Debug for Handle<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("task", self.task())
            .field("finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}
