//! [`Table`]: the entries of a cache: loaded values, of which the least recently used is evicted
//! (LRU), and loads in progress. It is pure data: the caller holds the lock and passes the time in
//! nanoseconds.
//!
//! This module never hashes, compares or drops a key, because that is user code. The owner hashes a
//! key before it takes the lock. It visits the entries with that hash by [`Table::next`], and
//! compares their keys while it does not hold the lock. After that an entry is known by its
//! [`EntryId`].

use crate::{
    time::clock,
    util::ordered_map::{NumericKey, OrderedMap},
};
use std::{mem, sync::Arc, time::Duration};

/// The id of an entry of a [`Table`]. Ids are ordered by hash. Of two entries with one hash the
/// later has the greater number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EntryId {
    hash: u64,
    number: u64,
}

impl EntryId {
    /// Returns the id before all entries with this hash.
    pub(super) const fn before(hash: u64) -> Self {
        Self { hash, number: 0 }
    }
}

impl NumericKey for EntryId {
    fn to_number(self) -> u128 {
        (self.hash, self.number).to_number()
    }

    fn from_number(number: u128) -> Self {
        let (hash, number) = NumericKey::from_number(number);
        Self { hash, number }
    }
}

/// A key with its value or load. An owner that takes it out drops it after the lock is released.
pub(super) struct Entry<K, V, L> {
    key: Arc<K>,
    content: Content<V, L>,
}

enum Content<V, L> {
    Loading(L),
    Loaded { value: V, until: u64, used: u64 },
}

/// The content of an entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<V, L> {
    Value(V),
    Loading(L),
    /// The entry is gone, or its time to live is over.
    Nothing,
}

/// The values that the end of a load leaves, to be dropped after the lock is released.
#[must_use = "the owner drops these after its lock's release"]
pub(super) struct Finished<K, V, L> {
    /// The entry of the load, if it was still in the table, and an entry that was evicted.
    pub(super) gone: [Option<Entry<K, V, L>>; 2],
    /// The value, if the table does not keep it.
    pub(super) unused: Option<V>,
}

pub(super) struct Table<K, V, L> {
    capacity: usize,
    time_to_live: Option<Duration>,
    entries: OrderedMap<EntryId, Entry<K, V, L>>,
    /// The loaded entries by their last use.
    by_use: OrderedMap<u64, EntryId>,
    last_use: u64,
    last_number: u64,
}

impl<K, V, L> Table<K, V, L> {
    pub(super) fn new(capacity: usize, time_to_live: Option<Duration>) -> Self {
        let (entries, by_use) = (OrderedMap::new(), OrderedMap::new());
        Self { capacity, time_to_live, entries, by_use, last_use: 0, last_number: 0 }
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn time_to_live(&self) -> Option<Duration> {
        self.time_to_live
    }

    /// Returns the number of loaded values.
    pub(super) fn len(&self) -> usize {
        self.by_use.len()
    }

    /// Takes all entries out. Later calls do not find the loads among them.
    #[must_use = "the owner drops these entries after its lock's release"]
    pub(super) fn clear(&mut self) -> OrderedMap<EntryId, Entry<K, V, L>> {
        self.by_use = OrderedMap::new();
        mem::take(&mut self.entries)
    }

    /// Returns the next entry with the hash of `after`, and its key to compare.
    pub(super) fn next(&self, after: EntryId) -> Option<(EntryId, Arc<K>)> {
        let first = EntryId { number: after.number + 1, ..after };
        let next = self.entries.iter_from(first).next().filter(|(id, _)| id.hash == after.hash);
        next.map(|(id, entry)| (id, entry.key.clone()))
    }

    /// Adds a load for a key. The caller has compared all entries up to `after`. Returns `None` if
    /// there is a later entry, which must be compared first.
    pub(super) fn begin(&mut self, after: EntryId, key: &Arc<K>, load: L) -> Option<EntryId> {
        if self.next(after).is_some() {
            return None;
        }
        self.last_number += 1;
        let id = EntryId { number: self.last_number, ..after };
        self.entries.insert(id, Entry { key: key.clone(), content: Content::Loading(load) });
        Some(id)
    }

    /// Takes an entry out.
    #[must_use = "the owner drops this entry after its lock's release"]
    pub(super) fn remove(&mut self, id: EntryId) -> Option<Entry<K, V, L>> {
        let entry = self.entries.remove(id)?;
        if let Content::Loaded { used, .. } = entry.content {
            self.by_use.remove(used);
        }
        Some(entry)
    }
}

impl<K, V: Clone, L: Clone> Table<K, V, L> {
    /// Returns the content at `now`. For a value this counts as a use.
    pub(super) fn get(&mut self, id: EntryId, now: u64) -> Found<V, L> {
        let Some(entry) = self.entries.get_mut(id) else { return Found::Nothing };
        match &mut entry.content {
            Content::Loading(load) => Found::Loading(load.clone()),
            Content::Loaded { until, .. } if *until <= now => Found::Nothing,
            Content::Loaded { value, used, .. } => {
                self.last_use += 1;
                self.by_use.remove(*used);
                self.by_use.insert(self.last_use, id);
                *used = self.last_use;
                Found::Value(value.clone())
            }
        }
    }

    /// Replaces a load by its value. Does nothing if the load is no longer in the table.
    pub(super) fn finish(&mut self, id: EntryId, value: V, now: u64) -> Finished<K, V, L> {
        let Some(load) = self.entries.remove(id) else {
            return Finished { gone: [None, None], unused: Some(value) };
        };
        if self.capacity == 0 {
            return Finished { gone: [Some(load), None], unused: Some(value) };
        }
        self.last_use += 1;
        let until = self.time_to_live.map_or(u64::MAX, |time| now.saturating_add(clock::nanos(time)));
        let content = Content::Loaded { value, until, used: self.last_use };
        self.entries.insert(id, Entry { key: load.key.clone(), content });
        self.by_use.insert(self.last_use, id);
        let evicted = if self.by_use.len() > self.capacity { self.by_use.pop_first() } else { None };
        let evicted = evicted.and_then(|(_, oldest)| self.entries.remove(oldest));
        Finished { gone: [Some(load), evicted], unused: None }
    }
}

#[cfg(all(test, not(any(loom, miri))))]
#[path = "cache_table_tests.rs"]
mod tests;
