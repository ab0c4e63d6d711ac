//! [`Handle`]: waits for, cancels or raises a call that was submitted.

use super::Flatten;
use crate::{
    call::{
        Progress,
        backend::{self, ExecutorId, WaitAction, WouldDeadlock},
        call_ref::CallRef,
        header::ProgressWait,
        slot::EndReason,
        wait_graph::Wait,
    },
    context::{block_on, thread_context},
    deadlock::{self, BlockedWait, Keeper, WaitCycle},
    error::CallError,
    meta::{priority::Priority, task_info::TaskInfo},
    park::parker,
    sim_runtime,
    task::{CallSlot, TaskSet, drop_unseen},
    time::clock,
};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

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
    /// What a drop of the handle does.
    on_drop: OnDrop,
    /// Whether a thread counts this handle as pending, and has lent its slot for that reason.
    counted: thread_context::PendingPoll,
}

/// The error of a submission time, which may come from the coarse clock. A call that seems younger
/// than this counts as submitted just now.
const CLOCK_SKEW: Duration = Duration::from_micros(16);

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

    /// Blocks until the call is over. Within a task, the task's slot is lent to other calls in the
    /// meantime. A call that is still queued on the same pool runs on this thread.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    /// #     pub fn add(x: i64, y: i64) -> i64 { x + y }
    ///     pub fn twice(x: i64) -> Result<i64, CallError> {
    ///         Geometry::tasks().add(x, x).submit().wait() // a task that waits for another
    ///     }
    /// }
    /// assert_eq!(Geometry::tasks().twice(4).submit().wait()??, 8);
    /// # Ok::<(), CallError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Every way in which a call can end without its task's output: see [`CallError`]. A task of a
    /// service that waits for that service gets [`CallError::WouldDeadlock`]. So does a task whose
    /// wait closes a cycle of waits: see [`deadlock`].
    #[inline]
    pub fn wait(mut self) -> Result<T, CallError> {
        match self.block_until(None) {
            Some(outcome) => outcome,
            None => unreachable!("there is no limit"),
        }
    }

    /// Blocks until the call is over, for at most `limit`, counted from now.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// # pool.pause();
    /// let job = Geometry::on(&pool).add(4, 5).submit();
    /// let job = job.wait_timeout(MILLISECOND).expect_err("the pool is paused");
    /// pool.resume();
    /// assert_eq!(job.wait()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Gives the handle back if the call is not over by then. The call continues.
    pub fn wait_timeout(self, limit: Duration) -> Result<Result<T, CallError>, Self> {
        match clock::after(limit) {
            Some(deadline) => self.wait_deadline(deadline),
            None => Ok(self.wait()),
        }
    }

    /// Blocks until the call is over, or until `deadline`.
    ///
    /// ```
    /// # use nanolith::prelude::*;
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
    /// [`Call::without_parent`](crate::Call::without_parent) excludes a call from this.
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
    /// assert_eq!(pool.completed(), 1);
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
    /// assert_eq!(pool.in_flight(), 0);
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
    /// assert_eq!(job.info().to_string(), "Geometry::add");
    /// # job.wait()?;
    /// # Ok::<(), CallError>(())
    /// ```
    #[must_use]
    pub fn info(&self) -> &'static TaskInfo {
        self.slot.header.task()
    }

    /// Returns a view of the task's progress, to read ([`Progressing::latest`]) or to await
    /// ([`Progressing::next`]).
    ///
    /// ```
    /// use nanolith::{Progress, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry {
    /// #     pub fn sum(cx: &Context<Self>, of: Vec<i64>) -> i64 {
    /// #         let total = of.len() as u64;
    /// #         (1..).zip(of).map(|(done, x)| { cx.progress(done, total); x }).sum()
    /// #     }
    /// # }
    /// let job = Geometry::tasks().sum(vec![2, 3, 4]).submit();
    /// # pollster::block_on(async {
    /// while let Some(Progress { done, total }) = job.progress().next().await {
    /// #     if done < total { continue }
    ///     println!("{done} of {total}");
    /// #     break;
    /// }
    /// # });
    /// # assert_eq!(job.wait()?, 9);
    /// # Ok::<(), CallError>(())
    /// ```
    pub fn progress(&self) -> Progressing<'_, S> {
        Progressing { slot: &self.slot, seen: 0 }
    }

    /// Returns whether the call is over. Otherwise `cx` is woken when it is.
    pub(crate) fn watch(&self, cx: &mut Context<'_>) -> bool {
        let is_pending = self.slot.register(cx.waker());
        if is_pending {
            deadlock::also_keeps(cx.waker(), Keeper::Slot, &self.slot);
        }
        !is_pending
    }

    pub(crate) fn end(&self, how: EndReason) {
        backend::end(&*self.slot, self.host, how);
    }

    /// Returns the outcome if it exists, if it arrives during a short spin, or if this thread can
    /// run the call inline.
    #[inline(always)]
    fn spin_for_result(&mut self, deadline: Option<Instant>) -> Option<Result<T, CallError>> {
        if !self.slot.is_over() {
            match thread_context::current_executor() {
                None => self.look_on(deadline),
                here if here == self.host => CallSlot::overtake_here(&self.slot, here),
                // A thread of another executor can lend its slot while it waits, so it does not
                // spin.
                Some(_) => {}
            }
        }
        self.ready()
    }

    /// Returns how long to leave the call alone before the next check: an eighth of its age. An old
    /// call is usually one of many, and more of them are over after that time.
    fn recheck_delay(&self) -> Duration {
        let age = self.slot.header.age();
        if age > CLOCK_SKEW { (age / 8).min(parker::REST) } else { Duration::ZERO }
    }

    /// Spins until the call is over, while that is cheaper than a sleep and `deadline` has not
    /// passed.
    fn look_on(&self, deadline: Option<Instant>) {
        let left = deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(clock::instant()));
        parker::spin_until_after(self.recheck_delay().min(left), parker::SPIN_BEFORE_PARK.min(left), || {
            self.slot.is_over()
        });
    }

    /// Spins for a very short time, because a poll does not block. Threads of executors do not
    /// spin.
    fn poll_spin(&mut self) -> Option<Result<T, CallError>> {
        if thread_context::current_executor().is_some() || thread_context::is_blocking() {
            return None;
        }
        parker::spin_until(parker::POLL_SPIN, || self.slot.is_over());
        self.ready()
    }

    #[inline(always)]
    fn block_until(&mut self, deadline: Option<Instant>) -> Option<Result<T, CallError>> {
        if let Some(outcome) = self.spin_for_result(deadline) {
            return Some(outcome);
        }
        let target = self.target();
        let _blocked = match self.begin_blocking(target, deadline) {
            Ok(blocked) => blocked,
            Err(cycle) => {
                self.end_in_cycle(cycle);
                return Some(self.fail_deadlock());
            }
        };
        let outcome = block_on::block_until(Pin::new(&mut *self), target, deadline);
        outcome.unwrap_or_else(|WouldDeadlock| Some(self.fail_deadlock()))
    }

    /// Registers what the task on this thread blocks for, if the wait has no limit: see
    /// [`BlockedWait::begin`].
    fn begin_blocking(
        &self,
        target: Option<ExecutorId>,
        deadline: Option<Instant>,
    ) -> Result<Option<BlockedWait>, WaitCycle> {
        let here = thread_context::current_executor();
        if here.is_none() || target.is_none() || deadline.is_some() {
            return Ok(None);
        }
        // This comes before the search for a cycle. A task that holds the slot of the kind's limit
        // gives it to the call.
        if self.slot.header.task().max_concurrency().is_some() {
            self.exempt_from_limit();
        }
        // A call of the same pool gets a thread, unless its kind has a limit.
        let has_thread = here == target && self.slot.header.task().max_concurrency().is_none();
        if has_thread || self.slot.header.deadline().is_some() {
            return Ok(None);
        }
        BlockedWait::begin(|| Wait::Call(target, self.slot.clone().erase()))
    }

    /// Registers that the task on this thread blocks until the executor has room for the call.
    pub(super) fn begin_blocking_for_room(&self, target: Option<ExecutorId>) -> Result<Option<BlockedWait>, WaitCycle> {
        if self.slot.header.deadline().is_some() {
            return Ok(None);
        }
        BlockedWait::begin_for_room(target, false, || self.slot.clone().erase())
    }

    /// Ends the call because a wait for it closed this cycle.
    pub(super) fn end_in_cycle(&self, cycle: WaitCycle) {
        self.slot.header.keep_cycle(cycle);
        self.end(EndReason::WouldDeadlock);
    }

    /// Raises the call to the priority of the task, or of the priority scope, that waits for it.
    fn propagate_priority(&self) {
        if let Some(urgency) = thread_context::effective_priority() {
            if urgency < self.slot.header.priority() {
                self.raise(urgency);
            }
        }
    }

    /// Returns the executor that will end the call.
    fn target(&self) -> Option<ExecutorId> {
        self.host.or_else(|| self.slot.header.executor())
    }

    /// Ends the call, because the wait for it would never end.
    fn fail_deadlock(&mut self) -> Result<T, CallError> {
        self.end(EndReason::WouldDeadlock);
        self.ready().unwrap_or_else(|| Err(self.slot.header.error(EndReason::WouldDeadlock)))
    }

    /// Returns the outcome if it exists.
    #[inline(always)]
    fn ready(&mut self) -> Option<Result<T, CallError>> {
        let outcome = self.slot.outcome()?;
        self.on_drop = OnDrop::Nothing;
        thread_context::poll_resolved(&mut self.counted);
        Some(outcome.and_then(|output| (self.extract)(output).ok_or_else(|| self.slot.header.error(EndReason::Lost))))
    }

    /// Returns what a thread of the call's own executor does during the wait. A thread of another
    /// executor parks.
    fn wait_action(&self) -> WaitAction {
        if self.slot.header.task().max_concurrency().is_some() {
            self.exempt_from_limit();
        }
        let holder = self.target();
        if holder.is_none() || holder != thread_context::current_executor() {
            return WaitAction::Park;
        }
        if self.slot.header.is_delayed() {
            return WaitAction::Park; // no executor has it yet
        }
        let mut call = self.slot.clone().erase();
        while let Some(onward) = call.header().delegate() {
            call = onward;
        }
        thread_context::current_backend()
            .map_or(WaitAction::Park, |host| host.on_wait_for(&call, thread_context::poll_blocks_thread()))
    }

    /// Exempts the call from the concurrency limit of its kind, if the waiting task holds the slot
    /// for which the call would wait. This also applies if the call reaches its executor later.
    #[cold]
    fn exempt_from_limit(&self) {
        if !thread_context::is_within_task(self.slot.header.task()) {
            return;
        }
        let mut call = self.slot.clone().erase();
        let mut is_new = call.header().exempt();
        while let Some(onward) = call.header().delegate() {
            is_new = onward.header().exempt();
            call = onward;
        }
        if let Some(host) = self.target().filter(|_| is_new).and_then(ExecutorId::get) {
            host.exempted(&call);
        }
    }
}

