//! A property test: random programs on a pool against a model that keeps the calls in plain maps
//! and sets.
//!
//! Calls are submitted, finished, cancelled and raised. The pool is resized, paused, resumed and
//! closed, and time advances. After each step the pool runs exactly what the model runs. At the end
//! each call has ended once, in the way that the model predicts.

mod common;

use common::{Any, AnyCalls};
use nanolith::{
    CallError, Handle, Pool, Priority, TaskSet, Wait, executor::MaxQueue, pool::Concurrency, time::MockClock,
};
use proptest::{prelude::*, test_runner::TestCaseResult};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

#[derive(Clone, Copy, Debug)]
enum Step {
    Submit {
        priority: Priority,
        later: bool,
    },
    /// Lets a call that has started continue to its end.
    Finish(usize),
    Cancel(usize),
    Raise(usize, Priority),
    Resize(usize),
    Pause,
    Resume,
    Advance(u64),
    Close,
}

fn priorities() -> impl Strategy<Value = Priority> {
    prop::sample::select(&Priority::ALL[..])
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        30 => (priorities(), any::<bool>()).prop_map(|(priority, later)| Step::Submit { priority, later }),
        30 => any::<usize>().prop_map(Step::Finish),
        8 => any::<usize>().prop_map(Step::Cancel),
        8 => (any::<usize>(), priorities()).prop_map(|(which, priority)| Step::Raise(which, priority)),
        5 => (1..5_usize).prop_map(Step::Resize),
        3 => Just(Step::Pause),
        6 => Just(Step::Resume),
        9 => (1..20_000_u64).prop_map(Step::Advance),
        1 => Just(Step::Close),
    ]
}

type Id = i64;

/// An event that a task reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Report {
    Began(Id),
    WentOn(Id),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Done,
    Cancelled,
    Closed,
}

/// A call that waits for a slot.
struct Waiting {
    id: Id,
    expires: Duration,
    resumes: bool,
}

#[derive(Clone, Copy)]
struct Known {
    submitted: Duration,
    priority: Priority,
    later: bool,
}

/// A model of a pool, as a user sees it.
struct Model {
    limit: usize,
    paused: bool,
    closed: bool,
    calls: BTreeMap<Id, Known>,
    waiting: Vec<Waiting>,
    running: BTreeSet<Id>,
    suspended: BTreeSet<Id>,
    ends: BTreeMap<Id, End>,
}

/// A limit for an event that must happen. It is short, so that a failing program shrinks fast.
const PATIENCE: Duration = Duration::from_secs(5);

/// A start time far from zero, so that an earlier expiration is also a valid time.
const BEGIN: Duration = Duration::from_secs(1_000);

fn expires(priority: Priority, submitted: Duration) -> Duration {
    match priority {
        Priority::Immediate => submitted - Duration::from_millis(1),
        other => submitted + other.max_wait(),
    }
}

impl Model {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            paused: false,
            closed: false,
            calls: BTreeMap::new(),
            waiting: Vec::new(),
            running: BTreeSet::new(),
            suspended: BTreeSet::new(),
            ends: BTreeMap::new(),
        }
    }

    /// Fills the free slots, and returns the expected events.
    fn settle(&mut self) -> Vec<Report> {
        let mut reports = Vec::new();
        while self.running.len() < self.limit {
            let fits = self.waiting.iter().enumerate().filter(|(_, waiting)| waiting.resumes || !self.paused);
            let Some((at, _)) = fits.min_by_key(|(_, waiting)| waiting.expires) else { break };
            let Waiting { id, resumes, .. } = self.waiting.remove(at);
            if resumes {
                reports.push(Report::WentOn(id));
                self.ends.entry(id).or_insert(End::Done);
                continue;
            }
            reports.push(Report::Began(id));
            let begun = if self.calls[&id].later { &mut self.suspended } else { &mut self.running };
            begun.insert(id);
        }
        reports
    }

    fn wait(&mut self, id: Id, resumes: bool) {
        let known = self.calls[&id];
        self.waiting.push(Waiting { id, expires: expires(known.priority, known.submitted), resumes });
    }

    /// Lets the call continue, if it has started.
    fn finish(&mut self, id: Id) {
        if self.running.remove(&id) {
            self.ends.entry(id).or_insert(End::Done);
        } else if self.suspended.remove(&id) {
            self.wait(id, true);
        }
    }

    fn cancel(&mut self, id: Id) {
        self.waiting.retain(|waiting| waiting.id != id);
        self.suspended.remove(&id); // its future is dropped at its next turn, without an event
        self.ends.entry(id).or_insert(End::Cancelled);
    }

    fn raise(&mut self, id: Id, priority: Priority) {
        let known = self.calls.get_mut(&id).expect("it was submitted");
        known.priority = known.priority.min(priority);
        let expires = expires(known.priority, known.submitted);
        // A future that was woken earlier keeps its position for that turn.
        let place = self.waiting.iter_mut().find(|waiting| waiting.id == id && !waiting.resumes);
        place.into_iter().for_each(|waiting| waiting.expires = expires);
    }
}

