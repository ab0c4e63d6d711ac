//! Blocking on an end of a stream.

use crate::{host::WouldDeadlock, park, place, wait};
use std::{
    future::poll_fn,
    pin::pin,
    task::{Context, Poll},
    thread,
    time::{Duration, Instant},
};

/// When `limit` is over; `None`: further away than the clock can tell, so never.
pub(super) fn after(limit: Duration) -> Option<Instant> {
    Instant::now().checked_add(limit)
}

/// Blocks until `poll` is ready, or until `deadline`. Within a task the slot is lent meanwhile.
pub(super) fn until<R>(deadline: Option<Instant>, poll: impl FnMut(&mut Context<'_>) -> Poll<R>) -> Option<R> {
    match wait::block_until(pin!(poll_fn(poll)), None, deadline) {
        Ok(outcome) => outcome,
        Err(WouldDeadlock) => unreachable!("what it waits for belongs to nobody's host"),
    }
}

/// Looks on until `seen`, for as long as that is cheaper than a sleep, and `deadline` leaves; after the first look only when
/// `rest` is over. A thread of ours has something to lend while it waits, so it does not.
pub(super) fn look_on(rest: Duration, deadline: Option<Instant>, seen: impl Fn() -> bool) {
    if place::host_id().is_none() {
        let left = deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()));
        park::look_on_after(rest.min(left), park::BRIEF.min(left), &seen);
        for _ in 0..YIELDS {
            if seen() {
                return;
            }
            thread::yield_now();
        }
    }
}

/// How often the core is offered to others before a sleep: the other side may be waiting for this very core, and does more in
/// a row then than if it were to wake us for the first.
const YIELDS: usize = 3;
