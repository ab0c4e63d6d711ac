//! [`Lanes`]: a priority queue with aging. Each priority has a lane, which is first-in first-out,
//! and the item with the earliest expiration goes next.
//!
//! This is pure data without a lock. The code that shares it provides the lock.

use crate::{
    call::aging::AgingTable,
    meta::priority::Priority,
    util::ordered_map::{NumericKey, OrderedMap},
};
use std::{
    cmp,
    collections::{BinaryHeap, VecDeque},
    mem,
};

/// The sort key of an item: its expiration and, among equals, the order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    expires: u64,
    sequence: u64,
}

impl NumericKey for Rank {
    fn to_number(self) -> u128 {
        (self.expires, self.sequence).to_number()
    }

    fn from_number(number: u128) -> Self {
        let (expires, sequence) = NumericKey::from_number(number);
        Self { expires, sequence }
    }
}

struct Entry<T> {
    rank: Rank,
    item: T,
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Reversed, since the standard heap returns its greatest item first and the earliest is needed.
impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> cmp::Ordering {
        other.rank.cmp(&self.rank)
    }
}

/// The lanes. A push or pop of a lane takes constant time. An item that resumes or has a position
/// of its own takes `O(log n)`, and so does an eviction.
pub(crate) struct Lanes<T> {
    expirations: AgingTable,
    /// The sequence numbers of a lane ascend from its front to its back.
    lanes: [VecDeque<Entry<T>>; PRIORITIES],
    /// Items whose position is not the end of a lane, with their priority: raised items, and those
    /// of a custom order.
    placed: OrderedMap<Rank, (Priority, T)>,
    resumed: BinaryHeap<Entry<T>>,
    /// The sequence numbers of the last item at the end of a queue, and of the last at the front of
    /// a lane.
    sequence: u64,
    front_sequence: u64,
    len: usize,
    /// The items that an eviction need not look at again.
    unfit: [Unfit; PRIORITIES],
    /// A bit for each queue that is not empty: first the lanes, then [`PLACED`] and [`RESUMED`].
    filled: u8,
}

/// The items of one priority that an eviction has passed over: they never fit again.
#[derive(Default)]
struct Unfit {
    /// The sequence numbers of the first and the last such item in the lane, with all between them.
    in_lane: Option<(u64, u64)>,
    /// The positions of the items with a position of their own, in the order of arrival. Evictions
    /// have not passed over these yet. Some of the items may be gone.
    others_placed: VecDeque<Rank>,
}

/// An item that makes room for another.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "an item was taken out, or is to be out of date"]
pub(crate) enum Evicted<'a, T> {
    Out(T),
    /// The item stays in the middle of its lane, and is out of date from here on.
    Left(&'a T),
}

impl<T> Evicted<'_, T> {
    pub(crate) fn item(&self) -> &T {
        match self {
            Self::Out(item) => item,
            Self::Left(item) => item,
        }
    }
}

const PRIORITIES: usize = Priority::ALL.len();

/// The numbers of the queues that are not lanes.
const PLACED: usize = PRIORITIES;
const RESUMED: usize = PLACED + 1;

/// A bit in the sequence number of an item that has not been out yet.
const FRESH_BIT: u64 = 1 << 63;

/// The first sequence number. Those at the back ascend from it, and those at the front descend from
/// it.
const FIRST: u64 = 1 << 62;

/// The number of entries by which an index of placed items may exceed twice the items themselves.
const SLACK: usize = 64;

impl<T> Lanes<T> {
    pub(crate) fn new(expirations: AgingTable) -> Self {
        Self {
            expirations,
            lanes: Default::default(),
            placed: OrderedMap::new(),
            resumed: BinaryHeap::new(),
            sequence: FIRST,
            front_sequence: FIRST,
            len: 0,
            unfit: Default::default(),
            filled: 0,
        }
    }

    /// Returns the number of items in the lanes, including those of ended calls.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Puts an item that arrived at `now` at the end of its priority's lane.
    pub(crate) fn push(&mut self, priority: Priority, now: u64, item: T) {
        let rank = self.rank(priority as usize, self.expirations.of(priority, now));
        self.lanes[priority as usize].push_back(Entry { rank, item });
    }

