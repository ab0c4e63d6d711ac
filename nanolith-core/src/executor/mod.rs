//! The [`Executor`] trait: the interface between typed calls and the pools, services and layers
//! that run them.

pub(crate) mod admission;

#[doc(hidden)]
pub use admission::HeldRoom;
pub use admission::OnFull;

use crate::{
    call::backend::ExecutorId,
    error::SubmitError,
    task::{Job, OneWayCall, TaskSet, Work},
};
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// A future that waits for queue room. It ends when the job is accepted, or is refused and given
/// back.
///
/// ```
/// use nanolith::{
///     Executor, TaskSet, call::SubmitError, executor::{Admission, Job}, prelude::*,
/// };
/// # use nanolith_doc_sets::*;
/// /// A layer that adds nothing.
/// struct Plain<E>(E);
/// impl<S: TaskSet, E: Executor<S>> Executor<S> for Plain<E> {
///     fn try_execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
///         self.0.try_execute(job)
///     }
///     fn execute(&self, job: Job<S>) -> Admission<'_, S> {
///         self.0.execute(job)
///     }
/// }
/// # let pool = Pool::builder().build()?;
/// assert_eq!(Geometry::calls(Plain(pool)).add(4, 5).wait()?, 9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type Admission<'a, S> = Pin<Box<dyn Future<Output = Result<(), SubmitError<Job<S>>>> + Send + 'a>>;

/// A type that runs the tasks of `S`: a pool, a service, or a layer around another executor.
///
/// An executor takes a [`Job`] whole or gives it back whole. The trait is dyn-compatible: `Arc<dyn
/// Executor<S>>` is an executor too.
///
/// ```
/// use nanolith::{Executor, TaskSet, call::SubmitError, executor::Job, prelude::*};
/// use std::sync::atomic::{AtomicU64, Ordering};
/// # use nanolith_doc_sets::*;
/// /// Counts the calls that pass.
/// struct Counted<E>(E, AtomicU64);
/// impl<S: TaskSet, E: Executor<S>> Executor<S> for Counted<E> {
///     fn try_execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
///         self.1.fetch_add(1, Ordering::Relaxed);
///         self.0.try_execute(job)
///     }
/// }
/// let counted = std::sync::Arc::new(Counted(Pool::builder().build()?, AtomicU64::new(0)));
/// assert_eq!(Geometry::calls(counted.clone()).add(4, 5).wait()?, 9);
/// assert_eq!(counted.1.load(Ordering::Relaxed), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not run the tasks of `{S}`",
    label = "not an executor for `{S}`",
    note = "pools, services and `Arc<dyn Executor<{S}>>` are executors"
)]
pub trait Executor<S: TaskSet>: Send + Sync {
    /// Takes the job, without waiting.
    ///
    /// ```
    /// use nanolith::{Executor, executor::Job, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// # let (sender, outcomes) = std::sync::mpsc::channel();
    /// let pool = Pool::builder().build()?;
    /// let task = GeometryTask::Add { x: 4, y: 5 };
    /// pool.try_execute(Job::<Geometry>::new(task, move |outcome| drop(sender.send(outcome))))?;
    /// assert!(matches!(outcomes.recv()?, Ok(GeometryOutput::Add(9))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Gives the job back when the queue is full ([`SubmitError::is_full`]), or when the job can
    /// never run here.
    fn try_execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>>;

