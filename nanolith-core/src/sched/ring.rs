//! A ring in front of the lanes, for calls that come fast: one compare-and-swap to come in, one to go out, no lock.
//!
//! Whoever holds the lock of the queue behind it says how many items it may hold, and may [close](Ring::close_and_drain) it at any
//! moment; then newcomers go to the lock. So every rare thing (a bound that is reached, a line, a pause, a close) happens
//! with the ring shut and empty, and only the plain way is here.
//!
//! A newcomer takes a place and a position in one step on one word, `tail`, and then fills the cell of its position. Where
//! the places have run out, it looks at `head` for those that came free meanwhile. A cell's `sequence` says whose it is:
//! `2 * lap`, the newcomer's of that lap; `2 * lap + 1`, full, for whoever moves `head` past it.
//!
//! Nobody adds places to a ring that was shut in between: `tail` would have to come back to what it was, open and without
//! a place, while its position moves with each place that is used, and a shut ring is opened only to give some.
#![allow(unsafe_code)] // the second room: see ARCHITECTURE.md

use crate::util::{
    loom::{AtomicU32, AtomicU64, Ordering, UnsafeCell, yield_now},
    prefetch::PrefetchTarget,
};
use std::{mem::MaybeUninit, sync::atomic::AtomicUsize};

/// Where the number of places stands in `tail`, above the position.
const CREDIT_SHIFT: u32 = 48;
const POSITION: u64 = (1 << CREDIT_SHIFT) - 1;

/// Nobody is let in. Above the places.
const CLOSED: u64 = 1 << 63;

/// The most cells there can be.
const MAX_CAPACITY: usize = 1 << 14;

struct Cell<T> {
    sequence: AtomicU64,
    /// Where the item points: a hint for whoever is about to take it.
    points: AtomicUsize,
    item: UnsafeCell<MaybeUninit<T>>,
}

/// Keeps what one side writes off the other side's cache line.
#[repr(align(128))]
struct CachePadded<T>(T);

/// How many items before its turn an item is fetched.
const PREFETCH_DISTANCE: u64 = 2;

/// The ring. Its capacity is a power of two.
pub(crate) struct Ring<T: PrefetchTarget> {
    /// The next position to fill, and above it how many places are left.
    tail: CachePadded<AtomicU64>,
    /// The next position to empty.
    head: CachePadded<AtomicU64>,
    cells: Box<[Cell<T>]>,
    /// How many items it may hold while it is open.
    limit: AtomicU64,
    /// Whether somebody takes from it: a hint.
    in_use: AtomicU32,
    /// Whether all items are being taken out, by whoever holds the lock.
    draining: AtomicU32,
    /// Whether it may hold items that count apart: see [`Ring::mark_mixed`].
    is_mixed: AtomicU32,
}

// SAFETY: an item is written by the one who took its position and read by the one who moved the head past it; `sequence`
// orders the two. No reference to an item leaves this room.
unsafe impl<T: Send + PrefetchTarget> Sync for Ring<T> {}
// SAFETY: as above; a ring owns what it holds.
unsafe impl<T: Send + PrefetchTarget> Send for Ring<T> {}

