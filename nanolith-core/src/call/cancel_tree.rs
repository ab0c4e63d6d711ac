//! A tree of nodes by which many calls are cancelled at once: the calls that a task submits, those
//! that share a token, those of a scope or a group.
//!
//! Cancelling a [`CancelNode`] ends the calls linked to it, and cancels its child nodes, all the
//! way down.
//!
//! A cancellation ends all of that before it wakes a waiter or drops an argument: see [`EndBatch`].
//! No code recurses, however deep the tree is.

use super::{
    backend::{ErasedCall, ExecutorId},
    call_ref::CallRef,
    end_batch::EndBatch,
    slot::EndReason,
};
use crate::{
    util::ascending_map::AscendingMap,
    wake::{AfterUnlock, Deferred, Registration, WaiterHome, WaiterSet},
};
use std::{
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Poll, Waker},
};

/// The key of a member of a [`CancelNode`].
pub(crate) type LinkId = u64;

/// A node of the tree.
#[derive(Default)]
pub(crate) struct CancelNode {
    /// Whether the node takes no more members, and no call below it begins.
    stopping: AtomicBool,
    /// Whether tasks and programs see the cancellation. By then all nodes below are `stopping`. So a
    /// task that ends because of it frees its slot for no call that is to be cancelled too.
    stopped: AtomicBool,
    list: Deferred<List>,
    /// The parent node, and the key of this node in the parent.
    parent: Mutex<Option<(Arc<CancelNode>, LinkId)>>,
}

#[derive(Default)]
pub(crate) struct List {
    members: AscendingMap<Member>,
    /// The number of members that are calls.
    calls: usize,
    last: LinkId,
    /// The waits for the node's cancellation, and for its last call to end.
    waiting: WaiterSet,
}

impl List {
    fn remove(&mut self, place: LinkId, after: &mut AfterUnlock) -> Option<Member> {
        let member = self.members.remove(place);
        let is_call = matches!(member, Some(Member::Call(..)));
        self.calls -= usize::from(is_call);
        if is_call && self.calls == 0 {
            self.waiting.notify_all(after);
        }
        member
    }
}

/// A child of a node.
enum Member {
    /// A call that is not over, and the executor that holds it, if that is known.
    Call(CallRef<dyn ErasedCall>, Option<ExecutorId>),
    Stop(Weak<CancelNode>),
}

impl CancelNode {
    /// Creates a child node of `up`. The node is cancelled from the beginning if `up` is.
    pub(crate) fn child_of(up: &Arc<Self>) -> Arc<Self> {
        let this = Arc::new(Self::default());
        match up.add(Member::Stop(Arc::downgrade(&this))) {
            Some(place) => *lock(&this.parent) = Some((up.clone(), place)),
            None => this.cancel(),
        }
        this
    }

    /// Links a call to the node. Returns `None` if the node is cancelled. The caller calls
    /// [`CancelNode::remove`] when the call is over.
    pub(crate) fn hold(&self, call: CallRef<dyn ErasedCall>, host: Option<ExecutorId>) -> Option<LinkId> {
        self.add(Member::Call(call, host))
    }

    fn add(&self, member: Member) -> Option<LinkId> {
        let mut member = Some(member); // a member that is not added is dropped after the lock is released
        self.list.with(|list, _| {
            let member = member.take_if(|_| !self.is_stopping())?;
            list.last += 1;
            list.calls += usize::from(matches!(member, Member::Call(..)));
            list.members.push(list.last, member);
            Some(list.last)
        })
    }

    pub(crate) fn remove(&self, place: LinkId) {
        let member = self.list.with(|list, after| list.remove(place, after));
        drop(member); // an owner of a call, outside the lock
    }

    /// Like [`CancelNode::remove`], but leaves user code to `batch`.
    pub(crate) fn remove_into(&self, place: LinkId, batch: &mut EndBatch) {
        let (member, wakes) = self.list.with(|list, after| (list.remove(place, after), after.take_wakes()));
        batch.wake_list(wakes);
        if let Some(Member::Call(call, _)) = member {
            batch.drop_owner(call);
        }
    }

