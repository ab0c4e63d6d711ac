//! [`poll_pending`] lends a thread's permit, the right to run a task, while a synchronous task
//! polls a pending handle, as in the `block_on` of another crate.

use super::{
    THREAD, ThreadContext,
    blocking::{ReturnedSlot, lend_to},
    executor::host,
    running_task::look,
};
use crate::call::backend::{ExecutorId, LentPermits, WouldDeadlock};
use std::{
    num::NonZero,
    sync::atomic::{AtomicU64, Ordering},
};

/// The loan in which a handle counts as pending. In another task or thread it counts nothing.
pub(crate) type PendingPoll = Option<NonZero<u64>>;

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

/// Returns whether a poll on this thread blocks the thread if it is pending.
pub(crate) fn poll_blocks_thread() -> bool {
    THREAD.with(|thread| thread.waiting.get() || in_sync_task(thread))
}

fn in_sync_task(thread: &ThreadContext) -> bool {
    look(thread, |call| !call.header().task().is_async()).unwrap_or(false)
}

/// A loan that was made because handles were polled within a sync task.
pub(super) struct PollLoan {
    /// `None` if no executor owns the thread.
    loan: Option<LentPermits>,
    _share_slot: Option<ReturnedSlot>,
}

impl ThreadContext {
    /// Returns whether pending handles of the running task have lent its permit.
    pub(super) fn has_lent(&self) -> bool {
        let lent = self.lent.take();
        let has_lent = lent.is_some();
        self.lent.set(lent);
        has_lent
    }
}

/// Returns a number that no other loan has.
fn next_loan() -> PendingPoll {
    static LAST: AtomicU64 = AtomicU64::new(0);
    // ORDERING: Relaxed, without a partner: the number publishes no other data.
    NonZero::new(LAST.fetch_add(1, Ordering::Relaxed) + 1)
}
