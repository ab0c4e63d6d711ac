//! Short futures without a waiter, which no thread is worth: the thread that wakes one polls it, but for the timer's thread, which
//! leaves that to others. What they do is brief: a call that is due waits so for room.

use crate::call::offload;
use crate::{
    call::backend::ExecutorId,
    util::{per_thread::per_thread, unwind},
};
use async_task::Runnable;
use std::{cell::RefCell, collections::VecDeque, future::Future};

per_thread! {
    /// What is woken while this thread polls one: it comes after that, so that no chain of them is too long for the stack.
    static NEXT: RefCell<Option<VecDeque<Runnable>>> = RefCell::new(None);
}

/// Polls `future`, which may run user code, here and now, and then wherever it is woken, until it is ready. The timer's thread leaves
/// the poll to `host`.
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

/// What comes next on this thread; after the last, nothing is polled here any more.
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
