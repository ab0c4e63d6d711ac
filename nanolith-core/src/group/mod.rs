//! Groups of calls: a [`scope()`] returns when its calls are over, and a [`TaskGroup`] joins its
//! calls as they end.
//!
//! All calls of a group are attached to one `CancelNode`, so that they can be cancelled at once.
//! `watch` gives the outcome of a call to the group as soon as the call ends.

mod join;
mod scope;
mod spawnable;
mod task_group;
mod try_scope;
mod watch;

pub use join::{JoinAll, JoinNext, Shutdown};
pub use scope::{Scope, scope};
pub use spawnable::Spawn;
pub use task_group::TaskGroup;
pub use try_scope::{Joined, TryScope, try_scope};

use crate::{
    call::{
        backend::{self, ExecutorId, WaitAction},
        cancel_tree::CancelNode,
        slot::EndReason,
    },
    context::{block_on, thread_context},
    time::clock,
};
use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
    time::{Duration, Instant},
};

/// The most open calls that a wait for one call of a group helps with. The next wait helps with
/// further calls. Without this bound, a group of thousands of calls would be searched thousands of
/// times.
const HELPED: usize = 64;

/// The state of one wait for calls of a group, in a blocking wait or in a task.
#[derive(Default)]
struct Patience {
    /// Whether the thread counts this wait as pending, and has lent its permit because of that.
    counted: thread_context::PendingPoll,
    has_helped: bool,
}

impl Patience {
    /// Prepares a wait of the current thread for the calls attached to `stop`. Returns whether the
    /// caller should check again.
    ///
    /// If the thread belongs to an executor, this looks at up to `most` of the calls that wait for
    /// the same executor. It runs them inline if the executor allows that, until `is_enough`. It
    /// ends calls that could never run while the thread waits.
    fn help(&mut self, stop: &CancelNode, most: usize, is_enough: impl Fn() -> bool) -> bool {
        if std::mem::replace(&mut self.has_helped, true) {
            return false;
        }
        let Some(here) = thread_context::current_backend() else { return false };
        let mut last = 0;
        for _ in 0..most {
            let Some((place, call, holder)) = stop.next_call_after(last) else { break };
            last = place;
            let holder = holder.or_else(|| call.header().executor());
            if holder != Some(here.id()) || call.header().is_delayed() {
                continue;
            }
            let known = call.header().delegate().unwrap_or_else(|| call.clone());
            if here.clone().on_wait_for(&known, thread_context::poll_blocks_thread()) == WaitAction::Deadlock {
                backend::end(&*call, holder, EndReason::WouldDeadlock);
            }
            if is_enough() {
                break;
            }
        }
        true
    }

    /// Records that the wait is about to be pending.
    fn pending(&mut self) {
        // Only a wait with a target executor can be refused.
        let _ = thread_context::poll_pending(&mut self.counted, None);
    }

    fn over(&mut self) {
        thread_context::poll_resolved(&mut self.counted);
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        self.over();
    }
}

/// Blocks until `future` is ready. The calls attached to `stop` make `future` ready. If this thread
/// drives an executor that some of the calls wait for, the thread drives it meanwhile. To find such
/// an executor, this looks at up to `most` calls.
#[cfg_attr(feature = "tokio", track_caller)]
fn block_on<F: Future + Unpin>(stop: &CancelNode, most: usize, mut future: F) -> F::Output {
    block_until(stop, most, &mut future, None).expect("there is no limit")
}

/// Like [`block_on`], for at most `limit`. Returns `future` if it is not ready by then.
#[cfg_attr(feature = "tokio", track_caller)]
fn wait_timeout<F: Future + Unpin>(
    stop: &CancelNode,
    most: usize,
    mut future: F,
    limit: Duration,
) -> Result<F::Output, F> {
    block_until(stop, most, &mut future, clock::after(limit)).ok_or(future)
}

#[cfg_attr(feature = "tokio", track_caller)]
fn block_until<F: Future + Unpin>(
    stop: &CancelNode,
    most: usize,
    future: &mut F,
    deadline: Option<Instant>,
) -> Option<F::Output> {
    while let Some(driven) = driven_here(stop, most) {
        let waits = || holders(stop).any(|holder| holder == driven);
        let next = pin!(poll_fn(|cx| match Pin::new(&mut *future).poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if waits() => Poll::Pending,
            Poll::Pending => Poll::Ready(None),
        }));
        match block_on::block_until(next, Some(driven), deadline) {
            Ok(Some(Some(output))) => return Some(output),
            Ok(Some(None)) => {} // the remaining calls wait for other executors
            Ok(None) => return None,
            Err(backend::WouldDeadlock) => break,
        }
    }
    block_on::block_on_any_until(Pin::new(future), deadline)
}

/// Returns an executor that this thread has to drive so that the calls of `stop` can end.
fn driven_here(stop: &CancelNode, most: usize) -> Option<ExecutorId> {
    if !thread_context::is_driver_thread() {
        return None;
    }
    holders(stop)
        .take(most)
        .find(|holder| thread_context::driven_by_this_thread(Some(*holder)).is_some_and(|host| host.is_driven_by_us()))
}

/// Returns the executors of the unfinished calls attached to `stop`.
fn holders(stop: &CancelNode) -> impl Iterator<Item = ExecutorId> + '_ {
    let mut last = 0;
    let calls = std::iter::from_fn(move || {
        let (place, call, holder) = stop.next_call_after(last)?;
        last = place;
        Some(holder.or_else(|| call.header().executor()))
    });
    calls.flatten()
}
