//! The threads of a pool in a simulation: they take what is sent to them in order, as rayon's do.

use crate::{
    baton::{self, World},
    panics,
    park::Parking,
    per_thread::per_thread,
};
use std::{
    cell::Cell,
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
};

type Job = Box<dyn FnOnce() + Send>;

/// What each of the threads does, once.
type Call = Arc<dyn Fn(usize) + Send + Sync>;

per_thread! {
    static NUMBER: Cell<Option<usize>> = Cell::new(None);
}

/// Which of its crew this thread is.
pub(super) fn number() -> Option<usize> {
    NUMBER.get()
}

/// What the threads share.
pub(super) struct Shared {
    world: Arc<World>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// What every thread was called for since the crew began.
    calls: Vec<Call>,
    idle: Vec<Waker>,
    /// Nobody sends any more.
    over: bool,
}

/// The threads, which end with this when they have done what was sent.
pub(super) struct Crew {
    shared: Arc<Shared>,
    threads: usize,
}

impl Crew {
    pub(super) fn new(world: Arc<World>, threads: usize) -> Self {
        Self { shared: Arc::new(Shared { world, state: Mutex::default() }), threads }
    }

    pub(super) fn threads(&self) -> usize {
        self.threads
    }

    /// Calls every thread, which comes when it is idle, with its number.
    pub(super) fn call_all(&self, call: impl Fn(usize) + Send + Sync + 'static) {
        let idle = {
            let mut state = self.shared.lock();
            state.calls.push(Arc::new(call));
            std::mem::take(&mut state.idle)
        };
        idle.into_iter().for_each(Waker::wake);
    }

    /// What one more thread is to do.
    pub(super) fn service(&self) -> Arc<Shared> {
        self.shared.clone()
    }

    /// No thread is left: drops what was sent.
    pub(super) fn abandon(&self) {
        let (jobs, calls) = {
            let mut state = self.shared.lock();
            (std::mem::take(&mut state.jobs), std::mem::take(&mut state.calls))
        };
        jobs.into_iter().for_each(|job| panics::quietly(|| drop(job)));
        calls.into_iter().for_each(|call| panics::quietly(|| drop(call)));
    }

    /// Has one of the threads do `job`: it is chosen by chance among those that are idle. The threads stay until it is done.
    pub(super) fn send(crew: &Arc<Self>, job: impl FnOnce() + Send + 'static) {
        let (shared, keep) = (&crew.shared, crew.clone());
        let job = Box::new(move || {
            job();
            drop(keep);
        });
        let idle = {
            let mut state = shared.lock();
            state.jobs.push_back(job);
            match state.idle.len() {
                0 => None,
                idle => Some(state.idle.swap_remove((shared.world.lot() % idle as u64) as usize)),
            }
        };
        idle.into_iter().for_each(Waker::wake);
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        let idle = {
            let mut state = self.shared.lock();
            state.over = true;
            std::mem::take(&mut state.idle)
        };
        idle.into_iter().for_each(Waker::wake);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn serve(&self, number: usize) {
        NUMBER.set(Some(number));
        let parking = Parking::of_this_thread();
        let mut called = 0;
        loop {
            let mut state = self.lock();
            if let Some(call) = state.calls.get(called).cloned() {
                drop(state);
                called += 1;
                panics::quietly(|| call(number));
                baton::preempt();
            } else if let Some(job) = state.jobs.pop_front() {
                drop(state);
                panics::quietly(job);
                baton::preempt();
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
