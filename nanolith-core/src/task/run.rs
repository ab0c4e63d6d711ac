//! Runs one task on a pool ([`run_on_pool`]) or on a service ([`run_on_service`]): calls its hooks,
//! catches its panic and delivers its outcome.

use super::{
    CallInfo, CallSlot, HookResult, Input, Outcome, Reply, Run, Scope, TaskSet,
    environment::{Environment, HookRun, PanicSource, PoolEnv, ServiceEnv},
    scope::EnvRef,
    spawn::{spawn_checked_on_pool, spawn_checked_on_service},
};
use crate::{
    call::{
        backend::{Backend, RunResult},
        call_ref::CallRef,
        header::Header,
        running_call::RunningCall,
        slot::{CoOwners, EndReason, Leaves},
    },
    context::thread_context,
    error::{BoxError, CallError, Panic},
    metrics, trace,
    util::unwind,
};
use std::{rc::Rc, sync::Arc};

/// Runs a claimed call on a thread of the pool `host`. The caller passes two references to the
/// call.
pub(crate) fn run_on_pool<S: TaskSet, I: Brought<S>>(
    [slot, second]: [CallRef<CallSlot<S>>; 2],
    mut input: I,
    host: Option<Arc<dyn Backend>>,
    now: u64,
) -> RunResult {
    if !CallSlot::may_begin(&slot, now) {
        unwind::ignore_panics(|| drop(input));
        return RunResult::Skipped;
    }
    let ground = PoolEnv { host, shared: input.take_shared() };
    if S::HOOKS.are_async() && !slot.header.task().is_async() {
        slot.header.mark_started(now);
        spawn_run_on_pool(slot, input, ground);
        return RunResult::Pending;
    }
    run(input, [slot, second], EnvRef::Pool(ground), now, || None)
}

/// Runs a synchronous task whose hooks are futures. This is a function of its own, because a nested
/// call adds its stack frame to that of its caller.
fn spawn_run_on_pool<S: TaskSet, I: Brought<S>>(slot: CallRef<CallSlot<S>>, input: I, ground: PoolEnv<S>) {
    let (whole, call) = (ground.clone(), slot.clone());
    if slot.header.has_span() {
        begin_hooked_span(&slot.header, ground.host.clone());
    }
    let body = async move { run_within(input, call, EnvRef::Pool(whole)) };
    spawn_checked_on_pool(ground, Reply::of(slot), body);
}

/// Runs a claimed call on its service's thread. The caller passes three references to the call.
/// While the task runs, `third` is published in `spot`.
pub(crate) fn run_on_service<S: TaskSet, I: Brought<S>>(
    [slot, second, third]: [CallRef<CallSlot<S>>; 3],
    spot: &RunningCall<CallSlot<S>>,
    input: I,
    ground: &Rc<ServiceEnv<S>>,
    now: u64,
) -> RunResult {
    if !CallSlot::may_begin(&slot, now) {
        unwind::ignore_panics(|| drop(input));
        return RunResult::Skipped;
    }
    if S::HOOKS.are_async() && !slot.header.task().is_async() {
        slot.header.mark_started(now);
        if slot.header.has_span() {
            begin_hooked_span(&slot.header, None);
        }
        let (whole, call) = (ground.clone(), slot.clone());
        let body = async move { run_within(input, call, EnvRef::Service(whole)) };
        spawn_checked_on_service(ground.clone(), Reply::of(slot), body);
        return RunResult::Pending;
    }
    let shown = spot.publish(third);
    run(input, [slot, second], EnvRef::Service(ground.clone()), now, || shown.retract())
}

