//! [`Call::tell`] and its forms: they submit a call without an answer.

use super::{Call, CallState, ONCE, prepare::prepare_job, submit::dispatch};
use crate::{
    call::{backend::WouldDeadlock, slot::EndReason},
    context::{block_on, thread_context},
    error::SubmitError,
    executor::Executor,
    meta::priority::Priority,
    task::{Job, OneWayCall, TaskSet},
    trace,
    typed::Handle,
};
use std::{
    fmt,
    future::{Future, poll_fn},
    mem,
    pin::Pin,
    task::{Context, Poll},
};

impl<'a, S: TaskSet, E: Executor<S> + ?Sized, T> Call<'a, S, E, T> {
    /// Submits the call as a message: no handle waits for its outcome. If the executor waits for
    /// queue room ([`OnFull::Wait`](crate::executor::OnFull::Wait)), this blocks until there is
    /// room.
    ///
    /// The output of the task is dropped where the task ran. A panic of the task is reported as
    /// that of a call whose handle was [detached](Handle::detach). Messages and calls of one
    /// thread to one service run in the order in which they were submitted. A message to a service
    /// costs less than a call.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let counter = Counter::service(10).launch().wait()?;
    /// counter.bump(1).tell()?;
    /// counter.bump(2).tell()?;
    /// assert_eq!(counter.total().wait()?, 13);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Gives the task back if the executor refuses the call, for example after a close. The error
    /// is [`CallError::WouldDeadlock`](crate::error::CallError::WouldDeadlock) if the executor with
    /// the full queue waits for this task: see [`deadlock`](crate::deadlock). A call that ends
    /// while it waits for room, for example by its time limit, is no refusal.
    #[allow(clippy::result_large_err)] // the task comes back without an allocation
    #[inline(always)]
    #[cfg_attr(feature = "tokio", track_caller)]
    pub fn tell(self) -> Result<(), SubmitError<S::Task>> {
        match self.tell_without_slot() {
            Ok(()) => Ok(()),
            Err(call) => call.tell_or_wait(),
        }
    }

    /// Like [`tell`](Self::tell), without waiting for queue room.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let pool = Pool::builder().max_queue(1).build()?;
    /// let geometry = Geometry::on(&pool);
    /// # pool.pause();
    /// geometry.add(1, 2).try_tell()?;
    /// let refused = geometry.add(4, 5).try_tell().expect_err("the queue is full");
    /// # pool.resume();
    /// assert!(refused.is_full());
    /// assert!(matches!(refused.into_inner(), GeometryTask::Add { x: 4, y: 5 }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`tell`](Self::tell), and [`CallError::Full`](crate::error::CallError::Full) if the queue
    /// is full.
    #[allow(clippy::result_large_err)] // the task comes back without an allocation
    #[inline]
    pub fn try_tell(self) -> Result<(), SubmitError<S::Task>> {
        match self.tell_without_slot() {
            Ok(()) => {}
            Err(call) => match call.try_submit() {
                Ok(handle) => handle.detach(),
                Err(refused) => {
                    let (call, error) = refused.into_parts();
                    let CallState::Lazy(task) = call.stage else { unreachable!("{ONCE}") };
                    return Err(SubmitError::new(task, error));
                }
            },
        }
        Ok(())
    }

    /// Like [`tell`](Self::tell). The returned future waits for queue room without blocking.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let counter = Counter::service(10).launch().wait()?;
    /// # pollster::block_on(async {
    /// counter.bump(1).tell_async().await?;
    /// assert_eq!(counter.total().await?, 11);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`tell`](Self::tell).
    ///
    /// # Cancel safety
    ///
    /// If it is dropped before it is ready, the call is cancelled.
    pub fn tell_async(self) -> Tell<'a, S, E, T> {
        Tell { call: self }
    }

    /// Submits a plain call without a slot, if its executor takes such calls now. Gives the call
    /// back otherwise.
    #[allow(clippy::result_large_err)] // as in `tell`
    #[inline(always)]
    fn tell_without_slot(self) -> Result<(), Self> {
        let Self { executor, extract, terms, stage } = self;
        let CallState::Lazy(task) = stage else { unreachable!("{ONCE}") };
        let is_plain = !terms.are_any()
            && matches!(terms.priority, None | Some(Priority::Normal))
            && !trace::is_on()
            && thread_context::is_outside_tasks();
        let one_way = if is_plain { OneWayCall::new(task, terms.submitted) } else { Err(task) };
        let task = match one_way.map(|call| executor.try_tell(call)) {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(call)) => call.into_task(),
            Err(task) => task,
        };
        Err(Self { executor, extract, terms, stage: CallState::Lazy(task) })
    }

    /// Submits the call after a wait for room.
    #[allow(clippy::result_large_err)] // as in `tell`
    #[cold]
    #[cfg_attr(feature = "tokio", track_caller)]
    fn tell_or_wait(mut self) -> Result<(), SubmitError<S::Task>> {
        while self.executor.nap_for_tell() {
            match self.tell_without_slot() {
                Ok(()) => return Ok(()),
                Err(call) => self = call,
            }
        }
        self.tell_with_slot()
    }

    #[allow(clippy::result_large_err)] // as in `tell`
    #[cfg_attr(feature = "tokio", track_caller)]
    fn tell_with_slot(self) -> Result<(), SubmitError<S::Task>> {
        let Self { executor, extract, terms, stage } = self;
        let CallState::Lazy(task) = stage else { unreachable!("{ONCE}") };
        let (job, handle) = prepare_job(executor, extract, &terms, task);
        let refused = match dispatch(executor, &terms, job) {
            Ok(()) => return Ok(()),
            Err(refused) if refused.is_full() => match enter(executor, refused.into_inner(), &handle) {
                None => return Ok(()),
                Some(refused) => refused,
            },
            Err(refused) => refused,
        };
        refuse(refused)
    }
}

