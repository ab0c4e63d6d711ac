//! [`QueueShared`]: the data that the handles of a `JobQueue` share: the queue under its lock, and
//! the items of the jobs in it.

use super::{JobQueueInfo, QueuedJob, builder::Config};
use crate::{
    call::{
        backend::{Backend, ErasedCall, ExecutorId, address},
        call_ref::CallRef,
        end_batch::EndBatch,
        policy::SchedulingPolicy,
        slot::EndReason,
    },
    executor::admission::{Admit, OnFull},
    sched::{
        injector::{Injector, QueueItem},
        queue::BoundedQueue,
        ring::{NoInline, Ring, RingItem},
    },
    task::{CallSlot, Job, TaskSet},
    util::{prefetch::PrefetchTarget, unwind},
    wake::{AfterUnlock, WaiterHome, WaiterSet, WakeList, extensions::Extensions},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

/// An entry of the lanes: a call that has not begun, unless the entry is out of date.
pub(super) struct Entry(CallRef<dyn ErasedCall>);

impl PrefetchTarget for Entry {
    fn target_ptr(&self) -> *const () {
        self.0.target_ptr()
    }
}

impl RingItem for Entry {
    type Inline = NoInline;

    fn from_inline(value: NoInline) -> Self {
        match value {}
    }
}

impl QueueItem for Entry {
    fn call(&self) -> Option<&dyn ErasedCall> {
        Some(&*self.0)
    }
}

/// The item of a job, with an owner of its call. So no other call has the same address meanwhile.
struct Item<T> {
    call: CallRef<dyn ErasedCall>,
    value: T,
}

/// The queue under its lock. Pure data.
pub(super) struct QueueState<T> {
    pub(super) injector: Injector<Entry>,
    /// The items of the jobs that are queued or wait for room, by the address of the call.
    items: HashMap<usize, Item<T>>,
    closed: bool,
    /// Entries and items to drop after the lock is released.
    spent: Vec<Entry>,
    dropped: Vec<Item<T>>,
}

impl<T> QueueState<T> {
    /// Takes the next call that has not ended, claimed, with its item.
    fn take(&mut self) -> (Option<Item<T>>, WakeList) {
        let mut wakes = WakeList::default();
        while let Some(entry) = self.injector.queue.pop() {
            if !entry.0.claim() {
                wakes = wakes.and(self.injector.skip_stale(&*entry.0));
                self.spent.push(entry);
                continue;
            }
            wakes = wakes.and(self.injector.queue.on_start(entry.0.header().is_nested()));
            let item = self.items.remove(&address(&*entry.0));
            self.spent.push(entry);
            return (item, wakes);
        }
        (None, wakes)
    }

    /// Takes all queued calls, claimed, to end them.
    fn take_all(&mut self) -> (Vec<CallRef<dyn ErasedCall>>, WakeList) {
        let (mut calls, mut wakes) = (Vec::new(), WakeList::default());
        while let Some(entry) = self.injector.queue.pop() {
            if entry.0.claim() {
                wakes = wakes.and(self.injector.queue.discarded(entry.0.header().is_nested()));
                self.discard_item(address(&*entry.0));
                calls.push(entry.0);
            } else {
                wakes = wakes.and(self.injector.skip_stale(&*entry.0));
                self.spent.push(entry);
            }
        }
        (calls, wakes)
    }

    fn discard_item(&mut self, address: usize) {
        self.dropped.extend(self.items.remove(&address));
    }
}

pub(super) struct QueueShared<T: Send + 'static> {
    pub(super) id: ExecutorId,
    pub(super) config: Config,
    pub(super) rules: Arc<SchedulingPolicy>,
    pub(super) data: Extensions,
    state: Mutex<QueueState<T>>,
    /// Never open: each job goes through the queue.
    ring: Arc<Ring<Entry>>,
}

