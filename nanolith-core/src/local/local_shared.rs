//! [`LocalShared`]: the data that the handles of a `Local`, an executor without threads, share: its
//! lock, the admission of work, and its end.

use super::{
    LocalInfo,
    builder::Config,
    notify::WorkHint,
    state::{HostNotice, LocalState, LocalWork},
};
use crate::{
    call::{
        backend::{Backend, ErasedCall, ExecutorId},
        call_ref::CallRef,
        end_batch::EndBatch,
        policy::SchedulingPolicy,
        slot::EndReason,
        wait_graph::BlockedWaiter,
    },
    context::thread_context,
    executor::admission::{Admit, OnFull},
    meta::task_info::TaskInfo,
    pool::SuspendedCalls,
    sched::{injector::Injector, queue::BoundedQueue, ring::Ring},
    sim_runtime,
    task::{CallSlot, TaskSet},
    time::clock,
    util::unwind,
    wake::{AfterUnlock, WaiterHome, WaiterSet, WakeList},
};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    thread,
};

/// The host's handler of [`Local::on_work`](super::Local::on_work).
pub(super) type OnWork = Arc<dyn Fn(WorkHint) + Send + Sync>;

/// The calls of a `Local` that have begun, for the end of its simulation.
#[derive(Default)]
pub(super) struct Simulated {
    pub(super) suspended: SuspendedCalls,
    pub(super) at_work: SuspendedCalls,
}

pub(super) struct LocalShared {
    pub(super) id: ExecutorId,
    me: Weak<LocalShared>,
    pub(super) config: Config,
    pub(super) rules: Arc<SchedulingPolicy>,
    /// The clock of its tasks.
    pub(super) clock: Option<Arc<clock::VirtualClock>>,
    core: Mutex<LocalState>,
    /// An unused ring, which `Admit` requires: each submit and each step of the driver takes the
    /// lock.
    inbox: Arc<Ring<LocalWork>>,
    pub(super) on_work: Mutex<Option<OnWork>>,
    /// The blocking wait of the driver.
    pub(super) blocked: Mutex<Option<BlockedWaiter>>,
    /// The calls whose futures are pending, and the running calls, in a simulation.
    pub(super) simulated: Option<Simulated>,
}

impl LocalShared {
    pub(super) fn new(config: Config) -> Arc<Self> {
        unwind::install_hook();
        thread_context::mark_driver_thread();
        let inbox = Arc::new(Ring::new(1));
        let rules = Arc::new(SchedulingPolicy::new(config.queue.policy.clone()));
        let world = sim_runtime::world();
        let front = Injector::new(BoundedQueue::ordered(config.queue.bounds(1), rules.clone()), inbox.clone());
        let inner = Arc::new_cyclic(|me| Self {
            id: ExecutorId::new(),
            me: me.clone(),
            config,
            rules,
            clock: clock::source(),
            core: Mutex::new(LocalState::new(front)),
            inbox,
            on_work: Mutex::new(None),
            blocked: Mutex::default(),
            simulated: world.is_some().then(Simulated::default),
        });
        let host: Weak<dyn Backend> = inner.me.clone();
        inner.id.insert(host);
        if let Some(world) = world {
            let local = inner.me.clone();
            world.at_end(move || local.upgrade().iter().for_each(|local| local.end_with_simulation()));
        }
        inner
    }

    /// Takes the lock. While the guard exists, no user code may run and no waker may be woken.
    pub(super) fn lock(&self) -> MutexGuard<'_, LocalState> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Releases the lock, then wakes, drops entries that are out of date, and notifies the host.
    pub(super) fn release(&self, mut core: MutexGuard<'_, LocalState>, wakes: WakeList) {
        let HostNotice { wakes: more, tell } = core.notice();
        self.rules.publish_earliest(core.injector.queue.lanes().earliest());
        let spent = core.spent();
        drop(core);
        wakes.and(more).wake_in_place();
        spent.into_iter().for_each(|work| unwind::ignore_panics(|| drop(work)));
        if let Some(serve_within) = tell {
            self.notify_host(WorkHint::new(serve_within));
        }
    }

    /// Like [`release`](Self::release), but leaves all user code to `batch`.
    pub(super) fn release_into(&self, mut core: MutexGuard<'_, LocalState>, wakes: WakeList, batch: &mut EndBatch) {
        let HostNotice { wakes: more, tell } = core.notice();
        self.rules.publish_earliest(core.injector.queue.lanes().earliest());
        let spent = core.spent();
        drop(core);
        batch.wake_list(wakes.and(more));
        spent.into_iter().for_each(|work| batch.drop_later(work));
        if let (Some(serve_within), Some(me)) = (tell, self.me.upgrade()) {
            batch.call_back(move || me.notify_host(WorkHint::new(serve_within)));
        }
    }

    fn notify_host(&self, hint: WorkHint) {
        let on_work = self.on_work.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(on_work) = on_work {
            unwind::ignore_panics(|| on_work(hint));
        }
    }

    /// Enters this executor and its clock on the calling thread, until the guards are dropped.
    pub(super) fn enter(&self) -> (thread_context::EnterGuard, clock::ClockGuard) {
        (thread_context::enter_executor(self.id, self.me.clone(), true), clock::enter(self.clock.clone()))
    }

    /// Returns the snapshot of [`Local::info`](super::Local::info).
    pub(super) fn info(&self) -> LocalInfo {
        let mut core = self.lock();
        let (figures, wakes) = core.injector.figures();
        let info = LocalInfo {
            name: self.config.name.clone(),
            queue_len: figures.queued_outside,
            overflow: figures.overflow,
            active: core.active.min(1),
            in_flight: figures.in_flight,
            completed: figures.completed,
            is_full: !core.injector.has_room(),
            is_paused: core.paused,
            is_closed: core.closed,
        };
        self.release(core, wakes);
        info
    }

