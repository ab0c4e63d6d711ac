//! [`TowerLayer`]: a layer of tower, put around an executor.

use super::{TaskService, TowerExecutor, tower_executor::TowerCalls};
use crate::{
    error::{BoxError, CallError, CallTrace},
    layers::Layer,
};
use std::{fmt, future::Future, pin::Pin, sync::Arc};

/// The future of one call through tower's layers, which [`TowerLayer`] gives to the runtime.
pub type TowerFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

pub(super) type Spawn = Arc<dyn Fn(TowerFuture) + Send + Sync>;
pub(super) type MapError = Arc<dyn Fn(BoxError, CallTrace) -> CallError + Send + Sync>;

/// A layer of tower around an executor, such as `tower::timeout::TimeoutLayer`. The result, a
/// [`TowerExecutor`], is an executor with the same typed methods.
///
/// It is a [`Layer`] of this library too, so it stands in a [`stack`](crate::layers::stack) beside
/// the layers of this library. Several layers of tower are one by `tower::ServiceBuilder`.
///
/// Tower's services need a runtime to run in: a time-out uses tokio's timer. So each call is a
/// future that `spawn` starts on a runtime. Only that future is polled there. The task itself runs on
/// the inner executor.
///
/// ```
/// use nanolith::{layers::Layer, prelude::*, tower::TowerLayer};
/// use std::time::Duration;
/// use tower::{ServiceBuilder, limit::ConcurrencyLimitLayer, timeout::TimeoutLayer};
/// # use nanolith_doc_sets::*;
/// let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build()?;
/// let layers = ServiceBuilder::new()
///     .layer(ConcurrencyLimitLayer::new(64))
///     .layer(TimeoutLayer::new(Duration::from_secs(1)));
/// let handle = runtime.handle().clone();
/// let around = TowerLayer::new(layers, move |call| drop(handle.spawn(call)));
/// let executor = around.layer(Pool::builder().build()?);
/// assert_eq!(Geometry::on(&executor).add(4, 5).wait()?, 9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Requirements
///
/// The layer's service is `Clone`, `Send` and `Sync`: each call uses a clone of its own. A
/// `RateLimitLayer` is not `Clone`; put a `BufferLayer` around it. The service's requests are
/// [`TaskRequest`](super::TaskRequest)s. A retry policy of tower clones them by
/// [`TaskRequest::try_clone`](super::TaskRequest::try_clone).
///
/// # Errors
///
/// An error of the service ends the call. A [`CallError`] stays as it is. Any other error, such as
/// tower's `Elapsed`, becomes [`CallError::Rejected`] with the layer's name `tower`, and is its
/// source. [`map_error`](Self::map_error) changes that. A panic of the service ends the call as
/// [`CallError::Panicked`]. If the runtime drops the future, the call ends as [`CallError::Lost`].
///
/// # What is passed on
///
/// The priority, the deadline and the attached messengers of a call reach the inner executor. A
/// cancellation or time-out of the call ends the inner call, and drops the service's future. Methods
/// with `&self` and `&mut self` work if the inner executor has the state. While the service is not
/// ready, a call waits as for queue room.
#[must_use = "a layer does nothing until it is put around an executor"]
pub struct TowerLayer<L> {
    layer: L,
    spawn: Spawn,
    map_error: MapError,
}

impl<L> TowerLayer<L> {
    /// Creates a layer. `spawn` starts the future of a call on a runtime.
    pub fn new(layer: L, spawn: impl Fn(TowerFuture) + Send + Sync + 'static) -> Self {
        let rejected = |error: BoxError, trace: CallTrace| CallError::Rejected("tower", trace.caused_by(error));
        Self { layer, spawn: Arc::new(spawn), map_error: Arc::new(rejected) }
    }

    /// Sets how an error of tower's layers becomes the error of the call. It does not run for a
    /// [`CallError`].
    ///
    /// ```
    /// use nanolith::{layers::Layer, prelude::*, tower::TowerLayer};
    /// use std::time::Duration;
    /// use tower::timeout::{TimeoutLayer, error::Elapsed};
    /// # use nanolith_doc_sets::*;
    /// let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build()?;
    /// let handle = runtime.handle().clone();
    /// let around = TowerLayer::new(TimeoutLayer::new(Duration::from_millis(1)), move |call| drop(handle.spawn(call)))
    ///     .map_error(|error, trace| match error.downcast::<Elapsed>() {
    ///         Ok(elapsed) => CallError::TimedOut(trace.caused_by(elapsed)),
    ///         Err(other) => CallError::Rejected("tower", trace.caused_by(other)),
    ///     });
    /// let pool = Pool::builder().build()?;
    /// pool.pause(); // so that the call takes too long
    /// let outcome = Geometry::on(&around.layer(pool)).add(4, 5).wait();
    /// assert!(matches!(outcome, Err(CallError::TimedOut(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map_error(mut self, map: impl Fn(BoxError, CallTrace) -> CallError + Send + Sync + 'static) -> Self {
        self.map_error = Arc::new(map);
        self
    }
}

impl<E: Clone, L: tower_layer::Layer<TaskService<E>>> Layer<E> for TowerLayer<L> {
    type Executor = TowerExecutor<L::Service, E>;

    fn layer(self, inner: E) -> Self::Executor {
        let service = self.layer.layer(TaskService::new(inner.clone()));
        TowerExecutor::new(service, inner, TowerCalls { spawn: self.spawn, map_error: self.map_error })
    }
}

impl<L: Clone> Clone for TowerLayer<L> {
    fn clone(&self) -> Self {
        Self { layer: self.layer.clone(), spawn: self.spawn.clone(), map_error: self.map_error.clone() }
    }
}

impl<L: fmt::Debug> fmt::Debug for TowerLayer<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TowerLayer").field("layer", &self.layer).finish_non_exhaustive()
    }
}
