//! A handle on a call that was submitted.

use crate::{
    call::{Progress, slot::End},
    error::CallError,
    executor::HostRef,
    host::{self, HostId, Runnable, Verdict, WouldDeadlock},
    id::TaskInfo,
    place,
    task::{CallSlot, TaskSet},
    typed::Flatten,
    wait,
};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

/// A submitted call: awaited, waited on, polled or cancelled.
///
/// It borrows nothing. Dropping it detaches the call, which goes on; [`Handle::cancel_on_drop`] says otherwise.
///
/// ```ignore
/// let job = geometry.add(4, 5).submit();
/// assert_eq!(job.wait()?, 9);
/// ```
///
/// # Cancel safety
///
/// As a future it may be polled by reference, dropped and polled again, until it is ready.
#[must_use = "say `.detach()` if the call is to go on without its handle, or `.cancel_on_drop()`"]
pub struct Handle<S: TaskSet, T> {
    slot: Arc<CallSlot<S>>,
    host: Option<HostRef>,
    extract: fn(S::Output) -> Option<T>,
    /// What dropping the handle does.
    on_drop: OnDrop,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OnDrop {
    Detach,
    Cancel,
    /// The outcome was taken.
    Nothing,
}

impl<S: TaskSet, T> Handle<S, T> {
    pub(crate) fn new(slot: Arc<CallSlot<S>>, host: Option<HostRef>, extract: fn(S::Output) -> Option<T>) -> Self {
        Self { slot, host, extract, on_drop: OnDrop::Detach }
    }

    /// Blocks until the call is over. Within a task, the task's slot is lent to others meanwhile, and a call that is
    /// still queued on the same pool is run right here.
    ///
    /// # Errors
    ///
    /// Every way in which a call can end without its task's output: see [`CallError`].
    pub fn wait(mut self) -> Result<T, CallError> {
        match self.block_until(None) {
            Some(outcome) => outcome,
            None => unreachable!("there is no limit"),
        }
    }

    /// The same with a limit.
    ///
    /// # Errors
    ///
    /// Gives the handle back if the call is not over by then; it goes on.
    pub fn wait_timeout(self, limit: Duration) -> Result<Result<T, CallError>, Self> {
        match Instant::now().checked_add(limit) {
            Some(deadline) => self.wait_deadline(deadline),
            None => Ok(self.wait()),
        }
    }

    /// The same until a moment.
    ///
    /// # Errors
    ///
    /// Gives the handle back if the call is not over by then; it goes on.
    pub fn wait_deadline(mut self, deadline: Instant) -> Result<Result<T, CallError>, Self> {
        self.block_until(Some(deadline)).ok_or(self)
    }

    /// The outcome if the call is over.
    ///
    /// # Errors
    ///
    /// Gives the handle back if it is not.
    pub fn try_wait(mut self) -> Result<Result<T, CallError>, Self> {
        self.ready().ok_or(self)
    }

    /// Whether the call is over.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.slot.is_over()
    }

    /// Cancels the call, whose caller is let go at once with [`CallError::Cancelled`].
    ///
    /// A queued call never runs, and its place is free. A running task is asked to stop, which its `Context` shows; an
    /// asynchronous one is dropped at its next await. Cancelling a call that is over does nothing.
    pub fn cancel(&self) {
        self.end(End::Cancelled);
    }

    /// Lets the call go on without its handle, as dropping it does.
    pub fn detach(self) {}

    /// Cancels the call when the handle is dropped.
    pub fn cancel_on_drop(mut self) -> Self {
        self.on_drop = OnDrop::Cancel;
        self
    }

