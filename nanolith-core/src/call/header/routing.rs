//! Which executor holds a call, and the call's delegate. A delegate is a second call, as which the
//! first continues when a layer or a cluster runs its task.

use super::{DELEGATED, Header, SPILLED, UNROUTED, lock};
use crate::call::{
    backend::{ErasedCall, ExecutorId},
    call_ref::CallRef,
};
use std::sync::atomic::Ordering;

impl Header {
    /// Records that the call's handle does not know the call's executor. The executor that takes
    /// the call records itself by [`Header::set_executor`].
    #[inline]
    pub(crate) fn mark_unrouted(&self) {
        self.taken.fetch_or(UNROUTED, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn is_unrouted(&self) -> bool {
        self.taken.load(Ordering::Relaxed) & UNROUTED != 0
    }

    /// Records that the call is brought to the queue of `host`, or was not taken there. The caller
    /// checks afterwards whether the call is still queued.
    pub(crate) fn set_executor(&self, host: Option<ExecutorId>) {
        let number = host.map_or(0, |host| u32::try_from(host.number()).unwrap_or(SPILLED));
        if number == SPILLED {
            *lock(&self.seldom().spilled_executor) = host;
        }
        // ORDERING: AcqRel, pairs with the AcqRel in `final_executor`. One of the two steps comes
        // first: either the side that ends the call sees this executor, or we see that the call was
        // claimed.
        self.executor.swap(number, Ordering::AcqRel);
    }

    /// Returns the executor to whose queue the call was brought. The caller has claimed the call,
    /// so the call is brought to no other executor after this.
    pub(crate) fn final_executor(&self) -> Option<ExecutorId> {
        // ORDERING: AcqRel, as in `set_executor`.
        self.host_of(self.executor.fetch_add(0, Ordering::AcqRel))
    }

    /// Returns the executor that holds the call, or its delegate.
    pub(crate) fn executor(&self) -> Option<ExecutorId> {
        // ORDERING: Relaxed. A waiter of a call that is brought elsewhere meanwhile may learn of it
        // late with any ordering.
        let own = self.host_of(self.executor.load(Ordering::Relaxed));
        own.or_else(|| self.delegate()?.header().executor())
    }

    fn host_of(&self, number: u32) -> Option<ExecutorId> {
        if number == SPILLED { *lock(&self.seldom().spilled_executor) } else { ExecutorId::from_raw(number.into()) }
    }

    /// Makes `call` the delegate of this call: ending this call ends the delegate, and waiting for
    /// this call waits for the delegate. Afterwards the caller checks again whether this call has
    /// ended.
    pub(crate) fn delegate_to(&self, call: &CallRef<dyn ErasedCall>) {
        call.header().mark_delegate();
        let before = lock(&self.seldom().delegate).replace(call.clone());
        drop(before);
        if self.is_exempt() {
            call.header().exempt(); // the exemption may have come before the delegate was set
        }
    }

    /// Returns the call as which this call continues, if there is one.
    pub(crate) fn delegate(&self) -> Option<CallRef<dyn ErasedCall>> {
        lock(&self.known_seldom()?.delegate).clone()
    }

    /// Marks this call as the delegate of another call. The executor that accepts it records
    /// itself, because no handle refers to it.
    pub(crate) fn mark_delegate(&self) {
        self.taken.fetch_or(DELEGATED | UNROUTED, Ordering::Relaxed);
    }

    /// Returns whether this call is the delegate of another call.
    pub(crate) fn is_delegate(&self) -> bool {
        self.taken.load(Ordering::Relaxed) & DELEGATED != 0
    }

    /// Returns whether `host` holds the call, as far as the header knows. A layer's call may be on
    /// its way to the executor, or may be delayed.
    pub(crate) fn is_on(&self, host: ExecutorId) -> bool {
        // ORDERING: Relaxed, as in `executor`.
        !self.is_unrouted() || self.host_of(self.executor.load(Ordering::Relaxed)) == Some(host)
    }

    /// Sets whether the call is submitted, and goes to its executor later.
    pub(crate) fn delay(&self, is_delayed: bool) {
        // ORDERING: Relaxed, it is set before any other thread knows the call. A thread that sees
        // the end of the delay late waits instead.
        self.cold().is_delayed.store(is_delayed, Ordering::Relaxed);
    }

    pub(crate) fn is_delayed(&self) -> bool {
        self.cold.get().is_some_and(|cold| cold.is_delayed.load(Ordering::Relaxed))
    }
}
