//! [`WaitQueue`]: a first-in, first-out queue of waiters for capacity: a ticket queue with direct
//! hand-off.
//!
//! Capacity that comes free is granted to the waiter that waits longest, and is kept for it. A
//! later caller cannot take it, and no waiter has to try repeatedly. A waiter that gives up hands
//! its grant on.

use super::{AfterUnlock, NewWaker};
use crate::util::ordered_map::{NumericKey, OrderedMap};
use std::task::Waker;

/// The position of a waiter in a [`WaitQueue`]. A later waiter has a greater ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WaitTicket(u64);

impl NumericKey for WaitTicket {
    fn to_number(self) -> u128 {
        self.0.into()
    }

    fn from_number(number: u128) -> Self {
        Self(number as u64)
    }
}

/// The state of a waiter that asks again.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum WaitState<G> {
    /// The waiter was granted this, and has left the queue.
    Granted(G),
    /// The waiter waits, and its waker is known.
    Waiting,
    /// The waiter was dismissed, or left.
    Dismissed,
}

/// A queue of waiters. Each waiter has a `W` that says what it waits for, and a grant leaves a `G`
/// for it.
///
/// Pure data; its owner brings the lock. Every operation except [`dismiss`](Self::dismiss) takes
/// logarithmic time.
#[derive(Debug)]
pub(crate) struct WaitQueue<W = (), G = ()> {
    waiting: OrderedMap<WaitTicket, (W, Waker)>,
    /// The grants that their waiters have not taken yet.
    granted: OrderedMap<WaitTicket, G>,
    next: u64,
}

impl<W, G> Default for WaitQueue<W, G> {
    fn default() -> Self {
        Self { waiting: OrderedMap::new(), granted: OrderedMap::new(), next: 0 }
    }
}

impl<W, G> WaitQueue<W, G> {
    /// Returns the number of waiters without a grant.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Returns the number of grants that are kept for their waiters.
    pub(crate) fn granted(&self) -> usize {
        self.granted.len()
    }

    /// Returns whether a new waiter would have to wait behind another waiter.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Adds a waiter at the end of the queue. Takes the waker out of `waker`.
    pub(crate) fn join(&mut self, waits_for: W, waker: &mut NewWaker) -> WaitTicket {
        self.next += 1;
        let ticket = WaitTicket(self.next);
        self.waiting.insert(ticket, (waits_for, waker.take()));
        ticket
    }

    /// Returns whether a grant is kept for this ticket.
    pub(crate) fn is_granted(&self, ticket: WaitTicket) -> bool {
        self.granted.get(ticket).is_some()
    }

    /// Takes the grant of `ticket`, if there is one. Otherwise the waiter waits with `waker` from
    /// now on.
    pub(crate) fn redeem(&mut self, ticket: WaitTicket, waker: &mut NewWaker) -> WaitState<G> {
        if let Some(grant) = self.granted.remove(ticket) {
            return WaitState::Granted(grant);
        }
        let Some((_, known)) = self.waiting.get_mut(ticket) else { return WaitState::Dismissed };
        waker.exchange(known);
        WaitState::Waiting
    }

    /// Like [`redeem`](Self::redeem), without a clone of `waker`, for a waiter that may have
    /// registered that waker before. Returns `None` if the waiter waits with another waker.
    pub(crate) fn redeem_known(&mut self, ticket: WaitTicket, waker: &Waker) -> Option<WaitState<G>> {
        if let Some(grant) = self.granted.remove(ticket) {
            return Some(WaitState::Granted(grant));
        }
        match self.waiting.get(ticket) {
            Some((_, known)) => known.will_wake(waker).then_some(WaitState::Waiting),
            None => Some(WaitState::Dismissed),
        }
    }

    /// Removes a waiter. Returns what it waited for, or the grant that was kept for it. The caller
    /// grants that to the next waiter.
    pub(crate) fn leave<D>(&mut self, ticket: WaitTicket, after: &mut AfterUnlock<D>) -> (Option<W>, Option<G>) {
        let waited = self.waiting.remove(ticket).map(|(waits_for, waker)| {
            after.drop_waker(waker);
            waits_for
        });
        (waited, self.granted.remove(ticket))
    }

    /// Returns the ticket of the waiter that waits longest, and what that waiter waits for.
    pub(crate) fn first(&self) -> Option<(WaitTicket, &W)> {
        self.waiting.first().map(|(ticket, (waits_for, _))| (ticket, waits_for))
    }

    /// Grants to the waiter of this ticket what `grant` returns for it, and wakes the waiter. Does
    /// nothing if the waiter does not wait.
    pub(crate) fn grant<D>(
        &mut self,
        ticket: WaitTicket,
        grant: impl FnOnce(W, &mut AfterUnlock<D>) -> G,
        after: &mut AfterUnlock<D>,
    ) {
        if let Some((waits_for, waker)) = self.waiting.remove(ticket) {
            self.granted.insert(ticket, grant(waits_for, after));
            after.wake(waker);
        }
    }

    /// Dismisses every waiter: each asks once more and finds itself dismissed. Grants stay.
    ///
    /// Returns what the waiters waited for.
    pub(crate) fn dismiss<D>(&mut self, after: &mut AfterUnlock<D>) -> Vec<W> {
        let waiting = std::mem::take(&mut self.waiting).into_values();
        let dismissed = waiting.map(|(waits_for, waker)| {
            after.wake(waker);
            waits_for
        });
        dismissed.collect()
    }

    /// Takes back every grant that its waiter has not taken yet.
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
