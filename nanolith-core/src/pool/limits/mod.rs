//! What a pool looks at beside its lanes, once a call has come that asks for it: limits for kinds of tasks, and shares. Pools
//! that never see such a call never come here: see [`Core::ruled`].

pub(super) mod fair_queue;
pub(super) mod share;
pub(super) mod share_limit;
pub(super) mod share_table;
pub(super) mod task_limit;

use super::pool_state::{Core, Work};
use crate::{
    call::{
        backend::{Over, Runnable},
        call_ref::Shared,
    },
    meta::task_info::TaskInfo,
    sched::ring::Points,
    wake::WakeList,
};
use share_table::Shares;
use task_limit::{Id, Kind, Kinds};

#[derive(Default)]
pub(super) struct Rules {
    pub(super) kinds: Kinds<Shared<dyn Runnable>>,
    pub(super) shares: Shares,
    /// Calls that are over, for their last owner to drop off the lock.
    spent: Vec<Shared<dyn Runnable>>,
}

/// What is dropped after the lock is released.
pub(super) type Leftovers = (Vec<Shared<dyn Runnable>>, Vec<share_table::Entry>);

/// What a runner has taken.
pub(super) enum Taken {
    Work(Work),
    /// A call that some rule is about: it is counted by its [`Over`].
    Ruled(Shared<dyn Runnable>),
}

fn id(call: &Shared<dyn Runnable>) -> Id {
    call.points().addr()
}

impl Rules {
    pub(super) fn leftovers(&mut self) -> Leftovers {
        (std::mem::take(&mut self.spent), self.shares.leftovers())
    }

    /// Whether there is something in [`Rules::leftovers`].
    pub(super) fn has_leftovers(&self) -> bool {
        !self.spent.is_empty() || self.shares.has_leftovers()
    }

    /// Whether one more call of this task may run.
    fn has_room(&mut self, task: &'static TaskInfo) -> bool {
        self.kinds.of(task).is_none_or(|kind| kind.has_room())
    }
}

impl Core {
    /// Begins a call whose turn has come, if nobody was first and no rule is against it.
    pub(super) fn begin_by_rules(&mut self, call: Shared<dyn Runnable>) -> (Option<Taken>, WakeList) {
        let meta = call.meta();
        if call.is_queued() && !self.share_admits(meta.share()) {
            return (None, self.return_to_share(call));
        }
        let expires = self.front.queue.expires(meta);
        let kind = self.rules.kinds.of(meta.task());
        let is_limited = kind.is_some();
        let may_begin = |kind: &mut Kind<_>| meta.is_exempt() || kind.admit(id(&call), expires, || call.clone());
        if call.is_queued() && !kind.is_none_or(may_begin) {
            return (None, WakeList::default());
        }
        if !call.claim() {
            let wakes = self.front.pass(&*call);
            self.rules.spent.push(call);
            return (None, wakes);
        }
        let wakes = self.begun_by_rules(&call, true);
        let is_ruled = is_limited || meta.share() != 0;
        (Some(if is_ruled { Taken::Ruled(call) } else { Taken::Work(Work::Call(call)) }), wakes)
    }

    /// Counts a queued call that was claimed to be run, in its turn or out of it.
    pub(super) fn begun_by_rules(&mut self, call: &Shared<dyn Runnable>, in_turn: bool) -> WakeList {
        let meta = call.meta();
        if let Some(kind) = self.rules.kinds.of(meta.task()) {
            kind.began(id(call));
        }
        let begun = self.with_share(meta.share(), |order, number, entry| {
            order.began(number, &mut entry.account);
            entry.begin(call.meta());
            entry.front.begin_out_of_turn(&**call)
        });
        match begun {
            Some((mine, pools)) => mine.and(pools),
            None if in_turn => self.front.queue.begun(meta.is_inside()),
            None => self.front.begin_out_of_turn(&**call),
        }
    }

    /// A call that was begun is over.
    pub(super) fn over(&mut self, over: Over) -> WakeList {
        if !self.ruled {
            return self.front.queue.over(over.inside, over.began);
        }
        if let Some(kind) = self.rules.kinds.of(over.task) {
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
            None => self.front.queue.over(over.inside, over.began),
        };
        self.call_next(over.task);
        self.rules.shares.forget_if_idle(over.share);
        wakes
    }

    /// A queued call was claimed to be ended.
    pub(super) fn leave(&mut self, call: &dyn Runnable) -> WakeList {
        if !self.ruled {
            return self.front.leave(call);
        }
        let share = call.meta().share();
        let left = self.with_share(share, |_, _, entry| entry.front.leave(call));
        let wakes = match left {
            Some((mine, pools)) => mine.and(pools),
            None => self.front.leave(call),
        };
        self.leave_kind(call);
        self.rules.shares.forget_if_idle(share);
        wakes
    }

