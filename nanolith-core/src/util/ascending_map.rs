//! A map for keys that ascend: each new key is greater than all before it.

use std::collections::VecDeque;

/// A map in the order of its keys, which are added in ascending order.
///
/// [`push`](Self::push) and [`remove`](Self::remove) take constant time, amortized, unless far more
/// keys were removed between two others than are left. Then a removal takes logarithmic time.
pub(crate) struct AscendingMap<V> {
    /// The keys, and the values that were not removed. The first and the last have a value.
    entries: VecDeque<(u64, Option<V>)>,
    len: usize,
}

/// The number of removed entries that may stay between others.
const SLACK: usize = 32;

impl<V> Default for AscendingMap<V> {
    fn default() -> Self {
        Self { entries: VecDeque::new(), len: 0 }
    }
}

impl<V> AscendingMap<V> {
    /// Adds a value. Its key is greater than each that was added before.
    pub(crate) fn push(&mut self, key: u64, value: V) {
        debug_assert!(self.entries.back().is_none_or(|(last, _)| *last < key), "the keys ascend");
        self.entries.push_back((key, Some(value)));
        self.len += 1;
    }

    pub(crate) fn remove(&mut self, key: u64) -> Option<V> {
        let index = self.find(key).ok()?;
        let value = self.entries[index].1.take()?;
        self.len -= 1;
        while self.entries.front().is_some_and(|(_, value)| value.is_none()) {
            self.entries.pop_front();
        }
        while self.entries.back().is_some_and(|(_, value)| value.is_none()) {
            self.entries.pop_back();
        }
        if self.entries.len() > 2 * self.len + SLACK {
            self.compact();
        }
        Some(value)
    }

    /// Returns the index of a key, or else that of the next greater one.
    fn find(&self, key: u64) -> Result<usize, usize> {
        let (first, _) = self.entries.front().ok_or(0_usize)?;
        // While no key is missing, a key tells its index.
        let index = key.wrapping_sub(*first) as usize;
        if self.entries.get(index).is_some_and(|(known, _)| *known == key) {
            return Ok(index);
        }
        self.entries.binary_search_by_key(&key, |(known, _)| *known)
    }

    /// Drops the removed entries, and memory that is far too large.
    #[cold]
    fn compact(&mut self) {
        self.entries.retain(|(_, value)| value.is_some());
        self.entries.shrink_to(2 * self.len + SLACK);
    }

    /// Returns the values in the order of their keys.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.iter().filter_map(|(_, value)| value.as_ref())
    }

    /// Returns the keys from `first` on with their values, in order.
    pub(crate) fn iter_from(&self, first: u64) -> impl Iterator<Item = (u64, &V)> {
        let index = self.find(first).unwrap_or_else(|next| next);
        self.entries.range(index..).filter_map(|(key, value)| Some((*key, value.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn ascending_map_acts_like_btree_map(steps in prop::collection::vec((0_u64..4, 0_u64..128), 0..256)) {
            let (mut map, mut model) = (AscendingMap::default(), BTreeMap::new());
            let mut last = 0;
            for (gap, key) in steps {
                if gap == 0 {
                    prop_assert_eq!(map.remove(key), model.remove(&key));
                } else {
                    last += gap;
                    map.push(last, gap);
                    model.insert(last, gap);
                }
                prop_assert!(map.values().eq(model.values()));
                prop_assert!(map.iter_from(key).eq(model.range(key..).map(|(key, value)| (*key, value))));
            }
        }
    }

    #[test]
    fn ascending_map_releases_memory_of_removed_values() {
        let mut map = AscendingMap::default();
        (0..10_000).for_each(|key| map.push(key, key));
        (0..10_000).filter(|key| key % 1_000 > 0).for_each(|key| assert_eq!(map.remove(key), Some(key)));
        assert!(map.entries.capacity() < 256, "{}", map.entries.capacity());
        assert!(map.iter_from(4_500).map(|(key, _)| key).eq([5_000, 6_000, 7_000, 8_000, 9_000]));
    }
}
