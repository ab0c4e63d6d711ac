//! [`CloseWatch`]: watches for a cluster whether a service is open, closing or closed. The file also
//! has the sets of waiters for these changes.

use super::{
    service_shared::ServiceShared,
    service_state::{Phase, ServiceState},
};
use crate::{
    task::TaskSet,
    wake::{AfterUnlock, Registration, WaiterHome, WaiterSet},
};
use std::{sync::Arc, task::Waker};

/// A state of a service that a [`CloseWatch`] distinguishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseState {
    /// The service accepts calls.
    Open,
    /// The service rejects calls from outside, and accepted calls finish or are ended.
    Closing,
    /// The service has ended.
    Closed,
}

/// A watch over the close of a service. Dropping it removes its wakers.
pub(crate) struct CloseWatch<S: TaskSet> {
    closing: Registration<PhaseWaiters<S>>,
    closed: Registration<ClosedWaiters<S>>,
}

impl<S: TaskSet> CloseWatch<S> {
    pub(super) fn new(inner: &Arc<ServiceShared<S>>) -> Self {
        Self {
            closing: Registration::new(PhaseWaiters(inner.clone())),
            closed: Registration::new(ClosedWaiters(inner.clone())),
        }
    }

    /// Returns the state of the service. Wakes `waker` at the next change.
    pub(crate) fn state(&mut self, waker: &Waker) -> CloseState {
        if self.closing.poll_until(waker, |core| core.phase > Phase::Open).is_pending() {
            return CloseState::Open;
        }
        if self.closed.poll_until(waker, |core| core.phase == Phase::Over).is_pending() {
            return CloseState::Closing;
        }
        CloseState::Closed
    }
}

/// The home of the waiters for the end of a service.
pub(super) struct ClosedWaiters<S: TaskSet>(pub(super) Arc<ServiceShared<S>>);

/// The home of the waiters for the moment when a service starts to reject calls from outside.
struct PhaseWaiters<S: TaskSet>(Arc<ServiceShared<S>>);

impl<S: TaskSet> WaiterHome for ClosedWaiters<S> {
    type State = ServiceState<S>;

    fn with_state<R>(&self, change: impl FnOnce(&mut ServiceState<S>, &mut AfterUnlock) -> R) -> R {
        self.0.with_waiters(change)
    }

    fn waiters(core: &mut ServiceState<S>) -> &mut WaiterSet {
        &mut core.close_waiters
    }
}

impl<S: TaskSet> WaiterHome for PhaseWaiters<S> {
    type State = ServiceState<S>;

    fn with_state<R>(&self, change: impl FnOnce(&mut ServiceState<S>, &mut AfterUnlock) -> R) -> R {
        self.0.with_waiters(change)
    }

    fn waiters(core: &mut ServiceState<S>) -> &mut WaiterSet {
        &mut core.phase_waiters
    }
}

impl<S: TaskSet> ServiceShared<S> {
    /// Changes a waiter set, which moves no call.
    fn with_waiters<R>(&self, change: impl FnOnce(&mut ServiceState<S>, &mut AfterUnlock) -> R) -> R {
        let mut after = AfterUnlock::default(); // acts after the release
        let mut core = self.lock();
        change(&mut core, &mut after)
    }
}
