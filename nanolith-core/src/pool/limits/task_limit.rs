//! [`TaskLimits`]: concurrency limits by task, `#[task(concurrency = 2)]`. They count how many
//! calls of a task run, and hold back calls beyond the limit. This is pure data under the pool's
//! lock.
//!
//! A call whose turn comes while its task is at the limit is *held*: other calls pass it. When a
//! call of the task ends, a held call is *requeued*: it returns to the front of its lane. If a more
//! urgent call of the task starts before it, the requeued call is held again at its former rank.

use crate::{meta::task_info::TaskInfo, util::ordered_map::OrderedMap};
use std::mem;

/// An identifier that is unique among the calls that exist.
pub(in crate::pool) type Id = usize;

/// The order of held calls: by expiration, then by arrival.
type Rank = (u64, u64);

pub(in crate::pool) struct TaskLimit<T> {
    task: &'static TaskInfo,
    limit: usize,
    running: usize,
    waiting: OrderedMap<Rank, T>,
    /// The expirations of the calls that were called and have not started, by [`Id`] and arrival.
    called: OrderedMap<(u64, u64), u64>,
    came: u64,
    /// The number of queued calls that ended since the last search for ended calls among the held
    /// ones.
    ended: usize,
}

/// The limits of all tasks that have one.
pub(in crate::pool) struct TaskLimits<T>(Vec<TaskLimit<T>>);

impl<T> Default for TaskLimits<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> TaskLimits<T> {
    /// Returns the limit of this task, if it has one.
    pub(in crate::pool) fn get(&mut self, task: &'static TaskInfo) -> Option<&mut TaskLimit<T>> {
        let limit = task.max_concurrency()?;
        let at = self.0.iter().position(|kind| kind.task.identifier() == task.identifier());
        let at = at.unwrap_or_else(|| {
            self.0.push(TaskLimit::new(task, limit));
            self.0.len() - 1
        });
        self.0.get_mut(at)
    }

    /// Returns how many calls of this task run, if the limit is reached.
    pub(in crate::pool) fn full(&self, task: &'static TaskInfo) -> Option<usize> {
        let kind = self.0.iter().find(|kind| kind.task.identifier() == task.identifier())?;
        (!kind.has_room()).then_some(kind.running)
    }

    /// Removes and returns all held calls.
    pub(in crate::pool) fn take_held(&mut self) -> Vec<T> {
        self.0.iter_mut().flat_map(|kind| mem::take(&mut kind.waiting).into_values()).collect()
    }
}

impl<T> TaskLimit<T> {
    fn new(task: &'static TaskInfo, limit: usize) -> Self {
        Self { task, limit, running: 0, waiting: OrderedMap::new(), called: OrderedMap::new(), came: 0, ended: 0 }
    }

    /// Returns whether one more call may run.
    pub(in crate::pool) fn has_room(&self) -> bool {
        self.running < self.limit
    }

    /// Returns whether a call whose turn has come may start. If not, the call is held.
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

    /// Counts a call that starts.
    pub(in crate::pool) fn began(&mut self, id: Id) {
        self.running += 1;
        self.forget(id);
    }

    /// Counts the end of a call that was started.
    pub(in crate::pool) fn over(&mut self) {
        self.running -= 1;
    }

    /// Counts a queued call that has ended. Returns held calls that have ended, if there may be
    /// many. `waits` returns whether a held call is still queued.
    pub(in crate::pool) fn remove_ended(&mut self, id: Id, waits: impl Fn(&T) -> bool) -> Vec<T> {
        self.forget(id);
        self.ended += 1;
        if self.ended <= self.waiting.len() / 2 + 64 {
            return Vec::new();
        }
        self.ended = 0;
        self.waiting.remove_unless(waits)
    }

    /// Removes and returns the next call to be requeued, if the limit permits one more. The caller
    /// puts the call into its lane and marks it with [`TaskLimit::mark_requeued`], or drops it.
    pub(in crate::pool) fn next_waiting(&mut self) -> Option<(Rank, T)> {
        if self.running + self.called.len() >= self.limit {
            return None;
        }
        self.waiting.pop_first()
    }

    /// Marks a call that returns to its lane.
    pub(in crate::pool) fn mark_requeued(&mut self, id: Id, rank: Rank) {
        self.called.insert((id as u64, rank.1), rank.0);
    }

    fn take_requeued(&mut self, id: Id) -> Option<Rank> {
        let rank = self.first_called(id)?;
        self.called.remove((id as u64, rank.1));
        Some(rank)
    }

    /// Returns the first rank with which this call was called.
    fn first_called(&self, id: Id) -> Option<Rank> {
        let id = id as u64;
        let called = self.called.iter_from((id, 0)).take_while(|((called, _), _)| *called == id);
        called.map(|((_, came), expires)| (*expires, came)).min()
    }

    /// Removes all marks of a call. A raised call may have been requeued with both its entries.
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

    /// Returns whether a call that expires at `expires` starts.
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
    fn limit_admits_calls_and_calls_up_waiters_in_order() {
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
    fn overtaken_call_keeps_its_place_in_line() {
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
    fn earliest_expiration_is_called_up_first() {
        let mut kind = kind();
        let _ = [(1, 7), (2, 7), (3, 7), (4, 5)].map(|(id, expires)| come(&mut kind, id, expires));
        kind.over();
        assert_eq!(next_waiting(&mut kind), Some(4));
    }

    #[test]
    fn unused_room_goes_to_the_next_waiter() {
        let mut kind = kind();
        let _ = [1, 2, 3, 4].map(|id| come(&mut kind, id, 7));
        kind.over();
        assert_eq!(next_waiting(&mut kind), Some(3));
        kind.remove_ended(3, |_| true);
        assert_eq!(next_waiting(&mut kind), Some(4));
    }

    #[test]
    fn ended_waiters_do_not_accumulate() {
        let mut kind = kind();
        let _ = [1, 2].map(|id| come(&mut kind, id, 7));
        for id in 3..10_000 {
            assert!(!come(&mut kind, id, 7));
            kind.remove_ended(id, |_| false);
        }
        assert!(kind.waiting.len() < 256);
    }
}
