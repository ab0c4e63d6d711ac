//! The thread-local context of the running thread: its executor, its task, and what it has lent.
//! A submitted call looks up its parents here. A wait looks up the permit that the thread holds.

use crate::meta::thread_kind::ThreadKind;
use crate::{
    call::{
        ancestry::{Ancestry, Origin, RunAncestry},
        backend::{Backend, Completion, ErasedCall, ExecutorId, LentPermits, Permit, PermitState, WouldDeadlock},
        call_ref::CallRef,
        header::{Header, StopHome},
        policy::SchedulingPolicy,
    },
    meta::{priority::Priority, task_info::TaskInfo, visited_layers::LayerId},
    park::parker::ThreadParker,
    util::{
        per_thread::{at_thread_end, per_thread},
        prefetch::PrefetchTarget,
        stack::{self, OnTop},
    },
    wake::Registration,
};
use std::{
    cell::{Cell, RefCell},
    marker::PhantomData,
    num::NonZero,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Waker,
};

/// The maximum number of claimed calls nested on a stack of unknown size.
const MAX_INLINE_DEPTH: u32 = 64;

/// A task that is running.
pub(crate) struct RunningTask {
    /// The task's call. The executor shares it while the task runs.
    pub(crate) call: CallRef<dyn ErasedCall>,
    /// The task and its parents, created when the first call of this task asks for them.
    lineage: Option<RunAncestry>,
}

impl RunningTask {
    #[inline]
    pub(crate) fn new(call: CallRef<dyn ErasedCall>) -> Self {
        Self { call, lineage: None }
    }

    /// Ends the run. Returns the owning reference to the call.
    #[inline]
    pub(crate) fn end(self) -> CallRef<dyn ErasedCall> {
        if let Some(lineage) = self.lineage {
            lineage.end(&self.call);
        }
        self.call
    }
}

/// The context of one thread.
struct ThreadContext {
    id: Cell<Option<ExecutorId>>,
    host: RefCell<Option<Weak<dyn Backend>>>,
    /// The scheduling policy of `host`.
    rules: RefCell<Option<Arc<SchedulingPolicy>>>,
    /// Whether a worker of the executor is on the stack.
    runner: Cell<bool>,
    /// The permit with which that worker runs tasks.
    permit: Cell<PermitState>,
    call: Cell<Option<CallRef<dyn ErasedCall>>>,
    /// Belongs to `call`: see [`RunningTask`].
    lineage: Cell<Option<RunAncestry>>,
    /// The priority of a scope, and the address of its call. It does not cover calls within that.
    scope: Cell<Option<(Priority, *const ())>>,
    /// The data pointer of the waker with which the future of the call is polled.
    task_waker: Cell<*const ()>,
    /// The executor whose calls leave their completion in `over`, and the completion that was left.
    collects: Cell<Option<ExecutorId>>,
    over: Cell<Option<Completion>>,
    /// The number of claimed calls nested on the stack.
    depth: Cell<u32>,
    is_nested_run: Cell<u64>,
    /// The loan made by handles polled within a sync task, and how many of them are pending.
    lent: Cell<Option<PollLoan>>,
    pending: Cell<u32>,
    /// The number of the loan to which the pending handles belong.
    loan: Cell<Option<NonZero<u64>>>,
    /// Whether a blocking wait of this crate polls: that wait lends the slot itself.
    waiting: Cell<bool>,
}

/// A loan that was made because handles were polled within a sync task.
struct PollLoan {
    /// `None` if no executor owns the thread.
    loan: Option<LentPermits>,
    _share_slot: Option<ReturnedSlot>,
}

impl ThreadContext {
    /// Whether pending handles of the running task have lent its permit.
    fn has_lent(&self) -> bool {
        let lent = self.lent.take();
        let has_lent = lent.is_some();
        self.lent.set(lent);
        has_lent
    }
}

per_thread! {
    static THREAD: ThreadContext = ThreadContext {
        id: Cell::new(None),
        host: RefCell::new(None),
        rules: RefCell::new(None),
        runner: Cell::new(false),
        permit: Cell::new(PermitState::Absent),
        call: Cell::new(None),
        lineage: Cell::new(None),
        scope: Cell::new(None),
        task_waker: Cell::new(std::ptr::null()),
        collects: Cell::new(None),
        over: Cell::new(None),
        depth: Cell::new(0),
        is_nested_run: Cell::new(0),
        lent: Cell::new(None),
        pending: Cell::new(0),
        loan: Cell::new(None),
        waiting: Cell::new(false),
    };
}

