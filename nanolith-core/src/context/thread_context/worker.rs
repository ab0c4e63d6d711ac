//! [`with_permit`] runs a worker on a thread, with the permit by which it runs tasks. A call that
//! is over leaves its [`Completion`] on the thread, for the worker to count.

use super::{THREAD, ThreadContext, set};
use crate::call::backend::{Completion, ExecutorId, Permit, PermitState};

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

/// Returns whether a worker is on the stack of this thread.
pub(crate) fn holds_permit() -> bool {
    THREAD.with(|thread| thread.runner.get())
}

/// Runs `f`, which runs a call of `host`. Returns its result and the completion that the call left.
pub(crate) fn collect_over<R>(host: ExecutorId, f: impl FnOnce() -> R) -> (R, Option<Completion>) {
    THREAD.with(|thread| {
        let _collects = set(&thread.collects, Some(host));
        let _below = set(&thread.over, None);
        let _ring = set(&thread.ring, None);
        let result = f();
        (result, thread.over.take())
    })
}

/// Runs `f` as a worker that takes calls from the ring of `host`. No queue counts these calls: the
/// worker counts for the one that it runs.
pub(crate) fn on_ring<R>(host: ExecutorId, f: impl FnOnce() -> R) -> R {
    THREAD.with(|thread| {
        let _outer = set(&thread.ring, Some(host));
        f()
    })
}

/// Returns whether the call that begins on this thread came from the ring of `host`.
pub(crate) fn is_on_ring(host: ExecutorId) -> bool {
    THREAD.with(|thread| thread.ring.get() == Some(host))
}

/// Records that the future of the call from the ring is pending.
pub(crate) fn note_suspended() {
    THREAD.with(|thread| thread.suspended.set(true));
}

/// Returns whether the future of the call from the ring was pending, for the worker to count.
pub(crate) fn take_suspended() -> bool {
    THREAD.with(|thread| thread.suspended.take())
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
