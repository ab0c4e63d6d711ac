//! User code that the timer's thread leaves to others: destructors, orders, executors of the program's own. It may block, and the
//! timer's thread rings for the whole process.
//!
//! The code runs on a thread of the executor that holds the call, or else on the global pool, or on a new thread where the program
//! has built no executor. Where a clock is moved by hand, alarms
//! ring on the thread that moves it, and the code runs there at once.

pub(crate) use super::backend::Work;
use super::backend::{Backend, ExecutorId};
use crate::{time::timer, util::unwind};
use once_cell::sync::OnceCell;
use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
};

/// Runs code on the global pool, where the program has one or may start one.
static GLOBAL: OnceCell<fn(Work)> = OnceCell::new();

/// Sets what runs the code that no executor runs. The first call decides.
pub(crate) fn set_global(run: fn(Work)) {
    let _ = GLOBAL.set(run);
}

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
        match GLOBAL.get() {
            Some(run) => run(work),
            None => run_on_new_thread(work), // the program has no executor with threads
        }
    }
}

fn run_on_new_thread(work: Work) {
    let work = Arc::new(Mutex::new(Some(work)));
    let on_thread = work.clone();
    let run = |work: &Mutex<Option<Work>>| {
        let work = work.lock().unwrap_or_else(PoisonError::into_inner).take();
        work.into_iter().for_each(unwind::ignore_panics);
    };
    if thread::Builder::new().name("nanolith-offload".into()).spawn(move || run(&on_thread)).is_err() {
        run(&work); // the system has no thread to give
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

#[cfg(all(test, not(any(loom, miri))))]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn work_without_an_executor_runs_on_a_new_thread() {
        let (tell, hear) = channel();
        run_on_new_thread(Box::new(move || {
            tell.send(thread::current().name().map(str::to_owned)).expect("it is awaited");
        }));
        assert_eq!(hear.recv().expect("it runs").as_deref(), Some("nanolith-offload"));
    }
}
