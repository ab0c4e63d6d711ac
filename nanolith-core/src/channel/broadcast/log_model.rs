//! A property test: the broadcast log against a model that is a list of all sent messages, with a
//! position in it for each receiver.

use super::{BroadcastChannel, LagPolicy, Received, Receiver, SenderId, TrySendError};
use crate::park::parker;
use proptest::prelude::*;
use std::{
    future::Future,
    num::NonZero,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

/// Returns one of three identities for senders and owners. The first is `NONE`.
fn origin(number: u64) -> SenderId {
    SenderId(NonZero::new(number % 3))
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Join(u64),
    /// The nth receiver leaves.
    Leave(usize),
    /// Sends this many messages.
    Send(u64, usize),
    /// The nth receiver takes this many messages.
    Take(usize, usize),
    /// The nth receiver falls asleep, if there is no message for it.
    Sleep(usize),
    Dismiss(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..3_u64).prop_map(Step::Join),
        1 => (0..8_usize).prop_map(Step::Leave),
        8 => (0..3_u64, 1..12_usize).prop_map(|(from, count)| Step::Send(from, count)),
        8 => (0..8_usize, 1..12_usize).prop_map(|(nth, count)| Step::Take(nth, count)),
        3 => (0..8_usize).prop_map(Step::Sleep),
        1 => (1..3_u64).prop_map(Step::Dismiss),
    ]
}

fn policy() -> impl Strategy<Value = LagPolicy> {
    let bound = || prop_oneof![4 => 1..9_usize, 1 => 32..200_usize];
    prop_oneof![bound().prop_map(LagPolicy::Wait), bound().prop_map(LagPolicy::DropOldest), Just(LagPolicy::Unbounded),]
}

/// A receiver, and the position in the list of the message that it reads next.
struct One {
    receiver: Receiver<usize>,
    owner: SenderId,
    next: usize,
}

struct Model {
    log: Arc<BroadcastChannel<usize>>,
    policy: LagPolicy,
    /// The sender of each message that went to at least one receiver. The values count up.
    sent: Vec<SenderId>,
    receivers: Vec<One>,
}

impl Model {
    fn new(policy: LagPolicy) -> Self {
        Self { log: BroadcastChannel::new(policy, false), policy, sent: Vec::new(), receivers: Vec::new() }
    }

    fn grain(&self) -> usize {
        self.log.with_state(|core, _| core.grain()) as usize
    }

    /// Returns the number of messages from other senders that a receiver has not read.
    fn lag(&self, one: &One) -> usize {
        self.sent[one.next..].iter().filter(|from| !one.owner.is_own(**from)).count()
    }

    fn send(&mut self, from: SenderId) -> Result<(), TestCaseError> {
        let lags = |owned: bool| {
            let lag = |one: &One| (one.owner.is_own(from) == owned).then(|| self.lag(one));
            self.receivers.iter().filter_map(lag).collect::<Vec<_>>()
        };
        let others = lags(false);
        let value = self.sent.len();
        match (self.log.try_send(from, value), self.policy) {
            (Ok(to), policy) => {
                prop_assert_eq!(to, others.len());
                if let LagPolicy::Wait(bound) = policy {
                    prop_assert!(others.iter().all(|lag| *lag < bound), "the bound is exceeded");
                }
                if to > 0 {
                    self.sent.push(from);
                }
            }
            (Err(TrySendError::Full(back)), LagPolicy::Wait(bound)) => {
                prop_assert_eq!(back, value);
                prop_assert!(others.iter().any(|lag| *lag >= bound), "there was room");
            }
            (Err(_), _) => prop_assert!(false, "no sender waits here"),
        }
        Ok(())
    }

