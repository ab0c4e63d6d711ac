//! [`DriverGuard`] makes one thread at a time run the work of a `Local`, an executor without
//! threads. The loops that run the work are here too.

use super::{
    RunReport,
    local_shared::{Leavers, LocalShared},
};
use crate::{
    context::thread_context,
    park::parker::ThreadParker,
    time::{clock, timer},
    wake::{AfterUnlock, NewWaker, Registration},
};
use std::{
    cell::Cell,
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    thread,
    time::Instant,
};

/// A guard: the thread that holds it may run the work.
pub(super) struct DriverGuard<'a> {
    inner: &'a Arc<LocalShared>,
    /// Whether the thread was driving before, and continues after the drop.
    nested: bool,
    /// Whether a report tells the host how much work is left.
    reports: Cell<bool>,
}

impl<'a> DriverGuard<'a> {
    /// Begins to drive. Returns `None` if a thread already drives, which may be the calling thread.
    pub(super) fn begin(inner: &'a Arc<LocalShared>) -> Option<Self> {
        let (here, outer) = (thread::current().id(), thread_context::standing());
        thread_context::mark_driver_thread();
        let mut core = inner.lock();
        if core.driver.is_some() {
            return None;
        }
        core.driver = Some(here);
        core.owner = here;
        core.outer_executor = outer;
        core.notified = false;
        Some(Self { inner, nested: false, reports: Cell::new(false) })
    }

    /// Returns a nested guard if the calling thread already drives.
    fn within(inner: &'a Arc<LocalShared>) -> Option<Self> {
        let drives = inner.lock().driver == Some(thread::current().id());
        drives.then_some(Self { inner, nested: true, reports: Cell::new(false) })
    }

    /// Returns a guard for a wait of the thread that drives, or of the owner if no thread drives.
    /// Returns `None` on any other thread.
    pub(super) fn as_owner(inner: &'a Arc<LocalShared>) -> Option<Self> {
        let owns = inner.is_driven_by_us();
        owns.then(|| Self::within(inner).or_else(|| Self::begin(inner))).flatten()
    }

    /// Runs the next work, if `may` accepts its expiration. Returns whether there was any.
    fn step(&self, may: &mut dyn FnMut(u64) -> bool) -> bool {
        self.take(may, None)
    }

    /// Runs the next work, if there is any. Otherwise registers `waker`, which is woken when work
    /// arrives.
    pub(super) fn step_or_register(&self, waker: &Waker) -> bool {
        self.take(&mut |_| true, Some(waker))
    }

    fn take(&self, may: &mut dyn FnMut(u64) -> bool, sleeper: Option<&Waker>) -> bool {
        let (mut new, mut after) = (sleeper.map(NewWaker::of), AfterUnlock::default());
        let mut core = self.inner.lock();
        let (work, wakes) = core.take(may);
        if let Some(waker) = new.take_if(|_| work.is_none()) {
            core.sleep(waker, &mut after);
        }
        self.inner.release(core, wakes);
        after.run();
        work.map(|work| self.inner.run(work)).is_some()
    }
}

impl Drop for DriverGuard<'_> {
    fn drop(&mut self) {
        if !self.nested {
            let mut after = AfterUnlock::default();
            let mut core = self.inner.lock();
            let wakes = core.leave(self.reports.get(), &mut after);
            self.inner.release(core, wakes);
            after.run();
        }
    }
}

/// The condition that ends a turn.
#[derive(Clone, Copy)]
pub(super) enum StopCondition {
    Idle,
    /// One piece of work has run.
    One,
    /// The clock has reached this time, in nanoseconds, and no work has expired.
    Late(u64),
}

impl LocalShared {
    pub(super) fn turn(self: &Arc<Self>, until: impl FnOnce() -> StopCondition) -> RunReport {
        let Some(driving) = DriverGuard::begin(self) else { return RunReport::busy() };
        let _time = clock::enter(self.clock.clone());
        let (until, mut ran) = (until(), 0);
        let mut may = |expires| match until {
            StopCondition::Idle | StopCondition::One => true,
            StopCondition::Late(end) => {
                let now = clock::now();
                now < end || expires <= now
            }
        };
        while driving.step(&mut may) {
            ran += 1;
            if matches!(until, StopCondition::One) {
                break;
            }
        }
        let next_alarm = timer::next().map(|due| due.saturating_duration_since(clock::instant()));
        driving.reports.set(true);
        let has_work = driving.leave();
        RunReport { ran, has_work, next_alarm, busy: false }
    }

    /// Drives until `future` is ready. Polls `future` on this thread. While another thread drives,
    /// waits.
    pub(super) fn block_on<F: Future>(self: &Arc<Self>, future: F) -> F::Output {
        self.block_until(pin!(future), None).expect("there is no limit")
    }

    /// Like [`block_on`](Self::block_on), but returns `None` if `deadline` passes first.
    pub(super) fn block_until<F: Future>(
        self: &Arc<Self>,
        mut future: Pin<&mut F>,
        deadline: Option<Instant>,
    ) -> Option<F::Output> {
        let parking = ThreadParker::of_this_thread();
        let _outer = parking.nest(thread_context::is_blocking());
        let mut cx = Context::from_waker(parking.waker());
        let (mut driving, mut leaver) = (None, Registration::new(Leavers(self.clone())));
        loop {
            if let Poll::Ready(output) = thread_context::during_block_on(|| future.as_mut().poll(&mut cx)) {
                return Some(output);
            }
            if deadline.is_some_and(|deadline| deadline <= clock::instant() || clock::is_over()) {
                return None;
            }
            driving = driving.or_else(|| DriverGuard::within(self)).or_else(|| DriverGuard::begin(self));
            let went_on = match &driving {
                Some(driving) => driving.step_or_register(parking.waker()),
                None => leaver.poll_until(parking.waker(), |core| core.driver.is_none()).is_ready(),
            };
            if !went_on {
                let _lent = thread_context::enter_blocking(None);
                parking.park_until(deadline);
            }
        }
    }
}

impl DriverGuard<'_> {
    /// Stops driving. Returns whether work is left.
    fn leave(self) -> bool {
        let mut after = AfterUnlock::default();
        let mut core = self.inner.lock();
        let wakes = core.leave(self.reports.get(), &mut after);
        let has_work = core.has_work();
        self.inner.release(core, wakes);
        after.run();
        std::mem::forget(self); // `core.leave` has run
        has_work
    }
}
