//! [`Aggregate`]: the measurements of an executor's calls, by task. Pure data, under the lock of
//! [`super::recorder`].

use super::{Histogram, Metrics, TaskMetrics, recorder::Sample};
use crate::{meta::task_info::TaskInfo, time::clock};
use std::time::Duration;

pub(crate) struct Aggregate {
    since: u64,
    /// The time that threads spent on tasks, in nanoseconds.
    busy: u64,
    kinds: Vec<Kind>,
    /// The index of the last sample's kind. The next sample is mostly of the same kind.
    last: usize,
}

struct Kind {
    task: &'static TaskInfo,
    wait: Histogram,
    run: Histogram,
    /// The number of calls that ended without the output of the task, by outcome.
    failures: Vec<(&'static str, u64)>,
    /// The number of recorded runs after which a call did not end with the output.
    vain_runs: u64,
}

impl Aggregate {
    pub(crate) fn new(now: u64) -> Self {
        Self { since: now, busy: 0, kinds: Vec::new(), last: 0 }
    }

    pub(crate) fn busy(&mut self, nanos: u64) {
        self.busy = self.busy.saturating_add(nanos);
    }

    fn kind(&mut self, task: &'static TaskInfo) -> &mut Kind {
        let is_it = |kind: &Kind| is_same(kind.task, task);
        if !self.kinds.get(self.last).is_some_and(is_it) {
            self.last = self.kinds.iter().position(is_it).unwrap_or_else(|| {
                let (wait, run) = (Histogram::new(), Histogram::new());
                self.kinds.push(Kind { task, wait, run, failures: Vec::new(), vain_runs: 0 });
                self.kinds.len() - 1
            });
        }
        &mut self.kinds[self.last]
    }

    pub(crate) fn note(&mut self, sample: &Sample) {
        let kind = self.kind(sample.task);
        kind.wait.record(sample.waited, sample.calls);
        kind.run.record(sample.ran, sample.calls);
    }

    /// Counts a call that ended without the output of its task: see [`super::Recorder`].
    pub(crate) fn count_failure(&mut self, task: &'static TaskInfo, outcome: &'static str, has_run: bool) {
        let kind = self.kind(task);
        kind.vain_runs += u64::from(has_run);
        match kind.failures.iter_mut().find(|(known, _)| *known == outcome) {
            Some((_, count)) => *count += 1,
            None => kind.failures.push((outcome, 1)),
        }
    }

    pub(crate) fn count_vain_run(&mut self, task: &'static TaskInfo) {
        self.kind(task).vain_runs += 1;
    }

    pub(crate) fn read(&self, now: u64, slots: usize) -> Metrics {
        let tasks = self.kinds.iter().map(|kind| TaskMetrics {
            task: kind.task,
            wait: kind.wait.clone(),
            run: kind.run.clone(),
            failures: kind.failures.clone(),
            vain_runs: kind.vain_runs,
        });
        let mut tasks: Vec<_> = tasks.collect();
        tasks.sort_by_key(|task| task.task.identifier());
        Metrics {
            tasks,
            since: self.since,
            span: clock::elapsed(self.since, now),
            busy: Duration::from_nanos(self.busy),
            slots,
        }
    }
}

/// Returns whether both are the same task. The table of a set may exist more than once: the
/// compiler copies constants.
pub(super) fn is_same(one: &'static TaskInfo, other: &'static TaskInfo) -> bool {
    std::ptr::eq(one, other) || (one.identifier() == other.identifier() && one.set() == other.set())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: TaskInfo = TaskInfo::new("Set", "task", "book::Set::task");

    #[test]
    fn figures_saturate_at_the_longest_duration() {
        let mut book = Aggregate::new(0);
        for _ in 0..2 {
            book.busy(u64::MAX);
            book.note(&Sample { task: &TASK, waited: u64::MAX, ran: u64::MAX, calls: 1 });
        }
        let metrics = book.read(u64::MAX, 1);
        assert_eq!((metrics.busy(), metrics.span()), (Duration::from_nanos(u64::MAX), Duration::from_nanos(u64::MAX)));
        assert_eq!(metrics.run_time().count(), 2);
        assert!(metrics.run_time().max() > Duration::from_nanos(u64::MAX / 100 * 99));
    }
}
