//! [`LongWait`]: watches a blocking wait, and reports one that lasts on a thread of a tokio runtime.
//! Without the feature `tokio` it is empty and does nothing.

#[cfg(feature = "tokio")]
use super::blocked_async_thread::{self, BlockedAsyncThread};
use crate::call::backend::ExecutorId;
#[cfg(feature = "tokio")]
use crate::{context::thread_context, sim_runtime, time::clock};
#[cfg(feature = "tokio")]
use std::panic::Location;
use std::time::Instant;

/// A blocking wait of this thread that may be reported.
pub(crate) struct LongWait {
    #[cfg(feature = "tokio")]
    watched: Option<Watched>,
}

#[cfg(feature = "tokio")]
struct Watched {
    /// The moment from which on the wait is reported.
    due: Instant,
    caller: &'static Location<'static>,
    target: Option<ExecutorId>,
}

impl LongWait {
    /// Begins to watch a wait for `target`, if the program has subscribed to reports.
    ///
    /// The threads of executors are no threads of a runtime, whichever runtime they have entered. A
    /// thread whose clock is moved by hand is not watched, since its alarms follow that clock.
    #[cfg(feature = "tokio")]
    #[track_caller]
    #[inline]
    pub(crate) fn begin(target: Option<ExecutorId>) -> Self {
        if !blocked_async_thread::is_watched() {
            return Self { watched: None };
        }
        let is_ours = thread_context::current_executor().is_some();
        let due = if is_ours || sim_runtime::is_here() || clock::source().is_some() {
            None
        } else {
            clock::after(blocked_async_thread::LEAST_REPORTED)
        };
        let caller = Location::caller();
        Self { watched: due.map(|due| Watched { due, caller, target }) }
    }

    #[cfg(not(feature = "tokio"))]
    #[inline(always)]
    pub(crate) fn begin(_: Option<ExecutorId>) -> Self {
        Self {}
    }

    /// Returns the moment until which the thread sleeps: `deadline`, or the earlier moment at which
    /// it calls [`report`](Self::report).
    #[inline]
    pub(crate) fn sleeps_until(&self, deadline: Option<Instant>) -> Option<Instant> {
        #[cfg(feature = "tokio")]
        if let Some(Watched { due, .. }) = self.watched {
            return Some(deadline.map_or(due, |deadline| deadline.min(due)));
        }
        deadline
    }

    /// Reports the wait if it has lasted, and ends the watch. Returns whether the watch was due.
    #[inline]
    pub(crate) fn report(&mut self) -> bool {
        #[cfg(feature = "tokio")]
        if let Some(Watched { caller, target, .. }) = self.watched.take_if(|watched| watched.due <= clock::instant()) {
            if tokio::runtime::Handle::try_current().is_ok() {
                blocked_async_thread::publish(&BlockedAsyncThread::here(caller, target));
            }
            return true;
        }
        false
    }
}
