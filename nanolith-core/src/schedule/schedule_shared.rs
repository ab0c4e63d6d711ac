//! [`ScheduleShared`]: a started schedule. It arms a timer for each tick, makes calls on the global
//! pool, and passes their outcomes to the program's handler.

use super::ticks::{ScheduleEnd, Ticks};
use crate::{
    error::CallError,
    pool::GlobalSpawner,
    sim_runtime,
    time::{
        clock::{self, VirtualClock},
        timer::{self, TimerAction},
    },
    util::unwind,
    wake::{AfterUnlock, Deferred, WaiterHome, WaiterSet},
};
use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    mem,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    time::Instant,
};

pub(super) type Outcome<T> = Result<T, CallError>;

/// The closure that makes the call of a run and submits it.
pub(super) type Run<T> = dyn Fn() -> Running<T> + Send + Sync;

/// The call of a run, as a future.
pub(super) type Running<T> = Pin<Box<dyn Future<Output = Ran<T>> + Send>>;

/// The outcome of a run.
pub(super) struct Ran<T> {
    pub(super) outcome: Outcome<T>,
    /// Whether the executor of the call accepts no more calls.
    pub(super) is_closed: bool,
}

/// The user's handler of outcomes.
pub(super) type Handler<T> = dyn FnMut(Outcome<T>) + Send;

/// The methods that a handle needs of a schedule, without the type of its outputs.
pub(super) trait ScheduleControl: Send + Sync {
    /// Changes the schedule's state, and then acts on the change.
    fn update(self: Arc<Self>, change: &mut dyn FnMut(&mut State));
    /// Accesses the state and changes nothing else.
    fn look(&self, look: &mut dyn FnMut(&mut State, &mut AfterUnlock));
}

pub(super) struct ScheduleShared<T> {
    state: Deferred<State>,
    run: Box<Run<T>>,
    /// `None` if there is no handler of outcomes.
    hearing: Option<Mutex<OutcomeQueue<T>>>,
    chores: GlobalSpawner,
    /// The clock that the schedule uses.
    source: Option<Arc<VirtualClock>>,
}

pub(super) struct State {
    pub(super) ticks: Ticks,
    pub(super) errors: u64,
    /// Whether [`catch_up`](ScheduleShared::catch_up) is already spawned.
    catches_up: bool,
    armed: Option<(Instant, timer::Key)>,
    /// The waiters for the end of the schedule.
    waiting: WaiterSet,
}

struct OutcomeQueue<T> {
    /// `None` while a thread runs the handler.
    handler: Option<Box<Handler<T>>>,
    unheard: VecDeque<Outcome<T>>,
}

