//! [`CallSlot`]: the slot of a call of one task set, with the call's input, output and state word.
//! An executor claims, runs and ends the call through it.

use super::{TaskSet, run::Brought};
use crate::{
    call::{
        backend::{self, Backend, ErasedCall, ExecutorId, RunResult, Runs},
        call_ref::CallRef,
        end_batch::EndBatch,
        header::Header,
        offload,
        slot::{EndReason, EndResult, Slot, TakeResult},
    },
    context::thread_context,
    error::CallError,
    meta::task_info::{TaskInfo, any_limited},
    metrics,
    time::{
        clock,
        timer::{self, TimerAction},
    },
    util::unwind,
};
use std::sync::Arc;

/// The slot of a call of `S`.
pub(crate) type CallSlot<S> = Slot<Input<S>, Result<<S as TaskSet>::Output, CallError>, Header>;

/// The input of a call: its task and, on a pool that shares the state, the state. It is public for
/// generated code.
#[doc(hidden)]
#[allow(missing_debug_implementations)] // it is never printed
pub struct Input<S: TaskSet> {
    pub task: S::Task,
    pub(crate) shared: Option<S::Shared>,
}

/// The size in bytes above which tasks are boxed between their slot and their function, because
/// each frame in between may hold a copy.
const LARGE: usize = 4 * 1_024;

/// Returns whether tasks of this set run from a box.
pub(crate) const fn is_large<S: TaskSet>() -> bool {
    size_of::<S::Task>() > LARGE
}

impl<S: TaskSet> CallSlot<S> {
    /// Ends the call and wakes its waiters: a running task, a timer and a watcher of its progress. The
    /// end is not [deferred](Self::defer_end): the caller has the call, or no executor has.
    pub(crate) fn end_call(&self, how: EndReason) {
        let mut batch = EndBatch::default();
        let ended = self.end_into(how, &mut batch);
        batch.run();
        if ended == EndResult::Queued {
            self.drop_input(self.header.final_executor());
        }
    }

    /// Makes the end of the task the only end of the call, once the call has begun.
    pub(super) fn defer_end(&self) {
        self.header.defer_end();
        self.fence();
    }

    /// Takes the task out of a call that has not begun, and ends the call without waking its
    /// waiter.
    pub(crate) fn take_back(this: &CallRef<Self>) -> Option<S::Task> {
        let input = this.withdraw()?;
        this.drop_waker();
        this.header.close_span("refused");
        this.header.over();
        Some(input.task)
    }

    /// Runs the call inline, if it is a fast-path call that a task of this pool submitted and waits
    /// for. The queue and the other workers learn of this only from the call's entry.
    pub(crate) fn overtake_here(this: &CallRef<Self>, host: Option<ExecutorId>) {
        if !this.header.is_nested() || !ErasedCall::is_plain(&**this) || !thread_context::can_run_inline(host) {
            return;
        }
        if this.header.has_start_checks() && this.header.is_parent_stopping() {
            backend::end(&**this, host, EndReason::Cancelled); // it never begins
            return;
        }
        if const { is_large::<S>() } {
            Self::overtake_in::<Box<Input<S>>>(this);
        } else {
            Self::overtake_in::<Input<S>>(this);
        }
    }

    #[inline(always)]
    fn overtake_in<I: Brought<S>>(this: &CallRef<Self>) {
        if let Some((input, [call, second])) = Slot::claim_by_waiter::<I, 2>(this) {
            thread_context::count_overtaken();
            let seen = metrics::is_any_on().then(|| (call.header.task(), call.header.submitted_at(), clock::now()));
            let run = || {
                super::run_on_pool([call, second], input, None, clock::coarse_now());
                if let Some((task, submitted, began)) = seen {
                    record(task, submitted, began);
                }
            };
            // A panic of the call's destructors is ignored here.
            thread_context::run_nested(|| unwind::ignore_panics(run));
        }
    }

    /// Takes the input of a claimed call, which is about to run. Returns `None` if the call has ended
    /// since the claim.
    #[inline(always)]
    pub(crate) fn input_to_run<I: Brought<S>>(&self) -> Option<I> {
        self.take_input_to_run().or_else(|| {
            self.end_overrun();
            None
        })
    }

