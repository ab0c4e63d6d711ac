//! One simulation: its threads, its clock, and the baton that goes from one thread to the next.
//!
//! Each thread waits at a bell of its own until it has the baton. One that waits, or comes by a place where it may be
//! interrupted, chooses under the lock who is next, rings that one's bell, and waits at its own. Nothing else that could block
//! happens under that lock.

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
    /// What user code draws.
    draws: Mutex<Random>,
    pub(super) locals: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
    /// Ends what is left when the grace is over.
    pub(super) enders: Mutex<Vec<OnEnd>>,
    end: Mutex<EndState>,
    /// The grace is over: what is left ends.
    past_grace: AtomicBool,
}

/// What ends something that is left when the grace is over.
pub(super) struct OnEnd {
    /// Ends it, once.
    pub(super) end: Option<Box<dyn FnOnce() + Send>>,
    /// Drops what no thread was left to drop. It may run several times.
    pub(super) sweep: Option<Arc<dyn Fn() + Send + Sync>>,
}

/// A step of a simulation's end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EndStep {
    /// The end has not come to a step that anything waits for.
    #[default]
    Running,
    /// Futures that are no calls end.
    FuturesOver,
    /// No thread of the simulation runs any more.
    Over,
}

/// Hears which step the end of a simulation has come to.
pub(crate) trait EndListener: Send + Sync {
    fn reached(&self, step: EndStep);

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

/// The step of the end, and what hears of the next.
#[derive(Default)]
pub(super) struct EndState {
    step: EndStep,
    listener: Option<Arc<dyn EndListener>>,
}

/// How far the simulation has come.
pub(super) struct SchedulerState {
    failure: Option<Failure>,
    /// The closure has returned, or thrown.
    pub(super) ending: bool,
    /// Too many steps: nobody but the root runs.
    stopping: bool,
    /// So many steps at most.
    steps: u64,
    /// The clock goes no further than this.
    pub(super) limit: Option<Instant>,
    pub(super) over: bool,
    /// Who kept others from going on.
    holders: Vec<Arc<str>>,
    /// Threads that user code started.
    spawned: usize,
}

/// Why a simulation failed, other than by a panic of its closure.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// A thread panicked, and nobody waited for it.
    Panicked(Panic),
    /// What each thread waits for.
    Deadlock(Vec<String>),
    /// The same, after so many steps.
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

    /// The simulation has failed, unless it had before.
    pub(crate) fn fail(&self, failure: Failure) {
        lock(&self.course).failure.get_or_insert(failure);
    }

    /// Notes who has the baton, and for too long.
    pub(crate) fn note_holder(&self) -> Option<Arc<str>> {
        let state = lock(&self.state);
        let holder = state.stands[state.running?].name.clone();
        lock(&self.course).holders.push(holder.clone());
        Some(holder)
    }

    /// Who was noted so.
    pub(crate) fn holders(&self) -> Vec<Arc<str>> {
        lock(&self.course).holders.clone()
    }

    /// A number from the seed, for a choice among threads.
    pub(crate) fn random_u64(&self) -> u64 {
        lock(&self.state).random.next()
    }

    /// A number from the seed, for others than the scheduler.
    pub(crate) fn draw(&self) -> u64 {
        lock(&self.draws).next()
    }

    /// A number from 0 to 1.
    pub(crate) fn draw_part(&self) -> f64 {
        lock(&self.draws).part()
    }

    /// The one value of this type that the simulation has.
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

    /// Runs `end` when the grace is over, on the thread that ran the closure. No lock is held.
    pub(crate) fn at_end(&self, end: impl FnOnce() + Send + 'static) {
        lock(&self.enders).push(OnEnd { end: Some(Box::new(end)), sweep: None });
    }

    /// The same. When no thread of the simulation runs any more, `sweep` drops what is still there, on that thread, too.
    pub(crate) fn at_end_and_after(
        &self,
        end: impl FnOnce() + Send + 'static,
        sweep: impl Fn() + Send + Sync + 'static,
    ) {
        lock(&self.enders).push(OnEnd { end: Some(Box::new(end)), sweep: Some(Arc::new(sweep)) });
    }

