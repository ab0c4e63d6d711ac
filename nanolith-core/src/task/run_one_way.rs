//! [`run_one_way`]: runs one-way calls on a service, in the service's resident slot.

use super::{
    CallSlot, Input, OneWayCall, Reply, ResidentSlot, Scope, TaskSet,
    environment::ServiceEnv,
    run::{Failure, fail, run_hooked},
    scope::EnvRef,
};
use crate::{
    call::{
        backend::{ErasedCall, RunResult},
        call_ref::CallRef,
        running_call::RunningCall,
        slot::{CoOwners, EndReason},
    },
    context::thread_context::{self, RunningTask},
    metrics,
    util::unwind,
};
use std::{mem, rc::Rc};

/// How a series of one-way calls ended.
enum SeriesEnd<O> {
    /// No further call came.
    NoCall,
    /// The last call failed, or its slot is still in use: it is completed as any other call.
    Apart(Result<O, Failure>),
    /// The service has no state for the last call, which did not run.
    Unsupported,
}

/// Runs one-way calls on their service's thread, one after another, in the slot `resident`. The
/// slot is published in `spot` meanwhile. The first call begins at `now`. After each call, `next`
/// returns the next call and the moment at which it begins, or `None` to return.
///
/// Also returns after a call that failed, and after one whose slot is still in use. Then the result
/// is that of this call, after which `next` was not asked.
#[inline(always)]
pub(crate) fn run_one_way<S: TaskSet>(
    resident: &mut ResidentSlot<S>,
    spot: &RunningCall<CallSlot<S>>,
    ground: &Rc<ServiceEnv<S>>,
    (mut call, now): (OneWayCall<S>, u64),
    mut next: impl FnMut() -> Option<(OneWayCall<S>, u64)>,
) -> Option<RunResult> {
    let [replies, second] = resident.begin(&call, now);
    let mut scope = Scope::new(Reply::of(replies), EnvRef::Service(ground.clone()));
    let run = || {
        let (resident, has_state) = (&*resident, ground.owner.is_some());
        loop {
            if !has_state && !scope.supports(resident.slot().header.task()) {
                unwind::ignore_panics(|| drop(call));
                return SeriesEnd::Unsupported;
            }
            let input = Input { task: call.into_task(), shared: None };
            // Panics of the task and its hooks are caught within.
            let ended = run_hooked(input, &mut scope);
            thread_context::release_pending_polls();
            match ended {
                Ok(output) if resident.is_unused() => drop_output::<S>(output),
                ended => return SeriesEnd::Apart(ended),
            }
            let Some((following, now)) = next() else { return SeriesEnd::NoCall };
            call = following;
            resident.go_on(&call, now);
        }
    };
    let running = RunningTask::new(second.erase());
    let (end, running) = spot.show(resident.slot(), || thread_context::enter_task(running, run));
    finish(resident, &mut scope, running, end)
}

/// Drops an output that no caller takes.
#[inline(always)]
fn drop_output<S: TaskSet>(output: S::Output) {
    if const { mem::needs_drop::<S::Output>() } {
        unwind::ignore_panics(|| drop(output));
    }
}

/// Ends the last call of a series.
fn finish<S: TaskSet>(
    resident: &mut ResidentSlot<S>,
    scope: &mut Scope<S>,
    running: RunningTask,
    end: SeriesEnd<S::Output>,
) -> Option<RunResult> {
    let running = running.end();
    let replies = scope.reply.take().and_then(|mut reply| reply.slot.take());
    match (end, replies, &scope.env) {
        (SeriesEnd::NoCall, Some(replies), EnvRef::Service(ground)) => {
            if let Err((running, replies)) = resident.end(running, replies) {
                complete(running, replies, ground, Err(Failure::Stopped));
                resident.give_up();
            }
            None
        }
        (SeriesEnd::Apart(ended), Some(replies), EnvRef::Service(ground)) => {
            complete(running, replies, ground, ended);
            resident.give_up();
            Some(RunResult::Finished)
        }
        (SeriesEnd::Unsupported, Some(replies), _) => {
            Reply::<S>::of(replies).end(EndReason::Unsupported);
            Some(RunResult::Skipped)
        }
        (_, None | Some(_), _) => Some(RunResult::Finished), // the task's future has the reply
    }
}

/// Completes the call as any other.
fn complete<S: TaskSet>(
    running: CallRef<dyn ErasedCall>,
    replies: CallRef<CallSlot<S>>,
    ground: &Rc<ServiceEnv<S>>,
    ended: Result<S::Output, Failure>,
) {
    if metrics::is_any_on() && (replies.is_over() || matches!(ended, Err(Failure::Stopped))) {
        let info = replies.header.task();
        thread_context::current_backend().into_iter().for_each(|host| host.count_vain_run(info));
    }
    let reply = Reply::of(replies);
    match ended {
        Ok(output) => reply.complete_with(CoOwners { running: Some(running), shown: None }, Ok(output)),
        Err(failure) => {
            fail(ground, reply, failure);
            drop(running);
        }
    }
}
