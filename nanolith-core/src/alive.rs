//! What keeps a program alive: calls and services that were asked to. `main_guard` waits for them.

use crate::baton;
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// How many keep the program alive, and who waits until none does.
#[derive(Default)]
struct Kept {
    count: usize,
    waiting: Vec<Waker>,
}

/// By the realm that they are of: see [`baton::realm`].
static KEPT: Mutex<BTreeMap<u64, Kept>> = Mutex::new(BTreeMap::new());

fn kept() -> MutexGuard<'static, BTreeMap<u64, Kept>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the program alive until it is dropped.
#[derive(Debug)]
pub(crate) struct KeepAlive(u64);

impl KeepAlive {
    pub(crate) fn new() -> Self {
        let realm = baton::realm();
        kept().entry(realm).or_default().count += 1;
        Self(realm)
    }
}

impl Drop for KeepAlive {
    fn drop(&mut self) {
        let waiting = {
            let mut all = kept();
            let kept = all.entry(self.0).or_default();
            kept.count -= 1;
            if kept.count > 0 { Vec::new() } else { all.remove(&self.0).map_or_else(Vec::new, |kept| kept.waiting) }
        };
        waiting.into_iter().for_each(|waker| crate::panics::quietly(|| waker.wake()));
    }
}

/// Ready when nothing keeps the program alive.
pub(crate) fn poll_done(cx: &mut Context<'_>) -> Poll<()> {
    let realm = baton::realm();
    let mut all = kept();
    let Some(kept) = all.get_mut(&realm) else { return Poll::Ready(()) };
    if !kept.waiting.iter().any(|known| known.will_wake(cx.waker())) {
        kept.waiting.push(cx.waker().clone());
    }
    Poll::Pending
}

/// How many keep the program alive.
pub(crate) fn count() -> usize {
    kept().get(&baton::realm()).map_or(0, |kept| kept.count)
}