    /// Returns what hears of the steps of the end. `make` makes it, once, from the step that the end has come to.
    pub(crate) fn end_listener(&self, make: impl FnOnce(EndStep) -> Arc<dyn EndListener>) -> Arc<dyn EndListener> {
        let mut end = lock(&self.end);
        let step = end.step;
        end.listener.get_or_insert_with(|| make(step)).clone()
    }

    /// The end has come to `step`.
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

    /// Whether the grace is over, so that what is left ends.
    pub(crate) fn is_past_grace(&self) -> bool {
        // ORDERING: Relaxed. One thread of the simulation runs at a time, and the baton orders them.
        self.past_grace.load(Ordering::Relaxed)
    }

    // ----- threads

    /// Which number the next thread of user code has.
    pub(crate) fn next_spawned(&self) -> usize {
        let mut course = lock(&self.course);
        course.spawned += 1;
        course.spawned
    }

    /// One more thread, which could run from now on.
    pub(super) fn add(&self, name: Arc<str>) -> usize {
        lock(&self.state).add(name, ThreadStatus::Ready)
    }

    /// The root has the baton first.
    pub(super) fn begin(&self) {
        let mut state = lock(&self.state);
        state.hand_over(None, ROOT, Duration::ZERO);
    }

    /// A thread that was started waits for the baton.
    pub(super) fn enter(&self, me: usize) {
        let state = lock(&self.state);
        drop(Self::await_turn(state, me));
    }

    /// Threads that have not begun end as if they had.
    pub(super) fn leave(&self, me: usize) {
        let mut state = lock(&self.state);
        if state.running == Some(me) {
            drop(self.pass_on(state, me, ThreadStatus::Over));
        } else {
            state.stands[me].standing = ThreadStatus::Over;
        }
    }

    /// Somebody woke the thread.
    pub(super) fn wake(&self, id: usize) {
        let mut state = lock(&self.state);
        let stand = &mut state.stands[id];
        match stand.standing {
            ThreadStatus::Parked => stand.standing = ThreadStatus::Ready,
            _ => stand.token = true, // somebody from outside woke it as it was about to wait
        }
    }

    /// The thread waits until it is woken.
    pub(super) fn park(&self, me: usize) {
        if mem::take(&mut lock(&self.state).stands[me].token) {
            return;
        }
        self.switch(me, ThreadStatus::Parked, true);
    }

    /// The thread polls for something: others go first.
    pub(super) fn yield_now(&self, me: usize) {
        self.switch(me, ThreadStatus::Yielded, true);
    }

    /// The thread comes by a place where others may go on in its place.
    pub(super) fn switch_point(&self, me: usize) {
        let mut state = lock(&self.state);
        if state.running != Some(me) {
            return; // it is about to end
        }
        state.count_step();
        let is_late = state.steps > lock(&self.course).steps;
        if is_late || state.is_interrupted(self.rules.switch) {
            drop(state);
            self.switch(me, ThreadStatus::Ready, me == ROOT);
        }
    }

    /// The same where the thread may poll: it gives way every other time.
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

    /// Others go on until it is this thread's turn again. It unwinds then, if it is doomed and may.
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
            self.go_on(&state); // its destructors may wait for others
        }
        drop(state);
        if is_doomed {
            panic::resume_unwind(Box::new(Unwind));
        }
    }

    /// Gives the baton to who is next, and waits for it, but for one who has ended.
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

    // ----- who is next

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

    /// The root goes on, by an unwinding where its closure has not ended.
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

    /// The clock's thread: it moves the clock when nobody could run, and rings one alarm at a time.
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

    /// A part of the steps is left for the end.
    pub(super) fn go_on(&self, state: &State) {
        let mut course = lock(&self.course);
        course.stopping = false;
        course.steps = state.steps.saturating_add(self.rules.steps / 8 + 1_000);
    }
}

/// The root waits for ever while it unwinds: in a destructor. There is no way on.
fn give_up(seed: u64, left: &[String]) -> ! {
    eprintln!(
        "simulation failed with seed {seed}: a destructor waits for ever while a panic unwinds\n  {}",
        left.join("\n  ")
    );
    std::process::abort()
}

/// This thread has the simulation's time as long as it lives.
pub(super) fn keep_time(world: &Scheduler) {
    clock::enter(Some(world.clock.clone())).for_ever();
}
