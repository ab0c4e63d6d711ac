//! Stopping many at once: the calls that a task submits, those that share a token, those of a scope or a group. A [`CancelNode`] is
//! a node of a tree; who stops it stops what hangs on it, calls and further nodes, all the way down.
//!
//! A stop ends all of that before it wakes a waiter or drops an argument: see [`EndBatch`]. Nothing recurses, however deep the
//! tree is.

use super::{
    backend::{ErasedCall, ExecutorId},
    call_ref::CallRef,
    end_batch::EndBatch,
    slot::EndReason,
};
use crate::wake::{AfterUnlock, Deferred, Registration, WaiterHome, WaiterSet, WakeList};
use std::{
    collections::BTreeMap,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Poll, Waker},
};

/// Where to find a member of a [`CancelNode`].
pub(crate) type LinkId = u64;

/// A node of the tree.
#[derive(Default)]
pub(crate) struct CancelNode {
    stopped: AtomicBool,
    list: Deferred<List>,
    /// On which node this one hangs.
    parent: Mutex<Option<(Arc<CancelNode>, LinkId)>>,
}

#[derive(Default)]
pub(crate) struct List {
    members: BTreeMap<LinkId, Member>,
    /// How many of them are calls.
    calls: usize,
    last: LinkId,
    /// They wait until it is stopped, or until no call is left.
    waiting: WaiterSet,
}

/// What hangs on a node.
enum Member {
    /// A call that is not over, and who holds it, if that is known.
    Call(CallRef<dyn ErasedCall>, Option<ExecutorId>),
    Stop(Weak<CancelNode>),
}

impl CancelNode {
    /// A node that hangs on `up`; stopped from the beginning, if that is.
    pub(crate) fn child_of(up: &Arc<Self>) -> Arc<Self> {
        let this = Arc::new(Self::default());
        match up.add(Member::Stop(Arc::downgrade(&this))) {
            Some(place) => *lock(&this.parent) = Some((up.clone(), place)),
            None => this.cancel(),
        }
        this
    }

    /// Hangs a call on it; `None` if it is stopped. The caller says [`CancelNode::remove`] when the call is over.
    pub(crate) fn hold(&self, call: CallRef<dyn ErasedCall>, host: Option<ExecutorId>) -> Option<LinkId> {
        self.add(Member::Call(call, host))
    }

    fn add(&self, member: Member) -> Option<LinkId> {
        let mut member = Some(member); // what is not added is dropped after the release
        self.list.with(|list, _| {
            let member = member.take_if(|_| !self.is_stopped())?;
            list.last += 1;
            list.calls += usize::from(matches!(member, Member::Call(..)));
            list.members.insert(list.last, member);
            Some(list.last)
        })
    }

    pub(crate) fn remove(&self, place: LinkId) {
        let mut batch = EndBatch::default();
        self.remove_into(place, &mut batch);
        batch.run();
    }

    /// The same, with user code left to `batch`.
    pub(crate) fn remove_into(&self, place: LinkId, batch: &mut EndBatch) {
        let (member, wakes) = self.list.with(|list, after| {
            let member = list.members.remove(&place);
            let is_call = matches!(member, Some(Member::Call(..)));
            list.calls -= usize::from(is_call);
            if is_call && list.calls == 0 {
                list.waiting.notify_all(after);
            }
            (member, after.take_wakes())
        });
        batch.wake_list(wakes);
        if let Some(Member::Call(call, _)) = member {
            batch.drop_owner(call);
        }
    }

    /// It hangs on nothing any more.
    pub(crate) fn leave(&self) {
        let up = lock(&self.parent).take();
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
    pub(crate) fn cancel(self: &Arc<Self>) {
        let mut batch = EndBatch::default();
        batch.stop_node(self.clone());
        batch.run();
    }

    /// Marks this node, and leaves what hangs on it to `batch`.
    pub(crate) fn stop_into(&self, batch: &mut EndBatch) {
        let wakes = self.list.with(|list, after| {
            // ORDERING: AcqRel. Release pairs with the Acquire in `is_stopped`.
            if self.stopped.swap(true, Ordering::AcqRel) {
                return WakeList::default();
            }
            for member in list.members.values() {
                match member {
                    Member::Call(call, host) => batch.end_call(call.clone(), *host, EndReason::Cancelled),
                    Member::Stop(stop) => stop.upgrade().into_iter().for_each(|stop| batch.stop_node(stop)),
                }
            }
            list.waiting.notify_all(after);
            after.take_wakes()
        });
        batch.wake_list(wakes);
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
    pub(crate) fn next_call_after(
        &self,
        place: LinkId,
    ) -> Option<(LinkId, CallRef<dyn ErasedCall>, Option<ExecutorId>)> {
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
impl WaiterHome for CancelNode {
    type State = List;

    fn with_state<R>(&self, change: impl FnOnce(&mut List, &mut AfterUnlock) -> R) -> R {
        self.list.with(change)
    }

    fn waiters(state: &mut List) -> &mut WaiterSet {
        &mut state.waiting
    }
}

impl Drop for CancelNode {
    /// One after the other where each was the last to know the next, so that no chain is too long for the stack.
    fn drop(&mut self) {
        let mut up = take(&mut self.parent);
        while let Some((stop, place)) = up {
            stop.remove(place);
            up = Arc::into_inner(stop).and_then(|mut stop| take(&mut stop.parent));
        }
    }
}

fn take<T>(mutex: &mut Mutex<Option<T>>) -> Option<T> {
    mem::take(mutex.get_mut().unwrap_or_else(PoisonError::into_inner))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
