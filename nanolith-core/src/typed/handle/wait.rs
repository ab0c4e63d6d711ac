//! The wait of a [`Handle`] for its call, as a future or blocking: it spins, runs the call inline,
//! registers a waker, or blocks its thread.

use super::{Handle, OnDrop};
use crate::{
    call::{
        backend::{ExecutorId, WaitAction, WouldDeadlock},
        slot::EndReason,
        wait_graph::WaitTarget,
    },
    context::{
        block_on,
        long_wait::LongWait,
        thread_context,
        wait::{Sealed, Wait},
    },
    deadlock::{self, BlockedWait, Keeper, WaitCycle},
    error::CallError,
    park::parker,
    task::{CallSlot, Job, TaskSet},
    time::clock,
    trace::{self, FoundCycle},
};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

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
            deadlock::pending(cx.waker(), Keeper::Slot, || WaitTarget::Call(target, self.slot.clone().erase()));
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

impl<S: TaskSet, T> Sealed for Handle<S, T> {}

impl<S: TaskSet, T> Wait for Handle<S, T> {
    type Pending = Self;

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
    /// wait closes a cycle of waits: see [`deadlock`](crate::deadlock).
    #[inline]
    fn wait(mut self) -> Result<T, CallError> {
        match self.block_until(None) {
            Some(outcome) => outcome,
            None => unreachable!("there is no limit"),
        }
    }

    /// Blocks until the call is over, for at most `limit`, counted from now.
    ///
    /// ```
    /// # use nanolith::{prelude::*, time::MILLISECOND};
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
    /// Returns the handle if the call is not over by then. The call continues.
    fn wait_timeout(self, limit: Duration) -> Result<Result<T, CallError>, Self> {
        match clock::after(limit) {
            Some(deadline) => self.wait_deadline(deadline),
            None => Ok(self.wait()),
        }
    }
}

impl<S: TaskSet, T> Handle<S, T> {
    #[inline(always)]
    #[cfg_attr(feature = "tokio", track_caller)]
    pub(super) fn block_until(&mut self, deadline: Option<Instant>) -> Option<Result<T, CallError>> {
        if let Some(outcome) = CallSlot::run_child(&self.slot, self.host) {
            return Some(self.resolve(outcome));
        }
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

    /// Runs the call on this thread, a worker of its pool, if it may begin before the calls that wait there.
    /// Returns the job if it must go to the pool.
    #[inline(always)]
    pub(in crate::typed) fn run_at_once(&mut self, job: Job<S>) -> Result<Result<T, CallError>, Job<S>> {
        CallSlot::run_at_once(&self.slot, job).map(|outcome| self.resolve(outcome))
    }

    /// Returns the outcome if it exists, if it arrives during a short spin, or if this thread can
    /// run the call inline.
    #[inline(always)]
    #[cfg_attr(feature = "tokio", track_caller)]
    fn spin_for_result(&mut self, deadline: Option<Instant>) -> Option<Result<T, CallError>> {
        if !self.slot.is_over() {
            if let Some(helper) = self.slot.header.wait_helper() {
                let mut long = LongWait::begin(self.target());
                block_on::block_in_place(|| helper.help(deadline));
                long.report();
                return self.ready();
            }
            match thread_context::current_executor() {
                // The wait itself runs the call.
                None if self.is_driven_here() => {}
                None => self.look_on(deadline),
                here if here == self.host => {
                    CallSlot::overtake_here(&self.slot, here);
                    self.look_for_child(deadline);
                }
                // A thread of another executor can lend its slot while it waits, so it does not
                // spin.
                Some(_) => {}
            }
        }
        self.ready()
    }

    /// Returns whether the call's executor runs its work on this thread, while this thread waits.
    #[inline]
    fn is_driven_here(&self) -> bool {
        thread_context::is_driver_thread()
            && thread_context::driven_by_this_thread(self.target()).is_some_and(|host| host.is_driven_by_us())
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

    /// Spins for a very short time until a call that another worker of this pool has begun is over. If
    /// its task is small, that is cheaper than to lend the slot.
    fn look_for_child(&self, deadline: Option<Instant>) {
        if deadline.is_none() && !self.slot.is_queued() && thread_context::runs_calls_of(self.host) {
            parker::spin_until(parker::POLL_SPIN, || self.slot.is_over());
        }
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

    /// Returns whether the call is over. Otherwise `cx` is woken when it is.
    pub(crate) fn watch(&self, cx: &mut Context<'_>) -> bool {
        let is_pending = self.slot.register(cx.waker());
        if is_pending {
            deadlock::also_keeps(cx.waker(), Keeper::Slot, &self.slot);
        }
        !is_pending
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
        BlockedWait::begin(|| WaitTarget::Call(target, self.slot.clone().erase()))
    }

    /// Registers that the task on this thread blocks until the executor has room for the call.
    pub(in crate::typed) fn begin_blocking_for_room(
        &self,
        target: Option<ExecutorId>,
    ) -> Result<Option<BlockedWait>, WaitCycle> {
        if self.slot.header.deadline().is_some() {
            return Ok(None);
        }
        BlockedWait::begin_for_room(target, false, || self.slot.clone().erase())
    }

    /// Ends the call because a wait for it closed this cycle.
    pub(in crate::typed) fn end_in_cycle(&self, cycle: WaitCycle) {
        trace::in_cycle(FoundCycle::Ended, &cycle);
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
    pub(super) fn target(&self) -> Option<ExecutorId> {
        self.host.or_else(|| self.slot.header.executor())
    }

    /// Ends the call, because the wait for it would never end.
    fn fail_deadlock(&mut self) -> Result<T, CallError> {
        self.end(EndReason::WouldDeadlock);
        self.ready().unwrap_or_else(|| Err(self.slot.header.error(EndReason::WouldDeadlock)))
    }

    /// Returns the outcome if it exists.
    #[inline(always)]
    pub(super) fn ready(&mut self) -> Option<Result<T, CallError>> {
        let outcome = self.slot.outcome()?;
        Some(self.resolve(outcome))
    }

    /// Returns the task's own output. The outcome was taken.
    #[inline(always)]
    fn resolve(&mut self, outcome: Result<S::Output, CallError>) -> Result<T, CallError> {
        self.on_drop = OnDrop::Nothing;
        self.slot.header.over_for_handle();
        thread_context::poll_resolved(&mut self.counted);
        outcome.and_then(|output| (self.extract)(output).ok_or_else(|| self.slot.header.error(EndReason::Lost)))
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

/// The error of a submission time, which may come from the coarse clock. A call that seems younger
/// than this counts as submitted just now.
const CLOCK_SKEW: Duration = Duration::from_micros(16);
