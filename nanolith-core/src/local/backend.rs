//! The [`Backend`] of a `Local`, an executor without threads: how its tasks wait, and how its
//! owner, the thread that made it, waits.

use super::{driver::DriverGuard, local_shared::LocalShared, state::LocalWork};
use crate::meta::thread_kind::ThreadKind;
use crate::{
    call::{
        backend::{
            Backend, Completion, ErasedCall, ExecutorId, LentPermits, PermitState, RunResult, WaitAction, WouldDeadlock,
        },
        call_ref::CallRef,
        end_batch::EndBatch,
        offload,
        policy::SchedulingPolicy,
        slot::EndReason,
        wait_graph::BlockedWaiter,
    },
    context::thread_context,
    executor::admission::OnFull,
    park::parker::ThreadParker,
    pool::{ListedCall, end_suspended},
    time::clock,
    util::{prefetch::PrefetchTarget, unwind},
    wake::{WakeList, extensions::Extensions},
};
use std::{
    sync::{Arc, PoisonError},
    time::Instant,
};

impl Backend for LocalShared {
    fn id(&self) -> ExecutorId {
        self.id
    }

    fn data(&self) -> &Extensions {
        &self.config.data
    }

    fn rules(&self) -> &Arc<SchedulingPolicy> {
        &self.rules
    }

    fn thread_kind(&self) -> ThreadKind {
        ThreadKind::Local(self.config.name.clone())
    }

    /// A wait for this executor itself is a deadlock, because only this thread runs its work. If
    /// the thread also belongs to another executor, that executor lends the permit.
    fn lend(&self, permit: &mut PermitState, target: Option<ExecutorId>) -> Result<LentPermits, WouldDeadlock> {
        if target == Some(self.id) {
            return Err(WouldDeadlock);
        }
        match self.outer_executor() {
            Some(outer) => outer.lend(permit, target),
            None => Ok(LentPermits::default()),
        }
    }

    fn take_back(&self, loan: LentPermits) -> PermitState {
        match self.outer_executor() {
            Some(outer) => outer.take_back(loan),
            None => loan.before,
        }
    }

    fn set_blocked(&self, waiter: Option<BlockedWaiter>) -> Option<Option<BlockedWaiter>> {
        let mut blocked = self.blocked.lock().unwrap_or_else(PoisonError::into_inner);
        Some(std::mem::replace(&mut *blocked, waiter))
    }

