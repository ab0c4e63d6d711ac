//! [`Call`]: a typed call that has not been submitted yet, and the methods that submit it.

mod call_options;
mod delayed;
mod options;
mod prepare;
mod span;
mod submit;
mod tell;
mod within;

pub(crate) use call_options::CallParts;
#[cfg(feature = "tower")]
pub(crate) use prepare::job_of_task;
pub use submit::Submit;
pub(crate) use submit::fail_job;
pub(super) use submit::note_full;
pub use tell::Tell;

use super::{Flatten, Handle};
use crate::{
    call::header::Header,
    context::{
        thread_context,
        wait::{Sealed, Wait},
    },
    error::{CallError, ParentCall, SubmitError},
    executor::{Admission, Executor},
    meta::task_info::TaskInfo,
    task::TaskSet,
};
use call_options::CallOptions;
use prepare::{new_job, prepare_job};
use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    panic::Location,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use submit::{block_for_admission, dispatch, submit_rare};

/// A typed call. It is lazy: it does nothing until it is awaited, waited on or submitted.
///
/// ```
/// use nanolith::{prelude::*, time::MINUTE};
/// # use nanolith_doc_sets::*;
/// let geometry = Geometry::tasks();
/// assert_eq!(geometry.add(4, 5).wait()?, 9); // blocks
/// # pollster::block_on(async {
/// assert_eq!(geometry.add(4, 5).await?, 9); // on any async runtime
/// # Ok::<(), CallError>(()) })?;
/// let job = geometry.add(4, 5).timeout(MINUTE).submit(); // a `Handle`
/// # assert_eq!(job.wait()?, 9);
/// # Ok::<(), CallError>(())
/// ```
///
/// # Errors
///
/// Every way in which a call can end without its task's output: see [`CallError`].
///
/// # Panics
///
/// As a future, when polled after it was ready.
///
/// # Cancel safety
///
/// If it is dropped before the first poll, nothing has happened. If it is dropped later, the call
/// is cancelled. A queued call never runs. A running task is asked to stop.
#[must_use = "a call does nothing until awaited, waited on or submitted"]
pub struct Call<'a, S: TaskSet, E: Executor<S> + ?Sized, T> {
    executor: &'a E,
    extract: fn(S::Output) -> Option<T>,
    terms: CallOptions<S>,
    stage: CallState<'a, S, T>,
}

/// The stage of a call. The handles in it cancel the call when they are dropped.
enum CallState<'a, S: TaskSet, T> {
    Lazy(S::Task),
    /// The call waits for queue room. The handle is declared first, so the call is cancelled before
    /// its admission is dropped.
    Admitting(Handle<S, T>, Admission<'a, S>),
    Submitted(Handle<S, T>),
    Done,
}

impl<S: TaskSet, E: Executor<S> + ?Sized, T> Unpin for Call<'_, S, E, T> {}

impl<'a, S: TaskSet, E: Executor<S> + ?Sized, T> Call<'a, S, E, T> {
    /// Creates a call, for generated code. `extract` takes the task's own output out of the set's.
    #[doc(hidden)]
    #[track_caller]
    #[inline(always)]
    pub fn new(executor: &'a E, task: S::Task, extract: fn(S::Output) -> Option<T>) -> Self {
        let submitted = Location::caller();
        let terms = CallOptions { submitted, priority: None, limit: None, token: None, rare: None };
        Self { executor, extract, terms, stage: CallState::Lazy(task) }
    }

