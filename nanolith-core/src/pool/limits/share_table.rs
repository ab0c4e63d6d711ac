//! The shares of a pool, under its lock: their queues, limits and accounts, and the tickets for their calls in the pool's lanes.

use super::{
    fair_queue::{Account, Order, ShareId, Waiting},
    share::Handles,
    share_limit::ShareLimit,
};
use crate::pool::{
    config::MaxQueue,
    pool_state::{Core, Rest, Work},
};
use crate::{
    call::{
        backend::{HostId, Runnable},
        call_ref::Shared,
        header::Meta,
    },
    executor::admission::OnFull,
    meta::{priority::Priority, task_info::TaskInfo},
    sched::{injector::Front, policy::Rules, queue::Bounds},
    time::clock,
    wake::{AfterUnlock, WakeList},
};
use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Weak},
};

/// One share, under the pool's lock.
pub(in crate::pool) struct Entry {
    pub(in crate::pool) pool: HostId,
    pub(in crate::pool) name: Arc<str>,
    pub(in crate::pool) front: Front<Work>,
    pub(in crate::pool) account: Account,
    pub(in crate::pool) max_queue: MaxQueue,
    pub(in crate::pool) on_full: OnFull,
    /// How long its calls have run, in nanoseconds.
    pub(in crate::pool) ran: u64,
    /// How many of its calls may be at work at once, if there is a limit.
    pub(in crate::pool) limit: Option<ShareLimit>,
    pub(in crate::pool) handles: Weak<Handles>,
}

fn is_live(work: &Work) -> bool {
    matches!(work, Work::Call(call) if call.is_queued())
}

fn task_of(work: &Work) -> Option<&'static TaskInfo> {
    match work {
        Work::Call(call) => Some(call.meta().task()),
        Work::Rest(_) => None,
    }
}

impl Entry {
    /// How many calls of each priority may be drawn: no more than may begin.
    fn waiting(&self) -> Waiting {
        let (lanes, most) = (self.front.queue.lanes(), self.newcomers());
        Priority::ALL.map(|priority| (lanes.len() - lanes.len_without(priority)).min(most))
    }

    /// How many calls may begin now.
    fn newcomers(&self) -> usize {
        self.limit.as_ref().map_or(usize::MAX, ShareLimit::newcomers)
    }

    /// A call begins.
    pub(in crate::pool) fn begin(&mut self, call: &Meta) {
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
    fn ticket_expires(&self, rules: &Rules, priority: Priority, now: u64) -> u64 {
        let first = self.limit.as_ref().and_then(|_| self.front.queue.lanes().first(priority));
        match first {
            Some(Work::Call(call)) => rules.expires(call.meta()),
            _ => rules.expirations().of(priority, now),
        }
    }

    pub(in crate::pool) fn bounds(&self, concurrency: usize) -> Bounds {
        Bounds { queued: self.max_queue.calls(concurrency).max(1), in_flight: usize::MAX }
    }
}

/// The shares of a pool.
#[derive(Default)]
pub(in crate::pool) struct Shares {
    pub(in crate::pool) of: BTreeMap<ShareId, Entry>,
    pub(in crate::pool) names: BTreeMap<Arc<str>, ShareId>,
    pub(in crate::pool) order: Order,
    pub(in crate::pool) last: ShareId,
    gone: Vec<Entry>,
}

impl Shares {
    /// Shares that are gone, to be dropped off the lock.
    pub(in crate::pool) fn leftovers(&mut self) -> Vec<Entry> {
        mem::take(&mut self.gone)
    }

    pub(in crate::pool) fn has_leftovers(&self) -> bool {
        !self.gone.is_empty()
    }

    /// The call of the share whose turn it is.
    fn draw(&mut self) -> Option<(ShareId, Priority)> {
        let priority = self.order.draw()?;
        self.order.next(priority).map(|share| (share, priority))
    }

    /// The same without taking the ticket.
    fn peek(&self) -> Option<(ShareId, Priority)> {
        let priority = self.order.first_ticket()?;
        self.order.next(priority).map(|share| (share, priority))
    }

    /// The first ticket in the lanes has gone, and no call with it.
    pub(in crate::pool) fn drop_ticket(&mut self) {
        self.order.draw();
    }

