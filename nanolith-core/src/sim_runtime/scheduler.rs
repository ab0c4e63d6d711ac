//! The scheduler of one simulation: its threads, its clock, and the turn that threads pass on.
//!
//! Each thread waits on a condition variable of its own, its `bell`, until it has the turn. A
//! thread that waits, or passes a switch point, chooses the next thread under the lock. It notifies
//! that thread's `bell`, and waits at its own. Under that lock nothing else may block.

use super::{
    Rules,
    rng::Random,
    threads::{CLOCK, Due, ROOT, State, ThreadStatus},
    trace::Trace,
};
use crate::{
    error::{Panic, Unwind},
    time::{
        clock::{self, VirtualClock},
        timer,
    },
};
use std::{
    any::{Any, TypeId},
    collections::HashMap,
    mem, panic,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

pub(crate) struct Scheduler {
    pub(super) rules: Rules,
    pub(super) clock: Arc<VirtualClock>,
    pub(super) state: Mutex<State>,
    pub(super) course: Mutex<SchedulerState>,
    /// The random numbers that user code draws.
    draws: Mutex<Random>,
    pub(super) locals: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
    /// The functions that end what is left when the grace period is over.
    pub(super) enders: Mutex<Vec<OnEnd>>,
    end: Mutex<EndState>,
    /// Whether the grace period is over, so that what is left ends.
    past_grace: AtomicBool,
}

/// The functions that end an item that is left when the grace period is over.
pub(super) struct OnEnd {
    /// Ends the item, once.
    pub(super) end: Option<Box<dyn FnOnce() + Send>>,
    /// Drops what no thread was left to drop. This may run several times.
    pub(super) sweep: Option<Arc<dyn Fn() + Send + Sync>>,
}

/// A step of the end of a simulation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EndStep {
    /// The simulation has not come to a step that a waiter waits for.
    #[default]
    Running,
    /// The futures that are no calls end.
    FuturesOver,
    /// No thread of the simulation runs any more.
    Over,
}

/// A listener that is called at each step of the end of a simulation.
pub(crate) trait EndListener: Send + Sync {
    fn reached(&self, step: EndStep);

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

/// The step of the end that was reached, and the listener for the next step.
#[derive(Default)]
pub(super) struct EndState {
    step: EndStep,
    listener: Option<Arc<dyn EndListener>>,
}

/// The progress of the simulation.
pub(super) struct SchedulerState {
    failure: Option<Failure>,
    /// Whether the closure has returned or panicked.
    pub(super) ending: bool,
    /// Whether the step limit was exceeded, so that only the root thread runs.
    stopping: bool,
    /// The maximum number of steps.
    steps: u64,
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

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
            enders: Mutex::default(),
            end: Mutex::default(),
            past_grace: AtomicBool::new(false),
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

    /// Runs `end` after the grace period, on the thread that ran the closure. No lock is held.
    pub(crate) fn at_end(&self, end: impl FnOnce() + Send + 'static) {
        lock(&self.enders).push(OnEnd { end: Some(Box::new(end)), sweep: None });
    }

    /// Like [`at_end`](Self::at_end). After the last thread, `sweep` drops the rest on that thread.
    pub(crate) fn at_end_and_after(
        &self,
        end: impl FnOnce() + Send + 'static,
        sweep: impl Fn() + Send + Sync + 'static,
    ) {
        lock(&self.enders).push(OnEnd { end: Some(Box::new(end)), sweep: Some(Arc::new(sweep)) });
    }

    /// Returns the listener for the steps of the end. `make` creates it, once, from the last step.
    pub(crate) fn end_listener(&self, make: impl FnOnce(EndStep) -> Arc<dyn EndListener>) -> Arc<dyn EndListener> {
        let mut end = lock(&self.end);
        let step = end.step;
        end.listener.get_or_insert_with(|| make(step)).clone()
    }

