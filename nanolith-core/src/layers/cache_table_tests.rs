//! A property test: the `Table` of a cache against a model that is a plain list. Further tests are
//! of edge cases.

use super::*;
use proptest::prelude::*;

type Keys = Table<char, u32, u32>;

/// The id before all entries. Every key here has this hash, so all keys collide.
const FIRST: EntryId = EntryId::before(7);

/// Finds the entry of a key in the way the owner of a table finds it.
fn find(table: &Keys, key: char) -> (EntryId, bool) {
    let mut after = FIRST;
    while let Some((id, known)) = table.next(after) {
        if *known == key {
            return (id, true);
        }
        after = id;
    }
    (after, false)
}

fn get(table: &mut Keys, key: char, now: u64) -> Found<u32, u32> {
    match find(table, key) {
        (id, true) => table.get(id, now),
        _ => Found::Nothing,
    }
}

/// Loads a value at once, and returns the keys that were evicted.
fn load(table: &mut Keys, key: char, value: u32, now: u64) -> Vec<char> {
    if let (id, true) = find(table, key) {
        drop(table.remove(id));
    }
    let (after, _) = find(table, key);
    let id = table.begin(after, &Arc::new(key), 0).expect("all others were compared");
    let Finished { gone: [_, evicted], .. } = table.finish(id, value, now);
    evicted.into_iter().map(|entry| *entry.key).collect()
}

#[test]
fn least_recently_used_value_is_evicted() {
    let mut table = Keys::new(2, None);
    assert_eq!(load(&mut table, 'a', 1, 0), []);
    assert_eq!(load(&mut table, 'b', 2, 0), []);
    assert_eq!(get(&mut table, 'a', 0), Found::Value(1));
    assert_eq!(load(&mut table, 'c', 3, 0), ['b']);
    assert_eq!((get(&mut table, 'a', 0), get(&mut table, 'b', 0), table.len()), (Found::Value(1), Found::Nothing, 2));
    drop(table.clear());
    assert_eq!((table.len(), get(&mut table, 'a', 0)), (0, Found::Nothing));
    let mut none = Keys::new(0, None);
    load(&mut none, 'a', 1, 0);
    assert_eq!((none.len(), none.entries.len()), (0, 0));
}

#[test]
fn value_is_not_found_after_its_time_to_live() {
    let mut table = Keys::new(2, Some(Duration::from_nanos(10)));
    load(&mut table, 'a', 1, 5);
    assert_eq!((get(&mut table, 'a', 14), get(&mut table, 'a', 15)), (Found::Value(1), Found::Nothing));
    load(&mut table, 'a', 2, 15);
    assert_eq!((get(&mut table, 'a', 24), table.len()), (Found::Value(2), 1));
}

#[test]
fn load_that_was_cleared_leaves_no_value() {
    let mut table = Keys::new(2, None);
    let old = table.begin(FIRST, &Arc::new('a'), 1).expect("it is empty");
    drop(table.clear());
    let new = table.begin(FIRST, &Arc::new('a'), 2).expect("it is empty");
    assert_eq!(table.finish(old, 10, 0).unused, Some(10));
    assert_eq!(get(&mut table, 'a', 0), Found::Loading(2));
    drop(table.finish(new, 20, 0));
    assert_eq!(get(&mut table, 'a', 0), Found::Value(20));
}

#[test]
fn load_begins_after_all_keys_were_compared() {
    let mut table = Keys::new(2, None);
    let first = table.begin(FIRST, &Arc::new('a'), 1).expect("it is empty");
    assert_eq!(table.begin(FIRST, &Arc::new('b'), 2), None, "`a` has the same hash");
    assert!(table.begin(first, &Arc::new('b'), 2).is_some());
    assert!(table.begin(EntryId::before(8), &Arc::new('c'), 3).is_some());
}

#[derive(Clone, Debug)]
enum Op {
    Load(char, u32),
    Begin(char),
    Finish(usize, u32),
    Get(char),
    Remove(char),
    Clear,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let key = || (0_u8..5).prop_map(|n| char::from(b'a' + n));
    let op = prop_oneof![
        3 => (key(), 0_u32..100).prop_map(|(key, value)| Op::Load(key, value)),
        2 => key().prop_map(Op::Begin),
        2 => (0_usize..8, 0_u32..100).prop_map(|(nth, value)| Op::Finish(nth, value)),
        4 => key().prop_map(Op::Get),
        1 => key().prop_map(Op::Remove),
        1 => Just(Op::Clear),
    ];
    prop::collection::vec(op, 0..60)
}

/// The model of a table: a list of values, the least recently used first, and a list of loads.
#[derive(Default)]
struct Model {
    values: Vec<(char, u32)>,
    loads: Vec<(char, EntryId)>,
}

impl Model {
    fn forget(&mut self, key: char) {
        self.values.retain(|(known, _)| *known != key);
        self.loads.retain(|(known, _)| *known != key);
    }

    fn put(&mut self, key: char, value: u32, capacity: usize) {
        self.forget(key);
        self.values.push((key, value));
        if self.values.len() > capacity {
            self.values.remove(0);
        }
    }
}

proptest! {
    #[test]
    fn table_matches_a_list(ops in ops(), capacity in 0_usize..4) {
        let (mut table, mut model) = (Keys::new(capacity, None), Model::default());
        let mut begun = Vec::new();
        for op in ops {
            match op {
                Op::Load(key, value) => {
                    load(&mut table, key, value, 0);
                    model.put(key, value, capacity);
                }
                Op::Begin(key) => {
                    if let (after, false) = find(&table, key) {
                        let id = table.begin(after, &Arc::new(key), 0).expect("all others were compared");
                        model.loads.push((key, id));
                        begun.push((key, id));
                    }
                }
                Op::Finish(nth, value) if !begun.is_empty() => {
                    let (key, id) = begun.remove(nth % begun.len());
                    drop(table.finish(id, value, 0));
                    if model.loads.contains(&(key, id)) {
                        model.put(key, value, capacity);
                    }
                }
                Op::Finish(..) => {}
                Op::Get(key) => {
                    let at = model.values.iter().position(|(known, _)| *known == key);
                    let expected = match at.map(|at| model.values.remove(at)) {
                        Some((key, value)) => {
                            model.values.push((key, value));
                            Found::Value(value)
                        }
                        None if model.loads.iter().any(|(known, _)| *known == key) => Found::Loading(0),
                        None => Found::Nothing,
                    };
                    prop_assert_eq!(get(&mut table, key, 0), expected);
                }
                Op::Remove(key) => {
                    if let (id, true) = find(&table, key) {
                        drop(table.remove(id));
                    }
                    model.forget(key);
                }
                Op::Clear => {
                    drop(table.clear());
                    model = Model::default();
                }
            }
            prop_assert_eq!(table.len(), model.values.len());
            prop_assert_eq!(table.entries.len(), model.values.len() + model.loads.len());
        }
    }
}
