//! What a service's handles and its thread share.

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

/// How far a service's life has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Open,
    /// No more calls from outside; the accepted ones finish.
    Closing,
    /// What has not begun, or is suspended, ends.
    Terminating,
    Over,
}

/// How the calls end that a service has not finished.
#[derive(Clone, Debug, Default)]
pub(super) enum Ending {
    #[default]
    Closed,
    /// The limit of a close has passed.
    Cancelled,
    /// The simulation is over that the service is of.
    SimulationOver,
    Crashed(CrashReason),
}

impl Ending {
    /// The end of one call, whose error names a crash.
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

/// The service's state under its one lock.
pub(super) struct ServiceState<S: TaskSet> {
    pub(super) injector: Injector<CallRef<CallSlot<S>>>,
    pub(super) phase: Phase,
    /// Calls that were begun and are not over.
    pub(super) active: usize,
    /// Queued calls that tasks of the service itself wait for.
    pub(super) awaited_calls: Urgent<S>,
    /// Futures of its tasks that gave way to others.
    pub(super) yielded: Lanes<Waker>,
    /// It was terminated, so that its end waits for nothing more.
    terminated: bool,
    /// How its calls end then.
    pub(super) ending: Ending,
    /// Why it did not end as it should.
    pub(super) error: Option<CloseError>,
    /// User code that the timer's thread has left to the service's thread.
    pub(super) leftovers: Vec<Work>,
    /// They wait for the end.
    pub(super) close_waiters: WaiterSet,
    /// Somebody wants it to start anew.
    pub(super) restart_request: Option<Crash>,
    /// It has crashed: no call begins until it has another state.
    pub(super) is_down: bool,
    pub(super) restarts: u64,
    /// They wait for the moment at which it takes no more calls from outside.
    phase_waiters: WaiterSet,
}

impl<S: TaskSet> ServiceState<S> {
    /// Tells the queue whether the service has a state and runs no call, so that the next one begins at once.
    fn count_free_slots(&mut self) -> WakeList {
        let is_idle = self.active == 0 && self.injector.queue.ring_consumers() == 0;
        let is_free = is_idle && self.phase == Phase::Open && !self.is_down && self.restart_request.is_none();
        self.injector.queue.set_free_slots(is_free.into())
    }
}

/// Queued calls that start ahead of their turn, in the order in which tasks began to wait for them. Some have begun or ended
/// since.
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

    /// Takes the first that may begin now; one that reads the state does not begin while a writer has it.
    pub(super) fn pop(&mut self, has_writer: bool) -> Option<CallRef<CallSlot<S>>> {
        self.stateless.pop_front().or_else(|| if has_writer { None } else { self.readers.pop_front() })
    }

    fn take_all(&mut self) -> [VecDeque<CallRef<CallSlot<S>>>; 2] {
        [std::mem::take(&mut self.stateless), std::mem::take(&mut self.readers)]
    }
}

/// How near its end a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It takes calls.
    Open,
    /// It takes none from outside.
    Leaving,
    /// It is over.
    Over,
}

/// How many plain calls may wait in the inbox; more wait in their lane.
const CELLS: usize = 4_096;

pub(super) struct ServiceShared<S: TaskSet> {
    pub(super) id: ExecutorId,
    pub(super) name: Arc<str>,
    pub(super) on_full: OnFull,
    pub(super) data: Extensions,
    pub(super) rules: Arc<SchedulingPolicy>,
    core: Mutex<ServiceState<S>>,
    /// Where plain calls come in.
    pub(super) ring: Arc<Ring<CallRef<CallSlot<S>>>>,
    /// How much waits in the lanes, for the service's thread without the lock.
    pub(super) hint: DepthHint,
    /// How many calls have come and gone without the lock.
    pub(super) served: AtomicU64,
    /// Calls that are counted in the queue and not over, twice; one more while the thread may be at a call that is not.
    pub(super) load: AtomicUsize,
    /// The blocking wait of its thread.
    pub(super) blocked: Mutex<Option<BlockedWaiter>>,
    /// What a check knows of its futures.
    pub(super) futures: Futures,
    /// In a simulation, the calls that have left a future.
    suspended: Option<SuspendedCalls>,
    /// The synchronous call that runs now.
    pub(super) running: RunningCall<CallSlot<S>>,
    pub(super) watchers: Arc<Watchers>,
    /// Tasks that run on after their calls have timed out.
    pub(super) overruns: Overruns,
    /// What it measures, if it was asked to.
    pub(super) recorder: Recorder,
    /// Its tasks are asked to stop.
    stopping: AtomicBool,
    /// Whether a crash leads to a restart.
    pub(super) restarts: bool,
    pub(super) group: OnceLock<Place>,
    pub(super) thread: Thread,
    /// Wakes the service's thread.
    pub(super) waker: Waker,
}

/// What a task asks of the state, its hooks included.
pub(super) fn required_receiver<S: TaskSet>(info: &TaskInfo) -> Receiver {
    match info.state() {
        Receiver::None if S::HOOKS.read_state() => Receiver::Shared,
        receiver => receiver,
    }
}

impl<S: TaskSet> ServiceShared<S> {
    /// For the service's own thread, which this is.
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

