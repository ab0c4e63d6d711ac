//! Limits for kinds of tasks, `#[task(concurrency = 2)]`: how many calls of each run, and which wait beside the lanes until
//! one of them is over. Pure data, under the pool's lock.
//!
//! A call whose turn comes while its kind is at the limit is *held*; its place in the lanes goes to others. When a call of
//! its kind is over it is *called*: it goes back to the front of its lane, and should a more urgent one of its kind be
//! faster, it is held again in the place that it had.

use crate::meta::task_info::TaskInfo;
use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
};

/// Tells a call from others that live.
pub(in crate::pool) type Id = usize;

/// Who goes first among those that are held: who expires first, then who came first.
type Rank = (u64, u64);

pub(in crate::pool) struct TaskLimit<T> {
    task: &'static TaskInfo,
    limit: usize,
    running: usize,
    waiting: BTreeMap<Rank, T>,
    /// Those that were called and have not begun.
    called: BTreeSet<(Id, Rank)>,
    came: u64,
    /// Calls that ended while they may have been held, since somebody last looked for them.
    ended: usize,
}

/// The kinds of tasks that have a limit.
pub(in crate::pool) struct TaskLimits<T>(Vec<TaskLimit<T>>);

impl<T> Default for TaskLimits<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> TaskLimits<T> {
    /// The kind of this task, if it has a limit.
    pub(in crate::pool) fn get(&mut self, task: &'static TaskInfo) -> Option<&mut TaskLimit<T>> {
        let limit = task.max_concurrency()?;
        let at = self.0.iter().position(|kind| kind.task.identifier() == task.identifier());
        let at = at.unwrap_or_else(|| {
            self.0.push(TaskLimit::new(task, limit));
            self.0.len() - 1
        });
        self.0.get_mut(at)
    }

    /// How many calls of this task run, if no more may.
    pub(in crate::pool) fn full(&self, task: &'static TaskInfo) -> Option<usize> {
        let kind = self.0.iter().find(|kind| kind.task.identifier() == task.identifier())?;
        (!kind.has_room()).then_some(kind.running)
    }

    /// Takes out everything that is held.
    pub(in crate::pool) fn take_held(&mut self) -> Vec<T> {
        self.0.iter_mut().flat_map(|kind| mem::take(&mut kind.waiting).into_values()).collect()
    }
}

impl<T> TaskLimit<T> {
    fn new(task: &'static TaskInfo, limit: usize) -> Self {
        Self { task, limit, running: 0, waiting: BTreeMap::new(), called: BTreeSet::new(), came: 0, ended: 0 }
    }

    /// Whether one more may run.
    pub(in crate::pool) fn has_room(&self) -> bool {
        self.running < self.limit
    }

    /// Whether the call whose turn has come may begin; else it is held.
    pub(in crate::pool) fn try_start(&mut self, id: Id, expires: u64, call: impl FnOnce() -> T) -> bool {
        if self.has_room() {
            return true;
        }
        let rank = self.take_requeued(id).unwrap_or_else(|| {
            self.came += 1;
            (expires, self.came)
        });
        self.waiting.insert(rank, call());
        false
    }

    /// A call begins.
    pub(in crate::pool) fn began(&mut self, id: Id) {
        self.running += 1;
        self.forget(id);
    }

    /// One that was begun is over.
    pub(in crate::pool) fn over(&mut self) {
        self.running -= 1;
    }

    /// One that was queued has ended; `waits` says which of those that are held still wait. Gives others.
    pub(in crate::pool) fn remove_ended(&mut self, id: Id, waits: impl Fn(&T) -> bool) -> Vec<T> {
        self.forget(id);
        self.ended += 1;
        if self.ended <= self.waiting.len() / 2 + 64 {
            return Vec::new();
        }
        self.ended = 0;
        let (stay, gone): (_, BTreeMap<_, _>) =
            mem::take(&mut self.waiting).into_iter().partition(|(_, call)| waits(call));
        self.waiting = stay;
        gone.into_values().collect()
    }

