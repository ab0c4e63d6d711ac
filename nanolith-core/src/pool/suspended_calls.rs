//! [`SuspendedCalls`]: the list of an executor's suspended calls. A close with a time limit, or the
//! end of a simulation, ends the calls of the list.

use super::pool_shared::PoolShared;
use crate::{
    call::{
        backend::{ErasedCall, ExecutorId},
        call_ref::CallRef,
        end_batch::EndBatch,
        slot::EndReason,
    },
    util::prefetch::PrefetchTarget,
};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// A list of a pool's suspended calls, so that a close can end them.
#[derive(Default)]
pub(crate) struct SuspendedCalls {
    listed: Mutex<SuspendedSet>,
}

#[derive(Default)]
struct SuspendedSet {
    calls: HashMap<usize, CallRef<dyn ErasedCall>>,
    /// The reason with which the listed calls are ended. Calls that are listed later end with it
    /// too.
    stopping: Option<EndReason>,
}

impl SuspendedCalls {
    /// Adds a call to the list. Returns the reason with which the call is to end, if it is to end.
    pub(crate) fn insert(&self, call: &CallRef<dyn ErasedCall>) -> Option<EndReason> {
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        listed.calls.insert(call.target_ptr().addr(), call.clone());
        listed.stopping
    }

    /// Removes a call that has ended from the list.
    pub(crate) fn strike_off(&self, call: usize) {
        let gone = self.listed.lock().unwrap_or_else(PoisonError::into_inner).calls.remove(&call);
        drop(gone); // drops after the lock's release
    }

    /// Adds the call to the list, or removes it.
    pub(crate) fn list_or_strike_off(&self, call: &CallRef<dyn ErasedCall>, is_listed: bool) {
        if is_listed {
            let _ = self.insert(call);
        } else {
            self.strike_off(call.target_ptr().addr());
        }
    }

    pub(super) fn calls(&self) -> Vec<CallRef<dyn ErasedCall>> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner).calls.values().cloned().collect()
    }

    /// Ends all listed calls. Calls that are listed later are to end too.
    pub(crate) fn end_all(&self, host: ExecutorId, how: EndReason, batch: &mut EndBatch) {
        let calls: Vec<_> = {
            let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
            listed.stopping = Some(how);
            listed.calls.values().cloned().collect()
        };
        calls.into_iter().for_each(|call| end_suspended(call, host, how, batch));
    }
}

/// A call that a thread of a simulation runs. The call is listed until this is dropped, so the end
/// of the simulation ends the call even if the thread does not end.
pub(crate) struct ListedCall<'a> {
    list: &'a SuspendedCalls,
    call: usize,
}

impl<'a> ListedCall<'a> {
    pub(crate) fn begin(list: &'a SuspendedCalls, host: ExecutorId, call: &CallRef<dyn ErasedCall>) -> Self {
        if let Some(how) = list.insert(call) {
            let mut batch = EndBatch::default();
            end_suspended(call.clone(), host, how, &mut batch);
            batch.run();
        }
        Self { list, call: call.target_ptr().addr() }
    }
}

impl Drop for ListedCall<'_> {
    fn drop(&mut self) {
        self.list.strike_off(self.call);
    }
}

/// Ends a suspended call. If the call has ended, an after-hook of its task may still wait: this
/// wakes the hook, which checks again.
pub(crate) fn end_suspended(call: CallRef<dyn ErasedCall>, host: ExecutorId, how: EndReason, batch: &mut EndBatch) {
    call.header().wake_on_cancel(batch);
    batch.end_call(call, Some(host), how);
}

impl PoolShared {
    /// Lists a call that is suspended for the first time. The call ends if the limit of a close has
    /// passed.
    pub(super) fn list_suspended(&self, call: &CallRef<dyn ErasedCall>) {
        if let Some(how) = self.suspended.insert(call) {
            let mut batch = EndBatch::default();
            end_suspended(call.clone(), self.id(), how, &mut batch);
            batch.run();
        }
    }
}
