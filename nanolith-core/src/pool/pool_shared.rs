//! The data that all handles of a pool share: its lock, its threads, its queue and its figures.

use super::GlobalSpawner;
use super::{
    config::{BuildError, Config},
    pool_state::{OtherItem, PoolItem, PoolState, WorkerStart},
    shutdown::SuspendedCalls,
    threads::{
        rayon_threads::{self, Threads},
        roster::Roster,
        spare::{SpareJob, SpareThreads},
    },
};
use crate::{
    call::{
        backend::{Backend, ErasedCall, ExecutorId},
        call_ref::CallRef,
        end_batch::EndBatch,
        header::Header,
        overruns::Overruns,
        policy::SchedulingPolicy,
        slot::EndReason,
    },
    context::thread_context,
    executor::admission::{Admit, OnFull},
    meta::task_info::{TaskInfo, any_limited},
    metrics::Recorder,
    sched::{
        injector::{DepthHint, Figures, Injector},
        queue::BoundedQueue,
        ring::Ring,
    },
    sim_runtime::{self, Scheduler},
    task::{CallSlot, Job, TaskSet},
    time::{clock, timer},
    util::{stack, unwind},
    wake::{AfterUnlock, WaiterHome, WaiterSet, WakeList},
};
use std::{
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::Waker,
};

/// The capacity of the ring, in fast-path calls. Further calls wait in their lane.
const CELLS: usize = 4_096;

pub(super) struct PoolShared {
    id: ExecutorId,
    pub(super) me: Weak<PoolShared>,
    pub(super) config: Arc<Config>,
    /// The virtual clock of the pool's threads, if they have one.
    pub(super) clock: Option<Arc<clock::VirtualClock>>,
    pub(super) rules: Arc<SchedulingPolicy>,
    /// The simulation that the pool's threads belong to.
    pub(super) world: Option<Arc<Scheduler>>,
    pub(super) core: Mutex<PoolState>,
    /// The ring that fast-path calls pass while tasks are small.
    pub(super) ring: Arc<Ring<PoolItem>>,
    /// Whether `PoolState::has_limits` is set.
    ruled: AtomicBool,
    /// The number of waiting items in the lanes, for workers that do not hold the lock.
    pub(super) hint: DepthHint,
    /// The number of calls that have passed without the lock.
    pub(super) served: AtomicU64,
    /// Whether the pool's tasks are asked to stop.
    stopping: AtomicBool,
    pub(super) suspended: SuspendedCalls,
    /// In a simulation, the calls that a thread runs.
    pub(super) at_work: SuspendedCalls,
    /// Calls that block a thread in a wait that another executor, or a limit, has to end.
    pub(super) blocked: SuspendedCalls,
    /// Tasks that still run after their calls have timed out.
    pub(super) overruns: Overruns,
    /// Workers that wait at an empty ring. They count as active and in flight, so a figure
    /// subtracts them.
    pub(super) resting: AtomicUsize,
    /// Work of [`Backend::run_soon`] that waits for its turn. It is not a call, and no figure
    /// counts it.
    pub(super) errands: AtomicUsize,
    /// `None` while the pool is being built, and after its threads were released.
    pub(super) rayon: Mutex<Option<Threads>>,
    /// The depth of a rayon thread's stack at a job on its main loop, in bytes.
    main_loop: AtomicUsize,
    pub(super) spares: Arc<SpareThreads>,
    /// The threads that have not ended.
    pub(super) roster: Arc<Roster>,
    /// Whether work found no thread while every thread waits for this pool.
    is_stranded: AtomicBool,
    /// The number of [`PoolEvents`](super::PoolEvents) that watch this pool.
    pub(super) watched: AtomicUsize,
    /// The measurements, if the pool was built to measure.
    pub(super) recorder: Recorder,
}

