//! Whether a job that rayon runs stands on its thread's main loop, or on top of another job.
//!
//! A thread that waits within a `par_iter` runs other jobs meanwhile. A runner that began there would keep what is below
//! it waiting, and rayon tells nobody. But the way from a thread's start to a job on its main loop is always the same, so
//! the stack is always as deep there; on top of another job it is deeper. Where that cannot be told, the job counts as on
//! top of another, and the start goes to a spare thread.

use crate::per_thread::per_thread;
use std::{cell::Cell, hint::black_box, ptr};

per_thread! {
    /// An address near the bottom of this thread's stack.
    static BASE: Cell<usize> = Cell::new(0);
}

/// By how much the depth of the same place may differ from thread to thread, in bytes: frames are aligned.
const SLACK: usize = 128;

/// Notes where this thread's stack begins; called as it starts.
#[inline(never)]
pub(super) fn mark_base() {
    BASE.set(here());
}

/// How deep the stack is, in bytes; `None` on a thread that was never marked.
#[inline(never)]
pub(super) fn depth() -> Option<usize> {
    let base = BASE.get();
    (base != 0).then(|| base.abs_diff(here()))
}

/// Whether this place is no deeper than `main_loop`, the depth of a job on the main loop.
pub(super) fn is_on_main_loop(depth: Option<usize>, main_loop: usize) -> bool {
    depth.is_some_and(|depth| depth <= main_loop + SLACK)
}

#[inline(never)]
fn here() -> usize {
    let local = 0_u8;
    black_box(ptr::from_ref(&local)).addr()
}
