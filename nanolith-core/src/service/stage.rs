//! [`StageWatch`]: watches whether a service is open, closing or ended, for its cluster. The file
//! also has the sets of waiters for these changes.

use super::{
    service_shared::ServiceShared,
    service_state::{Phase, ServiceState},
};
use crate::{
    task::TaskSet,
    wake::{AfterUnlock, Registration, WaiterHome, WaiterSet},
};
use std::{sync::Arc, task::Waker};

/// The stage of a service's life, as other modules see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The service accepts calls.
    Open,
    /// The service rejects calls from outside.
    Leaving,
    /// The service has ended.
    Over,
}

/// A watch over the stages of a service. Dropping it removes its wakers.
pub(crate) struct StageWatch<S: TaskSet> {
    leaving: Registration<Leavers<S>>,
    over: Registration<Closers<S>>,
}

impl<S: TaskSet> StageWatch<S> {
    pub(super) fn new(inner: &Arc<ServiceShared<S>>) -> Self {
        Self { leaving: Registration::new(Leavers(inner.clone())), over: Registration::new(Closers(inner.clone())) }
    }

    /// Returns the stage of the service. Wakes `waker` when the stage changes.
    pub(crate) fn stage(&mut self, waker: &Waker) -> Stage {
        if self.leaving.poll_until(waker, |core| core.phase > Phase::Open).is_pending() {
            return Stage::Open;
        }
        if self.over.poll_until(waker, |core| core.phase == Phase::Over).is_pending() {
            return Stage::Leaving;
        }
        Stage::Over
    }
}

/// The home of the waiters for the end of a service.
pub(super) struct Closers<S: TaskSet>(pub(super) Arc<ServiceShared<S>>);

/// The home of the waiters for the moment when a service starts to reject calls from outside.
struct Leavers<S: TaskSet>(Arc<ServiceShared<S>>);

impl<S: TaskSet> WaiterHome for Closers<S> {
    type State = ServiceState<S>;

    fn with_state<R>(&self, change: impl FnOnce(&mut ServiceState<S>, &mut AfterUnlock) -> R) -> R {
        self.0.with_waiters(change)
    }

    fn waiters(core: &mut ServiceState<S>) -> &mut WaiterSet {
        &mut core.close_waiters
    }
}

impl<S: TaskSet> WaiterHome for Leavers<S> {
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