impl PoolShared {
    pub(super) fn new(config: Config) -> Result<Arc<Self>, BuildError> {
        let tasks = config.validate()?;
        let kept = config.kept(tasks);
        unwind::install_hook();
        timer::start().map_err(BuildError::threads)?;
        GlobalSpawner::take_offloaded_work();
        let world = sim_runtime::world();
        let inbox = Arc::new(Ring::new(if world.is_some() { 1 } else { CELLS }));
        let rules = Arc::new(SchedulingPolicy::new(config.schedule.clone()));
        let queue = BoundedQueue::ordered(config.bounds(tasks), rules.clone());
        let inner = Arc::new_cyclic(|me| Self {
            id: ExecutorId::new(),
            me: me.clone(),
            clock: clock::source(),
            world,
            core: Mutex::new(PoolState::new(Injector::new(queue, inbox.clone()), tasks, kept)),
            rules,
            ring: inbox,
            ruled: AtomicBool::new(false),
            hint: DepthHint::default(),
            served: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            suspended: SuspendedCalls::default(),
            at_work: SuspendedCalls::default(),
            blocked: SuspendedCalls::default(),
            overruns: Overruns::default(),
            resting: AtomicUsize::new(0),
            errands: AtomicUsize::new(0),
            rayon: Mutex::new(None),
            main_loop: AtomicUsize::new(0),
            spares: SpareThreads::new(config.others(tasks), config.idle_timeout),
            roster: Arc::default(),
            is_stranded: AtomicBool::new(false),
            watched: AtomicUsize::new(0),
            recorder: Recorder::new(config.metrics),
            config: Arc::new(config),
        });
        let host: Arc<dyn Backend> = inner.clone();
        inner.id.insert(Arc::downgrade(&host));
        drop(host);
        let rayon = rayon_threads::build(&inner, kept)?;
        // ORDERING: Relaxed, the pool is not shared yet.
        inner.main_loop.store(rayon_threads::main_loop_depth(&rayon), Ordering::Relaxed);
        *inner.rayon() = Some(rayon);
        if let Some(world) = &inner.world {
            let (pool, swept) = (inner.me.clone(), inner.me.clone());
            world.at_end_and_after(
                move || {
                    pool.upgrade().iter().for_each(|pool| pool.end_with_simulation());
                },
                move || swept.upgrade().iter().for_each(|pool| pool.abandon()),
            );
        }
        Ok(inner)
    }

    /// Returns whether a job at this stack depth runs on top of another job.
    pub(super) fn is_nested_on_rayon(&self, depth: Option<usize>) -> bool {
        !stack::is_on_main_loop(depth, self.main_loop.load(Ordering::Relaxed))
    }

    pub(super) fn id(&self) -> ExecutorId {
        self.id
    }

