//! [`StopHome`]: a task's wait until its call is asked to stop, for example by a cancel. A raise of
//! the call (it becomes more urgent) and a probe of the deadlock check also wake it, to check
//! again.

use super::Header;
use crate::{
    call::{backend::ErasedCall, call_ref::CallRef, end_batch::EndBatch},
    wake::{AfterUnlock, Registration, WaiterHome, WaiterSet},
};

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
