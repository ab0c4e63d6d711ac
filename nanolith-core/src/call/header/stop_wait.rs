//! [`StopHome`]: a task's wait until its call is asked to stop, for example by a cancel. A raise of
//! the call (it becomes more urgent) and a probe of the deadlock check also wake it, to check
//! again.

use super::{Header, lock};
use crate::{
    call::{backend::ErasedCall, call_ref::CallRef, end_batch::EndBatch, slot::EndReason, wait_helper::WaitHelper},
    wake::{AfterUnlock, Registration, WaiterHome, WaiterSet},
};
use std::sync::{Arc, atomic::Ordering};

impl Header {
    /// Creates a wait for the moment at which the call is asked to stop. A poll registers it, and
    /// then checks again whether the call was asked.
    pub(crate) fn stop_wait(&self) -> Registration<StopHome<&Self>> {
        Registration::new(StopHome(self))
    }

    /// Handles the request to stop: cancels the calls that the task submitted, then wakes the waits
    /// for the request.
    pub(crate) fn wake_on_cancel(&self, batch: &mut EndBatch) {
        let Some(cold) = self.cold.get() else { return };
        cold.children.get().into_iter().for_each(|children| batch.stop_node(children.clone()));
        batch.wake_list(cold.stop.with(|waiting, _| waiting.take_all()));
    }

    /// Makes the waits for the call's stop check again, because the call was raised while it runs.
    ///
    /// A wait within the task passes the raise on to the awaited call. A future that has waited for
    /// no call has nothing to pass it on to, and is not woken.
    pub(crate) fn wake_on_raise(&self) {
        let Some(cold) = self.cold.get() else { return };
        cold.stop.with(|waiting, after| {
            if self.passes_raise_on() {
                waiting.notify_all(after);
            }
        });
    }
}

/// Why a running task is asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StopReason {
    /// The call was cancelled.
    Cancelled,
    /// The call's time was over.
    TimedOut,
}

impl From<StopReason> for EndReason {
    fn from(reason: StopReason) -> Self {
        match reason {
            StopReason::Cancelled => Self::Cancelled,
            StopReason::TimedOut => Self::TimedOut,
        }
    }
}

/// The values of `Extra::deferred`, which grow: the end is not deferred, it is, and the request to
/// stop that came first.
const NOT_DEFERRED: u8 = 0;
const DEFERRED: u8 = 1;
const CANCELLED: u8 = 2;
const TIMED_OUT: u8 = 3;

impl Header {
    /// Makes the reply the only end of the call: see [`Reply::defer_end`](crate::task::Reply).
    pub(crate) fn defer_end(&self) {
        // ORDERING: Relaxed, the caller's fence of the slot orders it before a later end.
        self.cold().deferred.store(DEFERRED, Ordering::Relaxed);
    }

    /// Returns whether the end of the call is deferred.
    pub(crate) fn is_deferred(&self) -> bool {
        // ORDERING: Relaxed, as in `defers`.
        self.cold.get().is_some_and(|cold| cold.deferred.load(Ordering::Relaxed) != NOT_DEFERRED)
    }

    /// Records the request to stop, and returns true if the end of the call is deferred.
    pub(crate) fn defers(&self, how: EndReason) -> bool {
        let reason = match how {
            EndReason::Cancelled => CANCELLED,
            EndReason::TimedOut => TIMED_OUT,
            _ => return false,
        };
        let Some(cold) = self.cold.get() else { return false };
        // ORDERING: Relaxed. The executor that reads the reason has seen the request in the slot.
        match cold.deferred.compare_exchange(DEFERRED, reason, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => true,
            Err(earlier) => earlier != NOT_DEFERRED,
        }
    }

    /// Sets what a thread that blocks for the call does meanwhile.
    pub(crate) fn set_wait_helper(&self, helper: Arc<dyn WaitHelper>) {
        let before = lock(&self.seldom().helper).replace(helper);
        drop(before);
    }

    #[inline]
    pub(crate) fn wait_helper(&self) -> Option<Arc<dyn WaitHelper>> {
        lock(&self.known_seldom()?.helper).clone()
    }

    pub(crate) fn stop_reason(&self) -> Option<StopReason> {
        // ORDERING: Relaxed, as in `defers`.
        match self.cold.get()?.deferred.load(Ordering::Relaxed) {
            CANCELLED => Some(StopReason::Cancelled),
            TIMED_OUT => Some(StopReason::TimedOut),
            _ => None,
        }
    }
}

/// The home of waits for a call's stop.
pub(crate) struct StopHome<C>(pub(crate) C);

impl WaiterHome for StopHome<&Header> {
    type State = WaiterSet;

    fn with_state<R>(&self, change: impl FnOnce(&mut WaiterSet, &mut AfterUnlock) -> R) -> R {
        self.0.cold().stop.with(change)
    }

    fn waiters(state: &mut WaiterSet) -> &mut WaiterSet {
        state
    }
}

impl WaiterHome for StopHome<CallRef<dyn ErasedCall>> {
    type State = WaiterSet;

    fn with_state<R>(&self, change: impl FnOnce(&mut WaiterSet, &mut AfterUnlock) -> R) -> R {
        StopHome(self.0.header()).with_state(change)
    }

    fn waiters(state: &mut WaiterSet) -> &mut WaiterSet {
        state
    }
}
