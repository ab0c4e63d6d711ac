//! [`Environment`]: the executor that a task runs on, a pool or a service, with what the task's
//! hooks need.

use super::{
    After, Before, CallInfo, CallSlot, HookResult, LocalFuture, OnClose, Outcome, Owner, SendFuture, SharedHandle,
    TaskSet,
};
use crate::{
    call::{backend::Backend, call_ref::CallRef},
    context::thread_context,
    error::{CallError, Panic},
    meta::task_info::{Receiver, TaskInfo},
    util::unwind,
    wake::extensions::Extensions,
};
use std::{cell::RefCell, future::Future, rc::Rc, sync::Arc};

/// The executor that a task runs on, with what its hooks need: [`PoolEnv`] or [`ServiceEnv`].
pub(crate) trait Environment<S: TaskSet>: Clone {
    /// The future of an asynchronous hook.
    type Later: Future<Output = HookResult>;

    fn before(&self, call: CallInfo) -> HookRun<Self::Later>;
    fn after(&self, call: CallInfo, outcome: Outcome) -> HookRun<Self::Later>;
    fn supports(&self, info: &TaskInfo) -> bool;
    /// Returns whether the time limit of a close has passed, so that pending futures are dropped.
    fn is_stopping(&self) -> bool;
    /// Returns the executor, if it is known.
    fn backend(&self) -> Option<Arc<dyn Backend>>;
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

    fn backend(&self) -> Option<Arc<dyn Backend>> {
        self.host.clone().or_else(thread_context::current_backend)
    }

    fn panicked(&self, _: PanicSource, _: &CallError) {}
}

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

    fn backend(&self) -> Option<Arc<dyn Backend>> {
        thread_context::current_backend()
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
