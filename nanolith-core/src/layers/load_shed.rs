//! Load shedding: a layer that rejects calls when the inner executor is full.

use super::layered::{EnterResult, LayerPolicy, LayerStack, Transparent, layer};
use crate::{
    error::SubmitError,
    executor::Executor,
    task::{Job, TaskSet},
};
use std::sync::Arc;

/// A layer that rejects a call at once when the inner executor is full. Without this layer the call
/// would wait.
///
/// ```
/// use nanolith::{TaskSet, layers::{Layer, LoadShed}, prelude::*};
/// # use nanolith_doc_sets::*;
/// let pool = Pool::builder().max_queue(1).build()?; // calls wait for room
/// # pool.pause();
/// let geometry = Geometry::calls(LoadShed::new().layer(pool.clone()));
/// let first = geometry.add(1, 2).submit(); // fills the queue of a pool that is paused
/// assert!(matches!(geometry.add(4, 5).wait(), Err(CallError::Rejected("LoadShed", _))));
/// # pool.resume();
/// assert_eq!(first.wait()?, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a layer does nothing until it is put around an executor"]
pub struct LoadShed(());

impl LoadShed {
    /// Creates the layer.
    pub const fn new() -> Self {
        Self(())
    }
}

layer!(LoadShed);
impl Transparent for LoadShed {}

impl<S: TaskSet> LayerPolicy<S> for LoadShed {
    type Reservation = ();
    const WAITS_FOR_ROOM: bool = false;

    fn enter<E: Executor<S> + 'static>(_: &Arc<LayerStack<Self, E>>, job: Job<S>) -> EnterResult<S, ()> {
        EnterResult::Forward(job, ())
    }

    fn refused<E>(
        _: &Arc<LayerStack<Self, E>>,
        refused: SubmitError<Job<S>>,
        _for_good: bool,
    ) -> Result<(), SubmitError<Job<S>>>
    where
        E: Executor<S> + 'static,
    {
        if !refused.is_full() {
            return Err(refused);
        }
        let job = refused.into_inner();
        let error = job.rejected("LoadShed");
        Err(SubmitError::new(job, error))
    }
}