    /// The next that is called, if there is room for it. Whoever calls it says where it goes, or drops it.
    pub(in crate::pool) fn next_waiting(&mut self) -> Option<(Rank, T)> {
        if self.running + self.called.len() >= self.limit {
            return None;
        }
        self.waiting.pop_first()
    }

    /// One that was called goes back to its lane.
    pub(in crate::pool) fn mark_requeued(&mut self, id: Id, rank: Rank) {
        self.called.insert((id, rank));
    }

    fn take_requeued(&mut self, id: Id) -> Option<Rank> {
        let called = self.first_called(id)?;
        self.called.remove(&called);
        Some(called.1)
    }

    /// The first place in which this one was called.
    fn first_called(&self, id: Id) -> Option<(Id, Rank)> {
        self.called.range((id, Rank::default())..).next().copied().filter(|(called, _)| *called == id)
    }

    /// It waits no more. One that was raised may have been called in both its places.
    pub(in crate::pool) fn forget(&mut self, id: Id) {
        while self.take_requeued(id).is_some() {}
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    static TASK: TaskInfo = TaskInfo::new("Any", "run", "any::run").concurrency(2);

    fn kind() -> TaskLimit<Id> {
        TaskLimit::new(&TASK, 2)
    }

    /// Whether the call begins, as one that expires then.
    fn come(kind: &mut TaskLimit<Id>, id: Id, expires: u64) -> bool {
        let begins = kind.try_start(id, expires, || id);
        if begins {
            kind.began(id);
        }
        begins
    }

    fn next_waiting(kind: &mut TaskLimit<Id>) -> Option<Id> {
        let (rank, id) = kind.next_waiting()?;
        kind.mark_requeued(id, rank);
        Some(id)
    }

    #[test]
    fn so_many_run_and_the_others_are_called_first_in_first_out() {
        let mut kind = kind();
        assert_eq!([1, 2, 3, 4].map(|id| come(&mut kind, id, 7)), [true, true, false, false]);
        assert_eq!(next_waiting(&mut kind), None, "there is no room");
        kind.over();
        assert_eq!((next_waiting(&mut kind), next_waiting(&mut kind)), (Some(3), None));
        assert!(come(&mut kind, 3, 7));
        kind.over();
        assert_eq!(next_waiting(&mut kind), Some(4));
    }

    #[test]
    fn one_that_was_called_and_overtaken_keeps_its_place() {
        let mut kind = kind();
        let _ = [1, 2, 3, 4].map(|id| come(&mut kind, id, 7));
        kind.over();
        assert_eq!(next_waiting(&mut kind), Some(3));
        assert!(come(&mut kind, 9, 1), "a more urgent one is faster");
        assert!(!come(&mut kind, 3, 7));
        kind.over();
        assert_eq!(next_waiting(&mut kind), Some(3), "before the fourth");
    }

    #[test]
    fn the_one_that_expires_first_is_called_first() {
        let mut kind = kind();
        let _ = [(1, 7), (2, 7), (3, 7), (4, 5)].map(|(id, expires)| come(&mut kind, id, expires));
        kind.over();
        assert_eq!(next_waiting(&mut kind), Some(4));
    }

    #[test]
    fn room_that_the_called_one_does_not_take_goes_to_the_next() {
        let mut kind = kind();
        let _ = [1, 2, 3, 4].map(|id| come(&mut kind, id, 7));
        kind.over();
        assert_eq!(next_waiting(&mut kind), Some(3));
        kind.remove_ended(3, |_| true);
        assert_eq!(next_waiting(&mut kind), Some(4));
    }

    #[test]
    fn those_that_ended_do_not_pile_up() {
        let mut kind = kind();
        let _ = [1, 2].map(|id| come(&mut kind, id, 7));
        for id in 3..10_000 {
            assert!(!come(&mut kind, id, 7));
            kind.remove_ended(id, |_| false);
        }
        assert!(kind.waiting.len() < 256);
    }
}
