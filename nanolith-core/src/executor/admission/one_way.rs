//! Admission of one-way calls, which wait in the ring without a slot.

use super::{Admit, OnFull, is_inside};
use crate::{
    sched::ring::{Push, RingItem},
    task::{OneWayCall, TaskSet},
    time::{clock, coarse},
};
use std::{thread, time::Duration};

/// The time for which a submitter sleeps before it looks again at a full ring.
const NAP: Duration = Duration::from_micros(50);

/// The maximum number of such sleeps, and the maximum number in a row without a change. A thread
/// that the system has taken off its core is back within a few milliseconds.
const MAX_NAPS: u32 = 64;
const MAX_IDLE_NAPS: u32 = 32;

/// Sleeps until a good part of a full ring is free, if the queue waits for room and the consumer of
/// the ring is at work. Returns whether there is room. If the consumer takes no item for a while,
/// the call goes to the lanes instead.
#[cold]
pub(crate) fn nap_for_slack<S: TaskSet, G: Admit<S> + ?Sized>(gate: &G) -> bool {
    let ring = gate.inbox();
    if is_inside(gate) || gate.on_full() != OnFull::Wait || !ring.is_saturated() || ring.is_stalled() {
        return false;
    }
    let (mut head, mut idle) = (ring.head(), 0);
    for _ in 0..MAX_NAPS {
        thread::sleep(NAP);
        if ring.has_slack() {
            return true;
        }
        let before = std::mem::replace(&mut head, ring.head());
        idle = if before == head { idle + 1 } else { 0 };
        if idle == MAX_IDLE_NAPS {
            ring.mark_stalled(head); // the others need not wait for that too
        }
        if idle == MAX_IDLE_NAPS || !ring.has_consumer() {
            break;
        }
    }
    false
}

/// Admits a one-way call, if the ring has a credit for it.
#[inline(always)]
pub(crate) fn try_tell<S: TaskSet, G: Admit<S> + ?Sized>(gate: &G, call: OneWayCall<S>) -> Result<(), OneWayCall<S>>
where
    G::Item: RingItem<Inline = OneWayCall<S>>,
{
    if is_inside(gate) {
        return Err(call);
    }
    let ring = gate.inbox();
    if !ring.has_credit() {
        return Err(call);
    }
    // A ring whose consumer has just gone to sleep is untimed, but its clock still ticks.
    let now = if ring.is_untimed() && !coarse::is_ticking() { clock::now() } else { clock::coarse_now() };
    let mut call = Some(call);
    let pushed = ring.try_push_inline(|| {
        let mut call = call.take().expect("a place is filled once");
        call.stamp_submitted(now);
        call
    });
    if pushed == Push::Wake {
        gate.wake_consumer();
    }
    call.map_or(Ok(()), Err)
}