/// The loan in which a handle counts as pending. In another task or thread it counts nothing.
pub(crate) type PendingPoll = Option<NonZero<u64>>;

/// Returns a number that no other loan has.
fn next_loan() -> PendingPoll {
    static LAST: AtomicU64 = AtomicU64::new(0);
    // ORDERING: Relaxed, without a partner: the number publishes no other data.
    NonZero::new(LAST.fetch_add(1, Ordering::Relaxed) + 1)
}

/// Restores the earlier value of a thread-local cell when dropped, also during a panic.
struct Restore<'a, T: Copy>(&'a Cell<T>, T);

impl<T: Copy> Drop for Restore<'_, T> {
    fn drop(&mut self) {
        self.0.set(self.1);
    }
}

fn set<T: Copy>(cell: &Cell<T>, value: T) -> Restore<'_, T> {
    Restore(cell, cell.replace(value))
}

// ----- the executor of the thread

/// Makes `host` the executor of this thread from now on.
pub(crate) fn set_executor(id: ExecutorId, host: Weak<dyn Backend>) {
    let rules = host.upgrade().map(|host| host.rules().clone());
    THREAD.with(|thread| {
        thread.id.set(Some(id));
        thread.rules.replace(rules);
        thread.host.replace(Some(host));
    });
    at_thread_end(|| {
        let left = THREAD.with(|thread| (thread.id.take(), thread.rules.take(), thread.host.take()));
        drop(left);
    });
}

/// Makes this thread run a worker of `host`, until the guard restores the executor from before.
pub(crate) fn enter_executor(id: ExecutorId, host: Weak<dyn Backend>) -> EnterGuard {
    let rules = host.upgrade().map(|host| host.rules().clone());
    THREAD.with(|thread| EnterGuard {
        id: thread.id.replace(Some(id)),
        host: thread.host.replace(Some(host)),
        rules: thread.rules.replace(rules),
        runner: thread.runner.replace(true),
        here: PhantomData,
    })
}

/// The executor that the thread belonged to before.
#[must_use = "the thread is given back when this is dropped"]
pub(crate) struct EnterGuard {
    id: Option<ExecutorId>,
    host: Option<Weak<dyn Backend>>,
    rules: Option<Arc<SchedulingPolicy>>,
    runner: bool,
    here: PhantomData<*const ()>,
}

impl Drop for EnterGuard {
    fn drop(&mut self) {
        THREAD.with(|thread| {
            thread.id.set(self.id);
            drop(thread.host.replace(self.host.take()));
            drop(thread.rules.replace(self.rules.take()));
            thread.runner.set(self.runner);
        });
    }
}

/// Returns a weak reference to the executor of this thread.
pub(crate) fn standing() -> Option<Weak<dyn Backend>> {
    THREAD.with(|thread| thread.host.borrow().clone())
}

per_thread! {
    static DRIVES: Cell<bool> = Cell::new(false);
}

/// Records that this thread drives an executor: it may have to run itself what it waits for.
pub(crate) fn mark_driver_thread() {
    DRIVES.set(true);
}

/// Whether this thread has ever driven an executor.
pub(crate) fn is_driver_thread() -> bool {
    DRIVES.get()
}

/// Returns the `target` of a wait, if this thread may drive it.
pub(crate) fn driven_by_this_thread(target: Option<ExecutorId>) -> Option<Arc<dyn Backend>> {
    target.filter(|_| is_driver_thread()).and_then(ExecutorId::get)
}

/// Returns the id of the executor of this thread.
#[inline]
pub(crate) fn current_executor() -> Option<ExecutorId> {
    THREAD.with(|thread| thread.id.get())
}

/// Returns the executor of this thread.
pub(crate) fn current_backend() -> Option<Arc<dyn Backend>> {
    THREAD.with(host)
}

fn host(thread: &ThreadContext) -> Option<Arc<dyn Backend>> {
    thread.host.borrow().as_ref().and_then(Weak::upgrade)
}

