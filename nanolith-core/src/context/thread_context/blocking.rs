//! [`BlockingGuard`]: a blocking wait of a thread. Meanwhile the thread has lent its permit (the
//! right to run a task) and the slot of its share (a group of calls with a limit).

use super::{
    THREAD, ThreadContext,
    executor::{current_backend, current_executor, host},
    running_task::look,
    set,
};
use crate::call::{
    backend::{Backend, ErasedCall, ExecutorId, LentPermits, PermitState, WouldDeadlock},
    call_ref::CallRef,
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Lends this thread's slot, if it has one and has not lent it, for a wait on `target`.
pub(crate) fn enter_blocking(target: Option<ExecutorId>) -> Result<BlockingGuard, WouldDeadlock> {
    THREAD.with(|thread| {
        let host = if thread.has_lent() { None } else { host(thread) };
        let lend = |host: Arc<dyn Backend>| lend_to(thread, &host, target).map(|loan| (host, loan));
        Ok(BlockingGuard { loan: host.map(lend).transpose()?, _share_slot: ReturnedSlot::of(thread) })
    })
}

/// Returns whether this thread's wait on `target`, its own executor, must end:
/// [`Backend::take_stranded`].
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

/// Returns whether this crate's blocking wait polls on this thread.
pub(crate) fn is_blocking() -> bool {
    THREAD.with(|thread| thread.waiting.get())
}

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
pub(super) fn lend_to(
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

/// Returns whether a running task may hold a slot of a share.
#[inline(always)]
pub(super) fn some_share_may_be_limited() -> bool {
    SOME_SHARE_IS_LIMITED.load(Ordering::Relaxed)
}

/// A slot of a share that a call has given back while it waits.
pub(super) struct ReturnedSlot {
    call: CallRef<dyn ErasedCall>,
    pool: ExecutorId,
}

impl ReturnedSlot {
    /// Returns the share's slot of the running task to the share, if the task holds one.
    pub(super) fn of(thread: &ThreadContext) -> Option<Self> {
        if !some_share_may_be_limited() {
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
