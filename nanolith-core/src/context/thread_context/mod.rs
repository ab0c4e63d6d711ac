//! The thread-local context of the running thread: its executor, its task, and what it has lent.
//! A submitted call looks up its parents here. A wait looks up the permit that the thread holds.

mod blocking;
mod child_run;
mod current;
mod executor;
mod nested_run;
mod pending_poll;
mod running_task;
mod worker;

pub(crate) use blocking::{
    during_block_on, enter_blocking, is_blocking, is_stranded, running_share_slot, some_share_is_limited,
};
pub(crate) use child_run::{begin_child, count_at_once, run_child, runs_calls_of, take_entry};
pub use current::{Current, current};
pub(crate) use executor::{
    ContextId, EnterGuard, context_id, current_backend, current_executor, current_kind, driven_by_this_thread,
    enter_executor, is_driver_thread, is_shutting_down, mark_driver_thread, note_shutdown, set_executor, standing,
};
pub(crate) use nested_run::{at_max_depth, can_run_inline, count_overtaken, nested_runs, run_nested};
pub(crate) use pending_poll::{PendingPoll, poll_blocks_thread, poll_pending, poll_resolved, release_pending_polls};
pub(crate) use running_task::{
    RunningTask, count_wait, effective_priority, enter_task, give_way, has_given_way, is_outside_tasks, is_probed,
    is_within_layer, is_within_task, origin, poll_as_task, running_call, running_task, should_yield, should_yield_for,
    stop_wait, with_priority,
};
pub(crate) use worker::{
    as_idle, collect_over, holds_permit, is_on_ring, leave_over, note_suspended, on_ring, put_down_permit, take_over,
    take_suspended, with_permit,
};

use crate::{
    call::{
        ancestry::RunAncestry,
        backend::{Backend, Completion, EntryQueue, ErasedCall, ExecutorId, PermitState},
        call_ref::CallRef,
        policy::SchedulingPolicy,
    },
    meta::priority::Priority,
    util::per_thread::per_thread,
};
use pending_poll::PollLoan;
use running_task::TaskPoll;
use std::{
    cell::{Cell, RefCell},
    num::NonZero,
    sync::{Arc, Weak},
};

/// The context of one thread.
struct ThreadContext {
    id: Cell<Option<ExecutorId>>,
    host: RefCell<Option<Weak<dyn Backend>>>,
    /// The scheduling policy of `host`.
    rules: RefCell<Option<Arc<SchedulingPolicy>>>,
    /// The entries of `host`.
    entries: RefCell<Option<Arc<dyn EntryQueue>>>,
    /// Whether a worker of the executor is on the stack.
    runner: Cell<bool>,
    /// The permit with which that worker runs tasks.
    permit: Cell<PermitState>,
    call: Cell<Option<CallRef<dyn ErasedCall>>>,
    /// Belongs to `call`: see [`RunningTask`].
    lineage: Cell<Option<RunAncestry>>,
    /// The priority of a scope, and the address of its call. It does not cover calls within that.
    scope: Cell<Option<(Priority, *const ())>>,
    /// The poll of the future of the call.
    polled: Cell<TaskPoll>,
    /// The executor whose calls leave their completion in `over`, and the completion that was left.
    collects: Cell<Option<ExecutorId>>,
    over: Cell<Option<Completion>>,
    /// The executor whose ring a worker on this thread takes calls from.
    ring: Cell<Option<ExecutorId>>,
    /// Whether the future of the call from that ring was pending.
    suspended: Cell<bool>,
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

per_thread! {
    static THREAD: ThreadContext = ThreadContext {
        id: Cell::new(None),
        host: RefCell::new(None),
        rules: RefCell::new(None),
        entries: RefCell::new(None),
        runner: Cell::new(false),
        permit: Cell::new(PermitState::Absent),
        call: Cell::new(None),
        lineage: Cell::new(None),
        scope: Cell::new(None),
        polled: Cell::new(TaskPoll::NONE),
        collects: Cell::new(None),
        over: Cell::new(None),
        ring: Cell::new(None),
        suspended: Cell::new(false),
        depth: Cell::new(0),
        is_nested_run: Cell::new(0),
        lent: Cell::new(None),
        pending: Cell::new(0),
        loan: Cell::new(None),
        waiting: Cell::new(false),
    };
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