impl<S: TaskSet, V, E> Handle<S, Result<V, E>> {
    /// Combines both kinds of failure in one error: [`TaskError::Call`](crate::TaskError::Call) and
    /// [`TaskError::Task`](crate::TaskError::Task).
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let job = Geometry::tasks().parse("seven".into()).submit();
    /// assert!(matches!(job.flatten().wait(), Err(TaskError::Task(_))));
    /// ```
    pub fn flatten(self) -> Flatten<Self> {
        Flatten::new(self)
    }
}

impl<S: TaskSet, T> Future for Handle<S, T> {
    type Output = Result<T, CallError>;

    /// # Panics
    ///
    /// Panics when polled after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        assert!(self.on_drop != OnDrop::Nothing, "a call's handle was polled after it was ready");
        if let Some(outcome) = self.ready() {
            return Poll::Ready(outcome);
        }
        if let Some(outcome) = self.poll_spin() {
            return Poll::Ready(outcome);
        }
        if self.wait_action() == WaitAction::Deadlock {
            return Poll::Ready(self.fail_deadlock());
        }
        self.propagate_priority();
        if self.slot.register(cx.waker()) {
            let target = self.target();
            deadlock::pending(cx.waker(), Keeper::Slot, || Wait::Call(target, self.slot.clone().erase()));
            return match thread_context::poll_pending(&mut self.counted, target) {
                Ok(()) => Poll::Pending,
                Err(WouldDeadlock) => Poll::Ready(self.fail_deadlock()),
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
            self.detach_call();
        }
    }
}

