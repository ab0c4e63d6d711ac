//! What stands between two stages: a bounded queue, whose places are the credits of those before it.
//!
//! Whole batches go in and out under one lock. Wakers come out of it and are used after its release:
//!
//! - a reader that sleeps is woken by what comes in. One is; it wakes the next, if it leaves something. A writer that is
//!   about to bring more may put that off ([`Ring::Later`]), and rings before it rests;
//! - a writer that sleeps is woken when a place is free, in a large link a quarter of them, or when a reader is about to
//!   sleep.

use super::gauge::Gauge;
use crate::{clock, panics, wake::WakeList};
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

/// What goes over a link, with the number of the input that it was made of.
pub(super) type Item<T> = (u64, T);

/// Nobody reads any more.
#[derive(Debug)]
pub(super) struct Gone;

/// When a reader is told of what came in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ring {
    Now,
    /// Once the link is half full; the writer rings before it rests.
    Later,
}

/// Makes a link of so many places, at least one.
pub(super) fn link<T>(places: usize, gauge: Arc<Gauge>) -> (Writer<T>, Reader<T>) {
    let state = State {
        queue: VecDeque::new(),
        held: 0,
        writers: 1,
        readers: 1,
        ends: 2,
        shut: false,
        batches: 0,
        asleep: [Sleepers::default(), Sleepers::default()],
        looked: Looked::default(),
    };
    let link = Arc::new(Link { state: Mutex::new(state), places: places.max(1), gauge, total: Arc::default() });
    (Writer { link: link.clone(), id: 0 }, Reader { link, id: 1 })
}

struct Link<T> {
    state: Mutex<State<T>>,
    places: usize,
    /// The figures of the stage that reads.
    gauge: Arc<Gauge>,
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
    asleep: [Sleepers; 2],
    looked: Looked,
}

/// The moment of the last look at the depth, and what was seen.
#[derive(Default)]
struct Looked {
    at: u64,
    depth: usize,
}

/// Ends that wait, the longest waiting first.
#[derive(Default)]
struct Sleepers(VecDeque<(usize, Waker)>);

/// A link of so many places is for items of which many come in a row.
const LARGE: usize = 16;

const READERS: usize = 0;
const WRITERS: usize = 1;

impl Sleepers {
    /// Gives the waker that is to be dropped without the lock.
    fn add(&mut self, id: usize, waker: &Waker) -> Option<Waker> {
        match self.0.iter_mut().find(|(known, _)| *known == id) {
            Some((_, known)) if known.will_wake(waker) => None,
            Some((_, known)) => Some(std::mem::replace(known, waker.clone())),
            None => {
                self.0.push_back((id, waker.clone()));
                None
            }
        }
    }

    fn first(&mut self) -> Option<Waker> {
        self.0.pop_front().map(|(_, waker)| waker)
    }

    fn wake_one(&mut self, wakes: &mut WakeList) {
        if let Some(waker) = self.first() {
            wakes.push(waker);
        }
    }

    fn wake_all(&mut self, wakes: &mut WakeList) {
        self.0.drain(..).for_each(|(_, waker)| wakes.push(waker));
    }
}

impl<T> Link<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn free(&self, state: &State<T>) -> usize {
        self.places.saturating_sub(state.queue.len() + state.held)
    }

    /// Something came in, to a queue that held `before`. Gives the reader that is to be woken.
    #[inline]
    fn came(&self, state: &mut State<T>, before: usize, ring: Ring) -> Option<Waker> {
        let depth = state.queue.len();
        if before == 0 && depth > 0 {
            state.looked = Looked { at: clock::now(), depth };
        }
        self.gauge.set_depth(depth);
        self.total.store(self.total.load(Relaxed) + (depth - before) as u64, Relaxed);
        let tell = depth > before && (ring == Ring::Now || depth * 2 >= self.places);
        if tell { state.asleep[READERS].first() } else { None }
    }

    /// Something went out, from a queue that held `before`.
    fn went(&self, state: &mut State<T>, before: usize, now: u64, wakes: &mut WakeList) {
        let depth = state.queue.len();
        // How long the items waited in all is the area under the depth; between two looks it is taken as a straight line.
        let lasted = now.saturating_sub(state.looked.at);
        let area = lasted.saturating_mul((state.looked.depth + before) as u64) / 2;
        state.looked = Looked { at: now, depth };
        self.gauge.took(before - depth, depth, area);
        if depth > 0 {
            state.asleep[READERS].wake_one(wakes);
        }
        self.freed(state, wakes);
    }

    /// Wakes the writers if it is worth their while.
    fn freed(&self, state: &mut State<T>, wakes: &mut WakeList) {
        let enough = if self.places < LARGE { 1 } else { self.places / 4 };
        if self.free(state) >= enough {
            state.asleep[WRITERS].wake_all(wakes);
        }
    }

    fn shut(&self) {
        let mut wakes = WakeList::default();
        let mut state = self.lock();
        state.shut = true;
        state.asleep.iter_mut().for_each(|sleepers| sleepers.wake_all(&mut wakes));
        drop(state);
        wakes.wake();
    }
}

