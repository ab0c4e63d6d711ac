//! The fast path of a service's thread: once short calls have arrived in a row, the thread takes
//! calls from the injector's lock-free ring, without the lock. It sleeps with the ring open.

use super::{
    event_loop::EventLoop,
    service_shared::ServiceShared,
    service_state::{Phase, ServiceState},
};
use crate::{
    call::{backend::RunResult, call_ref::CallRef, slot::Slot},
    metrics::ThreadRecorder,
    park::parker::{self, ThreadParker},
    sched::ring::{Ring, RingItem, Taken},
    sim_runtime,
    task::{Brought, CallSlot, Input, OneWayCall, TaskSet, is_large, run_one_way},
    time::{clock, coarse::CoarseTicker},
    wake::WakeList,
};
use std::{
    mem,
    sync::{Arc, atomic::Ordering},
    thread,
};

/// The number of calls in a row after which the thread takes calls from the ring. Calls that come
/// rarely gain nothing from it.
pub(super) const FAST_PATH_AFTER: u32 = 32;

/// The number of fast-path calls between two reads of the clock. One-way calls read it once in
/// [`STATS_EVERY`] calls.
const CLOCK_EVERY: u64 = 8;

/// The number of fast-path calls between two samples of their duration, if metrics are on.
const STATS_EVERY: u64 = 32;

impl<S: TaskSet, E: Send + 'static, A> EventLoop<S, E, A> {
    /// Opens the ring if calls arrive in a row, the next call is short, and no other work is in
    /// progress. Returns whether it is open.
    #[inline]
    pub(super) fn try_open_ring(&self, core: &mut ServiceState<S>) -> bool {
        let calm = self.consecutive_calls >= FAST_PATH_AFTER
            && self.stalled_call.is_none()
            && self.local_tasks.is_empty()
            && core.phase == Phase::Open;
        let injector = &mut core.injector;
        let opens = calm
            && !sim_runtime::is_here()
            && !self.inner.home.is_pool()
            && injector.can_use_ring()
            && injector.has_waiting()
            && injector.head_is_fast();
        if opens {
            injector.queue.add_ring_consumer();
            injector.open_ring();
        }
        opens
    }

    /// Runs fast-path calls from the ring. Returns when the ring stays empty for a while, when
    /// other work waits, or when the ring is closed.
    pub(super) fn run_fast_path(&mut self) {
        let inbox = self.inner.ring.clone();
        let _serving = Serving { inner: self.inner.clone() };
        let mut pace = Pace::begin(&inbox);
        while !self.inner.hint.is_for_lanes() && self.crash.is_none() {
            match inbox.pop_taken() {
                Some(Taken::Inline(call)) => self.run_one_way_calls(call, &inbox, &mut pace),
                Some(Taken::Item(call)) => {
                    if self.tally.is_on() {
                        self.tally.see(call.header.task(), || call.header.submitted_at());
                    }
                    match self.run_queued(call, pace.now()) {
                        Ok(RunResult::Skipped) => self.tally.unsee(),
                        Ok(_) => {
                            pace.count::<CLOCK_EVERY>(&mut self.tally);
                            self.handle_panics();
                        }
                        Err(call) => {
                            self.tally.unsee();
                            self.account_claimed(&call);
                        }
                    }
                }
                None => {
                    self.inner.served.fetch_add(mem::take(&mut pace.done), Ordering::Relaxed);
                    pace.sample(&mut self.tally, clock::now);
                    if !self.await_call() && !self.rest(&mut pace.run_clock) {
                        break;
                    }
                    pace.restart();
                }
            }
        }
        self.inner.served.fetch_add(pace.done, Ordering::Relaxed);
        if self.tally.is_on() {
            pace.sample(&mut self.tally, clock::now);
            self.tally.flush();
        }
    }

    /// Runs a one-way call, and those that follow it in the ring, in the resident slot. This is a
    /// function of its own, since the frame of the loop would hold a large task besides.
    #[inline(never)]
    fn run_one_way_calls(
        &mut self,
        call: OneWayCall<S>,
        inbox: &Ring<CallRef<CallSlot<S>>>,
        pace: &mut Pace<'_, CallRef<CallSlot<S>>>,
    ) {
        let ServiceShared { hint, running, .. } = &*self.inner;
        let tally = &mut self.tally;
        if tally.is_on() {
            tally.see(call.info(), || call.submitted_at());
        }
        let first = (call, pace.now());
        let last = run_one_way(&mut self.resident, running, &self.ground, first, || {
            pace.count::<STATS_EVERY>(tally);
            if hint.is_for_lanes() {
                return None;
            }
            let call = inbox.pop_inline()?;
            if tally.is_on() {
                tally.see(call.info(), || call.submitted_at());
            }
            Some((call, pace.now()))
        });
        match last {
            Some(RunResult::Skipped) => self.tally.unsee(),
            Some(_) => {
                pace.count::<STATS_EVERY>(&mut self.tally);
                self.handle_panics();
            }
            None => {}
        }
    }

    /// Begins a queued call and runs it. Returns the call if another thread claimed it first.
    #[inline(always)]
    fn run_queued(&self, call: CallRef<CallSlot<S>>, began: u64) -> Result<RunResult, CallRef<CallSlot<S>>> {
        if const { is_large::<S>() } {
            self.run_queued_with::<Box<Input<S>>>(call, began)
        } else {
            self.run_queued_with::<Input<S>>(call, began)
        }
    }

    #[inline(always)]
    fn run_queued_with<I: Brought<S>>(
        &self,
        call: CallRef<CallSlot<S>>,
        began: u64,
    ) -> Result<RunResult, CallRef<CallSlot<S>>> {
        let Some((input, [second, third])) = Slot::begin_shared_in::<I, 2>(&call) else { return Err(call) };
        Ok(self.run_here([call, second, third], input, began))
    }

    /// Counts a call that another thread claimed while it was in the ring.
    fn account_claimed(&self, call: &CallSlot<S>) {
        let mut core = self.inner.lock();
        core.injector.account_claimed(call);
        self.inner.release(core, WakeList::default());
    }

    /// Waits briefly for the next call. Returns whether the ring has one.
    fn await_call(&self) -> bool {
        let ServiceShared { ring: inbox, hint, .. } = &*self.inner;
        if hint.is_waiting() {
            self.inner.release(self.inner.lock(), WakeList::default()); // refill the ring from the lane
        } else {
            parker::spin_until(self.spin, || inbox.has_next() || hint.is_waiting() || !inbox.has_consumer());
        }
        inbox.has_next()
    }

    /// Sleeps until a call comes into the ring, or until there is other work. Returns `false` if the
    /// thread has to leave the ring for it.
    fn rest(&mut self, run_clock: &mut RunClock<'_, CallRef<CallSlot<S>>>) -> bool {
        if self.tally.is_on() {
            self.tally.flush();
        }
        let ServiceShared { ring, futures, .. } = &*self.inner;
        futures.answer(|| self.seen());
        if ring.begin_rest() {
            run_clock.stop();
            ThreadParker::of_this_thread().park_until(None);
            ring.end_rest();
        } else if ring.len() > 0 {
            thread::yield_now(); // its producer fills the cell next
        } else {
            self.inner.release(self.inner.lock(), WakeList::default()); // opens the ring, if that is right
            if !ring.has_credit() && !ring.has_next() {
                return false;
            }
        }
        ring.has_consumer()
    }
}

