//! [`SpareThreads`]: a bounded set of a pool's extra threads. They replace threads that wait, and
//! run tasks when a pool grows beyond the threads that it keeps.

use super::{
    broadcast::{BroadcastShared, ThreadKey},
    rayon_threads,
};
use crate::{
    call::{backend::ErasedCall, call_ref::CallRef},
    park::condvar::Condvar,
    pool::pool_shared::PoolShared,
    util::{per_thread::per_thread, unwind},
};
use std::{
    cell::Cell,
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// A job for a spare thread.
pub(in crate::pool) enum SpareJob {
    /// Claims a permit and runs a worker.
    RunWorker(Arc<PoolShared>),
    /// Runs a claimed call for its waiter.
    RunCall(Arc<PoolShared>, CallRef<dyn ErasedCall>),
    /// Runs the closure of a broadcast on the spare thread of this number.
    Broadcast(Arc<PoolShared>, Arc<BroadcastShared>, usize),
}

impl SpareJob {
    fn pool(&self) -> &Arc<PoolShared> {
        match self {
            Self::RunWorker(pool) | Self::RunCall(pool, _) | Self::Broadcast(pool, ..) => pool,
        }
    }

    fn run(self) {
        match self {
            Self::RunWorker(pool) => pool.begin_spare(),
            Self::RunCall(pool, call) => pool.run_on_spare(call),
            Self::Broadcast(pool, roll, number) => pool.run_if_pending(&roll, ThreadKey::Spare(number)),
        }
    }
}

#[derive(Default)]
struct State {
    errands: VecDeque<SpareJob>,
    /// Jobs for one thread each, by the thread's number.
    per_thread: Vec<(usize, SpareJob)>,
    /// The numbers of the threads that have started.
    alive: Vec<usize>,
    /// Threads that wait for a job.
    idle: usize,
    total: usize,
    started: usize,
    /// Whether the pool has ended and sends no more jobs.
    dismissed: bool,
}

impl State {
    /// Removes an idle thread, which ends.
    fn retire(&mut self, number: usize) {
        self.idle -= 1;
        self.total -= 1;
        self.alive.retain(|known| *known != number);
    }
}

per_thread! {
    static NUMBER: Cell<Option<usize>> = Cell::new(None);
}

/// Returns the number of this thread among its pool's spare threads.
pub(in crate::pool) fn thread_number() -> Option<usize> {
    NUMBER.get()
}

/// The spare threads of one pool. An idle thread keeps no reference to the pool.
pub(in crate::pool) struct SpareThreads {
    state: Mutex<State>,
    called: Condvar,
    max: AtomicUsize,
    /// The time for which a thread stays without work.
    idle: Duration,
}

impl SpareThreads {
    pub(in crate::pool) fn new(max: usize, idle: Duration) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), called: Condvar::default(), max: AtomicUsize::new(max), idle })
    }

    // ORDERING of `max`: Relaxed, it orders no other data.
    pub(in crate::pool) fn max(&self) -> usize {
        self.max.load(Ordering::Relaxed)
    }

    /// Sets the maximum number of threads. Threads beyond it end when they have been idle long
    /// enough.
    pub(in crate::pool) fn set_max(&self, max: usize) {
        self.max.store(max, Ordering::Relaxed);
    }

    /// Returns the number of threads now.
    pub(in crate::pool) fn total(&self) -> usize {
        self.lock().total
    }

    /// Ends the threads as soon as they are idle.
    pub(in crate::pool) fn shutdown(&self) {
        self.lock().dismissed = true;
        self.called.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends `errand` to an idle thread or to a new one. Returns `errand` as the error if the
    /// maximum number of threads is reached, or if the system provides no more threads.
    pub(in crate::pool) fn send(self: &Arc<Self>, errand: SpareJob) -> Result<(), SpareJob> {
        let mut state = self.lock();
        if state.idle <= state.errands.len() {
            if state.total >= self.max() || state.dismissed {
                return Err(errand);
            }
            state.total += 1;
            state.started += 1;
            let number = state.started;
            drop(state);
            return self.spawn(number, errand).inspect_err(|_| self.lock().total -= 1);
        }
        state.errands.push_back(errand);
        drop(state);
        self.called.notify_one();
        Ok(())
    }

    /// Starts a thread that runs `errand` first. Returns `errand` as the error if the system
    /// provides no thread.
    fn spawn(self: &Arc<Self>, number: usize, errand: SpareJob) -> Result<(), SpareJob> {
        let (spares, pool) = (self.clone(), errand.pool().clone());
        let errand = Arc::new(Mutex::new(Some(errand)));
        let take = |errand: &Mutex<Option<SpareJob>>| errand.lock().unwrap_or_else(PoisonError::into_inner).take();
        let first = errand.clone();
        let serve = move || spares.serve(number, take(&first));
        let started = rayon_threads::spawn_alone(&pool, format!("{}-spare-{number}", pool.config.name), serve);
        // A thread that has started takes the job itself.
        started.or_else(|_| take(&errand).map_or(Ok(()), Err))
    }

    /// Sends every thread a job of its own. Returns the numbers of the threads.
    pub(in crate::pool) fn run_on_each(&self, errand: impl Fn(usize) -> SpareJob) -> Vec<usize> {
        let mut state = self.lock();
        let here = state.alive.clone();
        state.per_thread.extend(here.iter().map(|number| (*number, errand(*number))));
        drop(state);
        self.called.notify_all();
        here
    }

    fn serve(&self, number: usize, first: Option<SpareJob>) {
        NUMBER.set(Some(number));
        self.lock().alive.push(number);
        first.into_iter().for_each(|errand| unwind::ignore_panics(|| errand.run()));
        while let Some(errand) = self.next(number) {
            unwind::ignore_panics(|| errand.run());
        }
    }

    /// Waits for the next job. Returns `None` when the thread has been idle long enough.
    fn next(&self, number: usize) -> Option<SpareJob> {
        let mut state = self.lock();
        state.idle += 1;
        loop {
            if let Some(at) = state.per_thread.iter().position(|(whose, _)| *whose == number) {
                state.idle -= 1;
                let own = state.per_thread.swap_remove(at).1;
                if !state.errands.is_empty() {
                    // This thread may have been notified for that job.
                    self.called.notify_one();
                }
                return Some(own);
            }
            if let Some(errand) = state.errands.pop_front() {
                state.idle -= 1;
                return Some(errand);
            }
            if state.dismissed {
                state.retire(number);
                return None;
            }
            let (back, timed_out) = self.called.wait_timeout(&self.state, state, self.idle);
            state = back;
            if timed_out && state.errands.is_empty() && state.per_thread.iter().all(|(whose, _)| *whose != number) {
                state.retire(number);
                return None;
            }
        }
    }
}