/// The writing end. With the last of its clones nothing more comes in.
pub(super) struct Writer<T> {
    link: Arc<Link<T>>,
    id: usize,
}

impl<T> Writer<T> {
    /// Puts an item in, if there is room for it; gives it back else.
    #[inline]
    pub(super) fn try_push(&self, item: Item<T>) -> Result<(), Result<Item<T>, Gone>> {
        let mut state = self.link.lock();
        if state.shut || state.readers == 0 {
            return Err(Err(Gone));
        }
        if self.link.free(&state) == 0 {
            return Err(Ok(item));
        }
        let before = state.queue.len();
        state.queue.push_back(item);
        let reader = self.link.came(&mut state, before, Ring::Now);
        drop(state);
        if let Some(reader) = reader {
            panics::quietly(|| reader.wake());
        }
        Ok(())
    }

    /// Puts the items in, as there is room for them.
    pub(super) fn poll_push(
        &self,
        cx: &mut Context<'_>,
        items: &mut VecDeque<Item<T>>,
        ring: Ring,
    ) -> Poll<Result<(), Gone>> {
        let mut wakes = WakeList::default();
        let mut state = self.link.lock();
        if state.shut || state.readers == 0 {
            return Poll::Ready(Err(Gone));
        }
        let (before, room) = (state.queue.len(), self.link.free(&state).min(items.len()));
        state.queue.extend(items.drain(..room));
        let waits = !items.is_empty();
        if let Some(reader) = self.link.came(&mut state, before, ring) {
            wakes.push(reader);
        }
        let mut old = None;
        if waits {
            old = state.asleep[WRITERS].add(self.id, cx.waker());
            if !state.queue.is_empty() {
                state.asleep[READERS].wake_one(&mut wakes);
            }
        }
        drop(state);
        wakes.wake();
        drop(old);
        if waits { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    /// Wakes a reader, if there is something to read.
    pub(super) fn ring(&self) {
        let mut wakes = WakeList::default();
        let mut state = self.link.lock();
        if !state.queue.is_empty() {
            state.asleep[READERS].wake_one(&mut wakes);
        }
        drop(state);
        wakes.wake();
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
        let mut state = self.link.lock();
        state.writers += 1;
        state.ends += 1;
        Self { link: self.link.clone(), id: state.ends }
    }
}

impl<T> Drop for Writer<T> {
    fn drop(&mut self) {
        let mut wakes = WakeList::default();
        let mut state = self.link.lock();
        state.writers -= 1;
        if state.writers == 0 {
            state.shut = true;
            state.asleep[READERS].wake_all(&mut wakes);
        }
        drop(state);
        wakes.wake();
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
    link: Arc<Link<T>>,
    id: usize,
}

impl<T> Reader<T> {
    pub(super) fn places(&self) -> usize {
        self.link.places
    }

    /// How many wait to be read.
    pub(super) fn depth(&self) -> usize {
        self.link.lock().queue.len()
    }

    /// Takes the next items; gives their number among the batches. `None`: there are no more.
    pub(super) fn poll_take(
        &self,
        cx: &mut Context<'_>,
        take: Take,
        into: &mut VecDeque<Item<T>>,
        now: u64,
    ) -> Poll<Option<u64>> {
        let mut wakes = WakeList::default();
        let mut state = self.link.lock();
        let before = state.queue.len();
        if before == 0 && state.shut {
            return Poll::Ready(None);
        }
        if before < take.least.max(1) && !state.shut {
            let old = state.asleep[READERS].add(self.id, cx.waker());
            if self.link.free(&state) > 0 {
                state.asleep[WRITERS].wake_all(&mut wakes);
            }
            drop(state);
            wakes.wake();
            drop(old);
            return Poll::Pending;
        }
        let count = take.most.clamp(1, before);
        into.extend(state.queue.drain(..count));
        if take.hold {
            state.held += count;
        }
        let batch = state.batches;
        state.batches += 1;
        self.link.went(&mut state, before, now, &mut wakes);
        drop(state);
        wakes.wake();
        Poll::Ready(Some(batch))
    }

    /// Items that were held are used up: their places are free.
    pub(super) fn release(&self, count: usize) {
        let mut wakes = WakeList::default();
        let mut state = self.link.lock();
        state.held -= count;
        self.link.freed(&mut state, &mut wakes);
        drop(state);
        wakes.wake();
    }
}

impl<T> Clone for Reader<T> {
    fn clone(&self) -> Self {
        let mut state = self.link.lock();
        state.readers += 1;
        state.ends += 1;
        Self { link: self.link.clone(), id: state.ends }
    }
}

impl<T> Drop for Reader<T> {
    fn drop(&mut self) {
        let mut wakes = WakeList::default();
        let mut left = VecDeque::new();
        let mut state = self.link.lock();
        state.readers -= 1;
        if state.readers == 0 {
            left = std::mem::take(&mut state.queue);
            state.asleep[WRITERS].wake_all(&mut wakes);
            self.link.gauge.set_depth(0);
        }
        drop(state);
        wakes.wake();
        left.into_iter().for_each(|item| panics::quietly(|| drop(item)));
    }
}

#[cfg(all(test, not(any(loom, miri))))]
#[path = "link_model.rs"]
mod model;