    /// The same as far as its kind is concerned.
    pub(super) fn leave_kind(&mut self, call: &dyn Runnable) {
        let task = call.meta().task();
        if let Some(kind) = self.rules.kinds.of(task) {
            let gone = kind.left(std::ptr::from_ref(call).addr(), |held| held.is_queued());
            self.rules.spent.extend(gone);
        }
        self.call_next(task);
    }

    // ----- kinds

    /// Those of this kind for which there is room now go back to the front of their lanes.
    fn call_next(&mut self, task: &'static TaskInfo) {
        loop {
            let Some(kind) = self.rules.kinds.of(task) else { return };
            let Some((rank, call)) = kind.call() else { return };
            if call.is_queued() {
                kind.called(id(&call), rank);
                self.put_first(call);
            } else {
                self.rules.spent.push(call);
            }
        }
    }

    fn put_first(&mut self, call: Shared<dyn Runnable>) {
        let (priority, expires) = (call.meta().priority(), self.front.queue.expires(call.meta()));
        self.front.sort_out().enter_again(priority, expires, Work::Call(call));
    }

    /// Makes a queued call of a limited kind or a share, which a task waits for, the caller's to run on that task's stack, if there
    /// is a place for it. `false`: it has its turn elsewhere. The task may hold a slot of the share `below`, which it returns for
    /// the call.
    pub(super) fn claim_awaited(
        &mut self,
        call: &Shared<dyn Runnable>,
        blocking: bool,
        below: Option<u32>,
    ) -> (bool, WakeList) {
        let share = call.meta().share();
        let has_slot = below == Some(share) || self.share_admits(share);
        let may_run = has_slot && (call.meta().is_exempt() || self.rules.has_room(call.meta().task()));
        let claimed = (blocking || self.paused) && may_run && call.claim();
        let wakes = if claimed { self.begun_by_rules(call, false) } else { WakeList::default() };
        (claimed, wakes)
    }

    /// A queued call may begin beyond the limit of its kind from now on, and may be held already.
    pub(super) fn let_through(&mut self, call: &Shared<dyn Runnable>) {
        // One that is not counted yet comes to its lane by itself.
        if call.is_queued() && call.meta().is_accepted() {
            self.put_first(call.clone());
        }
    }

    /// Takes a place for a call that does not come through the queue.
    pub(super) fn reserve(&mut self, task: &'static TaskInfo) -> bool {
        let Some(kind) = self.rules.kinds.of(task) else { return true };
        let has_room = kind.has_room();
        if has_room {
            kind.began(0);
        }
        has_room
    }

    pub(super) fn unreserve(&mut self, task: &'static TaskInfo) {
        if let Some(kind) = self.rules.kinds.of(task) {
            kind.over();
        }
        self.call_next(task);
    }

    /// The task of the first call that waits for its turn. Entries before it that are out of date go: so each is looked at once.
    pub(super) fn next_task(&mut self) -> (Option<&'static TaskInfo>, WakeList) {
        let mut wakes = WakeList::default();
        while let Some(first) = self.front.queue.first() {
            let task = match first {
                Work::Call(call) => call.is_queued().then(|| call.meta().task()),
                Work::Rest(_) => self.ticket_task(),
            };
            if task.is_some() {
                return (task, wakes);
            }
            match self.front.queue.pop_first() {
                Some(Work::Call(call)) => {
                    wakes = wakes.and(self.front.pass(&*call));
                    self.front.spend(Work::Call(call));
                }
                // There is a ticket more than calls.
                Some(Work::Rest(_)) => self.rules.shares.drop_ticket(),
                None => {}
            }
        }
        (None, wakes)
    }

    // ----- the end

    /// Takes out every queued call that waits beside the lanes, claimed to be ended.
    pub(super) fn claim_beside(&mut self) -> (Vec<Shared<dyn Runnable>>, WakeList) {
        let mut claimed = Vec::new();
        let mut wakes = WakeList::default();
        for call in self.rules.kinds.take_held().into_iter().chain(self.rules.shares.waiting()) {
            if call.claim() {
                wakes = wakes.and(self.end_claimed(&call));
                claimed.push(call);
            } else {
                self.rules.spent.push(call);
            }
        }
        (claimed, wakes)
    }

    /// Counts a queued call that was claimed, to end without having begun.
    pub(super) fn end_claimed(&mut self, call: &Shared<dyn Runnable>) -> WakeList {
        let inside = call.meta().is_inside();
        if let Some(kind) = self.rules.kinds.of(call.meta().task()) {
            kind.forget(id(call));
        }
        let ended = self.with_share(call.meta().share(), |_, _, entry| entry.front.queue.discarded(inside));
        match ended {
            Some((mine, pools)) => mine.and(pools),
            None => self.front.queue.discarded(inside),
        }
    }
}
