//! A property test: `WaiterSet`, the waiters for one event, against a plain list of waiters.

use super::{WaiterKey, WaiterSet};
use crate::wake::{AfterUnlock, NewWaker, test_waker::CountingWaker};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A new waiter registers.
    Join,
    /// The nth waiter registers again, with a new waker.
    Again(usize),
    /// The nth waiter leaves.
    Remove(usize),
    NotifyOne,
    NotifyAll,
    /// The waiters with an even number are notified.
    NotifyEven,
    /// The nth waiter is notified.
    NotifyWaiter(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Join),
        3 => (0..16_usize).prop_map(Step::Again),
        4 => (0..16_usize).prop_map(Step::Remove),
        3 => Just(Step::NotifyOne),
        1 => Just(Step::NotifyAll),
        1 => Just(Step::NotifyEven),
        2 => (0..16_usize).prop_map(Step::NotifyWaiter),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    Waiting,
    Notified,
    NotifiedAlone,
    Gone,
}

struct Waiter {
    key: Option<WaiterKey>,
    waker: CountingWaker,
    stands: Stands,
    /// The waiter's turn among the waiters that wait.
    turn: usize,
}

#[derive(Default)]
struct Model {
    /// The tag of each waiter is its index in `waiters`.
    set: WaiterSet<usize>,
    waiters: Vec<Waiter>,
    turns: usize,
}

impl Model {
    fn join(&mut self) {
        let waker = CountingWaker::new();
        let mut key = None;
        let (number, new) = (self.waiters.len(), NewWaker::of(&waker.waker()));
        self.set.register_as(number, &mut key, new, &mut AfterUnlock::<()>::default());
        self.turns += 1;
        self.waiters.push(Waiter { key, waker, stands: Stands::Waiting, turn: self.turns });
    }

    fn nth(&self, nth: usize) -> Option<usize> {
        nth.checked_rem(self.waiters.len())
    }

    fn register_again(&mut self, nth: usize) {
        let waiter = &mut self.waiters[nth];
        if waiter.stands == Stands::Gone {
            return;
        }
        waiter.waker = CountingWaker::new();
        let new = NewWaker::of(&waiter.waker.waker());
        self.set.register_as(nth, &mut waiter.key, new, &mut AfterUnlock::<()>::default());
        if waiter.stands != Stands::Waiting {
            self.turns += 1;
            waiter.turn = self.turns;
        }
        waiter.stands = Stands::Waiting;
    }

    fn remove(&mut self, nth: usize) -> Result<(), TestCaseError> {
        let waiter = &mut self.waiters[nth];
        let was_alone = self.set.remove(&mut waiter.key, &mut AfterUnlock::<()>::default());
        prop_assert_eq!(was_alone, waiter.stands == Stands::NotifiedAlone);
        waiter.stands = Stands::Gone;
        prop_assert_eq!(waiter.waker.clones(), 0);
        Ok(())
    }

    fn notify(&mut self, is_meant: impl Fn(usize) -> bool, stands: Stands) {
        for (nth, waiter) in self.waiters.iter_mut().enumerate() {
            if waiter.stands == Stands::Waiting && is_meant(nth) {
                waiter.stands = stands;
            }
        }
    }

    fn agrees(&self) -> Result<(), TestCaseError> {
        let count = |stands: fn(Stands) -> bool| self.waiters.iter().filter(|waiter| stands(waiter.stands)).count();
        prop_assert_eq!(self.set.len(), count(|stands| stands != Stands::Gone));
        prop_assert_eq!(self.set.has_waiting(), count(|stands| stands == Stands::Waiting) > 0);
        for waiter in &self.waiters {
            let is_woken = matches!(waiter.stands, Stands::Notified | Stands::NotifiedAlone);
            prop_assert!(!is_woken || waiter.waker.wakes() == 1);
            prop_assert!(waiter.stands != Stands::Waiting || waiter.waker.wakes() == 0);
        }
        Ok(())
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        let mut after = AfterUnlock::<()>::default();
        match step {
            Step::Join => self.join(),
            Step::Again(nth) => self.nth(nth).into_iter().for_each(|nth| self.register_again(nth)),
            Step::Remove(nth) => {
                if let Some(nth) = self.nth(nth) {
                    self.remove(nth)?;
                }
            }
            Step::NotifyOne => {
                let waiting = self.waiters.iter().enumerate().filter(|(_, waiter)| waiter.stands == Stands::Waiting);
                let first = waiting.min_by_key(|(_, waiter)| waiter.turn).map(|(nth, _)| nth);
                prop_assert_eq!(self.set.notify_one(&mut after), first.is_some());
                self.notify(|nth| Some(nth) == first, Stands::NotifiedAlone);
            }
            Step::NotifyAll => {
                self.set.notify_all(&mut after);
                self.notify(|_| true, Stands::Notified);
            }
            Step::NotifyEven => {
                self.set.notify_where(|number| number % 2 == 0, &mut after);
                self.notify(|nth| nth % 2 == 0, Stands::Notified);
            }
            Step::NotifyWaiter(nth) => {
                let nth = self.nth(nth);
                let key = nth.and_then(|nth| self.waiters[nth].key);
                key.into_iter().for_each(|key| self.set.notify_waiter(key, &mut after));
                self.notify(|other| Some(other) == nth, Stands::Notified);
            }
        }
        after.run();
        self.agrees()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn set_matches_a_list_of_waiters(steps in prop::collection::vec(step(), 0..120)) {
        let mut model = Model::default();
        for step in steps {
            model.step(step)?;
        }
    }
}
