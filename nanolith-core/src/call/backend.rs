//! What a call and the executor that holds it know of each other, told by two traits so that neither floor imports the
//! other: a [`Backend`] has threads and a queue, a [`ErasedCall`] is a call with its types erased.

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
    meta::{priority::Priority, task_info::TaskInfo, thread_kind::Where},
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

/// Tells hosts apart, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExecutorId(NonZero<u64>);

/// Every host that lives, for those who keep only its number: a call's handle, its timer. Handles come and go with each
/// call, so they do not count the host's owners.
static HOSTS: Mutex<BTreeMap<ExecutorId, Known>> = Mutex::new(BTreeMap::new());

struct Known {
    host: Weak<dyn Backend>,
    /// Whether the time is the system's where it was made.
    has_system_clock: bool,
}

/// The hosts for which the time is the system's.
pub(crate) fn all_by_the_system_clock() -> Vec<Weak<dyn Backend>> {
    hosts().values().filter(|known| known.has_system_clock).map(|known| known.host.clone()).collect()
}

fn hosts() -> MutexGuard<'static, BTreeMap<ExecutorId, Known>> {
    HOSTS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ExecutorId {
    pub(crate) fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        // ORDERING: Relaxed, the number means nothing but itself.
        let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        Self(NonZero::new(number).expect("nobody makes 2⁶⁴ hosts"))
    }

    pub(crate) fn number(self) -> u64 {
        self.0.get()
    }

    pub(crate) fn from_raw(number: u64) -> Option<Self> {
        NonZero::new(number).map(Self)
    }

    /// Makes the host known under this number.
    pub(crate) fn insert(self, host: Weak<dyn Backend>) {
        let known = Known { host, has_system_clock: clock::source().is_none() };
        hosts().insert(self, known);
    }

    /// The host goes.
    pub(crate) fn remove(self) {
        hosts().remove(&self);
    }

    pub(crate) fn get(self) -> Option<Arc<dyn Backend>> {
        hosts().get(&self).and_then(|known| known.host.upgrade())
    }
}

/// The wait would never end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WouldDeadlock;

/// What a task's thread is to do about a queued call that it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitAction {
    /// Wait: somebody else runs the call.
    Park,
    /// The call was run here and now.
    RanInline,
    /// Do not wait: it would never end.
    Deadlock,
}

/// The right to run one task at a time on a host's threads. The host counts the permits it issues.
///
/// A permit is neither `Clone` nor `Copy`, so a thread lends or returns only a permit that it holds.
#[derive(Debug)]
#[must_use = "the host counts this permit until it is returned"]
pub(crate) struct Permit(());

impl Permit {
    /// Returns a new permit. The caller is the host, and counts it.
    pub(crate) fn issue() -> Self {
        Self(())
    }

    /// Ends the permit. The caller is the host, and counts it no more.
    pub(crate) fn cancel(self) {
        let Self(()) = self;
    }
}

/// The permit of a thread.
#[derive(Debug, Default)]
pub(crate) enum PermitState {
    /// The thread holds no permit: it helps a worker that does, or it runs no task.
    #[default]
    Absent,
    /// The thread holds a permit, and is at no task: it runs wakers and destructors.
    Idle(Permit),
    /// The thread holds a permit, and is at a task.
    Active(Permit),
    /// A wait further down on this stack has lent what the thread has.
    Lent,
}

/// What a waiting thread has lent to other threads.
#[derive(Debug, Default)]
#[must_use = "the thread takes this back when its wait ends"]
pub(crate) struct LentPermits {
    /// The thread's permit before the wait.
    pub(crate) before: PermitState,
    /// Permits beyond the concurrency.
    pub(crate) extra: usize,
}

/// A pool or a service, as seen from the calls it holds and from the threads it owns.
pub(crate) trait Backend: Send + Sync {
    fn id(&self) -> ExecutorId;

    /// What its builder was given for the tasks' contexts.
    fn data(&self) -> &Extensions;

    /// The order of its work. One's own queue has to have the same.
    fn rules(&self) -> &Arc<SchedulingPolicy> {
        static STANDARD: Lazy<Arc<SchedulingPolicy>> = Lazy::new(Arc::default);
        &STANDARD
    }

    /// A call of ours that waits in our queue, perhaps, was made more urgent.
    fn on_raised(&self, call: &CallRef<dyn ErasedCall>) {
        let _ = call;
    }

    /// The future of a task of ours, which runs on the calling thread, gives way to what expires before `expires`; then
    /// `waker` is used. Where each future that is woken waits for its turn, that is at once.
    fn yield_to(&self, expires: u64, waker: &Waker) {
        let _ = expires;
        waker.wake_by_ref();
    }

    /// For [`crate::current`].
    fn thread_kind(&self) -> Where;

    /// One of our threads begins to wait for something of `target`'s: other threads may use its permit, which moves into the
    /// loan.
    fn lend(&self, permit: &mut PermitState, target: Option<ExecutorId>) -> Result<LentPermits, WouldDeadlock>;

