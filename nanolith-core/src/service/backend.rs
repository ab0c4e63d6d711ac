//! The service as the [`Backend`] of its calls: what it does when a thread waits for one, or when
//! one is raised or cancelled. Also the service as a queue that admits calls ([`Admit`]).

use super::{events::LifeEvent, local_tasks::required_receiver, service_shared::ServiceShared, service_state::Phase};
use crate::{
    call::{
        backend::{Backend, Completion, ErasedCall, ExecutorId, LentPermits, PermitState, WaitAction, WouldDeadlock},
        call_ref::CallRef,
        end_batch::EndBatch,
        offload::OffloadedWork,
        policy::SchedulingPolicy,
        slot::EndReason,
        wait_graph::{BlockedWaiter, Needs, Node},
    },
    context::thread_context,
    executor::admission::{self, Admit, OnFull, RoomHome},
    meta::{
        task_info::{Receiver, TaskInfo},
        thread_kind::ThreadKind,
    },
    sched::{
        injector::{Injector, QueueItem},
        ring::Ring,
    },
    task::{CallSlot, TaskSet},
    util::prefetch::PrefetchTarget,
    wake::{WaitTicket, WakeList, extensions::Extensions},
};
use std::{
    sync::{Arc, PoisonError},
    task::Waker,
};

impl<S: TaskSet> Backend for ServiceShared<S> {
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
        ThreadKind::Service(self.name.clone())
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

    /// A wait for the service itself is a deadlock, because one thread at a time runs the service. On
    /// a pool, the thread lends the permit with which it polls the service.
    fn lend(&self, permit: &mut PermitState, target: Option<ExecutorId>) -> Result<LentPermits, WouldDeadlock> {
        match self.home.pool() {
            _ if target == Some(self.id()) => Err(WouldDeadlock),
            Some(pool) => pool.lend(permit, target),
            None => Ok(LentPermits::default()),
        }
    }

