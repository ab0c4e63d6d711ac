//! [`Writer`] and [`Reader`]: the ends of the bounded MPMC queue between two pipeline stages. A
//! full queue makes the stage before it wait.
//!
//! Whole batches go in and out under one lock. Wakers leave the lock and run after its release:
//!
//! - A sleeping reader is woken by new items. Only one reader is woken; it wakes the next if it
//!   leaves items. A writer that is about to push more may defer the wake-up
//!   ([`WakeTiming::Deferred`]). It then calls [`ring`](Writer::ring) before it waits.
//! - A sleeping writer is woken when a place is free. In a large queue it is woken when a quarter
//!   of the places is free, or when a reader is about to sleep.

use super::stage_stats::StageMetrics;
use crate::{
    time::clock,
    util::{ordered_map::OrderedMap, unwind},
    wake::{AfterUnlock, Deferred, NewWaker, WaiterKey, WaiterSet},
};
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

/// An item in a queue, with the index of the input that it was made from.
pub(super) type Item<T> = (u64, T);

/// The error of a push when all readers are gone, or the queue is shut.
#[derive(Debug)]
pub(super) struct Closed;

/// The moment at which a push wakes a reader.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WakeTiming {
    Now,
    /// Once the queue is half full. The writer calls [`Writer::ring`] before it waits.
    Deferred,
}

/// Makes a queue of `places` places, at least one.
pub(super) fn link<T>(places: usize, gauge: Arc<StageMetrics>) -> (Writer<T>, Reader<T>) {
    let state = State {
        queue: VecDeque::new(),
        held: 0,
        writers: 1,
        readers: 1,
        ends: 2,
        shut: false,
        batches: 0,
        asleep: [QueueWaiters::default(), QueueWaiters::default()],
        looked: DepthSample::default(),
    };
    let link = Arc::new(StageQueue { state: Deferred::new(state), places, gauge, total: Arc::default() });
    (Writer { link: link.clone(), id: 0 }, Reader { link, id: 1 })
}

struct StageQueue<T> {
    state: Deferred<State<T>>,
    places: usize,
    /// The metrics of the stage that reads.
    gauge: Arc<StageMetrics>,
    /// The total number of items pushed. ORDERING: Relaxed, a figure; changed under the lock alone.
    total: Arc<AtomicU64>,
}

struct State<T> {
    queue: VecDeque<Item<T>>,
    /// Places of items that were taken and are not released yet.
    held: usize,
    writers: usize,
    readers: usize,
    /// The number of ends ever made. It gives each end its id.
    ends: usize,
    /// Whether the queue accepts no more items.
    shut: bool,
    /// The number of batches taken.
    batches: u64,
    /// The waiting readers and the waiting writers.
    asleep: [QueueWaiters; 2],
    looked: DepthSample,
}

/// The time of the last sample of the depth, and the depth at that time.
#[derive(Default)]
struct DepthSample {
    at: u64,
    depth: usize,
}

/// Waiting ends, in the order in which they began to wait.
#[derive(Default)]
struct QueueWaiters {
    waiting: WaiterSet,
    keys: OrderedMap<usize, WaiterKey>,
}

/// A queue with at least this number of places is made for many items in a row.
const LARGE: usize = 16;

const READERS: usize = 0;
const WRITERS: usize = 1;

impl QueueWaiters {
    /// Registers the waiting end `id`.
    fn add(&mut self, id: usize, waker: NewWaker, after: &mut AfterUnlock) {
        let mut key = self.keys.get(id).copied();
        self.waiting.register(&mut key, waker, after);
        if let Some(key) = key {
            self.keys.insert(id, key);
        }
    }

    /// Removes the end `id`. If it leaves a notification unused, the next waiter gets it.
    fn remove(&mut self, id: usize, after: &mut AfterUnlock) {
        if self.waiting.remove(&mut self.keys.remove(id), after) {
            self.waiting.notify_one(after);
        }
    }

    /// Removes the end `id`, which has what it waited for.
    fn finish(&mut self, id: usize, after: &mut AfterUnlock) {
        if let Some(key) = self.keys.remove(id) {
            self.waiting.remove(&mut Some(key), after);
        }
    }
}

impl<T> StageQueue<T> {
    fn free(&self, state: &State<T>) -> usize {
        self.places.saturating_sub(state.queue.len() + state.held)
    }

