//! The workers of a pool: a worker holds a permit, the right to run tasks on one thread. It runs
//! queued calls, spins briefly without work, and then returns its permit.

pub(super) mod backend;
pub(super) mod fast_path;
pub(super) mod parent_ring;
pub(super) mod parked_worker;
pub(super) mod task_cost;
pub(super) mod watchdog;

use super::{
    limits::Started,
    pool_item::{OtherItem, PoolItem},
    pool_shared::PoolShared,
    pool_state::PoolState,
    suspended_calls::ListedCall,
    threads::broadcast::BroadcastRun,
};
use crate::{
    call::{
        backend::{Backend, Completion, ErasedCall, Permit, RunResult},
        call_ref::CallRef,
    },
    context::thread_context,
    metrics::ThreadRecorder,
    park::parker,
    time::clock,
    util::unwind,
    wake::WakeList,
};
use parked_worker::AfterRest;
use std::sync::{Arc, MutexGuard};

/// The last action of a worker.
enum Last {
    Nothing,
    Call {
        inside: bool,
        ran: RunResult,
        /// The mean run time in nanoseconds of this call and of the calls that it ran inline while
        /// it waited for them.
        took: u64,
        /// The number of these calls.
        calls: u64,
    },
    Resumed,
    /// A call with a task limit or a share.
    Limited {
        ran: RunResult,
        over: Completion,
    },
    /// The worker took calls from the ring until it found none for a while.
    Served,
}

/// The next action of a worker.
enum Next {
    Run(PoolItem),
    /// Run a call with a task limit or a share.
    RunByRules(CallRef<dyn ErasedCall>),
    /// Take calls from the ring.
    Serve,
    /// Run a closure that each thread is to run once.
    Turn(BroadcastRun),
    Leave,
}

impl PoolShared {
    /// Starts a worker on a rayon thread that a permit was sent to. `depth` is the depth of its
    /// stack.
    pub(super) fn begin_on_rayon(self: &Arc<Self>, generation: u64, depth: Option<usize>) {
        let mut core = self.lock();
        let current = core.rayon.generation == generation;
        if current {
            core.rayon.coming -= 1;
        }
        if self.is_nested_on_rayon(depth) {
            // rayon ran this job on top of a task that waits in `par_iter`, or on top of a piece of
            // such a `par_iter`. The task may hold a lock, and it waits for the piece. Another
            // thread has to start the worker.
            drop(core);
            self.send_spare(self.clone());
            return;
        }
        drop(core);
        self.begin(Some(generation));
    }

    /// Starts a worker on a spare thread that a permit was sent to.
    pub(super) fn begin_spare(self: &Arc<Self>) {
        self.begin(None);
    }

    /// Claims permits and runs a worker for each, until there is none. A thread of a replaced rayon
    /// pool claims only one. A second permit is for the new rayon pool: an old thread would return
    /// it again and again until a new thread is there.
    fn begin(self: &Arc<Self>, generation: Option<u64>) {
        let is_outgrown = || generation.is_some_and(|generation| generation != self.lock().rayon.generation);
        while let Some(permit) = self.claim_start(generation) {
            // The worker returns its permit before it leaves.
            let ((), left) = thread_context::with_permit(self.id(), permit, || self.drain(generation));
            debug_assert!(left.is_none(), "the worker has stepped down");
            if is_outgrown() {
                return;
            }
        }
    }

    fn claim_start(&self, generation: Option<u64>) -> Option<Permit> {
        self.lock().claim_start(generation)
    }

    fn drain(self: &Arc<Self>, generation: Option<u64>) {
        let mut last = Last::Nothing;
        let mut tally = self.recorder.tally();
        loop {
            last = match self.next(last, generation, &mut tally) {
                Next::Run(PoolItem::Call(call)) => {
                    let inside = call.header().is_nested();
                    let on_top = thread_context::nested_runs();
                    let (ran, took) = self.run_measured(call, &mut tally);
                    let calls = 1 + thread_context::nested_runs() - on_top;
                    Last::Call { inside, ran, took: took / calls, calls }
                }
                Next::Run(PoolItem::Other(OtherItem::Ticket)) => Last::Resumed,
                Next::Run(PoolItem::Other(OtherItem::Resume(work))) => {
                    let began = tally.is_on().then(clock::now);
                    unwind::ignore_panics(|| {
                        work.run();
                    });
                    if let Some(began) = began {
                        tally.busy(clock::now() - began);
                        self.bring(&mut tally);
                    }
                    Last::Resumed
                }
                Next::RunByRules(call) => {
                    let over = Completion::of(call.header());
                    let (ran, took) = self.run_measured(call, &mut tally);
                    Last::Limited { ran, over: over.ran(took) }
                }
                Next::Turn(turn) => {
                    self.run_broadcast(turn);
                    Last::Resumed
                }
                Next::Serve => {
                    self.run_fast_path(&mut tally);
                    tally.flush();
                    Last::Served
                }
                Next::Leave => return,
            };
        }
    }

