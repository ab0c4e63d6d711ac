//! Reused memory for the slots in which calls live, after [Bonwick's magazine
//! allocator](https://www.usenix.org/legacy/event/usenix01/bonwick.html).
//!
//! A block that a thread frees serves the next call, on that thread or on another.
//!
//! Each thread keeps two magazines (stacks of blocks) for each size. It exchanges a full or an
//! empty magazine at the depot, which all threads share. A block that one thread allocates and
//! another frees costs one lock every [`MAGAZINE_LEN`] blocks. A general allocator would return
//! each block to the first thread's heap.
#![allow(unsafe_code)] // unsafe code is allowed here: see ARCHITECTURE.md

use std::{
    alloc::{self, Layout},
    cell::RefCell,
    mem,
    ptr::NonNull,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The size of a cache line in bytes. The size of a block is a multiple of it.
const CACHE_LINE: usize = 64;

/// The maximum size of a block that is kept, in cache lines.
const MAX_LINES: usize = 8;

/// The number of blocks that move to or from the depot at once.
const MAGAZINE_LEN: usize = 64;

/// The maximum number of full magazines of a size in the depot, and of empty ones.
const MAX_MAGAZINES: usize = 64;

/// A block that is not in use.
struct Block(NonNull<u8>);

// SAFETY: no other code knows the block.
unsafe impl Send for Block {}

/// A stack of blocks of one size.
type Magazine = Vec<Block>;

/// One thread's blocks of one size. With two magazines, a thread that allocates and frees in turn
/// does not go to the depot each time.
struct ThreadCache {
    front: Magazine,
    back: Magazine,
}

/// One thread's blocks.
struct Cache(RefCell<[ThreadCache; MAX_LINES]>);

thread_local! {
    static CACHE: Cache = const { Cache(RefCell::new([const { ThreadCache { front: Vec::new(), back: Vec::new() } }; MAX_LINES])) };
}

/// The magazines of one size that all threads share.
struct Depot {
    full: Vec<Magazine>,
    empty: Vec<Magazine>,
}

static DEPOTS: [Mutex<Depot>; MAX_LINES] =
    [const { Mutex::new(Depot { full: Vec::new(), empty: Vec::new() }) }; MAX_LINES];

fn depot(width: usize) -> MutexGuard<'static, Depot> {
    DEPOTS[width].lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the number of cache lines beyond the first in a block for `layout`; `None` if such
/// blocks are not kept.
const fn width(layout: Layout) -> Option<usize> {
    let lines = layout.size().div_ceil(CACHE_LINE);
    if layout.align() <= CACHE_LINE && 0 < lines && lines <= MAX_LINES { Some(lines - 1) } else { None }
}

/// Returns the layout of a kept block.
fn layout_of(width: usize) -> Layout {
    Layout::from_size_align((width + 1) * CACHE_LINE, CACHE_LINE).expect("a few cache lines")
}

/// Returns memory for `layout`, which is not empty.
#[inline]
pub(crate) fn alloc(layout: Layout) -> NonNull<u8> {
    match width(layout) {
        None => allocate(layout),
        Some(width) => {
            let kept = CACHE.try_with(|cache| cache.0.try_borrow_mut().ok()?[width].alloc(width)).ok().flatten();
            kept.map_or_else(|| allocate(layout_of(width)), |block| block.0)
        }
    }
}

/// Frees memory, and may keep it for the next allocation.
///
/// # Safety
///
/// `memory` came from [`alloc`] with the same layout, and no code uses it any more.
#[inline]
pub(crate) unsafe fn free(memory: NonNull<u8>, layout: Layout) {
    let Some(width) = width(layout) else {
        // SAFETY: it came from `allocate` with this layout.
        return unsafe { alloc::dealloc(memory.as_ptr(), layout) };
    };
    let mut block = Some(Block(memory));
    let _ = CACHE.try_with(|cache| {
        if let Ok(mut cache) = cache.0.try_borrow_mut() {
            block.take().into_iter().for_each(|block| cache[width].free(width, block));
        }
    });
    block.into_iter().for_each(|block| dealloc(block, width));
}

pub(super) fn allocate(layout: Layout) -> NonNull<u8> {
    // SAFETY: no layout here is empty.
    let memory = unsafe { alloc::alloc(layout) };
    NonNull::new(memory).unwrap_or_else(|| alloc::handle_alloc_error(layout))
}

#[allow(clippy::needless_pass_by_value)] // a freed block has no owner left
fn dealloc(block: Block, width: usize) {
    // SAFETY: every block of this width came from `allocate` with this layout, and no code uses
    // this one.
    unsafe { alloc::dealloc(block.0.as_ptr(), layout_of(width)) }
}

impl Depot {
    /// Keeps a magazine, and returns the blocks that exceed the limit.
    ///
    /// A thread that ends brings a few blocks, which first fill up the last magazine. So a thread
    /// that fetches a magazine gets many blocks, and the number of magazines stays in proportion to
    /// the blocks.
    fn keep(&mut self, mut stack: Magazine) -> Magazine {
        if let Some(last) = self.full.last_mut() {
            let room = last.capacity() - last.len();
            last.extend(stack.drain(stack.len().saturating_sub(room)..));
        }
        if stack.is_empty() || self.full.len() == MAX_MAGAZINES {
            return stack;
        }
        self.full.push(stack);
        Magazine::new()
    }
}

impl ThreadCache {
    #[inline]
    fn alloc(&mut self, width: usize) -> Option<Block> {
        self.front.pop().or_else(|| self.fetch(width))
    }

    /// Replaces the empty front magazine with a full one.
    #[cold]
    fn fetch(&mut self, width: usize) -> Option<Block> {
        mem::swap(&mut self.front, &mut self.back);
        if self.front.is_empty() {
            let mut depot = depot(width);
            let full = depot.full.pop()?;
            let empty = mem::replace(&mut self.front, full);
            if empty.capacity() > 0 && depot.empty.len() < MAX_MAGAZINES {
                depot.empty.push(empty);
            }
        }
        self.front.pop()
    }

    #[inline]
    fn free(&mut self, width: usize, block: Block) {
        if self.front.len() == self.front.capacity() {
            self.bring(width);
        }
        self.front.push(block);
    }

    /// Replaces the full front magazine with an empty one.
    #[cold]
    fn bring(&mut self, width: usize) {
        mem::swap(&mut self.front, &mut self.back);
        if self.front.len() < self.front.capacity() {
            return;
        }
        if self.front.capacity() == 0 {
            self.front.reserve_exact(MAGAZINE_LEN);
            return;
        }
        let mut depot = depot(width);
        let empty = depot.empty.pop().unwrap_or_else(|| Vec::with_capacity(MAGAZINE_LEN));
        let full = mem::replace(&mut self.front, empty);
        let left = depot.keep(full);
        drop(depot);
        left.into_iter().for_each(|block| dealloc(block, width));
    }
}

impl Drop for Cache {
    /// Moves the ending thread's blocks to the depot, as far as it has room.
    fn drop(&mut self) {
        for (width, local) in self.0.get_mut().iter_mut().enumerate() {
            for stack in [mem::take(&mut local.front), mem::take(&mut local.back)] {
                let left = depot(width).keep(stack);
                left.into_iter().for_each(|block| dealloc(block, width));
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::{collections::HashSet, thread};

    /// A size that no other code uses.
    const ODD: Layout = match Layout::from_size_align(CACHE_LINE * MAX_LINES - 1, 8) {
        Ok(layout) => layout,
        Err(_) => panic!("a few cache lines"),
    };

    fn addresses(blocks: &[NonNull<u8>]) -> HashSet<usize> {
        blocks.iter().map(|block| block.as_ptr() as usize).collect()
    }

    fn give_all(blocks: Vec<NonNull<u8>>) {
        // SAFETY: they were just taken, with this layout.
        blocks.into_iter().for_each(|block| unsafe { free(block, ODD) });
    }

    #[test]
    fn freed_block_is_reused_and_no_block_is_handed_out_twice() {
        let taken: Vec<_> = (0..300).map(|_| alloc(ODD)).collect();
        let first = addresses(&taken);
        assert_eq!(first.len(), 300, "no two are the same");
        assert!(first.iter().all(|address| address % CACHE_LINE == 0));
        give_all(taken);
        let again: Vec<_> = (0..300).map(|_| alloc(ODD)).collect();
        assert_eq!(addresses(&again).len(), 300);
        assert!(addresses(&again).intersection(&first).count() >= 2 * MAGAZINE_LEN, "at least the thread's own");
        give_all(again);
    }

    /// Blocks on their way to another thread.
    struct Parcel(Vec<NonNull<u8>>);

    // SAFETY: nothing else has the blocks.
    unsafe impl Send for Parcel {}

    impl Parcel {
        fn of(count: usize) -> Self {
            Self((0..count).map(|_| alloc(ODD)).collect())
        }

        /// Frees the blocks on a new thread, which then ends.
        fn give_elsewhere(self) {
            let gives = thread::spawn(move || {
                let parcel = self;
                give_all(parcel.0);
            });
            gives.join().expect("it gives them back");
        }
    }

    #[test]
    fn ended_threads_leave_few_and_full_magazines() {
        for _ in 0..4 * MAX_MAGAZINES {
            Parcel::of(1).give_elsewhere(); // the thread leaves one block, and the next iteration takes it
        }
        (0..2 * MAGAZINE_LEN).map(|_| Parcel::of(1)).collect::<Vec<_>>().into_iter().for_each(Parcel::give_elsewhere);
        let depot = depot(MAX_LINES - 1);
        assert!(depot.empty.len() <= MAX_MAGAZINES, "{} empty stacks", depot.empty.len());
        let few = depot.full.iter().filter(|stack| stack.len() < MAGAZINE_LEN).count();
        assert!(few <= 1, "{few} stacks of {} have room", depot.full.len());
    }

    #[test]
    fn freeing_thread_supplies_an_allocating_thread() {
        let mut seen = HashSet::new();
        for _ in 0..20 {
            let parcel = Parcel::of(MAGAZINE_LEN * 4);
            seen.extend(addresses(&parcel.0));
            parcel.give_elsewhere();
        }
        assert!(seen.len() < MAGAZINE_LEN * 4 * 5, "{} blocks for {} at a time", seen.len(), MAGAZINE_LEN * 4);
    }

    #[test]
    fn wide_or_widely_aligned_block_is_not_kept() {
        for (size, align) in [(CACHE_LINE * MAX_LINES + 1, 8), (64, 128)] {
            let layout = Layout::from_size_align(size, align).expect("valid");
            assert_eq!(width(layout), None);
            let block = alloc(layout);
            assert_eq!(block.as_ptr() as usize % align, 0);
            // SAFETY: it was just taken, with this layout.
            unsafe { free(block, layout) };
        }
    }
}
