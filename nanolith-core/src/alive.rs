//! What keeps a program alive: calls and services that were asked to. `main_guard` waits for them.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// How many keep the program alive, and who waits until none does.
struct Kept {
    count: usize,
    waiting: Vec<Waker>,
}

static KEPT: Mutex<Kept> = Mutex::new(Kept { count: 0, waiting: Vec::new() });

fn kept() -> MutexGuard<'static, Kept> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the program alive until it is dropped.
#[derive(Debug)]
pub(crate) struct KeepAlive(());

impl KeepAlive {
    pub(crate) fn new() -> Self {
        kept().count += 1;
        Self(())
    }
}

impl Drop for KeepAlive {
    fn drop(&mut self) {
        let waiting = {
            let mut kept = kept();
            kept.count -= 1;
            if kept.count > 0 { Vec::new() } else { std::mem::take(&mut kept.waiting) }
        };
        waiting.into_iter().for_each(|waker| crate::panics::quietly(|| waker.wake()));
    }
}

/// Ready when nothing keeps the program alive.
pub(crate) fn poll_done(cx: &mut Context<'_>) -> Poll<()> {
    let mut kept = kept();
    if kept.count == 0 {
        return Poll::Ready(());
    }
    if !kept.waiting.iter().any(|known| known.will_wake(cx.waker())) {
        kept.waiting.push(cx.waker().clone());
    }
    Poll::Pending
}

/// How many keep the program alive.
pub(crate) fn count() -> usize {
    kept().count
}
