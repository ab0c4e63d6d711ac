//! [`PoolState`]: the state of a pool under its lock: the queue, the permits, and the thread that a
//! start goes to. This is pure data. Actions that must run outside the lock are returned to the
//! caller.
//!
//! A permit allows one worker to run. `running` counts the permits in use. `pending_starts` counts
//! the permits whose worker has not started yet. The first thread that starts claims such a permit:
//! the rayon thread that it was sent to, or a spare thread.

use super::{
    events::FullEvents,
    limits::{Rules, Started},
    pool_item::{OtherItem, PoolItem},
    threads::broadcast::BroadcastShared,
    worker::{parent_ring::ParentRing, parked_worker::ParkedWorker, task_cost::TaskCost},
};
use crate::{
    call::backend::{LentPermits, Permit, PermitState},
    sched::injector::Injector,
    util::ordered_map::OrderedMap,
    wake::WakeList,
};
use std::{fmt, sync::Arc, task::Waker};

/// The kind of thread that a permit is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a token was made for this start"]
pub(super) enum WorkerStart {
    /// A rayon thread of this generation.
    Rayon(u64),
    Spare,
}

/// The counts of the rayon threads that new workers go to.
#[derive(Clone, Copy, Debug)]
pub(super) struct RayonThreads {
    pub(super) total: usize,
    /// Threads that a worker runs on, or a helper of a `par_iter` that waits.
    pub(super) occupied: usize,
    /// Starts that were sent and have not begun.
    pub(super) coming: usize,
    /// The number of times that this pool has replaced its rayon pool.
    pub(super) generation: u64,
}

pub(super) struct PoolState {
    pub(super) injector: Injector<PoolItem>,
    /// The run times of tasks.
    pub(super) task_cost: TaskCost,
    /// The ring that a task has opened for its calls.
    pub(super) parent_ring: Option<ParentRing>,
    /// Whether the call that a worker ran last has run calls of its own.
    pub(super) ran_children: bool,
    /// The calls that tasks submitted through the lanes since a worker was last done with one.
    pub(super) children_in_row: u32,
    /// The position of the ring's head at the watchdog's last check. `None` if there is no
    /// watchdog.
    pub(super) watchdog: Option<u64>,
    /// The concurrency.
    pub(super) limit: usize,
    /// Permits in use.
    pub(super) running: usize,
    /// Permits that no worker has claimed yet.
    pub(super) pending_starts: usize,
    /// Workers that have no work and spin for a while.
    pub(super) spinning: usize,
    /// The only worker, if it sleeps.
    pub(super) parked: Option<ParkedWorker>,
    /// Workers and callers that run a task. A caller runs its own task if the queue was full.
    pub(super) active: usize,
    /// The callers among `active`.
    pub(super) callers: usize,
    /// Threads that block in a wait.
    pub(super) blocking: usize,
    /// The wakers of those threads that wait for this pool, by the address of the waker's data.
    own_waits: OrderedMap<usize, Waker>,
    /// Claimed calls that were sent to a thread of their own and have not started.
    pub(super) sent_apart: usize,
    /// Permits beyond the concurrency, for the threads in `blocking`.
    pub(super) extra_permits: usize,
    pub(super) rayon: RayonThreads,
    pub(super) paused: bool,
    pub(super) closed: bool,
    /// The pool is closed, all its calls have ended, and its threads were released.
    pub(super) retired: bool,
    /// The pool's simulation has ended: no thread runs a future that is woken.
    pub(super) abandoned: bool,
    pub(super) full_events: FullEvents,
    /// Whether a call with a task limit or a share may have arrived, now or before.
    pub(super) has_limits: bool,
    pub(super) limits: Rules,
    /// The closures that each thread is to run once.
    pub(super) broadcasts: Vec<Arc<BroadcastShared>>,
}

impl PoolState {
    /// Removes the woken futures from the queue. The queued calls have ended before.
    pub(super) fn take_resumed(&mut self) -> Vec<async_task::Runnable> {
        let mut resumed = Vec::new();
        while let Some(work) = self.injector.queue.pop() {
            match work {
                PoolItem::Other(OtherItem::Resume(work)) => {
                    self.injector.queue.on_resume();
                    resumed.push(work);
                }
                PoolItem::Other(OtherItem::Ticket) => {}
                call @ PoolItem::Call(_) => self.injector.discard_stale(call),
            }
        }
        resumed
    }