    /// Returns whether a claimed call may run. The call ends here if its parents or one of its
    /// tokens were cancelled, or if its deadline has passed. A limit on the run starts to count
    /// here.
    #[inline(always)]
    ///
    /// `now` may be milliseconds old.
    pub(crate) fn may_begin(this: &CallRef<Self>, now: u64) -> bool {
        !this.header.has_start_checks() || Self::look_at_begin(this, now) || {
            this.end_overrun();
            false
        }
    }

    fn look_at_begin(this: &CallRef<Self>, now: u64) -> bool {
        if let Some(end) = this.header.end_before_begin(now) {
            this.end_call(end);
            return false;
        }
        // An end removes the tokens after it has changed the state. So the state is checked after
        // the tokens.
        if Slot::is_asked_to_stop(this) {
            // It ended after its executor had claimed it, or its end was deferred, and is now.
            this.header.stop_reason().into_iter().for_each(|reason| this.end_call(reason.into()));
            return false;
        }
        if let Some(deadline) = this.header.begin_limit() {
            if deadline <= clock::instant() {
                this.end_call(EndReason::TimedOut); // its limit is zero
                return false;
            }
            let (call, host) = (this.clone(), thread_context::current_executor());
            let ring = Box::new(move || backend::end(&*call, host, EndReason::by_alarm()));
            this.header.keep_timer(timer::arm(deadline, TimerAction::RunAlways(ring)));
        }
        true
    }

    /// Records that the task of an ended call does not run any more, or never began. A call that
    /// timed out after the claim is on its executor's list, which removes it.
    #[cold]
    pub(super) fn end_overrun(&self) {
        if let Some(host) = self.header.overruns().and_then(ExecutorId::get) {
            host.on_overrun_finished(backend::address(self));
        }
    }

    /// Returns whether the running task is asked to stop. If its parents were cancelled and did not
    /// end the call themselves, the call ends here.
    pub(crate) fn is_to_stop(this: &CallRef<Self>) -> bool {
        this.is_asked_to_stop()
            || this.header.has_start_checks() && this.header.is_parent_cancelled() && {
                let mut batch = EndBatch::default();
                this.stop_into(EndReason::Cancelled, &mut batch);
                batch.run();
                true
            }
    }

    /// Links a fast-path call to its parents' node, so that their cancellation wakes it at once.
    pub(crate) fn hang_on_parents(this: &CallRef<Self>) {
        if let Some(stop) = this.header.parent_node() {
            this.header.link(stop, || this.clone().erase(), None);
            if this.is_over() {
                this.header.over(); // it ended before the link existed
            }
        }
    }

    #[inline(always)]
    pub(crate) fn outcome(&self) -> Option<Result<S::Output, CallError>> {
        match self.take() {
            TakeResult::Outcome(outcome) => Some(outcome),
            TakeResult::Ended(end) => Some(Err(self.header.error(end))),
            TakeResult::NotYet => None,
        }
    }
}

impl<S: TaskSet> ErasedCall for CallSlot<S> {
    fn header(&self) -> &Header {
        &self.header
    }

    fn is_queued(&self) -> bool {
        Slot::is_queued(self)
    }

    fn is_over(&self) -> bool {
        Slot::is_over(self)
    }

    fn was_ended(&self) -> bool {
        Slot::was_ended(self)
    }

    fn is_asked_to_stop(&self) -> bool {
        Slot::is_asked_to_stop(self) || self.header.has_start_checks() && self.header.is_parent_cancelled()
    }

    fn recheck_cancelled(&self) -> bool {
        Slot::recheck_cancelled(self)
    }

    fn is_plain(&self) -> bool {
        let has_options = self.header.needs_notify() || self.header.is_due_alone();
        !has_options && !self.header.task().is_async() && self.fits_ring()
    }

    fn fits_ring(&self) -> bool {
        let may_be_limited = const { any_limited(S::TASKS) };
        !S::HOOKS.are_async()
            && self.header.fits_ring()
            && !(may_be_limited && self.header.task().max_concurrency().is_some())
    }

    fn was_overtaken(&self) -> bool {
        Slot::was_overtaken(self)
    }

