//! The attributes on hooks, with their documentation: `#[init]` and `#[on_close]` begin and end a
//! state; `#[before_task]` and `#[after_task]` run around each task.

/// Used inside of a `#[define]` block. Makes the state of a service, on the service's thread.
///
/// The function is `fn(..) -> Self` or `fn(..) -> Result<Self, E>`, `async` or not, and may take
/// `cx: &Context<Self>` first. Its other parameters become those of `service(..)`, so they are
/// `Send`; the state need not be. In a module, it returns nothing or `Result<(), E>`.
///
/// ```
/// use nanolith::{prelude::*, service::LaunchError};
/// use std::{num::TryFromIntError, rc::Rc};
///
/// pub struct Counter { total: Rc<u32> }
///
/// #[define]
/// impl Counter {
///     #[init]
///     fn start(first: i64) -> Result<Self, TryFromIntError> {
///         Ok(Self { total: Rc::new(first.try_into()?) })
///     }
///     pub fn total(&self) -> u32 { *self.total }
/// }
///
/// assert_eq!(Counter::service(10).launch().wait()?.total().wait()?, 10);
/// assert!(matches!(Counter::service(-1).launch().wait(), Err(LaunchError::Init(_))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Without an `#[init]`, `service(state)` takes a state that is `Send`. A set whose functions take
/// no `self` needs no state.
///
/// # Errors
///
/// An `Err` ends the launch as [`LaunchError::Init`], a panic as [`LaunchError::Panicked`].
///
/// [`LaunchError::Init`]: crate::service::LaunchError::Init
/// [`LaunchError::Panicked`]: crate::service::LaunchError::Panicked
pub use nanolith_macros::init;

/// Used inside of a `#[define]` block. Runs before each task, on the same thread or within the same
/// future.
///
/// The function is `fn(&self, call: &CallInfo)` or `fn(call: &CallInfo)`, `async` or not, and
/// returns nothing or `Result<(), E>`. With `&self` it runs where there is a state: on services,
/// and on pools under `shared`. Without `&self`, it runs everywhere.
///
/// ```
/// use nanolith::{prelude::*, task::CallInfo};
/// # pub struct Geometry;
///
/// #[define]
/// impl Geometry {
///     #[before_task]
///     fn before(call: &CallInfo) -> Result<(), &'static str> {
///         if call.task().name() == "add" { Ok(()) } else { Err("only additions today") }
///     }
///     pub fn add(x: i64, y: i64) -> i64 { x + y }
///     pub fn parse(text: String) -> Result<i64, std::num::ParseIntError> { text.parse() }
/// }
///
/// assert_eq!(Geometry::tasks().add(4, 5).wait()?, 9);
/// assert!(matches!(Geometry::tasks().parse("7".into()).wait(), Err(CallError::Hook(..))));
/// # Ok::<(), CallError>(())
/// ```
///
/// # Errors
///
/// An `Err` ends the call as [`CallError::Hook`]; neither the task nor `#[after_task]` runs. A
/// panic ends it as [`CallError::Panicked`].
///
/// [`CallError::Hook`]: crate::CallError::Hook
/// [`CallError::Panicked`]: crate::CallError::Panicked
pub use nanolith_macros::before_task;

/// Used inside of a `#[define]` block. Runs after each task whose `#[before_task]` succeeded,
/// however the task ended.
///
/// The function is `fn(&self, call: &CallInfo, outcome: Outcome)`, or the same without `&self`,
/// `async` or not, and returns nothing or `Result<(), E>`. It runs where
/// [`before_task`](macro@crate::before_task) does.
///
/// ```
/// use nanolith::{prelude::*, task::{CallInfo, Outcome}};
/// use std::sync::atomic::{AtomicU64, Ordering};
/// # pub struct Geometry;
///
/// static DONE: AtomicU64 = AtomicU64::new(0);
///
/// #[define]
/// impl Geometry {
///     #[after_task]
///     fn after(_: &CallInfo, outcome: Outcome) {
///         DONE.fetch_add((outcome == Outcome::Done).into(), Ordering::Relaxed);
///     }
///     pub fn add(x: i64, y: i64) -> i64 { x + y }
/// }
///
/// assert_eq!(Geometry::tasks().add(4, 5).wait()?, 9);
/// assert_eq!(DONE.load(Ordering::Relaxed), 1);
/// # Ok::<(), CallError>(())
/// ```
///
/// # Errors
///
/// An `Err` ends the call as [`CallError::Hook`], a panic as [`CallError::Panicked`], in place of
/// the task's output. If the task itself panicked, the call ends with the task's panic.
///
/// [`CallError::Hook`]: crate::CallError::Hook
/// [`CallError::Panicked`]: crate::CallError::Panicked
pub use nanolith_macros::after_task;

/// Used inside of a `#[define]` block. Runs when a service closes, after its last call, and takes
/// the state.
///
/// The function is `fn(self)` or `fn()`, `async` or not, and returns nothing. It runs after
/// [`Service::close`] or when the last handle is dropped, never after [`Service::terminate`] or a
/// crash.
///
/// ```
/// use nanolith::prelude::*;
/// use std::sync::mpsc::{Sender, channel};
///
/// pub struct Counter { total: i64, last: Sender<i64> }
///
/// #[define]
/// impl Counter {
///     pub fn bump(&mut self, by: i64) { self.total += by }
///     #[on_close]
///     fn done(self) { let _ = self.last.send(self.total); }
/// }
///
/// let (last, totals) = channel();
/// let counter = Counter::service(Counter { total: 10, last }).launch().wait()?;
/// counter.bump(5).wait()?;
/// drop(counter);
/// assert_eq!(totals.recv()?, 15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Panics
///
/// A panic of the function is the error of the close, [`CloseError::Panicked`].
///
/// [`Service::close`]: crate::Service::close
/// [`Service::terminate`]: crate::Service::terminate
/// [`CloseError::Panicked`]: crate::service::CloseError::Panicked
pub use nanolith_macros::on_close;
