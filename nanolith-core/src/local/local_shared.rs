//! What all handles of a `Local` share: its lock, how work comes in, and how it ends.

use super::{
    builder::Config,
    notify::WorkHint,
    state::{Core, Notice, Work},
};
use crate::{
    call::{
        backend::{Host, HostId, Runnable},
        call_ref::Shared,
        end_batch::EndBatch,
        slot::End,
    },
    context::thread_context,
    deadlock::BlockedWaiter,
    executor::admission::{Gate, OnFull},
    meta::task_info::TaskInfo,
    pool::Suspended,
    sched::{
        injector::{Figures, Front},
        policy::Rules,
        queue::Queue,
        ring::Inbox,
    },
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

/// What its host has asked to be called with.
pub(super) type OnWork = Arc<dyn Fn(WorkHint) + Send + Sync>;

/// The begun calls of a `Local` that is of a simulation.
#[derive(Default)]
pub(super) struct Simulated {
    pub(super) suspended: Suspended,
    pub(super) at_work: Suspended,
}

pub(super) struct Inner {
    pub(super) id: HostId,
    me: Weak<Inner>,
    pub(super) config: Config,
    pub(super) rules: Arc<Rules>,
    /// Where its tasks have the time from.
    pub(super) clock: Option<Arc<clock::Source>>,
    core: Mutex<Core>,
    /// Nothing comes in by it: whoever submits, and whoever drives, takes the lock.
    inbox: Arc<Inbox<Work>>,
    pub(super) on_work: Mutex<Option<OnWork>>,
    /// The blocking wait of its driver.
    pub(super) blocked: Mutex<Option<BlockedWaiter>>,
    /// In a simulation, the calls whose futures are pending, and those that run.
    pub(super) simulated: Option<Simulated>,
}

impl Inner {
    pub(super) fn new(config: Config) -> Arc<Self> {
        unwind::install_hook();
        thread_context::mark_driver();
        let inbox = Arc::new(Inbox::new(1));
        let rules = Arc::new(Rules::new(config.schedule.clone()));
        let world = sim_runtime::world();
        let front = Front::new(Queue::ordered(config.bounds(), rules.clone()), inbox.clone());
        let inner = Arc::new_cyclic(|me| Self {
            id: HostId::new(),
            me: me.clone(),
            config,
            rules,
            clock: clock::source(),
            core: Mutex::new(Core::new(front)),
            inbox,
            on_work: Mutex::new(None),
            blocked: Mutex::default(),
            simulated: world.is_some().then(Simulated::default),
        });
        let host: Weak<dyn Host> = inner.me.clone();
        inner.id.belongs_to(host);
        if let Some(world) = world {
            let local = inner.me.clone();
            world.at_end(move || local.upgrade().iter().for_each(|local| local.end_with_simulation()));
        }
        inner
    }

    /// No user code runs, and nobody is woken, while this is held.
    pub(super) fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Releases the lock, then does what came out of it.
    pub(super) fn release(&self, mut core: MutexGuard<'_, Core>, wakes: WakeList) {
        let Notice { wakes: more, tell } = core.notice();
        self.rules.tell_earliest(core.front.queue.lanes().earliest());
        let spent = core.spent();
        drop(core);
        wakes.and(more).wake_in_place();
        spent.into_iter().for_each(|work| unwind::quietly(|| drop(work)));
        if let Some(expires_in) = tell {
            self.tell(WorkHint::new(expires_in));
        }
    }

    /// The same with all that is user code left to `batch`.
    pub(super) fn release_into(&self, mut core: MutexGuard<'_, Core>, wakes: WakeList, batch: &mut EndBatch) {
        let Notice { wakes: more, tell } = core.notice();
        self.rules.tell_earliest(core.front.queue.lanes().earliest());
        let spent = core.spent();
        drop(core);
        batch.wake_list(wakes.and(more));
        spent.into_iter().for_each(|work| batch.drop_later(work));
        if let (Some(expires_in), Some(me)) = (tell, self.me.upgrade()) {
            batch.call_back(move || me.tell(WorkHint::new(expires_in)));
        }
    }

    fn tell(&self, hint: WorkHint) {
        let on_work = self.on_work.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(on_work) = on_work {
            unwind::quietly(|| on_work(hint));
        }
    }

    /// This thread is ours until what this gives is dropped, and has our time.
    pub(super) fn enter(&self) -> (thread_context::Adopted, clock::Entered) {
        (thread_context::adopt_for_now(self.id, self.me.clone()), clock::enter(self.clock.clone()))
    }

    /// What its queue is at, at this moment.
    pub(super) fn figures(&self) -> Figures {
        let mut core = self.lock();
        let (figures, wakes) = core.front.figures();
        self.release(core, wakes);
        figures
    }

    /// For one that waits for an empty moment from now on, what to remember; `None`: this is one.
    pub(super) fn emptied(&self) -> Option<u64> {
        let mut core = self.lock();
        let (_, wakes) = core.front.figures();
        let emptied = core.front.queue.emptied();
        self.release(core, wakes);
        emptied
    }

    /// The task of the first call that waits. Entries before it that are out of date go.
    pub(super) fn next_task(&self) -> Option<&'static TaskInfo> {
        let mut core = self.lock();
        let (next, wakes) = core.next_task();
        self.release(core, wakes);
        next
    }

    /// Whether this thread drives, or is the one that would have to.
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

    /// Refuses calls from outside from now on. What was accepted is still run by whoever drives.
    pub(super) fn close(&self) {
        let mut core = self.lock();
        core.closed = true;
        core.paused = false;
        let wakes = core.front.queue.dismiss_line();
        self.release(core, wakes);
    }

    /// The same, but what is queued ends. Gives the number of calls.
    pub(super) fn shutdown_now(&self) -> usize {
        let mut core = self.lock();
        core.closed = true;
        core.paused = false;
        let (calls, _, wakes) = core.take_all(false);
        let wakes = wakes.and(core.front.queue.dismiss_line());
        let mut batch = EndBatch::default();
        self.release_into(core, wakes, &mut batch);
        let number = calls.len();
        calls.into_iter().for_each(|call| batch.end_claimed(call, End::Cancelled));
        batch.run();
        number
    }

    /// The last handle has gone, so nobody drives any more: what waits ends, and so does what goes on later.
    pub(super) fn abandon(&self) {
        self.abandon_as(End::Closed);
    }

    /// The simulation is over that it is of: all its calls end. This thread drops their arguments and futures.
    fn end_with_simulation(&self) {
        self.abandon_as(End::SimulationOver);
        let mut batch = EndBatch::default();
        for calls in self.simulated.iter().flat_map(|calls| [&calls.suspended, &calls.at_work]) {
            calls.end_all(self.id, End::SimulationOver, &mut batch);
        }
        batch.run();
    }

    fn abandon_as(&self, how: End) {
        let mut core = self.lock();
        core.closed = true;
        core.abandoned = true;
        let (calls, futures, wakes) = core.take_all(true);
        let wakes = wakes.and(core.front.queue.dismiss_line());
        let mut batch = EndBatch::default();
        self.release_into(core, wakes, &mut batch);
        calls.into_iter().for_each(|call| batch.end_claimed(call, how));
        batch.run();
        futures.into_iter().for_each(|future| unwind::quietly(|| drop(future)));
    }
}

