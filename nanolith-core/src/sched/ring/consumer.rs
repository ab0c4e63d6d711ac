//! What the consumers of a [`Ring`] do: they take items, and a single consumer sleeps and wakes.
#![allow(unsafe_code)] // unsafe code is allowed here: see ARCHITECTURE.md

use super::{CLOSED, Cell, INLINE, POSITION, RESTING, Ring, RingItem, Taken};
use crate::util::loom::Ordering;

/// The distance in positions between the item that is taken and the item that is prefetched.
pub(super) const PREFETCH_DISTANCE: u64 = 2;

impl<T: RingItem> Ring<T> {
    /// Takes the oldest item out.
    ///
    /// Returns `None` if the ring is empty, if the producer of that position is still filling the
    /// cell, or while [`Ring::close_and_drain`] takes all items out. In the last case the items
    /// that are still here are younger than those already taken out, and must wait for them.
    pub(crate) fn pop(&self) -> Option<T> {
        self.pop_taken().map(Taken::into_item)
    }

    /// Like [`Ring::pop`], but does not create the item for which a value stands.
    #[inline(always)]
    pub(crate) fn pop_taken(&self) -> Option<Taken<T>> {
        self.pop_if(|_| true)
    }

    /// Like [`Ring::pop`], for a value that stands for an item. Returns `None` also if the oldest
    /// item is no such value.
    #[inline(always)]
    pub(crate) fn pop_inline(&self) -> Option<T::Inline> {
        // ORDERING: Relaxed, as in `read_cell`. If the cell was filled again meanwhile, the step
        // that moves the head fails.
        match self.pop_if(|cell| cell.points.load(Ordering::Relaxed) == INLINE)? {
            Taken::Inline(value) => Some(value),
            Taken::Item(_) => unreachable!("the cell holds a value"),
        }
    }

    /// Like [`Ring::pop_taken`], but takes the item only if it is wanted.
    #[inline(always)]
    fn pop_if(&self, is_wanted: impl Fn(&Cell<T>) -> bool) -> Option<Taken<T>> {
        // ORDERING: Relaxed. `draining` is read after the head. `close_and_drain` sets it before it
        // moves the head, so a head that it has moved makes the flag visible. A head that it has
        // not moved is what the step in `try_pop` still finds.
        self.try_pop(|| self.draining.load(Ordering::Relaxed) > 0, is_wanted)
    }

    /// Like [`Ring::pop`], but checks `gives_up` after reading the head instead of `draining`, and
    /// takes the item only if it is wanted.
    #[inline(always)]
    pub(super) fn try_pop(
        &self,
        gives_up: impl Fn() -> bool,
        is_wanted: impl Fn(&Cell<T>) -> bool,
    ) -> Option<Taken<T>> {
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
                if !is_wanted(cell) {
                    return None;
                }
                let next = (head + 1) & POSITION;
                // ORDERING: AcqRel. Release pairs with the Acquire in `head`: a producer that
                // counts this position as free sees what the consumer that freed it did before.
                match self.head.0.compare_exchange_weak(head, next, Ordering::AcqRel, Ordering::Acquire) {
                    Ok(_) => {
                        self.prefetch_cell(head + PREFETCH_DISTANCE);
                        return Some(self.read_cell(head, cell, turn));
                    }
                    Err(now) => head = now,
                }
            } else {
                // Another consumer took it and has moved the head, or still reads the item of the
                // lap before.
                // ORDERING: Acquire, as above.
                let moved = self.head.0.load(Ordering::Acquire);
                if moved == head {
                    return None;
                }
                head = moved;
            }
        }
    }

    /// Prefetches the target of a position's item for writing, if the item is already there.
    #[inline]
    pub(super) fn prefetch_cell(&self, position: u64) {
        let cell = self.cell(position & POSITION);
        // ORDERING: Relaxed, hints.
        let (full, points) = (cell.sequence.load(Ordering::Relaxed) & 1 == 1, cell.points.load(Ordering::Relaxed));
        if full && points != INLINE {
            prefetch(points);
        }
    }

    /// Takes the item out of a cell past which the caller has moved the head.
    #[inline(always)]
    pub(super) fn read_cell(&self, position: u64, cell: &Cell<T>, turn: u64) -> Taken<T> {
        // ORDERING: Relaxed. The producer of this position wrote it, and the Acquire of `sequence`
        // has published that. No later producer writes before `sequence` moves.
        let is_inline = size_of::<T::Inline>() > 0 && cell.points.load(Ordering::Relaxed) == INLINE;
        let taken = if is_inline {
            let value = &self.inline_values()[self.place(position)];
            // SAFETY: as for the item below; the producer has written a value.
            Taken::Inline(value.with_mut(|value| unsafe { (*value).assume_init_read() }))
        } else {
            // SAFETY: the cell was full, and the caller, which alone moved the head past it, owns
            // its item.
            Taken::Item(cell.item.with_mut(|slot| unsafe { (*slot).assume_init_read() }))
        };
        // ORDERING: Release, pairs with the Acquire in `write_cell`: the item is out before another
        // is written.
        cell.sequence.store((turn + 2) & (self.sequence(POSITION) + 1), Ordering::Release);
        taken
    }

    /// Announces that the one consumer is about to sleep. Returns `false` if the ring has an item,
    /// or is closed.
    ///
    /// From here on the next push returns [`Push::Wake`]. The check and the announcement are one
    /// step on the word that a push changes. So a push comes before it, and is seen by the check,
    /// or it comes after, and sees the announcement.
    pub(crate) fn begin_rest(&self) -> bool {
        let head = self.head();
        // ORDERING: Acquire, as in `try_push`.
        let mut tail = self.tail.0.load(Ordering::Acquire);
        loop {
            if tail & CLOSED != 0 || self.between(head, tail) > 0 {
                return false;
            }
            // ORDERING: AcqRel, as in `try_push`: the producer that finds the bit sees what the
            // consumer did before.
            match self.tail.0.compare_exchange_weak(tail, tail | RESTING, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return true,
                Err(now) => tail = now,
            }
        }
    }

    /// Takes the announcement back: the consumer is awake.
    pub(crate) fn end_rest(&self) {
        // ORDERING: AcqRel, as in `begin_rest`.
        self.tail.0.fetch_and(!RESTING, Ordering::AcqRel);
    }
}

/// Prefetches a cache line for writing. Any address is allowed, and memory does not change.
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
