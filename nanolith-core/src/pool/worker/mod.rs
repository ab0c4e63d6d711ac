//! A runner: it holds a permit, drains the lanes, lingers a moment, and steps down.

pub(super) mod blocking;
pub(super) mod cost;
pub(super) mod fast_path;
pub(super) mod watchdog;

use super::{
    limits::Taken,
    pool_shared::Inner,
    pool_state::{Core, Rest, Work},
    shutdown::AtWork,
    threads::broadcast::Turn,
};
use crate::{
    call::{
        backend::{Host, Over, Permit, Ran, Runnable},
        call_ref::Shared,
    },
    context::thread_context,
    metrics::Tally,
    park::parker,
    time::clock,
    util::unwind,
    wake::WakeList,
};
use std::sync::{Arc, MutexGuard};

/// What a runner did last.
enum Last {
    Nothing,
    Call {
        inside: bool,
        ran: Ran,
        /// How long it took, in nanoseconds: what it ran of others that it waited for takes its share.
        took: u64,
    },
    Resumed,
    /// A call that some rule is about.
    Ruled {
        ran: Ran,
        over: Over,
    },
    /// It took from the inbox, and found nothing there for a while.
    Served,
}

/// What a runner does next.
enum Next {
    Run(Work),
    /// A call that some rule is about.
    RunByRules(Shared<dyn Runnable>),
    /// Take from the inbox.
    Serve,
    /// Run what each thread is to run once.
    Turn(Turn),
    Leave,
}

impl Inner {
    /// A permit has come to a rayon thread, whose stack is so deep.
    pub(super) fn begin_on_rayon(self: &Arc<Self>, generation: u64, depth: Option<usize>) {
        let mut core = self.lock();
        let current = core.rayon.generation == generation;
        if current {
            core.rayon.coming -= 1;
        }
        if self.is_on_top(depth) {
            // Stolen on top of a task that waits in `par_iter` and may hold a lock, or of a piece that such a task waits
            // for: another thread has to begin.
            drop(core);
            self.send_spare(self.clone());
            return;
        }
        drop(core);
        self.begin(Some(generation));
    }

    /// A permit has come to a spare thread.
    pub(super) fn begin_spare(self: &Arc<Self>) {
        self.begin(None);
    }

    /// Takes up permits as long as there are some. On threads that are outgrown it takes no second one: that is for the larger
    /// ones, and it would only give it back, over and over, until one of these is there.
    fn begin(self: &Arc<Self>, generation: Option<u64>) {
        let is_outgrown = || generation.is_some_and(|generation| generation != self.lock().rayon.generation);
        while let Some(permit) = self.take_token(generation) {
            // The worker puts its permit down before it leaves.
            let ((), left) = thread_context::as_runner(self.id(), permit, || self.drain(generation));
            debug_assert!(left.is_none(), "the worker has stepped down");
            if is_outgrown() {
                return;
            }
        }
    }

    fn take_token(&self, generation: Option<u64>) -> Option<Permit> {
        self.lock().take_token(generation)
    }

    fn drain(self: &Arc<Self>, generation: Option<u64>) {
        let mut last = Last::Nothing;
        let mut tally = self.recorder.tally();
        loop {
            last = match self.next(last, generation, &mut tally) {
                Next::Run(Work::Call(call)) => {
                    let inside = call.meta().is_inside();
                    let on_top = thread_context::ran_on_top();
                    let (ran, took) = self.run_measured(call, &mut tally);
                    let calls = 1 + thread_context::ran_on_top() - on_top;
                    Last::Call { inside, ran, took: took / calls }
                }
                Next::Run(Work::Rest(Rest::Ticket)) => Last::Resumed,
                Next::Run(Work::Rest(Rest::Resume(work))) => {
                    let began = tally.is_on().then(clock::now);
                    unwind::quietly(|| {
                        work.run();
                    });
                    if let Some(began) = began {
                        tally.busy(clock::now() - began);
                        self.bring(&mut tally);
                    }
                    Last::Resumed
                }
                Next::RunByRules(call) => {
                    let over = Over::of(call.meta());
                    let (ran, took) = self.run_measured(call, &mut tally);
                    Last::Ruled { ran, over: over.ran(took) }
                }
                Next::Turn(turn) => {
                    self.run_turn(turn);
                    Last::Resumed
                }
                Next::Serve => {
                    self.serve(&mut tally);
                    tally.flush();
                    Last::Served
                }
                Next::Leave => return,
            };
        }
    }

