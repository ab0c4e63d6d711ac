//! The pool as the [`Backend`] of its calls: what its thread does while it blocks in a wait. The
//! thread lends its permit, the right to run one worker, to another thread, or runs the awaited
//! call inline. `DESIGN.md` gives the reasons.

use crate::{
    call::{
        backend::{
            Backend, Completion, EntryQueue, ErasedCall, ExecutorId, LentPermits, PermitState, WaitAction,
            WouldDeadlock,
        },
        call_ref::CallRef,
        end_batch::EndBatch,
        offload::{self, OffloadedWork},
        policy::SchedulingPolicy,
        slot::EndReason,
        wait_graph::{Needs, Node},
    },
    context::thread_context,
    error::CallError,
    executor::admission::OnFull,
    meta::{task_info::TaskInfo, thread_kind::ThreadKind},
    park::parker::ThreadParker,
    pool::{
        limits::share_limit::ShareLimit,
        pool_item::{OtherItem, PoolItem},
        pool_shared::PoolShared,
        pool_state::WorkerStart,
        threads::{rayon_threads, spare_threads::SpareJob},
    },
    util::unwind,
    wake::{AfterUnlock, EndWait, NewWaker, WaitTicket, WakeList, extensions::Extensions},
};
use std::{
    sync::{Arc, atomic::Ordering},
    task::Waker,
    time::Duration,
};

impl Backend for PoolShared {
    fn id(&self) -> ExecutorId {
        PoolShared::id(self)
    }

    fn data(&self) -> &Extensions {
        &self.config.data
    }

    fn rules(&self) -> &Arc<SchedulingPolicy> {
        &self.rules
    }

    fn thread_kind(&self) -> ThreadKind {
        ThreadKind::Pool(self.config.name.clone())
    }

    fn entries(&self) -> Option<Arc<dyn EntryQueue>> {
        Some(self.ring.clone())
    }

    /// Fails if this thread is the last thread that could run the work that it waits for.
    fn lend(&self, permit: &mut PermitState, target: Option<ExecutorId>) -> Result<LentPermits, WouldDeadlock> {
        if matches!(permit, PermitState::Lent) {
            // This thread counts as blocked already.
            return Ok(LentPermits { before: PermitState::Lent, extra: 0 });
        }
        let own = (target == Some(self.id())).then(|| ThreadParker::of_this_thread().waker().clone());
        let mut core = self.lock();
        let threads = core.rayon.total + self.spares.max();
        if own.is_some() && core.blocking + 1 >= threads {
            return Err(WouldDeadlock);
        }
        let loan = core.lend(std::mem::replace(permit, PermitState::Lent));
        own.map(|waker| core.add_own_wait(waker));
        // A start that was sent to a thread which now blocks goes to a spare thread.
        let stuck = core.pending_starts > 0;
        self.release(core, WakeList::default());
        if stuck {
            self.start(Some(WorkerStart::Spare));
        }
        Ok(loan)
    }

    fn on_overrun(&self, call: &dyn ErasedCall) {
        let pool = self.me.clone();
        self.overruns.add(call, self, move |task| {
            if let Some(pool) = pool.upgrade() {
                let mut core = pool.lock();
                let wakes = core.full_events.note_overrun(task);
                pool.release(core, wakes);
            }
        });
    }

    fn on_overrun_finished(&self, address: usize) {
        self.overruns.remove(address);
    }

    fn on_unobserved_panic(&self, error: &CallError) {
        if let Some(handler) = &self.config.on_panic {
            handler(error);
        }
    }

    fn list_blocked(&self, call: &CallRef<dyn ErasedCall>, is_blocked: bool) {
        self.blocked.list_or_strike_off(call, is_blocked);
    }

    fn blocked_calls(&self) -> Vec<CallRef<dyn ErasedCall>> {
        self.blocked.calls()
    }

    fn suspended_calls(&self) -> Vec<CallRef<dyn ErasedCall>> {
        self.suspended.calls()
    }

