//! [`Injector`]: the queue of an executor. It joins a bounded queue and the lock-free ring in front
//! of it, under the lock of the executor that shares them.
//!
//! The ring is for fast-path calls: of normal priority. Such a call comes and goes without the lock,
//! and is counted only by its position in the ring. A future that is pending leaves the ring's
//! count: see [`BoundedQueue::count_suspended`]. All other work goes through the queue. The queue
//! drains the ring first where the order or the counts depend on it.
//!
//! The items in the ring are older than those in the lane of normal priority. So the ring accepts
//! calls only while that lane is empty.

use super::{
    queue::{BoundedQueue, Stale},
    ring::{Ring, RingItem},
};
use crate::{call::backend::ErasedCall, meta::priority::Priority, wake::WakeList};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// An item that waits in such a queue.
pub(crate) trait QueueItem: Sized + RingItem {
    /// Returns the item's call that has not begun. `None` for a future that was woken.
    fn call(&self) -> Option<&dyn ErasedCall>;
}

/// The maximum number of calls that move from their lane to the ring at once.
const REFILL: usize = 256;

/// The lengths of the lanes, readable without the lock. They are hints: a reader takes the lock
/// before it relies on them.
#[derive(Default)]
pub(crate) struct DepthHint {
    /// The number of all items.
    waiting: AtomicUsize,
    /// The number of items that are not for the ring.
    non_fast_len: AtomicUsize,
}

impl DepthHint {
    // ORDERING: Relaxed, hints.
    pub(crate) fn publish<T: QueueItem>(&self, front: &Injector<T>) {
        self.waiting.store(front.queue.lanes().len(), Ordering::Relaxed);
        self.non_fast_len.store(front.non_fast_len(), Ordering::Relaxed);
        front.queue.rules().publish_earliest(front.queue.lanes().earliest());
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    #[inline]
    pub(crate) fn is_for_lanes(&self) -> bool {
        self.non_fast_len.load(Ordering::Relaxed) > 0
    }
}

/// The figures of a queue and its ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Calls from outside that wait.
    pub(crate) queued_outside: usize,
    /// Calls of running tasks that wait, and calls that resume.
    pub(crate) overflow: usize,
    /// Calls that were accepted and are not over.
    pub(crate) in_flight: usize,
    /// Calls that the queue has seen and that are over.
    pub(crate) completed: u64,
}

pub(crate) struct Injector<T: QueueItem> {
    pub(crate) queue: BoundedQueue<T>,
    ring: Arc<Ring<T>>,
    /// Whether threads take from the ring.
    open: bool,
    /// The number of waits for an empty moment, for which every call must be counted.
    watching: usize,
}

impl<T: QueueItem> Injector<T> {
    pub(crate) fn new(queue: BoundedQueue<T>, inbox: Arc<Ring<T>>) -> Self {
        Self { queue, ring: inbox, open: false, watching: 0 }
    }

    /// Returns the number of calls that were accepted and are not over.
    pub(crate) fn in_flight(&self) -> usize {
        self.queue.in_flight() + self.ring.len()
    }

    /// Returns whether anything waits.
    pub(crate) fn has_waiting(&self) -> bool {
        self.queue.lanes().len() > 0 || self.ring.len() > 0
    }

    /// Returns the number of waiting items that are neither in the ring nor for it.
    pub(crate) fn non_fast_len(&self) -> usize {
        self.queue.lanes().len_except(Priority::Normal)
    }

    /// Takes the entries to be dropped after the lock is released.
    pub(crate) fn take_stale(&mut self) -> Vec<T> {
        self.queue.take_stale()
    }

    // ----- the ring

    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Returns whether fast-path calls may go through the ring now.
    ///
    /// Three conditions hold then. There is no wait for room or for an empty moment: only counted
    /// calls end such a wait. The order is that of priorities. And the bound need not be kept
    /// exactly.
    pub(crate) fn can_use_ring(&self) -> bool {
        let ordered = self.queue.rules().is_custom();
        self.watching == 0 && !ordered && !self.queue.is_exact() && self.queue.waiting_len() == (0, 0)
    }

    /// Returns whether the next item is in the ring, or can go there.
    pub(crate) fn head_is_fast(&self) -> bool {
        self.non_fast_len() == 0
            && (self.ring.len() > 0
                || self.queue.lanes().first(Priority::Normal).is_none_or(|entry| self.fits_ring(entry)))
    }

