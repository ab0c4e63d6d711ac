//! Short futures that nobody waits for, and that no thread is worth: whoever wakes one polls it, the timer's thread or a
//! runner. What they do is brief, and blocks nowhere: a call that is due waits so for room.

use crate::panics;
use async_task::Runnable;
use std::{cell::RefCell, collections::VecDeque, future::Future};

thread_local! {
    /// What is woken while this thread polls one: it comes after that, so that no chain of them is too long for the stack.
    static NEXT: RefCell<Option<VecDeque<Runnable>>> = const { RefCell::new(None) };
}

/// Polls `future` here and now, and then wherever it is woken, until it is ready.
pub(crate) fn spawn(future: impl Future<Output = ()> + Send + 'static) {
    let (work, task) = async_task::spawn(future, run);
    task.detach();
    work.schedule();
}

fn run(work: Runnable) {
    let mut work = Some(work);
    let is_nested = NEXT.try_with(|next| match (&mut *next.borrow_mut(), work.take()) {
        (Some(next), taken) => {
            next.extend(taken);
            true
        }
        (none, taken) => {
            *none = Some(taken.into_iter().collect());
            false
        }
    });
    match is_nested {
        Ok(true) => {}
        Ok(false) => {
            while let Some(work) = next() {
                poll(work);
            }
        }
        // The thread ends.
        Err(_) => work.into_iter().for_each(poll),
    }
}

/// What comes next on this thread; after the last, nothing is polled here any more.
fn next() -> Option<Runnable> {
    let next = NEXT.try_with(|next| {
        let mut next = next.borrow_mut();
        let work = next.as_mut().and_then(VecDeque::pop_front);
        if work.is_none() {
            *next = None;
        }
        work
    });
    next.ok().flatten()
}

fn poll(work: Runnable) {
    panics::quietly(|| {
        work.run();
    });
}
