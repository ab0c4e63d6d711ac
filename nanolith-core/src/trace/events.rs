//! The events of executors. The callers hold no lock, because a subscriber is the program's code.

use crate::{
    error::{CallError, Panic, wait_cycle::WaitCycle},
    meta::{task_info::TaskInfo, thread_kind::ThreadKind},
    util::unwind,
};
use tracing::{Level, event};

const CALL: &str = "nanolith::call";
const SERVICE: &str = "nanolith::service";
const DEADLOCK: &str = "nanolith::deadlock";

/// What follows from a cycle of waits.
#[derive(Clone, Copy)]
pub(crate) enum FoundCycle {
    /// It may end by itself, and runs on.
    Suspected,
    /// One call of it ends.
    Ended,
}

/// An executor refused a call, or dropped it from a full queue.
#[cold]
pub(crate) fn refused(executor: Option<&ThreadKind>, error: &CallError) {
    let at = error.trace();
    unwind::ignore_panics(|| {
        event!(
            target: CALL,
            Level::DEBUG,
            set = at.task().set(),
            task = at.task().name(),
            executor = executor.and_then(ThreadKind::name),
            reason = error.outcome(),
            error = %error,
            "a call was refused"
        );
    });
}

/// A task, or a hook around it, panicked.
#[cold]
pub(crate) fn panicked(executor: Option<&ThreadKind>, panic: &Panic, error: &CallError) {
    let (at, place) = (error.trace(), panic.place());
    unwind::ignore_panics(|| {
        event!(
            target: CALL,
            Level::ERROR,
            set = at.task().set(),
            task = at.task().name(),
            executor = executor.and_then(ThreadKind::name),
            panic = panic.message(),
            file = place.map(|(file, _)| file),
            line = place.map(|(_, line)| line),
            submitted = %at.submitted(),
            "a task panicked"
        );
    });
}

/// A task runs far beyond the time limit of its call.
pub(crate) fn overran(executor: &ThreadKind, task: &TaskInfo) {
    unwind::ignore_panics(|| {
        event!(
            target: CALL,
            Level::WARN,
            set = task.set(),
            task = task.name(),
            executor = executor.name(),
            "a task runs far beyond its time limit"
        );
    });
}

/// A service has a new state.
pub(crate) fn restarted(executor: &str, reason: &dyn std::fmt::Display, restarts: u64) {
    unwind::ignore_panics(|| {
        event!(target: SERVICE, Level::WARN, executor, %reason, restarts, "a service restarted");
    });
}

/// A service crashed and ended.
pub(crate) fn gave_up(executor: &str, reason: &dyn std::fmt::Display) {
    unwind::ignore_panics(|| {
        event!(target: SERVICE, Level::ERROR, executor, %reason, "a service crashed and ended");
    });
}

/// A cycle of waits was found.
pub(crate) fn in_cycle(found: FoundCycle, cycle: &WaitCycle) {
    unwind::ignore_panics(|| match found {
        FoundCycle::Suspected => {
            event!(target: DEADLOCK, Level::WARN, %cycle, "calls may wait for each other");
        }
        FoundCycle::Ended => {
            event!(target: DEADLOCK, Level::ERROR, %cycle, "a call ended, because calls wait for each other");
        }
    });
}
