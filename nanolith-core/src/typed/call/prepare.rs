//! Makes the job and the handle of a call from its options, links the call to what can cancel it, and
//! arms its time limit.

use super::{
    call_options::{CallOptions, RareOptions},
    span,
};
use crate::{
    call::{
        backend::{self, ExecutorId},
        call_ref::Uninit,
        header::Header,
        slot::EndReason,
    },
    context::thread_context,
    error::ParentCall,
    executor::Executor,
    sync::cancel_token::CancelToken,
    task::{Job, TaskSet},
    time::{
        clock,
        timer::{self, TimerAction},
    },
    trace,
    typed::Handle,
};

/// Creates the job and the handle of a call, and arms its timeout.
#[inline(always)]
pub(super) fn prepare_job<S: TaskSet, E: Executor<S> + ?Sized, T>(
    executor: &E,
    extract: fn(S::Output) -> Option<T>,
    terms: &CallOptions<S>,
    task: S::Task,
) -> (Job<S>, Handle<S, T>) {
    let caller = ParentCall { task: S::task_info(&task), submitted: terms.submitted };
    let origin = thread_context::origin();
    if terms.are_common() && origin.parents.is_none() && !clock::is_any_mocked() {
        return prepare_common(executor, extract, terms, Header::new(caller, terms.priority, None, origin), task);
    }
    let mut meta = match &terms.rare {
        None if terms.limit.is_none() && terms.token.is_none() => Header::new(caller, terms.priority, None, origin),
        None => RareOptions::<S>::default().meta(caller, terms.priority, terms.limit, origin),
        Some(rare) => rare.meta(caller, terms.priority, terms.limit, origin),
    };
    if terms.tokens().next().is_some() {
        meta.check_tokens();
    }
    new_job(executor, extract, meta, task, Some(terms))
}

/// Creates the job and the handle of a call that has no parent, and a limit or a token as its only
/// option. Arms its alarm, or links it to its token.
#[inline(always)]
fn prepare_common<S: TaskSet, E: Executor<S> + ?Sized, T>(
    executor: &E,
    extract: fn(S::Output) -> Option<T>,
    terms: &CallOptions<S>,
    mut meta: Header,
    task: S::Task,
) -> (Job<S>, Handle<S, T>) {
    if let Some(deadline) = terms.limit.and_then(clock::after) {
        meta.end_at(deadline);
    }
    if terms.token.is_some() {
        meta.check_tokens();
    }
    let (job, handle) = new_job(executor, extract, meta, task, None);
    let (slot, host) = (job.slot(), executor.host());
    let is_linked = |token: &CancelToken| slot.header.link(token.stop(), || slot.clone().erase(), host);
    if terms.limit.is_some_and(|limit| limit.is_zero()) {
        slot.end_call(EndReason::TimedOut); // it never begins
    } else if terms.token.as_ref().is_none_or(is_linked) {
        slot.header.arm(|| slot.clone().erase(), host);
    } else {
        slot.end_call(EndReason::Cancelled);
    }
    (job, handle)
}

/// Creates the job and the handle of a call with this header.
#[inline(always)]
pub(super) fn new_job<S: TaskSet, E: Executor<S> + ?Sized, T>(
    executor: &E,
    extract: fn(S::Output) -> Option<T>,
    meta: Header,
    task: S::Task,
    terms: Option<&CallOptions<S>>,
) -> (Job<S>, Handle<S, T>) {
    let is_heir = meta.inherit_limits(S::HOOKS.are_async() || meta.task().is_async());
    let (job, slot) = Job::with_owner(Uninit::new(), task, executor.shared(), meta);
    if trace::is_on() {
        span::open(&job, terms.and_then(|terms| terms.rare.as_deref()));
    }
    let host = executor.host();
    if host.is_none() {
        job.slot().header.mark_unrouted();
    }
    if is_heir || terms.is_some_and(CallOptions::are_any) {
        link_cancellation(&job, host, terms);
    }
    (job, Handle::new(slot, host, extract))
}

/// Creates the job and the handle of a call of any task of the set.
#[cfg(feature = "tower")]
pub(crate) fn job_of_task<S: TaskSet, E: Executor<S> + ?Sized>(
    executor: &E,
    meta: Header,
    task: S::Task,
) -> (Job<S>, Handle<S, S::Output>) {
    new_job(executor, Some, meta, task, None)
}

/// Links the call to its parents and tokens, which can cancel it, and arms its time limit.
#[cold]
fn link_cancellation<S: TaskSet>(job: &Job<S>, host: Option<ExecutorId>, terms: Option<&CallOptions<S>>) {
    let meta = &job.slot().header;
    let tokens = terms.into_iter().flat_map(CallOptions::tokens).map(CancelToken::stop);
    for stop in tokens.chain(meta.parent_node()) {
        if !meta.link(stop, || job.slot().clone().erase(), host) {
            job.slot().end_call(EndReason::Cancelled);
            return;
        }
    }
    let waits = terms
        .and_then(|terms| terms.rare.as_ref()?.later.as_ref())
        .is_some_and(|later| later.is_before(meta.deadline()));
    if !waits {
        arm(job, host);
    }
}

/// Arms a timer that ends the call at its deadline, if it has one.
#[cold]
pub(super) fn arm<S: TaskSet>(job: &Job<S>, host: Option<ExecutorId>) {
    let Some(deadline) = job.slot().header.deadline() else { return };
    if deadline <= clock::instant() {
        job.slot().end_call(EndReason::TimedOut); // it never begins
        return;
    }
    let call = job.slot().clone();
    let ring = Box::new(move || {
        backend::end(&*call, host, EndReason::by_alarm());
    });
    job.slot().header.keep_timer(timer::arm(deadline, TimerAction::RunAlways(ring)));
}
