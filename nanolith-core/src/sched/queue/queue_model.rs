//! A property test: `BoundedQueue`, the bookkeeping of an executor's queue, against a model that
//! keeps every call by itself.

use super::{BoundedQueue, Limits, Stale};
use crate::{
    meta::priority::Priority,
    wake::{AfterUnlock, NewWaker, WaitTicket},
};
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
    /// A call is submitted. A call from outside enters or waits for room.
    Come {
        inside: bool,
    },
    /// A call runs on its caller's thread.
    ComeRunning,
    /// The waiters with a grant come in, the nth first.
    ComeIn(usize),
    /// The nth waiter gives up.
    GiveUp(usize),
    /// The next call begins, or resumes.
    Begin,
    /// The nth running call is suspended and woken.
    Suspend(usize),
    /// The nth running call is over.
    Finish(usize),
    /// The nth queued call is ended.
    End(usize),
    /// The nth queued call is raised.
    Raise(usize),
    /// The number of free slots changes to this.
    Slots(usize),
    Bounds {
        queued: usize,
        in_flight: usize,
    },
    /// A wait for an empty moment begins.
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
        3 => nth.clone().prop_map(Step::End),
        2 => nth.prop_map(Step::Raise),
        1 => (1..5_usize, 1..7_usize).prop_map(|(queued, in_flight)| Step::Bounds { queued, in_flight }),
        3 => (0..4_usize).prop_map(Step::Slots),
        1 => Just(Step::AskEmpty),
    ]
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() }
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
    /// The futures that were woken and wait for their turn.
    Resumed,
    Over,
}

#[derive(Clone, Copy)]
struct Call {
    life: Life,
    inside: bool,
}

/// A wait for an empty moment, and whether there was one since.
struct Asker {
    since: u64,
    woken: Arc<Woken>,
    empty: bool,
}

struct Model {
    queue: BoundedQueue<usize>,
    bounds: Limits,
    free_slots: usize,
    /// The calls by number, which is their entry in the queue.
    calls: Vec<Call>,
    line: Vec<(WaitTicket, Arc<Woken>)>,
    askers: Vec<Asker>,
    completed: u64,
}

impl Model {
    fn new(bounds: Limits) -> Self {
        let queue = BoundedQueue::new(bounds);
        Self { queue, bounds, free_slots: 0, calls: Vec::new(), line: Vec::new(), askers: Vec::new(), completed: 0 }
    }

    fn count(&self, life: Life, inside: bool) -> usize {
        self.calls.iter().filter(|call| call.life == life && call.inside == inside).count()
    }

    fn in_flight(&self, inside: bool) -> usize {
        self.calls.iter().filter(|call| call.life != Life::Over && call.inside == inside).count()
    }

    /// Returns the number of waiters with a grant.
    fn granted(&self) -> usize {
        self.line.iter().filter(|(_, woken)| woken.is()).count()
    }

    fn has_room(&self) -> bool {
        let granted = self.granted();
        let inside =
            self.count(Life::Queued, true) + self.count(Life::Resumed, false) + self.count(Life::Resumed, true);
        let slots = self.free_slots.saturating_sub(inside);
        self.count(Life::Queued, false) + granted < self.bounds.queued + slots
            && self.in_flight(false) + granted < self.bounds.in_flight
    }

    fn nth(&self, life: Life, nth: usize) -> Option<usize> {
        let of: Vec<_> = (0..self.calls.len()).filter(|call| self.calls[*call].life == life).collect();
        nth.checked_rem(of.len()).map(|at| of[at])
    }

    fn enter(&mut self, inside: bool) {
        let number = self.calls.len();
        self.queue.push(Priority::Normal, 0, inside, number);
        self.calls.push(Call { life: Life::Queued, inside });
    }

    fn come(&mut self, inside: bool) {
        if inside || self.queue.has_room() {
            return self.enter(inside);
        }
        let (woken, waker) = Woken::new();
        self.line.push((self.queue.wait_for_room(&mut NewWaker::of(&waker)), woken));
    }

