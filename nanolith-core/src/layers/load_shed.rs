//! Away with what there is no room for.

use super::layered::{Around, Entered, OneBeneath, Policy, layer};
use crate::{
    error::Refused,
    executor::Executor,
    task::{Job, TaskSet},
};
use std::sync::Arc;

/// Rejects a call at once when the executor beneath has no room for it, where it would wait otherwise.
///
/// ```
/// use nanolith::{TaskSet, layers::{Layer, LoadShed}, prelude::*};
/// # use nanolith_doc_sets::*;
/// let pool = Pool::builder().max_queue(MaxQueue::Bounded(1)).build()?; // calls wait for room
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
    /// Rejects what there is no room for.
    pub const fn new() -> Self {
        Self(())
    }
}

layer!(LoadShed);
impl OneBeneath for LoadShed {}

impl<S: TaskSet> Policy<S> for LoadShed {
    type Pass = ();
    const WAITS: bool = false;

    fn enter<E: Executor<S> + 'static>(_: &Arc<Around<Self, E>>, job: Job<S>) -> Entered<S, ()> {
        Entered::On(job, ())
    }

    fn refused<E>(_: &Arc<Around<Self, E>>, refused: Refused<Job<S>>, _for_good: bool) -> Result<(), Refused<Job<S>>>
    where
        E: Executor<S> + 'static,
    {
        if !refused.is_full() {
            return Err(refused);
        }
        let job = refused.into_inner();
        let error = job.rejected("LoadShed");
        Err(Refused::new(job, error))
    }
}