    /// No user code runs, and nobody is woken, while this is held.
    pub(super) fn lock(&self) -> MutexGuard<'_, ServiceState<S>> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn thread(&self) -> Thread {
        self.thread.clone()
    }

    /// Whether the service takes calls from outside.
    pub(super) fn is_open(&self) -> bool {
        self.lock().phase == Phase::Open
    }

    pub(super) fn info(&self) -> ServiceInfo {
        let mut core = self.lock();
        // ORDERING: Relaxed, a figure.
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

    /// Releases the lock, then does what came out of it.
    pub(super) fn release(&self, mut core: MutexGuard<'_, ServiceState<S>>, wakes: WakeList) {
        let wakes = wakes.and(core.count_free_slots());
        core.injector.refill_credits();
        self.hint.publish(&core.injector);
        let (calls, serving) = (core.injector.queue.in_flight(), core.injector.queue.ring_consumers());
        // ORDERING: Relaxed, a figure.
        self.load.store(2 * (calls - serving) + serving.min(1), Ordering::Relaxed);
        let spent = core.injector.take_stale();
        drop(core);
        wakes.wake_in_place();
        crate::util::unwind::ignore_panics(|| drop(spent));
        sim_runtime::switch_point();
    }

    /// The same with wakes and drops left to `batch`.
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
        // ORDERING: Relaxed, a figure.
        self.load.store(2 * (calls - serving) + serving.min(1), Ordering::Relaxed);
        let spent = core.injector.take_stale();
        drop(core);
        batch.wake_list(wakes);
        spent.into_iter().for_each(|call| batch.drop_owner(call.erase()));
    }

    /// Asks the service to start anew; says whether it may still come to that.
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

    /// Whether a terminate came, also in the middle of an orderly end.
    pub(super) fn is_cut_short(&self) -> bool {
        self.lock().terminated
    }

    pub(super) fn begin_close(&self) {
        self.move_on(Phase::Closing);
    }

    /// Moves its life on; who waits for room is to look for themselves.
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

    /// Closes the service if it has nothing to do; says whether.
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

    /// Calls that wait or run, told off the lock.
    pub(super) fn load(&self) -> usize {
        // ORDERING: Relaxed, a figure.
        let told = self.load.load(Ordering::Relaxed);
        let unseen = told % 2 == 1 && self.running.is_set();
        told / 2 + self.ring.len() + usize::from(unseen)
    }

    /// The thread serves nobody any more. Says whether its group wants it to start anew, and after it others.
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

    /// The same with user code left to `batch`.
    pub(super) fn terminate_into(&self, batch: &mut EndBatch) {
        self.terminate_as(&Ending::Closed, batch);
        if let Some(call) = self.running.call() {
            call.end_into(EndReason::Closed, batch);
            batch.drop_owner(call.erase());
        }
    }

    /// A call has left a future, or that is over: the end of a simulation looks for it, also where the thread does not end.
    pub(super) fn list_suspended(&self, call: &CallRef<CallSlot<S>>, is_listed: bool) {
        if let Some(calls) = &self.suspended {
            calls.list_or_strike_off(&call.clone().erase(), is_listed);
        }
    }

    /// The simulation is over that the service is of.
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

    /// Ends the service, with this end for the calls that are queued or suspended. Returns how many had not begun, and how many had.
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

    /// Ends every queued call, and the one that its thread has `stalled_call`.
    pub(super) fn end_queued(&self, held: Option<CallRef<CallSlot<S>>>, ending: &Ending) {
        let mut batch = EndBatch::default();
        self.end_queued_under(self.lock(), WakeList::default(), held, ending, &mut batch);
        batch.run();
    }

    /// The same under the lock, which is released, with user code left to `batch`. Returns how many calls had not begun, and how
    /// many had.
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
        // The thread may have one more in its hands, which it ends itself, or begins just now.
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
        // ORDERING: Relaxed, it is a question that is asked again and again.
        self.stopping.store(true, Ordering::Relaxed);
        thread_context::note_shutdown();
    }

    pub(super) fn is_asked_to_stop(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// The plain call that the thread is at, which no queue counts.
    fn at_work(&self, core: &ServiceState<S>) -> usize {
        usize::from(core.injector.queue.ring_consumers() > 0 && self.running.is_set())
    }

    /// Has the service's thread run `run` between two calls. Gives it back when the service is over.
    pub(super) fn leave_to_thread(&self, work: Work) -> Result<(), Work> {
        let mut core = self.lock();
        if core.phase == Phase::Over {
            return Err(work);
        }
        core.leftovers.push(work);
        core.injector.close_ring(); // the thread comes out of the inbox and looks
        self.release(core, WakeList::default());
        self.waker.wake_by_ref();
        Ok(())
    }

    /// The service's thread is done: nobody is answered any more.
    pub(super) fn over(&self, error: Option<CloseError>, last: &LifeEvent) {
        if let Some(outlets) = Outbox::of(&self.data) {
            outlets.close();
        }
        self.watchers.publish(last); // before the end: a caller that has waited for it finds the event there
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

/// The waits for a service to be over.
pub(super) struct Closers<S: TaskSet>(pub(super) Arc<ServiceShared<S>>);

/// The waits for a service to take no more calls from outside.
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
    /// Changes what waits, which moves no call.
    fn with_waiters<R>(&self, change: impl FnOnce(&mut ServiceState<S>, &mut AfterUnlock) -> R) -> R {
        let mut after = AfterUnlock::default(); // acts after the release
        let mut core = self.lock();
        change(&mut core, &mut after)
    }
}

/// A watch over the stages of a service. Dropped, it leaves no waker.
pub(crate) struct StageWatch<S: TaskSet> {
    leaving: Registration<Leavers<S>>,
    over: Registration<Closers<S>>,
}

impl<S: TaskSet> StageWatch<S> {
    pub(super) fn new(inner: &Arc<ServiceShared<S>>) -> Self {
        Self { leaving: Registration::new(Leavers(inner.clone())), over: Registration::new(Closers(inner.clone())) }
    }

    /// How near its end the service is; `waker` is woken when that changes.
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
