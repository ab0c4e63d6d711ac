//! How deep a thread's stack is, and how much of it is left.
//!
//! A call that runs on top of the task that waits for it needs room. A thread that this crate started knows the size of its
//! stack, so it measures what is left; on other threads [`place`](crate::context::thread_context) counts the calls.
//!
//! The depth also tells whether a job that rayon runs stands on its thread's main loop, or on top of another job. A thread that
//! waits within a `par_iter` runs other jobs meanwhile. A runner that began there would keep what is below it waiting. But
//! the way from a thread's start to a job on its main loop is always the same, so the stack is always as deep there; on top of
//! another job it is deeper. Where that is not known, the job counts as on top of another, and the start goes to a spare
//! thread.

use super::per_thread::per_thread;
use std::{cell::Cell, env, hint::black_box, ptr};

per_thread! {
    /// An address near the bottom of this thread's stack.
    static BASE: Cell<usize> = Cell::new(0);
}

per_thread! {
    /// How many bytes this thread's stack has; zero where that is not known.
    static SIZE: Cell<usize> = Cell::new(0);
}

per_thread! {
    /// How deep the stack was where the call on top of the others began, in bytes.
    static TOP: Cell<usize> = Cell::new(0);
}

/// How many bytes it takes to send a call to another thread, which may have to be started; without optimization, and with
/// what the system keeps on the stack.
const SEND: usize = 28 * 1_024;

/// What the standard library gives a thread, unless `RUST_MIN_STACK` says otherwise.
const DEFAULT_SIZE: usize = 2 * 1_024 * 1_024;

/// By how much the depth of the same place may differ from thread to thread, in bytes: frames are aligned.
const SLACK: usize = 128;

/// Notes where this thread's stack begins, and how many bytes it has, if that is known; called as it starts.
#[inline(never)]
pub(crate) fn mark_base(size: Option<usize>) {
    BASE.set(here());
    SIZE.set(size.unwrap_or(0));
}

/// How many bytes the stack of a thread has that was started with this setting.
pub(crate) fn size(setting: Option<usize>) -> usize {
    let by_environment = || env::var("RUST_MIN_STACK").ok()?.parse().ok();
    setting.or_else(by_environment).unwrap_or(DEFAULT_SIZE)
}

/// Whether less of this thread's stack is left than a call on top of another may need; `None` where its size is not known.
///
/// A call that waits for others of its kind nests as deep as its stack allows. So the next call is taken to need as much as
/// the one that runs here, and a quarter of the stack is kept in any case.
pub(crate) fn is_low() -> Option<bool> {
    let size = SIZE.get();
    if size == 0 {
        return None;
    }
    depth().map(|depth| {
        let next = depth.saturating_sub(TOP.get());
        depth + (next + SEND).max(size / 4) > size
    })
}

/// A call that runs on top of others, until this is dropped.
#[must_use = "the call is over when this is dropped"]
pub(crate) struct OnTop(usize);

impl OnTop {
    pub(crate) fn begin() -> Self {
        Self(TOP.replace(depth().unwrap_or(0)))
    }
}

impl Drop for OnTop {
    fn drop(&mut self) {
        TOP.set(self.0);
    }
}

/// How deep the stack is, in bytes; `None` on a thread that was never marked.
#[inline(never)]
pub(crate) fn depth() -> Option<usize> {
    let base = BASE.get();
    (base != 0).then(|| base.abs_diff(here()))
}

/// Whether this place is no deeper than `main_loop`, the depth of a job on the main loop.
pub(crate) fn is_on_main_loop(depth: Option<usize>, main_loop: usize) -> bool {
    depth.is_some_and(|depth| depth <= main_loop + SLACK)
}

#[inline(never)]
fn here() -> usize {
    let local = 0_u8;
    black_box(ptr::from_ref(&local)).addr()
}
