//! [`ServiceShared`]: the data that a service's handles and its thread share, and its lock.
//! Releasing the lock publishes counts and wakes waiters.

use super::{
    ServiceInfo,
    events::{Crash, Watchers},
    futures::Futures,
    restart_group::Place,
    service_state::{Phase, ServiceState},
    settings::Settings,
};
use crate::{
    call::{
        backend::{Backend, ExecutorId},
        call_ref::CallRef,
        end_batch::EndBatch,
        offload::OffloadedWork,
        overruns::Overruns,
        policy::SchedulingPolicy,
        running_call::RunningCall,
        wait_graph::BlockedWaiter,
    },
    executor::admission::OnFull,
    metrics::Recorder,
    park::parker::ThreadParker,
    pool::{Abandoned, HostedFuture, SuspendedCalls},
    sched::{
        injector::{DepthHint, Injector},
        queue::BoundedQueue,
        ring::Ring,
    },
    sim_runtime,
    task::{CallSlot, TaskSet},
    util::unwind,
    wake::{WakeList, extensions::Extensions},
};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::Waker,
    thread::{self, Thread},
};

/// The data that the handles and the thread of a service share.
pub(super) struct ServiceShared<S: TaskSet> {
    pub(super) id: ExecutorId,
    pub(super) name: Arc<str>,
    pub(super) on_full: OnFull,
    pub(super) data: Extensions,
    pub(super) rules: Arc<SchedulingPolicy>,
    core: Mutex<ServiceState<S>>,
    /// The ring that fast-path calls come in through.
    pub(super) ring: Arc<Ring<CallRef<CallSlot<S>>>>,
    /// The number of calls in the lanes, which the service's thread reads without the lock.
    pub(super) hint: DepthHint,
    /// The number of calls that were run without the lock.
    pub(super) served: AtomicU64,
    /// Twice the number of unfinished calls that the queue counts. Plus 1 while the thread may run
    /// a call that the queue does not count.
    pub(super) load: AtomicUsize,
    /// The blocking wait of the service's thread.
    pub(super) blocked: Mutex<Option<BlockedWaiter>>,
    /// The pending futures, as the deadlock check sees them.
    pub(super) futures: Futures,
    /// The calls whose futures are pending, in a simulation.
    pub(super) suspended: Option<SuspendedCalls>,
    /// The running synchronous call.
    pub(super) running: RunningCall<CallSlot<S>>,
    pub(super) watchers: Arc<Watchers>,
    /// The tasks that still run after their calls timed out.
    pub(super) overruns: Overruns,
    /// The measurements, if metrics are on.
    pub(super) recorder: Recorder,
    /// Whether the tasks are asked to stop.
    pub(super) stopping: AtomicBool,
    /// Whether the policy restarts the service after a crash.
    pub(super) restarts: bool,
    pub(super) group: OnceLock<Place>,
    /// The threads that run the service.
    pub(super) home: Home,
    /// The waker of the service's loop.
    waker: Waker,
}

/// Where a service runs.
pub(super) enum Home {
    /// On a thread of its own.
    Thread(Thread),
    /// On the threads of a pool.
    Pool(Arc<HostedFuture>),
}

impl Home {
    /// The calling thread becomes the service's.
    pub(super) fn here() -> Self {
        Self::Thread(thread::current())
    }

    fn waker(&self) -> Waker {
        match self {
            Self::Thread(_) => ThreadParker::of_this_thread().waker().clone(),
            Self::Pool(future) => future.clone().into(),
        }
    }

    /// Returns the pool, if the service runs on one.
    pub(super) fn pool(&self) -> Option<Arc<dyn Backend>> {
        match self {
            Self::Thread(_) => None,
            Self::Pool(future) => Some(future.pool()),
        }
    }

    pub(super) fn is_pool(&self) -> bool {
        matches!(self, Self::Pool(_))
    }
}

/// The most fast-path calls that the ring holds. Further calls wait in their lane.
const CELLS: usize = 4_096;

