//! Runs one task on a pool or on a service: calls its hooks, catches its panic and delivers its
//! outcome.

use super::{
    After, Before, CallInfo, CallSlot, HookResult, LocalFuture, OnClose, Outcome, Owner, Reply, Run, Scope, SendFuture,
    SharedHandle, TaskSet, job::Input, scope::EnvRef,
};
use crate::{
    call::{
        backend::{Backend, Completion, ErasedCall, RunResult},
        call_ref::CallRef,
        running::RunningCall,
        slot::{CoOwners, EndReason, Leaves},
    },
    context::thread_context,
    deadlock,
    error::{BoxError, CallError, Panic},
    meta::task_info::{Receiver, TaskInfo},
    metrics,
    time::clock,
    util::{prefetch::PrefetchTarget, unwind},
    wake::{WaitTicket, extensions::Extensions},
};
use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
};

/// The executor that a task runs on, with what its hooks need: [`PoolEnv`] or [`ServiceEnv`].
pub(crate) trait Environment<S: TaskSet>: Clone {
    /// The future of an asynchronous hook.
    type Later: Future<Output = HookResult>;

    fn before(&self, call: CallInfo) -> HookRun<Self::Later>;
    fn after(&self, call: CallInfo, outcome: Outcome) -> HookRun<Self::Later>;
    fn supports(&self, info: &TaskInfo) -> bool;
    /// Returns whether the time limit of a close has passed, so that pending futures are dropped.
    fn is_stopping(&self) -> bool;
    /// Records that a task, or a hook around it, panicked.
    fn panicked(&self, whose: PanicSource, error: &CallError);
    const IN_SERVICE: bool;
}

/// The part of a call that panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PanicSource {
    Task,
    Hook,
}

/// The result of a hook, or a future of it.
pub(crate) enum HookRun<F> {
    Ready(Result<HookResult, Panic>),
    Future(F),
}

impl<F> HookRun<F> {
    const SKIP: Self = Self::Ready(Ok(Ok(())));

    fn now(hook: impl FnOnce() -> HookResult) -> Self {
        Self::Ready(unwind::catch(hook))
    }
}

// ----- on a pool

/// A pool, and the state that the call shares.
pub(crate) struct PoolEnv<S: TaskSet> {
    /// `None` stands for the executor of the current thread.
    pub(crate) host: Option<Arc<dyn Backend>>,
    pub(crate) shared: Option<S::Shared>,
}

impl<S: TaskSet> Clone for PoolEnv<S> {
    fn clone(&self) -> Self {
        Self { host: self.host.clone(), shared: self.shared.clone() }
    }
}

impl<S: TaskSet> PoolEnv<S> {
    /// # Panics
    ///
    /// Panics if `host` is `None` on a thread that belongs to no executor.
    pub(crate) fn host(&self) -> Arc<dyn Backend> {
        self.host
            .clone()
            .or_else(thread_context::current_backend)
            .expect("a call runs on the thread of its executor, or is given one")
    }

    fn state(&self) -> Option<Arc<S>> {
        self.shared.as_ref().and_then(SharedHandle::state)
    }
}

/// Hooks that take the state run only where the pool shares a state. All other hooks always run.
impl<S: TaskSet> Environment<S> for PoolEnv<S> {
    type Later = SendFuture<HookResult>;
    const IN_SERVICE: bool = false;

    fn before(&self, call: CallInfo) -> HookRun<Self::Later> {
        if matches!(S::HOOKS.before, Before::None) {
            return HookRun::SKIP;
        }
        match (S::HOOKS.before, self.state()) {
            (Before::Free(hook), _) => HookRun::now(|| hook(&call)),
            (Before::FreeAsync(hook), _) => HookRun::Future(hook(call)),
            (Before::Shared(hook), Some(state)) => HookRun::now(|| hook(&state, &call)),
            (Before::SharedSendAsync(hook), Some(state)) => HookRun::Future(hook(state, call)),
            _ => HookRun::SKIP,
        }
    }

    fn after(&self, call: CallInfo, outcome: Outcome) -> HookRun<Self::Later> {
        if matches!(S::HOOKS.after, After::None) {
            return HookRun::SKIP;
        }
        match (S::HOOKS.after, self.state()) {
            (After::Free(hook), _) => HookRun::now(|| hook(&call, outcome)),
            (After::FreeAsync(hook), _) => HookRun::Future(hook(call, outcome)),
            (After::Shared(hook), Some(state)) => HookRun::now(|| hook(&state, &call, outcome)),
            (After::SharedSendAsync(hook), Some(state)) => HookRun::Future(hook(state, call, outcome)),
            _ => HookRun::SKIP,
        }
    }

