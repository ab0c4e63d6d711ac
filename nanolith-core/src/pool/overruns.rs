//! Tasks that run on after their calls have timed out, and the event of those that do so for long.

use super::inner::Inner;
use crate::{
    clock,
    host::Runnable,
    id::TaskInfo,
    timer::{self, Alarm},
};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A task that runs on for as short a time is no event.
const LEAST: Duration = Duration::from_secs(1);

/// Those tasks, by the addresses of their calls.
#[derive(Default)]
pub(super) struct Overruns {
    listed: Mutex<Listed>,
}

#[derive(Default)]
struct Listed {
    running: BTreeMap<usize, Overrun>,
    last: u64,
}

struct Overrun {
    task: &'static TaskInfo,
    /// An address may come again; a number does not.
    number: u64,
    alarm: Option<timer::Key>,
}

impl Overruns {
    fn lock(&self) -> MutexGuard<'_, Listed> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn count(&self) -> usize {
        self.lock().running.len()
    }

    /// The task of this entry, if it is still there.
    fn task(&self, call: usize, number: u64) -> Option<&'static TaskInfo> {
        self.lock().running.get(&call).filter(|overrun| overrun.number == number).map(|overrun| overrun.task)
    }
}

impl Inner {
    /// Lists a call that times out while its task runs. If the task runs on for as long again, that is an event.
    pub(super) fn list_overrun(&self, call: &dyn Runnable, address: usize) {
        let (task, grace) = (call.meta().task(), call.meta().ran().max(LEAST));
        let number = {
            let mut listed = self.overruns.lock();
            listed.last += 1;
            let number = listed.last;
            listed.running.insert(address, Overrun { task, number, alarm: None });
            number
        };
        let pool = self.me.clone();
        let ring = move || {
            if let Some(pool) = pool.upgrade() {
                pool.report_overrun(address, number);
            }
        };
        let Some(due) = clock::after(grace) else { return };
        let alarm = timer::arm(due, Alarm::Run(Box::new(ring)));
        let mut listed = self.overruns.lock();
        match listed.running.get_mut(&address).filter(|overrun| overrun.number == number) {
            Some(overrun) => overrun.alarm = Some(alarm),
            None => {
                drop(listed);
                timer::disarm(alarm);
            }
        }
    }

    /// The task has returned.
    pub(super) fn strike_overrun_off(&self, address: usize) {
        let overrun = self.overruns.lock().running.remove(&address);
        if let Some(alarm) = overrun.and_then(|overrun| overrun.alarm) {
            timer::disarm(alarm);
        }
    }

    fn report_overrun(&self, address: usize, number: u64) {
        if let Some(task) = self.overruns.task(address, number) {
            let mut core = self.lock();
            let wakes = core.fulls.note_overrun(task);
            self.release(core, wakes);
        }
    }
}
