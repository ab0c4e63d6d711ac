//! The data that a service's handles and its thread share: the queue, the phase, the counts, and
//! how calls end with the service.

use super::{
    CloseError, ServiceInfo,
    builder::Settings,
    events::{Crash, LifeEvent, Watchers},
    futures::Futures,
    supervisor::Place,
};
use crate::{
    call::{
        backend::{Backend, ErasedCall, ExecutorId},
        call_ref::CallRef,
        end_batch::EndBatch,
        header::Header,
        offload::Work,
        overruns::Overruns,
        policy::SchedulingPolicy,
        running::RunningCall,
        slot::EndReason,
        wait_graph::BlockedWaiter,
    },
    context::thread_context,
    error::CrashReason,
    executor::admission::OnFull,
    meta::task_info::{Receiver, TaskInfo},
    metrics::Recorder,
    park::parker::ThreadParker,
    pool::SuspendedCalls,
    sched::{
        injector::{DepthHint, Injector},
        lanes::Lanes,
        queue::{BoundedQueue, Limits},
        ring::Ring,
    },
    sim_runtime,
    task::{CallSlot, Outbox, TaskSet},
    wake::{AfterUnlock, Registration, WaiterHome, WaiterSet, WakeList, extensions::Extensions},
};
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::Waker,
    thread::{self, Thread},
};

/// The phase of a service's life. Phases only advance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Open,
    /// Calls from outside are rejected; the accepted calls finish.
    Closing,
    /// Calls that are queued or suspended are ended.
    Terminating,
    Over,
}

/// How a service ends the calls that it has not finished.
#[derive(Clone, Debug, Default)]
pub(super) enum Ending {
    #[default]
    Closed,
    /// The limit of `close_timeout` has passed.
    Cancelled,
    /// The simulation of the service is over.
    SimulationOver,
    Crashed(CrashReason),
}

impl Ending {
    /// Returns the end of one call. After a crash, the call's error names the crash.
    pub(super) fn of(&self, call: &Header) -> EndReason {
        match self {
            Self::Closed => EndReason::Closed,
            Self::Cancelled => EndReason::Cancelled,
            Self::SimulationOver => EndReason::SimulationOver,
            Self::Crashed(crash) => {
                call.keep_crash(crash);
                EndReason::Crashed
            }
        }
    }
}

/// The service's data under its one lock.
pub(super) struct ServiceState<S: TaskSet> {
    pub(super) injector: Injector<CallRef<CallSlot<S>>>,
    pub(super) phase: Phase,
    /// The number of calls that have begun and are not over.
    pub(super) active: usize,
    /// Queued calls that the service's own tasks wait for.
    pub(super) awaited_calls: Urgent<S>,
    /// Futures of the service's tasks that yielded to more urgent work.
    pub(super) yielded: Lanes<Waker>,
    /// Whether the service was terminated. Its end then waits for no call.
    terminated: bool,
    /// How the calls end when the service is terminated.
    pub(super) ending: Ending,
    /// Why the service did not end in order.
    pub(super) error: Option<CloseError>,
    /// User code that the timer thread has left to the service's thread.
    pub(super) leftovers: Vec<Work>,
    /// Callers that wait for the end.
    pub(super) close_waiters: WaiterSet,
    /// The pending request to restart.
    pub(super) restart_request: Option<Crash>,
    /// Whether the service has crashed. No call begins until it has a new state.
    pub(super) is_down: bool,
    pub(super) restarts: u64,
    /// Watchers that wait until the service rejects calls from outside.
    phase_waiters: WaiterSet,
}

impl<S: TaskSet> ServiceState<S> {
    /// Sets the queue's free slots: 1 if the service has a state and runs no call, so that the next
    /// call begins at once.
    fn count_free_slots(&mut self) -> WakeList {
        let is_idle = self.active == 0 && self.injector.queue.ring_consumers() == 0;
        let is_free = is_idle && self.phase == Phase::Open && !self.is_down && self.restart_request.is_none();
        self.injector.queue.set_free_slots(is_free.into())
    }
}

/// Queued calls that start ahead of their turn, in the order in which tasks began to wait for them.
/// Some entries may have begun or ended since.
pub(super) struct Urgent<S: TaskSet> {
    stateless: VecDeque<CallRef<CallSlot<S>>>,
    readers: VecDeque<CallRef<CallSlot<S>>>,
}

