//! [`WaiterSet`]: the waiters for one event, in the order in which they came.

use super::{AfterUnlock, Deferred, NewWaker, WakeList};
use std::{
    convert::Infallible,
    sync::Arc,
    task::{Poll, Waker},
};

/// A key that names one waiter of a [`WaiterSet`] until that waiter is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WaiterKey {
    index: usize,
    /// Unique among the waiters of a set, so a key of an earlier waiter names nothing.
    number: u64,
}

/// The tasks that wait for the same event. Pure data; its owner brings the lock.
///
/// [`register`](Self::register), [`remove`](Self::remove) and [`notify_one`](Self::notify_one) take
/// constant time. [`notify_all`](Self::notify_all) takes time linear in the number of waiters that
/// it wakes.
///
/// A notified waiter keeps its key until it is removed. It registers again with that key if it has
/// to wait again. Each waiter has a tag `W`, by which [`notify_where`](Self::notify_where) chooses.
#[derive(Debug)]
pub(crate) struct WaiterSet<W = ()> {
    entries: Vec<Entry<W>>,
    /// The ends of the list of waiters with a waker. The list links the entries, the longest
    /// waiting first.
    first: Option<usize>,
    last: Option<usize>,
    /// The first of the entries without a waiter.
    free: Option<usize>,
    registered: usize,
    waiting: usize,
    last_number: u64,
}

#[derive(Debug)]
struct Entry<W> {
    /// The number of the entry's waiter.
    number: u64,
    tag: W,
    state: State,
}

#[derive(Debug)]
enum State {
    Free {
        next: Option<usize>,
    },
    Waiting {
        waker: Waker,
        before: Option<usize>,
        next: Option<usize>,
    },
    /// The waiter was notified. `alone` says whether the notification was meant for this waiter
    /// alone.
    Notified {
        alone: bool,
    },
}

impl<W> Default for WaiterSet<W> {
    fn default() -> Self {
        Self::new()
    }
}

impl<W> WaiterSet<W> {
    pub(crate) const fn new() -> Self {
        Self { entries: Vec::new(), first: None, last: None, free: None, registered: 0, waiting: 0, last_number: 0 }
    }

    /// Returns the number of waiters, including notified ones.
    pub(crate) fn len(&self) -> usize {
        self.registered
    }

    /// Returns whether there is a waiter that was not notified.
    pub(crate) fn has_waiting(&self) -> bool {
        self.waiting > 0
    }

    /// Registers a waiter with `waker`. A waiter without a key is new and goes to the end of the
    /// list.
    ///
    /// A waiter with a key keeps its turn, unless it was notified. A notified waiter goes to the
    /// end again.
    pub(crate) fn register_as<D>(
        &mut self,
        tag: W,
        key: &mut Option<WaiterKey>,
        waker: NewWaker,
        after: &mut AfterUnlock<D>,
    ) {
        match (*key).filter(|key| self.is_registered(*key)) {
            None => *key = Some(self.add(tag, waker)),
            Some(WaiterKey { index, .. }) => {
                self.entries[index].tag = tag;
                match &mut self.entries[index].state {
                    State::Waiting { waker: known, .. } => after.drop_waker(waker.replace(known)),
                    _ => self.link(index, waker),
                }
            }
        }
    }

    /// Returns whether the waiter waits with a waker of the same task.
    pub(crate) fn waits_with(&self, key: Option<WaiterKey>, waker: &Waker) -> bool {
        let entry = key.filter(|key| self.is_registered(*key)).map(|key| &self.entries[key.index].state);
        matches!(entry, Some(State::Waiting { waker: known, .. }) if known.will_wake(waker))
    }

    /// Removes a waiter, and sets `key` to `None`.
    ///
    /// Returns whether a [`notify_one`](Self::notify_one) reached the waiter and was not used. In
    /// that case the caller notifies the next waiter.
    pub(crate) fn remove<D>(&mut self, key: &mut Option<WaiterKey>, after: &mut AfterUnlock<D>) -> bool {
        let Some(key) = key.take().filter(|key| self.is_registered(*key)) else { return false };
        let was_alone = matches!(self.entries[key.index].state, State::Notified { alone: true });
        self.unlink(key.index).into_iter().for_each(|waker| after.drop_waker(waker));
        self.entries[key.index].state = State::Free { next: self.free };
        self.free = Some(key.index);
        self.registered -= 1;
        if self.registered == 0 {
            self.shrink();
        }
        was_alone
    }

