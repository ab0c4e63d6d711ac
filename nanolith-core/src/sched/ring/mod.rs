//! [`Ring`]: a bounded lock-free MPMC ring for fast-path calls, which are calls of normal
//! priority. It is in front of a locked queue: one compare-and-swap to push, one to pop.
//!
//! The cells work as in [Vyukov's bounded MPMC
//! queue](https://www.1024cores.net/home/lock-free-algorithms/queues/bounded-mpmc-queue). In
//! addition, `tail` carries a count of credits, so that the ring can be limited and closed.
//!
//! The holder of the queue's lock sets how many items the ring may hold, and may
//! [close](Ring::close_and_drain) the ring at any moment. Then producers use the locked queue. So
//! every rare case (a bound that is reached, waiters for room, a pause, a close) happens with the
//! ring closed and empty. This file contains only the fast path.
//!
//! A producer takes a credit and a position in one step on one word, `tail`, and then fills the
//! cell of its position. If the credits have run out, it checks `head` for positions that became
//! free meanwhile. A cell's `sequence` names its owner:
//!
//! - `2 * lap`: the cell is empty, and belongs to the producer of that lap;
//! - `2 * lap + 1`: the cell is full, and belongs to the consumer that moves `head` past it.
//!
//! A producer's compare-and-swap cannot succeed on a ring that was closed and reopened in between.
//! For that, `tail` would have to return to the same position, open and without a credit. But the
//! position moves with each credit that is used, and a closed ring is opened only with credits.
//!
//! A cell holds an item, or a value that stands for an item: see [`Ring::try_push_inline`]. The
//! values lie in an array of their own, which the first of them allocates. So the cells stay small.
//!
//! A single consumer may sleep while the ring is open: [`Ring::begin_rest`] sets a bit of `tail`,
//! and the producer whose step clears the bit wakes the consumer.
#![allow(unsafe_code)] // unsafe code is allowed here: see ARCHITECTURE.md

mod consumer;
mod holder;
mod item;
mod waiter;

pub(crate) use item::{NoInline, RingItem, Taken};

use crate::util::loom::{AtomicU32, AtomicU64, Ordering, UnsafeCell, yield_now};
use std::{
    mem::MaybeUninit,
    sync::{
        OnceLock,
        atomic::{AtomicU64 as FigureU64, AtomicUsize},
    },
};

/// The bit at which the number of credits begins in `tail`, above the position.
const CREDIT_SHIFT: u32 = 47;
const POSITION: u64 = (1 << CREDIT_SHIFT) - 1;

/// The bit of `tail` that closes the ring. It is above the credits.
const CLOSED: u64 = 1 << 63;

/// The bit of `tail` that says that the consumer sleeps: see [`Ring::begin_rest`].
const RESTING: u64 = 1 << 62;

/// The maximum number of cells. Their number fits between the position and [`RESTING`].
const MAX_CAPACITY: usize = 1 << 14;

/// The result of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Push {
    /// There is no credit: the item was not made.
    Full,
    Done,
    /// The item is in, and the producer has to wake the consumer, which sleeps.
    Wake,
}

struct Cell<T> {
    sequence: AtomicU64,
    /// The address to which the item points, a hint for prefetching; [`INLINE`] if a value stands
    /// for the item.
    points: AtomicUsize,
    item: UnsafeCell<MaybeUninit<T>>,
}

/// The value of `points` in a cell whose item is an inline value. No item has this address.
const INLINE: usize = 1;

/// The inline values of a ring, one place for each cell.
type InlineValues<V> = Box<[UnsafeCell<MaybeUninit<V>>]>;

/// Keeps the word that one side writes on a cache line of its own.
#[repr(align(128))]
struct CachePadded<T>(T);

