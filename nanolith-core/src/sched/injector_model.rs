//! A property test: `Injector`, a lock-free ring in front of a locked queue, against a model that
//! is one list. Each call leaves once, in its turn, and the bound holds.

use super::Injector;
use crate::{
    call::{ancestry::Origin, backend::ErasedCall, call_ref::CallRef, header::Header, slot::Slot},
    error::ParentCall,
    meta::{priority::Priority, task_info::TaskInfo},
    sched::{
        queue::{BoundedQueue, Limits},
        ring::{Push, Ring},
    },
    task::{CallSlot, Input, NoState, Run, Scope, TaskSet},
};
use proptest::{prelude::*, test_runner::TestCaseResult};
use std::{panic::Location, sync::Arc};

pub(super) const TASK: TaskInfo = TaskInfo::new("Set", "task", "front::Set::task");

/// A set whose one task returns its number.
pub(super) struct Set;

impl TaskSet for Set {
    type Task = usize;
    type Output = usize;
    type Calls<E> = E;
    type Shared = NoState;

    const NAME: &'static str = "Set";
    const IDENTIFIER: &'static str = "front::Set";
    const TASKS: &'static [TaskInfo] = &[TASK];

    fn task_info(_: &usize) -> &'static TaskInfo {
        &Self::TASKS[0]
    }

    fn calls<E>(executor: E) -> E {
        executor
    }

    fn run(task: usize, _: &mut Scope<Self>) -> Run<usize> {
        Run::Done(task)
    }
}

/// A call that only waits in a queue. Its number is the moment of its submission.
pub(super) type Call = CallSlot<Set>;

fn number(call: &Call) -> u64 {
    call.header.submitted_at()
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A call is submitted: through the ring if it is a fast-path call and there is a credit.
    Come {
        urgent: bool,
        inside: bool,
    },
    /// A consumer of the ring takes the next call. A call that had been claimed is settled at once,
    /// or with others later.
    Serve {
        at_once: bool,
    },
    /// The calls that were taken although claimed are settled.
    Settle,
    /// The lock holder takes the next call.
    Take,
    /// The nth waiting call is claimed to be ended, and leaves at once.
    End(usize),
    /// The nth waiting call is claimed to be ended, and leaves at a later step.
    EndLater(usize),
    /// The nth waiting call from inside is overtaken.
    Overtake(usize),
    /// The nth waiting call gets the most urgent priority.
    Raise(usize),
    Open,
    Shut,
    /// The figures are read.
    Look,
}

fn step() -> impl Strategy<Value = Step> {
    let nth = 0..8_usize;
    prop_oneof![
        8 => (prop::bool::weighted(0.15), prop::bool::weighted(0.3)).prop_map(|(urgent, inside)| Step::Come { urgent, inside }),
        5 => any::<bool>().prop_map(|at_once| Step::Serve { at_once }),
        2 => Just(Step::Settle),
        3 => Just(Step::Take),
        1 => nth.clone().prop_map(Step::End),
        1 => nth.clone().prop_map(Step::EndLater),
        2 => nth.clone().prop_map(Step::Overtake),
        2 => nth.prop_map(Step::Raise),
        2 => Just(Step::Open),
        1 => Just(Step::Shut),
        1 => Just(Step::Look),
    ]
}

struct Model {
    front: Injector<CallRef<Call>>,
    inbox: Arc<Ring<CallRef<Call>>>,
    bound: usize,
    /// The waiting calls, in the order of submission.
    waiting: Vec<CallRef<Call>>,
    /// The calls that are claimed to be ended and have not left yet.
    ending: Vec<CallRef<Call>>,
    /// The calls that were taken from the ring after they were claimed, and are not settled yet.
    unsettled: Vec<CallRef<Call>>,
    came: usize,
    /// The calls that were taken from the ring and run, or were found to have run.
    served: u64,
    /// The calls that have run, in their turn or overtaken.
    over: u64,
}

impl Model {
    fn new(bound: usize, cells: usize) -> Self {
        let inbox = Arc::new(Ring::new(cells));
        let queue = BoundedQueue::loose(Limits { queued: bound, in_flight: usize::MAX });
        let front = Injector::new(queue, inbox.clone());
        let (waiting, ending, unsettled) = (Vec::new(), Vec::new(), Vec::new());
        Self { front, inbox, bound, waiting, ending, unsettled, came: 0, served: 0, over: 0 }
    }

    /// Returns the number of calls from outside that occupy queue room. A call taken from the ring
    /// has none until it is settled.
    fn outside(&self) -> usize {
        let unsettled = |call: &CallRef<Call>| self.unsettled.iter().any(|other| number(other) == number(call));
        self.waiting.iter().chain(&self.ending).filter(|call| !call.header.is_nested() && !unsettled(call)).count()
    }

    /// Submits a call like admission does.
    fn come(&mut self, urgent: bool, inside: bool) -> Result<(), TestCaseError> {
        let priority = if urgent { Priority::Immediate } else { Priority::Normal };
        let meta = Header::new(
            ParentCall { task: &TASK, submitted: Location::caller() },
            Some(priority),
            None,
            Origin::default(),
        );
        self.came += 1;
        meta.stamp_submitted(|| 10_000_000 + self.came as u64);
        if inside {
            meta.mark_nested();
        }
        let call = CallRef::new(Slot::new(Input { task: self.came, shared: None }, meta, false));
        let plain = ErasedCall::is_plain(&*call);
        let mut stepped_in = plain && self.inbox.try_push(|| call.clone()) != Push::Full;
        if inside && plain {
            self.inbox.mark_mixed();
        }
        if !stepped_in && plain && self.front.has_credit() {
            stepped_in = self.inbox.try_push(|| call.clone()) != Push::Full;
            if inside {
                self.inbox.mark_mixed();
            }
            prop_assert!(stepped_in, "there was a place");
        }
        if !stepped_in {
            self.front.stop_accepting().unwrap_or_default().wake();
            let room = inside || self.front.has_room();
            prop_assert_eq!(room, inside || self.outside() < self.bound, "`has_room` matches the model");
            if room {
                call.header.mark_counted(inside);
                self.front.queue.push(priority, call.header.submitted_at(), inside, call.clone());
            }
            self.front.refill_credits();
            if !room {
                return Ok(());
            }
        }
        self.waiting.push(call);
        if self.ending.is_empty() {
            prop_assert!(self.outside() <= self.bound, "the bound holds");
        }
        Ok(())
    }

