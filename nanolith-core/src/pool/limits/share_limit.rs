//! [`ShareLimit`]: the concurrency limit of a share, which is a group of a pool's calls: how many
//! of them are at work at once. This is pure data under the pool's lock.
//!
//! A call at work holds a *slot* of its share. The call takes a slot when it starts, and for each
//! later poll of its future. It returns the slot when it ends, when its future is pending, and
//! while its thread waits. A thread that continues after a wait takes its slot back at once, like
//! its permit: it may hold a lock that other calls want. Until then the share may exceed its limit.
//!
//! Woken futures wait for slots in a queue, and go before calls that have not started.

use crate::wake::{AfterUnlock, NewWaker, WaitQueue, WaitState, WaitTicket};

pub(in crate::pool) struct ShareLimit {
    slots: usize,
    /// The number of slots that calls hold.
    taken: usize,
    /// The woken futures that wait for slots.
    line: WaitQueue,
}

impl ShareLimit {
    pub(in crate::pool) fn new(slots: usize) -> Self {
        Self { slots, taken: 0, line: WaitQueue::default() }
    }

    /// Returns the number of slots that no call holds and that are granted to no future.
    fn free(&self) -> usize {
        self.slots.saturating_sub(self.taken + self.line.granted())
    }

    /// Returns how many calls may start now: none while a woken future waits.
    pub(in crate::pool) fn newcomers(&self) -> usize {
        if self.line.has_waiting() { 0 } else { self.free() }
    }

    /// Takes a slot for a call that starts or continues, even if no slot is free.
    pub(in crate::pool) fn take(&mut self) {
        self.taken += 1;
    }

    /// Returns the slot of a call.
    pub(in crate::pool) fn give_back(&mut self, after: &mut AfterUnlock) {
        // A call may have started before the share had a limit.
        self.taken = self.taken.saturating_sub(1);
        self.grant(after);
    }

    pub(in crate::pool) fn set_slots(&mut self, slots: usize, after: &mut AfterUnlock) {
        self.slots = slots;
        self.grant(after);
    }

    /// Takes a slot for a woken future, or registers `waker` to wait for one. `ticket` is the
    /// future's position in the queue. Returns whether the future has a slot.
    pub(in crate::pool) fn poll(&mut self, ticket: &mut Option<WaitTicket>, waker: &mut NewWaker) -> bool {
        let has_slot = match *ticket {
            None => self.newcomers() > 0,
            Some(ticket) => self.line.redeem(ticket, waker) == WaitState::Granted(()),
        };
        if has_slot {
            *ticket = None;
            self.take();
        } else if ticket.is_none() {
            *ticket = Some(self.line.join((), waker));
        }
        has_slot
    }

    /// Removes a dropped future from the queue, with the slot that was granted to it. Its waker
    /// goes into `unused`.
    pub(in crate::pool) fn leave(&mut self, ticket: WaitTicket, unused: &mut AfterUnlock) {
        self.line.leave(ticket, unused);
    }

    /// Grants the free slots to the futures that wait.
    pub(in crate::pool) fn grant(&mut self, after: &mut AfterUnlock) {
        let free = self.free();
        self.line.grant_first(free, after);
    }
}

#[cfg(all(test, not(any(loom, miri))))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{collections::VecDeque, task::Waker};

    #[derive(Clone, Debug)]
    enum Op {
        Begin,
        Suspend,
        Wake,
        Poll(usize),
        Drop(usize),
        Block,
        Unblock,
        Finish,
        Slots(usize),
    }

    fn ops() -> impl Strategy<Value = Vec<Op>> {
        let nth = || 0_usize..8;
        let op = prop_oneof![
            3 => Just(Op::Begin),
            2 => Just(Op::Suspend),
            2 => Just(Op::Wake),
            3 => nth().prop_map(Op::Poll),
            1 => nth().prop_map(Op::Drop),
            1 => Just(Op::Block),
            1 => Just(Op::Unblock),
            2 => Just(Op::Finish),
            1 => (1_usize..5).prop_map(Op::Slots),
        ];
        prop::collection::vec(op, 0..120)
    }

    /// The calls of the model, by their state.
    struct Model {
        slots: usize,
        at_work: usize,
        suspended: usize,
        blocked: usize,
        /// The futures that wait for slots, in order, and whether each was granted a slot.
        line: VecDeque<(WaitTicket, bool)>,
    }

    impl Model {
        fn granted(&self) -> usize {
            self.line.iter().filter(|(_, is_granted)| *is_granted).count()
        }

        fn free(&self) -> usize {
            self.slots.saturating_sub(self.at_work + self.granted())
        }

        fn newcomers(&self) -> usize {
            if self.granted() < self.line.len() { 0 } else { self.free() }
        }

        fn grant(&mut self) {
            let free = self.free();
            self.line.iter_mut().filter(|(_, is_granted)| !is_granted).take(free).for_each(|waiter| waiter.1 = true);
        }
    }

    fn new() -> NewWaker {
        NewWaker::of(Waker::noop())
    }

    proptest! {
        /// No call starts or continues without a slot, no future waits while a slot is free, and
        /// the queue keeps its order.
        #[test]
        fn limit_counts_active_calls(ops in ops()) {
            let mut limit = ShareLimit::new(2);
            let mut model = Model { slots: 2, at_work: 0, suspended: 0, blocked: 0, line: VecDeque::new() };
            let mut after = AfterUnlock::default();
            for op in ops {
                match op {
                    Op::Begin if model.newcomers() > 0 => {
                        prop_assert!(model.at_work < model.slots);
                        limit.take();
                        model.at_work += 1;
                    }
                    Op::Suspend | Op::Block | Op::Finish if model.at_work > 0 => {
                        limit.give_back(&mut after);
                        model.at_work -= 1;
                        model.suspended += usize::from(matches!(op, Op::Suspend));
                        model.blocked += usize::from(matches!(op, Op::Block));
                        model.grant();
                    }
                    Op::Wake if model.suspended > 0 => {
                        let (mut ticket, has_slot) = (None, model.newcomers() > 0);
                        prop_assert_eq!(limit.poll(&mut ticket, &mut new()), has_slot);
                        model.suspended -= 1;
                        model.at_work += usize::from(has_slot);
                        model.line.extend(ticket.map(|ticket| (ticket, false)));
                    }
                    Op::Poll(nth) if !model.line.is_empty() => {
                        let at = nth % model.line.len();
                        let (ticket, is_granted) = model.line[at];
                        prop_assert_eq!(limit.poll(&mut Some(ticket), &mut new()), is_granted);
                        if is_granted {
                            model.line.remove(at);
                            model.at_work += 1;
                        }
                    }
                    Op::Drop(nth) if !model.line.is_empty() => {
                        let at = nth % model.line.len();
                        limit.leave(model.line[at].0, &mut after);
                        limit.grant(&mut after);
                        model.line.remove(at);
                        model.grant();
                    }
                    Op::Unblock if model.blocked > 0 => {
                        limit.take();
                        model.blocked -= 1;
                        model.at_work += 1;
                    }
                    Op::Slots(slots) => {
                        limit.set_slots(slots, &mut after);
                        model.slots = slots;
                        model.grant();
                    }
                    _ => {}
                }
                prop_assert_eq!((limit.taken, limit.newcomers()), (model.at_work, model.newcomers()));
                prop_assert!(model.free() == 0 || model.granted() == model.line.len(), "a slot is free while a future waits");
            }
        }
    }
}