    /// Runs a claimed call, and puts down what is to be measured of it. Gives how long it took, in nanoseconds.
    #[inline]
    fn run_measured(&self, call: Shared<dyn Runnable>, tally: &mut Tally) -> (Ran, u64) {
        let began = clock::now();
        let seen = tally.is_on().then(|| (call.meta().task(), call.meta().submitted_at()));
        let _listed = self.list_at_work(&call);
        let ran = run_call(call, None, began);
        let took = clock::now() - began;
        if let Some((task, submitted)) = seen {
            tally.busy(took);
            if ran == Ran::Done {
                tally.note(task, began.saturating_sub(submitted), took, 1);
            }
            self.bring(tally);
        }
        (ran, took)
    }

    /// Lists a call of a simulation while a thread runs it.
    fn list_at_work(&self, call: &Shared<dyn Runnable>) -> Option<AtWork<'_>> {
        self.world.as_ref().map(|_| AtWork::begin(&self.at_work, self.id(), call))
    }

    /// Brings what was measured to the book, unless more waits: a pool that is empty has it all.
    fn bring(&self, tally: &mut Tally) {
        if !self.hint.is_waiting() {
            tally.flush();
        }
    }

    /// Counts what was done last, and takes what is next. `Leave`: the permit is given back.
    fn next(&self, last: Last, generation: Option<u64>, tally: &mut Tally) -> Next {
        let mut core = self.lock();
        let mut lingered = matches!(last, Last::Served);
        let mut wakes = core.account(last);
        loop {
            if !core.rolls.is_empty() {
                if let Some(turn) = core.turn(generation) {
                    core.active += 1;
                    self.release(core, wakes);
                    return Next::Turn(turn);
                }
            }
            let leaves = core.is_superfluous(generation) || core.is_in_good_hands();
            if !leaves {
                if (core.front.has_waiting() || !lingered) && core.may_serve() && self.world.is_none() {
                    let posted = core.begin_serving(self.inbox.taken());
                    self.release(core, wakes);
                    if posted {
                        watchdog::post(self.me.clone());
                    }
                    return Next::Serve;
                }
                let (work, more) = core.take();
                wakes = wakes.and(more);
                if let Some(work) = work {
                    core.active += 1;
                    self.release(core, wakes);
                    return match work {
                        Taken::Work(work) => Next::Run(work),
                        Taken::Ruled(call) => Next::RunByRules(call),
                    };
                }
            }
            if core.owes_user_code(&wakes) {
                core = self.run_user_code(core, std::mem::take(&mut wakes));
                continue;
            }
            if leaves || lingered || core.paused || core.closed {
                break;
            }
            lingered = true;
            core.lingering += 1;
            self.hint.tell(&core.front);
            drop(core);
            tally.flush();
            parker::look_on(self.config.spin, || self.hint.is_waiting());
            core = self.lock();
            core.lingering -= 1;
        }
        let permit = thread_context::put_down_permit().expect("a worker at no task holds its permit");
        core.step_down(permit, generation);
        self.release(core, wakes);
        Next::Leave
    }

    /// Wakes and drops what came out of the core, before this worker idles or leaves. A destructor may wait for this pool and
    /// lend the permit, which is at no task.
    #[cold]
    fn run_user_code<'a>(&'a self, core: MutexGuard<'a, Core>, wakes: WakeList) -> MutexGuard<'a, Core> {
        thread_context::as_idle(|| self.release(core, wakes));
        self.lock()
    }

    /// Runs a call that has entered on its caller's thread.
    pub(super) fn run_on_caller(&self, call: Shared<dyn Runnable>) {
        {
            let mut core = self.lock();
            core.active += 1;
            core.callers += 1;
        }
        let (over, finished) = thread_context::collect_over(self.id(), || self.run_and_count(call));
        let mut core = self.lock();
        core.active -= 1;
        core.callers -= 1;
        let wakes = over.or(finished).map_or_else(WakeList::default, |over| core.over(over));
        self.release(core, wakes);
    }

    /// Runs a claimed call on this thread. Returns what is to be counted, if the call is over.
    pub(super) fn run_and_count(&self, call: Shared<dyn Runnable>) -> Option<Over> {
        let over = Over::of(call.meta());
        if !over.is_timed() {
            return over.after(self.run_call(call));
        }
        let began = clock::now();
        let ran = self.run_call(call);
        over.ran(clock::now() - began).after(ran)
    }

    /// Runs a claimed call on this thread; what its destructors throw stays here.
    pub(super) fn run_call(&self, call: Shared<dyn Runnable>) -> Ran {
        let Some(me) = self.me.upgrade() else { return Ran::Done };
        let host: Arc<dyn Host> = me;
        let began = clock::now();
        let seen = self.recorder.is_on().then(|| (call.meta().task(), call.meta().submitted_at()));
        let _listed = self.list_at_work(&call);
        let ran = run_call(call, Some(host), began);
        if let (Ran::Done, Some((task, submitted))) = (ran, seen) {
            self.recorder.note(task, clock::between(submitted, began), clock::between(began, clock::now()));
        }
        ran
    }

    /// Runs a call that somebody waits for on a spare thread, beyond the concurrency: the pool is paused, or its one
    /// who waits cannot run it.
    pub(super) fn run_apart(self: &Arc<Self>, call: Shared<dyn Runnable>) {
        let permit = {
            let mut core = self.lock();
            core.sent_apart -= 1;
            core.issue_beyond()
        };
        let (over, permit) = thread_context::as_runner(self.id(), permit, || {
            let over = self.run_and_count(call);
            over.or_else(thread_context::take_over)
        });
        let mut core = self.lock();
        core.return_beyond(permit.expect("a call gives back what its waits have lent"));
        let wakes = over.map_or_else(WakeList::default, |over| core.over(over));
        self.release(core, wakes);
    }
}