    /// Returns the next call: the most urgent, and among equals the first that came.
    fn goes(&mut self, call: &Call) -> TestCaseResult {
        let next = self.waiting.iter().position(|call| call.header.priority() == Priority::Immediate).unwrap_or(0);
        prop_assert!(!self.waiting.is_empty(), "no caller waits");
        prop_assert_eq!(number(&self.waiting.remove(next)), number(call));
        self.over += 1;
        Ok(())
    }

    fn serve(&mut self, at_once: bool) -> TestCaseResult {
        if self.front.non_fast_len() > 0 {
            return Ok(()); // the consumer leaves it to the lock holder
        }
        while let Some(call) = self.inbox.pop() {
            if call.begin().is_some() {
                self.served += 1;
                return self.goes(&call);
            } else if call.was_overtaken() {
                self.front.queue.rules().uncount_overtaken();
                self.served += 1;
            } else {
                self.unsettled.push(call);
            }
            if at_once {
                self.settle();
            }
        }
        Ok(())
    }

    fn settle(&mut self) {
        for call in std::mem::take(&mut self.unsettled) {
            self.front.account_claimed(&*call);
        }
        self.front.refill_credits();
    }

    fn take(&mut self) -> TestCaseResult {
        while let Some(call) = self.front.pop() {
            if call.claim() {
                self.front.queue.on_start(call.header.is_nested()).wake();
                self.front.queue.on_finish(call.header.is_nested()).wake();
                self.front.refill_credits();
                return self.goes(&call);
            }
            self.front.skip_stale(&*call).wake();
        }
        prop_assert!(self.waiting.is_empty(), "a caller waits and none is admitted");
        self.front.refill_credits();
        Ok(())
    }

    fn claim(&mut self, nth: usize) -> Option<CallRef<Call>> {
        let at = nth.checked_rem(self.waiting.len())?;
        let call = self.waiting.remove(at);
        call.claim().then_some(call)
    }

    fn leave(&mut self, call: &CallRef<Call>) {
        self.front.leave(&**call).wake();
        self.front.refill_credits();
    }

    fn overtake(&mut self, nth: usize) {
        let inside: Vec<_> = (0..self.waiting.len()).filter(|at| self.waiting[*at].header.is_nested()).collect();
        if let Some(at) = nth.checked_rem(inside.len()) {
            let call = self.waiting.remove(inside[at]);
            assert!(Slot::claim_by_waiter::<Input<Set>, 0>(&call).is_some());
            self.front.queue.rules().count_overtaken();
            self.over += 1;
        }
    }

    /// Raises the nth waiting call like an executor does. A later pop may return either of the
    /// call's two entries.
    fn raise(&mut self, nth: usize) {
        if let Some(at) = nth.checked_rem(self.waiting.len()) {
            let call = self.waiting[at].clone();
            if call.header.raise(Priority::Immediate) {
                self.front.raise(number(&call).saturating_sub(1_000_000), call);
                self.front.refill_credits();
                drop(self.front.take_stale());
            }
        }
    }

    /// Checks that the figures count what waits and nothing that is over. A call that is about to
    /// leave is still counted.
    fn look(&mut self) -> TestCaseResult {
        self.settle();
        let (outside, all) = (self.outside(), self.waiting.len() + self.ending.len());
        let (figures, wakes) = self.front.figures();
        wakes.wake();
        prop_assert_eq!(figures.queued_outside, outside);
        prop_assert_eq!(figures.queued_outside + figures.overflow, all);
        prop_assert_eq!(figures.in_flight, all);
        prop_assert_eq!(figures.completed + self.served, self.over);
        self.front.refill_credits();
        Ok(())
    }

    fn step(&mut self, step: Step) -> TestCaseResult {
        match step {
            Step::Come { urgent, inside } => self.come(urgent, inside)?,
            Step::Serve { at_once } => self.serve(at_once)?,
            Step::Settle => self.settle(),
            Step::Take => self.take()?,
            Step::End(nth) => self.claim(nth).iter().for_each(|call| self.leave(call)),
            Step::EndLater(nth) => {
                let call = self.claim(nth);
                self.ending.extend(call);
            }
            Step::Overtake(nth) => self.overtake(nth),
            Step::Raise(nth) => self.raise(nth),
            Step::Open if self.front.can_use_ring() => self.front.open_ring(),
            Step::Open => {}
            Step::Shut => self.front.close_ring(),
            Step::Look => self.look()?,
        }
        Ok(())
    }

    fn wind_down(&mut self) -> TestCaseResult {
        while let Some(call) = self.ending.pop() {
            self.leave(&call);
        }
        while !self.waiting.is_empty() {
            self.serve(true)?;
            if !self.waiting.is_empty() {
                self.take()?;
            }
        }
        self.look()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_call_leaves_the_injector_once_in_its_turn(
        bound in 1..12_usize,
        cells in 1..9_usize,
        steps in prop::collection::vec(step(), 0..160),
    ) {
        let mut model = Model::new(bound, cells);
        for step in steps {
            model.step(step)?;
        }
        model.wind_down()?;
    }
}
