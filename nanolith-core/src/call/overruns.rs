//! [`Overruns`]: the tasks that continue to run after their calls have timed out. A task that runs
//! on for too long is reported.

use super::{
    backend::{self, Backend, ErasedCall},
    offload,
};
use crate::{
    meta::task_info::TaskInfo,
    time::{
        clock,
        timer::{self, TimerAction},
    },
    trace,
    util::ordered_map::OrderedMap,
};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The minimum time for which such a task runs on before it is reported.
const MIN_GRACE: Duration = Duration::from_secs(1);

/// The tasks of one executor that run on after their calls have timed out.
#[derive(Default)]
pub(crate) struct Overruns(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// The tasks by the addresses of their calls.
    running: OrderedMap<usize, Overrun>,
    last_number: u64,
}

struct Overrun {
    task: &'static TaskInfo,
    /// Distinguishes this task from a later one at the same address: numbers are not reused.
    number: u64,
    alarm: Option<timer::Key>,
}

impl Overruns {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    /// Returns the number of tasks.
    pub(crate) fn count(&self) -> usize {
        self.lock().running.len()
    }

    /// Adds the task of a call of `host` that times out while the task runs. Calls `report`, without a lock,
    /// if the task runs on for as long again as it has run, and at least for [`MIN_GRACE`].
    pub(crate) fn add(
        &self,
        call: &dyn ErasedCall,
        host: &dyn Backend,
        report: impl FnOnce(&'static TaskInfo) + Send + 'static,
    ) {
        let (task, address) = (call.header().task(), backend::address(call));
        let (host, kind) = (host.id(), host.thread_kind());
        let grace = call.header().ran().max(MIN_GRACE);
        let number = {
            let mut state = self.lock();
            state.last_number += 1;
            let number = state.last_number;
            state.running.insert(address, Overrun { task, number, alarm: None });
            number
        };
        let Some(due) = clock::after(grace) else { return };
        let state = self.0.clone();
        let fire = move || {
            let task = lock(&state).get(address, number).map(|overrun| overrun.task);
            let Some(task) = task else { return };
            if trace::is_on() {
                offload::run(Some(host), move || trace::overran(&kind, task));
            }
            report(task);
        };
        let alarm = timer::arm(due, TimerAction::Run(Box::new(fire)));
        let mut state = self.lock();
        match state.get(address, number) {
            Some(overrun) => overrun.alarm = Some(alarm),
            None => {
                drop(state);
                timer::disarm(alarm);
            }
        }
    }

    /// Removes the task of the call at this address: it has returned.
    pub(crate) fn remove(&self, address: usize) {
        let overrun = self.lock().running.remove(address);
        if let Some(alarm) = overrun.and_then(|overrun| overrun.alarm) {
            timer::disarm(alarm);
        }
    }
}

impl State {
    /// Returns this entry, if the task still runs.
    fn get(&mut self, address: usize, number: u64) -> Option<&mut Overrun> {
        self.running.get_mut(address).filter(|overrun| overrun.number == number)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
