//! [`ProcessClusterRef`]: a cluster of child processes as an executor.

use super::{ProcessCluster, members::Members};
use crate::served::ProcessSet;
use nanolith::{
    CallError, Executor,
    call::SubmitError,
    executor::{Admission, Job, OwnsState, RunsLocal, SharesState},
};
use std::{fmt, sync::Arc};

/// A [`ProcessCluster`] as an executor, through which its typed methods submit calls. Layers can wrap
/// it.
pub struct ProcessClusterRef<S: ProcessSet> {
    members: Arc<Members<S>>,
}

impl<S: ProcessSet> ProcessClusterRef<S> {
    pub(super) fn new(members: Members<S>) -> Self {
        Self { members: Arc::new(members) }
    }

    pub(super) fn members(&self) -> &Members<S> {
        &self.members
    }

    /// Offers the job to one member after the other. Returns the error of the chosen one if none takes
    /// it.
    fn offer(&self, mut job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
        let mut first = None;
        for member in self.members.in_order(Some(job.task())) {
            match member.try_execute(job) {
                Ok(()) => return Ok(()),
                Err(refused) => {
                    let (back, error) = refused.into_parts();
                    job = back;
                    match error {
                        CallError::Full(_) | CallError::Closed(_) => drop(first.get_or_insert(error)),
                        _ => return Err(SubmitError::new(job, error)),
                    }
                }
            }
        }
        let error = first.unwrap_or_else(|| CallError::NoMember(job.trace()));
        Err(SubmitError::new(job, error))
    }
}

impl<S: ProcessSet> From<&ProcessCluster<S>> for ProcessClusterRef<S> {
    /// Returns the cluster as an executor, for use inside a [layer](nanolith::layers).
    fn from(cluster: &ProcessCluster<S>) -> Self {
        cluster.executor.clone()
    }
}

impl<S: ProcessSet> Clone for ProcessClusterRef<S> {
    fn clone(&self) -> Self {
        Self { members: self.members.clone() }
    }
}

impl<S: ProcessSet> Executor<S> for ProcessClusterRef<S> {
    fn try_execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
        self.offer(job)
    }

    fn execute(&self, job: Job<S>) -> Admission<'_, S> {
        match self.offer(job) {
            Ok(()) => Box::pin(std::future::ready(Ok(()))),
            Err(refused) if matches!(refused.error(), CallError::Full(_)) => {
                let (job, error) = refused.into_parts();
                // The member that was chosen decides whether the call waits.
                match self.members.choose(Some(job.task())) {
                    Some(member) => member.execute(job),
                    None => Box::pin(std::future::ready(Err(SubmitError::new(job, error)))),
                }
            }
            Err(refused) => Box::pin(std::future::ready(Err(refused))),
        }
    }

    fn accepts_calls(&self) -> bool {
        self.members.all().iter().any(|member| !member.is_ended())
    }

    fn will_block(&self, is_submitting: bool) {
        // Each member is a pool of this process, and the announcement is the thread's own.
        if let Some(member) = self.members.all().first() {
            member.will_block(is_submitting);
        }
    }
}

#[diagnostic::do_not_recommend] // an error is to suggest a service of this process
impl<S: ProcessSet> SharesState<S> for ProcessClusterRef<S> {}
#[diagnostic::do_not_recommend]
impl<S: ProcessSet> OwnsState<S> for ProcessClusterRef<S> {}
#[diagnostic::do_not_recommend]
impl<S: ProcessSet> RunsLocal<S> for ProcessClusterRef<S> {}

impl<S: ProcessSet> fmt::Debug for ProcessClusterRef<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProcessClusterRef").field(&self.members.all().len()).finish()
    }
}