    /// Returns the task that is called, or `None` once the call was passed to its executor.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let call = Geometry::tasks().add(4, 5);
    /// assert_eq!(call.task().map(|task| task.name()), Some("add"));
    /// ```
    #[must_use]
    pub fn task(&self) -> Option<&'static TaskInfo> {
        match &self.stage {
            CallState::Lazy(task) => Some(S::task_info(task)),
            _ => None,
        }
    }

    /// Returns the task with its arguments, as a value of the set's enum, or `None` once the call
    /// was passed to its executor. For example, this takes the argument out of a refused call.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let pool = Pool::builder().build()?;
    /// pool.close(); // so that it refuses the call
    /// let geometry = Geometry::on(&pool);
    /// let refused = geometry.parse("7".into()).try_submit().expect_err("the pool is closed");
    /// let Some(GeometryTask::Parse { text }) = refused.into_inner().into_task() else { unreachable!() };
    /// assert_eq!(text, "7");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_task(self) -> Option<S::Task> {
        match self.stage {
            CallState::Lazy(task) => Some(task),
            _ => None,
        }
    }

    /// Submits the call. If the executor waits for queue room
    /// ([`OnFull::Wait`](crate::executor::OnFull::Wait)), this blocks until there is room. If the
    /// call is refused, the handle returns the error.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let geometry = Geometry::tasks();
    /// let jobs: Vec<_> = (0..100).map(|n| geometry.add(n, n).submit()).collect();
    /// for (n, job) in (0..).zip(jobs) {
    ///     assert_eq!(job.wait()?, n + n);
    /// }
    /// # Ok::<(), CallError>(())
    /// ```
    #[inline(always)]
    #[cfg_attr(feature = "tokio", track_caller)]
    pub fn submit(self) -> Handle<S, T> {
        let Self { executor, extract, terms, stage } = self;
        let CallState::Lazy(task) = stage else { unreachable!("{ONCE}") };
        let CallOptions { submitted, priority, limit, token, rare } = terms;
        if limit.is_some() || token.is_some() || rare.is_some() {
            return submit_rare(executor, extract, &CallOptions { submitted, priority, limit, token, rare }, task);
        }
        let meta =
            Header::new(ParentCall { task: S::task_info(&task), submitted }, priority, None, thread_context::origin());
        let (job, handle) = new_job(executor, extract, meta, task, None);
        match executor.try_execute(job) {
            Ok(()) => handle,
            Err(refused) => block_for_admission(executor, refused, handle),
        }
    }

    /// Submits the call without waiting for queue room.
    ///
    /// A full executor may drop a call to make room
    /// ([`OnFull::DropOldest`](crate::executor::OnFull::DropOldest) and `DropNewest`), or run the
    /// call on the caller's own thread (`CallerRuns`). This method does not change that.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let pool = Pool::builder().max_queue(1).build()?;
    /// let geometry = Geometry::on(&pool);
    /// # pool.pause();
    /// let first = geometry.add(1, 2).try_submit().expect("there is room");
    /// let refused = geometry.add(4, 5).try_submit().expect_err("the queue is full");
    /// # pool.resume();
    /// assert_eq!(first.wait()?, 3);
    /// assert_eq!(refused.into_inner().wait()?, 9); // the same call, which now waits for room
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Gives the call back, whole, with the reason. [`into_task`](Self::into_task) of the call
    /// returns its arguments.
    #[allow(clippy::result_large_err)] // the call comes back whole, without an allocation
    pub fn try_submit(self) -> Result<Handle<S, T>, SubmitError<Self>> {
        let Self { executor, extract, terms, stage } = self;
        let CallState::Lazy(task) = stage else { unreachable!("{ONCE}") };
        let (job, handle) = prepare_job(executor, extract, &terms, task);
        let Err(refused) = dispatch(executor, &terms, job) else { return Ok(handle) };
        note_full(executor.host(), &refused);
        let (job, error) = refused.into_parts();
        match job.into_task() {
            Some(task) => Err(SubmitError::new(Self { executor, extract, terms, stage: CallState::Lazy(task) }, error)),
            // The call timed out during its submission. The handle returns the error.
            None => Ok(handle),
        }
    }

    /// Submits the call and returns its handle. The returned future waits for queue room without
    /// blocking.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// # pollster::block_on(async {
    /// let job = Geometry::tasks().add(4, 5).submit_async().await; // it is queued from here on
    /// assert_eq!(job.await?, 9);
    /// # Ok::<(), CallError>(()) }).unwrap();
    /// ```
    ///
    /// # Cancel safety
    ///
    /// If it is dropped before it is ready, the call is cancelled.
    pub fn submit_async(self) -> Submit<'a, S, E, T> {
        Submit { call: self }
    }

    /// Returns the executor that the call is made for.
    pub(crate) fn executor(&self) -> &'a E {
        self.executor
    }

    /// Separates the call from its executor. Returns `None` if it was polled before.
    pub(crate) fn unbind(self) -> Option<UnboundCall<S, T>> {
        let Self { extract, terms, stage, .. } = self;
        match stage {
            CallState::Lazy(task) => Some(UnboundCall { extract, terms, task }),
            _ => None,
        }
    }
}

