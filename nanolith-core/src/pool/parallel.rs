//! Data-parallel [`map`] and [`map_reduce`] over many values, which rayon splits among the threads
//! of the current pool. `bulk` uses them within a call. Only this file and `threads::rayon_threads`
//! name rayon.

use crate::{error::Panic, util::unwind};
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use std::{
    panic::resume_unwind,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// The reason why there is no result.
pub(crate) enum Broken {
    /// `stop` returned `true`.
    Stopped,
    /// A function panicked, with the index of its value if it had one.
    Panicked(Panic, Option<usize>),
}

/// Returns the output of `f` for each value, in order.
pub(crate) fn map<T, R, F>(values: Vec<T>, f: F, stop: impl Fn() -> bool + Sync) -> Result<Vec<R>, Broken>
where
    T: Send,
    R: Send,
    F: Fn(T) -> R + Sync,
{
    let watch = EarlyExit::new(stop);
    watch.over(|| {
        let one = |(n, value): (usize, T)| watch.at(Some(n), || f(value));
        if is_on_pool() {
            values.into_par_iter().enumerate().map(one).collect()
        } else {
            values.into_iter().enumerate().map(one).collect()
        }
    })
}

/// Applies `f` to the values and reduces the outputs to one.
pub(crate) fn map_reduce<T, R, F, I, G>(
    values: Vec<T>,
    f: F,
    identity: I,
    reduce: G,
    stop: impl Fn() -> bool + Sync,
) -> Result<R, Broken>
where
    T: Send,
    R: Send,
    F: Fn(T) -> R + Sync,
    I: Fn() -> R + Sync,
    G: Fn(R, R) -> R + Sync,
{
    let watch = EarlyExit::new(stop);
    watch.over(|| {
        let first = || watch.at(None, &identity);
        let one = |sum: R, (n, value): (usize, T)| watch.at(Some(n), || reduce(sum, f(value)));
        if is_on_pool() {
            let both = |one: R, other: R| watch.at(None, || reduce(one, other));
            values.into_par_iter().enumerate().fold(first, one).reduce(first, both)
        } else {
            values.into_iter().enumerate().fold(first(), one)
        }
    })
}

/// Returns whether this thread belongs to a rayon pool. On other threads rayon would start its own
/// pool.
fn is_on_pool() -> bool {
    rayon::current_thread_index().is_some()
}

/// Checks before each value whether to stop, and keeps the first panic.
struct EarlyExit<F> {
    stop: F,
    broken: AtomicBool,
    first: Mutex<Option<(Panic, Option<usize>)>>,
}

/// The panic payload that makes rayon stop early.
struct ExitPanic;

/// Whether panics unwind. If they do not, the functions run to their end.
const CAN_UNWIND: bool = cfg!(panic = "unwind");

impl<F: Fn() -> bool + Sync> EarlyExit<F> {
    fn new(stop: F) -> Self {
        Self { stop, broken: AtomicBool::new(false), first: Mutex::new(None) }
    }

    #[inline(always)]
    fn at<R>(&self, value: Option<usize>, f: impl FnOnce() -> R) -> R {
        // ORDERING: Relaxed, a thread that sees the flag late only does more work.
        if CAN_UNWIND && (self.broken.load(Ordering::Relaxed) || (self.stop)()) {
            resume_unwind(Box::new(ExitPanic));
        }
        match unwind::catch(f) {
            Ok(result) => result,
            Err(panic) => self.broke(panic, value),
        }
    }

    #[cold]
    fn broke(&self, panic: Panic, value: Option<usize>) -> ! {
        self.first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert((panic, value));
        // ORDERING: Relaxed, as in `at`. The panic itself is under a lock.
        self.broken.store(true, Ordering::Relaxed);
        resume_unwind(Box::new(ExitPanic))
    }

    /// Runs `all`, and returns the first panic or the stop as an error.
    fn over<R>(&self, all: impl FnOnce() -> R) -> Result<R, Broken> {
        unwind::catch(all).map_err(|thrown| {
            match self.first.lock().unwrap_or_else(PoisonError::into_inner).take() {
                Some((panic, value)) => Broken::Panicked(panic, value),
                None if (self.stop)() => Broken::Stopped,
                // The destructor of a value panicked.
                None => Broken::Panicked(thrown, None),
            }
        })
    }
}
