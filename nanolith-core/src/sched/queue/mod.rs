//! [`BoundedQueue`]: the bookkeeping of an executor's queue: its lanes (a first-in first-out queue
//! for each priority), its counts, the waiters for queue room, and the waits for an empty moment.
//!
//! This is pure data. The owner, a pool or a service, holds it under a lock, and wakes the returned
//! wakers after releasing the lock.

mod room;
mod sweep;

pub(crate) use room::Limits;
pub(crate) use sweep::Stale;

use super::lanes::{Evicted, Lanes};
use crate::{
    call::{header::Header, policy::SchedulingPolicy},
    meta::priority::Priority,
    wake::{WaitQueue, WaiterSet, WakeList},
};
use room::EXACT;
use std::sync::Arc;
use sweep::SWEEP;

pub(crate) struct BoundedQueue<T> {
    lanes: Lanes<T>,
    rules: Arc<SchedulingPolicy>,
    /// Entries of calls that are over: their last owner drops them after the lock is released.
    ended: Vec<T>,
    /// The number of calls that have ended in the lanes since the last sweep.
    stale: usize,
    /// The number of entries that the lanes may hold before the next sweep.
    sweep_at: usize,
    bounds: Limits,
    /// Bounds below this number are kept exactly.
    exact_below: usize,
    /// The executor's slots that run no task.
    free_slots: usize,
    /// The calls that have not begun. A call that ended in its lane is not counted, though its
    /// entry may stay for a while.
    queued: NestedCount,
    /// The futures that were woken and wait for their turn.
    resumed: usize,
    /// The calls that were accepted and are not over.
    in_flight: NestedCount,
    completed: u64,
    /// The number of threads that may run a call which is not counted here: see
    /// [`crate::sched::injector`].
    ring_consumers: usize,
    line: WaitQueue,
    /// The number of times that the queue became empty. `drained` holds the waits for that.
    empty_count: u64,
    pub(crate) drained: WaiterSet,
}

/// A number of calls from outside, which the bounds count, and from inside, which they do not.
#[derive(Clone, Copy, Default)]
struct NestedCount {
    outside: usize,
    inside: usize,
}

impl NestedCount {
    fn of(&mut self, inside: bool) -> &mut usize {
        if inside { &mut self.inside } else { &mut self.outside }
    }

    fn sum(self) -> usize {
        self.outside + self.inside
    }
}

/// The counts of a queue, for another queue that counts the same calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueCounts {
    pub(crate) queued: usize,
    pub(crate) in_flight: usize,
    pub(crate) completed: u64,
}

impl<T> BoundedQueue<T> {
    /// Creates a queue with the default order of priorities, for tests.
    #[cfg(test)]
    pub(crate) fn new(bounds: Limits) -> Self {
        Self::ordered(bounds, Arc::default())
    }

    /// Creates a queue that keeps small bounds as loosely as large ones.
    #[cfg(all(test, not(any(loom, miri))))]
    pub(crate) fn loose(bounds: Limits) -> Self {
        Self { exact_below: 0, ..Self::new(bounds) }
    }

    /// Creates a queue with the policy of its executor, which
    /// [`Backend::rules`](crate::call::backend::Backend::rules) returns.
    pub(crate) fn ordered(bounds: Limits, rules: Arc<SchedulingPolicy>) -> Self {
        Self {
            lanes: Lanes::new(*rules.expirations()),
            rules,
            ended: Vec::new(),
            stale: 0,
            sweep_at: SWEEP,
            bounds,
            exact_below: EXACT,
            free_slots: 0,
            queued: NestedCount::default(),
            resumed: 0,
            in_flight: NestedCount::default(),
            completed: 0,
            ring_consumers: 0,
            line: WaitQueue::default(),
            empty_count: 0,
            drained: WaiterSet::new(),
        }
    }

    pub(crate) fn lanes(&self) -> &Lanes<T> {
        &self.lanes
    }

    pub(crate) fn rules(&self) -> &SchedulingPolicy {
        &self.rules
    }

    /// Returns the number of calls from outside that wait.
    pub(crate) fn queued_outside(&self) -> usize {
        self.queued.outside
    }

