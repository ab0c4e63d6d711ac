//! The interface between a call and its executor: two traits, so that neither folder imports the
//! other.
//!
//! A [`Backend`] is an executor with threads and a queue. An [`ErasedCall`] is a call with its
//! types erased.

use super::policy::SchedulingPolicy;
use super::{
    call_ref::{CallRef, RefCounted},
    end_batch::EndBatch,
    header::Header,
    slot::{EndReason, EndResult},
    wait_graph::{BlockedWaiter, Needs},
};
use crate::{
    error::CallError,
    meta::{priority::Priority, task_info::TaskInfo, thread_kind::ThreadKind},
    time::clock,
    wake::EndWait,
    wake::{WaitTicket, extensions::Extensions},
};
use once_cell::sync::Lazy;
use std::{
    collections::BTreeMap,
    num::NonZero,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    task::Waker,
    time::{Duration, Instant},
};

/// Code to run once.
pub(crate) type Work = Box<dyn FnOnce() + Send>;

/// A number that identifies an executor. No number is used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExecutorId(NonZero<u64>);

/// Every live executor by its number. A call's handle and timer keep only the number: they come and
/// go with each call, and so do not touch the executor's reference count.
static HOSTS: Mutex<BTreeMap<ExecutorId, Known>> = Mutex::new(BTreeMap::new());

struct Known {
    host: Weak<dyn Backend>,
    /// Whether the thread that made the executor uses the system's clock.
    has_system_clock: bool,
}

/// Returns the executors that use the system's clock.
pub(crate) fn all_by_the_system_clock() -> Vec<Weak<dyn Backend>> {
    hosts().values().filter(|known| known.has_system_clock).map(|known| known.host.clone()).collect()
}

fn hosts() -> MutexGuard<'static, BTreeMap<ExecutorId, Known>> {
    HOSTS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ExecutorId {
    pub(crate) fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        // ORDERING: Relaxed, the number publishes nothing but itself.
        let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        Self(NonZero::new(number).expect("a process makes fewer than 2⁶⁴ executors"))
    }

    pub(crate) fn number(self) -> u64 {
        self.0.get()
    }

    pub(crate) fn from_raw(number: u64) -> Option<Self> {
        NonZero::new(number).map(Self)
    }

    /// Registers the executor under this number.
    pub(crate) fn insert(self, host: Weak<dyn Backend>) {
        let known = Known { host, has_system_clock: clock::source().is_none() };
        hosts().insert(self, known);
    }

    /// Removes the executor, which is being dropped.
    pub(crate) fn remove(self) {
        hosts().remove(&self);
    }

    pub(crate) fn get(self) -> Option<Arc<dyn Backend>> {
        hosts().get(&self).and_then(|known| known.host.upgrade())
    }
}

/// The error of a wait that would never end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WouldDeadlock;

/// What a task's thread does about a queued call that it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitAction {
    /// Wait: another thread runs the call.
    Park,
    /// The thread ran the call inline.
    RanInline,
    /// Do not wait: the wait would never end.
    Deadlock,
}

/// The right to run one task at a time on an executor's threads. The executor counts the permits
/// that it issues.
///
/// A permit is neither `Clone` nor `Copy`, so a thread lends or returns only a permit that it
/// holds.
#[derive(Debug)]
#[must_use = "the host counts this permit until it is returned"]
pub(crate) struct Permit(());

impl Permit {
    /// Returns a new permit. The caller is the executor, and counts it.
    pub(crate) fn issue() -> Self {
        Self(())
    }

    /// Ends the permit. The caller is the executor, and subtracts it from its count.
    pub(crate) fn cancel(self) {
        let Self(()) = self;
    }
}

/// The permit of a thread.
#[derive(Debug, Default)]
pub(crate) enum PermitState {
    /// The thread holds no permit: it helps a worker that holds one, or it runs no task.
    #[default]
    Absent,
    /// The thread holds a permit and runs no task: it runs wakers and destructors.
    Idle(Permit),
    /// The thread holds a permit and runs a task.
    Active(Permit),
    /// A wait further down on this stack has lent the thread's permit.
    Lent,
}

/// The permits that a waiting thread has lent to other threads.
#[derive(Debug, Default)]
#[must_use = "the thread takes this back when its wait ends"]
pub(crate) struct LentPermits {
    /// The thread's permit before the wait.
    pub(crate) before: PermitState,
    /// Permits beyond the concurrency.
    pub(crate) extra: usize,
}

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

    /// Returns the kind of thread for [`crate::current`].
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

    /// Runs `work`, which may block, on a thread of this executor as soon as one is free. Returns
    /// `work` as an error if no thread is left.
    fn run_soon(self: Arc<Self>, work: Work) -> Result<(), Work> {
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

/// The result of running a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunResult {
    /// The call is over.
    Finished,
    /// The call left a future, which notifies its executor when it is over.
    Pending,
    /// The call is over, and its task never began.
    Skipped,
}

/// A call that is over, with what its executor counts of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Completion {
    pub(crate) task: &'static TaskInfo,
    /// How long the call ran, in nanoseconds, where the share needs it.
    pub(crate) ran: u64,
    pub(crate) share: u32,
    /// Whether the call holds a slot of that share.
    pub(crate) has_share_slot: bool,
    pub(crate) inside: bool,
    /// Whether the call's task began.
    pub(crate) began: bool,
}

