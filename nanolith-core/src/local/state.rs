//! The state of a `Local` under its one lock: the queue, who drives it, and who is to hear of work. Pure data; what is to be
//! done outside the lock is given back.

use crate::util::prefetch::PrefetchTarget;
use crate::{
    call::{
        backend::{Backend, ErasedCall},
        call_ref::CallRef,
    },
    meta::task_info::TaskInfo,
    sched::injector::{Injector, QueueItem},
    time::clock,
    wake::{AfterUnlock, NewWaker, SingleWaiter, WaiterSet, WakeList},
};
use std::{
    collections::VecDeque,
    mem,
    sync::Weak,
    thread::{self, ThreadId},
    time::Duration,
};

/// What waits in the lanes.
pub(super) enum Work {
    /// A call that nobody has begun, unless its entry is out of date.
    Call(CallRef<dyn ErasedCall>),
    /// A future that was woken.
    Resume(async_task::Runnable),
}

impl PrefetchTarget for Work {
    fn target_ptr(&self) -> *const () {
        match self {
            Self::Call(call) => call.target_ptr(),
            Self::Resume(_) => std::ptr::null(),
        }
    }
}

impl QueueItem for Work {
    fn call(&self) -> Option<&dyn ErasedCall> {
        match self {
            Self::Call(call) => Some(&**call),
            Self::Resume(_) => None,
        }
    }
}

pub(super) struct LocalState {
    pub(super) injector: Injector<Work>,
    /// The thread that drives it now.
    pub(super) driver: Option<ThreadId>,
    /// The thread that made it, or drove it last: what that waits for, it brings about itself.
    pub(super) owner: ThreadId,
    /// Whose thread the driver is otherwise, and whether it holds a slot there.
    pub(super) outer_executor: Option<Weak<dyn Backend>>,
    /// Tasks on the driver's stack: at most one runs, the others wait.
    pub(super) active: usize,
    /// The calls among them that were run from the queue, by address.
    pub(super) begun: Vec<usize>,
    /// Queued calls that futures of ours wait for.
    awaited: VecDeque<CallRef<dyn ErasedCall>>,
    /// How many there may be before those that have begun go.
    sweep_at: usize,
    pub(super) paused: bool,
    pub(super) closed: bool,
    /// Nobody can drive it any more.
    pub(super) abandoned: bool,
    /// Whether the host was told of work since it was driven last.
    pub(super) notified: bool,
    /// The driver sleeps until there is work.
    driver_waker: SingleWaiter,
    /// They wait for work.
    pub(super) watchers: WaiterSet,
    /// They wait for the driver to go.
    pub(super) driver_waiters: WaiterSet,
    /// Entries that are out of date: dropped off the lock.
    spent: Vec<Work>,
}

/// So many calls may be urged before those that have begun are looked for.
const SWEEP: usize = 64;

/// Who is to hear of work, once the lock is released.
#[derive(Default)]
#[must_use = "somebody waits for this"]
pub(super) struct HostNotice {
    pub(super) wakes: WakeList,
    /// In how long the first of it expires: for the host's callback.
    pub(super) tell: Option<Duration>,
}

impl LocalState {
    pub(super) fn new(front: Injector<Work>) -> Self {
        Self {
            injector: front,
            driver: None,
            owner: thread::current().id(),
            outer_executor: None,
            active: 0,
            begun: Vec::new(),
            awaited: VecDeque::new(),
            sweep_at: SWEEP,
            paused: false,
            closed: false,
            abandoned: false,
            notified: false,
            driver_waker: SingleWaiter::default(),
            watchers: WaiterSet::new(),
            driver_waiters: WaiterSet::new(),
            spent: Vec::new(),
        }
    }

    // ----- work

    /// Whether calls that nobody waits for stay where they are: it is paused, or a task waits, which may hold a lock that they
    /// would want. What has begun goes on.
    fn is_held(&self) -> bool {
        self.paused || self.active > 0
    }

    /// Whether there is work that may be run now.
    pub(super) fn has_work(&mut self) -> bool {
        let held = self.is_held();
        let queue = &self.injector.queue;
        match held {
            true => queue.has_resumed() || self.has_urged(),
            false => queue.queued_outside() + queue.overflow() > 0,
        }
    }

    /// Whether a future of ours waits for a queued call of ours. Calls that have begun since go: so each is looked at once.
    fn has_urged(&mut self) -> bool {
        while self.awaited.front().is_some_and(|call| !call.is_queued()) {
            self.spent.extend(self.awaited.pop_front().map(Work::Call));
        }
        !self.awaited.is_empty()
    }

