//! The pool's state under its one lock: the queue, the permits, and which thread a start goes to. Pure data; what is to
//! be done outside the lock is given back.
//!
//! A permit is a runner. `running` counts permits given out; a permit whose runner has not begun yet is a `token`,
//! which whoever comes first takes up: the rayon thread it was sent to, or a spare one.

use super::{
    events::FullEvents,
    limits::{Rules, Started},
    threads::broadcast::Broadcast,
    worker::cost::TaskCost,
};
use crate::util::prefetch::PrefetchTarget;
use crate::{
    call::{
        backend::{ErasedCall, LentPermits, Permit, PermitState},
        call_ref::CallRef,
    },
    sched::injector::{Injector, QueueItem},
    wake::WakeList,
};
use std::{collections::BTreeMap, fmt, sync::Arc, task::Waker};

/// What waits in a pool's lanes.
pub(super) enum PoolItem {
    /// A call that nobody has begun, unless its entry is out of date.
    Call(CallRef<dyn ErasedCall>),
    Other(OtherItem),
}

/// What is no call. It is apart so that all of this fits into two words.
pub(super) enum OtherItem {
    /// A future that was woken.
    Resume(async_task::Runnable),
    /// Some share's call goes, whichever's turn it is.
    Ticket,
}

impl PrefetchTarget for PoolItem {
    fn target_ptr(&self) -> *const () {
        match self {
            Self::Call(call) => call.target_ptr(),
            Self::Other(_) => std::ptr::null(),
        }
    }
}

impl QueueItem for PoolItem {
    fn call(&self) -> Option<&dyn ErasedCall> {
        match self {
            Self::Call(call) => Some(&**call),
            Self::Other(_) => None,
        }
    }
}

/// A thread that a permit is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a token was made for this start"]
pub(super) enum WorkerStart {
    /// To the rayon threads of this generation.
    Rayon(u64),
    Spare,
}

/// The rayon threads that new runners go to.
#[derive(Clone, Copy, Debug)]
pub(super) struct RayonThreads {
    pub(super) total: usize,
    /// Threads that runners, or waits of those who help them, stand on.
    pub(super) occupied: usize,
    /// Starts that were sent and have not begun.
    pub(super) coming: usize,
    /// Counts the rayon pools that this pool has had.
    pub(super) generation: u64,
}

pub(super) struct PoolState {
    pub(super) injector: Injector<PoolItem>,
    /// How long tasks take.
    pub(super) task_cost: TaskCost,
    /// How far the inbox had been emptied when the guard last looked; `None`: there is no guard.
    pub(super) watchdog: Option<u64>,
    /// The concurrency.
    pub(super) limit: usize,
    /// Permits given out.
    pub(super) running: usize,
    /// Permits that no runner has taken up yet.
    pub(super) pending_starts: usize,
    /// Runners that have nothing to do and look on a while.
    pub(super) spinning: usize,
    /// Runners at a task, and callers at one that found no room.
    pub(super) active: usize,
    /// Those callers.
    pub(super) callers: usize,
    /// Threads that stand still in a wait.
    pub(super) blocking: usize,
    /// Those of them that wait for this very pool, by what their wakers point to.
    own_waits: BTreeMap<usize, Waker>,
    /// Claimed calls on their way to a thread of their own, which has not begun them.
    pub(super) sent_apart: usize,
    /// Permits beyond the concurrency, lent by those threads.
    pub(super) extra_permits: usize,
    pub(super) rayon: RayonThreads,
    pub(super) paused: bool,
    pub(super) closed: bool,
    /// It was closed, all calls are over, and its threads have been let go.
    pub(super) retired: bool,
    /// Its simulation is over: no thread runs a future that is woken.
    pub(super) abandoned: bool,
    pub(super) full_events: FullEvents,
    /// Whether a call has ever come that some rule is about.
    pub(super) has_limits: bool,
    pub(super) limits: Rules,
    /// What each thread is yet to run once.
    pub(super) broadcasts: Vec<Arc<Broadcast>>,
}

impl PoolState {
    /// Takes out what was begun and waits for a thread. The queued calls have ended before.
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

