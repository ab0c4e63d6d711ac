//! The depth of a thread's stack, and whether enough of the stack is left.
//!
//! A call that runs on top of the task that waits for it needs stack space. A thread that this
//! crate started knows the size of its stack, so the thread measures what is left. On other threads
//! the [thread context](crate::context::thread_context) counts the calls.
//!
//! The depth also shows whether a job that rayon runs is on its thread's main loop or on top of
//! another job. A thread that waits within a `par_iter` runs other jobs meanwhile. A worker that
//! began on such a thread would block the job below it. The way from a thread's start to a job on
//! its main loop is always the same, so the stack has the same depth there. On top of another job
//! the stack is deeper. If the depth is not known, the job counts as on top of another, and a spare
//! thread starts the worker.

use super::per_thread::per_thread;
use std::{cell::Cell, env, hint::black_box, ptr};

per_thread! {
    /// An address near the bottom of this thread's stack.
    static BASE: Cell<usize> = Cell::new(0);
}

per_thread! {
    /// The size of this thread's stack in bytes; zero if it is not known.
    static SIZE: Cell<usize> = Cell::new(0);
}

per_thread! {
    /// The depth of the stack in bytes where the topmost call began.
    static TOP: Cell<usize> = Cell::new(0);
}

/// The stack space in bytes for sending a call to another thread, which may have to be started. It
/// holds without optimization, and includes what the system keeps on the stack.
const SEND: usize = 28 * 1_024;

/// The stack size in bytes that the standard library uses unless `RUST_MIN_STACK` is set.
const DEFAULT_SIZE: usize = 2 * 1_024 * 1_024;

/// The maximum difference in bytes between the depths of the same place on two threads: frames are
/// aligned.
const SLACK: usize = 128;

/// Records where this thread's stack begins, and its size in bytes, if that is known. A thread
/// calls this as it starts.
#[inline(never)]
pub(crate) fn mark_base(size: Option<usize>) {
    BASE.set(here());
    SIZE.set(size.unwrap_or(0));
}

/// Returns the stack size in bytes of a thread that was started with this setting.
pub(crate) fn size(setting: Option<usize>) -> usize {
    let by_environment = || env::var("RUST_MIN_STACK").ok()?.parse().ok();
    setting.or_else(by_environment).unwrap_or(DEFAULT_SIZE)
}

/// Returns whether less of this thread's stack is left than a call on top of another may need.
/// Returns `None` if the size of the stack is not known.
///
/// Calls that wait for calls of their own kind nest as deep as the stack allows. So this assumes
/// that the next call needs as much as the call that runs now. A quarter of the stack is kept in
/// any case.
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

/// A guard for a call that runs on top of others, until it is dropped.
#[must_use = "the call is over when this is dropped"]
pub(crate) struct OnTop(usize);

impl OnTop {
    pub(crate) fn begin() -> Self {
        Self(TOP.replace(depth().unwrap_or(0)))
    }
}

impl OnTop {
    /// Like [`is_low`] and [`OnTop::begin`] at once. Returns `None` if the stack is low, or if its size is
    /// not known.
    #[inline(always)]
    pub(crate) fn begin_unless_low() -> Option<Self> {
        let (base, size, top) = (BASE.get(), SIZE.get(), TOP.get());
        let local = 0_u8;
        let depth = base.abs_diff(black_box(ptr::from_ref(&local)).addr());
        let is_low = depth + (depth.saturating_sub(top) + SEND).max(size / 4) > size;
        if base == 0 || is_low {
            return None;
        }
        TOP.set(depth);
        Some(Self(top))
    }
}

impl Drop for OnTop {
    fn drop(&mut self) {
        TOP.set(self.0);
    }
}

/// Returns the depth of the stack in bytes; `None` on a thread that was never marked.
#[inline(never)]
pub(crate) fn depth() -> Option<usize> {
    let base = BASE.get();
    (base != 0).then(|| base.abs_diff(here()))
}

/// Returns whether `depth` is no deeper than `main_loop`, the depth of a job on the main loop.
pub(crate) fn is_on_main_loop(depth: Option<usize>, main_loop: usize) -> bool {
    depth.is_some_and(|depth| depth <= main_loop + SLACK)
}

#[inline(never)]
fn here() -> usize {
    let local = 0_u8;
    black_box(ptr::from_ref(&local)).addr()
}