/// Runs a claimed call; what its destructors throw stays here.
pub(super) fn run_call(call: Shared<dyn Runnable>, host: Option<Arc<dyn Host>>, now: u64) -> Ran {
    unwind::catch(|| call.run(host, now)).unwrap_or(Ran::Done)
}

impl Core {
    /// Whether user code is to run once the lock is released: wakers and destructors.
    fn owes_user_code(&self, wakes: &WakeList) -> bool {
        !wakes.is_empty() || self.front.queue.has_spent() || self.ruled && self.rules.has_leftovers()
    }

    /// Counts what a runner did last.
    #[allow(clippy::needless_pass_by_value)] // what was done last is counted once
    fn account(&mut self, last: Last) -> WakeList {
        match last {
            Last::Nothing => return WakeList::default(),
            Last::Call { inside, ran, took } => {
                self.active -= 1;
                self.pace.note(took);
                if ran != Ran::Spawned {
                    return self.front.queue.over(inside, ran == Ran::Done);
                }
            }
            Last::Ruled { ran, over } => {
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

    /// Counts the call with a future that came to its end on this thread, if one did.
    fn over_left(&mut self) -> WakeList {
        thread_context::take_over().map_or_else(WakeList::default, |over| self.over(over))
    }

    /// A runner takes from the inbox from now on. Says whether a guard is to be posted, which looks after those.
    fn begin_serving(&mut self, taken: u64) -> bool {
        self.active += 1;
        self.front.queue.begin_serving();
        self.front.open();
        let posted = self.guard.is_none() && self.limit > 1;
        if posted {
            self.guard = Some(taken);
        }
        posted
    }

    fn end_serving(&mut self) -> WakeList {
        if self.front.queue.serving() == 1 {
            self.front.shut();
        }
        self.front.queue.end_serving()
    }
}
