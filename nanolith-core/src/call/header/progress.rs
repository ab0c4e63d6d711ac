//! [`Progress`]: how much of its work a task reports as done, and the waits for such reports.

use super::Header;
use crate::{
    call::{backend::ErasedCall, call_ref::CallRef},
    wake::{AfterUnlock, Registration, WaiterHome, WaiterSet},
};
use std::task::{Poll, Waker};

/// The progress of a task, as reported by `cx.progress(done, total)`. The task chooses the units.
///
/// ```
/// use nanolith::call::Progress;
/// let Progress { done, total } = Progress { done: 3, total: 12 };
/// assert_eq!(format!("{} %", 100 * done / total), "25 %");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Progress {
    /// The number of units done: files, bytes, steps.
    pub done: u64,
    /// The total number of units.
    pub total: u64,
}

impl Header {
    pub(crate) fn tell_progress(&self, progress: Progress) {
        self.cold().progress.with(|watched, after| {
            watched.latest = Some(progress);
            watched.version += 1;
            watched.waiting.notify_all(after);
        });
    }

    pub(crate) fn progress(&self) -> Option<Progress> {
        if let Some(onward) = self.delegate() {
            return onward.header().progress();
        }
        self.cold.get().and_then(|cold| cold.progress.with(|watched, _| watched.latest))
    }
}

/// The home of waits for a call's progress, and for its end.
struct ProgressHome(CallRef<dyn ErasedCall>);

impl WaiterHome for ProgressHome {
    type State = ProgressState;

    fn with_state<R>(&self, change: impl FnOnce(&mut ProgressState, &mut AfterUnlock) -> R) -> R {
        self.0.header().cold().progress.with(change)
    }

    fn waiters(state: &mut ProgressState) -> &mut WaiterSet {
        &mut state.waiting
    }
}

/// A wait for the progress of a call, or of its delegate.
pub(crate) struct ProgressWait {
    /// The call, then its delegate, and so on.
    calls: Vec<Registration<ProgressHome>>,
}

impl ProgressWait {
    pub(crate) fn of(call: CallRef<dyn ErasedCall>) -> Self {
        Self { calls: vec![Registration::new(ProgressHome(call))] }
    }

    /// Returns the progress reported since version `seen`, and updates `seen`. If there is none,
    /// registers `waker`, which the next report or the end wakes. Afterwards the caller checks for
    /// the end.
    pub(crate) fn poll_since(&mut self, seen: &mut u64, waker: &Waker) -> Option<Progress> {
        let mut at = 0;
        while let Some(onward) = self.calls[at].home().0.header().delegate() {
            // Of this call only the end matters.
            self.calls[at].register(waker);
            at += 1;
            if !self.calls.get(at).is_some_and(|known| std::ptr::eq(known.home().0.header(), onward.header())) {
                self.calls.truncate(at);
                self.calls.push(Registration::new(ProgressHome(onward)));
            }
        }
        self.calls.truncate(at + 1);
        let told = self.calls[at].poll_with(waker, |watched, _| {
            // A greater version than this call's is that of another call, as which this one
            // continued before.
            let is_new = watched.version != *seen;
            is_new.then(|| {
                *seen = watched.version;
                watched.latest
            })
        });
        match told {
            Poll::Ready(progress) => progress,
            Poll::Pending => None,
        }
    }
}

#[derive(Default)]
pub(super) struct ProgressState {
    latest: Option<Progress>,
    /// The number of reports so far, by which a watcher sees what is new to it.
    version: u64,
    pub(super) waiting: WaiterSet,
}