    /// Opens the ring: threads take from it from now on.
    pub(crate) fn open_ring(&mut self) {
        self.open = true;
        self.ring.set_in_use(true);
        self.refill_credits();
    }

    /// Closes the ring: no thread takes from it, and everything goes through the queue.
    pub(crate) fn close_ring(&mut self) {
        if self.open {
            self.open = false;
            self.ring.set_in_use(false);
            self.drain_ring();
        }
    }

    /// Closes the ring for as long as the lock is held, for a call that goes to the lanes. Removes
    /// stale entries if there are too many.
    #[inline]
    pub(crate) fn stop_accepting(&mut self) -> Option<WakeList> {
        self.ring.close();
        let is_due = self.queue.is_overgrown() || self.queue.is_stale();
        is_due.then(|| self.purge_stale())
    }

    /// Returns whether there is queue room for one more call from outside. Items in the ring count
    /// as calls from outside. If the answer depends on that, this drains the ring first.
    pub(crate) fn has_room(&mut self) -> bool {
        self.queue.places() > self.ring.len() || self.drain_ring().has_room()
    }

    /// Lets as many producers into the ring as there is room. Calls in the lane of normal priority
    /// move to the ring first.
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

    /// Moves the first calls of the lane into an empty ring.
    fn refill_ring(&mut self) {
        if self.queue.lanes().first(Priority::Normal).is_none() || self.ring.len() > 0 || self.non_fast_len() > 0 {
            return;
        }
        self.ring.close();
        for _ in 0..REFILL.min(self.ring.capacity()) {
            if !self.queue.lanes().first(Priority::Normal).is_some_and(|entry| self.fits_ring(entry)) {
                return;
            }
            let Some(entry) = self.queue.pop_first_if(Priority::Normal, |_| true) else { return };
            let inside = entry.call().is_some_and(|call| call.header().clear_counted());
            self.queue.count_out(inside);
            if inside {
                self.ring.mark_mixed();
            }
            // The ring was empty, so there is a cell.
            if let Err(entry) = self.ring.push_closed(entry) {
                self.enqueue_drained(entry);
            }
        }
    }

    /// Returns whether the ring may hold the entry.
    fn fits_ring(&self, entry: &T) -> bool {
        let takes = |call: &dyn ErasedCall| !call.header().task().is_async() || self.queue.rules().rings_futures();
        entry.call().is_some_and(|call| call.fits_ring() && call.is_queued() && takes(call))
    }

    /// Removes stale entries: those of overtaken calls, which no other code counts out before their
    /// turn, and those of calls that have begun or ended since.
    #[cold]
    fn purge_stale(&mut self) -> WakeList {
        self.queue.purge_stale(|entry| entry.call().filter(|call| !call.is_queued()).map(take_stale))
    }

