//! The attribute macros, with their documentation.

/// Generates a set of tasks from an `impl` block or an inline module: each function with a
/// visibility becomes a typed call.
///
/// ```
/// use nanolith::prelude::*;
///
/// pub struct Geometry;
///
/// #[define]
/// impl Geometry {
///     /// Adds two numbers.
///     pub fn add(x: i64, y: i64) -> i64 { x + y }
///     fn helper() {} // no visibility: left alone
/// }
///
/// assert_eq!(Geometry::tasks().add(4, 5).wait()?, 9);
/// # Ok::<(), CallError>(())
/// ```
///
/// The block stays as it is written. For `Geometry`, the macro also generates:
///
/// | | |
/// |---|---|
/// | `Geometry::tasks()` | the typed calls on the global pool, `&'static` |
/// | `Geometry::on(&pool)` | the same on a [`Pool`], or another [`Executor`] that is `Clone` |
/// | `Geometry::service(..)` | a [`ServiceBuilder`]; takes the parameters of `#[init]`, else the state, else nothing |
/// | `Geometry::shared(state)` | under `shared`: a [`SharedState`] for a pool |
/// | `GeometryCalls<E>` | the typed methods over an executor `E`, with the functions' own docs and visibility; `Clone` and `Debug` if `E` is |
/// | `GeometryTask`, `GeometryOutput` | two enums with one variant for each task; `Debug` shows the variant |
/// | `impl TaskSet for Geometry` | names, identifiers and signatures: see [`TaskSet`] |
///
/// A type has one `#[define]` block. A second one would generate the same names again.
///
/// The arguments of a task are the fields of its variant. The variant of a task without arguments
/// is written with or without braces:
///
/// ```
/// use nanolith::prelude::*;
///
/// pub struct Bell;
///
/// #[define]
/// impl Bell {
///     pub fn ring() {}
///     pub fn ring_for(times: u8) {}
/// }
///
/// let tasks = [BellTask::Ring, BellTask::Ring {}, BellTask::RingFor { times: 3 }];
/// assert_eq!(format!("{tasks:?}"), "[Ring, Ring, RingFor]");
/// ```
///
/// # What a task takes and returns
///
/// Arguments and outputs move between threads, so they are owned, `Send` and `'static`. If a type
/// is not, the compiler points at it and names another type.
///
/// | instead of | write |
/// |---|---|
/// | `&str`, `impl AsRef<str>`, `impl Into<String>` | `String` |
/// | `&Path`, `impl AsRef<Path>` | `PathBuf` |
/// | `&[T]`, `impl IntoIterator<Item = T>` | `Vec<T>` |
/// | `&T` | `T` or `Arc<T>` |
/// | `Rc<T>`, `Rc<RefCell<T>>` | `Arc<T>`, `Arc<Mutex<T>>` |
/// | `RefCell<T>`, `Cell<T>` in an `Arc` | `Mutex<T>`, an atomic |
/// | `MutexGuard<'_, T>` | `Arc<Mutex<T>>`, locked inside of the task |
/// | `*const T`, `*mut T` | `Box<T>`, `Arc<T>`, `Vec<T>` |
/// | `Box<dyn Error>` | `Box<dyn Error + Send + Sync>`, or an error type of your own |
/// | `-> &mut Self` | `-> ()`: the state stays with its executor |
/// | `-> impl Future<Output = T>` | `async fn .. -> T` |
///
/// A `pub fn new() -> Self` is a task like any other, so it does not compile if the type is not
/// `Send`. Make it the [`init`](macro@init) of the service, or leave it out with `#[task(skip)]`.
///
/// The future of an `async` task moves between the threads of a pool. If it holds a value that is
/// not `Send` across an `.await`, drop the value before the await. Or mark the task
/// `#[task(local)]`; then only services run it. A task is `async` without a runtime: attributes
/// such as `#[tokio::main]` and `#[tokio::test]` are rejected on it. `#[inline]` and attributes
/// that do not change the function are allowed.
///
/// # Where a task can run
///
/// | a function | on a pool | on a pool with `#[define(shared)]` | on a service |
/// |---|---|---|---|
/// | `pub fn f(x: X) -> Y` | yes | yes | yes |
/// | `pub async fn f(x: X) -> Y` | yes; a pending task uses no thread | yes | yes; it interleaves with other tasks |
/// | `pub fn f(&self, ..)` | does not compile | yes; tasks share the state in an `Arc` | yes |
/// | `pub async fn f(&self, ..)` | does not compile | yes | yes; readers interleave at their awaits |
/// | `pub fn f(&mut self, ..)`, `async` or not | does not compile | does not compile | yes; it has exclusive access to the state |
/// | `#[task(local)] pub async fn f(..)`, for a future that is not `Send` | does not compile | does not compile | yes |
///
/// A function without a visibility is left alone. [`#[task]`](macro@task) makes it a task;
/// `#[task(skip)]` leaves out a function that has one.
///
/// # What does not compile
///
/// | code | what the compiler says |
/// |---|---|
/// | `pub fn f(text: &str)` | arguments are owned, because the borrow cannot outlive the call; write `String` |
/// | `pub fn f(n: Rc<u8>)` | `Rc<u8>` cannot be a task argument, because it would move to another thread |
/// | `Counter::on(&pool).bump(1)` | `Counter`'s method changes its state, and only a service owns the state |
/// | `geometry.add(1, 2);` | a warning, `unused_must_use`: a call does nothing until awaited, waited on or submitted |
/// | `job.wait(); job.wait()` | use of moved value: a handle returns its output once |
/// | `pub fn f<T>(x: T)` | make the `impl` generic, or write one function for each type |
/// | `pub fn f(&mut self) -> &mut Self` | the state stays with its executor; return a value or nothing |
/// | `pub fn new() -> Self`, where `Self` holds an `Rc` | `Rc` cannot be sent between threads: use `#[init]` or `#[task(skip)]` |
/// | `#[tokio::main] pub async fn f()` | a task needs no runtime to be `async`; remove the attribute |
/// | a second `#[define]` on a type | the name `only_one_define_block_for_Counter` is defined multiple times |
///
/// The folder [`ui-tests`] has a case for each error of the macro, with the compiler's output.
///
/// [`ui-tests`]: https://github.com/nanolith-rs/nanolith/tree/main/ui-tests/tests/ui
///
/// # Options
///
/// | `#[define(..)]` | |
/// |---|---|
/// | `inbox = Command` | the messages that its services receive: see [`on_message`](macro@on_message) |
/// | `outbox = Event` | the events that its services send: [`Context::send`] |
/// | `streams = Metadata` | the metadata of the streams that its services make: [`Context::create_stream`] |
/// | `shared` | the tasks of a pool share the state through an `Arc`; it is `Send` and `Sync` |
/// | `identifier = "shop.geometry"` | the set's identifier; the default is its module path and name |
/// | `name = Shapes` | the prefix of the generated types: `ShapesCalls`; the default is the type's name, and no prefix in a module |
/// | `vis = "pub(crate)"` | the visibility of the generated types and of `tasks`, `on` and `service`; the default is `pub`. It is not narrower than the type's own, since `TaskSet` shows the types: for a `pub` type it is `pub` |
/// | `crate = ::path::to::nanolith` | the path of this crate, if it has another name |
/// | `wire` | serde for both enums, with the feature `wire` |
///
/// ```
/// use nanolith::{Executor, TaskSet, prelude::*};
///
/// pub(crate) struct Geometry;
///
/// #[define(identifier = "shop.geometry", name = Shapes, vis = "pub(crate)")]
/// impl Geometry {
///     pub fn add(x: i64, y: i64) -> i64 { x + y }
/// }
///
/// fn nine(shapes: &ShapesCalls<impl Executor<Geometry>>) -> Result<i64, CallError> {
///     shapes.add(4, 5).wait()
/// }
/// assert_eq!((nine(Geometry::tasks())?, Geometry::IDENTIFIER), (9, "shop.geometry"));
/// # Ok::<(), CallError>(())
/// ```
///
/// # A state
///
/// A function with `&mut self` runs on a service. A function with `&self` runs on a service or,
/// under `shared`, on a pool.
///
/// ```
/// use nanolith::prelude::*;
/// use std::sync::{Arc, atomic::{AtomicI64, Ordering}};
///
/// pub struct Counter { total: AtomicI64 }
///
/// #[define(shared)]
/// impl Counter {
///     pub fn bump(&self, by: i64) -> i64 { self.total.fetch_add(by, Ordering::Relaxed) + by }
/// }
///
/// let counter = Counter::shared(Arc::new(Counter { total: 10.into() })).tasks();
/// assert_eq!(counter.bump(5).wait()?, 15);
/// let counter = Counter::service(Counter { total: 20.into() }).launch().wait()?; // one of its own
/// assert_eq!(counter.bump(5).wait()?, 25);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # A module
///
/// The set is `Tasks`, its types are `Task`, `Output` and `Calls`, a context is `&Context<Tasks>`,
/// and hooks take no `self`.
///
/// ```
/// use nanolith::prelude::*;
///
/// #[define]
/// pub mod geometry {
///     pub fn add(x: i64, y: i64) -> i64 { x + y }
/// }
///
/// assert_eq!(geometry::tasks().add(4, 5).wait()?, 9);
/// assert_eq!(geometry::add(4, 5), 9); // still a plain function
/// # Ok::<(), CallError>(())
/// ```
#[cfg_attr(
    feature = "wire",
    doc = r##"