    /// Locks the state. No user code runs, and no waker is called, while the lock is held.
    pub(super) fn lock(&self) -> MutexGuard<'_, PoolState> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn rayon(&self) -> MutexGuard<'_, Option<Threads>> {
        self.rayon.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Releases the lock, then carries out the pending actions: first starts, then wakes, then
    /// drops of user values.
    ///
    /// A waker or a destructor may wait for this pool, and lends the permit of its thread. So a
    /// worker that runs no task marks its permit as idle before, or has returned its permit.
    pub(super) fn release(&self, core: MutexGuard<'_, PoolState>, wakes: WakeList) {
        self.release_within(core, wakes);
        sim_runtime::switch_point();
    }

    /// Like [`PoolShared::release`], for a waker, whose user may hold a lock. This is no switch
    /// point of a simulation.
    pub(super) fn release_within(&self, mut core: MutexGuard<'_, PoolState>, wakes: WakeList) {
        let wakes = wakes.and(core.count_free_slots());
        core.injector.refill_credits();
        let start = core.next_start();
        self.hint.publish(&core.injector);
        let spent = core.injector.take_stale();
        let leftovers = core.has_limits.then(|| core.limits.take_stale());
        drop(core);
        self.start(start);
        wakes.wake_in_place();
        spent.into_iter().for_each(|work| unwind::ignore_panics(|| drop(work)));
        if let Some(leftovers) = leftovers {
            unwind::ignore_panics(|| drop(leftovers));
        }
    }

    /// Like [`PoolShared::release`], with wakes and drops added to `batch`.
    pub(super) fn release_into(&self, mut core: MutexGuard<'_, PoolState>, wakes: WakeList, batch: &mut EndBatch) {
        let wakes = wakes.and(core.count_free_slots());
        core.injector.refill_credits();
        let start = core.next_start();
        self.hint.publish(&core.injector);
        let spent = core.injector.take_stale();
        let leftovers = core.has_limits.then(|| core.limits.take_stale());
        drop(core);
        self.start(start);
        batch.wake_list(wakes);
        spent.into_iter().for_each(|work| batch.drop_later(work));
        leftovers.into_iter().for_each(|leftovers| batch.drop_later(leftovers));
    }

    /// Returns the figures of the pool's queue at this moment.
    pub(super) fn figures(&self) -> Figures {
        let mut core = self.lock();
        let (figures, wakes) = core.injector.figures();
        self.release(core, wakes);
        figures
    }

    /// Returns whether the queue has no capacity for a call from outside.
    pub(super) fn is_full(&self) -> bool {
        let mut core = self.lock();
        let is_full = !core.injector.has_room();
        self.release(core, WakeList::default());
        is_full
    }

    /// Returns the number of workers that run a task.
    pub(super) fn active(&self) -> usize {
        let active = self.lock().active;
        // ORDERING: Relaxed, a figure.
        active.saturating_sub(self.resting.load(Ordering::Relaxed))
    }

    /// Returns the number of calls that were accepted and have not ended.
    pub(super) fn in_flight(&self) -> usize {
        let Figures { in_flight, .. } = self.figures();
        // ORDERING: Relaxed, a figure.
        in_flight.saturating_sub(self.resting.load(Ordering::Relaxed))
    }

    /// Returns the number of calls that were started and have ended.
    pub(super) fn completed(&self) -> u64 {
        // ORDERING: Relaxed, a figure.
        self.lock().injector.queue.completed() + self.served.load(Ordering::Relaxed)
    }

    /// Sends a permit to the thread chosen for it.
    pub(super) fn start(&self, start: Option<WorkerStart>) {
        let (Some(start), Some(me)) = (start, self.me.upgrade()) else { return };
        match start {
            WorkerStart::Rayon(generation) => rayon_threads::send(&me, generation),
            WorkerStart::Spare => self.send_spare(me),
        }
    }

    /// Sends a permit to a spare thread. If there is no such thread, the permit is returned. Then
    /// the next worker that finishes its task, or continues after a wait, looks for work again. If
    /// every thread waits for this pool, one of these waits ends.
    pub(super) fn send_spare(&self, me: Arc<Self>) {
        if self.spares.send(SpareJob::Work(me)).is_err() {
            let mut core = self.lock();
            core.cancel_start();
            if core.is_stranded() {
                // ORDERING: Relaxed, the lock orders the state that the flag stands for.
                self.is_stranded.store(true, Ordering::Relaxed);
                // These are the wakers of this crate's own parkers.
                let wakers: Vec<_> = core.own_waits().cloned().collect();
                drop(core);
                wakers.into_iter().for_each(Waker::wake);
            }
        }
    }

    /// Returns whether this thread's wait for the pool is to end, since no thread is available for
    /// the work that it waits for. Returns `true` to only one of several waits.
    pub(super) fn take_stranded(&self) -> bool {
        // ORDERING: Relaxed, as in `send_spare`.
        self.is_stranded.load(Ordering::Relaxed) && {
            let core = self.lock();
            self.is_stranded.swap(false, Ordering::Relaxed) && core.is_stranded()
        }
    }

    // ----- closing

    /// Rejects calls from outside from now on, and starts no queued call until
    /// [`PoolShared::close`].
    pub(super) fn close_paused(&self) {
        let mut core = self.lock();
        core.closed = true;
        core.paused = true;
        core.injector.close_ring();
    }

    /// Rejects calls from outside from now on. Accepted calls finish, also in a paused pool.
    pub(super) fn close(&self) {
        let mut batch = EndBatch::default();
        self.close_into(&mut batch);
        batch.run();
    }

    /// Like [`PoolShared::close`], with user code added to `batch`.
    pub(super) fn close_into(&self, batch: &mut EndBatch) {
        let mut core = self.lock();
        core.closed = true;
        core.paused = false;
        core.injector.close_ring();
        let wakes = core.injector.queue.wake_all_waiting().and(core.full_events.watchers());
        let wakes = wakes.and(core.limits.shares.dismiss_lines());
        // The waits for the close are among these.
        let wakes = wakes.and(core.injector.queue.drained.take_all());
        self.release_into(core, wakes, batch);
    }

    /// Closes the pool and ends its queued calls. Returns their number.
    pub(super) fn shut_down(&self) -> usize {
        let mut batch = EndBatch::default();
        self.close_paused();
        let (ended, _) = self.end_queued_into(EndReason::Cancelled, &mut batch);
        self.close_into(&mut batch);
        batch.run();
        ended
    }

    /// Ends the calls and drops the futures that no thread of the pool ran, because the pool's
    /// simulation has ended. The calling thread drops them.
    fn abandon(&self) {
        self.end_queued(EndReason::SimulationOver);
        let (threads, rolls, futures) = {
            let mut rayon = self.rayon();
            let mut core = self.lock();
            core.retired = true;
            core.abandoned = true;
            core.rayon.total = 0;
            (rayon.take(), mem::take(&mut core.broadcasts), core.take_resumed())
        };
        futures.into_iter().for_each(|future| unwind::ignore_panics(|| drop(future)));
        unwind::ignore_panics(|| drop(rolls));
        threads.iter().for_each(rayon_threads::abandon);
        unwind::ignore_panics(|| drop(threads));
        self.spares.shutdown();
    }

    /// Ends every queued call for the reason `how`.
    fn end_queued(&self, how: EndReason) {
        let mut batch = EndBatch::default();
        self.end_queued_into(how, &mut batch);
        batch.run();
    }

    /// Like [`PoolShared::end_queued`], with user code added to `batch`. Returns the number of the
    /// calls that were ended, and of the calls that are left.
    pub(super) fn end_queued_into(&self, how: EndReason, batch: &mut EndBatch) -> (usize, usize) {
        let mut core = self.lock();
        core.injector.close_ring();
        core.injector.drain_ring();
        let mut resumed = Vec::new();
        let (mut ended, mut wakes) = core.claim_all_waiting();
        while let Some(work) = core.injector.queue.pop() {
            match work {
                PoolItem::Other(OtherItem::Resume(work)) => resumed.push(work),
                PoolItem::Other(OtherItem::Ticket) => {}
                PoolItem::Call(call) if call.claim() => {
                    wakes = wakes.and(core.end_claimed(&call));
                    ended.push(call);
                }
                PoolItem::Call(call) => {
                    wakes = wakes.and(core.injector.skip_stale(&*call));
                    core.injector.discard_stale(PoolItem::Call(call));
                }
            }
        }
        for work in resumed {
            core.injector.queue.on_resume();
            // Calls that have started continue.
            core.injector.queue.resume(0, PoolItem::Other(OtherItem::Resume(work)));
        }
        let (figures, more) = core.injector.figures();
        // ORDERING: Relaxed, a figure.
        let left = figures.in_flight.saturating_sub(self.resting.load(Ordering::Relaxed));
        self.release_into(core, wakes.and(more), batch);
        let number = ended.len();
        ended.into_iter().for_each(|call| batch.end_claimed(call, how));
        (number, left)
    }

    /// Asks every task to stop, from now on.
    pub(super) fn ask_to_stop(&self) {
        // ORDERING: Relaxed, tasks read the flag again and again.
        self.stopping.store(true, Ordering::Relaxed);
        thread_context::note_shutdown();
    }

    pub(super) fn is_asked_to_stop(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    // ----- limits

    /// Sets `PoolState::has_limits`. From now on there may be calls with a task limit or a share.
    pub(super) fn look_at_rules(&self) {
        // ORDERING: Relaxed, the lock orders `has_limits`.
        if !self.ruled.load(Ordering::Relaxed) {
            self.lock().has_limits = true;
            self.ruled.store(true, Ordering::Relaxed);
        }
    }

    /// Like [`PoolShared::look_at_rules`], if the job's task has a limit of its own.
    #[inline]
    pub(super) fn look_at_limits<S: TaskSet>(&self, job: &Job<S>) {
        if const { any_limited(S::TASKS) } && job.info().max_concurrency().is_some() {
            self.look_at_rules();
        }
    }

    /// Returns the task that would run next.
    pub(super) fn next_task(&self) -> Option<&'static TaskInfo> {
        let mut core = self.lock();
        core.injector.drain_ring();
        let (next, wakes) = core.next_task();
        self.release(core, wakes);
        next
    }
}

impl<S: TaskSet> Admit<S> for PoolShared {
    type Item = PoolItem;

