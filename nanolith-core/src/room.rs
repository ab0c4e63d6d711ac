//! Who waits for room in a bounded queue, first come first served. Pure data; the queue's lock is held by the caller.
//!
//! A place that frees is granted to the one who has waited longest and is kept for them, so nobody who comes later can
//! take it, and nobody has to try again and again. One who gives up hands the grant on.

use std::{collections::VecDeque, task::Waker};

/// A place in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

/// The line.
#[derive(Default)]
pub(crate) struct Line {
    waiting: VecDeque<(Ticket, Waker)>,
    granted: Vec<Ticket>,
    next: u64,
}

impl Line {
    /// Places that are kept for those who were told to come.
    pub(crate) fn granted(&self) -> usize {
        self.granted.len()
    }

    /// How many stand in line.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether a newcomer would have to stand behind somebody.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Stands at the end of the line.
    pub(crate) fn join(&mut self, waker: &Waker) -> Ticket {
        self.next += 1;
        let ticket = Ticket(self.next);
        self.waiting.push_back((ticket, waker.clone()));
        ticket
    }

    /// Takes up the grant of `ticket` if there is one; else remembers whom to wake.
    pub(crate) fn redeem(&mut self, ticket: Ticket, waker: &Waker) -> bool {
        if let Some(at) = self.granted.iter().position(|granted| *granted == ticket) {
            self.granted.swap_remove(at);
            return true;
        }
        if let Some((_, known)) = self.find(ticket).and_then(|at| self.waiting.get_mut(at)) {
            known.clone_from(waker);
        }
        false
    }

    /// Whether a place is kept for `ticket`.
    pub(crate) fn is_granted(&self, ticket: Ticket) -> bool {
        self.granted.contains(&ticket)
    }

    /// Where one waits: the line is in the order of the tickets.
    fn find(&self, ticket: Ticket) -> Option<usize> {
        self.waiting.binary_search_by_key(&ticket.0, |(waiting, _)| waiting.0).ok()
    }

    /// Leaves the line. The caller then grants again, for a grant may have come free.
    pub(crate) fn leave(&mut self, ticket: Ticket) {
        self.granted.retain(|granted| *granted != ticket);
        self.find(ticket).into_iter().for_each(|at| drop(self.waiting.remove(at)));
    }

    /// Grants `places` to the longest waiting; wake what comes back after the lock is released.
    pub(crate) fn grant(&mut self, places: usize) -> Vec<Waker> {
        let places = places.min(self.waiting.len());
        let told = self.waiting.drain(..places);
        told.map(|(ticket, waker)| {
            self.granted.push(ticket);
            waker
        })
        .collect()
    }

    /// Lets everybody come and see for themselves, as when the queue closes.
    pub(crate) fn dismiss(&mut self) -> Vec<Waker> {
        self.granted.clear();
        self.waiting.drain(..).map(|(_, waker)| waker).collect()
    }
}

#[cfg(all(test, not(any(loom, miri))))]
#[path = "room_model.rs"]
mod model;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_go_to_those_who_waited_longest() {
        let (mut line, waker) = (Line::default(), Waker::noop());
        let (first, second) = (line.join(waker), line.join(waker));
        assert_eq!(line.grant(1).len(), 1);
        assert!(!line.redeem(second, waker));
        assert!(line.redeem(first, waker));
        assert!(!line.redeem(first, waker), "a grant counts once");
    }

    #[test]
    fn one_who_gives_up_frees_the_grant() {
        let (mut line, waker) = (Line::default(), Waker::noop());
        let (first, second) = (line.join(waker), line.join(waker));
        line.grant(1);
        line.leave(first);
        assert_eq!(line.granted(), 0);
        line.grant(1);
        assert!(line.redeem(second, waker));
    }
}
