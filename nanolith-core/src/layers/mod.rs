//! Layers around an executor: retries, timeouts, circuit breakers, rate and concurrency limits,
//! hedging, fallbacks, load shedding and caching.
//!
//! Needs the cargo feature `layers`.
//!
//! A layer is a value that is put around any executor: a pool, a service, a cluster, an `Arc<dyn
//! Executor<S>>` or another layer. The result, a [`Layered`], is an executor with the same typed
//! methods.
//!
//! ```
//! use nanolith::{
//!     TaskSet, layers::{self, Layered, Retry, Timeout}, prelude::*, time::SECOND,
//! };
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
//! In a stack the first layer is the outermost. In the example above, one second is the limit for
//! all three attempts together. With `.retry(..).timeout(..)` each attempt would have one second.
//!
//! These rules hold for all layers:
//!
//! - A call ends once, through all layers. Its cancellation or timeout also ends everything that
//!   the layers have in progress for it.
//! - Priority, deadline and attached messengers are passed on to the inner executor. Methods with
//!   `&self` and `&mut self` work if the inner executor has the state.
//! - If the inner executor is full, a call waits, like a call without layers. No thread blocks or
//!   polls.
//! - A function that a user gives to a layer, such as a predicate or a key function, should be
//!   brief. It runs on the thread that ends the call. If it panics, that counts as the answer
//!   `false` or `None`.
//! - Clones of a layer, and of a [`Layered`], share their state. For example, one
//!   [`CircuitBreaker`] may protect several executors.

mod breaker;
mod breaker_events;
mod breaker_state;
mod cache;
mod cache_load;
mod cache_run;
mod cache_table;
mod classify;
mod concurrency_limit;
mod fallback;
mod hedge;
mod latencies;
mod layered;
mod load_shed;
mod rate_limit;
mod resubmit;
mod retry;
mod retry_budget;
mod sliding_window;
mod stack;
mod timeout;

pub use breaker::CircuitBreaker;
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

/// A layer that can be put around an executor, like tower's `Layer`.
///
/// All layers of this module implement it. Programs may implement it for layers of their own.
///
/// ```
/// use nanolith::{
///     Executor, TaskSet, call::SubmitError, executor::{Admission, Job},
///     layers::{Layer, Timeout, stack}, prelude::*, time::SECOND,
/// };
/// # use nanolith_doc_sets::*;
/// struct Logged;
/// struct Logging<E>(E);
///
/// impl<E> Layer<E> for Logged {
///     type Executor = Logging<E>;
///     fn layer(self, inner: E) -> Logging<E> { Logging(inner) }
/// }
/// impl<S: TaskSet, E: Executor<S>> Executor<S> for Logging<E> {
///     fn try_execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
///         println!("{} is called", job.task());
///         self.0.try_execute(job)
///     }
///     fn execute(&self, job: Job<S>) -> Admission<'_, S> { self.0.execute(job) }
/// }
/// let pool = Pool::builder().build()?;
/// assert_eq!(Geometry::calls(Logged.layer(pool.clone())).add(4, 5).wait()?, 9);
/// let both = stack().layer(Logged).timeout(SECOND).wrap(pool);
/// assert_eq!(Geometry::calls(both).add(4, 5).wait()?, 9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Layer<E> {
    /// The type of the executor with the layer around it.
    type Executor;

    /// Puts the layer around `inner`.
    fn layer(self, inner: E) -> Self::Executor;
}
