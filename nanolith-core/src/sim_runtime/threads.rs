//! [`State`]: the threads of a simulation: which can run, and which runs next. Pure data; the lock
//! lives with `Scheduler`.

use super::{
    rng::Random,
    trace::{Switch, Trace},
};
use std::{
    sync::{Arc, Condvar},
    time::Duration,
};

/// The index of the root thread, which runs the closure.
pub(super) const ROOT: usize = 0;

/// The index of the clock's thread, which rings alarms.
pub(super) const CLOCK: usize = 1;

/// The status of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ThreadStatus {
    /// The thread can run.
    Ready,
    /// The thread has the turn.
    Running,
    /// The thread polls for something, and lets other threads go first.
    Yielded,
    /// The thread waits to be woken.
    Parked,
    /// The thread waits until no other thread can run: the root at its end, and the clock.
    Last,
    /// The thread has ended, or is given up.
    Over,
}

impl ThreadStatus {
    fn why(self) -> &'static str {
        match self {
            Self::Ready | Self::Running => "interrupted",
            Self::Yielded => "gave way",
            Self::Parked => "waits",
            Self::Last => "waits for all",
            Self::Over => "ended",
        }
    }
}

/// The state of one thread.
pub(super) struct ThreadState {
    pub(super) name: Arc<str>,
    pub(super) standing: ThreadStatus,
    /// A description of the operation that the thread waits in.
    pub(super) doing: Option<String>,
    /// Whether the thread was woken while it did not wait.
    pub(super) token: bool,
    /// Notified when the thread gets the turn.
    pub(super) bell: Arc<Condvar>,
    /// Whether the thread unwinds when it gets the turn.
    pub(super) doomed: bool,
    /// Whether the thread unwinds already as it waits, so that it cannot be made to unwind.
    pub(super) unwinds: bool,
}

/// The moment when the next alarm is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Never,
    Later,
    Now,
}

pub(super) struct State {
    pub(super) stands: Vec<ThreadState>,
    pub(super) running: Option<usize>,
    pub(super) random: Random,
    /// The number of switch points so far, taken or not.
    pub(super) steps: u64,
    /// The number of switch points since the clock moved.
    pub(super) steps_now: u64,
    /// The number of switch points since another thread had the turn.
    pub(super) steps_alone: u64,
    /// The number of turns of polling threads since any other thread had a turn.
    idle_turns: u32,
    pub(super) trace: Trace,
}

/// The number of switch points at one moment after which the clock may go on, though threads can
/// run: computing takes time after all.
const MAX_STEPS_PER_INSTANT: u64 = 100_000;

/// The number of switch points after which a thread is interrupted in any case: it may poll for
/// what other threads do.
const MAX_STEPS_PER_THREAD: u64 = 1_000;

/// The number of polls in vain before the clock goes on.
const MAX_IDLE_POLLS: u32 = 64;