/// A submission by a thread that then blocks for the call: see [`Executor::will_block`].
struct BlockingSubmission<'a, S: TaskSet, E: Executor<S> + ?Sized> {
    executor: &'a E,
    set: PhantomData<fn() -> S>,
}

impl<'a, S: TaskSet, E: Executor<S> + ?Sized> BlockingSubmission<'a, S, E> {
    #[inline(always)]
    fn begin(executor: &'a E) -> Self {
        executor.will_block(true);
        Self { executor, set: PhantomData }
    }
}

impl<S: TaskSet, E: Executor<S> + ?Sized> Drop for BlockingSubmission<'_, S, E> {
    #[inline(always)]
    fn drop(&mut self) {
        self.executor.will_block(false);
    }
}

impl<S: TaskSet, E: Executor<S> + ?Sized, T> Future for Call<'_, S, E, T> {
    type Output = Result<T, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let handle = ready!(self.poll_submitted(cx));
        let outcome = ready!(Pin::new(handle).poll(cx));
        self.stage = CallState::Done;
        Poll::Ready(outcome)
    }
}

impl<S: TaskSet, E: Executor<S> + ?Sized, T> Sealed for Call<'_, S, E, T> {}

impl<S: TaskSet, E: Executor<S> + ?Sized, T> Wait for Call<'_, S, E, T> {
    /// The call was submitted and goes on.
    type Pending = Handle<S, T>;

    /// Submits the call and blocks until it is over. For a wait within a task, see
    /// [`Handle::wait`].
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// assert_eq!(Geometry::tasks().add(4, 5).wait()?, 9);
    /// # Ok::<(), CallError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Every way in which a call can end without its task's output: see [`CallError`].
    #[inline(always)]
    fn wait(self) -> Result<T, CallError> {
        let executor = self.executor;
        if self.terms.rare.is_none() && thread_context::holds_permit() {
            return self.wait_within();
        }
        let handle = {
            let _announced = BlockingSubmission::begin(executor);
            self.submit()
        };
        handle.wait()
    }

    /// Submits the call and blocks until it is over, for at most `limit`. If the executor waits for
    /// queue room, the time counts from the moment when there was room.
    ///
    /// ```
    /// # use nanolith::{prelude::*, time::MILLISECOND};
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// # pool.pause();
    /// let job: Handle<_, _> = Geometry::on(&pool).add(4, 5).wait_timeout(MILLISECOND).expect_err("the pool is paused");
    /// # pool.resume();
    /// assert_eq!(job.wait()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the call's handle if the call is not over by then. The call continues.
    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Handle<S, T>> {
        self.submit().wait_timeout(limit)
    }
}

impl<'a, S: TaskSet, E: Executor<S> + ?Sized, V, X> Call<'a, S, E, Result<V, X>> {
    /// Combines both kinds of failure in one error:
    /// [`TaskError::Call`](crate::error::TaskError::Call) and
    /// [`TaskError::Task`](crate::error::TaskError::Task).
    ///
    /// ```
    /// # use nanolith::{TaskError, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// # pollster::block_on(async {
    /// let number = Geometry::tasks().parse("7".into()).flatten().await?;
    /// assert_eq!(number, 7);
    /// # Ok::<(), TaskError<std::num::ParseIntError>>(()) }).unwrap();
    /// ```
    pub fn flatten(self) -> Flatten<Self> {
        Flatten::new(self)
    }
}

impl<S: TaskSet, E: Executor<S> + ?Sized, T> fmt::Debug for Call<'_, S, E, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("task", &self.task())
            .field("priority", &self.terms.priority)
            .finish_non_exhaustive()
    }
}

/// A call without the executor that it was made for.
pub(crate) struct UnboundCall<S: TaskSet, T> {
    extract: fn(S::Output) -> Option<T>,
    terms: CallOptions<S>,
    task: S::Task,
}

impl<S: TaskSet, T> UnboundCall<S, T> {
    /// Returns the call, bound to `executor`.
    pub(crate) fn on<E: Executor<S> + ?Sized>(self, executor: &E) -> Call<'_, S, E, T> {
        let Self { extract, terms, task } = self;
        Call { executor, extract, terms, stage: CallState::Lazy(task) }
    }
}

const ONCE: &str = "a call is submitted once, since that takes it by value";
