//! The attribute `#[task]` on one task, with its documentation.

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
///
/// [`Service`]: crate::Service
/// [`Step`]: crate::task::Step
/// [`TaskSet::duplicate`]: crate::TaskSet::duplicate
/// [`Context`]: crate::Context
pub use nanolith_macros::task;