    /// Moves the end of the simulation to `step`.
    pub(super) fn reach(&self, step: EndStep) {
        let listener = {
            let mut end = lock(&self.end);
            end.step = step;
            end.listener.clone()
        };
        listener.iter().for_each(|listener| listener.reached(step));
    }

    pub(super) fn mark_past_grace(&self) {
        self.past_grace.store(true, Ordering::Relaxed);
    }

    /// Whether the grace period is over, so that what is left ends.
    pub(crate) fn is_past_grace(&self) -> bool {
        // ORDERING: Relaxed, pairs with the store in `mark_past_grace`. The lock orders the turns.
        self.past_grace.load(Ordering::Relaxed)
    }

    // ----- threads

    /// Returns the number of the next thread of user code.
    pub(crate) fn next_spawned(&self) -> usize {
        let mut course = lock(&self.course);
        course.spawned += 1;
        course.spawned
    }

    /// Adds a thread that can run from now on.
    pub(super) fn add(&self, name: Arc<str>) -> usize {
        lock(&self.state).add(name, ThreadStatus::Ready)
    }

    /// Gives the first turn to the root.
    pub(super) fn begin(&self) {
        let mut state = lock(&self.state);
        state.hand_over(None, ROOT, Duration::ZERO);
    }

    /// Waits for the first turn of a thread that was started.
    pub(super) fn enter(&self, me: usize) {
        let state = lock(&self.state);
        drop(Self::await_turn(state, me));
    }

    /// Ends a thread. A thread that has not begun ends in the same way.
    pub(super) fn leave(&self, me: usize) {
        let mut state = lock(&self.state);
        if state.running == Some(me) {
            drop(self.pass_on(state, me, ThreadStatus::Over));
        } else {
            state.stands[me].standing = ThreadStatus::Over;
        }
    }

    /// Makes a parked thread ready, or leaves a token for a thread that is not parked.
    pub(super) fn wake(&self, id: usize) {
        let mut state = lock(&self.state);
        let stand = &mut state.stands[id];
        match stand.standing {
            ThreadStatus::Parked => stand.standing = ThreadStatus::Ready,
            _ => stand.token = true, // code outside the simulation woke the thread as it was about to wait
        }
    }

    /// Parks the thread until it is woken.
    pub(super) fn park(&self, me: usize) {
        if mem::take(&mut lock(&self.state).stands[me].token) {
            return;
        }
        self.switch(me, ThreadStatus::Parked, true);
    }

    /// Lets the other threads go first: the thread polls for something.
    pub(super) fn yield_now(&self, me: usize) {
        self.switch(me, ThreadStatus::Yielded, true);
    }

    /// A switch point, where other threads may go on in the thread's place.
    pub(super) fn switch_point(&self, me: usize) {
        let mut state = lock(&self.state);
        if state.running != Some(me) {
            return; // the thread is about to end
        }
        state.count_step();
        let is_late = state.steps > lock(&self.course).steps;
        if is_late || state.is_interrupted(self.rules.switch) {
            drop(state);
            self.switch(me, ThreadStatus::Ready, me == ROOT);
        }
    }

    /// Like [`switch_point`](Self::switch_point), for a polling thread: it yields half the time.
    pub(super) fn poll_point(&self, me: usize) {
        let mut state = lock(&self.state);
        if state.running == Some(me) && state.random.chance(0.5) {
            drop(state);
            self.yield_now(me);
        }
    }

    pub(super) fn describe(&self, me: usize, doing: Option<String>) {
        lock(&self.state).stands[me].doing = doing;
    }