# On the wire

Under `wire` both enums are `Serialize` and `Deserialize`, as all arguments and outputs then must be. A task without arguments is a
unit variant: in JSON it is a text, `"Count"`.
What is heard goes over no wire: a message, or a stream, need be no data of serde's, and to write one as a task is an error.

```
use nanolith::prelude::*;
# pub struct Geometry;

#[define(wire)]
impl Geometry {
    pub fn add(x: i64, y: i64) -> i64 { x + y }
}

let text = serde_json::to_string(&GeometryTask::Add { x: 4, y: 5 })?;
assert_eq!(text, r#"{"Add":{"x":4,"y":5}}"#);
# Ok::<(), serde_json::Error>(())
```
"##
)]
pub use nanolith_macros::define;

/// Used inside of a `#[define]` block. Makes a function a task, leaves it out, or sets how it is
/// called.
///
/// | | |
/// |---|---|
/// | `#[task]` | a task, though the function has no visibility |
/// | `#[task(skip)]` | not a task, though the function has a visibility |
/// | `#[task(name = other)]` | the method is named `other`: for names that [`Service`] itself has, such as `close` |
/// | `#[task(local)]` | the `async` task's future need not be `Send`; it may hold an `Rc` across an `.await`: for services only |
/// | `#[task(sliced)]` | returns a [`Step`] instead of its output, and yields to other calls between two steps |
/// | `#[task(idempotent)]` | may run twice without harm, so that a layer may try again: [`TaskSet::duplicate`] |
/// | `#[task(concurrency = 2)]` | at most two of its calls run at once on a pool: see below |
///
/// ```
/// use nanolith::prelude::*;
/// # pub struct Geometry;
///
/// #[define]
/// impl Geometry {
///     #[task]
///     fn add(x: i64, y: i64) -> i64 { x + y }
///
///     #[task(skip)]
///     pub fn origin() -> (i64, i64) { (0, 0) }
///
///     #[task(name = close_shape)]
///     pub fn close(mut points: Vec<i64>) -> Vec<i64> {
///         points.extend(points.first().copied());
///         points
///     }
/// }
///
/// assert_eq!(Geometry::tasks().add(4, 5).wait()?, 9);
/// assert_eq!(Geometry::tasks().close_shape(vec![1, 2]).wait()?, [1, 2, 1]);
/// # Ok::<(), CallError>(())
/// ```
///
/// A task may take `cx: &Context<Self>` as its first parameter, which is not an argument of the
/// call: see [`Context`]. Its other parameters are owned.
///
/// # A limit of its own
///
/// ```
/// use nanolith::prelude::*;
/// # pub struct Geometry;
///
/// #[define]
/// impl Geometry {
///     #[task(concurrency = 2)] // for what there are two of: connections, drives, licences
///     pub fn add(x: i64, y: i64) -> i64 { x + y }
/// }
///
/// let jobs: Vec<_> = (0..100).map(|n| Geometry::tasks().add(n, n).submit()).collect();
/// for (n, job) in (0..).zip(jobs) {
///     assert_eq!(job.wait()?, n + n); // never more than two at once
/// }
/// # Ok::<(), CallError>(())
/// ```
///
/// The limit holds for each pool. An asynchronous call counts from its start to its end. Waiting
/// calls use no slot: calls of other tasks overtake them. Within a priority, they run first in,
/// first out. They count as queued, and are cancelled, timed out and drained like all queued calls.
/// A paused pool starts none of them.
///
/// A task that waits for a call of the same task lends it its place under the limit. That call runs
/// at once, beyond the limit, while the waiting task is blocked. Two limited tasks that each wait
/// for the other, with all places of both in use, wait for each other, like two locks that are
/// taken in two orders.
///
/// A service ignores the limit. All instances of a generic set share one limit.
pub use nanolith_macros::task;

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
pub use nanolith_macros::before_task;

