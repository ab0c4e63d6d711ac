//! Waiters for capacity, first come first served: a ticket queue with direct hand-off.
//!
//! Capacity that comes free is granted to the waiter that waits longest and is kept for it. A later caller cannot take it, and
//! no waiter has to try again and again. A waiter that gives up hands its grant on.

use super::{AfterUnlock, NewWaker};
use std::{collections::BTreeMap, task::Waker};

/// A place in a [`WaitQueue`]. Later ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WaitTicket(u64);

/// What became of a waiter that asks again.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum WaitState<G> {
    /// It was granted this, and is in the queue no more.
    Granted(G),
    /// It waits; its waker is known.
    Waiting,
    /// It was sent away, or left.
    Dismissed,
}

/// Waiters in their order, each with a `W` that says what it waits for; a grant leaves a `G` for it. Pure data; its owner
/// brings the lock. Every operation takes logarithmic time, but [`dismiss`](Self::dismiss).
#[derive(Debug)]
pub(crate) struct WaitQueue<W = (), G = ()> {
    waiting: BTreeMap<WaitTicket, (W, Waker)>,
    /// Grants whose waiters have not asked since.
    granted: BTreeMap<WaitTicket, G>,
    next: u64,
}

impl<W, G> Default for WaitQueue<W, G> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), granted: BTreeMap::new(), next: 0 }
    }
}

impl<W, G> WaitQueue<W, G> {
    /// The number of waiters that were granted nothing.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The number of grants that are kept for their waiters.
    pub(crate) fn granted(&self) -> usize {
        self.granted.len()
    }

    /// Whether a newcomer would have to wait behind another waiter.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Waits at the end of the queue. Takes the waker.
    pub(crate) fn join(&mut self, waits_for: W, waker: &mut NewWaker) -> WaitTicket {
        self.next += 1;
        let ticket = WaitTicket(self.next);
        self.waiting.insert(ticket, (waits_for, waker.take()));
        ticket
    }

    /// Takes the grant of `ticket`, if there is one; else the waiter waits with `waker` from now on.
    pub(crate) fn redeem(&mut self, ticket: WaitTicket, waker: &mut NewWaker) -> WaitState<G> {
        if let Some(grant) = self.granted.remove(&ticket) {
            return WaitState::Granted(grant);
        }
        let Some((_, known)) = self.waiting.get_mut(&ticket) else { return WaitState::Dismissed };
        waker.exchange(known);
        WaitState::Waiting
    }

    /// The same for a waiter that may have registered `waker` before, and then needs no clone of it. `None`: it waits with
    /// another waker.
    pub(crate) fn redeem_known(&mut self, ticket: WaitTicket, waker: &Waker) -> Option<WaitState<G>> {
        if let Some(grant) = self.granted.remove(&ticket) {
            return Some(WaitState::Granted(grant));
        }
        match self.waiting.get(&ticket) {
            Some((_, known)) => known.will_wake(waker).then_some(WaitState::Waiting),
            None => Some(WaitState::Dismissed),
        }
    }

    /// Leaves the queue. Returns what the waiter waited for, or what was kept for it; the caller grants that to the next.
    pub(crate) fn leave<D>(&mut self, ticket: WaitTicket, after: &mut AfterUnlock<D>) -> (Option<W>, Option<G>) {
        let waited = self.waiting.remove(&ticket).map(|(waits_for, waker)| {
            after.drop_waker(waker);
            waits_for
        });
        (waited, self.granted.remove(&ticket))
    }

    /// What the waiter that waits longest waits for.
    pub(crate) fn first(&self) -> Option<(WaitTicket, &W)> {
        self.waiting.first_key_value().map(|(ticket, (waits_for, _))| (*ticket, waits_for))
    }

    /// Grants to the waiter with this ticket what `grant` makes of what it waits for, and wakes it. Does nothing if the waiter
    /// does not wait.
    pub(crate) fn grant<D>(
        &mut self,
        ticket: WaitTicket,
        grant: impl FnOnce(W, &mut AfterUnlock<D>) -> G,
        after: &mut AfterUnlock<D>,
    ) {
        if let Some((waits_for, waker)) = self.waiting.remove(&ticket) {
            self.granted.insert(ticket, grant(waits_for, after));
            after.wake(waker);
        }
    }

