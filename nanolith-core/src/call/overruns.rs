//! Tasks that run on after their calls have timed out.

use super::backend::{self, ErasedCall};
use crate::{
    meta::task_info::TaskInfo,
    time::{
        clock,
        timer::{self, TimerAction},
    },
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The shortest time for which a task runs on before it is reported.
const MIN_GRACE: Duration = Duration::from_secs(1);

/// The tasks of one executor that run on after their calls have timed out.
#[derive(Default)]
pub(crate) struct Overruns(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// By the addresses of their calls.
    running: BTreeMap<usize, Overrun>,
    last_number: u64,
}

struct Overrun {
    task: &'static TaskInfo,
    /// An address may come again; a number does not.
    number: u64,
    alarm: Option<timer::Key>,
}

impl Overruns {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    /// Returns how many tasks there are.
    pub(crate) fn count(&self) -> usize {
        self.lock().running.len()
    }

    /// Adds the task of a call that times out while the task runs. If the task runs on for as long again, calls `report`, without
    /// a lock.
    pub(crate) fn add(&self, call: &dyn ErasedCall, report: impl FnOnce(&'static TaskInfo) + Send + 'static) {
        let (task, address) = (call.header().task(), backend::address(call));
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
            task.map(report);
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
        let overrun = self.lock().running.remove(&address);
        if let Some(alarm) = overrun.and_then(|overrun| overrun.alarm) {
            timer::disarm(alarm);
        }
    }
}

impl State {
    /// Returns this entry, if the task still runs.
    fn get(&mut self, address: usize, number: u64) -> Option<&mut Overrun> {
        self.running.get_mut(&address).filter(|overrun| overrun.number == number)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