    /// A thread that waits lends its permit. So a queued call starts, unless every possible thread
    /// waits, or the call's task is at its limit. Queue capacity becomes free when a call starts.
    /// If `max_in_flight` is reached, it becomes free when a call ends.
    fn needs(&self, call: &CallRef<dyn ErasedCall>, needs_room: bool) -> Needs {
        let core = self.lock();
        let (in_flight, blocked) = (core.injector.in_flight(), core.blocking);
        let has_thread = blocked < core.rayon.total + self.spares.max();
        let full = core.limits.kinds.full(call.header().task()).filter(|_| !call.header().is_exempt() && !needs_room);
        drop(core);
        let node = |call: CallRef<dyn ErasedCall>| Node::new(call, Backend::id(self));
        let of_blocked = || self.blocked.calls().into_iter();
        let waiting = of_blocked().chain(self.suspended.calls()).filter(|call| !call.is_over());
        let (nodes, least): (Vec<_>, usize) = match full {
            Some(running) => {
                let kind = call.header().task().identifier();
                (waiting.filter(|call| call.header().task().identifier() == kind).map(node).collect(), running)
            }
            None if !has_thread => (of_blocked().map(node).collect(), blocked),
            // A share has a queue of its own.
            None if needs_room && call.header().share() == 0 => (waiting.map(node).collect(), in_flight),
            None => return Needs::Nothing,
        };
        // Calls beyond these nodes do more than wait, so they may end.
        if nodes.len() < least { Needs::Nothing } else { Needs::Any(nodes) }
    }

    fn waits_for_room(&self) -> bool {
        self.config.queue.on_full() == OnFull::Wait
    }

    fn take_back(&self, loan: LentPermits) -> PermitState {
        if let PermitState::Lent = loan.before {
            return self.lock().take_back(loan);
        }
        let parking = ThreadParker::of_this_thread();
        let mut core = self.lock();
        let own = core.remove_own_wait(parking.waker());
        let permit = core.take_back(loan);
        drop(core);
        drop(own);
        permit
    }

    fn take_stranded(&self) -> bool {
        PoolShared::take_stranded(self)
    }

    fn on_wait_for(self: Arc<Self>, call: &CallRef<dyn ErasedCall>, blocking: bool) -> WaitAction {
        if !call.is_queued() || !call.header().is_on(self.id()) || !self.claim_for_waiter(call, blocking) {
            return WaitAction::Park;
        }
        if blocking && !thread_context::at_max_depth() {
            self.run_on_top(call);
            return WaitAction::RanInline;
        }
        // This thread's stack is too deep, or a future waits in a paused pool: another thread runs
        // this call.
        let mut core = self.lock();
        core.sent_apart += 1;
        self.release_within(core, WakeList::default()); // a worker that sleeps frees its thread
        match self.spares.send(SpareJob::RunCall(self.clone(), call.clone())) {
            Ok(()) => WaitAction::Park,
            Err(_) if blocking => {
                self.lock().sent_apart -= 1;
                call.discard(EndReason::WouldDeadlock);
                Backend::on_finished(&*self, Completion::of(call.header()).skipped());
                WaitAction::Deadlock
            }
            Err(_) => {
                rayon_threads::run_on_spare(&self, call.clone());
                WaitAction::Park
            }
        }
    }

    fn exempted(&self, call: &CallRef<dyn ErasedCall>) {
        if call.header().is_on(self.id()) {
            let mut core = self.lock();
            core.exempt(call);
            self.release(core, WakeList::default());
        }
    }

    fn on_removed(&self, call: &dyn ErasedCall, batch: &mut EndBatch) {
        let mut core = self.lock();
        let wakes = core.leave(call);
        self.release_into(core, wakes, batch);
    }

    fn on_raised(&self, call: &CallRef<dyn ErasedCall>) {
        let expires = self.rules.raised_position(call.header());
        let mut core = self.lock();
        core.injector.raise(expires, PoolItem::Call(call.clone()));
        self.release(core, WakeList::default());
    }

    fn on_finished(&self, over: Completion) {
        let mut core = self.lock();
        let wakes = core.over(over);
        self.release(core, wakes);
    }

    fn run_soon(self: Arc<Self>, work: OffloadedWork) -> Result<(), OffloadedWork> {
        // ORDERING: Relaxed, also below: the increment and the load in `may_retire` are under the
        // lock, and the other loads are figures.
        {
            let core = self.lock();
            if core.retired {
                return Err(work);
            }
            self.errands.fetch_add(1, Ordering::Relaxed);
        }
        let me = self.clone();
        let work = move || {
            me.errands.fetch_sub(1, Ordering::Relaxed);
            work();
            me.errand_over();
        };
        offload::resume(self, Box::new(work));
        Ok(())
    }

