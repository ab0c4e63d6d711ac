//! The service as the holder of its calls, and as a queue that they come into.

use super::{
    events::LifeEvent,
    service_shared::{Inner, Life, asks},
};
use crate::{
    call::{
        backend::{Host, HostId, Loan, Over, PermitState, Runnable, Verdict, WouldDeadlock},
        call_ref::Shared,
        end_batch::EndBatch,
        offload::Work,
        slot::End,
    },
    context::thread_context::{self, Where},
    deadlock::{BlockedWaiter, Needs, Node},
    executor::admission::{Gate, OnFull},
    meta::task_info::Receiver,
    sched::{
        injector::{Entry, Front},
        policy::Rules,
        ring::{Inbox, Points},
    },
    task::{CallSlot, TaskSet},
    wake::{WakeList, extensions::Data},
};
use std::{
    sync::{Arc, PoisonError},
    task::Waker,
};

impl<S: TaskSet> Host for Inner<S> {
    fn id(&self) -> HostId {
        self.id
    }

    fn data(&self) -> &Data {
        &self.data
    }

    fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    fn whereabouts(&self) -> Where {
        Where::Service(self.name.clone())
    }

    fn is_stopping(&self) -> bool {
        self.is_asked_to_stop()
    }

    /// The thread is the service: what it waits for, it cannot do itself.
    fn lend(&self, _: &mut PermitState, target: Option<HostId>) -> Result<Loan, WouldDeadlock> {
        if target == Some(self.id()) { Err(WouldDeadlock) } else { Ok(Loan::default()) }
    }

    fn take_back(&self, loan: Loan) -> PermitState {
        loan.before
    }

    fn set_blocked(&self, waiter: Option<BlockedWaiter>) -> Option<Option<BlockedWaiter>> {
        let mut blocked = self.blocked.lock().unwrap_or_else(PoisonError::into_inner);
        Some(std::mem::replace(&mut *blocked, waiter))
    }

    fn blocked(&self) -> Option<BlockedWaiter> {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn suspended_calls(&self) -> Vec<Shared<dyn Runnable>> {
        self.futures.lock().calls.iter().map(|(_, call)| call.clone()).collect()
    }

    fn inspect(&self) {
        if self.futures.ask() {
            self.waker.wake_by_ref();
        }
    }

    /// The thread has to be free, and so has the state: a task that changes it keeps each other call out, and a task that reads
    /// it those that would change it, with all that wait behind them.
    fn needs(&self, call: &Shared<dyn Runnable>, needs_room: bool) -> Needs {
        if let Some(blocked) = Host::blocked(self) {
            return blocked.needs(self.id);
        }
        let node = |(_, call): &(Receiver, Shared<dyn Runnable>)| Node::new(call.clone(), self.id);
        let seen = self.futures.lock();
        let pending = || seen.calls.iter().filter(|(_, call)| !call.is_over());
        let writer = pending().find(|(receiver, _)| *receiver == Receiver::Exclusive);
        if let Some(writer) = writer {
            return Needs::all(vec![node(writer)]);
        }
        let held = seen.held.as_ref().filter(|(_, held)| held.is_queued());
        match held {
            Some((_, held)) if !needs_room && held.points() == call.points() => {
                Needs::all(pending().filter(|(receiver, _)| *receiver == Receiver::Shared).map(node).collect())
            }
            Some(held) if needs_room || !call.meta().is_urgent() => Needs::all(vec![node(held)]),
            _ => Needs::Nothing,
        }
    }

    fn waits_for_room(&self) -> bool {
        self.on_full == OnFull::Wait
    }

    fn awaited(self: Arc<Self>, call: &Shared<dyn Runnable>, blocking: bool) -> Verdict {
        let theirs = asks::<S>(call.meta().task());
        let hinders = match thread_context::running_task().map_or(Receiver::None, |task| asks::<S>(task)) {
            Receiver::None => false,
            Receiver::Shared => theirs == Receiver::Exclusive,
            Receiver::Exclusive => theirs != Receiver::None,
        };
        if blocking || hinders {
            return Verdict::Deadlock;
        }
        let waits_here = call.is_queued() && call.meta().is_with(self.id());
        let ahead = theirs != Receiver::Exclusive && waits_here && call.meta().mark_urgent();
        if let Some(call) = ahead.then(|| call.clone().downcast::<CallSlot<S>>()).flatten() {
            self.lock().urgent.push(call);
        }
        Verdict::Wait
    }

    fn left_queue(&self, call: &dyn Runnable, batch: &mut EndBatch) {
        let mut core = self.lock();
        let wakes = core.front.leave(call);
        self.release_into(core, wakes, batch);
        // The call may have been the one that a closing service, or a held writer, waited for.
        self.waker.wake_by_ref();
    }

    fn raised(&self, call: &Shared<dyn Runnable>) {
        let expires = self.rules.raised(call.meta());
        let Some(call) = call.clone().downcast::<CallSlot<S>>() else { return };
        let mut core = self.lock();
        core.front.raise(expires, call);
        self.release(core, WakeList::default());
    }

    /// The future goes on when nothing that waits expires earlier: the thread, which this is, sees to that.
    fn give_way(&self, expires: u64, waker: &Waker) {
        let waker = waker.clone(); // user code, so before the lock
        self.lock().gave_way.resume(expires, waker);
    }

    fn finished(&self, _over: Over) {}

    fn overruns(&self, call: &dyn Runnable) {
        let watchers = self.watchers.clone();
        self.overruns.add(call, move |task| watchers.tell(&LifeEvent::Overrun(task)));
    }

    fn no_more_overruns(&self, address: usize) {
        self.overruns.remove(address);
    }

    fn run_soon(self: Arc<Self>, work: Work) -> Result<(), Work> {
        self.leave_to_thread(work)
    }

    /// A service's futures are its loop's.
    fn resume(self: Arc<Self>, _expires: u64, _work: async_task::Runnable) {}
}

impl<S: TaskSet> Entry for Shared<CallSlot<S>> {
    fn call(&self) -> Option<&dyn Runnable> {
        Some(&**self)
    }
}

impl<S: TaskSet> Gate<S> for Inner<S> {
    type Item = Shared<CallSlot<S>>;

    fn on_full(&self) -> OnFull {
        self.on_full
    }

    fn inbox(&self) -> &Inbox<Self::Item> {
        &self.inbox
    }

    fn with_front<R>(&self, inside: bool, f: impl FnOnce(Option<&mut Front<Self::Item>>) -> (R, WakeList)) -> R {
        let mut core = self.lock();
        let last = if inside { Life::Closing } else { Life::Open };
        let open = core.life <= last;
        let (result, wakes) = f(open.then_some(&mut core.front));
        self.release(core, wakes);
        self.waker.wake_by_ref();
        result
    }

    fn item(call: Shared<CallSlot<S>>) -> Self::Item {
        call
    }

    fn call(item: &Self::Item) -> Option<Shared<dyn Runnable>> {
        Some(item.clone().erase())
    }

    /// Never asked: the builder refuses `CallerRuns`.
    fn run_here(&self, call: Shared<CallSlot<S>>) {
        call.discard(End::Unsupported);
    }
}
