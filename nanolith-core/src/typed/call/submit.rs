//! The public methods that submit a [`Call`]: they make a job of it, which is the form that
//! executors take, and give the job to the executor at once, or after a wait for room in its queue.

use super::{
    Call, CallState, ONCE,
    call_options::{CallOptions, RareOptions},
    prepare::prepare_job,
};
use crate::{
    call::{
        backend::{ExecutorId, WouldDeadlock},
        slot::EndReason,
    },
    context::{Wait, block_on},
    error::{CallError, SubmitError},
    executor::{Admission, Executor},
    metrics,
    task::{Job, TaskSet},
    trace,
    typed::Handle,
};
use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A future that submits a call and waits for queue room. [`Call::submit_async`] creates it.
///
/// ```
/// use nanolith::{call::Submit, prelude::*};
/// # use nanolith_doc_sets::*;
/// # pollster::block_on(async {
/// let geometry = Geometry::tasks();
/// let entering: Submit<'_, _, _, i64> = geometry.add(4, 5).submit_async();
/// assert_eq!(entering.await.await?, 9); // room first, then the outcome
/// # Ok::<(), CallError>(()) }).unwrap();
/// ```
///
/// # Cancel safety
///
/// If it is dropped before it is ready, the call is cancelled.
#[must_use = "does nothing until awaited"]
pub struct Submit<'a, S: TaskSet, E: Executor<S> + ?Sized, T> {
    pub(super) call: Call<'a, S, E, T>,
}

impl<S: TaskSet, E: Executor<S> + ?Sized, T> Future for Submit<'_, S, E, T> {
    type Output = Handle<S, T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Handle<S, T>> {
        self.call.poll_submit(cx)
    }
}

impl<S: TaskSet, E: Executor<S> + ?Sized, T> fmt::Debug for Submit<'_, S, E, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submit").field("call", &self.call).finish()
    }
}

/// The result of offering a job to an executor.
#[cfg(feature = "tower")]
type Offered<S> = Result<(), SubmitError<Job<S>>>;

impl<S: TaskSet, E: Executor<S> + ?Sized, T> Call<'_, S, E, T> {
    /// Begins the call, if that has not happened yet. Returns whether the executor has the call.
    /// Otherwise `cx` is woken when there is room.
    pub(crate) fn begin(&mut self, cx: &mut Context<'_>) -> bool {
        self.poll_submitted(cx).is_ready()
    }

    /// Begins the call, if that has not happened yet and the queue has room. Returns whether the
    /// executor has the call.
    pub(crate) fn try_begin(&mut self) -> bool {
        let task = match mem::replace(&mut self.stage, CallState::Done) {
            CallState::Lazy(task) => task,
            stage => {
                self.stage = stage;
                return matches!(self.stage, CallState::Submitted(_));
            }
        };
        let (job, handle) = prepare_job(self.executor, self.extract, &self.terms, task);
        match self.executor.try_execute(job) {
            Ok(()) => {}
            Err(refused) if refused.is_full() => {
                if let Some(task) = refused.into_inner().into_task() {
                    self.stage = CallState::Lazy(task);
                    return false;
                }
            }
            Err(refused) => fail_job(refused),
        }
        self.stage = CallState::Submitted(handle.cancel_on_drop());
        true
    }

    /// Submits the call, into the room that its executor keeps for it in `room`. Returns the result
    /// of the submission beside the handle.
    #[cfg(feature = "tower")]
    pub(crate) fn submit_in(self, room: &mut crate::executor::HeldRoom) -> (Handle<S, T>, Offered<S>) {
        let Self { executor, extract, terms, stage } = self;
        let CallState::Lazy(task) = stage else { unreachable!("{ONCE}") };
        let (job, handle) = prepare_job(executor, extract, &terms, task);
        let submitted = match &terms.rare {
            // A call for later takes no room now, and a call that is over takes none.
            rare if job.is_over() || rare.as_ref().is_some_and(|rare| rare.later.is_some()) => {
                drop(mem::take(room));
                dispatch(executor, &terms, job)
            }
            _ => executor.execute_in(job, room),
        };
        (handle, submitted)
    }

    /// Blocks until the call is over.
    #[cfg_attr(feature = "tokio", track_caller)]
    pub(crate) fn finish(mut self) -> Result<T, CallError> {
        if let CallState::Lazy(_) = self.stage {
            return self.wait();
        }
        let executor = self.executor;
        if let CallState::Admitting(handle, _) = &self.stage {
            let blocked = handle.begin_blocking_for_room(executor.host());
            let _blocked = match blocked {
                Ok(blocked) => blocked,
                Err(cycle) => {
                    handle.end_in_cycle(cycle);
                    None
                }
            };
            let submitted = std::future::poll_fn(|cx| self.poll_submitted(cx).map(drop));
            let waited = block_on::block_on(submitted, executor.host());
            if let (Err(WouldDeadlock), CallState::Admitting(handle, _)) = (waited, &self.stage) {
                handle.end(EndReason::WouldDeadlock);
            }
        }
        match mem::replace(&mut self.stage, CallState::Done) {
            CallState::Admitting(handle, _) | CallState::Submitted(handle) => handle.wait(),
            _ => panic!("a call was waited for after it was over"),
        }
    }

    /// Submits the call, or begins to wait for queue room.
    fn start(&mut self) {
        let CallState::Lazy(task) = mem::replace(&mut self.stage, CallState::Done) else { unreachable!("{ONCE}") };
        let (job, handle) = prepare_job(self.executor, self.extract, &self.terms, task);
        let handle = handle.cancel_on_drop();
        self.stage = match dispatch(self.executor, &self.terms, job) {
            Ok(()) => CallState::Submitted(handle),
            Err(refused) if refused.is_full() => {
                CallState::Admitting(handle, self.executor.execute(refused.into_inner()))
            }
            Err(refused) => {
                fail_job(refused);
                CallState::Submitted(handle)
            }
        };
    }

    /// Polls the call until its executor has it.
    pub(super) fn poll_submitted(&mut self, cx: &mut Context<'_>) -> Poll<&mut Handle<S, T>> {
        if let CallState::Lazy(_) = self.stage {
            self.start();
        }
        if let CallState::Admitting(handle, admission) = &mut self.stage {
            ready!(Pin::new(&mut Admitting { admission, handle }).poll(cx));
            if let CallState::Admitting(handle, admission) = mem::replace(&mut self.stage, CallState::Done) {
                drop(admission);
                self.stage = CallState::Submitted(handle);
            }
        }
        match &mut self.stage {
            CallState::Submitted(handle) => Poll::Ready(handle),
            _ => panic!("a call was polled after it was ready"),
        }
    }
}

