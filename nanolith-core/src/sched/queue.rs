//! A bounded queue's book-keeping: the lanes, who is in them, who waits for room, who waits for the end. Pure data; its
//! owner, a pool or a service, brings the lock, and wakes what comes back from here after releasing it.

use super::lanes::{Evicted, Lanes};
use crate::call::policy::SchedulingPolicy;
use crate::{
    call::header::Header,
    meta::priority::Priority,
    wake::{AfterUnlock, NewWaker, WaitQueue, WaitState, WaitTicket, WaiterSet, WakeList},
};
use std::{sync::Arc, task::Waker};

/// How many there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Calls from outside that are queued beyond those that the executor's free slots will run.
    pub(crate) queued: usize,
    /// Calls from outside that are queued, running or suspended.
    pub(crate) in_flight: usize,
}

/// Calls from outside, which the bounds count, and from inside, which they do not.
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

/// An entry that is out of date.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stale {
    /// Its call was run ahead of its turn, and is still counted.
    StillCounted,
    /// Whoever claimed the call counts it.
    AlreadyCounted,
}

/// What a queue counts, for another that counts the same calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueCounts {
    pub(crate) queued: usize,
    pub(crate) in_flight: usize,
    pub(crate) completed: u64,
}

/// Of so few calls one more or less shows.
const EXACT: usize = 128;

/// So many entries may lie in the lanes before any sweep.
const SWEEP: usize = 1_024;

/// So many more than twice the calls that wait.
const STALE: usize = 64;

/// At so many entries a sweep may look for each call that has ended. A raised call has several.
const LOOKS: usize = 8;

pub(crate) struct BoundedQueue<T> {
    lanes: Lanes<T>,
    rules: Arc<SchedulingPolicy>,
    /// Entries of calls that are over: their last owner drops them off the lock.
    ended: Vec<T>,
    /// How many calls have ended in the lanes since the last sweep.
    stale: usize,
    /// How many entries the lanes may hold before those that are out of date are looked for.
    sweep_at: usize,
    bounds: Limits,
    /// Bounds below this are kept to the call.
    exact_below: usize,
    /// Slots of the executor that run no task.
    free_slots: usize,
    /// Calls that nobody has begun. A call that ended in its lane counts no more, though its entry stays a while.
    queued: NestedCount,
    /// Futures that were woken and wait for their turn.
    resumed: usize,
    /// Calls that were taken and are not over.
    in_flight: NestedCount,
    completed: u64,
    /// Threads that may be at a call which is not counted here: see [`crate::sched::injector`].
    ring_consumers: usize,
    line: WaitQueue,
    /// How often the queue became empty, and who waits for that.
    empty_count: u64,
    pub(crate) drained: WaiterSet,
}

impl<T> BoundedQueue<T> {
    /// One with the order that priorities have by default: for tests.
    #[cfg(test)]
    pub(crate) fn new(bounds: Limits) -> Self {
        Self::ordered(bounds, Arc::default())
    }

    /// One whose small bounds are kept as loosely as large ones.
    #[cfg(all(test, not(any(loom, miri))))]
    pub(crate) fn loose(bounds: Limits) -> Self {
        Self { exact_below: 0, ..Self::new(bounds) }
    }

    /// One with the order of its host, which its [`Backend::rules`](crate::call::backend::Backend::rules) tells.
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

    /// What is to be dropped after the lock is released.
    pub(crate) fn take_stale(&mut self) -> Vec<T> {
        std::mem::take(&mut self.ended)
    }

    /// Whether something is to be dropped after the lock is released.
    pub(crate) fn has_spent(&self) -> bool {
        !self.ended.is_empty()
    }

    /// This entry is out of date.
    pub(crate) fn discard_stale(&mut self, entry: T) {
        self.ended.push(entry);
    }

    /// Calls from outside that wait.
    pub(crate) fn queued_outside(&self) -> usize {
        self.queued.outside
    }

    /// What was admitted beyond the bound: calls of running tasks, and calls that resume.
    pub(crate) fn overflow(&self) -> usize {
        self.queued.inside + self.resumed
    }

    /// Whether something waits beside the entries of calls that are over or were overtaken.
    pub(crate) fn has_live(&self) -> bool {
        self.queued.sum() + self.resumed > self.rules.overtaken()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.sum() + self.ring_consumers
    }

    pub(crate) fn completed(&self) -> u64 {
        self.completed
    }

    /// Those who stand in line for room, and those of them who were told to come.
    pub(crate) fn waiting_len(&self) -> (usize, usize) {
        (self.line.waiting(), self.line.granted())
    }

