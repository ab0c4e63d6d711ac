//! [`ClusterAdmission`]: the wait of a call for queue room in any member of a cluster.

use super::cluster_shared::{ClusterShared, Member};
use crate::{
    error::SubmitError,
    executor::admission::OnFull,
    task::{Job, TaskSet},
    wake::{Registration, WaitTicket},
};
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

/// A job that waits for queue room in every member whose `OnFull` is `Wait`. The first member with
/// queue room takes the job. The job then leaves the other queues of waiters.
pub(super) struct ClusterAdmission<S: TaskSet> {
    /// The registration that is woken when members join or leave.
    cluster: Registration<Arc<ClusterShared<S>>>,
    job: Option<Job<S>>,
    lines: Vec<Place<S>>,
}

/// The job's position among the callers that wait for a member's queue room.
struct Place<S: TaskSet> {
    member: Arc<Member<S>>,
    ticket: Option<WaitTicket>,
}

impl<S: TaskSet> Drop for Place<S> {
    fn drop(&mut self) {
        self.member.service.leave_line(&mut self.ticket);
    }
}

impl<S: TaskSet> ClusterAdmission<S> {
    pub(super) fn new(cluster: Arc<ClusterShared<S>>, job: Job<S>) -> Self {
        Self { cluster: Registration::new(cluster), job: Some(job), lines: Vec::new() }
    }

    /// Updates `lines`: waits at each present member whose `OnFull` is `Wait`, and at no other
    /// member.
    fn join_queues(&mut self) {
        let members = self.cluster.home().members();
        self.lines.retain(|line| members.iter().any(|member| member.id == line.member.id));
        for member in members.iter() {
            let known = self.lines.iter().any(|line| line.member.id == member.id);
            if !known && member.service.on_full() == OnFull::Wait {
                self.lines.push(Place { member: member.clone(), ticket: None });
            }
        }
    }

    /// Polls each member. If the result is ready and the job is still here, no member can take the
    /// job, or its call is over.
    fn poll_members(&mut self, waker: &Waker) -> Poll<()> {
        let mut closed = Vec::new();
        for Place { member, ticket } in &mut self.lines {
            if member.service.poll_enter(&mut self.job, ticket, waker).is_pending() {
                continue;
            }
            match &self.job {
                Some(job) if job.is_queued() => closed.push(member.clone()),
                _ => return Poll::Ready(()),
            }
        }
        if closed.is_empty() && !self.lines.is_empty() {
            return Poll::Pending;
        }
        closed.iter().for_each(|member| self.cluster.home().watch_phase(member));
        self.lines.retain(|line| closed.iter().all(|member| member.id != line.member.id));
        if self.lines.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl<S: TaskSet> Future for ClusterAdmission<S> {
    type Output = Result<(), SubmitError<Job<S>>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // This comes before the members are read, so that a later change wakes this task.
        self.cluster.register(cx.waker());
        self.join_queues();
        if self.poll_members(cx.waker()).is_pending() {
            return Poll::Pending;
        }
        self.lines.clear();
        Poll::Ready(match self.job.take() {
            // No member is left to wait for. A member may accept the job at once, or return an
            // error.
            Some(job) => self.cluster.home().send(job),
            None => Ok(()),
        })
    }
}
