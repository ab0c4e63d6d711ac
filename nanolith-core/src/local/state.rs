//! [`LocalState`]: a `Local` under its one lock: the queue, the driver, and the waiters for work.
//! Pure data: the methods return the actions that run after the lock is released.

use crate::util::prefetch::PrefetchTarget;
use crate::{
    call::{
        backend::{Backend, ErasedCall},
        call_ref::CallRef,
    },
    meta::task_info::TaskInfo,
    sched::{
        injector::{Injector, QueueItem},
        ring::{NoInline, RingItem},
    },
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

/// An entry of the lanes.
pub(super) enum LocalWork {
    /// A call that has not begun, unless its entry is out of date.
    Call(CallRef<dyn ErasedCall>),
    /// A future that was woken.
    Resume(async_task::Runnable),
}

impl PrefetchTarget for LocalWork {
    fn target_ptr(&self) -> *const () {
        match self {
            Self::Call(call) => call.target_ptr(),
            Self::Resume(_) => std::ptr::null(),
        }
    }
}

impl RingItem for LocalWork {
    type Inline = NoInline;

    fn from_inline(value: NoInline) -> Self {
        match value {}
    }
}

impl QueueItem for LocalWork {
    fn call(&self) -> Option<&dyn ErasedCall> {
        match self {
            Self::Call(call) => Some(&**call),
            Self::Resume(_) => None,
        }
    }
}

pub(super) struct LocalState {
    pub(super) injector: Injector<LocalWork>,
    /// The thread that drives now.
    pub(super) driver: Option<ThreadId>,
    /// The thread that created the `Local`, or that drove it last. A wait of this thread drives.
    pub(super) owner: ThreadId,
    /// The executor that the driver's thread belongs to outside of this `Local`.
    pub(super) outer_executor: Option<Weak<dyn Backend>>,
    /// The number of tasks on the driver's stack. At most one runs; the others wait.
    pub(super) active: usize,
    /// The addresses of the calls among them that were run from the queue.
    pub(super) begun: Vec<usize>,
    /// Queued calls that futures of this `Local` wait for.
    awaited: VecDeque<CallRef<dyn ErasedCall>>,
    /// The length of `awaited` at which calls that have begun are removed.
    sweep_at: usize,
    pub(super) paused: bool,
    pub(super) closed: bool,
    /// Whether the last handle was dropped, so that no thread can drive.
    pub(super) abandoned: bool,
    /// Whether the host was notified of work since the last turn.
    pub(super) notified: bool,
    /// The waker of the driver, while it sleeps until there is work.
    driver_waker: SingleWaiter,
    /// Waiters for work.
    pub(super) watchers: WaiterSet,
    /// Waiters until the driver stops.
    pub(super) driver_waiters: WaiterSet,
    /// Entries that are out of date, to be dropped after the lock is released.
    spent: Vec<LocalWork>,
}

/// The least number of awaited calls at which calls that have begun are removed.
const SWEEP: usize = 64;

/// The waiters to wake because of work, once the lock is released.
#[derive(Default)]
#[must_use = "tasks wait for these wakers"]
pub(super) struct HostNotice {
    pub(super) wakes: WakeList,
    /// The time until the first work expires, for the host's handler.
    pub(super) tell: Option<Duration>,
}

impl LocalState {
    pub(super) fn new(front: Injector<LocalWork>) -> Self {
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

    /// Returns whether queued calls that no task waits for stay queued. That is so if the `Local`
    /// is paused, or if a task waits, which may hold a lock that they would take. Calls that have
    /// begun continue.
    fn is_held(&self) -> bool {
        self.paused || self.active > 0
    }

    /// Returns whether there is work that may run now.
    pub(super) fn has_work(&mut self) -> bool {
        let held = self.is_held();
        let queue = &self.injector.queue;
        match held {
            true => queue.has_resumed() || self.has_urged(),
            false => queue.queued_outside() + queue.overflow() > 0,
        }
    }

    /// Returns whether a future of this `Local` waits for a queued call of it. Removes calls that
    /// have begun since, so each call is looked at once.
    fn has_urged(&mut self) -> bool {
        while self.awaited.front().is_some_and(|call| !call.is_queued()) {
            self.spent.extend(self.awaited.pop_front().map(LocalWork::Call));
        }
        !self.awaited.is_empty()
    }

    /// Takes the next work, skips entries that are out of date, and marks a call as begun. `may`
    /// decides by the expiration whether to run the work.
    pub(super) fn take(&mut self, may: &mut dyn FnMut(u64) -> bool) -> (Option<LocalWork>, WakeList) {
        if self.is_held() {
            return if may(u64::MAX) { self.take_begun() } else { (None, WakeList::default()) };
        }
        let mut wakes = WakeList::default();
        while self.injector.queue.lanes().earliest().is_some_and(&mut *may) {
            let Some(work) = self.injector.queue.pop() else { break };
            match &work {
                LocalWork::Resume(_) => {
                    self.injector.queue.on_resume();
                    return (Some(work), wakes);
                }
                LocalWork::Call(call) if call.claim() => {
                    let begun = self.injector.queue.on_start(call.header().is_nested());
                    return (Some(work), wakes.and(begun));
                }
                LocalWork::Call(call) => {
                    wakes = wakes.and(self.injector.skip_stale(&**call));
                    self.spent.push(work);
                }
            }
        }
        (None, wakes)
    }

    /// Returns the task of the first queued call. Removes entries before it that are out of date,
    /// so each entry is looked at once.
    pub(super) fn next_task(&mut self) -> (Option<&'static TaskInfo>, WakeList) {
        let mut wakes = WakeList::default();
        loop {
            match self.injector.queue.first() {
                Some(LocalWork::Call(call)) if call.is_queued() => return (Some(call.header().task()), wakes),
                _ => {}
            }
            let Some(work) = self.injector.queue.pop_first() else { return (None, wakes) };
            if let LocalWork::Call(call) = &work {
                wakes = wakes.and(self.injector.skip_stale(&**call));
            }
            self.spent.push(work);
        }
    }

    /// Takes the next work among woken futures, and among the calls that those wait for.
    fn take_begun(&mut self) -> (Option<LocalWork>, WakeList) {
        if let Some(work) = self.injector.queue.pop_resumed() {
            self.injector.queue.on_resume();
            return (Some(work), WakeList::default());
        }
        while let Some(call) = self.awaited.pop_front() {
            if call.claim() {
                let wakes = self.injector.start_out_of_order(&*call);
                return (Some(LocalWork::Call(call)), wakes);
            }
            self.spent.push(LocalWork::Call(call));
        }
        (None, WakeList::default())
    }

    /// Records that a future of this `Local` waits for a queued call of it.
    pub(super) fn urge(&mut self, call: CallRef<dyn ErasedCall>) {
        if self.awaited.len() >= self.sweep_at {
            let (stay, gone) = mem::take(&mut self.awaited).into_iter().partition(|call| call.is_queued());
            self.awaited = stay;
            let gone: VecDeque<_> = gone;
            self.spent.extend(gone.into_iter().map(LocalWork::Call));
            self.sweep_at = SWEEP + 2 * self.awaited.len();
        }
        self.awaited.push_back(call);
    }

    /// Takes all queued work, at the end: claimed calls, and futures if `futures_too`.
    pub(super) fn take_all(
        &mut self,
        futures_too: bool,
    ) -> (Vec<CallRef<dyn ErasedCall>>, Vec<async_task::Runnable>, WakeList) {
        let (mut calls, mut futures, mut wakes) = (Vec::new(), Vec::new(), WakeList::default());
        while let Some(work) = self.injector.queue.pop() {
            match work {
                LocalWork::Resume(work) => futures.push(work),
                LocalWork::Call(call) if call.claim() => {
                    wakes = wakes.and(self.injector.queue.discarded(call.header().is_nested()));
                    calls.push(call);
                }
                LocalWork::Call(call) => {
                    wakes = wakes.and(self.injector.skip_stale(&*call));
                    self.spent.push(LocalWork::Call(call));
                }
            }
        }
        self.spent.extend(mem::take(&mut self.awaited).into_iter().map(LocalWork::Call));
        futures.iter().for_each(|_| self.injector.queue.on_resume());
        if !futures_too {
            for work in futures.drain(..) {
                self.injector.queue.resume(0, LocalWork::Resume(work)); // calls that have begun continue
            }
        }
        (calls, futures, wakes)
    }

    /// Takes the entries to drop after the lock is released.
    pub(super) fn spent(&mut self) -> Vec<LocalWork> {
        let mut spent = self.injector.take_stale();
        spent.append(&mut self.spent);
        spent
    }

    // ----- notifying of work

    /// Registers the driver's waker. The driver sleeps until there is work, or until another
    /// wake-up.
    pub(super) fn sleep(&mut self, waker: NewWaker, after: &mut AfterUnlock) {
        self.driver_waker.register(waker, after);
    }

    /// Returns whether there is work and no thread drives.
    pub(super) fn has_work_for_driver(&mut self) -> bool {
        self.driver.is_none() && self.has_work()
    }

    /// Takes the waiters to wake because of the queued work.
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

    /// Removes the driver. `reports` says that a report tells the host how much work is left.
    pub(super) fn leave(&mut self, reports: bool, after: &mut AfterUnlock) -> WakeList {
        self.driver = None;
        self.outer_executor = None;
        self.driver_waker.remove(after);
        self.notified = reports && self.has_work();
        self.driver_waiters.take_all()
    }
}