impl<T: PrefetchTarget> Ring<T> {
    /// A ring of at least `capacity` cells, shut.
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
            limit: AtomicU64::new(0),
            in_use: AtomicU32::new(0),
            draining: AtomicU32::new(0),
            is_mixed: AtomicU32::new(0),
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.cells.len()
    }

    fn cell(&self, position: u64) -> &Cell<T> {
        // The capacity is a power of two that fits.
        &self.cells[position as usize & (self.cells.len() - 1)]
    }

    /// What `sequence` says when the cell of `position` is its newcomer's.
    fn sequence(&self, position: u64) -> u64 {
        (position >> self.cells.len().trailing_zeros()) * 2
    }

    /// Puts in the item that `make` gives, if there is a place for it. `make` must not panic.
    pub(crate) fn try_push(&self, make: impl FnOnce() -> T) -> bool {
        // ORDERING: Acquire, as in the step below: `more` reads the limit that came with it.
        let mut tail = self.tail.0.load(Ordering::Acquire);
        loop {
            let Some(places) = self.credits(tail) else { return false };
            let next = (places - 1) << CREDIT_SHIFT | (tail + 1) & POSITION;
            // ORDERING: AcqRel. Acquire pairs with the Release in `set_limit`, so that what made the place is seen. Release
            // pairs with the Acquire in `close`: whoever shuts the ring sees what came before this item.
            match self.tail.0.compare_exchange_weak(tail, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => break,
                Err(now) => tail = now,
            }
        }
        self.write_cell(tail & POSITION, make());
        true
    }

    /// How many places there are, those included that came free since somebody looked; `None` if there are none.
    fn credits(&self, tail: u64) -> Option<u64> {
        match tail >> CREDIT_SHIFT {
            0 => {
                // ORDERING: Relaxed, it was written before the ring was opened.
                let limit = self.limit.load(Ordering::Relaxed);
                limit.checked_sub(self.between(self.head(), tail)).filter(|places| *places > 0)
            }
            places if tail & CLOSED == 0 => Some(places),
            _ => None,
        }
    }

    /// How many positions lie between two.
    #[allow(clippy::unused_self)] // they are this ring's
    fn between(&self, head: u64, tail: u64) -> u64 {
        (tail & POSITION).wrapping_sub(head) & POSITION
    }

    /// Fills the cell of a position that the caller alone has taken.
    fn write_cell(&self, position: u64, item: T) {
        let (cell, turn) = (self.cell(position), self.sequence(position));
        // The one who empties moves the head first and reads the item after; a lap later it may still be reading.
        // ORDERING: Acquire, pairs with the Release in `pop`: the item of the lap before is out.
        while cell.sequence.load(Ordering::Acquire) != turn {
            yield_now();
        }
        // ORDERING: Relaxed, a hint.
        cell.points.store(item.target_ptr().addr(), Ordering::Relaxed);
        // SAFETY: the position is the caller's alone, and its turn has come: nobody else touches the cell until `sequence` moves.
        cell.item.with_mut(|slot| unsafe { (*slot).write(item) });
        // ORDERING: Release, pairs with the Acquire in `pop`: publishes the item.
        cell.sequence.store(turn + 1, Ordering::Release);
    }

    /// Takes the oldest item out. `None`: there is none, the one who took its position is still filling it, or all are being
    /// taken out by [`Ring::close_and_drain`]: then what is in here is younger than what that has, and has to wait for it.
    pub(crate) fn pop(&self) -> Option<T> {
        // ORDERING: Relaxed. It is read after the head: who drains says so before it moves the head, so a head that it has moved
        // shows it, and one that it has not moved is what the step in `take` still finds.
        self.try_pop(|| self.draining.load(Ordering::Relaxed) > 0)
    }

    /// The same, unless `gives_up` says so once the head was read.
    #[inline(always)]
    fn try_pop(&self, gives_up: impl Fn() -> bool) -> Option<T> {
        // ORDERING: Acquire, pairs with the Release in the step below, for the sake of `draining`.
        let mut head = self.head.0.load(Ordering::Acquire);
        loop {
            if gives_up() {
                return None;
            }
            let (cell, turn) = (self.cell(head), self.sequence(head));
            // ORDERING: Acquire, pairs with the Release in `write_cell`: the item is there.
            let now = cell.sequence.load(Ordering::Acquire);
            if now == turn {
                return None;
            }
            if now == turn + 1 {
                let next = (head + 1) & POSITION;
                // ORDERING: AcqRel. Release pairs with the Acquire in `set_limit`: who counts this place as free sees what the
                // one who freed it did before.
                match self.head.0.compare_exchange_weak(head, next, Ordering::AcqRel, Ordering::Acquire) {
                    Ok(_) => {
                        self.prefetch_cell(head + PREFETCH_DISTANCE);
                        return Some(self.read_cell(cell, turn));
                    }
                    Err(now) => head = now,
                }
            } else {
                // Somebody else took it and has moved the head, or still reads the item of the lap before.
                // ORDERING: Acquire, as above.
                let moved = self.head.0.load(Ordering::Acquire);
                if moved == head {
                    return None;
                }
                head = moved;
            }
        }
    }

    /// Brings what the item of a position points to to this core, if it is there already. Whoever takes it writes to it.
    #[inline]
    fn prefetch_cell(&self, position: u64) {
        let cell = self.cell(position & POSITION);
        // ORDERING: Relaxed, hints.
        let (full, points) = (cell.sequence.load(Ordering::Relaxed) & 1 == 1, cell.points.load(Ordering::Relaxed));
        if full {
            prefetch(points);
        }
    }

    /// Takes the item out of a cell past which the caller has moved the head.
    #[allow(clippy::unused_self)] // the cell is this ring's
    fn read_cell(&self, cell: &Cell<T>, turn: u64) -> T {
        // SAFETY: the cell was full, and whoever moves the head past it, once, has its item.
        let item = cell.item.with_mut(|slot| unsafe { (*slot).assume_init_read() });
        // ORDERING: Release, pairs with the Acquire in `write_cell`: the item is out before another is written.
        cell.sequence.store((turn + 2) & (self.sequence(POSITION) + 1), Ordering::Release);
        item
    }

    /// Whether the oldest item is there to be taken: a hint for those who look on.
    pub(crate) fn has_next(&self) -> bool {
        // ORDERING: Relaxed, `pop` looks again.
        let head = self.head.0.load(Ordering::Relaxed);
        self.cell(head).sequence.load(Ordering::Relaxed) == self.sequence(head) + 1
    }

    /// Whether somebody would be let in: a hint.
    pub(crate) fn has_credit(&self) -> bool {
        // ORDERING: Acquire, as in `push`, which looks again.
        self.credits(self.tail.0.load(Ordering::Acquire)).is_some()
    }

    /// Whether those who take from it are about to make places: a hint.
    pub(crate) fn is_saturated(&self) -> bool {
        self.has_consumer() && !self.has_credit()
    }

    /// Whether a good part of what it may hold is free, so that it pays to come: a hint.
    pub(crate) fn has_slack(&self) -> bool {
        // ORDERING: Relaxed, a hint.
        let limit = self.limit.load(Ordering::Relaxed) as usize;
        self.has_credit() && self.len() <= limit - limit / 8
    }

    /// An item that counts apart from the others was put in: from here on [`Ring::len`] is no figure, until the ring is shut.
    #[inline]
    pub(crate) fn mark_mixed(&self) {
        // ORDERING: Relaxed, and so below: who knows of the item, by what its newcomer did next, knows of the mark. It comes
        // after the item, so that `close_and_drain`, which takes the item out, does not take back the mark of one that it left in.
        if self.is_mixed.load(Ordering::Relaxed) == 0 {
            self.is_mixed.store(1, Ordering::Relaxed);
        }
    }

    /// Whether items may be in that count apart from the others.
    pub(crate) fn is_mixed(&self) -> bool {
        self.is_mixed.load(Ordering::Relaxed) > 0
    }

    /// How far the ring has been emptied: moves whenever an item is taken.
    pub(crate) fn head(&self) -> u64 {
        // ORDERING: Acquire, pairs with the Release in `pop`.
        self.head.0.load(Ordering::Acquire)
    }

    /// How many items there are, or will be at once.
    pub(crate) fn len(&self) -> usize {
        // The head first: read later it might be past this tail.
        let head = self.head();
        // ORDERING: Acquire, pairs with the Release in `push`.
        self.between(head, self.tail.0.load(Ordering::Acquire)) as usize
    }

    /// Whether somebody takes from it: a hint.
    pub(crate) fn has_consumer(&self) -> bool {
        // ORDERING: Relaxed, a hint.
        self.in_use.load(Ordering::Relaxed) > 0
    }

    // ----- for whoever holds the lock of the queue behind

    pub(crate) fn set_in_use(&self, is_in_use: bool) {
        // ORDERING: Relaxed, a hint.
        self.in_use.store(is_in_use.into(), Ordering::Relaxed);
    }

    /// May hold so many items from now on, but no more than it has cells; opens it if that gives places. An open ring may be
    /// allowed more, never less: that is what [`Ring::close`] is for.
    pub(crate) fn set_limit(&self, items: usize) {
        let limit = items.min(self.cells.len()) as u64;
        // ORDERING: Relaxed, published by the step below where the ring was shut.
        self.limit.store(limit, Ordering::Relaxed);
        // ORDERING: Relaxed, the step below looks again.
        let tail = self.tail.0.load(Ordering::Relaxed);
        let places = limit.saturating_sub(self.between(self.head(), tail));
        if tail & CLOSED != 0 && places > 0 {
            // ORDERING: Release, pairs with the Acquire in `push`. Nobody else writes to a shut ring's tail.
            self.tail.0.store(places << CREDIT_SHIFT | tail & POSITION, Ordering::Release);
        }
    }

    /// Lets nobody in from here on. Gives the position at which that was so.
    pub(crate) fn close(&self) -> u64 {
        // ORDERING: AcqRel. Acquire pairs with the Release in `push`; Release keeps this before what the lock's holder does.
        // SHUT comes with the places' end in one step, or a newcomer would find some that came free.
        let shut = |tail| Some(tail & POSITION | CLOSED);
        let (Ok(tail) | Err(tail)) = self.tail.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, shut);
        tail & POSITION
    }

    /// Lets nobody in from here on, and takes everything out that came in.
    pub(crate) fn close_and_drain(&self, mut each: impl FnMut(T)) {
        let end = self.close();
        // ORDERING: Relaxed, published by the steps in `take`.
        self.draining.store(1, Ordering::Relaxed);
        while self.head() != end {
            match self.try_pop(|| false) {
                Some(item) => each(item),
                // Whoever took the position fills its cell next, or whoever moved the head is at it.
                None => yield_now(),
            }
        }
        // ORDERING: Relaxed, see `mark_mixed`.
        self.is_mixed.store(0, Ordering::Relaxed);
        // ORDERING: Release, it stays after the last step.
        self.draining.store(0, Ordering::Release);
    }

    /// Puts an item into a ring that lets nobody in, if it has a cell free.
    pub(crate) fn push_closed(&self, item: T) -> Result<(), T> {
        if self.len() >= self.cells.len() {
            return Err(item);
        }
        // ORDERING: AcqRel, as in `push`. Nobody is let in, so nobody else moves the tail.
        let tail = self.tail.0.fetch_add(1, Ordering::AcqRel);
        self.write_cell(tail & POSITION, item);
        Ok(())
    }
}

/// Brings a cache line to this core, to be written to. Whatever lies there, or does not, this changes nothing.
#[inline]
fn prefetch(address: usize) {
    #[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
    {
        use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing that the program sees, and no address is wrong for it.
        unsafe { _mm_prefetch::<_MM_HINT_ET0>(std::ptr::without_provenance(address)) };
    }
    #[cfg(not(all(target_arch = "x86_64", not(any(loom, miri)))))]
    let _ = address;
}

impl<T: PrefetchTarget> Drop for Ring<T> {
    fn drop(&mut self) {
        self.close_and_drain(|item| crate::util::unwind::ignore_panics(|| drop(item)));
    }
}

#[cfg(test)]
#[path = "ring_tests.rs"]
mod tests;