    /// Nobody holds it, and none of its calls is left.
    pub(in crate::pool) fn forget_if_idle(&mut self, share: ShareId) {
        let idle = |entry: &Entry| entry.handles.strong_count() == 0 && entry.front.queue.in_flight() == 0;
        if self.of.get(&share).is_some_and(idle) {
            if let Some(mut entry) = self.of.remove(&share) {
                self.names.remove(&entry.name);
                self.order.set_waiting(share, &mut entry.account, Waiting::default(), false);
                self.gone.push(entry);
            }
        }
    }

    /// Takes every entry out of the queues.
    pub(in crate::pool) fn waiting(&mut self) -> Vec<Shared<dyn Runnable>> {
        let mut all = Vec::new();
        for (share, entry) in &mut self.of {
            while let Some(work) = entry.front.queue.pop() {
                if let Work::Call(call) = work {
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
        self.of.values_mut().map(|entry| entry.front.queue.dismiss_line()).fold(WakeList::default(), WakeList::and)
    }
}

impl Core {
    /// Does something to a share. What its queue counts, the pool's counts too, and there is a ticket for each call in it.
    pub(in crate::pool) fn with_share<R>(
        &mut self,
        share: ShareId,
        f: impl FnOnce(&mut Order, ShareId, &mut Entry) -> R,
    ) -> Option<(R, WakeList)> {
        let Shares { of, order, .. } = &mut self.rules.shares;
        let entry = of.get_mut(&share)?;
        let before = entry.front.queue.tally();
        // A free slot that no call of the others will take is one for this share, within its limit.
        let others = self.front.queue.waiting().saturating_sub(entry.front.queue.waiting());
        let free = self.front.queue.free_slots().saturating_sub(others);
        let allowed = entry.limit.as_ref().map_or(usize::MAX, ShareLimit::newcomers);
        entry.front.queue.note_free_slots(free.min(allowed));
        let result = f(order, share, entry);
        let is_held_back = entry.limit.is_some() && entry.front.queue.tally().queued > 0;
        let waiting = entry.waiting();
        order.set_waiting(share, &mut entry.account, waiting, is_held_back);
        entry.front.spent().into_iter().for_each(|work| self.front.spend(work));
        let mut wakes = self.front.queue.follow(before, entry.front.queue.tally());
        let (now, rules) = (clock::now(), self.front.queue.rules());
        let is_limited = entry.limit.is_some();
        for (priority, expires) in order.issue(|priority| entry.ticket_expires(rules, priority, now)) {
            wakes = wakes.and(self.front.hold().unwrap_or_default());
            let ticket = Work::Rest(Rest::Ticket);
            match is_limited {
                false => self.front.queue.put_last(priority, now, ticket),
                true => self.front.queue.enter_again(priority, expires, ticket),
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
        share == 0 || self.rules.shares.of.get(&share).is_none_or(|entry| entry.newcomers() > 0)
    }

    /// A call of a share at its limit, which came to the pool's lanes since it was raised, or was held for its kind, goes back
    /// before all others of its priority there.
    pub(in crate::pool) fn return_to_share(&mut self, call: Shared<dyn Runnable>) -> WakeList {
        let (share, now) = (call.meta().share(), clock::now());
        let put = |_: &mut Order, _, entry: &mut Entry| {
            entry.front.queue.put_first(call.meta().priority(), now, Work::Call(call));
        };
        self.with_share(share, put).map(|((), wakes)| wakes).unwrap_or_default()
    }

    /// The task of the call that the first ticket stands for, if it stands for one. Calls before that which are over go.
    pub(in crate::pool) fn ticket_task(&mut self) -> Option<&'static TaskInfo> {
        while let Some((share, priority)) = self.rules.shares.peek() {
            let first = |_: &mut Order, _, entry: &mut Entry| loop {
                match entry.front.queue.pop_first_if(priority, |work| !is_live(work)) {
                    Some(spent) => entry.front.spend(spent),
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
    pub(in crate::pool) fn redeem(&mut self) -> Option<Shared<dyn Runnable>> {
        let (share, priority) = self.rules.shares.draw()?;
        let pop = |_: &mut Order, _, entry: &mut Entry| loop {
            match entry.front.queue.pop_first_if(priority, |_| true) {
                Some(Work::Call(call)) if call.is_queued() => return Some(call),
                Some(spent) => entry.front.spend(spent),
                None => return None,
            }
        };
        self.with_share(share, pop)?.0
    }
}