/// A call, and the gate that lets it continue.
struct Call {
    handle: Handle<Any, i64>,
    gate: Gate,
}

enum Gate {
    Sync(Option<mpsc::Sender<()>>),
    Later(Option<flume::Sender<()>>),
}

impl Gate {
    fn open(&mut self) {
        match self {
            Self::Sync(gate) => drop(gate.take()),
            Self::Later(gate) => drop(gate.take()),
        }
    }
}

/// The pool, and the events that its tasks reported.
struct Program {
    clock: MockClock,
    pool: Pool,
    tasks: AnyCalls<Pool>,
    calls: BTreeMap<Id, Call>,
    tell: mpsc::Sender<Report>,
    reports: mpsc::Receiver<Report>,
    model: Model,
}

impl Program {
    fn new(clock: MockClock, limit: usize) -> Self {
        let settings = Pool::builder().concurrency(Concurrency::Exact(limit)).max_queue(MaxQueue::Unbounded);
        let pool = settings.build().expect("sound settings");
        let (tell, reports) = mpsc::channel();
        let tasks = Any::calls(pool.clone());
        Self { clock, pool, tasks, calls: BTreeMap::new(), tell, reports, model: Model::new(limit) }
    }

    fn now(&self) -> Duration {
        BEGIN + self.clock.elapsed()
    }

    fn pick(&self, which: usize) -> Option<Id> {
        let count = self.calls.len();
        (count > 0).then(|| self.calls.keys().copied().nth(which % count).expect("the number is below the count"))
    }

    fn submit(&mut self, priority: Priority, later: bool) {
        let id = Id::try_from(self.calls.len()).expect("they are few");
        let tell = self.tell.clone();
        let (call, gate) = if later {
            let (gate, opens) = flume::bounded::<()>(1);
            let call = self.tasks.later(async move {
                let _ = tell.send(Report::Began(id));
                let _ = opens.recv_async().await;
                let _ = tell.send(Report::WentOn(id));
                id
            });
            (call, Gate::Later(Some(gate)))
        } else {
            let (gate, opens) = mpsc::channel::<()>();
            let call = self.tasks.run(move || {
                let _ = tell.send(Report::Began(id));
                let _ = opens.recv();
                id
            });
            (call, Gate::Sync(Some(gate)))
        };
        let handle = call.priority(priority).submit();
        self.model.calls.insert(id, Known { submitted: self.now(), priority, later });
        if self.model.closed {
            self.model.ends.insert(id, End::Closed);
        } else {
            self.model.wait(id, false);
        }
        self.calls.insert(id, Call { handle, gate });
    }

    fn finish(&mut self, which: usize) {
        let begun: Vec<Id> = self.model.running.iter().chain(&self.model.suspended).copied().collect();
        if begun.is_empty() {
            return;
        }
        let id = begun[which % begun.len()];
        self.model.finish(id);
        self.calls.get_mut(&id).expect("it was submitted").gate.open();
    }

    fn step(&mut self, step: Step) -> TestCaseResult {
        // No two calls expire at one moment: another test checks their order.
        self.clock.advance(Duration::from_micros(1));
        match step {
            Step::Submit { priority, later } => self.submit(priority, later),
            Step::Finish(which) => self.finish(which),
            Step::Cancel(which) => {
                if let Some(id) = self.pick(which) {
                    self.model.cancel(id);
                    self.calls[&id].handle.cancel();
                }
            }
            Step::Raise(which, priority) => {
                if let Some(id) = self.pick(which) {
                    self.model.raise(id, priority);
                    self.calls[&id].handle.raise(priority);
                }
            }
            Step::Resize(limit) => {
                self.model.limit = limit;
                self.pool.set_concurrency(Concurrency::Exact(limit)).expect("sound");
            }
            Step::Pause => {
                self.model.paused = !self.model.closed;
                if !self.model.closed {
                    self.pool.pause();
                }
            }
            Step::Resume => {
                self.model.paused = false;
                self.pool.resume();
            }
            Step::Advance(millis) => self.clock.advance(Duration::from_millis(millis)),
            Step::Close => {
                (self.model.closed, self.model.paused) = (true, false);
                self.pool.close();
            }
        }
        self.compare()
    }

