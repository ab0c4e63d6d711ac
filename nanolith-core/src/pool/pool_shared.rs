//! [`PoolShared`]: the data that all handles and threads of a pool share: its lock, its threads,
//! its queue and its figures. Releasing the lock starts workers and wakes waiters.

use super::{
    GlobalSpawner,
    config::{BuildError, Config},
    limits::Leftovers,
    pool_item::PoolItem,
    pool_state::{PoolState, WorkerStart},
    suspended_calls::SuspendedCalls,
    threads::{
        rayon_threads::{self, Threads},
        roster::Roster,
        spare_threads::{SpareJob, SpareThreads},
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
    executor::admission::{self, Admit, OnFull, RoomHome},
    meta::task_info::{TaskInfo, any_limited},
    metrics::Recorder,
    sched::{
        injector::{DepthHint, Injector},
        queue::BoundedQueue,
        ring::Ring,
    },
    sim_runtime::{self, Scheduler},
    task::{CallSlot, Job, TaskSet, Work},
    time::{clock, timer},
    util::{stack, unwind},
    wake::{AfterUnlock, WaitTicket, WakeList},
};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::Waker,
    thread::Thread,
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
    /// The calls that a thread runs, in a simulation.
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
    /// The number of [`PoolEvents`](super::events::PoolEvents) that watch this pool.
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
        let rules = Arc::new(SchedulingPolicy::new(config.queue.policy.clone()).with_futures_on_ring());
        let queue = BoundedQueue::ordered(config.queue.bounds(tasks), rules.clone());
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
    #[inline]
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

    /// Like [`PoolShared::release`], but no switch point: the user of a waker may hold a lock.
    pub(super) fn release_within(&self, core: MutexGuard<'_, PoolState>, wakes: WakeList) {
        self.unlock(core, wakes).run();
    }

    /// Like [`PoolShared::release`], with wakes and drops added to `batch`.
    pub(super) fn release_into(&self, core: MutexGuard<'_, PoolState>, wakes: WakeList, batch: &mut EndBatch) {
        self.unlock(core, wakes).run_in(batch);
    }

    /// Releases the lock and sends the permit that is due. Returns the pending wakes and drops.
    #[inline(always)]
    fn unlock(&self, mut core: MutexGuard<'_, PoolState>, wakes: WakeList) -> Unlocked {
        let wakes = wakes.and(core.count_free_slots());
        core.injector.refill_credits();
        let (parked, start) = (core.call_parked(), core.next_start());
        self.hint.publish(&core.injector);
        let spent = core.injector.take_stale();
        let leftovers = core.has_limits.then(|| core.limits.take_stale());
        drop(core);
        parked.inspect(Thread::unpark);
        self.start(start);
        Unlocked { wakes, spent, leftovers }
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
        if self.spares.send(SpareJob::RunWorker(me)).is_err() {
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

    /// Asks every task to stop, from now on.
    pub(super) fn ask_to_stop(&self) {
        // ORDERING: Relaxed, tasks read the flag again and again.
        self.stopping.store(true, Ordering::Relaxed);
        thread_context::note_shutdown();
    }

    pub(super) fn is_asked_to_stop(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Changes the waiters. This starts no worker.
    pub(super) fn with_waiters<R>(&self, change: impl FnOnce(&mut PoolState, &mut AfterUnlock) -> R) -> R {
        let mut after = AfterUnlock::default(); // acts after the release
        let mut core = self.lock();
        change(&mut core, &mut after)
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
        if const { any_limited(S::TASKS) } && job.task().max_concurrency().is_some() {
            self.look_at_rules();
        }
    }
}

impl<S: TaskSet> Admit<S> for PoolShared {
    type Item = PoolItem;

    fn on_full(&self) -> OnFull {
        self.config.queue.on_full()
    }

    fn inbox(&self) -> &Ring<PoolItem> {
        &self.ring
    }

    fn wake_consumer(&self) {
        self.call_worker();
    }

    fn with_front<R>(&self, inside: bool, f: impl FnOnce(Option<&mut Injector<PoolItem>>) -> (R, WakeList)) -> R {
        let mut core = self.lock();
        let closed = core.closed && !inside || core.retired;
        let (result, wakes) = f((!closed).then_some(&mut core.injector));
        self.release_after_submit(core, wakes, inside);
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

impl RoomHome for PoolShared {
    fn leave_line(&self, ticket: WaitTicket) {
        admission::cancel_admit::<Work, _>(self, &mut Some(ticket));
    }
}

/// The actions that follow a release of the pool's lock.
#[must_use = "nothing is woken before `run` or `run_in`"]
struct Unlocked {
    wakes: WakeList,
    /// Entries of the queue whose calls have ended.
    spent: Vec<PoolItem>,
    /// Calls and shares that the limits have given up.
    leftovers: Option<Leftovers>,
}

impl Unlocked {
    /// Wakes, then drops.
    #[inline]
    fn run(self) {
        let Self { wakes, spent, leftovers } = self;
        wakes.wake_in_place();
        spent.into_iter().for_each(|work| unwind::ignore_panics(|| drop(work)));
        if let Some(leftovers) = leftovers {
            unwind::ignore_panics(|| drop(leftovers));
        }
    }

    /// Adds the wakes and drops to `batch`.
    fn run_in(self, batch: &mut EndBatch) {
        let Self { wakes, spent, leftovers } = self;
        batch.wake_list(wakes);
        spent.into_iter().for_each(|work| batch.drop_later(work));
        leftovers.into_iter().for_each(|leftovers| batch.drop_later(leftovers));
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
