//! Who waits for something, and who is to be woken: for ports, and for what is attached. Pure data, under the lock of whoever
//! has it; only [`Wakes::wake`], and the drops of wakers, which may run the user's code, are for after its release.

use crate::{baton, panics};
use std::task::Waker;

/// Tells apart who waits in one place; later ones are greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(u64);

impl Key {
    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Who waits for something that all of them are called for.
#[derive(Default)]
pub(crate) struct Waiters(Vec<(Key, Option<Waker>)>);

impl Waiters {
    /// Calls everybody. They stay until they leave.
    pub(crate) fn called(&mut self) -> Wakes {
        self.called_but(None)
    }

    pub(crate) fn called_but(&mut self, own: Option<Key>) -> Wakes {
        let mut wakes = Wakes::default();
        let others = self.0.iter_mut().filter(|(key, _)| Some(*key) != own);
        others.filter_map(|(_, waker)| waker.take()).for_each(|waker| wakes.add(waker));
        wakes
    }

    /// The one with `key` waits, with this waker from now on. An earlier one comes back to be dropped without the lock.
    pub(crate) fn wait(&mut self, key: Key, waker: &Waker) -> Option<Waker> {
        match self.0.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => remember(known, waker),
            None => {
                self.0.push((key, Some(waker.clone())));
                None
            }
        }
    }

    /// It waits no more. Its waker comes back to be dropped without the lock.
    pub(crate) fn leave(&mut self, key: Key) -> Option<Waker> {
        let at = self.0.iter().position(|(known, _)| *known == key)?;
        self.0.swap_remove(at).1
    }
}

/// Gives the waker that `waker` took the place of.
pub(crate) fn remember(known: &mut Option<Waker>, waker: &Waker) -> Option<Waker> {
    if known.as_ref().is_some_and(|known| known.will_wake(waker)) { None } else { known.replace(waker.clone()) }
}

/// Who is to be woken once the lock is released. Mostly one, who takes no allocation.
#[derive(Default)]
#[must_use]
pub(crate) struct Wakes {
    first: Option<Waker>,
    more: Vec<Waker>,
}

impl Wakes {
    pub(crate) fn add(&mut self, waker: Waker) {
        match self.first {
            None => self.first = Some(waker),
            Some(_) => self.more.push(waker),
        }
    }

    /// Wakes them. One that panics keeps the others from nothing.
    pub(crate) fn wake(self) {
        if self.first.is_none() {
            return;
        }
        self.first.into_iter().chain(self.more).for_each(|waker| panics::quietly(|| waker.wake()));
        baton::preempt();
    }
}
