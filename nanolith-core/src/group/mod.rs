//! Calls that belong together: those of a [`scope()`], which are over when it returns, and those of a [`TaskGroup`], which are
//! joined as they end.
//!
//! Each hangs on one [`CancelNode`], so that all are cancelled at once, and is watched by whoever spawned it: `member` has the
//! outcome as soon as it is there.

mod scope;
mod spawnable;
mod task_group;
mod try_scope;
mod watch;

pub use scope::{Scope, scope};
pub use spawnable::Spawn;
pub use task_group::{JoinAll, JoinNext, Shutdown, TaskGroup};
pub use try_scope::{Joined, TryScope, try_scope};

use crate::{
    call::{
        backend::{self, ExecutorId, WaitAction},
        cancel_tree::CancelNode,
        slot::EndReason,
    },
    context::{block_on, thread_context},
};
use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
};

/// Where a wait is one of many, for one call after the other, each helps with so many of those that are open: the next helps with
/// the others. A group of thousands would be looked through thousands of times else.
const HELPED: usize = 64;

/// How somebody waits for calls of a group, be it in our own blocking wait, in another's, or in a task.
#[derive(Default)]
struct Patience {
    /// Whether a thread counts it as pending, and has lent its slot therefore.
    counted: thread_context::PendingPoll,
    has_helped: bool,
}

impl Patience {
    /// Before a thread of ours waits for the calls that hang on `stop`: it runs those that wait for its own executor, where it
    /// may, until `is_enough`; and ends those that would never be run while it waits. It looks at so many of them at `most`. Says
    /// whether to look again.
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

    /// It is about to be pending.
    fn pending(&mut self) {
        // Only a wait for a host's own work can be refused.
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

/// Blocks until `future` is ready, which the calls that hang on `stop` make so. Where this thread is the one that drives what
/// some of them wait for, it does that meanwhile; it looks at so many of them at `most` for that.
fn block_on<F: Future + Unpin>(stop: &CancelNode, most: usize, mut future: F) -> F::Output {
    while let Some(driven) = driven_here(stop, most) {
        let waits = || holders(stop).any(|holder| holder == driven);
        let next = poll_fn(|cx| match Pin::new(&mut future).poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if waits() => Poll::Pending,
            Poll::Pending => Poll::Ready(None),
        });
        match block_on::block_on(next, Some(driven)) {
            Ok(Some(output)) => return output,
            Ok(None) => {} // the others wait for somebody else
            Err(backend::WouldDeadlock) => break,
        }
    }
    block_on::block_on_any(future)
}

/// What this thread may have to drive, or a call of `stop` is never over.
fn driven_here(stop: &CancelNode, most: usize) -> Option<ExecutorId> {
    if !thread_context::is_driver_thread() {
        return None;
    }
    holders(stop)
        .take(most)
        .find(|holder| thread_context::driven_by_this_thread(Some(*holder)).is_some_and(|host| host.is_driven_by_us()))
}

/// Who holds the calls that hang on `stop` and are not over.
fn holders(stop: &CancelNode) -> impl Iterator<Item = ExecutorId> + '_ {
    let mut last = 0;
    let calls = std::iter::from_fn(move || {
        let (place, call, holder) = stop.next_call_after(last)?;
        last = place;
        Some(holder.or_else(|| call.header().executor()))
    });
    calls.flatten()
}