    fn supports(&self, info: &TaskInfo) -> bool {
        if S::BRINGS_STATE {
            return true;
        }
        let has_state = match info.state() {
            Receiver::None => true,
            Receiver::Shared => self.shared.as_ref().and_then(SharedHandle::state).is_some(),
            Receiver::Exclusive => false,
        };
        has_state && !info.is_local()
    }

    fn is_stopping(&self) -> bool {
        self.host().is_stopping()
    }

    fn panicked(&self, _: PanicSource, _: &CallError) {}
}

// ----- on a service

/// A future that a service's task created, for the service's event loop.
pub(crate) struct Spawned<S: TaskSet> {
    pub(crate) call: CallRef<CallSlot<S>>,
    pub(crate) future: LocalFuture<()>,
}

/// The environment of a service's thread: its state, its data and its new futures.
pub(crate) struct ServiceEnv<S: TaskSet> {
    pub(crate) owner: Owner<S>,
    pub(crate) data: Extensions,
    pub(crate) spawned: RefCell<Vec<Spawned<S>>>,
    /// Panics that the exception handler has not seen yet.
    pub(crate) panics: RefCell<Vec<(PanicSource, CallError)>>,
}

impl<S: TaskSet> Environment<S> for Rc<ServiceEnv<S>> {
    type Later = LocalFuture<HookResult>;
    const IN_SERVICE: bool = true;

    fn before(&self, call: CallInfo) -> HookRun<Self::Later> {
        if matches!(S::HOOKS.before, Before::None) {
            return HookRun::SKIP;
        }
        match (S::HOOKS.before, self.owner.read()) {
            (Before::Free(hook), _) => HookRun::now(|| hook(&call)),
            (Before::FreeAsync(hook), _) => HookRun::Future(hook(call)),
            (Before::Shared(hook), Some(state)) => HookRun::now(|| hook(&state, &call)),
            (Before::SharedAsync(hook), Some(state)) => HookRun::Future(hook(state, call)),
            (Before::SharedSendAsync(hook), Some(state)) => HookRun::Future(hook(state, call)),
            _ => HookRun::SKIP,
        }
    }

    fn after(&self, call: CallInfo, outcome: Outcome) -> HookRun<Self::Later> {
        if matches!(S::HOOKS.after, After::None) {
            return HookRun::SKIP;
        }
        match (S::HOOKS.after, self.owner.read()) {
            (After::Free(hook), _) => HookRun::now(|| hook(&call, outcome)),
            (After::FreeAsync(hook), _) => HookRun::Future(hook(call, outcome)),
            (After::Shared(hook), Some(state)) => HookRun::now(|| hook(&state, &call, outcome)),
            (After::SharedAsync(hook), Some(state)) => HookRun::Future(hook(state, call, outcome)),
            (After::SharedSendAsync(hook), Some(state)) => HookRun::Future(hook(state, call, outcome)),
            _ => HookRun::SKIP,
        }
    }

    fn supports(&self, info: &TaskInfo) -> bool {
        info.state() == Receiver::None || self.owner.is_some()
    }

    /// Always `false`: a service that is terminated drops its futures.
    fn is_stopping(&self) -> bool {
        false
    }

    fn panicked(&self, whose: PanicSource, error: &CallError) {
        self.panics.borrow_mut().push((whose, error.clone()));
    }
}

/// Runs the hook of a service's end. If the hook is asynchronous, the caller drives the returned
/// future.
pub(crate) fn on_close<S: TaskSet>(state: Option<S>) -> Option<LocalFuture<()>> {
    match (S::HOOKS.on_close, state) {
        (OnClose::Free(hook), _) => hook(),
        (OnClose::State(hook), Some(state)) => hook(state),
        (OnClose::FreeAsync(hook), _) => return Some(hook()),
        (OnClose::StateAsync(hook), Some(state)) => return Some(hook(state)),
        _ => {}
    }
    None
}

// ----- running a claimed call

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

