//! A map in the order of its numeric keys, whose code is compiled once for all types of values.
//!
//! A `BTreeMap` is compiled again for each pair of a key and a value type. The crate has some
//! twenty such pairs, which were a third of its machine code. Here, one tree from `u128` to an
//! index gives the order, and a [`Slab`] has the values. The nodes of the tree are small, so
//! inserting moves few bytes.

use slab::Slab;
use std::{
    collections::{BTreeMap, btree_map},
    fmt,
    marker::PhantomData,
    mem,
};

/// A key that is a number, in the number's order.
pub(crate) trait NumericKey: Copy {
    fn to_number(self) -> u128;

    /// Returns the key of a number: the reverse of [`to_number`](Self::to_number).
    fn from_number(number: u128) -> Self;
}

impl NumericKey for u64 {
    fn to_number(self) -> u128 {
        self.into()
    }

    fn from_number(number: u128) -> Self {
        number as Self
    }
}

impl NumericKey for u32 {
    fn to_number(self) -> u128 {
        self.into()
    }

    fn from_number(number: u128) -> Self {
        number as Self
    }
}

impl NumericKey for usize {
    fn to_number(self) -> u128 {
        self as u128
    }

    fn from_number(number: u128) -> Self {
        number as Self
    }
}

/// Ordered by the first number, then by the second.
impl NumericKey for (u64, u64) {
    fn to_number(self) -> u128 {
        u128::from(self.0) << 64 | u128::from(self.1)
    }

    fn from_number(number: u128) -> Self {
        ((number >> 64) as u64, number as u64)
    }
}

/// An ordered map, with the methods of [`BTreeMap`] that this crate uses.
///
/// Each method for one key takes logarithmic time, as in a `BTreeMap`. A removal that releases
/// memory takes linear time, which is amortized over the removals before it.
pub(crate) struct OrderedMap<K, V> {
    order: Order,
    values: Slab<V>,
    keys: PhantomData<fn(K) -> K>,
}

/// The indexes of the values by their keys. No method is generic, so each is compiled once.
struct Order(BTreeMap<u128, usize>);

impl Order {
    fn get(&self, key: u128) -> Option<usize> {
        self.0.get(&key).copied()
    }

    /// Returns the index of a key. If the key has none, returns `None`, and the key gets `free`.
    fn get_or_set(&mut self, key: u128, free: usize) -> Option<usize> {
        match self.0.entry(key) {
            btree_map::Entry::Occupied(known) => Some(*known.get()),
            btree_map::Entry::Vacant(entry) => {
                entry.insert(free);
                None
            }
        }
    }

    fn remove(&mut self, key: u128) -> Option<usize> {
        self.0.remove(&key)
    }

    fn first(&self) -> Option<(u128, usize)> {
        self.0.first_key_value().map(|(key, index)| (*key, *index))
    }

    fn pop_first(&mut self) -> Option<(u128, usize)> {
        self.0.pop_first()
    }

    fn iter_from(&self, first: u128) -> btree_map::Range<'_, u128, usize> {
        self.0.range(first..)
    }
}

/// The number of free places for values below which no memory is released.
const SLACK: usize = 64;

impl<K, V> Default for OrderedMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> OrderedMap<K, V> {
    pub(crate) const fn new() -> Self {
        Self { order: Order(BTreeMap::new()), values: Slab::new(), keys: PhantomData }
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Returns the values in the order of their keys.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.order.iter_from(0).filter_map(|(_, index)| self.values.get(*index))
    }

    /// Returns the values in the order of their keys, and keeps none.
    pub(crate) fn into_values(self) -> impl Iterator<Item = V> {
        let Self { order, mut values, .. } = self;
        order.0.into_values().filter_map(move |index| values.try_remove(index))
    }

    /// Removes a value. Releases memory if three quarters of it are free.
    fn take(&mut self, index: usize) -> Option<V> {
        let value = self.values.try_remove(index);
        let (len, capacity) = (self.values.len(), self.values.capacity());
        if capacity - len > SLACK && len < capacity / 4 {
            self.compact();
        }
        value
    }

    #[cold]
    fn compact(&mut self) {
        let room = Slab::with_capacity(self.values.len() * 2);
        let mut former = mem::replace(&mut self.values, room);
        for index in self.order.0.values_mut() {
            if let Some(value) = former.try_remove(*index) {
                *index = self.values.insert(value);
            }
        }
    }
}