    /// Lets other threads run until this thread's next turn. Then it unwinds, if doomed and able.
    fn switch(&self, me: usize, standing: ThreadStatus, may_unwind: bool) {
        let mut state = lock(&self.state);
        if state.running != Some(me) {
            return;
        }
        let unwinds = thread::panicking();
        state.stands[me].unwinds = unwinds;
        state = self.pass_on(state, me, standing);
        let is_doomed = may_unwind && !unwinds && mem::take(&mut state.stands[me].doomed);
        if is_doomed && me == ROOT {
            self.go_on(&state); // the root's destructors may wait for other threads
        }
        drop(state);
        if is_doomed {
            panic::resume_unwind(Box::new(Unwind));
        }
    }

    /// Passes the turn to the next thread. Waits for the turn again, unless the thread has ended.
    pub(super) fn pass_on<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        me: usize,
        standing: ThreadStatus,
    ) -> MutexGuard<'a, State> {
        state.stands[me].standing = standing;
        state.count_step();
        let next = self.choose(&mut state);
        state.hand_over(Some(me), next, self.clock.elapsed());
        if standing == ThreadStatus::Over { state } else { Self::await_turn(state, me) }
    }

    fn await_turn(mut state: MutexGuard<'_, State>, me: usize) -> MutexGuard<'_, State> {
        let bell = state.stands[me].bell.clone();
        while state.running != Some(me) {
            state = bell.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state
    }

    // ----- the choice of the next thread

    fn choose(&self, state: &mut State) -> usize {
        let mut course = lock(&self.course);
        if state.steps > course.steps && !course.stopping {
            course.stopping = true;
            if !course.ending {
                let steps = course.steps;
                course.failure.get_or_insert_with(|| Failure::Steps(steps, state.describe()));
            }
        }
        if course.stopping {
            return self.stop(state, course.ending);
        }
        let due = self.due(course.limit);
        match state.next(due) {
            Some(next) => next,
            None if course.ending => ROOT,
            None => {
                course.failure.get_or_insert_with(|| Failure::Deadlock(state.describe()));
                self.stop(state, false)
            }
        }
    }

    /// Stops the simulation: the root goes on. It unwinds, where its closure has not ended.
    fn stop(&self, state: &mut State, ending: bool) -> usize {
        let root = &mut state.stands[ROOT];
        if root.unwinds && root.standing == ThreadStatus::Parked {
            give_up(self.rules.seed, &state.describe());
        }
        root.doomed = !ending && !root.unwinds;
        ROOT
    }

    fn due(&self, limit: Option<Instant>) -> Due {
        match timer::next_due(&self.clock) {
            Some(due) if due <= self.clock.instant() => Due::Now,
            Some(due) if limit.is_none_or(|limit| due <= limit) => Due::Later,
            _ => Due::Never,
        }
    }

    /// Moves the clock when no thread can run, and rings one alarm at a time. Run by `CLOCK`.
    pub(super) fn serve_clock(&self) {
        let mut state = Self::await_turn(lock(&self.state), CLOCK);
        while !lock(&self.course).over {
            drop(state);
            if !timer::ring_next(&self.clock) {
                if let Some(due) = timer::next_due(&self.clock) {
                    self.clock.move_to(due);
                    timer::ring_next(&self.clock);
                }
            }
            state = self.pass_on(lock(&self.state), CLOCK, ThreadStatus::Last);
        }
    }

    /// Allows further steps after the limit was reached: a part of the steps is left for the end.
    pub(super) fn go_on(&self, state: &State) {
        let mut course = lock(&self.course);
        course.stopping = false;
        course.steps = state.steps.saturating_add(self.rules.steps / 8 + 1_000);
    }
}

/// Aborts the process: the root waits forever in a destructor while it unwinds.
fn give_up(seed: u64, left: &[String]) -> ! {
    eprintln!(
        "simulation failed with seed {seed}: a destructor waits for ever while a panic unwinds\n  {}",
        left.join("\n  ")
    );
    std::process::abort()
}

/// Makes the simulation's clock the clock of this thread, as long as the thread lives.
pub(super) fn keep_time(world: &Scheduler) {
    clock::enter(Some(world.clock.clone())).for_ever();
}