impl<S: TaskSet> ServiceShared<S> {
    /// Creates the shared data of a service that runs at `home`.
    pub(super) fn new(settings: &Settings, home: Home) -> Arc<Self> {
        let (bounds, world) = (settings.queue.bounds(1), sim_runtime::world());
        let cells = if home.is_pool() { 1 } else { CELLS }; // a pool opens no ring
        let inbox = Arc::new(Ring::new(bounds.queued.min(cells)));
        let rules = Arc::new(SchedulingPolicy::new(settings.queue.policy.clone()));
        let queue = BoundedQueue::ordered(bounds, rules.clone());
        let inner = Arc::new(Self {
            id: ExecutorId::new(),
            name: settings.name.clone(),
            on_full: settings.queue.on_full(),
            data: settings.data.clone(),
            rules: rules.clone(),
            core: Mutex::new(ServiceState::new(Injector::new(queue, inbox.clone()), &rules)),
            ring: inbox,
            hint: DepthHint::default(),
            served: AtomicU64::new(0),
            load: AtomicUsize::new(0),
            blocked: Mutex::default(),
            futures: Futures::default(),
            suspended: world.is_some().then(SuspendedCalls::default),
            running: RunningCall::new(),
            watchers: Arc::new(Watchers::new()),
            overruns: Overruns::default(),
            recorder: Recorder::new(settings.metrics),
            stopping: AtomicBool::new(false),
            restarts: settings.restart.after_crash(),
            group: OnceLock::new(),
            waker: home.waker(),
            home,
        });
        let host: Arc<dyn Backend> = inner.clone();
        inner.id.insert(Arc::downgrade(&host));
        if let Some(world) = world {
            let service = Arc::downgrade(&inner);
            world.at_end(move || service.upgrade().iter().for_each(|service| service.end_with_simulation()));
        }
        inner
    }

    /// Takes the lock. While the guard exists, no user code may run and no waker may be woken.
    pub(super) fn lock(&self) -> MutexGuard<'_, ServiceState<S>> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Releases the lock, then wakes `wakes` and drops entries that are out of date.
    pub(super) fn release(&self, core: MutexGuard<'_, ServiceState<S>>, wakes: WakeList) {
        let (wakes, stale) = self.unlock(core, wakes);
        wakes.wake_in_place();
        unwind::ignore_panics(|| drop(stale));
        sim_runtime::switch_point();
    }

    /// Like [`release`](Self::release), but leaves wakes and drops to `batch`.
    pub(super) fn release_into(&self, core: MutexGuard<'_, ServiceState<S>>, wakes: WakeList, batch: &mut EndBatch) {
        let (wakes, stale) = self.unlock(core, wakes);
        batch.wake_list(wakes);
        stale.into_iter().for_each(|call| batch.drop_owner(call.erase()));
    }

    /// Stores what other threads read without the lock, and releases the lock. Returns the waiters
    /// to wake, and the entries to drop.
    #[inline(always)] // each call passes here: the pair stays in registers
    fn unlock(
        &self,
        mut core: MutexGuard<'_, ServiceState<S>>,
        wakes: WakeList,
    ) -> (WakeList, Vec<CallRef<CallSlot<S>>>) {
        let wakes = wakes.and(core.count_free_slots());
        core.injector.refill_credits();
        self.hint.publish(&core.injector);
        let (calls, serving) = (core.injector.queue.in_flight(), core.injector.queue.ring_consumers());
        // ORDERING: Relaxed. `load()` reads it as an estimate; it orders no other data.
        self.load.store(2 * (calls - serving) + serving.min(1), Ordering::Relaxed);
        let stale = core.injector.take_stale();
        drop(core);
        (wakes, stale)
    }

    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Wakes the service's loop.
    pub(super) fn wake(&self) {
        self.waker.wake_by_ref();
    }

