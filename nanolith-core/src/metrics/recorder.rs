//! Records how long calls waited and ran, per thread, and collects the records per executor.
//!
//! Each thread keeps a [`ThreadRecorder`]. It moves its records to the `Aggregate` that all threads
//! of the executor share, some dozens of calls at a time. Without the cargo feature `metrics`, two
//! empty types are left of this module.

#[cfg(feature = "metrics")]
pub(crate) use on::{Recorder, Sample, ThreadRecorder, is_any_on};

#[cfg(not(feature = "metrics"))]
pub(crate) use off::{Recorder, ThreadRecorder, is_any_on};

#[cfg(feature = "metrics")]
mod on {
    use crate::{
        meta::task_info::TaskInfo,
        metrics::{Metrics, aggregate::Aggregate},
        time::clock,
    };
    use std::{
        mem,
        sync::{
            Arc, Mutex, MutexGuard, PoisonError,
            atomic::{AtomicBool, Ordering},
        },
        time::Duration,
    };

    /// The measurements of an executor, if its builder enabled them.
    #[derive(Clone, Default)]
    pub(crate) struct Recorder(Option<Arc<Mutex<Aggregate>>>);

    /// Whether any executor of the program ever enabled metrics.
    static ANY: AtomicBool = AtomicBool::new(false);

    #[inline]
    pub(crate) fn is_any_on() -> bool {
        ANY.load(Ordering::Relaxed)
    }

    fn lock(book: &Mutex<Aggregate>) -> MutexGuard<'_, Aggregate> {
        book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    impl Recorder {
        pub(crate) fn new(on: bool) -> Self {
            if on {
                // ORDERING: Relaxed, and so is the load in `is_any_on`. A thread that has a call of
                // such an executor received the call later than this store.
                ANY.store(true, Ordering::Relaxed);
            }
            Self(on.then(|| Arc::new(Mutex::new(Aggregate::new(clock::now())))))
        }

        #[inline]
        pub(crate) fn is_on(&self) -> bool {
            self.0.is_some()
        }

        /// Returns a recorder for one thread.
        pub(crate) fn tally(&self) -> ThreadRecorder {
            let samples = Vec::with_capacity(if self.is_on() { FULL } else { 0 });
            ThreadRecorder { book: self.0.clone(), samples, busy: 0, batch: Vec::new() }
        }

        /// Records one call of a thread that has no `ThreadRecorder`.
        pub(crate) fn note(&self, task: &'static TaskInfo, waited: Duration, ran: Duration) {
            if let Some(book) = &self.0 {
                lock(book).note(&Sample { task, waited: clock::nanos(waited), ran: clock::nanos(ran), calls: 1 });
            }
        }

        /// Counts a call that ended without the output of its task. `has_run` says that the run of the
        /// task is recorded too.
        pub(crate) fn count_failure(&self, task: &'static TaskInfo, outcome: &'static str, has_run: bool) {
            if let Some(book) = &self.0 {
                lock(book).count_failure(task, outcome, has_run);
            }
        }

        /// Counts a run of a task whose call had ended before.
        pub(crate) fn count_vain_run(&self, task: &'static TaskInfo) {
            if let Some(book) = &self.0 {
                lock(book).count_vain_run(task);
            }
        }

        /// Returns all measurements, for an executor that runs up to `slots` tasks at once.
        pub(crate) fn read(&self, slots: usize) -> Option<Metrics> {
            self.0.as_ref().map(|book| lock(book).read(clock::now(), slots))
        }

        /// Discards all measurements and starts again.
        pub(crate) fn reset(&self) {
            if let Some(book) = &self.0 {
                let fresh = Aggregate::new(clock::now());
                let before = mem::replace(&mut *lock(book), fresh);
                drop(before);
            }
        }
    }

    /// A number of calls in a row of one task. Each call waited and ran for these times, in
    /// nanoseconds.
    #[derive(Clone, Copy)]
    pub(crate) struct Sample {
        pub(crate) task: &'static TaskInfo,
        pub(crate) waited: u64,
        pub(crate) ran: u64,
        pub(crate) calls: u64,
    }

    /// The number of samples that a thread moves to the aggregate at once.
    const FULL: usize = 64;

    /// The measurements of one thread that are not yet in the aggregate.
    pub(crate) struct ThreadRecorder {
        book: Option<Arc<Mutex<Aggregate>>>,
        samples: Vec<Sample>,
        /// The time that the thread spent on tasks, in nanoseconds.
        busy: u64,
        /// The short calls since the thread last read the clock.
        batch: Vec<PendingRun>,
    }

