//! [`Run`]: the call that runs a load of the cache, and how its outcome reaches the calls that
//! wait. A load is one run of a task for all calls with the same key.

use super::{cache::Cache, cache_load::Load, cache_table::EntryId, layered::LayerStack, resubmit};
use crate::{
    error::CallError,
    executor::Executor,
    task::{Job, Reply, TaskSet},
};
use std::{hash::Hash, sync::Arc};

/// The run of a load. However it ends, the calls that wait for the load are notified.
pub(super) struct Run<S, K, E>
where
    S: TaskSet<Output: Sync>,
    K: Hash + Eq + Send + Sync + 'static,
    E: Executor<S> + 'static,
{
    around: Arc<LayerStack<Cache<S, K>, E>>,
    id: EntryId,
    /// `None` once its outcome was passed on.
    load: Option<Arc<Load<S>>>,
}

impl<S, K, E> Run<S, K, E>
where
    S: TaskSet<Output: Sync>,
    K: Hash + Eq + Send + Sync + 'static,
    E: Executor<S> + 'static,
{
    pub(super) fn begin(
        around: &Arc<LayerStack<Cache<S, K>, E>>,
        id: EntryId,
        load: Arc<Load<S>>,
        task: S::Task,
        reply: Reply<S>,
    ) -> Job<S> {
        let run = Self { around: around.clone(), id, load: Some(load) };
        Job::delegate(reply, task, move |reply, outcome| run.end(reply, outcome))
    }

    fn end(mut self, reply: Reply<S>, outcome: Result<S::Output, CallError>) {
        let Some(load) = self.load.take() else { return };
        let shared = &self.around.layer.shared;
        match &outcome {
            Err(error) if is_caller_specific(&reply, error) => self.hand_on(&load),
            Err(error) => {
                shared.remove(self.id);
                load.finish().for_each(|job| job.answer(Err(error.clone())));
            }
            Ok(output) => {
                match shared.copy(output) {
                    Some(kept) => shared.keep(self.id, kept),
                    None => shared.remove(self.id),
                }
                for job in load.finish() {
                    match shared.copy(output) {
                        Some(output) => job.answer(Ok(output)),
                        None => resubmit::send(&self.around, job),
                    }
                }
            }
        }
        reply.complete(outcome);
    }

    /// Hands the load to the call that has waited longest, because the call that ran it has ended.
    /// If no call waits, later calls must run anew. So the load leaves the table before it is over.
    fn hand_on(&self, load: &Arc<Load<S>>) {
        if self.run_next(load, Load::next) {
            return;
        }
        self.around.layer.shared.remove(self.id);
        self.run_next(load, Load::next_or_finish);
    }

    /// Lets the next call that has not ended run the load. Returns whether there is such a call.
    fn run_next(&self, load: &Arc<Load<S>>, next: fn(&Load<S>) -> Option<Job<S>>) -> bool {
        while let Some(job) = next(load) {
            if let Ok((task, reply)) = job.start_delegating() {
                resubmit::send(&self.around, Self::begin(&self.around, self.id, load.clone(), task, reply));
                return true;
            }
        }
        false
    }
}

impl<S, K, E> Drop for Run<S, K, E>
where
    S: TaskSet<Output: Sync>,
    K: Hash + Eq + Send + Sync + 'static,
    E: Executor<S> + 'static,
{
    /// Hands the load on, because the call was taken back.
    fn drop(&mut self) {
        if let Some(load) = self.load.take() {
            self.hand_on(&load);
        }
    }
}

/// Returns whether the error concerns this one caller alone, and not the other calls of the load.
fn is_caller_specific<S: TaskSet>(reply: &Reply<S>, error: &CallError) -> bool {
    let is_late = matches!(error, CallError::TimedOut(_)) && reply.slot().header.has_run_limit();
    is_late || reply.is_cancelled()
}
