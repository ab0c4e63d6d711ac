//! A worker's fast path: the worker takes short calls from the injector's lock-free ring and runs
//! them without the pool's lock.

use crate::{
    call::backend::{ErasedCall, RunResult},
    context::thread_context,
    metrics::ThreadRecorder,
    park::parker,
    pool::{pool_item::PoolItem, pool_shared::PoolShared, pool_state::PoolState},
    time::{clock, coarse::CoarseTicker},
    util::unwind,
    wake::WakeList,
};
use std::{cell::Cell, mem, sync::atomic::Ordering};

/// The number of calls after which a worker updates figures and checks whether one more worker
/// helps.
const STATS_EVERY: u64 = 32;

/// The number of calls after which a worker reads the clock.
const CLOCK_EVERY: u64 = 8;

/// A mean run time above which a worker makes the checks of [`STATS_EVERY`] at once. In
/// nanoseconds.
const LONG_TASK: u64 = 20_000;

/// The number of looks at an empty ring after which a worker counts as idle.
const IDLE_SPINS: u32 = 16;

/// The number of calls in the ring above which a worker checks whether one more worker helps.
const SCALE_UP_BACKLOG: usize = 128;

/// The counts of a worker on the ring that are not in the pool's figures yet.
struct BatchStats {
    calls: u64,
    /// The moment when the last [`CLOCK_EVERY`] calls began. `on_top` is the number of nested runs
    /// of this thread at that time.
    began: u64,
    /// The start of the time that `ThreadRecorder::end_grain` records next.
    seen_from: u64,
    on_top: u64,
    /// The calls whose future was pending, since the last [`PoolShared::count_served`]. The queue
    /// counts them.
    suspended: u64,
}

impl BatchStats {
    fn now() -> Self {
        let began = clock::now();
        Self { calls: 0, began, seen_from: began, on_top: thread_context::nested_runs(), suspended: 0 }
    }
}

impl PoolShared {
    /// Runs calls from the ring until it stays empty for a while, until an item waits in the lanes,
    /// or until the ring is closed.
    pub(in crate::pool) fn run_fast_path(&self, tally: &mut ThreadRecorder) {
        let _pulse = CoarseTicker::begin();
        let mut done = BatchStats::now();
        // A panic of a call's destructors is ignored.
        let mut serve = || unwind::catch(|| self.fast_loop(&mut done, tally));
        thread_context::on_ring(self.id(), || while serve().is_err() {});
        self.count_served(&mut done, |calls| calls % STATS_EVERY);
        if tally.is_on() {
            tally.end_grain(done.seen_from, clock::now());
        }
    }

    fn fast_loop(&self, done: &mut BatchStats, tally: &mut ThreadRecorder) {
        thread_context::take_suspended(); // of a call whose run panicked, and was not counted
        while !self.hint.is_for_lanes() {
            match self.ring.pop() {
                Some(PoolItem::Call(call)) => {
                    if tally.is_on() {
                        tally.see(call.header().task(), || call.header().submitted_at());
                    }
                    match call.try_run(done.began.max(clock::coarse_now())) {
                        Err(claimed) if !claimed.was_overtaken() => {
                            tally.unsee();
                            self.settle(&*claimed);
                        }
                        Ok(RunResult::Skipped) => tally.unsee(),
                        ran => {
                            if ran.is_err() {
                                tally.unsee();
                                self.rules.uncount_overtaken();
                            } else if matches!(ran, Ok(RunResult::Pending)) {
                                tally.unsee(); // its future records its times
                                done.suspended += u64::from(thread_context::take_suspended());
                            }
                            done.calls += 1;
                            if done.calls % CLOCK_EVERY == 0 && !self.sample_clock(done, tally) {
                                break;
                            }
                        }
                    }
                }
                Some(PoolItem::Other(_)) | None => {
                    self.count_served(done, |calls| calls % STATS_EVERY);
                    done.calls = 0;
                    if tally.is_on() {
                        tally.end_grain(done.seen_from, clock::now());
                    }
                    if self.hint.is_waiting() {
                        // This moves calls from their lane to the ring.
                        self.release(self.lock(), WakeList::default());
                        if !self.ring.has_next() {
                            break;
                        }
                    } else if !self.spin_for_call() {
                        break;
                    }
                    *done = BatchStats::now();
                    clock::publish_coarse(done.began);
                }
            }
        }
    }