    /// Notifies every waiter.
    pub(crate) fn notify_all<D>(&mut self, after: &mut AfterUnlock<D>) {
        self.notify_where(|_| true, after);
    }

    /// Notifies every waiter. The caller wakes the returned list after the release.
    pub(crate) fn take_all(&mut self) -> WakeList {
        let mut after = AfterUnlock::<Infallible>::default();
        self.notify_all(&mut after);
        after.take_wakes()
    }

    /// Notifies every waiter for whose tag `is_meant` returns true. Takes time linear in the number
    /// of waiters.
    pub(crate) fn notify_where<D>(&mut self, mut is_meant: impl FnMut(&W) -> bool, after: &mut AfterUnlock<D>) {
        let mut at = self.first;
        while let Some(index) = at {
            let Entry { state: State::Waiting { next, .. }, tag, .. } = &self.entries[index] else { break };
            at = *next;
            if is_meant(tag) {
                self.notify(index, false, after);
            }
        }
    }

    /// Notifies one waiter, if it waits.
    pub(crate) fn notify_waiter<D>(&mut self, key: WaiterKey, after: &mut AfterUnlock<D>) {
        if self.is_registered(key) && matches!(self.entries[key.index].state, State::Waiting { .. }) {
            self.notify(key.index, false, after);
        }
    }

    /// Notifies the waiter that waits longest. Returns whether a waiter was there.
    pub(crate) fn notify_one<D>(&mut self, after: &mut AfterUnlock<D>) -> bool {
        match self.first {
            Some(index) => self.notify(index, true, after),
            None => return false,
        }
        true
    }

    fn notify<D>(&mut self, index: usize, alone: bool, after: &mut AfterUnlock<D>) {
        self.unlink(index).into_iter().for_each(|waker| after.wake(waker));
        self.entries[index].state = State::Notified { alone };
    }

    fn is_registered(&self, key: WaiterKey) -> bool {
        let entry = self.entries.get(key.index);
        entry.is_some_and(|entry| entry.number == key.number && !matches!(entry.state, State::Free { .. }))
    }

    /// Adds a waiter at the end.
    fn add(&mut self, tag: W, waker: NewWaker) -> WaiterKey {
        self.registered += 1;
        self.last_number += 1;
        let index = self.free.unwrap_or(self.entries.len());
        let entry = Entry { number: self.last_number, tag, state: State::Free { next: None } };
        match self.entries.get_mut(index) {
            Some(free) => {
                if let State::Free { next } = std::mem::replace(free, entry).state {
                    self.free = next;
                }
            }
            None => self.entries.push(entry),
        }
        self.link(index, waker);
        WaiterKey { index, number: self.last_number }
    }

    /// Puts an entry at the end of the list.
    fn link(&mut self, index: usize, waker: NewWaker) {
        let before = self.last.replace(index);
        self.entries[index].state = State::Waiting { waker: waker.into_waker(), before, next: None };
        self.set_next(before, Some(index));
        self.waiting += 1;
    }

    /// Takes an entry out of the list, if it is there. The caller sets the state of the entry.
    fn unlink(&mut self, index: usize) -> Option<Waker> {
        let state = std::mem::replace(&mut self.entries[index].state, State::Notified { alone: false });
        let State::Waiting { waker, before, next } = state else { return None };
        self.set_next(before, next);
        match next.map(|next| &mut self.entries[next].state) {
            Some(State::Waiting { before: known, .. }) => *known = before,
            _ => self.last = before,
        }
        self.waiting -= 1;
        Some(waker)
    }

    fn set_next(&mut self, before: Option<usize>, next: Option<usize>) {
        match before.map(|before| &mut self.entries[before].state) {
            Some(State::Waiting { next: known, .. }) => *known = next,
            _ => self.first = next,
        }
    }

    /// Frees the memory of an empty set that has more than a few entries.
    fn shrink(&mut self) {
        if self.entries.len() > KEPT_ENTRIES {
            self.entries = Vec::new();
            self.free = None;
        }
    }
}

impl WaiterSet {
    /// Like [`register_as`](Self::register_as), without a tag.
    pub(crate) fn register<D>(&mut self, key: &mut Option<WaiterKey>, waker: NewWaker, after: &mut AfterUnlock<D>) {
        self.register_as((), key, waker, after);
    }
}