    /// The next live work, which is begun by this; `may` says whether to run what expires then.
    pub(super) fn take(&mut self, may: &mut dyn FnMut(u64) -> bool) -> (Option<Work>, WakeList) {
        if self.is_held() {
            return if may(u64::MAX) { self.take_begun() } else { (None, WakeList::default()) };
        }
        let mut wakes = WakeList::default();
        while self.injector.queue.lanes().earliest().is_some_and(&mut *may) {
            let Some(work) = self.injector.queue.pop() else { break };
            match &work {
                Work::Resume(_) => {
                    self.injector.queue.on_resume();
                    return (Some(work), wakes);
                }
                Work::Call(call) if call.claim() => {
                    let begun = self.injector.queue.on_start(call.header().is_nested());
                    return (Some(work), wakes.and(begun));
                }
                Work::Call(call) => {
                    wakes = wakes.and(self.injector.skip_stale(&**call));
                    self.spent.push(work);
                }
            }
        }
        (None, wakes)
    }

    /// The task of the first call that waits for its turn. Entries before it that are out of date go: so each is looked at once.
    pub(super) fn next_task(&mut self) -> (Option<&'static TaskInfo>, WakeList) {
        let mut wakes = WakeList::default();
        loop {
            match self.injector.queue.first() {
                Some(Work::Call(call)) if call.is_queued() => return (Some(call.header().task()), wakes),
                _ => {}
            }
            let Some(work) = self.injector.queue.pop_first() else { return (None, wakes) };
            if let Work::Call(call) = &work {
                wakes = wakes.and(self.injector.skip_stale(&**call));
            }
            self.spent.push(work);
        }
    }

    /// The same of what was begun, and of what that waits for.
    fn take_begun(&mut self) -> (Option<Work>, WakeList) {
        if let Some(work) = self.injector.queue.pop_resumed() {
            self.injector.queue.on_resume();
            return (Some(work), WakeList::default());
        }
        while let Some(call) = self.awaited.pop_front() {
            if call.claim() {
                let wakes = self.injector.start_out_of_order(&*call);
                return (Some(Work::Call(call)), wakes);
            }
            self.spent.push(Work::Call(call));
        }
        (None, WakeList::default())
    }

    /// A future of ours waits for a queued call of ours.
    pub(super) fn urge(&mut self, call: CallRef<dyn ErasedCall>) {
        if self.awaited.len() >= self.sweep_at {
            let (stay, gone) = mem::take(&mut self.awaited).into_iter().partition(|call| call.is_queued());
            self.awaited = stay;
            let gone: VecDeque<_> = gone;
            self.spent.extend(gone.into_iter().map(Work::Call));
            self.sweep_at = SWEEP + 2 * self.awaited.len();
        }
        self.awaited.push_back(call);
    }

    /// Everything that waits, at the end: calls, of which the first are claimed, and futures.
    pub(super) fn take_all(
        &mut self,
        futures_too: bool,
    ) -> (Vec<CallRef<dyn ErasedCall>>, Vec<async_task::Runnable>, WakeList) {
        let (mut calls, mut futures, mut wakes) = (Vec::new(), Vec::new(), WakeList::default());
        while let Some(work) = self.injector.queue.pop() {
            match work {
                Work::Resume(work) => futures.push(work),
                Work::Call(call) if call.claim() => {
                    wakes = wakes.and(self.injector.queue.discarded(call.header().is_nested()));
                    calls.push(call);
                }
                Work::Call(call) => {
                    wakes = wakes.and(self.injector.skip_stale(&*call));
                    self.spent.push(Work::Call(call));
                }
            }
        }
        self.spent.extend(mem::take(&mut self.awaited).into_iter().map(Work::Call));
        futures.iter().for_each(|_| self.injector.queue.on_resume());
        if !futures_too {
            for work in futures.drain(..) {
                self.injector.queue.resume(0, Work::Resume(work)); // begun calls go on
            }
        }
        (calls, futures, wakes)
    }

    /// What is to be dropped after the lock is released.
    pub(super) fn spent(&mut self) -> Vec<Work> {
        let mut spent = self.injector.take_stale();
        spent.append(&mut self.spent);
        spent
    }

    // ----- who is to hear of work

    /// The driver sleeps until there is some, or until it is woken for another reason.
    pub(super) fn sleep(&mut self, waker: NewWaker, after: &mut AfterUnlock) {
        self.driver_waker.register(waker, after);
    }

    /// Whether there is work and no thread at it.
    pub(super) fn has_work_for_driver(&mut self) -> bool {
        self.driver.is_none() && self.has_work()
    }

    /// Who is to hear of what waits now.
    pub(super) fn notice(&mut self) -> HostNotice {
        if !self.has_work() {
            return HostNotice::default();
        }
        if self.driver.is_some() {
            return HostNotice { wakes: self.driver_waker.take(), tell: None };
        }
        let tell = (!mem::replace(&mut self.notified, true)).then(|| {
            let expires = self.injector.queue.lanes().earliest().unwrap_or(0);
            clock::elapsed(clock::now(), expires)
        });
        HostNotice { wakes: self.watchers.take_all(), tell }
    }

    /// The driver goes. `reports` says that its host knows what is left.
    pub(super) fn leave(&mut self, reports: bool, after: &mut AfterUnlock) -> WakeList {
        self.driver = None;
        self.outer_executor = None;
        self.driver_waker.remove(after);
        self.notified = reports && self.has_work();
        self.driver_waiters.take_all()
    }
}