    /// Creates the state for `limit` tasks at once. `kept` rayon threads run tasks, and spare
    /// threads run the tasks beyond that number.
    pub(super) fn new(front: Injector<PoolItem>, limit: usize, kept: usize) -> Self {
        Self {
            injector: front,
            task_cost: TaskCost::default(),
            parent_ring: None,
            ran_children: false,
            children_in_row: 0,
            watchdog: None,
            limit,
            running: 0,
            pending_starts: 0,
            spinning: 0,
            parked: None,
            active: 0,
            callers: 0,
            blocking: 0,
            own_waits: OrderedMap::new(),
            sent_apart: 0,
            extra_permits: 0,
            rayon: RayonThreads { total: kept, occupied: 0, coming: 0, generation: 0 },
            paused: false,
            closed: false,
            retired: false,
            abandoned: false,
            full_events: FullEvents::default(),
            has_limits: false,
            limits: Rules::default(),
            broadcasts: Vec::new(),
        }
    }

    /// Writes every figure, for a `Debug` output.
    pub(super) fn describe(&self, f: &mut fmt::DebugStruct<'_, '_>) -> fmt::Result {
        f.field("concurrency", &self.limit)
            .field("active", &self.active)
            .field("runners", &self.running)
            .field("starting", &self.pending_starts)
            .field("lingering", &self.spinning)
            .field("waiting", &self.blocking)
            .field("extra", &self.extra_permits)
            .field("queue_len", &self.injector.queue.queued_outside())
            .field("overflow", &self.injector.queue.overflow())
            .field("in_flight", &self.injector.in_flight())
            .field("in_line", &self.injector.queue.waiting_len())
            .field("completed", &self.injector.queue.completed())
            .field("open", &self.injector.is_open())
            .field("rayon", &self.rayon)
            .field("paused", &self.paused)
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }

    /// Returns whether there is work that may start. A pause holds back calls that have not
    /// started, and no woken futures.
    pub(super) fn has_work(&self) -> bool {
        if self.paused { self.injector.queue.has_resumed() } else { self.injector.has_waiting() }
    }

    /// Returns the maximum number of workers now.
    pub(super) fn permits(&self) -> usize {
        self.limit + self.extra_permits
    }

    /// Sets the queue's count of slots that run no task. A paused pool has no free slot for queued
    /// calls.
    pub(super) fn count_free_slots(&mut self) -> WakeList {
        let free = self.permits().saturating_sub(self.active - self.callers);
        self.injector.queue.set_free_slots(if self.paused { 0 } else { free })
    }

    /// Records that a thread starts to wait, so that one more worker may run. A worker lends its
    /// own permit. A thread that helps with a piece of a `par_iter` has no permit, but the task
    /// that it helps cannot continue without it. So the pool gains an extra permit. The pool also
    /// gains an extra permit if more workers run than it allows, as after waits that ended.
    pub(super) fn lend(&mut self, permit: PermitState) -> LentPermits {
        // Calls in the ring need another worker. A task that waits is not small, but its run time says so.
        self.task_cost.rest();
        self.injector.close_ring();
        self.blocking += 1;
        self.active -= usize::from(matches!(permit, PermitState::Active(_)));
        let extra = if let PermitState::Active(_) | PermitState::Idle(_) = permit {
            self.running -= 1;
            (self.running + 1).saturating_sub(self.permits())
        } else {
            self.rayon.occupied += 1;
            1
        };
        self.extra_permits += extra;
        LentPermits { before: permit, extra }
    }

    /// Records that the thread continues. The thread does not wait for a permit: the next worker
    /// that finishes its task steps down.
    pub(super) fn take_back(&mut self, LentPermits { before, extra }: LentPermits) -> PermitState {
        if let PermitState::Lent = before {
            return before; // the outer wait has counted this thread
        }
        self.blocking -= 1;
        self.extra_permits -= extra;
        self.active += usize::from(matches!(before, PermitState::Active(_)));
        if let PermitState::Active(_) | PermitState::Idle(_) = before {
            self.running += 1;
        } else {
            self.rayon.occupied = self.rayon.occupied.saturating_sub(1);
        }
        let granted = self.count_free_slots();
        debug_assert!(granted.is_empty(), "a slot less makes no room");
        before
    }