    fn on_full(&self) -> OnFull {
        self.config.on_full
    }

    fn inbox(&self) -> &Ring<PoolItem> {
        &self.ring
    }

    fn with_front<R>(&self, inside: bool, f: impl FnOnce(Option<&mut Injector<PoolItem>>) -> (R, WakeList)) -> R {
        let mut core = self.lock();
        let closed = core.closed && !inside || core.retired;
        let (result, wakes) = f((!closed).then_some(&mut core.injector));
        self.release(core, wakes);
        result
    }

    fn record_full(&self) {
        // ORDERING: Relaxed, as at the increment in `PoolEvents::new`.
        if self.watched.load(Ordering::Relaxed) > 0 {
            let mut core = self.lock();
            let wakes = core.full_events.record();
            self.release(core, wakes);
        }
    }

    fn item(call: CallRef<CallSlot<S>>) -> PoolItem {
        PoolItem::Call(call.erase())
    }

    fn call(item: &PoolItem) -> Option<CallRef<dyn ErasedCall>> {
        match item {
            PoolItem::Call(call) => Some(call.clone()),
            PoolItem::Other(_) => None,
        }
    }

    fn reserve_limit(&self, task: &'static TaskInfo) -> bool {
        self.lock().reserve(task)
    }

    fn unreserve(&self, task: &'static TaskInfo) {
        let mut core = self.lock();
        core.unreserve(task);
        self.release(core, WakeList::default());
    }