/// Runs `f` as a worker that holds `permit`. Returns the permit, unless `f` has taken it out.
/// Calls of `host` that have a future leave their completion on this thread: see [`take_over`].
pub(crate) fn with_permit<R>(host: ExecutorId, permit: Permit, f: impl FnOnce() -> R) -> (R, Option<Permit>) {
    THREAD.with(|thread| {
        let _restore = set(&thread.runner, true);
        let _collects = set(&thread.collects, Some(host));
        thread.permit.set(PermitState::Active(permit));
        let result = f();
        (result, take_permit(thread))
    })
}

/// Takes the worker's permit out of this thread. The thread runs no task from now on.
pub(crate) fn put_down_permit() -> Option<Permit> {
    THREAD.with(take_permit)
}

/// Runs `f`, which is no task, on a thread that holds a permit and runs no task.
pub(crate) fn as_idle<R>(f: impl FnOnce() -> R) -> R {
    THREAD.with(|thread| {
        let permit = take_permit(thread).map_or(PermitState::Absent, PermitState::Idle);
        thread.permit.set(permit);
        let result = f();
        let permit = take_permit(thread).map_or(PermitState::Absent, PermitState::Active);
        thread.permit.set(permit);
        result
    })
}

fn take_permit(thread: &ThreadContext) -> Option<Permit> {
    match thread.permit.take() {
        PermitState::Idle(permit) | PermitState::Active(permit) => Some(permit),
        PermitState::Absent | PermitState::Lent => None,
    }
}

// ----- the running task

/// Runs `f` as part of `running`. Returns `running` too, to be kept until the next poll.
#[inline(always)]
pub(crate) fn enter_task<R>(running: RunningTask, f: impl FnOnce() -> R) -> (R, RunningTask) {
    /// The task below on the stack, if there is one. It waits for the new task meanwhile.
    struct RestoreTask(Option<CallRef<dyn ErasedCall>>, Option<RunAncestry>);
    impl RestoreTask {
        fn go_on(&mut self) -> Option<RunningTask> {
            let swap =
                |thread: &ThreadContext| (thread.call.replace(self.0.take()), thread.lineage.replace(self.1.take()));
            let (call, lineage) = THREAD.with(swap);
            call.map(|call| RunningTask { call, lineage })
        }
    }
    impl Drop for RestoreTask {
        fn drop(&mut self) {
            drop(self.go_on());
        }
    }
    let RunningTask { call, lineage } = running;
    let swap = |thread: &ThreadContext| (thread.call.replace(Some(call)), thread.lineage.replace(lineage));
    let (call, lineage) = THREAD.with(swap);
    let mut below = RestoreTask(call, lineage);
    let result = f();
    let running = below.go_on();
    std::mem::forget(below); // `go_on` has restored it
    (result, running.expect("the nested run has ended"))
}

/// Calls `f` with the call of the running task, if there is one.
#[inline]
fn look<R>(thread: &ThreadContext, f: impl FnOnce(&CallRef<dyn ErasedCall>) -> R) -> Option<R> {
    let call = thread.call.take()?;
    let seen = f(&call);
    thread.call.set(Some(call));
    Some(seen)
}

/// Returns the origin of a call that is submitted on this thread now.
#[inline]
pub(crate) fn origin() -> Origin {
    THREAD.with(|thread| match thread.call.take() {
        Some(call) => origin_within(thread, call),
        None => Origin { parents: None, priority: scoped_priority(thread).unwrap_or_default() },
    })
}

fn origin_within(thread: &ThreadContext, call: CallRef<dyn ErasedCall>) -> Origin {
    let (lineage, priority) = (lineage_of(thread, &call), call.header().priority());
    thread.call.set(Some(call));
    Origin { parents: Some(lineage), priority: scoped_priority(thread).unwrap_or(priority) }
}

/// Returns the priority of the innermost scope that was opened within the running call.
#[inline]
fn scoped_priority(thread: &ThreadContext) -> Option<Priority> {
    let (priority, within) = thread.scope.get()?;
    (running(thread) == within).then_some(priority)
}

/// Returns an address that identifies the running call, or null if no call runs.
fn running(thread: &ThreadContext) -> *const () {
    look(thread, PrefetchTarget::target_ptr).unwrap_or(std::ptr::null())
}

