//! [`Closed`]: the future that waits until a pool of children has ended. The end of a pool by force.

use super::{
    link::Stage,
    pool_shared::{PoolShared, finish},
    running_task::Answer,
};
use crate::{close_error::CloseError, event::ExitReason, exit::KillReason};
use nanolith::{
    __private::{WaitSealed, wait_timeout},
    Wait,
    executor::StopReason,
};
use std::{
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

/// Waits until a pool has ended: see [`ProcessPool::closed`](crate::ProcessPool::closed).
#[must_use = "does nothing until awaited or waited on"]
pub struct Closed {
    pool: Arc<PoolShared>,
    /// The number of the wait, once it has left a waker.
    waiter: Option<u64>,
}

impl Closed {
    pub(super) fn new(pool: Arc<PoolShared>) -> Self {
        Self { pool, waiter: None }
    }

    /// Returns why the service of the pool did not end in order, once it has ended.
    pub(crate) fn close_error(&self) -> Option<CloseError> {
        self.pool.children().close_error.clone()
    }
}

impl Future for Closed {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone(); // user code, before the lock
        let pool = self.pool.clone();
        let mut children = pool.children();
        let is_over = children.is_over;
        let unused = if is_over { Some(waker) } else { children.wait(&mut self.waiter, waker) };
        drop(children);
        drop(unused);
        if is_over { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        let waker = self.waiter.and_then(|waiter| self.pool.children().waiting.remove(&waiter));
        drop(waker); // user code, after the lock
    }
}

impl WaitSealed for Closed {}

impl Wait for Closed {
    type Pending = Self;

    fn wait_timeout(self, limit: Duration) -> Result<(), Self> {
        wait_timeout(self, limit)
    }
}

impl PoolShared {
    /// Kills all children. The calls that they run end as killed.
    pub(super) fn kill_all(&self) {
        let (children, returned) = {
            let mut children = self.children();
            children.is_terminated = true;
            (children.all(), children.take_all_returned())
        };
        returned.into_iter().for_each(|started| finish(started.task, Answer::Stopped(StopReason::Cancelled)));
        for child in children {
            let mut link = child.link();
            let now = Instant::now();
            match link.running() {
                Some(running) => {
                    running.stop = Some((KillReason::Terminated, now));
                    running.kill(&child, now);
                }
                None => {
                    link.exit = Some(ExitReason::Killed(KillReason::Terminated));
                    if !matches!(link.stage, Stage::Starting | Stage::Launching) {
                        link.stage = Stage::Ending;
                    }
                    child.kill();
                    drop(link);
                    self.watch_end(&child);
                }
            }
        }
    }

    /// Wakes all waits for the end or for a restart.
    pub(super) fn wake_waiting(&self) {
        let waiting = std::mem::take(&mut self.children().waiting);
        // A waker is user code.
        waiting.into_values().for_each(|waker| drop(catch_unwind(AssertUnwindSafe(|| waker.wake()))));
    }
}

impl fmt::Debug for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closed").finish_non_exhaustive()
    }
}