    /// Removes the node from its parent.
    pub(crate) fn leave(&self) {
        let up = lock(&self.parent).take();
        if let Some((up, place)) = up {
            up.remove(place);
        }
    }

    /// Returns whether the node is being cancelled, so that no call below it begins.
    #[inline]
    pub(crate) fn is_stopping(&self) -> bool {
        // ORDERING: Acquire, pairs with the AcqRel in `stop_into`: a reader that sees the
        // cancellation sees what was written before it.
        self.stopping.load(Ordering::Acquire)
    }

    /// Returns whether the node is cancelled, as tasks and programs see it.
    #[inline]
    pub(crate) fn is_stopped(&self) -> bool {
        // ORDERING: Acquire, pairs with the Release in `show_into`: a reader that sees the
        // cancellation sees that the nodes below are being cancelled.
        self.stopped.load(Ordering::Acquire)
    }

    /// Ends the linked calls as cancelled, and cancels the child nodes. All of that is done when
    /// this returns.
    pub(crate) fn cancel(self: &Arc<Self>) {
        let mut batch = EndBatch::default();
        batch.stop_node(self.clone());
        batch.run();
    }

    /// Marks this node as being cancelled, and leaves its members to `batch`.
    pub(crate) fn stop_into(&self, batch: &mut EndBatch) {
        self.list.with(|list, _| {
            // ORDERING: AcqRel. Release pairs with the Acquire in `is_stopping`.
            if self.stopping.swap(true, Ordering::AcqRel) {
                return;
            }
            for member in list.members.values() {
                match member {
                    Member::Call(call, host) => batch.end_call(call.clone(), *host, EndReason::Cancelled),
                    Member::Stop(stop) => stop.upgrade().into_iter().for_each(|stop| batch.stop_node(stop)),
                }
            }
        });
    }

    /// Shows the cancellation to tasks and programs. The caller has marked all nodes below.
    pub(crate) fn show_into(&self, batch: &mut EndBatch) {
        let wakes = self.list.with(|list, after| {
            // ORDERING: Release, pairs with the Acquire in `is_stopped`.
            self.stopped.store(true, Ordering::Release);
            list.waiting.notify_all(after);
            after.take_wakes()
        });
        batch.wake_list(wakes);
    }

    // ----- waiting for the node

    /// Returns `Ready` when the node is cancelled.
    pub(crate) fn poll_stopped(waiter: &mut Registration<Arc<Self>>, waker: &Waker) -> Poll<()> {
        if waiter.home().is_stopped() {
            waiter.finish();
            return Poll::Ready(());
        }
        let stop = waiter.home().clone();
        waiter.poll_until(waker, |_| stop.is_stopped())
    }

    /// Returns `Ready` when no call is linked to the node.
    pub(crate) fn poll_empty(waiter: &mut Registration<&Self>, waker: &Waker) -> Poll<()> {
        waiter.poll_until(waker, |list| list.calls == 0)
    }

    /// Returns the first linked call after `place` that is not over, with its key and its executor.
    pub(crate) fn next_call_after(
        &self,
        place: LinkId,
    ) -> Option<(LinkId, CallRef<dyn ErasedCall>, Option<ExecutorId>)> {
        // Cloning an owner runs no user code: it adds to a count.
        self.list.with(|list, _| {
            let calls = list.members.iter_from(place + 1).filter_map(|(place, member)| match member {
                Member::Call(call, host) => Some((place, call, *host)),
                Member::Stop(_) => None,
            });
            let mut calls = calls.filter(|(_, call, _)| !call.is_over());
            calls.next().map(|(place, call, host)| (place, call.clone(), host))
        })
    }
}

/// The waits for the node's cancellation, and for the end of its calls.
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
    /// Drops the chain of parents in a loop, so that a long chain does not overflow the stack.
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