    /// Whether the wait of this thread, which is ours, for something of ours is to end, since the system gives no thread for it.
    fn take_stranded(&self) -> bool {
        false
    }

    /// The one thread of ours begins a blocking wait without a limit, or goes on. Returns its wait before; `None` if this host has
    /// several threads, so that no call waits for one thread alone.
    fn set_blocked(&self, waiter: Option<BlockedWaiter>) -> Option<Option<BlockedWaiter>> {
        drop(waiter);
        None
    }

    /// The blocking wait of the one thread.
    fn blocked(&self) -> Option<BlockedWaiter> {
        None
    }

    /// A call that runs on one of our threads blocks it, or goes on.
    fn list_blocked(&self, call: &CallRef<dyn ErasedCall>, is_blocked: bool) {
        let _ = (call, is_blocked);
    }

    /// Those calls.
    fn blocked_calls(&self) -> Vec<CallRef<dyn ErasedCall>> {
        Vec::new()
    }

    /// Calls whose futures are pending, as of the last time that the host looked at them.
    fn suspended_calls(&self) -> Vec<CallRef<dyn ErasedCall>> {
        Vec::new()
    }

    /// Asks the host to look at its suspended calls, where it has to be asked.
    fn inspect(&self) {}

    /// What has to come before a call in our queue begins, or before there is room for a call.
    fn needs(&self, call: &CallRef<dyn ErasedCall>, needs_room: bool) -> Needs {
        let _ = (call, needs_room);
        Needs::Nothing
    }

    /// Whether a call from outside that finds the queue full waits for room.
    fn waits_for_room(&self) -> bool {
        false
    }

    /// The thread goes on; undoes [`Backend::lend`]. Returns what the thread had before.
    fn take_back(&self, loan: LentPermits) -> PermitState;

    /// A task of ours waits for `call`, which is ours too; `blocking` says that its thread would stand still.
    fn on_wait_for(self: Arc<Self>, call: &CallRef<dyn ErasedCall>, blocking: bool) -> WaitAction;

    /// A queued call, which a task of its kind waits for, may begin beyond the limit of the kind from now on.
    fn exempted(&self, call: &CallRef<dyn ErasedCall>) {
        let _ = call;
    }

    /// This thread waits for something of ours. If it is the one that has to bring it about, it runs our work until `is_ready`
    /// says so, or until `deadline`; `None`: others do that.
    fn drive_until(
        self: Arc<Self>,
        is_ready: &mut dyn FnMut() -> bool,
        deadline: Option<Instant>,
    ) -> Option<Result<(), WouldDeadlock>> {
        let _ = (is_ready, deadline);
        None
    }

    /// Whether this thread is the one that has to bring about what is ours.
    fn is_driven_by_us(&self) -> bool {
        false
    }

    /// `call` was claimed to be ended while it was queued: its place is free. User code is left to `batch`.
    fn on_removed(&self, call: &dyn ErasedCall, batch: &mut EndBatch);

    /// A call that had a future, or ran out of turn, is over.
    fn on_finished(&self, over: Completion);

    /// A call is over that no thread of the host's has counted: one measures it who is asked to.
    fn record(&self, task: &'static TaskInfo, waited: Duration, ran: Duration) {
        let _ = (task, waited, ran);
    }

    /// Runs `work`, which may block, on a thread of ours as soon as one is free. Gives it back if there is none any more.
    fn run_soon(self: Arc<Self>, work: Work) -> Result<(), Work> {
        Err(work)
    }

    /// A call of ours times out while its task runs.
    fn on_overrun(&self, call: &dyn ErasedCall) {
        let _ = call;
    }

    /// The task of such a call, at this address, has returned, or it had before.
    fn on_overrun_finished(&self, address: usize) {
        let _ = address;
    }

    /// A task of ours panicked, and no caller gets the error. No lock is held, and the caller catches what this throws.
    fn on_unobserved_panic(&self, error: &CallError) {
        let _ = error;
    }

    /// Whether our tasks are asked to stop, all of them.
    fn is_stopping(&self) -> bool {
        false
    }

    /// A wait for the end of the simulation that it is of.
    fn end_wait(&self) -> Option<EndWait> {
        None
    }

    /// A call of ours has a future that is pending, for the first time.
    fn on_suspended(&self, call: &CallRef<dyn ErasedCall>) {
        let _ = call;
    }

    /// The call at this address, which was suspended, is over.
    fn on_suspended_finished(&self, call: usize) {
        let _ = call;
    }

    /// A task of ours that holds a slot of this share waits, or its future is pending: others may have the slot.
    fn return_share_slot(&self, share: u32) {
        let _ = share;
    }

    /// The task goes on after a wait, without asking for the slot.
    fn retake_share_slot(&self, share: u32) {
        let _ = share;
    }

    /// A future of ours goes on as soon as there is a slot of this share for it. Says whether there is; else `waker` is woken when
    /// there is one, and `ticket` is the place of the future in the line.
    fn poll_share_slot(&self, share: u32, ticket: &mut Option<WaitTicket>, waker: &Waker) -> bool {
        let _ = (share, ticket, waker);
        true
    }

