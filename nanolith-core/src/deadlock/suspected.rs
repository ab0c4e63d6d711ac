//! [`Suspected`]: the stream of suspected deadlocks, which are cycles of waits that may still end
//! by themselves.

use super::WaitCycle;
use crate::{
    call::offload,
    event::Events,
    trace::{self, FoundCycle},
    wake::subscribers::Subscribers,
};
use once_cell::sync::Lazy;

/// The maximum number of reports that wait for a subscriber. Later reports are dropped.
const MOST_REPORTS: usize = 256;

static SUBSCRIBERS: Lazy<Subscribers<WaitCycle>> = Lazy::new(|| Subscribers::bounded(MOST_REPORTS));

/// Returns a stream of the deadlocks that are suspected in this process from now on.
///
/// A report is a [`WaitCycle`] in which a task also waits for something else: a timer, a channel, a
/// future of another crate. The other wait may still let the task go on, so the cycle is left
/// running. Each cycle is reported once.
///
/// A subscriber that takes no reports keeps 256 of them, and misses later ones.
///
/// ```no_run
/// std::thread::spawn(|| {
///     for cycle in nanolith::deadlock::suspected() {
///         eprintln!("suspected deadlock: {cycle}");
///     }
/// });
/// ```
pub fn suspected() -> Events<WaitCycle> {
    Events::of(&SUBSCRIBERS)
}

/// Sends the report to each subscriber.
pub(super) fn report(cycle: &WaitCycle) {
    SUBSCRIBERS.publish(cycle);
    trace_cycle(FoundCycle::Suspected, cycle);
}

/// Sends a tracing event. A check runs on the timer's thread, which leaves the code of the subscriber
/// to an executor.
pub(super) fn trace_cycle(found: FoundCycle, cycle: &WaitCycle) {
    if trace::is_on() {
        let cycle = cycle.clone();
        offload::run(None, move || trace::in_cycle(found, &cycle));
    }
}
