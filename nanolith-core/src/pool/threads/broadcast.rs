//! One run on each of a pool's threads: whoever comes to it first runs it for its thread, a runner between two tasks, a
//! rayon thread that is idle, or a spare one that is.

use super::{
    rayon_threads,
    spare::{self, SpareJob},
};
use crate::pool::{pool_shared::PoolShared, pool_state::PoolState};
use crate::{
    call::backend::Backend,
    context::{block_on, thread_context},
    error::Panic,
    util::unwind,
    wake::{Deferred, NewWaker, SingleWaiter, WakeList},
};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

/// A thread of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pool) enum ThreadKey {
    /// The rayon thread of this number, of this generation.
    Rayon(u64, usize),
    Spare(usize),
}

impl ThreadKey {
    /// The thread that a runner of this generation stands on.
    fn here(generation: Option<u64>) -> Option<Self> {
        match generation {
            Some(generation) => rayon_threads::thread_number().map(|number| Self::Rayon(generation, number)),
            None => spare::thread_number().map(Self::Spare),
        }
    }
}

/// What each thread is to run once.
pub(in crate::pool) struct Broadcast {
    /// Who has not come to it, and which result is theirs.
    pending: Mutex<Vec<(ThreadKey, usize)>>,
    run: Box<dyn Fn(usize) + Send + Sync>,
}

impl Broadcast {
    fn pending(&self) -> MutexGuard<'_, Vec<(ThreadKey, usize)>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the run the taker's, for its thread.
    fn take(&self, who: ThreadKey) -> Option<usize> {
        let mut pending = self.pending();
        let at = pending.iter().position(|(thread, _)| *thread == who)?;
        Some(pending.swap_remove(at).1)
    }

    fn is_taken(&self) -> bool {
        self.pending().is_empty()
    }
}

/// A thread's run, which it has taken.
#[must_use = "the thread is to run it"]
pub(in crate::pool) struct BroadcastRun {
    roll: Arc<Broadcast>,
    number: usize,
}

impl PoolState {
    /// What a runner's thread is yet to run.
    pub(in crate::pool) fn next_broadcast(&self, generation: Option<u64>) -> Option<BroadcastRun> {
        let who = ThreadKey::here(generation)?;
        let turn = |roll: &Arc<Broadcast>| roll.take(who).map(|number| BroadcastRun { roll: roll.clone(), number });
        self.broadcasts.iter().find_map(turn)
    }
}

impl PoolShared {
    /// Runs what a runner's thread has taken.
    pub(in crate::pool) fn run_broadcast(&self, BroadcastRun { roll, number }: BroadcastRun) {
        self.forget_if_taken(&roll);
        unwind::ignore_panics(|| (roll.run)(number));
        unwind::ignore_panics(|| drop(roll));
    }

    /// A thread that is idle comes to it; a runner's does so itself, when its task is over.
    pub(in crate::pool) fn run_if_pending(&self, roll: &Arc<Broadcast>, who: ThreadKey) {
        if thread_context::holds_permit() {
            return;
        }
        if let Some(number) = roll.take(who) {
            self.run_broadcast(BroadcastRun { roll: roll.clone(), number });
        }
    }

    fn forget_if_taken(&self, roll: &Arc<Broadcast>) {
        if roll.is_taken() {
            let known = {
                let rolls = &mut self.lock().broadcasts;
                rolls.iter().position(|known| Arc::ptr_eq(known, roll)).map(|at| rolls.swap_remove(at))
            };
            drop(known); // what it drops is the user's
        }
    }

    /// Calls on every thread there is; gives their number to `begin` before the first can come.
    fn call_on_all(self: &Arc<Self>, roll: &Arc<Broadcast>, begin: impl FnOnce(usize)) {
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
        core.injector.close_ring(); // who takes from the inbox comes out and looks
        self.release(core, WakeList::default());
        self.forget_if_taken(roll);
        threads.iter().for_each(|threads| rayon_threads::broadcast(threads, self, roll, generation));
    }
}

/// What came of it so far.
struct Results<T> {
    of: Vec<Option<Result<T, Panic>>>,
    left: usize,
    waiter: SingleWaiter,
}