/// The moments and the number of the calls that a thread takes from the ring.
struct Pace<'a, T: RingItem> {
    run_clock: RunClock<'a, T>,
    /// The moment of the last look at the clock.
    began: u64,
    /// The moment from which the next sample counts.
    seen_from: u64,
    /// The number of calls that the service's figures do not have yet.
    done: u64,
}

impl<'a, T: RingItem> Pace<'a, T> {
    fn begin(ring: &'a Ring<T>) -> Self {
        let run_clock = RunClock::begin(ring);
        let began = clock::now();
        Self { run_clock, began, seen_from: began, done: 0 }
    }

    /// Returns the moment at which the next call begins.
    #[inline(always)]
    fn now(&self) -> u64 {
        self.began.max(clock::coarse_now())
    }

    /// Counts a call that has run, and reads the clock once in `EVERY` calls.
    #[inline(always)]
    fn count<const EVERY: u64>(&mut self, tally: &mut ThreadRecorder) {
        self.done += 1;
        if self.run_clock.is_due::<EVERY>(self.done) {
            self.read_clock(tally);
        }
    }

    fn read_clock(&mut self, tally: &mut ThreadRecorder) {
        self.began = clock::now();
        if self.done % STATS_EVERY == 0 {
            let began = self.began;
            self.sample(tally, || began);
        }
        clock::publish_coarse(self.began);
    }

    /// Records the time since the last sample, if metrics are on.
    fn sample(&mut self, tally: &mut ThreadRecorder, now: impl FnOnce() -> u64) {
        if tally.is_on() {
            let now = now();
            tally.end_grain(self.seen_from, now);
            self.seen_from = now;
        }
    }

    /// Begins anew after a rest.
    fn restart(&mut self) {
        self.began = clock::now();
        self.seen_from = self.began;
        clock::publish_coarse(self.began);
    }
}

/// The clock of a thread that takes calls from the ring. A call that comes after a rest has its
/// moments from the system's clock. From [`FAST_PATH_AFTER`] calls in a row on, the thread keeps the
/// coarse clock up to date, and reads the system's clock once in [`CLOCK_EVERY`] calls.
struct RunClock<'a, T: RingItem> {
    ring: &'a Ring<T>,
    ticker: Option<CoarseTicker>,
    /// The number of calls since the last rest.
    calls: u32,
}

impl<'a, T: RingItem> RunClock<'a, T> {
    /// Begins with the coarse clock: calls have arrived in a row.
    fn begin(ring: &'a Ring<T>) -> Self {
        ring.set_untimed(false);
        Self { ring, ticker: Some(CoarseTicker::begin()), calls: 0 }
    }

    /// Returns whether to read the clock before the next call. `done` is a count of the calls.
    #[inline]
    fn is_due<const EVERY: u64>(&mut self, done: u64) -> bool {
        if self.ticker.is_some() {
            return done % EVERY == 0;
        }
        self.calls += 1;
        if self.calls >= FAST_PATH_AFTER {
            self.ticker = Some(CoarseTicker::begin());
            self.ring.set_untimed(false);
        }
        true
    }

    /// The thread rests: no ticker wakes the process meanwhile.
    fn stop(&mut self) {
        self.calls = 0;
        if self.ticker.is_some() {
            self.ring.set_untimed(true);
            self.ticker = None;
        }
    }
}

impl<T: RingItem> Drop for RunClock<'_, T> {
    fn drop(&mut self) {
        self.ring.set_untimed(false);
    }
}

/// A guard: the ring is open until this is dropped.
struct Serving<S: TaskSet> {
    inner: Arc<ServiceShared<S>>,
}

impl<S: TaskSet> Drop for Serving<S> {
    fn drop(&mut self) {
        let mut core = self.inner.lock();
        core.injector.close_ring();
        let wakes = core.injector.queue.end_serving();
        self.inner.release(core, wakes);
    }
}
