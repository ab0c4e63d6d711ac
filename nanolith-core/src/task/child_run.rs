//! Runs a task's call to its own pool on the thread that waits for it, in one function from the claim to
//! the outcome. The output passes to the waiter without the slot.

use super::{
    CallSlot, Input, Job, Reply, Scope, TaskSet,
    environment::PoolEnv,
    run::{Failure, fail, run_hooked},
    scope::EnvRef,
};
use crate::{
    call::{
        backend::{ErasedCall, ExecutorId},
        call_ref::CallRef,
        slot::{EndReason, Slot},
    },
    context::thread_context,
    error::CallError,
    metrics,
    time::clock,
    util::{stack::OnTop, unwind},
};

impl<S: TaskSet> CallSlot<S> {
    /// Runs the call for its handle, which waits, and returns its outcome. Returns `None` if the call
    /// is not a queued fast-path call that a task of this worker's pool submitted, or if the thread has
    /// lent something.
    #[inline(always)]
    pub(crate) fn run_child(this: &CallRef<Self>, host: Option<ExecutorId>) -> Option<Result<S::Output, CallError>> {
        if thread_context::runs_calls_of(host) { run_child(this) } else { None }
    }

    /// Runs the call of a new job for its handle, on a worker of its pool, and returns its outcome. The
    /// pool does not get the job. Returns the job if it must go to the pool.
    pub(crate) fn run_at_once(this: &CallRef<Self>, job: Job<S>) -> Result<Result<S::Output, CallError>, Job<S>> {
        if !is_simple(this) {
            return Err(job);
        }
        let Some(top) = thread_context::begin_child() else { return Err(job) };
        let Some((input, [call])) = Slot::claim_by_waiter::<Input<S>, 1>(this) else { return Err(job) };
        this.header.mark_nested();
        this.header.stamp_submitted(clock::coarse_now);
        thread_context::count_at_once();
        let running = job.into_slot().erase();
        Ok(run_claimed(this, Claimed { call, running, input }, top).unwrap_or_else(|| taken(this)))
    }
}

/// Returns whether the call may run here by the functions of this file.
#[inline(always)]
fn is_simple<S: TaskSet>(this: &CallRef<CallSlot<S>>) -> bool {
    let is_small = const { !super::call_slot::is_large::<S>() };
    is_small && this.is_plain() && !metrics::is_any_on() && !this.header.is_parent_stopping()
}

#[inline(never)]
fn run_child<S: TaskSet>(this: &CallRef<CallSlot<S>>) -> Option<Result<S::Output, CallError>> {
    if !this.header.is_nested() || !is_simple(this) {
        return None;
    }
    let top = thread_context::begin_child()?;
    let (input, [call]) = Slot::claim_by_waiter::<Input<S>, 1>(this)?;
    let running = thread_context::take_entry(this);
    run_claimed(this, Claimed { call, running, input }, top)
}

/// A call that this thread has claimed, with the two owners of its run.
struct Claimed<S: TaskSet> {
    call: CallRef<CallSlot<S>>,
    running: CallRef<dyn ErasedCall>,
    input: Input<S>,
}

#[inline(always)]
fn run_claimed<S: TaskSet>(
    this: &CallRef<CallSlot<S>>,
    Claimed { call, running, mut input }: Claimed<S>,
    top: OnTop,
) -> Option<Result<S::Output, CallError>> {
    call.header.mark_started(clock::coarse_now());
    let ground = PoolEnv { host: None, shared: input.shared.take() };
    let mut scope = Scope::new(Reply::of(call), EnvRef::Pool(ground));
    if !scope.supports(this.header.task()) {
        scope.reply.take().into_iter().for_each(|reply| reply.end(EndReason::Unsupported));
        return Some(taken(this));
    }
    // Panics of the task and its hooks are caught within.
    let (ended, running) = thread_context::run_child(top, running, || run_hooked(input, &mut scope));
    let running = running.end();
    let Scope { reply, env, .. } = scope;
    let outcome = match (ended, reply) {
        (Ok(output), Some(reply)) => reply.complete_here(running, output).unwrap_or_else(|| taken(this)),
        (Err(failure), Some(reply)) => {
            end_failed(reply, &env, failure);
            drop(running);
            taken(this)
        }
        (_, None) => return None,
    };
    unwind::ignore_panics(|| drop(env));
    Some(outcome)
}

/// Returns the outcome that is in the slot of a call that is over.
#[cold]
fn taken<S: TaskSet>(this: &CallRef<CallSlot<S>>) -> Result<S::Output, CallError> {
    this.outcome().unwrap_or_else(|| Err(this.header.error(EndReason::Lost)))
}

#[cold]
fn end_failed<S: TaskSet>(reply: Reply<S>, env: &EnvRef<S>, failure: Failure) {
    unwind::ignore_panics(|| match env {
        EnvRef::Pool(ground) => fail(ground, reply, failure),
        EnvRef::Service(ground) => fail(ground, reply, failure),
    });
}