/// The number of entries that an empty set keeps.
const KEPT_ENTRIES: usize = 32;

/// An owner of a [`WaiterSet`] and of the data of its event, under one lock.
pub(crate) trait WaiterHome {
    /// The data under the lock.
    type State;

    /// Changes the state under the lock. What `change` puts into the [`AfterUnlock`] happens after
    /// the release.
    fn with_state<R>(&self, change: impl FnOnce(&mut Self::State, &mut AfterUnlock) -> R) -> R;

    /// Returns the waiters in the state.
    fn waiters(state: &mut Self::State) -> &mut WaiterSet;
}

impl<H: WaiterHome> WaiterHome for Arc<H> {
    type State = H::State;

    fn with_state<R>(&self, change: impl FnOnce(&mut Self::State, &mut AfterUnlock) -> R) -> R {
        (**self).with_state(change)
    }

    fn waiters(state: &mut Self::State) -> &mut WaiterSet {
        H::waiters(state)
    }
}

impl<H: WaiterHome> WaiterHome for &H {
    type State = H::State;

    fn with_state<R>(&self, change: impl FnOnce(&mut Self::State, &mut AfterUnlock) -> R) -> R {
        (**self).with_state(change)
    }

    fn waiters(state: &mut Self::State) -> &mut WaiterSet {
        H::waiters(state)
    }
}

/// Data that contains the waiters for its event.
pub(crate) trait HasWaiters {
    fn waiters(&mut self) -> &mut WaiterSet;
}

impl HasWaiters for WaiterSet {
    fn waiters(&mut self) -> &mut WaiterSet {
        self
    }
}

impl<T: HasWaiters> WaiterHome for Deferred<T> {
    type State = T;

    fn with_state<R>(&self, change: impl FnOnce(&mut T, &mut AfterUnlock) -> R) -> R {
        self.with(change)
    }

    fn waiters(state: &mut T) -> &mut WaiterSet {
        state.waiters()
    }
}

/// A waiter's registration, held by the future that waits. When it is dropped, the waiter leaves
/// the set, and hands on a notification that was meant for it alone.
#[derive(Debug)]
pub(crate) struct Registration<H: WaiterHome> {
    home: H,
    key: Option<WaiterKey>,
}

impl<H: WaiterHome> Registration<H> {
    /// Creates a waiter that has not registered.
    pub(crate) fn new(home: H) -> Self {
        Self { home, key: None }
    }

    pub(crate) fn home(&self) -> &H {
        &self.home
    }

    /// Calls `look` under the lock, and is ready with its result if the event has come. Otherwise
    /// the waiter registers `waker`, after a second look. A waker is cloned only to be registered.
    ///
    /// A waiter leaves the set when its event has come, and its notification counts as used.
    pub(crate) fn poll_with<R>(
        &mut self,
        waker: &Waker,
        mut look: impl FnMut(&mut H::State, &mut AfterUnlock) -> Option<R>,
    ) -> Poll<R> {
        let Self { home, key } = self;
        let mut new = None; // the waker that is not needed drops after the release
        loop {
            let seen = home.with_state(|state, after| {
                if let Some(found) = look(state, after) {
                    H::waiters(state).remove(key, after);
                    return Some(Poll::Ready(found));
                }
                if let Some(new) = new.take() {
                    H::waiters(state).register(key, new, after);
                    return Some(Poll::Pending);
                }
                H::waiters(state).waits_with(*key, waker).then_some(Poll::Pending)
            });
            match seen {
                Some(poll) => return poll,
                None => new = Some(NewWaker::of(waker)),
            }
        }
    }

    /// Registers `waker` for the next event, whether or not an event has come before.
    pub(crate) fn register(&mut self, waker: &Waker) {
        let _ = self.poll_until(waker, |_| false);
    }

    /// Like [`poll_with`](Self::poll_with), with a condition in place of a result.
    pub(crate) fn poll_until(&mut self, waker: &Waker, mut has_come: impl FnMut(&mut H::State) -> bool) -> Poll<()> {
        self.poll_with(waker, |state, _| has_come(state).then_some(()))
    }

    /// Removes the waiter, which has what it waited for. Its notification counts as used.
    pub(crate) fn finish(&mut self) {
        let Self { home, key } = self;
        if key.is_some() {
            home.with_state(|state, after| H::waiters(state).remove(key, after));
        }
    }
}

