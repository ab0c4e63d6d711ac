//! [`CallService`]: an executor as a tower service, by a closure that makes a typed call for each
//! request.

use super::{CallFuture, call_future::refused_as_full};
use crate::{
    error::CallError,
    executor::{Executor, HeldRoom},
    task::TaskSet,
    typed::Call,
};
use std::{
    fmt,
    marker::PhantomData,
    task::{Context, Poll},
};
use tower_service::Service;

/// An executor as a tower `Service`. A closure makes the typed call for each request.
///
/// Name the set, and pass the executor and the closure. Options of the call, such as a priority or a
/// time limit, are set in the closure. The request may be of any type.
///
/// ```
/// use nanolith::{prelude::*, time::SECOND, tower::CallService};
/// use tower::{ServiceBuilder, ServiceExt as _};
/// # use nanolith_doc_sets::*;
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
/// # runtime.block_on(async {
/// let pool = Pool::builder().max_queue(1_024).build()?;
/// let add = CallService::<Geometry>::new(pool, |geometry, (x, y)| geometry.add(x, y).timeout(SECOND));
/// let add = ServiceBuilder::new().concurrency_limit(8).service(add);
/// assert_eq!(add.oneshot((4, 5)).await?, 9);
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A service of this library is passed as a [`ServiceRef`](crate::service::ServiceRef), and a cluster
/// as a [`ClusterRef`](crate::cluster::ClusterRef).
///
/// Clones share the executor. The [module](super) says when `poll_ready` is ready. A clone has to
/// wait for its own readiness.
pub struct CallService<S: TaskSet, E = (), R = (), T = (), F = ()> {
    executor: E,
    calls: S::Calls<E>,
    call: F,
    room: HeldRoom,
    signature: PhantomData<fn(R) -> T>,
}

impl<S: TaskSet> CallService<S> {
    /// Creates a service that runs on `executor` the call that `call` makes for a request.
    ///
    /// Write the closure directly in this call. Elsewhere, the compiler does not know that the
    /// returned call borrows from the closure's argument.
    pub fn new<E, R, T, F>(executor: E, call: F) -> CallService<S, E, R, T, F>
    where
        E: Executor<S> + Clone + 'static,
        F: for<'c> Fn(&'c S::Calls<E>, R) -> Call<'c, S, E, T>,
    {
        let calls = S::calls(executor.clone());
        CallService { executor, calls, call, room: HeldRoom::default(), signature: PhantomData }
    }
}

impl<S, E, R, T, F> Service<R> for CallService<S, E, R, T, F>
where
    S: TaskSet,
    E: Executor<S> + Clone + 'static,
    F: for<'c> Fn(&'c S::Calls<E>, R) -> Call<'c, S, E, T>,
{
    type Response = T;
    type Error = CallError;
    type Future = CallFuture<S, T>;

    /// Waits until the executor has room for a call. It never fails.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        self.executor.poll_room(&mut self.room, cx).map(Ok)
    }

    /// Submits the call.
    fn call(&mut self, request: R) -> CallFuture<S, T> {
        let (handle, submitted) = (self.call)(&self.calls, request).submit_in(&mut self.room);
        CallFuture::new(&self.executor, handle, refused_as_full(submitted))
    }
}

impl<S: TaskSet, E: Clone, R, T, F: Clone> Clone for CallService<S, E, R, T, F> {
    fn clone(&self) -> Self {
        Self {
            executor: self.executor.clone(),
            calls: S::calls(self.executor.clone()),
            call: self.call.clone(),
            room: HeldRoom::default(),
            signature: PhantomData,
        }
    }
}

impl<S: TaskSet, E: fmt::Debug, R, T, F> fmt::Debug for CallService<S, E, R, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallService").field("set", &S::NAME).field("executor", &self.executor).finish_non_exhaustive()
    }
}
