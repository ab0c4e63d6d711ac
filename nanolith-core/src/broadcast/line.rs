//! Senders that wait for room, with what they want to send: whoever makes room sends it for them, first come first served.
//! Pure data; the log's lock is held by the caller.

use super::{Origin, senders::Pushed};
use std::{collections::BTreeMap, mem, task::Waker};

/// A place in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

pub(super) struct Waiting<T> {
    pub(super) from: Origin,
    pub(super) value: T,
    pub(super) waker: Waker,
}

/// The line, and what became of those who left it without knowing.
pub(super) struct Line<T> {
    waiting: BTreeMap<Ticket, Waiting<T>>,
    answers: BTreeMap<Ticket, Pushed<T>>,
    next: u64,
}

impl<T> Line<T> {
    pub(super) fn new() -> Self {
        Self { waiting: BTreeMap::new(), answers: BTreeMap::new(), next: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn join(&mut self, waiting: Waiting<T>) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        self.waiting.insert(ticket, waiting);
        ticket
    }

    /// The first of those for whom `has_room` holds. It is asked once for all of one origin, who stand alike.
    pub(super) fn first(&self, mut has_room: impl FnMut(Origin) -> bool) -> Option<Ticket> {
        let mut without: Vec<Origin> = Vec::new();
        for (ticket, Waiting { from, .. }) in &self.waiting {
            if without.contains(from) {
                continue;
            }
            if has_room(*from) {
                return Some(*ticket);
            }
            without.push(*from);
        }
        None
    }

    /// Takes one out of the line, as it gives up or is served.
    pub(super) fn take(&mut self, ticket: Ticket) -> Option<Waiting<T>> {
        self.waiting.remove(&ticket)
    }

    /// Takes everybody out.
    pub(super) fn take_all(&mut self) -> BTreeMap<Ticket, Waiting<T>> {
        mem::take(&mut self.waiting)
    }

    /// Keeps what became of one who is no longer in line.
    pub(super) fn answer(&mut self, ticket: Ticket, answer: Pushed<T>) {
        self.answers.insert(ticket, answer);
    }

    /// What became of them; else remembers whom to wake. An earlier waker comes back, to be dropped without the lock.
    pub(super) fn redeem(&mut self, ticket: Ticket, waker: &Waker) -> (Option<Pushed<T>>, Option<Waker>) {
        if let Some(answer) = self.answers.remove(&ticket) {
            return (Some(answer), None);
        }
        let known = self.waiting.get_mut(&ticket).map(|waiting| &mut waiting.waker);
        let spent = known.filter(|known| !known.will_wake(waker)).map(|known| mem::replace(known, waker.clone()));
        (None, spent)
    }

    /// Gives up the place, or the answer.
    pub(super) fn leave(&mut self, ticket: Ticket) -> (Option<Waiting<T>>, Option<Pushed<T>>) {
        (self.waiting.remove(&ticket), self.answers.remove(&ticket))
    }
}
