//! A call's way to a member, and on to another when that one ends.

use super::{
    Cluster,
    cluster_shared::{ClusterShared, Member, Members, place_of},
};
use crate::{
    call::backend::ExecutorId,
    context::thread_context,
    error::{CallError, Refused},
    executor::{Admission, Executor, OwnsState, RunsLocal, SharesState, admission::OnFull},
    service::ServiceRef,
    task::{self, Job, Reply, TaskSet},
    typed::fail_job,
};
use std::{
    fmt,
    sync::{Arc, Weak, atomic::Ordering},
};

/// A cluster as an executor: what its typed calls stand on. A layer may be put around it.
///
/// ```
/// use nanolith::{ClusterRef, OwnsState, prelude::*};
/// # use nanolith_doc_sets::*;
/// fn bump(counter: &CounterCalls<impl OwnsState<Counter>>) -> Result<i64, CallError> {
///     counter.bump(5).wait()
/// }
/// let counter = Cluster::launch(2, || Counter::service(10)).wait()?;
/// let calls: &CounterCalls<ClusterRef<Counter>> = counter.calls();
/// assert_eq!(bump(calls)?, 15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ClusterRef<S: TaskSet> {
    last: Arc<Last<S>>,
}

/// Closes the members when the last handle goes.
struct Last<S: TaskSet>(Arc<ClusterShared<S>>);

impl<S: TaskSet> Drop for Last<S> {
    fn drop(&mut self) {
        drop(self.0.close(ServiceRef::close));
    }
}

impl<S: TaskSet> ClusterRef<S> {
    pub(super) fn new(inner: Arc<ClusterShared<S>>) -> Self {
        Self { last: Arc::new(Last(inner)) }
    }

    pub(super) fn inner(&self) -> &Arc<ClusterShared<S>> {
        &self.last.0
    }
}

impl<S: TaskSet> From<&Cluster<S>> for ClusterRef<S> {
    /// The cluster as an executor, to put a [layer](crate::layers) around.
    fn from(cluster: &Cluster<S>) -> Self {
        cluster.executor.clone()
    }
}

impl<S: TaskSet> Clone for ClusterRef<S> {
    fn clone(&self) -> Self {
        Self { last: self.last.clone() }
    }
}

impl<S: TaskSet> Executor<S> for ClusterRef<S> {
    fn execute(&self, job: Job<S>) -> Result<(), Refused<Job<S>>> {
        match Failover::prepare(self.inner(), job) {
            Some(job) => self.inner().send(job).inspect_err(|refused| refused.value().mark_layer(self.inner().layer)),
            None => Ok(()),
        }
    }

    fn admit(&self, job: Job<S>) -> Admission<'_, S> {
        let waits = self.inner().members().iter().any(|member| member.service.on_full() == OnFull::Wait);
        match Failover::prepare(self.inner(), job) {
            Some(job) if waits => Box::pin(super::admission::ClusterAdmission::new(self.inner().clone(), job)),
            Some(job) => Box::pin(std::future::ready(self.inner().send(job))),
            None => Box::pin(std::future::ready(Ok(()))),
        }
    }

    fn accepts_calls(&self) -> bool {
        !self.inner().is_closed()
    }
}

#[diagnostic::do_not_recommend] // a service is what is missing
impl<S: TaskSet> SharesState<S> for ClusterRef<S> {}
#[diagnostic::do_not_recommend]
impl<S: TaskSet> OwnsState<S> for ClusterRef<S> {}
#[diagnostic::do_not_recommend]
impl<S: TaskSet> RunsLocal<S> for ClusterRef<S> {}

impl<S: TaskSet> fmt::Debug for ClusterRef<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members: Vec<_> = self.inner().members().iter().map(|member| member.id).collect();
        f.debug_struct("ClusterRef").field("members", &members).field("policy", &self.inner().policy).finish()
    }
}

impl<S: TaskSet> ClusterShared<S> {
    /// Sends the job to the chosen member; where that one is full, to the next that is not. A member whose own task calls
    /// comes last, and always takes it.
    pub(super) fn send(&self, job: Job<S>) -> Result<(), Refused<Job<S>>> {
        self.try_members(job, thread_context::current_executor(), true, |member, job| member.service.execute(job))
    }