/// Ends when each thread of a pool has run something once: made by [`Pool::run_on_all`](crate::pool::Pool::run_on_all).
///
/// Its output has a result for each thread; a panic is that thread's result.
///
/// ```
/// use nanolith::prelude::*;
/// # let pool = Pool::builder().concurrency(Concurrency::Exact(2)).build()?;
/// # pollster::block_on(async {
/// let results = pool.run_on_all(|| std::thread::current().id()).await?;
/// assert!(results.iter().all(|result| result.is_ok()));
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Cancel safety
///
/// Dropped, the threads run it all the same.
#[must_use = "the threads run it all the same; this tells when they have"]
pub struct RunOnAll<T> {
    inner: Arc<PoolShared>,
    results: Arc<Deferred<Results<T>>>,
}

/// Why nobody can wait for a run on all threads: see [`Pool::run_on_all`](crate::pool::Pool::run_on_all).
///
/// ```
/// use nanolith::{RunOnAllError, prelude::*};
/// # pub struct Geometry;
/// #[define]
/// impl Geometry {
///     pub fn set_up() -> bool {
///         let pool = nanolith::GlobalPool.get().expect("it runs this task");
///         matches!(pool.run_on_all(|| {}).wait(), Err(RunOnAllError::WouldDeadlock))
///     }
/// }
/// assert!(Geometry::tasks().set_up().wait()?);
/// # Ok::<(), CallError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunOnAllError {
    /// A task of the pool would have stood still in this wait, and its own thread could not have come to the run. The threads
    /// run it all the same.
    WouldDeadlock,
}

impl fmt::Display for RunOnAllError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a task waits for a run on its own thread, which cannot begin before the task is over")
    }
}

impl std::error::Error for RunOnAllError {}

impl<T: Send + 'static> RunOnAll<T> {
    pub(in crate::pool) fn begin(inner: Arc<PoolShared>, run: impl Fn() -> T + Send + Sync + 'static) -> Self {
        let results = Arc::new(Deferred::new(Results { of: Vec::new(), left: 0, waiter: SingleWaiter::default() }));
        let told = results.clone();
        let run = move |number| tell(&told, number, unwind::catch(&run));
        let roll = Arc::new(Broadcast { pending: Mutex::default(), run: Box::new(run) });
        inner.call_on_all(&roll, |threads| {
            results.with(|results, _| {
                results.of.resize_with(threads, || None);
                results.left = threads;
            });
        });
        Self { inner, results }
    }

    /// Blocks until then.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// let pool = Pool::builder().concurrency(Concurrency::Exact(2)).build()?;
    /// assert_eq!(pool.run_on_all(|| 9).wait()?.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`RunOnAllError::WouldDeadlock`] on a thread of the pool.
    pub fn wait(self) -> Result<Vec<Result<T, Panic>>, RunOnAllError> {
        let host = Backend::id(&*self.inner);
        block_on::block_on(self, Some(host)).unwrap_or(Err(RunOnAllError::WouldDeadlock))
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

impl<T: Send + 'static> Future for RunOnAll<T> {
    type Output = Result<Vec<Result<T, Panic>>, RunOnAllError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let stands_still =
            thread_context::current_executor() == Some(self.inner.id()) && thread_context::poll_blocks_thread();
        let mut new = Some(NewWaker::of(cx.waker())); // what is not needed of it drops after the release
        let results = self.results.with(|results, after| {
            if results.left == 0 {
                return Some(std::mem::take(&mut results.of));
            }
            new.take_if(|_| !stands_still).into_iter().for_each(|waker| results.waiter.register(waker, after));
            None
        });
        match results {
            Some(results) => Poll::Ready(Ok(results.into_iter().flatten().collect())),
            None if stands_still => Poll::Ready(Err(RunOnAllError::WouldDeadlock)),
            None => Poll::Pending,
        }
    }
}

/// It leaves no waker.
impl<T> Drop for RunOnAll<T> {
    fn drop(&mut self) {
        self.results.with(|results, after| results.waiter.remove(after));
    }
}

impl<T> fmt::Debug for RunOnAll<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunOnAll").field("left", &self.results.with(|results, _| results.left)).finish_non_exhaustive()
    }
}