    /// Reads the clock after [`CLOCK_EVERY`] calls, and makes further checks after [`STATS_EVERY`]
    /// calls. Returns whether to continue.
    fn sample_clock(&self, done: &mut BatchStats, tally: &mut ThreadRecorder) -> bool {
        let (now, on_top) = (clock::now(), thread_context::nested_runs());
        clock::publish_coarse(now);
        let took = (now - done.began) / (CLOCK_EVERY + on_top - done.on_top);
        (done.began, done.on_top) = (now, on_top);
        let round = done.calls % STATS_EVERY == 0;
        if tally.is_on() && (round || took > LONG_TASK) {
            tally.end_grain(done.seen_from, now);
            done.seen_from = now;
        }
        if round {
            self.count_served(done, |_| STATS_EVERY);
        }
        !(round || took > LONG_TASK) || self.reconsider_workers(took)
    }

    /// Spins until a call is in the ring, or for a limited time. Returns whether there is a call.
    fn spin_for_call(&self) -> bool {
        let looks = Cell::new(0_u32);
        parker::spin_until(self.config.spin, || {
            looks.set(looks.get() + 1);
            if looks.get() == IDLE_SPINS {
                // ORDERING: Relaxed, also below: a figure.
                self.resting.fetch_add(1, Ordering::Relaxed);
            }
            self.ring.has_next() || self.hint.is_waiting() || !self.ring.has_consumer()
        });
        if looks.get() >= IDLE_SPINS {
            self.resting.fetch_sub(1, Ordering::Relaxed);
        }
        self.ring.has_next()
    }

    /// Counts a call from the ring that another thread had claimed.
    fn settle(&self, call: &dyn ErasedCall) {
        let mut core = self.lock();
        core.injector.account_claimed(call);
        self.release(core, WakeList::default());
    }

    /// Counts the calls that have ended since the last time: as many as `since` returns, without the
    /// suspended ones.
    fn count_served(&self, done: &mut BatchStats, since: impl FnOnce(u64) -> u64) {
        let calls = since(done.calls).saturating_sub(mem::take(&mut done.suspended));
        if calls > 0 {
            // ORDERING: Relaxed, a figure.
            self.served.fetch_add(calls, Ordering::Relaxed);
        }
    }

    /// Records how long tasks take, and requests one more worker if that helps. Returns whether to
    /// continue.
    fn reconsider_workers(&self, took: u64) -> bool {
        let mut core = self.lock();
        core.task_cost.record(took);
        let tiny = core.task_cost.is_small();
        if !tiny {
            core.injector.close_ring();
        }
        let enough = core.injector.queue.ring_consumers() == 1 || core.task_cost.is_parallel_worthwhile();
        if !tiny || self.ring.len() > SCALE_UP_BACKLOG {
            self.release(core, WakeList::default());
        }
        tiny && enough
    }
}

impl PoolState {
    /// Counts a worker that takes calls from the ring from now on. Returns whether to arm a
    /// watchdog.
    pub(super) fn begin_serving(&mut self, taken: u64) -> bool {
        self.active += 1;
        self.injector.queue.add_ring_consumer();
        self.injector.open_ring();
        self.post_watchdog(taken)
    }

    /// Records that a watchdog watches the ring, of which `taken` items were served. Returns whether to
    /// arm one.
    pub(super) fn post_watchdog(&mut self, taken: u64) -> bool {
        let posted = self.watchdog.is_none() && self.limit > 1;
        if posted {
            self.watchdog = Some(taken);
        }
        posted
    }

    pub(super) fn end_serving(&mut self) -> WakeList {
        if self.injector.queue.ring_consumers() == 1 && self.parent_ring.is_none() {
            self.injector.close_ring();
        }
        self.injector.queue.end_serving()
    }
}
