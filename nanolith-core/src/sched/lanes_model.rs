//! A property test: `Lanes`, the priority queue of calls, against a model that keeps every item in
//! one list.

use super::{Evicted, Lanes, Priority};
use crate::call::aging::AgingTable;
use proptest::{prelude::*, sample::select};
use std::{cell::Cell, collections::BTreeSet};

#[derive(Clone, Copy, Debug)]
enum Step {
    Push(Priority),
    /// An item goes to the front of its lane.
    PushFront(Priority),
    /// An item with a position of its own comes in, which expires this many milliseconds from now.
    Place(Priority, u64),
    /// The nth item gets a second entry, with this priority.
    Raise(usize, Priority),
    Pop,
    /// The first item that does not resume is taken.
    PopNewcomer,
    /// The nth item that is out is put back in.
    Resume(usize),
    PopResumed,
    /// An item is evicted whose number is divisible by three, and which was not evicted before.
    Evict,
    /// The items whose number is not divisible by the divisor are kept.
    Retain(u32),
    /// Time advances by this many milliseconds.
    Later(u64),
}

fn priority() -> impl Strategy<Value = Priority> {
    select(&Priority::ALL[..])
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => priority().prop_map(Step::Push),
        1 => priority().prop_map(Step::PushFront),
        3 => (priority(), 0..12_000_u64).prop_map(|(priority, ms)| Step::Place(priority, ms)),
        2 => (0..8_usize, priority()).prop_map(|(nth, priority)| Step::Raise(nth, priority)),
        4 => Just(Step::Pop),
        2 => (0..8_usize).prop_map(Step::Resume),
        1 => Just(Step::PopResumed),
        1 => Just(Step::PopNewcomer),
        3 => Just(Step::Evict),
        1 => (2..5_u32).prop_map(Step::Retain),
        3 => select(&[1, 249, 251, 4_999, 5_001][..]).prop_map(Step::Later),
    ]
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Item {
    number: u32,
    priority: Priority,
    expires: u64,
    /// The moment when the item came in last. An item that came to the front came before all
    /// others.
    came: i64,
    resumed: bool,
    /// Whether the item is in its priority's lane.
    lane: bool,
}

/// The items that are in, in the order of arrival, and those that are out.
#[derive(Default)]
struct Model {
    inside: Vec<Item>,
    outside: Vec<Item>,
    /// The numbers of the evicted items. Such an item may still be in.
    evicted: BTreeSet<u32>,
    came: u32,
    now: u64,
}

impl Model {
    fn came(&mut self) -> u32 {
        self.came += 1;
        self.came
    }

    fn push(&mut self, priority: Priority, to_front: bool) -> Item {
        let number = self.came();
        let item = Item {
            number,
            priority,
            expires: self.expirations().of(priority, self.now),
            came: if to_front { -i64::from(number) } else { number.into() },
            resumed: false,
            lane: true,
        };
        self.inside.push(item);
        item
    }

    fn expirations(&self) -> AgingTable {
        AgingTable::default()
    }

    fn place(&mut self, priority: Priority, ms: u64) -> Item {
        let number = self.came();
        let (expires, came) = (self.now + ms * 1_000_000, number.into());
        let item = Item { number, priority, expires, came, resumed: false, lane: false };
        self.inside.push(item);
        item
    }

    /// Adds a second entry of the same number. The first of the two goes first, and the other
    /// stays.
    fn raise(&mut self, nth: usize, priority: Priority) -> Option<Item> {
        let at = nth.checked_rem(self.inside.len())?;
        let came = self.came().into();
        let expires = self.expirations().of(priority, self.now);
        let item = Item { priority, expires, came, resumed: false, lane: false, ..self.inside[at] };
        self.inside.push(item);
        Some(item)
    }

    /// Puts an item that is out back in as it was.
    fn resume(&mut self, nth: usize) -> Option<Item> {
        let at = nth.checked_rem(self.outside.len())?;
        let came = self.came().into();
        let item = Item { came, resumed: true, lane: false, ..self.outside.remove(at) };
        self.inside.push(item);
        Some(item)
    }

    fn out(&mut self, item: Option<Item>) -> Option<u32> {
        let item = item?;
        self.inside.retain(|other| *other != item);
        self.outside.push(item);
        Some(item.number)
    }

    /// Returns the position of a lane's item among all. A lane is first in, first out, regardless
    /// of the expiration of its front.
    fn in_turn<'a>(&self, items: impl Iterator<Item = &'a Item>) -> Option<Item> {
        let heads = items.filter(|item| !item.lane || self.is_first_of_lane(item));
        heads.min_by_key(|item| (item.expires, !item.resumed, item.came)).copied()
    }

    fn is_first_of_lane(&self, item: &Item) -> bool {
        self.inside.iter().all(|other| !other.lane || other.priority != item.priority || other.came >= item.came)
    }

    fn pop(&mut self) -> Option<u32> {
        self.out(self.in_turn(self.inside.iter()))
    }

    fn first_newcomer(&self) -> Option<Item> {
        self.in_turn(self.inside.iter().filter(|item| !item.resumed))
    }

    fn pop_resumed(&mut self) -> Option<u32> {
        let resumed = self.inside.iter().filter(|item| item.resumed);
        self.out(resumed.min_by_key(|item| (item.expires, item.came)).copied())
    }

    /// Returns the item to be evicted next.
    fn evict(&mut self) -> Option<Item> {
        let fits = |item: &&Item| !item.resumed && item.number % 3 == 0 && !self.evicted.contains(&item.number);
        let oldest = self.inside.iter().filter(fits).min_by_key(|item| (std::cmp::Reverse(item.priority), item.came));
        let oldest = oldest.copied()?;
        self.evicted.insert(oldest.number);
        Some(oldest)
    }
}

