//! A property test: [`DirectionState`], one direction of a port pair, against a model that is one
//! list of all messages. The position of each message follows from the list.

use super::{BlockedSendState, DirectionState, WaitTicket};
use crate::{
    channel::port::error::TrySendError,
    wake::{AfterUnlock, NewWaker},
};
use proptest::prelude::*;
use std::task::Waker;

#[derive(Clone, Copy, Debug)]
enum Step {
    Offer,
    Join,
    Take,
    /// Waits for a multiple of this number.
    Find(u64),
    /// The nth blocked sender asks for the state of its message.
    Ask(usize),
    /// The nth blocked sender leaves.
    Leave(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Offer),
        6 => Just(Step::Join),
        6 => Just(Step::Take),
        3 => (1..5_u64).prop_map(Step::Find),
        4 => (0..16_usize).prop_map(Step::Ask),
        3 => (0..16_usize).prop_map(Step::Leave),
    ]
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() }
}

#[derive(Default)]
struct Model {
    bound: Option<usize>,
    /// The messages that were sent and not received, in order. The flag says whether `find` passed
    /// over the message.
    messages: Vec<(u64, bool)>,
    joined: Vec<(WaitTicket, u64)>,
    last: u64,
}

impl Model {
    fn sent(&mut self) -> u64 {
        self.last += 1;
        self.messages.push((self.last, false));
        self.last
    }

    /// Returns `true` if the queue has capacity for a new message.
    fn has_room(&self) -> bool {
        let new = self.messages.iter().filter(|(_, kept)| !kept).count();
        self.bound.is_none_or(|bound| new < bound)
    }

    fn is_in_line(&self, message: u64) -> bool {
        let mut new = self.messages.iter().filter(|(_, kept)| !kept);
        let at = new.position(|(one, _)| *one == message);
        at.is_some_and(|at| self.bound.is_some_and(|bound| at >= bound))
    }

    /// Takes the first multiple of `by`. The messages before it are marked as passed over.
    fn find(&mut self, by: u64) -> Option<u64> {
        let at = self.messages.iter().position(|(message, _)| message % by == 0);
        let end = at.unwrap_or(self.messages.len());
        self.messages[..end].iter_mut().for_each(|(_, kept)| *kept = true);
        at.map(|at| self.messages.remove(at).0)
    }
}

/// Finds the first multiple of `by` by the same steps as `WaitFor`.
fn find(core: &mut DirectionState<u64>, by: u64) -> Option<u64> {
    let (mut unseen, mut after) = (0, AfterUnlock::default());
    while let Some(mut batch) = core.take_unseen(unseen, &mut after) {
        unseen = batch.back().expect("it has looked at something").0 + 1;
        let at = batch.iter().position(|(_, message)| message % by == 0);
        let found = at.and_then(|at| batch.remove(at));
        core.return_unmatched(batch, &mut after);
        if let Some((_, message)) = found {
            return Some(message);
        }
    }
    None
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn states_match_a_model_of_two_queues(
        bound in prop_oneof![Just(None), (0..4_usize).prop_map(Some)],
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let (mut core, mut after) = (DirectionState::new(bound), AfterUnlock::default());
        let mut model = Model { bound, ..Model::default() };
        for step in steps {
            match step {
                Step::Offer => match core.try_send(model.last + 1, false, &mut after) {
                    Ok(_) => {
                        prop_assert!(model.has_room());
                        model.sent();
                    }
                    Err(TrySendError::Full(_)) => prop_assert!(!model.has_room()),
                    Err(TrySendError::Closed(_)) => prop_assert!(false, "no end closed it"),
                },
                Step::Join if !model.has_room() => {
                    let message = model.sent();
                    model.joined.push((core.join(message, &mut NewWaker::of(Waker::noop()), &mut after), message));
                }
                Step::Join => {}
                Step::Take => {
                    let first = (!model.messages.is_empty()).then(|| model.messages.remove(0).0);
                    prop_assert_eq!(core.take(&mut after), first);
                }
                Step::Find(by) => prop_assert_eq!(find(&mut core, by), model.find(by)),
                Step::Ask(nth) => if let Some((ticket, message)) = model.joined.get(nth) {
                    let waits = matches!(core.in_line(*ticket, &mut NewWaker::of(Waker::noop())), BlockedSendState::Waits);
                    prop_assert_eq!(waits, model.is_in_line(*message));
                },
                Step::Leave(nth) => if let Some((ticket, message)) = model.joined.get(nth).copied() {
                    let left = core.leave_line(ticket, &mut after);
                    prop_assert_eq!(left.is_some(), model.is_in_line(message));
                    if left.is_some() {
                        model.messages.retain(|(one, _)| *one != message);
                    }
                },
            }
            prop_assert_eq!(core.len(), model.messages.len());
        }
    }
}