/// Returns the priority of the running code: the scope's, else the task's, else `None`.
pub(crate) fn effective_priority() -> Option<Priority> {
    let urgency =
        |thread: &ThreadContext| scoped_priority(thread).or_else(|| look(thread, |call| call.header().priority()));
    THREAD.with(urgency)
}

/// Runs `f` in a scope of this priority.
pub(crate) fn with_priority<R>(priority: Priority, f: impl FnOnce() -> R) -> R {
    THREAD.with(|thread| {
        let _restore = set(&thread.scope, Some((priority, running(thread))));
        f()
    })
}

/// Returns a wait for a raise or stop of the task that is about to block; `None` without a task.
pub(crate) fn stop_wait() -> Option<Registration<StopHome<CallRef<dyn ErasedCall>>>> {
    let wait = |call: &CallRef<dyn ErasedCall>| {
        call.header().mark_blocking();
        Registration::new(StopHome(call.clone()))
    };
    THREAD.with(|thread| look(thread, wait))
}

/// Whether the running task should yield to other tasks. `None` if no task runs.
pub(crate) fn should_yield() -> Option<bool> {
    THREAD.with(|thread| look(thread, |call| call.is_asked_to_stop() || should_give_way(thread, call.header())))
}

/// Whether a call that runs on a thread of this executor should yield.
pub(crate) fn should_yield_for(meta: &Header) -> bool {
    THREAD.with(|thread| should_give_way(thread, meta))
}

fn should_give_way(thread: &ThreadContext, meta: &Header) -> bool {
    match &*thread.rules.borrow() {
        Some(rules) => rules.should_yield(meta),
        None => SchedulingPolicy::default().should_yield(meta),
    }
}

/// Records the waker with which the future of the running task is polled.
pub(crate) fn set_task_waker(waker: &Waker) {
    THREAD.with(|thread| thread.task_waker.set(waker.data()));
}

/// Wakes a pending future after more urgent work has had its turn. A future that is not the task's
/// own is woken at once, for example one in a `block_on` of another crate.
pub(crate) fn give_way(waker: &Waker) {
    let host = THREAD.with(|thread| {
        let polls = look(thread, |call| call.header().task().is_async()) == Some(true);
        let host = (polls && thread.task_waker.get() == waker.data()).then(|| host(thread)).flatten()?;
        let expires = look(thread, |call| host.rules().expires(call.header()))?;
        Some((host, expires))
    });
    match host {
        Some((host, expires)) => host.yield_to(expires, waker),
        None => waker.wake_by_ref(),
    }
}

fn lineage_of(thread: &ThreadContext, call: &CallRef<dyn ErasedCall>) -> Arc<Ancestry> {
    let lineage = thread.lineage.take().unwrap_or_else(|| RunAncestry::of(call));
    let trace = lineage.trace().clone();
    thread.lineage.set(Some(lineage));
    trace
}

// ----- how the calls on the thread end

/// Runs `f`, which runs a call of `host`. Returns its result and the completion that the call left.
pub(crate) fn collect_over<R>(host: ExecutorId, f: impl FnOnce() -> R) -> (R, Option<Completion>) {
    THREAD.with(|thread| {
        let _collects = set(&thread.collects, Some(host));
        let _below = set(&thread.over, None);
        let result = f();
        (result, thread.over.take())
    })
}

/// Takes the completion that the call on this thread left to be counted.
pub(crate) fn take_over() -> Option<Completion> {
    THREAD.with(|thread| thread.over.take())
}

/// Leaves `over` to the worker to count. Returns `false` if no worker of `host` collects it here.
pub(crate) fn leave_over(host: ExecutorId, over: Completion) -> bool {
    THREAD.with(|thread| {
        let is_free = thread.collects.get() == Some(host) && thread.over.get().is_none();
        if is_free {
            thread.over.set(Some(over));
        }
        is_free
    })
}

// ----- how the thread waits

/// The loan of this thread's permit and of its share's slot. Dropping it takes both back.
pub(crate) struct BlockingGuard {
    loan: Option<(Arc<dyn Backend>, LentPermits)>,
    /// Dropped after the loan is taken back.
    _share_slot: Option<ReturnedSlot>,
}

