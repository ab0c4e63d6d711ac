//! What a suspended task waits for, found by one more poll of its future.
//!
//! A future may be polled at any time, and has to keep the waker of its last poll. So a check polls the future of a task with a
//! waker of its own, counts the clones that are left after the poll, and compares them with those that waits of this crate keep.
//! The task waits for something else if there are more: a timer, a channel, a future of another crate. A task that is not
//! checked pays one store for each pending poll of a handle.

use super::check;
use crate::call::wait_graph::Wait;
use crate::{
    call::{backend::ErasedCall, call_ref::CallRef, header::Header},
    context::thread_context,
    util::{per_thread::per_thread, prefetch::PrefetchTarget},
};
use std::{
    cell::RefCell,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

/// What one poll left behind.
#[derive(Clone, Default)]
pub(crate) struct Probe {
    /// The waits of this crate.
    pub(crate) waits: Vec<Wait>,
    /// Whether something else may wake the task.
    pub(crate) has_others: bool,
}

/// Wakes the task; the clones of it are counted.
struct Forward(Waker);

impl Wake for Forward {
    fn wake(self: Arc<Self>) {
        self.0.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.wake_by_ref();
    }
}

/// What a poll has registered so far.
struct Recording {
    /// What the waker of the poll points to.
    waker: *const (),
    waits: Vec<Wait>,
    /// Where clones of the waker are kept by waits of this crate: a call, or a place in a line.
    kept: Vec<(Keeper, *const ())>,
    has_others: bool,
}

/// What keeps a waker on behalf of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeper {
    /// The slot of the call.
    Slot,
    /// The line of those that wait for room.
    Line,
}

per_thread! {
    static RECORDING: RefCell<Option<Recording>> = RefCell::new(None);
}

/// Polls the future of the task of `call`, and finds out what it waits for if a check has asked for that.
#[inline]
pub(crate) fn poll<R>(
    call: &Header,
    owner: impl FnOnce() -> CallRef<dyn ErasedCall>,
    cx: &mut Context<'_>,
    poll: impl FnOnce(&mut Context<'_>) -> Poll<R>,
) -> Poll<R> {
    if call.is_probed() { poll_probed(&owner(), cx, poll) } else { poll(cx) }
}

#[cold]
fn poll_probed<R>(
    call: &CallRef<dyn ErasedCall>,
    cx: &mut Context<'_>,
    poll: impl FnOnce(&mut Context<'_>) -> Poll<R>,
) -> Poll<R> {
    /// Puts back what was recorded below, also after a panic.
    struct Below(Option<Recording>);
    impl Drop for Below {
        fn drop(&mut self) {
            let below = self.0.take();
            drop(RECORDING.with(|recording| recording.replace(below)));
        }
    }
    let forward = Arc::new(Forward(cx.waker().clone()));
    let waker = Waker::from(forward.clone());
    let start = Recording { waker: waker.data(), waits: Vec::new(), kept: Vec::new(), has_others: false };
    let below = Below(RECORDING.with(|recording| recording.replace(Some(start))));
    let polled = poll(&mut Context::from_waker(&waker));
    let recorded = RECORDING.with(RefCell::take);
    drop(below);
    call.header().end_probe();
    if let (Poll::Pending, Some(Recording { waits, kept, has_others, .. })) = (&polled, recorded) {
        // Neither `forward` nor `waker` is a clone that a future keeps.
        let clones = Arc::strong_count(&forward) - 2;
        let has_others = has_others || clones > kept.len();
        check::probed(call, Probe { waits, has_others });
    }
    polled
}

/// The task that runs here is pending at `wait`, whose waker `keeper` keeps.
#[inline]
pub(crate) fn pending(waker: &Waker, keeper: Keeper, wait: impl FnOnce() -> Wait) {
    match thread_context::count_wait() {
        None => {}
        Some(is_probed) => {
            check::arm_if_idle();
            if is_probed {
                record(waker, keeper, wait());
            }
        }
    }
}

#[cold]
fn record(waker: &Waker, keeper: Keeper, wait: Wait) {
    let call = wait.call().target_ptr();
    keeps(waker, keeper, call);
    with(|recording| {
        if !recording.waits.iter().any(|known| known.call().target_ptr() == call) {
            recording.waits.push(wait);
        }
    });
}

/// `keeper` keeps the waker beside what is pending.
pub(crate) fn also_keeps(waker: &Waker, keeper: Keeper, call: &impl PrefetchTarget) {
    if thread_context::is_probed() {
        keeps(waker, keeper, call.target_ptr());
    }
}

/// The task that runs here is pending at something whose end no check can cause.
pub(crate) fn pending_elsewhere() {
    if thread_context::is_probed() {
        with(|recording| recording.has_others = true);
    }
}

fn keeps(waker: &Waker, keeper: Keeper, call: *const ()) {
    with(|recording| {
        // Another waker wraps ours, and the clone in there counts as something else.
        if waker.data() == recording.waker && !recording.kept.contains(&(keeper, call)) {
            recording.kept.push((keeper, call));
        }
    });
}

fn with(f: impl FnOnce(&mut Recording)) {
    RECORDING.with(|recording| {
        recording.borrow_mut().as_mut().map(f);
    });
}
