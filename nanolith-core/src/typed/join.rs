//! [`join`]: two calls at once, for tasks that divide their work.

use super::Call;
use crate::{
    context::{Wait, thread_context},
    error::CallError,
    executor::Executor,
    task::TaskSet,
};

/// Makes two calls at once, and blocks until both are over. Returns both results.
///
/// Within a task of a pool, both calls may run on the thread of that task. The second call is offered
/// to the other workers. Then this thread runs the first call. Then it runs the second call too, if
/// no other worker has begun it. So a task that divides its work keeps idle workers busy, and pays
/// little where no worker is idle.
///
/// ```
/// use nanolith::{join, prelude::*};
///
/// pub struct Tree;
///
/// #[define]
/// impl Tree {
///     /// Counts the leaves of a tree of this depth.
///     pub fn leaves(depth: u32) -> Result<u64, CallError> {
///         if depth == 0 {
///             return Ok(1);
///         }
///         let tree = Tree::tasks();
///         let (left, right) = join(tree.leaves(depth - 1), tree.leaves(depth - 1));
///         Ok(left?? + right??)
///     }
/// }
///
/// assert_eq!(Tree::tasks().leaves(6).wait()??, 64);
/// # Ok::<(), CallError>(())
/// ```
///
/// The calls may be of different tasks, sets and executors, and may have options. Outside of a pool's
/// tasks, and for other executors, this submits the first call, submits the second, and waits for
/// both:
///
/// ```
/// use nanolith::{join, prelude::*};
/// # use nanolith_doc_sets::*;
/// let counter = Counter::service(5).launch().wait()?;
/// let geometry = Geometry::tasks();
/// let (sum, total) = join(geometry.add(1, 2), counter.bump(1));
/// assert_eq!((sum?, total?), (3, 6));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Each call is a call like any other: it has its task as its parent, runs its hooks, counts in
/// metrics, and can be cancelled and time out. A queue without room is waited for, as
/// [`Call::submit`] does. Where the workers take calls in order, the second call may begin before
/// the first.
///
/// In an `async` function, await the two calls instead, for example with `futures::join!`: like
/// [`Wait::wait`], this function blocks its thread.
///
/// # Errors
///
/// Each result has the error of its own call: see [`CallError`]. An error of the first call does not
/// end the second. Where the task is cancelled within which this is called, both calls are, unless
/// they are [`without_parent`](Call::without_parent).
///
/// # Panics
///
/// A panic of a task is the [`CallError::Panicked`] of its call. This function itself panics if one
/// of the calls was polled before.
///
/// # Deadlock freedom
///
/// A task may use this at any concurrency, also of one, and at any depth: a wait runs the call that it
/// waits for, or lends its slot. A wait that could never end ends as [`CallError::WouldDeadlock`]:
/// see [`Handle::wait`](super::Handle#method.wait).
#[cfg_attr(feature = "tokio", track_caller)]
pub fn join<S, E, T, S2, E2, T2>(
    first: Call<'_, S, E, T>,
    second: Call<'_, S2, E2, T2>,
) -> (Result<T, CallError>, Result<T2, CallError>)
where
    S: TaskSet,
    E: Executor<S> + ?Sized,
    S2: TaskSet,
    E2: Executor<S2> + ?Sized,
{
    let here = thread_context::current_executor();
    if here.is_some() && here == first.executor().host() {
        // If a destructor panics meanwhile, no task is left running.
        let second = second.submit().cancel_on_drop();
        return (first.wait(), second.wait());
    }
    let first = first.submit().cancel_on_drop();
    let second = second.submit().cancel_on_drop();
    (first.wait(), second.wait())
}
