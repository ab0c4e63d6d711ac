//! Delegation of a call: a second call, the delegate, runs the task for it, for example with the
//! pool's state, or on another member of a cluster.

use super::{CallSlot, Job, JobEndedError, Reply, TaskSet};
use crate::{
    call::{backend, call_ref::CallRef, header::Header, slot::EndReason},
    error::CallError,
    time::clock,
};
use std::{sync::Arc, time::Instant};

impl<S: TaskSet> Job<S> {
    /// Like [`Job::split`], for a caller that delegates the call to another call. The delegate
    /// marks the call as started.
    pub(crate) fn start_delegating(self) -> Result<(S::Task, Reply<S>), JobEndedError> {
        let slot = self.into_slot();
        slot.header.stamp_submitted(clock::now);
        let input = slot.withdraw().ok_or(JobEndedError)?;
        Ok((input.task, Reply::of(slot)))
    }

    /// Creates a delegate: a call that runs `task` for `reply`'s call. An end of the first call
    /// ends the delegate, and a wait for the first call waits for the delegate. `then` gets the
    /// reply back, with the outcome of the delegate.
    pub(crate) fn delegate<F>(reply: Reply<S>, task: S::Task, then: F) -> Self
    where
        F: FnOnce(Reply<S>, Result<S::Output, CallError>) + Send + 'static,
    {
        let meta = reply.slot().header.for_retry();
        Self::go_on(reply, task, None, meta, then)
    }

    /// Creates a delegate with a deadline of its own.
    pub(crate) fn delegate_until<F>(reply: Reply<S>, task: S::Task, deadline: Instant, then: F) -> Self
    where
        F: FnOnce(Reply<S>, Result<S::Output, CallError>) + Send + 'static,
    {
        let meta = reply.slot().header.for_retry_until(Some(deadline));
        let job = Self::go_on(reply, task, None, meta, then);
        let call = job.slot().clone();
        let ring = Box::new(move || backend::end(&*call, None, EndReason::by_alarm()));
        job.timeout_at(deadline, ring);
        job
    }

    fn go_on<F>(reply: Reply<S>, task: S::Task, shared: Option<S::Shared>, meta: Header, then: F) -> Self
    where
        F: FnOnce(Reply<S>, Result<S::Output, CallError>) + Send + 'static,
    {
        let call = reply.slot().clone();
        let within = DelegatedReply(Some(reply));
        let job = Self::with_callback(task, shared, meta, move |outcome| within.end(|reply| then(reply, outcome)));
        go_on_as(&call, job.slot());
        job
    }

    /// Creates a second call beside the delegate of `call`. An end of `call` does not end this
    /// call.
    pub(crate) fn sibling<F>(call: &CallSlot<S>, task: S::Task, on_complete: F) -> Self
    where
        F: FnOnce(Result<S::Output, CallError>) + Send + 'static,
    {
        let meta = call.header.for_retry();
        meta.mark_delegate();
        Self::with_callback(task, None, meta, on_complete)
    }

    /// Returns the job with the state that it shares. A job that was made for this executor has the
    /// state already. For a job of a layer, this creates a delegate with the state.
    pub(crate) fn with_state(self, state: &Arc<S>) -> Self
    where
        S: TaskSet<Shared = Arc<S>> + Send + Sync,
    {
        if self.slot().header.is_sharing() {
            return self;
        }
        let slot = self.into_slot();
        let Some(input) = slot.withdraw() else { return Self::from_slot(slot) };
        let meta = slot.header.for_retry();
        let reply = Reply::of(slot);
        Self::go_on(reply, input.task, Some(state.clone()), meta, Reply::complete)
    }
}

/// Makes `job` the delegate of `call`. If `call` has ended in the meantime, the delegate ends too.
pub(crate) fn go_on_as<S: TaskSet>(call: &CallSlot<S>, job: &CallRef<CallSlot<S>>) {
    call.header.delegate_to(&job.clone().erase());
    call.fence();
    if call.is_asked_to_stop() {
        let is_late = call.header.deadline().is_some_and(|deadline| deadline <= clock::instant());
        backend::end(&**job, None, if is_late { EndReason::TimedOut } else { EndReason::Cancelled });
    }
}

/// The reply of a call that has a delegate.
struct DelegatedReply<S: TaskSet>(Option<Reply<S>>);

impl<S: TaskSet> DelegatedReply<S> {
    fn end(mut self, then: impl FnOnce(Reply<S>)) {
        if let Some(reply) = self.0.take() {
            then(reply);
        }
    }
}

impl<S: TaskSet> Drop for DelegatedReply<S> {
    /// Ends this call, since its delegate was taken back. If this call is a delegate itself, its
    /// waiter is not woken.
    fn drop(&mut self) {
        if let Some(slot) = self.0.take().and_then(|mut reply| reply.slot.take()) {
            if slot.header.is_delegate() {
                slot.drop_waker();
            }
            slot.end_call(EndReason::lost());
        }
    }
}
