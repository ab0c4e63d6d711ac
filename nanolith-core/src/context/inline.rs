//! [`spawn`] polls a short detached future on the threads that wake it.
//!
//! Such a future has no waiter and is too brief for a thread of its own. An example is a delayed
//! call that is due and waits for queue capacity. The timer's thread does not poll such a future,
//! and leaves the poll to other threads.

use crate::{
    call::{backend::ExecutorId, offload},
    util::{per_thread::per_thread, unwind},
};
use async_task::Runnable;
use std::{cell::RefCell, collections::VecDeque, future::Future};

per_thread! {
    /// The futures that were woken while this thread polls another one. The thread polls them after
    /// that poll, so a long chain of wake-ups does not overflow the stack.
    static NEXT: RefCell<Option<VecDeque<Runnable>>> = RefCell::new(None);
}

/// Polls `future` at once on this thread, and then on each thread that wakes it, until it is ready.
/// The future may run user code. The timer's thread leaves the poll to `host`.
pub(crate) fn spawn(host: Option<ExecutorId>, future: impl Future<Output = ()> + Send + 'static) {
    let (work, task) = async_task::spawn(future, move |work| offload::bring(host, move || run(work)));
    task.detach();
    work.schedule();
}

fn run(work: Runnable) {
    let is_nested = NEXT.with(|next| match &mut *next.borrow_mut() {
        Some(next) => {
            next.push_back(work);
            true
        }
        none => {
            *none = Some(VecDeque::from([work]));
            false
        }
    });
    if !is_nested {
        while let Some(work) = next() {
            poll(work);
        }
    }
}

/// Returns the next future to poll on this thread. After the last future, the thread counts as
/// polling none.
fn next() -> Option<Runnable> {
    NEXT.with(|next| {
        let mut next = next.borrow_mut();
        let work = next.as_mut().and_then(VecDeque::pop_front);
        if work.is_none() {
            *next = None;
        }
        work
    })
}

fn poll(work: Runnable) {
    unwind::ignore_panics(|| {
        work.run();
    });
}