impl<T: Send + 'static> QueueShared<T> {
    pub(super) fn new(config: Config) -> Arc<Self> {
        let ring = Arc::new(Ring::new(1));
        let rules = Arc::new(SchedulingPolicy::new(config.queue.policy.clone()));
        let queue = BoundedQueue::ordered(config.queue.bounds(1), rules.clone());
        let state = QueueState {
            injector: Injector::new(queue, ring.clone()),
            items: HashMap::new(),
            closed: false,
            spent: Vec::new(),
            dropped: Vec::new(),
        };
        let shared = Arc::new(Self {
            id: ExecutorId::new(),
            config,
            rules,
            data: Extensions::default(),
            state: Mutex::new(state),
            ring,
        });
        let host: Weak<dyn Backend> = Arc::downgrade(&shared) as _;
        shared.id.insert(host);
        shared
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, QueueState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Releases the lock, then wakes, then drops.
    pub(super) fn release(&self, state: MutexGuard<'_, QueueState<T>>, wakes: WakeList) {
        let (spent, dropped) = self.unlock(state);
        wakes.wake_in_place();
        spent.into_iter().for_each(|entry| unwind::ignore_panics(|| drop(entry)));
        dropped.into_iter().for_each(|item| unwind::ignore_panics(|| drop(item)));
    }

    /// Like [`release`](Self::release), with the wakes and drops left to `batch`.
    fn release_into(&self, state: MutexGuard<'_, QueueState<T>>, wakes: WakeList, batch: &mut EndBatch) {
        let (spent, dropped) = self.unlock(state);
        batch.wake_list(wakes);
        spent.into_iter().for_each(|entry| batch.drop_later(entry));
        for Item { call, value } in dropped {
            batch.drop_owner(call);
            batch.drop_later(value);
        }
    }

    fn unlock(&self, mut state: MutexGuard<'_, QueueState<T>>) -> (Vec<Entry>, Vec<Item<T>>) {
        self.rules.publish_earliest(state.injector.queue.lanes().earliest());
        let mut spent = state.injector.take_stale();
        spent.append(&mut state.spent);
        (spent, std::mem::take(&mut state.dropped))
    }

    // ----- the items

    /// Stores the item of a job that is about to be pushed. The guard drops the item if the job was
    /// refused, or if the call ended before it was in the queue.
    pub(super) fn keep<S: TaskSet>(self: &Arc<Self>, job: &Job<S>, value: T) -> KeptItem<T> {
        let call = job.slot().clone().erase();
        let replaced = self.lock().items.insert(address(&*call), Item { call: call.clone(), value });
        drop(replaced);
        KeptItem { queue: self.clone(), call, is_accepted: false }
    }

    pub(super) fn take(self: &Arc<Self>) -> Option<QueuedJob<T>> {
        let mut state = self.lock();
        let (taken, wakes) = state.take();
        self.release(state, wakes);
        let Item { call, value } = taken?;
        Some(QueuedJob::new(call, value, self.clone()))
    }

    /// Removes the entry of a call that another thread has claimed to end it.
    pub(super) fn remove(&self, call: &dyn ErasedCall, batch: &mut EndBatch) {
        let mut state = self.lock();
        let wakes = state.injector.leave(call);
        state.discard_item(address(call));
        self.release_into(state, wakes, batch);
    }

    pub(super) fn raise(&self, call: &CallRef<dyn ErasedCall>) {
        let expires = self.rules.raised_position(call.header());
        let mut state = self.lock();
        state.injector.raise(expires, Entry(call.clone()));
        self.release(state, WakeList::default());
    }

    /// Counts a call out that was taken.
    pub(super) fn finish(&self, inside: bool, began: bool) {
        let mut state = self.lock();
        let wakes = state.injector.queue.over(inside, began);
        self.release(state, wakes);
    }

    // ----- the queue as a whole

    pub(super) fn set_free_slots(&self, slots: usize) {
        let mut state = self.lock();
        let wakes = state.injector.queue.set_free_slots(slots);
        self.release(state, wakes);
    }

    pub(super) fn info(&self) -> JobQueueInfo {
        let mut state = self.lock();
        let (figures, wakes) = state.injector.figures();
        let info = JobQueueInfo {
            name: self.config.name.clone(),
            queue_len: figures.queued_outside + figures.overflow,
            in_flight: figures.in_flight,
            completed: figures.completed,
            is_full: !state.injector.has_room(),
            is_closed: state.closed,
        };
        self.release(state, wakes);
        info
    }

    /// Returns the value that a wait for an empty moment compares with, or `None` if the queue is
    /// empty now.
    pub(super) fn emptied(&self) -> Option<u64> {
        let mut state = self.lock();
        let (_, wakes) = state.injector.figures();
        let emptied = state.injector.queue.empty_count();
        self.release(state, wakes);
        emptied
    }

    pub(super) fn is_empty(&self) -> bool {
        let state = self.lock();
        state.injector.queue.queued_outside() + state.injector.queue.overflow() == 0
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let wakes = state.injector.queue.wake_all_waiting();
        self.release(state, wakes);
    }

    pub(super) fn terminate(&self) -> usize {
        self.end_queued(EndReason::Cancelled)
    }

    pub(super) fn close_abandoned(&self) {
        self.end_queued(EndReason::Closed);
    }

    fn end_queued(&self, how: EndReason) -> usize {
        let mut state = self.lock();
        state.closed = true;
        let (calls, wakes) = state.take_all();
        let wakes = wakes.and(state.injector.queue.wake_all_waiting());
        let mut batch = EndBatch::default();
        self.release_into(state, wakes, &mut batch);
        let number = calls.len();
        calls.into_iter().for_each(|call| batch.end_claimed(call, how));
        batch.run();
        number
    }
}

