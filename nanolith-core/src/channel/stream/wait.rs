//! Blocking on an end of a stream.

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

/// Blocks until `poll` is ready, or until `deadline`. Within a task the slot is lent meanwhile.
pub(super) fn until<R>(deadline: Option<Instant>, poll: impl FnMut(&mut Context<'_>) -> Poll<R>) -> Option<R> {
    block_on::block_on_any_until(pin!(poll_fn(poll)), deadline)
}

/// How one side of a stream looks on for the other before it sleeps. A sleep costs the other side too, who has to wake it.
///
/// First it spins: the other may run on another core. Then it offers its core: the other may be waiting for this very one,
/// and does more in a row then than if it woke us for the first. What comes to nothing a few times in a row is left out, and
/// tried again now and then.
pub(super) struct WaitBackoff {
    spins: SpinBudget,
    yields: SpinBudget,
}

impl WaitBackoff {
    pub(super) const fn new() -> Self {
        Self { spins: SpinBudget::new(), yields: SpinBudget::new() }
    }

    /// Looks on until `seen`, for as long as that is cheaper than a sleep, and `deadline` leaves; after the first look only
    /// when `rest` is over. A thread of ours has something to lend while it waits, so it does not.
    pub(super) fn look_on(&self, rest: Duration, deadline: Option<Instant>, seen: impl Fn() -> bool) {
        let left = || deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(clock::instant()));
        if thread_context::current_executor().is_some() || seen() || sim_runtime::is_here() {
            return;
        }
        if let Some(nap) = rest.min(left()).checked_sub(SLEEP_OVERSHOOT) {
            // The other may have waited for this very core only.
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

/// Says whether it was `seen` in time.
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

/// How much longer a short sleep takes than it is asked to.
const SLEEP_OVERSHOOT: Duration = Duration::from_micros(60);

/// For how long the core is offered to others.
const YIELD_FIRST: Duration = Duration::from_micros(20);