/// The ring. The number of its cells is a power of two.
pub(crate) struct Ring<T: RingItem> {
    /// The next position to fill, and above it the number of credits left.
    tail: CachePadded<AtomicU64>,
    /// The next position to empty.
    head: CachePadded<AtomicU64>,
    cells: Box<[Cell<T>]>,
    /// The values that stand for items, from the first such value on.
    inline: OnceLock<InlineValues<T::Inline>>,
    /// The maximum number of items while the ring is open.
    limit: AtomicU64,
    /// Whether a thread takes from the ring: a hint.
    in_use: AtomicU32,
    /// Whether no thread keeps the coarse clock up to date: a hint.
    is_untimed: AtomicU32,
    /// Whether the lock holder is taking all items out.
    draining: AtomicU32,
    /// Whether the ring may hold nested items: see [`Ring::mark_mixed`].
    is_mixed: AtomicU32,
    /// The items that waiting tasks took, and the calls that they ran at once: see `waiter.rs`.
    taken_by_waiters: FigureU64,
    run_at_once: FigureU64,
    /// The head at which a producer has waited for room in vain: see [`Ring::mark_stalled`].
    stalled_at: AtomicU64,
}

// SAFETY: an item or value is written by the producer that took its position and read by the
// consumer that moved the head past it; `sequence` orders the two. No reference to it leaves this
// module.
unsafe impl<T: RingItem<Inline: Send> + Send> Sync for Ring<T> {}
// SAFETY: as above; a ring owns what it holds.
unsafe impl<T: RingItem<Inline: Send> + Send> Send for Ring<T> {}