impl<S: TaskSet, T> Handle<S, T> {
    /// Drops the handle's side of a call whose outcome was not taken. This is a function of its
    /// own, so that it costs nothing when the outcome was taken.
    #[inline(never)]
    fn detach_call(&mut self) {
        if let Some(outcome) = self.slot.drop_waker() {
            drop_unseen(outcome, || self.target()?.get());
        }
        thread_context::poll_resolved(&mut self.counted);
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

/// The progress of a call's task. [`Handle::progress`] creates it.
///
/// [`latest`](Self::latest) returns the latest report, and [`next`](Self::next) awaits a new
/// report. A new report replaces the one before it, so a slow watcher misses reports in between.
///
/// ```
/// # use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// let job = Geometry::tasks().add(4, 5).submit();
/// assert!(job.progress().latest().is_none(), "`add` tells nothing");
/// # job.wait()?;
/// # Ok::<(), CallError>(())
/// ```
///
/// # Cancel safety
///
/// `next` may be dropped at any time. Only reports that a later report replaces are lost.
pub struct Progressing<'a, S: TaskSet> {
    slot: &'a CallRef<CallSlot<S>>,
    seen: u64,
}

impl<S: TaskSet> Progressing<'_, S> {
    /// Returns the latest report of the task, if there is one.
    ///
    /// ```
    /// use nanolith::{Progress, prelude::*};
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    ///     pub fn add_slowly(cx: &Context<Self>, x: i64, y: i64) -> i64 {
    ///         cx.progress(1, 1);
    ///         x + y
    ///     }
    /// }
    /// # let pool = Pool::builder().build()?;
    /// let job = Geometry::on(&pool).add_slowly(4, 5).submit();
    /// pool.drained().wait();
    /// assert_eq!(job.progress().latest(), Some(Progress { done: 1, total: 1 }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn latest(&self) -> Option<Progress> {
        self.slot.header.progress()
    }

    /// Waits for a new report. Returns `None` when the call is over.
    ///
    /// ```
    /// use nanolith::{Progress, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry {
    /// #     pub fn add_slowly(cx: &Context<Self>, x: i64, y: i64) -> i64 { cx.progress(1, 1); x + y }
    /// # }
    /// let job = Geometry::tasks().add_slowly(4, 5).submit();
    /// let mut progress = job.progress();
    /// # pollster::block_on(async {
    /// assert_eq!(progress.next().await, Some(Progress { done: 1, total: 1 }));
    /// assert_eq!(progress.next().await, None);
    /// # });
    /// ```
    ///
    /// # Cancel safety
    ///
    /// The future may be dropped at any time. Only reports that a later report replaces are lost.
    pub async fn next(&mut self) -> Option<Progress> {
        let mut waits = ProgressWait::of(self.slot.clone().erase());
        std::future::poll_fn(|cx| {
            if let Some(progress) = waits.poll_since(&mut self.seen, cx.waker()) {
                return Poll::Ready(Some(progress));
            }
            self.slot.fence();
            if self.slot.is_over() { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    }
}

impl<S: TaskSet> fmt::Debug for Progressing<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progressing").field("latest", &self.latest()).finish_non_exhaustive()
    }
}
