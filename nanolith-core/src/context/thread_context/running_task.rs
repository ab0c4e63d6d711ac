//! [`RunningTask`]: the task that runs on a thread, and what its calls and waits inherit from it.

use super::{THREAD, ThreadContext, executor::host, set};
use crate::{
    call::{
        ancestry::{Ancestry, Origin, RunAncestry},
        backend::{ErasedCall, ExecutorId},
        call_ref::CallRef,
        header::{Header, StopHome},
        policy::SchedulingPolicy,
    },
    meta::{priority::Priority, task_info::TaskInfo, visited_layers::LayerId},
    util::prefetch::PrefetchTarget,
    wake::Registration,
};
use std::{sync::Arc, task::Waker};

/// A task that is running.
pub(crate) struct RunningTask {
    /// The task's call. The executor shares it while the task runs.
    pub(crate) call: CallRef<dyn ErasedCall>,
    /// The task and its parents, created when the first call of this task asks for them.
    pub(super) lineage: Option<RunAncestry>,
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
pub(super) fn look<R>(thread: &ThreadContext, f: impl FnOnce(&CallRef<dyn ErasedCall>) -> R) -> Option<R> {
    let call = thread.call.take()?;
    let seen = f(&call);
    thread.call.set(Some(call));
    Some(seen)
}

/// Returns the call of the running task.
pub(crate) fn running_call() -> Option<CallRef<dyn ErasedCall>> {
    THREAD.with(|thread| look(thread, CallRef::clone))
}

/// Returns the running task.
pub(crate) fn running_task() -> Option<&'static TaskInfo> {
    THREAD.with(|thread| look(thread, |call| call.header().task()))
}

/// Returns whether the running task or a caller of it is `task`.
pub(crate) fn is_within_task(task: &TaskInfo) -> bool {
    let lineage = origin().parents;
    let mut callers = lineage.iter().flat_map(|trace| trace.callers());
    callers.any(|caller| caller.task.identifier() == task.identifier())
}

/// Returns whether the call of the running task came through this layer.
pub(crate) fn is_within_layer(layer: LayerId) -> bool {
    THREAD.with(|thread| look(thread, |call| call.header().has_passed(layer))).unwrap_or(false)
}

/// Returns the origin of a call that is submitted on this thread now.
#[inline]
pub(crate) fn origin() -> Origin {
    THREAD.with(|thread| match thread.call.take() {
        Some(call) => origin_within(thread, call),
        None => Origin { parents: None, priority: scoped_priority(thread).unwrap_or_default() },
    })
}

/// Returns whether no task runs on this thread, and no scope sets a priority.
#[inline(always)]
pub(crate) fn is_outside_tasks() -> bool {
    THREAD.with(|thread| {
        let call = thread.call.take();
        let is_outside = call.is_none();
        thread.call.set(call);
        is_outside && thread.scope.get().is_none()
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

/// Returns whether the running task should yield to other tasks. `None` if no task runs.
pub(crate) fn should_yield() -> Option<bool> {
    THREAD.with(|thread| look(thread, |call| call.is_asked_to_stop() || should_give_way(thread, call.header())))
}

/// Returns whether a call that runs on a thread of this executor should yield.
pub(crate) fn should_yield_for(meta: &Header) -> bool {
    THREAD.with(|thread| should_give_way(thread, meta))
}

fn should_give_way(thread: &ThreadContext, meta: &Header) -> bool {
    match &*thread.rules.borrow() {
        Some(rules) => rules.should_yield(meta),
        None => SchedulingPolicy::default().should_yield(meta),
    }
}

/// A poll of the future of the running task.
#[derive(Clone, Copy)]
pub(super) struct TaskPoll {
    /// The data pointer of the waker.
    waker: *const (),
    /// The executor that polls again at once if the future has given way and nothing goes first.
    polls_again: Option<ExecutorId>,
    /// Whether the future has given way, and is to be polled again at once.
    has_given_way: bool,
}

impl TaskPoll {
    pub(super) const NONE: Self = Self { waker: std::ptr::null(), polls_again: None, has_given_way: false };
}

/// Runs `poll`, which polls the future of the running task with `waker`. Returns whether the caller,
/// `polls_again`, polls again at once: the future has given way, and is the next to run.
#[inline]
pub(crate) fn poll_as_task<R>(waker: &Waker, polls_again: Option<ExecutorId>, poll: impl FnOnce() -> R) -> (R, bool) {
    THREAD.with(|thread| {
        let _outer = set(&thread.polled, TaskPoll { waker: waker.data(), polls_again, has_given_way: false });
        let polled = poll();
        (polled, thread.polled.get().has_given_way)
    })
}

/// Returns whether the future of the running task is to be polled again at once.
#[inline]
pub(crate) fn has_given_way() -> bool {
    THREAD.with(|thread| thread.polled.get().has_given_way)
}

/// Wakes a pending future after more urgent work has had its turn. A future that is not the task's
/// own is woken at once, for example one in a `block_on` of another crate.
pub(crate) fn give_way(waker: &Waker) {
    let host = THREAD.with(|thread| {
        let polls = look(thread, |call| call.header().task().is_async()) == Some(true);
        let polled = thread.polled.get();
        if !polls || polled.waker != waker.data() {
            return Some(None);
        }
        if polled.polls_again.is_some() && polled.polls_again == thread.id.get() && is_next(thread) {
            thread.polled.set(TaskPoll { has_given_way: true, ..polled });
            return None;
        }
        let Some(host) = host(thread) else { return Some(None) };
        let expires = look(thread, |call| host.rules().expires(call.header()))?;
        Some(Some((host, expires)))
    });
    match host {
        None => {}
        Some(Some((host, expires))) => host.yield_to(expires, waker),
        Some(None) => waker.wake_by_ref(),
    }
}

/// Returns whether the running call would be the next to run if its future were queued now.
fn is_next(thread: &ThreadContext) -> bool {
    let rules = thread.rules.borrow();
    rules.as_ref().is_some_and(|rules| look(thread, |call| rules.is_next(call.header())) == Some(true))
}

/// Counts a pending wait of the running asynchronous task. Returns whether the poll is a probe.
/// `None` if no such task runs here, or if its thread blocks.
#[inline]
pub(crate) fn count_wait() -> Option<bool> {
    in_async_task(Header::count_wait)
}

/// Returns whether this poll of the running asynchronous task is a probe, for what the task waits
/// for.
pub(crate) fn is_probed() -> bool {
    in_async_task(Header::is_probed) == Some(true)
}

fn in_async_task<R>(f: impl FnOnce(&Header) -> R) -> Option<R> {
    let look = |thread: &ThreadContext| {
        look(thread, |call| call.header().task().is_async().then(|| f(call.header()))).flatten()
    };
    THREAD.with(|thread| if thread.waiting.get() { None } else { look(thread) })
}

fn lineage_of(thread: &ThreadContext, call: &CallRef<dyn ErasedCall>) -> Arc<Ancestry> {
    let lineage = thread.lineage.take().unwrap_or_else(|| RunAncestry::of(call));
    let trace = lineage.trace().clone();
    thread.lineage.set(Some(lineage));
    trace
}
