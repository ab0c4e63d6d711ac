//! Layers around an executor: try again, give up in time, keep a failing one alone, let through so many at once.
//!
//! A layer is a value, which is put around any executor: a pool, a service, a cluster, an `Arc<dyn Executor<S>>`, another layer.
//! What comes of it, a [`Layered`], is an executor with the same typed methods.
//!
//! ```
//! use nanolith::{TaskSet, layers::{self, Layered, Retry, Timeout}, prelude::*};
//! # pub struct Geometry;
//! #[define]
//! impl Geometry {
//!     #[task(idempotent)]
//!     pub fn add(x: i64, y: i64) -> i64 { x + y }
//! }
//! let pool = Pool::builder().build()?;
//! let careful = layers::stack().timeout(SECOND).retry(Retry::new(3)).wrap(pool);
//! let geometry: GeometryCalls<Layered<Timeout, Layered<Retry, Pool>>> = Geometry::calls(careful);
//! assert_eq!(geometry.add(4, 5).wait()?, 9);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! In a stack the first layer is the outermost: above, a second is for all three attempts. `.retry(..).timeout(..)` would give a
//! second to each.
//!
//! What holds for all of them:
//!
//! - A call ends once, whatever the layers make of it. Who cancels it, or lets its time run out, ends what the layers have under
//!   way for it.
//! - Priority, deadline and attached messengers go down with it. Methods with `&self` and `&mut self` work where the executor
//!   beneath has the state.
//! - Where the executor beneath is full, a call waits as it does without layers. Nothing blocks, and nobody polls.
//! - What a user gives a layer, a predicate, a key, a handler, is brief: it runs on whichever thread ends the call. One that
//!   panics counts as if it had said no.
//! - Clones of a layer, and of a [`Layered`], share their state: one [`CircuitBreaker`] may stand around several executors.

mod breaker;
mod breaker_events;
mod breaker_state;
mod cache;
mod cache_load;
mod cache_table;
mod classify;
mod concurrency_limit;
mod fallback;
mod hedge;
mod layered;
mod load_shed;
mod percentile;
mod rate_limit;
mod resubmit;
mod retry;
mod retry_budget;
mod sliding_window;
mod stack;
mod timeout;

pub use breaker::CircuitBreaker;
pub use breaker_events::{NextTransition, Transitions};
pub use breaker_state::{BreakerState, Transition};
pub use cache::Cache;
pub use concurrency_limit::ConcurrencyLimit;
pub use fallback::Fallback;
pub use hedge::Hedge;
pub use layered::Layered;
pub use load_shed::LoadShed;
pub use rate_limit::RateLimit;
pub use retry::Retry;
pub use stack::{Identity, Pair, Stack, stack};
pub use timeout::Timeout;

/// Something to put around an executor, as tower has it.
///
/// The layers of this module are such, and so may be one's own.
///
/// ```
/// use nanolith::{Admission, Job, Refused, TaskSet, layers::{Layer, Timeout, stack}, prelude::*};
/// # use nanolith_doc_sets::*;
/// struct Logged;
/// struct Logging<E>(E);
///
/// impl<E> Layer<E> for Logged {
///     type Executor = Logging<E>;
///     fn layer(self, inner: E) -> Logging<E> { Logging(inner) }
/// }
/// impl<S: TaskSet, E: Executor<S>> Executor<S> for Logging<E> {
///     fn execute(&self, job: Job<S>) -> Result<(), Refused<Job<S>>> {
///         println!("{} is called", job.info());
///         self.0.execute(job)
///     }
///     fn admit(&self, job: Job<S>) -> Admission<'_, S> { self.0.admit(job) }
/// }
/// let pool = Pool::builder().build()?;
/// assert_eq!(Geometry::calls(Logged.layer(pool.clone())).add(4, 5).wait()?, 9);
/// let both = stack().layer(Logged).timeout(SECOND).wrap(pool);
/// assert_eq!(Geometry::calls(both).add(4, 5).wait()?, 9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Layer<E> {
    /// What it makes of the executor.
    type Executor;

    /// Puts it around `inner`.
    fn layer(self, inner: E) -> Self::Executor;
}