impl<H: WaiterHome> Drop for Registration<H> {
    fn drop(&mut self) {
        let Self { home, key } = self;
        if key.is_some() {
            home.with_state(|state, after| {
                let set = H::waiters(state);
                if set.remove(key, after) {
                    set.notify_one(after);
                }
            });
        }
    }
}

#[cfg(all(test, not(any(loom, miri))))]
#[path = "waiter_set_model.rs"]
mod model;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wake::test_waker::CountingWaker;

    fn register(home: &Deferred<WaiterSet>, waiter: &CountingWaker) -> Option<WaiterKey> {
        let (mut key, new) = (None, NewWaker::of(&waiter.waker()));
        home.with(|set, after| set.register(&mut key, new, after));
        key
    }

    #[test]
    fn dropped_registration_leaves_no_waker() {
        let home = Deferred::new(WaiterSet::new());
        let waker = CountingWaker::new();
        for _ in 0..1_000 {
            let mut waiter = Registration::new(&home);
            let new = NewWaker::of(&waker.waker());
            home.with(|set, after| set.register(&mut waiter.key, new, after));
        }
        assert_eq!((waker.clones(), home.with(|set, _| set.len())), (0, 0));
        assert!(home.with(|set, _| set.entries.len()) <= KEPT_ENTRIES);
    }

    #[test]
    fn poll_registers_until_event_has_come() {
        let home = Deferred::new(WaiterSet::new());
        let waker = CountingWaker::new();
        let mut waiter = Registration::new(&home);
        for _ in 0..3 {
            assert!(waiter.poll_until(&waker.waker(), |_| false).is_pending());
        }
        assert_eq!((waker.clones(), home.with(|set, _| set.len())), (1, 1));
        assert!(waiter.poll_until(&waker.waker(), |_| true).is_ready());
        assert_eq!((waker.clones(), home.with(|set, _| set.len())), (0, 0));
    }

    #[test]
    fn notify_where_leaves_the_others_waiting() {
        let wakers = [CountingWaker::new(), CountingWaker::new(), CountingWaker::new()];
        let (mut set, mut after) = (WaiterSet::new(), AfterUnlock::<()>::default());
        let mut keys = [None; 3];
        for (tag, key) in keys.iter_mut().enumerate() {
            set.register_as(tag, key, NewWaker::of(&wakers[tag].waker()), &mut after);
        }
        set.notify_where(|tag| *tag != 1, &mut after);
        after.run();
        assert_eq!(wakers.each_ref().map(CountingWaker::wakes), [1, 0, 1]);
        let mut after = AfterUnlock::<()>::default();
        keys[1].iter().for_each(|key| set.notify_waiter(*key, &mut after));
        after.run();
        assert_eq!((wakers[1].wakes(), set.has_waiting(), set.len()), (1, false, 3));
    }

    #[test]
    fn notify_one_reaches_the_longest_waiting() {
        let home = Deferred::new(WaiterSet::new());
        let (one, other) = (CountingWaker::new(), CountingWaker::new());
        let (_first, _second) = (register(&home, &one), register(&home, &other));
        assert!(home.with(WaiterSet::notify_one));
        assert_eq!((one.wakes(), other.wakes()), (1, 0));
        assert!(home.with(WaiterSet::notify_one));
        assert!(!home.with(WaiterSet::notify_one));
        assert_eq!((one.wakes(), other.wakes()), (1, 1));
    }

    #[test]
    fn dropped_waiter_hands_its_notification_on() {
        let home = Deferred::new(WaiterSet::new());
        let (one, other) = (CountingWaker::new(), CountingWaker::new());
        let mut gone = Registration::new(&home);
        let new = NewWaker::of(&one.waker());
        home.with(|set, after| set.register(&mut gone.key, new, after));
        let _second = register(&home, &other);
        home.with(WaiterSet::notify_one);
        drop(gone);
        assert_eq!(other.wakes(), 1);
    }

    #[test]
    fn stale_key_names_no_later_waiter() {
        let home = Deferred::new(WaiterSet::new());
        let waker = CountingWaker::new();
        let mut first = register(&home, &waker);
        let mut copy = first;
        home.with(|set, after| set.remove(&mut first, after));
        let _second = register(&home, &waker);
        home.with(|set, after| set.remove(&mut copy, after));
        assert_eq!(home.with(|set, _| set.len()), 1);
    }
}
