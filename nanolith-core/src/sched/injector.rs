//! A queue and the inbox in front of it, under the lock of the one who shares them.
//!
//! The inbox is for plain calls: of normal priority, from where no future is left, without a time limit. Such a call
//! comes and goes without the lock, and is counted nowhere but by its position in the ring. All the rest goes through
//! the queue, which sorts out the inbox first where the order or the counts rest on it.
//!
//! What the inbox holds is older than what waits in the lane of normal priority. So newcomers are let into the inbox only
//! while that lane is empty.

use super::{
    queue::{BoundedQueue, Stale},
    ring::Ring,
};
use crate::util::prefetch::PrefetchTarget;
use crate::{call::backend::ErasedCall, meta::priority::Priority, wake::WakeList};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// What waits in such a queue.
pub(crate) trait QueueItem: Sized + PrefetchTarget {
    /// The call that nobody has begun, if it is one; else it is a future that was woken.
    fn call(&self) -> Option<&dyn ErasedCall>;
}

/// How many calls go back from their lane to the inbox at once.
const REFILL: usize = 256;

/// What the lanes hold, told off the lock: the lock is taken before anything is believed.
#[derive(Default)]
pub(crate) struct DepthHint {
    /// All of it.
    waiting: AtomicUsize,
    /// What is not for the inbox.
    non_fast_len: AtomicUsize,
}

impl DepthHint {
    // ORDERING: Relaxed, it is a hint.
    pub(crate) fn publish<T: QueueItem>(&self, front: &Injector<T>) {
        self.waiting.store(front.queue.lanes().len(), Ordering::Relaxed);
        self.non_fast_len.store(front.non_fast_len(), Ordering::Relaxed);
        front.queue.rules().publish_earliest(front.queue.lanes().earliest());
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn is_for_lanes(&self) -> bool {
        self.non_fast_len.load(Ordering::Relaxed) > 0
    }
}

/// What a queue and its inbox are at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Calls from outside that wait.
    pub(crate) queued_outside: usize,
    /// Calls of running tasks that wait, and calls that resume.
    pub(crate) overflow: usize,
    /// Calls that were accepted and are not over.
    pub(crate) in_flight: usize,
    /// Calls that are over, of those that the queue has seen.
    pub(crate) completed: u64,
}

pub(crate) struct Injector<T: QueueItem> {
    pub(crate) queue: BoundedQueue<T>,
    ring: Arc<Ring<T>>,
    /// Whether somebody takes from the inbox.
    open: bool,
    /// Who waits for an empty moment, and needs every call to be counted.
    watching: usize,
}

impl<T: QueueItem> Injector<T> {
    pub(crate) fn new(queue: BoundedQueue<T>, inbox: Arc<Ring<T>>) -> Self {
        Self { queue, ring: inbox, open: false, watching: 0 }
    }

    /// Calls that were accepted and are not over.
    pub(crate) fn in_flight(&self) -> usize {
        self.queue.in_flight() + self.ring.len()
    }

    /// Whether anything waits.
    pub(crate) fn has_waiting(&self) -> bool {
        self.queue.lanes().len() > 0 || self.ring.len() > 0
    }

    /// Whether something waits that is not in the inbox, and not for it either.
    pub(crate) fn non_fast_len(&self) -> usize {
        self.queue.lanes().len_except(Priority::Normal)
    }

    /// What is to be dropped after the lock is released.
    pub(crate) fn take_stale(&mut self) -> Vec<T> {
        self.queue.take_stale()
    }

    // ----- the inbox

    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Whether plain calls may go through the inbox now: nobody waits for a place or for an empty moment, which only calls
    /// that are counted give, the order is that of priorities, and the bound is none that has to be kept exactly.
    pub(crate) fn can_use_ring(&self) -> bool {
        let ordered = self.queue.rules().is_custom();
        self.watching == 0 && !ordered && !self.queue.is_exact() && self.queue.waiting_len() == (0, 0)
    }

    /// Whether what goes next is in the inbox, or can go there.
    pub(crate) fn head_is_fast(&self) -> bool {
        self.non_fast_len() == 0
            && (self.ring.len() > 0 || self.queue.lanes().first(Priority::Normal).is_none_or(is_plain))
    }

    /// Somebody takes from the inbox from now on.
    pub(crate) fn open_ring(&mut self) {
        self.open = true;
        self.ring.set_in_use(true);
        self.refill_credits();
    }