/// A guard beside the push of a job: see [`QueueShared::keep`].
pub(super) struct KeptItem<T: Send + 'static> {
    queue: Arc<QueueShared<T>>,
    call: CallRef<dyn ErasedCall>,
    /// Whether the queue has accepted the job.
    is_accepted: bool,
}

impl<T: Send + 'static> KeptItem<T> {
    /// Records whether the queue has accepted the job.
    pub(super) fn settle(&mut self, is_accepted: bool) {
        self.is_accepted = is_accepted;
    }
}

impl<T: Send + 'static> Drop for KeptItem<T> {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        // A queued call keeps its item. `take` claims the call and removes the item under one lock.
        if !(self.is_accepted && self.call.is_queued()) {
            state.discard_item(address(&*self.call));
        }
        self.queue.release(state, WakeList::default());
    }
}

impl<S: TaskSet, T: Send + 'static> Admit<S> for QueueShared<T> {
    type Item = Entry;

    fn on_full(&self) -> OnFull {
        self.config.queue.on_full()
    }

    fn inbox(&self) -> &Ring<Entry> {
        &self.ring
    }

    fn with_front<R>(&self, _inside: bool, f: impl FnOnce(Option<&mut Injector<Entry>>) -> (R, WakeList)) -> R {
        let mut state = self.lock();
        let is_open = !state.closed;
        let (result, wakes) = f(is_open.then_some(&mut state.injector));
        self.release(state, wakes);
        result
    }

    fn item(call: CallRef<CallSlot<S>>) -> Entry {
        Entry(call.erase())
    }

    fn call(item: &Entry) -> Option<CallRef<dyn ErasedCall>> {
        Some(item.0.clone())
    }

    fn dropped(&self, call: &dyn ErasedCall) {
        let mut state = self.lock();
        state.discard_item(address(call));
        self.release(state, WakeList::default());
    }

    /// Never called: the builder rejects `CallerRuns`.
    fn run_on_caller(&self, call: CallRef<CallSlot<S>>) {
        call.discard(EndReason::Unsupported);
    }
}

/// The home of the waiters for an empty moment.
pub(super) struct Emptied<T: Send + 'static>(pub(super) Arc<QueueShared<T>>);

impl<T: Send + 'static> WaiterHome for Emptied<T> {
    type State = QueueState<T>;

    fn with_state<R>(&self, change: impl FnOnce(&mut Self::State, &mut AfterUnlock) -> R) -> R {
        let mut after = AfterUnlock::default(); // acts after the release
        let mut state = self.0.lock();
        change(&mut state, &mut after)
    }

    fn waiters(state: &mut Self::State) -> &mut WaiterSet {
        &mut state.injector.queue.drained
    }
}

impl<T: Send + 'static> Drop for QueueShared<T> {
    fn drop(&mut self) {
        self.id.remove();
    }
}
