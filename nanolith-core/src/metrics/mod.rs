//! Metrics of executors: how long calls waited and ran, and how busy the threads were.
//!
//! A program enables them by the cargo feature `metrics`, and by `.metrics(true)` on a builder.

#[cfg(feature = "metrics")]
mod aggregate;
#[cfg(feature = "metrics")]
mod histogram;
mod recorder;
#[cfg(feature = "metrics-export")]
mod source;

#[cfg(feature = "metrics")]
pub use histogram::Histogram;
pub(crate) use recorder::{Recorder, ThreadRecorder, is_any_on};

#[cfg(feature = "metrics-export")]
pub(crate) use source::MetricsSource;

#[cfg(feature = "metrics")]
pub use read::{Metrics, TaskMetrics};

#[cfg(feature = "metrics")]
mod read {
    use super::{Histogram, aggregate::is_same};
    use crate::meta::task_info::TaskInfo;
    use std::{fmt, time::Duration};

    /// The measurements of an executor, at the moment they were requested.
    ///
    /// A call counts when it is over. A busy thread reports its measurements some dozens of calls
    /// at a time, and before it rests. For short calls in a row, each time is a mean of up to 32
    /// calls. One measured wait counts for as many calls, and is accurate to some milliseconds.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let pool = Pool::builder().metrics(true).build()?;
    /// let geometry = Geometry::on(&pool);
    /// geometry.add(4, 5).wait()?;
    /// geometry.parse("7".into()).wait()??;
    /// pool.drained().wait();
    /// let metrics = pool.metrics().ok_or("it was asked to measure")?;
    /// assert_eq!((metrics.run_time().count(), metrics.tasks().len()), (2, 2));
    /// assert_eq!(metrics.task("parse").map(|parse| parse.run_time().count()), Some(1));
    /// println!("{:.0} % busy", 100.0 * metrics.utilization());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[derive(Clone)]
    pub struct Metrics {
        pub(super) tasks: Vec<TaskMetrics>,
        /// The start of the measurements, in nanoseconds. A reset changes it.
        #[cfg_attr(not(feature = "metrics-export"), allow(dead_code))] // a publisher alone asks
        pub(super) since: u64,
        pub(super) span: Duration,
        pub(super) busy: Duration,
        pub(super) slots: usize,
    }

    impl Metrics {
        /// Returns how long calls waited from their submission to their start.
        #[must_use]
        pub fn wait_time(&self) -> Histogram {
            self.sum(|task| &task.wait)
        }

        /// Returns how long tasks ran. An asynchronous task counts from its start to its end.
        #[must_use]
        pub fn run_time(&self) -> Histogram {
            self.sum(|task| &task.run)
        }

        fn sum(&self, of: impl Fn(&TaskMetrics) -> &Histogram) -> Histogram {
            let mut sum = Histogram::new();
            self.tasks.iter().for_each(|task| sum.merge(of(task)));
            sum
        }

        /// Returns the same figures for each task that was called, in the order of the tasks'
        /// identifiers.
        #[must_use]
        pub fn tasks(&self) -> &[TaskMetrics] {
            &self.tasks
        }

        /// Returns the figures of the first task of this name or identifier, if the task was
        /// called.
        #[must_use]
        pub fn task(&self, name: &str) -> Option<&TaskMetrics> {
            self.tasks.iter().find(|task| task.task.name() == name || task.task.identifier() == name)
        }

        /// Returns whether the measurements began anew since `before` was read.
        #[cfg(feature = "metrics-export")]
        pub(crate) fn was_reset_since(&self, before: &Self) -> bool {
            self.since != before.since
        }

        /// Returns the figures of the same task.
        #[cfg(feature = "metrics-export")]
        pub(crate) fn same_task(&self, task: &TaskMetrics) -> Option<&TaskMetrics> {
            self.tasks.iter().find(|known| is_same(known.task, task.task))
        }

        /// Returns the time spent on tasks, divided by the product of the measured time and the
        /// concurrency.
        ///
        /// The result is from 0 to 1. It is greater than 1 where tasks that wait lend their slots.
        /// An asynchronous task counts while it is polled.
        #[must_use]
        pub fn utilization(&self) -> f64 {
            let whole = self.span.as_secs_f64() * self.slots as f64;
            if whole > 0.0 { self.busy.as_secs_f64() / whole } else { 0.0 }
        }

