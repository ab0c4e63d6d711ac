//! [`SendFuture`]: sends a message to a service. A message is a call without a handle in the
//! service's queue.

use crate::{
    call::{
        call_ref::{CallRef, Uninit},
        header::Header,
    },
    channel::stream::StreamReader,
    context::{
        block_on, thread_context,
        wait::{self, Sealed, Wait},
    },
    deadlock::{self, BlockedWait, WaitCycle},
    error::{ParentCall, SubmitError},
    executor::{Admission, Executor},
    task::{CallSlot, HasInbox, Job, TakesStreams, TaskSet},
    trace::{self, SpanParent},
    typed::note_full,
};
use std::{
    fmt,
    future::Future,
    mem,
    panic::Location,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// A future that sends a message. [`Service::send`](crate::service::Service::send) creates it. It
/// is ready when the message is in the queue, which is before the message is handled.
///
/// ```
/// use nanolith::prelude::*;
/// # pub struct Counter { total: i64 }
/// # #[define]
/// # impl Counter {
/// #     #[on_message]
/// #     fn on_message(&mut self, by: i64) { self.total += by }
/// #     pub fn total(&self) -> i64 { self.total }
/// # }
/// let counter = Counter::service(Counter { total: 10 }).launch().wait()?;
/// # pollster::block_on(async {
/// counter.send(5).await?;
/// assert_eq!(counter.total().await?, 15);
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`SubmitError`] gives the message back: the service is closed, or it is full and does not wait
/// for room.
///
/// # Panics
///
/// As a future, when polled after it was ready.
///
/// # Cancel safety
///
/// If it is dropped before it is ready, the message is dropped too, and is not handled.
#[must_use = "a message is sent when this is awaited or waited on"]
pub struct SendFuture<'a, S: TaskSet, E: Executor<S> + ?Sized, M> {
    executor: &'a E,
    post: MessageTask<S, M>,
    submitted: &'static Location<'static>,
    stage: SendState<'a, S, M>,
}

/// The functions that put a message into the task that handles it, and take it out again.
pub(crate) struct MessageTask<S: TaskSet, M> {
    pub(crate) put: fn(M) -> S::Task,
    pub(crate) take: fn(S::Task) -> Option<M>,
}

impl<S: HasInbox> MessageTask<S, S::Message> {
    pub(crate) fn message() -> Self {
        Self { put: S::TASK, take: S::MESSAGE }
    }
}

impl<S: TakesStreams> MessageTask<S, StreamReader<S::Metadata>> {
    pub(crate) fn stream() -> Self {
        Self { put: S::TASK, take: S::STREAM }
    }
}

enum SendState<'a, S: TaskSet, M> {
    Lazy(M),
    /// The message waits for queue room, in the job of this slot.
    Admitting(Admission<'a, S>, CallRef<CallSlot<S>>),
    Done,
}

impl<S: TaskSet, E: Executor<S> + ?Sized, M> Unpin for SendFuture<'_, S, E, M> {}

impl<'a, S: TaskSet, E: Executor<S> + ?Sized, M> SendFuture<'a, S, E, M> {
    #[track_caller]
    pub(crate) fn new(executor: &'a E, post: MessageTask<S, M>, message: M) -> Self {
        Self { executor, post, submitted: Location::caller(), stage: SendState::Lazy(message) }
    }

    /// Creates a future that sends a message by an executor of another crate.
    #[doc(hidden)]
    #[track_caller]
    pub fn by_executor(executor: &'a E, message: M) -> Self
    where
        S: HasInbox<Message = M>,
    {
        Self::new(executor, MessageTask::message(), message)
    }

    /// Takes the message back. Returns `None` if it was sent.
    ///
    /// ```
    /// # use nanolith::{prelude::*, time::MILLISECOND};
    /// # pub struct Counter { total: i64 }
    /// # #[define]
    /// # impl Counter {
    /// #     #[on_message]
    /// #     fn on_message(&mut self, by: i64) { self.total += by }
    /// #     pub fn hold(&mut self, until: std::sync::mpsc::Receiver<()>) -> i64 { let _ = until.recv(); self.total }
    /// #     pub fn total(&self) -> i64 { self.total }
    /// # }
    /// let counter = Counter::service(Counter { total: 10 }).max_queue(1).launch().wait()?;
    /// # let (release, held) = std::sync::mpsc::channel();
    /// # let holding = counter.hold(held).submit();
    /// # let queued = counter.total().submit();
    /// let pending = counter.send(5).wait_timeout(MILLISECOND).expect_err("the queue is full");
    /// assert_eq!(pending.into_inner(), Some(5));
    /// # release.send(())?;
    /// # holding.wait()?;
    /// assert_eq!(counter.total().wait()?, 10);
    /// # queued.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_inner(mut self) -> Option<M> {
        self.take_back()
    }

    fn take_back(&mut self) -> Option<M> {
        match mem::replace(&mut self.stage, SendState::Done) {
            SendState::Lazy(message) => Some(message),
            SendState::Admitting(admission, slot) => {
                let task = CallSlot::take_back(&slot);
                drop(admission); // its job has no task any more
                task.and_then(self.post.take)
            }
            SendState::Done => None,
        }
    }