/// Runs a claimed call on a thread of the pool `host`. The caller passes two references to the
/// call.
pub(crate) fn run_on_pool<S: TaskSet, I: Brought<S>>(
    [slot, second]: [CallRef<CallSlot<S>>; 2],
    mut input: I,
    host: Option<Arc<dyn Backend>>,
    now: u64,
) -> RunResult {
    if !CallSlot::may_begin(&slot) {
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
    if !CallSlot::may_begin(&slot) {
        unwind::ignore_panics(|| drop(input));
        return RunResult::Skipped;
    }
    if S::HOOKS.are_async() && !slot.header.task().is_async() {
        slot.header.mark_started(now);
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
    let mut scope = Scope::new(Reply::of(slot), standing);
    if !scope.supports(info) {
        drop(shown());
        done(&mut scope, |reply| reply.end(EndReason::Unsupported));
        return RunResult::Skipped;
    }
    if info.is_async() {
        return make_future(input, scope, running, shown);
    }
    let (ended, running) = thread_context::enter_task(running, || run_hooked(input, &mut scope));
    thread_context::release_pending_polls();
    let fellows = CoOwners { running: Some(running.end()), shown: shown() };
    let Some(reply) = scope.reply.take() else { return RunResult::Finished };
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
enum Failure {
    Panicked(PanicSource, Panic),
    Hook(BoxError),
    /// The call is over, and no caller waits for an outcome.
    Stopped,
}

fn deliver<S: TaskSet, G: Environment<S>>(ground: &G, reply: Reply<S>, ended: Result<S::Output, Failure>) {
    match ended {
        Ok(output) => reply.complete(Ok(output)),
        Err(failure) => fail(ground, reply, failure),
    }
}

#[cold]
fn fail<S: TaskSet, G: Environment<S>>(ground: &G, reply: Reply<S>, failure: Failure) {
    let error = match failure {
        Failure::Panicked(whose, panic) => {
            let error = CallError::of_panic(panic, reply.slot().header.at());
            if let CallError::Panicked(..) = &error {
                ground.panicked(whose, &error);
            }
            error
        }
        Failure::Hook(source) => CallError::Hook(source.into(), reply.slot().header.at()),
        Failure::Stopped => return reply.end(EndReason::Cancelled),
    };
    reply.complete(Err(error));
}

/// Runs the `before` hook, the task and the `after` hook, all synchronous.
#[inline(always)]
fn run_hooked<S: TaskSet, I: Brought<S>>(input: I, scope: &mut Scope<S>) -> Result<S::Output, Failure> {
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

fn outcome<O>(result: &Result<O, Failure>) -> Outcome {
    match result {
        Ok(_) => Outcome::Done,
        Err(Failure::Stopped) => Outcome::Stopped,
        Err(_) => Outcome::Panicked,
    }
}

fn info<S: TaskSet>(slot: &CallSlot<S>, in_service: bool) -> CallInfo {
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

// ----- futures

/// Spawns `future` on the pool of `ground`. It is polled once on this thread, and afterwards when
/// it is woken and its turn in the queue comes.
pub(crate) fn spawn_on_pool<S, F>(ground: PoolEnv<S>, reply: Reply<S>, future: F)
where
    S: TaskSet,
    F: Future<Output = S::Output> + Send + 'static,
{
    spawn_checked_on_pool(ground, reply, async move { Some(future.await) });
}

fn spawn_checked_on_pool<S, F>(ground: PoolEnv<S>, reply: Reply<S>, body: F)
where
    S: TaskSet,
    F: Future<Output = Option<S::Output>> + Send + 'static,
{
    if !ground.supports(reply.slot().header.task()) {
        let over = Completion::of(&reply.slot().header).skipped();
        reply.end(EndReason::Unsupported);
        count_over(&ground.host(), over);
        return;
    }
    let (call, host) = (reply.slot().clone().erase(), ground.host());
    let over = Completion::of(call.header());
    let slot = if over.has_share_slot { ShareSlot::Held } else { ShareSlot::None };
    let finish = FinishGuard { host: host.clone(), over, call: call.clone(), suspended: None, slot };
    let placed = in_task_context(call.clone(), with_hooks(ground, reply, body), finish);
    // The call keeps its expiration, unless its priority was raised in the meantime.
    let schedule = move |work| host.clone().schedule(host.rules().expires(call.header()), work);
    let (runnable, task) = async_task::spawn(placed, schedule);
    task.detach();
    runnable.run();
}

/// Passes `future` to the service's event loop.
pub(crate) fn spawn_on_service<S, F>(ground: Rc<ServiceEnv<S>>, reply: Reply<S>, future: F)
where
    S: TaskSet,
    F: Future<Output = S::Output> + 'static,
{
    spawn_checked_on_service(ground, reply, async move { Some(future.await) });
}

fn spawn_checked_on_service<S, F>(ground: Rc<ServiceEnv<S>>, reply: Reply<S>, body: F)
where
    S: TaskSet,
    F: Future<Output = Option<S::Output>> + 'static,
{
    let call = reply.slot().clone();
    if !ground.supports(call.header.task()) {
        return reply.end(EndReason::Unsupported);
    }
    let here = ground.clone();
    let placed = in_task_context(call.clone().erase(), with_hooks(ground, reply, body), ());
    here.spawned.borrow_mut().push(Spawned { call, future: Box::pin(placed) });
}

/// A guard that reports to the executor that a call is over, in whichever way its future ends.
struct FinishGuard {
    host: Arc<dyn Backend>,
    call: CallRef<dyn ErasedCall>,
    over: Completion,
    /// The position of the call in the list of suspended calls, once it is there.
    suspended: Option<usize>,
    slot: ShareSlot,
}

/// What an asynchronous call holds of its share's limit.
enum ShareSlot {
    /// The call began without a limit.
    None,
    Held,
    /// The call is pending and has returned its slot. Once it is woken, it may wait in line for
    /// another slot.
    Returned(Option<WaitTicket>),
}

impl Drop for FinishGuard {
    fn drop(&mut self) {
        let meta = self.call.header();
        if metrics::is_any_on() {
            self.host.record(meta.task(), meta.waited(), meta.ran());
        }
        if let Some(call) = self.suspended {
            self.host.on_suspended_finished(call);
        }
        if let ShareSlot::Returned(Some(ticket)) = self.slot {
            self.host.leave_share_line(self.over.share, ticket);
        }
        self.over.has_share_slot = matches!(self.slot, ShareSlot::Held);
        count_over(&self.host, self.over);
    }
}

/// Counts a call as over. On a thread that runs the call at this moment, the worker counts it after
/// the run.
fn count_over(host: &Arc<dyn Backend>, over: Completion) {
    if !thread_context::leave_over(host.id(), over) {
        host.on_finished(over);
    }
}

/// An observer of a future's polls that is dropped after the future.
trait OnFinish {
    /// Returns whether the observer measures how long the future ran.
    fn is_timed(&self) -> bool;
    fn ran(&mut self, nanos: u64);
    /// Returns whether the future may be polled. Otherwise `waker` is woken once it may.
    fn may_go_on(&mut self, waker: &Waker) -> bool;
    /// Called when the future is pending.
    fn pending(&mut self, call: &CallRef<dyn ErasedCall>);
}

impl OnFinish for () {
    fn is_timed(&self) -> bool {
        false
    }

    fn ran(&mut self, _: u64) {}

    fn may_go_on(&mut self, _: &Waker) -> bool {
        true
    }

    fn pending(&mut self, _: &CallRef<dyn ErasedCall>) {}
}

impl OnFinish for FinishGuard {
    fn is_timed(&self) -> bool {
        self.over.is_timed()
    }

    fn ran(&mut self, nanos: u64) {
        self.over = self.over.ran(nanos);
    }

    fn may_go_on(&mut self, waker: &Waker) -> bool {
        let ShareSlot::Returned(ticket) = &mut self.slot else { return true };
        let has_slot = self.host.poll_share_slot(self.over.share, ticket, waker);
        if has_slot {
            self.slot = ShareSlot::Held;
            self.call.header().set_share_slot(Some(self.host.id()));
        }
        has_slot
    }

    fn pending(&mut self, call: &CallRef<dyn ErasedCall>) {
        if self.suspended.is_none() {
            self.suspended = Some(call.target_ptr().addr());
            self.host.on_suspended(call);
        }
        if let ShareSlot::Held = self.slot {
            self.slot = ShareSlot::Returned(None);
            call.header().set_share_slot(None);
            self.host.return_share_slot(self.over.share);
        }
    }
}

/// Polls `future` as part of its task, and drops `finish` after the future.
async fn in_task_context<T: OnFinish>(call: CallRef<dyn ErasedCall>, future: impl Future<Output = ()>, finish: T) {
    let mut finish = finish;
    let (mut kept, mut polled) = (Some(thread_context::RunningTask::new(call)), false);
    let mut future = pin!(future);
    poll_fn(|cx| {
        if !finish.may_go_on(cx.waker()) {
            return Poll::Pending;
        }
        // A future that panicked is not polled again.
        let Some(running) = kept.take() else { return Poll::Ready(()) };
        if std::mem::replace(&mut polled, true) {
            running.call.header().begin_slice();
        }
        let began = finish.is_timed().then(clock::now);
        let (poll, running) = thread_context::enter_task(running, || {
            thread_context::set_task_waker(cx.waker());
            future.as_mut().poll(cx)
        });
        if let Some(began) = began {
            finish.ran(clock::now() - began);
        }
        if poll.is_pending() {
            finish.pending(&running.call);
            kept = Some(running);
        } else {
            drop(running.end());
        }
        poll
    })
    .await;
}

/// Runs the `before` hook, the task and the `after` hook, any of them asynchronous.
async fn with_hooks<S, G, F>(ground: G, reply: Reply<S>, body: F)
where
    S: TaskSet,
    G: Environment<S>,
    F: Future<Output = Option<S::Output>>,
{
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
        match unwind::catch(|| poll_part(reply, part.as_mut(), cx)) {
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(Failure::Panicked(whose, panic))),
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