    /// Puts an item that arrived at `now` before all others of its priority.
    pub(crate) fn push_front(&mut self, priority: Priority, now: u64, item: T) {
        self.front_sequence -= 1;
        self.len += 1;
        self.filled |= 1 << priority as usize;
        let rank = Rank { expires: self.expirations.of(priority, now), sequence: self.front_sequence | FRESH_BIT };
        self.lanes[priority as usize].push_front(Entry { rank, item });
    }

    /// Puts an item at the position that `expires` gives, regardless of its priority.
    pub(crate) fn push_at(&mut self, priority: Priority, expires: u64, item: T) {
        let rank = self.rank(PLACED, expires);
        self.placed.insert(rank, (priority, item));
        let index = &mut self.unfit[priority as usize].others_placed;
        if index.len() > 2 * self.placed.len() + SLACK {
            index.retain(|rank| self.placed.get(*rank).is_some());
        }
        index.push_back(rank);
    }

    /// Returns the first item in the lane of a priority.
    pub(crate) fn first(&self, priority: Priority) -> Option<&T> {
        self.lanes[priority as usize].front().map(|entry| &entry.item)
    }

    /// Takes the first item in the lane of a priority.
    pub(crate) fn pop_first(&mut self, priority: Priority) -> Option<T> {
        self.take(priority as usize)
    }

    /// Returns the number of items that are not in the lane of this priority.
    pub(crate) fn len_except(&self, priority: Priority) -> usize {
        self.len - self.lanes[priority as usize].len()
    }

    /// Puts back an item that was out once. It keeps its expiration, regardless of later arrivals.
    pub(crate) fn push_resumed(&mut self, expires: u64, item: T) {
        let rank = self.rank(RESUMED, expires);
        self.resumed.push(Entry { rank, item });
    }