    fn take(&mut self, nth: usize) -> Result<(), TestCaseError> {
        let (head, policy, grain) = (self.sent.len(), self.policy, self.grain());
        let Self { receivers, sent, .. } = self;
        let Some(at) = nth.checked_rem(receivers.len()) else { return Ok(()) };
        let One { receiver, owner, next } = &mut receivers[at];
        let foreign = |from: &SenderId| !owner.is_own(*from);
        let taken = receiver.take_now();
        if let LagPolicy::DropOldest(bound) = policy {
            if let Some(Received::Lost(count)) = &taken {
                let lost = sent[*next..].iter().filter(|from| foreign(from)).count();
                *next = head.saturating_sub(bound);
                let left = sent[*next..].iter().filter(|from| foreign(from)).count();
                prop_assert_eq!(*count as usize, lost - left);
                return Ok(());
            }
            if grain == 1 {
                // The log keeps as many messages as the bound says. Older messages of this receiver
                // are lost, or are its owner's.
                let oldest = head.saturating_sub(bound);
                prop_assert!(
                    *next >= oldest || !sent[*next..oldest].iter().any(foreign),
                    "the receiver should have got the number of lost messages"
                );
                *next = (*next).max(oldest);
            }
        }
        let expected = (*next..head).find(|n| foreign(&sent[*n]));
        *next = expected.map_or(head, |n| n + 1);
        prop_assert_eq!(taken, expected.map(Received::Message));
        Ok(())
    }

    fn sleep(&mut self, nth: usize) -> Result<(), TestCaseError> {
        let Some(at) = nth.checked_rem(self.receivers.len()) else { return Ok(()) };
        if self.lag(&self.receivers[at]) == 0 {
            let head = self.sent.len();
            let One { receiver, next, .. } = &mut self.receivers[at];
            let polled = receiver.poll_recv(&mut Context::from_waker(Waker::noop()));
            prop_assert_eq!(polled, Poll::Pending);
            *next = head;
        }
        Ok(())
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Join(owner) => {
                let owner = origin(owner);
                let one = One { receiver: self.log.receiver(owner), owner, next: self.sent.len() };
                self.receivers.push(one);
            }
            Step::Leave(nth) => {
                if let Some(at) = nth.checked_rem(self.receivers.len()) {
                    self.receivers.swap_remove(at);
                }
            }
            Step::Send(from, count) => (0..count).try_for_each(|_| self.send(origin(from)))?,
            Step::Take(nth, count) => (0..count).try_for_each(|_| self.take(nth))?,
            Step::Sleep(nth) => self.sleep(nth)?,
            Step::Dismiss(owner) => {
                self.log.remove_owner(origin(owner));
                self.receivers.retain(|one| one.owner != origin(owner));
            }
        }
        self.figures_agree()
    }

    fn figures_agree(&self) -> Result<(), TestCaseError> {
        let (receivers, lag, waiting) = self.log.stats();
        prop_assert_eq!((receivers, waiting), (self.receivers.len(), 0));
        prop_assert_eq!(lag as usize, self.receivers.iter().map(|one| self.lag(one)).max().unwrap_or(0));
        for one in &self.receivers {
            prop_assert_eq!(one.receiver.lag() as usize, self.lag(one));
        }
        if let LagPolicy::DropOldest(bound) = self.policy {
            let kept = self.log.with_state(|core, _| core.kept()) as usize;
            prop_assert!(kept <= bound + self.grain(), "{} are kept", kept);
        }
        Ok(())
    }
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn channel_matches_a_list_of_sent_messages(
        policy in policy(),
        steps in prop::collection::vec(step(), 0..100),
    ) {
        let mut model = Model::new(policy);
        for step in steps {
            model.step(step)?;
        }
        // Each remaining receiver reads all its messages.
        for nth in 0..model.receivers.len() {
            while model.lag(&model.receivers[nth]) > 0 {
                model.take(nth)?;
            }
            prop_assert_eq!(model.receivers[nth].receiver.take_now(), None);
        }
        prop_assert_eq!(model.log.with_state(|core, _| core.kept()), 0);
    }
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn waiting_senders_get_room_in_order() {
    let log = BroadcastChannel::new(LagPolicy::Wait(1), false);
    let mut receiver = log.receiver(SenderId::NONE);
    let mut sending: Vec<_> = (0..3).map(|n| log.send(SenderId::NONE, n)).collect();
    let polled: Vec<_> = sending.iter_mut().map(poll).collect();
    assert_eq!(polled, [Poll::Ready(Ok(1)), Poll::Pending, Poll::Pending]);
    assert_eq!(receiver.take_now(), Some(Received::Message(0)));
    assert_eq!(log.try_send(SenderId::NONE, 9), Err(TrySendError::Full(9)), "the place is taken");
    assert_eq!(poll(&mut sending[2]), Poll::Pending);
    drop(sending.remove(2)); // gives up
    assert_eq!(poll(&mut sending[1]), Poll::Ready(Ok(1)));
    assert_eq!((receiver.take_now(), receiver.take_now()), (Some(Received::Message(1)), None));
}

