//! [`Scheduler`]: one deterministic simulation, which its threads share: its random numbers, its
//! clock, its progress and its failure. `turns` decides which of its threads runs, and `shutdown`
//! ends it.

use super::{
    Rules,
    rng::Random,
    shutdown::Shutdown,
    threads::{State, ThreadStatus},
    trace::Trace,
};
use crate::{
    error::Panic,
    time::clock::{self, VirtualClock},
};
use std::{
    any::{Any, TypeId},
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// A simulation. Its threads share it.
pub(crate) struct Scheduler {
    pub(super) rules: Rules,
    pub(super) clock: Arc<VirtualClock>,
    pub(super) state: Mutex<State>,
    pub(super) course: Mutex<SchedulerState>,
    /// The random numbers that user code draws.
    draws: Mutex<Random>,
    pub(super) locals: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
    pub(super) shutdown: Shutdown,
}

/// The progress of the simulation.
pub(super) struct SchedulerState {
    pub(super) failure: Option<Failure>,
    /// Whether the closure has returned or panicked.
    pub(super) ending: bool,
    /// Whether the step limit was exceeded, so that only the root thread runs.
    pub(super) stopping: bool,
    /// The maximum number of steps.
    pub(super) steps: u64,
    /// The latest time to which the clock goes.
    pub(super) limit: Option<Instant>,
    pub(super) over: bool,
    /// The names of the threads that kept other threads from going on.
    holders: Vec<Arc<str>>,
    /// The number of threads that user code started.
    spawned: usize,
}

/// The reason why a simulation failed, other than a panic of its closure.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// A thread panicked, and no other thread waited for it.
    Panicked(Panic),
    /// All threads wait. The strings describe what each thread waits for.
    Deadlock(Vec<String>),
    /// The step limit, which is the first field, was exceeded. The strings describe each thread.
    Steps(u64, Vec<String>),
}

impl Scheduler {
    pub(crate) fn new(seed: u64, rules: Rules) -> Arc<Self> {
        let mut state = State::new(seed);
        state.add("main".into(), ThreadStatus::Ready);
        state.add("clock".into(), ThreadStatus::Last);
        let course = SchedulerState {
            failure: None,
            ending: false,
            stopping: false,
            steps: rules.steps,
            limit: None,
            over: false,
            holders: Vec::new(),
            spawned: 0,
        };
        Arc::new(Self {
            rules,
            clock: VirtualClock::new(),
            state: Mutex::new(state),
            course: Mutex::new(course),
            draws: Mutex::new(Random::new(!seed)),
            locals: Mutex::default(),
            shutdown: Shutdown::default(),
        })
    }

    pub(crate) fn clock(&self) -> &Arc<VirtualClock> {
        &self.clock
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    pub(crate) fn trace(&self) -> Trace {
        lock(&self.state).trace.clone()
    }

    pub(crate) fn steps(&self) -> u64 {
        lock(&self.state).steps
    }

    pub(crate) fn failure(&self) -> Option<Failure> {
        lock(&self.course).failure.clone()
    }

    /// Marks the simulation as failed, unless it failed before.
    pub(crate) fn fail(&self, failure: Failure) {
        lock(&self.course).failure.get_or_insert(failure);
    }

    /// Notes the thread that has the turn, and has kept it for too long. Returns the thread's name.
    pub(crate) fn note_holder(&self) -> Option<Arc<str>> {
        let state = lock(&self.state);
        let holder = state.stands[state.running?].name.clone();
        lock(&self.course).holders.push(holder.clone());
        Some(holder)
    }

    /// Returns the names of the threads that were noted by [`note_holder`](Self::note_holder).
    pub(crate) fn holders(&self) -> Vec<Arc<str>> {
        lock(&self.course).holders.clone()
    }

    /// Returns a number from the seed, for a choice among threads.
    pub(crate) fn random_u64(&self) -> u64 {
        lock(&self.state).random.next()
    }

    /// Returns a number from the seed, for code other than the scheduler.
    pub(crate) fn draw(&self) -> u64 {
        lock(&self.draws).next()
    }

    /// Returns a number from 0 to 1.
    pub(crate) fn draw_part(&self) -> f64 {
        lock(&self.draws).part()
    }

    /// Returns the simulation's only value of this type. Calls `make` if there is none yet.
    pub(crate) fn local<T: Send + Sync + 'static>(&self, make: impl FnOnce() -> T) -> Arc<T> {
        let known = |locals: &HashMap<TypeId, Arc<dyn Any + Send + Sync>>| locals.get(&TypeId::of::<T>()).cloned();
        let found = known(&lock(&self.locals));
        let value = found.unwrap_or_else(|| {
            let made: Arc<dyn Any + Send + Sync> = Arc::new(make());
            let mut locals = lock(&self.locals);
            known(&locals).unwrap_or_else(|| {
                locals.insert(TypeId::of::<T>(), made.clone());
                made
            })
        });
        value.downcast().unwrap_or_else(|_| unreachable!("a value is known by its type"))
    }

    /// Returns the number of the next thread of user code.
    pub(crate) fn next_spawned(&self) -> usize {
        let mut course = lock(&self.course);
        course.spawned += 1;
        course.spawned
    }
}

/// Makes the simulation's clock the clock of this thread, as long as the thread lives.
pub(super) fn keep_time(world: &Scheduler) {
    clock::enter(Some(world.clock.clone())).for_ever();
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