    /// Lets a waiter check its ticket: it comes in if and only if it has a grant.
    fn come_in(&mut self, nth: usize) -> Result<(), TestCaseError> {
        let Some(at) = nth.checked_rem(self.line.len()) else { return Ok(()) };
        let (ticket, woken) = self.line[at].clone();
        prop_assert_eq!(self.queue.redeem(ticket, &mut NewWaker::of(&Waker::from(woken.clone()))), woken.is());
        if woken.is() {
            self.line.remove(at);
            self.enter(false);
        }
        Ok(())
    }

    fn give_up(&mut self, nth: usize) {
        if let Some(at) = nth.checked_rem(self.line.len()) {
            let (ticket, _) = self.line.remove(at);
            self.queue.cancel_wait(ticket, &mut AfterUnlock::default()).wake();
        }
    }

    /// Takes the next call like an executor: entries of calls that are over are skipped.
    fn begin(&mut self) {
        while let Some(number) = self.queue.pop() {
            let call = &mut self.calls[number];
            match std::mem::replace(&mut call.life, Life::Running) {
                Life::Queued => {
                    self.free_slots = self.free_slots.saturating_sub(1);
                    return self.queue.on_start(call.inside).wake();
                }
                Life::Resumed => {
                    self.free_slots = self.free_slots.saturating_sub(1);
                    return self.queue.on_resume();
                }
                over => call.life = over,
            }
        }
    }

    fn suspend(&mut self, nth: usize) {
        if let Some(number) = self.nth(Life::Running, nth) {
            self.calls[number].life = Life::Resumed;
            self.queue.resume(0, number);
        }
    }

    fn over(&mut self, number: usize) -> bool {
        self.calls[number].life = Life::Over;
        if self.calls.iter().all(|call| call.life == Life::Over) {
            self.askers.iter_mut().for_each(|asker| asker.empty = true);
        }
        self.calls[number].inside
    }

    fn finish(&mut self, nth: usize) {
        if let Some(number) = self.nth(Life::Running, nth) {
            self.completed += 1;
            let inside = self.over(number);
            self.queue.on_finish(inside).wake();
        }
    }

    fn end(&mut self, nth: usize) {
        if let Some(number) = self.nth(Life::Queued, nth) {
            let inside = self.over(number);
            self.queue.on_removed(inside).wake();
            if self.queue.is_stale() {
                let calls = &self.calls;
                let spent = |entry: &usize| (calls[*entry].life == Life::Over).then_some(Stale::AlreadyCounted);
                self.queue.purge_stale(spent).wake();
            }
        }
    }

    /// Adds a second entry of the call. It still counts as one call.
    fn raise(&mut self, nth: usize) {
        if let Some(number) = self.nth(Life::Queued, nth) {
            self.queue.push_raised(Priority::Immediate, 0, number);
        }
    }

    fn ask_empty(&mut self) -> Result<(), TestCaseError> {
        let busy = self.calls.iter().any(|call| call.life != Life::Over);
        let since = self.queue.empty_count();
        prop_assert_eq!(since.is_some(), busy);
        if let Some(since) = since {
            let (woken, waker) = Woken::new();
            prop_assert!(!self.queue.poll_empty_since(since), "not since just now");
            let new = NewWaker::of(&waker);
            self.queue.drained.register(&mut None, new, &mut AfterUnlock::<()>::default());
            self.askers.push(Asker { since, woken, empty: false });
        }
        Ok(())
    }

    fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Come { inside } => self.come(inside),
            Step::ComeRunning => {
                self.queue.count_running();
                self.calls.push(Call { life: Life::Running, inside: false });
            }
            Step::ComeIn(nth) => self.come_in(nth)?,
            Step::GiveUp(nth) => self.give_up(nth),
            Step::Begin => self.begin(),
            Step::Suspend(nth) => self.suspend(nth),
            Step::Finish(nth) => self.finish(nth),
            Step::End(nth) => self.end(nth),
            Step::Raise(nth) => self.raise(nth),
            Step::Slots(slots) => {
                self.free_slots = slots;
                self.queue.set_free_slots(slots).wake();
            }
            Step::Bounds { queued, in_flight } => {
                self.bounds = Limits { queued, in_flight };
                self.queue.set_bounds(self.bounds).wake();
            }
            Step::AskEmpty => self.ask_empty()?,
        }
        self.check()
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.queue.queued_outside(), self.count(Life::Queued, false));
        let resumed = self.count(Life::Resumed, false) + self.count(Life::Resumed, true);
        prop_assert_eq!(self.queue.overflow(), self.count(Life::Queued, true) + resumed);
        prop_assert_eq!(self.queue.has_resumed(), resumed > 0);
        prop_assert_eq!(self.queue.in_flight(), self.in_flight(false) + self.in_flight(true));
        prop_assert_eq!(self.queue.completed(), self.completed);
        let waits = self.line.len() > self.granted();
        prop_assert!(!(waits && self.has_room()), "a caller waits though there is room");
        prop_assert_eq!(self.queue.has_room(), self.has_room());
        let first_waits = self.line.iter().position(|(_, woken)| !woken.is()).unwrap_or(self.line.len());
        prop_assert!(self.line[first_waits..].iter().all(|(_, woken)| !woken.is()), "a later waiter was woken first");
        for asker in &self.askers {
            prop_assert_eq!(asker.woken.is(), asker.empty);
            prop_assert_eq!(self.queue.poll_empty_since(asker.since), asker.empty);
        }
        Ok(())
    }

    /// Lets everything in and out again.
    fn wind_down(&mut self) -> Result<(), TestCaseError> {
        loop {
            let before = (self.line.len(), self.completed);
            let granted = self.line.iter().position(|(_, woken)| woken.is());
            granted.map_or(Ok(()), |at| self.take(Step::ComeIn(at)))?;
            self.take(Step::Begin)?;
            self.take(Step::Finish(0))?;
            if before == (self.line.len(), self.completed) {
                return Ok(());
            }
        }
    }
}

fn bounds() -> impl Strategy<Value = Limits> {
    (1..5_usize, 1..7_usize).prop_map(|(queued, in_flight)| Limits { queued, in_flight })
}

fn changes_bounds(step: &Step) -> bool {
    matches!(step, Step::Bounds { .. } | Step::Slots(_))
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn queue_counts_match_a_model(bounds in bounds(), steps in prop::collection::vec(step(), 0..120)) {
        let mut model = Model::new(bounds);
        for step in steps {
            model.take(step)?;
        }
        model.wind_down()?;
        prop_assert!(model.line.is_empty(), "each waiting call came in");
        prop_assert_eq!(model.queue.in_flight(), 0);
        prop_assert!(model.askers.iter().all(|asker| asker.woken.is()), "each asker saw the empty moment");
    }

    /// Granted room counts, since its waiter may come at any time.
    #[test]
    fn queue_bounds_hold(
        bounds in bounds(),
        steps in prop::collection::vec(step().prop_filter("fixed bounds", |step| !changes_bounds(step)), 0..120),
    ) {
        let mut model = Model::new(bounds);
        for step in steps {
            if matches!(step, Step::ComeRunning) && !model.queue.has_room() {
                continue; // this call runs beyond the bound
            }
            model.take(step)?;
            let granted = model.granted();
            prop_assert!(model.count(Life::Queued, false) + granted <= bounds.queued);
            prop_assert!(model.in_flight(false) + granted <= bounds.in_flight);
        }
    }

    /// Checks that the entries of calls that ended while queued are swept before they outnumber the
    /// others.
    #[test]
    fn ended_calls_do_not_accumulate(ends in prop::collection::vec(prop::bool::weighted(0.9), 0..400)) {
        let mut model = Model::new(Limits { queued: usize::MAX, in_flight: usize::MAX });
        let mut live = 0;
        for end in ends {
            model.enter(false);
            if end { model.end(0) } else { live += 1 }
            prop_assert!(model.queue.lanes().len() <= 2 * (live + 1) + 64);
        }
        model.wind_down()?;
        prop_assert_eq!(model.completed, live as u64, "what was alive is still there");
    }
}
