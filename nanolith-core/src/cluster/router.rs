//! [`ClusterRef`]: a cluster as an executor. It sends a call to a member, and to another member if
//! that one ends (failover). [`RouteError`]: why there is no member to send a call to.

use super::{
    Cluster,
    cluster_shared::{ClusterShared, Member, Members, place_of},
};
use crate::{
    call::backend::ExecutorId,
    context::thread_context,
    error::{CallError, SubmitError},
    executor::{Admission, Executor, OwnsState, RunsLocal, SharesState, admission::OnFull},
    service::ServiceRef,
    task::{self, Job, Reply, TaskSet},
    typed::fail_job,
};
use std::{
    error::Error,
    fmt,
    sync::{Arc, Weak, atomic::Ordering},
};

/// A cluster as an executor, through which its typed methods submit calls. Layers can wrap it.
///
/// ```
/// use nanolith::{Cluster, cluster::ClusterRef, executor::OwnsState, prelude::*};
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

/// A guard that closes the members when the last handle is dropped.
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
    /// Returns the cluster as an executor, for use inside a [layer](crate::layers).
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
    fn try_execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
        match Failover::prepare(self.inner(), job) {
            Some(job) => self.inner().send(job).inspect_err(|refused| refused.value().mark_layer(self.inner().layer)),
            None => Ok(()),
        }
    }

    fn execute(&self, job: Job<S>) -> Admission<'_, S> {
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

#[diagnostic::do_not_recommend] // the error should suggest a service
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
    /// Sends the job to the chosen member. If that member is full, sends it to the next member that
    /// is not full. A member whose own task made the call comes last, and always accepts the job.
    pub(super) fn send(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
        self.try_members(job, thread_context::current_executor(), true, |member, job| member.service.try_execute(job))
    }

    /// Sends a job that another member had accepted before it ended. The job never goes to the
    /// member `from`, whose task made the call. That task may wait for the call, and assumes that
    /// it runs on another member.
    fn send_on(&self, job: Job<S>, from: Option<ExecutorId>) -> Result<(), SubmitError<Job<S>>> {
        self.try_members(job, from, false, |member, job| member.service.take_over(job))
    }

    /// Offers the job to one member after the other: the chosen member first. The member of `here`
    /// comes last if `to_here` is set, and is left out otherwise.
    fn try_members(
        &self,
        mut job: Job<S>,
        here: Option<ExecutorId>,
        to_here: bool,
        take: impl Fn(&Member<S>, Job<S>) -> Result<(), SubmitError<Job<S>>>,
    ) -> Result<(), SubmitError<Job<S>>> {
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
                            _ => return Err(SubmitError::new(job, error)),
                        }
                    }
                }
            }
            if let Some(error) = full {
                return Err(SubmitError::new(job, error));
            }
            // All these members were closed, and have been removed. Others may have joined.
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
        let first = if members.is_empty() { 0 } else { self.choose(members, Some(job.task()), here) };
        let own = place_of(members, here);
        let others = (first..members.len()).chain(0..first).filter(move |place| Some(*place) != own);
        others.chain(own.filter(|_| to_here)).map(|place| &members[place])
    }

    /// Returns the error of a job for which there is no member.
    fn no_members_error(&self, job: Job<S>) -> SubmitError<Job<S>> {
        let error = match self.route_error() {
            RouteError::Closed => job.closed(),
            RouteError::NoMember => job.no_member(),
        };
        SubmitError::new(job, error)
    }

    /// Returns why the cluster has no members.
    pub(super) fn route_error(&self) -> RouteError {
        if self.is_closed() { RouteError::Closed } else { RouteError::NoMember }
    }
}

/// The error of choosing a member of a cluster that has none. Made by
/// [`ClusterControl::use_key`](crate::cluster::ClusterControl::use_key), `use_next` and
/// `member_of`.
///
/// ```
/// use nanolith::{Cluster, cluster::RouteError, prelude::*};
/// # use nanolith_doc_sets::*;
/// let geometry = Cluster::launch(0, Geometry::service).wait()?;
/// assert_eq!(geometry.control().use_key("ada").err(), Some(RouteError::NoMember));
/// geometry.close().wait()?;
/// assert_eq!(geometry.control().use_key("ada").err(), Some(RouteError::Closed));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RouteError {
    /// The cluster is closed. A call ends as
    /// [`CallError::Closed`](crate::error::CallError::Closed).
    Closed,
    /// The cluster has no members now. Members can still be added. A call ends as
    /// [`CallError::NoMember`](crate::error::CallError::NoMember).
    NoMember,
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the cluster is closed",
            Self::NoMember => "the cluster has no members",
        })
    }
}

impl Error for RouteError {}

/// The data to run a call again on another member, when its member ends.
struct Failover<S: TaskSet> {
    cluster: Weak<ClusterShared<S>>,
    task: S::Task,
    /// The number of times that the call may still move.
    left: usize,
    /// The executor of the task that made the call.
    from: Option<ExecutorId>,
}

impl<S: TaskSet> Failover<S> {
    /// Prepares an idempotent call so that a delegate runs it, which can be repeated. Returns
    /// `None` if the job's call is over.
    fn prepare(cluster: &Arc<ClusterShared<S>>, job: Job<S>) -> Option<Job<S>> {
        if !job.task().is_idempotent() || job.has_layer(cluster.layer) {
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

    /// Moves the call to another member, after its member ended it with the error `ended`.
    fn go_on(self, reply: Reply<S>, ended: CallError) {
        let Self { cluster, task, left, from } = self;
        let Some(inner) = cluster.upgrade() else { return reply.complete(Err(ended)) };
        let elsewhere = |member: &Arc<Member<S>>| member.host != from || from.is_none();
        if reply.is_cancelled() || !inner.members().iter().any(elsewhere) {
            return reply.complete(Err(ended));
        }
        // ORDERING: Relaxed. A statistic that `Cluster::info` reads; it orders no other data.
        inner.forwarded.fetch_add(1, Ordering::Relaxed);
        if let Err(refused) = inner.send_on(Self::begin(cluster, reply, task, left, from), from) {
            fail_job(refused);
        }
    }
}
