//! A property test: `WaitQueue`, the first-in, first-out queue of waiters for capacity, against a
//! plain list of waiters.

use super::{WaitQueue, WaitState, WaitTicket};
use crate::wake::{AfterUnlock, NewWaker, test_waker::CountingWaker};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Join,
    /// Capacity comes free.
    Grant(usize),
    /// The nth waiter asks again, with a new waker.
    Redeem(usize),
    /// The nth waiter leaves.
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    Waiting,
    Granted,
    /// The waiter took its grant, left, or was dismissed.
    Gone,
}

/// A waiter, with the waker that it registered last.
struct Waiter {
    ticket: WaitTicket,
    stands: Stands,
    waker: CountingWaker,
}

#[derive(Default)]
struct Model {
    queue: WaitQueue,
    waiters: Vec<Waiter>,
}

impl Model {
    fn nth(&mut self, nth: usize) -> Option<usize> {
        nth.checked_rem(self.waiters.len())
    }

    fn count(&self, stands: Stands) -> usize {
        self.waiters.iter().filter(|waiter| waiter.stands == stands).count()
    }

    /// Checks that the first `count` waiters are woken, each once, by the waker that the waiter
    /// registered last.
    fn expect_woken(&mut self, count: usize, then: Stands) -> Result<(), TestCaseError> {
        let waiting = self.waiters.iter_mut().filter(|waiter| waiter.stands == Stands::Waiting);
        for (nth, waiter) in waiting.enumerate() {
            prop_assert_eq!(waiter.waker.wakes(), usize::from(nth < count));
            if nth < count {
                waiter.stands = then;
            }
        }
        Ok(())
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        let mut after = AfterUnlock::<()>::default();
        match step {
            Step::Join => {
                let waker = CountingWaker::new();
                let ticket = self.queue.join((), &mut NewWaker::of(&waker.waker()));
                self.waiters.push(Waiter { ticket, stands: Stands::Waiting, waker });
            }
            Step::Grant(count) => {
                self.queue.grant_first(count, &mut after);
                after.run();
                self.expect_woken(count, Stands::Granted)?;
            }
            Step::Redeem(nth) => {
                if let Some(nth) = self.nth(nth) {
                    let (waker, waiter) = (CountingWaker::new(), &mut self.waiters[nth]);
                    let state = self.queue.redeem(waiter.ticket, &mut NewWaker::of(&waker.waker()));
                    let expected = match waiter.stands {
                        Stands::Waiting => WaitState::Waiting,
                        Stands::Granted => WaitState::Granted(()),
                        Stands::Gone => WaitState::Dismissed,
                    };
                    prop_assert_eq!(state, expected);
                    match waiter.stands {
                        Stands::Waiting => waiter.waker = waker,
                        _ => waiter.stands = Stands::Gone,
                    }
                }
            }
            Step::Leave(nth) => {
                if let Some(nth) = self.nth(nth) {
                    let waiter = &mut self.waiters[nth];
                    let (waited, grant) = self.queue.leave(waiter.ticket, &mut after);
                    prop_assert_eq!(waited.is_some(), waiter.stands == Stands::Waiting);
                    prop_assert_eq!(grant.is_some(), waiter.stands == Stands::Granted);
                    waiter.stands = Stands::Gone;
                    after.run();
                    prop_assert_eq!(waiter.waker.clones(), 0);
                }
            }
            Step::Dismiss => {
                let dismissed = self.queue.dismiss(&mut after);
                after.run();
                prop_assert_eq!(dismissed.len(), self.count(Stands::Waiting));
                self.expect_woken(usize::MAX, Stands::Gone)?;
            }
        }
        prop_assert_eq!(self.queue.granted(), self.count(Stands::Granted));
        prop_assert_eq!(self.queue.waiting(), self.count(Stands::Waiting));
        Ok(())
    }
}

proptest! {
    #![proptest_config(config())]

    /// Each grant goes to the longest waiting waiter, and is taken once. A waiter that leaves takes
    /// no grant along.
    #[test]
    fn queue_matches_a_list_of_waiters(steps in prop::collection::vec(step(), 0..80)) {
        let mut model = Model::default();
        for step in steps {
            model.step(step)?;
        }
        model.step(Step::Grant(usize::MAX))?;
        prop_assert!(!model.queue.has_waiting(), "with room for all, no waiter is left");
    }
}
