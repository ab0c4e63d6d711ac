//! The interface between a call and its executor, as two traits. So the code of calls imports no
//! pool and no service.
//!
//! A [`Backend`] is an executor with threads and a queue. An [`ErasedCall`] is a call with its
//! types erased.

mod completion;
mod erased_call;
mod executor_id;
mod permit;

pub(crate) use completion::{Completion, RunResult};
pub(crate) use erased_call::{ErasedCall, Runs, address, end, raise};
pub use executor_id::ExecutorId;
pub(crate) use executor_id::all_by_the_system_clock;
pub(crate) use permit::{LentPermits, Permit, PermitState};

use super::{
    call_ref::CallRef,
    end_batch::EndBatch,
    policy::SchedulingPolicy,
    wait_graph::{BlockedWaiter, Needs},
};
use crate::{
    error::CallError,
    meta::{task_info::TaskInfo, thread_kind::ThreadKind},
    wake::{EndWait, WaitTicket, extensions::Extensions},
};
use once_cell::sync::Lazy;
use std::{
    sync::Arc,
    task::Waker,
    time::{Duration, Instant},
};

/// A pool or a service, as seen from its calls and from its threads.
pub(crate) trait Backend: Send + Sync {
    fn id(&self) -> ExecutorId;

    /// Returns the data that the builder was given for the contexts of tasks.
    fn data(&self) -> &Extensions;

    /// Returns the policy that orders the executor's work. The executor's own queue uses the same
    /// policy.
    fn rules(&self) -> &Arc<SchedulingPolicy> {
        static STANDARD: Lazy<Arc<SchedulingPolicy>> = Lazy::new(Arc::default);
        &STANDARD
    }

    /// Returns the queue of entries that this executor's tasks take the entries of their own calls from.
    fn entries(&self) -> Option<Arc<dyn EntryQueue>> {
        None
    }

    /// Updates the order after a call of this executor, which may wait in its queue, was made more
    /// urgent.
    fn on_raised(&self, call: &CallRef<dyn ErasedCall>) {
        let _ = call;
    }

    /// Lets a future of this executor, which runs on the calling thread, give way to work that
    /// expires before `expires`. Wakes `waker` afterwards.
    ///
    /// An executor that queues every woken future wakes `waker` at once.
    fn yield_to(&self, expires: u64, waker: &Waker) {
        let _ = expires;
        waker.wake_by_ref();
    }

    /// Returns the kind of thread for [`crate::context::current`].
    fn thread_kind(&self) -> ThreadKind;

    /// Lends the permit of the calling thread, which begins to wait for something of `target`.
    ///
    /// The thread belongs to this executor. The permit moves into the loan, and other threads may
    /// use it.
    fn lend(&self, permit: &mut PermitState, target: Option<ExecutorId>) -> Result<LentPermits, WouldDeadlock>;

    /// Returns whether the calling thread's wait must end because the system cannot start another
    /// thread. The thread and the awaited work belong to this executor.
    fn take_stranded(&self) -> bool {
        false
    }

    /// Records that the only thread of this executor begins a blocking wait without a limit, or
    /// resumes.
    ///
    /// Returns the wait recorded before. Returns `None` if this executor has several threads: then
    /// no call waits for one particular thread.
    fn set_blocked(&self, waiter: Option<BlockedWaiter>) -> Option<Option<BlockedWaiter>> {
        drop(waiter);
        None
    }

    /// Returns the blocking wait of the only thread.
    fn blocked(&self) -> Option<BlockedWaiter> {
        None
    }

    /// Records that a call on a thread of this executor blocks the thread, or resumes.
    fn list_blocked(&self, call: &CallRef<dyn ErasedCall>, is_blocked: bool) {
        let _ = (call, is_blocked);
    }

    /// Returns the calls that block a thread of this executor.
    fn blocked_calls(&self) -> Vec<CallRef<dyn ErasedCall>> {
        Vec::new()
    }

    /// Returns the calls whose futures were pending when the executor last looked at them.
    fn suspended_calls(&self) -> Vec<CallRef<dyn ErasedCall>> {
        Vec::new()
    }

    /// Asks the executor to look at its suspended calls, if it does so only on request.
    fn inspect(&self) {}

    /// Returns what must finish before a call in the queue begins, or before the queue has room for
    /// a call.
    fn needs(&self, call: &CallRef<dyn ErasedCall>, needs_room: bool) -> Needs {
        let _ = (call, needs_room);
        Needs::Nothing
    }

    /// Returns whether a call from outside waits for room when the queue is full.
    fn waits_for_room(&self) -> bool {
        false
    }

    /// Ends a wait of the calling thread and undoes [`Backend::lend`]. Returns what the thread had
    /// before.
    fn take_back(&self, loan: LentPermits) -> PermitState;

    /// Handles a task's wait for `call`. Both belong to this executor. `blocking` says that the
    /// wait would block the task's thread.
    fn on_wait_for(self: Arc<Self>, call: &CallRef<dyn ErasedCall>, blocking: bool) -> WaitAction;

    /// Updates the queue after a queued call became exempt from the limit of its kind, because a
    /// task of that kind waits for it.
    fn exempted(&self, call: &CallRef<dyn ErasedCall>) {
        let _ = call;
    }

