//! [`Hooks`]: functions of a task set that run before and after each task, and when its service
//! closes.

use crate::{
    error::BoxError,
    meta::{priority::Priority, task_info::TaskInfo},
};
use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

/// Information about the call that a hook runs for.
///
/// ```
/// # use nanolith::{prelude::*, task::CallInfo};
/// # pub struct Geometry;
/// #[define]
/// impl Geometry {
///     #[before_task]
///     fn before(call: &CallInfo) {
///         println!("{} waited {:?} as {:?}", call.task(), call.waited(), call.priority());
/// #         assert_eq!((call.task().name(), call.priority(), call.in_service()), ("add", Priority::Normal, false));
///     }
///     pub fn add(x: i64, y: i64) -> i64 { x + y }
/// }
/// assert_eq!(Geometry::tasks().add(4, 5).wait()?, 9);
/// # Ok::<(), CallError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct CallInfo {
    pub(crate) task: &'static TaskInfo,
    pub(crate) priority: Priority,
    pub(crate) waited: Duration,
    pub(crate) in_service: bool,
}

impl CallInfo {
    /// Returns the task.
    #[must_use]
    pub fn task(&self) -> &'static TaskInfo {
        self.task
    }

    /// Returns the priority of the call.
    #[must_use]
    pub fn priority(&self) -> Priority {
        self.priority
    }

    /// Returns how long the call waited before it ran: see
    /// [`CallTrace::waited`](crate::error::CallTrace::waited).
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Returns whether a service runs the task; `false` on a pool.
    #[must_use]
    pub fn in_service(&self) -> bool {
        self.in_service
    }
}

/// The end of a task, for its `after_task` hook.
///
/// ```
/// # use nanolith::{prelude::*, task::{CallInfo, Outcome}};
/// use std::sync::atomic::{AtomicU64, Ordering};
/// # pub struct Geometry;
/// static PANICS: AtomicU64 = AtomicU64::new(0);
/// #[define]
/// impl Geometry {
///     #[after_task]
///     fn after(_: &CallInfo, outcome: Outcome) {
///         PANICS.fetch_add((outcome == Outcome::Panicked).into(), Ordering::Relaxed);
///     }
/// #     pub fn add(x: i64, y: i64) -> i64 { x.checked_add(y).expect("the sum fits") }
/// }
/// assert!(Geometry::tasks().add(i64::MAX, 1).wait().is_err());
/// assert_eq!(PANICS.load(Ordering::Relaxed), 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The task returned its output, which may be an `Err` of its own.
    Done,
    /// The task panicked.
    Panicked,
    /// The task was asked to stop, and its future was dropped.
    Stopped,
}

/// The result of a hook.
#[doc(hidden)]
pub type HookResult = Result<(), BoxError>;

/// A type that a hook may return: `()`, or a `Result<(), E>` of any error.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "a hook cannot return `{Self}`",
    label = "this hook's return type",
    note = "a hook returns nothing, or `Result<(), E>` where `E` is an error that is `Send + Sync`"
)]
pub trait HookOutput {
    #[allow(missing_docs, clippy::missing_errors_doc)] // hidden: for generated code
    fn into_result(self) -> HookResult;
}

impl HookOutput for () {
    fn into_result(self) -> HookResult {
        Ok(())
    }
}

impl<E: Into<BoxError>> HookOutput for Result<(), E> {
    fn into_result(self) -> HookResult {
        self.map_err(Into::into)
    }
}

/// A future that may move between threads.
#[doc(hidden)]
pub type SendFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A future that stays on its thread.
#[doc(hidden)]
pub type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// The set's `#[before_task]` function, by its form.
#[doc(hidden)]
#[allow(missing_docs, missing_debug_implementations)] // hidden: for generated code
pub enum Before<S> {
    None,
    Free(fn(&CallInfo) -> HookResult),
    Shared(fn(&S, &CallInfo) -> HookResult),
    FreeAsync(fn(CallInfo) -> SendFuture<HookResult>),
    SharedAsync(fn(Arc<S>, CallInfo) -> LocalFuture<HookResult>),
    SharedSendAsync(fn(Arc<S>, CallInfo) -> SendFuture<HookResult>),
}

/// The set's `#[after_task]` function, by its form.
#[doc(hidden)]
#[allow(missing_docs, missing_debug_implementations)] // hidden: for generated code
pub enum After<S> {
    None,
    Free(fn(&CallInfo, Outcome) -> HookResult),
    Shared(fn(&S, &CallInfo, Outcome) -> HookResult),
    FreeAsync(fn(CallInfo, Outcome) -> SendFuture<HookResult>),
    SharedAsync(fn(Arc<S>, CallInfo, Outcome) -> LocalFuture<HookResult>),
    SharedSendAsync(fn(Arc<S>, CallInfo, Outcome) -> SendFuture<HookResult>),
}

/// The set's `#[on_close]` function, by its form.
#[doc(hidden)]
#[allow(missing_docs, missing_debug_implementations)] // hidden: for generated code
pub enum OnClose<S> {
    None,
    Free(fn()),
    State(fn(S)),
    FreeAsync(fn() -> LocalFuture<()>),
    StateAsync(fn(S) -> LocalFuture<()>),
}

/// The hooks of a set.
#[doc(hidden)]
#[allow(missing_debug_implementations)] // hidden: for generated code
pub struct Hooks<S> {
    pub(crate) before: Before<S>,
    pub(crate) after: After<S>,
    pub(crate) on_close: OnClose<S>,
}

#[allow(missing_docs)] // hidden: for generated code
impl<S> Hooks<S> {
    /// Returns whether a task's hooks read the state. If so, the task counts as a reader of the
    /// state, even if the task itself does not use it.
    pub(crate) const fn read_state(&self) -> bool {
        matches!(self.before, Before::Shared(_) | Before::SharedAsync(_) | Before::SharedSendAsync(_))
            || matches!(self.after, After::Shared(_) | After::SharedAsync(_) | After::SharedSendAsync(_))
    }

    /// Returns whether tasks run without hooks.
    pub(crate) const fn are_none(&self) -> bool {
        matches!((&self.before, &self.after), (Before::None, After::None))
    }

    /// Returns whether a task's hooks need a future to run.
    pub(crate) const fn are_async(&self) -> bool {
        matches!(self.before, Before::FreeAsync(_) | Before::SharedAsync(_) | Before::SharedSendAsync(_))
            || matches!(self.after, After::FreeAsync(_) | After::SharedAsync(_) | After::SharedSendAsync(_))
    }

    pub const NONE: Self = Self { before: Before::None, after: After::None, on_close: OnClose::None };

    #[must_use]
    pub const fn before(self, before: Before<S>) -> Self {
        let Self { on_close, after, .. } = self;
        Self { before, after, on_close }
    }

    #[must_use]
    pub const fn after(self, after: After<S>) -> Self {
        let Self { before, on_close, .. } = self;
        Self { before, after, on_close }
    }

    #[must_use]
    pub const fn on_close(self, on_close: OnClose<S>) -> Self {
        let Self { before, after, .. } = self;
        Self { before, after, on_close }
    }
}
