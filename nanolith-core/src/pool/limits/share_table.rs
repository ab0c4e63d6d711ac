//! The shares of a pool, under its lock: their queues, limits and accounts, and the tickets for their calls in the pool's lanes.

use super::{
    fair_queue::{FairQueue, ShareClock, ShareId, Waiting},
    share::ShareHandle,
    share_limit::ShareLimit,
};
use crate::pool::{
    config::MaxQueue,
    pool_state::{OtherItem, PoolItem, PoolState},
};
use crate::{
    call::{
        backend::{ErasedCall, ExecutorId},
        call_ref::CallRef,
        header::Header,
        policy::SchedulingPolicy,
    },
    executor::admission::OnFull,
    meta::{priority::Priority, task_info::TaskInfo},
    sched::{injector::Injector, queue::Limits},
    time::clock,
    wake::{AfterUnlock, WakeList},
};
use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Weak},
};

/// One share, under the pool's lock.
pub(in crate::pool) struct ShareState {
    pub(in crate::pool) pool: ExecutorId,
    pub(in crate::pool) name: Arc<str>,
    pub(in crate::pool) front: Injector<PoolItem>,
    pub(in crate::pool) account: ShareClock,
    pub(in crate::pool) max_queue: MaxQueue,
    pub(in crate::pool) on_full: OnFull,
    /// How long its calls have run, in nanoseconds.
    pub(in crate::pool) ran: u64,
    /// How many of its calls may be at work at once, if there is a limit.
    pub(in crate::pool) limit: Option<ShareLimit>,
    pub(in crate::pool) handles: Weak<ShareHandle>,
}

fn is_live(work: &PoolItem) -> bool {
    matches!(work, PoolItem::Call(call) if call.is_queued())
}

fn task_of(work: &PoolItem) -> Option<&'static TaskInfo> {
    match work {
        PoolItem::Call(call) => Some(call.header().task()),
        PoolItem::Other(_) => None,
    }
}

impl ShareState {
    /// How many calls of each priority may be drawn: no more than may begin.
    fn waiting(&self) -> Waiting {
        let (lanes, most) = (self.front.queue.lanes(), self.newcomers());
        Priority::ALL.map(|priority| (lanes.len() - lanes.len_except(priority)).min(most))
    }

    /// How many calls may begin now.
    fn newcomers(&self) -> usize {
        self.limit.as_ref().map_or(usize::MAX, ShareLimit::newcomers)
    }

    /// A call begins.
    pub(in crate::pool) fn begin(&mut self, call: &Header) {
        if let Some(limit) = &mut self.limit {
            limit.take();
            call.set_share_slot(Some(self.pool));
        }
    }

    /// A call is over that holds a slot, or does not.
    pub(in crate::pool) fn finish(&mut self, has_slot: bool) -> WakeList {
        let mut after: AfterUnlock = AfterUnlock::default();
        self.limit.iter_mut().filter(|_| has_slot).for_each(|limit| limit.give_back(&mut after));
        after.take_wakes()
    }

    /// When the ticket for its next call of a priority expires. The tickets of a share with a limit come again and again, so they
    /// stand where the call does.
    fn ticket_expires(&self, rules: &SchedulingPolicy, priority: Priority, now: u64) -> u64 {
        let first = self.limit.as_ref().and_then(|_| self.front.queue.lanes().first(priority));
        match first {
            Some(PoolItem::Call(call)) => rules.expires(call.header()),
            _ => rules.expirations().of(priority, now),
        }
    }

    pub(in crate::pool) fn bounds(&self, concurrency: usize) -> Limits {
        Limits { queued: self.max_queue.calls(concurrency).max(1), in_flight: usize::MAX }
    }
}

/// The shares of a pool.
#[derive(Default)]
pub(in crate::pool) struct ShareTable {
    pub(in crate::pool) of: BTreeMap<ShareId, ShareState>,
    pub(in crate::pool) names: BTreeMap<Arc<str>, ShareId>,
    pub(in crate::pool) order: FairQueue,
    pub(in crate::pool) last: ShareId,
    gone: Vec<ShareState>,
}

impl ShareTable {
    /// Shares that are gone, to be dropped off the lock.
    pub(in crate::pool) fn take_stale(&mut self) -> Vec<ShareState> {
        mem::take(&mut self.gone)
    }

    pub(in crate::pool) fn has_leftovers(&self) -> bool {
        !self.gone.is_empty()
    }

    /// The call of the share whose turn it is.
    fn pick(&mut self) -> Option<(ShareId, Priority)> {
        let priority = self.order.pick()?;
        self.order.next(priority).map(|share| (share, priority))
    }

    /// The same without taking the ticket.
    fn peek(&self) -> Option<(ShareId, Priority)> {
        let priority = self.order.first_ticket()?;
        self.order.next(priority).map(|share| (share, priority))
    }

    /// The first ticket in the lanes has gone, and no call with it.
    pub(in crate::pool) fn drop_ticket(&mut self) {
        self.order.pick();
    }

    /// Nobody holds it, and none of its calls is left.
    pub(in crate::pool) fn forget_if_idle(&mut self, share: ShareId) {
        let idle = |entry: &ShareState| entry.handles.strong_count() == 0 && entry.front.queue.in_flight() == 0;
        if self.of.get(&share).is_some_and(idle) {
            if let Some(mut entry) = self.of.remove(&share) {
                self.names.remove(&entry.name);
                self.order.set_waiting(share, &mut entry.account, Waiting::default(), false);
                self.gone.push(entry);
            }
        }
    }