    /// The same for a job that another member had taken, which ended. It does not go to the one whose task waits for it,
    /// perhaps, in the belief that it is elsewhere.
    fn send_on(&self, job: Job<S>, from: Option<ExecutorId>) -> Result<(), Refused<Job<S>>> {
        self.try_members(job, from, false, |member, job| member.service.take_over(job))
    }

    /// Offers the job to one member after the other, the chosen one first and the one of `here` last, if at all.
    fn try_members(
        &self,
        mut job: Job<S>,
        here: Option<ExecutorId>,
        to_here: bool,
        take: impl Fn(&Member<S>, Job<S>) -> Result<(), Refused<Job<S>>>,
    ) -> Result<(), Refused<Job<S>>> {
        let mut members = self.members();
        loop {
            let mut full = None;
            for member in self.preference_order(&members, &job, here, to_here) {
                match take(member, job) {
                    Ok(()) => return Ok(()),
                    Err(refused) => {
                        let (back, error) = refused.into_parts();
                        job = back;
                        match error {
                            CallError::Full(_) => full = Some(error),
                            CallError::Closed(_) => self.watch_phase(member),
                            _ => return Err(Refused::new(job, error)),
                        }
                    }
                }
            }
            if let Some(error) = full {
                return Err(Refused::new(job, error));
            }
            // All were closed, and have been taken out. Others may have come.
            let before = std::mem::replace(&mut members, self.members());
            if members.is_empty() || Arc::ptr_eq(&before, &members) {
                return Err(self.no_members_error(job));
            }
        }
    }

    fn preference_order<'a>(
        &self,
        members: &'a Members<S>,
        job: &Job<S>,
        here: Option<ExecutorId>,
        to_here: bool,
    ) -> impl Iterator<Item = &'a Arc<Member<S>>> + use<'a, S> {
        let first = if members.is_empty() { 0 } else { self.choose(members, Some(job.info()), here) };
        let own = place_of(members, here);
        let others = (first..members.len()).chain(0..first).filter(move |place| Some(*place) != own);
        others.chain(own.filter(|_| to_here)).map(|place| &members[place])
    }

    /// There is no member for the job.
    fn no_members_error(&self, job: Job<S>) -> Refused<Job<S>> {
        let error = if self.is_closed() { job.closed() } else { job.no_member() };
        Refused::new(job, error)
    }
}

/// What it takes to run a call once more, on another member, when the one that has it ends.
struct Failover<S: TaskSet> {
    cluster: Weak<ClusterShared<S>>,
    task: S::Task,
    /// How many times more.
    left: usize,
    /// Whose task made the call.
    from: Option<ExecutorId>,
}

impl<S: TaskSet> Failover<S> {
    /// A call that may run twice becomes one that goes on as another. `None` if the job's call is over.
    fn prepare(cluster: &Arc<ClusterShared<S>>, job: Job<S>) -> Option<Job<S>> {
        if !job.info().is_idempotent() || job.has_layer(cluster.layer) {
            return Some(job);
        }
        let (task, reply) = job.start_delegating().ok()?;
        let left = cluster.members().len();
        Some(Self::begin(Arc::downgrade(cluster), reply, task, left, thread_context::current_executor()))
    }

    fn begin(
        cluster: Weak<ClusterShared<S>>,
        reply: Reply<S>,
        task: S::Task,
        left: usize,
        from: Option<ExecutorId>,
    ) -> Job<S> {
        let again = if left > 0 { task::duplicate::<S>(&task) } else { None };
        let again = again.map(|task| Self { cluster, task, left: left - 1, from });
        Job::delegate(reply, task, |reply, outcome| match (outcome, again) {
            (Err(ended @ (CallError::Closed(_) | CallError::Crashed(_))), Some(again)) => again.go_on(reply, ended),
            (outcome, _) => reply.complete(outcome),
        })
    }

    /// The member that had the call `ended` it.
    fn go_on(self, reply: Reply<S>, ended: CallError) {
        let Self { cluster, task, left, from } = self;
        let Some(inner) = cluster.upgrade() else { return reply.complete(Err(ended)) };
        let elsewhere = |member: &Arc<Member<S>>| member.host != from || from.is_none();
        if reply.is_cancelled() || !inner.members().iter().any(elsewhere) {
            return reply.complete(Err(ended));
        }
        // ORDERING: Relaxed, a figure.
        inner.forwarded.fetch_add(1, Ordering::Relaxed);
        if let Err(refused) = inner.send_on(Self::begin(cluster, reply, task, left, from), from) {
            fail_job(refused);
        }
    }
}