    fn admit(&mut self, job: Job<S>) {
        let slot = job.slot().clone();
        self.stage = SendState::Admitting(self.executor.execute(job), slot);
    }

    /// Tries to send the message once more, because a wait for queue room would close a cycle. Room
    /// may have become free before the cycle closed. After that the receiver blocks, so its queue
    /// does not change.
    fn send_in_cycle(&self, job: Job<S>, cycle: WaitCycle) -> Result<(), SubmitError<M>> {
        self.executor.try_execute(job).map_err(|refused| {
            if !refused.is_full() {
                return self.restore_message(refused);
            }
            let job = refused.into_inner();
            let error = job.would_deadlock(cycle);
            self.restore_message(SubmitError::new(job, error))
        })
    }

    /// Sends the message without waiting for queue room.
    ///
    /// # Errors
    ///
    /// [`SubmitError`] gives the message back.
    #[doc(hidden)]
    pub fn try_send(mut self) -> Result<(), SubmitError<M>> {
        self.submit().map_err(|refused| {
            note_full(self.executor.host(), &refused);
            self.restore_message(refused)
        })
    }

    /// Returns the message of a refused job, with the reason.
    fn restore_message(&self, refused: SubmitError<Job<S>>) -> SubmitError<M> {
        let (job, error) = refused.into_parts();
        let message = job.into_task().and_then(self.post.take);
        SubmitError::new(message.expect("no other owner has the job, so it has not ended"), error)
    }

    fn submit(&mut self) -> Result<(), SubmitError<Job<S>>> {
        let SendState::Lazy(message) = mem::replace(&mut self.stage, SendState::Done) else {
            panic!("a message was polled after it was sent")
        };
        let task = (self.post.put)(message);
        let caller = ParentCall { task: S::task_info(&task), submitted: self.submitted };
        let meta = Header::new(caller, None, None, thread_context::origin());
        let job = Job::detached(Uninit::new(), task, self.executor.shared(), meta);
        if trace::is_on() {
            job.open_span(SpanParent::Linked);
        }
        self.executor.try_execute(job)
    }

    fn start(&mut self) -> Poll<Result<(), SubmitError<M>>> {
        match self.submit() {
            Err(refused) if refused.is_full() => {
                self.admit(refused.into_inner());
                Poll::Pending
            }
            sent => Poll::Ready(sent.map_err(|refused| self.restore_message(refused))),
        }
    }
}

impl<S: TaskSet, E: Executor<S> + ?Sized, M> Future for SendFuture<'_, S, E, M> {
    type Output = Result<(), SubmitError<M>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if !matches!(self.stage, SendState::Admitting(..)) {
            if let Poll::Ready(sent) = self.start() {
                return Poll::Ready(sent);
            }
        }
        let SendState::Admitting(admission, _) = &mut self.stage else { unreachable!("it was just seen to enter") };
        let Poll::Ready(sent) = admission.as_mut().poll(cx) else {
            deadlock::pending_elsewhere(); // a message has no handle, so its end would not be noticed
            return Poll::Pending;
        };
        self.stage = SendState::Done;
        Poll::Ready(sent.map_err(|refused| self.restore_message(refused)))
    }
}

impl<S: TaskSet, E: Executor<S> + ?Sized, M> Sealed for SendFuture<'_, S, E, M> {}

impl<S: TaskSet, E: Executor<S> + ?Sized, M> Wait for SendFuture<'_, S, E, M> {
    type Pending = Self;

    /// Blocks until the message is in the queue.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # pub struct Counter { total: i64 }
    /// # #[define]
    /// # impl Counter {
    /// #     #[on_message]
    /// #     fn on_message(&mut self, by: i64) { self.total += by }
    /// #     pub fn total(&self) -> i64 { self.total }
    /// # }
    /// let counter = Counter::service(Counter { total: 10 }).launch().wait()?;
    /// counter.send(5).wait()?;
    /// counter.close().wait()?; // it is heard before the end
    /// assert_eq!(counter.send(7).wait().map_err(|refused| refused.into_inner()), Err(7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SubmitError`] gives the message back. Its error is
    /// [`CallError::WouldDeadlock`](crate::error::CallError::WouldDeadlock) if the service with the
    /// full queue waits for this task: see [`deadlock`](crate::deadlock).
    fn wait(mut self) -> Result<(), SubmitError<M>> {
        if matches!(self.stage, SendState::Admitting(..)) {
            // The wait begins anew, so that a cycle of waits is found.
            match self.take_back() {
                Some(message) => self.stage = SendState::Lazy(message),
                None => return Ok(()),
            }
        }
        let refused = match self.submit() {
            Err(refused) if refused.is_full() => refused,
            sent => return sent.map_err(|refused| self.restore_message(refused)),
        };
        let call = || refused.value().slot().clone().erase();
        match BlockedWait::begin_for_room(self.executor.host(), true, call) {
            Ok(_blocked) => {
                self.admit(refused.into_inner());
                block_on::block_on_any(self)
            }
            Err(cycle) => self.send_in_cycle(refused.into_inner(), cycle),
        }
    }

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        wait::timeout(self, limit)
    }
}

impl<S: TaskSet, E: Executor<S> + ?Sized, M> fmt::Debug for SendFuture<'_, S, E, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendFuture").finish_non_exhaustive()
    }
}