/// Blocks until the executor has room for the job. Returns the job if it is refused.
#[cfg_attr(feature = "tokio", track_caller)]
fn enter<S: TaskSet, E: Executor<S> + ?Sized, T>(
    executor: &E,
    job: Job<S>,
    handle: &Handle<S, T>,
) -> Option<SubmitError<Job<S>>> {
    let _blocked = match handle.begin_blocking_for_room(executor.host()) {
        Ok(blocked) => blocked,
        Err(cycle) => {
            let error = job.would_deadlock(cycle);
            return Some(SubmitError::new(job, error));
        }
    };
    let slot = job.slot().clone();
    let mut admission = executor.execute(job);
    let entering = poll_fn(|cx| match admission.as_mut().poll(cx) {
        Poll::Ready(entered) => Poll::Ready(entered.err()),
        Poll::Pending if handle.watch(cx) => Poll::Ready(None), // the call has ended
        Poll::Pending => Poll::Pending,
    });
    match block_on::block_on(entering, executor.host()) {
        Ok(refused) => refused,
        Err(WouldDeadlock) => {
            let error = slot.header.error(EndReason::WouldDeadlock);
            Some(SubmitError::new(Job::from_slot(slot), error))
        }
    }
}

/// Returns the task of the refused call. A call that has ended meanwhile is not refused.
#[allow(clippy::result_large_err)] // as in `Call::tell`
fn refuse<S: TaskSet>(refused: SubmitError<Job<S>>) -> Result<(), SubmitError<S::Task>> {
    let (job, error) = refused.into_parts();
    job.into_task().map_or(Ok(()), |task| Err(SubmitError::new(task, error)))
}

/// A future that submits a call without an answer and waits for queue room. [`Call::tell_async`]
/// creates it.
///
/// ```
/// use nanolith::{call::Tell, prelude::*};
/// # use nanolith_doc_sets::*;
/// let counter = Counter::service(10).launch().wait()?;
/// # pollster::block_on(async {
/// let entering: Tell<'_, _, _, _> = counter.bump(1).tell_async();
/// entering.await?;
/// assert_eq!(counter.total().await?, 11);
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// As [`Call::tell`].
///
/// # Panics
///
/// When polled after it was ready.
///
/// # Cancel safety
///
/// If it is dropped before it is ready, the call is cancelled.
#[must_use = "does nothing until awaited"]
pub struct Tell<'a, S: TaskSet, E: Executor<S> + ?Sized, T> {
    call: Call<'a, S, E, T>,
}

impl<S: TaskSet, E: Executor<S> + ?Sized, T> Tell<'_, S, E, T> {
    /// Submits the call, or begins to wait for room.
    #[allow(clippy::result_large_err)] // as in `Call::tell`
    fn start(&mut self) -> Result<(), SubmitError<S::Task>> {
        let Call { executor, extract, terms, stage } = &mut self.call;
        let terms = terms.take();
        let stage = mem::replace(stage, CallState::Done);
        let call = Call { executor: *executor, extract: *extract, terms, stage };
        let Err(Call { executor, extract, terms, stage }) = call.tell_without_slot() else { return Ok(()) };
        let CallState::Lazy(task) = stage else { unreachable!("{ONCE}") };
        let (job, handle) = prepare_job(executor, extract, &terms, task);
        match dispatch(executor, &terms, job) {
            Ok(()) => Ok(()),
            Err(refused) if refused.is_full() => {
                let admission = executor.execute(refused.into_inner());
                self.call.stage = CallState::Admitting(handle.cancel_on_drop(), admission);
                Ok(())
            }
            Err(refused) => refuse(refused),
        }
    }
}

impl<S: TaskSet, E: Executor<S> + ?Sized, T> Future for Tell<'_, S, E, T> {
    type Output = Result<(), SubmitError<S::Task>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &self.call.stage {
            CallState::Lazy(_) => self.start()?,
            CallState::Admitting(..) => {}
            _ => panic!("a message was polled after it was sent"),
        }
        let CallState::Admitting(handle, admission) = &mut self.call.stage else { return Poll::Ready(Ok(())) };
        let entered = match admission.as_mut().poll(cx) {
            Poll::Ready(entered) => entered,
            Poll::Pending if handle.watch(cx) => Ok(()), // the call has ended
            Poll::Pending => return Poll::Pending,
        };
        if let CallState::Admitting(handle, admission) = mem::replace(&mut self.call.stage, CallState::Done) {
            drop(admission);
            drop(handle.detach_on_drop());
        }
        Poll::Ready(entered.or_else(refuse))
    }
}

impl<S: TaskSet, E: Executor<S> + ?Sized, T> fmt::Debug for Tell<'_, S, E, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tell").field("call", &self.call).finish()
    }
}