impl State {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            stands: Vec::new(),
            running: None,
            random: Random::new(seed),
            steps: 0,
            steps_now: 0,
            steps_alone: 0,
            idle_turns: 0,
            trace: Trace::default(),
        }
    }

    /// Adds a thread.
    pub(super) fn add(&mut self, name: Arc<str>, standing: ThreadStatus) -> usize {
        let bell = Arc::default();
        self.stands.push(ThreadState {
            name,
            standing,
            doing: None,
            token: false,
            bell,
            doomed: false,
            unwinds: false,
        });
        self.stands.len() - 1
    }

    pub(super) fn count_step(&mut self) {
        self.steps += 1;
        self.steps_now += 1;
        self.steps_alone += 1;
    }

    fn standing(&self, standing: ThreadStatus) -> Vec<usize> {
        (0..self.stands.len()).filter(|id| self.stands[*id].standing == standing).collect()
    }

    /// Returns whether the running thread is interrupted at a switch point, with this
    /// `probability`.
    pub(super) fn is_interrupted(&mut self, probability: f64) -> bool {
        let is_anybody_ready = self.stands.iter().any(|stand| stand.standing == ThreadStatus::Ready);
        is_anybody_ready && (self.random.chance(probability) || self.steps_alone > MAX_STEPS_PER_THREAD)
    }

    /// Returns the threads that have not ended, without the root and the clock.
    pub(super) fn left(&self) -> Vec<usize> {
        (0..self.stands.len())
            .filter(|id| ![ROOT, CLOCK].contains(id) && self.stands[*id].standing != ThreadStatus::Over)
            .collect()
    }

    /// Returns the next thread: a random choice among those that can run. `None` if no thread can
    /// run.
    pub(super) fn next(&mut self, due: Due) -> Option<usize> {
        let can_ring = self.stands[CLOCK].standing == ThreadStatus::Last && due != Due::Never;
        let mut among = self.standing(ThreadStatus::Ready);
        if !among.is_empty() {
            self.idle_turns = 0;
            if can_ring && (due == Due::Now || self.steps_now > MAX_STEPS_PER_INSTANT) {
                among.push(CLOCK);
            }
        } else if can_ring && (due == Due::Now || self.idle_turns >= MAX_IDLE_POLLS) {
            among.push(CLOCK);
        } else {
            among = self.standing(ThreadStatus::Yielded);
            self.idle_turns = self.idle_turns.saturating_add(1);
            if among.is_empty() && can_ring {
                among.push(CLOCK);
            }
        }
        match among.len() {
            0 => None,
            1 => Some(among[0]),
            several => Some(among[self.random.below(several)]),
        }
    }

    /// Passes the turn from `last` to `next`.
    pub(super) fn hand_over(&mut self, last: Option<usize>, next: usize, at: Duration) {
        if next == CLOCK {
            (self.steps_now, self.idle_turns) = (0, 0);
        }
        if last != Some(next) {
            self.steps_alone = 0;
            let why = last.map_or("start", |last| self.stands[last].standing.why());
            let from = last.map(|last| self.stands[last].name.clone());
            self.trace.push(Switch { at, from, why, to: self.stands[next].name.clone() });
        }
        self.stands[next].standing = ThreadStatus::Running;
        self.running = Some(next);
        if last != Some(next) {
            self.stands[next].bell.notify_one();
        }
    }

    /// Describes what each thread that has not ended is doing.
    pub(super) fn describe(&self) -> Vec<String> {
        let known = |stand: &&ThreadState| !matches!(stand.standing, ThreadStatus::Over | ThreadStatus::Last);
        self.stands.iter().filter(known).map(ThreadState::describe).collect()
    }
}

impl ThreadState {
    pub(super) fn describe(&self) -> String {
        let doing = match (self.standing, &self.doing) {
            (ThreadStatus::Parked, Some(doing)) => doing.as_str(),
            (ThreadStatus::Parked, None) => "waits for work",
            (ThreadStatus::Yielded, _) => "polls for something",
            (ThreadStatus::Running, _) => "runs",
            _ => "could run",
        };
        format!("{}: {doing}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(threads: usize) -> State {
        let mut state = State::new(1);
        state.add("root".into(), ThreadStatus::Parked);
        state.add("clock".into(), ThreadStatus::Last);
        for _ in 0..threads {
            state.add("thread".into(), ThreadStatus::Ready);
        }
        state
    }

    #[test]
    fn each_runnable_thread_is_chosen_at_times() {
        let mut state = state(3);
        let chosen: std::collections::BTreeSet<_> = (0..100).filter_map(|_| state.next(Due::Later)).collect();
        assert_eq!(chosen.into_iter().collect::<Vec<_>>(), [2, 3, 4]);
    }

    #[test]
    fn clock_advances_when_no_thread_can_run() {
        let mut state = state(0);
        assert_eq!(state.next(Due::Later), Some(CLOCK));
        assert_eq!(state.next(Due::Never), None);
    }

    #[test]
    fn polling_threads_poll_a_while_before_the_clock_advances() {
        let mut state = state(1);
        state.stands[2].standing = ThreadStatus::Yielded;
        let turns = (0..1_000).take_while(|_| state.next(Due::Later) == Some(2)).count();
        assert_eq!(turns, MAX_IDLE_POLLS as usize);
        assert_eq!(state.next(Due::Never), Some(2), "there is nothing else to do");
    }
}