    /// Records a push to a queue that held `before` items. Wakes a reader, unless the wake-up is
    /// deferred.
    #[inline]
    fn on_push(&self, state: &mut State<T>, before: usize, ring: WakeTiming, after: &mut AfterUnlock) {
        let depth = state.queue.len();
        if before == 0 && depth > 0 {
            state.looked = DepthSample { at: clock::now(), depth };
        }
        self.gauge.set_depth(depth);
        self.total.store(self.total.load(Relaxed) + (depth - before) as u64, Relaxed);
        if depth > before && (ring == WakeTiming::Now || depth * 2 >= self.places) {
            state.asleep[READERS].waiting.notify_one(after);
        }
    }

    /// Records a take from a queue that held `before` items.
    fn on_pop(&self, state: &mut State<T>, before: usize, now: u64, after: &mut AfterUnlock) {
        let depth = state.queue.len();
        // The total waiting time of the items is the area under the depth. Between two samples, the
        // depth is taken as a straight line.
        let lasted = now.saturating_sub(state.looked.at);
        let area = lasted.saturating_mul((state.looked.depth + before) as u64) / 2;
        state.looked = DepthSample { at: now, depth };
        self.gauge.record_dequeued(before - depth, depth, area);
        if depth > 0 {
            state.asleep[READERS].waiting.notify_one(after);
        }
        self.on_space(state, after);
    }

    /// Wakes the writers if enough places are free.
    fn on_space(&self, state: &mut State<T>, after: &mut AfterUnlock) {
        let enough = if self.places < LARGE { 1 } else { self.places / 4 };
        if self.free(state) >= enough {
            state.asleep[WRITERS].waiting.notify_all(after);
        }
    }

    fn shut(&self) {
        self.state.with(|state, after| {
            state.shut = true;
            state.asleep.iter_mut().for_each(|sleepers| sleepers.waiting.notify_all(after));
        });
    }
}

/// The writing end. When its last clone is dropped, the queue accepts no more items.
pub(super) struct Writer<T> {
    link: Arc<StageQueue<T>>,
    id: usize,
}

impl<T> Writer<T> {
    /// Pushes an item if there is room, and returns it otherwise.
    #[inline]
    pub(super) fn try_push(&self, item: Item<T>) -> Result<(), Result<Item<T>, Closed>> {
        let mut item = Some(item); // an item without room drops after the release
        self.link.state.with(|state, after| {
            if state.shut || state.readers == 0 {
                return Err(Err(Closed));
            }
            if self.link.free(state) == 0 {
                return item.take().map_or(Ok(()), |item| Err(Ok(item)));
            }
            let before = state.queue.len();
            state.queue.extend(item.take());
            self.link.on_push(state, before, WakeTiming::Now, after);
            Ok(())
        })
    }

    /// Pushes the items, waiting for room.
    pub(super) fn poll_push(
        &self,
        cx: &mut Context<'_>,
        items: &mut VecDeque<Item<T>>,
        ring: WakeTiming,
    ) -> Poll<Result<(), Closed>> {
        let mut new = None; // a waker that is not needed drops after the release
        loop {
            let polled = self.link.state.with(|state, after| {
                if state.shut || state.readers == 0 {
                    return Some(Poll::Ready(Err(Closed)));
                }
                let (before, room) = (state.queue.len(), self.link.free(state).min(items.len()));
                state.queue.extend(items.drain(..room));
                self.link.on_push(state, before, ring, after);
                if items.is_empty() {
                    state.asleep[WRITERS].finish(self.id, after);
                    return Some(Poll::Ready(Ok(())));
                }
                state.asleep[WRITERS].add(self.id, new.take()?, after);
                if !state.queue.is_empty() {
                    state.asleep[READERS].waiting.notify_one(after);
                }
                Some(Poll::Pending)
            });
            match polled {
                Some(polled) => return polled,
                None => new = Some(NewWaker::of(cx.waker())),
            }
        }
    }

    /// Wakes a reader if the queue has items.
    pub(super) fn ring(&self) {
        self.link.state.with(|state, after| {
            if !state.queue.is_empty() {
                state.asleep[READERS].waiting.notify_one(after);
            }
        });
    }
}

