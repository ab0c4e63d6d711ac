//! [`Layered`], an executor with a layer around it, and [`LayerPolicy`], the behaviour of one layer
//! of this module.

use crate::{
    call::backend::ExecutorId,
    error::SubmitError,
    executor::{Admission, Executor, HeldRoom, OwnsState, RunsLocal, SharesState},
    meta::visited_layers::LayerId,
    task::{Job, TaskSet},
};
use std::{
    fmt,
    future::{Future, ready},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// An executor with a layer around it: the result of [`Layer::layer`](super::Layer::layer) for the
/// layers of this module. Clones share both.
///
/// ```
/// use nanolith::{TaskSet, layers::{CircuitBreaker, Layer, Layered}, prelude::*};
/// # use nanolith_doc_sets::*;
/// let guarded: Layered<CircuitBreaker, Pool> = CircuitBreaker::new().layer(Pool::builder().build()?);
/// assert_eq!(Geometry::calls(guarded.clone()).add(4, 5).wait()?, 9);
/// println!("{:?}, {} calls", guarded.policy().state(), guarded.inner().info().completed);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
pub struct Layered<L, E> {
    around: Arc<LayerStack<L, E>>,
}

/// A layer and its inner executor.
pub struct LayerStack<L, E> {
    pub(super) layer: L,
    pub(super) inner: E,
    id: LayerId,
}

/// The result of submitting a job to a layer.
#[allow(missing_debug_implementations)] // no user can name it
pub enum EnterResult<S: TaskSet, P> {
    /// The job goes to the inner executor. It is the given job, or a job that represents it. `P` is
    /// kept until the inner executor has taken the job.
    Forward(Job<S>, P),
    /// The call is over.
    Finished,
    Refused(SubmitError<Job<S>>),
}

/// A future that waits until a layer lets a job in.
pub(super) type Entering<'a, S, P> = Pin<Box<dyn Future<Output = EnterResult<S, P>> + Send + 'a>>;

/// The behaviour of a layer. Only the layers of this module implement it.
pub trait LayerPolicy<S: TaskSet>: Send + Sync + Sized + 'static {
    /// A value whose drop undoes the entry, if the inner executor refuses the job.
    type Reservation: Send + 'static;

    /// Whether a call waits for queue room when the inner executor is full.
    const WAITS_FOR_ROOM: bool = true;

    /// Whether all calls of the layer are held by the inner executor, so that the layer may return
    /// its id.
    const SINGLE_EXECUTOR: bool = true;

    /// Lets the job in, without waiting.
    fn enter<E: Executor<S> + 'static>(
        around: &Arc<LayerStack<Self, E>>,
        job: Job<S>,
    ) -> EnterResult<S, Self::Reservation>;

    /// Lets the job in once the layer has room for it.
    fn admit<'a, E>(around: &'a Arc<LayerStack<Self, E>>, job: Job<S>) -> Entering<'a, S, Self::Reservation>
    where
        E: Executor<S> + 'static,
    {
        Box::pin(ready(Self::enter(around, job)))
    }

    /// Called when the inner executor has taken the job.
    fn taken(pass: Self::Reservation) {
        drop(pass);
    }

    /// Called when the inner executor has refused the job. `for_good` is `true` if the job had
    /// waited for room. A job that is given back is marked, so that the layer recognizes it later.
    fn refused<E>(
        around: &Arc<LayerStack<Self, E>>,
        refused: SubmitError<Job<S>>,
        for_good: bool,
    ) -> Result<(), SubmitError<Job<S>>>
    where
        E: Executor<S> + 'static,
    {
        let _ = for_good;
        around.return_marked(refused)
    }
}

/// A layer with one inner executor, so that the layer has that executor's state.
pub trait Transparent {}

impl<L, E> Layered<L, E> {
    pub(super) fn new(layer: L, inner: E) -> Self {
        Self { around: Arc::new(LayerStack { layer, inner, id: LayerId::new() }) }
    }

    /// Returns the layer.
    #[must_use]
    pub fn policy(&self) -> &L {
        &self.around.layer
    }

    /// Returns the inner executor.
    #[must_use]
    pub fn inner(&self) -> &E {
        &self.around.inner
    }
}

impl<L, E> Clone for Layered<L, E> {
    fn clone(&self) -> Self {
        Self { around: self.around.clone() }
    }
}

