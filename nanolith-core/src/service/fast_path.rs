//! The fast path of a service's thread: while short calls arrive in a row, the thread takes them
//! from the injector's lock-free ring, without the lock.

use super::{
    event_loop::EventLoop,
    service_shared::ServiceShared,
    service_state::{Phase, ServiceState},
};
use crate::{
    call::{backend::RunResult, call_ref::CallRef, slot::Slot},
    park::parker,
    sim_runtime,
    task::{Brought, CallSlot, Input, TaskSet, is_large},
    time::{clock, coarse::CoarseTicker},
    wake::WakeList,
};
use std::sync::{Arc, atomic::Ordering};

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
        let _pulse = CoarseTicker::begin();
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
                        if done % CLOCK_EVERY == 0 {
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
                    if !self.await_call() {
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

    #[inline]
    fn sample_clock(&mut self, began: u64, now: u64) {
        if self.tally.is_on() {
            self.tally.end_grain(began, now);
        }
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
