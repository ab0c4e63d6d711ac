//! The shutdown of a simulation: ends what is left when the closure has returned. Executors and
//! schedules register here how they end. [`EndStep`] says how far the shutdown is.

use super::{
    scheduler::{Scheduler, lock},
    threads::{CLOCK, ROOT, ThreadStatus},
};
use crate::{
    time::{clock, timer},
    util::unwind,
};
use std::{
    any::Any,
    mem,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

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

/// The end of a simulation, as far as it has come, and what ends with it.
#[derive(Default)]
pub(super) struct Shutdown {
    /// The functions that end what is left when the grace period is over.
    enders: Mutex<Vec<OnEnd>>,
    progress: Mutex<EndState>,
    /// Whether the grace period is over, so that what is left ends.
    past_grace: AtomicBool,
}

/// The number of times that the remaining threads are made to unwind before they are given up.
const ROUNDS: usize = 4;

/// The functions that end an item that is left when the grace period is over.
struct OnEnd {
    /// Ends the item, once.
    end: Option<Box<dyn FnOnce() + Send>>,
    /// Drops what no thread was left to drop. This may run several times.
    sweep: Option<Arc<dyn Fn() + Send + Sync>>,
}

/// The step of the end that was reached, and the listener for the next step.
#[derive(Default)]
struct EndState {
    step: EndStep,
    listener: Option<Arc<dyn EndListener>>,
}

impl Scheduler {
    /// Runs `end` after the grace period, on the thread that ran the closure. No lock is held.
    pub(crate) fn at_end(&self, end: impl FnOnce() + Send + 'static) {
        lock(&self.shutdown.enders).push(OnEnd { end: Some(Box::new(end)), sweep: None });
    }

    /// Like [`at_end`](Self::at_end). After the last thread, `sweep` drops the rest on that thread.
    pub(crate) fn at_end_and_after(
        &self,
        end: impl FnOnce() + Send + 'static,
        sweep: impl Fn() + Send + Sync + 'static,
    ) {
        lock(&self.shutdown.enders).push(OnEnd { end: Some(Box::new(end)), sweep: Some(Arc::new(sweep)) });
    }

    /// Returns the listener for the steps of the end. `make` creates it, once, from the last step.
    pub(crate) fn end_listener(&self, make: impl FnOnce(EndStep) -> Arc<dyn EndListener>) -> Arc<dyn EndListener> {
        let mut end = lock(&self.shutdown.progress);
        let step = end.step;
        end.listener.get_or_insert_with(|| make(step)).clone()
    }

    /// Returns whether the grace period is over, so that what is left ends.
    pub(crate) fn is_past_grace(&self) -> bool {
        // ORDERING: Relaxed, pairs with the store in `mark_past_grace`. The lock orders the turns.
        self.shutdown.past_grace.load(Ordering::Relaxed)
    }

    /// Ends what the closure has left. The rest runs to its end, is then asked to end, is then
    /// forced to end, and is at last given up.
    ///
    /// Returns descriptions of what did not end by itself, and the number of threads that were
    /// given up.
    pub(super) fn end(&self) -> (Vec<String>, usize) {
        lock(&self.course).ending = true;
        self.settle();
        let left = self.describe_left();
        self.mark_past_grace();
        self.run_enders();
        self.abort_futures();
        for _ in 0..ROUNDS {
            if !self.unwind_all() {
                break;
            }
            self.settle();
        }
        // The threads may have begun more work meanwhile, or left work that they could not end.
        self.run_enders();
        timer::end(&self.clock);
        self.settle();
        self.sweep();
        let given_up = self.close();
        self.reach(EndStep::Over);
        self.sweep();
        lock(&self.shutdown.enders).clear();
        (left, given_up)
    }

    /// Ends all turns: no thread runs any more. Returns the number of threads that had not ended.
    pub(crate) fn close(&self) -> usize {
        let mut state = lock(&self.state);
        lock(&self.course).over = true;
        state.stands[ROOT].standing = ThreadStatus::Over;
        state.running = None;
        if state.stands[CLOCK].standing == ThreadStatus::Last {
            state.running = Some(CLOCK);
            state.stands[CLOCK].bell.notify_one(); // the clock's thread sees that the simulation is over
        }
        state.left().len()
    }

    /// Runs the end functions of executors and schedules, and of those that are created meanwhile.
    fn run_enders(&self) {
        for _ in 0..ROUNDS {
            let ends: Vec<_> = lock(&self.shutdown.enders).iter_mut().filter_map(|ender| ender.end.take()).collect();
            if ends.is_empty() {
                return;
            }
            ends.into_iter().for_each(unwind::ignore_panics);
            self.settle();
        }
    }

    fn mark_past_grace(&self) {
        self.shutdown.past_grace.store(true, Ordering::Relaxed);
    }

    /// Drops on this thread what no other thread has run.
    fn sweep(&self) {
        let sweeps: Vec<_> = lock(&self.shutdown.enders).iter().filter_map(|ender| ender.sweep.clone()).collect();
        sweeps.into_iter().for_each(|sweep| unwind::ignore_panics(|| sweep()));
    }

    /// Moves the end of the simulation to `step`.
    fn reach(&self, step: EndStep) {
        let listener = {
            let mut end = lock(&self.shutdown.progress);
            end.step = step;
            end.listener.clone()
        };
        listener.iter().for_each(|listener| listener.reached(step));
    }

    /// Ends each future that is no call: handlers of messages, runs of schedules, stages of
    /// pipelines.
    fn abort_futures(&self) {
        self.reach(EndStep::FuturesOver);
        self.settle();
    }

    fn describe_left(&self) -> Vec<String> {
        let state = lock(&self.state);
        state.left().into_iter().map(|id| state.stands[id].describe()).collect()
    }

    /// Lets the other threads run until none could run, or until their limit is reached.
    fn settle(&self) {
        drop(mem::take(&mut *lock(&self.locals)));
        lock(&self.course).limit = clock::add(self.clock.instant(), self.rules.grace);
        let state = lock(&self.state);
        self.go_on(&state);
        if state.running == Some(ROOT) {
            drop(self.pass_on(state, ROOT, ThreadStatus::Last));
        }
        drop(mem::take(&mut *lock(&self.locals)));
    }

    /// Makes the waiting threads unwind. Returns whether there are any.
    fn unwind_all(&self) -> bool {
        let mut state = lock(&self.state);
        let mut any = false;
        for id in state.left() {
            let stand = &mut state.stands[id];
            if matches!(stand.standing, ThreadStatus::Parked | ThreadStatus::Yielded) && !stand.unwinds {
                (stand.doomed, stand.standing, any) = (true, ThreadStatus::Ready, true);
            }
        }
        any
    }
}
