//! The shutdown of a simulation: ends what is left when the closure has returned.

use super::{
    scheduler::{EndStep, Scheduler, lock},
    threads::{CLOCK, ROOT, ThreadStatus},
};
use crate::{
    time::{clock, timer},
    util::unwind,
};
use std::mem;

impl Scheduler {
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
        lock(&self.enders).clear();
        (left, given_up)
    }

    /// Runs the end functions of executors and schedules, and of those that are created meanwhile.
    fn run_enders(&self) {
        for _ in 0..ROUNDS {
            let ends: Vec<_> = lock(&self.enders).iter_mut().filter_map(|ender| ender.end.take()).collect();
            if ends.is_empty() {
                return;
            }
            ends.into_iter().for_each(unwind::ignore_panics);
            self.settle();
        }
    }

    /// Drops on this thread what no other thread has run.
    fn sweep(&self) {
        let sweeps: Vec<_> = lock(&self.enders).iter().filter_map(|ender| ender.sweep.clone()).collect();
        sweeps.into_iter().for_each(|sweep| unwind::ignore_panics(|| sweep()));
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
}

/// How often the remaining threads are made to unwind before they are given up.
const ROUNDS: usize = 4;