        /// Returns the time that all threads together spent on tasks.
        #[must_use]
        pub fn busy(&self) -> Duration {
            self.busy
        }

        /// Returns how long the executor has measured.
        #[must_use]
        pub fn span(&self) -> Duration {
            self.span
        }

        /// Adds the measurements of another executor, for example of another member of a cluster.
        ///
        /// ```
        /// # use nanolith::{pool::Concurrency, prelude::*};
        /// # let pool = Pool::builder().metrics(true).concurrency(Concurrency::Exact(2)).build()?;
        /// let mut both = pool.metrics().ok_or("it was asked to measure")?;
        /// both.merge(&both.clone());
        /// assert_eq!(both.run_time().count(), 0);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        pub fn merge(&mut self, other: &Self) {
            for task in &other.tasks {
                match self.tasks.iter_mut().find(|known| is_same(known.task, task.task)) {
                    Some(known) => {
                        known.wait.merge(&task.wait);
                        known.run.merge(&task.run);
                        known.merge_outcomes(task);
                    }
                    None => self.tasks.push(task.clone()),
                }
            }
            self.tasks.sort_by_key(|task| task.task.identifier());
            self.span = self.span.max(other.span);
            self.busy += other.busy;
            self.slots += other.slots;
        }
    }

    impl fmt::Debug for Metrics {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Metrics")
                .field("tasks", &self.tasks)
                .field("utilization", &self.utilization())
                .finish_non_exhaustive()
        }
    }

    /// The measurements of one task: see [`Metrics`].
    #[derive(Clone)]
    pub struct TaskMetrics {
        pub(super) task: &'static TaskInfo,
        pub(super) wait: Histogram,
        pub(super) run: Histogram,
        pub(super) failures: Vec<(&'static str, u64)>,
        pub(super) vain_runs: u64,
    }

    impl TaskMetrics {
        /// Returns the task.
        #[must_use]
        pub fn task(&self) -> &'static TaskInfo {
            self.task
        }

        /// Returns how long the task's calls waited from their submission to their start.
        #[must_use]
        pub fn wait_time(&self) -> &Histogram {
            &self.wait
        }

        /// Returns how long the task ran.
        #[must_use]
        pub fn run_time(&self) -> &Histogram {
            &self.run
        }

        /// Returns how the task's calls ended, each outcome with its number of calls. The first is `ok`:
        /// the task returned. The others are the kinds of [`CallError`](crate::error::CallError):
        /// `panicked`, `cancelled`, `timed_out`, `full`, `closed` and so on. A `Result` that a task
        /// returns counts as `ok`, whatever is in it.
        ///
        /// A call that a layer runs again counts at each run.
        ///
        /// ```
        /// # use nanolith::prelude::*;
        /// # use nanolith_doc_sets::*;
        /// let pool = Pool::builder().metrics(true).build()?;
        /// let geometry = Geometry::on(&pool);
        /// geometry.add(4, 5).wait()?;
        /// assert!(geometry.add(i64::MAX, 1).wait().is_err()); // it panics
        /// pool.drained().wait();
        /// let metrics = pool.metrics().ok_or("it was asked to measure")?;
        /// let add = metrics.task("add").ok_or("it was called")?;
        /// assert_eq!(add.outcomes().collect::<Vec<_>>(), [("ok", 1), ("panicked", 1)]);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        pub fn outcomes(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
            // A thread reports its runs later than the failures among them.
            let ok = self.run.count().saturating_sub(self.vain_runs);
            std::iter::once(("ok", ok)).chain(self.failures.iter().copied())
        }

        fn merge_outcomes(&mut self, other: &Self) {
            self.vain_runs += other.vain_runs;
            for &(outcome, count) in &other.failures {
                match self.failures.iter_mut().find(|(known, _)| *known == outcome) {
                    Some((_, known)) => *known += count,
                    None => self.failures.push((outcome, count)),
                }
            }
        }
    }

    impl fmt::Debug for TaskMetrics {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("TaskMetrics")
                .field("task", &self.task.identifier())
                .field("wait", &self.wait)
                .field("run", &self.run)
                .finish()
        }
    }
}