impl<S: TaskSet> Gate<S> for Inner {
    type Item = Work;

    fn on_full(&self) -> OnFull {
        self.config.on_full
    }

    fn inbox(&self) -> &Inbox<Work> {
        &self.inbox
    }

    fn with_front<R>(&self, inside: bool, f: impl FnOnce(Option<&mut Front<Work>>) -> (R, WakeList)) -> R {
        let mut core = self.lock();
        let refuses = core.abandoned || (core.closed && !inside);
        let (result, wakes) = f((!refuses).then_some(&mut core.front));
        self.release(core, wakes);
        result
    }

    fn item(call: Shared<CallSlot<S>>) -> Work {
        Work::Call(call.erase())
    }

    fn call(item: &Work) -> Option<Shared<dyn Runnable>> {
        match item {
            Work::Call(call) => Some(call.clone()),
            Work::Resume(_) => None,
        }
    }

    /// Never asked: the builder refuses `CallerRuns`.
    fn run_here(&self, call: Shared<CallSlot<S>>) {
        call.discard(End::Unsupported);
    }
}

/// The waits of one kind at an executor, each a home of its own.
macro_rules! homes {
    ($($(#[$doc:meta])* $name:ident: $($set:ident).+;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name(pub(super) Arc<Inner>);

        impl WaiterHome for $name {
            type State = Core;

            fn with_state<R>(&self, change: impl FnOnce(&mut Core, &mut AfterUnlock) -> R) -> R {
                let mut after = AfterUnlock::default(); // acts after the release
                let mut core = self.0.lock();
                change(&mut core, &mut after)
            }

            fn waiters(core: &mut Core) -> &mut WaiterSet {
                &mut core.$($set).+
            }
        }
    )*};
}

homes! {
    /// Those that wait for the empty moment.
    Emptied: front.queue.drained;
    /// Those that wait for work.
    Watchers: watchers;
    /// Those that wait for the driver to go.
    Leavers: leavers;
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.id.forget();
    }
}