impl<S: TaskSet, L: LayerPolicy<S>, E: Executor<S> + 'static> Executor<S> for Layered<L, E> {
    fn try_execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
        self.around.submit(job, E::try_execute)
    }

    fn execute(&self, job: Job<S>) -> Admission<'_, S> {
        if !L::WAITS_FOR_ROOM {
            return Box::pin(ready(self.try_execute(job)));
        }
        let around = &self.around;
        Box::pin(async move {
            let (job, pass) = match around.is_reentry(job) {
                Ok(job) => (job, None),
                Err(job) => match L::admit(around, job).await {
                    EnterResult::Forward(job, pass) => (job, Some(pass)),
                    EnterResult::Finished => return Ok(()),
                    EnterResult::Refused(refused) => return Err(refused),
                },
            };
            let taken = around.inner.execute(job).await;
            around.close::<S>(taken, pass, true)
        })
    }

    fn poll_room(&self, room: &mut HeldRoom, cx: &mut Context<'_>) -> Poll<()> {
        self.around.inner.poll_room(room, cx)
    }

    fn execute_in(&self, job: Job<S>, room: &mut HeldRoom) -> Result<(), SubmitError<Job<S>>> {
        self.around.submit(job, |inner, job| inner.execute_in(job, room))
    }

    fn accepts_calls(&self) -> bool {
        self.around.inner.accepts_calls()
    }

    fn host(&self) -> Option<ExecutorId> {
        self.around.inner.host().filter(|_| L::SINGLE_EXECUTOR)
    }
}

impl<L, E> LayerStack<L, E> {
    /// Returns the job as `Ok` if it has passed this layer before, and as `Err` otherwise.
    fn is_reentry<S: TaskSet>(&self, job: Job<S>) -> Result<Job<S>, Job<S>> {
        if job.has_layer(self.id) { Ok(job) } else { Err(job) }
    }

    /// Returns a job, marked so that this layer recognizes it later.
    pub(super) fn return_marked<S: TaskSet>(&self, refused: SubmitError<Job<S>>) -> Result<(), SubmitError<Job<S>>> {
        refused.value().mark_layer(self.id);
        Err(refused)
    }

    /// Lets the job in, without waiting, and passes it to the inner executor by `take`.
    fn submit<S: TaskSet>(
        self: &Arc<Self>,
        job: Job<S>,
        take: impl FnOnce(&E, Job<S>) -> Result<(), SubmitError<Job<S>>>,
    ) -> Result<(), SubmitError<Job<S>>>
    where
        L: LayerPolicy<S>,
        E: Executor<S> + 'static,
    {
        let (job, pass) = match self.is_reentry(job) {
            Ok(job) => (job, None),
            Err(job) => match L::enter(self, job) {
                EnterResult::Forward(job, pass) => (job, Some(pass)),
                EnterResult::Finished => return Ok(()),
                EnterResult::Refused(refused) => return Err(refused),
            },
        };
        self.close::<S>(take(&self.inner, job), pass, !L::WAITS_FOR_ROOM)
    }

    /// Handles the result of submitting the job to the inner executor.
    fn close<S: TaskSet>(
        self: &Arc<Self>,
        taken: Result<(), SubmitError<Job<S>>>,
        pass: Option<L::Reservation>,
        for_good: bool,
    ) -> Result<(), SubmitError<Job<S>>>
    where
        L: LayerPolicy<S>,
        E: Executor<S> + 'static,
    {
        match taken {
            Ok(()) => {
                pass.into_iter().for_each(L::taken);
                Ok(())
            }
            Err(refused) => {
                drop(pass);
                L::refused(self, refused, for_good)
            }
        }
    }
}

#[diagnostic::do_not_recommend] // the advice is to use a service
impl<S: TaskSet, L: LayerPolicy<S> + Transparent, E: SharesState<S> + 'static> SharesState<S> for Layered<L, E> {}
#[diagnostic::do_not_recommend]
impl<S: TaskSet, L: LayerPolicy<S> + Transparent, E: OwnsState<S> + 'static> OwnsState<S> for Layered<L, E> {}
#[diagnostic::do_not_recommend]
impl<S: TaskSet, L: LayerPolicy<S> + Transparent, E: RunsLocal<S> + 'static> RunsLocal<S> for Layered<L, E> {}

impl<L: fmt::Debug, E: fmt::Debug> fmt::Debug for Layered<L, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layered").field("layer", &self.around.layer).field("inner", &self.around.inner).finish()
    }
}

impl<L, E> fmt::Debug for LayerStack<L, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayerStack").finish_non_exhaustive()
    }
}

/// Implements `Layer` for a layer of this module.
macro_rules! layer {
    ($layer:ident $(<$($param:ident),+>)?) => {
        impl<E $($(, $param)+)?> super::Layer<E> for $layer $(<$($param),+>)? {
            type Executor = super::Layered<Self, E>;

            fn layer(self, inner: E) -> super::Layered<Self, E> {
                super::Layered::new(self, inner)
            }
        }
    };
}
pub(super) use layer;