impl<S: TaskSet, E: Executor<S> + ?Sized, T> Call<'_, S, E, T> {
    /// Polls the call until its executor has it, and returns the handle, once.
    pub(crate) fn poll_submit(&mut self, cx: &mut Context<'_>) -> Poll<Handle<S, T>> {
        ready!(self.poll_submitted(cx));
        match mem::replace(&mut self.stage, CallState::Done) {
            CallState::Submitted(handle) => Poll::Ready(handle.detach_on_drop()),
            _ => unreachable!("it was just seen to be submitted"),
        }
    }
}

/// A wait for queue room that also ends when the call ends, for example by its timeout.
struct Admitting<'a, 'b, S: TaskSet, T> {
    admission: &'a mut Admission<'b, S>,
    handle: &'a mut Handle<S, T>,
}

impl<S: TaskSet, T> Future for Admitting<'_, '_, S, T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.admission.as_mut().poll(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(()),
            Poll::Ready(Err(refused)) => {
                fail_job(refused);
                Poll::Ready(())
            }
            Poll::Pending if self.handle.watch(cx) => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        }
    }
}

#[cold]
#[cfg_attr(feature = "tokio", track_caller)]
pub(super) fn submit_rare<S: TaskSet, E: Executor<S> + ?Sized, T>(
    executor: &E,
    extract: fn(S::Output) -> Option<T>,
    terms: &CallOptions<S>,
    task: S::Task,
) -> Handle<S, T> {
    let (job, handle) = prepare_job(executor, extract, terms, task);
    match dispatch(executor, terms, job) {
        Ok(()) => handle,
        Err(refused) => block_for_admission(executor, refused, handle),
    }
}

/// Blocks until the executor has room, if it refused the job because it is full. Otherwise ends the
/// call with the refusal.
#[cold]
#[cfg_attr(feature = "tokio", track_caller)]
pub(super) fn block_for_admission<S: TaskSet, E: Executor<S> + ?Sized, T>(
    executor: &E,
    refused: SubmitError<Job<S>>,
    mut handle: Handle<S, T>,
) -> Handle<S, T> {
    if refused.is_full() {
        let _blocked = match handle.begin_blocking_for_room(executor.host()) {
            Ok(blocked) => blocked,
            Err(cycle) => {
                handle.end_in_cycle(cycle);
                return handle;
            }
        };
        let mut admission = executor.execute(refused.into_inner());
        let entering = Admitting { admission: &mut admission, handle: &mut handle };
        if let Err(WouldDeadlock) = block_on::block_on(entering, executor.host()) {
            // The call is over here. So it has no effect that the drop of the admission drops the
            // job.
            handle.end(EndReason::WouldDeadlock);
        }
    } else {
        fail_job(refused);
    }
    handle
}

/// Reports that a call was refused because the queue is full, to a submitter that does not wait.
#[cold]
pub(in crate::typed) fn note_full<T>(host: Option<ExecutorId>, refused: &SubmitError<T>) {
    if !refused.is_full() || !trace::is_on() && !metrics::is_any_on() {
        return;
    }
    if let Some(host) = host.and_then(ExecutorId::get) {
        let error = refused.error();
        host.count_failure(error.trace().task(), error.outcome(), false);
        trace::refused(Some(&host.thread_kind()), error);
    }
}

/// Ends the call of a refused job with the reason of the refusal. Its handle returns that error.
pub(crate) fn fail_job<S: TaskSet>(refused: SubmitError<Job<S>>) {
    let (job, error) = refused.into_parts();
    job.answer(Err(error));
}

/// Passes the job to its executor, now or later.
#[inline(always)]
pub(super) fn dispatch<S: TaskSet, E: Executor<S> + ?Sized>(
    executor: &E,
    terms: &CallOptions<S>,
    job: Job<S>,
) -> Result<(), SubmitError<Job<S>>> {
    match &terms.rare {
        Some(rare) => dispatch_delayed(executor, rare, job),
        // Its limit is zero, or its token was cancelled. Its handle returns the error.
        None if terms.are_any() && job.is_over() => Ok(()),
        None => executor.try_execute(job),
    }
}

#[cold]
fn dispatch_delayed<S: TaskSet, E: Executor<S> + ?Sized>(
    executor: &E,
    rare: &RareOptions<S>,
    job: Job<S>,
) -> Result<(), SubmitError<Job<S>>> {
    match &rare.later {
        // The call ended before its executor had it, for example by a token. Its handle returns the
        // error.
        _ if job.is_over() => Ok(()),
        Some(later) => later.keep(job),
        None => executor.try_execute(job),
    }
}