/// Runs a task that is asynchronous itself, or whose hooks are synchronous or absent. `shown` takes
/// back the reference to the call that was published, if there is one. It is called before the call
/// ends.
#[inline(always)]
fn run<S: TaskSet, I: Brought<S>>(
    input: I,
    [slot, second]: [CallRef<CallSlot<S>>; 2],
    standing: EnvRef<S>,
    now: u64,
    shown: impl FnOnce() -> Option<CallRef<CallSlot<S>>>,
) -> RunResult {
    slot.header.mark_started(now);
    let info = slot.header.task();
    let running = thread_context::RunningTask::new(second.erase());
    let entered = slot.header.has_span() && begin_span(&slot.header, standing.host());
    let mut scope = Scope::new(Reply::of(slot), standing);
    if !scope.supports(info) {
        drop(shown());
        if entered {
            trace::leave();
        }
        done(&mut scope, |reply| reply.end(EndReason::Unsupported));
        return RunResult::Skipped;
    }
    if info.is_async() {
        return make_future(input, scope, running, shown);
    }
    // Panics of the task and its hooks are caught within.
    let (ended, running) = thread_context::enter_task(running, || run_hooked(input, &mut scope));
    if entered {
        trace::leave();
    }
    thread_context::release_pending_polls();
    let fellows = CoOwners { running: Some(running.end()), shown: shown() };
    let Some(reply) = scope.reply.take() else { return RunResult::Finished };
    if metrics::is_any_on() && (reply.slot().is_over() || matches!(ended, Err(Failure::Stopped))) {
        let host = scope.env.host().or_else(thread_context::current_backend);
        host.into_iter().for_each(|host| host.count_vain_run(info));
    }
    match (ended, &scope.env) {
        (Ok(output), _) => reply.complete_with(fellows, Ok(output)),
        (Err(failure), EnvRef::Pool(ground)) => fail(ground, reply, failure),
        (Err(failure), EnvRef::Service(ground)) => fail(ground, reply, failure),
    }
    RunResult::Finished
}

/// Creates the future of an asynchronous task, with its hooks. This is a function of its own for
/// the same reason as `spawn_run_on_pool`.
fn make_future<S: TaskSet, I: Brought<S>>(
    input: I,
    mut scope: Scope<S>,
    running: thread_context::RunningTask,
    shown: impl FnOnce() -> Option<CallRef<CallSlot<S>>>,
) -> RunResult {
    let (made, running) = thread_context::enter_task(running, || unwind::catch(|| input.run(&mut scope)));
    drop((running, shown()));
    match made {
        Ok(Run::Spawned) => RunResult::Pending,
        Ok(Run::Done(output)) => done(&mut scope, |reply| reply.complete(Ok(output))),
        Err(panic) if scope.reply.is_some() => done(&mut scope, |reply| reply.panicked(panic)),
        Err(_) => RunResult::Pending,
    }
}

fn done<S: TaskSet>(scope: &mut Scope<S>, end: impl FnOnce(Reply<S>)) -> RunResult {
    if let Some(reply) = scope.reply.take() {
        end(reply);
    }
    RunResult::Finished
}

/// The reason why a task has no output.
pub(super) enum Failure {
    Panicked(PanicSource, Panic),
    Hook(BoxError),
    /// The call is over, and no caller waits for an outcome.
    Stopped,
}

pub(super) fn deliver<S: TaskSet, G: Environment<S>>(ground: &G, reply: Reply<S>, ended: Result<S::Output, Failure>) {
    match ended {
        Ok(output) => reply.complete(Ok(output)),
        Err(failure) => fail(ground, reply, failure),
    }
}

#[cold]
pub(super) fn fail<S: TaskSet, G: Environment<S>>(ground: &G, reply: Reply<S>, failure: Failure) {
    let error = match failure {
        Failure::Panicked(whose, panic) => {
            let error = reply.panic_error(panic);
            if let CallError::Panicked(..) = &error {
                ground.panicked(whose, &error);
            }
            error
        }
        Failure::Hook(source) => CallError::Hook(source.into(), reply.slot().header.at()),
        Failure::Stopped => return reply.end(EndReason::Cancelled),
    };
    if metrics::is_any_on() && !reply.slot().is_over() {
        let task = reply.slot().header.task();
        ground.backend().into_iter().for_each(|host| host.count_failure(task, error.outcome(), true));
    }
    reply.complete(Err(error));
}

/// Records the start of the task in the span of the call, and enters the span if the task is
/// synchronous. `host` is the executor, if it is not that of the thread. Returns whether the span was
/// entered: [`trace::leave`] follows then.
#[cold]
fn begin_span(call: &Header, host: Option<Arc<dyn Backend>>) -> bool {
    begin_hooked_span(call, host);
    !call.task().is_async() && call.enter_task_span()
}

