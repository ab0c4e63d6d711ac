//! [`ShareTable`]: the shares of a pool. A share is a group of calls with a weight. It has a queue,
//! a limit and a virtual clock of its own. For each of its calls, a ticket waits in the pool's
//! queue. This is pure data under the pool's lock.

use super::{
    fair_queue::{FairQueue, ShareClock, ShareId, Waiting},
    share::ShareHandle,
    share_limit::ShareLimit,
};
use crate::{
    call::{
        backend::{ErasedCall, ExecutorId},
        call_ref::CallRef,
        header::Header,
        policy::SchedulingPolicy,
    },
    meta::{priority::Priority, task_info::TaskInfo},
    pool::{
        pool_item::{OtherItem, PoolItem},
        pool_state::PoolState,
        queue_config::QueueConfig,
    },
    sched::{injector::Injector, queue::Limits},
    time::clock,
    util::ordered_map::OrderedMap,
    wake::{AfterUnlock, WakeList},
};
use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Weak},
};

/// The state of one share.
pub(in crate::pool) struct ShareState {
    pub(in crate::pool) pool: ExecutorId,
    pub(in crate::pool) name: Arc<str>,
    pub(in crate::pool) front: Injector<PoolItem>,
    pub(in crate::pool) account: ShareClock,
    pub(in crate::pool) settings: QueueConfig,
    /// The total run time of the share's calls, in nanoseconds.
    pub(in crate::pool) ran: u64,
    /// The limit for the share's calls at work, if there is one.
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
    /// Returns how many calls of each priority may be taken: at most the number that may start.
    fn waiting(&self) -> Waiting {
        let (lanes, most) = (self.front.queue.lanes(), self.newcomers());
        Priority::ALL.map(|priority| (lanes.len() - lanes.len_except(priority)).min(most))
    }

    /// Returns how many calls may start now.
    fn newcomers(&self) -> usize {
        self.limit.as_ref().map_or(usize::MAX, ShareLimit::newcomers)
    }

    /// Counts a call that starts.
    pub(in crate::pool) fn begin(&mut self, call: &Header) {
        if let Some(limit) = &mut self.limit {
            limit.take();
            call.set_share_slot(Some(self.pool));
        }
    }

    /// Counts the end of a call. `has_slot` says whether the call holds a slot.
    pub(in crate::pool) fn finish(&mut self, has_slot: bool) -> WakeList {
        let mut after: AfterUnlock = AfterUnlock::default();
        self.limit.iter_mut().filter(|_| has_slot).for_each(|limit| limit.give_back(&mut after));
        after.take_wakes()
    }

    /// Returns when the ticket for the next call of a priority expires. A share with a limit issues
    /// tickets again and again, so its tickets expire with the call.
    fn ticket_expires(&self, rules: &SchedulingPolicy, priority: Priority, now: u64) -> u64 {
        let first = self.limit.as_ref().and_then(|_| self.front.queue.lanes().first(priority));
        match first {
            Some(PoolItem::Call(call)) => rules.expires(call.header()),
            _ => rules.expirations().of(priority, now),
        }
    }

    pub(in crate::pool) fn bounds(&self, concurrency: usize) -> Limits {
        self.settings.bounds(concurrency)
    }
}

/// The shares of a pool.
#[derive(Default)]
pub(in crate::pool) struct ShareTable {
    pub(in crate::pool) of: OrderedMap<ShareId, ShareState>,
    pub(in crate::pool) names: BTreeMap<Arc<str>, ShareId>,
    pub(in crate::pool) order: FairQueue,
    pub(in crate::pool) last: ShareId,
    gone: Vec<ShareState>,
}

impl ShareTable {
    /// Returns the removed shares, to be dropped after the lock's release.
    pub(in crate::pool) fn take_stale(&mut self) -> Vec<ShareState> {
        mem::take(&mut self.gone)
    }

    pub(in crate::pool) fn has_leftovers(&self) -> bool {
        !self.gone.is_empty()
    }

    /// Takes the ticket that expires first. Returns its priority and the share whose turn it is.
    fn pick(&mut self) -> Option<(ShareId, Priority)> {
        let priority = self.order.pick()?;
        self.order.next(priority).map(|share| (share, priority))
    }

    /// Like [`ShareTable::pick`], without taking the ticket.
    fn peek(&self) -> Option<(ShareId, Priority)> {
        let priority = self.order.first_ticket()?;
        self.order.next(priority).map(|share| (share, priority))
    }

    /// Removes the first ticket, whose item left the lanes without a call.
    pub(in crate::pool) fn drop_ticket(&mut self) {
        self.order.pick();
    }

