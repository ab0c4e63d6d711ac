//! [`Spawn`]: the sealed trait of values that a group can spawn: a call, or a call whose nested
//! results are flattened.

use crate::{
    error::{CallError, TaskError},
    executor::Executor,
    sync::cancel_token::CancelToken,
    task::TaskSet,
    typed::{Call, Flatten, Handle, flatten},
};
use std::task::{Context, Poll};

/// A call, or a call's [`flatten`](Call::flatten), to spawn in a
/// [`TaskGroup`](crate::group::TaskGroup) or a [`TryScope`](crate::group::TryScope). This trait is
/// sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no call",
    label = "a call is what is spawned: `geometry.add(1, 2)`"
)]
pub trait Spawn: sealed::Spawn {}

pub(super) mod sealed {
    use super::{CancelToken, Context, Poll, Watched};

    pub trait Spawn {
        /// The output of the call.
        type Output: Send + 'static;
        /// The error of the call.
        type Error: Send + 'static;

        /// Returns the call with `token` as a further source of cancellation.
        #[doc(hidden)]
        fn under(self, token: &CancelToken) -> Self;

        /// Submits the call. Blocks while it waits for queue room.
        #[doc(hidden)]
        fn submit(self) -> Watched<Self::Output, Self::Error>;

        /// Submits the call without blocking.
        #[doc(hidden)]
        fn poll_submit(&mut self, cx: &mut Context<'_>) -> Poll<Watched<Self::Output, Self::Error>>;
    }
}

/// A handle whose owner is woken when the call is over, and can then take the outcome.
#[doc(hidden)]
#[allow(missing_debug_implementations)] // no user can name it
pub struct Watched<T, X>(pub(super) Box<dyn Watch<T, X>>);

pub(super) trait Watch<T, X>: Send {
    /// Returns whether the call is over. If not, wakes `cx` when it is.
    fn is_over(&self, cx: &mut Context<'_>) -> bool;

    /// Returns the outcome of the call, or the handle if the call is not over.
    fn outcome(self: Box<Self>) -> Result<Result<T, X>, Box<dyn Watch<T, X>>>;
}

impl<S: TaskSet, E: Executor<S> + ?Sized, T: Send + 'static> Spawn for Call<'_, S, E, T> {}

impl<S: TaskSet, E: Executor<S> + ?Sized, T: Send + 'static> sealed::Spawn for Call<'_, S, E, T> {
    type Output = T;
    type Error = CallError;

    fn under(self, token: &CancelToken) -> Self {
        self.linked_to(token)
    }

    fn submit(self) -> Watched<T, CallError> {
        Watched(Box::new(Call::submit(self)))
    }

    fn poll_submit(&mut self, cx: &mut Context<'_>) -> Poll<Watched<T, CallError>> {
        Call::poll_submit(self, cx).map(|handle| Watched(Box::new(handle)))
    }
}

impl<S: TaskSet, T: Send + 'static> Watch<T, CallError> for Handle<S, T> {
    fn is_over(&self, cx: &mut Context<'_>) -> bool {
        self.watch(cx)
    }

    fn outcome(self: Box<Self>) -> Result<Result<T, CallError>, Box<dyn Watch<T, CallError>>> {
        self.try_wait().map_err(|handle| Box::new(handle) as Box<dyn Watch<T, CallError>>)
    }
}

impl<S: TaskSet, E: Executor<S> + ?Sized, V: Send + 'static, X: Send + 'static> Spawn
    for Flatten<Call<'_, S, E, Result<V, X>>>
{
}

impl<S: TaskSet, E: Executor<S> + ?Sized, V: Send + 'static, X: Send + 'static> sealed::Spawn
    for Flatten<Call<'_, S, E, Result<V, X>>>
{
    type Output = V;
    type Error = TaskError<X>;

    fn under(self, token: &CancelToken) -> Self {
        self.into_inner().linked_to(token).flatten()
    }

    fn submit(self) -> Watched<V, TaskError<X>> {
        Watched(Box::new(Flat(self.into_inner().submit())))
    }

    fn poll_submit(&mut self, cx: &mut Context<'_>) -> Poll<Watched<V, TaskError<X>>> {
        self.inner_mut().poll_submit(cx).map(|handle| Watched(Box::new(Flat(handle))))
    }
}

/// A handle that flattens the nested results of its call.
struct Flat<S: TaskSet, V, X>(Handle<S, Result<V, X>>);

impl<S: TaskSet, V: Send + 'static, X: Send + 'static> Watch<V, TaskError<X>> for Flat<S, V, X> {
    fn is_over(&self, cx: &mut Context<'_>) -> bool {
        self.0.watch(cx)
    }

    fn outcome(self: Box<Self>) -> Result<Result<V, TaskError<X>>, Box<dyn Watch<V, TaskError<X>>>> {
        match self.0.try_wait() {
            Ok(outcome) => Ok(flatten::<S, V, X>(outcome)),
            Err(handle) => Err(Box::new(Self(handle))),
        }
    }
}