    /// Takes every entry out of the queues.
    pub(in crate::pool) fn waiting(&mut self) -> Vec<CallRef<dyn ErasedCall>> {
        let mut all = Vec::new();
        for (share, entry) in &mut self.of {
            while let Some(work) = entry.front.queue.pop() {
                if let PoolItem::Call(call) = work {
                    all.push(call);
                }
            }
            self.order.set_waiting(*share, &mut entry.account, Waiting::default(), false);
        }
        self.order.drop_tickets();
        all
    }

    /// The pool's concurrency has changed, or it was closed.
    pub(in crate::pool) fn set_bounds(&mut self, concurrency: usize) -> WakeList {
        let each = self.of.values_mut().map(|entry| entry.front.queue.set_bounds(entry.bounds(concurrency)));
        each.fold(WakeList::default(), WakeList::and)
    }

    pub(in crate::pool) fn dismiss_lines(&mut self) -> WakeList {
        self.of.values_mut().map(|entry| entry.front.queue.wake_all_waiting()).fold(WakeList::default(), WakeList::and)
    }
}

impl PoolState {
    /// Does something to a share. What its queue counts, the pool's counts too, and there is a ticket for each call in it.
    pub(in crate::pool) fn with_share<R>(
        &mut self,
        share: ShareId,
        f: impl FnOnce(&mut FairQueue, ShareId, &mut ShareState) -> R,
    ) -> Option<(R, WakeList)> {
        let ShareTable { of, order, .. } = &mut self.limits.shares;
        let entry = of.get_mut(&share)?;
        let before = entry.front.queue.tally();
        // A free slot that no call of the others will take is one for this share, within its limit.
        let others = self.injector.queue.waiting().saturating_sub(entry.front.queue.waiting());
        let free = self.injector.queue.free_slots().saturating_sub(others);
        let allowed = entry.limit.as_ref().map_or(usize::MAX, ShareLimit::newcomers);
        entry.front.queue.note_free_slots(free.min(allowed));
        let result = f(order, share, entry);
        let is_held_back = entry.limit.is_some() && entry.front.queue.tally().queued > 0;
        let waiting = entry.waiting();
        order.set_waiting(share, &mut entry.account, waiting, is_held_back);
        entry.front.take_stale().into_iter().for_each(|work| self.injector.discard_stale(work));
        let mut wakes = self.injector.queue.apply_delta(before, entry.front.queue.tally());
        let (now, rules) = (clock::now(), self.injector.queue.rules());
        let is_limited = entry.limit.is_some();
        for (priority, expires) in order.issue_tickets(|priority| entry.ticket_expires(rules, priority, now)) {
            wakes = wakes.and(self.injector.stop_accepting().unwrap_or_default());
            let ticket = PoolItem::Other(OtherItem::Ticket);
            match is_limited {
                false => self.injector.queue.put_last(priority, now, ticket),
                true => self.injector.queue.push_raised(priority, expires, ticket),
            }
        }
        Some((result, wakes))
    }

    /// Does something to the limit of a share, if it has one.
    pub(in crate::pool) fn with_limit<R>(
        &mut self,
        share: ShareId,
        f: impl FnOnce(&mut ShareLimit, &mut AfterUnlock) -> R,
    ) -> (Option<R>, WakeList) {
        let changed = self.with_share(share, |_, _, entry| {
            let limit = entry.limit.as_mut()?;
            let mut after = AfterUnlock::default();
            let result = f(limit, &mut after);
            Some((result, after.take_wakes()))
        });
        match changed {
            Some((Some((result, mine)), pools)) => (Some(result), mine.and(pools)),
            Some((None, pools)) => (None, pools),
            None => (None, WakeList::default()),
        }
    }

    /// Whether one more call of this share may begin.
    pub(in crate::pool) fn share_admits(&self, share: ShareId) -> bool {
        share == 0 || self.limits.shares.of.get(&share).is_none_or(|entry| entry.newcomers() > 0)
    }

    /// A call of a share at its limit, which came to the pool's lanes since it was raised, or was held for its kind, goes back
    /// before all others of its priority there.
    pub(in crate::pool) fn return_to_share(&mut self, call: CallRef<dyn ErasedCall>) -> WakeList {
        let (share, now) = (call.header().share(), clock::now());
        let put = |_: &mut FairQueue, _, entry: &mut ShareState| {
            entry.front.queue.put_first(call.header().priority(), now, PoolItem::Call(call));
        };
        self.with_share(share, put).map(|((), wakes)| wakes).unwrap_or_default()
    }

    /// The task of the call that the first ticket stands for, if it stands for one. Calls before that which are over go.
    pub(in crate::pool) fn ticket_task(&mut self) -> Option<&'static TaskInfo> {
        while let Some((share, priority)) = self.limits.shares.peek() {
            let first = |_: &mut FairQueue, _, entry: &mut ShareState| loop {
                match entry.front.queue.pop_first_if(priority, |work| !is_live(work)) {
                    Some(spent) => entry.front.discard_stale(spent),
                    None => return entry.front.queue.lanes().first(priority).and_then(task_of),
                }
            };
            let (task, _) = self.with_share(share, first)?;
            if task.is_some() {
                return task;
            }
        }
        None
    }

    /// A ticket was drawn: the call that goes instead of it, if there is one.
    pub(in crate::pool) fn redeem(&mut self) -> Option<CallRef<dyn ErasedCall>> {
        let (share, priority) = self.limits.shares.pick()?;
        let pop = |_: &mut FairQueue, _, entry: &mut ShareState| loop {
            match entry.front.queue.pop_first_if(priority, |_| true) {
                Some(PoolItem::Call(call)) if call.is_queued() => return Some(call),
                Some(spent) => entry.front.discard_stale(spent),
                None => return None,
            }
        };
        self.with_share(share, pop)?.0
    }
}