    /// Issues one more permit if there is work for it and no worker is looking for work.
    pub(super) fn next_start(&mut self) -> Option<WorkerStart> {
        let none_looks = self.spinning == 0 && self.pending_starts == 0 && self.parked.is_none();
        let wanted = self.has_work() && none_looks && self.running < self.permits();
        if !wanted || self.consumers_keep_up() {
            return None;
        }
        self.running += 1;
        self.pending_starts += 1;
        // A start whose permit another worker claimed is still on its way. It claims this permit,
        // if a thread is free for it.
        let on_its_way =
            self.rayon.coming >= self.pending_starts && self.rayon.occupied + self.pending_starts <= self.rayon.total;

        (!on_its_way).then(|| self.choose_thread())
    }

    /// Returns whether the workers on the ring are faster than one more worker would help.
    pub(super) fn consumers_keep_up(&self) -> bool {
        self.has_ring_consumer()
            && self.injector.is_open()
            && self.injector.non_fast_len() == 0
            && !self.task_cost.is_parallel_worthwhile()
    }

    /// Returns whether a worker may take fast-path calls from the ring: tasks are small, and no
    /// other state of the pool prevents it.
    pub(super) fn can_use_fast_path(&self) -> bool {
        let helps = !self.has_ring_consumer() || self.task_cost.is_parallel_worthwhile();
        self.is_undisturbed()
            && helps
            && self.task_cost.is_small()
            && self.injector.can_use_ring()
            && self.injector.head_is_fast()
    }

    /// Returns whether nothing holds back calls, or is to run apart from them.
    pub(super) fn is_undisturbed(&self) -> bool {
        !self.paused && !self.closed && self.blocking == 0 && self.extra_permits == 0 && self.broadcasts.is_empty()
    }

    /// Drops entries at the head of the lane of normal priority whose calls were run by the tasks that
    /// waited for them. They hide what comes next.
    pub(super) fn drop_stale_heads(&mut self) -> WakeList {
        let is_due = self.ran_children && !self.has_limits && !self.paused;
        if is_due { self.injector.drop_stale_heads() } else { WakeList::default() }
    }

    /// Chooses the thread for a start: a rayon thread if one is free.
    pub(super) fn choose_thread(&mut self) -> WorkerStart {
        if self.rayon.occupied + self.rayon.coming < self.rayon.total {
            self.rayon.coming += 1;
            WorkerStart::Rayon(self.rayon.generation)
        } else {
            WorkerStart::Spare
        }
    }

    /// Claims a permit that was sent. A rayon thread passes the generation of its rayon pool.
    pub(super) fn claim_start(&mut self, generation: Option<u64>) -> Option<Permit> {
        if self.pending_starts == 0 {
            return None;
        }
        self.pending_starts -= 1;
        if generation == Some(self.rayon.generation) {
            self.rayon.occupied += 1;
        }
        Some(Permit::issue())
    }

    /// Issues a permit beyond the concurrency, for a thread that runs a task at once.
    pub(super) fn issue_beyond(&mut self) -> Permit {
        self.running += 1;
        self.active += 1;
        Permit::issue()
    }

    /// Returns a permit of [`PoolState::issue_beyond`].
    pub(super) fn return_beyond(&mut self, permit: Permit) {
        permit.cancel();
        self.running -= 1;
        self.active -= 1;
    }

    /// Returns a claimed permit, from a thread that runs no task.
    pub(super) fn release_permit(&mut self, permit: Permit, generation: Option<u64>) {
        permit.cancel();
        self.running -= 1;
        if generation == Some(self.rayon.generation) {
            self.rayon.occupied = self.rayon.occupied.saturating_sub(1);
        }
        if self.running == 0 {
            // Occasional calls gain nothing from the fast path, and need no watchdog.
            self.task_cost.rest();
        }
    }

    /// Returns a permit for which there was no thread.
    pub(super) fn cancel_start(&mut self) {
        if self.pending_starts > 0 {
            self.pending_starts -= 1;
            self.running -= 1;
        }
    }

    /// Adds a thread that waits for this pool. A permit for which there is no thread may have to
    /// end the thread's wait.
    pub(super) fn add_own_wait(&mut self, waker: Waker) -> Option<Waker> {
        self.own_waits.insert(waker.data().addr(), waker)
    }

    /// Removes a thread that waits for this pool. The caller drops the waker after the lock's
    /// release.
    pub(super) fn remove_own_wait(&mut self, waker: &Waker) -> Option<Waker> {
        if self.own_waits.is_empty() { None } else { self.own_waits.remove(waker.data().addr()) }
    }