    fn counts(&self, call: &Header) -> bool {
        call.share() == 0
    }

    fn dropped(&self, call: &dyn ErasedCall) {
        let mut core = self.lock();
        core.leave_kind(call);
        self.release(core, WakeList::default());
    }

    fn run_on_caller(&self, call: CallRef<CallSlot<S>>) {
        self.run_on_caller(call.erase());
    }
}

/// The waiters for the moment when the pool is empty.
pub(super) struct Emptied(pub(super) Arc<PoolShared>);

impl WaiterHome for Emptied {
    type State = PoolState;

    fn with_state<R>(&self, change: impl FnOnce(&mut PoolState, &mut AfterUnlock) -> R) -> R {
        self.0.with_waiters(change)
    }

    fn waiters(core: &mut PoolState) -> &mut WaiterSet {
        &mut core.injector.queue.drained
    }
}

impl PoolShared {
    /// Changes the waiters. This starts no worker.
    pub(super) fn with_waiters<R>(&self, change: impl FnOnce(&mut PoolState, &mut AfterUnlock) -> R) -> R {
        let mut after = AfterUnlock::default(); // acts after the release
        let mut core = self.lock();
        change(&mut core, &mut after)
    }
}

impl Drop for PoolShared {
    /// Ends the calls that wait in a paused pool. No thread is left to run them.
    fn drop(&mut self) {
        self.id.remove();
        self.end_queued(EndReason::Closed);
        self.spares.shutdown();
    }
}
