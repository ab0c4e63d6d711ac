//! [`ErasedCall`]: the object-safe trait of a call whose task and output types are erased. Through
//! it any call is claimed, run, ended or raised (made more urgent).

use super::{Backend, ExecutorId, RunResult};
use crate::{
    call::{
        call_ref::{CallRef, RefCounted},
        end_batch::EndBatch,
        header::Header,
        slot::{EndReason, EndResult},
    },
    meta::priority::Priority,
};
use std::sync::Arc;

/// A call with its types erased.
pub(crate) trait ErasedCall: RefCounted + Send + Sync {
    fn header(&self) -> &Header;

    fn is_queued(&self) -> bool;

    fn is_over(&self) -> bool;

    /// Returns whether the call was ended from outside.
    fn was_ended(&self) -> bool;

    /// Returns whether the call was ended while its task ran.
    fn is_asked_to_stop(&self) -> bool;

    /// Like [`ErasedCall::is_asked_to_stop`], but with a read-modify-write. The caller has just
    /// stored beside the call what its end must stop; either this sees the end, or the end sees
    /// what was stored.
    fn recheck_cancelled(&self) -> bool;

    /// Returns whether a wait may run the call in place: it fits the ring, is synchronous, and has no
    /// limit and no token.
    fn is_plain(&self) -> bool;

    /// Returns whether the call may pass through the lock-free ring of its executor, if that ring
    /// takes calls of its kind.
    fn fits_ring(&self) -> bool;

    /// Returns whether a task that waits for the call runs it, or has run it, ahead of its turn.
    fn was_overtaken(&self) -> bool;

    /// Claims the call for the caller to run. Returns false if another claim or end was first.
    fn claim(&self) -> bool;

    /// Returns the functions that run the call.
    fn runs(&self) -> Runs;

    /// Ends the call from outside. The call may be in no queue, claimed or running. User code is
    /// left to `batch`.
    fn end_into(&self, how: EndReason, batch: &mut EndBatch) -> EndResult;

    /// Like [`end_into`](Self::end_into), for a call that the caller has not claimed. If its end is
    /// deferred and it has begun, it is only asked to stop.
    fn stop_into(&self, how: EndReason, batch: &mut EndBatch) -> EndResult;

    /// Drops the arguments of a call. The caller has claimed the call, or has ended it while it was
    /// queued.
    fn drop_input(&self, host: Option<ExecutorId>);

    /// Ends a claimed call without running it, and drops its arguments.
    fn discard(&self, how: EndReason) {
        let mut batch = EndBatch::default();
        self.end_into(how, &mut batch);
        batch.run();
        self.drop_input(self.header().final_executor());
    }
}

/// Returns the address of a call. It identifies the call as long as an owner exists.
pub(crate) fn address(call: &dyn ErasedCall) -> usize {
    std::ptr::from_ref(call).cast::<()>().addr()
}

/// The functions that run calls of one type. Each takes one of the owners.
#[derive(Clone, Copy)]
pub(crate) struct Runs {
    pub(crate) claimed: RunClaimed,
    pub(crate) queued: RunQueued,
}

/// A function that runs a claimed call for the given executor, from the given moment on. `None` is
/// the executor whose thread this is.
pub(crate) type RunClaimed = fn(CallRef<dyn ErasedCall>, Option<Arc<dyn Backend>>, u64) -> RunResult;

/// A function that claims a call and runs it. Returns the call if another claim or end was first.
pub(crate) type RunQueued = fn(CallRef<dyn ErasedCall>, u64) -> Result<RunResult, CallRef<dyn ErasedCall>>;

impl CallRef<dyn ErasedCall> {
    /// Runs a claimed call, which starts `now`. `host` is the call's executor if this thread is not
    /// a thread of that executor, else `None`.
    pub(crate) fn run(self, host: Option<Arc<dyn Backend>>, now: u64) -> RunResult {
        (self.runs().claimed)(self, host, now)
    }

    /// Claims the call and runs it on a thread of its executor. Gives the call back if another
    /// claim or end was first.
    pub(crate) fn try_run(self, now: u64) -> Result<RunResult, Self> {
        (self.runs().queued)(self, now)
    }
}

/// Ends `call`. If it was queued at `host`, its queue room is free before its caller sees the end.
/// Where `host` is `None`, the call's own header names the executor.
pub(crate) fn end(call: &dyn ErasedCall, host: Option<ExecutorId>, how: EndReason) {
    let mut batch = EndBatch::default();
    let has_input = batch.end_now(call, host, how);
    batch.run();
    if has_input {
        call.drop_input(host.or_else(|| call.header().final_executor()));
    }
}

/// Makes `call` more urgent. A queued call gets its new position. A running call looks again at
/// what it waits for, and passes the priority on.
pub(crate) fn raise(call: &CallRef<dyn ErasedCall>, host: Option<ExecutorId>, priority: Priority) {
    if call.is_over() || !call.header().raise(priority) {
        return;
    }
    if call.is_queued() {
        if let Some(host) = host.or_else(|| call.header().executor()).and_then(ExecutorId::get) {
            host.on_raised(call);
        }
    }
    call.header().wake_on_raise();
    if let Some(onward) = call.header().delegate() {
        raise(&onward, None, priority);
    }
}