    /// Takes the item that expires first.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let first = self.next()?;
        self.take(first)
    }

    /// Takes the item that expires first among those that resume.
    pub(crate) fn pop_resumed(&mut self) -> Option<T> {
        self.take(RESUMED)
    }

    /// Returns when the first item expires.
    #[inline]
    pub(crate) fn earliest(&self) -> Option<u64> {
        self.next().and_then(|first| self.first_rank(first)).map(|rank| rank.expires)
    }

    /// Returns the item that expires first among those that do not resume.
    pub(crate) fn first_newcomer(&self) -> Option<&T> {
        match self.choose(self.filled & !(1 << RESUMED))? {
            PLACED => self.placed.first().map(|(_, (_, item))| item),
            lane => self.lanes[lane].front().map(|entry| &entry.item),
        }
    }

    /// Takes the item that [`Lanes::first_newcomer`] returns.
    pub(crate) fn pop_newcomer(&mut self) -> Option<T> {
        self.choose(self.filled & !(1 << RESUMED)).and_then(|queue| self.take(queue))
    }

    /// Takes the oldest item of the lowest waiting priority that `fits`. An item counts with the
    /// priority with which it came in. Items that resume are never evicted.
    ///
    /// No item is found twice. An item that did not fit is not passed to `fits` again, since it
    /// never fits later. So an eviction takes `O(log n)`, beside the single look at each item.
    pub(crate) fn evict_lowest(&mut self, mut fits: impl FnMut(&T, Priority) -> bool) -> Option<Evicted<'_, T>> {
        for priority in Priority::ALL.into_iter().rev() {
            let in_lane = self.fitting_in_lane(priority, &mut fits);
            let placed = self.fitting_placed(priority, &mut fits);
            let lane = &self.lanes[priority as usize];
            match (in_lane, placed) {
                (None, None) => {}
                (Some(at), placed) if placed.is_none_or(|placed| lane[at].rank.sequence < placed.sequence) => {
                    return self.evict_from_lane(priority, at);
                }
                (_, Some(placed)) => return self.evict_placed(priority, placed),
                (Some(at), None) => return self.evict_from_lane(priority, at),
            }
        }
        None
    }

    /// Returns the position of the first item of a lane that fits.
    fn fitting_in_lane(&mut self, priority: Priority, fits: &mut impl FnMut(&T, Priority) -> bool) -> Option<usize> {
        let (lane, unfit) = (&self.lanes[priority as usize], &mut self.unfit[priority as usize].in_lane);
        let mut at = 0;
        let found = loop {
            let Some(entry) = lane.get(at) else { break None };
            match *unfit {
                Some((first, last)) if (first..=last).contains(&entry.rank.sequence) => {
                    at = lane.partition_point(|entry| entry.rank.sequence <= last);
                }
                _ if fits(&entry.item, priority) => break Some(at),
                _ => at += 1,
            }
        };
        if at > 0 {
            *unfit = Some((lane[0].rank.sequence, lane[at - 1].rank.sequence));
        }
        found
    }

    /// Returns the rank of the oldest placed item of this priority that fits.
    fn fitting_placed(&mut self, priority: Priority, fits: &mut impl FnMut(&T, Priority) -> bool) -> Option<Rank> {
        let index = &mut self.unfit[priority as usize].others_placed;
        while let Some(rank) = index.front() {
            if self.placed.get(*rank).is_some_and(|(_, item)| fits(item, priority)) {
                return Some(*rank);
            }
            index.pop_front();
        }
        None
    }

    fn evict_from_lane(&mut self, priority: Priority, at: usize) -> Option<Evicted<'_, T>> {
        if at == 0 {
            return self.take(priority as usize).map(Evicted::Out);
        }
        let lane = &self.lanes[priority as usize];
        self.unfit[priority as usize].in_lane = Some((lane[0].rank.sequence, lane[at].rank.sequence));
        Some(Evicted::Left(&lane[at].item))
    }

    fn evict_placed(&mut self, priority: Priority, rank: Rank) -> Option<Evicted<'_, T>> {
        self.unfit[priority as usize].others_placed.pop_front();
        let (_, item) = self.placed.remove(rank)?;
        self.len -= 1;
        self.note_filled();
        Some(Evicted::Out(item))
    }

    /// Keeps only the items that `stay`, in their order, and releases memory that is far too large
    /// for them.
    ///
    /// Returns the removed items, for their last owner to drop after the lock is released.
    pub(crate) fn retain(&mut self, mut stay: impl FnMut(&T) -> bool) -> Vec<T> {
        let mut gone = Vec::new();
        for lane in &mut self.lanes {
            for entry in mem::take(lane) {
                if stay(&entry.item) { lane.push_back(entry) } else { gone.push(entry.item) }
            }
        }
        gone.extend(self.placed.remove_unless(|(_, item)| stay(item)).into_iter().map(|(_, item)| item));
        for entry in mem::take(&mut self.resumed) {
            if stay(&entry.item) { self.resumed.push(entry) } else { gone.push(entry.item) }
        }
        self.len -= gone.len();
        self.note_filled();
        gone
    }

    /// Returns the rank of a new item, which goes to this queue.
    fn rank(&mut self, queue: usize, expires: u64) -> Rank {
        self.sequence += 1;
        self.len += 1;
        self.filled |= 1 << queue;
        // An item that resumes came before all that waits, so among equals it goes first.
        let newcomer = if queue == RESUMED { 0 } else { FRESH_BIT };
        Rank { expires, sequence: self.sequence | newcomer }
    }

    /// Takes the first item of a queue.
    fn take(&mut self, queue: usize) -> Option<T> {
        let (item, is_empty) = match queue {
            PLACED => (self.placed.pop_first()?.1.1, self.placed.is_empty()),
            RESUMED => (self.resumed.pop()?.item, self.resumed.is_empty()),
            lane => (self.lanes[lane].pop_front()?.item, self.lanes[lane].is_empty()),
        };
        self.len -= 1;
        if is_empty {
            self.filled &= !(1 << queue);
        }
        Some(item)
    }

    fn note_filled(&mut self) {
        let bit = |queue: usize, is_empty: bool| u8::from(!is_empty) << queue;
        let lanes = (0..self.lanes.len()).map(|lane| bit(lane, self.lanes[lane].is_empty())).sum::<u8>();
        self.filled = lanes | bit(PLACED, self.placed.is_empty()) | bit(RESUMED, self.resumed.is_empty());
    }

    #[inline]
    fn first_rank(&self, queue: usize) -> Option<Rank> {
        match queue {
            PLACED => self.placed.first().map(|(rank, _)| rank),
            RESUMED => self.resumed.peek().map(|entry| entry.rank),
            lane => self.lanes[lane].front().map(|entry| entry.rank),
        }
    }

    /// Returns the queue that holds the item which expires first.
    #[inline]
    fn next(&self) -> Option<usize> {
        let first = self.filled.trailing_zeros() as usize;
        // Most often only one queue holds items.
        if self.filled & self.filled.wrapping_sub(1) == 0 {
            (self.filled > 0).then_some(first)
        } else {
            self.choose(self.filled)
        }
    }

    /// Returns the queue among `filled` that holds the item which expires first.
    fn choose(&self, filled: u8) -> Option<usize> {
        let (mut left, mut first) = (filled, None);
        while left != 0 {
            let queue = left.trailing_zeros() as usize;
            left &= left - 1;
            let rank = self.first_rank(queue)?;
            if first.is_none_or(|(earliest, _)| rank < earliest) {
                first = Some((rank, queue));
            }
        }
        first.map(|(_, queue)| queue)
    }
}

