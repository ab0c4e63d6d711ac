//! [`Probe`]: what a suspended task waits for, found by one more poll of its future.
//!
//! A future may be polled at any time, and has to keep the waker of its last poll. So a check polls
//! the task's future with a waker of its own. The probe counts the clones that are left after the
//! poll, and compares them with the clones that waits of this crate keep. If there are more, the
//! task waits for something else: a timer, a channel, a future of another crate. A task that is not
//! checked pays one store for each pending poll of a handle.

use super::check;
use crate::call::wait_graph::WaitTarget;
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

/// The result of a probe.
#[derive(Clone, Default)]
pub(crate) struct Probe {
    /// The waits of this crate at which the task is pending.
    pub(crate) waits: Vec<WaitTarget>,
    /// Whether something else may wake the task.
    pub(crate) has_others: bool,
}

/// A waker that wakes the task. Its clones are counted.
struct Forward(Waker);

impl Wake for Forward {
    fn wake(self: Arc<Self>) {
        self.0.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.wake_by_ref();
    }
}

/// The registrations of a probe's poll so far.
struct Recording {
    /// The data pointer of the poll's waker.
    waker: *const (),
    waits: Vec<WaitTarget>,
    /// The clones of the waker that waits of this crate keep: the keeper and the call of each.
    kept: Vec<(Keeper, *const ())>,
    has_others: bool,
}

/// The place that keeps a waker on behalf of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeper {
    /// The slot of the call.
    Slot,
    /// The queue of callers that wait for capacity.
    Line,
}

per_thread! {
    static RECORDING: RefCell<Option<Recording>> = RefCell::new(None);
}

/// Polls the future of the task of `call`. If a check has asked for a probe, this also finds out
/// what the task waits for.
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
    /// Restores the recording from before this poll, also after a panic.
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
        // The references `forward` and `waker` are not clones that a future keeps.
        let clones = Arc::strong_count(&forward) - 2;
        let has_others = has_others || clones > kept.len();
        check::probed(call, Probe { waits, has_others });
    }
    polled
}

/// Records that the running task is pending at `wait`. `keeper` keeps the waker of that wait.
#[inline]
pub(crate) fn pending(waker: &Waker, keeper: Keeper, wait: impl FnOnce() -> WaitTarget) {
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
fn record(waker: &Waker, keeper: Keeper, wait: WaitTarget) {
    let call = wait.call().target_ptr();
    keeps(waker, keeper, call);
    with(|recording| {
        if !recording.waits.iter().any(|known| known.call().target_ptr() == call) {
            recording.waits.push(wait);
        }
    });
}

/// Records that `keeper` keeps the waker, too, beside the wait that is pending.
pub(crate) fn also_keeps(waker: &Waker, keeper: Keeper, call: &impl PrefetchTarget) {
    if thread_context::is_probed() {
        keeps(waker, keeper, call.target_ptr());
    }
}

/// Records that the running task is pending at something that no check can end.
pub(crate) fn pending_elsewhere() {
    if thread_context::is_probed() {
        with(|recording| recording.has_others = true);
    }
}

fn keeps(waker: &Waker, keeper: Keeper, call: *const ()) {
    with(|recording| {
        // Any other waker wraps the waker of the probe. The clone in the wrapper counts as
        // something else.
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
