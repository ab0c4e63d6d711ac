//! [`run`] moves user code away from the timer's thread: destructors, custom scheduling orders, and
//! executors that the program defines.
//!
//! Such code may block, and the timer's thread serves the whole process.
//!
//! The code runs on a thread of the executor that holds the call, or else on the global pool. If
//! the program has built no executor, it runs on a new thread. Where a clock is moved by hand,
//! alarms fire on the thread that moves it, and the code runs there at once.

pub(crate) use super::backend::OffloadedWork;
use super::backend::{Backend, ExecutorId};
use crate::{time::timer, util::unwind};
use once_cell::sync::OnceCell;
use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
};

/// Runs code on the global pool, if the program has one or may start one.
static GLOBAL: OnceCell<fn(OffloadedWork)> = OnceCell::new();

/// Sets the function that runs the code that no executor runs. The first call decides.
pub(crate) fn set_global(run: fn(OffloadedWork)) {
    let _ = GLOBAL.set(run);
}

/// Runs `work` at once, unless this is the timer's thread. There, runs it on a thread of `host`, or
/// else on the global pool. A panic of `work` is caught and dropped.
pub(crate) fn run(host: Option<ExecutorId>, work: impl FnOnce() + Send + 'static) {
    if !timer::is_timer_thread() {
        return unwind::ignore_panics(work);
    }
    let work: OffloadedWork = Box::new(work);
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

fn run_on_new_thread(work: OffloadedWork) {
    let work = Arc::new(Mutex::new(Some(work)));
    let on_thread = work.clone();
    let run = |work: &Mutex<Option<OffloadedWork>>| {
        let work = work.lock().unwrap_or_else(PoisonError::into_inner).take();
        work.into_iter().for_each(unwind::ignore_panics);
    };
    if thread::Builder::new().name("nanolith-offload".into()).spawn(move || run(&on_thread)).is_err() {
        run(&work); // the system cannot start a thread
    }
}

/// Like [`run`], for code that brings a job to an executor. Wherever the code runs, the job counts
/// as submitted from outside, as from the timer.
pub(crate) fn bring(host: Option<ExecutorId>, work: impl FnOnce() + Send + 'static) {
    if timer::is_timer_thread() {
        run(host, move || timer::as_ringing(work));
    } else {
        unwind::ignore_panics(work);
    }
}

/// Runs `work` on `host` as a woken future: before calls that have not begun, also while the
/// executor is paused.
pub(crate) fn resume(host: Arc<dyn Backend>, work: OffloadedWork) {
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
