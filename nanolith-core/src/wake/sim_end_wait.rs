//! [`EndWait`]: waits for a step of the end of a simulation: until futures have to end, or until no
//! thread of the simulation runs any more.

use super::{Deferred, HasWaiters, Registration, WaiterSet};
use crate::sim_runtime::{EndListener, EndStep, Scheduler};
use std::{
    any::Any,
    sync::Arc,
    task::{Poll, Waker},
};

/// A wait for a step of the end of a simulation.
pub(crate) struct EndWait(Registration<Arc<Deferred<Steps>>>);

/// The step of the end that was reached, and the tasks that wait for the next step.
#[derive(Default)]
pub(crate) struct Steps {
    step: EndStep,
    waiting: WaiterSet,
}

impl HasWaiters for Steps {
    fn waiters(&mut self) -> &mut WaiterSet {
        &mut self.waiting
    }
}

impl EndListener for Deferred<Steps> {
    fn reached(&self, step: EndStep) {
        self.with(|steps, after| {
            steps.step = step;
            steps.waiting.notify_all(after);
        });
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl EndWait {
    /// Returns a wait for the end of this simulation.
    pub(crate) fn new(simulation: &Scheduler) -> Self {
        let make = |step| Arc::new(Deferred::<Steps>::new(Steps { step, ..Steps::default() })) as Arc<dyn EndListener>;
        let steps = simulation.end_listener(make).into_any().downcast();
        Self(Registration::new(steps.unwrap_or_else(|_| unreachable!("only this type listens"))))
    }

    /// Returns ready when the futures that are no calls have to end.
    pub(crate) fn poll_futures_over(&mut self, waker: &Waker) -> Poll<()> {
        self.0.poll_until(waker, |steps| steps.step >= EndStep::FuturesOver)
    }

    /// Returns ready when no thread of the simulation runs any more.
    pub(crate) fn poll_over(&mut self, waker: &Waker) -> Poll<()> {
        self.0.poll_until(waker, |steps| steps.step == EndStep::Over)
    }
}
