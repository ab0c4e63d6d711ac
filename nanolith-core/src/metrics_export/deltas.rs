//! [`Deltas`]: what of the executors' metrics is new since the last publication. Pure data.

use crate::metrics::{Histogram, Metrics, MetricsSource, TaskMetrics};
use std::{collections::BTreeMap, sync::Arc};

/// The executors of a publisher, and what was published of them.
pub(super) struct Deltas {
    sources: Vec<Source>,
    /// The number of calls by set, task and outcome. An executor that is gone stays in the sum.
    calls: BTreeMap<(&'static str, &'static str, &'static str), u64>,
}

/// One executor.
struct Source {
    source: MetricsSource,
    last: Option<Metrics>,
    /// The published number of calls since the last reset, by set, task and outcome.
    calls: BTreeMap<(&'static str, &'static str, &'static str), u64>,
}

/// What to publish.
#[derive(Default)]
pub(super) struct Publication {
    /// The number of all calls by set, task and outcome.
    pub(super) calls: Vec<((&'static str, &'static str, &'static str), u64)>,
    /// The new calls of each task.
    pub(super) tasks: Vec<NewCalls>,
    /// The number of queued calls by executor.
    pub(super) depths: BTreeMap<Arc<str>, usize>,
}

/// The new calls of one task.
pub(super) struct NewCalls {
    pub(super) set: &'static str,
    pub(super) task: &'static str,
    pub(super) wait: Histogram,
    pub(super) run: Histogram,
}

impl Deltas {
    pub(super) fn new(sources: Vec<MetricsSource>) -> Self {
        let sources = sources.into_iter().map(|source| Source { source, last: None, calls: BTreeMap::new() });
        Self { sources: sources.collect(), calls: BTreeMap::new() }
    }

    /// Returns what is new. An executor that is gone is in the result for the last time.
    pub(super) fn take(&mut self) -> Publication {
        let mut new = Publication::default();
        let Self { sources, calls } = self;
        sources.retain_mut(|source| {
            let depth = source.source.queue_depth();
            *new.depths.entry(source.source.name().clone()).or_default() += depth.unwrap_or(0);
            source.read(calls, &mut new.tasks);
            depth.is_some()
        });
        new.calls = calls.iter().map(|(labels, count)| (*labels, *count)).collect();
        new
    }
}

impl Source {
    fn read(&mut self, all: &mut BTreeMap<(&'static str, &'static str, &'static str), u64>, new: &mut Vec<NewCalls>) {
        let Some(metrics) = self.source.read() else { return };
        let before = self.last.take().filter(|before| !metrics.was_reset_since(before));
        if before.is_none() {
            self.calls.clear();
        }
        for task in metrics.tasks() {
            let (set, name) = (task.task().set(), task.task().name());
            for (outcome, count) in task.outcomes() {
                let labels = (set, name, outcome);
                let published = self.calls.entry(labels).or_default();
                // The number of `ok` may fall for a moment, and is published again when it has risen.
                let more = count.saturating_sub(*published);
                *published += more;
                *all.entry(labels).or_default() += more;
            }
            let known = before.as_ref().and_then(|before| before.same_task(task));
            let wait = task.wait_time().since(known.map(TaskMetrics::wait_time));
            let run = task.run_time().since(known.map(TaskMetrics::run_time));
            new.push(NewCalls { set, task: name, wait, run });
        }
        self.last = Some(metrics);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{meta::task_info::TaskInfo, metrics::Recorder};
    use std::{
        sync::atomic::{AtomicBool, Ordering},
        time::Duration,
    };

    const ADD: TaskInfo = TaskInfo::new("Geometry", "add", "deltas::Geometry::add");
    const MS: Duration = Duration::from_millis(1);

    struct Executor {
        recorder: Recorder,
        is_there: Arc<AtomicBool>,
    }

    impl Executor {
        fn new() -> (Self, MetricsSource) {
            let (recorder, is_there) = (Recorder::new(true), Arc::new(AtomicBool::new(true)));
            let here = is_there.clone();
            let depth = move || here.load(Ordering::Relaxed).then_some(3);
            let source = MetricsSource::new("pictures".into(), recorder.clone(), depth);
            (Self { recorder, is_there }, source)
        }
    }

    fn counts(new: &Publication) -> Vec<(&'static str, u64)> {
        new.calls.iter().map(|((_, _, outcome), count)| (*outcome, *count)).collect()
    }

    fn runs(new: &Publication) -> Vec<u64> {
        new.tasks.iter().map(|task| task.run.count()).collect()
    }

    #[test]
    fn second_publication_has_only_new_calls() {
        let (executor, source) = Executor::new();
        let mut deltas = Deltas::new(vec![source]);
        executor.recorder.note(&ADD, MS, MS);
        executor.recorder.note(&ADD, MS, 5 * MS);
        assert_eq!(runs(&deltas.take()), [2]);
        executor.recorder.note(&ADD, MS, 5 * MS);
        let new = deltas.take();
        assert_eq!((runs(&new), counts(&new)), (vec![1], vec![("ok", 3)]));
        assert!(new.tasks[0].run.min() > 4 * MS);
        assert_eq!(new.depths.get("pictures"), Some(&3));
        assert_eq!(runs(&deltas.take()), [0]);
    }

    #[test]
    fn count_of_ok_never_falls() {
        let (executor, source) = Executor::new();
        let mut deltas = Deltas::new(vec![source]);
        executor.recorder.note(&ADD, MS, MS);
        assert_eq!(counts(&deltas.take()), [("ok", 1)]);
        executor.recorder.count_failure(&ADD, "panicked", true); // its run is recorded later
        assert_eq!(counts(&deltas.take()), [("ok", 1), ("panicked", 1)]);
        executor.recorder.note(&ADD, MS, MS);
        assert_eq!(counts(&deltas.take()), [("ok", 1), ("panicked", 1)]);
        executor.recorder.note(&ADD, MS, MS);
        assert_eq!(counts(&deltas.take()), [("ok", 2), ("panicked", 1)]);
    }

    #[test]
    fn reset_of_metrics_loses_no_published_call() {
        let (executor, source) = Executor::new();
        let mut deltas = Deltas::new(vec![source]);
        (0..3).for_each(|_| executor.recorder.note(&ADD, MS, MS));
        assert_eq!(counts(&deltas.take()), [("ok", 3)]);
        executor.recorder.reset();
        (0..4).for_each(|_| executor.recorder.note(&ADD, MS, MS));
        let new = deltas.take();
        assert_eq!((counts(&new), runs(&new)), (vec![("ok", 7)], vec![4]));
    }

    #[test]
    fn executors_of_one_name_share_a_series() {
        let ((one, first), (other, second)) = (Executor::new(), Executor::new());
        let mut deltas = Deltas::new(vec![first, second]);
        one.recorder.note(&ADD, MS, MS);
        other.recorder.note(&ADD, MS, MS);
        let new = deltas.take();
        assert_eq!((counts(&new), new.depths.get("pictures")), (vec![("ok", 2)], Some(&6)));
    }

    #[test]
    fn executor_that_is_gone_is_published_once_more() {
        let (executor, source) = Executor::new();
        let mut deltas = Deltas::new(vec![source]);
        executor.recorder.note(&ADD, MS, MS);
        executor.is_there.store(false, Ordering::Relaxed);
        let new = deltas.take();
        assert_eq!((runs(&new), new.depths.get("pictures")), (vec![1], Some(&0)));
        let new = deltas.take();
        assert_eq!((runs(&new), counts(&new), new.depths.len()), (vec![], vec![("ok", 1)], 0));
    }
}
