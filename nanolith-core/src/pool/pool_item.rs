//! [`PoolItem`]: an item of a pool's queue: a call, a woken future, or a ticket, which stands for
//! the next call of a share.

use crate::{
    call::{
        backend::{EntryQueue, ErasedCall},
        call_ref::CallRef,
    },
    sched::{
        injector::QueueItem,
        ring::{NoInline, Ring, RingItem},
    },
    util::prefetch::PrefetchTarget,
};

/// An item in a pool's queue.
pub(super) enum PoolItem {
    /// A call that has not started, unless its entry is out of date.
    Call(CallRef<dyn ErasedCall>),
    Other(OtherItem),
}

/// An item that is no call. It is a separate enum so that a [`PoolItem`] fits into two words.
pub(super) enum OtherItem {
    /// A future that was woken.
    Resume(async_task::Runnable),
    /// A ticket for the first call of the share that is next when the ticket is taken.
    Ticket,
}

impl PrefetchTarget for PoolItem {
    #[inline]
    fn target_ptr(&self) -> *const () {
        match self {
            Self::Call(call) => call.target_ptr(),
            Self::Other(_) => std::ptr::null(),
        }
    }
}

impl RingItem for PoolItem {
    type Inline = NoInline;

    fn from_inline(value: NoInline) -> Self {
        match value {}
    }
}

impl QueueItem for PoolItem {
    #[inline]
    fn call(&self) -> Option<&dyn ErasedCall> {
        match self {
            Self::Call(call) => Some(&**call),
            Self::Other(_) => None,
        }
    }
}

impl EntryQueue for Ring<PoolItem> {
    fn take_oldest(&self, call: *const ()) -> Option<CallRef<dyn ErasedCall>> {
        match self.pop_target(call)? {
            PoolItem::Call(entry) => Some(entry),
            PoolItem::Other(_) => None, // it points to no call
        }
    }

    fn count_at_once(&self) {
        Self::count_at_once(self);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn pool_item_is_two_words() {
        assert_eq!(size_of::<PoolItem>(), 2 * size_of::<usize>());
    }
}