#[cfg(all(test, not(any(loom, miri))))]
#[path = "lanes_model.rs"]
mod model;

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn drain(lanes: &mut Lanes<u32>) -> Vec<u32> {
        std::iter::from_fn(|| lanes.pop()).collect()
    }

    #[test]
    fn items_of_one_priority_leave_first_in_first_out() {
        let mut lanes = Lanes::new(AgingTable::default());
        (0..100).for_each(|n| lanes.push(Priority::Normal, 7, n));
        assert_eq!(drain(&mut lanes), (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn earliest_expiration_leaves_first_at_any_priority() {
        let mut lanes = Lanes::new(AgingTable::default());
        lanes.push(Priority::Low, 0, 1);
        lanes.push(Priority::Normal, 4_999 * MS, 2);
        lanes.push(Priority::UserBlocking, 9_000 * MS, 3);
        lanes.push(Priority::UserBlocking, 9_900 * MS, 4);
        lanes.push(Priority::Immediate, 9_999 * MS, 5);
        assert_eq!(drain(&mut lanes), [3, 5, 2, 1, 4]);
    }

    #[test]
    fn flood_delays_less_urgent_items_until_they_expire() {
        let mut lanes = Lanes::new(AgingTable::default());
        lanes.push(Priority::Low, 0, 0);
        let went = (1_u32..).find(|ms| {
            lanes.push(Priority::UserBlocking, u64::from(*ms) * MS, *ms);
            lanes.pop() == Some(0)
        });
        assert_eq!(went, Some(10_000 - 250), "with those that expire when it does, it came first");
    }

    #[test]
    fn placed_item_leaves_by_its_time_and_is_evicted_by_priority() {
        let mut lanes = Lanes::new(AgingTable::default());
        lanes.push(Priority::Normal, 0, 1);
        lanes.push_at(Priority::Idle, MS, 2);
        lanes.push_at(Priority::Idle, 0, 3);
        assert_eq!((lanes.earliest(), lanes.len_except(Priority::Normal)), (Some(0), 2));
        let evicted = lanes.evict_lowest(|_, priority| priority == Priority::Idle);
        assert_eq!(evicted, Some(Evicted::Out(2)), "the oldest, not the first to go");
        assert_eq!(drain(&mut lanes), [3, 1]);
        assert_eq!((lanes.earliest(), lanes.len()), (None, 0));
    }

    #[test]
    fn resumed_item_keeps_its_expiration() {
        let mut lanes = Lanes::new(AgingTable::default());
        lanes.push(Priority::Normal, 10 * MS, 1);
        lanes.push_resumed(AgingTable::default().of(Priority::Normal, 5 * MS), 0);
        lanes.push_resumed(AgingTable::default().of(Priority::Normal, 20 * MS), 2);
        assert_eq!(drain(&mut lanes), [0, 1, 2]);
    }

    #[test]
    fn eviction_takes_the_oldest_of_the_lowest_priority() {
        let mut lanes = Lanes::new(AgingTable::default());
        lanes.push(Priority::Normal, 0, 1);
        lanes.push(Priority::Low, 0, 2);
        lanes.push(Priority::Low, 0, 3);
        assert_eq!(lanes.evict_lowest(|_, _| true), Some(Evicted::Out(2)));
        assert_eq!(lanes.evict_lowest(|item, _| *item == 1), Some(Evicted::Out(1)));
        assert_eq!(lanes.evict_lowest(|item, _| *item == 1), None);
        assert_eq!(drain(&mut lanes), [3]);
    }
}