/// Like [`begin_span`], for a synchronous task whose hooks are futures: each poll enters the span.
fn begin_hooked_span(call: &Header, host: Option<Arc<dyn Backend>>) {
    let host = host.or_else(thread_context::current_backend);
    call.begin_span(host.map(|host| host.thread_kind()).as_ref());
}

/// Runs the `before` hook, the task and the `after` hook, all synchronous.
#[inline(always)]
pub(super) fn run_hooked<S: TaskSet, I: Brought<S>>(input: I, scope: &mut Scope<S>) -> Result<S::Output, Failure> {
    if S::HOOKS.are_none() {
        return run_alone(input, scope);
    }
    let now = |stage: Result<HookResult, Panic>| match stage {
        Ok(Ok(())) => Ok(()),
        Ok(Err(source)) => Err(Failure::Hook(source)),
        Err(panic) => Err(Failure::Panicked(PanicSource::Hook, panic)),
    };
    let Some(reply) = &scope.reply else { return Err(Failure::Stopped) };
    let call = info::<S>(reply.slot(), matches!(scope.env, EnvRef::Service(_)));
    let before = match &scope.env {
        EnvRef::Pool(ground) => at_once(ground.before(call)),
        EnvRef::Service(ground) => at_once(ground.before(call)),
    };
    now(before)?;
    let result = run_alone(input, scope);
    let outcome = outcome(&result);
    let after = match &scope.env {
        EnvRef::Pool(ground) => at_once(ground.after(call, outcome)),
        EnvRef::Service(ground) => at_once(ground.after(call, outcome)),
    };
    result.and_then(|output| now(after).map(|()| output))
}

#[inline(always)]
fn run_alone<S: TaskSet, I: Brought<S>>(input: I, scope: &mut Scope<S>) -> Result<S::Output, Failure> {
    match unwind::catch(|| input.run(scope)) {
        Ok(Run::Done(output)) => Ok(output),
        Ok(Run::Spawned) => Err(Failure::Stopped),
        Err(panic) => Err(Failure::Panicked(PanicSource::Task, panic)),
    }
}

/// Returns the result of a synchronous hook.
fn at_once<F>(stage: HookRun<F>) -> Result<HookResult, Panic> {
    match stage {
        HookRun::Ready(result) => result,
        HookRun::Future(_) => unreachable!("`are_async` was asked before"),
    }
}

pub(super) fn outcome<O>(result: &Result<O, Failure>) -> Outcome {
    match result {
        Ok(_) => Outcome::Done,
        Err(Failure::Stopped) => Outcome::Stopped,
        Err(_) => Outcome::Panicked,
    }
}

pub(super) fn info<S: TaskSet>(slot: &CallSlot<S>, in_service: bool) -> CallInfo {
    let meta = &slot.header;
    CallInfo { task: meta.task(), priority: meta.priority(), waited: meta.waited(), in_service }
}

/// Runs a synchronous task in a future, because its hooks are futures. Returns `None` if the
/// executor does not support tasks of its kind.
fn run_within<S: TaskSet, I: Brought<S>>(
    input: I,
    call: CallRef<CallSlot<S>>,
    standing: EnvRef<S>,
) -> Option<S::Output> {
    let mut scope = Scope { reply: None, apart: Some(call), within: None, env: standing };
    match input.run(&mut scope) {
        Run::Done(output) => Some(output),
        Run::Spawned => None,
    }
}

/// The input of a call that is about to run: unboxed, or boxed if the tasks of its set are large.
pub(crate) trait Brought<S: TaskSet>: Leaves<Input<S>> + Send + 'static {
    fn take_shared(&mut self) -> Option<S::Shared>;
    fn run(self, scope: &mut Scope<S>) -> Run<S::Output>;
}

impl<S: TaskSet> Brought<S> for Input<S> {
    #[inline(always)]
    fn take_shared(&mut self) -> Option<S::Shared> {
        self.shared.take()
    }

    #[inline(always)]
    fn run(self, scope: &mut Scope<S>) -> Run<S::Output> {
        S::run(self.task, scope)
    }
}

impl<S: TaskSet> Brought<S> for Box<Input<S>> {
    fn take_shared(&mut self) -> Option<S::Shared> {
        self.shared.take()
    }

    fn run(self, scope: &mut Scope<S>) -> Run<S::Output> {
        S::run_boxed(self, scope)
    }
}