impl Drop for BlockingGuard {
    fn drop(&mut self) {
        if let Some((host, loan)) = self.loan.take() {
            let permit = host.take_back(loan);
            THREAD.with(|thread| thread.permit.set(permit));
        }
    }
}

/// Moves the permit of this thread, if it has one, into a loan to its executor.
fn lend_to(
    thread: &ThreadContext,
    host: &Arc<dyn Backend>,
    target: Option<ExecutorId>,
) -> Result<LentPermits, WouldDeadlock> {
    let mut permit = thread.permit.replace(PermitState::Lent);
    let loan = host.lend(&mut permit, target);
    thread.permit.set(permit);
    loan
}

/// Whether any share has ever had a limit.
static SOME_SHARE_IS_LIMITED: AtomicBool = AtomicBool::new(false);

// ORDERING of `SOME_SHARE_IS_LIMITED`: Relaxed, pairs with the load in `ReturnedSlot::of`. A call
// that holds a slot has passed the lock under which its share got the limit.
pub(crate) fn some_share_is_limited() {
    SOME_SHARE_IS_LIMITED.store(true, Ordering::Relaxed);
}

/// A slot of a share that a call has given back while it waits.
struct ReturnedSlot {
    call: CallRef<dyn ErasedCall>,
    pool: ExecutorId,
}

impl ReturnedSlot {
    /// Gives back the share's slot of the running task, if the task holds one.
    fn of(thread: &ThreadContext) -> Option<Self> {
        if !SOME_SHARE_IS_LIMITED.load(Ordering::Relaxed) {
            return None;
        }
        let held =
            |call: &CallRef<dyn ErasedCall>| Some(Self { call: call.clone(), pool: call.header().share_slot()? });
        let slot = look(thread, held).flatten()?;
        slot.call.header().set_share_slot(None);
        slot.pool.get()?.return_share_slot(slot.call.header().share());
        Some(slot)
    }
}

impl Drop for ReturnedSlot {
    /// Takes the slot back: the task continues.
    fn drop(&mut self) {
        let meta = self.call.header();
        meta.set_share_slot(Some(self.pool));
        if let Some(pool) = self.pool.get() {
            pool.retake_share_slot(meta.share());
        }
    }
}

/// Returns the share of `pool` in which the running task holds a slot.
pub(crate) fn running_share_slot(pool: ExecutorId) -> Option<u32> {
    let held = |call: &CallRef<dyn ErasedCall>| {
        call.header().share_slot().filter(|at| *at == pool).map(|_| call.header().share())
    };
    THREAD.with(|thread| look(thread, held).flatten())
}

/// Lends this thread's slot, if it has one and has not lent it, for a wait on `target`.
pub(crate) fn enter_blocking(target: Option<ExecutorId>) -> Result<BlockingGuard, WouldDeadlock> {
    THREAD.with(|thread| {
        let host = if thread.has_lent() { None } else { host(thread) };
        let lend = |host: Arc<dyn Backend>| lend_to(thread, &host, target).map(|loan| (host, loan));
        Ok(BlockingGuard { loan: host.map(lend).transpose()?, _share_slot: ReturnedSlot::of(thread) })
    })
}

/// Whether this thread's wait on `target`, its own executor, must end: [`Backend::take_stranded`].
pub(crate) fn is_stranded(target: Option<ExecutorId>) -> bool {
    target.is_some() && current_executor() == target && current_backend().is_some_and(|host| host.take_stranded())
}

/// Runs `f` as a poll of this crate's blocking wait. Handles in `f` leave the lending to that wait.
pub(crate) fn during_block_on<R>(f: impl FnOnce() -> R) -> R {
    THREAD.with(|thread| {
        let _restore = set(&thread.waiting, true);
        f()
    })
}

/// Whether this crate's blocking wait polls on this thread.
pub(crate) fn is_blocking() -> bool {
    THREAD.with(|thread| thread.waiting.get())
}

/// Counts a pending wait of the running asynchronous task. Returns whether the poll is a probe.
/// `None` if no such task runs here, or if its thread blocks.
#[inline]
pub(crate) fn count_wait() -> Option<bool> {
    in_async_task(Header::count_wait)
}

