//! A map in the order of its numeric keys, whose code is compiled once for all types of values.
//!
//! A `BTreeMap` is compiled again for each pair of a key and a value type. The crate has some twenty
//! such pairs, which were a third of its machine code. Here, one tree from `u128` to an index gives
//! the order, and a [`Slab`] has the values. The nodes of the tree are small, so inserting moves few
//! bytes.

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

    /// The reverse of [`to_number`](Self::to_number).
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

/// An ordered map, with the methods of [`BTreeMap`] that this crate uses.
///
/// Each method takes logarithmic time, as in a `BTreeMap`.
pub(crate) struct OrderedMap<K, V> {
    order: BTreeMap<u128, usize>,
    values: Slab<V>,
    keys: PhantomData<fn(K) -> K>,
}

impl<K, V> Default for OrderedMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> OrderedMap<K, V> {
    pub(crate) const fn new() -> Self {
        Self { order: BTreeMap::new(), values: Slab::new(), keys: PhantomData }
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Returns the values in the order of their keys.
    pub(crate) fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.order.values().map(|index| &self.values[*index])
    }

    /// Calls `change` for each value, in no order.
    pub(crate) fn for_each_mut(&mut self, mut change: impl FnMut(&mut V)) {
        self.values.iter_mut().for_each(|(_, value)| change(value));
    }

    /// Returns the values in the order of their keys, and keeps none.
    pub(crate) fn into_values(self) -> impl Iterator<Item = V> {
        let mut values = self.values;
        self.order.into_values().map(move |index| values.remove(index))
    }
}

impl<K: NumericKey, V> OrderedMap<K, V> {
    /// Sets the value of a key. Returns the value that the key had.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.order.entry(key.to_number()) {
            btree_map::Entry::Occupied(known) => Some(mem::replace(&mut self.values[*known.get()], value)),
            btree_map::Entry::Vacant(free) => {
                free.insert(self.values.insert(value));
                None
            }
        }
    }

    pub(crate) fn remove(&mut self, key: K) -> Option<V> {
        self.order.remove(&key.to_number()).map(|index| self.values.remove(index))
    }

    pub(crate) fn get(&self, key: K) -> Option<&V> {
        self.order.get(&key.to_number()).map(|index| &self.values[*index])
    }

    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        self.order.get(&key.to_number()).map(|index| &mut self.values[*index])
    }

    /// Returns the value of a key, which is inserted if the key has none.
    pub(crate) fn get_or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        let values = &mut self.values;
        let index = *self.order.entry(key.to_number()).or_insert_with(|| values.insert(V::default()));
        &mut self.values[index]
    }

    pub(crate) fn contains_key(&self, key: K) -> bool {
        self.order.contains_key(&key.to_number())
    }

    /// Returns the lowest key and its value.
    pub(crate) fn first(&self) -> Option<(K, &V)> {
        self.order.first_key_value().map(|(key, index)| (K::from_number(*key), &self.values[*index]))
    }

    /// Removes the lowest key and its value.
    pub(crate) fn pop_first(&mut self) -> Option<(K, V)> {
        self.order.pop_first().map(|(key, index)| (K::from_number(key), self.values.remove(index)))
    }

    /// Returns the keys with their values, in order.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (K, &V)> {
        self.order.iter().map(|(key, index)| (K::from_number(*key), &self.values[*index]))
    }

    /// Returns the keys from `first` on with their values, in order.
    pub(crate) fn iter_from(&self, first: K) -> impl DoubleEndedIterator<Item = (K, &V)> {
        let keys = self.order.range(first.to_number()..);
        keys.map(|(key, index)| (K::from_number(*key), &self.values[*index]))
    }

    /// Removes the values for which `keeps` returns `false`, and returns them in order.
    pub(crate) fn remove_unless(&mut self, mut keeps: impl FnMut(&V) -> bool) -> Vec<V> {
        let mut removed = Vec::new();
        let values = &mut self.values;
        self.order.retain(|_, index| {
            let is_kept = keeps(&values[*index]);
            if !is_kept {
                removed.push(values.remove(*index));
            }
            is_kept
        });
        removed
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
        IncrementAll,
    }

    fn step() -> impl Strategy<Value = Step> {
        let key = || 0_u64..24;
        prop_oneof![
            4 => (key(), any::<u32>()).prop_map(|(key, value)| Step::Insert(key, value)),
            2 => key().prop_map(Step::Remove),
            1 => key().prop_map(Step::Default),
            1 => Just(Step::PopFirst),
            1 => Just(Step::RemoveOdd),
            1 => Just(Step::IncrementAll),
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
                    Step::Default(key) => prop_assert_eq!(*map.get_or_default(key), *model.entry(key).or_default()),
                    Step::PopFirst => prop_assert_eq!(map.pop_first(), model.pop_first()),
                    Step::RemoveOdd => {
                        let odd: Vec<_> = model.values().copied().filter(|value| value % 2 == 1).collect();
                        model.retain(|_, value| *value % 2 == 0);
                        prop_assert_eq!(map.remove_unless(|value| value % 2 == 0), odd);
                    }
                    Step::IncrementAll => {
                        map.for_each_mut(|value| *value = value.wrapping_add(1));
                        model.values_mut().for_each(|value| *value = value.wrapping_add(1));
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
                prop_assert_eq!(map.contains_key(7), model.contains_key(&7));
            }
            prop_assert!(map.into_values().eq(model.into_values()));
        }
    }
}
