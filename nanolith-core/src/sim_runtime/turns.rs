//! The turn of a simulation: the right to run, which one thread has at a time, and how that thread
//! passes it on.
//!
//! Each thread waits on a condition variable of its own, its `bell`, until it has the turn. A
//! thread that waits, or passes a switch point, chooses the next thread under the lock. It notifies
//! that thread's `bell`, and waits at its own. Under that lock nothing else may block.

use super::{
    scheduler::{Failure, Scheduler, lock},
    threads::{CLOCK, Due, ROOT, State, ThreadStatus},
};
use crate::{error::Unwind, time::timer};
use std::{
    mem, panic,
    sync::{Arc, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

impl Scheduler {
    /// Adds a thread that can run from now on.
    pub(super) fn add(&self, name: Arc<str>) -> usize {
        lock(&self.state).add(name, ThreadStatus::Ready)
    }

    /// Passes the first turn to the root.
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

    /// Allows further steps after the limit was reached: a part of the steps is left for the end.
    pub(super) fn go_on(&self, state: &State) {
        let mut course = lock(&self.course);
        course.stopping = false;
        course.steps = state.steps.saturating_add(self.rules.steps / 8 + 1_000);
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

    /// Waits until the thread `me` has the turn.
    fn await_turn(mut state: MutexGuard<'_, State>, me: usize) -> MutexGuard<'_, State> {
        let bell = state.stands[me].bell.clone();
        while state.running != Some(me) {
            state = bell.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state
    }

    /// Returns the thread that goes on. Notes a deadlock, and the end of the steps.
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
}

/// Aborts the process: the root waits forever in a destructor while it unwinds.
fn give_up(seed: u64, left: &[String]) -> ! {
    eprintln!(
        "simulation failed with seed {seed}: a destructor waits for ever while a panic unwinds\n  {}",
        left.join("\n  ")
    );
    std::process::abort()
}