    /// Returns the number of items admitted beyond the bound: calls of running tasks, and calls
    /// that resume.
    pub(crate) fn overflow(&self) -> usize {
        self.queued.inside + self.resumed
    }

    /// Returns whether anything waits other than entries of calls that are over or were overtaken.
    pub(crate) fn has_live(&self) -> bool {
        self.queued.sum() + self.resumed > self.rules.overtaken()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.sum() + self.ring_consumers
    }

    pub(crate) fn completed(&self) -> u64 {
        self.completed
    }

    // ----- coming in

    /// Returns the number of calls that wait.
    pub(crate) fn waiting(&self) -> usize {
        (self.queued.sum() + self.resumed).saturating_sub(self.rules.overtaken())
    }

    /// Adds a call to its lane.
    pub(crate) fn push(&mut self, priority: Priority, now: u64, inside: bool, item: T) {
        *self.queued.of(inside) += 1;
        *self.in_flight.of(inside) += 1;
        self.lanes.push(priority, now, item);
    }

    /// Adds a call with a position of its own: its turn comes by `expires`, regardless of its
    /// priority.
    pub(crate) fn push_at(&mut self, priority: Priority, expires: u64, inside: bool, item: T) {
        self.count_in(inside);
        self.lanes.push_at(priority, expires, item);
    }

    /// Returns when a call's turn comes at the latest.
    pub(crate) fn expires(&self, meta: &Header) -> u64 {
        self.rules.expires(meta)
    }

    /// Adds a second entry for a queued call that was raised. The entry that comes first gives the
    /// call its turn; the other is then out of date.
    pub(crate) fn push_raised(&mut self, priority: Priority, expires: u64, item: T) {
        self.lanes.push_at(priority, expires, item);
    }

    /// Counts a call that runs at once, on its caller's thread.
    pub(crate) fn count_running(&mut self) {
        self.in_flight.outside += 1;
    }

    /// Counts a running call of the ring whose future is pending, so that no thread of the ring
    /// counts for it any more.
    pub(crate) fn count_suspended(&mut self, inside: bool) {
        *self.in_flight.of(inside) += 1;
    }

    /// Adds a woken future, which waits for its turn again.
    pub(crate) fn resume(&mut self, expires: u64, item: T) {
        self.resumed += 1;
        self.lanes.push_resumed(expires, item);
    }

    // ----- going out

    /// Takes the next entry, whether its call is over or not. The caller then calls
    /// [`BoundedQueue::on_start`] or [`BoundedQueue::on_resume`].
    pub(crate) fn pop(&mut self) -> Option<T> {
        self.lanes.pop()
    }

    /// Takes the next woken future.
    pub(crate) fn pop_resumed(&mut self) -> Option<T> {
        self.lanes.pop_resumed()
    }

    /// Returns whether a woken future waits for its turn.
    pub(crate) fn has_resumed(&self) -> bool {
        self.resumed > 0
    }