    fn take_back(&self, loan: LentPermits) -> PermitState {
        match self.home.pool() {
            Some(pool) => pool.take_back(loan),
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

    fn suspended_calls(&self) -> Vec<CallRef<dyn ErasedCall>> {
        self.futures.lock().calls.iter().map(|(_, call)| call.clone()).collect()
    }

    fn inspect(&self) {
        if self.futures.ask() {
            self.wake();
        }
    }

    /// A queued call needs the thread and the state to be free. A pending writer keeps every other
    /// call out. Pending readers keep a queued writer out, and with it the calls that are queued
    /// behind it.
    fn needs(&self, call: &CallRef<dyn ErasedCall>, needs_room: bool) -> Needs {
        if let Some(blocked) = Backend::blocked(self) {
            return blocked.needs(self.id);
        }
        let node = |(_, call): &(Receiver, CallRef<dyn ErasedCall>)| Node::new(call.clone(), self.id);
        let seen = self.futures.lock();
        let pending = || seen.calls.iter().filter(|(_, call)| !call.is_over());
        let writer = pending().find(|(receiver, _)| *receiver == Receiver::Exclusive);
        if let Some(writer) = writer {
            return Needs::all(vec![node(writer)]);
        }
        let held = seen.held.as_ref().filter(|(_, held)| held.is_queued());
        match held {
            Some((_, held)) if !needs_room && held.target_ptr() == call.target_ptr() => {
                Needs::all(pending().filter(|(receiver, _)| *receiver == Receiver::Shared).map(node).collect())
            }
            Some(held) if needs_room || !call.header().is_urgent() => Needs::all(vec![node(held)]),
            _ => Needs::Nothing,
        }
    }

    fn waits_for_room(&self) -> bool {
        self.on_full == OnFull::Wait
    }

    fn on_wait_for(self: Arc<Self>, call: &CallRef<dyn ErasedCall>, blocking: bool) -> WaitAction {
        let theirs = required_receiver::<S>(call.header().task());
        let hinders = match thread_context::running_task().map(|task| required_receiver::<S>(task)) {
            // `#[init]` keeps the loop from every call.
            None => true,
            Some(Receiver::None) => false,
            Some(Receiver::Shared) => theirs == Receiver::Exclusive,
            Some(Receiver::Exclusive) => theirs != Receiver::None,
        };
        if blocking || hinders {
            return WaitAction::Deadlock;
        }
        let waits_here = call.is_queued() && call.header().is_on(self.id());
        let ahead = theirs != Receiver::Exclusive && waits_here && call.header().mark_urgent();
        if let Some(call) = ahead.then(|| call.clone().downcast::<CallSlot<S>>()).flatten() {
            self.lock().awaited_calls.push(call);
        }
        WaitAction::Park
    }

    fn on_removed(&self, call: &dyn ErasedCall, batch: &mut EndBatch) {
        let mut core = self.lock();
        let wakes = core.injector.leave(call);
        self.release_into(core, wakes, batch);
        // The removed call may be the last call of a closing service, or the `stalled_call`.
        self.wake();
    }

    fn on_raised(&self, call: &CallRef<dyn ErasedCall>) {
        let expires = self.rules.raised_position(call.header());
        let Some(call) = call.clone().downcast::<CallSlot<S>>() else { return };
        let mut core = self.lock();
        core.injector.raise(expires, call);
        self.release(core, WakeList::default());
    }

    /// The service's thread, which is the calling thread, resumes the future when no queued call
    /// expires earlier.
    fn yield_to(&self, expires: u64, waker: &Waker) {
        let waker = waker.clone(); // user code, so before the lock
        self.lock().yielded.push_resumed(expires, waker);
    }

    fn on_finished(&self, _over: Completion) {}

    fn on_overrun(&self, call: &dyn ErasedCall) {
        let watchers = self.watchers.clone();
        self.overruns.add(call, self, move |task| watchers.publish(&LifeEvent::Overrun(task)));
    }

    fn on_overrun_finished(&self, address: usize) {
        self.overruns.remove(address);
    }

    fn run_soon(self: Arc<Self>, work: OffloadedWork) -> Result<(), OffloadedWork> {
        self.leave_to_thread(work)
    }

    /// Does nothing: the event loop polls a service's futures.
    fn schedule(self: Arc<Self>, _expires: u64, _work: async_task::Runnable) {}
}

impl<S: TaskSet> QueueItem for CallRef<CallSlot<S>> {
    fn call(&self) -> Option<&dyn ErasedCall> {
        Some(&**self)
    }
}

impl<S: TaskSet> RoomHome for ServiceShared<S> {
    fn leave_line(&self, ticket: WaitTicket) {
        admission::cancel_admit(self, &mut Some(ticket));
    }
}

impl<S: TaskSet> Admit<S> for ServiceShared<S> {
    type Item = CallRef<CallSlot<S>>;

    fn on_full(&self) -> OnFull {
        self.on_full
    }

    fn inbox(&self) -> &Ring<Self::Item> {
        &self.ring
    }

    fn wake_consumer(&self) {
        self.wake();
    }

    fn with_front<R>(&self, inside: bool, f: impl FnOnce(Option<&mut Injector<Self::Item>>) -> (R, WakeList)) -> R {
        let mut core = self.lock();
        let last = if inside { Phase::Closing } else { Phase::Open };
        let open = core.phase <= last;
        let (result, wakes) = f(open.then_some(&mut core.injector));
        let first = if self.home.is_pool() { core.injector.earliest() } else { None };
        self.release(core, wakes);
        self.wake_for(first);
        result
    }

    fn item(call: CallRef<CallSlot<S>>) -> Self::Item {
        call
    }

    fn call(item: &Self::Item) -> Option<CallRef<dyn ErasedCall>> {
        Some(item.clone().erase())
    }

    /// Never called: the builder rejects `CallerRuns`.
    fn run_on_caller(&self, call: CallRef<CallSlot<S>>) {
        call.discard(EndReason::Unsupported);
    }
}
