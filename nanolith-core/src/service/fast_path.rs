//! The fast path of a service's thread: once short calls have arrived in a row, the thread takes
//! calls from the injector's lock-free ring, without the lock. It sleeps with the ring open.

use super::{
    event_loop::EventLoop,
    service_shared::ServiceShared,
    service_state::{Phase, ServiceState},
};
use crate::{
    call::{backend::RunResult, call_ref::CallRef, slot::Slot},
    park::parker::{self, ThreadParker},
    sched::ring::Ring,
    sim_runtime,
    task::{Brought, CallSlot, Input, TaskSet, is_large},
    time::{clock, coarse::CoarseTicker},
    util::prefetch::PrefetchTarget,
    wake::WakeList,
};
use std::{
    sync::{Arc, atomic::Ordering},
    thread,
};

/// The number of calls in a row after which the thread takes calls from the ring. Calls that come
/// rarely gain nothing from it.
pub(super) const FAST_PATH_AFTER: u32 = 32;

/// The number of fast-path calls between two reads of the clock.
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
        let mut run_clock = RunClock::begin(&inbox);
        let mut began = clock::now();
        let mut seen_from = began;
        let mut done = 0;
        while !self.inner.hint.is_for_lanes() && self.crash.is_none() {
            match inbox.pop() {
                Some(call) => {
                    if self.tally.is_on() {
                        self.tally.see(call.header.task(), || call.header.submitted_at());
                    }
                    let ran = self.run_queued(call, began);
                    if let Ok(RunResult::Skipped) = ran {
                        self.tally.unsee();
                        continue;
                    }
                    let Err(call) = ran else {
                        done += 1;
                        if run_clock.is_due(done) {
                            began = clock::now();
                            if done % STATS_EVERY == 0 {
                                self.sample_clock(seen_from, began);
                                seen_from = began;
                            }
                            clock::publish_coarse(began);
                        }
                        self.handle_panics();
                        continue;
                    };
                    self.tally.unsee();
                    self.account_claimed(&call);
                }
                None => {
                    self.inner.served.fetch_add(std::mem::take(&mut done), Ordering::Relaxed);
                    if self.tally.is_on() {
                        self.sample_clock(seen_from, clock::now());
                    }
                    if !self.await_call() && !self.rest(&mut run_clock) {
                        break;
                    }
                    began = clock::now();
                    seen_from = began;
                    clock::publish_coarse(began);
                }
            }
        }
        self.inner.served.fetch_add(done, Ordering::Relaxed);
        if self.tally.is_on() {
            self.sample_clock(seen_from, clock::now());
            self.tally.flush();
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
        Ok(self.run_here([call, second, third], input, began.max(clock::coarse_now())))
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

    #[inline]
    fn sample_clock(&mut self, began: u64, now: u64) {
        if self.tally.is_on() {
            self.tally.end_grain(began, now);
        }
    }
}

/// The clock of a thread that takes calls from the ring. A call that comes after a rest has its
/// moments from the system's clock. From [`FAST_PATH_AFTER`] calls in a row on, the thread keeps the
/// coarse clock up to date, and reads the system's clock once in [`CLOCK_EVERY`] calls.
struct RunClock<'a, T: PrefetchTarget> {
    ring: &'a Ring<T>,
    ticker: Option<CoarseTicker>,
    /// The number of calls since the last rest.
    calls: u32,
}

impl<'a, T: PrefetchTarget> RunClock<'a, T> {
    /// Begins with the coarse clock: calls have arrived in a row.
    fn begin(ring: &'a Ring<T>) -> Self {
        ring.set_untimed(false);
        Self { ring, ticker: Some(CoarseTicker::begin()), calls: 0 }
    }

    /// Returns whether to read the clock before the next call. `done` is a count of the calls.
    #[inline]
    fn is_due(&mut self, done: u64) -> bool {
        if self.ticker.is_some() {
            return done % CLOCK_EVERY == 0;
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

impl<T: PrefetchTarget> Drop for RunClock<'_, T> {
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