    /// Evicts the oldest entry of the lowest priority that `fits`. An entry that did not fit never
    /// fits later.
    pub(crate) fn evict(&mut self, fits: impl FnMut(&T, Priority) -> bool) -> Option<Evicted<'_, T>> {
        self.lanes.evict_lowest(fits)
    }

    /// Returns the next entry that is not a woken future.
    pub(crate) fn first(&self) -> Option<&T> {
        self.lanes.first_newcomer()
    }

    /// Takes the next entry that is not a woken future.
    pub(crate) fn pop_first(&mut self) -> Option<T> {
        self.lanes.pop_newcomer()
    }

    /// Counts that a queued call begins. It uses a free slot until the owner of the queue counts
    /// the slots again.
    #[inline]
    pub(crate) fn on_start(&mut self, inside: bool) -> WakeList {
        *self.queued.of(inside) -= 1;
        self.free_slots = self.free_slots.saturating_sub(1);
        if inside { WakeList::default() } else { self.grant() }
    }

    /// Counts that a woken future resumes. It uses a slot like [`BoundedQueue::on_start`].
    pub(crate) fn on_resume(&mut self) {
        self.resumed -= 1;
        self.free_slots = self.free_slots.saturating_sub(1);
    }

    /// Counts that a running call is over and completed.
    pub(crate) fn on_finish(&mut self, inside: bool) -> WakeList {
        self.over(inside, true)
    }

    /// Counts that a call is over that counted as begun. `began` says whether its task began, and
    /// so completed.
    pub(crate) fn over(&mut self, inside: bool, began: bool) -> WakeList {
        self.completed += u64::from(began);
        self.on_complete(inside)
    }

    /// Counts that a queued call was taken out and claimed, to end without having begun.
    pub(crate) fn discarded(&mut self, inside: bool) -> WakeList {
        *self.queued.of(inside) -= 1;
        self.on_complete(inside)
    }

    /// Counts that a queued call is being ended. Its entry stays until [`BoundedQueue::is_stale`]
    /// returns true.
    pub(crate) fn on_removed(&mut self, inside: bool) -> WakeList {
        *self.queued.of(inside) -= 1;
        self.stale += 1;
        self.on_complete(inside)
    }

    fn on_complete(&mut self, inside: bool) -> WakeList {
        *self.in_flight.of(inside) -= 1;
        // A call from inside frees room only if it would have taken a free slot.
        let granted = if inside && self.free_slots == 0 { WakeList::default() } else { self.grant() };
        granted.and(self.check_empty())
    }

    fn check_empty(&mut self) -> WakeList {
        if self.in_flight() > 0 {
            return WakeList::default();
        }
        self.empty_count += 1;
        if self.drained.has_waiting() { self.drained.take_all() } else { WakeList::default() }
    }

    // ----- calls that are counted elsewhere: see `crate::sched::injector`

    /// Counts a queued call that was counted elsewhere before.
    pub(crate) fn count_in(&mut self, inside: bool) {
        *self.queued.of(inside) += 1;
        *self.in_flight.of(inside) += 1;
    }

    /// Removes a queued call from the counts: it is counted elsewhere from now on.
    pub(crate) fn count_out(&mut self, inside: bool) {
        *self.queued.of(inside) -= 1;
        *self.in_flight.of(inside) -= 1;
    }

    /// Counts that the entry of an overtaken call leaves, which was counted nowhere.
    pub(crate) fn settle_overtaken(&mut self) {
        self.rules.uncount_overtaken();
        self.completed += 1;
    }

    /// Removes the entry of a counted call that its waiter ran ahead of its turn.
    pub(crate) fn on_run_by_waiter(&mut self, inside: bool) -> WakeList {
        self.rules.uncount_overtaken();
        self.on_start(inside).and(self.on_finish(inside))
    }

    pub(crate) fn tally(&self) -> QueueCounts {
        QueueCounts { queued: self.queued.sum(), in_flight: self.in_flight.sum(), completed: self.completed }
    }

    /// Adds what another queue has counted, as calls from inside.
    pub(crate) fn apply_delta(&mut self, before: QueueCounts, after: QueueCounts) -> WakeList {
        self.queued.inside = self.queued.inside + after.queued - before.queued;
        self.in_flight.inside = self.in_flight.inside + after.in_flight - before.in_flight;
        self.completed += after.completed - before.completed;
        if after.in_flight < before.in_flight { self.check_empty() } else { WakeList::default() }
    }

    /// Puts an entry after all others of its priority, and counts nothing.
    pub(crate) fn put_last(&mut self, priority: Priority, now: u64, item: T) {
        self.lanes.push(priority, now, item);
    }

    /// Puts a call that was counted in before all others of its priority.
    pub(crate) fn put_first(&mut self, priority: Priority, now: u64, item: T) {
        self.lanes.push_front(priority, now, item);
    }

    /// Takes the first call of a priority, if it `fits`.
    pub(crate) fn pop_first_if(&mut self, priority: Priority, fits: impl FnOnce(&T) -> bool) -> Option<T> {
        self.lanes.first(priority).filter(|item| fits(item))?;
        self.lanes.pop_first(priority)
    }

    /// Counts a thread that begins to take calls that are not counted here.
    pub(crate) fn add_ring_consumer(&mut self) {
        self.ring_consumers += 1;
    }

    /// Counts that a thread stops taking such calls.
    pub(crate) fn end_serving(&mut self) -> WakeList {
        self.ring_consumers -= 1;
        self.check_empty()
    }

    /// Returns the number of threads that take such calls.
    pub(crate) fn ring_consumers(&self) -> usize {
        self.ring_consumers
    }

    // ----- the empty moment

    /// Returns the count to remember for a wait for an empty moment. `None` means the queue is
    /// empty now.
    pub(crate) fn empty_count(&self) -> Option<u64> {
        (self.in_flight() > 0).then_some(self.empty_count)
    }

    /// Returns how often the queue became empty.
    pub(crate) fn times_emptied(&self) -> u64 {
        self.empty_count
    }

    /// Returns whether the queue was empty since `emptied` was remembered.
    pub(crate) fn poll_empty_since(&self, emptied: u64) -> bool {
        self.empty_count > emptied
    }
}

