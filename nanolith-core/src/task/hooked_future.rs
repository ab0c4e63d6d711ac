//! [`with_hooks`]: the future of a task with its hooks, any of them asynchronous. It ends at the
//! next await once the call is over.

use super::{
    HookResult, Reply, TaskSet,
    environment::{Environment, HookRun, PanicSource},
    run::{Failure, deliver, info, outcome},
};
use crate::{context::thread_context, deadlock, util::unwind};
use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll},
};

/// Runs the `before` hook, the task and the `after` hook, any of them asynchronous.
pub(super) async fn with_hooks<S, G, F>(ground: G, reply: Reply<S>, body: F)
where
    S: TaskSet,
    G: Environment<S>,
    F: Future<Output = Option<S::Output>>,
{
    if S::HOOKS.are_none() {
        let result = until_cancelled(&reply, body).await;
        return deliver(&ground, reply, result);
    }
    let call = info::<S>(reply.slot(), G::IN_SERVICE);
    if let Err(failure) = await_hook(&reply, ground.before(call)).await {
        return deliver(&ground, reply, Err(failure));
    }
    let result = until_cancelled(&reply, body).await;
    let after = settle_after(&ground, &reply, ground.after(call, outcome(&result))).await;
    deliver(&ground, reply, result.and_then(|output| after.map(|()| output)));
}

/// Returns the result of a hook that runs before the task. Its future is dropped at its next await
/// once the call is over.
async fn await_hook<S, F>(reply: &Reply<S>, hook: HookRun<F>) -> Result<(), Failure>
where
    S: TaskSet,
    F: Future<Output = HookResult>,
{
    let result = match hook {
        HookRun::Ready(result) => result.map_err(|panic| Failure::Panicked(PanicSource::Hook, panic))?,
        HookRun::Future(future) => until_stopped(reply, PanicSource::Hook, future, || reply.is_cancelled()).await?,
    };
    result.map_err(Failure::Hook)
}

/// Returns the result of a hook that runs after the task. A hook that begins after the call was
/// over runs to its end, because it may undo what the first hook did. Only the time limit of a
/// close ends it.
async fn settle_after<S, G>(ground: &G, reply: &Reply<S>, hook: HookRun<G::Later>) -> Result<(), Failure>
where
    S: TaskSet,
    G: Environment<S>,
{
    let HookRun::Future(future) = hook else { return await_hook(reply, hook).await };
    let mut outlives = None;
    let is_to_stop = || match *outlives.get_or_insert_with(|| reply.is_cancelled()) {
        true => ground.is_stopping(),
        false => reply.is_cancelled(),
    };
    until_stopped(reply, PanicSource::Hook, future, is_to_stop).await?.map_err(Failure::Hook)
}

/// Runs the body of an asynchronous task. Its panic is caught. It is dropped at its next await once
/// the call is over.
async fn until_cancelled<S, F>(reply: &Reply<S>, body: F) -> Result<S::Output, Failure>
where
    S: TaskSet,
    F: Future<Output = Option<S::Output>>,
{
    until_stopped(reply, PanicSource::Task, body, || reply.is_cancelled()).await?.ok_or(Failure::Stopped)
}

/// Polls a part of a call until `is_to_stop` returns `true`. The end of the call and the end of its
/// executor each cause another check.
async fn until_stopped<S, F>(
    reply: &Reply<S>,
    whose: PanicSource,
    part: F,
    mut is_to_stop: impl FnMut() -> bool,
) -> Result<F::Output, Failure>
where
    S: TaskSet,
    F: Future,
{
    let mut stop = reply.slot().header.stop_wait();
    let mut part = pin!(part);
    poll_fn(|cx| {
        if is_to_stop() {
            return Poll::Ready(Err(Failure::Stopped));
        }
        let urgency = reply.slot().header.priority();
        let polled = unwind::catch(|| {
            let header = &reply.slot().header;
            let _within = header.has_span().then(|| header.enter_span()).flatten();
            poll_part(reply, part.as_mut(), cx)
        });
        match polled {
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(Failure::Panicked(whose, panic))),
            // The executor polls again at once.
            Ok(Poll::Pending) if thread_context::has_given_way() => Poll::Pending,
            Ok(Poll::Pending) => {
                stop.register(cx.waker());
                reply.slot().fence();
                if reply.slot().header.priority() != urgency && reply.slot().header.passes_raise_on() {
                    cx.waker().wake_by_ref(); // it was raised meanwhile, and raises the call that it waits for
                }
                if is_to_stop() { Poll::Ready(Err(Failure::Stopped)) } else { Poll::Pending }
            }
        }
    })
    .await
}

/// Polls a part of a call, and finds out what it waits for if a deadlock check has requested that.
fn poll_part<S, F>(reply: &Reply<S>, part: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<F::Output>
where
    S: TaskSet,
    F: Future,
{
    deadlock::poll(&reply.slot().header, || reply.slot().clone().erase(), cx, |cx| part.poll(cx))
}
