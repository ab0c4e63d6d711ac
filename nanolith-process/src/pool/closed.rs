//! [`Closed`]: the future that waits until a pool of children has ended.

use super::pool_shared::PoolShared;
use nanolith::{
    __private::{WaitSealed, wait_timeout},
    Wait,
};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

/// Waits until a pool has ended: see [`ProcessPool::closed`](crate::ProcessPool::closed).
#[must_use = "does nothing until awaited or waited on"]
pub struct Closed {
    pool: Arc<PoolShared>,
}

impl Closed {
    pub(super) fn new(pool: Arc<PoolShared>) -> Self {
        Self { pool }
    }
}

impl Future for Closed {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone(); // user code, before the lock
        let mut children = self.pool.children();
        if children.is_over {
            drop(children);
            return Poll::Ready(());
        }
        // A waker of an earlier poll stays until the end. It wakes a task in vain at most once.
        children.waiting.push(waker);
        Poll::Pending
    }
}

impl WaitSealed for Closed {}

impl Wait for Closed {
    type Pending = Self;

    fn wait_timeout(self, limit: Duration) -> Result<(), Self> {
        wait_timeout(self, limit)
    }
}

impl fmt::Debug for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closed").finish_non_exhaustive()
    }
}