    /// What was called.
    #[must_use]
    pub fn info(&self) -> &'static TaskInfo {
        self.slot.meta.task()
    }

    /// How far the task has come: to look at ([`Progressing::latest`]), or to await.
    pub fn progress(&self) -> Progressing<'_, S> {
        Progressing { slot: &self.slot, seen: 0 }
    }

    /// Whether the call is over; else `cx` is woken when it is.
    pub(crate) fn watch(&self, cx: &mut Context<'_>) -> bool {
        !self.slot.register(cx.waker())
    }

    pub(crate) fn end(&self, how: End) {
        host::end(&*self.slot, self.host.as_ref().map(|host| &host.0), how);
    }

    fn block_until(&mut self, deadline: Option<Instant>) -> Option<Result<T, CallError>> {
        let target = self.target();
        let outcome = wait::block_until(Pin::new(&mut *self), target, deadline);
        outcome.unwrap_or_else(|WouldDeadlock| Some(self.give_up()))
    }

    /// The host that will end the call.
    fn target(&self) -> Option<HostId> {
        self.host.as_ref().map(|host| host.0.id())
    }

    /// The wait would never end, so the call ends instead.
    fn give_up(&mut self) -> Result<T, CallError> {
        self.end(End::WouldDeadlock);
        self.ready().unwrap_or_else(|| Err(self.slot.meta.error(End::WouldDeadlock)))
    }

    /// The outcome if it is there.
    fn ready(&mut self) -> Option<Result<T, CallError>> {
        let outcome = self.slot.outcome()?;
        self.on_drop = OnDrop::Nothing;
        place::settle_polls();
        Some(outcome.and_then(|output| (self.extract)(output).ok_or_else(|| self.slot.meta.error(End::Lost))))
    }

    fn awaited(&self) -> Verdict {
        match &self.host {
            None => Verdict::Wait,
            Some(host) => {
                let call: Arc<dyn Runnable> = self.slot.clone();
                place::awaited(&host.0, &call, place::blocks_when_pending())
            }
        }
    }
}

impl<S: TaskSet, V, E> Handle<S, Result<V, E>> {
    /// Both ways to fail in one: [`TaskError::Call`](crate::TaskError::Call) and
    /// [`TaskError::Task`](crate::TaskError::Task).
    pub fn flatten(self) -> Flatten<Self> {
        Flatten::new(self)
    }
}

impl<S: TaskSet, T> Future for Handle<S, T> {
    type Output = Result<T, CallError>;

    /// # Panics
    ///
    /// Panics when polled after it was ready, as futures do.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        assert!(self.on_drop != OnDrop::Nothing, "a call's handle was polled after it was ready");
        if let Some(outcome) = self.ready() {
            return Poll::Ready(outcome);
        }
        if self.awaited() == Verdict::Deadlock {
            return Poll::Ready(self.give_up());
        }
        if self.slot.register(cx.waker()) {
            return match place::pending_poll(self.target()) {
                Ok(()) => Poll::Pending,
                Err(WouldDeadlock) => Poll::Ready(self.give_up()),
            };
        }
        match self.ready() {
            Some(outcome) => Poll::Ready(outcome),
            None => unreachable!("the waker was not taken, so the call is over"),
        }
    }
}

impl<S: TaskSet, T> Drop for Handle<S, T> {
    fn drop(&mut self) {
        if self.on_drop == OnDrop::Cancel {
            self.cancel();
        }
        if self.on_drop != OnDrop::Nothing {
            self.slot.detach();
        }
    }
}

impl<S: TaskSet, T> fmt::Debug for Handle<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("task", self.info())
            .field("finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}

/// How far a call's task has come: made by [`Handle::progress`].
///
/// [`latest`](Self::latest) looks; [`next`](Self::next) awaits what is new. The latest wins: a watcher that is slow misses
/// what lies between.
///
/// # Cancel safety
///
/// `next` may be dropped at any time; nothing is lost but what a later one overwrites.
pub struct Progressing<'a, S: TaskSet> {
    slot: &'a CallSlot<S>,
    seen: u64,
}

impl<S: TaskSet> Progressing<'_, S> {
    /// What the task told last, if it told anything.
    #[must_use]
    pub fn latest(&self) -> Option<Progress> {
        self.slot.meta.progress()
    }

    /// Waits for something new; `None` when the call is over.
    pub async fn next(&mut self) -> Option<Progress> {
        std::future::poll_fn(|cx| match self.slot.meta.progress_since(&mut self.seen, cx.waker()) {
            Some(progress) => Poll::Ready(Some(progress)),
            None if self.slot.is_over() => Poll::Ready(None),
            None => Poll::Pending,
        })
        .await
    }
}

impl<S: TaskSet> fmt::Debug for Progressing<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progressing").field("latest", &self.latest()).finish_non_exhaustive()
    }
}