    /// Whether the event is from a future that was cancelled during a poll. Such a future may
    /// continue to its next await, and report that.
    fn is_late(&self, report: Report) -> bool {
        matches!(report, Report::WentOn(id) if self.model.ends.get(&id) == Some(&End::Cancelled))
    }

    /// Checks that the pool does what the model does.
    fn compare(&mut self) -> TestCaseResult {
        let expected = self.model.settle();
        let mut seen = Vec::new();
        while seen.len() < expected.len() {
            match self.reports.recv_timeout(PATIENCE) {
                Ok(report) if self.is_late(report) => {}
                Ok(report) => seen.push(report),
                Err(_) => {
                    prop_assert!(false, "{seen:?} of {expected:?}; {:?}", self.pool);
                }
            }
        }
        // A single slot is given in order. With several slots, the system decides which event is
        // first.
        let sorted = |mut reports: Vec<Report>| {
            if self.model.limit > 1 {
                reports.sort_unstable();
            }
            reports
        };
        prop_assert_eq!(sorted(seen), sorted(expected));
        // A call that has reported its last event ends soon. A call that has started and waits is
        // not active. The next step comes only after that.
        let done = || self.model.ends.iter().filter(|(_, end)| **end == End::Done);
        let begun = Instant::now();
        while self.pool.info().active != self.model.running.len()
            || !done().all(|(id, _)| self.calls[id].handle.is_finished())
        {
            prop_assert!(begun.elapsed() < PATIENCE, "{:?} run; {:?}", self.model.running, self.pool);
            thread::yield_now();
        }
        Ok(())
    }

    /// Lets each call run to its end.
    fn end(mut self) -> TestCaseResult {
        self.step(Step::Resume)?;
        while !self.model.running.is_empty() || !self.model.suspended.is_empty() {
            self.step(Step::Finish(0))?;
        }
        self.calls.values_mut().for_each(|call| call.gate.open());
        self.pool.drained().wait();
        let mut reports = self.reports.try_iter();
        prop_assert_eq!(reports.find(|report| !self.is_late(*report)), None, "no call begins twice, or after the end");
        prop_assert_eq!((self.pool.info().queue_len, self.pool.info().overflow, self.pool.info().in_flight), (0, 0, 0));
        for (id, call) in self.calls {
            let end = match call.handle.wait() {
                Ok(output) => {
                    prop_assert_eq!(output, id);
                    End::Done
                }
                Err(CallError::Cancelled(_)) => End::Cancelled,
                Err(CallError::Closed(_)) => End::Closed,
                Err(other) => return Err(TestCaseError::fail(format!("{id}: {other}"))),
            };
            prop_assert_eq!(Some(&end), self.model.ends.get(&id), "call {}", id);
        }
        Ok(())
    }
}

fn run(limit: usize, steps: Vec<Step>) -> TestCaseResult {
    let clock = MockClock::new();
    clock.run(|| {
        let mut program = Program::new(clock.clone(), limit);
        for step in steps {
            program.step(step)?;
        }
        program.end()
    })
}

/// Runs `cases` programs of `length` steps each.
fn check(cases: u32, length: usize) {
    let config = ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 8, ..ProptestConfig::default() };
    let programs = (1..4_usize, prop::collection::vec(steps(), length / 2..=length));
    let mut runner = prop::test_runner::TestRunner::new(config);
    runner.run(&programs, |(limit, steps)| run(limit, steps)).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn random_programs_match_a_model() {
    check(128, 60);
}

/// If a raise polled the future, the future would keep the position of the first raise.
#[test]
fn future_raised_twice_resumes_at_its_last_position() {
    let submit = |priority, later| Step::Submit { priority, later };
    let steps = vec![
        submit(Priority::Idle, true),
        submit(Priority::Normal, false),
        Step::Raise(0, Priority::Low),
        Step::Raise(0, Priority::Immediate),
        Step::Finish(1), // the future, which waits for the only slot
        submit(Priority::Normal, false),
        Step::Finish(0),
    ];
    run(1, steps).expect("the future goes before the call that came last");
}

/// `NANOLITH_STEPS` sets the number of steps. The default is a million.
#[test]
#[ignore = "a million steps: `cargo xtask programs`"]
fn million_random_steps_match_a_model() {
    let steps: u32 = std::env::var("NANOLITH_STEPS").ok().and_then(|steps| steps.parse().ok()).unwrap_or(1_000_000);
    check((steps / 300).max(1), 400);
}