impl<S: TaskSet> Default for Urgent<S> {
    fn default() -> Self {
        Self { stateless: VecDeque::new(), readers: VecDeque::new() }
    }
}

impl<S: TaskSet> Urgent<S> {
    pub(super) fn push(&mut self, call: CallRef<CallSlot<S>>) {
        let needs_state = required_receiver::<S>(call.header.task()) != Receiver::None;
        if needs_state { self.readers.push_back(call) } else { self.stateless.push_back(call) }
    }

    /// Takes the first call that may begin now. A call that reads the state waits while a writer
    /// has it.
    pub(super) fn pop(&mut self, has_writer: bool) -> Option<CallRef<CallSlot<S>>> {
        self.stateless.pop_front().or_else(|| if has_writer { None } else { self.readers.pop_front() })
    }

    fn take_all(&mut self) -> [VecDeque<CallRef<CallSlot<S>>>; 2] {
        [std::mem::take(&mut self.stateless), std::mem::take(&mut self.readers)]
    }
}

/// The stage of a service's life, as other modules see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The service accepts calls.
    Open,
    /// The service rejects calls from outside.
    Leaving,
    /// The service has ended.
    Over,
}

/// The most fast-path calls that the ring holds. Further calls wait in their lane.
const CELLS: usize = 4_096;

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
    /// In a simulation, the calls whose futures are pending.
    suspended: Option<SuspendedCalls>,
    /// The running synchronous call.
    pub(super) running: RunningCall<CallSlot<S>>,
    pub(super) watchers: Arc<Watchers>,
    /// The tasks that still run after their calls timed out.
    pub(super) overruns: Overruns,
    /// The measurements, if metrics are on.
    pub(super) recorder: Recorder,
    /// Whether the tasks are asked to stop.
    stopping: AtomicBool,
    /// Whether the policy restarts the service after a crash.
    pub(super) restarts: bool,
    pub(super) group: OnceLock<Place>,
    pub(super) thread: Thread,
    /// The waker of the service's thread.
    pub(super) waker: Waker,
}

/// Returns the access to the state that a task needs, including its hooks.
pub(super) fn required_receiver<S: TaskSet>(info: &TaskInfo) -> Receiver {
    match info.state() {
        Receiver::None if S::HOOKS.read_state() => Receiver::Shared,
        receiver => receiver,
    }
}