    /// Of so many tasks at once; `kept` rayon threads run them, and spare ones what is beyond.
    pub(super) fn new(front: Injector<PoolItem>, limit: usize, kept: usize) -> Self {
        Self {
            injector: front,
            task_cost: TaskCost::default(),
            watchdog: None,
            limit,
            running: 0,
            pending_starts: 0,
            spinning: 0,
            active: 0,
            callers: 0,
            blocking: 0,
            own_waits: BTreeMap::new(),
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

    /// Every figure, for whoever wonders what a pool is at.
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

    /// Whether there is work that may be started. A pause holds back what has not begun; futures go on.
    fn has_work(&self) -> bool {
        if self.paused { self.injector.queue.has_resumed() } else { self.injector.has_waiting() }
    }

    /// How many runners there may be now.
    fn permits(&self) -> usize {
        self.limit + self.extra_permits
    }

    /// Tells the queue how many slots run no task. A paused pool has none for what waits.
    pub(super) fn count_free_slots(&mut self) -> WakeList {
        let free = self.permits().saturating_sub(self.active - self.callers);
        self.injector.queue.set_free_slots(if self.paused { 0 } else { free })
    }

    /// A thread begins to wait: whatever the others do, one more runner may be at work. A runner lends its own permit; one
    /// that only helps (with a piece of a `par_iter`) has none, though the task that it helps cannot go on without it; and
    /// where more run than should, as after waits that ended, one more is allowed all the same.
    pub(super) fn lend(&mut self, permit: PermitState) -> LentPermits {
        // A task that waits is no tiny one, and what is in the inbox needs somebody else.
        self.task_cost.reset();
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

    /// The thread goes on, without waiting for a permit: the next runner that is done steps down.
    pub(super) fn take_back(&mut self, LentPermits { before, extra }: LentPermits) -> PermitState {
        if let PermitState::Lent = before {
            return before; // the wait below this one has counted
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

    /// Gives out one more permit if there is work for it and nobody looks for some.
    pub(super) fn next_start(&mut self) -> Option<WorkerStart> {
        let wanted = self.has_work() && self.spinning == 0 && self.pending_starts == 0 && self.running < self.permits();
        if !wanted || self.consumers_keep_up() {
            return None;
        }
        self.running += 1;
        self.pending_starts += 1;
        // A start whose token another runner took up is still on its way, and takes up this one, if a thread is free for it.
        let on_its_way =
            self.rayon.coming >= self.pending_starts && self.rayon.occupied + self.pending_starts <= self.rayon.total;

        (!on_its_way).then(|| self.choose_thread())
    }

    /// Whether those who take from the inbox do so faster than one more could help.
    pub(super) fn consumers_keep_up(&self) -> bool {
        self.injector.queue.ring_consumers() > 0
            && self.injector.is_open()
            && self.injector.non_fast_len() == 0
            && !self.task_cost.is_parallel_worthwhile()
    }

    /// Whether a runner may take plain calls from the inbox: tasks are tiny, and nothing stands in the way.
    pub(super) fn can_use_fast_path(&self) -> bool {
        let undisturbed =
            !self.paused && !self.closed && self.blocking == 0 && self.extra_permits == 0 && self.broadcasts.is_empty();
        let helps = self.injector.queue.ring_consumers() == 0 || self.task_cost.is_parallel_worthwhile();
        undisturbed
            && helps
            && self.task_cost.is_small()
            && self.injector.can_use_ring()
            && self.injector.head_is_fast()
    }

    /// Chooses the thread for a token: a rayon thread if one is free.
    pub(super) fn choose_thread(&mut self) -> WorkerStart {
        if self.rayon.occupied + self.rayon.coming < self.rayon.total {
            self.rayon.coming += 1;
            WorkerStart::Rayon(self.rayon.generation)
        } else {
            WorkerStart::Spare
        }
    }

    /// Takes up a permit that was sent; a rayon thread tells of which generation it is.
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

    /// Issues a permit beyond the concurrency, for a thread that is at a task at once.
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

    /// Returns a permit that was taken up, from a thread at no task.
    pub(super) fn release_permit(&mut self, permit: Permit, generation: Option<u64>) {
        permit.cancel();
        self.running -= 1;
        if generation == Some(self.rayon.generation) {
            self.rayon.occupied = self.rayon.occupied.saturating_sub(1);
        }
        if self.running == 0 {
            // Calls that come now and then gain nothing without the lock, and need no guard.
            self.task_cost.reset();
        }
    }

    /// Gives back a permit that found no thread.
    pub(super) fn cancel_start(&mut self) {
        if self.pending_starts > 0 {
            self.pending_starts -= 1;
            self.running -= 1;
        }
    }

    /// Counts a thread that waits for this pool. A permit that finds no thread may have to end its wait.
    pub(super) fn add_own_wait(&mut self, waker: Waker) -> Option<Waker> {
        self.own_waits.insert(waker.data().addr(), waker)
    }

    /// Counts it no more. The caller drops the waker after the lock's release.
    pub(super) fn remove_own_wait(&mut self, waker: &Waker) -> Option<Waker> {
        if self.own_waits.is_empty() { None } else { self.own_waits.remove(&waker.data().addr()) }
    }

    /// Whether work waits that no thread will come to: all threads wait for this very pool, and none is about to begin a call.
    ///
    /// The entry of a call that is over or was overtaken is no work.
    pub(super) fn is_stranded(&self) -> bool {
        let all_wait = self.blocking > 0 && self.blocking == self.own_waits.len();
        let is_idle = self.running == 0 && self.sent_apart == 0;
        all_wait && is_idle && self.has_work() && self.injector.queue.has_live()
    }

    /// The threads that wait for this pool.
    pub(super) fn own_waits(&self) -> impl Iterator<Item = &Waker> {
        self.own_waits.values()
    }

    /// Whether a runner of this generation is to step down: there are too many, or it stands on threads that go.
    pub(super) fn is_surplus(&self, generation: Option<u64>) -> bool {
        self.running > self.permits() || generation.is_some_and(|generation| generation != self.rayon.generation)
    }

    /// The next live work, which is begun by this.
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

    /// A core of so many rayon threads, with work for every runner.
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
    fn what_waits_is_two_words() {
        assert_eq!(size_of::<PoolItem>(), 2 * size_of::<usize>());
    }

    #[test]
    fn a_start_that_no_thread_can_take_up_is_not_relied_on() {
        let mut core = core(1);
        assert_eq!(core.next_start(), Some(WorkerStart::Rayon(0)));
        let _permit = core.claim_start(None).expect("a spare thread was first");
        let _helps = core.lend(PermitState::Absent); // the only rayon thread blocks, and so does the start on its way to it
        assert_eq!(core.next_start(), Some(WorkerStart::Spare));
    }

    #[test]
    fn a_start_on_its_way_to_a_free_thread_is_enough() {
        let mut core = core(2);
        assert_eq!(core.next_start(), Some(WorkerStart::Rayon(0)));
        let _permit = core.claim_start(None).expect("the start made a token");
        assert_eq!(core.next_start(), None, "it takes up the new token");
        assert_eq!(core.pending_starts, 1);
    }

    #[test]
    fn each_thread_that_waits_lets_one_more_run() {
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
