//! [`SimThreads`]: the threads of a pool in a deterministic simulation. They take their jobs in
//! order, like rayon's threads.

use crate::{
    park::parker::ThreadParker,
    sim_runtime::{self, Scheduler},
    util::{per_thread::per_thread, unwind},
};
use std::{
    cell::Cell,
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
};

/// A function that one of the threads runs.
type Job = Box<dyn FnOnce() + Send>;

/// A function that each of the threads runs once, with its number.
type BroadcastFn = Arc<dyn Fn(usize) + Send + Sync>;

per_thread! {
    static NUMBER: Cell<Option<usize>> = Cell::new(None);
}

/// Returns the number of this thread among its pool's threads.
pub(in crate::pool) fn number() -> Option<usize> {
    NUMBER.get()
}

/// The state that the threads share.
pub(in crate::pool) struct SimThreadsShared {
    world: Arc<Scheduler>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// All functions that every thread was to run since the start.
    calls: Vec<BroadcastFn>,
    idle: Vec<Waker>,
    /// Whether no job will be sent any more.
    over: bool,
}

/// The threads of a simulated pool. When this is dropped, they end after the jobs that were sent.
pub(in crate::pool) struct SimThreads {
    shared: Arc<SimThreadsShared>,
    threads: usize,
}

impl SimThreads {
    pub(in crate::pool) fn new(world: Arc<Scheduler>, threads: usize) -> Self {
        Self { shared: Arc::new(SimThreadsShared { world, state: Mutex::default() }), threads }
    }

    pub(in crate::pool) fn threads(&self) -> usize {
        self.threads
    }

    /// Runs `call` on every thread, with its number, when the thread is idle.
    pub(in crate::pool) fn call_all(&self, call: impl Fn(usize) + Send + Sync + 'static) {
        let idle = {
            let mut state = self.shared.lock();
            state.calls.push(Arc::new(call));
            std::mem::take(&mut state.idle)
        };
        idle.into_iter().for_each(Waker::wake);
    }

    /// Returns the state that one more thread serves.
    pub(in crate::pool) fn service(&self) -> Arc<SimThreadsShared> {
        self.shared.clone()
    }

    /// Drops the jobs and functions that were sent. No thread is left to run them.
    pub(in crate::pool) fn abandon(&self) {
        let (jobs, calls) = {
            let mut state = self.shared.lock();
            (std::mem::take(&mut state.jobs), std::mem::take(&mut state.calls))
        };
        jobs.into_iter().for_each(|job| unwind::ignore_panics(|| drop(job)));
        calls.into_iter().for_each(|call| unwind::ignore_panics(|| drop(call)));
    }

    /// Runs `job` on one of the threads: a random one of the idle threads. The threads stay until
    /// the job has ended.
    pub(in crate::pool) fn send(threads: &Arc<Self>, job: impl FnOnce() + Send + 'static) {
        let (shared, keep) = (&threads.shared, threads.clone());
        let job = Box::new(move || {
            job();
            drop(keep);
        });
        let idle = {
            let mut state = shared.lock();
            state.jobs.push_back(job);
            match state.idle.len() {
                0 => None,
                idle => Some(state.idle.swap_remove((shared.world.random_u64() % idle as u64) as usize)),
            }
        };
        idle.into_iter().for_each(Waker::wake);
    }
}

impl Drop for SimThreads {
    fn drop(&mut self) {
        let idle = {
            let mut state = self.shared.lock();
            state.over = true;
            std::mem::take(&mut state.idle)
        };
        idle.into_iter().for_each(Waker::wake);
    }
}

impl SimThreadsShared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::pool) fn serve(&self, number: usize) {
        NUMBER.set(Some(number));
        let parking = ThreadParker::of_this_thread();
        let mut called = 0;
        loop {
            let mut state = self.lock();
            if let Some(call) = state.calls.get(called).cloned() {
                drop(state);
                called += 1;
                unwind::ignore_panics(|| call(number));
                sim_runtime::switch_point();
            } else if let Some(job) = state.jobs.pop_front() {
                drop(state);
                unwind::ignore_panics(job);
                sim_runtime::switch_point();
            } else if state.over {
                return;
            } else {
                state.idle.retain(|waker| !waker.will_wake(parking.waker()));
                state.idle.push(parking.waker().clone());
                drop(state);
                parking.park_until(None);
            }
        }
    }
}