/// Used inside of a `#[define]` block. Runs after each task whose `#[before_task]` succeeded,
/// however the task ended.
///
/// The function is `fn(&self, call: &CallInfo, outcome: Outcome)`, or the same without `&self`,
/// `async` or not, and returns nothing or `Result<(), E>`. It runs where
/// [`before_task`](macro@before_task) does.
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
pub use nanolith_macros::after_task;

/// Used inside of a `#[define]` block. Handles the messages that are sent to a service:
/// [`Service::send`].
///
/// The function is `fn(&mut self, cx: &Context<Self>, message: Command)`. It may take `&self` or no
/// `self`, may leave out the context, may be `async`, and returns nothing. Messages and calls wait
/// in one queue, in the order in which they were sent. The hooks around tasks run around messages
/// too. The type in `#[define(inbox = Command)]` is the type of the parameter `message`.
///
/// ```
/// use nanolith::prelude::*;
///
/// pub struct Counter { total: i64 }
///
/// pub enum Command { Reset }
///
/// #[define(inbox = Command)]
/// impl Counter {
///     #[on_message]
///     fn on_message(&mut self, message: Command) {
///         let Command::Reset = message;
///         self.total = 0;
///     }
///     pub fn bump(&mut self, by: i64) -> i64 { self.total += by; self.total }
/// }
///
/// let counter = Counter::service(Counter { total: 10 }).launch().wait()?;
/// counter.send(Command::Reset).wait()?;
/// assert_eq!(counter.bump(5).wait()?, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Panics
///
/// A panic of the function goes to the service's panic handler, like a panic of a task.
pub use nanolith_macros::on_message;

