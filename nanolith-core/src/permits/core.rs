//! Who has how many permits, and who stands in line for some. Pure data; its owner brings the lock, and wakes what comes back
//! from here after releasing it.
//!
//! Permits that come free are granted to the one who has waited longest, once there are as many as it asks for, and are kept
//! for it: nobody who comes later takes them, however few it wants. One who gives up hands its grant on.

use crate::waiters::Wakes;
use std::{collections::BTreeMap, task::Waker};

/// A place in the line. Later ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

/// What one in line asks for.
struct Asks {
    count: usize,
    waker: Waker,
}

/// How one in line stands.
#[derive(Debug)]
pub(super) enum Stands {
    /// It has what it asked for, and is in line no more.
    Granted,
    /// It waits. The waker that it had before is to be dropped without the lock.
    Waits(#[expect(dead_code, reason = "held until the lock is released")] Option<Waker>),
    /// It was sent away: nobody gets any more.
    Dismissed,
}

#[derive(Default)]
pub(super) struct Core {
    available: usize,
    closed: bool,
    next: u64,
    waiting: BTreeMap<Ticket, Asks>,
    /// What is kept for those who were told to come.
    granted: BTreeMap<Ticket, usize>,
}

impl Core {
    pub(super) fn new(available: usize) -> Self {
        Self { available, ..Self::default() }
    }

    /// Permits that nobody has or was promised.
    pub(super) fn available(&self) -> usize {
        self.available
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Takes permits, if there are so many and nobody came before.
    pub(super) fn take(&mut self, count: usize) -> bool {
        let free = count == 0 || (self.waiting.is_empty() && self.available >= count);
        if free {
            self.available -= count;
        }
        free
    }

    /// Stands at the end of the line.
    pub(super) fn join(&mut self, count: usize, waker: &Waker) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        self.waiting.insert(ticket, Asks { count, waker: waker.clone() });
        ticket
    }

    /// Takes up the grant of `ticket` if there is one; else remembers whom to wake.
    pub(super) fn redeem(&mut self, ticket: Ticket, waker: &Waker) -> Stands {
        if self.granted.remove(&ticket).is_some() {
            return Stands::Granted;
        }
        match self.waiting.get_mut(&ticket) {
            Some(asks) if asks.waker.will_wake(waker) => Stands::Waits(None),
            Some(asks) => Stands::Waits(Some(std::mem::replace(&mut asks.waker, waker.clone()))),
            None => Stands::Dismissed,
        }
    }

    /// Leaves the line; what was kept for the one goes to the next. Its waker comes back to be dropped without the lock.
    pub(super) fn leave(&mut self, ticket: Ticket) -> (Wakes, Option<Waker>) {
        let kept = self.granted.remove(&ticket).unwrap_or(0);
        let asked = self.waiting.remove(&ticket).map(|asks| asks.waker);
        // Without the one, who may have stood first and asked for many, the next may have their turn.
        (self.add(kept), asked)
    }

    /// So many more are there.
    pub(super) fn add(&mut self, count: usize) -> Wakes {
        self.available = self.available.saturating_add(count);
        let mut wakes = Wakes::default();
        while let Some(first) = self.waiting.first_entry().filter(|first| first.get().count <= self.available) {
            let (ticket, asks) = first.remove_entry();
            self.available -= asks.count;
            self.granted.insert(ticket, asks.count);
            wakes.add(asks.waker);
        }
        wakes
    }

    /// Sends everybody in line away. Those who were told to come still get what they were promised.
    pub(super) fn close(&mut self) -> Wakes {
        self.closed = true;
        let mut wakes = Wakes::default();
        std::mem::take(&mut self.waiting).into_values().for_each(|asks| wakes.add(asks.waker));
        wakes
    }
}

#[cfg(all(test, not(any(loom, miri))))]
#[path = "core_model.rs"]
mod model;
