//! A set of tasks, and what its generated code and the executors say to each other.
//!
//! `#[define]` writes an `impl TaskSet`; an executor runs one of its tasks by [`TaskSet::run`], a single `match`.

mod context;
mod hook;
mod job;
mod run;
mod scope;
mod state;

pub use context::Context;
pub use hook::{After, Before, CallInfo, HookOutput, HookResult, Hooks, LocalFuture, OnClose, Outcome, SendFuture};
pub(crate) use job::CallSlot;
pub use job::{Job, Reply, Stopped, call_size};
pub(crate) use run::{Ground, ServiceGround, Spawned, on_close, run_on_pool, run_on_service};
pub use scope::{Run, Scope};
pub use state::{NoState, Owner, SharedHandle, Writer};

use crate::id::{TaskInfo, fingerprint};

/// A set of tasks: made by `#[define]`, never by hand.
///
/// A task is a value of [`TaskSet::Task`], what it gives one of [`TaskSet::Output`]; the typed methods stand on
/// [`TaskSet::Calls`].
pub trait TaskSet: Sized + 'static {
    /// One variant a task, its arguments as fields.
    type Task: Send + 'static;
    /// One variant a task, with what it gives.
    type Output: Send + 'static;
    /// The typed methods, over an executor.
    type Calls<E>;
    /// What a call on a pool carries of the state: an `Arc` of it under `#[define(shared)]`, else nothing.
    type Shared: SharedHandle<Self>;

    /// The name of the set: `Geometry`.
    const NAME: &'static str;
    /// The set's identifier, stable from build to build: `demo::Geometry`.
    const IDENTIFIER: &'static str;
    /// Every task of the set, in the order of their definition.
    const TASKS: &'static [TaskInfo];
    /// A number that changes with the signature of any task.
    const FINGERPRINT: u64 = fingerprint(Self::TASKS);
    /// What runs before and after each task, and at the close of a service.
    #[doc(hidden)]
    const HOOKS: Hooks<Self> = Hooks::NONE;

    /// What is known of `task`'s kind.
    fn info(task: &Self::Task) -> &'static TaskInfo;

    /// A second `task` to run, where the set says that it may run twice (`#[task(idempotent)]`).
    #[must_use]
    fn duplicate(task: &Self::Task) -> Option<Self::Task> {
        let _ = task;
        None
    }

    /// The typed methods over `executor`.
    fn calls<E>(executor: E) -> Self::Calls<E>;

    /// Runs `task` in `scope`.
    #[doc(hidden)]
    fn run(task: Self::Task, scope: &mut Scope<Self>) -> Run<Self::Output>;
}
