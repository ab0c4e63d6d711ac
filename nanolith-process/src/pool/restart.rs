//! [`PoolRestart`]: the future of a restart, and what the pool's thread does for it.

use super::{
    child::Child,
    link::Stage,
    pool_shared::PoolShared,
    restarts::{RestartState, RestartStep},
};
use crate::{event::ExitReason, exit::ChildCrash};
use nanolith::{
    __private::{WaitSealed, wait_timeout},
    Wait,
};
use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::Duration,
};

/// Waits until a restart has ended: see [`ProcessPool::restart`](crate::ProcessPool::restart).
#[must_use = "the restart goes on without it, and its error is lost"]
pub struct PoolRestart {
    pool: Arc<PoolShared>,
    state: Arc<RestartState>,
    /// The number of the wait, once it has left a waker.
    waiter: Option<u64>,
}

impl PoolRestart {
    pub(super) fn begin(pool: Arc<PoolShared>) -> Self {
        let state = pool.begin_restart();
        Self { pool, state, waiter: None }
    }
}

impl Future for PoolRestart {
    type Output = Result<(), PoolRestartError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let waker = cx.waker().clone(); // user code, before the lock
        let pool = self.pool.clone();
        let mut children = pool.children();
        let outcome = self.state.outcome.get().cloned();
        let unused = if outcome.is_some() { Some(waker) } else { children.wait(&mut self.waiter, waker) };
        drop(children);
        drop(unused);
        outcome.map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for PoolRestart {
    fn drop(&mut self) {
        let waker = self.waiter.and_then(|waiter| self.pool.children().waiting.remove(&waiter));
        drop(waker); // user code, after the lock
    }
}

impl WaitSealed for PoolRestart {}

impl Wait for PoolRestart {
    type Pending = Self;

    fn wait_timeout(self, limit: Duration) -> Result<Result<(), PoolRestartError>, Self> {
        wait_timeout(self, limit)
    }
}

impl fmt::Debug for PoolRestart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolRestart").field("outcome", &self.state.outcome.get()).finish_non_exhaustive()
    }
}

/// The error of [`ProcessPool::restart`](crate::ProcessPool::restart).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PoolRestartError {
    /// A new child failed to start. The children that were not yet replaced go on.
    NotStarted(Arc<ChildCrash>),
    /// The pool was closed. Its children end, and none takes over.
    Closed,
}

impl fmt::Display for PoolRestartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotStarted(_) => "the restart ended early, and other children go on: a new child failed to start",
            Self::Closed => "the restart ended early: the pool is closed",
        })
    }
}

impl Error for PoolRestartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotStarted(crash) => Some(crash),
            Self::Closed => None,
        }
    }
}

impl PoolShared {
    fn begin_restart(&self) -> Arc<RestartState> {
        let state = {
            let mut children = self.children();
            let state = children.begin_restart();
            if children.is_over {
                children.restarts.fail(&PoolRestartError::Closed);
            }
            state
        };
        self.poller.notify();
        state
    }

    /// Goes on with the restarts as far as it is possible now.
    pub(super) fn continue_restarts(self: &Arc<Self>) {
        // ORDERING: Acquire, pairs with the Release in `close`.
        if self.is_closing.load(Ordering::Acquire) {
            self.fail_restarts(&PoolRestartError::Closed);
            return;
        }
        loop {
            let step = self.children().next_restart_step();
            match step {
                RestartStep::Wait => return,
                RestartStep::Ended => self.wake_waiting(),
                RestartStep::Start => match self.start_child() {
                    Ok(child) => self.children().restarts.set_replacement(child),
                    Err(error) => {
                        let crash = ChildCrash::not_started(&error);
                        self.fail_restarts(&PoolRestartError::NotStarted(Arc::new(crash)));
                    }
                },
                RestartStep::Retire(child) => self.retire(&child),
            }
        }
    }

    /// Ends all restarts with an error.
    pub(super) fn fail_restarts(&self, error: &PoolRestartError) {
        let any = self.children().restarts.fail(error);
        if any {
            self.wake_waiting();
        }
    }

    /// Lets a child end after the calls that it has.
    fn retire(self: &Arc<Self>, child: &Arc<Child>) {
        let mut link = child.link();
        match link.stage {
            // No call is sent to it from here on: see `Link::takes_call`.
            Stage::Serving if link.is_idle() => self.end_link(child, link, ExitReason::Restarted),
            Stage::Serving => {
                link.retire(ExitReason::Restarted);
                drop(link);
                child.ask_to_retire();
            }
            Stage::Starting | Stage::Launching | Stage::Retiring | Stage::Ending => {}
        }
        self.dispatch();
    }
}