    /// Returns whether work waits that no thread will run: all threads wait for this pool, and none
    /// is about to start a call.
    ///
    /// An entry of a call that has ended or was overtaken is not work.
    pub(super) fn is_stranded(&self) -> bool {
        let all_wait = self.blocking > 0 && self.blocking == self.own_waits.len();
        let is_idle = self.running == 0 && self.sent_apart == 0;
        all_wait && is_idle && self.has_work() && self.injector.queue.has_live()
    }

    /// Returns the wakers of the threads that wait for this pool.
    pub(super) fn own_waits(&self) -> impl Iterator<Item = &Waker> {
        self.own_waits.values()
    }

    /// Returns whether a worker of this generation is to step down: there are too many workers, or
    /// its threads belong to a replaced rayon pool.
    pub(super) fn is_surplus(&self, generation: Option<u64>) -> bool {
        self.running > self.permits() || generation.is_some_and(|generation| generation != self.rayon.generation)
    }

    /// Takes the next live item from the queue, and marks its call as started.
    pub(super) fn take(&mut self) -> (Option<Started>, WakeList) {
        let mut wakes = WakeList::default();
        while let Some(work) = if self.paused { self.injector.queue.pop_resumed() } else { self.injector.pop() } {
            let call = match work {
                PoolItem::Other(OtherItem::Resume(_)) => {
                    self.injector.queue.on_resume();
                    return (Some(Started::Item(work)), wakes);
                }
                PoolItem::Other(OtherItem::Ticket) => match self.redeem() {
                    Some(call) => call,
                    None => continue,
                },
                PoolItem::Call(call) => call,
            };
            if self.has_limits {
                let (taken, more) = self.start_limited(call);
                wakes = wakes.and(more);
                if taken.is_some() {
                    return (taken, wakes);
                }
            } else if call.claim() {
                let begun = self.injector.queue.on_start(call.header().is_nested());
                return (Some(Started::Item(PoolItem::Call(call))), wakes.and(begun));
            } else {
                wakes = wakes.and(self.injector.skip_stale(&*call));
                self.injector.discard_stale(PoolItem::Call(call));
            }
        }
        (None, wakes)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::sched::{
        queue::{BoundedQueue, Limits},
        ring::Ring,
    };

    /// Returns a state with `threads` rayon threads, and work for every worker.
    fn core(threads: usize) -> PoolState {
        let queue = BoundedQueue::new(Limits { queued: 10, in_flight: 10 });
        let mut core = PoolState::new(Injector::new(queue, Arc::new(Ring::new(1))), threads, threads);
        for _ in 0..10 {
            let (work, task) = async_task::spawn(async {}, drop);
            task.detach();
            core.injector.queue.resume(0, PoolItem::Other(OtherItem::Resume(work)));
        }
        core
    }

    #[test]
    fn start_sent_to_a_blocked_thread_is_replaced() {
        let mut core = core(1);
        assert_eq!(core.next_start(), Some(WorkerStart::Rayon(0)));
        let _permit = core.claim_start(None).expect("a spare thread was first");
        // The only rayon thread blocks, and so does the start on its way to it.
        let _helps = core.lend(PermitState::Absent);
        assert_eq!(core.next_start(), Some(WorkerStart::Spare));
    }

    #[test]
    fn start_on_its_way_to_a_free_thread_suffices() {
        let mut core = core(2);
        assert_eq!(core.next_start(), Some(WorkerStart::Rayon(0)));
        let _permit = core.claim_start(None).expect("the start made a token");
        assert_eq!(core.next_start(), None, "it takes up the new token");
        assert_eq!(core.pending_starts, 1);
    }

    #[test]
    fn each_waiting_thread_lets_one_more_run() {
        let mut core = core(1);
        let _sent = core.next_start();
        let first = core.claim_start(Some(0)).expect("the start made a token");
        assert_eq!(core.next_start(), None, "one runs, as many as may");
        core.active = 1;
        let slot = core.lend(PermitState::Active(first));
        assert_eq!(core.next_start(), Some(WorkerStart::Spare));
        let second = core.claim_start(None).expect("the start made a token");
        let _first = core.take_back(slot);
        assert!(core.is_surplus(Some(0)), "two run for a moment, and the next that is done steps down");
        let helper = core.lend(PermitState::Absent);
        core.release_permit(second, None);
        assert_eq!(core.next_start(), Some(WorkerStart::Spare), "the one who waits as rayon does is not counted on");
        let _absent = core.take_back(helper);
    }
}
