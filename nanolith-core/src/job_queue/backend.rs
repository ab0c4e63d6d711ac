//! The [`Backend`] of a `JobQueue`: what a call asks of the executor that holds it. No thread
//! belongs to the queue, so no thread runs a call inline or lends a permit.

use super::queue_shared::QueueShared;
use crate::{
    call::{
        backend::{Backend, Completion, ErasedCall, ExecutorId, LentPermits, PermitState, WaitAction, WouldDeadlock},
        call_ref::CallRef,
        end_batch::EndBatch,
        policy::SchedulingPolicy,
    },
    executor::admission::OnFull,
    meta::thread_kind::ThreadKind,
    util::unwind,
    wake::extensions::Extensions,
};
use std::sync::Arc;

impl<T: Send + 'static> Backend for QueueShared<T> {
    fn id(&self) -> ExecutorId {
        self.id
    }

    fn data(&self) -> &Extensions {
        &self.data
    }

    fn rules(&self) -> &Arc<SchedulingPolicy> {
        &self.rules
    }

    fn thread_kind(&self) -> ThreadKind {
        ThreadKind::Pool(self.config.name.clone())
    }

    fn lend(&self, _permit: &mut PermitState, _target: Option<ExecutorId>) -> Result<LentPermits, WouldDeadlock> {
        Ok(LentPermits::default())
    }

    fn take_back(&self, loan: LentPermits) -> PermitState {
        loan.before
    }

    fn waits_for_room(&self) -> bool {
        self.config.queue.on_full() == OnFull::Wait
    }

    fn on_wait_for(self: Arc<Self>, _call: &CallRef<dyn ErasedCall>, _blocking: bool) -> WaitAction {
        WaitAction::Park
    }

    fn on_removed(&self, call: &dyn ErasedCall, batch: &mut EndBatch) {
        self.remove(call, batch);
    }

    fn on_raised(&self, call: &CallRef<dyn ErasedCall>) {
        self.raise(call);
    }

    fn on_finished(&self, over: Completion) {
        self.finish(over.inside, over.began);
    }

    /// Runs the future on this thread: the queue has none.
    fn schedule(self: Arc<Self>, _expires: u64, work: async_task::Runnable) {
        unwind::ignore_panics(|| {
            work.run();
        });
    }
}
