//! [`until`] blocks a thread on an end of a stream. [`WaitBackoff`] spins and yields before the
//! thread sleeps.

use crate::{
    context::{block_on, thread_context},
    park::parker::{self, MULTI_CORE, SpinBudget},
    sim_runtime,
    time::clock,
};
use std::{
    future::poll_fn,
    pin::pin,
    task::{Context, Poll},
    thread,
    time::{Duration, Instant},
};

/// Blocks until `poll` is ready, or until `deadline`. Inside a task, the task's slot is released
/// while this function blocks.
#[cfg_attr(feature = "tokio", track_caller)]
pub(super) fn until<R>(deadline: Option<Instant>, poll: impl FnMut(&mut Context<'_>) -> Poll<R>) -> Option<R> {
    block_on::block_on_any_until(pin!(poll_fn(poll)), deadline)
}

/// The backoff of one end of a stream before it sleeps. A sleep also costs the other end, which
/// must wake this one.
///
/// First the thread spins, because the other end may run on another core. Then it yields its core,
/// because the other end may wait for this very core. The other end then does more work in a row
/// than if it woke this thread after the first value. A step that fails a few times in a row is
/// skipped, and tried again from time to time.
pub(super) struct WaitBackoff {
    spins: SpinBudget,
    yields: SpinBudget,
}

impl WaitBackoff {
    pub(super) const fn new() -> Self {
        Self { spins: SpinBudget::new(), yields: SpinBudget::new() }
    }

    /// Spins and yields until `seen` holds, while that is cheaper than a sleep and `deadline` has
    /// not passed. After the first check, it checks again only after `rest`.
    ///
    /// A thread that runs for an executor does not spin, because it can release its slot while it
    /// waits.
    pub(super) fn look_on(&self, rest: Duration, deadline: Option<Instant>, seen: impl Fn() -> bool) {
        let left = || deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(clock::instant()));
        if thread_context::current_executor().is_some() || seen() || sim_runtime::is_here() {
            return;
        }
        if let Some(nap) = rest.min(left()).checked_sub(SLEEP_OVERSHOOT) {
            // The other end may have waited for this very core only.
            thread::yield_now();
            if seen() {
                return;
            }
            thread::sleep(nap);
        }
        if *MULTI_CORE && self.spins.should_spin() {
            let seen = parker::look(Duration::ZERO, parker::SPIN_BEFORE_PARK.min(left()), &seen);
            self.spins.record(seen);
            if seen {
                return;
            }
        }
        if self.yields.should_spin() {
            self.yields.record(give_way(YIELD_FIRST.min(left()), seen));
        }
    }
}

/// Yields the core until `seen` holds, or until `limit` has elapsed. Returns `true` if `seen` held
/// in time.
fn give_way(limit: Duration, seen: impl Fn() -> bool) -> bool {
    let began = Instant::now();
    while !seen() {
        if began.elapsed() > limit {
            return false;
        }
        thread::yield_now();
    }
    true
}

/// The time by which a short sleep exceeds the requested duration.
const SLEEP_OVERSHOOT: Duration = Duration::from_micros(60);

/// The time for which the thread yields its core to other threads.
const YIELD_FIRST: Duration = Duration::from_micros(20);
