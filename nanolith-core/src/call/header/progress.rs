//! [`Progress`]: how much of its work a task reports as done, and the waits for such reports.

use super::Header;
use crate::{
    call::{backend::ErasedCall, call_ref::CallRef},
    util::unwind,
    wake::{AfterUnlock, Registration, WaiterHome, WaiterSet, WakeList},
};
use std::{
    fmt, mem,
    sync::Arc,
    task::{Poll, Waker},
};

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

/// A function that gets each report of a call: see [`Call::on_progress`](crate::typed::Call::on_progress).
pub(crate) type ProgressHook = Arc<dyn Fn(Progress) + Send + Sync>;

/// A guard of a report that is stored already. Its drop notifies those that wait for a report, and
/// calls the function of [`Call::on_progress`](crate::typed::Call::on_progress).
/// [`Reply::progress`](crate::task::Reply::progress) returns it.
///
/// Both run code of the program. So an executor that reports under a lock drops the guard after the
/// release.
#[must_use = "drop it when no lock is held"]
pub struct NotifyProgress {
    wakes: WakeList,
    hook: Option<ProgressHook>,
    progress: Progress,
}

impl Drop for NotifyProgress {
    fn drop(&mut self) {
        mem::take(&mut self.wakes).wake();
        if let Some(hook) = self.hook.take() {
            unwind::ignore_panics(|| hook(self.progress));
        }
    }
}

impl fmt::Debug for NotifyProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotifyProgress").field("progress", &self.progress).finish_non_exhaustive()
    }
}

impl Header {
    /// Stores a report. The drop of the guard notifies those that wait for one.
    pub(crate) fn report_progress(&self, progress: Progress) -> NotifyProgress {
        let seldom = self.seldom();
        let wakes = seldom.progress.with(|watched, _| {
            watched.latest = Some(progress);
            watched.version += 1;
            watched.waiting.take_all()
        });
        NotifyProgress { wakes, hook: seldom.on_progress.get().cloned(), progress }
    }

    /// Sets the function that gets each report: once, before the call is submitted.
    #[cold]
    pub(crate) fn set_progress_hook(&self, hook: ProgressHook) {
        let _ = self.seldom().on_progress.set(hook);
    }

    pub(crate) fn progress(&self) -> Option<Progress> {
        if let Some(onward) = self.delegate() {
            return onward.header().progress();
        }
        self.known_seldom().and_then(|cold| cold.progress.with(|watched, _| watched.latest))
    }
}

/// The home of waits for a call's progress, and for its end.
struct ProgressHome(CallRef<dyn ErasedCall>);

impl WaiterHome for ProgressHome {
    type State = ProgressState;

    fn with_state<R>(&self, change: impl FnOnce(&mut ProgressState, &mut AfterUnlock) -> R) -> R {
        self.0.header().seldom().progress.with(change)
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
