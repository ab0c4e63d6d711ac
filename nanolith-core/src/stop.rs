//! Stopping many at once: the calls that a task submits, those that share a token, those of a scope or a group. A [`Stop`] is
//! a node of a tree; who stops it stops what hangs on it, calls and further nodes, all the way down.
//!
//! No lock is held while a call is ended or somebody is woken, and nothing recurses, however deep the tree is.

use crate::{
    call::{shared::Shared, slot::End},
    host::{self, HostId, Runnable},
    per_thread::per_thread,
    wake::{AfterUnlock, Deferred, Registration, WaiterHome, WaiterSet},
};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Poll, Waker},
};

/// Where to find a member of a [`Stop`].
pub(crate) type Place = u64;

/// A node of the tree.
#[derive(Default)]
pub(crate) struct Stop {
    stopped: AtomicBool,
    list: Deferred<List>,
    /// On which node this one hangs.
    up: Mutex<Option<(Arc<Stop>, Place)>>,
}

#[derive(Default)]
pub(crate) struct List {
    members: BTreeMap<Place, Member>,
    /// How many of them are calls.
    calls: usize,
    last: Place,
    /// They wait until it is stopped, or until no call is left.
    waiting: WaiterSet,
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
        let mut member = Some(member); // what is not added is dropped after the release
        self.list.with(|list, _| {
            let member = member.take_if(|_| !self.is_stopped())?;
            list.last += 1;
            list.calls += usize::from(matches!(member, Member::Call(..)));
            list.members.insert(list.last, member);
            Some(list.last)
        })
    }

    pub(crate) fn remove(&self, place: Place) {
        let member = self.list.with(|list, after| {
            let member = list.members.remove(&place);
            let is_call = matches!(member, Some(Member::Call(..)));
            list.calls -= usize::from(is_call);
            if is_call && list.calls == 0 {
                list.waiting.notify_all(after);
            }
            member
        });
        drop(member); // the lock is released here
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
        per_thread! {
            /// What this thread is yet to stop, while it does.
            static LEFT: RefCell<Option<Vec<Arc<Stop>>>> = RefCell::new(None);
        }
        /// Lets later stops begin anew, also after a panic.
        struct Begun;
        impl Drop for Begun {
            fn drop(&mut self) {
                LEFT.with(|left| left.borrow_mut().take());
            }
        }
        let queue = |stop: &Arc<Self>| {
            LEFT.with(|left| left.borrow_mut().get_or_insert_default().push(stop.clone()));
        };
        let is_first = LEFT.with(|left| left.borrow().is_none());
        queue(self);
        if !is_first {
            return;
        }
        let _begun = Begun;
        while let Some(next) = LEFT.with(|left| left.borrow_mut().as_mut().and_then(Vec::pop)) {
            for below in next.stop_one() {
                queue(&below);
            }
        }
    }

    /// The same for this node alone; gives those that hang on it.
    fn stop_one(&self) -> Vec<Arc<Self>> {
        let members = self.list.with(|list, after| {
            // ORDERING: AcqRel. Release pairs with the Acquire in `is_stopped`.
            if self.stopped.swap(true, Ordering::AcqRel) {
                return Vec::new();
            }
            list.waiting.notify_all(after);
            list.members.values().cloned().collect::<Vec<_>>()
        });
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

    /// Ready when it is stopped.
    pub(crate) fn poll_stopped(waiter: &mut Registration<Arc<Self>>, waker: &Waker) -> Poll<()> {
        if waiter.home().is_stopped() {
            waiter.finish();
            return Poll::Ready(());
        }
        let stop = waiter.home().clone();
        waiter.poll_until(waker, |_| stop.is_stopped())
    }

    /// Ready when no call hangs on it.
    pub(crate) fn poll_empty(waiter: &mut Registration<&Self>, waker: &Waker) -> Poll<()> {
        waiter.poll_until(waker, |list| list.calls == 0)
    }

    /// The first call after `place` that hangs on it and is not over, who holds it, and its place.
    pub(crate) fn call_after(&self, place: Place) -> Option<(Place, Shared<dyn Runnable>, Option<HostId>)> {
        // The clone of an owner is a count.
        self.list.with(|list, _| {
            let calls = list.members.range(place + 1..).filter_map(|(place, member)| match member {
                Member::Call(call, host) => Some((*place, call, *host)),
                Member::Stop(_) => None,
            });
            let mut calls = calls.filter(|(_, call, _)| !call.is_over());
            calls.next().map(|(place, call, host)| (place, call.clone(), host))
        })
    }
}

/// The waits for its stop, and for the end of its calls.
impl WaiterHome for Stop {
    type State = List;

    fn with_state<R>(&self, change: impl FnOnce(&mut List, &mut AfterUnlock) -> R) -> R {
        self.list.with(change)
    }

    fn waiters(state: &mut List) -> &mut WaiterSet {
        &mut state.waiting
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
