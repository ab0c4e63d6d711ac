//! The queue's book-keeping against calls that are looked at one by one.

use super::{Bounds, Queue, Wakes};
use crate::{lanes::Priority, room::Ticket};
use proptest::prelude::*;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Wake, Waker},
};

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A call comes: from outside, it enters or stands in line.
    Come { inside: bool },
    /// A call that runs on its caller's thread.
    ComeRunning,
    /// Those in line who were woken come in, the nth first.
    ComeIn(usize),
    /// The nth in line gives up.
    GiveUp(usize),
    /// The next call begins, or goes on.
    Begin,
    /// The nth running call is suspended and woken.
    Suspend(usize),
    /// The nth running call is over.
    Finish(usize),
    /// The nth queued call is ended.
    End(usize),
    Bounds { queued: usize, in_flight: usize },
    /// Somebody asks for an empty moment.
    AskEmpty,
}

fn step() -> impl Strategy<Value = Step> {
    let nth = 0..8_usize;
    prop_oneof![
        8 => Just(Step::Come { inside: false }),
        2 => Just(Step::Come { inside: true }),
        1 => Just(Step::ComeRunning),
        4 => nth.clone().prop_map(Step::ComeIn),
        2 => nth.clone().prop_map(Step::GiveUp),
        8 => Just(Step::Begin),
        1 => nth.clone().prop_map(Step::Suspend),
        8 => nth.clone().prop_map(Step::Finish),
        3 => nth.prop_map(Step::End),
        1 => (1..5_usize, 1..7_usize).prop_map(|(queued, in_flight)| Step::Bounds { queued, in_flight }),
        1 => Just(Step::AskEmpty),
    ]
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: if cfg!(miri) { 4 } else { 512 }, failure_persistence: None, ..ProptestConfig::default() }
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

impl Woken {
    fn new() -> (Arc<Self>, Waker) {
        let woken = Arc::new(Self::default());
        (woken.clone(), Waker::from(woken))
    }

    fn is(&self) -> bool {
        self.0.load(Relaxed)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Queued,
    Running,
    /// Woken, and waiting for its turn.
    Resumed,
    Over,
}

#[derive(Clone, Copy)]
struct Call {
    life: Life,
    inside: bool,
}

/// One who asked for an empty moment, and whether there was one since.
struct Asker {
    since: u64,
    woken: Arc<Woken>,
    empty: bool,
}

struct Model {
    queue: Queue<usize>,
    bounds: Bounds,
    /// By number, which is their entry in the queue.
    calls: Vec<Call>,
    line: Vec<(Ticket, Arc<Woken>)>,
    askers: Vec<Asker>,
    completed: u64,
}

impl Model {
    fn new(bounds: Bounds) -> Self {
        let queue = Queue::new(bounds);
        Self { queue, bounds, calls: Vec::new(), line: Vec::new(), askers: Vec::new(), completed: 0 }
    }

    fn count(&self, life: Life, inside: bool) -> usize {
        self.calls.iter().filter(|call| call.life == life && call.inside == inside).count()
    }

    fn in_flight(&self, inside: bool) -> usize {
        self.calls.iter().filter(|call| call.life != Life::Over && call.inside == inside).count()
    }

    /// Those in line who were told to come.
    fn granted(&self) -> usize {
        self.line.iter().filter(|(_, woken)| woken.is()).count()
    }

    fn has_room(&self) -> bool {
        let granted = self.granted();
        self.count(Life::Queued, false) + granted < self.bounds.queued
            && self.in_flight(false) + granted < self.bounds.in_flight
    }

    fn nth(&self, life: Life, nth: usize) -> Option<usize> {
        let of: Vec<_> = (0..self.calls.len()).filter(|call| self.calls[*call].life == life).collect();
        nth.checked_rem(of.len()).map(|at| of[at])
    }

    fn enter(&mut self, inside: bool) {
        let number = self.calls.len();
        self.queue.enter(Priority::Normal, 0, inside, number);
        self.calls.push(Call { life: Life::Queued, inside });
    }

    fn come(&mut self, inside: bool) {
        if inside || self.queue.has_room() {
            return self.enter(inside);
        }
        let (woken, waker) = Woken::new();
        self.line.push((self.queue.stand_in_line(&waker), woken));
    }

    /// Everybody in line looks, beginning with the nth; those with a grant come in, and nobody else.
    fn come_in(&mut self, nth: usize) -> Result<(), TestCaseError> {
        let first = nth.checked_rem(self.line.len()).unwrap_or(0);
        self.line.rotate_left(first);
        let mut left: Vec<_> = std::mem::take(&mut self.line);
        let count = left.len();
        left.rotate_right(first);
        let mut stays = Vec::new();
        for (ticket, woken) in left.into_iter().cycle_from(first, count) {
            let came_in = self.queue.redeem(ticket, &Waker::from(woken.clone()));
            prop_assert_eq!(came_in, woken.is());
            if came_in { self.enter(false) } else { stays.push((ticket, woken)) }
        }
        self.line = stays;
        Ok(())
    }
}
