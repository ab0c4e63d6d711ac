//! [`Stack`]: a builder that combines several layers into one, from the outermost to the innermost.

use super::{Cache, CircuitBreaker, ConcurrencyLimit, Fallback, Hedge, Layer, LoadShed, RateLimit, Retry, Timeout};
use crate::task::TaskSet;
use std::time::Duration;

/// Returns an empty stack of layers. Each layer that is added comes beneath the layers before it.
///
/// ```
/// use nanolith::{
///     TaskSet, layers::{self, CircuitBreaker, Retry}, prelude::*, sync::Backoff,
///     time::{MILLISECOND, MINUTE, SECOND},
/// };
/// # use nanolith_doc_sets::*;
/// use nanolith::service::ServiceRef;
/// let service = Counter::service(10).launch().wait()?;
/// let guarded = layers::stack()
///     .timeout(MINUTE)                                              // for all of it
///     .retry(Retry::new(3).backoff(Backoff::exponential(MILLISECOND)))
///     .circuit_breaker(CircuitBreaker::new())
///     .timeout(SECOND)                                              // for each attempt
///     .wrap(ServiceRef::from(&service));
/// let counter = Counter::calls(guarded);
/// assert_eq!(counter.bump(5).wait()?, 15); // the state is the service's
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn stack() -> Stack<Identity> {
    Stack { layers: Identity }
}

/// Several layers in order, the first one outermost. Made by [`stack`], and put around an executor
/// by [`wrap`](Stack::wrap). It is a [`Layer`] itself.
///
/// ```
/// use nanolith::{TaskSet, layers, prelude::*, time::SECOND};
/// # use nanolith_doc_sets::*;
/// let pool = Pool::builder().build()?;
/// let limited = layers::stack().timeout(SECOND).wrap(pool);
/// assert_eq!(Geometry::calls(limited).add(4, 5).wait()?, 9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "layers do nothing until they are put around an executor"]
pub struct Stack<L> {
    layers: L,
}

impl<L> Stack<L> {
    /// Adds a layer beneath the layers before it.
    pub fn layer<M>(self, layer: M) -> Stack<Pair<L, M>> {
        Stack { layers: Pair { outer: self.layers, inner: layer } }
    }

    /// Adds a [`Timeout`].
    pub fn timeout(self, limit: Duration) -> Stack<Pair<L, Timeout>> {
        self.layer(Timeout::new(limit))
    }

    /// Adds a [`Retry`].
    pub fn retry(self, retry: Retry) -> Stack<Pair<L, Retry>> {
        self.layer(retry)
    }

    /// Adds a [`CircuitBreaker`].
    pub fn circuit_breaker(self, breaker: CircuitBreaker) -> Stack<Pair<L, CircuitBreaker>> {
        self.layer(breaker)
    }

    /// Adds a [`RateLimit`].
    pub fn rate_limit(self, limit: RateLimit) -> Stack<Pair<L, RateLimit>> {
        self.layer(limit)
    }

    /// Adds a [`ConcurrencyLimit`].
    pub fn concurrency_limit(self, limit: ConcurrencyLimit) -> Stack<Pair<L, ConcurrencyLimit>> {
        self.layer(limit)
    }

    /// Adds a [`Hedge`].
    pub fn hedge(self, hedge: Hedge) -> Stack<Pair<L, Hedge>> {
        self.layer(hedge)
    }

    /// Adds a [`Fallback`] to `executor`.
    pub fn fallback<F>(self, executor: F) -> Stack<Pair<L, Fallback<F>>> {
        self.layer(Fallback::to(executor))
    }

    /// Adds a [`LoadShed`].
    pub fn load_shed(self) -> Stack<Pair<L, LoadShed>> {
        self.layer(LoadShed::new())
    }

    /// Adds a [`Cache`].
    pub fn cache<S: TaskSet, K>(self, cache: Cache<S, K>) -> Stack<Pair<L, Cache<S, K>>> {
        self.layer(cache)
    }

    /// Puts the layers around `executor`. The first layer is the outermost.
    pub fn wrap<E>(self, executor: E) -> L::Executor
    where
        L: Layer<E>,
    {
        self.layers.layer(executor)
    }
}

impl<E, L: Layer<E>> Layer<E> for Stack<L> {
    type Executor = L::Executor;

    fn layer(self, inner: E) -> L::Executor {
        self.layers.layer(inner)
    }
}

/// A layer that does nothing: an empty [`stack`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Identity;

impl<E> Layer<E> for Identity {
    type Executor = E;

    fn layer(self, inner: E) -> E {
        inner
    }
}

/// Two layers, one around the other.
#[derive(Clone, Debug)]
pub struct Pair<Outer, Inner> {
    outer: Outer,
    inner: Inner,
}

impl<E, Outer: Layer<Inner::Executor>, Inner: Layer<E>> Layer<E> for Pair<Outer, Inner> {
    type Executor = Outer::Executor;

    fn layer(self, inner: E) -> Outer::Executor {
        self.outer.layer(self.inner.layer(inner))
    }
}
