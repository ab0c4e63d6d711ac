//! The restart of a service on its thread: the state is dropped, and `#[init]` makes a new one.

use super::{
    InitError,
    event_loop::{EventLoop, ground},
    events::{Crash, LifeEvent},
    init::make_state,
    service_state::Phase,
    shutdown::Ending,
};
use crate::{
    task::{Context, TaskSet},
    time::{
        clock,
        timer::{self, TimerAction},
    },
    trace,
    util::unwind,
    wake::WakeList,
};
use std::{
    task::Waker,
    time::{Duration, Instant},
};

impl<S: TaskSet, E: Send + 'static, A> EventLoop<S, E, A> {
    /// Drops the state and makes a new one, as often as the policy allows. Queued calls stay queued
    /// meanwhile.
    ///
    /// The error is the crash that ends the service, or `None` if the service was terminated
    /// meanwhile.
    pub(super) async fn replace_state(&mut self, mut crash: Crash) -> Result<(), Option<Crash>> {
        self.drop_state(&crash);
        let mut is_for_group = matches!(crash, Crash::Group);
        let mut has_failed = false;
        loop {
            if self.inner.is_terminated() {
                if is_for_group {
                    self.inner.lock().restart_request = Some(Crash::Group); // keep the request
                }
                return Err(None);
            }
            let wait = match crash {
                Crash::Asked | Crash::Group => Some(Duration::ZERO), // not a failure of this service
                _ => self.restarts.next(clock::instant()),
            };
            let Some(wait) = wait else { return Err(Some(crash)) };
            if !self.wait_backoff(wait, has_failed).await {
                continue;
            }
            // This start answers all requests made so far.
            is_for_group |= matches!(self.inner.lock().restart_request.take(), Some(Crash::Group));
            let (cx, inner) = (Context::new(None, self.data.clone()), self.inner.clone());
            has_failed = true;
            let limit = InitLimit::begin(self.launch_timeout, inner.waker());
            let is_to_stop = || inner.is_terminated() || limit.is_over();
            let made = make_state(&mut *self.init, cx, inner.home.is_pool(), &is_to_stop).await;
            crash = match made {
                Ok(Some(Ok(state))) => {
                    self.ground = ground(state, &self.data);
                    self.count_restart(&crash);
                    return Ok(());
                }
                Ok(Some(Err(error))) => Crash::Init(InitError::of::<S, E>(error)),
                Ok(None) if self.inner.is_terminated() => continue,
                Ok(None) if limit.is_over() => Crash::InitTimedOut,
                Ok(None) => return Err(Some(crash)),
                Err(panic) => Crash::InitPanicked(panic),
            };
        }
    }

    /// Ends the calls that have begun, and drops the state.
    fn drop_state(&mut self, crash: &Crash) {
        self.go_down();
        for call in self.local_tasks.dismiss(&Ending::Crashed(crash.reason())) {
            self.inner.list_suspended(&call, false);
            self.count_over(&call, true);
        }
        let ground = std::mem::replace(&mut self.ground, ground(None, &self.data));
        unwind::ignore_panics(|| drop(ground));
        self.consecutive_calls = 0;
    }

    /// Waits before a restart. Returns whether the service should restart.
    ///
    /// A close ends the wait early, since the accepted calls still need a state. It does not if an
    /// earlier start `has_failed`, because an `#[init]` that never succeeds would then be retried
    /// without a pause.
    async fn wait_backoff(&self, wait: Duration, has_failed: bool) -> bool {
        let until = clock::after(wait);
        loop {
            match self.inner.lock().phase {
                Phase::Closing if !has_failed => return true,
                Phase::Open | Phase::Closing => {}
                Phase::Terminating | Phase::Over => return false,
            }
            if until.is_some_and(|until| until <= clock::instant() || clock::is_over()) {
                return true;
            }
            self.idle_until(until).await;
        }
    }

    fn count_restart(&self, crash: &Crash) {
        let mut core = self.inner.lock();
        core.restarts += 1;
        core.is_down = false;
        let restarts = core.restarts;
        self.inner.release(core, WakeList::default());
        trace::restarted(&self.inner.name, crash, restarts);
        self.inner.watchers.publish(&LifeEvent::Restarted { crash: crash.clone(), restarts });
        self.inner.group.get().into_iter().for_each(|place| place.restarted(crash));
    }
}

/// The time limit of an `#[init]` in a restart. When the time passes, the service's thread is
/// woken.
struct InitLimit {
    due: Option<Instant>,
    timer: Option<timer::Key>,
}

impl InitLimit {
    fn begin(limit: Option<Duration>, waker: &Waker) -> Self {
        let due = limit.and_then(clock::after);
        let timer = due.map(|due| timer::arm(due, TimerAction::Wake(waker.clone())));
        Self { due, timer }
    }

    fn is_over(&self) -> bool {
        self.due.is_some_and(|due| due <= clock::instant())
    }
}

impl Drop for InitLimit {
    fn drop(&mut self) {
        self.timer.into_iter().for_each(timer::disarm);
    }
}