/// Used inside of a `#[define]` block. Handles the streams that are opened to a service:
/// [`Service::create_stream`].
///
/// The function is `fn(&mut self, cx: &Context<Self>, stream: StreamReader<M>)`. It may take
/// `&self` or no `self`, may leave out the context, may be `async`, and returns nothing. `M` is the
/// metadata of the stream; the default is `()`. Streams, messages and calls wait in one queue.
/// While a synchronous handler reads its stream, the calls behind it wait.
///
/// ```
/// use nanolith::{prelude::*, stream::StreamReader};
///
/// pub struct Counter { bytes: usize }
///
/// #[define]
/// impl Counter {
///     #[on_stream]
///     async fn on_stream(&mut self, mut stream: StreamReader) {
///         while let Ok(Some(chunk)) = stream.read().await {
///             self.bytes += chunk.len();
///         }
///     }
///     pub fn bytes(&self) -> usize { self.bytes }
/// }
///
/// let counter = Counter::service(Counter { bytes: 0 }).launch().wait()?;
/// let mut writer = counter.create_stream(()).wait()?;
/// writer.write(vec![0; 1 << 20]).wait()?; // moved, not copied
/// writer.finish();
/// assert_eq!(counter.bytes().wait()?, 1 << 20);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Panics
///
/// A panic of the function goes to the service's panic handler, like a panic of a task. The
/// stream's writer gets an error.
pub use nanolith_macros::on_stream;

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
pub use nanolith_macros::on_close;