impl<T: RingItem> Ring<T> {
    /// Creates a closed ring of at least `capacity` cells.
    pub(crate) fn new(capacity: usize) -> Self {
        let capacity = capacity.clamp(1, MAX_CAPACITY).next_power_of_two();
        let cell = || Cell {
            sequence: AtomicU64::new(0),
            points: AtomicUsize::new(0),
            item: UnsafeCell::new(MaybeUninit::uninit()),
        };
        Self {
            tail: CachePadded(AtomicU64::new(CLOSED)),
            head: CachePadded(AtomicU64::new(0)),
            cells: std::iter::repeat_with(cell).take(capacity).collect(),
            inline: OnceLock::new(),
            limit: AtomicU64::new(0),
            in_use: AtomicU32::new(0),
            is_untimed: AtomicU32::new(0),
            draining: AtomicU32::new(0),
            is_mixed: AtomicU32::new(0),
            taken_by_waiters: FigureU64::new(0),
            run_at_once: FigureU64::new(0),
            stalled_at: AtomicU64::new(u64::MAX),
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.cells.len()
    }

    fn cell(&self, position: u64) -> &Cell<T> {
        &self.cells[self.place(position)]
    }

    /// Returns the index of the cell of `position`. The number of cells is a power of two, so the
    /// mask keeps the index in range.
    fn place(&self, position: u64) -> usize {
        position as usize & (self.cells.len() - 1)
    }

    /// Returns the places of the inline values.
    #[inline]
    fn inline_values(&self) -> &InlineValues<T::Inline> {
        let value = || UnsafeCell::new(MaybeUninit::uninit());
        self.inline.get_or_init(|| std::iter::repeat_with(value).take(self.cells.len()).collect())
    }

    /// Returns the `sequence` of the cell of `position` while the cell belongs to its producer.
    fn sequence(&self, position: u64) -> u64 {
        (position >> self.cells.len().trailing_zeros()) * 2
    }

    /// Pushes the item that `make` returns, if there is a credit for it. `make` must not panic.
    #[inline(always)]
    pub(crate) fn try_push(&self, make: impl FnOnce() -> T) -> Push {
        let Some(tail) = self.take_position() else { return Push::Full };
        self.write_cell(tail & POSITION, make());
        Self::pushed(tail)
    }

    /// Like [`Ring::try_push`], with a value that stands for an item. The consumer gets the value
    /// from [`Ring::pop_taken`]. Everywhere else, the ring creates the item of the value.
    #[inline(always)]
    pub(crate) fn try_push_inline(&self, make: impl FnOnce() -> T::Inline) -> Push {
        let values = self.inline_values(); // before a position is taken, since this may allocate
        let Some(tail) = self.take_position() else { return Push::Full };
        let position = tail & POSITION;
        self.fill_cell(position, INLINE, |_| {
            // SAFETY: as for the item in `write_cell`: the value belongs to the owner of the cell.
            values[self.place(position)].with_mut(|value| unsafe { (*value).write(make()) });
        });
        Self::pushed(tail)
    }

    /// Takes a credit and a position. Returns the tail before that; `None` if there is no credit.
    #[inline(always)]
    fn take_position(&self) -> Option<u64> {
        // ORDERING: Acquire, as in the step below: `credits` reads the limit that was stored
        // before.
        let mut tail = self.tail.0.load(Ordering::Acquire);
        loop {
            let places = self.credits(tail)?;
            let next = (places - 1) << CREDIT_SHIFT | (tail + 1) & POSITION;
            // ORDERING: AcqRel. Acquire pairs with the Release in `set_limit`, so that what made
            // the room is seen. Release pairs with the Acquire in `close`: the thread that closes
            // the ring sees what came before this item.
            match self.tail.0.compare_exchange_weak(tail, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(tail),
                Err(now) => tail = now,
            }
        }
    }

    /// Returns the result of a push whose step found this tail. The step has cleared the bit of a
    /// consumer that sleeps. So of many producers one alone wakes the consumer.
    fn pushed(tail: u64) -> Push {
        if tail & RESTING == 0 { Push::Done } else { Push::Wake }
    }

    /// Returns the number of credits, including positions that became free meanwhile; `None` if
    /// there are none.
    fn credits(&self, tail: u64) -> Option<u64> {
        match (tail & !RESTING) >> CREDIT_SHIFT {
            0 => {
                // ORDERING: Relaxed, the limit was written before the ring was opened.
                let limit = self.limit.load(Ordering::Relaxed);
                limit.checked_sub(self.between(self.head(), tail)).filter(|places| *places > 0)
            }
            places if tail & CLOSED == 0 => Some(places),
            _ => None,
        }
    }

    /// Returns the number of positions between two.
    #[allow(clippy::unused_self)] // the positions are of this ring
    fn between(&self, head: u64, tail: u64) -> u64 {
        (tail & POSITION).wrapping_sub(head) & POSITION
    }

    /// Fills the cell of a position that the caller alone has taken.
    #[inline(always)]
    fn write_cell(&self, position: u64, item: T) {
        self.fill_cell(position, item.target_ptr().addr(), |cell| {
            // SAFETY: the position is the caller's alone, and its turn has come: no other thread
            // touches the cell until `sequence` moves.
            cell.item.with_mut(|slot| unsafe { (*slot).write(item) });
        });
    }

    /// Waits until the cell of a position that the caller alone has taken is empty, and fills it by
    /// `write`.
    #[inline(always)]
    fn fill_cell(&self, position: u64, points: usize, write: impl FnOnce(&Cell<T>)) {
        let (cell, turn) = (self.cell(position), self.sequence(position));
        // A consumer moves the head first and reads the item after; a lap later it may still be
        // reading.
        // ORDERING: Acquire, pairs with the Release in `read_cell`: the item of the lap before is
        // out.
        while cell.sequence.load(Ordering::Acquire) != turn {
            yield_now();
        }
        // ORDERING: Relaxed. A hint, except for `INLINE`, which the Release below publishes.
        cell.points.store(points, Ordering::Relaxed);
        write(cell);
        // ORDERING: Release, pairs with the Acquire in `try_pop`: publishes the item.
        cell.sequence.store(turn + 1, Ordering::Release);
    }

    /// Returns whether the oldest item can be taken: a hint.
    pub(crate) fn has_next(&self) -> bool {
        // ORDERING: Relaxed, `pop` looks again.
        let head = self.head.0.load(Ordering::Relaxed);
        self.cell(head).sequence.load(Ordering::Relaxed) == self.sequence(head) + 1
    }

    /// Returns whether a push would find a credit: a hint.
    pub(crate) fn has_credit(&self) -> bool {
        // ORDERING: Acquire, as in `try_push`, which looks again.
        self.credits(self.tail.0.load(Ordering::Acquire)).is_some()
    }

    /// Returns whether the ring is full and a thread that takes from it will soon make room: a
    /// hint.
    pub(crate) fn is_saturated(&self) -> bool {
        self.has_consumer() && !self.has_credit()
    }

    /// Returns whether a good part of the limit is free, so that a push pays: a hint.
    pub(crate) fn has_slack(&self) -> bool {
        // ORDERING: Relaxed, a hint.
        let limit = self.limit.load(Ordering::Relaxed) as usize;
        self.has_credit() && self.len() <= limit - limit / 8
    }

    /// Records that the consumer has taken no item since `head` for as long as a producer waits.
    pub(crate) fn mark_stalled(&self, head: u64) {
        // ORDERING: Relaxed, a hint.
        self.stalled_at.store(head, Ordering::Relaxed);
    }

    /// Returns whether another wait for room would be in vain too, since the consumer has taken no
    /// item meanwhile: a hint.
    pub(crate) fn is_stalled(&self) -> bool {
        // ORDERING: Relaxed, a hint.
        self.stalled_at.load(Ordering::Relaxed) == self.head()
    }

    /// Records that a nested item was pushed, which counts apart from the others. From here on
    /// [`Ring::len`] cannot be used as a figure, until the ring is closed and drained.
    #[inline]
    pub(crate) fn mark_mixed(&self) {
        // ORDERING: Relaxed, and so below: a thread that knows of the item, by what its producer
        // did next, knows of the mark. The mark comes after the item. So `close_and_drain`, which
        // takes the item out, does not clear the mark of an item that it left in.
        if self.is_mixed.load(Ordering::Relaxed) == 0 {
            self.is_mixed.store(1, Ordering::Relaxed);
        }
    }

    /// Returns whether the ring may hold items that count apart from the others.
    pub(crate) fn is_mixed(&self) -> bool {
        self.is_mixed.load(Ordering::Relaxed) > 0
    }

    /// Returns the position up to which the ring has been emptied. It moves whenever an item is
    /// taken.
    pub(crate) fn head(&self) -> u64 {
        // ORDERING: Acquire, pairs with the Release in `try_pop`.
        self.head.0.load(Ordering::Acquire)
    }

    /// Returns the number of items, including those whose producers are still filling their cells.
    pub(crate) fn len(&self) -> usize {
        // The head first: read later it might be past this tail.
        let head = self.head();
        // ORDERING: Acquire, pairs with the Release in `try_push`.
        self.between(head, self.tail.0.load(Ordering::Acquire)) as usize
    }

    /// Returns whether a thread takes from the ring: a hint.
    pub(crate) fn has_consumer(&self) -> bool {
        // ORDERING: Relaxed, a hint.
        self.in_use.load(Ordering::Relaxed) > 0
    }

    /// Returns whether the coarse clock may be out of date: a hint.
    pub(crate) fn is_untimed(&self) -> bool {
        // ORDERING: Relaxed, a hint.
        self.is_untimed.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn set_untimed(&self, is_untimed: bool) {
        // ORDERING: Relaxed, a hint.
        self.is_untimed.store(is_untimed.into(), Ordering::Relaxed);
    }
}

impl<T: RingItem> Drop for Ring<T> {
    fn drop(&mut self) {
        self.close_and_drain(|item| crate::util::unwind::ignore_panics(|| drop(item)));
    }
}

#[cfg(test)]
#[path = "ring_tests.rs"]
mod tests;