    // ----- coming in

    /// Changes the bounds; those for whom there is room now are let in.
    pub(crate) fn set_bounds(&mut self, bounds: Limits) -> WakeList {
        self.bounds = bounds;
        self.grant()
    }

    /// So many slots of the executor run no task now. Those for whom there is room then are let in.
    pub(crate) fn set_free_slots(&mut self, slots: usize) -> WakeList {
        let grows = slots > self.free_slots;
        self.note_free_slots(slots);
        if grows { self.grant() } else { WakeList::default() }
    }

    /// The same, which lets nobody in before a call begins or ends.
    pub(crate) fn note_free_slots(&mut self, slots: usize) {
        self.free_slots = slots;
    }

    pub(crate) fn free_slots(&self) -> usize {
        self.free_slots
    }

    /// Free slots that no call from inside will take.
    fn slots_for_outside(&self) -> usize {
        let inside = (self.queued.inside + self.resumed).saturating_sub(self.rules.overtaken());
        self.free_slots.saturating_sub(inside)
    }

    /// Calls that wait.
    pub(crate) fn waiting(&self) -> usize {
        (self.queued.sum() + self.resumed).saturating_sub(self.rules.overtaken())
    }

    /// Places that nobody has or was promised. A call that a free slot will run takes none of the bound.
    fn free(&self) -> usize {
        self.free_with(self.slots_for_outside())
    }

    fn free_with(&self, slots: usize) -> usize {
        let queued = self.bounds.queued.saturating_add(slots).saturating_sub(self.queued.outside);
        let in_flight = self.bounds.in_flight.saturating_sub(self.in_flight.outside);
        queued.min(in_flight).saturating_sub(self.line.granted())
    }

    /// Whether a newcomer may come in without standing in line.
    pub(crate) fn has_room(&self) -> bool {
        self.free() > 0 && !self.line.has_waiting()
    }

    /// Takes a call in.
    pub(crate) fn push(&mut self, priority: Priority, now: u64, inside: bool, item: T) {
        *self.queued.of(inside) += 1;
        *self.in_flight.of(inside) += 1;
        self.lanes.push(priority, now, item);
    }

    /// Takes a call in that has a place of its own: it goes by `expires`, whatever its priority.
    pub(crate) fn push_at(&mut self, priority: Priority, expires: u64, inside: bool, item: T) {
        self.count_in(inside);
        self.lanes.push_at(priority, expires, item);
    }

    /// When a call's turn comes at the latest.
    pub(crate) fn expires(&self, meta: &Header) -> u64 {
        self.rules.expires(meta)
    }

    /// A second entry for a call that is queued already, and was raised. Whichever comes first is its turn; the other is out of
    /// date then.
    pub(crate) fn push_raised(&mut self, priority: Priority, expires: u64, item: T) {
        self.lanes.push_at(priority, expires, item);
    }

    /// Takes a call in that runs at once, on its caller's thread.
    pub(crate) fn count_running(&mut self) {
        self.in_flight.outside += 1;
    }

    /// A woken future waits for its turn again.
    pub(crate) fn resume(&mut self, expires: u64, item: T) {
        self.resumed += 1;
        self.lanes.push_resumed(expires, item);
    }

    /// Waits for room behind those that wait already.
    pub(crate) fn wait_for_room(&mut self, waker: &mut NewWaker) -> WaitTicket {
        self.line.join((), waker)
    }

    /// Whether the waiter with this ticket may come in now.
    pub(crate) fn redeem(&mut self, ticket: WaitTicket, waker: &mut NewWaker) -> bool {
        self.line.redeem(ticket, waker) == WaitState::Granted(())
    }

    /// The same for a waiter whose waker may be known. `None` if another one is.
    pub(crate) fn redeem_known(&mut self, ticket: WaitTicket, waker: &Waker) -> Option<bool> {
        self.line.redeem_known(ticket, waker).map(|state| state == WaitState::Granted(()))
    }

    /// The waiter with this ticket gives up; its waker goes into `after`.
    pub(crate) fn cancel_wait(&mut self, ticket: WaitTicket, after: &mut AfterUnlock) -> WakeList {
        self.line.leave(ticket, after);
        self.grant()
    }

    /// Sends away all that wait for room: the queue was closed.
    pub(crate) fn wake_all_waiting(&mut self) -> WakeList {
        let mut after: AfterUnlock = AfterUnlock::default();
        self.line.dismiss(&mut after);
        self.line.revoke_grants().for_each(drop);
        after.take_wakes()
    }