    /// Returns the value that a wait for an empty moment compares with, or `None` if the `Local` is
    /// empty now.
    pub(super) fn emptied(&self) -> Option<u64> {
        let mut core = self.lock();
        let (_, wakes) = core.injector.figures();
        let emptied = core.injector.queue.empty_count();
        self.release(core, wakes);
        emptied
    }

    /// Returns the task of the first queued call. Removes entries before it that are out of date.
    pub(super) fn next_task(&self) -> Option<&'static TaskInfo> {
        let mut core = self.lock();
        let (next, wakes) = core.next_task();
        self.release(core, wakes);
        next
    }

    /// Returns whether the calling thread drives, or is the owner while no thread drives.
    pub(super) fn is_driven_by_us(&self) -> bool {
        let (core, here) = (self.lock(), thread::current().id());
        core.driver.unwrap_or(core.owner) == here
    }

    pub(super) fn set_paused(&self, paused: bool) {
        let mut core = self.lock();
        core.paused = paused && !core.closed;
        self.release(core, WakeList::default());
    }

    // ----- the end

    /// Rejects calls from outside from now on. The accepted calls still run when the `Local` is
    /// driven.
    pub(super) fn close(&self) {
        let mut core = self.lock();
        core.closed = true;
        core.paused = false;
        let wakes = core.injector.queue.wake_all_waiting();
        self.release(core, wakes);
    }

    /// Like [`close`](Self::close), but ends the queued calls. Returns their number.
    pub(super) fn terminate(&self) -> usize {
        let mut core = self.lock();
        core.closed = true;
        core.paused = false;
        let (calls, _, wakes) = core.take_all(false);
        let wakes = wakes.and(core.injector.queue.wake_all_waiting());
        let mut batch = EndBatch::default();
        self.release_into(core, wakes, &mut batch);
        let number = calls.len();
        calls.into_iter().for_each(|call| batch.end_claimed(call, EndReason::Cancelled));
        batch.run();
        number
    }

    /// Ends the queued calls because the last handle was dropped and no thread can drive any more.
    /// Futures that would continue later are dropped.
    pub(super) fn close_abandoned(&self) {
        self.abandon_as(EndReason::Closed);
    }

    /// Ends all calls because the simulation is over. This thread drops their arguments and
    /// futures.
    fn end_with_simulation(&self) {
        self.abandon_as(EndReason::SimulationOver);
        let mut batch = EndBatch::default();
        for calls in self.simulated.iter().flat_map(|calls| [&calls.suspended, &calls.at_work]) {
            calls.end_all(self.id, EndReason::SimulationOver, &mut batch);
        }
        batch.run();
    }

    fn abandon_as(&self, how: EndReason) {
        let mut core = self.lock();
        core.closed = true;
        core.abandoned = true;
        let (calls, futures, wakes) = core.take_all(true);
        let wakes = wakes.and(core.injector.queue.wake_all_waiting());
        let mut batch = EndBatch::default();
        self.release_into(core, wakes, &mut batch);
        calls.into_iter().for_each(|call| batch.end_claimed(call, how));
        batch.run();
        futures.into_iter().for_each(|future| unwind::ignore_panics(|| drop(future)));
    }
}

impl<S: TaskSet> Admit<S> for LocalShared {
    type Item = LocalWork;

    fn on_full(&self) -> OnFull {
        self.config.queue.on_full()
    }

    fn inbox(&self) -> &Ring<LocalWork> {
        &self.inbox
    }

    fn with_front<R>(&self, inside: bool, f: impl FnOnce(Option<&mut Injector<LocalWork>>) -> (R, WakeList)) -> R {
        let mut core = self.lock();
        let refuses = core.abandoned || (core.closed && !inside);
        let (result, wakes) = f((!refuses).then_some(&mut core.injector));
        self.release(core, wakes);
        result
    }

    fn item(call: CallRef<CallSlot<S>>) -> LocalWork {
        LocalWork::Call(call.erase())
    }

    fn call(item: &LocalWork) -> Option<CallRef<dyn ErasedCall>> {
        match item {
            LocalWork::Call(call) => Some(call.clone()),
            LocalWork::Resume(_) => None,
        }
    }

    /// Never called: the builder rejects `CallerRuns`.
    fn run_on_caller(&self, call: CallRef<CallSlot<S>>) {
        call.discard(EndReason::Unsupported);
    }
}

/// Defines a `WaiterHome` for each kind of wait on a `Local`.
macro_rules! homes {
    ($($(#[$doc:meta])* $name:ident: $($set:ident).+;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name(pub(super) Arc<LocalShared>);

        impl WaiterHome for $name {
            type State = LocalState;

            fn with_state<R>(&self, change: impl FnOnce(&mut LocalState, &mut AfterUnlock) -> R) -> R {
                let mut after = AfterUnlock::default(); // acts after the release
                let mut core = self.0.lock();
                change(&mut core, &mut after)
            }

            fn waiters(core: &mut LocalState) -> &mut WaiterSet {
                &mut core.$($set).+
            }
        }
    )*};
}

homes! {
    /// The home of the waiters for an empty moment.
    Emptied: injector.queue.drained;
    /// The home of the waiters for work.
    Watchers: watchers;
    /// The home of the waiters until the driver stops.
    Leavers: driver_waiters;
}

impl Drop for LocalShared {
    fn drop(&mut self) {
        self.id.remove();
    }
}