    /// Wakes the service's loop for a call whose position in the queue is `expires`.
    pub(super) fn wake_for(&self, expires: Option<u64>) {
        match (&self.home, expires) {
            (Home::Pool(future), Some(expires)) => future.wake_at(expires),
            _ => self.wake(),
        }
    }

    /// Returns the service's own thread; `None` if it runs on a pool.
    pub(super) fn thread(&self) -> Option<Thread> {
        match &self.home {
            Home::Thread(thread) => Some(thread.clone()),
            Home::Pool(_) => None,
        }
    }

    /// Returns whether the service accepts calls from outside.
    pub(super) fn is_open(&self) -> bool {
        self.lock().phase == Phase::Open
    }

    pub(super) fn info(&self) -> ServiceInfo {
        let mut core = self.lock();
        // ORDERING: Relaxed. A statistic that the service's thread adds to in `run_fast_path`; it
        // orders no other data.
        let served = self.served.load(Ordering::Relaxed);
        let (figures, wakes) = core.injector.figures();
        // The thread in its loop counts as in flight, and `serving` is the call that it runs there.
        let (consumers, serving) = (core.injector.queue.ring_consumers(), self.at_work(&core));
        let info = ServiceInfo {
            name: self.name.clone(),
            thread_id: self.thread().map(|thread| thread.id()),
            in_progress: core.active + serving,
            overrunning: self.overruns.count(),
            queue_len: figures.queued_outside,
            overflow: figures.overflow,
            in_flight: figures.in_flight.saturating_sub(consumers) + serving,
            completed: figures.completed + served,
            is_closed: core.phase > Phase::Open,
            restarts: core.restarts,
        };
        self.release(core, wakes);
        info
    }

    /// Returns the number of queued and running calls, without the lock. The number may be out of
    /// date.
    pub(super) fn load(&self) -> usize {
        // ORDERING: Relaxed. An estimate that `unlock` stores; it orders no other data.
        let told = self.load.load(Ordering::Relaxed);
        let unseen = told % 2 == 1 && self.running.is_set();
        told / 2 + self.ring.len() + usize::from(unseen)
    }

    /// Requests a restart. Returns whether the service can still restart.
    pub(super) fn restart(&self, why: Crash) -> bool {
        let mut core = self.lock();
        if core.phase >= Phase::Terminating {
            return false;
        }
        core.restart_request = match why {
            Crash::Group => Some(why),
            why => core.restart_request.take().or(Some(why)),
        };
        core.injector.close_ring();
        self.release(core, WakeList::default());
        self.wake();
        true
    }

    /// Leaves `work` to the service's thread, which runs it between two calls. Returns `work` if
    /// the service is over.
    pub(super) fn leave_to_thread(&self, work: OffloadedWork) -> Result<(), OffloadedWork> {
        let mut core = self.lock();
        if core.phase == Phase::Over {
            return Err(work);
        }
        core.leftovers.push(work);
        core.injector.close_ring(); // the thread leaves the ring and looks
        self.release(core, WakeList::default());
        self.wake();
        Ok(())
    }

    /// Adds a call whose future is pending to the list for the end of a simulation, or removes it.
    /// The end looks there even if the thread does not end.
    pub(super) fn list_suspended(&self, call: &CallRef<CallSlot<S>>, is_listed: bool) {
        if let Some(calls) = &self.suspended {
            calls.list_or_strike_off(&call.clone().erase(), is_listed);
        }
    }

    /// Returns 1 if the thread runs a fast-path call, which no queue counts, and 0 otherwise.
    pub(super) fn at_work(&self, core: &ServiceState<S>) -> usize {
        usize::from(core.injector.queue.ring_consumers() > 0 && self.running.is_set())
    }
}

impl<S: TaskSet> Abandoned for ServiceShared<S> {
    fn abandoned(&self) {
        self.terminate();
    }
}

impl<S: TaskSet> Drop for ServiceShared<S> {
    fn drop(&mut self) {
        self.id.remove();
    }
}
