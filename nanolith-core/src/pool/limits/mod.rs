//! The limits of a pool beside the bounds of its queue: how many calls of one task run at once, and
//! shares, which are groups of calls that get run time by weight. A pool that never receives a call
//! with a limit or a share skips this module: see [`PoolState::has_limits`].

pub(super) mod fair_queue;
pub(super) mod share;
mod share_admission;
pub(super) mod share_builder;
pub(super) mod share_limit;
pub(super) mod share_table;
pub(super) mod task_limit;

use super::{pool_item::PoolItem, pool_state::PoolState};
use crate::{
    call::{
        backend::{Completion, ErasedCall},
        call_ref::CallRef,
    },
    meta::task_info::TaskInfo,
    util::prefetch::PrefetchTarget,
    wake::WakeList,
};
use share_table::ShareTable;
use task_limit::{Id, TaskLimit, TaskLimits};

#[derive(Default)]
pub(super) struct Rules {
    pub(super) kinds: TaskLimits<CallRef<dyn ErasedCall>>,
    pub(super) shares: ShareTable,
    /// Calls that have ended. Their last owner drops them after the lock's release.
    spent: Vec<CallRef<dyn ErasedCall>>,
}

/// Values to be dropped after the lock's release.
pub(super) type Leftovers = (Vec<CallRef<dyn ErasedCall>>, Vec<share_table::ShareState>);

/// An item that a worker has taken.
pub(super) enum Started {
    Item(PoolItem),
    /// A call with a task limit or a share. Its [`Completion`] counts its end.
    Limited(CallRef<dyn ErasedCall>),
}

fn id(call: &CallRef<dyn ErasedCall>) -> Id {
    call.target_ptr().addr()
}

impl Rules {
    pub(super) fn take_stale(&mut self) -> Leftovers {
        (std::mem::take(&mut self.spent), self.shares.take_stale())
    }

    /// Returns whether [`Rules::take_stale`] would return any value.
    pub(super) fn has_leftovers(&self) -> bool {
        !self.spent.is_empty() || self.shares.has_leftovers()
    }

    /// Returns whether one more call of this task may run.
    fn has_room(&mut self, task: &'static TaskInfo) -> bool {
        self.kinds.get(task).is_none_or(|kind| kind.has_room())
    }
}

impl PoolState {
    /// Starts a call whose turn has come, if it is still queued and the limits permit it.
    pub(super) fn start_limited(&mut self, call: CallRef<dyn ErasedCall>) -> (Option<Started>, WakeList) {
        let meta = call.header();
        if call.is_queued() && !self.share_admits(meta.share()) {
            return (None, self.return_to_share(call));
        }
        let expires = self.injector.queue.expires(meta);
        let kind = self.limits.kinds.get(meta.task());
        let is_limited = kind.is_some();
        let may_begin =
            |kind: &mut TaskLimit<_>| meta.is_exempt() || kind.try_start(id(&call), expires, || call.clone());
        if call.is_queued() && !kind.is_none_or(may_begin) {
            return (None, WakeList::default());
        }
        if !call.claim() {
            let wakes = self.injector.skip_stale(&*call);
            self.limits.spent.push(call);
            return (None, wakes);
        }
        let wakes = self.begun_by_rules(&call, true);
        let is_ruled = is_limited || meta.share() != 0;
        (Some(if is_ruled { Started::Limited(call) } else { Started::Item(PoolItem::Call(call)) }), wakes)
    }

    /// Counts a queued call that was claimed to run, in its turn or before it.
    pub(super) fn begun_by_rules(&mut self, call: &CallRef<dyn ErasedCall>, in_turn: bool) -> WakeList {
        let meta = call.header();
        if let Some(kind) = self.limits.kinds.get(meta.task()) {
            kind.began(id(call));
        }
        let begun = self.with_share(meta.share(), |order, number, entry| {
            order.began(number, &mut entry.account);
            entry.begin(call.header());
            entry.front.start_out_of_order(&**call)
        });
        match begun {
            Some((mine, pools)) => mine.and(pools),
            None if in_turn => self.injector.queue.on_start(meta.is_nested()),
            None => self.injector.start_out_of_order(&**call),
        }
    }

    /// Counts the end of a call that was started.
    pub(super) fn over(&mut self, over: Completion) -> WakeList {
        if !self.has_limits {
            return self.injector.queue.over(over.inside, over.began);
        }
        if let Some(kind) = self.limits.kinds.get(over.task) {
            kind.over();
        }
        let gone = self.with_share(over.share, |order, number, entry| {
            order.over(number, &mut entry.account, over.ran);
            entry.ran = entry.ran.saturating_add(over.ran);
            let granted = entry.finish(over.has_share_slot);
            entry.front.queue.over(over.inside, over.began).and(granted)
        });
        let wakes = match gone {
            Some((mine, pools)) => mine.and(pools),
            None => self.injector.queue.over(over.inside, over.began),
        };
        self.call_next(over.task);
        self.limits.shares.forget_if_idle(over.share);
        wakes
    }

    /// Counts a queued call that was claimed to be ended.
    pub(super) fn leave(&mut self, call: &dyn ErasedCall) -> WakeList {
        if !self.has_limits {
            return self.injector.leave(call);
        }
        let share = call.header().share();
        let left = self.with_share(share, |_, _, entry| entry.front.leave(call));
        let wakes = match left {
            Some((mine, pools)) => mine.and(pools),
            None => self.injector.leave(call),
        };
        self.leave_kind(call);
        self.limits.shares.forget_if_idle(share);
        wakes
    }

