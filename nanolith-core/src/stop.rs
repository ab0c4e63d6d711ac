//! Stopping many at once: the calls that a task submits, those that share a token, those of a scope or a group. A [`Stop`] is
//! a node of a tree; who stops it stops what hangs on it, calls and further nodes, all the way down.
//!
//! No lock is held while a call is ended or somebody is woken, and nothing recurses, however deep the tree is.

use crate::{
    call::{shared::Shared, slot::End},
    host::{self, HostId, Runnable},
    waiters::{Key, Waiters, Wakes},
};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
};

/// Where to find a member of a [`Stop`].
pub(crate) type Place = u64;

/// A node of the tree.
#[derive(Default)]
pub(crate) struct Stop {
    stopped: AtomicBool,
    list: Mutex<List>,
    /// On which node this one hangs.
    up: Mutex<Option<(Arc<Stop>, Place)>>,
}

#[derive(Default)]
struct List {
    members: BTreeMap<Place, Member>,
    /// How many of them are calls.
    calls: usize,
    last: Place,
    /// They wait until it is stopped, or until no call is left.
    waiting: Waiters,
    last_key: Key,
}

/// What hangs on a node.
#[derive(Clone)]
enum Member {
    /// A call that is not over, and who holds it, if that is known.
    Call(Shared<dyn Runnable>, Option<HostId>),
    Stop(Weak<Stop>),
}

impl Stop {
    /// A node that hangs on `up`; stopped from the beginning, if that is.
    pub(crate) fn within(up: &Arc<Self>) -> Arc<Self> {
        let this = Arc::new(Self::default());
        match up.add(Member::Stop(Arc::downgrade(&this))) {
            Some(place) => *lock(&this.up) = Some((up.clone(), place)),
            None => this.stop(),
        }
        this
    }

    /// Hangs a call on it; `None` if it is stopped. The caller says [`Stop::remove`] when the call is over.
    pub(crate) fn hold(&self, call: Shared<dyn Runnable>, host: Option<HostId>) -> Option<Place> {
        self.add(Member::Call(call, host))
    }

    fn add(&self, member: Member) -> Option<Place> {
        let mut list = lock(&self.list);
        if self.is_stopped() {
            drop(list);
            drop(member);
            return None;
        }
        list.last += 1;
        let place = list.last;
        list.calls += usize::from(matches!(member, Member::Call(..)));
        list.members.insert(place, member);
        Some(place)
    }

    pub(crate) fn remove(&self, place: Place) {
        let (member, wakes) = {
            let mut list = lock(&self.list);
            let member = list.members.remove(&place);
            let is_call = matches!(member, Some(Member::Call(..)));
            list.calls -= usize::from(is_call);
            let wakes = if is_call && list.calls == 0 { list.waiting.called() } else { Wakes::default() };
            (member, wakes)
        };
        wakes.wake();
        drop(member); // nobody holds the lock here
    }

    /// It hangs on nothing any more.
    pub(crate) fn leave(&self) {
        let up = lock(&self.up).take();
        if let Some((up, place)) = up {
            up.remove(place);
        }
    }

    #[inline]
    pub(crate) fn is_stopped(&self) -> bool {
        // ORDERING: Acquire, pairs with the AcqRel in `stop_one`: who sees the stop sees what was written before it.
        self.stopped.load(Ordering::Acquire)
    }

    /// Ends the calls that hang on it, as cancelled, and stops the nodes that do. It returns when all of that is done.
    pub(crate) fn stop(self: &Arc<Self>) {
        thread_local! {
            /// What this thread is yet to stop, while it does.
            static LEFT: RefCell<Option<Vec<Arc<Stop>>>> = const { RefCell::new(None) };
        }
        /// Lets later stops begin anew, also after a panic.
        struct Begun;
        impl Drop for Begun {
            fn drop(&mut self) {
                let _ = LEFT.try_with(|left| left.borrow_mut().take());
            }
        }
        let queue = |stop: &Arc<Self>| {
            LEFT.try_with(|left| match &mut *left.borrow_mut() {
                Some(left) => left.push(stop.clone()),
                none => *none = Some(vec![stop.clone()]),
            })
        };
        let is_first = LEFT.try_with(|left| left.borrow().is_none()).unwrap_or(true);
        if queue(self).is_err() {
            return self.stop_one().into_iter().for_each(|below| below.stop());
        }
        if !is_first {
            return;
        }
        let _begun = Begun;
        while let Some(next) = LEFT.with(|left| left.borrow_mut().as_mut().and_then(Vec::pop)) {
            for below in next.stop_one() {
                let _ = queue(&below); // the list is there, or the loop would not be
            }
        }
    }

    /// The same for this node alone; gives those that hang on it.
    fn stop_one(&self) -> Vec<Arc<Self>> {
        let (members, wakes) = {
            let mut list = lock(&self.list);
            // ORDERING: AcqRel. Release pairs with the Acquire in `is_stopped`.
            if self.stopped.swap(true, Ordering::AcqRel) {
                return Vec::new();
            }
            (list.members.values().cloned().collect::<Vec<_>>(), list.waiting.called())
        };
        wakes.wake();
        let mut below = Vec::new();
        for member in members {
            match member {
                Member::Call(call, host) => host::end(&*call, host, End::Cancelled),
                Member::Stop(stop) => below.extend(stop.upgrade()),
            }
        }
        below
    }

    // ----- waiting for it

    /// A key for one who waits.
    pub(crate) fn key(&self) -> Key {
        let mut list = lock(&self.list);
        list.last_key = list.last_key.next();
        list.last_key
    }

    /// Whether it is stopped; else `waker` is woken when it is.
    pub(crate) fn poll_stopped(&self, key: Key, waker: &Waker) -> bool {
        self.poll_until(key, waker, |_| self.is_stopped())
    }

    /// Whether no call hangs on it; else `waker` is woken when none does, or it is stopped.
    pub(crate) fn poll_empty(&self, key: Key, waker: &Waker) -> bool {
        self.poll_until(key, waker, |list| list.calls == 0)
    }

    fn poll_until(&self, key: Key, waker: &Waker, is_so: impl FnOnce(&List) -> bool) -> bool {
        let mut list = lock(&self.list);
        let (is_so, before) = if is_so(&list) { (true, None) } else { (false, list.waiting.wait(key, waker)) };
        drop(list);
        drop(before);
        is_so
    }

    /// The one with this key waits no more.
    pub(crate) fn forget(&self, key: Key) {
        let waker = lock(&self.list).waiting.leave(key);
        drop(waker);
    }

    /// The first call after `place` that hangs on it and is not over, who holds it, and its place.
    pub(crate) fn call_after(&self, place: Place) -> Option<(Place, Shared<dyn Runnable>, Option<HostId>)> {
        let list = lock(&self.list);
        let calls = list.members.range(place + 1..).filter_map(|(place, member)| match member {
            Member::Call(call, host) => Some((*place, call, *host)),
            Member::Stop(_) => None,
        });
        let mut calls = calls.filter(|(_, call, _)| !call.is_over());
        calls.next().map(|(place, call, host)| (place, call.clone(), host))
    }
}

impl Drop for Stop {
    /// One after the other where each was the last to know the next, so that no chain is too long for the stack.
    fn drop(&mut self) {
        let mut up = take(&mut self.up);
        while let Some((stop, place)) = up {
            stop.remove(place);
            up = Arc::into_inner(stop).and_then(|mut stop| take(&mut stop.up));
        }
    }
}

fn take<T>(mutex: &mut Mutex<Option<T>>) -> Option<T> {
    mem::take(mutex.get_mut().unwrap_or_else(PoisonError::into_inner))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
