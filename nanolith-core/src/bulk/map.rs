//! [`map`] and [`map_reduce`] apply a plain function to all items of a `Vec` in parallel, as one
//! call of a pool.

use crate::{
    executor::Executor,
    pool::parallel::{self, Broken},
    task::{CallSlot, Closure, Run, Scope, TaskSet, Work, downcast_output},
    typed::Call,
};
use std::any::Any;

/// A function's work over all items of a `Vec`, lazy like every [`Call`]. Made by [`map`] and
/// [`map_reduce`].
///
/// ```
/// use nanolith::{Pool, bulk::{self, Mapping}, prelude::*};
/// # let pool = Pool::builder().build()?;
/// let roots: Mapping<'_, Pool, Vec<f64>> = bulk::map(&pool, vec![4.0, 9.0], f64::sqrt);
/// let roots = roots.submit(); // a `Handle`, which may be cancelled
/// assert_eq!(roots.wait()?, [2.0, 3.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type Mapping<'a, E, R> = Call<'a, Work, E, R>;

/// Applies `f` to each item and returns the results in order.
///
/// This is one call of the pool, with a priority, a time limit and a
/// [`Handle`](crate::typed::Handle) like other calls. While it runs, it splits over the pool's idle
/// threads, like rayon's `par_iter`; the pool's metrics count one task. If it is cancelled or times
/// out, each thread stops before its next item. This needs panics that unwind: a program with
/// `panic = "abort"` processes all items.
///
/// ```
/// use nanolith::{bulk, prelude::*};
/// let pool = Pool::builder().build()?;
/// let squares: Vec<u64> = (0..1_000).collect();
/// let roots = bulk::map(&pool, squares, |n| (n as f64).sqrt()).priority(Priority::UserBlocking).wait()?;
/// assert_eq!(roots[144], 12.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// A call can end in every way that [`CallError`](crate::error::CallError) lists. If `f` panics, the
/// first panic stops the rest, and the error's
/// [`CallTrace::item`](crate::error::CallTrace::item) is the index of the item:
///
/// ```
/// use nanolith::{bulk, prelude::*};
/// # let pool = Pool::builder().build()?;
/// let error = bulk::map(&pool, vec![3, 2, 1, 0], |n| 12 / n).wait().unwrap_err();
/// assert_eq!(error.trace().item(), Some(3));
/// assert!(error.to_string().contains("attempt to divide by zero; item 3"));
/// # Ok::<(), nanolith::pool::BuildError>(())
/// ```
#[track_caller]
pub fn map<E, T, R, F>(pool: &E, items: Vec<T>, f: F) -> Mapping<'_, E, Vec<R>>
where
    E: Executor<Work> + ?Sized,
    T: Send + 'static,
    R: Send + 'static,
    F: Fn(T) -> R + Send + Sync + 'static,
{
    let piece =
        Closure::new(&Work::TASKS[0], |scope| run(scope, |call| parallel::map(items, f, || call.is_asked_to_stop())));
    Call::new(pool, piece, downcast_output)
}

/// Applies `f` to each item and reduces the results to one value. `reduce` joins two values, of
/// which either may be an `identity`.
///
/// Each thread's share begins with an `identity`, so joining with it must change nothing. The
/// splitting decides which values are joined first, but never changes their order, so `reduce`
/// should be associative. Everything else is as in [`map`].
///
/// ```
/// use nanolith::{bulk, prelude::*};
/// # let pool = Pool::builder().build()?;
/// let words = vec!["plain", "functions", "written", "once"];
/// let letters = bulk::map_reduce(&pool, words, str::len, || 0, |one, other| one + other).wait()?;
/// assert_eq!(letters, 25);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// The same as for [`map`]. If joining an item panics, the error names the item, unless two shares
/// were being joined.
#[track_caller]
pub fn map_reduce<E, T, R, F, I, G>(pool: &E, items: Vec<T>, f: F, identity: I, reduce: G) -> Mapping<'_, E, R>
where
    E: Executor<Work> + ?Sized,
    T: Send + 'static,
    R: Send + 'static,
    F: Fn(T) -> R + Send + Sync + 'static,
    I: Fn() -> R + Send + Sync + 'static,
    G: Fn(R, R) -> R + Send + Sync + 'static,
{
    let piece = Closure::new(&Work::TASKS[1], |scope| {
        run(scope, |call| parallel::map_reduce(items, f, identity, reduce, || call.is_asked_to_stop()))
    });
    Call::new(pool, piece, downcast_output)
}

/// Runs the closure `all` within the call of this scope.
fn run<R: Send + 'static>(
    scope: &mut Scope<Work>,
    all: impl FnOnce(&CallSlot<Work>) -> Result<R, Broken>,
) -> Run<Box<dyn Any + Send>> {
    let Some(call) = scope.reply.as_ref().map(|reply| reply.slot().clone()) else { return Run::Spawned };
    match all(&call) {
        Ok(result) => Run::Done(Box::new(result)),
        // The reply stays in the scope, and its drop ends the call.
        Err(Broken::Stopped) => Run::Spawned,
        Err(Broken::Panicked(panic, item)) => {
            let at = call.header.at();
            let at = match item {
                Some(item) => at.of_item(item),
                None => at,
            };
            if let Some(reply) = scope.reply.take() {
                reply.fail_within(&scope.env, panic, at);
            }
            Run::Spawned
        }
    }
}