    /// A number of calls in a row of one task. `submitted` is when the first call of the batch was
    /// submitted, and counts for each call of the batch.
    struct PendingRun {
        task: &'static TaskInfo,
        calls: u64,
        submitted: u64,
    }

    impl ThreadRecorder {
        #[inline]
        pub(crate) fn is_on(&self) -> bool {
            self.book.is_some()
        }

        /// Records a number of calls of one task. Each call waited and ran for these times, in
        /// nanoseconds.
        pub(crate) fn note(&mut self, task: &'static TaskInfo, waited: u64, ran: u64, calls: u64) {
            self.samples.push(Sample { task, waited, ran, calls });
            if self.samples.len() == FULL {
                self.flush();
            }
        }

        /// Records that a short call is about to run. The submission time is on a cache line of the
        /// call's caller, so it is read for the first call of a batch only.
        #[inline(always)]
        pub(crate) fn see(&mut self, task: &'static TaskInfo, submitted: impl FnOnce() -> u64) {
            match self.batch.last_mut() {
                Some(last) if std::ptr::eq(last.task, task) => last.calls += 1,
                Some(last) => {
                    let submitted = last.submitted;
                    self.batch.push(PendingRun { task, calls: 1, submitted });
                }
                None => self.batch.push(PendingRun { task, calls: 1, submitted: submitted() }),
            }
        }

        /// Takes back the last record of [`see`](Self::see): the call did not run after all.
        #[cold]
        pub(crate) fn unsee(&mut self) {
            self.batch.last_mut().into_iter().for_each(|last| last.calls -= 1);
        }

        /// Records the calls of the batch, which ran from `began` to `now`. Each call counts with
        /// the mean time.
        pub(crate) fn end_grain(&mut self, began: u64, now: u64) {
            let calls: u64 = self.batch.iter().map(|seen| seen.calls).sum();
            if calls == 0 {
                return;
            }
            self.busy(now.saturating_sub(began));
            let ran = now.saturating_sub(began) / calls;
            let mut grain = mem::take(&mut self.batch);
            for PendingRun { task, calls, submitted } in grain.drain(..).filter(|seen| seen.calls > 0) {
                self.note(task, began.saturating_sub(submitted), ran, calls);
            }
            self.batch = grain;
        }

        /// Adds to the time that the thread spent on tasks, in nanoseconds.
        #[inline]
        pub(crate) fn busy(&mut self, nanos: u64) {
            self.busy += nanos;
        }

        /// Moves the records to the aggregate. A thread does this before it rests, so the aggregate
        /// of an idle pool is complete.
        pub(crate) fn flush(&mut self) {
            let Some(book) = &self.book else { return };
            if self.samples.is_empty() && self.busy == 0 {
                return;
            }
            let mut book = lock(book);
            book.busy(mem::take(&mut self.busy));
            self.samples.drain(..).for_each(|sample| book.note(&sample));
        }
    }

    impl Drop for ThreadRecorder {
        fn drop(&mut self) {
            self.flush();
        }
    }
}

#[cfg(not(feature = "metrics"))]
mod off {
    use crate::meta::task_info::TaskInfo;
    use std::time::Duration;

    #[inline]
    pub(crate) fn is_any_on() -> bool {
        false
    }

    #[derive(Clone, Default)]
    pub(crate) struct Recorder;

    #[allow(clippy::unused_self)] // the signatures are those of the enabled type
    impl Recorder {
        pub(crate) fn new(_: bool) -> Self {
            Self
        }

        pub(crate) fn is_on(&self) -> bool {
            false
        }

        pub(crate) fn tally(&self) -> ThreadRecorder {
            ThreadRecorder
        }

        pub(crate) fn note(&self, _: &'static TaskInfo, _: Duration, _: Duration) {}

        pub(crate) fn count_failure(&self, _: &'static TaskInfo, _: &'static str, _: bool) {}

        pub(crate) fn count_vain_run(&self, _: &'static TaskInfo) {}
    }

    pub(crate) struct ThreadRecorder;

    #[allow(clippy::unused_self)] // the signatures are those of the enabled type
    impl ThreadRecorder {
        #[inline]
        pub(crate) fn is_on(&self) -> bool {
            false
        }

        #[inline]
        pub(crate) fn note(&mut self, _: &'static TaskInfo, _: u64, _: u64, _: u64) {}

        #[inline]
        pub(crate) fn see(&mut self, _: &'static TaskInfo, _: impl FnOnce() -> u64) {}

        #[inline]
        pub(crate) fn unsee(&mut self) {}

        #[inline]
        pub(crate) fn end_grain(&mut self, _: u64, _: u64) {}

        #[inline]
        pub(crate) fn busy(&mut self, _: u64) {}

        #[inline]
        pub(crate) fn flush(&mut self) {}
    }
}