impl<K: NumericKey, V> OrderedMap<K, V> {
    /// Sets the value of a key. Returns the value that the key had.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.order.get_or_set(key.to_number(), self.values.vacant_key()) {
            Some(known) => self.values.get_mut(known).map(|known| mem::replace(known, value)),
            None => {
                self.values.insert(value);
                None
            }
        }
    }

    pub(crate) fn remove(&mut self, key: K) -> Option<V> {
        let index = self.order.remove(key.to_number())?;
        self.take(index)
    }

    pub(crate) fn get(&self, key: K) -> Option<&V> {
        self.values.get(self.order.get(key.to_number())?)
    }

    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        self.values.get_mut(self.order.get(key.to_number())?)
    }

    /// Returns the value of a key, which is inserted if the key has none.
    pub(crate) fn get_or_insert_with(&mut self, key: K, new: impl FnOnce() -> V) -> &mut V {
        let index = self.order.get(key.to_number()).unwrap_or_else(|| {
            let index = self.values.insert(new());
            self.order.get_or_set(key.to_number(), index);
            index
        });
        &mut self.values[index]
    }

    /// Returns the lowest key and its value.
    pub(crate) fn first(&self) -> Option<(K, &V)> {
        let (key, index) = self.order.first()?;
        self.values.get(index).map(|value| (K::from_number(key), value))
    }

    /// Removes the lowest key and its value.
    pub(crate) fn pop_first(&mut self) -> Option<(K, V)> {
        let (key, index) = self.order.pop_first()?;
        self.take(index).map(|value| (K::from_number(key), value))
    }

    /// Returns the keys with their values, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.iter_from(K::from_number(0))
    }

    /// Returns the keys from `first` on with their values, in order.
    pub(crate) fn iter_from(&self, first: K) -> impl Iterator<Item = (K, &V)> {
        let keys = self.order.iter_from(first.to_number());
        keys.filter_map(|(key, index)| self.values.get(*index).map(|value| (K::from_number(*key), value)))
    }

    /// Calls `change` for each key and value, in order.
    pub(crate) fn for_each_mut(&mut self, mut change: impl FnMut(K, &mut V)) {
        for (key, index) in self.order.iter_from(0) {
            if let Some(value) = self.values.get_mut(*index) {
                change(K::from_number(*key), value);
            }
        }
    }

    /// Removes the values for which `keeps` returns `false`, and returns them in order.
    pub(crate) fn remove_unless(&mut self, mut keeps: impl FnMut(&V) -> bool) -> Vec<V> {
        let gone: Vec<K> = self.iter().filter_map(|(key, value)| (!keeps(value)).then_some(key)).collect();
        gone.into_iter().filter_map(|key| self.remove(key)).collect()
    }
}

impl<K: NumericKey + fmt::Debug, V: fmt::Debug> fmt::Debug for OrderedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u64, u32),
        Remove(u64),
        Default(u64),
        PopFirst,
        RemoveOdd,
        AddKeys,
    }

    fn step() -> impl Strategy<Value = Step> {
        let key = || 0_u64..24;
        prop_oneof![
            4 => (key(), any::<u32>()).prop_map(|(key, value)| Step::Insert(key, value)),
            2 => key().prop_map(Step::Remove),
            1 => key().prop_map(Step::Default),
            1 => Just(Step::PopFirst),
            1 => Just(Step::RemoveOdd),
            1 => Just(Step::AddKeys),
        ]
    }

    proptest! {
        #[test]
        fn ordered_map_acts_like_btree_map(steps in prop::collection::vec(step(), 0..64)) {
            let (mut map, mut model) = (OrderedMap::<u64, u32>::new(), BTreeMap::<u64, u32>::new());
            for step in steps {
                match step {
                    Step::Insert(key, value) => prop_assert_eq!(map.insert(key, value), model.insert(key, value)),
                    Step::Remove(key) => prop_assert_eq!(map.remove(key), model.remove(&key)),
                    Step::Default(key) => prop_assert_eq!(*map.get_or_insert_with(key, || 5), *model.entry(key).or_insert(5)),
                    Step::PopFirst => prop_assert_eq!(map.pop_first(), model.pop_first()),
                    Step::RemoveOdd => {
                        let odd: Vec<_> = model.values().copied().filter(|value| value % 2 == 1).collect();
                        model.retain(|_, value| *value % 2 == 0);
                        prop_assert_eq!(map.remove_unless(|value| value % 2 == 0), odd);
                    }
                    Step::AddKeys => {
                        map.for_each_mut(|key, value| *value = value.wrapping_add(key as u32));
                        model.iter_mut().for_each(|(key, value)| *value = value.wrapping_add(*key as u32));
                    }
                }
                prop_assert_eq!(map.len(), model.len());
                prop_assert_eq!(map.is_empty(), model.is_empty());
                prop_assert_eq!(map.first(), model.first_key_value().map(|(key, value)| (*key, value)));
                prop_assert!(map.iter().eq(model.iter().map(|(key, value)| (*key, value))));
                prop_assert!(map.iter_from(9).eq(model.range(9..).map(|(key, value)| (*key, value))));
                prop_assert!(map.values().eq(model.values()));
                prop_assert_eq!(map.get(7), model.get(&7));
                prop_assert_eq!(map.get_mut(8), model.get_mut(&8));
            }
            prop_assert!(map.into_values().eq(model.into_values()));
        }
    }
    #[test]
    fn ordered_map_releases_memory_of_removed_values() {
        let mut map = OrderedMap::new();
        (0..10_000_u64).for_each(|key| assert_eq!(map.insert(key, key), None));
        (0..10_000).filter(|key| key % 1_000 > 0).for_each(|key| assert_eq!(map.remove(key), Some(key)));
        assert!(map.values.capacity() < 256, "{}", map.values.capacity());
        assert!(map.iter().map(|(key, value)| (key, *value)).eq((0..10).map(|key| (key * 1_000, key * 1_000))));
    }

    #[test]
    fn pairs_of_numbers_are_ordered_keys() {
        let pairs = [(0, u64::MAX), (1, 0), (1, 7), (u64::MAX, 0)];
        assert!(pairs.map(NumericKey::to_number).is_sorted());
        assert_eq!(pairs.map(NumericKey::to_number).map(<(u64, u64)>::from_number), pairs);
    }
}