    /// Runs this executor's work on the calling thread until `is_ready` returns true or `deadline`
    /// passes. The calling thread waits for something of this executor.
    ///
    /// Returns `None` if other threads run the work.
    fn drive_until(
        self: Arc<Self>,
        is_ready: &mut dyn FnMut() -> bool,
        deadline: Option<Instant>,
    ) -> Option<Result<(), WouldDeadlock>> {
        let _ = (is_ready, deadline);
        None
    }

    /// Returns whether the calling thread has to run this executor's work.
    fn is_driven_by_us(&self) -> bool {
        false
    }

    /// Frees the queue room of `call`, which was claimed to be ended while it was queued. User code
    /// is left to `batch`.
    fn on_removed(&self, call: &dyn ErasedCall, batch: &mut EndBatch);

    /// Counts the end of a call that left a future or ran out of turn.
    fn on_finished(&self, over: Completion);

    /// Records the times of a finished call that no thread of the executor has counted. An executor
    /// that collects metrics measures the call by this.
    fn record(&self, task: &'static TaskInfo, waited: Duration, ran: Duration) {
        let _ = (task, waited, ran);
    }

    /// Counts a call of this executor that ended without the output of its task. `has_run` says that
    /// the run of the task is recorded too.
    fn count_failure(&self, task: &'static TaskInfo, outcome: &'static str, has_run: bool) {
        let _ = (task, outcome, has_run);
    }

    /// Counts a run of a task whose call had ended from outside.
    fn count_vain_run(&self, task: &'static TaskInfo) {
        let _ = task;
    }

    /// Runs `work`, which may block, on a thread of this executor as soon as one is free. Returns
    /// `work` as an error if no thread is left.
    fn run_soon(self: Arc<Self>, work: OffloadedWork) -> Result<(), OffloadedWork> {
        Err(work)
    }

    /// Lists a call of this executor that times out while its task runs.
    fn on_overrun(&self, call: &dyn ErasedCall) {
        let _ = call;
    }

    /// Removes such a call by its address: its task has returned, or had returned before the call
    /// was listed.
    fn on_overrun_finished(&self, address: usize) {
        let _ = address;
    }

    /// Reports a panic of a task of this executor whose error reaches no caller. The caller holds
    /// no lock, and catches a panic of this method.
    fn on_unobserved_panic(&self, error: &CallError) {
        let _ = error;
    }

    /// Returns whether all tasks of this executor are asked to stop.
    fn is_stopping(&self) -> bool {
        false
    }

    /// Returns a wait for the end of the simulation that the executor belongs to.
    fn end_wait(&self) -> Option<EndWait> {
        None
    }

    /// Counts a call from this executor's ring whose future is pending for the first time. The worker
    /// that polled the future counts for the call until this returns.
    fn count_suspended(&self, inside: bool) {
        let _ = inside;
    }

    /// Lists a call of this executor whose future is pending for the first time.
    fn on_suspended(&self, call: &CallRef<dyn ErasedCall>) {
        let _ = call;
    }

    /// Removes the suspended call at this address: it is over.
    fn on_suspended_finished(&self, call: usize) {
        let _ = call;
    }

    /// Returns a slot of this share, because the task that holds it waits, or its future is
    /// pending. Other calls may take the slot.
    fn return_share_slot(&self, share: u32) {
        let _ = share;
    }

    /// Counts the slot of a task that resumes after a wait. The task does not ask for the slot.
    fn retake_share_slot(&self, share: u32) {
        let _ = share;
    }

    /// Takes a slot of this share for a future of this executor. Returns whether a slot was free.
    ///
    /// If it returns false, `waker` is woken when a slot becomes free, and `ticket` holds the
    /// future's position among the waiters.
    fn poll_share_slot(&self, share: u32, ticket: &mut Option<WaitTicket>, waker: &Waker) -> bool {
        let _ = (share, ticket, waker);
        true
    }

    /// Removes a future that is dropped while it waits for a slot.
    fn leave_share_line(&self, share: u32, ticket: WaitTicket) {
        let _ = (share, ticket);
    }

    /// Queues a woken future of this executor. Its turn comes by `expires`.
    fn schedule(self: Arc<Self>, expires: u64, work: async_task::Runnable);
}

/// A queue of entries, as seen from a task that waits for a call which it submitted.
pub(crate) trait EntryQueue: Send + Sync {
    /// Takes the oldest entry out, if it is that of the call at this address, which the caller has claimed.
    /// The queue counts the call as over.
    fn take_oldest(&self, call: *const ()) -> Option<CallRef<dyn ErasedCall>>;

    /// Counts a call that a task of the executor runs at once, without an entry.
    fn count_at_once(&self);
}

/// Code that another thread runs once, such as a destructor that may block.
pub(crate) type OffloadedWork = Box<dyn FnOnce() + Send>;

/// The error of a wait that would never end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WouldDeadlock;

/// The action of a task's thread when it waits for a queued call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitAction {
    /// Wait: another thread runs the call.
    Park,
    /// The thread ran the call inline.
    RanInline,
    /// Do not wait: the wait would never end.
    Deadlock,
}