#[test]
fn waiting_sender_is_woken_when_a_block_is_read() {
    let log = BroadcastChannel::new(LagPolicy::Wait(64), false);
    let grain = log.with_state(|core, _| core.grain());
    let mut receiver = log.receiver(SenderId::NONE);
    assert!((0..64).all(|n| log.try_send(SenderId::NONE, n) == Ok(1)));
    let mut sending = log.send(SenderId::NONE, 64);
    assert_eq!(poll(&mut sending), Poll::Pending);
    assert!((0..grain).all(|n| receiver.try_recv() == Some(Received::Message(n))));
    assert_eq!(poll(&mut sending), Poll::Ready(Ok(1)));
}

#[test]
fn receiver_of_many_messages_rests_after_vain_spins() {
    let log = BroadcastChannel::new(LagPolicy::default(), false);
    let mut receiver = log.receiver(SenderId::NONE);
    (0..100).for_each(|_| parker::yield_until(Duration::from_nanos(1), || false));
    assert!((0..100).all(|n| log.try_send(SenderId::NONE, n) == Ok(1)));
    assert!((0..100).all(|n| receiver.try_recv() == Some(Received::Message(n))));
    let began = Instant::now();
    receiver.look_on();
    assert!(began.elapsed() >= parker::IDLE_SPIN, "the next messages arrive in one go");
}

#[test]
fn sender_of_many_messages_rests_after_vain_spins() {
    let log = BroadcastChannel::new(LagPolicy::Wait(100), false);
    let _receiver = log.receiver(SenderId::NONE);
    (0..100).for_each(|_| parker::yield_until(Duration::from_nanos(1), || false));
    assert!((0..100).all(|n| log.try_send(SenderId::NONE, n) == Ok(1)));
    let began = Instant::now();
    log.send(SenderId::NONE, 100).await_room();
    assert!(began.elapsed() >= parker::IDLE_SPIN, "half of the bound may be free soon");
}

#[test]
fn close_wakes_a_waiting_sender_and_returns_its_value() {
    let log = BroadcastChannel::new(LagPolicy::Wait(1), false);
    let mut receiver = log.receiver(SenderId::NONE);
    assert_eq!(log.try_send(SenderId::NONE, "sent"), Ok(1));
    let mut sending = log.send(SenderId::NONE, "late");
    assert_eq!(poll(&mut sending), Poll::Pending);
    log.close();
    assert_eq!(poll(&mut sending), Poll::Ready(Err("late")));
    assert_eq!((receiver.take_now(), receiver.take_now()), (Some(Received::Message("sent")), Some(Received::Ended)));
}

#[test]
fn sender_does_not_wait_for_its_own_receivers() {
    let log = BroadcastChannel::new(LagPolicy::Wait(2), false);
    let (left, right) = (origin(1), origin(2));
    let (mut at_left, mut at_right) = (log.receiver(left), log.receiver(right));
    assert!((0..2).all(|n| log.try_send(right, n) == Ok(1)), "the left one is full");
    let mut stands_in_line = log.send(right, 2);
    assert_eq!(poll(&mut stands_in_line), Poll::Pending);
    for n in 10..1_000 {
        assert_eq!(log.try_send(left, n), Ok(1), "a sender does not wait for itself, nor for who waits for it");
        assert_eq!(at_right.take_now(), Some(Received::Message(n)));
    }
    assert!(log.with_state(|core, _| core.kept()) < 200, "its own messages are not kept for it");
    assert_eq!((at_left.take_now(), at_left.take_now()), (Some(Received::Message(0)), Some(Received::Message(1))));
    assert_eq!(poll(&mut stands_in_line), Poll::Ready(Ok(1)));
    assert_eq!(at_left.take_now(), Some(Received::Message(2)));
}

