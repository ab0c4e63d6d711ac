//! [`Children`]: which children a pool has, under its lock. Pure data.

use super::{
    child::Child,
    restarts::{PoolRestarts, RestartState},
    running_task::Started,
    state_source::LaunchStage,
};
use crate::{
    close_error::CloseError,
    event::ExitReason,
    exit::{ChildCrash, KillReason},
};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    task::Waker,
    time::{Duration, Instant},
};

/// The longest wait between two attempts to start a child.
const MAX_BACKOFF: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Children {
    all: HashMap<u64, Arc<Child>>,
    /// Those that run no call. The one that became idle last is used first.
    idle: Vec<Arc<Child>>,
    starting: HashSet<u64>,
    /// Those that were asked to end.
    ending: HashSet<u64>,
    last_id: u64,
    /// Calls whose child died before it had read them: they go first.
    returned: VecDeque<Started>,
    /// How many children in a row failed to start.
    failures: u32,
    /// No child starts before.
    not_before: Option<Instant>,
    /// Why no more children start.
    pub(super) failed: Option<Arc<ChildCrash>>,
    /// Whether the pool was terminated. It runs no more calls.
    pub(super) is_terminated: bool,
    pub(super) restarts: PoolRestarts,
    pub(super) figures: Figures,
    /// Whether the pool's thread has ended.
    pub(super) is_over: bool,
    /// The waits for the end or for a restart, by their numbers.
    pub(super) waiting: HashMap<u64, Waker>,
    last_waiter: u64,
    /// How far the first start of the pool's service is, if it has one.
    pub(super) launch: LaunchStage,
    /// Why the pool's service did not end in order.
    pub(super) close_error: Option<CloseError>,
}

/// Counts of a pool's life.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Figures {
    pub(super) started: u64,
    pub(super) crashed: u64,
    pub(super) killed: u64,
    pub(super) recycled: u64,
    pub(super) restarts: u64,
    pub(super) restarted: u64,
}

/// How many children a pool has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) min: usize,
    /// The number of children that run calls.
    pub(super) max: usize,
    /// Whether a further child is idle.
    pub(super) has_spare: bool,
}

impl Bounds {
    /// Returns how many children there are to be for this number of calls.
    fn wanted(self, calls: usize) -> usize {
        (calls.min(self.max) + usize::from(self.has_spare)).max(self.min)
    }

    /// Returns how many children are not ended for being idle, if this number is at work.
    fn least(self, busy: usize) -> usize {
        if self.has_spare { self.wanted(busy) } else { self.min }
    }
}

impl Figures {
    /// Counts a child that had served and is gone.
    pub(super) fn count_exit(&mut self, reason: &ExitReason, was_idle: bool) {
        match reason {
            ExitReason::Crashed(_) => self.crashed += 1,
            ExitReason::Killed(KillReason::Terminated) if was_idle => {} // it ended no task
            ExitReason::Killed(_) => self.killed += 1,
            ExitReason::Restarted => self.restarted += 1,
            _ => {}
        }
    }
}

impl Children {
    /// Leaves the waker of a wait. Returns the one that it replaces.
    pub(super) fn wait(&mut self, waiter: &mut Option<u64>, waker: Waker) -> Option<Waker> {
        let number = *waiter.get_or_insert_with(|| {
            self.last_waiter += 1;
            self.last_waiter
        });
        self.waiting.insert(number, waker)
    }

