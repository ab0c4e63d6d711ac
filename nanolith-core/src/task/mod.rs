//! A set of tasks, and what its generated code and the executors say to each other.
//!
//! `#[define]` writes an `impl TaskSet`; an executor runs one of its tasks by [`TaskSet::run`], a single `match`.

mod closure;
mod context;
pub(crate) mod coop;
mod hook;
mod job;
mod messaging;
mod messengers;
mod outbox;
mod run;
mod scope;
mod state;

pub use closure::Work;
pub(crate) use closure::{Closure, closure, downcast_output, future};
pub use context::Context;
pub use hook::{After, Before, CallInfo, HookOutput, HookResult, Hooks, LocalFuture, OnClose, Outcome, SendFuture};
pub use job::Input;
pub(crate) use job::{CallSlot, drop_unseen, go_on_as, is_large};
pub use job::{Job, Reply, Stopped, call_size};
pub use messaging::{GivesStreams, HasInbox, HasOutbox, StreamArgument, TakesStreams};
pub(crate) use outbox::Outbox;
pub use outbox::{OpenStreamError, SendEvent};
pub(crate) use run::{
    Brought, Environment, HookRun, PanicSource, PoolEnv, ServiceEnv, Spawned, on_close, run_on_pool, run_on_service,
};
pub(crate) use scope::EnvRef;
pub use scope::{Run, Scope, apart, apart_boxed};
pub use state::{NoState, Owner, SharedHandle, Writer};

use crate::{
    error::view::ErrorView,
    meta::task_info::{TaskInfo, fingerprint},
    util::unwind,
};
use std::any::TypeId;

/// A second `task`, where the set says that it may run twice. A clone that panics counts as one that cannot be made.
pub(crate) fn duplicate<S: TaskSet>(task: &S::Task) -> Option<S::Task> {
    let mut second = None;
    unwind::ignore_panics(|| second = S::duplicate(task));
    second
}

/// A set of tasks: made by `#[define]`, never by hand.
///
/// A task is a value of [`TaskSet::Task`], what it gives one of [`TaskSet::Output`]; the typed methods stand on
/// [`TaskSet::Calls`].
///
/// ```
/// use nanolith::{TaskSet, prelude::*};
/// #[define(identifier = "shop.geometry")]
/// impl Geometry {
///     pub fn add(x: i64, y: i64) -> i64 { x + y }
/// }
/// # pub struct Geometry;
/// assert_eq!((Geometry::NAME, Geometry::IDENTIFIER), ("Geometry", "shop.geometry"));
/// assert_eq!(Geometry::TASKS[0].identifier(), "shop.geometry::add");
/// println!("{:016x}", Geometry::FINGERPRINT); // changes with a signature
/// ```
pub trait TaskSet: Sized + 'static {
    /// One variant a task, its arguments as fields: `GeometryTask::Add { x, y }`.
    type Task: Send + 'static;
    /// One variant a task, with what it gives: `GeometryOutput::Add(sum)`.
    type Output: Send + 'static; // a function that makes the state is `#[init]`; one that is no task is `#[task(skip)]`
    /// The typed methods, over an executor: `GeometryCalls<E>`.
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

    /// Whether tasks bring the state that they use along, wherever they run.
    #[doc(hidden)]
    const BRINGS_STATE: bool = false;

    /// What is known of `task`'s kind.
    ///
    /// ```
    /// use nanolith::{TaskSet, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// assert_eq!(Geometry::info(&GeometryTask::Add { x: 4, y: 5 }).name(), "add");
    /// ```
    fn info(task: &Self::Task) -> &'static TaskInfo;

    /// A second `task` to run, where the set says that it may run twice (`#[task(idempotent)]`).
    ///
    /// ```
    /// use nanolith::{TaskSet, prelude::*};
    /// # pub struct Geometry;
    /// #[define]
    /// impl Geometry {
    ///     #[task(idempotent)]
    ///     pub fn add(x: i64, y: i64) -> i64 { x + y }
    ///     pub fn count() -> i64 { 1 }
    /// }
    /// assert!(Geometry::duplicate(&GeometryTask::Add { x: 4, y: 5 }).is_some());
    /// assert!(Geometry::duplicate(&GeometryTask::Count).is_none());
    /// ```
    #[must_use]
    fn duplicate(task: &Self::Task) -> Option<Self::Task> {
        let _ = task;
        None
    }

    /// The typed methods over `executor`.
    ///
    /// ```
    /// use nanolith::{TaskSet, prelude::*};
    /// use std::sync::Arc;
    /// # use nanolith_doc_sets::*;
    /// let any: Arc<dyn Executor<Geometry>> = Arc::new(Pool::builder().build()?);
    /// assert_eq!(Geometry::calls(any).add(4, 5).wait()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn calls<E>(executor: E) -> Self::Calls<E>;

    /// How an error of this type is read, if a task or the `#[init]` gives it.
    #[doc(hidden)]
    #[must_use]
    fn error_view(of: TypeId) -> Option<ErrorView> {
        let _ = of;
        None
    }

    /// Runs `task` in `scope`.
    #[doc(hidden)]
    fn run(task: Self::Task, scope: &mut Scope<Self>) -> Run<Self::Output>;

    /// The same for a large task, which goes from its box to its function without a stop on the way.
    #[doc(hidden)]
    #[allow(clippy::boxed_local, reason = "generated code moves the arguments from the box")]
    fn run_boxed(input: Box<Input<Self>>, scope: &mut Scope<Self>) -> Run<Self::Output> {
        Self::run(input.task, scope)
    }
}
