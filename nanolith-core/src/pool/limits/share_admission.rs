//! [`ShareAdmission`]: admits calls to the queue of a share, which is a group of a pool's calls
//! with a weight and a bound of its own.

use super::fair_queue::ShareId;
use crate::{
    call::{
        backend::{Backend, Completion, ErasedCall, ExecutorId, LentPermits, PermitState, WaitAction, WouldDeadlock},
        call_ref::CallRef,
        end_batch::EndBatch,
        header::Header,
        offload,
        policy::SchedulingPolicy,
    },
    error::CallError,
    executor::admission::{self, Admit, OnFull, RoomHome},
    meta::{task_info::TaskInfo, thread_kind::ThreadKind},
    pool::{pool_item::PoolItem, pool_shared::PoolShared},
    sched::{injector::Injector, ring::Ring},
    task::{CallSlot, TaskSet, Work},
    wake::{WaitTicket, WakeList, extensions::Extensions},
};
use std::{sync::Arc, time::Duration};

/// The admission of a share's calls to its own queue, under the pool's lock.
#[derive(Clone)]
pub(super) struct ShareAdmission {
    pub(super) inner: Arc<PoolShared>,
    pub(super) number: ShareId,
    /// A ring that stays empty, since calls of a share do not use the fast path.
    inbox: Arc<Ring<PoolItem>>,
}

impl ShareAdmission {
    pub(super) fn new(inner: Arc<PoolShared>, number: ShareId) -> Self {
        Self { inner, number, inbox: Arc::new(Ring::new(1)) }
    }
}

impl<S: TaskSet> Admit<S> for ShareAdmission {
    type Item = PoolItem;

    fn on_full(&self) -> OnFull {
        self.inner.lock().limits.shares.of.get(self.number).map_or(OnFull::default(), |entry| entry.settings.on_full())
    }

    fn inbox(&self) -> &Ring<PoolItem> {
        &self.inbox
    }

    fn with_front<R>(&self, inside: bool, f: impl FnOnce(Option<&mut Injector<PoolItem>>) -> (R, WakeList)) -> R {
        let mut core = self.inner.lock();
        let closed = core.closed && !inside || core.retired;
        let mut f = Some(f);
        let mut call = |front: Option<&mut Injector<PoolItem>>| f.take().map(|f| f(front));
        let done = match closed {
            true => None,
            false => core.with_share(self.number, |_, _, entry| call(Some(&mut entry.front))),
        };
        let (done, wakes) = match done {
            Some((done, wakes)) => (done, wakes),
            None => (call(None), WakeList::default()),
        };
        let (result, more) = done.expect("it was called once, by one of the two");
        self.inner.release(core, wakes.and(more));
        result
    }

    /// Returns `None`: within a share, the order of calls is that of their priorities.
    fn place(&self, _: &Header) -> Option<u64> {
        None
    }

    fn item(call: CallRef<CallSlot<S>>) -> PoolItem {
        PoolItem::Call(call.erase())
    }

    fn call(item: &PoolItem) -> Option<CallRef<dyn ErasedCall>> {
        <PoolShared as Admit<S>>::call(item)
    }

    fn reserve_limit(&self, task: &'static TaskInfo) -> bool {
        let mut core = self.inner.lock();
        let has_room = core.share_admits(self.number) && core.reserve(task);
        let wakes =
            if has_room { core.with_limit(self.number, |limit, _| limit.take()).1 } else { WakeList::default() };
        self.inner.release(core, wakes);
        has_room
    }

    fn unreserve(&self, task: &'static TaskInfo) {
        self.inner.return_share_slot(self.number);
        <PoolShared as Admit<S>>::unreserve(&self.inner, task);
    }

    fn dropped(&self, call: &dyn ErasedCall) {
        <PoolShared as Admit<S>>::dropped(&self.inner, call);
    }

    fn run_on_caller(&self, call: CallRef<CallSlot<S>>) {
        // Unlike a queued call, this call was not charged yet. It has its slot from
        // `reserve_limit`.
        let mut core = self.inner.lock();
        let began = core.with_share(self.number, |order, number, entry| {
            order.began(number, &mut entry.account);
            if entry.limit.is_some() {
                call.header.set_share_slot(Some(self.inner.id()));
            }
        });
        let wakes = began.map(|((), wakes)| wakes).unwrap_or_default();
        self.inner.release(core, wakes);
        self.inner.run_on_caller(call.erase());
    }
}

impl RoomHome for ShareAdmission {
    fn leave_line(&self, ticket: WaitTicket) {
        admission::cancel_admit::<Work, _>(self, &mut Some(ticket));
    }
}

/// All methods forward to the backend of the pool.
impl Backend for ShareAdmission {
    fn id(&self) -> ExecutorId {
        self.inner.id()
    }

    fn data(&self) -> &Extensions {
        Backend::data(&*self.inner)
    }

    fn rules(&self) -> &Arc<SchedulingPolicy> {
        self.inner.rules()
    }

    fn thread_kind(&self) -> ThreadKind {
        self.inner.thread_kind()
    }

    fn lend(&self, permit: &mut PermitState, target: Option<ExecutorId>) -> Result<LentPermits, WouldDeadlock> {
        self.inner.lend(permit, target)
    }

    fn waits_for_room(&self) -> bool {
        self.inner.waits_for_room()
    }

    fn take_back(&self, loan: LentPermits) -> PermitState {
        self.inner.take_back(loan)
    }

    fn on_wait_for(self: Arc<Self>, call: &CallRef<dyn ErasedCall>, blocking: bool) -> WaitAction {
        self.inner.clone().on_wait_for(call, blocking)
    }

    fn on_removed(&self, call: &dyn ErasedCall, batch: &mut EndBatch) {
        self.inner.on_removed(call, batch);
    }

    fn on_raised(&self, call: &CallRef<dyn ErasedCall>) {
        self.inner.on_raised(call);
    }

    fn run_soon(self: Arc<Self>, work: offload::OffloadedWork) -> Result<(), offload::OffloadedWork> {
        self.inner.clone().run_soon(work)
    }

    fn on_unobserved_panic(&self, error: &CallError) {
        self.inner.on_unobserved_panic(error);
    }

    fn record(&self, task: &'static TaskInfo, waited: Duration, ran: Duration) {
        self.inner.record(task, waited, ran);
    }

    fn count_failure(&self, task: &'static TaskInfo, outcome: &'static str, has_run: bool) {
        self.inner.count_failure(task, outcome, has_run);
    }

    fn count_vain_run(&self, task: &'static TaskInfo) {
        self.inner.count_vain_run(task);
    }

    fn on_finished(&self, over: Completion) {
        Backend::on_finished(&*self.inner, over);
    }

    fn schedule(self: Arc<Self>, expires: u64, work: async_task::Runnable) {
        self.inner.clone().schedule(expires, work);
    }
}