#[test]
fn messages_before_the_first_receiver_can_be_kept() {
    let log = BroadcastChannel::new(LagPolicy::Wait(2), true);
    assert_eq!((log.try_send(SenderId::NONE, 1), log.try_send(SenderId::NONE, 2)), (Ok(1), Ok(1)));
    let mut first = log.receiver(SenderId::NONE);
    let mut second = log.receiver(SenderId::NONE);
    assert_eq!(log.try_send(SenderId::NONE, 3), Err(TrySendError::Full(3)));
    assert_eq!((first.take_now(), first.take_now()), (Some(Received::Message(1)), Some(Received::Message(2))));
    assert_eq!((first.take_now(), second.take_now()), (None, None));
    assert_eq!(log.try_send(SenderId::NONE, 3), Ok(2));
}

#[test]
fn first_receiver_gets_its_number_of_lost_messages() {
    for bound in [1, 2, 5, 40, 1_024] {
        let log = BroadcastChannel::new(LagPolicy::Wait(bound), true);
        let sent = 3 * bound as u64 + 7;
        for n in 0..sent {
            assert_eq!(log.try_send(SenderId::NONE, n), Ok(1));
        }
        let (mut first, mut second) = (log.receiver(SenderId::NONE), log.receiver(SenderId::NONE));
        assert_eq!(second.try_recv(), None);
        assert_eq!(first.try_recv(), Some(Received::Lost(sent - bound as u64)));
        for n in sent - bound as u64..sent {
            assert_eq!(first.try_recv(), Some(Received::Message(n)));
        }
        assert_eq!(first.try_recv(), None);
    }
}

/// A value whose live clones are counted.
#[derive(Clone)]
struct Counted(#[allow(dead_code)] Arc<()>); // the field is there for its reference count

#[test]
fn messages_read_by_all_are_dropped_when_receivers_wait() {
    let (log, alive) = (BroadcastChannel::new(LagPolicy::default(), false), Arc::new(()));
    let mut receivers = [log.receiver(SenderId::NONE), log.receiver(SenderId::NONE)];
    for _ in 0..5 {
        assert!(log.try_send(SenderId::NONE, Counted(alive.clone())).is_ok());
    }
    for receiver in &mut receivers {
        (0..5).for_each(|_| assert!(matches!(receiver.take_now(), Some(Received::Message(Counted(_))))));
        assert!(receiver.poll_recv(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[test]
fn stalled_receiver_holds_no_more_than_the_bound() {
    for bound in [1, 5, 64, 1_000] {
        let (log, alive) = (BroadcastChannel::new(LagPolicy::DropOldest(bound), false), Arc::new(()));
        let mut stalled = log.receiver(SenderId::NONE);
        let mut brisk = log.receiver(SenderId::NONE);
        for n in 0..5_000 {
            assert!(log.try_send(SenderId::NONE, Counted(alive.clone())).is_ok());
            assert!(matches!(brisk.take_now(), Some(Received::Message(_))));
            if n == 0 {
                assert!(matches!(stalled.take_now(), Some(Received::Message(_))), "it stands in a block");
            }
        }
        let held = Arc::strong_count(&alive) - 1;
        assert!((bound..=bound + bound / 8 + 4).contains(&held), "{held} are held of {bound}");
        drop((stalled, brisk));
        assert_eq!(Arc::strong_count(&alive), 1);
    }
}

#[test]
fn panicking_clone_loses_its_message_alone() {
    struct Shy(u32);
    impl Clone for Shy {
        fn clone(&self) -> Self {
            assert_ne!(self.0, 1, "not this one");
            Self(self.0)
        }
    }
    for bound in [1, 8, 1_000] {
        let log = BroadcastChannel::new(LagPolicy::Wait(bound), false);
        let (mut receiver, mut heard) = (log.receiver(SenderId::NONE), Vec::new());
        for n in 0..4 {
            assert!(log.try_send(SenderId::NONE, Shy(n)).is_ok());
            let take = std::panic::AssertUnwindSafe(|| receiver.take_now());
            if let Ok(Some(Received::Message(Shy(n)))) = std::panic::catch_unwind(take) {
                heard.push(n);
            }
            assert!(receiver.take_now().is_none());
        }
        assert_eq!(heard, [0, 2, 3]);
    }
}