#[cfg(all(test, not(any(loom, miri))))]
#[path = "queue_model.rs"]
mod model;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wake::NewWaker;
    use std::task::Waker;

    fn queue(queued: usize, in_flight: usize) -> BoundedQueue<u32> {
        BoundedQueue::new(Limits { queued, in_flight })
    }

    #[test]
    fn inside_calls_exceed_the_bound_and_are_counted_apart() {
        let mut queue = queue(1, usize::MAX);
        queue.push(Priority::Normal, 0, false, 1);
        assert!(!queue.has_room());
        queue.push(Priority::Normal, 0, true, 2);
        assert_eq!((queue.queued_outside(), queue.overflow()), (1, 1));
    }

    #[test]
    fn freed_place_is_reserved_for_the_waiter() {
        let mut queue = queue(1, usize::MAX);
        queue.push(Priority::Normal, 0, false, 1);
        let ticket = queue.wait_for_room(&mut NewWaker::of(Waker::noop()));
        queue.pop();
        queue.on_start(false).wake();
        assert!(!queue.has_room(), "it is promised");
        assert!(queue.redeem(ticket, &mut NewWaker::of(Waker::noop())));
    }

    #[test]
    fn free_slots_are_room_beyond_the_bound() {
        let mut queue = queue(1, usize::MAX);
        queue.set_free_slots(2).wake();
        for call in 0..3 {
            assert!(queue.has_room(), "call {call} of three");
            queue.push(Priority::Normal, 0, false, call);
        }
        assert!(!queue.has_room());
        queue.pop();
        queue.on_start(false).wake();
        assert!(!queue.has_room(), "the call has the slot");
        queue.set_free_slots(1).wake();
        queue.push(Priority::Normal, 0, true, 3);
        assert!(!queue.has_room(), "the call from inside takes the other one");
    }

    #[test]
    fn freed_slot_admits_the_next_in_line() {
        let mut queue = queue(1, usize::MAX);
        queue.push(Priority::Normal, 0, false, 1);
        let ticket = queue.wait_for_room(&mut NewWaker::of(Waker::noop()));
        queue.set_free_slots(1).wake();
        assert!(queue.redeem(ticket, &mut NewWaker::of(Waker::noop())));
    }

    #[test]
    fn calls_in_flight_are_bounded_until_they_end() {
        let mut queue = queue(10, 1);
        queue.push(Priority::Normal, 0, false, 1);
        queue.pop();
        queue.on_start(false).wake();
        assert!(!queue.has_room());
        queue.on_finish(false).wake();
        assert!(queue.has_room());
    }

    #[test]
    fn empty_moment_is_seen_though_the_queue_refills() {
        let mut queue = queue(10, 10);
        queue.push(Priority::Normal, 0, false, 1);
        let before = queue.empty_count().expect("it is not empty");
        queue.pop();
        queue.on_start(false).wake();
        queue.on_finish(false).wake();
        queue.push(Priority::Normal, 0, false, 2);
        assert!(queue.poll_empty_since(before));
    }

    #[test]
    fn entries_of_ended_calls_do_not_accumulate() {
        let mut queue = queue(usize::MAX, usize::MAX);
        for item in 0..1_000 {
            queue.push(Priority::Normal, 0, false, item);
            queue.on_removed(false).wake();
            if queue.is_stale() {
                queue.purge_stale(|_| Some(Stale::AlreadyCounted)).wake();
            }
        }
        assert!(queue.lanes().len() <= 64);
    }
}
