//! Plain functions over all of a `Vec`, as one call of a pool.

use crate::{
    error::CallError,
    executor::Executor,
    pool::parallel::{self, Broken},
    task::{CallSlot, Closure, Run, Scope, TaskSet, Work, downcast_output},
    typed::Call,
};
use std::any::Any;

/// A function's work over all of a `Vec`, lazy as every [`Call`]: made by [`map`] and [`map_reduce`].
///
/// ```
/// use nanolith::{Pool, bulk::{self, Mapping}};
/// # let pool = Pool::builder().build()?;
/// let roots: Mapping<'_, Pool, Vec<f64>> = bulk::map(&pool, vec![4.0, 9.0], f64::sqrt);
/// let roots = roots.submit(); // a `Handle`, which may be cancelled
/// assert_eq!(roots.wait()?, [2.0, 3.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type Mapping<'a, E, R> = Call<'a, Work, E, R>;

/// What `f` makes of each item, in order.
///
/// It is one call of the pool, with a priority, a time limit and a [`Handle`](crate::Handle) as others have. Once it runs, it
/// splits as rayon's `par_iter` does, over the threads of the pool that have nothing else to do; the pool's figures count one
/// task. Cancelled, or out of time, it stops before the next item of each thread (where panics unwind; a program that aborts
/// instead goes through all of them).
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
/// Every way in which a call can end: see [`CallError`]. Where `f` panics, the first panic stops the rest, and the error's
/// [`At::item`](crate::At::item) tells at which item:
///
/// ```
/// use nanolith::{bulk, prelude::*};
/// # let pool = Pool::builder().build()?;
/// let error = bulk::map(&pool, vec![3, 2, 1, 0], |n| 12 / n).wait().unwrap_err();
/// assert_eq!(error.at().item(), Some(3));
/// assert!(error.to_string().contains("attempt to divide by zero; item 3"));
/// # Ok::<(), nanolith::BuildError>(())
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

/// Reduces what `f` makes of the items to one value: `reduce` joins two, of which any may be an `identity`.
///
/// For each thread's share it begins with an `identity`, so that should change nothing; and since it depends on the splitting
/// which are joined first, though never their order, `reduce` should be associative. Otherwise it is as [`map`].
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
/// As [`map`]. An item whose joining panics is told too, unless two shares were joined.
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

/// Runs all of it within the call of this scope.
fn run<R: Send + 'static>(
    scope: &mut Scope<Work>,
    all: impl FnOnce(&CallSlot<Work>) -> Result<R, Broken>,
) -> Run<Box<dyn Any + Send>> {
    let Some(call) = scope.reply.as_ref().map(|reply| reply.slot().clone()) else { return Run::Spawned };
    match all(&call) {
        Ok(result) => Run::Done(Box::new(result)),
        // The reply that stays in the scope ends it.
        Err(Broken::Stopped) => Run::Spawned,
        Err(Broken::Panicked(panic, item)) => {
            let at = call.header.at();
            let at = match item {
                Some(item) => at.of_item(item),
                None => at,
            };
            if let Some(reply) = scope.reply.take() {
                reply.complete(Err(CallError::of_panic(panic, at)));
            }
            Run::Spawned
        }
    }
}