    /// Runs a claimed call and records its measurements. Returns its run time, in nanoseconds.
    #[inline]
    fn run_measured(&self, call: CallRef<dyn ErasedCall>, tally: &mut ThreadRecorder) -> (RunResult, u64) {
        let began = clock::now();
        let seen = tally.is_on().then(|| (call.header().task(), call.header().submitted_at()));
        let _listed = self.list_at_work(&call);
        let ran = run_call(call, None, began);
        let took = clock::now() - began;
        if let Some((task, submitted)) = seen {
            tally.busy(took);
            if ran == RunResult::Finished {
                tally.note(task, began.saturating_sub(submitted), took, 1);
            }
            self.bring(tally);
        }
        (ran, took)
    }

    /// Lists a call of a simulation while a thread runs it.
    fn list_at_work(&self, call: &CallRef<dyn ErasedCall>) -> Option<ListedCall<'_>> {
        self.world.as_ref().map(|_| ListedCall::begin(&self.at_work, self.id(), call))
    }

    /// Flushes the measurements, unless more calls wait. So the metrics of an empty pool are
    /// complete.
    fn bring(&self, tally: &mut ThreadRecorder) {
        if !self.hint.is_waiting() {
            tally.flush();
        }
    }

    /// Counts what the worker did last, and chooses what it does next. With [`Next::Leave`] the
    /// permit has been returned.
    fn next(&self, last: Last, generation: Option<u64>, tally: &mut ThreadRecorder) -> Next {
        let mut core = self.lock();
        if !core.injector.has_waiting() {
            tally.flush(); // before the pool counts as empty
        }
        let mut lingered = matches!(last, Last::Served);
        let mut wakes = core.account(last);
        loop {
            if !core.broadcasts.is_empty() {
                if let Some(turn) = core.next_broadcast(generation) {
                    core.active += 1;
                    self.release(core, wakes);
                    return Next::Turn(turn);
                }
            }
            let leaves = core.is_surplus(generation) || core.consumers_keep_up();
            if !leaves {
                wakes = wakes.and(core.drop_stale_heads());
                if (core.injector.has_waiting() || !lingered) && core.can_use_fast_path() && self.world.is_none() {
                    return self.next_is_ring(core, wakes);
                }
                let (work, more) = core.take();
                wakes = wakes.and(more);
                if let Some(work) = work {
                    core.active += 1;
                    self.release(core, wakes);
                    return match work {
                        Started::Item(work) => Next::Run(work),
                        Started::Limited(call) => Next::RunByRules(call),
                    };
                }
            }
            if core.owes_user_code(&wakes) {
                core = self.run_user_code(core, std::mem::take(&mut wakes));
                continue;
            }
            if leaves || core.paused || core.closed {
                break;
            }
            if lingered {
                let after;
                (core, after) = self.park_worker(core, generation);
                match after {
                    AfterRest::Stayed => break,
                    AfterRest::Look => continue,
                    AfterRest::Serve => return self.next_is_ring(core, wakes),
                }
            }
            lingered = true;
            core.spinning += 1;
            self.hint.publish(&core.injector);
            drop(core);
            tally.flush();
            parker::spin_until(self.config.spin, || self.hint.is_waiting());
            core = self.lock();
            core.spinning -= 1;
        }
        self.leave(core, wakes, generation);
        Next::Leave
    }

    /// Returns the permit of a worker that runs no task.
    fn leave(&self, mut core: MutexGuard<'_, PoolState>, wakes: WakeList, generation: Option<u64>) {
        let permit = thread_context::put_down_permit().expect("a worker at no task holds its permit");
        core.release_permit(permit, generation);
        self.release(core, wakes);
    }

    /// Opens the ring for this worker. Returns [`Next::Serve`].
    fn next_is_ring(&self, mut core: MutexGuard<'_, PoolState>, wakes: WakeList) -> Next {
        let posted = core.begin_serving(self.ring.served());
        self.release(core, wakes);
        if posted {
            watchdog::arm_watchdog(self.me.clone());
        }
        Next::Serve
    }

    /// Carries out the pending wakes and drops before this worker idles or leaves. A destructor may
    /// wait for this pool and lend the permit, which is marked as idle.
    #[cold]
    fn run_user_code<'a>(&'a self, core: MutexGuard<'a, PoolState>, wakes: WakeList) -> MutexGuard<'a, PoolState> {
        thread_context::as_idle(|| self.release(core, wakes));
        self.lock()
    }

    /// Runs an accepted call on its caller's thread.
    pub(super) fn run_on_caller(&self, call: CallRef<dyn ErasedCall>) {
        {
            let mut core = self.lock();
            core.active += 1;
            core.callers += 1;
        }
        let run = || self.config.runtime.run(|| self.run_and_count(call));
        let (over, finished) = thread_context::collect_over(self.id(), run);
        let mut core = self.lock();
        core.active -= 1;
        core.callers -= 1;
        let wakes = over.or(finished).map_or_else(WakeList::default, |over| core.over(over));
        self.release(core, wakes);
    }

    /// Runs a claimed call on this thread. Returns what is to be counted, if the call has ended.
    pub(super) fn run_and_count(&self, call: CallRef<dyn ErasedCall>) -> Option<Completion> {
        let over = Completion::of(call.header());
        if !over.is_timed() {
            return over.after(self.run_call(call));
        }
        let began = clock::now();
        let ran = self.run_call(call);
        over.ran(clock::now() - began).after(ran)
    }

    /// Runs a claimed call on this thread. A panic of its destructors is ignored.
    pub(super) fn run_call(&self, call: CallRef<dyn ErasedCall>) -> RunResult {
        let Some(me) = self.me.upgrade() else { return RunResult::Finished };
        let host: Arc<dyn Backend> = me;
        let began = clock::now();
        let seen = self.recorder.is_on().then(|| (call.header().task(), call.header().submitted_at()));
        let _listed = self.list_at_work(&call);
        let ran = run_call(call, Some(host), began);
        if let (RunResult::Finished, Some((task, submitted))) = (ran, seen) {
            self.recorder.note(task, clock::elapsed(submitted, began), clock::elapsed(began, clock::now()));
        }
        ran
    }

    /// Runs a call for its waiter on a spare thread, beyond the concurrency. The pool is paused, or
    /// the waiter cannot run the call itself.
    pub(super) fn run_on_spare(self: &Arc<Self>, call: CallRef<dyn ErasedCall>) {
        let permit = {
            let mut core = self.lock();
            core.sent_apart -= 1;
            core.issue_beyond()
        };
        let (over, permit) = thread_context::with_permit(self.id(), permit, || {
            let over = self.run_and_count(call);
            over.or_else(thread_context::take_over)
        });
        let mut core = self.lock();
        core.return_beyond(permit.expect("a call gives back what its waits have lent"));
        let wakes = over.map_or_else(WakeList::default, |over| core.over(over));
        self.release(core, wakes);
    }
}

