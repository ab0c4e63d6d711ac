//! A property test: the state of a semaphore against a model that is a list of requests.

use super::SemaphoreState;
use crate::wake::{AfterUnlock, NewWaker, WaitState, WaitTicket};
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
    /// A new caller tries to take permits, and else joins the queue.
    Ask(usize),
    /// The nth caller that ever joined looks, with a new waker.
    Look(usize),
    /// The nth caller that ever joined leaves, or gives back what it has.
    Leave(usize),
    Add(usize),
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..5_usize).prop_map(Step::Ask),
        8 => (0..16_usize).prop_map(Step::Look),
        4 => (0..16_usize).prop_map(Step::Leave),
        4 => (0..4_usize).prop_map(Step::Add),
        1 => Just(Step::Close),
    ]
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() }
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    Waiting,
    Granted,
    Holding,
    SentAway,
    Gone,
}

struct One {
    ticket: Option<WaitTicket>,
    count: usize,
    is: Is,
    woken: Arc<Woken>,
}

/// All callers that ever asked, in order, and the number of permits in all.
struct Model {
    all: Vec<One>,
    total: usize,
    closed: bool,
}

impl Model {
    fn free(&self) -> usize {
        let taken: usize =
            self.all.iter().filter(|one| matches!(one.is, Is::Granted | Is::Holding)).map(|one| one.count).sum();
        self.total - taken
    }

    fn has_waiting(&self) -> bool {
        self.all.iter().any(|one| one.is == Is::Waiting)
    }

    /// Grants the free permits to the first callers in the queue. Each caller gets all that it
    /// asked for, and none before the caller ahead of it.
    fn settle(&mut self) -> Result<(), TestCaseError> {
        while let Some(at) = self.all.iter().position(|one| one.is == Is::Waiting) {
            let is = if self.closed {
                Is::SentAway
            } else if self.all[at].count <= self.free() {
                Is::Granted
            } else {
                break;
            };
            self.all[at].is = is;
            prop_assert_eq!(self.all[at].woken.0.load(Relaxed), 1, "the notified waiter is woken");
        }
        for one in self.all.iter().filter(|one| one.is == Is::Waiting) {
            prop_assert_eq!(one.woken.0.load(Relaxed), 0, "no other waiter is woken");
        }
        Ok(())
    }

    fn nth(&mut self, nth: usize) -> Option<&mut One> {
        let at = nth.checked_rem(self.all.len())?;
        Some(&mut self.all[at])
    }
}

fn agree(core: &mut SemaphoreState, model: &mut Model, step: Step) -> Result<(), TestCaseError> {
    let mut after = AfterUnlock::default();
    match step {
        Step::Ask(count) => {
            if model.closed {
                return Ok(()); // the owner refuses a caller before it asks
            }
            let at_once = count == 0 || (!model.has_waiting() && count <= model.free());
            let woken = Arc::new(Woken::default());
            prop_assert_eq!(core.take(count), at_once);
            let ticket = (!at_once).then(|| core.join(count, &mut NewWaker::of(&Waker::from(woken.clone()))));
            model.all.push(One { ticket, count, is: if at_once { Is::Holding } else { Is::Waiting }, woken });
        }
        Step::Look(nth) => {
            let Some((one, ticket)) = model.nth(nth).and_then(|one| one.ticket.map(|ticket| (one, ticket))) else {
                return Ok(());
            };
            let woken = Arc::new(Woken::default());
            let stands = core.redeem(ticket, &mut NewWaker::of(&Waker::from(woken.clone())));
            match one.is {
                Is::Waiting => {
                    prop_assert!(matches!(stands, WaitState::Waiting));
                    one.woken = woken;
                }
                Is::Granted => {
                    prop_assert!(matches!(stands, WaitState::Granted(_)));
                    one.is = Is::Holding;
                }
                _ => prop_assert!(matches!(stands, WaitState::Dismissed), "a grant counts once"),
            }
        }
        Step::Leave(nth) => {
            let Some(one) = model.nth(nth) else { return Ok(()) };
            match (one.is, one.ticket) {
                (Is::Holding, _) => core.add(one.count, &mut after),
                (_, Some(ticket)) => core.leave(ticket, &mut after),
                (_, None) => return Ok(()),
            }
            one.is = Is::Gone;
        }
        Step::Add(count) => {
            model.total += count;
            core.add(count, &mut after);
        }
        Step::Close => {
            model.closed = true;
            core.close(&mut after);
        }
    }
    after.run();
    model.settle()?;
    prop_assert_eq!(core.available(), model.free());
    prop_assert_eq!(core.waiting(), model.all.iter().filter(|one| one.is == Is::Waiting).count());
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    /// No permit is lost or made. The longest waiting callers come first, and each is woken once,
    /// when its turn comes.
    #[test]
    fn permits_go_as_in_a_list_of_requests(total in 0..5_usize, steps in prop::collection::vec(step(), 0..80)) {
        let mut core = SemaphoreState::new(total);
        let mut model = Model { all: Vec::new(), total, closed: false };
        for step in steps {
            agree(&mut core, &mut model, step)?;
        }
    }
}
