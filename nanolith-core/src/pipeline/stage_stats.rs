//! [`StageMetrics`]: the counters of a running pipeline stage. [`super::stats`] is their public
//! view.

use crate::{meta::task_info::TaskInfo, time::clock};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

/// The counters of a stage. ORDERING: all are Relaxed, figures for observers.
pub(super) struct StageMetrics {
    name: OnceLock<Arc<str>>,
    /// The default name, used if no name is set.
    place: Arc<str>,
    depth: AtomicUsize,
    taken: AtomicU64,
    /// The sum of the times that the taken items have waited, in nanoseconds.
    waited: AtomicU64,
    in_flight: AtomicUsize,
    batch: AtomicUsize,
    tally: Mutex<Tally>,
}

/// The counts that change when calls end.
#[derive(Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) done: u64,
    pub(super) errors: u64,
    /// The sum of the times that items ran, in nanoseconds.
    pub(super) ran: u64,
    rate: RateEstimator,
}

/// The number of items done recently.
#[derive(Clone, Copy, Default)]
struct RateEstimator {
    since: u64,
    done: u64,
    before: Option<f64>,
}

/// The length of the measured interval, in nanoseconds.
const RATE_WINDOW: u64 = 250_000_000;

impl RateEstimator {
    fn per_second(count: u64, nanos: u64) -> f64 {
        count as f64 / Duration::from_nanos(nanos.max(1)).as_secs_f64()
    }

    fn done(&mut self, count: u64, now: u64) {
        if self.since == 0 {
            self.since = now;
        }
        let lasted = now.saturating_sub(self.since);
        if lasted >= RATE_WINDOW {
            *self = Self { since: now, done: 0, before: Some(Self::per_second(self.done, lasted)) };
        }
        self.done += count;
    }

    fn now(&self, now: u64) -> f64 {
        let lasted = now.saturating_sub(self.since);
        match self.before {
            Some(before) if lasted < RATE_WINDOW => before,
            _ if self.since == 0 => 0.0,
            _ => Self::per_second(self.done, lasted),
        }
    }
}

impl StageMetrics {
    pub(super) fn new(place: impl Into<Arc<str>>) -> Arc<Self> {
        Arc::new(Self {
            name: OnceLock::new(),
            place: place.into(),
            depth: AtomicUsize::new(0),
            taken: AtomicU64::new(0),
            waited: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
            batch: AtomicUsize::new(1),
            tally: Mutex::new(Tally::default()),
        })
    }

    /// Sets the name, if none is set.
    pub(super) fn name_it(&self, name: impl FnOnce() -> Arc<str>) {
        self.name.get_or_init(name);
    }

    /// Names the stage after its task, if no name is set.
    pub(super) fn name_after(&self, task: Option<&TaskInfo>) {
        if let Some(task) = task.filter(|_| self.name.get().is_none()) {
            self.name_it(|| task.name().into());
        }
    }

    pub(super) fn name(&self) -> Arc<str> {
        self.name.get().unwrap_or(&self.place).clone()
    }

    pub(super) fn set_depth(&self, depth: usize) {
        self.depth.store(depth, Relaxed);
    }

    /// Records that `count` items were taken after waiting `waited` nanoseconds in total; `depth`
    /// are left. Called under the queue's lock, so no other thread writes these counters.
    pub(super) fn record_dequeued(&self, count: usize, depth: usize, waited: u64) {
        self.depth.store(depth, Relaxed);
        self.in_flight.fetch_add(count, Relaxed);
        self.taken.store(self.taken.load(Relaxed) + count as u64, Relaxed);
        self.waited.store(self.waited.load(Relaxed).saturating_add(waited), Relaxed);
    }

    /// Records that `count` items are no longer in flight.
    pub(super) fn record_finished(&self, count: usize) {
        self.in_flight.fetch_sub(count, Relaxed);
    }

    pub(super) fn set_batch(&self, size: usize) {
        self.batch.store(size, Relaxed);
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that `done` items are done and ran for `ran` nanoseconds in total.
    pub(super) fn done(&self, done: u64, ran: u64, now: u64) {
        let mut tally = self.tally();
        tally.done += done;
        tally.ran = tally.ran.saturating_add(ran);
        tally.rate.done(done, now);
    }

    /// Records that `count` items failed.
    pub(super) fn failed(&self, count: u64) {
        self.tally().errors += count;
    }

    pub(super) fn read(&self) -> StageSnapshot {
        let tally = *self.tally();
        let (taken, waited) = (self.taken.load(Relaxed), self.waited.load(Relaxed));
        StageSnapshot {
            depth: self.depth.load(Relaxed),
            in_flight: self.in_flight.load(Relaxed),
            taken,
            batch: self.batch.load(Relaxed),
            mean_wait: mean(waited, taken),
            mean_run: mean(tally.ran, tally.done + tally.errors),
            rate: tally.rate.now(clock::now()),
            tally,
        }
    }
}

fn mean(nanos: u64, count: u64) -> Duration {
    Duration::from_nanos(nanos.checked_div(count).unwrap_or(0))
}

/// The counters at one moment.
pub(super) struct StageSnapshot {
    pub(super) depth: usize,
    pub(super) in_flight: usize,
    pub(super) taken: u64,
    pub(super) batch: usize,
    pub(super) mean_wait: Duration,
    pub(super) mean_run: Duration,
    pub(super) rate: f64,
    pub(super) tally: Tally,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_is_that_of_the_last_full_window_and_decays() {
        let mut rate = RateEstimator::default();
        (1..=10).for_each(|tenth| rate.done(100, tenth * RATE_WINDOW / 10));
        rate.done(100, RATE_WINDOW + RATE_WINDOW / 10);
        assert!((rate.now(RATE_WINDOW + RATE_WINDOW / 5) - 4_000.0).abs() < 1.0, "1,000 in a quarter of a second");
        assert!(rate.now(RATE_WINDOW * 101) < 10.0, "nothing has come for long");
    }

    #[test]
    fn configured_name_stays() {
        let gauge = StageMetrics::new("stage 1");
        assert_eq!(&*gauge.name(), "stage 1");
        gauge.name_it(|| "decode".into());
        gauge.name_it(|| "other".into());
        assert_eq!(&*gauge.name(), "decode");
    }
}
