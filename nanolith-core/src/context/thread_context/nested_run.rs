//! [`run_nested`] runs a call on top of the task that waits for it, and leaves the thread's context
//! as it was. [`can_run_inline`] says whether it may.

use super::{THREAD, ThreadContext, blocking::ReturnedSlot, pending_poll::PollLoan, set};
use crate::{
    call::backend::ExecutorId,
    park::parker::ThreadParker,
    util::stack::{self, OnTop},
};

/// The maximum number of claimed calls nested on a stack of unknown size.
const MAX_INLINE_DEPTH: u32 = 64;

/// Returns whether a worker of `host` is on this stack, and may run on top a call that it waits
/// for.
pub(crate) fn can_run_inline(host: Option<ExecutorId>) -> bool {
    THREAD.with(|thread| thread.runner.get() && host.is_some() && thread.id.get() == host) && !at_max_depth()
}

/// Returns whether no other claimed call should run on this stack: it is almost full or, where its
/// size is unknown, has the maximum number of calls on it.
pub(crate) fn at_max_depth() -> bool {
    stack::is_low().unwrap_or_else(|| THREAD.with(|thread| thread.depth.get() >= MAX_INLINE_DEPTH))
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

/// Counts a call that this thread runs ahead of its turn.
pub(crate) fn count_overtaken() {
    THREAD.with(|thread| thread.rules.borrow().iter().for_each(|rules| rules.count_overtaken()));
}

/// Returns the number of calls that have run on top of other calls on this thread.
pub(crate) fn nested_runs() -> u64 {
    THREAD.with(|thread| thread.is_nested_run.get())
}