/// Takes the step in both, and returns whether the results are equal.
fn agree(lanes: &mut Lanes<u32>, model: &mut Model, step: Step) -> Result<(), TestCaseError> {
    match step {
        Step::Push(priority) => lanes.push(priority, model.now, model.push(priority, false).number),
        Step::PushFront(priority) => lanes.push_front(priority, model.now, model.push(priority, true).number),
        Step::Place(priority, ms) => {
            let item = model.place(priority, ms);
            lanes.push_at(priority, item.expires, item.number);
        }
        Step::Raise(nth, priority) => {
            let raised = model.raise(nth, priority);
            raised.into_iter().for_each(|item| lanes.push_at(priority, item.expires, item.number));
        }
        Step::Resume(nth) => {
            model.resume(nth).into_iter().for_each(|item| lanes.push_resumed(item.expires, item.number));
        }
        Step::Pop => prop_assert_eq!(lanes.pop(), model.pop()),
        Step::PopResumed => prop_assert_eq!(lanes.pop_resumed(), model.pop_resumed()),
        Step::PopNewcomer => {
            let first = model.first_newcomer();
            prop_assert_eq!(lanes.pop_newcomer(), model.out(first));
        }
        Step::Evict => {
            let before = model.evicted.clone();
            let evicted = lanes.evict_lowest(|number, _| number % 3 == 0 && !before.contains(number));
            let expected = model.evict();
            prop_assert_eq!(evicted.as_ref().map(|evicted| *evicted.item()), expected.map(|item| item.number));
            if let Some(Evicted::Out(_)) = evicted {
                model.out(expected);
            }
        }
        Step::Retain(divisor) => {
            let gone = lanes.retain(|number| number % divisor != 0);
            let before = model.inside.len();
            model.inside.retain(|item| item.number % divisor != 0);
            prop_assert_eq!(gone.len(), before - model.inside.len());
        }
        Step::Later(ms) => model.now += ms * 1_000_000,
    }
    prop_assert_eq!(lanes.len(), model.inside.len());
    prop_assert_eq!(lanes.earliest(), model.in_turn(model.inside.iter()).map(|item| item.expires));
    prop_assert_eq!(lanes.first_newcomer().copied(), model.first_newcomer().map(|item| item.number));
    let normal = model.inside.iter().filter(|item| item.lane && item.priority == Priority::Normal).count();
    prop_assert_eq!(lanes.len_except(Priority::Normal), model.inside.len() - normal);
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn lanes_match_a_list_that_is_searched(steps in prop::collection::vec(step(), 0..80)) {
        let (mut lanes, mut model) = (Lanes::new(AgingTable::default()), Model { now: 10_000_000, ..Model::default() });
        for step in steps {
            agree(&mut lanes, &mut model, step)?;
        }
        while lanes.len() > 0 {
            agree(&mut lanes, &mut model, Step::Pop)?;
        }
    }

    /// All evictions together look at an item once, and once more where it is found.
    #[test]
    fn evictions_look_at_each_item_once(
        items in prop::collection::vec((priority(), any::<bool>(), any::<bool>()), 0..200),
        evict_every in 1..4_usize,
    ) {
        let (mut lanes, mut evicted) = (Lanes::new(AgingTable::default()), BTreeSet::new());
        let (looks, mut found) = (Cell::new(0), 0);
        for (number, (priority, is_placed, fits)) in items.iter().enumerate() {
            match is_placed {
                true => lanes.push_at(*priority, 1_000 - number as u64, (number, *fits)),
                false => lanes.push(*priority, number as u64, (number, *fits)),
            }
            if number % evict_every == 0 {
                let fits = |(number, fits): &(usize, bool), _| {
                    looks.set(looks.get() + 1);
                    *fits && !evicted.contains(number)
                };
                let item = lanes.evict_lowest(fits).map(|evicted| evicted.item().0);
                found += usize::from(item.is_some());
                evicted.extend(item);
            }
        }
        // Each eviction finds at most one item of each priority, and takes one.
        let evictions = items.len().div_ceil(evict_every);
        prop_assert!(looks.get() <= items.len() + 2 * evictions, "{} looks, {found} found", looks.get());
    }

    /// The time of a submission is read before the lock is taken, so it may run backwards a little.
    #[test]
    fn one_priority_stays_in_order_whatever_the_clock_says(
        came in prop::collection::vec((priority(), 0..20_000_000_000_u64), 0..60),
    ) {
        let mut lanes = Lanes::new(AgingTable::default());
        for (number, (priority, now)) in came.iter().enumerate() {
            lanes.push(*priority, *now, (*priority, number));
        }
        let went: Vec<_> = std::iter::from_fn(|| lanes.pop()).collect();
        prop_assert_eq!(went.len(), came.len());
        for priority in Priority::ALL {
            let numbers = went.iter().filter(|(of, _)| *of == priority).map(|(_, number)| number);
            prop_assert!(numbers.is_sorted());
        }
    }
}