impl<T: Send + 'static> Writer<T> {
    /// Returns the counter of pushed items.
    pub(super) fn total(&self) -> Arc<AtomicU64> {
        self.link.total.clone()
    }

    /// Returns a closure that shuts the queue. It then accepts no more items; its items are still
    /// read.
    pub(super) fn to_shut(&self) -> Box<dyn FnOnce() + Send> {
        let link = self.link.clone();
        Box::new(move || link.shut())
    }
}

impl<T> Clone for Writer<T> {
    fn clone(&self) -> Self {
        let id = self.link.state.with(|state, _| {
            state.writers += 1;
            state.ends += 1;
            state.ends
        });
        Self { link: self.link.clone(), id }
    }
}

impl<T> Drop for Writer<T> {
    fn drop(&mut self) {
        self.link.state.with(|state, after| {
            state.asleep[WRITERS].remove(self.id, after);
            state.writers -= 1;
            if state.writers == 0 {
                state.shut = true;
                state.asleep[READERS].waiting.notify_all(after);
            }
        });
    }
}

/// The number of items that a reader takes.
#[derive(Clone, Copy)]
pub(super) struct Take {
    /// The least number of items. Fewer are taken only if no more follow.
    pub(super) least: usize,
    pub(super) most: usize,
    /// Whether the items keep their places until [`Reader::release`].
    pub(super) hold: bool,
}

impl Take {
    pub(super) fn up_to(most: usize) -> Self {
        Self { least: 1, most, hold: false }
    }
}

/// The reading end. When its last clone is dropped, the items in the queue are dropped.
pub(super) struct Reader<T> {
    link: Arc<StageQueue<T>>,
    id: usize,
}

impl<T> Reader<T> {
    pub(super) fn places(&self) -> usize {
        self.link.places
    }

    /// Returns the number of items in the queue.
    pub(super) fn depth(&self) -> usize {
        self.link.state.with(|state, _| state.queue.len())
    }

    /// Takes the next items and returns the number of this batch. `None`: no more items follow.
    pub(super) fn poll_take(
        &self,
        cx: &mut Context<'_>,
        take: Take,
        into: &mut VecDeque<Item<T>>,
        now: u64,
    ) -> Poll<Option<u64>> {
        let mut new = None; // a waker that is not needed drops after the release
        loop {
            let polled = self.link.state.with(|state, after| {
                let before = state.queue.len();
                if before == 0 && state.shut {
                    return Some(Poll::Ready(None));
                }
                if before < take.least.max(1) && !state.shut {
                    state.asleep[READERS].add(self.id, new.take()?, after);
                    if self.link.free(state) > 0 {
                        state.asleep[WRITERS].waiting.notify_all(after);
                    }
                    return Some(Poll::Pending);
                }
                state.asleep[READERS].finish(self.id, after);
                let count = take.most.clamp(1, before);
                into.extend(state.queue.drain(..count));
                if take.hold {
                    state.held += count;
                }
                let batch = state.batches;
                state.batches += 1;
                self.link.on_pop(state, before, now, after);
                Some(Poll::Ready(Some(batch)))
            });
            match polled {
                Some(polled) => return polled,
                None => new = Some(NewWaker::of(cx.waker())),
            }
        }
    }

    /// Releases the places of `count` items that were held.
    pub(super) fn release(&self, count: usize) {
        self.link.state.with(|state, after| {
            state.held -= count;
            self.link.on_space(state, after);
        });
    }
}

impl<T> Clone for Reader<T> {
    fn clone(&self) -> Self {
        let id = self.link.state.with(|state, _| {
            state.readers += 1;
            state.ends += 1;
            state.ends
        });
        Self { link: self.link.clone(), id }
    }
}

impl<T> Drop for Reader<T> {
    fn drop(&mut self) {
        let left = self.link.state.with(|state, after| {
            state.asleep[READERS].remove(self.id, after);
            state.readers -= 1;
            if state.readers > 0 {
                return VecDeque::new();
            }
            state.asleep[WRITERS].waiting.notify_all(after);
            self.link.gauge.set_depth(0);
            std::mem::take(&mut state.queue)
        });
        left.into_iter().for_each(|item| unwind::ignore_panics(|| drop(item)));
    }
}

#[cfg(all(test, not(any(loom, miri))))]
#[path = "channel_model.rs"]
mod model;