    /// The one who was let in does not come after all.
    pub(crate) fn regrant(&mut self) -> WakeList {
        self.grant()
    }

    fn grant(&mut self) -> WakeList {
        if !self.line.has_waiting() {
            return WakeList::default();
        }
        let (free, mut after): (usize, AfterUnlock) = (self.free(), AfterUnlock::default());
        self.line.grant_first(free, &mut after);
        after.take_wakes()
    }

    // ----- going out

    /// The next entry, be its call over or not; the taker then says [`BoundedQueue::on_start`] or [`BoundedQueue::on_resume`].
    pub(crate) fn pop(&mut self) -> Option<T> {
        self.lanes.pop()
    }

    /// The next future that was woken.
    pub(crate) fn pop_resumed(&mut self) -> Option<T> {
        self.lanes.pop_resumed()
    }

    /// Whether a woken future waits for its turn.
    pub(crate) fn has_resumed(&self) -> bool {
        self.resumed > 0
    }

    /// The entry of the oldest call of the lowest priority that `fits`. One that did not fit never does later.
    pub(crate) fn evict(&mut self, fits: impl FnMut(&T, Priority) -> bool) -> Option<Evicted<'_, T>> {
        self.lanes.evict_lowest(fits)
    }

    /// The entry of a call that begins out of its turn, or was evicted, is still in the lanes.
    pub(crate) fn count_stale(&mut self) {
        self.stale += 1;
    }

    /// The next entry that is no woken future.
    pub(crate) fn first(&self) -> Option<&T> {
        self.lanes.first_newcomer()
    }

    /// Takes it.
    pub(crate) fn pop_first(&mut self) -> Option<T> {
        self.lanes.pop_newcomer()
    }

    /// A queued call begins, in a slot that was free until the owner of the queue counts the slots again.
    pub(crate) fn on_start(&mut self, inside: bool) -> WakeList {
        *self.queued.of(inside) -= 1;
        self.free_slots = self.free_slots.saturating_sub(1);
        if inside { WakeList::default() } else { self.grant() }
    }

    /// A woken future goes on, in a slot as [`BoundedQueue::on_start`].
    pub(crate) fn on_resume(&mut self) {
        self.resumed -= 1;
        self.free_slots = self.free_slots.saturating_sub(1);
    }

    /// A call that was begun is over. It counts as completed.
    pub(crate) fn on_finish(&mut self, inside: bool) -> WakeList {
        self.over(inside, true)
    }

    /// A call is over that counted as begun; `began` says whether its task did, and so completed.
    pub(crate) fn over(&mut self, inside: bool, began: bool) -> WakeList {
        self.completed += u64::from(began);
        self.on_complete(inside)
    }

    /// A queued call was taken out and claimed, to end without having begun.
    pub(crate) fn discarded(&mut self, inside: bool) -> WakeList {
        *self.queued.of(inside) -= 1;
        self.on_complete(inside)
    }

    /// A queued call is being ended. Its entry stays until [`BoundedQueue::is_stale`] says that there are too many.
    pub(crate) fn on_removed(&mut self, inside: bool) -> WakeList {
        *self.queued.of(inside) -= 1;
        self.stale += 1;
        self.on_complete(inside)
    }

    /// Whether most entries are out of date, and enough calls have ended since the last sweep that each pays for [`LOOKS`].
    pub(crate) fn is_stale(&self) -> bool {
        let entries = self.lanes.len();
        LOOKS * self.stale > entries && entries > 2 * (self.queued.sum() + self.resumed) + STALE
    }

    /// Whether twice as many entries have come as the last sweep left.
    pub(crate) fn is_overgrown(&self) -> bool {
        self.lanes.len() > self.sweep_at
    }

    fn on_complete(&mut self, inside: bool) -> WakeList {
        *self.in_flight.of(inside) -= 1;
        // One from inside gives room only where it would have taken a free slot.
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

    /// A queued call comes in that was counted elsewhere.
    pub(crate) fn count_in(&mut self, inside: bool) {
        *self.queued.of(inside) += 1;
        *self.in_flight.of(inside) += 1;
    }

    /// A queued call goes, and is counted elsewhere from now on.
    pub(crate) fn count_out(&mut self, inside: bool) {
        *self.queued.of(inside) -= 1;
        *self.in_flight.of(inside) -= 1;
    }

    /// The entry of an overtaken call goes that was counted nowhere.
    pub(crate) fn settle_overtaken(&mut self) {
        self.rules.uncount_overtaken();
        self.completed += 1;
    }

    /// The entry of a counted call goes that was run ahead of its turn, by the one who waits for it.
    pub(crate) fn on_run_by_waiter(&mut self, inside: bool) -> WakeList {
        self.rules.uncount_overtaken();
        self.on_start(inside).and(self.on_finish(inside))
    }

    /// Takes the entries out that are `spent`. Those of calls that were run ahead of their turn, all of them from inside, are
    /// counted out by this.
    pub(crate) fn purge_stale(&mut self, mut spent: impl FnMut(&T) -> Option<Stale>) -> WakeList {
        let mut gone = 0;
        let swept = self.lanes.retain(|entry| {
            let spent = spent(entry);
            gone += usize::from(spent == Some(Stale::StillCounted));
            spent.is_none()
        });
        self.ended.extend(swept);
        self.stale = 0;
        self.sweep_at = SWEEP + 2 * self.lanes.len();
        if gone == 0 {
            return WakeList::default();
        }
        (0..gone).for_each(|_| self.rules.uncount_overtaken());
        self.queued.inside -= gone;
        self.in_flight.inside -= gone;
        self.completed += gone as u64;
        self.check_empty()
    }

    pub(crate) fn tally(&self) -> QueueCounts {
        QueueCounts { queued: self.queued.sum(), in_flight: self.in_flight.sum(), completed: self.completed }
    }

    /// Counts, as calls from inside, what another queue has counted.
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

    /// Takes the first call of a priority, if it is one that `fits`.
    pub(crate) fn pop_first_if(&mut self, priority: Priority, fits: impl FnOnce(&T) -> bool) -> Option<T> {
        self.lanes.first(priority).filter(|item| fits(item))?;
        self.lanes.pop_first(priority)
    }

    /// A thread begins to take calls that are not counted here.
    pub(crate) fn add_ring_consumer(&mut self) {
        self.ring_consumers += 1;
    }

    /// It does so no more.
    pub(crate) fn end_serving(&mut self) -> WakeList {
        self.ring_consumers -= 1;
        self.check_empty()
    }

    /// How many threads do.
    pub(crate) fn ring_consumers(&self) -> usize {
        self.ring_consumers
    }

    /// Places for calls from outside that nobody has or was promised, beside those of free slots.
    pub(crate) fn places(&self) -> usize {
        if self.line.has_waiting() { 0 } else { self.free_with(0) }
    }

    /// Whether every call and every free slot has to be counted: calls in flight are bounded, or so few may wait that one more
    /// or less shows. A thread that takes from the inbox counts as at a task, also between two of them.
    pub(crate) fn is_exact(&self) -> bool {
        self.bounds.in_flight < usize::MAX || self.bounds.queued < self.exact_below
    }

    // ----- the end

    /// For one who waits for an empty moment from now on: what to remember. `None`: this is one.
    pub(crate) fn empty_count(&self) -> Option<u64> {
        (self.in_flight() > 0).then_some(self.empty_count)
    }

    /// How often it became empty.
    pub(crate) fn times_emptied(&self) -> u64 {
        self.empty_count
    }

    /// Whether there was an empty moment since `empty_count` was remembered.
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

    fn queue(queued: usize, in_flight: usize) -> BoundedQueue<u32> {
        BoundedQueue::new(Limits { queued, in_flight })
    }

    #[test]
    fn inside_calls_are_beyond_the_bound_and_counted_apart() {
        let mut queue = queue(1, usize::MAX);
        queue.push(Priority::Normal, 0, false, 1);
        assert!(!queue.has_room());
        queue.push(Priority::Normal, 0, true, 2);
        assert_eq!((queue.queued_outside(), queue.overflow()), (1, 1));
    }

    #[test]
    fn a_freed_place_is_kept_for_the_one_who_waits() {
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
    fn freed_slot_lets_the_next_in_line_in() {
        let mut queue = queue(1, usize::MAX);
        queue.push(Priority::Normal, 0, false, 1);
        let ticket = queue.wait_for_room(&mut NewWaker::of(Waker::noop()));
        queue.set_free_slots(1).wake();
        assert!(queue.redeem(ticket, &mut NewWaker::of(Waker::noop())));
    }

    #[test]
    fn calls_in_flight_are_bounded_until_they_are_over() {
        let mut queue = queue(10, 1);
        queue.push(Priority::Normal, 0, false, 1);
        queue.pop();
        queue.on_start(false).wake();
        assert!(!queue.has_room());
        queue.on_finish(false).wake();
        assert!(queue.has_room());
    }

    #[test]
    fn an_empty_moment_is_seen_though_the_queue_refills() {
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
    fn entries_of_ended_calls_do_not_pile_up() {
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