impl Completion {
    pub(crate) fn of(meta: &Header) -> Self {
        Self {
            task: meta.task(),
            ran: 0,
            share: meta.share(),
            has_share_slot: meta.share_slot().is_some(),
            inside: meta.is_nested(),
            began: true,
        }
    }

    /// Marks the completion as that of a call whose task never began.
    pub(crate) fn skipped(self) -> Self {
        Self { began: false, ..self }
    }

    /// Returns what there is to count after the call came to `ran`; `None` if it is not over.
    pub(crate) fn after(self, ran: RunResult) -> Option<Self> {
        match ran {
            RunResult::Finished => Some(self),
            RunResult::Skipped => Some(self.skipped()),
            RunResult::Pending => None,
        }
    }

    /// Returns whether the executor needs the call's running time.
    pub(crate) fn is_timed(&self) -> bool {
        self.share != 0
    }

    pub(crate) fn ran(self, nanos: u64) -> Self {
        Self { ran: self.ran.saturating_add(nanos), ..self }
    }
}

/// A call with its types erased.
pub(crate) trait ErasedCall: RefCounted + Send + Sync {
    fn header(&self) -> &Header;

    fn is_queued(&self) -> bool;

    fn is_over(&self) -> bool;

    /// Returns whether the call was ended while its task ran.
    fn is_asked_to_stop(&self) -> bool;

    /// Like [`ErasedCall::is_asked_to_stop`], but with a read-modify-write. The caller has just
    /// stored beside the call what its end must stop; either this sees the end, or the end sees
    /// what was stored.
    fn recheck_cancelled(&self) -> bool;

    /// Returns whether the call has normal priority, leaves no future, and has no time limit.
    fn is_plain(&self) -> bool;

    /// Returns whether a task that waits for the call runs it, or has run it, ahead of its turn.
    fn was_overtaken(&self) -> bool;

    /// Claims the call for the caller to run. Returns false if another claim or end was first.
    fn claim(&self) -> bool;

    /// Returns the functions that run the call.
    fn runs(&self) -> Runs;

    /// Ends the call from outside. The call may be in no queue, claimed or running. User code is
    /// left to `batch`.
    fn end_into(&self, how: EndReason, batch: &mut EndBatch) -> EndResult;

    /// Drops the arguments of a call. The caller has claimed the call, or has ended it while it was
    /// queued.
    fn drop_input(&self, host: Option<ExecutorId>);

    /// Ends a claimed call without running it, and drops its arguments.
    fn discard(&self, how: EndReason) {
        let mut batch = EndBatch::default();
        self.end_into(how, &mut batch);
        batch.run();
        self.drop_input(self.header().final_executor());
    }
}

/// Returns the address of a call. It identifies the call as long as an owner exists.
pub(crate) fn address(call: &dyn ErasedCall) -> usize {
    std::ptr::from_ref(call).cast::<()>().addr()
}

/// The functions that run calls of one type. Each takes one of the owners.
#[derive(Clone, Copy)]
pub(crate) struct Runs {
    pub(crate) claimed: RunClaimed,
    pub(crate) queued: RunQueued,
}

/// Runs a claimed call for the given executor, from the given moment on. `None` is the executor
/// whose thread this is.
pub(crate) type RunClaimed = fn(CallRef<dyn ErasedCall>, Option<Arc<dyn Backend>>, u64) -> RunResult;

/// Claims a call and runs it. Gives the call back if another claim or end was first.
pub(crate) type RunQueued = fn(CallRef<dyn ErasedCall>, u64) -> Result<RunResult, CallRef<dyn ErasedCall>>;

impl CallRef<dyn ErasedCall> {
    /// Runs a claimed call, which starts `now`. `host` is the call's executor if this thread is not
    /// a thread of that executor, else `None`.
    pub(crate) fn run(self, host: Option<Arc<dyn Backend>>, now: u64) -> RunResult {
        (self.runs().claimed)(self, host, now)
    }

    /// Claims the call and runs it on a thread of its executor. Gives the call back if another
    /// claim or end was first.
    pub(crate) fn try_run(self, now: u64) -> Result<RunResult, Self> {
        (self.runs().queued)(self, now)
    }
}

/// Ends `call`. If it was queued at `host`, its queue room is free before its caller sees the end.
/// Where `host` is `None`, the call's own header names the executor.
pub(crate) fn end(call: &dyn ErasedCall, host: Option<ExecutorId>, how: EndReason) {
    let mut batch = EndBatch::default();
    let has_input = batch.end_now(call, host, how);
    batch.run();
    if has_input {
        call.drop_input(host.or_else(|| call.header().final_executor()));
    }
}

/// Makes `call` more urgent. A queued call gets its new position. A running call looks again at
/// what it waits for, and passes the priority on.
pub(crate) fn raise(call: &CallRef<dyn ErasedCall>, host: Option<ExecutorId>, priority: Priority) {
    if call.is_over() || !call.header().raise(priority) {
        return;
    }
    if call.is_queued() {
        if let Some(host) = host.or_else(|| call.header().executor()).and_then(ExecutorId::get) {
            host.on_raised(call);
        }
    }
    call.header().wake_on_raise();
    if let Some(onward) = call.header().delegate() {
        raise(&onward, None, priority);
    }
}