    /// Sends every waiter away: each asks once more and finds itself dismissed. Grants stay.
    ///
    /// Returns what they waited for.
    pub(crate) fn dismiss<D>(&mut self, after: &mut AfterUnlock<D>) -> Vec<W> {
        let waiting = std::mem::take(&mut self.waiting).into_values();
        let dismissed = waiting.map(|(waits_for, waker)| {
            after.wake(waker);
            waits_for
        });
        dismissed.collect()
    }

    /// Takes back every grant whose waiter has not asked since.
    pub(crate) fn revoke_grants(&mut self) -> impl Iterator<Item = G> {
        std::mem::take(&mut self.granted).into_values()
    }
}

impl WaitQueue {
    /// Grants to the `count` waiters that wait longest.
    pub(crate) fn grant_first<D>(&mut self, count: usize, after: &mut AfterUnlock<D>) {
        for _ in 0..count {
            let Some((ticket, ())) = self.first() else { return };
            self.grant(ticket, |(), _| (), after);
        }
    }
}

#[cfg(all(test, not(any(loom, miri))))]
#[path = "wait_queue_model.rs"]
mod model;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wake::test_waker::CountingWaker;

    fn new() -> NewWaker {
        NewWaker::of(Waker::noop())
    }

    #[test]
    fn grants_go_to_the_longest_waiting() {
        let (mut queue, mut after) = (WaitQueue::default(), AfterUnlock::<()>::default());
        let (first, second) = (queue.join((), &mut new()), queue.join((), &mut new()));
        queue.grant_first(1, &mut after);
        assert_eq!(queue.redeem(second, &mut new()), WaitState::Waiting);
        assert_eq!(queue.redeem(first, &mut new()), WaitState::Granted(()));
        assert_eq!(queue.redeem(first, &mut new()), WaitState::Dismissed, "a grant counts once");
    }

    #[test]
    #[cfg(not(miri))] // Miri gives one table of functions several addresses, so no waker is known to be another
    fn known_waker_takes_no_clone() {
        let (one, other) = (CountingWaker::new(), CountingWaker::new());
        let (mut queue, mut after) = (WaitQueue::<()>::default(), AfterUnlock::<()>::default());
        let ticket = queue.join((), &mut NewWaker::of(&one.waker()));
        assert_eq!(queue.redeem_known(ticket, &one.waker()), Some(WaitState::Waiting));
        assert_eq!(queue.redeem_known(ticket, &other.waker()), None);
        queue.grant_first(1, &mut after);
        assert_eq!(queue.redeem_known(ticket, &other.waker()), Some(WaitState::Granted(())));
        assert_eq!(queue.redeem_known(ticket, &one.waker()), Some(WaitState::Dismissed));
    }

    #[test]
    fn leaving_waiter_gives_its_grant_back() {
        let mut after = AfterUnlock::<()>::default();
        let mut queue = WaitQueue::<usize, usize>::default();
        let (first, second) = (queue.join(3, &mut new()), queue.join(2, &mut new()));
        queue.grant(first, |count, _| count, &mut after);
        assert_eq!(queue.leave(first, &mut after), (None, Some(3)));
        assert_eq!(queue.leave(second, &mut after), (Some(2), None));
        assert_eq!((queue.granted(), queue.waiting()), (0, 0));
    }

    #[test]
    fn waker_of_leaving_waiter_drops_after_unlock() {
        let waker = CountingWaker::new();
        let (mut queue, mut after) = (WaitQueue::<()>::default(), AfterUnlock::<()>::default());
        let ticket = queue.join((), &mut NewWaker::of(&waker.waker()));
        queue.leave(ticket, &mut after);
        assert_eq!(waker.clones(), 1, "it is kept until the lock is released");
        after.run();
        assert_eq!((waker.clones(), waker.wakes()), (0, 0));
    }
}