impl<T: Send + 'static> ScheduleShared<T> {
    pub(super) fn start(
        mut ticks: Ticks,
        starting: Option<Instant>,
        run: Box<Run<T>>,
        handler: Option<Box<Handler<T>>>,
        chores: GlobalSpawner,
    ) -> Arc<Self> {
        ticks.begin(clock::instant(), starting);
        let state = State { ticks, errors: 0, catches_up: false, armed: None, waiting: WaiterSet::new() };
        let this = Arc::new(Self {
            state: Deferred::new(state),
            run,
            hearing: handler
                .map(|handler| Mutex::new(OutcomeQueue { handler: Some(handler), unheard: VecDeque::new() })),
            chores,
            source: clock::source(),
        });
        this.go_on(|state| state.ticks.ring(clock::instant()));
        if let Some(world) = sim_runtime::world() {
            let schedule = Arc::downgrade(&this);
            world.at_end(move || {
                schedule.upgrade().iter().for_each(|schedule| {
                    schedule.go_on(|state| {
                        state.ticks.stop(ScheduleEnd::Closed);
                        0
                    });
                });
            });
        }
        this
    }

    /// Changes the state and starts the runs that `change` asks for. Arms the timer for the next
    /// tick.
    fn go_on(self: &Arc<Self>, change: impl FnOnce(&mut State) -> u64) {
        let _clock = clock::enter(self.source.clone());
        let (begin, catch_up, unused, wakes) = self.state.with(|state, after| {
            let begin = change(state);
            let unused = self.rearm(state);
            if state.ticks.is_over() {
                state.waiting.notify_all(after);
            }
            let catch_up = state.ticks.is_behind() && !mem::replace(&mut state.catches_up, true);
            (begin, catch_up, unused, after.take_wakes())
        });
        unused.into_iter().for_each(timer::disarm);
        (0..begin).for_each(|_| self.begin());
        if catch_up {
            let this = self.clone();
            self.chores.spawn(async move { this.catch_up() });
        }
        wakes.wake();
    }

    /// Starts runs that exceeded the limit of one [`ring`](Ticks::ring).
    fn catch_up(self: &Arc<Self>) {
        self.go_on(|state| {
            state.catches_up = false;
            state.ticks.ring(clock::instant())
        });
    }

    /// Arms the timer for the next tick. Returns the key of an alarm that is no longer needed.
    fn rearm(self: &Arc<Self>, state: &mut State) -> Option<timer::Key> {
        let due = state.ticks.next.due().filter(|_| !state.ticks.is_paused);
        if state.armed.map(|(at, _)| at) == due {
            return None;
        }
        let unused = state.armed.take().map(|(_, key)| key);
        state.armed = due.map(|due| {
            let this = self.clone();
            (due, timer::arm(due, TimerAction::Run(Box::new(move || this.ring()))))
        });
        unused
    }

    fn ring(self: &Arc<Self>) {
        self.go_on(|state| {
            // If the tick was postponed in the meantime, it has another alarm, and this one has no
            // effect.
            if state.armed.is_some_and(|(at, _)| at <= clock::instant()) {
                state.armed = None;
            }
            state.ticks.ring(clock::instant())
        });
    }

    /// Makes a call and handles its outcome, on the global pool.
    fn begin(self: &Arc<Self>) {
        let mut this = CurrentRun { schedule: self.clone(), is_closed: false };
        self.chores.spawn(async move {
            let ran = this.schedule.ran().await;
            if !matches!(ran, Some(Ran { outcome: Ok(_), .. })) {
                this.schedule.state.with(|state, _| state.errors += 1);
            }
            this.is_closed = ran.as_ref().is_some_and(|ran| ran.is_closed);
            ran.into_iter().for_each(|ran| this.schedule.hear(ran.outcome));
        });
    }

    /// Returns the outcome of a run. `None` if the user's function panicked, so there was no call.
    async fn ran(&self) -> Option<Ran<T>> {
        let mut run = None;
        poll_fn(|cx| {
            let _clock = clock::enter(self.source.clone());
            let polled = unwind::catch(|| run.get_or_insert_with(|| (self.run)()).as_mut().poll(cx));
            match polled {
                Ok(poll) => poll.map(Some),
                Err(panic) => {
                    unwind::ignore_panics(|| drop(panic));
                    Poll::Ready(None)
                }
            }
        })
        .await
    }

    /// Passes the outcome to the handler, if there is one. If the handler is running, the outcome
    /// waits for the thread that runs it.
    fn hear(&self, outcome: Outcome<T>) {
        let Some(hearing) = &self.hearing else { return unwind::ignore_panics(|| drop(outcome)) };
        let lock = || hearing.lock().unwrap_or_else(PoisonError::into_inner);
        lock().unheard.push_back(outcome);
        loop {
            let (mut handler, outcome) = {
                let mut hearing = lock();
                let Some(handler) = hearing.handler.take() else { return };
                match hearing.unheard.pop_front() {
                    Some(outcome) => (handler, outcome),
                    None => {
                        hearing.handler = Some(handler);
                        return;
                    }
                }
            };
            unwind::ignore_panics(|| handler(outcome));
            lock().handler = Some(handler);
        }
    }
}

/// A run in progress. Its drop ends the run, also when its future is dropped with its simulation.
struct CurrentRun<T: Send + 'static> {
    schedule: Arc<ScheduleShared<T>>,
    /// Whether the executor of its call accepts no more calls.
    is_closed: bool,
}

impl<T: Send + 'static> Drop for CurrentRun<T> {
    fn drop(&mut self) {
        self.schedule.go_on(|state| {
            if self.is_closed {
                state.ticks.stop(ScheduleEnd::Closed);
            }
            state.ticks.over(clock::instant())
        });
    }
}

impl<T: Send + 'static> ScheduleControl for ScheduleShared<T> {
    fn update(self: Arc<Self>, change: &mut dyn FnMut(&mut State)) {
        self.go_on(|state| {
            change(state);
            state.ticks.ring(clock::instant())
        });
    }

    fn look(&self, look: &mut dyn FnMut(&mut State, &mut AfterUnlock)) {
        self.state.with(|state, after| look(state, after));
    }
}

/// Returns what `look` returns for the state.
pub(super) fn with_state<R>(schedule: &dyn ScheduleControl, look: impl FnOnce(&mut State, &mut AfterUnlock) -> R) -> R {
    let (mut look, mut seen) = (Some(look), None);
    schedule.look(&mut |state, after| seen = look.take().map(|look| look(state, after)));
    seen.expect("a schedule looks once")
}

/// The waiters for a schedule's end.
pub(super) struct Ends(pub(super) Arc<dyn ScheduleControl>);

impl WaiterHome for Ends {
    type State = State;

    fn with_state<R>(&self, change: impl FnOnce(&mut State, &mut AfterUnlock) -> R) -> R {
        with_state(&*self.0, change)
    }

    fn waiters(state: &mut State) -> &mut WaiterSet {
        &mut state.waiting
    }
}
