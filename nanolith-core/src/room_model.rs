//! The line against a model that remembers who stands where.

use super::{Line, Ticket};
use proptest::prelude::*;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Wake, Waker},
};

#[derive(Clone, Copy, Debug)]
enum Step {
    Join,
    /// Places free, and go to those in line.
    Grant(usize),
    /// The nth of those who ever joined comes, with a new waker.
    Redeem(usize),
    /// The nth of those who ever joined leaves.
    Leave(usize),
    Dismiss,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Join),
        4 => (0..4_usize).prop_map(Step::Grant),
        6 => (0..16_usize).prop_map(Step::Redeem),
        2 => (0..16_usize).prop_map(Step::Leave),
        1 => Just(Step::Dismiss),
    ]
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() }
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    InLine,
    Granted,
    /// Came in, left, or was dismissed.
    Elsewhere,
}

/// One who joined, and the waker left last.
struct One {
    ticket: Ticket,
    stands: Stands,
    woken: Arc<Woken>,
}

/// Everybody who ever joined, in that order.
#[derive(Default)]
struct Model(Vec<One>);

impl Model {
    fn nth(&mut self, nth: usize) -> Option<&mut One> {
        let at = nth.checked_rem(self.0.len())?;
        Some(&mut self.0[at])
    }

    fn who(&self, stands: Stands) -> impl Iterator<Item = &One> {
        self.0.iter().filter(move |one| one.stands == stands)
    }

    /// The first `count` in line are to be woken, by the waker that each left last.
    fn told(&mut self, count: usize, then: Stands, wakers: Vec<Waker>) -> Result<(), TestCaseError> {
        let told: Vec<_> = self.0.iter_mut().filter(|one| one.stands == Stands::InLine).take(count).collect();
        prop_assert_eq!(wakers.len(), told.len());
        wakers.into_iter().for_each(Waker::wake);
        for one in told {
            prop_assert_eq!(one.woken.0.load(Relaxed), 1);
            one.stands = then;
        }
        Ok(())
    }
}

fn agree(line: &mut Line, model: &mut Model, step: Step) -> Result<(), TestCaseError> {
    match step {
        Step::Join => {
            let woken = Arc::new(Woken::default());
            let ticket = line.join(&Waker::from(woken.clone()));
            model.0.push(One { ticket, stands: Stands::InLine, woken });
        }
        Step::Grant(places) => {
            let wakers = line.grant(places);
            model.told(places, Stands::Granted, wakers)?;
        }
        Step::Redeem(nth) => {
            if let Some(one) = model.nth(nth) {
                let woken = Arc::new(Woken::default());
                let came_in = line.redeem(one.ticket, &Waker::from(woken.clone()));
                prop_assert_eq!(came_in, one.stands == Stands::Granted);
                match one.stands {
                    Stands::InLine => one.woken = woken,
                    _ => one.stands = Stands::Elsewhere,
                }
            }
        }
        Step::Leave(nth) => {
            if let Some(one) = model.nth(nth) {
                line.leave(one.ticket);
                one.stands = Stands::Elsewhere;
            }
        }
        Step::Dismiss => {
            let wakers = line.dismiss();
            model.told(usize::MAX, Stands::Elsewhere, wakers)?;
            model.0.iter_mut().for_each(|one| one.stands = Stands::Elsewhere);
        }
    }
    prop_assert_eq!(line.granted(), model.who(Stands::Granted).count());
    prop_assert_eq!(line.has_waiting(), model.who(Stands::InLine).next().is_some());
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    /// Grants go to the longest waiting, one a place; each comes in once; one who leaves takes nothing along.
    #[test]
    fn the_line_does_as_a_list_of_who_stands_where(steps in prop::collection::vec(step(), 0..80)) {
        let (mut line, mut model) = (Line::default(), Model::default());
        for step in steps {
            agree(&mut line, &mut model, step)?;
        }
        agree(&mut line, &mut model, Step::Grant(usize::MAX))?;
        prop_assert!(!line.has_waiting(), "with room for all, nobody is left in line");
    }
}