    /// Such a future is dropped in the line.
    fn leave_share_line(&self, share: u32, ticket: WaitTicket) {
        let _ = (share, ticket);
    }

    /// A future of ours was woken: it goes on when its turn comes, by `expires`.
    fn schedule(self: Arc<Self>, expires: u64, work: async_task::Runnable);
}

/// What running a call came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunResult {
    /// It is over.
    Finished,
    /// It left a future, which tells its host when it is over.
    Pending,
    /// It is over, and its task never began.
    Skipped,
}

/// A call that is over, as far as its host counts it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Completion {
    pub(crate) task: &'static TaskInfo,
    /// How long it ran, in nanoseconds, where somebody asks for that.
    pub(crate) ran: u64,
    pub(crate) share: u32,
    /// Whether it holds a slot of that share.
    pub(crate) has_share_slot: bool,
    pub(crate) inside: bool,
    /// Whether its task began.
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

    /// Of a call whose task never began.
    pub(crate) fn skipped(self) -> Self {
        Self { began: false, ..self }
    }

    /// What there is to count after the call came to `ran`; `None` if it is not over.
    pub(crate) fn after(self, ran: RunResult) -> Option<Self> {
        match ran {
            RunResult::Finished => Some(self),
            RunResult::Skipped => Some(self.skipped()),
            RunResult::Pending => None,
        }
    }

    /// Whether somebody asks how long it ran.
    pub(crate) fn is_timed(&self) -> bool {
        self.share != 0
    }

    pub(crate) fn ran(self, nanos: u64) -> Self {
        Self { ran: self.ran.saturating_add(nanos), ..self }
    }
}

/// A call whose types are known only to itself.
pub(crate) trait ErasedCall: RefCounted + Send + Sync {
    fn header(&self) -> &Header;

    fn is_queued(&self) -> bool;

    fn is_over(&self) -> bool;

    /// Whether it was ended while its task ran.
    fn is_asked_to_stop(&self) -> bool;

    /// Whether it was ended while its task ran; for one who has just left word beside it of what is to be stopped then.
    fn recheck_cancelled(&self) -> bool;

    /// Whether it is of normal priority, leaves no future, and has no time limit.
    fn is_plain(&self) -> bool;

    /// Whether a task that waits for it runs it, or has run it, ahead of its turn.
    fn was_overtaken(&self) -> bool;

    /// Makes the call the claimer's to run; false if somebody was first.
    fn claim(&self) -> bool;

    /// How it is run.
    fn runs(&self) -> Runs;

    /// Ends the call from outside, be it queued nowhere, claimed or running. User code is left to `batch`.
    fn end_into(&self, how: EndReason, batch: &mut EndBatch) -> EndResult;

    /// Drops the arguments of a call that was claimed, or that was ended while it was queued, by the side that did so.
    fn drop_input(&self, host: Option<ExecutorId>);

    /// Ends a claimed call without running it, and drops its arguments.
    fn discard(&self, how: EndReason) {
        let mut batch = EndBatch::default();
        self.end_into(how, &mut batch);
        batch.run();
        self.drop_input(self.header().final_executor());
    }
}

/// The address of a call, for whoever lists it while it has an owner.
pub(crate) fn address(call: &dyn ErasedCall) -> usize {
    std::ptr::from_ref(call).cast::<()>().addr()
}

/// How calls of one type are run, by one of their owners.
#[derive(Clone, Copy)]
pub(crate) struct Runs {
    pub(crate) claimed: RunClaimed,
    pub(crate) queued: RunQueued,
}

/// For a claimed call, which starts at that moment on the thread of that host, or of its own.
pub(crate) type RunClaimed = fn(CallRef<dyn ErasedCall>, Option<Arc<dyn Backend>>, u64) -> RunResult;

/// For one that is claimed by this; gives it back if somebody was first.
pub(crate) type RunQueued = fn(CallRef<dyn ErasedCall>, u64) -> Result<RunResult, CallRef<dyn ErasedCall>>;

impl CallRef<dyn ErasedCall> {
    /// Runs a claimed call, which starts `now`. `host` is whose the thread is not, and runs it all the same.
    pub(crate) fn run(self, host: Option<Arc<dyn Backend>>, now: u64) -> RunResult {
        (self.runs().claimed)(self, host, now)
    }

    /// Claims the call and runs it, for the host whose thread this is; gives it back if somebody was first.
    pub(crate) fn try_run(self, now: u64) -> Result<RunResult, Self> {
        (self.runs().queued)(self, now)
    }
}

/// Ends `call`. Its place, if it was queued at `host`, is free before its caller hears of the end. Where the caller does not
/// know the host, the call does.
pub(crate) fn end(call: &dyn ErasedCall, host: Option<ExecutorId>, how: EndReason) {
    let mut batch = EndBatch::default();
    let has_input = batch.end_now(call, host, how);
    batch.run();
    if has_input {
        call.drop_input(host.or_else(|| call.header().final_executor()));
    }
}

/// Makes `call` more urgent. If it is queued it gets its new place; if it runs, it looks again at what it waits for, and so
/// passes that on.
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
