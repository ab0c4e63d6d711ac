//! [`Broadcast`]: runs a closure once on each of a pool's threads: on a worker's thread between two
//! tasks, on an idle rayon thread or an idle spare thread at once.

use super::{
    rayon_threads,
    spare_threads::{self, SpareJob},
};
use crate::{
    call::backend::Backend,
    context::{
        block_on, thread_context,
        wait::{self, Sealed, Wait},
    },
    error::Panic,
    pool::{pool_shared::PoolShared, pool_state::PoolState},
    util::unwind,
    wake::{Deferred, NewWaker, SingleWaiter, WakeList},
};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

/// An identifier of a thread of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pool) enum ThreadKey {
    /// The generation of a rayon thread, and its number.
    Rayon(u64, usize),
    Spare(usize),
}

impl ThreadKey {
    /// Returns the current thread, on which a worker of this generation runs.
    fn here(generation: Option<u64>) -> Option<Self> {
        match generation {
            Some(generation) => rayon_threads::thread_number().map(|number| Self::Rayon(generation, number)),
            None => spare_threads::thread_number().map(Self::Spare),
        }
    }
}

/// A closure that each thread is to run once.
pub(in crate::pool) struct BroadcastShared {
    /// The threads that have not run the closure, and the index of each thread's result.
    pending: Mutex<Vec<(ThreadKey, usize)>>,
    run: Box<dyn Fn(usize) + Send + Sync>,
}

impl BroadcastShared {
    fn pending(&self) -> MutexGuard<'_, Vec<(ThreadKey, usize)>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the run of a thread. Returns the index of its result.
    fn take(&self, who: ThreadKey) -> Option<usize> {
        let mut pending = self.pending();
        let at = pending.iter().position(|(thread, _)| *thread == who)?;
        Some(pending.swap_remove(at).1)
    }

    fn is_taken(&self) -> bool {
        self.pending().is_empty()
    }
}

/// A run that the current thread has taken.
#[must_use = "the thread is to run it"]
pub(in crate::pool) struct BroadcastRun {
    roll: Arc<BroadcastShared>,
    number: usize,
}

impl PoolState {
    /// Takes the next run of the worker's thread, if there is one.
    pub(in crate::pool) fn next_broadcast(&self, generation: Option<u64>) -> Option<BroadcastRun> {
        let who = ThreadKey::here(generation)?;
        let turn =
            |roll: &Arc<BroadcastShared>| roll.take(who).map(|number| BroadcastRun { roll: roll.clone(), number });
        self.broadcasts.iter().find_map(turn)
    }
}

impl PoolShared {
    /// Runs the closure that the worker's thread has taken.
    pub(in crate::pool) fn run_broadcast(&self, BroadcastRun { roll, number }: BroadcastRun) {
        self.forget_if_taken(&roll);
        unwind::ignore_panics(|| (roll.run)(number));
        unwind::ignore_panics(|| drop(roll));
    }

    /// Runs the closure on an idle thread. A worker's thread runs it after its task instead.
    pub(in crate::pool) fn run_if_pending(&self, roll: &Arc<BroadcastShared>, who: ThreadKey) {
        if thread_context::holds_permit() {
            return;
        }
        if let Some(number) = roll.take(who) {
            self.run_broadcast(BroadcastRun { roll: roll.clone(), number });
        }
    }

    fn forget_if_taken(&self, roll: &Arc<BroadcastShared>) {
        if roll.is_taken() {
            let known = {
                let rolls = &mut self.lock().broadcasts;
                rolls.iter().position(|known| Arc::ptr_eq(known, roll)).map(|at| rolls.swap_remove(at))
            };
            drop(known); // may drop user values
        }
    }

    /// Requests the run on every existing thread. Passes the number of threads to `begin` before
    /// the first thread can start the run.
    fn call_on_all(self: &Arc<Self>, roll: &Arc<BroadcastShared>, begin: impl FnOnce(usize)) {
        let rayon = self.rayon();
        let generation = self.lock().rayon.generation;
        let threads = rayon.clone();
        {
            let mut pending = roll.pending();
            let kept = threads.as_ref().map_or(0, rayon_threads::count);
            let spare = self.spares.run_on_each(|number| SpareJob::Broadcast(self.clone(), roll.clone(), number));
            let all = (0..kept)
                .map(|number| ThreadKey::Rayon(generation, number))
                .chain(spare.into_iter().map(ThreadKey::Spare));
            pending.extend(all.zip(0..));
            begin(pending.len());
        }
        drop(rayon);
        let mut core = self.lock();
        core.broadcasts.push(roll.clone());
        // Workers on the ring return and find the run.
        core.injector.close_ring();
        self.release(core, WakeList::default());
        self.forget_if_taken(roll);
        threads.iter().for_each(|threads| rayon_threads::broadcast(threads, self, roll, generation));
    }
}

/// The results so far.
struct Results<T> {
    of: Vec<Option<Result<T, Panic>>>,
    left: usize,
    waiter: SingleWaiter,
}