/// Runs a claimed call. A panic of its destructors is ignored.
#[inline]
pub(super) fn run_call(call: CallRef<dyn ErasedCall>, host: Option<Arc<dyn Backend>>, now: u64) -> RunResult {
    unwind::catch(|| call.run(host, now)).unwrap_or(RunResult::Finished)
}

impl PoolState {
    /// Returns whether wakers or destructors are to run once the lock is released.
    fn owes_user_code(&self, wakes: &WakeList) -> bool {
        !wakes.is_empty() || self.injector.queue.has_spent() || self.has_limits && self.limits.has_leftovers()
    }

    /// Counts what a worker did last.
    // The last action is counted once.
    #[allow(clippy::needless_pass_by_value)]
    fn account(&mut self, last: Last) -> WakeList {
        self.end_parent_ring();
        self.ran_children = matches!(last, Last::Call { calls: 2.., .. });
        match last {
            Last::Nothing => return WakeList::default(),
            Last::Call { inside, ran, took, calls } => {
                self.active -= 1;
                self.task_cost.record_many(took, calls);
                if ran != RunResult::Pending {
                    return self.injector.queue.over(inside, ran == RunResult::Finished);
                }
            }
            Last::Limited { ran, over } => {
                self.active -= 1;
                if let Some(over) = over.after(ran) {
                    return self.over(over);
                }
            }
            Last::Resumed => self.active -= 1,
            Last::Served => {
                self.active -= 1;
                return self.end_serving();
            }
        }
        self.over_left()
    }

    /// Counts the call whose future ended on this thread, if there is such a call.
    fn over_left(&mut self) -> WakeList {
        thread_context::take_over().map_or_else(WakeList::default, |over| self.over(over))
    }
}