    /// Takes the job once there is room for it. An executor that does not wait for room refuses the
    /// job at once. This is the default implementation.
    ///
    /// ```
    /// use nanolith::{Executor, executor::Job, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// # let (sender, outcomes) = std::sync::mpsc::channel();
    /// let pool = Pool::builder().build()?;
    /// let task = GeometryTask::Add { x: 4, y: 5 };
    /// let job = Job::<Geometry>::new(task, move |outcome| drop(sender.send(outcome)));
    /// # pollster::block_on(async {
    /// pool.execute(job).await?;
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// assert!(matches!(outcomes.recv()?, Ok(GeometryOutput::Add(9))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Gives the job back when it can never run here, for example after a close.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the job is dropped with it, and its call ends as lost.
    fn execute(&self, job: Job<S>) -> Admission<'_, S> {
        Box::pin(std::future::ready(self.try_execute(job)))
    }

    /// Waits until the executor has room for a call, before the call is made. An executor that does
    /// not know is always ready. This is the default implementation.
    #[doc(hidden)]
    fn poll_room(&self, room: &mut HeldRoom, cx: &mut Context<'_>) -> Poll<()> {
        let (_, _) = (room, cx);
        Poll::Ready(())
    }

    /// Like [`try_execute`](Self::try_execute), into the room that [`poll_room`](Self::poll_room)
    /// has found.
    #[doc(hidden)]
    fn execute_in(&self, job: Job<S>, room: &mut HeldRoom) -> Result<(), SubmitError<Job<S>>> {
        drop(std::mem::take(room));
        self.try_execute(job)
    }

    /// Returns whether the executor takes calls at all. A closed executor does not. An executor
    /// that is full or paused does. The default is `true`. A layer returns the value of its inner
    /// executor.
    ///
    /// A [schedule](crate::schedule) whose run was refused as
    /// [`Closed`](crate::error::CallError::Closed) ends if this is `false`.
    ///
    /// ```
    /// use nanolith::{Executor, prelude::*, service::ServiceRef};
    /// # use nanolith_doc_sets::*;
    /// let geometry = Geometry::service().launch().wait()?;
    /// let executor = ServiceRef::from(&geometry);
    /// assert!(executor.accepts_calls());
    /// geometry.close().wait()?;
    /// assert!(!executor.accepts_calls());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn accepts_calls(&self) -> bool {
        true
    }

    /// Returns the id of the executor that holds the calls, if it runs them in this process.
    #[doc(hidden)]
    fn host(&self) -> Option<ExecutorId> {
        None
    }

    /// Returns whether taking a job may run user code. If so, the timer thread passes the job to
    /// another thread.
    #[doc(hidden)]
    fn takes_by_user_code(&self) -> bool {
        true
    }

    /// Returns the part of the state that each call carries.
    #[doc(hidden)]
    fn shared(&self) -> Option<S::Shared> {
        None
    }

    /// Tells the executor that this thread submits one call now and then blocks for it, or that the
    /// submission is over.
    #[doc(hidden)]
    fn will_block(&self, is_submitting: bool) {
        let _ = is_submitting;
    }

    /// Takes a call without an answer that has no slot yet, if the executor has room for such a
    /// call now. Gives the call back otherwise, which is the default.
    #[doc(hidden)]
    fn try_tell(&self, call: OneWayCall<S>) -> Result<(), OneWayCall<S>> {
        Err(call)
    }

    /// Sleeps for a short time until [`try_tell`](Self::try_tell) may take a call, if that is to be
    /// expected. Returns whether to try again.
    #[doc(hidden)]
    fn nap_for_tell(&self) -> bool {
        false
    }

    /// Returns the executor that can run many tasks of `S` as one call, if that is equivalent to
    /// running each of them: a pool.
    #[doc(hidden)]
    fn crew(&self) -> Option<&dyn Crew> {
        None
    }
}

/// An executor that runs bulk work.
#[doc(hidden)]
#[allow(missing_docs)] // hidden: what an executor gives to `bulk`
pub trait Crew: Executor<Work> {
    /// Returns the number of threads that work at the same time.
    fn threads(&self) -> usize;

    fn to_owned(&self) -> Arc<dyn Crew>;
}

macro_rules! forward {
    ($pointer:ty) => {
        impl<S: TaskSet, E: Executor<S> + ?Sized> Executor<S> for $pointer {
            fn try_execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
                (**self).try_execute(job)
            }

            fn execute(&self, job: Job<S>) -> Admission<'_, S> {
                (**self).execute(job)
            }

            fn poll_room(&self, room: &mut HeldRoom, cx: &mut Context<'_>) -> Poll<()> {
                (**self).poll_room(room, cx)
            }

            fn execute_in(&self, job: Job<S>, room: &mut HeldRoom) -> Result<(), SubmitError<Job<S>>> {
                (**self).execute_in(job, room)
            }

            fn accepts_calls(&self) -> bool {
                (**self).accepts_calls()
            }

            fn host(&self) -> Option<ExecutorId> {
                (**self).host()
            }

            fn takes_by_user_code(&self) -> bool {
                (**self).takes_by_user_code()
            }

            fn shared(&self) -> Option<S::Shared> {
                (**self).shared()
            }

            fn will_block(&self, is_submitting: bool) {
                (**self).will_block(is_submitting);
            }

            #[inline(always)]
            fn try_tell(&self, call: OneWayCall<S>) -> Result<(), OneWayCall<S>> {
                (**self).try_tell(call)
            }

            fn nap_for_tell(&self) -> bool {
                (**self).nap_for_tell()
            }

            fn crew(&self) -> Option<&dyn Crew> {
                (**self).crew()
            }
        }
    };
}

