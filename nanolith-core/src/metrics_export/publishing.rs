//! [`Publishing`]: the thread that publishes metrics, and the guard that stops it.

use super::deltas::{Deltas, Publication};
use crate::{
    metrics::{Histogram, MetricsSource},
    util::unwind,
};
use metrics_facade::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use std::{
    fmt, io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

const CALLS: &str = "nanolith_calls_total";
const WAIT: &str = "nanolith_call_wait_seconds";
const RUN: &str = "nanolith_call_run_seconds";
const DEPTH: &str = "nanolith_queue_depth";

/// A publication of metrics that goes on: see [`Publisher::start`](super::Publisher::start).
///
/// When this is dropped, the metrics are published once more, on the thread that drops it. The thread
/// of the publisher has ended by then.
#[must_use = "dropped, it publishes once more and stops"]
pub struct Publishing {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    deltas: Mutex<Deltas>,
    is_stopped: Mutex<bool>,
    stop: Condvar,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Publishing {
    pub(super) fn start(sources: Vec<MetricsSource>, every: Duration) -> io::Result<Self> {
        let deltas = Mutex::new(Deltas::new(sources));
        let shared = Arc::new(Shared { deltas, is_stopped: Mutex::new(false), stop: Condvar::new() });
        let run = shared.clone();
        let thread = thread::Builder::new().name("nanolith-metrics".into()).spawn(move || run.run(every))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Publishes what is new, at once and on this thread. A program whose metrics are read on request
    /// calls this before each answer.
    ///
    /// ```
    /// # use nanolith::{metrics_export::Publisher, prelude::*, time::HOUR};
    /// # let pool = Pool::builder().metrics(true).build()?;
    /// let publishing = Publisher::new().pool(&pool).every(HOUR).start()?;
    /// publishing.publish();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn publish(&self) {
        self.shared.publish();
    }

    /// Goes on publishing until the program ends.
    pub fn detach(mut self) {
        drop(self.thread.take()); // without a thread, the drop does nothing
    }
}

impl Shared {
    fn run(&self, every: Duration) {
        loop {
            let is_stopped = lock(&self.is_stopped);
            let waited = self.stop.wait_timeout_while(is_stopped, every, |is_stopped| !*is_stopped);
            let (is_stopped, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if *is_stopped {
                return;
            }
            drop(is_stopped);
            self.publish();
        }
    }

    /// Publishes what is new. The recorder is the program's code, so no lock is held then.
    fn publish(&self) {
        let new = lock(&self.deltas).take();
        unwind::ignore_panics(|| publish(&new));
    }
}

impl Drop for Publishing {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        *lock(&self.shared.is_stopped) = true;
        self.shared.stop.notify_all();
        let _ = thread.join(); // it catches the panics of the recorder
        self.publish();
    }
}

impl fmt::Debug for Publishing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publishing").finish_non_exhaustive()
    }
}

/// Passes everything to the recorder that is installed now. A handle that is made before the
/// recorder is installed stays without effect, so none is kept.
fn publish(new: &Publication) {
    describe_counter!(CALLS, Unit::Count, "calls that have ended");
    describe_histogram!(WAIT, Unit::Seconds, "the time from the submission of a call to the start of its task");
    describe_histogram!(RUN, Unit::Seconds, "the time from the start of a task to its end");
    describe_gauge!(DEPTH, Unit::Count, "calls that wait in the queue");
    for &((set, task, outcome), count) in &new.calls {
        counter!(CALLS, "set" => set, "task" => task, "outcome" => outcome).absolute(count);
    }
    for calls in &new.tasks {
        record(&histogram!(WAIT, "set" => calls.set, "task" => calls.task), &calls.wait);
        record(&histogram!(RUN, "set" => calls.set, "task" => calls.task), &calls.run);
    }
    for (executor, depth) in &new.depths {
        #[allow(clippy::cast_precision_loss)] // a number of calls
        gauge!(DEPTH, "executor" => executor.to_string()).set(*depth as f64);
    }
}

fn record(to: &metrics_facade::Histogram, new: &Histogram) {
    for (duration, count) in new.iter() {
        to.record_many(duration.as_secs_f64(), usize::try_from(count).unwrap_or(usize::MAX));
    }
}