    /// Returns the figures. They count every call, and none that is over. If the ring holds calls
    /// from inside, it is drained first, because only a look at each of its items tells how the
    /// item counts.
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
        // If only stale entries are left, they are all removed, and the queue is empty.
        let is_empty = figures.in_flight == 0 && self.queue.in_flight() > 0;
        (figures, if is_empty { self.purge_stale() } else { WakeList::default() })
    }

    /// Skips the popped entry of a call that was already claimed. The side that claimed the call
    /// counts it, unless the call was overtaken.
    pub(crate) fn skip_stale(&mut self, call: &dyn ErasedCall) -> WakeList {
        match take_stale(call) {
            Stale::StillCounted => self.queue.on_run_by_waiter(call.header().is_nested()),
            Stale::AlreadyCounted => WakeList::default(),
        }
    }

    /// Drops the stale entries at the head of the lane of normal priority, if all items are there.
    pub(crate) fn drop_stale_heads(&mut self) -> WakeList {
        let mut wakes = WakeList::default();
        let is_stale = |entry: &T| entry.call().is_some_and(|call| !call.is_queued());
        while self.non_fast_len() == 0 {
            let Some(entry) = self.queue.pop_first_if(Priority::Normal, is_stale) else { break };
            if let Some(call) = entry.call() {
                wakes = wakes.and(self.skip_stale(call));
            }
            self.discard_stale(entry);
        }
        wakes
    }

    /// Keeps a stale entry to be dropped after the lock is released.
    pub(crate) fn discard_stale(&mut self, entry: T) {
        self.queue.discard_stale(entry);
    }

    /// Adds an entry for a raised call that may be queued here, at the position that `expires`
    /// gives.
    pub(crate) fn raise(&mut self, expires: u64, entry: T) {
        if entry.call().is_some_and(|call| !call.header().is_accepted()) {
            self.drain_ring();
        }
        // A call that is not counted is not here yet, or is about to begin.
        let queued = entry.call().filter(|call| call.is_queued() && call.header().is_accepted());
        match queued.map(|call| call.header().priority()) {
            Some(priority) => self.queue.push_raised(priority, expires, entry),
            None => self.discard_stale(entry),
        }
    }

    /// Returns when the first waiting item expires.
    pub(crate) fn earliest(&mut self) -> Option<u64> {
        self.drain_ring().lanes().earliest()
    }

    /// Moves every call from the ring to the front of its lane, and counts it. From here on the
    /// queue is exact.
    pub(crate) fn drain_ring(&mut self) -> &mut BoundedQueue<T> {
        let mut came = Vec::new();
        self.ring.close_and_drain(|entry| came.push(entry));
        came.into_iter().rev().for_each(|entry| self.enqueue_drained(entry));
        &mut self.queue
    }

    /// Puts an entry from the ring at the front of its lane, unless its call has begun or is being
    /// ended.
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

    /// Counts a call that left the ring after another side had claimed it.
    ///
    /// The side that ends a call counts it out of the queue, so the call must be counted in. There
    /// are two exceptions: that side has already counted the call in, or the call was overtaken,
    /// and the task that runs it counts nothing.
    pub(crate) fn account_claimed(&mut self, call: &dyn ErasedCall) {
        let meta = call.header();
        if call.was_overtaken() {
            self.queue.settle_overtaken();
        } else if !meta.has_left() {
            meta.mark_counted(meta.is_nested());
            self.queue.count_in(meta.is_nested());
        }
    }

    /// Returns whether the ring has a credit for a fast-path call, after updating the credits.
    pub(crate) fn has_credit(&mut self) -> bool {
        self.refill_credits();
        self.ring.has_credit()
    }

    // ----- going out

    /// Takes the next entry. Its call is counted in the queue.
    pub(crate) fn pop(&mut self) -> Option<T> {
        if self.non_fast_len() > 0 {
            // The lanes decide the order.
            return self.drain_ring().pop();
        }
        while self.ring.len() > 0 {
            match self.ring.pop() {
                None => std::thread::yield_now(), // the cell is being filled
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

    /// Counts every call from now on, for a wait for an empty moment. [`Injector::release_exact`]
    /// ends this.
    pub(crate) fn require_exact(&mut self) {
        self.watching += 1;
        self.close_ring();
    }

    pub(crate) fn release_exact(&mut self) {
        self.watching -= 1;
    }

    /// Begins a call that was claimed out of turn.
    pub(crate) fn start_out_of_order(&mut self, call: &dyn ErasedCall) -> WakeList {
        self.count(call);
        self.queue.count_stale();
        self.queue.on_start(call.header().is_nested())
    }

    /// Ensures that a claimed call is counted in, wherever its entry is.
    fn count(&mut self, call: &dyn ErasedCall) {
        let meta = call.header();
        if !meta.is_accepted() {
            self.drain_ring();
        }
        if !meta.is_accepted() {
            // The thread that took it from the ring finds that it was claimed, and that it was
            // counted.
            meta.leave();
            meta.mark_counted(meta.is_nested());
            self.queue.count_in(meta.is_nested());
        }
    }

    /// Removes a call that was claimed to be ended.
    pub(crate) fn leave(&mut self, call: &dyn ErasedCall) -> WakeList {
        self.count(call);
        let ended = self.queue.on_removed(call.header().is_nested());
        if self.queue.is_stale() { ended.and(self.purge_stale()) } else { ended }
    }
}

/// Returns how to count the stale entry of a call that is not queued.
fn take_stale(call: &dyn ErasedCall) -> Stale {
    if call.was_overtaken() && call.header().take_counted() { Stale::StillCounted } else { Stale::AlreadyCounted }
}

#[cfg(all(test, not(any(loom, miri))))]
#[path = "injector_model.rs"]
mod model;

#[cfg(all(test, not(any(loom, miri))))]
#[path = "injector_cost.rs"]
mod cost;