impl<S: TaskSet> ServiceShared<S> {
    /// Creates the shared data. The calling thread becomes the service's thread.
    pub(super) fn new(settings: &Settings) -> Arc<Self> {
        let (max_queue, world) = (settings.max_queue, sim_runtime::world());
        let inbox = Arc::new(Ring::new(max_queue.min(CELLS)));
        let rules = Arc::new(SchedulingPolicy::new(settings.schedule.clone()));
        let queue = BoundedQueue::ordered(Limits { queued: max_queue, in_flight: usize::MAX }, rules.clone());
        let inner = Arc::new(Self {
            id: ExecutorId::new(),
            name: settings.name.clone(),
            on_full: settings.on_full,
            data: settings.data.clone(),
            rules: rules.clone(),
            core: Mutex::new(ServiceState {
                injector: Injector::new(queue, inbox.clone()),
                phase: Phase::Open,
                terminated: false,
                ending: Ending::Closed,
                active: 0,
                awaited_calls: Urgent::default(),
                yielded: Lanes::new(*rules.expirations()),
                error: None,
                leftovers: Vec::new(),
                close_waiters: WaiterSet::new(),
                restart_request: None,
                is_down: false,
                restarts: 0,
                phase_waiters: WaiterSet::new(),
            }),
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
            thread: thread::current(),
            waker: ThreadParker::of_this_thread().waker().clone(),
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

    pub(super) fn thread(&self) -> Thread {
        self.thread.clone()
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
        let serving = self.at_work(&core);
        let info = ServiceInfo {
            name: self.name.clone(),
            thread_id: self.thread.id(),
            active_calls: core.active + serving,
            overrunning: self.overruns.count(),
            queue_len: figures.queued_outside,
            overflow: figures.overflow,
            completed: figures.completed + served,
            closed: core.phase > Phase::Open,
            restarts: core.restarts,
        };
        self.release(core, wakes);
        info
    }

    /// Releases the lock, then wakes `wakes` and drops entries that are out of date.
    pub(super) fn release(&self, mut core: MutexGuard<'_, ServiceState<S>>, wakes: WakeList) {
        let wakes = wakes.and(core.count_free_slots());
        core.injector.refill_credits();
        self.hint.publish(&core.injector);
        let (calls, serving) = (core.injector.queue.in_flight(), core.injector.queue.ring_consumers());
        // ORDERING: Relaxed. `load()` reads it as an estimate; it orders no other data.
        self.load.store(2 * (calls - serving) + serving.min(1), Ordering::Relaxed);
        let spent = core.injector.take_stale();
        drop(core);
        wakes.wake_in_place();
        crate::util::unwind::ignore_panics(|| drop(spent));
        sim_runtime::switch_point();
    }

    /// Like [`release`](Self::release), but leaves wakes and drops to `batch`.
    pub(super) fn release_into(
        &self,
        mut core: MutexGuard<'_, ServiceState<S>>,
        wakes: WakeList,
        batch: &mut EndBatch,
    ) {
        let wakes = wakes.and(core.count_free_slots());
        core.injector.refill_credits();
        self.hint.publish(&core.injector);
        let (calls, serving) = (core.injector.queue.in_flight(), core.injector.queue.ring_consumers());
        // ORDERING: Relaxed. `load()` reads it as an estimate; it orders no other data.
        self.load.store(2 * (calls - serving) + serving.min(1), Ordering::Relaxed);
        let spent = core.injector.take_stale();
        drop(core);
        batch.wake_list(wakes);
        spent.into_iter().for_each(|call| batch.drop_owner(call.erase()));
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
        self.waker.wake_by_ref();
        true
    }

    pub(super) fn is_terminated(&self) -> bool {
        self.lock().phase >= Phase::Terminating
    }

    /// Returns whether the service was terminated, even in the middle of an orderly end.
    pub(super) fn is_cut_short(&self) -> bool {
        self.lock().terminated
    }

    pub(super) fn begin_close(&self) {
        self.move_on(Phase::Closing);
    }

    /// Advances the life to `life`, and wakes the callers that wait for queue room, which look
    /// again.
    fn move_on(&self, life: Phase) {
        let mut batch = EndBatch::default();
        self.move_on_into(life, &mut batch);
        batch.run();
    }

    fn move_on_into(&self, life: Phase, batch: &mut EndBatch) {
        let mut core = self.lock();
        let wakes = Self::move_on_under(&mut core, life);
        self.release_into(core, wakes, batch);
        self.waker.wake_by_ref();
    }

    fn move_on_under(core: &mut ServiceState<S>, life: Phase) -> WakeList {
        core.phase = core.phase.max(life);
        core.terminated |= life == Phase::Terminating;
        core.injector.close_ring();
        core.injector.queue.wake_all_waiting().and(core.phase_waiters.take_all())
    }

    /// Closes the service if it has nothing to do. Returns whether it did.
    pub(super) fn close_if_idle(&self) -> bool {
        let mut core = self.lock();
        core.injector.drain_ring();
        let at_work = self.at_work(&core) > 0;
        let calls = core.injector.queue.in_flight() - core.injector.queue.ring_consumers();
        let idle = core.phase == Phase::Open && calls == 0 && !at_work;
        if idle {
            core.phase = Phase::Closing;
        }
        self.release(core, WakeList::default());
        if idle {
            self.begin_close();
        }
        idle
    }

    /// Returns the number of queued and running calls, without the lock. The number may be out of
    /// date.
    pub(super) fn load(&self) -> usize {
        // ORDERING: Relaxed. An estimate that `release` and `release_into` store; it orders no
        // other data.
        let told = self.load.load(Ordering::Relaxed);
        let unseen = told % 2 == 1 && self.running.is_set();
        told / 2 + self.ring.len() + usize::from(unseen)
    }

    /// Marks that the thread runs no more calls. Returns whether the group had requested a restart
    /// of this service, and of others after it.
    pub(super) fn stop_serving(&self) -> bool {
        let mut core = self.lock();
        core.phase = Phase::Terminating;
        core.injector.close_ring();
        let wakes = core.injector.queue.wake_all_waiting().and(core.phase_waiters.take_all());
        let asked = core.restart_request.take();
        self.release(core, wakes);
        matches!(asked, Some(Crash::Group))
    }

    pub(super) fn terminate(&self) {
        let mut batch = EndBatch::default();
        self.terminate_into(&mut batch);
        batch.run();
    }

    /// Like [`terminate`](Self::terminate), but leaves user code to `batch`.
    pub(super) fn terminate_into(&self, batch: &mut EndBatch) {
        self.terminate_as(&Ending::Closed, batch);
        if let Some(call) = self.running.call() {
            call.end_into(EndReason::Closed, batch);
            batch.drop_owner(call.erase());
        }
    }

    /// Adds a call whose future is pending to the list for the end of a simulation, or removes it.
    /// The end looks there even if the thread does not end.
    pub(super) fn list_suspended(&self, call: &CallRef<CallSlot<S>>, is_listed: bool) {
        if let Some(calls) = &self.suspended {
            calls.list_or_strike_off(&call.clone().erase(), is_listed);
        }
    }

    /// Ends the service and its calls because the simulation is over.
    fn end_with_simulation(&self) {
        let mut batch = EndBatch::default();
        self.ask_to_stop();
        self.terminate_as(&Ending::SimulationOver, &mut batch);
        self.suspended.iter().for_each(|calls| calls.end_all(self.id, EndReason::SimulationOver, &mut batch));
        if let Some(call) = self.running.call() {
            call.end_into(EndReason::SimulationOver, &mut batch);
            batch.drop_owner(call.erase());
        }
        batch.run();
    }

    /// Ends the service. Calls that are queued or suspended end with `ending`. Returns how many had
    /// not begun, and how many had.
    pub(super) fn terminate_as(&self, ending: &Ending, batch: &mut EndBatch) -> (usize, usize) {
        let mut core = self.lock();
        if core.phase < Phase::Terminating {
            core.ending = ending.clone();
        }
        let wakes = Self::move_on_under(&mut core, Phase::Terminating);
        let ended = self.end_queued_under(core, wakes, None, ending, batch);
        self.waker.wake_by_ref();
        ended
    }

    /// Ends every queued call, and `held`, the `stalled_call` of the service's thread.
    pub(super) fn end_queued(&self, held: Option<CallRef<CallSlot<S>>>, ending: &Ending) {
        let mut batch = EndBatch::default();
        self.end_queued_under(self.lock(), WakeList::default(), held, ending, &mut batch);
        batch.run();
    }

    /// Like [`end_queued`](Self::end_queued) under the lock `core`, which this method releases.
    /// Leaves user code to `batch`. Returns how many calls had not begun, and how many had.
    fn end_queued_under(
        &self,
        mut core: MutexGuard<'_, ServiceState<S>>,
        mut wakes: WakeList,
        mut held: Option<CallRef<CallSlot<S>>>,
        ending: &Ending,
        batch: &mut EndBatch,
    ) -> (usize, usize) {
        core.injector.close_ring();
        let urgent = core.awaited_calls.take_all();
        let queue = core.injector.drain_ring();
        let mut ended = Vec::new();
        while let Some(call) = held.take().or_else(|| queue.pop()) {
            if call.claim() {
                wakes = wakes.and(queue.discarded(call.header.is_nested()));
                ended.push(call);
            } else {
                queue.discard_stale(call); // the last owner drops the output
            }
        }
        // The thread may hold one more call. It ends that call itself, or begins it at this moment.
        let (figures, more) = core.injector.figures();
        let queued = ended.len() + figures.queued_outside + figures.overflow;
        let running = core.active + self.at_work(&core);
        self.release_into(core, wakes.and(more), batch);
        for call in ended {
            let how = ending.of(&call.header);
            batch.end_claimed(call.erase(), how);
        }
        batch.drop_later(urgent);
        (queued, running)
    }

    /// Asks every task to stop, from now on.
    pub(super) fn ask_to_stop(&self) {
        // ORDERING: Relaxed. Tasks poll this flag repeatedly through `is_asked_to_stop`, and no
        // other data depends on it.
        self.stopping.store(true, Ordering::Relaxed);
        thread_context::note_shutdown();
    }

    pub(super) fn is_asked_to_stop(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Returns 1 if the thread runs a fast-path call, which no queue counts, and 0 otherwise.
    fn at_work(&self, core: &ServiceState<S>) -> usize {
        usize::from(core.injector.queue.ring_consumers() > 0 && self.running.is_set())
    }

    /// Has the service's thread run `work` between two calls. Returns `work` if the service is
    /// over.
    pub(super) fn leave_to_thread(&self, work: Work) -> Result<(), Work> {
        let mut core = self.lock();
        if core.phase == Phase::Over {
            return Err(work);
        }
        core.leftovers.push(work);
        core.injector.close_ring(); // the thread leaves the ring and looks
        self.release(core, WakeList::default());
        self.waker.wake_by_ref();
        Ok(())
    }

    /// Marks the service as over. Publishes the last event and wakes the callers that wait for the
    /// end.
    pub(super) fn over(&self, error: Option<CloseError>, last: &LifeEvent) {
        if let Some(outlets) = Outbox::of(&self.data) {
            outlets.close();
        }
        self.watchers.publish(last); // before the end: a caller that waited for it finds the event
        let (closers, leftovers) = {
            let mut core = self.lock();
            core.phase = Phase::Over;
            core.error = error;
            (core.close_waiters.take_all(), std::mem::take(&mut core.leftovers))
        };
        leftovers.into_iter().for_each(crate::util::unwind::ignore_panics);
        closers.wake();
    }
}

/// The home of the waiters for the end of a service.
pub(super) struct Closers<S: TaskSet>(pub(super) Arc<ServiceShared<S>>);

/// The home of the waiters for the moment when a service starts to reject calls from outside.
struct Leavers<S: TaskSet>(Arc<ServiceShared<S>>);

impl<S: TaskSet> WaiterHome for Closers<S> {
    type State = ServiceState<S>;

    fn with_state<R>(&self, change: impl FnOnce(&mut ServiceState<S>, &mut AfterUnlock) -> R) -> R {
        self.0.with_waiters(change)
    }

    fn waiters(core: &mut ServiceState<S>) -> &mut WaiterSet {
        &mut core.close_waiters
    }
}

impl<S: TaskSet> WaiterHome for Leavers<S> {
    type State = ServiceState<S>;

    fn with_state<R>(&self, change: impl FnOnce(&mut ServiceState<S>, &mut AfterUnlock) -> R) -> R {
        self.0.with_waiters(change)
    }

    fn waiters(core: &mut ServiceState<S>) -> &mut WaiterSet {
        &mut core.phase_waiters
    }
}

impl<S: TaskSet> ServiceShared<S> {
    /// Changes a waiter set, which moves no call.
    fn with_waiters<R>(&self, change: impl FnOnce(&mut ServiceState<S>, &mut AfterUnlock) -> R) -> R {
        let mut after = AfterUnlock::default(); // acts after the release
        let mut core = self.lock();
        change(&mut core, &mut after)
    }
}

/// A watch over the stages of a service. Dropping it removes its wakers.
pub(crate) struct StageWatch<S: TaskSet> {
    leaving: Registration<Leavers<S>>,
    over: Registration<Closers<S>>,
}

impl<S: TaskSet> StageWatch<S> {
    pub(super) fn new(inner: &Arc<ServiceShared<S>>) -> Self {
        Self { leaving: Registration::new(Leavers(inner.clone())), over: Registration::new(Closers(inner.clone())) }
    }

    /// Returns the stage of the service. Wakes `waker` when the stage changes.
    pub(crate) fn stage(&mut self, waker: &Waker) -> Stage {
        if self.leaving.poll_until(waker, |core| core.phase > Phase::Open).is_pending() {
            return Stage::Open;
        }
        if self.over.poll_until(waker, |core| core.phase == Phase::Over).is_pending() {
            return Stage::Leaving;
        }
        Stage::Over
    }
}

impl<S: TaskSet> Drop for ServiceShared<S> {
    fn drop(&mut self) {
        self.id.remove();
    }
}