    fn blocked(&self) -> Option<BlockedWaiter> {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn waits_for_room(&self) -> bool {
        self.config.queue.on_full() == OnFull::Wait
    }

    fn on_wait_for(self: Arc<Self>, call: &CallRef<dyn ErasedCall>, blocking: bool) -> WaitAction {
        if !call.is_queued() {
            let stands_below = blocking && self.lock().begun.contains(&address(call));
            return if stands_below && !call.is_over() { WaitAction::Deadlock } else { WaitAction::Park };
        }
        if !blocking {
            if call.header().mark_urgent() {
                let mut core = self.lock();
                core.urge(call.clone());
                self.release(core, WakeList::default());
            }
            return WaitAction::Park;
        }
        if !call.claim() {
            return WaitAction::Park;
        }
        let mut core = self.lock();
        let wakes = core.injector.start_out_of_order(&**call);
        if thread_context::at_max_depth() {
            let wakes = wakes.and(core.injector.queue.over(call.header().is_nested(), false));
            self.release(core, wakes);
            call.discard(EndReason::WouldDeadlock);
            return WaitAction::Deadlock;
        }
        self.release(core, wakes);
        self.run(LocalWork::Call(call.clone()));
        WaitAction::RanInline
    }

    fn drive_until(
        self: Arc<Self>,
        is_ready: &mut dyn FnMut() -> bool,
        deadline: Option<Instant>,
    ) -> Option<Result<(), WouldDeadlock>> {
        let driving = DriverGuard::as_owner(&self)?;
        if thread_context::at_max_depth() {
            return Some(Err(WouldDeadlock));
        }
        let parking = ThreadParker::of_this_thread();
        loop {
            let ready = {
                let _here = self.enter();
                is_ready()
            };
            if ready || deadline.is_some_and(|deadline| deadline <= clock::instant()) {
                return Some(Ok(()));
            }
            if !driving.step_or_register(parking.waker()) {
                let _lent = thread_context::enter_blocking(None);
                parking.park_until(deadline);
            }
        }
    }

    fn is_driven_by_us(&self) -> bool {
        Self::is_driven_by_us(self)
    }

    fn on_removed(&self, call: &dyn ErasedCall, batch: &mut EndBatch) {
        let mut core = self.lock();
        let wakes = core.injector.leave(call);
        self.release_into(core, wakes, batch);
    }

    fn on_raised(&self, call: &CallRef<dyn ErasedCall>) {
        let expires = self.rules.raised_position(call.header());
        let mut core = self.lock();
        core.injector.raise(expires, LocalWork::Call(call.clone()));
        self.release(core, WakeList::default());
    }

    fn on_suspended(&self, call: &CallRef<dyn ErasedCall>) {
        if let Some(how) = self.simulated.as_ref().and_then(|calls| calls.suspended.insert(call)) {
            let mut batch = EndBatch::default();
            end_suspended(call.clone(), self.id, how, &mut batch);
            batch.run();
        }
    }

    fn on_suspended_finished(&self, call: usize) {
        self.simulated.iter().for_each(|calls| calls.suspended.strike_off(call));
    }

    fn on_finished(&self, over: Completion) {
        let mut core = self.lock();
        let wakes = core.injector.queue.over(over.inside, over.began);
        self.release(core, wakes);
    }

    fn run_soon(self: Arc<Self>, work: offload::OffloadedWork) -> Result<(), offload::OffloadedWork> {
        if self.lock().abandoned {
            return Err(work);
        }
        offload::resume(self, work);
        Ok(())
    }

    fn schedule(self: Arc<Self>, expires: u64, work: async_task::Runnable) {
        let mut core = self.lock();
        if core.abandoned {
            drop(core);
            unwind::ignore_panics(|| drop(work));
            return;
        }
        core.injector.queue.resume(expires, LocalWork::Resume(work));
        self.release(core, WakeList::default());
    }
}

impl LocalShared {
    fn outer_executor(&self) -> Option<Arc<dyn Backend>> {
        self.lock().outer_executor.clone()?.upgrade()
    }

    /// Runs work that has begun. The calling thread drives.
    pub(super) fn run(&self, work: LocalWork) {
        let begun = match &work {
            LocalWork::Call(call) => Some((address(call), call.header().is_nested())),
            LocalWork::Resume(_) => None,
        };
        {
            let mut core = self.lock();
            core.active += 1;
            core.begun.extend(begun.map(|(address, _)| address));
        }
        let (ran, finished) = thread_context::collect_over(self.id, || {
            let _here = self.enter();
            let _listed = match (&self.simulated, &work) {
                (Some(calls), LocalWork::Call(call)) => Some(ListedCall::begin(&calls.at_work, self.id, call)),
                _ => None,
            };
            let now = clock::now();
            clock::publish_coarse(now);
            thread_context::run_nested(|| run(work, now))
        });
        let mut core = self.lock();
        core.active -= 1;
        let mut wakes = WakeList::default();
        if let Some((_, inside)) = begun {
            core.begun.pop();
            if ran != RunResult::Pending {
                wakes = core.injector.queue.over(inside, ran == RunResult::Finished);
            }
        }
        if let Some(over) = finished {
            wakes = wakes.and(core.injector.queue.over(over.inside, over.began));
        }
        self.release(core, wakes);
    }
}

/// Runs one piece of work. A panic of its destructors is caught here.
fn run(work: LocalWork, now: u64) -> RunResult {
    match work {
        LocalWork::Call(call) => unwind::catch(|| call.run(None, now)).unwrap_or(RunResult::Finished),
        LocalWork::Resume(work) => {
            unwind::ignore_panics(|| {
                work.run();
            });
            RunResult::Pending
        }
    }
}

fn address(call: &CallRef<dyn ErasedCall>) -> usize {
    call.target_ptr().addr()
}
