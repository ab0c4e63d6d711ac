//! User code that the timer's thread leaves to others: destructors, orders, executors of the program's own. It may block, and the
//! timer's thread rings for the whole process.
//!
//! The code runs on a thread of the executor that holds the call, or else on the global pool. Where a clock is moved by hand, alarms
//! ring on the thread that moves it, and the code runs there at once.

use super::backend::{Backend, ExecutorId};
use crate::{time::timer, util::unwind};
use std::sync::Arc;

/// Code to run once.
pub(crate) type Work = Box<dyn FnOnce() + Send>;

/// Runs `work` at once, unless this is the timer's thread: then on a thread of `host`, or else on the global pool. `work` panics
/// nowhere, or what it throws is dropped.
pub(crate) fn run(host: Option<ExecutorId>, work: impl FnOnce() + Send + 'static) {
    if !timer::is_timer_thread() {
        return unwind::ignore_panics(work);
    }
    let work: Work = Box::new(work);
    let left = match host.and_then(ExecutorId::get) {
        Some(host) => host.run_soon(work),
        None => Err(work),
    };
    if let Err(work) = left {
        crate::run_on_global_pool(work);
    }
}

/// The same for code that brings a job to an executor: wherever it runs, the job comes from outside, as from the timer.
pub(crate) fn bring(host: Option<ExecutorId>, work: impl FnOnce() + Send + 'static) {
    if timer::is_timer_thread() {
        run(host, move || timer::as_ringing(work));
    } else {
        unwind::ignore_panics(work);
    }
}

/// Has `host` run `work` as it runs a future that was woken: before calls that have not begun, also while it is paused.
pub(crate) fn resume(host: Arc<dyn Backend>, work: Work) {
    let schedule = move |runnable| host.clone().schedule(0, runnable);
    let (runnable, task) = async_task::spawn(async move { unwind::ignore_panics(work) }, schedule);
    task.detach();
    runnable.schedule();
}