/// A future that ends when each thread of a pool has run the closure, made by
/// [`Pool::broadcast`](crate::pool::Pool::broadcast).
///
/// Its output has a result for each thread. If the closure panicked on a thread, the panic is that
/// thread's result.
///
/// ```
/// use nanolith::{pool::Concurrency, prelude::*};
/// # let pool = Pool::builder().concurrency(Concurrency::Exact(2)).build()?;
/// # pollster::block_on(async {
/// let results = pool.broadcast(|| std::thread::current().id()).await?;
/// assert!(results.iter().all(|result| result.is_ok()));
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Cancel safety
///
/// If this is dropped, the threads still run the closure.
#[must_use = "the threads run it all the same; this tells when they have"]
pub struct Broadcast<T> {
    inner: Arc<PoolShared>,
    results: Arc<Deferred<Results<T>>>,
}

/// The error of a wait for [`Pool::broadcast`](crate::pool::Pool::broadcast).
///
/// ```
/// use nanolith::{pool::BroadcastError, prelude::*};
/// # pub struct Geometry;
/// #[define]
/// impl Geometry {
///     pub fn set_up() -> bool {
///         let pool = nanolith::pool::GlobalPool.get().expect("it runs this task");
///         matches!(pool.broadcast(|| {}).wait(), Err(BroadcastError::WouldDeadlock))
///     }
/// }
/// assert!(Geometry::tasks().set_up().wait()?);
/// # Ok::<(), CallError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BroadcastError {
    /// A task of the pool would block its own thread in this wait, and that thread could not run
    /// the closure. The threads still run the closure.
    WouldDeadlock,
}

impl fmt::Display for BroadcastError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a task waits for a run on its own thread, which cannot begin before the task is over")
    }
}

impl std::error::Error for BroadcastError {}

impl<T: Send + 'static> Broadcast<T> {
    pub(in crate::pool) fn begin(inner: Arc<PoolShared>, run: impl Fn() -> T + Send + Sync + 'static) -> Self {
        let results = Arc::new(Deferred::new(Results { of: Vec::new(), left: 0, waiter: SingleWaiter::default() }));
        let told = results.clone();
        let run = move |number| tell(&told, number, unwind::catch(&run));
        let roll = Arc::new(BroadcastShared { pending: Mutex::default(), run: Box::new(run) });
        inner.call_on_all(&roll, |threads| {
            results.with(|results, _| {
                results.of.resize_with(threads, || None);
                results.left = threads;
            });
        });
        Self { inner, results }
    }
}

fn tell<T>(results: &Deferred<Results<T>>, number: usize, result: Result<T, Panic>) {
    results.with(|results, after| {
        results.of[number] = Some(result);
        results.left -= 1;
        if results.left == 0 {
            results.waiter.notify(after);
        }
    });
}

impl<T: Send + 'static> Future for Broadcast<T> {
    type Output = Result<Vec<Result<T, Panic>>, BroadcastError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let stands_still =
            thread_context::current_executor() == Some(self.inner.id()) && thread_context::poll_blocks_thread();
        // An unused waker drops after the release.
        let mut new = Some(NewWaker::of(cx.waker()));
        let results = self.results.with(|results, after| {
            if results.left == 0 {
                return Some(std::mem::take(&mut results.of));
            }
            new.take_if(|_| !stands_still).into_iter().for_each(|waker| results.waiter.register(waker, after));
            None
        });
        match results {
            Some(results) => Poll::Ready(Ok(results.into_iter().flatten().collect())),
            None if stands_still => Poll::Ready(Err(BroadcastError::WouldDeadlock)),
            None => Poll::Pending,
        }
    }
}

impl<T: Send + 'static> Sealed for Broadcast<T> {}

impl<T: Send + 'static> Wait for Broadcast<T> {
    type Pending = Self;

    /// Blocks the thread until each thread of the pool has run the closure.
    ///
    /// ```
    /// # use nanolith::{pool::Concurrency, prelude::*};
    /// let pool = Pool::builder().concurrency(Concurrency::Exact(2)).build()?;
    /// assert_eq!(pool.broadcast(|| 9).wait()?.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`BroadcastError::WouldDeadlock`] on a thread of the pool.
    fn wait(self) -> Result<Vec<Result<T, Panic>>, BroadcastError> {
        let host = Backend::id(&*self.inner);
        block_on::block_on(self, Some(host)).unwrap_or(Err(BroadcastError::WouldDeadlock))
    }

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        let host = Backend::id(&*self.inner);
        Ok(wait::timeout_on(self, host, limit)?.unwrap_or(Err(BroadcastError::WouldDeadlock)))
    }
}

/// Removes the waker.
impl<T> Drop for Broadcast<T> {
    fn drop(&mut self) {
        self.results.with(|results, after| results.waiter.remove(after));
    }
}

impl<T> fmt::Debug for Broadcast<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcast").field("left", &self.results.with(|results, _| results.left)).finish_non_exhaustive()
    }
}
