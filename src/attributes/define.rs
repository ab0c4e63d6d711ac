//! The attribute `#[define]` on a set of tasks, with its documentation.

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
/// `Send`. Make it the [`init`](macro@crate::init) of the service, or leave it out with
/// `#[task(skip)]`.
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
/// A function without a visibility is left alone. [`#[task]`](macro@crate::task) makes it a task;
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
/// | `inbox = Command` | the messages that its services receive: see [`on_message`](macro@crate::on_message) |
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
/// use nanolith::{pool::GlobalPool, prelude::*};
/// use std::sync::{Arc, atomic::{AtomicI64, Ordering}};
///
/// pub struct Counter { total: AtomicI64 }
///
/// #[define(shared)]
/// impl Counter {
///     pub fn bump(&self, by: i64) -> i64 { self.total.fetch_add(by, Ordering::Relaxed) + by }
/// }
///
/// let counter = Counter::shared(Arc::new(Counter { total: 10.into() })).on(&GlobalPool);
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
///
/// [`Pool`]: crate::Pool
/// [`Executor`]: crate::Executor
/// [`ServiceBuilder`]: crate::service::ServiceBuilder
/// [`SharedState`]: crate::pool::SharedState
/// [`TaskSet`]: crate::TaskSet
/// [`Context::send`]: crate::Context::send
/// [`Context::create_stream`]: crate::Context::create_stream
#[cfg_attr(
    feature = "wire",
    doc = r##"
# On the wire

Under `wire`, both enums are `Serialize` and `Deserialize`, and so must be all arguments and
outputs. A task without arguments is a unit variant: in JSON it is a text, `"Count"`.
Messages and streams do not become data: their types need no serde, and serializing one is an error.

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

A function whose error has no serde, such as `io::Error`, returns a
[`RemoteError`](crate::wire::RemoteError). `?` converts to it:

```
use nanolith::{prelude::*, wire::RemoteError};
# pub struct Files;

#[define(wire)]
impl Files {
    pub fn read(path: String) -> Result<Vec<u8>, RemoteError> { Ok(std::fs::read(path)?) }
}

assert!(Files::tasks().read("no/such/file".into()).wait()?.is_err());
# Ok::<(), CallError>(())
```
"##
)]
pub use nanolith_macros::define;