    /// Nobody takes from the inbox: everything goes through the queue.
    pub(crate) fn close_ring(&mut self) {
        if self.open {
            self.open = false;
            self.ring.set_in_use(false);
            self.drain_ring();
        }
    }

    /// Lets no call into the inbox for as long as the lock is held, for one that comes into the lanes.
    #[inline]
    pub(crate) fn stop_accepting(&mut self) -> Option<WakeList> {
        self.ring.close();
        let is_due = self.queue.is_overgrown() || self.queue.is_stale();
        is_due.then(|| self.purge_stale())
    }

    /// Whether there is room for one more from outside. What is in the inbox counts as if it came from there, unless the
    /// answer rests on it.
    pub(crate) fn has_room(&mut self) -> bool {
        self.queue.places() > self.ring.len() || self.drain_ring().has_room()
    }

    /// Lets newcomers into the inbox, as many as there are places for. Its lane goes first.
    pub(crate) fn refill_credits(&mut self) {
        if !self.open {
            return;
        }
        if !self.can_use_ring() {
            return self.close_ring();
        }
        self.refill_ring();
        if self.queue.lanes().first(Priority::Normal).is_none() {
            self.ring.set_limit(self.queue.places());
        }
    }

    /// Moves the first calls of the lane into an inbox that has run empty.
    fn refill_ring(&mut self) {
        if self.queue.lanes().first(Priority::Normal).is_none() || self.ring.len() > 0 || self.non_fast_len() > 0 {
            return;
        }
        self.ring.close();
        for _ in 0..REFILL.min(self.ring.capacity()) {
            let Some(entry) = self.queue.pop_first_if(Priority::Normal, is_plain) else { return };
            let inside = entry.call().is_some_and(|call| call.header().clear_counted());
            self.queue.count_out(inside);
            if inside {
                self.ring.mark_mixed();
            }
            // It was empty, so there is a cell.
            if let Err(entry) = self.ring.push_closed(entry) {
                self.enqueue_drained(entry);
            }
        }
    }

    /// The entries of overtaken calls go, which nobody else counts out before their turn comes, and those of others that have
    /// begun since.
    #[cold]
    fn purge_stale(&mut self) -> WakeList {
        self.queue.purge_stale(|entry| entry.call().filter(|call| !call.is_queued()).map(take_stale))
    }

    /// Every call counted, and none that is over. What waits is looked through only where that tells how it counts: in an
    /// inbox that holds calls from inside.
    pub(crate) fn figures(&mut self) -> (Figures, WakeList) {
        if self.ring.is_mixed() {
            self.drain_ring();
        }
        let (overtaken, in_inbox) = (self.queue.rules().overtaken(), self.ring.len());
        let figures = Figures {
            queued_outside: self.queue.queued_outside() + in_inbox,
            overflow: self.queue.overflow().saturating_sub(overtaken),
            in_flight: (self.queue.in_flight() + in_inbox).saturating_sub(overtaken),
            completed: self.queue.completed() + overtaken as u64,
        };
        // Where nothing but entries is left, they all go, and there is an empty moment.
        let is_empty = figures.in_flight == 0 && self.queue.in_flight() > 0;
        (figures, if is_empty { self.purge_stale() } else { WakeList::default() })
    }

    /// A call that was popped had been claimed: whoever did that counts it, unless it was overtaken.
    pub(crate) fn skip_stale(&mut self, call: &dyn ErasedCall) -> WakeList {
        match take_stale(call) {
            Stale::StillCounted => self.queue.on_run_by_waiter(call.header().is_nested()),
            Stale::AlreadyCounted => WakeList::default(),
        }
    }

    /// An entry that was popped is out of date: it is dropped after the lock is released.
    pub(crate) fn discard_stale(&mut self, entry: T) {
        self.queue.discard_stale(entry);
    }

    /// A call that may be queued here was raised, and expires so: its entry is put where it stands now.
    pub(crate) fn raise(&mut self, expires: u64, entry: T) {
        if entry.call().is_some_and(|call| !call.header().is_accepted()) {
            self.drain_ring();
        }
        // One that is not counted is not here yet, or is about to begin.
        let queued = entry.call().filter(|call| call.is_queued() && call.header().is_accepted());
        match queued.map(|call| call.header().priority()) {
            Some(priority) => self.queue.push_raised(priority, expires, entry),
            None => self.discard_stale(entry),
        }
    }