/// Whether this poll of the running asynchronous task is a probe, for what the task waits for.
pub(crate) fn is_probed() -> bool {
    in_async_task(Header::is_probed) == Some(true)
}

fn in_async_task<R>(f: impl FnOnce(&Header) -> R) -> Option<R> {
    let look = |thread: &ThreadContext| {
        look(thread, |call| call.header().task().is_async().then(|| f(call.header()))).flatten()
    };
    THREAD.with(|thread| if thread.waiting.get() { None } else { look(thread) })
}

/// Lends the slot of a sync task in which a handle of `target` was polled and is pending.
///
/// A pending handle means that the thread is about to block in a `block_on` of another crate. The
/// slot stays lent until no handle is pending or the task ends. `counted` is set if the handle was
/// pending before.
pub(crate) fn poll_pending(counted: &mut PendingPoll, target: Option<ExecutorId>) -> Result<(), WouldDeadlock> {
    THREAD.with(|thread| {
        let is_counted = counted.is_some() && *counted == thread.loan.get();
        if is_counted || thread.waiting.get() || !in_sync_task(thread) {
            return Ok(());
        }
        if !thread.has_lent() {
            let loan = host(thread).map(|host| lend_to(thread, &host, target)).transpose()?;
            let share_slot = ReturnedSlot::of(thread);
            if loan.is_none() && share_slot.is_none() {
                return Ok(());
            }
            thread.lent.set(Some(PollLoan { loan, _share_slot: share_slot }));
            thread.loan.set(next_loan());
        }
        thread.pending.set(thread.pending.get() + 1);
        *counted = thread.loan.get();
        Ok(())
    })
}

/// Counts out a handle that is ready or dropped. The last handle takes back the thread's slot.
pub(crate) fn poll_resolved(counted: &mut PendingPoll) {
    let Some(loan) = counted.take() else { return };
    THREAD.with(|thread| {
        if thread.loan.get() == Some(loan) {
            thread.pending.set(thread.pending.get().saturating_sub(1));
            if thread.pending.get() == 0 {
                settle(thread);
            }
        }
    });
}

/// Takes back what the pending handles of a task have lent. The task is over.
#[inline]
pub(crate) fn release_pending_polls() {
    THREAD.with(|thread| {
        // Where no handle is pending, nothing is lent.
        if thread.pending.replace(0) > 0 {
            settle(thread);
        }
    });
}

fn settle(thread: &ThreadContext) {
    thread.loan.set(None);
    if let Some(PollLoan { loan, _share_slot }) = thread.lent.take() {
        let Some(loan) = loan else { return };
        let permit = match host(thread) {
            Some(host) => host.take_back(loan),
            None => loan.before,
        };
        thread.permit.set(permit);
    }
}

/// Whether a poll on this thread blocks the thread if it is pending.
pub(crate) fn poll_blocks_thread() -> bool {
    THREAD.with(|thread| thread.waiting.get() || in_sync_task(thread))
}

fn in_sync_task(thread: &ThreadContext) -> bool {
    look(thread, |call| !call.header().task().is_async()).unwrap_or(false)
}

/// Whether no other claimed call should run on this stack: it is almost full or, where its size is
/// unknown, has the maximum number of calls on it.
pub(crate) fn at_max_depth() -> bool {
    stack::is_low().unwrap_or_else(|| THREAD.with(|thread| thread.depth.get() >= MAX_INLINE_DEPTH))
}

/// Whether any executor has ever asked its tasks to stop.
static ANY_SHUTDOWN: AtomicBool = AtomicBool::new(false);

// ORDERING of `ANY_SHUTDOWN`: Relaxed, pairs with the repeated load in `is_shutting_down`.
pub(crate) fn note_shutdown() {
    ANY_SHUTDOWN.store(true, Ordering::Relaxed);
}

/// Whether the executor of this thread asks its tasks to stop.
#[inline]
pub(crate) fn is_shutting_down() -> bool {
    ANY_SHUTDOWN.load(Ordering::Relaxed) && current_backend().is_some_and(|host| host.is_stopping())
}

/// Whether a worker is on the stack of this thread.
pub(crate) fn holds_permit() -> bool {
    THREAD.with(|thread| thread.runner.get())
}

