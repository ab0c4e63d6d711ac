//! [`Scope`]: what the `match` that `#[define]` generates has while it runs a task: access to the
//! state, the task's context and its future.

use super::{
    Context, Environment, Input, Owner, Reply, ServiceEnv, SharedHandle, TaskSet, Work, Writer,
    environment::PoolEnv,
    spawn::{spawn_on_pool, spawn_on_service},
};
use crate::call::{backend::Backend, call_ref::CallRef, slot::EndReason};
use std::{future::Future, rc::Rc, sync::Arc};

/// The result of running a task.
#[doc(hidden)]
#[allow(missing_debug_implementations)] // hidden: for generated code
pub enum Run<O> {
    /// The task's output.
    Done(O),
    /// The task created a future, which the executor keeps.
    Spawned,
}

/// Runs one task of a set in a stack frame of its own. So its locals use no stack while another
/// task of the set runs.
#[doc(hidden)]
#[inline(never)]
pub fn apart<R>(task: impl FnOnce() -> R) -> R {
    task()
}

/// Like [`apart`], for a large task.
#[doc(hidden)]
#[inline(never)]
pub fn apart_boxed<S: TaskSet>(
    input: Box<Input<S>>,
    scope: &mut Scope<S>,
    task: impl FnOnce(Box<Input<S>>, &mut Scope<S>) -> Run<S::Output>,
) -> Run<S::Output> {
    task(input, scope)
}

/// The environment that the task runs in.
pub(crate) enum EnvRef<S: TaskSet> {
    Pool(PoolEnv<S>),
    Service(Rc<ServiceEnv<S>>),
}

impl<S: TaskSet> EnvRef<S> {
    /// Returns the executor, if it is not that of the thread.
    #[inline(always)]
    pub(crate) fn host(&self) -> Option<Arc<dyn Backend>> {
        match self {
            Self::Pool(ground) => ground.host.clone(),
            Self::Service(_) => None,
        }
    }
}

/// The environment of one run of a task, for generated code.
#[doc(hidden)]
#[allow(missing_debug_implementations)] // hidden: for generated code
pub struct Scope<S: TaskSet> {
    /// `None` once it has moved into the task's future.
    pub(crate) reply: Option<Reply<S>>,
    /// The call, if the reply is not part of this scope.
    pub(crate) apart: Option<CallRef<crate::task::CallSlot<S>>>,
    /// The call that runs many tasks of `S` as one: see [`Work`].
    pub(crate) within: Option<CallRef<crate::task::CallSlot<Work>>>,
    pub(crate) env: EnvRef<S>,
}

const CHECKED: &str = "the executor looked whether it has the state that the task asks for";

impl<S: TaskSet> Scope<S> {
    pub(crate) fn new(reply: Reply<S>, standing: EnvRef<S>) -> Self {
        Self { reply: Some(reply), apart: None, within: None, env: standing }
    }

    fn call(&self) -> Option<&CallRef<crate::task::CallSlot<S>>> {
        self.reply.as_ref().map(Reply::slot).or(self.apart.as_ref())
    }

    /// Returns the context of the call.
    #[must_use]
    pub fn context(&self) -> Context<S> {
        let data = match &self.env {
            EnvRef::Pool(ground) => ground.host().data().clone(),
            EnvRef::Service(ground) => ground.data.clone(),
        };
        let call = self.call().cloned().or_else(|| self.within.as_ref().map(super::closure::subtask));
        Context::new(call, data)
    }

    /// Returns shared access to the state.
    ///
    /// # Panics
    ///
    /// Panics if there is no state. The executor checks this before.
    #[must_use]
    pub fn reader(&self) -> Arc<S> {
        match &self.env {
            EnvRef::Pool(ground) => ground.shared.as_ref().and_then(SharedHandle::state),
            EnvRef::Service(ground) => ground.owner.read(),
        }
        .expect(CHECKED)
    }

    /// Returns exclusive access to the state, for the time of this run.
    ///
    /// # Panics
    ///
    /// Panics if there is no state. The executor checks this before.
    #[must_use]
    #[inline]
    pub fn writer(&self) -> Writer<'_, S> {
        match &self.env {
            EnvRef::Pool(_) => None,
            EnvRef::Service(ground) => Some(ground.owner.write()),
        }
        .expect(CHECKED)
    }

    /// Returns the owner of the state, for a future that outlives this run.
    ///
    /// # Panics
    ///
    /// Panics if there is no state. The executor checks this before.
    #[must_use]
    pub fn owner(&self) -> Owner<S> {
        match &self.env {
            EnvRef::Pool(_) => None,
            EnvRef::Service(ground) => Some(ground.owner.clone()),
        }
        .expect(CHECKED)
    }

    /// Spawns a future that may move between threads.
    pub fn spawn_unless_task_local<F>(&mut self, future: F) -> Run<S::Output>
    where
        F: Future<Output = S::Output> + Send + 'static, // or `#[task(local)]`, for a service's own thread
    {
        let Some(reply) = self.reply.take() else { return Run::Spawned };
        match &self.env {
            EnvRef::Pool(ground) => spawn_on_pool(ground.clone(), reply, future),
            EnvRef::Service(ground) => spawn_on_service(ground.clone(), reply, future),
        }
        Run::Spawned
    }

    /// Spawns a future that stays on this thread.
    pub fn spawn_local<F>(&mut self, future: F) -> Run<S::Output>
    where
        F: Future<Output = S::Output> + 'static,
    {
        let Some(reply) = self.reply.take() else { return Run::Spawned };
        match &self.env {
            EnvRef::Pool(_) => reply.end(EndReason::Unsupported),
            EnvRef::Service(ground) => spawn_on_service(ground.clone(), reply, future),
        }
        Run::Spawned
    }

    /// Returns whether the environment has the state that tasks of this kind need.
    pub(crate) fn supports(&self, info: &crate::meta::task_info::TaskInfo) -> bool {
        match &self.env {
            EnvRef::Pool(ground) => ground.supports(info),
            EnvRef::Service(ground) => ground.supports(info),
        }
    }
}
