//! [`run_child`] runs a call on top of the task that waits for it, like
//! [`run_nested`](super::run_nested), for the most common case: the thread has lent nothing.

use super::{RunningTask, THREAD, blocking::some_share_may_be_limited};
use crate::{
    call::{
        backend::{ErasedCall, ExecutorId},
        call_ref::{CallRef, RefCounted},
    },
    util::{prefetch::PrefetchTarget, stack::OnTop},
};

/// Returns whether a worker of `host` is on this stack.
#[inline(always)]
pub(crate) fn runs_calls_of(host: Option<ExecutorId>) -> bool {
    THREAD.with(|thread| thread.runner.get() && host.is_some() && thread.id.get() == host)
}

/// Begins a run by [`run_child`]. Returns `None` if the stack is low, or if the running task has lent
/// something, or polls.
#[inline(always)]
pub(crate) fn begin_child() -> Option<OnTop> {
    let has_lent = THREAD.with(|thread| thread.waiting.get() || thread.pending.get() > 0);
    if has_lent || some_share_may_be_limited() { None } else { OnTop::begin_unless_low() }
}

/// Takes an owner of a call that this thread has claimed to run it on top of the task that waits for
/// it: its entry, if that is the oldest one of the executor. Otherwise the entry stays, and is counted.
#[inline(always)]
pub(crate) fn take_entry<T: RefCounted + ErasedCall>(call: &CallRef<T>) -> CallRef<dyn ErasedCall> {
    THREAD.with(|thread| {
        let taken = thread.entries.borrow().as_ref().and_then(|entries| entries.take_oldest(call.target_ptr()));
        taken.unwrap_or_else(|| {
            super::count_overtaken();
            call.clone().erase()
        })
    })
}

/// Counts a call that this thread runs at once, without an entry.
#[inline(always)]
pub(crate) fn count_at_once() {
    THREAD.with(|thread| thread.entries.borrow().iter().for_each(|entries| entries.count_at_once()));
}

/// Runs `f`, which must not panic, as the task `running` on top of the task of this thread. Returns
/// `running` too.
#[inline(always)]
pub(crate) fn run_child<R>(_top: OnTop, running: CallRef<dyn ErasedCall>, f: impl FnOnce() -> R) -> (R, RunningTask) {
    THREAD.with(|thread| {
        let depth = thread.depth.replace(thread.depth.get() + 1);
        thread.is_nested_run.set(thread.is_nested_run.get() + 1);
        let below = (thread.call.replace(Some(running)), thread.lineage.take());
        let result = f();
        super::release_pending_polls();
        let call = thread.call.replace(below.0).expect("the nested run has ended");
        let lineage = thread.lineage.replace(below.1);
        thread.depth.set(depth);
        (result, RunningTask { call, lineage })
    })
}