forward!(Arc<E>);
forward!(Box<E>);
forward!(&E);

/// An executor that shares the state of `S` with its tasks: a service, or a pool under
/// `#[define(shared)]`. A method that takes `&self` requires it.
///
/// ```
/// use nanolith::{executor::SharesState, prelude::*};
/// # use nanolith_doc_sets::*;
/// fn total(calls: &CounterCalls<impl SharesState<Counter>>) -> Result<i64, CallError> {
///     calls.total().wait()
/// }
/// let counter = Counter::service(10).launch().wait()?;
/// assert_eq!(total(counter.calls())?, 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A layer forwards the trait: `impl<E: SharesState<Counter>> SharesState<Counter> for Layer<E>
/// {}`.
#[diagnostic::on_unimplemented(
    message = "`{S}`'s method uses its state, and `{Self}` has none",
    label = "this method takes `&self`",
    note = "launch a service with `{S}::service(..)`, or share the state on a pool with `#[define(shared)]` and `{S}::shared(state).on(&pool)`"
)]
pub trait SharesState<S: TaskSet>: Executor<S> {}

/// An executor that owns the state of `S`: a service. A method that takes `&mut self` requires it.
///
/// ```
/// use nanolith::{executor::OwnsState, prelude::*};
/// # use nanolith_doc_sets::*;
/// fn bump_twice(calls: &CounterCalls<impl OwnsState<Counter>>) -> Result<i64, CallError> {
///     calls.bump(1).wait()?;
///     calls.bump(1).wait()
/// }
/// let counter = Counter::service(10).launch().wait()?;
/// assert_eq!(bump_twice(counter.calls())?, 12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "a method of `{S}` that takes `&mut self` needs a service of `{S}`; `{Self}` is not one",
    label = "this method takes `&mut self`",
    note = "launch a service with `{S}::service(..)` and call the method on it"
)]
pub trait OwnsState<S: TaskSet>: SharesState<S> {}

/// An executor that keeps a task's future on one thread: a service. A `#[task(local)]` method
/// requires it.
///
/// ```
/// use nanolith::{executor::RunsLocal, prelude::*, time::MILLISECOND};
/// use std::rc::Rc;
/// # pub struct Geometry;
/// #[define]
/// impl Geometry {
///     #[task(local)]
///     pub async fn wait_then_add(x: i64, y: i64) -> i64 {
///         let sum = Rc::new(x + y); // not `Send`, and held across an await
///         nanolith::time::sleep(MILLISECOND).await;
///         *sum
///     }
/// }
/// fn nine(calls: &GeometryCalls<impl RunsLocal<Geometry>>) -> Result<i64, CallError> {
///     calls.wait_then_add(4, 5).wait()
/// }
/// assert_eq!(nine(Geometry::service().launch().wait()?.calls())?, 9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{S}`'s method stays on one thread: only a service runs it",
    label = "this method is `#[task(local)]`",
    note = "launch a service with `{S}::service(..)` and call the method on it"
)]
pub trait RunsLocal<S: TaskSet>: Executor<S> {}

#[diagnostic::do_not_recommend]
impl<S: TaskSet, E: SharesState<S> + ?Sized> SharesState<S> for Arc<E> {}
#[diagnostic::do_not_recommend]
impl<S: TaskSet, E: OwnsState<S> + ?Sized> OwnsState<S> for Arc<E> {}
#[diagnostic::do_not_recommend]
impl<S: TaskSet, E: RunsLocal<S> + ?Sized> RunsLocal<S> for Arc<E> {}