    /// Records how the first start of the service ended, if it has not ended before. Returns the
    /// wakers of all waits, which look again.
    #[must_use = "they are woken after the lock"]
    pub(super) fn launch_ended(&mut self, how: LaunchStage) -> Vec<Waker> {
        if !matches!(self.launch, LaunchStage::Starting) {
            return Vec::new();
        }
        self.launch = how;
        std::mem::take(&mut self.waiting).into_values().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn idle_len(&self) -> usize {
        self.idle.len()
    }

    pub(super) fn busy_len(&self) -> usize {
        self.all.len().saturating_sub(self.idle.len() + self.starting.len() + self.ending.len())
    }

    /// Returns how many calls could start at once, if `max` children run calls.
    pub(super) fn free_slots(&self, max: usize) -> usize {
        let unused = self.idle.len() + self.starting.len() + max.saturating_sub(self.all.len());
        unused.min(max.saturating_sub(self.busy_len()))
    }

    pub(super) fn get(&self, id: u64) -> Option<Arc<Child>> {
        self.all.get(&id).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Child>> {
        self.all.values().cloned().collect()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = u64> {
        self.all.keys().copied()
    }

    // ----- starts

    /// Returns how many children to start for `waiting` calls.
    pub(super) fn missing(&mut self, waiting: usize, bounds: Bounds, now: Instant) -> usize {
        if self.is_terminated || self.failed.is_some() || self.not_before.is_some_and(|then| now < then) {
            return 0;
        }
        self.not_before = None; // else a pool that needs no child would wait for a moment that is over
        let waiting = waiting + self.returned.len();
        let wanted = bounds.wanted(self.busy_len() + waiting);
        // After a failure, one child shows whether children start again.
        let most = if self.failures > 0 { 1 } else { usize::MAX };
        wanted.saturating_sub(self.all.len()).min(most)
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(super) fn add(&mut self, child: Arc<Child>) {
        self.figures.started += 1;
        self.starting.insert(child.id);
        self.all.insert(child.id, child);
    }

    pub(super) fn on_ready(&mut self, id: u64) {
        self.starting.remove(&id);
    }

    pub(super) fn is_starting(&self, id: u64) -> bool {
        self.starting.contains(&id)
    }

    /// Returns whether no child waits for the next call or is about to.
    pub(super) fn lacks_spare(&self) -> bool {
        self.idle.is_empty() && self.starting.is_empty()
    }

    /// Records that a child has answered its first call: children start as they should.
    pub(super) fn on_first_answer(&mut self) {
        self.failures = 0;
        self.not_before = None;
    }

    /// Counts a failed start. Returns whether it was one too many.
    pub(super) fn on_start_failure(&mut self, most: u32, now: Instant) -> bool {
        self.failures += 1;
        let backoff = Duration::from_millis(10).saturating_mul(1 << self.failures.min(10)) / 2;
        self.not_before = now.checked_add(backoff.min(MAX_BACKOFF));
        self.failures >= most
    }

    /// Lets the next child start after a wait.
    pub(super) fn restart_after(&mut self, wait: Duration) {
        self.figures.restarts += 1;
        self.not_before = Instant::now().checked_add(wait);
    }

    /// Returns when the next child may start, if one had to wait.
    pub(super) fn next_start(&self) -> Option<Instant> {
        self.not_before
    }

    // ----- work

    /// Takes an idle child, if fewer than `max` are at work.
    pub(super) fn take_idle(&mut self, max: usize) -> Option<Arc<Child>> {
        if self.busy_len() < max { self.idle.pop() } else { None }
    }

    pub(super) fn take_all_idle(&mut self) -> Vec<Arc<Child>> {
        std::mem::take(&mut self.idle)
    }

    /// Makes a child available, unless it died or was asked to end meanwhile.
    pub(super) fn put_idle(&mut self, child: Arc<Child>) {
        if self.all.contains_key(&child.id) && !self.ending.contains(&child.id) {
            self.idle.push(child);
        }
    }

    /// Takes a child that is idle for a long time, if the pool has another for its purpose.
    pub(super) fn take_surplus(&mut self, id: u64, bounds: Bounds) -> bool {
        let len = self.all.len() - self.ending.len();
        len > bounds.least(self.busy_len()) && self.remove_idle(id)
    }

    /// Removes a child from the idle ones. Returns whether it was there.
    fn remove_idle(&mut self, id: u64) -> bool {
        let before = self.idle.len();
        self.idle.retain(|child| child.id != id);
        self.idle.len() < before
    }

    pub(super) fn take_returned(&mut self) -> Option<Started> {
        self.returned.pop_front()
    }

    pub(super) fn take_all_returned(&mut self) -> VecDeque<Started> {
        std::mem::take(&mut self.returned)
    }

    pub(super) fn has_returned(&self) -> bool {
        !self.returned.is_empty()
    }

    /// Puts a call before all that wait.
    pub(super) fn return_call(&mut self, started: Started) {
        self.returned.push_front(started);
    }

    // ----- the end

    pub(super) fn begin_restart(&mut self) -> Arc<RestartState> {
        self.restarts.begin(self.last_id)
    }

    /// Returns a child up to number `last` that serves: an idle one if there is one.
    pub(super) fn replaceable(&self, last: u64) -> Option<Arc<Child>> {
        let idle = self.idle.iter().find(|child| child.id <= last);
        let serves = |child: &&Arc<Child>| child.id <= last && !self.is_starting(child.id);
        idle.or_else(|| self.all.values().filter(serves).min_by_key(|child| child.id)).cloned()
    }

    /// Records that a child was asked to end.
    pub(super) fn on_ending(&mut self, id: u64) {
        self.remove_idle(id);
        if self.all.contains_key(&id) {
            self.ending.insert(id);
        }
    }

    /// Removes a child.
    pub(super) fn remove(&mut self, id: u64) {
        self.all.remove(&id);
        self.starting.remove(&id);
        self.ending.remove(&id);
        self.remove_idle(id);
    }
}