    fn record(&self, task: &'static TaskInfo, waited: Duration, ran: Duration) {
        self.recorder.note(task, waited, ran);
    }

    fn count_failure(&self, task: &'static TaskInfo, outcome: &'static str, has_run: bool) {
        self.recorder.count_failure(task, outcome, has_run);
    }

    fn count_vain_run(&self, task: &'static TaskInfo) {
        self.recorder.count_vain_run(task);
    }

    fn is_stopping(&self) -> bool {
        self.is_asked_to_stop()
    }

    fn end_wait(&self) -> Option<EndWait> {
        self.world.as_ref().map(|world| EndWait::new(world))
    }

    fn count_suspended(&self, inside: bool) {
        self.rules.note_suspended();
        self.lock().injector.queue.count_suspended(inside);
    }

    fn on_suspended(&self, call: &CallRef<dyn ErasedCall>) {
        self.list_suspended(call);
    }

    fn on_suspended_finished(&self, call: usize) {
        self.suspended.strike_off(call);
    }

    fn return_share_slot(&self, share: u32) {
        let mut core = self.lock();
        let wakes = core.with_limit(share, ShareLimit::give_back).1;
        self.release_within(core, wakes);
    }

    fn retake_share_slot(&self, share: u32) {
        let mut core = self.lock();
        let wakes = core.with_limit(share, |limit, _| limit.take()).1;
        self.release_within(core, wakes);
    }

    fn poll_share_slot(&self, share: u32, ticket: &mut Option<WaitTicket>, waker: &Waker) -> bool {
        let mut waker = NewWaker::of(waker);
        let mut core = self.lock();
        let (has_slot, wakes) = core.with_limit(share, |limit, _| limit.poll(ticket, &mut waker));
        self.release_within(core, wakes);
        has_slot.unwrap_or(true)
    }

    fn leave_share_line(&self, share: u32, ticket: WaitTicket) {
        let mut unused = AfterUnlock::default(); // drops after the release
        let mut core = self.lock();
        let leave = |limit: &mut ShareLimit, after: &mut AfterUnlock| {
            limit.leave(ticket, &mut unused);
            limit.grant(after);
        };
        let wakes = core.with_limit(share, leave).1;
        self.release_within(core, wakes);
    }

    fn schedule(self: Arc<Self>, expires: u64, work: async_task::Runnable) {
        let mut core = self.lock();
        if core.abandoned {
            drop(core);
            unwind::ignore_panics(|| drop(work));
            return;
        }
        core.injector.queue.resume(expires, PoolItem::Other(OtherItem::Resume(work)));
        self.release_within(core, WakeList::default());
    }
}

impl PoolShared {
    /// Counts work of [`Backend::run_soon`] as done. A closed pool may have nothing left to do
    /// then.
    pub(in crate::pool) fn errand_over(&self) {
        self.with_waiters(|core, after| {
            if core.closed {
                core.injector.queue.drained.notify_all(after);
            }
        });
    }

    /// Runs a claimed call that this thread waits for, in the slot that the thread holds.
    fn run_on_top(&self, call: &CallRef<dyn ErasedCall>) {
        let id = PoolShared::id(self);
        let (over, finished) =
            thread_context::collect_over(id, || thread_context::run_nested(|| self.run_and_count(call.clone())));
        over.or(finished).into_iter().for_each(|over| Backend::on_finished(self, over));
    }

    /// Claims a queued call of this pool for the thread that waits for it, to run it before its
    /// turn. Returns whether the call was claimed.
    fn claim_for_waiter(&self, call: &CallRef<dyn ErasedCall>, blocking: bool) -> bool {
        if call.header().task().max_concurrency().is_some() || call.header().share() != 0 {
            let below = thread_context::running_share_slot(PoolShared::id(self));
            let mut core = self.lock();
            let (claimed, wakes) = core.claim_for_waiter(call, blocking, below);
            self.release(core, wakes);
            return claimed;
        }
        let claimed = (blocking || self.lock().paused) && call.claim();
        if claimed {
            self.begun(call);
        }
        claimed
    }

    /// Counts a queued call of this pool that was claimed before its turn.
    fn begun(&self, call: &CallRef<dyn ErasedCall>) {
        let mut core = self.lock();
        let wakes = core.begun_by_rules(call, false);
        self.release(core, wakes);
    }
}
