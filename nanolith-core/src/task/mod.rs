//! Task sets: [`TaskSet`], the trait that `#[define]` implements for the program's tasks, and the
//! types with which an executor runs a task: its job, slot, context and hooks.
//!
//! `#[define]` writes an `impl TaskSet`. An executor runs a task with [`TaskSet::run`], a single
//! `match`.

mod call_slot;
mod child_run;
mod closure;
mod context;
pub(crate) mod coop;
mod create_stream;
mod delegate;
mod environment;
mod hook;
mod hooked_future;
mod job;
mod job_span;
mod messaging;
mod messengers;
mod one_way_call;
mod outbox;
mod reply;
mod resident_slot;
mod run;
mod run_one_way;
mod scope;
mod send_event;
mod spawn;
mod state;

pub(crate) use call_slot::{CallSlot, is_large};
pub use call_slot::{Input, call_size};
pub use closure::Work;
pub(crate) use closure::{Closure, closure, downcast_output, future};
pub use context::Context;
pub use coop::{Step, YieldNow, should_yield, yield_now};
pub use create_stream::OpenStreamError;
pub(crate) use delegate::go_on_as;
pub(crate) use environment::{Environment, HookRun, PanicSource, PoolEnv, ServiceEnv, Spawned, on_close};
pub use hook::{After, Before, CallInfo, HookOutput, HookResult, Hooks, LocalFuture, OnClose, Outcome, SendFuture};
pub use job::{Job, JobEndedError};
pub use messaging::{GivesStreams, HasInbox, HasOutbox, StreamArgument, TakesStreams};
pub use one_way_call::OneWayCall;
pub use outbox::ForwardEvents;
pub(crate) use outbox::{Forwarder, Outbox};
pub(crate) use reply::drop_unseen;
pub use reply::{Reply, StopSignal};
pub(crate) use resident_slot::ResidentSlot;
pub(crate) use run::{Brought, run_on_pool, run_on_service};
pub(crate) use run_one_way::run_one_way;
pub(crate) use scope::EnvRef;
pub use scope::{Run, Scope, apart, apart_boxed};
pub use send_event::SendEvent;
pub use state::{NoState, Owner, SharedHandle, Writer};

use crate::{
    error::error_view::ErrorView,
    meta::task_info::{TaskInfo, fingerprint},
    util::unwind,
};
use std::any::TypeId;

/// Returns a copy of `task`, if the set declares that it may run twice. Returns `None` if the clone
/// panics.
pub(crate) fn duplicate<S: TaskSet>(task: &S::Task) -> Option<S::Task> {
    let mut second = None;
    unwind::ignore_panics(|| second = S::duplicate(task));
    second
}

/// A set of tasks. `#[define]` implements this trait; it is never implemented by hand.
///
/// A task is a value of [`TaskSet::Task`], and its output is a value of [`TaskSet::Output`].
/// [`TaskSet::Calls`] has the typed methods.
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
    /// An enum with one variant per task. The fields are the task's arguments: `GeometryTask::Add {
    /// x, y }`.
    type Task: Send + 'static;
    /// An enum with one variant per task, which holds the task's output:
    /// `GeometryOutput::Add(sum)`.
    type Output: Send + 'static; // a function that makes the state is `#[init]`; one that is no task is `#[task(skip)]`
    /// The type with the typed methods, over an executor: `GeometryCalls<E>`.
    type Calls<E>;
    /// The state that a call on a pool carries: an `Arc` of it under `#[define(shared)]`, otherwise
    /// nothing.
    type Shared: SharedHandle<Self>;

    /// The name of the set: `Geometry`.
    const NAME: &'static str;
    /// The set's identifier, which does not change from build to build: `demo::Geometry`.
    const IDENTIFIER: &'static str;
    /// All tasks of the set, in the order of their definition.
    const TASKS: &'static [TaskInfo];
    /// A number that changes with the signature of any task.
    const FINGERPRINT: u64 = fingerprint(Self::TASKS);
    /// The hooks that run before and after each task, and when a service closes.
    #[doc(hidden)]
    const HOOKS: Hooks<Self> = Hooks::NONE;

    /// Whether tasks carry the state that they use, on every executor.
    #[doc(hidden)]
    const BRINGS_STATE: bool = false;

    /// Why a service of this set cannot move between threads, if it cannot beside its state.
    #[doc(hidden)]
    const STAYS_ON_THREAD: Option<&'static str> = None;

    /// Returns the description of `task`'s kind.
    ///
    /// ```
    /// use nanolith::{TaskSet, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// assert_eq!(Geometry::task_info(&GeometryTask::Add { x: 4, y: 5 }).name(), "add");
    /// ```
    fn task_info(task: &Self::Task) -> &'static TaskInfo;

    /// Returns a copy of `task` to run, if the set declares that it may run twice
    /// (`#[task(idempotent)]`).
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

    /// Returns the typed methods over `executor`.
    ///
    /// ```
    /// use nanolith::{Executor, TaskSet, prelude::*};
    /// use std::sync::Arc;
    /// # use nanolith_doc_sets::*;
    /// let any: Arc<dyn Executor<Geometry>> = Arc::new(Pool::builder().build()?);
    /// assert_eq!(Geometry::calls(any).add(4, 5).wait()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn calls<E>(executor: E) -> Self::Calls<E>;

    /// Returns how to read an error of this type, if a task or the `#[init]` returns it.
    #[doc(hidden)]
    #[must_use]
    fn error_view(of: TypeId) -> Option<ErrorView> {
        let _ = of;
        None
    }

    /// Runs `task` in `scope`.
    #[doc(hidden)]
    fn run(task: Self::Task, scope: &mut Scope<Self>) -> Run<Self::Output>;

    /// Runs a large task. The task moves from its box into its function without a copy in between.
    #[doc(hidden)]
    #[allow(clippy::boxed_local, reason = "generated code moves the arguments from the box")]
    fn run_boxed(input: Box<Input<Self>>, scope: &mut Scope<Self>) -> Run<Self::Output> {
        Self::run(input.task, scope)
    }
}