    /// Removes the share if it has no handle and no call.
    pub(in crate::pool) fn forget_if_idle(&mut self, share: ShareId) {
        let idle = |entry: &ShareState| entry.handles.strong_count() == 0 && entry.front.queue.in_flight() == 0;
        if self.of.get(share).is_some_and(idle) {
            if let Some(mut entry) = self.of.remove(share) {
                self.names.remove(&entry.name);
                self.order.set_waiting(share, &mut entry.account, Waiting::default(), false);
                self.gone.push(entry);
            }
        }
    }

    /// Removes and returns all calls from the queues of the shares.
    pub(in crate::pool) fn waiting(&mut self) -> Vec<CallRef<dyn ErasedCall>> {
        let mut all = Vec::new();
        self.of.for_each_mut(|share, entry| {
            while let Some(work) = entry.front.queue.pop() {
                if let PoolItem::Call(call) = work {
                    all.push(call);
                }
            }
            self.order.set_waiting(share, &mut entry.account, Waiting::default(), false);
        });
        self.order.drop_tickets();
        all
    }

    /// Adapts the bounds of the shares to the pool's concurrency.
    pub(in crate::pool) fn set_bounds(&mut self, concurrency: usize) -> WakeList {
        self.wake_each(|entry| entry.front.queue.set_bounds(entry.bounds(concurrency)))
    }

    pub(in crate::pool) fn dismiss_lines(&mut self) -> WakeList {
        self.wake_each(|entry| entry.front.queue.wake_all_waiting())
    }

    /// Applies `change` to each share. Returns the wakes of all changes.
    fn wake_each(&mut self, change: impl Fn(&mut ShareState) -> WakeList) -> WakeList {
        let mut wakes = WakeList::default();
        self.of.for_each_mut(|_, entry| wakes = mem::take(&mut wakes).and(change(entry)));
        wakes
    }
}

impl PoolState {
    /// Applies `f` to a share. Then the pool's counts follow those of the share's queue, and each
    /// call in that queue has a ticket.
    pub(in crate::pool) fn with_share<R>(
        &mut self,
        share: ShareId,
        f: impl FnOnce(&mut FairQueue, ShareId, &mut ShareState) -> R,
    ) -> Option<(R, WakeList)> {
        let (mut f, mut result) = (Some(f), None);
        let wakes = self.change_share(share, &mut |order, share, entry| {
            result = f.take().map(|f| f(order, share, entry));
        })?;
        Some((result?, wakes))
    }

    /// Like [`PoolState::with_share`]. It is compiled once for all functions.
    fn change_share(
        &mut self,
        share: ShareId,
        f: &mut dyn FnMut(&mut FairQueue, ShareId, &mut ShareState),
    ) -> Option<WakeList> {
        let ShareTable { of, order, .. } = &mut self.limits.shares;
        let entry = of.get_mut(share)?;
        let before = entry.front.queue.tally();
        // The free slots that no other queued call will take are for this share, within its limit.
        let others = self.injector.queue.waiting().saturating_sub(entry.front.queue.waiting());
        let free = self.injector.queue.free_slots().saturating_sub(others);
        let allowed = entry.limit.as_ref().map_or(usize::MAX, ShareLimit::newcomers);
        entry.front.queue.note_free_slots(free.min(allowed));
        f(order, share, entry);
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
        Some(wakes)
    }

    /// Applies `f` to the limit of a share, if it has one.
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

    /// Returns whether one more call of this share may start.
    pub(in crate::pool) fn share_admits(&self, share: ShareId) -> bool {
        share == 0 || self.limits.shares.of.get(share).is_none_or(|entry| entry.newcomers() > 0)
    }

    /// Returns a call to its share, which is at its limit, before all other calls of its priority
    /// there. The call was in the pool's lanes since it was raised, or was held at the limit of its
    /// task.
    pub(in crate::pool) fn return_to_share(&mut self, call: CallRef<dyn ErasedCall>) -> WakeList {
        let (share, now) = (call.header().share(), clock::now());
        let put = |_: &mut FairQueue, _, entry: &mut ShareState| {
            entry.front.queue.put_first(call.header().priority(), now, PoolItem::Call(call));
        };
        self.with_share(share, put).map(|((), wakes)| wakes).unwrap_or_default()
    }

    /// Returns the task of the call that the first ticket stands for, if there is a call. Entries
    /// of ended calls before it are removed.
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

    /// Takes the first ticket, and returns the call that starts for it, if there is one.
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
