//! What a cache keeps: so many values, those that were asked for last. Pure data; its owner brings the lock and the time, in
//! nanoseconds.

use crate::clock;
use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    time::Duration,
};

pub(super) struct Store<K, V> {
    capacity: usize,
    time_to_live: Option<Duration>,
    kept: HashMap<K, Kept<V>>,
    /// The keys by when they were asked for last.
    by_use: BTreeMap<u64, K>,
    uses: u64,
}

struct Kept<V> {
    value: V,
    until: u64,
    used: u64,
}

impl<K, V> Store<K, V> {
    pub(super) fn new(capacity: usize, time_to_live: Option<Duration>) -> Self {
        Self { capacity, time_to_live, kept: HashMap::new(), by_use: BTreeMap::new(), uses: 0 }
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn time_to_live(&self) -> Option<Duration> {
        self.time_to_live
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Empties it. What comes back is to be dropped without the lock.
    #[must_use]
    pub(super) fn clear(&mut self) -> impl Sized + use<K, V> {
        (std::mem::take(&mut self.kept), std::mem::take(&mut self.by_use))
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Store<K, V> {
    pub(super) fn get(&mut self, key: &K, now: u64) -> Option<V> {
        let kept = self.kept.get_mut(key).filter(|kept| now < kept.until)?;
        let key = self.by_use.remove(&kept.used)?;
        self.uses += 1;
        kept.used = self.uses;
        self.by_use.insert(self.uses, key);
        Some(kept.value.clone())
    }

    /// Keeps `value`. What had to go comes back, to be dropped without the lock.
    #[must_use]
    pub(super) fn insert(&mut self, key: K, value: V, now: u64) -> Option<(K, V)> {
        if self.capacity == 0 {
            return Some((key, value));
        }
        self.uses += 1;
        let until = self.time_to_live.map_or(u64::MAX, |time| now.saturating_add(clock::nanos(time)));
        let before = self.kept.insert(key.clone(), Kept { value, until, used: self.uses });
        self.by_use.insert(self.uses, key);
        if let Some(before) = before {
            let key = self.by_use.remove(&before.used)?;
            return Some((key, before.value));
        }
        if self.kept.len() <= self.capacity {
            return None;
        }
        let (_, oldest) = self.by_use.pop_first()?;
        let gone = self.kept.remove(&oldest)?;
        Some((oldest, gone.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_go_that_were_not_asked_for_longest() {
        let mut store = Store::new(2, None);
        assert_eq!(store.insert('a', 1, 0), None);
        assert_eq!(store.insert('b', 2, 0), None);
        assert_eq!(store.get(&'a', 0), Some(1));
        assert_eq!(store.insert('c', 3, 0), Some(('b', 2)));
        assert_eq!(store.insert('a', 4, 0), Some(('a', 1)));
        assert_eq!((store.get(&'a', 0), store.get(&'b', 0), store.len()), (Some(4), None, 2));
        drop(store.clear());
        assert_eq!((store.len(), store.by_use.len()), (0, 0));
        assert_eq!(Store::new(0, None).insert('a', 1, 0), Some(('a', 1)));
    }

    #[test]
    fn nothing_is_given_whose_time_is_over() {
        let mut store = Store::new(2, Some(Duration::from_nanos(10)));
        let _ = store.insert('a', 1, 5);
        assert_eq!((store.get(&'a', 14), store.get(&'a', 15)), (Some(1), None));
        assert_eq!(store.insert('a', 2, 15), Some(('a', 1)));
        assert_eq!((store.get(&'a', 24), store.len()), (Some(2), 1));
    }
}
