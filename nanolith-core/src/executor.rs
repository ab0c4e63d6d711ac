//! The waist: one trait joins the typed calls above to whatever runs them below.

use crate::{
    error::Refused,
    host::Host,
    task::{Job, TaskSet},
};
use std::{future::Future, pin::Pin, sync::Arc};

/// A wait for room, which ends with the job taken, or refused and given back.
pub type Admission<'a, S> = Pin<Box<dyn Future<Output = Result<(), Refused<Job<S>>>> + Send + 'a>>;

/// Runs the tasks of `S`: a pool, a service, or a layer around another executor.
///
/// It takes a [`Job`] whole or gives it back whole. It is dyn-compatible: `Arc<dyn Executor<S>>` is one too.
///
/// ```
/// use nanolith_core::{Executor, Job, Refused, Stopped, TaskSet};
/// /// Counts the calls that pass.
/// struct Counted<E>(E, std::sync::atomic::AtomicU64);
/// impl<S: TaskSet, E: Executor<S>> Executor<S> for Counted<E> {
///     fn execute(&self, job: Job<S>) -> Result<(), Refused<Job<S>>> {
///         self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
///         self.0.execute(job)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not run the tasks of `{S}`",
    label = "not an executor for `{S}`",
    note = "pools, services and `Arc<dyn Executor<{S}>>` are executors"
)]
pub trait Executor<S: TaskSet>: Send + Sync {
    /// Takes the job, without waiting.
    ///
    /// # Errors
    ///
    /// Gives the job back when there is no room ([`Refused::is_full`]), or when it can never be run here.
    fn execute(&self, job: Job<S>) -> Result<(), Refused<Job<S>>>;

    /// Takes the job, when there is room for it. An executor that does not wait for room refuses at once, which is what
    /// this does unless it is written anew.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the job is dropped with it, and its call ends as lost.
    fn admit(&self, job: Job<S>) -> Admission<'_, S> {
        Box::pin(std::future::ready(self.execute(job)))
    }

    /// Who holds the calls, for those that run in this process.
    #[doc(hidden)]
    fn host(&self) -> Option<HostRef> {
        None
    }

    /// What each call carries of the state.
    #[doc(hidden)]
    fn shared(&self) -> Option<S::Shared> {
        None
    }
}

/// The holder of a call, opaque.
#[doc(hidden)]
#[derive(Clone)]
pub struct HostRef(pub(crate) Arc<dyn Host>);

macro_rules! forward {
    ($pointer:ty) => {
        impl<S: TaskSet, E: Executor<S> + ?Sized> Executor<S> for $pointer {
            fn execute(&self, job: Job<S>) -> Result<(), Refused<Job<S>>> {
                (**self).execute(job)
            }

            fn admit(&self, job: Job<S>) -> Admission<'_, S> {
                (**self).admit(job)
            }

            fn host(&self) -> Option<HostRef> {
                (**self).host()
            }

            fn shared(&self) -> Option<S::Shared> {
                (**self).shared()
            }
        }
    };
}

forward!(Arc<E>);
forward!(Box<E>);
forward!(&E);

/// An executor that shares the state of `S` with its tasks: services, and pools under `#[define(shared)]`.
#[diagnostic::on_unimplemented(
    message = "`{S}`'s method uses its state, and `{Self}` has none",
    label = "this method takes `&self`",
    note = "launch a service with `{S}::service(..)`, or share the state on a pool with `#[define(shared)]` and `{S}::shared(state).on(&pool)`"
)]
pub trait SharesState<S: TaskSet>: Executor<S> {}

/// An executor that owns the state of `S`: services.
#[diagnostic::on_unimplemented(
    message = "`{S}`'s method changes its state: only a service owns it",
    label = "this method takes `&mut self`",
    note = "launch a service with `{S}::service(..)` and call the method on it"
)]
pub trait OwnsState<S: TaskSet>: SharesState<S> {}

/// An executor that keeps a task's future on one thread: services.
#[diagnostic::on_unimplemented(
    message = "`{S}`'s method stays on one thread: only a service runs it",
    label = "this method is `#[task(local)]`",
    note = "launch a service with `{S}::service(..)` and call the method on it"
)]
pub trait RunsLocal<S: TaskSet>: Executor<S> {}

impl<S: TaskSet, E: SharesState<S> + ?Sized> SharesState<S> for Arc<E> {}
impl<S: TaskSet, E: OwnsState<S> + ?Sized> OwnsState<S> for Arc<E> {}
impl<S: TaskSet, E: RunsLocal<S> + ?Sized> RunsLocal<S> for Arc<E> {}