/// Whether a worker of `host` is on this stack, and may run on top a call that it waits for.
pub(crate) fn can_run_inline(host: Option<ExecutorId>) -> bool {
    THREAD.with(|thread| thread.runner.get() && host.is_some() && thread.id.get() == host) && !at_max_depth()
}

/// Counts a call that this thread runs ahead of its turn.
pub(crate) fn count_overtaken() {
    THREAD.with(|thread| thread.rules.borrow().iter().for_each(|rules| rules.count_overtaken()));
}

/// Returns the number of calls that have run on top of other calls on this thread.
pub(crate) fn nested_runs() -> u64 {
    THREAD.with(|thread| thread.is_nested_run.get())
}

/// Holds the loan of the task below while a call runs on top of it. Dropping it restores the loan.
struct LentBelow<'a> {
    thread: &'a ThreadContext,
    loan: Option<PollLoan>,
}

impl Drop for LentBelow<'_> {
    fn drop(&mut self) {
        self.thread.lent.set(self.loan.take());
    }
}

/// Runs a claimed call on top of the task that waits for it.
pub(crate) fn run_nested<R>(run: impl FnOnce() -> R) -> R {
    let _top = OnTop::begin();
    THREAD.with(|thread| {
        // The task below waits for this call.
        let _share_slot = ReturnedSlot::of(thread);
        let _depth = set(&thread.depth, thread.depth.get() + 1);
        thread.is_nested_run.set(thread.is_nested_run.get() + 1);
        // The loan of a task below in a `block_on` stays. The call on top makes a loan of its own.
        let _pending = set(&thread.pending, 0);
        let _lent = LentBelow { thread, loan: thread.lent.take() };
        let _loan = set(&thread.loan, None);
        let parking = thread.waiting.get().then(ThreadParker::of_this_thread);
        let _outer = parking.as_ref().map(|parking| parking.nest(true));
        let _waiting = set(&thread.waiting, false);
        run()
    })
}

/// Whether the running task or a caller of it is `task`.
pub(crate) fn is_within_task(task: &TaskInfo) -> bool {
    let lineage = origin().parents;
    let mut callers = lineage.iter().flat_map(|trace| trace.callers());
    callers.any(|caller| caller.task.identifier() == task.identifier())
}

/// Whether the call of the running task came through this layer.
pub(crate) fn is_within_layer(layer: LayerId) -> bool {
    THREAD.with(|thread| look(thread, |call| call.header().has_passed(layer))).unwrap_or(false)
}

// ----- for users

/// Where the calling code runs, returned by [`current`].
///
/// ```
/// use nanolith::{ThreadKind, current};
/// let here = current();
/// assert_eq!((here.place(), here.task()), (&ThreadKind::Outside, None));
/// ```
#[derive(Clone, Debug)]
pub struct Current {
    place: ThreadKind,
    task: Option<&'static TaskInfo>,
}

impl Current {
    /// Returns the kind of thread that runs the code.
    #[must_use]
    pub fn place(&self) -> &ThreadKind {
        &self.place
    }

    /// Returns the task that runs, if there is one.
    #[must_use]
    pub fn task(&self) -> Option<&'static TaskInfo> {
        self.task
    }
}

/// Returns where the calling code runs: the kind of thread, and the task.
///
/// ```
/// # use nanolith::prelude::*;
/// # pub struct Geometry;
/// # #[define]
/// impl Geometry {
///     pub fn who_am_i() -> Option<&'static str> {
///         nanolith::current().task().map(|task| task.name())
///     }
/// }
/// assert_eq!(Geometry::tasks().who_am_i().wait()?, Some("who_am_i"));
/// assert_eq!(Geometry::who_am_i(), None); // as a plain function
/// # Ok::<(), CallError>(())
/// ```
#[must_use]
pub fn current() -> Current {
    THREAD.with(|thread| Current {
        place: host(thread).map_or(ThreadKind::Outside, |host| host.thread_kind()),
        task: look(thread, |call| call.header().task()),
    })
}

/// Returns the call of the running task.
pub(crate) fn running_call() -> Option<CallRef<dyn ErasedCall>> {
    THREAD.with(|thread| look(thread, CallRef::clone))
}

/// Returns the running task.
pub(crate) fn running_task() -> Option<&'static TaskInfo> {
    THREAD.with(|thread| look(thread, |call| call.header().task()))
}