    /// When the first of what waits expires.
    pub(crate) fn earliest(&mut self) -> Option<u64> {
        self.drain_ring().lanes().earliest()
    }

    /// Brings every call out of the inbox to the front of its lane, and counts it. From here on the queue is exact.
    pub(crate) fn drain_ring(&mut self) -> &mut BoundedQueue<T> {
        let mut came = Vec::new();
        self.ring.close_and_drain(|entry| came.push(entry));
        came.into_iter().rev().for_each(|entry| self.enqueue_drained(entry));
        &mut self.queue
    }

    /// An entry that was in the inbox goes to the front of its lane, unless its call has begun or is being ended.
    fn enqueue_drained(&mut self, entry: T) {
        let Some(call) = entry.call() else { return };
        if call.is_queued() {
            let inside = call.header().is_nested();
            call.header().mark_counted(inside);
            let came = call.header().submitted_at();
            self.queue.count_in(inside);
            self.queue.put_first(Priority::Normal, came, entry);
        } else {
            self.account_claimed(call);
            self.discard_stale(entry);
        }
    }

    /// A call left the inbox that somebody else had claimed. Whoever ends a call counts it out of the queue: so it has to be
    /// counted in, unless they have been here, or the one who waits for it runs it, who counts nothing.
    pub(crate) fn account_claimed(&mut self, call: &dyn ErasedCall) {
        let meta = call.header();
        if call.was_overtaken() {
            self.queue.settle_overtaken();
        } else if !meta.has_left() {
            meta.mark_counted(meta.is_nested());
            self.queue.count_in(meta.is_nested());
        }
    }

    /// Whether the inbox has a place for a plain call, after a look at what came free.
    pub(crate) fn has_credit(&mut self) -> bool {
        self.refill_credits();
        self.ring.has_credit()
    }

    // ----- going out

    /// The next entry; what it holds is counted in the queue.
    pub(crate) fn pop(&mut self) -> Option<T> {
        if self.non_fast_len() > 0 {
            // Who goes first is for the lanes to say.
            return self.drain_ring().pop();
        }
        while self.ring.len() > 0 {
            match self.ring.pop() {
                None => std::thread::yield_now(), // it is being filled
                Some(entry) => {
                    let live = entry.call().is_some_and(ErasedCall::is_queued);
                    self.enqueue_drained(entry);
                    if live {
                        break;
                    }
                }
            }
        }
        self.queue.pop()
    }

    // ----- the empty moment

    /// Somebody waits for an empty moment: until they have seen it, every call is counted.
    pub(crate) fn require_exact(&mut self) {
        self.watching += 1;
        self.close_ring();
    }

    pub(crate) fn release_exact(&mut self) {
        self.watching -= 1;
    }

    /// A call that was claimed out of its turn begins.
    pub(crate) fn start_out_of_order(&mut self, call: &dyn ErasedCall) -> WakeList {
        self.count(call);
        self.queue.count_stale();
        self.queue.on_start(call.header().is_nested())
    }

    /// Sees to it that a claimed call is counted in, wherever its entry is.
    fn count(&mut self, call: &dyn ErasedCall) {
        let meta = call.header();
        if !meta.is_accepted() {
            self.drain_ring();
        }
        if !meta.is_accepted() {
            // Whoever took it from the inbox finds that it was claimed, and that it was counted.
            meta.leave();
            meta.mark_counted(meta.is_nested());
            self.queue.count_in(meta.is_nested());
        }
    }

    /// A call that was claimed to be ended leaves.
    pub(crate) fn leave(&mut self, call: &dyn ErasedCall) -> WakeList {
        self.count(call);
        let ended = self.queue.on_removed(call.header().is_nested());
        if self.queue.is_stale() { ended.and(self.purge_stale()) } else { ended }
    }
}

/// What there is to do about the entry of a call that is not queued.
fn take_stale(call: &dyn ErasedCall) -> Stale {
    if call.was_overtaken() && call.header().take_counted() { Stale::StillCounted } else { Stale::AlreadyCounted }
}

/// Whether the inbox may hold it.
fn is_plain<T: QueueItem>(entry: &T) -> bool {
    entry.call().is_some_and(|call| call.is_plain() && call.is_queued())
}

#[cfg(all(test, not(any(loom, miri))))]
#[path = "injector_model.rs"]
mod model;

#[cfg(all(test, not(any(loom, miri))))]
#[path = "injector_cost.rs"]
mod cost;
