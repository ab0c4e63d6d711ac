//! What stands between two stages: a bounded queue, whose places are the credits of those before it.
//!
//! Whole batches go in and out under one lock. Wakers come out of it and are used after its release:
//!
//! - a reader that sleeps is woken by what comes in. One is; it wakes the next, if it leaves something. A writer that is
//!   about to bring more may put that off ([`WakeTiming::Deferred`]), and rings before it rests;
//! - a writer that sleeps is woken when a place is free, in a large link a quarter of them, or when a reader is about to
//!   sleep.

use super::stage_stats::StageMetrics;
use crate::{
    time::clock,
    util::unwind,
    wake::{AfterUnlock, Deferred, NewWaker, WaiterKey, WaiterSet},
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

/// What goes over a link, with the number of the input that it was made of.
pub(super) type Item<T> = (u64, T);

/// Nobody reads any more.
#[derive(Debug)]
pub(super) struct Closed;

/// When a reader is told of what came in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WakeTiming {
    Now,
    /// Once the link is half full; the writer rings before it rests.
    Deferred,
}

/// Makes a link of so many places, at least one.
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
    let link =
        Arc::new(StageQueue { state: Deferred::new(state), places: places.max(1), gauge, total: Arc::default() });
    (Writer { link: link.clone(), id: 0 }, Reader { link, id: 1 })
}

struct StageQueue<T> {
    state: Deferred<State<T>>,
    places: usize,
    /// The figures of the stage that reads.
    gauge: Arc<StageMetrics>,
    /// How many items ever came in. ORDERING: Relaxed, a figure; changed under the lock alone.
    total: Arc<AtomicU64>,
}

struct State<T> {
    queue: VecDeque<Item<T>>,
    /// Places of what was taken and is not used up.
    held: usize,
    writers: usize,
    readers: usize,
    /// How many ends there ever were, which gives each its number.
    ends: usize,
    /// Nothing more comes in.
    shut: bool,
    /// How many batches were taken.
    batches: u64,
    /// Those who read, and those who write.
    asleep: [QueueWaiters; 2],
    looked: DepthSample,
}

/// The moment of the last look at the depth, and what was seen.
#[derive(Default)]
struct DepthSample {
    at: u64,
    depth: usize,
}

/// Ends that wait, the longest waiting first.
#[derive(Default)]
struct QueueWaiters {
    waiting: WaiterSet,
    keys: BTreeMap<usize, WaiterKey>,
}

/// A link of so many places is for items of which many come in a row.
const LARGE: usize = 16;

const READERS: usize = 0;
const WRITERS: usize = 1;

impl QueueWaiters {
    /// The end with this number waits.
    fn add(&mut self, id: usize, waker: NewWaker, after: &mut AfterUnlock) {
        let mut key = self.keys.get(&id).copied();
        self.waiting.register(&mut key, waker, after);
        self.keys.extend(key.map(|key| (id, key)));
    }

    /// The end with this number goes. A notification that it has not used goes to the next.
    fn remove(&mut self, id: usize, after: &mut AfterUnlock) {
        if self.waiting.remove(&mut self.keys.remove(&id), after) {
            self.waiting.notify_one(after);
        }
    }

    /// The end with this number has what it waited for.
    fn finish(&mut self, id: usize, after: &mut AfterUnlock) {
        if let Some(key) = self.keys.remove(&id) {
            self.waiting.remove(&mut Some(key), after);
        }
    }
}

impl<T> StageQueue<T> {
    fn free(&self, state: &State<T>) -> usize {
        self.places.saturating_sub(state.queue.len() + state.held)
    }

    /// Something came in, to a queue that held `before`. Wakes a reader, if it is worth its while.
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

    /// Something went out, from a queue that held `before`.
    fn on_pop(&self, state: &mut State<T>, before: usize, now: u64, after: &mut AfterUnlock) {
        let depth = state.queue.len();
        // How long the items waited in all is the area under the depth; between two looks it is taken as a straight line.
        let lasted = now.saturating_sub(state.looked.at);
        let area = lasted.saturating_mul((state.looked.depth + before) as u64) / 2;
        state.looked = DepthSample { at: now, depth };
        self.gauge.record_dequeued(before - depth, depth, area);
        if depth > 0 {
            state.asleep[READERS].waiting.notify_one(after);
        }
        self.on_space(state, after);
    }

    /// Wakes the writers if it is worth their while.
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

/// The writing end. With the last of its clones nothing more comes in.
pub(super) struct Writer<T> {
    link: Arc<StageQueue<T>>,
    id: usize,
}

impl<T> Writer<T> {
    /// Puts an item in, if there is room for it; gives it back else.
    #[inline]
    pub(super) fn try_push(&self, item: Item<T>) -> Result<(), Result<Item<T>, Closed>> {
        let mut item = Some(item); // what finds no place drops after the release
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

    /// Puts the items in, as there is room for them.
    pub(super) fn poll_push(
        &self,
        cx: &mut Context<'_>,
        items: &mut VecDeque<Item<T>>,
        ring: WakeTiming,
    ) -> Poll<Result<(), Closed>> {
        let mut new = None; // what is not needed of it drops after the release
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

    /// Wakes a reader, if there is something to read.
    pub(super) fn ring(&self) {
        self.link.state.with(|state, after| {
            if !state.queue.is_empty() {
                state.asleep[READERS].waiting.notify_one(after);
            }
        });
    }
}

impl<T: Send + 'static> Writer<T> {
    /// Counts what comes in.
    pub(super) fn total(&self) -> Arc<AtomicU64> {
        self.link.total.clone()
    }

    /// What shuts the link: nothing more comes in, and what is in it is still read.
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

/// How much a reader takes.
#[derive(Clone, Copy)]
pub(super) struct Take {
    /// Fewer are taken only if no more come.
    pub(super) least: usize,
    pub(super) most: usize,
    /// Whether their places stay taken until [`Reader::release`].
    pub(super) hold: bool,
}

impl Take {
    pub(super) fn up_to(most: usize) -> Self {
        Self { least: 1, most, hold: false }
    }
}

/// The reading end. With the last of its clones, what is in the link is dropped.
pub(super) struct Reader<T> {
    link: Arc<StageQueue<T>>,
    id: usize,
}

impl<T> Reader<T> {
    pub(super) fn places(&self) -> usize {
        self.link.places
    }

    /// How many wait to be read.
    pub(super) fn depth(&self) -> usize {
        self.link.state.with(|state, _| state.queue.len())
    }

    /// Takes the next items; gives their number among the batches. `None`: there are no more.
    pub(super) fn poll_take(
        &self,
        cx: &mut Context<'_>,
        take: Take,
        into: &mut VecDeque<Item<T>>,
        now: u64,
    ) -> Poll<Option<u64>> {
        let mut new = None; // what is not needed of it drops after the release
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

    /// Items that were held are used up: their places are free.
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