    fn claim(&self) -> bool {
        Slot::claim(self)
    }

    fn runs(&self) -> Runs {
        if const { is_large::<S>() } {
            Runs { claimed: run_claimed::<S, Box<Input<S>>>, queued: run_queued::<S, Box<Input<S>>> }
        } else {
            Runs { claimed: run_claimed::<S, Input<S>>, queued: run_queued::<S, Input<S>> }
        }
    }

    fn end_into(&self, how: EndReason, batch: &mut EndBatch) -> EndResult {
        if !self.is_over() {
            self.header.mark_ended();
        }
        let (ended, waker) = self.end_silently(how);
        batch.wake(waker);
        if ended == EndResult::Running {
            self.header.wake_on_cancel(batch);
        }
        if ended != EndResult::Over {
            if metrics::is_any_on() {
                count_end(&self.header, batch.counted_at(), how);
            }
            self.header.close_span_into(how, batch);
            self.header.over_into(batch);
        }
        ended
    }

    fn stop_into(&self, how: EndReason, batch: &mut EndBatch) -> EndResult {
        if self.header.defers(how) && self.request_stop() {
            self.header.wake_on_cancel(batch);
            return EndResult::Running;
        }
        self.end_into(how, batch)
    }

    fn drop_input(&self, host: Option<ExecutorId>) {
        self.end_overrun();
        if const { is_large::<S>() } {
            drop_elsewhere(host, self.take_input_in::<Box<Input<S>>>());
        } else {
            drop_elsewhere(host, self.take_input_in::<Input<S>>());
        }
    }
}

/// Drops a user's value. On the timer thread, a thread of `host` drops it.
pub(super) fn drop_elsewhere<T: Send + 'static>(host: Option<ExecutorId>, value: T) {
    if std::mem::needs_drop::<T>() {
        offload::run(host, move || drop(value));
    }
}

/// Counts a call that was ended from outside in the metrics of its executor. A queue counts itself the
/// calls that it drops. A call that continues as another is counted there.
#[cold]
fn count_end(header: &Header, host: Option<ExecutorId>, how: EndReason) {
    if how == EndReason::Dropped || header.delegate().is_some() {
        return;
    }
    let host = host.or_else(|| header.executor()).or_else(thread_context::current_executor);
    if let Some(host) = host.and_then(ExecutorId::get) {
        host.count_failure(header.task(), how.outcome(), false);
    }
}

/// Records the durations of a call that ran ahead of its turn.
#[cold]
fn record(task: &'static TaskInfo, submitted: u64, began: u64) {
    if let Some(host) = thread_context::current_backend() {
        host.record(task, clock::elapsed(submitted, began), clock::elapsed(began, clock::now()));
    }
}

const TYPED: &str = "it was asked of a call of this type";

fn run_claimed<S: TaskSet, I: Brought<S>>(
    call: CallRef<dyn ErasedCall>,
    host: Option<Arc<dyn Backend>>,
    now: u64,
) -> RunResult {
    let call = call.downcast::<CallSlot<S>>().expect(TYPED);
    match call.input_to_run::<I>() {
        Some(input) => super::run_on_pool([call.clone(), call], input, host, now),
        None => RunResult::Skipped,
    }
}

fn run_queued<S: TaskSet, I: Brought<S>>(
    call: CallRef<dyn ErasedCall>,
    now: u64,
) -> Result<RunResult, CallRef<dyn ErasedCall>> {
    let call = call.downcast::<CallSlot<S>>().expect(TYPED);
    match Slot::begin_shared_in::<I, 1>(&call) {
        Some((input, [second])) => Ok(super::run_on_pool([call, second], input, None, now)),
        None => Err(call.erase()),
    }
}

/// Returns the size in bytes of a call of `S`, which is one allocation. The memory is reused for
/// the next call.
///
/// ```
/// # use nanolith::prelude::*;
/// # pub struct Geometry;
/// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
/// const { assert!(nanolith::task::call_size::<Geometry>() <= 256) };
/// ```
#[must_use]
pub const fn call_size<S: TaskSet>() -> usize {
    size_of::<CallSlot<S>>()
}