    /// Does the part of [`PoolState::leave`] that concerns the limit of the call's task.
    pub(super) fn leave_kind(&mut self, call: &dyn ErasedCall) {
        let task = call.header().task();
        if let Some(kind) = self.limits.kinds.get(task) {
            let gone = kind.remove_ended(std::ptr::from_ref(call).addr(), |held| held.is_queued());
            self.limits.spent.extend(gone);
        }
        self.call_next(task);
    }

    // ----- task kinds

    /// Returns held calls of this task to the front of their lanes, as far as the limit permits.
    fn call_next(&mut self, task: &'static TaskInfo) {
        loop {
            let Some(kind) = self.limits.kinds.get(task) else { return };
            let Some((rank, call)) = kind.next_waiting() else { return };
            if call.is_queued() {
                kind.mark_requeued(id(&call), rank);
                self.requeue_front(call);
            } else {
                self.limits.spent.push(call);
            }
        }
    }

    fn requeue_front(&mut self, call: CallRef<dyn ErasedCall>) {
        let (priority, expires) = (call.header().priority(), self.injector.queue.expires(call.header()));
        self.injector.drain_ring().push_raised(priority, expires, PoolItem::Call(call));
    }

    /// Claims a queued call of a limited task or a share. The task that waits for the call then
    /// runs it on its own stack. Returns `false` if the limits do not permit that: then the call
    /// starts in its turn. The waiting task may hold a slot of the share `below`, which it returns
    /// for the call.
    pub(super) fn claim_for_waiter(
        &mut self,
        call: &CallRef<dyn ErasedCall>,
        blocking: bool,
        below: Option<u32>,
    ) -> (bool, WakeList) {
        let share = call.header().share();
        let has_slot = below == Some(share) || self.share_admits(share);
        let may_run = has_slot && (call.header().is_exempt() || self.limits.has_room(call.header().task()));
        let claimed = (blocking || self.paused) && may_run && call.claim();
        let wakes = if claimed { self.begun_by_rules(call, false) } else { WakeList::default() };
        (claimed, wakes)
    }

    /// Lets a queued call start beyond the limit of its task. The call may be held already.
    pub(super) fn exempt(&mut self, call: &CallRef<dyn ErasedCall>) {
        // A call that is not accepted yet reaches its lane by itself.
        if call.is_queued() && call.header().is_accepted() {
            self.requeue_front(call.clone());
        }
    }

    /// Counts a call that does not pass through the queue, if the limit of its task permits the
    /// call.
    pub(super) fn reserve(&mut self, task: &'static TaskInfo) -> bool {
        let Some(kind) = self.limits.kinds.get(task) else { return true };
        let has_room = kind.has_room();
        if has_room {
            kind.began(0);
        }
        has_room
    }

    pub(super) fn unreserve(&mut self, task: &'static TaskInfo) {
        if let Some(kind) = self.limits.kinds.get(task) {
            kind.over();
        }
        self.call_next(task);
    }

    /// Returns the task of the first call that waits for its turn. Entries before it that are out
    /// of date are removed, so each entry is checked once.
    pub(super) fn next_task(&mut self) -> (Option<&'static TaskInfo>, WakeList) {
        let mut wakes = WakeList::default();
        while let Some(first) = self.injector.queue.first() {
            let task = match first {
                PoolItem::Call(call) => call.is_queued().then(|| call.header().task()),
                PoolItem::Other(_) => self.ticket_task(),
            };
            if task.is_some() {
                return (task, wakes);
            }
            match self.injector.queue.pop_first() {
                Some(PoolItem::Call(call)) => {
                    wakes = wakes.and(self.injector.skip_stale(&*call));
                    self.injector.discard_stale(PoolItem::Call(call));
                }
                // There are more tickets than calls.
                Some(PoolItem::Other(_)) => self.limits.shares.drop_ticket(),
                None => {}
            }
        }
        (None, wakes)
    }

    // ----- closing

    /// Claims every call that waits outside the lanes, to be ended, and removes it.
    pub(super) fn claim_all_waiting(&mut self) -> (Vec<CallRef<dyn ErasedCall>>, WakeList) {
        let mut claimed = Vec::new();
        let mut wakes = WakeList::default();
        for call in self.limits.kinds.take_held().into_iter().chain(self.limits.shares.waiting()) {
            if call.claim() {
                wakes = wakes.and(self.end_claimed(&call));
                claimed.push(call);
            } else {
                self.limits.spent.push(call);
            }
        }
        (claimed, wakes)
    }

    /// Counts a queued call that was claimed, and ends without having started.
    pub(super) fn end_claimed(&mut self, call: &CallRef<dyn ErasedCall>) -> WakeList {
        let inside = call.header().is_nested();
        if let Some(kind) = self.limits.kinds.get(call.header().task()) {
            kind.forget(id(call));
        }
        let ended = self.with_share(call.header().share(), |_, _, entry| entry.front.queue.discarded(inside));
        match ended {
            Some((mine, pools)) => mine.and(pools),
            None => self.injector.queue.discarded(inside),
        }
    }
}
